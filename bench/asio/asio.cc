/* The cases by Asio: asio/tick_empty, post_burst, async_roundtrip, timers_*, tcp_pingpong. */
#include <asio.hpp>

#include <array>
#include <chrono>
#include <vector>

extern "C" {
#include "../cases.h"
#include "../peers.h"
#include "threads.h"
}

namespace {

using work_guard = asio::executor_work_guard<asio::io_context::executor_type>;

/* What Asio throws becomes the case's error. */
template <typename Function>
bool guarded(bench_run *run, const char *what, Function function)
{
    try {
        function();
        return true;
    } catch (const std::system_error &error) {
        return bench_fail(run, what, error.code().value());
    } catch (const std::exception &) {
        return bench_fail(run, what, 0);
    }
}

template <typename State>
bool setup(bench_run *run)
{
    return guarded(run, "set up", [run] { run->state = new State(run); });
}

template <typename State>
bool measure(bench_run *run, uint64_t iterations)
{
    return guarded(run, "measure", [=] { static_cast<State *>(run->state)->measure(iterations); }) &&
           run->error[0] == '\0';
}

template <typename State>
void teardown(bench_run *run)
{
    delete static_cast<State *>(run->state);
}

template <typename State>
constexpr bench_body body_of()
{
    return {setup<State>, nullptr, measure<State>, nullptr, teardown<State>};
}

/* ---- Turns and posts ---- */

struct one_loop {
    explicit one_loop(bench_run *for_run)
        : run(for_run)
    {}

    bench_run *run;
    asio::io_context context{1};
    work_guard guard = asio::make_work_guard(context);
};

struct tick_empty : one_loop {
    using one_loop::one_loop;

    void measure(uint64_t iterations)
    {
        for (uint64_t i = 0; i < iterations; i++) {
            context.poll();
        }
    }
};

struct post_burst : one_loop {
    using one_loop::one_loop;

    void measure(uint64_t iterations)
    {
        for (uint64_t i = 0; i < iterations; i++) {
            uint64_t ran = 0;
            for (int k = 0; k < BENCH_BURST; k++) {
                asio::post(context, [&ran] { ran++; });
            }
            context.poll();
            if (ran != BENCH_BURST) {
                bench_fail(run, "posted functions that ran", static_cast<long>(ran));
            }
        }
    }
};

/* ---- Two loops in two threads ---- */

struct async_roundtrip {
    explicit async_roundtrip(bench_run *run)
    {
        if (!test_thread_start(&thread, run_there, this)) {
            bench_fail(run, "no thread", 0);
        }
    }

    static void run_there(void *arg)
    {
        static_cast<async_roundtrip *>(arg)->there.run();
    }

    void go_there()
    {
        asio::post(there, [this] { asio::post(here, [this] { come_back(); }); });
    }

    void come_back()
    {
        if (--left > 0) {
            go_there();
        } else {
            here.stop();
        }
    }

    void measure(uint64_t iterations)
    {
        left = iterations;
        go_there();
        here.restart();
        here.run();
    }

    ~async_roundtrip()
    {
        there.stop();
        if (thread.native != nullptr) {
            test_thread_join(&thread);
        }
    }

    uint64_t left = 0;
    asio::io_context here{1};
    asio::io_context there{1};
    work_guard guard_here = asio::make_work_guard(here);
    work_guard guard_there = asio::make_work_guard(there);
    test_thread thread{}; /* MinGW's C++ may have none */
};

/* ---- Timers ---- */

struct timers : one_loop {
    explicit timers(bench_run *for_run)
        : one_loop(for_run)
    {
        for (uint64_t i = 0; i < run->size; i++) {
            all.emplace_back(context);
        }
    }

    void insert(uint64_t nearest_ns, uint64_t spread_ns)
    {
        ended = 0;
        for (asio::steady_timer &timer : all) {
            uint64_t delay_ns = nearest_ns + bench_random(&seed) % spread_ns;
            timer.expires_after(std::chrono::nanoseconds(delay_ns));
            timer.async_wait([this](const asio::error_code &) { ended++; });
        }
    }

    void end()
    {
        while (ended < run->size) {
            context.poll();
        }
    }

