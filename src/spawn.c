#include "spawn.h"

void ioc_spawn_tell(const ioc_op *op, iocp_result_t *result)
{
    ioc_opening_tell(op, result);
    result->value = ioc_opening_of(op)->handle->process_id;
}
