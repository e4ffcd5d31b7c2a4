/*
 * Paths: from UTF-8 to what CreateFileW takes, and what a path says of where it leads.
 */
#ifndef IOC_PATH_H
#define IOC_PATH_H

#include "../port.h"

/* As CreateFileW takes it, to be given back to the allocator. NULL: *status is the error. */
wchar_t *ioc_path_native(ioc_win_port *port, const char *path, int *status);

/* Where a native path leads. */
typedef enum ioc_place {
    IOC_PLACE_FILE,  /* to something on a drive or a share */
    IOC_PLACE_PIPE,  /* to a pipe, by its usual name */
    IOC_PLACE_PIPES, /* to where all pipes are, and to none of them */
    IOC_PLACE_DEVICE /* to anything else: a device, or a pipe or file by a way through devices */
} ioc_place;

ioc_place ioc_path_place(const wchar_t *native);

#endif
