/* The IOCP backend as tables: which unit does what, by kind of operation and by class of handle. */
#include "backend.h"

#include "errmap.h"
#include "job.h"
#include "net/afd.h"
#include "net/connection.h"
#include "net/group.h"
#include "net/lookup.h"
#include "net/message.h"
#include "net/options.h"
#include "net/socket.h"
#include "net/transmit.h"
#include "net/winsock.h"
#include "net/wsamsg.h"
#include "object/adopt.h"
#include "object/child.h"
#include "object/console.h"
#include "object/directory.h"
#include "object/disk.h"
#include "object/file.h"
#include "object/own_call.h"
#include "object/pipe_client.h"
#include "object/pipe_server.h"
#include "object/process.h"
#include "object/pseudo_console.h"
#include "object/stdio.h"
#include "overlapped.h"
#include "resume.h"
#include "sleep.h"
#include "wait.h"
#include "work.h"

#include <string.h>

static const ioc_win_kind *backend__kind_of(const ioc_op *op);

/* ---- The port with all that the units keep with it ---- */

typedef struct backend_port {
    ioc_win_port port; /* first */
    ioc_overlapped overlapped;
    ioc_sleep sleep;
    ioc_waits waits;
    ioc_jobs jobs;
    ioc_winsock winsock;
    ioc_afd afd;
    ioc_resume resume;
} backend_port;

static int backend__attach(backend_port *own, const ioc_port_options *options,
                           uint32_t *native_error)
{
    ioc_overlapped_attach(&own->overlapped, &own->port, backend__kind_of);
    ioc_waits_attach(&own->waits, &own->port);
    ioc_jobs_attach(&own->jobs, &own->port);
    ioc_afd_attach(&own->afd, &own->port);
    *native_error = ioc_winsock_attach(&own->winsock, &own->port);
    if (*native_error != 0) {
        return ioc_errmap_from_native(*native_error);
    }
    int status = ioc_sleep_attach(&own->sleep, &own->port, options->sleep_method, native_error);
    return status == IOCP_OK && options->wakes_on_resume
               ? ioc_resume_attach(&own->resume, &own->port, native_error)
               : status;
}

static int backend__open(const ioc_port_options *options, ioc_port **port, uint32_t *native_error)
{
    backend_port *own = ioc_alloc_take(options->alloc, sizeof *own);
    if (own == NULL) {
        return IOCP_ENOMEM;
    }
    int status = ioc_port_init(&own->port, options, native_error);
    if (status == IOCP_OK) {
        status = backend__attach(own, options, native_error);
        if (status != IOCP_OK) {
            ioc_port_deinit(&own->port);
        }
    }
    if (status != IOCP_OK) {
        ioc_alloc_give(options->alloc, own);
        return status;
    }
    *port = &own->port.base;
    return IOCP_OK;
}

static void backend__close(ioc_port *base)
{
    ioc_win_port *port = ioc_win_port_of(base);
    ioc_alloc *alloc = port->alloc;
    ioc_port_deinit(port);
    ioc_alloc_give(alloc, base);
}

static uint32_t backend__capabilities(void)
{
    const ioc_sys *sys = ioc_sys_default();
    ioc_nt nt;
    ioc_pseudo_calls calls;
    ioc_nt_load(&nt, sys);
    return (ioc_nt_has_wait_packets(&nt) ? IOCP_CAP_WAIT_PACKETS : 0u) |
           (ioc_sleep_has_high_resolution(sys) ? IOCP_CAP_HIGH_RESOLUTION_TIMERS : 0u) |
           (ioc_pseudo_console_find(sys, &calls) ? IOCP_CAP_PSEUDO_CONSOLE : 0u) |
           (ioc_winsock_has_unix(sys) ? IOCP_CAP_UNIX_SOCKETS : 0u) |
           (ioc_winsock_has_segments(sys) ? IOCP_CAP_SEGMENTS : 0u) |
           (ioc_directory_has_details(sys) ? IOCP_CAP_CHANGE_DETAILS : 0u);
}

