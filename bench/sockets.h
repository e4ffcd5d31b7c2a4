/* Addresses of sockets, on the system that the benchmarks are built for. */
#ifndef BENCH_SOCKETS_H
#define BENCH_SOCKETS_H

#if defined(_WIN32)
#include "bench_win.h"
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#endif
