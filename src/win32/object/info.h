/* What a file is, asked of a handle to it. It waits for the disk: a thread of the pool asks. */
#ifndef IOC_INFO_H
#define IOC_INFO_H

#include "../sys.h"
#include "iocploop.h"

#include <stdbool.h>

/* 0, or the Win32 code. */
uint32_t ioc_info_read(const ioc_sys *sys, HANDLE file, iocp_file_info_t *info);

#endif