static iocp_sleep_method_t backend__sleep_method(ioc_port *port)
{
    return ioc_sleep_method(ioc_win_port_of(port));
}

/* ---- Classes of handles ---- */

/* What differs from class to class of handle. */
typedef struct backend_class {
    int (*join)(ioc_win_port *port, ioc_win_handle *handle); /* the port, once */
    void (*close)(ioc_win_port *port, ioc_win_handle *handle);

    /* By iocp_type_t, the kinds that are carried out in another way on these. NULL: none is. */
    const ioc_win_kind *const *kinds;
} backend_class;

static int backend__join_nothing(ioc_win_port *port, ioc_win_handle *handle)
{
    (void)port;
    (void)handle;
    return IOCP_OK;
}

static void backend__close_other(ioc_win_port *port, ioc_win_handle *handle)
{
    if (handle->is_socket) {
        ioc_socket_close(port, handle);
    } else {
        ioc_file_close(port, handle);
    }
}

static const ioc_win_kind backend_pipe_accept = {ioc_pipe_server_start_accept,
                                                 ioc_pipe_server_cancel_accept,
                                                 ioc_overlapped_release, ioc_pipe_server_accepted};
static const ioc_win_kind backend_stdin_read = {ioc_stdio_start, ioc_stdio_cancel,
                                                ioc_overlapped_release, ioc_stdio_was_read};
static const ioc_win_kind backend_stdout_write = {ioc_stdio_start, ioc_stdio_cancel,
                                                  ioc_overlapped_release, ioc_stdio_was_written};

static const ioc_win_kind backend_datagram_lent = {ioc_message_start_recvfrom,
                                                   ioc_overlapped_cancel, ioc_overlapped_release,
                                                   ioc_message_received_lent};
static const ioc_win_kind backend_pipe_lent = {ioc_file_start_read, ioc_overlapped_cancel,
                                               ioc_overlapped_release, ioc_file_was_read_lent};

static const ioc_win_kind *const backend_on_datagram[IOC_KINDS] = {
    [IOCP_TYPE_RECV_LENT] = &backend_datagram_lent,
};
static const ioc_win_kind *const backend_on_pipe[IOC_KINDS] = {
    [IOCP_TYPE_RECV_LENT] = &backend_pipe_lent,
};
static const ioc_win_kind *const backend_on_listener[IOC_KINDS] = {
    [IOCP_TYPE_ACCEPT] = &backend_pipe_accept,
};
static const ioc_win_kind *const backend_on_stdin[IOC_KINDS] = {
    [IOCP_TYPE_READ] = &backend_stdin_read,
};
static const ioc_win_kind *const backend_on_stdout[IOC_KINDS] = {
    [IOCP_TYPE_WRITE] = &backend_stdout_write,
};

static const backend_class backend_classes[] = {
    [IOCP_HANDLE_STREAM] = {ioc_socket_join_port, ioc_socket_close},
    [IOCP_HANDLE_DATAGRAM] = {ioc_socket_join_port, ioc_socket_close, backend_on_datagram},
    [IOCP_HANDLE_FILE] = {ioc_file_join_port, ioc_file_close},
    [IOCP_HANDLE_FOLDER] = {ioc_directory_join_port, ioc_file_close},
    [IOCP_HANDLE_PIPE] = {ioc_file_join_port, ioc_file_close, backend_on_pipe},
    [IOCP_HANDLE_PIPE_LISTENER] = {backend__join_nothing, ioc_pipe_server_close,
                                   backend_on_listener},
    [IOCP_HANDLE_PIPE_END] = {backend__join_nothing, ioc_file_close},
    [IOCP_HANDLE_PROCESS] = {backend__join_nothing, ioc_process_close},
    [IOC_HANDLE_STDIN] = {backend__join_nothing, ioc_stdio_close, backend_on_stdin},
    [IOC_HANDLE_STDOUT] = {backend__join_nothing, ioc_stdio_close, backend_on_stdout},
    [IOCP_HANDLE_OTHER] = {backend__join_nothing, backend__close_other},
};

