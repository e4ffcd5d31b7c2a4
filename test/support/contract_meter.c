#include "contract_meter.h"

#include <stdlib.h>

/* As long as what malloc aligns to. */
typedef union meter_header {
    size_t size;
    char room[16];
} meter_header;

static void *IOCP_CALL meter__allocate(size_t size, void *context)
{
    contract_meter *self = context;
    meter_header *header = malloc(sizeof *header + size);
    if (header == NULL) {
        return NULL;
    }
    header->size = size;
    self->held += size;
    return header + 1;
}

static void IOCP_CALL meter__free(void *memory, void *context)
{
    contract_meter *self = context;
    meter_header *header = (meter_header *)memory - 1;
    self->held -= header->size;
    free(header);
}

iocp_loop_t *contract_meter_loop(contract_meter *meter)
{
    iocp_loop_t *loop = NULL;
    iocp_loop_options_t options = contract_options();
    options.allocate = meter__allocate;
    options.free = meter__free;
    options.allocator_context = meter;
    assert_int_equal(iocp_loop_create(&options, &loop), IOCP_OK);
    return loop;
}