    uint64_t seed = BENCH_TIMER_SEED;
    uint64_t ended = 0;
    std::vector<asio::steady_timer> all;
};

struct timers_insert_fire : timers {
    using timers::timers;

    void measure(uint64_t iterations)
    {
        for (uint64_t i = 0; i < iterations; i++) {
            uint64_t spread_ns = run->size * BENCH_TIMER_SPACING_NS;
            insert(0, spread_ns);
            bench_pause pause = bench_pause_begin(run);
            auto due = std::chrono::steady_clock::now() + std::chrono::nanoseconds(spread_ns);
            while (std::chrono::steady_clock::now() <= due) {
                /* as the library's case does */
            }
            bench_pause_end(run, pause);
            end();
        }
    }
};

struct timers_cancel : timers {
    explicit timers_cancel(bench_run *for_run)
        : timers(for_run)
    {
        for (asio::steady_timer &timer : all) {
            order.push_back(&timer);
        }
    }

    void measure(uint64_t iterations)
    {
        for (uint64_t i = 0; i < iterations; i++) {
            bench_pause pause = bench_pause_begin(run);
            insert(BENCH_TIMER_FAR_NS, BENCH_TIMER_FAR_NS);
            for (uint64_t k = run->size - 1; k > 0; k--) {
                std::swap(order[k], order[bench_random_below(&seed, k + 1)]);
            }
            bench_pause_end(run, pause);
            uint64_t cancelled = 0;
            for (asio::steady_timer *timer : order) {
                timer->cancel();
                if (++cancelled % BENCH_BURST == 0) {
                    context.poll();
                }
            }
            end();
        }
    }

    std::vector<asio::steady_timer *> order;
};

/* ---- A message there and back ---- */

struct tcp_pingpong : one_loop {
    using tcp = asio::ip::tcp;
    using message = std::array<char, BENCH_MESSAGE_BYTES>;

    explicit tcp_pingpong(bench_run *for_run)
        : one_loop(for_run)
    {
        tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        client.connect(acceptor.local_endpoint());
        acceptor.accept(server);
        client.set_option(tcp::no_delay(true));
        server.set_option(tcp::no_delay(true));
    }

    void check(const asio::error_code &error)
    {
        if (error) {
            bench_fail(run, "pingpong", error.value());
            context.stop();
        }
    }

    void send(tcp::socket &from)
    {
        asio::async_write(from, asio::buffer(sent),
                          [this](const asio::error_code &error, size_t) { check(error); });
    }

    void serve()
    {
        asio::async_read(server, asio::buffer(at_server),
                         [this](const asio::error_code &error, size_t) {
                             check(error);
                             send(server);
                             if (--to_serve > 0) {
                                 serve();
                             }
                         });
    }

    void play()
    {
        send(client);
        asio::async_read(client, asio::buffer(at_client),
                         [this](const asio::error_code &error, size_t) {
                             check(error);
                             if (--left > 0) {
                                 play();
                             } else {
                                 context.stop();
                             }
                         });
    }

    void measure(uint64_t iterations)
    {
        left = iterations;
        to_serve = iterations;
        context.restart();
        serve();
        play();
        context.run();
    }

    uint64_t left = 0;
    uint64_t to_serve = 0;
    tcp::socket client{context};
    tcp::socket server{context};
    message sent{};
    message at_client{};
    message at_server{};
};

constexpr bench_body tick_empty_body = body_of<tick_empty>();
constexpr bench_body post_burst_body = body_of<post_burst>();
constexpr bench_body async_roundtrip_body = body_of<async_roundtrip>();
constexpr bench_body timers_insert_fire_body = body_of<timers_insert_fire>();
constexpr bench_body timers_cancel_body = body_of<timers_cancel>();
constexpr bench_body tcp_pingpong_body = body_of<tcp_pingpong>();

} // namespace

const bench_peer_row bench_asio_rows[] = {
    {"tick_empty", &tick_empty_body},
    {"post_burst", &post_burst_body},
    {"async_roundtrip", &async_roundtrip_body},
    {"timers_insert_fire", &timers_insert_fire_body},
    {"timers_cancel", &timers_cancel_body},
    {"tcp_pingpong", &tcp_pingpong_body},
    {nullptr, nullptr},
};