static void *backend__native(ioc_port *port, ioc_handle *handle)
{
    (void)port;
    return ioc_win_handle_of(handle)->native;
}

static void *backend__give_away(ioc_port *port, ioc_handle *handle)
{
    void *native = backend__native(port, handle);
    ioc_win_handle_of(handle)->native = INVALID_HANDLE_VALUE;
    return native;
}

static void backend__handle_close(ioc_port *port, ioc_handle *handle)
{
    backend_classes[handle->kind].close(ioc_win_port_of(port), ioc_win_handle_of(handle));
}

/* ---- Kinds of operations ---- */

static ioc_start backend__core_starts(ioc_port *port, ioc_op *op)
{
    (void)port;
    IOC_ASSERT(false && "the core does these itself");
    return ioc_overlapped_failed(op, ERROR_NOT_SUPPORTED);
}

/* The call is over when it returns. */
static int backend__nothing_to_cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    (void)port;
    (void)op;
    (void)is_back;
    return IOCP_OK;
}

#define CORE                                                                      \
    {                                                                             \
        backend__core_starts, backend__nothing_to_cancel, ioc_overlapped_release, \
            ioc_overlapped_complete                                               \
    }

const ioc_win_kind ioc_win_kinds[IOC_KINDS] = {
    [0] = {ioc_adopt_start, ioc_work_cancel, ioc_overlapped_release, ioc_adopt_complete},
    [IOCP_TYPE_NOP] = CORE,
    [IOCP_TYPE_TIMER] = CORE,
    [IOCP_TYPE_CANCEL] = CORE,
    [IOCP_TYPE_ASYNC_WAIT] = CORE,
    [IOCP_TYPE_CLOSE] = CORE,
    [IOCP_TYPE_ACCEPT] = {ioc_connection_start_accept, ioc_overlapped_cancel,
                          ioc_overlapped_release, ioc_connection_accepted},
    [IOCP_TYPE_CONNECT] = {ioc_connection_start_connect, ioc_overlapped_cancel,
                           ioc_overlapped_release, ioc_connection_connected},
    [IOCP_TYPE_SEND] = {ioc_message_start_send, ioc_overlapped_cancel, ioc_overlapped_release,
                        ioc_overlapped_complete},
    [IOCP_TYPE_RECV] = {ioc_message_start_recv, ioc_overlapped_cancel, ioc_overlapped_release,
                        ioc_message_received},
    [IOCP_TYPE_SHUTDOWN] = {ioc_connection_start_shutdown, backend__nothing_to_cancel,
                            ioc_overlapped_release, ioc_overlapped_complete},
    [IOCP_TYPE_SENDTO] = {ioc_message_start_sendto, ioc_overlapped_cancel, ioc_overlapped_release,
                          ioc_overlapped_complete},
    [IOCP_TYPE_RECVFROM] = {ioc_message_start_recvfrom, ioc_overlapped_cancel,
                            ioc_overlapped_release, ioc_message_received_from},
    [IOCP_TYPE_READ] = {ioc_file_start_read, ioc_overlapped_cancel, ioc_overlapped_release,
                        ioc_file_was_read},
    [IOCP_TYPE_WRITE] = {ioc_file_start_write, ioc_overlapped_cancel, ioc_overlapped_release,
                         ioc_file_was_written},
    [IOCP_TYPE_PREAD] = {ioc_file_start_read, ioc_overlapped_cancel, ioc_overlapped_release,
                         ioc_file_was_read},
    [IOCP_TYPE_PWRITE] = {ioc_file_start_write, ioc_overlapped_cancel, ioc_overlapped_release,
                          ioc_file_was_written},
    [IOCP_TYPE_FLUSH] = {ioc_file_start_flush, ioc_work_cancel, ioc_overlapped_release,
                         ioc_file_flushed},
    [IOCP_TYPE_DRAIN] = CORE,
    [IOCP_TYPE_WAIT] = {ioc_wait_start, ioc_wait_cancel, ioc_overlapped_release, ioc_wait_complete},
    [IOCP_TYPE_PROCESS_WAIT] = {ioc_process_start_wait, ioc_wait_cancel, ioc_overlapped_release,
                                ioc_process_exited},
    [IOCP_TYPE_JOB_WATCH] = {ioc_job_start, ioc_job_cancel, ioc_job_release,
                             ioc_overlapped_complete},
    [IOCP_TYPE_WORK] = {ioc_work_start, ioc_work_cancel, ioc_overlapped_release, ioc_work_complete},
    [IOCP_TYPE_CONSOLE_WATCH] = {ioc_console_start, ioc_console_cancel, ioc_console_release,
                                 ioc_console_complete},
    [IOCP_TYPE_PIPE_CONNECT] = {ioc_pipe_client_start, ioc_pipe_client_cancel,
                                ioc_pipe_client_release, ioc_pipe_client_connected},
    [IOCP_TYPE_SPAWN] = {ioc_child_start, ioc_work_cancel_call, ioc_child_release,
                         ioc_child_started},
    [IOCP_TYPE_PROCESS_STOP] = {ioc_process_start_stop, ioc_process_cancel_stop,
                                ioc_overlapped_release, ioc_process_stopped,
                                ioc_process_revise_stop},
    [IOCP_TYPE_SENDFILE] = {ioc_transmit_start, ioc_overlapped_cancel, ioc_overlapped_release,
                            ioc_transmit_sent},
    [IOCP_TYPE_POLL] = {ioc_afd_start, ioc_afd_cancel, ioc_overlapped_release, ioc_afd_complete,
                        ioc_afd_revise},
    [IOCP_TYPE_RESOLVE] = CORE,
    [IOCP_TYPE_RECV_LENT] = {ioc_message_start_recv, ioc_overlapped_cancel, ioc_overlapped_release,
                             ioc_message_received},
    [IOCP_TYPE_SENDMSG] = {ioc_wsamsg_start_send, ioc_overlapped_cancel, ioc_overlapped_release,
                           ioc_overlapped_complete},
    [IOCP_TYPE_RECVMSG] = {ioc_wsamsg_start_recv, ioc_overlapped_cancel, ioc_overlapped_release,
                           ioc_wsamsg_received},
    [IOCP_TYPE_OVERLAPPED] = {ioc_own_call_start, ioc_overlapped_cancel, ioc_overlapped_release,
                              ioc_own_call_complete},
    [IOCP_TYPE_OPEN] = {ioc_disk_start_open, ioc_disk_cancel, ioc_disk_release, ioc_disk_opened},
    [IOCP_TYPE_STAT] = {ioc_disk_start_stat, ioc_disk_cancel, ioc_disk_release, ioc_disk_done},
    [IOCP_TYPE_COPY] = {ioc_disk_start_copy, ioc_disk_cancel, ioc_disk_release, ioc_disk_done},
    [IOCP_TYPE_RENAME] = {ioc_disk_start_rename, ioc_disk_cancel, ioc_disk_release, ioc_disk_done},
    [IOCP_TYPE_REMOVE] = {ioc_disk_start_remove, ioc_disk_cancel, ioc_disk_release, ioc_disk_done},
    [IOCP_TYPE_FOLDER_CREATE] = {ioc_disk_start_folder_create, ioc_disk_cancel, ioc_disk_release,
                                 ioc_disk_done},
    [IOCP_TYPE_FOLDER_WATCH] = {ioc_directory_start_changes, ioc_overlapped_cancel,
                                ioc_overlapped_release, ioc_directory_changed,
                                ioc_overlapped_cancel},
    [IOCP_TYPE_FOLDER_LIST] = {ioc_directory_start_list, ioc_work_cancel_call,
                               ioc_directory_release_list, ioc_directory_listed},
    [IOC_TYPE_STDIO_END] = {ioc_stdio_start_end, backend__nothing_to_cancel, ioc_overlapped_release,
                            ioc_overlapped_complete},
    [IOC_TYPE_LOOKUP] = {ioc_lookup_start, ioc_lookup_cancel, ioc_overlapped_release,
                         ioc_lookup_answered},
};

