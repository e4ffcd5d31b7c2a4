/*
 * A backend that costs as good as nothing, so that what the core does is all that is measured.
 * There is no kernel: what is started is done at once, but for a receive, which waits until it is
 * cancelled. Nothing else ever comes from a dequeue, and no thread sleeps in one. Time passes only when
 * the clock is read or a sleep is asked for, so that each run does the same.
 */
#include "backend.h"
#include "handle.h"
#include "transfer.h"

#include <string.h>
#include <sys/socket.h>

#define STUB_FIRST_NOW_NS UINT64_C(1000000000)
#define STUB_STEP_NS      100

typedef struct stub_port {
    ioc_port port; /* first */
    ioc_alloc *alloc;
    uint64_t now_ns;
    ioc_list aborted; /* the next dequeue brings them back: ioc_op.link */
} stub_port;

static stub_port *stub__of(ioc_port *port)
{
    return (stub_port *)(void *)port;
}

static uint32_t stub__capabilities(void)
{
    return 0;
}

/* ---- The port ---- */

static int stub__open(const ioc_port_options *options, ioc_port **port, uint32_t *native_error)
{
    stub_port *self = ioc_alloc_take(options->alloc, sizeof *self);
    *native_error = 0;
    if (self == NULL) {
        return IOCP_ENOMEM;
    }
    self->alloc = options->alloc;
    self->now_ns = STUB_FIRST_NOW_NS;
    ioc_list_init(&self->aborted);
    *port = &self->port;
    return IOCP_OK;
}

static void stub__close(ioc_port *port)
{
    ioc_alloc_give(stub__of(port)->alloc, port);
}

static uint64_t stub__now(ioc_port *port)
{
    return stub__of(port)->now_ns += STUB_STEP_NS;
}

static uintptr_t stub__thread_id(ioc_port *port)
{
    static _Thread_local char here;
    (void)port;
    return (uintptr_t)&here;
}

static iocp_sleep_method_t stub__sleep_method(ioc_port *port)
{
    (void)port;
    return IOCP_SLEEP_PORT;
}

/* A sleep without end would be one: a case that comes here has a mistake. */
static int stub__dequeue(ioc_port *port, uint64_t now_ns, uint64_t until_ns, ioc_list *ended,
                         ioc_dequeued *dequeued)
{
    stub_port *self = stub__of(port);
    *dequeued = (ioc_dequeued){0};
    for (ioc_link *link; (link = ioc_list_pop(&self->aborted)) != NULL;) {
        ioc_list_push(ended, link);
        dequeued->operations++;
    }
    if (dequeued->operations > 0) {
        return IOCP_OK;
    }
    if (until_ns == IOC_FOREVER) {
        return IOCP_ETIMEDOUT;
    }
    if (until_ns > now_ns) {
        self->now_ns = until_ns;
    }
    return IOCP_OK;
}

static ioc_wake stub__wake(ioc_port *port)
{
    (void)port;
    return IOC_WAKE_DIRECT;
}

static void *stub__native(ioc_port *port)
{
    return port;
}

/* ---- Operations ---- */

static ioc_start stub__start(ioc_port *port, ioc_op *op)
{
    (void)port;
    if (op->kind->type == IOCP_TYPE_RECV) {
        return IOC_START_PENDING;
    }
    bool is_out = (op->kind->traits & IOC_KIND_OUT) != 0;
    op->outcome = (ioc_outcome){.bytes = is_out ? ioc_transfer_of(op)->bytes : 0};
    return IOC_START_DONE;
}

static void stub__release(ioc_port *port, ioc_op *op)
{
    (void)port;
    (void)op;
}

static int stub__cancel(ioc_port *port, ioc_op *op, bool *is_back)
{
    (void)is_back;
    op->outcome = (ioc_outcome){.status = IOCP_ECANCELED};
    ioc_list_push(&stub__of(port)->aborted, &op->link);
    return IOCP_OK;
}

static int stub__handle_cancel(ioc_port *port, ioc_handle *handle)
{
    bool is_back = false;
    ioc_list *books = &handle->operations;
    for (ioc_link *link = books->ends.next; link != &books->ends; link = link->next) {
        ioc_op *op = IOC_CONTAINER_OF(link, ioc_op, sibling);
        if (ioc_op_phase(op) == IOC_PHASE_KERNEL) {
            (void)stub__cancel(port, op, &is_back);
        }
    }
    return IOCP_OK;
}

/* ---- Sockets: names without anything behind them ---- */

static int stub__socket_open(ioc_port *port, ioc_handle *handle, int family, int type, int protocol)
{
    (void)port;
    (void)family;
    (void)protocol;
    handle->kind = type == SOCK_STREAM ? IOCP_HANDLE_STREAM : IOCP_HANDLE_DATAGRAM;
    return IOCP_OK;
}

static int stub__socket_bind(ioc_port *port, ioc_handle *handle, const struct sockaddr *address,
                             size_t length)
{
    (void)port;
    (void)handle;
    (void)address;
    (void)length;
    return IOCP_OK;
}

static int stub__socket_listen(ioc_port *port, ioc_handle *handle, int backlog)
{
    (void)port;
    (void)handle;
    (void)backlog;
    return IOCP_OK;
}

static int stub__socket_name(ioc_port *port, ioc_handle *handle, bool peer,
                             struct sockaddr *address, size_t *length)
{
    (void)port;
    (void)handle;
    (void)peer;
    memset(address, 0, *length);
    address->sa_family = AF_INET;
    return IOCP_OK;
}

static int stub__socket_set_option(ioc_port *port, ioc_handle *handle, iocp_socket_option_t option,
                                   int value)
{
    (void)port;
    (void)handle;
    (void)option;
    (void)value;
    return IOCP_OK;
}

static void stub__handle_close(ioc_port *port, ioc_handle *handle)
{
    (void)port;
    (void)handle;
}

/* The slots that no case asks for are missing. */
const ioc_backend *ioc_backend_default(void)
{
    static const ioc_backend backend = {
        .name = "stub",
        .op_bytes = sizeof(ioc_op),
        .handle_bytes = sizeof(ioc_handle),
        .capabilities = stub__capabilities,
        .open = stub__open,
        .close = stub__close,
        .now = stub__now,
        .thread_id = stub__thread_id,
        .sleep_method = stub__sleep_method,
        .dequeue = stub__dequeue,
        .wake = stub__wake,
        .native = stub__native,
        .start = stub__start,
        .release = stub__release,
        .cancel = stub__cancel,
        .handle_cancel = stub__handle_cancel,
        .socket_open = stub__socket_open,
        .socket_bind = stub__socket_bind,
        .socket_listen = stub__socket_listen,
        .socket_name = stub__socket_name,
        .socket_set_option = stub__socket_set_option,
        .handle_close = stub__handle_close,
    };
    return &backend;
}
