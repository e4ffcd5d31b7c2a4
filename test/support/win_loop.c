#include "win_loop.h"

#include "loop.h"

#include "win_faults.h"
#include "win_leaks.h"

int win_loop_try_create(const ioc_sys *sys, unit_memory *memory, iocp_loop_options_t options,
                        iocp_loop_t **loop)
{
    ioc_win_options win_options = {.sys = sys};
    options.size = sizeof options;
    options.allocate = memory->alloc.allocate;
    options.free = memory->alloc.free;
    options.allocator_context = memory->alloc.context;
    return ioc_loop_create(&options, ioc_backend_default(), &win_options, loop);
}

iocp_loop_t *win_loop_create(const ioc_sys *sys, unit_memory *memory, iocp_completion_mode_t mode)
{
    iocp_loop_options_t options = {.completion_mode = (uint32_t)mode};
    iocp_loop_t *loop = NULL;
    assert_int_equal(win_loop_try_create(sys, memory, options, &loop), IOCP_OK);
    return loop;
}

void win_loop_destroy(iocp_loop_t **loop)
{
    if (*loop != NULL) {
        assert_int_equal(iocp_loop_destroy(*loop, UINT64_MAX), IOCP_OK);
        *loop = NULL;
    }
}

void win_loop_check_leaks(const unit_memory *memory, size_t handles_before)
{
    assert_int_equal(unit_memory_live(memory), 0);
    assert_int_equal(win_settled_handles(handles_before), handles_before);
    assert_int_equal(win_faults_held(), 0);
}