static const ioc_win_kind *backend__kind_of(const ioc_op *op)
{
    iocp_type_t type = op->kind->type;
    const ioc_win_kind *const *own =
        op->handle != NULL ? backend_classes[op->handle->kind].kinds : NULL;
    return own != NULL && own[type] != NULL ? own[type] : &ioc_win_kinds[type];
}

/* A socket that was accepted joins with its first operation, so that it could be given away. */
static int backend__join(ioc_win_port *port, ioc_handle *handle)
{
    ioc_win_handle *win_handle = ioc_win_handle_of(handle);
    return win_handle->is_associated ? IOCP_OK
                                     : backend_classes[handle->kind].join(port, win_handle);
}

static ioc_start backend__start(ioc_port *port, ioc_op *op)
{
    if (op->handle != NULL && backend__join(ioc_win_port_of(port), op->handle) != IOCP_OK) {
        return ioc_overlapped_failed(op, port->native_error);
    }
    return backend__kind_of(op)->start(port, op);
}

static int backend__cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    return backend__kind_of(op)->cancel(port, op, is_back);
}

static int backend__revise(ioc_port *port, ioc_op *op, bool *is_back)
{
    return backend__kind_of(op)->revise(port, op, is_back);
}

static void backend__release(ioc_port *port, ioc_op *op)
{
    backend__kind_of(op)->release(port, op);
}

