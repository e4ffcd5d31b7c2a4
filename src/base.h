/*
 * What every unit needs: assertions, container_of, arithmetic that cannot go wrong.
 *
 * Inside the library every name begins with ioc_, so that the reader sees at a glance what is
 * public (iocp_) and a static library cannot clash with the program's own names.
 */
#ifndef IOC_BASE_H
#define IOC_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

/* A programming error inside the library. Debug builds stop, release builds do not check. */
#define IOC_ASSERT(condition) assert(condition)

/* The object of `type` whose `member` is at `pointer`. */
#define IOC_CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define IOC_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define IOC_NS_PER_MS UINT64_C(1000000)

/* No time at all: sleep until something happens; a deadline that is not set. */
#define IOC_FOREVER UINT64_MAX

#define IOC_CACHE_LINE 64

static inline void ioc_prefetch_line(const void *address)
{
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(address);
#elif defined(_M_ARM64)
    __prefetch(address);
#else
    _mm_prefetch(address, _MM_HINT_T0);
#endif
}

/* Have memory fetched that will be needed soon. Any address is allowed, also one of no object. */
static inline void ioc_prefetch(const void *address, size_t size)
{
    for (size_t offset = 0; offset < size; offset += IOC_CACHE_LINE) {
        ioc_prefetch_line((const void *)((uintptr_t)address + offset));
    }
}

/* The number of the lowest bit that is set; one is. */
static inline uint32_t ioc_lowest_bit(uint32_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return (uint32_t)__builtin_ctz(bits);
#else
    unsigned long number = 0;
    (void)_BitScanForward(&number, bits);
    return (uint32_t)number;
#endif
}

/* The number of the highest bit that is set; one is. */
static inline uint32_t ioc_highest_bit(uint32_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return 31 ^ (uint32_t)__builtin_clz(bits);
#else
    unsigned long number = 0;
    (void)_BitScanReverse(&number, bits);
    return (uint32_t)number;
#endif
}

static inline uint32_t ioc_highest_bit_u64(uint64_t bits)
{
    uint32_t high = (uint32_t)(bits >> 32);
    return high != 0 ? 32 + ioc_highest_bit(high) : ioc_highest_bit((uint32_t)bits);
}

/* A sum that stops at the largest value: now + "for ever" is still for ever. */
static inline uint64_t ioc_add_saturated(uint64_t a, uint64_t b)
{
    return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static inline uint64_t ioc_divide_up(uint64_t value, uint64_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

static inline size_t ioc_round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

#endif
