/* The simulated backend's slots: check, look up, forward. */
#include "sim_call.h"
#include "sim_console.h"
#include "sim_datagram.h"
#include "sim_disk.h"
#include "sim_file.h"
#include "sim_folder.h"
#include "sim_name.h"
#include "sim_object.h"
#include "sim_option.h"
#include "sim_poll.h"
#include "sim_spawn.h"
#include "sim_pipe.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static sim_port *backend__port(ioc_port *base)
{
    return IOC_CONTAINER_OF(base, sim_port, base);
}

static sim_handle *backend__handle(struct ioc_handle *handle)
{
    return IOC_CONTAINER_OF(handle, sim_handle, handle);
}

/* The end of a call: the raw code behind its status. */
static int backend__return(ioc_port *base, int status)
{
    if (status != IOCP_OK) {
        base->native_error = sim_native_error(status);
    }
    sim_unlock();
    return status;
}

/* ---- Operations ---- */

/* A look at a pipe of messages takes an empty one. What it looked at may be gone. */
static void backend__tell_lent(sim_op *op)
{
    bool is_look = op->total_bytes == 0 && op->outcome.status == IOCP_OK;
    if (op->op.block != NULL) {
        sim_datagram_tell_lent(op);
    } else {
        op->op.is_empty = is_look && op->took_empty;
    }
}

