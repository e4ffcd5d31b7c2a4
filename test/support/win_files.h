/* Files, folders and pipes of Windows, for tests. Paths are UTF-8, with slashes or backslashes. */
#ifndef TEST_WIN_FILES_H
#define TEST_WIN_FILES_H

#include <windows.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A path as CreateFileW takes it, whatever its length. */
#define WIN_PATH_CHARACTERS 8192
void win_path(wchar_t native[WIN_PATH_CHARACTERS], const char *path);

bool win_folder_create(const char *path);

/* A fresh one for temporary files; its path has slashes. */
bool win_folder_create_fresh(char *path, size_t bytes);

/* With everything in it. */
bool win_folder_remove(const char *path);

bool win_file_remove(const char *path);

/* A file, `flags` as for iocp_file_open. NULL: failed. */
HANDLE win_file_create(const char *path, uint32_t flags, bool is_overlapped, bool is_unshared);

/* Both ends of a pipe, for bytes or messages; `bytes` is the room in it. */
bool win_pipe_create(HANDLE ends[2], bool is_overlapped, bool is_for_messages, DWORD bytes);

/* Have what is not written take no room on the disk, where the file system can. */
void win_file_make_sparse(HANDLE file);

#endif
