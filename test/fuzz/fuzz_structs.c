/*
 * Structures that begin with their size, of every size and content, in memory that ends where they
 * do: nothing behind is read or written, and what is refused leaves nothing.
 */
#include "contract_env.h"
#include "fuzz.h"
#include "unit.h"

#include <stddef.h>
#include <string.h>

#define STRUCT_MOST 4096 /* iocploop.h: a larger one is refused */

/*
 * The structure, as the caller has it: the memory is as large as it says, or, if it says that it is
 * larger or smaller than any, as large as its size alone.
 */
static unsigned char *struct__create(const uint8_t *data, size_t size, uint32_t stated)
{
    size_t room = stated < sizeof stated || stated > STRUCT_MOST ? sizeof stated : stated;
    unsigned char *block = calloc(1, room);
    size_t rest = room - sizeof stated;
    FUZZ_EXPECT(block != NULL);
    memcpy(block, &stated, sizeof stated);
    if (size > 0 && rest > 0) {
        memcpy(block + sizeof stated, data, size < rest ? size : rest);
    }
    return block;
}

/* What a program could have meant: the allocator's functions are some, with their context, or none. */
static void options__mend(unsigned char *block, uint32_t stated, unit_memory *memory)
{
    iocp_loop_options_t options = {.size = stated};
    size_t known = stated < sizeof options ? stated : sizeof options;
    if (stated < sizeof stated || stated > STRUCT_MOST) {
        return;
    }
    memcpy(&options, block, known);
    bool has_context = known >= offsetof(iocp_loop_options_t, allocator_context) + sizeof(void *);
    options.allocate = has_context && options.allocate != NULL ? memory->alloc.allocate : NULL;
    options.free = has_context && options.free != NULL ? memory->alloc.free : NULL;
    options.allocator_context = memory;
    memcpy(block, &options, known);
}

static void options__try(const uint8_t *data, size_t size, uint32_t stated)
{
    unit_memory memory;
    iocp_loop_t *loop = NULL;
    unsigned char *block = struct__create(data, size, stated);
    unit_memory_init(&memory);
    options__mend(block, stated, &memory);
    int status = iocp_loop_create((const iocp_loop_options_t *)(const void *)block, &loop);
    FUZZ_EXPECT(status == IOCP_OK || status == IOCP_EINVAL);
    FUZZ_EXPECT((status == IOCP_OK) == (loop != NULL));
    if (status == IOCP_OK) {
        FUZZ_EXPECT(stated >= sizeof stated && stated <= STRUCT_MOST);
        FUZZ_EXPECT(iocp_loop_destroy(loop, UINT64_MAX) == IOCP_OK);
    }
    FUZZ_EXPECT(unit_memory_live(&memory) == 0);
    free(block);
}

/* What is in it before does not matter, except for its size. */
static void stats__try(const uint8_t *data, size_t size, uint32_t stated, bool is_of_type, int type)
{
    iocp_loop_t *loop = NULL;
    unsigned char *block = struct__create(data, size, stated);
    FUZZ_EXPECT(iocp_loop_create(NULL, &loop) == IOCP_OK);
    int status = is_of_type ? iocp_loop_type_stats(loop, (iocp_type_t)type,
                                                   (iocp_type_stats_t *)(void *)block)
                            : iocp_loop_stats(loop, (iocp_stats_t *)(void *)block);
    bool is_valid = stated >= sizeof stated && stated <= STRUCT_MOST &&
                    (!is_of_type || (type > 0 && type < IOCP_TYPES));
    uint32_t most = is_of_type ? sizeof(iocp_type_stats_t) : sizeof(iocp_stats_t);
    uint32_t told;
    memcpy(&told, block, sizeof told);
    FUZZ_EXPECT(status == (is_valid ? IOCP_OK : IOCP_EINVAL));
    FUZZ_EXPECT(told == (is_valid && stated > most ? most : stated));
    FUZZ_EXPECT(iocp_loop_destroy(loop, UINT64_MAX) == IOCP_OK);
    free(block);
}

/* Which, a type, the size in two bytes, and the content. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) {
        return 0;
    }
    uint32_t stated = (uint32_t)data[2] | (uint32_t)data[3] << 8;
    if (data[0] % 3 == 0) {
        options__try(data + 4, size - 4, stated);
    } else {
        stats__try(data + 4, size - 4, stated, data[0] % 3 == 1, (int8_t)data[1]);
    }
    return 0;
}