static const sim_kind backend_kinds[IOC_KINDS] = {
    [0] = {.on_nothing = sim_adopt_start, .take_effect = sim_adopt_ask, .tell = sim_adopt_tell},
    [IOCP_TYPE_ACCEPT] = {.on_stream = sim_accept, .tell = sim_accept_tell},
    [IOCP_TYPE_CONNECT] = {.on_stream = sim_connect, .on_datagrams = sim_datagram_connect},
    [IOCP_TYPE_SEND] = {.on_stream = sim_send, .on_datagrams = sim_datagram_send},
    [IOCP_TYPE_SENDFILE] = {.on_stream = sim_send_file, .tell = sim_send_file_tell},
    [IOCP_TYPE_RECV] = {.on_stream = sim_receive, .on_datagrams = sim_datagram_receive},
    [IOCP_TYPE_SHUTDOWN] = {.on_stream = sim_shutdown},
    [IOCP_TYPE_SENDTO] = {.on_datagrams = sim_datagram_send_to},
    [IOCP_TYPE_RECVFROM] = {.on_datagrams = sim_datagram_receive, .tell = sim_datagram_tell_sender},
    [IOCP_TYPE_READ] = {.on_stream = sim_receive,
                        .on_file = sim_file_start,
                        .take_effect = sim_file_carry_out},
    [IOCP_TYPE_WRITE] = {.on_stream = sim_send,
                         .on_file = sim_file_start,
                         .take_effect = sim_file_carry_out},
    [IOCP_TYPE_PREAD] = {.on_file = sim_file_start, .take_effect = sim_file_carry_out},
    [IOCP_TYPE_PWRITE] = {.on_file = sim_file_start, .take_effect = sim_file_carry_out},
    [IOCP_TYPE_FLUSH] = {.on_file = sim_file_start_flush, .take_effect = sim_file_flush},
    [IOCP_TYPE_WAIT] = {.on_nothing = sim_object_start_wait, .ends_by_cancel = true},
    [IOCP_TYPE_PROCESS_WAIT] = {.on_process = sim_process_start_wait,
                                .tell = sim_object_tell_watch,
                                .ends_by_cancel = true},
    [IOCP_TYPE_JOB_WATCH] = {.on_nothing = sim_object_start_watch,
                             .tell = sim_object_tell_watch,
                             .release = sim_object_release,
                             .ends_by_cancel = true},
    [IOCP_TYPE_WORK] = {.on_nothing = sim_object_start_work,
                        .take_effect = sim_object_run_work,
                        .tell = sim_object_tell_work},
    [IOCP_TYPE_CONSOLE_WATCH] = {.on_nothing = sim_console_start,
                                 .tell = sim_object_tell_watch,
                                 .release = sim_console_release,
                                 .ends_by_cancel = true},
    [IOCP_TYPE_PIPE_CONNECT] = {.on_nothing = sim_pipe_connect,
                                .take_effect = sim_pipe_open,
                                .tell = sim_pipe_tell},
    [IOCP_TYPE_SPAWN] = {.on_nothing = sim_spawn_start,
                         .take_effect = sim_spawn_carry_out,
                         .tell = sim_spawn_tell,
                         .release = sim_spawn_release,
                         .ends_by_cancel = true},
    [IOCP_TYPE_PROCESS_STOP] = {.on_process = sim_process_start_stop,
                                .take_effect = sim_process_ask,
                                .tell = sim_process_tell_stop,
                                .revise = sim_process_revise,
                                .ends_by_cancel = true},
    [IOCP_TYPE_POLL] = {.on_nothing = sim_poll_start,
                        .tell = sim_poll_tell,
                        .revise = sim_poll_revise},
    [IOCP_TYPE_RECV_LENT] = {.on_stream = sim_receive,
                             .on_datagrams = sim_datagram_receive,
                             .tell = backend__tell_lent},
    [IOCP_TYPE_SENDMSG] = {.on_datagrams = sim_datagram_send_message},
    [IOCP_TYPE_RECVMSG] = {.on_datagrams = sim_datagram_receive, .tell = sim_datagram_tell_message},
    [IOCP_TYPE_OVERLAPPED] = {.on_stream = sim_call_start,
                              .on_datagrams = sim_call_start,
                              .on_file = sim_call_start},
    [IOCP_TYPE_OPEN] = {.on_nothing = sim_disk_start,
                        .take_effect = sim_disk_open,
                        .tell = sim_disk_tell_opened,
                        .release = sim_disk_release,
                        .ends_by_cancel = true},
    [IOCP_TYPE_STAT] = {.on_nothing = sim_disk_start,
                        .take_effect = sim_disk_stat,
                        .release = sim_disk_release,
                        .ends_by_cancel = true},
    [IOCP_TYPE_COPY] = {.on_nothing = sim_disk_start,
                        .take_effect = sim_disk_copy,
                        .release = sim_disk_release,
                        .ends_by_cancel = true},
    [IOCP_TYPE_RENAME] = {.on_nothing = sim_disk_start,
                          .take_effect = sim_disk_rename,
                          .release = sim_disk_release,
                          .ends_by_cancel = true},
    [IOCP_TYPE_REMOVE] = {.on_nothing = sim_disk_start,
                          .take_effect = sim_disk_remove,
                          .release = sim_disk_release,
                          .ends_by_cancel = true},
    [IOCP_TYPE_FOLDER_CREATE] = {.on_nothing = sim_disk_start,
                                 .take_effect = sim_disk_create_folder,
                                 .release = sim_disk_release,
                                 .ends_by_cancel = true},
    [IOCP_TYPE_FOLDER_WATCH] = {.on_file = sim_folder_start_watch,
                                .tell = sim_folder_tell_watch,
                                .revise = sim_folder_revise_watch},
    [IOCP_TYPE_FOLDER_LIST] = {.on_file = sim_folder_start_list,
                               .take_effect = sim_folder_list,
                               .release = sim_folder_release_list},
    [IOC_TYPE_STDIO_END] = {.on_stream = sim_stdio_end, .on_file = sim_stdio_end},
    [IOC_TYPE_LOOKUP] = {.on_nothing = sim_name_start,
                         .take_effect = sim_name_answer,
                         .tell = sim_name_tell},
};

const sim_kind *sim_kind_of(const sim_op *op)
{
    return &backend_kinds[op->op.kind->type];
}

static int backend__begin(sim_op *op)
{
    const sim_kind *kind = sim_kind_of(op);
    int (*start)(sim_op *) = op->file != NULL                ? kind->on_file
                             : op->process != 0              ? kind->on_process
                             : op->socket == NULL            ? kind->on_nothing
                             : op->socket->datagrams != NULL ? kind->on_datagrams
                                                             : kind->on_stream;
    SIM_CHECK(start != NULL);
    return start(op);
}

