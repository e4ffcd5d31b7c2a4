#include "path.h"

#include "text/path.h"
#include "text/utf8.h"

static_assert(IOC_PATH_LONG == MAX_PATH - 12, "text/path.h does not know the system");

/* A path in UTF-16, to be given back to the allocator. NULL: no memory, or see *native_error. */
static wchar_t *path__wide(ioc_win_port *port, const char *path, uint32_t *native_error)
{
    size_t count = ioc_wtf8_to_utf16(path, NULL, 0);
    if (count == 0 || count > IOC_PATH_UNITS) {
        *native_error = count == 0 ? ERROR_NO_UNICODE_TRANSLATION : ERROR_FILENAME_EXCED_RANGE;
        return NULL;
    }
    wchar_t *wide = ioc_alloc_take(port->alloc, count * sizeof *wide);
    if (wide != NULL) {
        (void)ioc_wtf8_to_utf16(path, wide, count);
    }
    return wide;
}

/* A long path has to be absolute and say so by a prefix. */
static wchar_t *path__long(ioc_win_port *port, const wchar_t *path, uint32_t *native_error)
{
    const ioc_sys *sys = port->sys;
    DWORD count = sys->GetFullPathNameW(path, 0, NULL, NULL); /* with the zero */
    if (count == 0) {
        *native_error = sys->GetLastError();
        return NULL;
    }
    wchar_t *buffer =
        ioc_alloc_take(port->alloc, (IOC_PATH_PREFIX_ROOM + (size_t)count) * sizeof *buffer);
    if (buffer == NULL) {
        return NULL;
    }
    DWORD length = sys->GetFullPathNameW(path, count, buffer + IOC_PATH_PREFIX_ROOM, NULL);
    if (length == 0 || length >= count) { /* longer now: somebody has changed the folder */
        *native_error = length == 0 ? sys->GetLastError() : ERROR_BUSY;
        ioc_alloc_give(port->alloc, buffer);
        return NULL;
    }
    ioc_path_add_prefix(buffer);
    return buffer;
}

/* As CreateFileW takes it, to be given back. NULL: *status is the error. */
wchar_t *ioc_path_native(ioc_win_port *port, const char *path, int *status)
{
    uint32_t native_error = 0;
    wchar_t *native = NULL;
    wchar_t *wide = path__wide(port, path, &native_error);
    if (wide != NULL && ioc_path_is_literal(wide)) {
        return wide;
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
