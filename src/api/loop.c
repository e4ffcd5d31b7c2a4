#include "loop.h"

#include "api.h"

static int loop__read_options(const iocp_loop_options_t *given, iocp_loop_options_t *options)
{
    int status = ioc_api_read_options(given, options, sizeof *options);
    if (status != IOCP_OK) {
        return status;
    }
    bool is_valid =
        options->batch <= IOC_BATCH_MAX && options->completion_mode <= IOCP_COMPLETION_SKIP &&
        options->sleep_method <= IOCP_SLEEP_PORT && options->check_threads <= 1 &&
        options->wake_on_resume <= 1 && (options->allocate == NULL) == (options->free == NULL);
    return is_valid ? IOCP_OK : IOCP_EINVAL;
}

int IOCP_CALL iocp_loop_create(const iocp_loop_options_t *options, iocp_loop_t **loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    iocp_loop_options_t checked;
    int status = loop__read_options(options, &checked);
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_loop_create(&checked, ioc_backend_default(), NULL, loop);
}

int IOCP_CALL iocp_loop_destroy(iocp_loop_t *loop, uint64_t timeout_ns)
{
    int status = ioc_api_check_run(loop, true);
    return status == IOCP_OK ? ioc_loop_destroy(loop, timeout_ns) : status;
}

int IOCP_CALL iocp_loop_run(iocp_loop_t *loop, iocp_run_mode_t mode)
{
    int status = ioc_api_check_run(loop, true);
    if (status != IOCP_OK) {
        return status;
    }
    switch (mode) {
    case IOCP_RUN_NO_WAIT:
        return ioc_loop_run(loop, 0, false);
    case IOCP_RUN_ONCE:
        return ioc_loop_run(loop, 1, false);
    case IOCP_RUN_UNTIL_DONE:
        return ioc_loop_run(loop, UINT64_MAX, false);
    case IOCP_RUN_UNTIL_STOPPED:
        return ioc_loop_run(loop, UINT64_MAX, true);
    }
    return IOCP_EINVAL;
}

int IOCP_CALL iocp_loop_tick(iocp_loop_t *loop, uint32_t wait)
{
    int status = ioc_api_check_run(loop, true);
    return status == IOCP_OK ? ioc_loop_run(loop, wait, false) : status;
}

int IOCP_CALL iocp_loop_submit(iocp_loop_t *loop)
{
    int status = ioc_api_check(loop, true);
    if (status == IOCP_OK) {
        ioc_ops_forget_now(&loop->loop_only.ops);
        ioc_loop_submit(loop);
    }
    return status;
}

int IOCP_CALL iocp_loop_stop(iocp_loop_t *loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    ioc_inbox_stop(&loop->shared.inbox);
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_resume(iocp_loop_t *loop)
{
    if (loop == NULL) {
        return IOCP_EINVAL;
    }
    ioc_inbox_resume(&loop->shared.inbox);
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_stopped(const iocp_loop_t *loop)
{
    return loop != NULL && ioc_inbox_is_stopped(&loop->shared.inbox);
}

uint32_t IOCP_CALL iocp_loop_native_error(const iocp_loop_t *loop)
{
    return loop != NULL ? loop->loop_only.native_error : 0;
}

uint64_t IOCP_CALL iocp_loop_now(const iocp_loop_t *loop)
{
    if (loop == NULL) {
        return 0;
    }
    return ioc_ops_now(&ioc_api_mutable(loop)->loop_only.ops);
}

void IOCP_CALL iocp_loop_update_now(iocp_loop_t *loop)
{
    if (loop != NULL) {
        ioc_ops_update_now(&loop->loop_only.ops);
    }
}

size_t IOCP_CALL iocp_loop_active(const iocp_loop_t *loop)
{
    return loop != NULL ? loop->loop_only.ops.active : 0;
}

int IOCP_CALL iocp_loop_next_deadline(const iocp_loop_t *loop, uint64_t *when_ns)
{
    int status = ioc_api_check(loop, when_ns != NULL);
    if (status != IOCP_OK) {
        return status;
    }
    uint64_t deadline_ns = ioc_loop_next_deadline(ioc_api_mutable(loop));
    if (deadline_ns == IOC_FOREVER) {
        return IOCP_ENOENT;
    }
    *when_ns = deadline_ns;
    return IOCP_OK;
}

int IOCP_CALL iocp_loop_post_packet(iocp_loop_t *loop, uintptr_t key, uint32_t bytes,
                                    void *overlapped)
{
    bool is_key = key != 0 && (key & 1) == 0;
    if (loop == NULL || !is_key || !loop->shared.takes_packets) {
        return IOCP_EINVAL;
    }
    iocp_packet_t packet = {.key = key, .overlapped = overlapped, .bytes = bytes};
    return ioc_inbox_post_packet(&loop->shared.inbox, &packet);
}

int IOCP_CALL iocp_loop_native_port(const iocp_loop_t *loop, void **handle)
{
    int status = ioc_api_check(loop, handle != NULL);
    if (status == IOCP_OK) {
        *handle = loop->loop_only.ops.backend->native(loop->loop_only.ops.port);
    }
    return status;
}

size_t IOCP_CALL iocp_loop_trim(iocp_loop_t *loop)
{
    return ioc_api_check(loop, true) == IOCP_OK ? ioc_loop_trim(loop) : 0;
}

int IOCP_CALL iocp_loop_set_data(iocp_loop_t *loop, void *data)
{
    int status = ioc_api_check(loop, true);
    if (status == IOCP_OK) {
        loop->loop_only.data = data;
    }
    return status;
}

int IOCP_CALL iocp_loop_get_data(const iocp_loop_t *loop, void **data)
{
    int status = ioc_api_check(loop, data != NULL);
    if (status == IOCP_OK) {
        *data = loop->loop_only.data;
    }
    return status;
}
