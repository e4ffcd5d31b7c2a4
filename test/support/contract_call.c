#include "contract_call.h"

#if defined(_WIN32)

#include <winsock2.h>
#include <windows.h>

static uint32_t call__receive_from_socket(SOCKET socket, WSABUF buffer, void *overlapped)
{
    static DWORD flags; /* it may be written to until the end */
    flags = 0;
    return WSARecv(socket, &buffer, 1, NULL, &flags, overlapped, NULL) == 0
               ? 0
               : (uint32_t)WSAGetLastError();
}

static bool call__is_socket(void *native)
{
    int type = 0;
    int size = (int)sizeof type;
    return getsockopt((SOCKET)native, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0;
}

uint32_t contract_call_receive(void *native, void *overlapped, void *data, uint32_t size)
{
    if (call__is_socket(native)) {
        WSABUF buffer = {.len = size, .buf = data};
        return call__receive_from_socket((SOCKET)native, buffer, overlapped);
    }
    return ReadFile(native, data, size, NULL, overlapped) ? 0 : GetLastError();
}

static OVERLAPPED call__at(uint64_t offset)
{
    return (OVERLAPPED){.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
}

uint32_t contract_call_lock(void *native, void *overlapped, uint64_t offset, uint64_t bytes)
{
    OVERLAPPED *at = overlapped;
    at->Offset = (DWORD)offset;
    at->OffsetHigh = (DWORD)(offset >> 32);
    return LockFileEx(native, LOCKFILE_EXCLUSIVE_LOCK, 0, (DWORD)bytes, (DWORD)(bytes >> 32), at)
               ? 0
               : GetLastError();
}

bool contract_locks_wait(void)
{
    return !contract_is_wine();
}

bool contract_locks_bring_packets(void)
{
    return !contract_is_wine();
}

bool contract_lock(void *native, uint64_t offset, uint64_t bytes)
{
    OVERLAPPED at = call__at(offset);
    DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    return LockFileEx(native, flags, 0, (DWORD)bytes, (DWORD)(bytes >> 32), &at);
}

void contract_unlock(void *native, uint64_t offset, uint64_t bytes)
{
    OVERLAPPED at = call__at(offset);
    assert_true(UnlockFileEx(native, 0, (DWORD)bytes, (DWORD)(bytes >> 32), &at));
}

void contract_send_packet(const iocp_loop_t *loop, void *port, uintptr_t key, uint32_t bytes,
                          void *overlapped)
{
    (void)loop;
    assert_true(PostQueuedCompletionStatus(port, bytes, key, overlapped));
}

#else

#include "sim_call.h"

uint32_t contract_call_receive(void *native, void *overlapped, void *data, uint32_t size)
{
    return sim_call_receive(native, overlapped, data, size);
}

uint32_t contract_call_lock(void *native, void *overlapped, uint64_t offset, uint64_t bytes)
{
    return sim_call_lock(native, overlapped, offset, bytes);
}

bool contract_locks_wait(void)
{
    return true;
}

bool contract_locks_bring_packets(void)
{
    return true;
}

bool contract_lock(void *native, uint64_t offset, uint64_t bytes)
{
    return sim_lock_take(native, offset, bytes);
}

void contract_unlock(void *native, uint64_t offset, uint64_t bytes)
{
    sim_lock_give(native, offset, bytes);
}

void contract_send_packet(const iocp_loop_t *loop, void *port, uintptr_t key, uint32_t bytes,
                          void *overlapped)
{
    (void)port;
    sim_send_packet(loop, (iocp_packet_t){.key = key, .overlapped = overlapped, .bytes = bytes});
}

#endif
