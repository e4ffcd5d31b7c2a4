#include "kind.h"

#include "accept.h"
#include "cancel.h"
#include "datagram.h"
#include "folder.h"
#include "handle.h"
#include "lent.h"
#include "name.h"
#include "opening.h"
#include "paths.h"
#include "poll.h"
#include "post.h"
#include "sendfile.h"
#include "spawn.h"
#include "stop.h"
#include "timeout.h"
#include "transfer.h"
#include "watch.h"

#define STREAM   IOC_ON(IOCP_HANDLE_STREAM)
#define DATAGRAM IOC_ON(IOCP_HANDLE_DATAGRAM)
#define FILE_    IOC_ON(IOCP_HANDLE_FILE)
#define FOLDER   IOC_ON(IOCP_HANDLE_FOLDER)
#define PIPE     IOC_ON(IOCP_HANDLE_PIPE)
#define LISTENER IOC_ON(IOCP_HANDLE_PIPE_LISTENER)
#define PROCESS  IOC_ON(IOCP_HANDLE_PROCESS)
#define STDIN    IOC_ON(IOC_HANDLE_STDIN)
#define STDOUT   IOC_ON(IOC_HANDLE_STDOUT)
#define OTHER    IOC_ON(IOCP_HANDLE_OTHER)

/* ---- What most kinds do ---- */

static void kind__not_booked(ioc_ops *ops, ioc_op *op)
{
    (void)ops;
    (void)op;
}

static void kind__start_in_kernel(ioc_ops *ops, ioc_op *op)
{
    ioc_op_start_in_kernel(ops, op);
}

static void kind__park(ioc_ops *ops, ioc_op *op)
{
    (void)ops;
    ioc_op_park(op, NULL);
}

static void kind__finish(ioc_ops *ops, ioc_op *op)
{
    ioc_op_finish(ops, op, IOCP_OK);
}

static void kind__as_it_is(ioc_op *op)
{
    (void)op;
}

static void kind__tell_nothing(const ioc_op *op, iocp_result_t *result)
{
    (void)op;
    (void)result;
}

static void kind__no_books(ioc_ops *ops, ioc_op *op)
{
    (void)ops;
    (void)op;
}

static void kind__tell_watch(const ioc_op *op, iocp_result_t *result)
{
    result->value = ioc_watch_of(op)->value;
    result->event = ioc_watch_of(op)->event;
}

static void kind__tell_work(const ioc_op *op, iocp_result_t *result)
{
    result->value = ioc_work_of(op)->value;
}

/* ---- The table ---- */

