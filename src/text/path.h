/*
 * What there is to know of a path of Windows from its text alone: the prefix that a long one needs,
 * and where it leads.
 */
#ifndef IOC_TEXT_PATH_H
#define IOC_TEXT_PATH_H

#include "base.h"

/* The most that any has, with the zero: a UNICODE_STRING counts its bytes in 16 bits. */
#define IOC_PATH_UNITS 32768

/*
 * From so many units on, the zero not counted, a path needs a prefix: MAX_PATH, less the room for a
 * short name that a folder needs (CreateDirectoryW).
 */
#define IOC_PATH_LONG 248

/* Of the longest prefix, less the backslash of the path that it takes the place of. */
#define IOC_PATH_PREFIX_ROOM 7

/* Whether it begins with \\?\, which says that it is to be taken to the letter. */
bool ioc_path_is_literal(const wchar_t *path);

/*
 * A full path stands behind IOC_PATH_PREFIX_ROOM units of its buffer. It is moved to the beginning
 * of it, behind the prefix that it needs, if any.
 */
void ioc_path_add_prefix(wchar_t *buffer);

/* Where a native path leads. */
typedef enum ioc_place {
    IOC_PLACE_FILE,  /* to something on a drive or a share */
    IOC_PLACE_PIPE,  /* to a pipe by its usual name, or to where all pipes are */
    IOC_PLACE_DEVICE /* to anything else: a device, or a pipe or file by a way through devices */
} ioc_place;

ioc_place ioc_path_place(const wchar_t *native);

/* Behind the root of a native path: a drive, a share, a device. It has a name or is at its end. */
const wchar_t *ioc_path_behind_root(const wchar_t *native);

/*
 * Whether a program of this full path is a batch file, which CreateProcessW has cmd.exe run: by its
 * ending, in whatever case, and with what Windows does not count at a name's end. A stream of such a
 * file, and a stream that is called so, count as one.
 */
bool ioc_path_is_batch(const wchar_t *path);

#endif
