#include "sim_call.h"

#include "call.h"
#include "sim_datagram.h"
#include "sim_file.h"

#include <stdlib.h>

/* ---- The start ---- */

/*
 * What it starts it starts by this operation, which it knows as its OVERLAPPED. That it has told the
 * truth shows in the operation's phase.
 */
int sim_call_start(sim_op *op)
{
    const ioc_call *call = ioc_call_of(&op->op);
    uintptr_t native = op->file != NULL ? sim_file_number(op->file) : op->socket->number;
    op->start_error = 0;
    sim_unlock();
    uint32_t error = call->start((void *)native, op, call->arg);
    sim_lock();
    bool has_started = op->phase != SIM_IDLE;
    SIM_CHECK(has_started == (error == 0 || error == SIM_IO_PENDING));
    op->start_error = has_started ? 0 : error;
    return has_started ? IOCP_OK : sim_status_of(error);
}

uint32_t sim_call_error(const sim_op *op, int status)
{
    return op->start_error != 0 ? op->start_error : sim_native_error(status);
}

static uint32_t call__answer(const sim_op *op, int status)
{
    if (status != IOCP_OK) {
        return sim_native_error(status);
    }
    return op->phase == SIM_INLINE ? 0 : SIM_IO_PENDING;
}

uint32_t sim_call_receive(void *native, void *overlapped, void *data, uint32_t size)
{
    sim_op *op = overlapped;
    sim_lock();
    SIM_CHECK(op->socket != NULL && op->socket->number == (uintptr_t)native);
    op->room = (iocp_buf_t){.length = size, .base = data};
    op->total_bytes = size;
    int status =
        op->socket->datagrams != NULL ? sim_datagram_receive_bytes(op) : sim_receive_bytes(op);
    uint32_t answer = call__answer(op, status);
    sim_unlock();
    return answer;
}

/* ---- Locks ---- */

typedef struct call_range {
    ioc_link link; /* call_ranges */
    uintptr_t file;
    const void *content; /* the same for all handles of what is on the disk */
    uint64_t offset;
    uint64_t bytes;
} call_range;

static ioc_list call_ranges = {{&call_ranges.ends, &call_ranges.ends}};
static ioc_list call_waiting = {{&call_waiting.ends, &call_waiting.ends}}; /* sim_op.place */

static bool range__overlaps(const call_range *range, const call_range *other)
{
    return range->content == other->content && range->offset < other->offset + other->bytes &&
           other->offset < range->offset + range->bytes;
}

static bool range__is_free(const call_range *range)
{
    for (ioc_link *link = call_ranges.ends.next; link != &call_ranges.ends; link = link->next) {
        if (range__overlaps(range, IOC_CONTAINER_OF(link, call_range, link))) {
            return false;
        }
    }
    return true;
}

/* False: somebody else has some of it. */
static bool range__take(call_range wanted)
{
    if (!range__is_free(&wanted)) {
        return false;
    }
    call_range *range = calloc(1, sizeof *range);
    SIM_CHECK(range != NULL);
    *range = wanted;
    ioc_link_init(&range->link);
    ioc_list_push(&call_ranges, &range->link);
    return true;
}

static void range__drop(call_range *range)
{
    ioc_link_remove(&range->link);
    free(range);
}

static call_range range__of(uintptr_t file, uint64_t offset, uint64_t bytes)
{
    return (call_range){
        .file = file, .content = sim_file_content(file), .offset = offset, .bytes = bytes};
}

/* Those that have waited longest first. */
static void call__serve_waiting(void)
{
    ioc_link *next = NULL;
    for (ioc_link *place = call_waiting.ends.next; place != &call_waiting.ends; place = next) {
        sim_op *op = IOC_CONTAINER_OF(place, sim_op, place);
        next = place->next;
        if (range__take(range__of(sim_file_number(op->file), op->value, op->total_bytes))) {
            sim_complete(op, IOCP_OK, 0);
        }
    }
}

void sim_call_forget(uintptr_t file)
{
    ioc_link *next = NULL;
    for (ioc_link *link = call_ranges.ends.next; link != &call_ranges.ends; link = next) {
        call_range *range = IOC_CONTAINER_OF(link, call_range, link);
        next = link->next;
        if (range->file == file) {
            range__drop(range);
        }
    }
    call__serve_waiting();
}

uint32_t sim_call_lock(void *native, void *overlapped, uint64_t offset, uint64_t bytes)
{
    sim_op *op = overlapped;
    sim_lock();
    SIM_CHECK(op->file != NULL && sim_file_number(op->file) == (uintptr_t)native);
    op->value = offset;
    op->total_bytes = (size_t)bytes;
    op->phase = SIM_WAITING;
    ioc_list_push(&call_waiting, &op->place);
    call__serve_waiting();
    uint32_t answer = call__answer(op, IOCP_OK);
    sim_unlock();
    return answer;
}

bool sim_lock_take(void *native, uint64_t offset, uint64_t bytes)
{
    sim_lock();
    bool is_taken = range__take(range__of((uintptr_t)native, offset, bytes));
    sim_unlock();
    return is_taken;
}

void sim_lock_give(void *native, uint64_t offset, uint64_t bytes)
{
    sim_lock();
    for (ioc_link *link = call_ranges.ends.next; link != &call_ranges.ends; link = link->next) {
        call_range *range = IOC_CONTAINER_OF(link, call_range, link);
        if (range->file == (uintptr_t)native && range->offset == offset && range->bytes == bytes) {
            range__drop(range);
            break;
        }
    }
    call__serve_waiting();
    sim_unlock();
}
