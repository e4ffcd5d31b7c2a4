/*
 * Runs all scenarios with the orders as they are written, with each access at no more than what
 * needs.h says, and so with each of these needs taken away: the first two have to hold, the last to
 * be found out.
 */
#include "machine.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unordered_map>

#include <relacy/relacy.hpp>
// Its macros are for programs that are written for it.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert

// ---- Orders ----

enum : unsigned {
    RELAXED = 0,
    ACQUIRE = 1,
    RELEASE = 2,
    SEQ_CST = 4
};

static unsigned bits_of(int order)
{
    switch (order) {
    case __ATOMIC_RELAXED:
        return RELAXED;
    case __ATOMIC_ACQUIRE:
        return ACQUIRE;
    case __ATOMIC_RELEASE:
        return RELEASE;
    default:
        return ACQUIRE | RELEASE | SEQ_CST;
    }
}

struct need {
    const char *function;
    const char *call;
    unsigned bits;
};

#include "needs.h"
constexpr size_t need_count = sizeof needs / sizeof needs[0];

// How a run takes the orders; or it is the number of the access whose need is not met.
enum {
    AS_WRITTEN = -2,
    AS_NEEDED = -1
};

// What runs, in a process of its own.
static const scenario *running;
static int weakened = AS_WRITTEN;
static unsigned without; // which part of the need

// The orders with which each access was met. All processes write here.
static unsigned *met;
constexpr unsigned MET = 8;

static const need *site;

extern "C" void machine_at(const char *function, const char *call)
{
    for (const need &one : needs) {
        if (std::strcmp(one.function, function) == 0 && std::strcmp(one.call, call) == 0) {
            site = &one;
            return;
        }
    }
    std::printf("an access that needs.h does not have: %s %s\n", function, call);
    std::fflush(stdout);
    _exit(100);
}

[[noreturn]] static void fail(const char *what, rl::test_result_e result)
{
    rl::ctx().fail_test(what, result, $);
    _exit(100);
}

// The order of this access in this run.
static rl::memory_order order_now(int order, unsigned possible)
{
    unsigned bits = bits_of(order) & (possible | SEQ_CST);
    if (site != nullptr) {
        size_t number = size_t(site - needs);
        met[number] |= MET | bits;
        if (weakened != AS_WRITTEN) {
            bits &= site->bits;
        }
        if (weakened == int(number)) {
            bits = without == SEQ_CST ? ACQUIRE | RELEASE : bits & ~without;
            bits &= possible;
        }
        site = nullptr;
    }
    if ((bits & SEQ_CST) != 0) {
        return rl::mo_seq_cst;
    }
    if (bits == (ACQUIRE | RELEASE)) {
        return rl::mo_acq_rel;
    }
    return bits == ACQUIRE ? rl::mo_acquire : bits == RELEASE ? rl::mo_release : rl::mo_relaxed;
}

// ---- Memory ----

// Four bytes, and who has used them. Threads that share them without an order are in a race here,
// though they may use different ones; the structures that are looked at have no such neighbours.
constexpr uintptr_t WORD = 4;

static uintptr_t word_of(uintptr_t address)
{
    return address / WORD * WORD;
}

struct shadow {
    rl::var_data *uses = nullptr;
    bool is_freed = false;
};

static std::unordered_map<uintptr_t, shadow, std::hash<uintptr_t>, std::equal_to<uintptr_t>,
                          rl::raw_allocator<std::pair<const uintptr_t, shadow>>>
    shadows;
static rl::map<void *, size_t>::type blocks;

static void touch(const volatile void *memory, size_t size, bool is_write)
{
    if (!rl::is_ctx()) {
        return;
    }
    uintptr_t first = uintptr_t(memory);
    if (first < 4096) {
        fail("no address", rl::test_result_user_assert_failed);
    }
    rl::thread_info_base &thread = *rl::ctx().threadx_;
    for (uintptr_t at = word_of(first); at < first + size; at += WORD) {
        shadow &word = shadows[at];
        if (word.uses == nullptr) {
            word.uses = rl::ctx().var_ctor();
        }
        if (word.is_freed) {
            fail("it is freed", rl::test_result_access_to_freed_memory);
        }
        if (!(is_write ? word.uses->store(thread) : word.uses->load(thread))) {
            fail("", rl::test_result_data_race);
        }
    }
}

