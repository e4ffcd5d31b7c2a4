/* What a file is, asked of a handle to it. It waits for the disk: a thread of the pool asks. */
#ifndef IOC_INFO_H
#define IOC_INFO_H

#include "../sys.h"
#include "iocploop.h"

#include <stdbool.h>

/* 0, or the Win32 code. */
uint32_t ioc_info_read(const ioc_sys *sys, HANDLE file, iocp_file_info_t *info);

/* FILE_ID_INFO, which not all headers have; all 0 where the file system has no such ids. */
typedef struct ioc_info_id {
    ULONGLONG volume;
    ULONGLONG file[2];
} ioc_info_id;

ioc_info_id ioc_info_read_id(const ioc_sys *sys, HANDLE file);

/* Whether by this code the system or the file system says that it does not know what it was asked for. */
bool ioc_info_is_unknown(uint32_t error);

#endif
