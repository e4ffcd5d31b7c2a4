#include "win_files.h"

#include "iocploop.h"

#include <winioctl.h>

#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* ---- Paths ---- */

void win_path(wchar_t native[WIN_PATH_CHARACTERS], const char *path)
{
    static const wchar_t prefix[] = L"\\\\?\\";
    const int room = WIN_PATH_CHARACTERS - 4;
    wmemcpy(native, prefix, 4);
    if (MultiByteToWideChar(CP_UTF8, 0, path, -1, native + 4, room) == 0) {
        native[0] = L'\0';
    }
    for (wchar_t *at = native; *at != L'\0'; at++) {
        *at = *at == L'/' ? L'\\' : *at;
    }
}

/* ---- Folders ---- */

bool win_folder_create(const char *path)
{
    wchar_t native[WIN_PATH_CHARACTERS];
    win_path(native, path);
    return CreateDirectoryW(native, NULL);
}

/* The folder for temporary files, with a slash at the end. */
static bool folder__temporary(char *path, size_t bytes)
{
    wchar_t folder[MAX_PATH + 1];
    if (GetTempPathW(MAX_PATH + 1, folder) == 0 ||
        WideCharToMultiByte(CP_UTF8, 0, folder, -1, path, (int)bytes, NULL, NULL) == 0) {
        return false;
    }
    for (char *at = path; *at != '\0'; at++) {
        *at = *at == '\\' ? '/' : *at;
    }
    return true;
}

/* A test that failed may have left its own behind, by the same process number. */
bool win_folder_create_fresh(char *path, size_t bytes)
{
    static unsigned number;
    if (!folder__temporary(path, bytes)) {
        return false;
    }
    size_t length = strlen(path);
    bool is_taken = true;
    while (is_taken) {
        int more = snprintf(path + length, bytes - length, "iocploop-%lu-%u",
                            (unsigned long)GetCurrentProcessId(), ++number);
        if (more <= 0 || (size_t)more >= bytes - length) {
            return false;
        }
        if (win_folder_create(path)) {
            return true;
        }
        is_taken = GetLastError() == ERROR_ALREADY_EXISTS;
    }
    return false;
}

static bool folder__is_dots(const wchar_t *name)
{
    return wcscmp(name, L".") == 0 || wcscmp(name, L"..") == 0;
}

/* `native` has room for a longer path, and is as before afterwards. */
static bool folder__remove(wchar_t native[WIN_PATH_CHARACTERS])
{
    WIN32_FIND_DATAW found;
    size_t length = wcslen(native);
    bool is_empty = true;
    wcscpy(native + length, L"\\*");
    HANDLE search = FindFirstFileW(native, &found);
    while (search != INVALID_HANDLE_VALUE) {
        wcscpy(native + length + 1, found.cFileName);
        bool is_folder = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
        if (!folder__is_dots(found.cFileName)) {
            is_empty = (is_folder ? folder__remove(native) : DeleteFileW(native)) && is_empty;
        }
        if (!FindNextFileW(search, &found)) {
            FindClose(search);
            search = INVALID_HANDLE_VALUE;
        }
    }
    native[length] = L'\0';
    return RemoveDirectoryW(native) && is_empty;
}

bool win_folder_remove(const char *path)
{
    wchar_t native[WIN_PATH_CHARACTERS];
    win_path(native, path);
    return folder__remove(native);
}

/* ---- Files ---- */

bool win_file_remove(const char *path)
{
    wchar_t native[WIN_PATH_CHARACTERS];
    win_path(native, path);
    return DeleteFileW(native);
}

HANDLE win_file_create(const char *path, uint32_t flags, bool is_overlapped, bool is_unshared)
{
    wchar_t native[WIN_PATH_CHARACTERS];
    DWORD access = ((flags & IOCP_FILE_READ) != 0 ? GENERIC_READ : 0u) |
                   ((flags & IOCP_FILE_WRITE) != 0 ? GENERIC_WRITE : 0u) |
                   ((flags & IOCP_FILE_APPEND) != 0 ? FILE_APPEND_DATA | SYNCHRONIZE : 0u);
    DWORD share = is_unshared ? 0u : FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    win_path(native, path);
    HANDLE file = CreateFileW(native, access, share, NULL,
                              (flags & IOCP_FILE_CREATE) != 0 ? OPEN_ALWAYS : OPEN_EXISTING,
                              is_overlapped ? FILE_FLAG_OVERLAPPED : 0u, NULL);
    return file != INVALID_HANDLE_VALUE ? file : NULL;
}

bool win_pipe_create(HANDLE ends[2], bool is_overlapped, bool is_for_messages, DWORD bytes)
{
    static unsigned number;
    wchar_t name[64];
    DWORD overlapped = is_overlapped ? FILE_FLAG_OVERLAPPED : 0u;
    DWORD type = is_for_messages ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : PIPE_TYPE_BYTE;
    (void)swprintf(name, 64, L"\\\\.\\pipe\\iocploop-%lu-%u", (unsigned long)GetCurrentProcessId(),
                   ++number);
    ends[0] =
        CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | overlapped,
                         type, 1, bytes, bytes, 0, NULL);
    if (ends[0] == INVALID_HANDLE_VALUE) {
        return false;
    }
    ends[1] =
        CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, overlapped, NULL);
    DWORD mode = PIPE_READMODE_MESSAGE;
    return ends[1] != INVALID_HANDLE_VALUE &&
           (!is_for_messages || SetNamedPipeHandleState(ends[1], &mode, NULL, NULL));
}

void win_file_make_sparse(HANDLE file)
{
    OVERLAPPED overlapped = {0};
    DWORD bytes = 0;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    /* The lowest bit keeps its packet from the port. */
    overlapped.hEvent = (HANDLE)((uintptr_t)event | 1u);
    if (!DeviceIoControl(file, FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL, &overlapped) &&
        GetLastError() == ERROR_IO_PENDING) {
        (void)GetOverlappedResult(file, &overlapped, &bytes, TRUE);
    }
    CloseHandle(event);
}