/* A row is to be read at a glance. */
/* clang-format off */
const ioc_kind ioc_kinds[IOC_KINDS] = {
    [0] = {
        .name = "adopt",
        .handles = OTHER, .ends_alone = OTHER,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = ioc_handle_learned,
    },
    [IOCP_TYPE_NOP] = {
        .name = "nop", .type = IOCP_TYPE_NOP, .traits = IOC_KIND_SMALL,
        .queued = kind__not_booked, .start = kind__finish,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_TIMER] = {
        .name = "timer", .type = IOCP_TYPE_TIMER, .traits = IOC_KIND_FIRES | IOC_KIND_SMALL,
        .queued = kind__not_booked, .start = ioc_timeout_start,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_CANCEL] = {
        .name = "cancel", .type = IOCP_TYPE_CANCEL,
        .traits = IOC_KIND_FIRST | IOC_KIND_ONCE | IOC_KIND_SMALL,
        .queued = kind__not_booked, .start = ioc_cancel_start,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_ASYNC_WAIT] = {
        .name = "async_wait", .type = IOCP_TYPE_ASYNC_WAIT,
        .queued = kind__not_booked, .start = ioc_async_start,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_CLOSE] = {
        .name = "close", .type = IOCP_TYPE_CLOSE,
        .traits = IOC_KIND_FIRST | IOC_KIND_ONCE | IOC_KIND_SURE | IOC_KIND_SMALL,
        .queued = kind__not_booked, .start = ioc_cancel_start_close,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_ACCEPT] = {
        .name = "accept", .type = IOCP_TYPE_ACCEPT,
        .handles = STREAM | LISTENER, .ends_alone = LISTENER, /* each on an instance of its own */
        .opens = IOCP_HANDLE_STREAM, /* or a pipe */
        .queued = kind__not_booked, .start = ioc_accept_start,
        .settle = kind__as_it_is, .tell = ioc_accept_tell, .ended = ioc_opening_ended,
    },
    [IOCP_TYPE_CONNECT] = {
        .name = "connect", .type = IOCP_TYPE_CONNECT,
        .handles = STREAM | DATAGRAM,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_SEND] = {
        .name = "send", .type = IOCP_TYPE_SEND, .traits = IOC_KIND_OUT | IOC_KIND_MEMORY,
        .handles = STREAM | DATAGRAM, .is_whole = STREAM,
        .queued = ioc_transfer_queued, .start = ioc_transfer_start_send,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_RECV] = {
        .name = "recv", .type = IOCP_TYPE_RECV, .traits = IOC_KIND_MEMORY,
        .handles = STREAM | DATAGRAM, .takes_turns = STREAM, .ends_by_zero = STREAM,
        .queued = ioc_transfer_queued, .start = kind__start_in_kernel,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_SHUTDOWN] = {
        .name = "shutdown", .type = IOCP_TYPE_SHUTDOWN,
        .handles = STREAM,
        .queued = kind__not_booked, .start = ioc_shutdown_start,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_SENDTO] = {
        .name = "sendto", .type = IOCP_TYPE_SENDTO, .traits = IOC_KIND_OUT | IOC_KIND_MEMORY,
        .handles = DATAGRAM,
        .queued = ioc_transfer_queued, .start = kind__start_in_kernel,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_RECVFROM] = {
        .name = "recvfrom", .type = IOCP_TYPE_RECVFROM, .traits = IOC_KIND_MEMORY,
        .handles = DATAGRAM,
        .queued = ioc_transfer_queued, .start = kind__start_in_kernel,
        .settle = ioc_transfer_settle, .tell = ioc_transfer_tell_sender,
        .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_READ] = {
        .name = "read", .type = IOCP_TYPE_READ, .traits = IOC_KIND_MEMORY,
        .handles = FILE_ | PIPE | STDIN, .takes_turns = FILE_ | PIPE | STDIN,
        .ends_by_zero = FILE_, .ends_alone = STDIN,
        .queued = ioc_transfer_queued, .start = ioc_transfer_start_move,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_WRITE] = {
        .name = "write", .type = IOCP_TYPE_WRITE, .traits = IOC_KIND_OUT | IOC_KIND_MEMORY,
        .handles = FILE_ | PIPE | STDOUT, .takes_turns = FILE_ | STDOUT,
        .is_whole = PIPE | STDOUT, .ends_alone = STDOUT,
        .queued = ioc_transfer_queued, .start = ioc_transfer_start_move,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_PREAD] = {
        .name = "pread", .type = IOCP_TYPE_PREAD, .traits = IOC_KIND_MEMORY,
        .handles = FILE_, .ends_by_zero = FILE_,
        .queued = ioc_transfer_queued, .start = kind__start_in_kernel,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_PWRITE] = {
        .name = "pwrite", .type = IOCP_TYPE_PWRITE, .traits = IOC_KIND_OUT | IOC_KIND_MEMORY,
        .handles = FILE_,
        .queued = ioc_transfer_queued, .start = ioc_transfer_start_pwrite,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_FLUSH] = {
        .name = "flush", .type = IOCP_TYPE_FLUSH,
        .handles = FILE_, .ends_alone = FILE_,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_DRAIN] = {
        .name = "drain", .type = IOCP_TYPE_DRAIN,
        .handles = STREAM | DATAGRAM | FILE_ | PIPE | STDIN | STDOUT,
        .queued = kind__not_booked, .start = ioc_drain_start,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_WAIT] = {
        .name = "wait", .type = IOCP_TYPE_WAIT,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_PROCESS_WAIT] = {
        .name = "process_wait", .type = IOCP_TYPE_PROCESS_WAIT,
        .handles = PROCESS, .ends_alone = PROCESS,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_watch, .ended = kind__no_books,
    },
    [IOCP_TYPE_JOB_WATCH] = {
        .name = "job_watch", .type = IOCP_TYPE_JOB_WATCH,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_watch, .ended = kind__no_books,
    },
    [IOCP_TYPE_WORK] = {
        .name = "work", .type = IOCP_TYPE_WORK,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_work, .ended = kind__no_books,
    },
    [IOCP_TYPE_CONSOLE_WATCH] = {
        .name = "console_watch", .type = IOCP_TYPE_CONSOLE_WATCH,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_watch, .ended = kind__no_books,
    },
    [IOCP_TYPE_PIPE_CONNECT] = {
        .name = "pipe_connect", .type = IOCP_TYPE_PIPE_CONNECT, .opens = IOCP_HANDLE_PIPE,
        .queued = kind__not_booked, .start = ioc_opening_start,
        .settle = kind__as_it_is, .tell = ioc_opening_tell, .ended = ioc_opening_ended,
    },
    [IOCP_TYPE_SPAWN] = {
        .name = "spawn", .type = IOCP_TYPE_SPAWN, .opens = IOCP_HANDLE_PROCESS,
        .queued = kind__not_booked, .start = ioc_opening_start,
        .settle = kind__as_it_is, .tell = ioc_spawn_tell, .ended = ioc_spawn_ended,
    },
    [IOCP_TYPE_PROCESS_STOP] = {
        .name = "process_stop", .type = IOCP_TYPE_PROCESS_STOP,
        .handles = PROCESS, .ends_alone = PROCESS,
        .queued = kind__not_booked, .start = ioc_stop_start,
        .settle = kind__as_it_is, .tell = kind__tell_watch, .ended = kind__no_books,
    },
    [IOCP_TYPE_SENDFILE] = {
        .name = "sendfile", .type = IOCP_TYPE_SENDFILE,
        .traits = IOC_KIND_OUT | IOC_KIND_USES | IOC_KIND_ALONE,
        .handles = STREAM,
        .queued = ioc_sendfile_queued, .start = ioc_sendfile_start,
        .settle = ioc_sendfile_settle, .tell = kind__tell_nothing, .ended = ioc_sendfile_ended,
    },
    [IOCP_TYPE_POLL] = {
        .name = "poll", .type = IOCP_TYPE_POLL, .traits = IOC_KIND_EVENTS,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = ioc_poll_tell, .ended = kind__no_books,
    },
    [IOCP_TYPE_RESOLVE] = {
        .name = "resolve", .type = IOCP_TYPE_RESOLVE,
        .queued = kind__not_booked, .start = ioc_name_start,
        .settle = kind__as_it_is, .tell = ioc_name_tell, .ended = kind__no_books,
    },
    [IOCP_TYPE_RECV_LENT] = {
        .name = "recv_lent", .type = IOCP_TYPE_RECV_LENT, .traits = IOC_KIND_LENT,
        .handles = STREAM | DATAGRAM | PIPE, .takes_turns = STREAM | DATAGRAM | PIPE,
        .ends_by_zero = STREAM,
        .queued = kind__not_booked, .start = ioc_lent_start,
        .settle = ioc_transfer_settle, .tell = ioc_lent_tell, .ended = ioc_lent_ended,
        .goes_on = ioc_lent_goes_on,
    },
    [IOCP_TYPE_SENDMSG] = {
        .name = "sendmsg", .type = IOCP_TYPE_SENDMSG, .traits = IOC_KIND_OUT | IOC_KIND_MEMORY,
        .handles = DATAGRAM,
        .queued = ioc_transfer_queued, .start = kind__start_in_kernel,
        .settle = ioc_transfer_settle, .tell = kind__tell_nothing, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_RECVMSG] = {
        .name = "recvmsg", .type = IOCP_TYPE_RECVMSG, .traits = IOC_KIND_MEMORY,
        .handles = DATAGRAM,
        .queued = ioc_transfer_queued, .start = kind__start_in_kernel,
        .settle = ioc_transfer_settle, .tell = ioc_datagram_tell, .ended = ioc_transfer_ended,
    },
    [IOCP_TYPE_OVERLAPPED] = {
        .name = "overlapped", .type = IOCP_TYPE_OVERLAPPED,
        .handles = STREAM | DATAGRAM | FILE_ | FOLDER | PIPE | OTHER,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_OPEN] = {
        .name = "open", .type = IOCP_TYPE_OPEN, .opens = IOCP_HANDLE_FILE, /* or a folder */
        .queued = kind__not_booked, .start = ioc_opening_start,
        .settle = kind__as_it_is, .tell = ioc_paths_tell_opened, .ended = ioc_opening_ended,
    },
    [IOCP_TYPE_STAT] = {
        .name = "stat", .type = IOCP_TYPE_STAT,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = ioc_paths_tell_info, .ended = kind__no_books,
    },
    [IOCP_TYPE_COPY] = {
        .name = "copy", .type = IOCP_TYPE_COPY,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_RENAME] = {
        .name = "rename", .type = IOCP_TYPE_RENAME,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_REMOVE] = {
        .name = "remove", .type = IOCP_TYPE_REMOVE,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_FOLDER_CREATE] = {
        .name = "folder_create", .type = IOCP_TYPE_FOLDER_CREATE,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOCP_TYPE_FOLDER_WATCH] = {
        .name = "folder_watch", .type = IOCP_TYPE_FOLDER_WATCH,
        .handles = FOLDER,
        .queued = kind__not_booked, .start = ioc_folder_start_watch,
        .settle = kind__as_it_is, .tell = ioc_folder_tell_changes, .ended = kind__no_books,
        .goes_on = ioc_folder_watch_goes_on,
    },
    [IOCP_TYPE_FOLDER_LIST] = {
        .name = "folder_list", .type = IOCP_TYPE_FOLDER_LIST,
        .handles = FOLDER, .ends_alone = FOLDER,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = ioc_folder_tell_names, .ended = kind__no_books,
        .goes_on = ioc_folder_list_goes_on,
    },
    [IOC_TYPE_STDIO_END] = {
        .name = "stdio_end", .type = (iocp_type_t)IOC_TYPE_STDIO_END, .traits = IOC_KIND_LAST,
        .handles = STDIN | STDOUT, .ends_alone = STDIN | STDOUT,
        .queued = kind__not_booked, .start = kind__park,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = kind__no_books,
    },
    [IOC_TYPE_LOOKUP] = {
        .name = "lookup", .type = (iocp_type_t)IOC_TYPE_LOOKUP, .traits = IOC_KIND_AWAITED,
        .queued = kind__not_booked, .start = kind__start_in_kernel,
        .settle = kind__as_it_is, .tell = kind__tell_nothing, .ended = ioc_name_looked_up,
    },
};
/* clang-format on */