template <typename T> struct atomics {
    typedef rl::generic_atomic<T, true> atomic;
    static typename rl::map<uintptr_t, atomic *>::type all;

    // The atomic at an address, made at the first use from what is there.
    static atomic &at(const volatile T *memory)
    {
        touch(memory, 1, false);
        atomic *&found = all[uintptr_t(memory)];
        if (found == nullptr) {
            rl::preemption_disabler alone(rl::ctx());
            found = ::new (std::malloc(sizeof(atomic))) atomic;
            found->store(*memory, rl::mo_relaxed, $);
        }
        return *found;
    }

    static void drop(uintptr_t first, uintptr_t end)
    {
        auto from = all.lower_bound(first), to = all.lower_bound(end);
        for (auto one = from; one != to; ++one) {
            one->second->~atomic();
            std::free(one->second);
        }
        all.erase(from, to);
    }
};
template <typename T>
typename rl::map<uintptr_t, typename atomics<T>::atomic *>::type atomics<T>::all;

static void write_plainly(volatile void *memory, size_t size)
{
    touch(memory, size, true);
    atomics<uint32_t>::drop(uintptr_t(memory), uintptr_t(memory) + size);
    atomics<uint64_t>::drop(uintptr_t(memory), uintptr_t(memory) + size);
}

extern "C" void *machine_set(void *memory, int byte, size_t size)
{
    write_plainly(memory, size);
    return std::memset(memory, byte, size);
}

extern "C" void *machine_allocate(size_t size, void *)
{
    void *memory = std::malloc(size);
    blocks[memory] = size;
    return memory;
}

// It stays, so that no other memory has its address.
extern "C" void machine_free(void *memory, void *)
{
    write_plainly(memory, blocks[memory]);
    for (size_t i = 0; i < blocks[memory]; i += WORD) {
        shadows[uintptr_t(memory) + i].is_freed = true;
    }
}

static void forget_all()
{
    for (auto &block : blocks) {
        if (!shadows[uintptr_t(block.first)].is_freed) {
            fail("", rl::test_result_memory_leak);
        }
        std::free(block.first);
    }
    atomics<uint32_t>::drop(0, UINTPTR_MAX);
    atomics<uint64_t>::drop(0, UINTPTR_MAX);
    for (auto &word : shadows) {
        if (word.second.uses != nullptr) {
            rl::ctx().var_dtor(word.second.uses);
        }
    }
    blocks.clear();
    shadows.clear();
}

// ---- What the compiler calls ----

extern "C" {

void __tsan_init()
{
}
void __tsan_func_entry(void *)
{
}
void __tsan_func_exit()
{
}

#define PLAIN(size)                       \
    void __tsan_read##size(void *memory)  \
    {                                     \
        touch(memory, size, false);       \
    }                                     \
    void __tsan_write##size(void *memory) \
    {                                     \
        write_plainly(memory, size);      \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *memory, size_t size)
{
    touch(memory, size, false);
}
void __tsan_write_range(void *memory, size_t size)
{
    write_plainly(memory, size);
}

#define MODIFY(type, bits, name, change)                                            \
    type __tsan_atomic##bits##_##name(volatile type *memory, type value, int order) \
    {                                                                               \
        rl::memory_order now = order_now(order, ACQUIRE | RELEASE);                 \
        auto &atomic = atomics<type>::at(memory);                                   \
        type before = atomic.change(value, now, $);                                 \
        *memory = atomic.debug_value();                                             \
        return before;                                                              \
    }
#define ATOMIC(type, bits)                                                                    \
    type __tsan_atomic##bits##_load(const volatile type *memory, int order)                   \
    {                                                                                         \
        rl::memory_order now = order_now(order, ACQUIRE);                                     \
        return atomics<type>::at(memory).load(now, $);                                        \
    }                                                                                         \
    void __tsan_atomic##bits##_store(volatile type *memory, type value, int order)            \
    {                                                                                         \
        rl::memory_order now = order_now(order, RELEASE);                                     \
        atomics<type>::at(memory).store(value, now, $);                                       \
        *memory = value;                                                                      \
    }                                                                                         \
    MODIFY(type, bits, exchange, exchange)                                                    \
    MODIFY(type, bits, fetch_add, fetch_add)                                                  \
    MODIFY(type, bits, fetch_sub, fetch_sub)                                                  \
    MODIFY(type, bits, fetch_or, fetch_or)                                                    \
    bool __tsan_atomic##bits##_compare_exchange_strong(volatile type *memory, type *expected, \
                                                       type value, int order, int)            \
    {                                                                                         \
        rl::memory_order now = order_now(order, ACQUIRE | RELEASE);                           \
        auto &atomic = atomics<type>::at(memory);                                             \
        bool is_done = atomic.compare_exchange_strong(*expected, value, now, $);              \
        *memory = atomic.debug_value();                                                       \
        return is_done;                                                                       \
    }