/* On what it runs, and in which order its packet comes. */
static void backend__find_object(sim_op *op)
{
    const sim_handle *handle = op->op.handle != NULL ? backend__handle(op->op.handle) : NULL;
    bool is_sent = (op->op.kind->traits & IOC_KIND_OUT) != 0;
    op->socket = handle != NULL ? handle->socket : NULL;
    op->file = handle != NULL ? handle->file : NULL;
    op->process = handle != NULL ? handle->process : 0;
    op->last_due_ns = op->socket != NULL ? &op->socket->last_due_ns[is_sent] : NULL;
}

static void backend__prepare(sim_port *port, sim_op *op)
{
    SIM_CHECK(op->phase == SIM_IDLE && op->op.phase == IOC_PHASE_KERNEL);
    SIM_CHECK(op->op.intent == 0 && (op->op.handle == NULL) == (op->op.kind->handles == 0));
    ioc_link_init(&op->link);
    ioc_link_init(&op->place);
    op->id = ioc_op_id(&op->op);
    op->port = port;
    backend__find_object(op);
    op->may_be_inline =
        port->mode != IOCP_COMPLETION_PACKET && !sim_chance(port, port->script.packet);
    op->abort_ns = IOC_FOREVER;
    op->effect_ns = IOC_FOREVER;
    op->outcome = (ioc_outcome){0};
    op->total_bytes = 0;
    op->flags = 0;
    op->took_empty = false;
    op->value = 0;
    op->message = 0;
    op->start_error = 0;
    op->sent = NULL;
    op->portion = NULL;
    SIM_CHECK(op->received == NULL && op->accepted == NULL);
}

static int backend__try_start(sim_port *port, sim_op *op)
{
    int status = IOCP_OK;
    bool is_closed =
        op->op.handle != NULL && op->socket == NULL && op->file == NULL && op->process == 0;
    if (is_closed && op->op.kind->type != 0) {
        return IOCP_EBADF; /* under it */
    }
    if (op->socket != NULL && op->socket->port == NULL) {
        op->socket->port = port;
    }
    if (sim_fails(&port->starts, &status)) {
        return status;
    }
    if (sim_chance(port, port->script.failed_start)) {
        return IOCP_ENOBUFS;
    }
    return backend__begin(op);
}

static ioc_start backend__start_as(ioc_port *base, struct ioc_op *core_op, bool must_be_inline)
{
    sim_port *port = backend__port(base);
    sim_op *op = IOC_CONTAINER_OF(core_op, sim_op, op);
    sim_lock();
    port->counts.starts++;
    backend__prepare(port, op);
    op->may_be_inline = op->may_be_inline || must_be_inline;
    int status = backend__try_start(port, op);
    op->may_be_inline = false;
    if (status != IOCP_OK) {
        op->op.outcome =
            (ioc_outcome){.status = status, .native_error = sim_call_error(op, status)};
        sim_unlock();
        return IOC_START_FAILED;
    }
    port->counts.pending++;
    ioc_list_push(&port->pending, &op->link);
    bool is_done = op->phase == SIM_INLINE;
    if (is_done) {
        sim_hand_over(op);
    }
    sim_unlock();
    return is_done ? IOC_START_DONE : IOC_START_PENDING;
}

static ioc_start backend__start(ioc_port *base, struct ioc_op *core_op)
{
    return backend__start_as(base, core_op, false);
}

static ioc_start backend__receive_now(ioc_port *base, struct ioc_op *core_op)
{
    sim_lock();
    const sim_socket *socket = backend__handle(core_op->handle)->socket;
    SIM_CHECK(core_op->handle->kind == IOCP_HANDLE_STREAM);
    bool is_there = !socket->is_foreign && sim_poll_can_read(socket);
    sim_unlock();
    if (!is_there) {
        core_op->outcome = (ioc_outcome){.status = IOCP_EAGAIN};
        return IOC_START_FAILED;
    }
    ioc_start start = backend__start_as(base, core_op, true);
    SIM_CHECK(start != IOC_START_PENDING);
    return start;
}

