/*
 * Control data of any bytes, in memory that ends where they do, in both layouts. What was read is
 * written and read again: it is the same then. Data of any content is written, into room of any size.
 */
#include "fuzz.h"

#include "control.h"

#include <string.h>

/* A copy that ends where the bytes do. */
static void *exact__copy(const void *data, size_t size)
{
    void *copy = malloc(size);
    FUZZ_EXPECT(copy != NULL || size == 0);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

static ioc_control exact__read(const void *data, size_t size, size_t word_bytes)
{
    ioc_control control;
    void *copy = exact__copy(data, size);
    ioc_control_read(&control, word_bytes, copy, size);
    free(copy);
    return control;
}

static size_t exact__write(const ioc_control *control, int32_t level, size_t word_bytes,
                           void **data, size_t room)
{
    *data = malloc(room);
    FUZZ_EXPECT(*data != NULL || room == 0);
    memset(*data, 0, room);
    return ioc_control_write(control, level, word_bytes, *data, room);
}

/* What is both sent and received, on one level. */
static uint32_t parts__of_both(int32_t level)
{
    return IOC_CONTROL_HOPS | IOC_CONTROL_ECN |
           (level == IOC_LEVEL_IPV4 ? IOC_CONTROL_LOCAL_4 : IOC_CONTROL_LOCAL_6);
}

static void control__go_round(const ioc_control *control, int32_t level, size_t word_bytes,
                              size_t room)
{
    void *data = NULL;
    size_t size = exact__write(control, level, word_bytes, &data, IOC_CONTROL_BYTES);
    FUZZ_EXPECT(size <= IOC_CONTROL_BYTES && size % word_bytes == 0);
    ioc_control again = exact__read(data, size, word_bytes);
    FUZZ_EXPECT(again.parts == (control->parts & parts__of_both(level)));
    FUZZ_EXPECT((again.parts & IOC_CONTROL_HOPS) == 0 || again.hops == control->hops);
    FUZZ_EXPECT((again.parts & IOC_CONTROL_ECN) == 0 || again.ecn == control->ecn);
    FUZZ_EXPECT((again.parts & IOC_CONTROL_LOCAL_4) == 0 ||
                memcmp(&again.local_4, &control->local_4, sizeof again.local_4) == 0);
    FUZZ_EXPECT((again.parts & IOC_CONTROL_LOCAL_6) == 0 ||
                memcmp(&again.local_6, &control->local_6, sizeof again.local_6) == 0);
    free(data);
    FUZZ_EXPECT(exact__write(control, level, word_bytes, &data, room) == size);
    free(data);
}

/* The layout and the room; what is read; what is left over is content to be written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t levels[] = {IOC_LEVEL_IPV4, IOC_LEVEL_IPV6};
    if (size < 2) {
        return 0;
    }
    size_t word_bytes = (data[0] & 1) != 0 ? 8 : 4;
    ioc_control control = exact__read(data + 2, size - 2, word_bytes);
    ioc_control any = {0};
    memcpy(&any, data + 2, size - 2 < sizeof any ? size - 2 : sizeof any);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        control__go_round(&control, levels[i], word_bytes, data[1]);
        control__go_round(&any, levels[i], word_bytes, data[1]);
    }
    return 0;
}
