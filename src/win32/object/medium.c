#include "medium.h"

#include "../errmap.h"
#include "../mode.h"

#include <string.h>

/* As much is put on a console at once; older ones have little room. */
#define MEDIUM_CONSOLE_UNITS 1024

#define MEDIUM_CTRL_Z 0x1A

void ioc_medium_init(ioc_medium *medium, const ioc_win_port *port, HANDLE native)
{
    memset(medium, 0, sizeof *medium);
    medium->port = port;
    medium->native = native;
}

void ioc_medium_deinit(ioc_medium *medium)
{
    const ioc_sys *sys = medium->port->sys;
    (void)sys->CloseHandle(medium->native);
    if (medium->event != NULL) {
        (void)sys->CloseHandle(medium->event);
    }
    if (medium->lines != NULL) {
        ioc_alloc_give(medium->port->alloc, medium->lines);
    }
}

/* Whether to end: looked at between two calls, and before a console is asked for a line. */
static bool medium__is_asked(const ioc_medium *medium)
{
    return ioc_load_u32(&medium->is_asked) != 0;
}

/* ---- Synchronous ---- */

static ioc_moved synchronous__read(ioc_medium *medium, void *data, uint32_t size)
{
    const ioc_sys *sys = medium->port->sys;
    DWORD bytes = 0;
    bool is_done = sys->ReadFile(medium->native, data, size, &bytes, NULL);
    return (ioc_moved){.error = is_done ? 0 : sys->GetLastError(), .bytes = bytes};
}

/* A pipe that does not wait takes a part, or nothing. */
static ioc_moved synchronous__write(ioc_medium *medium, const void *data, uint32_t size)
{
    const ioc_sys *sys = medium->port->sys;
    ioc_moved moved = {0};
    DWORD bytes = 0;
    do {
        bytes = 0;
        bool is_done = sys->WriteFile(medium->native, (const char *)data + moved.bytes,
                                      size - moved.bytes, &bytes, NULL);
        moved.error = is_done ? 0 : sys->GetLastError();
        moved.bytes += bytes;
    } while (moved.error == 0 && bytes > 0 && moved.bytes < size && !medium__is_asked(medium));
    return moved;
}

static const ioc_medium_class medium_synchronous = {synchronous__read, synchronous__write, false};

/* ---- Overlapped ---- */

static OVERLAPPED *overlapped__prepare(ioc_medium *medium, uint64_t offset)
{
    memset(&medium->overlapped, 0, sizeof medium->overlapped);
    medium->overlapped.Offset = (DWORD)offset;
    medium->overlapped.OffsetHigh = (DWORD)(offset >> 32);
    medium->overlapped.hEvent = (HANDLE)((uintptr_t)medium->event | 1);
    return &medium->overlapped;
}

/* The memory is the system's until it says so; what the wait itself answers does not matter. */
static ioc_moved overlapped__finish(ioc_medium *medium, bool is_done)
{
    const ioc_sys *sys = medium->port->sys;
    ioc_moved moved = {.error = is_done ? 0 : sys->GetLastError()};
    if (moved.error == ERROR_IO_PENDING) {
        while (!HasOverlappedIoCompleted(&medium->overlapped)) {
            (void)sys->WaitForSingleObject(medium->event, INFINITE);
        }
        (void)ioc_errmap_from_status((uint32_t)medium->overlapped.Internal, false, &moved.error);
    }
    moved.bytes = (uint32_t)medium->overlapped.InternalHigh;
    return moved;
}

static ioc_moved overlapped__read(ioc_medium *medium, void *data, uint32_t size)
{
    OVERLAPPED *overlapped = overlapped__prepare(medium, medium->position);
    ioc_moved moved = overlapped__finish(
        medium, medium->port->sys->ReadFile(medium->native, data, size, NULL, overlapped));
    medium->position += medium->is_file ? moved.bytes : 0;
    return moved;
}

static ioc_moved overlapped__write(ioc_medium *medium, const void *data, uint32_t size)
{
    uint64_t offset = medium->is_file ? UINT64_MAX : 0; /* behind its end */
    OVERLAPPED *overlapped = overlapped__prepare(medium, offset);
    return overlapped__finish(
        medium, medium->port->sys->WriteFile(medium->native, data, size, NULL, overlapped));
}

static const ioc_medium_class medium_overlapped = {overlapped__read, overlapped__write, false};

/* ---- A console ---- */

/* 0, and how many units came: none if it was interrupted, or a line that says the end. */
static uint32_t console__read(ioc_medium *medium, wchar_t *units, DWORD room, DWORD *count)
{
    const ioc_sys *sys = medium->port->sys;
    *count = 0;
    bool is_done = sys->ReadConsoleW(medium->native, units, room, count, NULL);
    return is_done ? 0 : sys->GetLastError();
}

static bool lines__is_something(const ioc_medium_lines *lines)
{
    return lines->at < lines->end || lines->text.count > 0 || lines->is_over;
}

static void lines__add(ioc_medium_lines *lines, DWORD count)
{
    if (!lines->is_within && lines->units[0] == MEDIUM_CTRL_Z) {
        lines->is_over = true; /* what else is in the line says nothing */
        return;
    }
    lines->at = lines->units;
    lines->end = lines->units + count;
    lines->is_within = lines->end[-1] != L'\n';
}

/* The first half of a pair alone is no text yet: it waits for the second. */
static void lines__hold_half(ioc_medium_lines *lines)
{
    bool is_half = lines->end - lines->at == 1 && ioc_recode_is_high(*lines->at);
    if (is_half && lines->text.high == 0) {
        lines->text.high = (uint16_t)*lines->at++;
    }
}

