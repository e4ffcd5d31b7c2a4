/* Does what shows that the header, the library and the calling convention fit: one timer. */
#include <iocploop.h>

#include <stdio.h>

static iocp_action_t IOCP_CALL on_timer(iocp_loop_t *loop, const iocp_result_t *result,
                                        void *userdata)
{
    int *fired = (int *)userdata;
    (void)loop;
    if (result->status == IOCP_OK)
        *fired += 1;
    return IOCP_DISARM;
}

int main(void)
{
    iocp_loop_t *loop = NULL;
    int fired = 0;
    int error;

    if (iocp_version() != IOCP_VERSION) {
        printf("header %x, library %x\n", (unsigned)IOCP_VERSION, (unsigned)iocp_version());
        return 1;
    }
    error = iocp_loop_create(NULL, &loop);
    if (error == IOCP_OK)
        error = iocp_timer(loop, 1000000, on_timer, &fired, NULL);
    if (error == IOCP_OK)
        error = iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE);
    if (error == IOCP_OK)
        error = iocp_loop_destroy(loop, 1000000000);
    printf("iocploop %s: %s, %d timer fired\n", iocp_version_string(), iocp_error_name(error),
           fired);
    return error == IOCP_OK && fired == 1 ? 0 : 1;
}