/* Whether the kernel takes a request to cancel. */
static int backend__may_cancel(sim_port *port)
{
    int status = IOCP_OK;
    if (sim_fails(&port->cancels, &status)) {
        return status;
    }
    return sim_chance(port, port->script.failed_cancel) ? IOCP_ENOBUFS : IOCP_OK;
}

static void backend__cancel_one(sim_port *port, sim_op *op, bool *is_back)
{
    SIM_CHECK(op->phase == SIM_WAITING || op->phase == SIM_DONE);
    if (op->phase == SIM_DONE) {
        return; /* its packet is on the way */
    }
    op->abort_ns = ioc_add_saturated(port->now_ns, port->cancel_delay_ns);
    if (sim_chance(port, port->script.late_cancel)) {
        op->abort_ns += sim_below(port, port->script.latency_ns + 1);
    }
    if (op->abort_ns <= port->now_ns) {
        sim_end_waiting(op, IOCP_ECANCELED);
        if (sim_kind_of(op)->ends_by_cancel) {
            *is_back = true;
            sim_hand_over(op);
        }
    }
}

static int backend__cancel(ioc_port *base, struct ioc_op *core_op, bool *is_back)
{
    sim_port *port = backend__port(base);
    sim_lock();
    port->counts.cancels++;
    sim_op *op = IOC_CONTAINER_OF(core_op, sim_op, op);
    /* Recorded before the kernel is asked. */
    SIM_CHECK(op->op.intent != 0 || !ioc_op_can_start(port->ops, &op->op));
    int status = backend__may_cancel(port);
    if (status == IOCP_OK) {
        backend__cancel_one(port, op, is_back);
    }
    return backend__return(base, status);
}

static int backend__revise(ioc_port *base, struct ioc_op *core_op, bool *is_back)
{
    sim_port *port = backend__port(base);
    sim_op *op = IOC_CONTAINER_OF(core_op, sim_op, op);
    sim_lock();
    if (sim_kind_of(op)->revise(op)) {
        return backend__return(base, IOCP_OK);
    }
    int status = backend__may_cancel(port);
    *is_back = status == IOCP_OK;
    if (*is_back) {
        sim_end_waiting(op, IOCP_EACCES);
        sim_hand_over(op);
    }
    return backend__return(base, status);
}

static bool backend__is_on(const sim_op *op, const struct ioc_handle *handle)
{
    return op->op.handle == handle && !ioc_op_ends_alone(&op->op);
}

static int backend__handle_cancel(ioc_port *base, struct ioc_handle *handle)
{
    sim_port *port = backend__port(base);
    bool is_back = false;
    sim_lock();
    port->counts.cancels++;
    int status = backend__may_cancel(port);
    ioc_link *next = NULL;
    for (ioc_link *link = port->pending.ends.next; link != &port->pending.ends; link = next) {
        sim_op *op = IOC_CONTAINER_OF(link, sim_op, link);
        next = link->next;
        if (status == IOCP_OK && backend__is_on(op, handle)) {
            backend__cancel_one(port, op, &is_back);
            SIM_CHECK(!is_back);
        }
    }
    return backend__return(base, status);
}

/* ---- Sockets ---- */

static void backend__fill(sim_handle *handle, sim_port *port, sim_socket *socket)
{
    handle->handle.kind = socket->datagrams == NULL ? IOCP_HANDLE_STREAM : IOCP_HANDLE_DATAGRAM;
    handle->socket = socket;
    socket->is_adopted = true;
    socket->port = port;
}

static int backend__open_socket(sim_port *port, sim_handle *handle, int family, int type,
                                int protocol)
{
    int status = IOCP_OK;
    if (sim_fails(&port->sockets, &status)) {
        return status;
    }
    if (type != SOCK_STREAM && type != SOCK_DGRAM) {
        return IOCP_ENOTSUP;
    }
    bool is_stream = type == SOCK_STREAM;
    if (family != AF_INET && family != AF_INET6 && (family != AF_UNIX || !is_stream)) {
        return IOCP_EAFNOSUPPORT;
    }
    bool is_of_ip = family != AF_UNIX && protocol == (is_stream ? IPPROTO_TCP : IPPROTO_UDP);
    if (protocol != 0 && !is_of_ip) {
        return IOCP_EPROTONOSUPPORT;
    }
    backend__fill(handle, port,
                  is_stream ? sim_socket_new(family, port->script.capacity_bytes)
                            : sim_datagram_new(family, port->script.capacity_bytes));
    return IOCP_OK;
}