ATOMIC(uint32_t, 32)
ATOMIC(uint64_t, 64)

void __assert_fail(const char *condition, const char *, unsigned, const char *) noexcept
{
    fail(condition, rl::test_result_user_assert_failed);
}
}

// ---- Threads ----

static rl::sema_data *kernel;

extern "C" void machine_yield(void)
{
    rl::yield(1, $);
}

extern "C" void machine_signal(void)
{
    unsigned before;
    kernel->post(1, before, $);
}

extern "C" bool machine_wait(bool may_sleep)
{
    return kernel->wait(!may_sleep, false, $) == rl::sema_wakeup_reason_success;
}

struct suite : rl::test_suite<suite, MACHINE_THREADS> {
    void before()
    {
        kernel = rl::ctx().sema_ctor(false, 0, 1000);
        running->before();
    }
    void thread(unsigned index)
    {
        running->threads[index]();
    }
    void after()
    {
        running->after();
        forget_all();
        rl::ctx().sema_dtor(kernel);
    }
};

// ---- Runs ----

// The result of a scenario, in a process of its own: what has failed leaves everything as it is.
static int run(const scenario &which, unsigned iterations, int need, unsigned bit)
{
    pid_t child = fork();
    if (child == 0) {
        running = &which;
        weakened = need;
        without = bit;
        rl::ostringstream nowhere;
        rl::test_params parameters;
        parameters.iteration_count = iterations;
        parameters.output_stream = &nowhere;
        parameters.progress_stream = &nowhere;
        _exit(
            rl::run_test<suite, rl::random_scheduler<MACHINE_THREADS>>(parameters, nowhere, false));
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static const char *name_of(int result)
{
    return result < 99 ? rl::test_result_str(rl::test_result_e(result)) : "it ended by itself";
}

static std::vector<const scenario *> scenarios;
static int failed;

static void say(bool is_ok, const char *subject, const char *what)
{
    std::printf("%-5s %-48s %s\n", is_ok ? "ok" : "FAIL", subject, what);
    std::fflush(stdout);
    failed += !is_ok;
}

static void all_hold(int how, const char *what, unsigned iterations)
{
    for (const scenario *one : scenarios) {
        int result = run(*one, iterations, how, 0);
        std::string subject = std::string(one->name) + ", " + what;
        say(result == 0, subject.c_str(), result == 0 ? "holds" : name_of(result));
    }
}

static void is_found_out(int number, unsigned bit, const char *name, unsigned iterations)
{
    std::string subject =
        std::string(needs[number].function) + " " + needs[number].call + " without " + name;
    for (const scenario *one : scenarios) {
        int result = run(*one, iterations, number, bit);
        if (result != 0) {
            say(result < 99, subject.c_str(),
                (std::string(one->name) + ": " + name_of(result)).c_str());
            return;
        }
    }
    say(false, subject.c_str(), "nothing noticed it");
}

static void try_without_each_need(int number, unsigned iterations)
{
    static const struct {
        unsigned bit;
        const char *name;
    } parts[] = {{ACQUIRE, "acquire"}, {RELEASE, "release"}, {SEQ_CST, "seq_cst"}};
    const need &one = needs[number];
    if ((met[number] & MET) == 0 || (one.bits & ~met[number]) != 0) {
        say(false, one.function, "no such access, or one that asks for less");
    }
    for (const auto &part : parts) {
        if ((one.bits & part.bit) != 0) {
            is_found_out(number, part.bit, part.name, iterations);
        }
    }
}

// orders [ITERATIONS]
int main(int argc, char **argv)
{
    unsigned iterations = argc > 1 ? unsigned(std::atoi(argv[1])) : 2000;
    met = static_cast<unsigned *>(
        mmap(nullptr, sizeof needs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    scenarios = {&queue_scenario, &pool_scenario};
    for (size_t i = 0; i < inbox_scenario_count; i++) {
        scenarios.push_back(&inbox_scenarios[i]);
    }
    all_hold(AS_WRITTEN, "as written", iterations);
    all_hold(AS_NEEDED, "as needed", iterations);
    for (size_t i = 0; i < need_count; i++) {
        try_without_each_need(int(i), iterations);
    }
    return failed > 0;
}