static const ioc_backend iocp_backend = {
    .name = "iocp",
    .op_bytes = sizeof(ioc_win_op),
    .handle_bytes = sizeof(ioc_win_handle),
    .capabilities = backend__capabilities,
    .open = backend__open,
    .close = backend__close,
    .now = ioc_port_now,
    .thread_id = ioc_port_thread_id,
    .sleep_method = backend__sleep_method,
    .dequeue = ioc_port_dequeue,
    .wake = ioc_port_wake,
    .post_packet = ioc_port_post_packet,
    .native = ioc_port_native,
    .start = backend__start,
    .release = backend__release,
    .cancel = backend__cancel,
    .revise = backend__revise,
    .receive_now = ioc_message_receive_now,
    .handle_cancel = ioc_overlapped_cancel_all,
    .socket_open = ioc_socket_open,
    .socket_adopt = ioc_socket_adopt,
    .socket_detach = ioc_socket_detach,
    .socket_bind = ioc_socket_bind,
    .socket_listen = ioc_socket_listen,
    .socket_name = ioc_socket_name,
    .socket_set_option = ioc_options_set,
    .socket_get_option = ioc_options_get,
    .socket_try_send = ioc_message_try_send,
    .socket_join = ioc_group_join,
    .file_open = ioc_file_open,
    .file_size = ioc_file_size,
    .file_set_size = ioc_file_set_size,
    .paths_plan = ioc_disk_plan,
    .pipe_listen = ioc_pipe_server_listen,
    .pipe_peer = ioc_pipe_client_peer,
    .pipe_pair = ioc_pipe_server_pair,
    .spawn_plan = ioc_child_plan,
    .spawn_ended = ioc_child_ended,
    .process_adopt = ioc_process_adopt,
    .console_resize = ioc_pseudo_console_resize,
    .stdio_open = ioc_stdio_open,
    .handle_adopt = ioc_adopt_handle,
    .handle_native = backend__native,
    .handle_give_away = backend__give_away,
    .handle_close = backend__handle_close,
};

const ioc_backend *ioc_backend_default(void)
{
    return &iocp_backend;
}