static int backend__socket_open(ioc_port *base, struct ioc_handle *handle, int family, int type,
                                int protocol)
{
    sim_lock();
    return backend__return(base, backend__open_socket(backend__port(base), backend__handle(handle),
                                                      family, type, protocol));
}

static int backend__adopt_socket(sim_port *port, sim_handle *handle, uintptr_t number)
{
    int status = IOCP_OK;
    sim_socket *socket = sim_socket_find(number);
    if (sim_fails(&port->sockets, &status)) {
        return status;
    }
    if (socket == NULL || socket->is_pipe) {
        return IOCP_ENOTSOCK;
    }
    if (socket->is_adopted || socket->port != NULL) {
        return IOCP_EINVAL;
    }
    backend__fill(handle, port, socket);
    socket->is_foreign = true;
    return IOCP_OK;
}

static int backend__socket_adopt(ioc_port *base, struct ioc_handle *handle, uintptr_t socket)
{
    sim_lock();
    return backend__return(
        base, backend__adopt_socket(backend__port(base), backend__handle(handle), socket));
}

static bool backend_keeps_ports;

void sim_keep_ports(bool keep)
{
    sim_lock();
    backend_keeps_ports = keep;
    sim_unlock();
}

static int backend__socket_detach(ioc_port *base, struct ioc_handle *core_handle, uintptr_t *number)
{
    sim_handle *handle = backend__handle(core_handle);
    sim_lock();
    if (handle->socket->port != NULL && backend_keeps_ports) {
        return backend__return(base, IOCP_EBUSY);
    }
    handle->socket->port = NULL;
    *number = handle->socket->number;
    handle->socket->is_adopted = false;
    memset(handle->socket->last_due_ns, 0, sizeof handle->socket->last_due_ns);
    handle->socket = NULL;
    return backend__return(base, IOCP_OK);
}

static int backend__socket_bind(ioc_port *base, struct ioc_handle *handle,
                                const struct sockaddr *address, size_t length)
{
    sim_lock();
    return backend__return(base,
                           sim_socket_bind_to(backend__handle(handle)->socket, address, length));
}

static int backend__socket_listen(ioc_port *base, struct ioc_handle *handle, int backlog)
{
    sim_lock();
    return backend__return(base, sim_socket_listen_on(backend__handle(handle)->socket, backlog));
}

static int backend__socket_name(ioc_port *base, struct ioc_handle *handle, bool peer,
                                struct sockaddr *address, size_t *length)
{
    sim_lock();
    const sim_socket *socket = backend__handle(handle)->socket;
    if (peer && (socket->state != SIM_CONNECTED || socket->is_reset)) {
        return backend__return(base, IOCP_ENOTCONN);
    }
    if (!peer && !socket->is_bound) {
        return backend__return(base, IOCP_EINVAL);
    }
    return backend__return(
        base, sim_address_write(peer ? &socket->remote : &socket->local, address, length));
}

static int backend__socket_set_option(ioc_port *base, struct ioc_handle *handle,
                                      iocp_socket_option_t option, int value)
{
    sim_lock();
    return backend__return(base, sim_socket_set(backend__handle(handle)->socket, option, value));
}

static int backend__socket_get_option(ioc_port *base, struct ioc_handle *handle,
                                      iocp_socket_option_t option, int *value)
{
    sim_lock();
    return backend__return(base, sim_option_get(backend__handle(handle)->socket, option, value));
}

static int backend__socket_join(ioc_port *base, struct ioc_handle *handle, const ioc_group *group,
                                bool leaves)
{
    sim_lock();
    return backend__return(base, sim_datagram_join(backend__handle(handle)->socket, group, leaves));
}

