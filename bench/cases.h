/* The two sides of every case: cases/ uses the library, raw/ does the same work without it. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "harness.h"

#define BENCH_BURST         64
#define BENCH_POSTS         4096 /* from another thread, before they run */
#define BENCH_MESSAGE_BYTES 64
#define BENCH_BLOCK_BYTES   65536

/* A small answer of an HTTP server, in its two buffers; the request is a message as above. */
#define BENCH_HEAD_BYTES   192
#define BENCH_BODY_BYTES   1024
#define BENCH_ANSWER_BYTES (BENCH_HEAD_BYTES + BENCH_BODY_BYTES)

/* Clients that are there at once, and timers among them. */
#define BENCH_WORKED       64
#define BENCH_SERVED       2000
#define BENCH_MIXED_TIMERS 10000

/* The file that is read at random places, and how much at a time. */
#define BENCH_FILE_BYTES (UINT64_C(16) << 20)
#define BENCH_PAGE_BYTES 4096
#define BENCH_FILE_PAGES (BENCH_FILE_BYTES / BENCH_PAGE_BYTES)

/* Of the file that is opened, or looked at. */
#define BENCH_LOOK_BYTES 4096
#define BENCH_FILE_SEED  UINT64_C(19930727)
#define BENCH_READS_MAX  32 /* in flight */

/* Timers that fire are spread over so much for each of them; the others over an hour and more. */
#define BENCH_TIMER_SEED       UINT64_C(20160802)
#define BENCH_TIMER_SPACING_NS 10
#define BENCH_TIMER_FAR_NS     (UINT64_C(1) << 42)
#define BENCH_TIMER_FAR_MASK   (BENCH_TIMER_FAR_NS - 1)

/* The most that a loop, and a timer of it, may take of memory that was never used. */
#define BENCH_LOOP_ROOM_BYTES  (4 << 20)
#define BENCH_TIMER_ROOM_BYTES 1024
#define BENCH_LINE_BYTES       64

/* The timer that is waited for, and whose lateness counts. */
#define BENCH_TIMER_DELAY_NS 300000

/* Natively there are only those that ask no kernel for anything. */
extern const bench_body bench_lib_tick_empty, bench_raw_tick_empty;
extern const bench_body bench_lib_tick_pending, bench_raw_tick_pending;
extern const bench_body bench_lib_nop, bench_raw_nop;
extern const bench_body bench_lib_nop_rearm;
extern const bench_body bench_lib_send_inline; /* natively alone: the stub is done at once */
extern const bench_body bench_lib_post_burst, bench_raw_post_burst;
extern const bench_body bench_lib_post_thread;
extern const bench_body bench_lib_notify_signalled;
extern const bench_body bench_lib_loop_create, bench_raw_loop_create;
extern const bench_body bench_lib_async_roundtrip, bench_raw_async_roundtrip;
extern const bench_body bench_lib_handle_wait, bench_raw_handle_wait;
extern const bench_body bench_lib_process_spawn, bench_raw_process_spawn;
extern const bench_body bench_lib_tcp_pingpong, bench_raw_tcp_pingpong;
extern const bench_body bench_lib_pipe_pingpong, bench_raw_pipe_pingpong;
extern const bench_body bench_lib_lent_pingpong, bench_raw_lent_pingpong;
extern const bench_body bench_lib_http_small, bench_raw_http_small;
extern const bench_body bench_lib_tcp_throughput, bench_raw_tcp_throughput;
extern const bench_body bench_lib_sendfile, bench_raw_sendfile;
extern const bench_body bench_lib_tcp_accept, bench_raw_tcp_accept;
extern const bench_body bench_lib_udp_pingpong, bench_raw_udp_pingpong;
extern const bench_body bench_lib_recvmsg_pingpong, bench_raw_recvmsg_pingpong;
extern const bench_body bench_lib_poll_pingpong, bench_raw_poll_pingpong;
extern const bench_body bench_lib_file_read, bench_raw_file_read;
extern const bench_body bench_lib_open_close, bench_raw_open_close;
extern const bench_body bench_lib_stat, bench_raw_stat;
extern const bench_body bench_lib_folder_watch, bench_raw_folder_watch;
extern const bench_body bench_lib_resolve_localhost, bench_raw_resolve_localhost;
extern const bench_body bench_lib_timers_insert, bench_raw_timers_insert;
extern const bench_body bench_lib_timers_insert_fire, bench_raw_timers_insert_fire;
extern const bench_body bench_lib_timers_insert_cancel, bench_raw_timers_insert_cancel;
extern const bench_body bench_lib_timers_cancel, bench_raw_timers_cancel;
extern const bench_body bench_lib_timers_insert_first;
extern const bench_body bench_lib_timers_longest;
extern const bench_body bench_lib_timers_reset, bench_raw_timers_reset;
extern const bench_body bench_lib_timers_postpone, bench_raw_timers_postpone;
extern const bench_body bench_lib_timer_lateness, bench_raw_timer_lateness;

/* These have no twins: it would be a program of its own. */
extern const bench_body bench_lib_serve, bench_lib_serve_16, bench_lib_workers,
    bench_lib_mixed_latency;

#endif
