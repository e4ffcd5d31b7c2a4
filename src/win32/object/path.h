/*
 * Paths: from WTF-8 to what CreateFileW takes. What a path says by its text: text/path.h.
 */
#ifndef IOC_PATH_H
#define IOC_PATH_H

#include "../port.h"

/* As CreateFileW takes it, to be given back to the allocator. NULL: *status is the error. */
wchar_t *ioc_path_native(ioc_win_port *port, const char *path, int *status);

#endif