static int backend__socket_try_send(ioc_port *base, struct ioc_handle *handle,
                                    const iocp_buf_t *buffers, uint32_t count, uint64_t *sent)
{
    sim_lock();
    sim_socket *socket = backend__handle(handle)->socket;
    int status = socket->is_foreign          ? IOCP_ENOTSUP
                 : socket->datagrams != NULL ? sim_datagram_try_send(socket, buffers, count, sent)
                                             : sim_socket_try_send(socket, buffers, count, sent);
    return backend__return(base, status);
}

static uint32_t backend__capabilities(void)
{
    return IOCP_CAP_PSEUDO_CONSOLE | IOCP_CAP_UNIX_SOCKETS | IOCP_CAP_SEGMENTS |
           IOCP_CAP_CHANGE_DETAILS;
}

static void backend__release(ioc_port *base, struct ioc_op *core_op)
{
    sim_op *op = IOC_CONTAINER_OF(core_op, sim_op, op);
    (void)base;
    sim_lock();
    sim_kind_of(op)->release(op);
    sim_unlock();
}

/* ---- Files and pipes ---- */

static int backend__file_open(ioc_port *base, struct ioc_handle *handle, const char *path,
                              uint32_t flags)
{
    sim_lock();
    return backend__return(
        base, sim_file_open(backend__port(base), backend__handle(handle), path, flags));
}

static int backend__file_size(ioc_port *base, struct ioc_handle *handle, uint64_t *size)
{
    sim_lock();
    *size = sim_file_size(backend__handle(handle)->file);
    return backend__return(base, IOCP_OK);
}

static int backend__file_set_size(ioc_port *base, struct ioc_handle *handle, uint64_t size)
{
    sim_lock();
    return backend__return(base, sim_file_set_size(backend__handle(handle)->file, size));
}

static int backend__pipe_listen(ioc_port *base, struct ioc_handle *handle, const char *name,
                                const iocp_pipe_options_t *options)
{
    sim_lock();
    return backend__return(
        base, sim_pipe_listen(backend__port(base), backend__handle(handle), name, options));
}

static int backend__pipe_peer(ioc_port *base, struct ioc_handle *handle, uint32_t *process_id)
{
    (void)base;
    (void)handle;
    *process_id = (uint32_t)getpid(); /* there is no other process */
    return IOCP_OK;
}

static int backend__pipe_pair(ioc_port *base, struct ioc_handle *ours, struct ioc_handle *theirs,
                              uint32_t flags)
{
    sim_lock();
    return backend__return(base, sim_pipe_pair(backend__port(base), backend__handle(ours),
                                               backend__handle(theirs), flags));
}

static int backend__stdio_open(ioc_port *base, struct ioc_handle *handle, iocp_stdio_t which)
{
    sim_lock();
    return backend__return(base, sim_stdio_open(backend__handle(handle), which));
}

static int backend__handle_adopt(ioc_port *base, struct ioc_handle *handle, void *native)
{
    (void)base;
    backend__handle(handle)->adopted = (uintptr_t)native;
    return IOCP_OK;
}

static int backend__paths_plan(ioc_port *base, struct ioc_op *op, const char *from, const char *to)
{
    sim_lock();
    return backend__return(base, sim_disk_plan(IOC_CONTAINER_OF(op, sim_op, op), from, to));
}

static int backend__spawn_plan(ioc_port *base, struct ioc_op *op,
                               const iocp_spawn_options_t *options, struct ioc_handle *const *ends)
{
    sim_lock();
    sim_spawn_plan(IOC_CONTAINER_OF(op, sim_op, op), options, ends);
    return backend__return(base, IOCP_OK);
}

static void backend__spawn_ended(ioc_port *base, struct ioc_op *op)
{
    (void)base;
    sim_lock();
    sim_spawn_ended(IOC_CONTAINER_OF(op, sim_op, op));
    sim_unlock();
}

