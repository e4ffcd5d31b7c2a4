#include "path.h"

#include "../errmap.h"

#include <string.h>

#define PATH_PREFIX     L"\\\\?\\"
#define PATH_UNC_PREFIX L"\\\\?\\UNC"

/* A path in UTF-16, to be given back to the allocator. NULL: no memory, or see *native_error. */
static wchar_t *path__wide(ioc_win_port *port, const char *path, uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    int count = sys->MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    if (count <= 0) {
        *native_error = sys->GetLastError();
        return NULL;
    }
    wchar_t *wide = ioc_alloc_take(port->alloc, (size_t)count * sizeof *wide);
    if (wide != NULL &&
        sys->MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, count) != count) {
        *native_error = sys->GetLastError();
        ioc_alloc_give(port->alloc, wide);
        return NULL;
    }
    return wide;
}

static bool path__begins_with(const wchar_t *path, const wchar_t *prefix)
{
    return wcsncmp(path, prefix, wcslen(prefix)) == 0;
}

/*
 * A path of MAX_PATH and more has to be absolute and say so by a prefix. The longest prefix takes
 * the place of the path's first backslash.
 */
static wchar_t *path__long(ioc_win_port *port, const wchar_t *path, uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    const size_t room = wcslen(PATH_UNC_PREFIX);
    DWORD count = sys->GetFullPathNameW(path, 0, NULL, NULL); /* with the zero */
    if (count == 0) {
        *native_error = sys->GetLastError();
        return NULL;
    }
    wchar_t *buffer = ioc_alloc_take(port->alloc, (room + count) * sizeof *buffer);
    if (buffer == NULL) {
        return NULL;
    }
    wchar_t *full = buffer + room;
    DWORD length = sys->GetFullPathNameW(path, count, full, NULL);
    if (length == 0 || length >= count) { /* longer now: somebody has changed the folder */
        *native_error = length == 0 ? sys->GetLastError() : ERROR_BUSY;
        ioc_alloc_give(port->alloc, buffer);
        return NULL;
    }
    const wchar_t *prefix = PATH_PREFIX;
    if (length < MAX_PATH || path__begins_with(full, PATH_PREFIX) ||
        path__begins_with(full, L"\\\\.\\")) {
        prefix = L"";
    } else if (path__begins_with(full, L"\\\\")) {
        prefix = PATH_UNC_PREFIX;
        full++;
    }
    memmove(buffer + wcslen(prefix), full, (wcslen(full) + 1) * sizeof *full);
    memcpy(buffer, prefix, wcslen(prefix) * sizeof *prefix);
    return buffer;
}

/* As CreateFileW takes it, to be given back. NULL: *status is the error. */
wchar_t *ioc_path_native(ioc_win_port *port, const char *path, int *status)
{
    uint32_t native_error = 0;
    wchar_t *native = NULL;
    wchar_t *wide = path__wide(port, path, &native_error);
    if (wide != NULL && path__begins_with(wide, PATH_PREFIX)) {
        return wide; /* which says that it is to be taken to the letter */
    }
    if (wide != NULL) {
        native = path__long(port, wide, &native_error);
        ioc_alloc_give(port->alloc, wide);
    }
    if (native == NULL) {
        *status = native_error != 0 ? ioc_port_fail(port, native_error) : IOCP_ENOMEM;
    }
    return native;
}

/* ---- Places ---- */

/* Past a prefix, in whatever case, or NULL. */
static const wchar_t *path__skip(const wchar_t *path, const wchar_t *prefix)
{
    size_t length = wcslen(prefix);
    return _wcsnicmp(path, prefix, length) == 0 ? path + length : NULL;
}

/* What stands behind "pipe\\". */
static ioc_place path__pipe_place(const wchar_t *name)
{
    return name[0] != L'\0' ? IOC_PLACE_PIPE : IOC_PLACE_PIPES;
}

/* Behind "server": a pipe's name, or what stands on a share. */
static ioc_place path__share_place(const wchar_t *server)
{
    const wchar_t *share = wcschr(server, L'\\');
    if (share == NULL) {
        return IOC_PLACE_DEVICE;
    }
    const wchar_t *name = path__skip(share, L"\\pipe\\");
    return name != NULL ? path__pipe_place(name) : IOC_PLACE_FILE;
}

static bool path__is_on_drive(const wchar_t *path)
{
    bool is_letter = (path[0] >= L'a' && path[0] <= L'z') || (path[0] >= L'A' && path[0] <= L'Z');
    return is_letter && path[1] == L':' && path[2] == L'\\';
}

ioc_place ioc_path_place(const wchar_t *native)
{
    const wchar_t *rest = path__skip(native, PATH_PREFIX);
    if (rest == NULL) {
        rest = path__skip(native, L"\\\\.\\");
    }
    if (rest == NULL) { /* neither says that it is a device's */
        const wchar_t *server = path__skip(native, L"\\\\");
        return server != NULL              ? path__share_place(server)
               : path__is_on_drive(native) ? IOC_PLACE_FILE
                                           : IOC_PLACE_DEVICE;
    }
    const wchar_t *server = path__skip(rest, L"UNC\\");
    if (server != NULL) {
        return path__share_place(server);
    }
    const wchar_t *pipe = path__skip(rest, L"pipe\\");
    if (pipe != NULL) {
        return path__pipe_place(pipe);
    }
    return path__is_on_drive(rest) ? IOC_PLACE_FILE : IOC_PLACE_DEVICE;
}
