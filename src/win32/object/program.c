#include "program.h"

#include <wchar.h>

static bool program__is_slash(wchar_t unit)
{
    return unit == L'\\' || unit == L'/';
}

/* ---- Extensions ---- */

static bool program__has_extension(const wchar_t *path)
{
    const wchar_t *dot = wcsrchr(path, L'.');
    return dot != NULL && wcspbrk(dot, L"\\/") == NULL;
}

/* The first of `path` as it is (if it has an extension), with .com and with .exe that is a file. */
static uint32_t program__complete(const ioc_sys *sys, wchar_t *path)
{
    static const wchar_t *const extensions[] = {L"", L".com", L".exe"};
    size_t length = wcslen(path);
    for (size_t i = program__has_extension(path) ? 0 : 1; i < IOC_COUNT_OF(extensions); i++) {
        wcscpy(path + length, extensions[i]);
        DWORD attributes = sys->GetFileAttributesW(path);
        if (attributes == INVALID_FILE_ATTRIBUTES) {
            if (sys->GetLastError() == ERROR_OPERATION_ABORTED) {
                return ERROR_OPERATION_ABORTED;
            }
        } else if ((attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
            return 0;
        }
    }
    return ERROR_FILE_NOT_FOUND;
}

/* ---- Folders ---- */

/* Without its quotes, between which a semicolon separates nothing. Where the next one begins. */
static const wchar_t *program__take_folder(const wchar_t *path, wchar_t *folder)
{
    bool is_quoted = false;
    for (; *path != L'\0' && (is_quoted || *path != L';'); path++) {
        if (*path == L'"') {
            is_quoted = !is_quoted;
        } else {
            *folder++ = *path;
        }
    }
    *folder = L'\0';
    return *path == L';' ? path + 1 : path;
}

static bool program__is_full(const wchar_t *folder)
{
    bool has_drive = folder[0] != L'\0' && folder[1] == L':' && program__is_slash(folder[2]);
    return has_drive || (program__is_slash(folder[0]) && program__is_slash(folder[1]));
}

static void program__append_name(wchar_t *folder, const wchar_t *name)
{
    size_t length = wcslen(folder);
    if (!program__is_slash(folder[length - 1])) {
        folder[length++] = L'\\';
    }
    wcscpy(folder + length, name);
}

uint32_t ioc_program_find(const ioc_sys *sys, const ioc_program *program, wchar_t *found)
{
    uint32_t error = ERROR_FILE_NOT_FOUND;
    if (program->path == NULL) {
        wcscpy(found, program->name);
        return program->is_exact ? 0 : program__complete(sys, found);
    }
    const wchar_t *path = program->path;
    while (error == ERROR_FILE_NOT_FOUND && *path != L'\0') {
        path = program__take_folder(path, found);
        if (program__is_full(found)) {
            program__append_name(found, program->name);
            error = program__complete(sys, found);
        }
    }
    return error;
}