static int backend__process_adopt(ioc_port *base, struct ioc_handle *core_handle, void *native)
{
    sim_handle *handle = backend__handle(core_handle);
    sim_lock();
    if (!sim_process_is((uintptr_t)native)) {
        return backend__return(base, IOCP_EBADF);
    }
    handle->process = (uintptr_t)native;
    core_handle->kind = IOCP_HANDLE_PROCESS;
    core_handle->process_id = (uint32_t)handle->process;
    return backend__return(base, IOCP_OK);
}

static int backend__console_resize(ioc_port *base, struct ioc_handle *handle, uint32_t columns,
                                   uint32_t rows)
{
    (void)base;
    (void)columns;
    (void)rows;
    return backend__handle(handle)->has_console ? IOCP_OK : IOCP_ENOTSUP;
}

/* ---- Handles ---- */

static void *backend__handle_native(ioc_port *base, struct ioc_handle *handle)
{
    (void)base;
    const sim_handle *sim = backend__handle(handle);
    return (void *)(sim->file != NULL     ? sim_file_number(sim->file)
                    : sim->socket != NULL ? sim->socket->number
                    : sim->process != 0   ? sim->process
                                          : sim->adopted);
}

static void *backend__handle_give_away(ioc_port *base, struct ioc_handle *handle)
{
    void *native = backend__handle_native(base, handle);
    sim_lock();
    sim_pipe_give_away(backend__handle(handle));
    sim_unlock();
    return native;
}

static void backend__handle_close(ioc_port *base, struct ioc_handle *core_handle)
{
    sim_handle *handle = backend__handle(core_handle);
    (void)base;
    sim_lock();
    if (handle->socket != NULL) {
        sim_socket_close(handle->socket);
        handle->socket = NULL;
    } else if (handle->file != NULL) {
        sim_file_close(handle->file);
        handle->file = NULL;
    } else if (handle->process != 0) {
        if (handle->has_console) {
            sim_process_close_console(handle->process);
        }
        if (handle->tree != 0) {
            sim_tree_close(handle->tree);
            handle->tree = 0;
        }
        sim_process_close(handle->process);
        handle->process = 0;
    } else if (handle->adopted != 0) {
        sim_adopt_close(handle->adopted);
        handle->adopted = 0;
    }
    sim_unlock();
}

const ioc_backend *ioc_backend_default(void)
{
    static const ioc_backend backend = {
        .name = "simulation",
        .op_bytes = sizeof(sim_op),
        .handle_bytes = sizeof(sim_handle),
        .capabilities = backend__capabilities,
        .sleep_method = sim_port_sleep_method,
        .open = sim_port_open,
        .close = sim_port_close,
        .now = sim_port_now,
        .thread_id = sim_port_thread_id,
        .dequeue = sim_port_dequeue,
        .wake = sim_port_wake,
        .post_packet = sim_port_post_packet,
        .native = sim_port_native,
        .start = backend__start,
        .release = backend__release,
        .cancel = backend__cancel,
        .revise = backend__revise,
        .receive_now = backend__receive_now,
        .handle_cancel = backend__handle_cancel,
        .socket_open = backend__socket_open,
        .socket_adopt = backend__socket_adopt,
        .socket_detach = backend__socket_detach,
        .socket_bind = backend__socket_bind,
        .socket_listen = backend__socket_listen,
        .socket_name = backend__socket_name,
        .socket_set_option = backend__socket_set_option,
        .socket_get_option = backend__socket_get_option,
        .socket_try_send = backend__socket_try_send,
        .socket_join = backend__socket_join,
        .file_open = backend__file_open,
        .file_size = backend__file_size,
        .file_set_size = backend__file_set_size,
        .pipe_listen = backend__pipe_listen,
        .pipe_peer = backend__pipe_peer,
        .pipe_pair = backend__pipe_pair,
        .paths_plan = backend__paths_plan,
        .spawn_plan = backend__spawn_plan,
        .spawn_ended = backend__spawn_ended,
        .process_adopt = backend__process_adopt,
        .console_resize = backend__console_resize,
        .stdio_open = backend__stdio_open,
        .handle_adopt = backend__handle_adopt,
        .handle_native = backend__handle_native,
        .handle_give_away = backend__handle_give_away,
        .handle_close = backend__handle_close,
    };
    return &backend;
}
