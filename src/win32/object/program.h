/*
 * Which file a program's name means. A name that is no path is looked for in the folders of a PATH, and
 * nowhere else: neither in the folder of this program nor in any working folder, and so not in the
 * folders of the PATH that depend on one ("", ".", "bin", "\bin", "C:bin").
 */
#ifndef IOC_PROGRAM_H
#define IOC_PROGRAM_H

#include "../sys.h"

#include "base.h"

typedef struct ioc_program {
    const wchar_t *name;
    const wchar_t *path; /* where it is looked for; NULL: the name is a full path */
    bool is_exact;       /* .com and .exe are not tried */
} ioc_program;

/* How many units more than the name and the PATH `found` has room for. */
#define IOC_PROGRAM_ROOM 6

/* Its full path. 0, or the Win32 code: ERROR_FILE_NOT_FOUND. Any thread; it may take its time. */
uint32_t ioc_program_find(const ioc_sys *sys, const ioc_program *program, wchar_t *found);

#endif
