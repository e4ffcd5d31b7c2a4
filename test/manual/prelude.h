/*
 * What the examples in include/iocploop.h leave out: a program's includes. Each example is compiled
 * behind this and nothing else (cmake/checks/manual.cmake), so it names all that it uses.
 */
#ifndef IOCPLOOP_MANUAL_PRELUDE_H
#define IOCPLOOP_MANUAL_PRELUDE_H

#if defined(_WIN32)
#include <winsock2.h>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <iocploop.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(_WIN32) /* what they call of <windows.h> */
#define LOCKFILE_EXCLUSIVE_LOCK 2
int LockFileEx(void *file, uint32_t flags, uint32_t reserved, uint32_t bytes, uint32_t bytes_high,
               void *overlapped);
uint32_t GetLastError(void);
#endif

#endif /* IOCPLOOP_MANUAL_PRELUDE_H */
