#include "scratch.h"

#include <string.h>
#include <wchar.h>

#include "bench_win.h"

#define PATH_UNITS 260 /* of GetTempFileNameW */

static bool scratch__fail(bench_run *run, const char *what)
{
    return bench_fail(run, what, (long)GetLastError());
}

static bool scratch__fill(bench_run *run, HANDLE file, uint64_t bytes)
{
    static unsigned char block[65536];
    uint64_t seed = bytes;
    for (uint64_t done = 0; done < bytes; done += sizeof block) {
        DWORD written = 0;
        DWORD size = bytes - done < sizeof block ? (DWORD)(bytes - done) : (DWORD)sizeof block;
        for (size_t i = 0; i < sizeof block; i += sizeof seed) {
            uint64_t random = bench_random(&seed);
            memcpy(block + i, &random, sizeof random);
        }
        if (!WriteFile(file, block, size, &written, NULL) || written != size) {
            return scratch__fail(run, "WriteFile");
        }
    }
    return true;
}

bool bench_scratch_open(bench_run *run, bench_scratch *scratch, uint64_t bytes)
{
    WCHAR folder[PATH_UNITS];
    WCHAR path[PATH_UNITS];
    DWORD length = GetTempPathW(PATH_UNITS, folder);
    if (length == 0 || length >= PATH_UNITS || GetTempFileNameW(folder, L"ioc", 0, path) == 0) {
        return scratch__fail(run, "a temporary file");
    }
    HANDLE file = CreateFileW(
        path, GENERIC_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
        CREATE_ALWAYS, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        return scratch__fail(run, "CreateFileW");
    }
    scratch->keeper = file;
    if (WideCharToMultiByte(CP_UTF8, 0, path, -1, scratch->path, sizeof scratch->path, NULL,
                            NULL) == 0) {
        return scratch__fail(run, "WideCharToMultiByte");
    }
    return scratch__fill(run, file, bytes);
}

void bench_scratch_close(bench_scratch *scratch)
{
    if (scratch->keeper != NULL) {
        CloseHandle(scratch->keeper);
        scratch->keeper = NULL;
    }
}

/* ---- A folder ---- */

#define FOLDER_FILE       L"\\file"
#define FOLDER_FILE_UNITS 8

/* Its own path, or that of its file. */
static void folder__path(const bench_folder *folder, const WCHAR *file, WCHAR *path)
{
    MultiByteToWideChar(CP_UTF8, 0, folder->path, -1, path, PATH_UNITS);
    wcscat(path, file);
}

/* The name of a file that nobody has becomes that of a folder. */
bool bench_folder_open(bench_run *run, bench_folder *folder)
{
    WCHAR temporary[PATH_UNITS];
    WCHAR path[PATH_UNITS];
    DWORD length = GetTempPathW(PATH_UNITS, temporary);
    if (length == 0 || length >= PATH_UNITS || GetTempFileNameW(temporary, L"ioc", 0, path) == 0 ||
        !DeleteFileW(path) || !CreateDirectoryW(path, NULL)) {
        return scratch__fail(run, "a temporary folder");
    }
    folder->is_open = true;
    return WideCharToMultiByte(CP_UTF8, 0, path, -1, folder->path, sizeof folder->path, NULL,
                               NULL) > 0 ||
           scratch__fail(run, "WideCharToMultiByte");
}

bool bench_folder_change(bench_run *run, bench_folder *folder)
{
    WCHAR path[PATH_UNITS + FOLDER_FILE_UNITS];
    folder__path(folder, FOLDER_FILE, path);
    folder->has_file = !folder->has_file;
    if (!folder->has_file) {
        return DeleteFileW(path) || scratch__fail(run, "DeleteFileW");
    }
    HANDLE file =
        CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_TEMPORARY, NULL);
    return (file != INVALID_HANDLE_VALUE && CloseHandle(file)) || scratch__fail(run, "CreateFileW");
}

void bench_folder_close(bench_folder *folder)
{
    WCHAR path[PATH_UNITS + FOLDER_FILE_UNITS];
    if (!folder->is_open) {
        return;
    }
    folder__path(folder, FOLDER_FILE, path);
    (void)DeleteFileW(path);
    folder__path(folder, L"", path);
    (void)RemoveDirectoryW(path);
    folder->is_open = false;
}