uint32_t ioc_medium_ask(ioc_medium *medium)
{
    ioc_medium_lines *lines = medium->lines;
    while (!lines__is_something(lines)) {
        DWORD count = 0;
        uint32_t error = medium__is_asked(medium)
                             ? ERROR_OPERATION_ABORTED
                             : console__read(medium, lines->units, IOC_MEDIUM_UNITS, &count);
        if (error != 0) {
            return error;
        }
        if (count > 0) {
            lines__add(lines, count);
            lines__hold_half(lines);
        }
    }
    return 0;
}

bool ioc_medium_has(const ioc_medium *medium)
{
    return medium->lines != NULL && lines__is_something(medium->lines);
}

ioc_moved ioc_medium_take(ioc_medium *medium, void *data, uint32_t size)
{
    ioc_medium_lines *lines = medium->lines;
    size_t bytes = ioc_recode_to_utf8(&lines->text, &lines->at, lines->end, data, size);
    bool is_end = bytes == 0 && size > 0 && lines->is_over;
    lines->is_over = lines->is_over && !is_end;
    lines__hold_half(lines);
    return (ioc_moved){.error = is_end ? ERROR_HANDLE_EOF : 0, .bytes = (uint32_t)bytes};
}

/* All of it, or until it fails or is to end. */
static uint32_t console__put(ioc_medium *medium, const wchar_t *units, size_t count)
{
    const ioc_sys *sys = medium->port->sys;
    while (count > 0) {
        DWORD written = 0;
        if (medium__is_asked(medium)) {
            return ERROR_OPERATION_ABORTED;
        }
        if (!sys->WriteConsoleW(medium->native, units, (DWORD)count, &written, NULL)) {
            return sys->GetLastError();
        }
        if (written == 0) {
            return ERROR_WRITE_FAULT;
        }
        units += written;
        count -= written;
    }
    return 0;
}

static ioc_moved console__write(ioc_medium *medium, const void *data, uint32_t size)
{
    const unsigned char *at = data;
    const unsigned char *end = at + size;
    ioc_moved moved = {0};
    while (at < end && moved.error == 0) {
        wchar_t units[MEDIUM_CONSOLE_UNITS];
        size_t count = ioc_recode_to_utf16(&medium->text, &at, end, units, MEDIUM_CONSOLE_UNITS);
        moved.error = console__put(medium, units, count);
        moved.bytes = moved.error == 0 ? (uint32_t)(at - (const unsigned char *)data) : moved.bytes;
    }
    return moved;
}

static const ioc_medium_class medium_console = {NULL, console__write, true};

/* ---- What it is ---- */

static uint32_t medium__become_console(ioc_medium *medium, bool is_read)
{
    if (is_read && medium->lines == NULL) {
        medium->lines = ioc_alloc_take(medium->port->alloc, sizeof *medium->lines);
        if (medium->lines == NULL) {
            return ERROR_NOT_ENOUGH_MEMORY;
        }
    }
    medium->what = &medium_console;
    return 0;
}

static uint32_t medium__become_overlapped(ioc_medium *medium)
{
    medium->event = medium->port->sys->CreateEventW(NULL, TRUE, FALSE, NULL);
    if (medium->event == NULL) {
        return medium->port->sys->GetLastError();
    }
    medium->what = &medium_overlapped;
    return 0;
}

uint32_t ioc_medium_look(ioc_medium *medium, bool is_read)
{
    const ioc_sys *sys = medium->port->sys;
    DWORD mode = 0;
    if (medium->what != NULL) {
        return 0;
    }
    DWORD type = sys->GetFileType(medium->native);
    DWORD error = type == FILE_TYPE_UNKNOWN ? sys->GetLastError() : NO_ERROR;
    if (error != NO_ERROR) {
        return error;
    }
    if (type == FILE_TYPE_CHAR && sys->GetConsoleMode(medium->native, &mode)) {
        return medium__become_console(medium, is_read);
    }
    medium->is_file = type == FILE_TYPE_DISK;
    medium->is_pipe = type == FILE_TYPE_PIPE;
    if (!ioc_mode_is_synchronous(medium->port, medium->native)) {
        return medium__become_overlapped(medium);
    }
    medium->what = &medium_synchronous;
    return 0;
}

/* ---- Calls ---- */

/* No bytes came. From a pipe: an empty message, or the end, as Wine tells that of a native pipe. */
static bool medium__is_at_end(const ioc_medium *medium)
{
    return !medium->is_pipe ||
           !medium->port->sys->PeekNamedPipe(medium->native, NULL, 0, NULL, NULL, NULL);
}

ioc_moved ioc_medium_read(ioc_medium *medium, void *data, uint32_t size)
{
    ioc_moved moved = medium->what->read(medium, data, size);
    if (moved.error == 0 && moved.bytes == 0 && size > 0 && medium__is_at_end(medium)) {
        moved.error = ERROR_HANDLE_EOF;
    }
    return moved;
}

ioc_moved ioc_medium_write(ioc_medium *medium, const void *data, uint32_t size)
{
    return medium->what->write(medium, data, size);
}

/* It is in a synchronous call, or waits for its overlapped one. */
void ioc_medium_interrupt(ioc_medium *medium, DWORD thread_id)
{
    const ioc_sys *sys = medium->port->sys;
    HANDLE thread = sys->OpenThread(THREAD_TERMINATE, FALSE, thread_id);
    if (thread != NULL) {
        (void)sys->CancelSynchronousIo(thread);
        (void)sys->CloseHandle(thread);
    }
    (void)sys->CancelIoEx(medium->native, &medium->overlapped);
}
