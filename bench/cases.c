#include "cases.h"

#include <string.h>

#include "peers.h"

/* A twin without the library asks the kernel, which natively there is none of. */
#if defined(_WIN32)
#define RAW(base) (&bench_raw_##base)
#else
#define RAW(base) NULL
#endif

#define CASE(base)                                                                     \
    {                                                                                  \
        .name = #base, .library = &bench_lib_##base, .raw = RAW(base), .operations = 1 \
    }

/* Without a twin. */
#define ALONE(base)                                                  \
    {                                                                \
        .name = #base, .library = &bench_lib_##base, .operations = 1 \
    }

/* With so many reads in flight. */
#define FILE_READ(depth)                                                                           \
    {                                                                                              \
        .name = "file_read/" #depth, .library = &bench_lib_file_read, .raw = &bench_raw_file_read, \
        .size = (depth), .operations = 1                                                           \
    }

/* With so many timers; one iteration treats each of them once. */
#define TIMERS(base, count)                                                               \
    {                                                                                     \
        .name = #base "/" #count, .library = &bench_lib_##base, .raw = &bench_raw_##base, \
        .size = (count), .operations = (count)                                            \
    }

#define TIMERS_ALONE(base, count)                                                \
    {                                                                            \
        .name = #base "/" #count, .library = &bench_lib_##base, .size = (count), \
        .operations = (count)                                                    \
    }

/* One listener, and so many loops in as many threads. */
#define WORKERS(count)                                                             \
    {                                                                              \
        .name = "workers/" #count, .library = &bench_lib_workers, .size = (count), \
        .operations = BENCH_WORKED                                                 \
    }

#define TIMERS_OF_ALL_SIZES(base) \
    TIMERS(base, 1000), TIMERS(base, 10000), TIMERS(base, 100000), TIMERS(base, 1000000)

const bench_case bench_cases[] = {
    CASE(tick_empty),
    CASE(tick_pending),
    CASE(nop),
    ALONE(nop_rearm),
    {.name = "post_burst",
     .library = &bench_lib_post_burst,
     .raw = RAW(post_burst),
     .operations = BENCH_BURST},
    {.name = "post_thread", .library = &bench_lib_post_thread, .operations = BENCH_POSTS},
    ALONE(notify_signalled),
    CASE(loop_create),
#if !defined(_WIN32)
    ALONE(send_inline),
#else
    CASE(async_roundtrip),
    CASE(handle_wait),
    CASE(process_spawn),
    CASE(open_close),
    CASE(stat),
    CASE(folder_watch),
    CASE(tcp_pingpong),
    CASE(pipe_pingpong),
    CASE(lent_pingpong),
    CASE(http_small),
    {.name = "tcp_throughput",
     .library = &bench_lib_tcp_throughput,
     .raw = &bench_raw_tcp_throughput,
     .operations = 1,
     .bytes = BENCH_BLOCK_BYTES},
    {.name = "sendfile",
     .library = &bench_lib_sendfile,
     .raw = &bench_raw_sendfile,
     .operations = 1,
     .bytes = BENCH_BLOCK_BYTES},
    CASE(tcp_accept),
    CASE(udp_pingpong),
    CASE(recvmsg_pingpong),
    CASE(poll_pingpong),
    FILE_READ(1),
    FILE_READ(32),
    CASE(resolve_localhost),
#endif
    TIMERS_OF_ALL_SIZES(timers_insert),
    TIMERS_ALONE(timers_insert_first, 1000),
    TIMERS_ALONE(timers_insert_first, 1000000),
    TIMERS_OF_ALL_SIZES(timers_insert_fire),
    TIMERS_ALONE(timers_longest, 100000),
    TIMERS_ALONE(timers_longest, 1000000),
    TIMERS_OF_ALL_SIZES(timers_insert_cancel),
    TIMERS_OF_ALL_SIZES(timers_cancel),
    TIMERS_OF_ALL_SIZES(timers_reset),
    TIMERS_OF_ALL_SIZES(timers_postpone),
#if defined(_WIN32)
    {.name = "timer_lateness",
     .library = &bench_lib_timer_lateness,
     .raw = &bench_raw_timer_lateness,
     .operations = 1,
     .delay_ns = BENCH_TIMER_DELAY_NS},
    {.name = "serve/2000",
     .library = &bench_lib_serve,
     .size = BENCH_SERVED,
     .operations = BENCH_SERVED},
    {.name = "serve_16/2000",
     .library = &bench_lib_serve_16,
     .size = BENCH_SERVED,
     .operations = BENCH_SERVED},
    WORKERS(1),
    WORKERS(2),
    WORKERS(4),
    {.name = "mixed_latency", .library = &bench_lib_mixed_latency, .operations = BENCH_SERVED},
#endif
};

const size_t bench_case_count = sizeof bench_cases / sizeof bench_cases[0];

/* Those libraries that were built in. */
static const bench_peer_row *const peers[BENCH_SIDES] = {
    [BENCH_LIBRARY] = NULL,
#if defined(BENCH_HAS_LIBUV)
    [BENCH_LIBUV] = bench_libuv_rows,
#endif
#if defined(BENCH_HAS_ASIO)
    [BENCH_ASIO] = bench_asio_rows,
#endif
};

/* A peer has one body for a case of all sizes. */
static const bench_body *peer__body(const bench_peer_row *rows, const char *name)
{
    size_t length = strcspn(name, "/");
    for (; rows != NULL && rows->name != NULL; rows++) {
        if (strlen(rows->name) == length && memcmp(rows->name, name, length) == 0) {
            return rows->body;
        }
    }
    return NULL;
}

const bench_body *bench_side_body(const bench_case *which, bench_side side)
{
    return side == BENCH_LIBRARY ? which->library
           : side == BENCH_RAW   ? which->raw
                                 : peer__body(peers[side], which->name);
}
