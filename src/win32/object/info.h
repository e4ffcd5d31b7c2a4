/* What a file is, asked of a handle to it. It waits for the disk: a thread of the pool asks. */
#ifndef IOC_INFO_H
#define IOC_INFO_H

#include "../sys.h"
#include "iocploop.h"

#include <stdbool.h>

/* 0, or the Win32 code. */
uint32_t ioc_info_read(const ioc_sys *sys, HANDLE file, iocp_file_info_t *info);

/* The times of the file system, in 100 ns since 1601, as those of the library; none is 0. */
int64_t ioc_info_time(int64_t time);

/* The kind by attributes and reparse tag, as one sees it who does not follow links. */
iocp_file_kind_t ioc_info_kind(uint32_t attributes, uint32_t reparse_tag);

#endif
