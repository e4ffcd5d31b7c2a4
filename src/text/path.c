#include "path.h"

#include <wchar.h>

#define PATH_PREFIX     L"\\\\?\\"
#define PATH_UNC_PREFIX L"\\\\?\\UNC"
#define PATH_DEVICES    L"\\\\.\\"
#define PATH_SERVERS    L"\\\\"

static wchar_t path__lower(wchar_t unit)
{
    return unit >= L'A' && unit <= L'Z' ? (wchar_t)(unit - L'A' + L'a') : unit;
}

/* Past a prefix, in whatever case, or NULL. The program's locale has no say in this. */
static const wchar_t *path__skip(const wchar_t *path, const wchar_t *prefix)
{
    for (; *prefix != L'\0'; path++, prefix++) {
        if (path__lower(*path) != path__lower(*prefix)) {
            return NULL;
        }
    }
    return path;
}

/* ---- Prefixes ---- */

bool ioc_path_is_literal(const wchar_t *path)
{
    return path__skip(path, PATH_PREFIX) != NULL;
}

void ioc_path_add_prefix(wchar_t *buffer)
{
    const wchar_t *full = buffer + IOC_PATH_PREFIX_ROOM;
    const wchar_t *prefix = PATH_PREFIX;
    if (wcslen(full) < IOC_PATH_LONG || ioc_path_is_literal(full) ||
        path__skip(full, PATH_DEVICES) != NULL) {
        prefix = L"";
    } else if (path__skip(full, PATH_SERVERS) != NULL) {
        prefix = PATH_UNC_PREFIX; /* which takes the place of the first backslash */
        full++;
    }
    wmemmove(buffer + wcslen(prefix), full, wcslen(full) + 1);
    wmemcpy(buffer, prefix, wcslen(prefix));
}

/* ---- Places ---- */

/* Behind "server": a pipe's name, or what stands on a share. */
static ioc_place path__share_place(const wchar_t *server)
{
    const wchar_t *share = wcschr(server, L'\\');
    if (share == NULL) {
        return IOC_PLACE_DEVICE;
    }
    return path__skip(share, L"\\pipe\\") != NULL ? IOC_PLACE_PIPE : IOC_PLACE_FILE;
}

static bool path__is_on_drive(const wchar_t *path)
{
    wchar_t letter = path__lower(path[0]);
    return letter >= L'a' && letter <= L'z' && path[1] == L':' && path[2] == L'\\';
}

ioc_place ioc_path_place(const wchar_t *native)
{
    const wchar_t *rest = path__skip(native, PATH_PREFIX);
    if (rest == NULL) {
        rest = path__skip(native, PATH_DEVICES);
    }
    if (rest == NULL) { /* neither says that it is a device's */
        const wchar_t *server = path__skip(native, PATH_SERVERS);
        return server != NULL              ? path__share_place(server)
               : path__is_on_drive(native) ? IOC_PLACE_FILE
                                           : IOC_PLACE_DEVICE;
    }
    const wchar_t *server = path__skip(rest, L"UNC\\");
    if (server != NULL) {
        return path__share_place(server);
    }
    if (path__skip(rest, L"pipe\\") != NULL) {
        return IOC_PLACE_PIPE;
    }
    return path__is_on_drive(rest) ? IOC_PLACE_FILE : IOC_PLACE_DEVICE;
}

/* ---- Roots ---- */

/* Behind the next backslash, or at the end. */
static const wchar_t *path__skip_name(const wchar_t *path)
{
    path += wcscspn(path, L"\\");
    return *path == L'\\' ? path + 1 : path;
}

const wchar_t *ioc_path_behind_root(const wchar_t *native)
{
    const wchar_t *rest = path__skip(native, PATH_PREFIX);
    if (rest == NULL) {
        rest = path__skip(native, PATH_DEVICES);
    }
    const wchar_t *server =
        path__skip(rest != NULL ? rest : native, rest != NULL ? L"UNC\\" : PATH_SERVERS);
    return server != NULL ? path__skip_name(path__skip_name(server))
                          : path__skip_name(rest != NULL ? rest : native);
}

/* ---- Batch files ---- */

/* What may stand behind a name without being a part of it; quotes, since some programs put them. */
#define PATH_IDLE L" .\"\\/"

static bool path__ends_as_batch(const wchar_t *path, size_t length)
{
    while (length > 0 && wcschr(PATH_IDLE, path[length - 1]) != NULL) {
        length--;
    }
    return length >= 4 && (path__skip(path + length - 4, L".bat") != NULL ||
                           path__skip(path + length - 4, L".cmd") != NULL);
}

bool ioc_path_is_batch(const wchar_t *path)
{
    bool is_batch = path__ends_as_batch(path, wcslen(path));
    const wchar_t *stream = path;
    while (!is_batch && (stream = wcschr(stream, L':')) != NULL) {
        is_batch = path__ends_as_batch(path, (size_t)(stream++ - path));
    }
    return is_batch;
}
