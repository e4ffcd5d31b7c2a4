/*
 * Atomics without <stdatomic.h>, which MSVC has only behind a switch: __atomic builtins on gcc and
 * clang, Interlocked intrinsics on MSVC (forced elsewhere by IOC_ATOMIC_INTERLOCKED, for checks).
 *
 * The read-modify-write functions and the loads named _seq_cst are sequentially consistent: the
 * sleep protocol of post.c rests on that.
 */
#ifndef IOC_ATOMIC_H
#define IOC_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_MSC_VER) && (!defined(__clang__) || defined(IOC_ATOMIC_INTERLOCKED))
#define IOC_ATOMIC_MSVC 1
#include <intrin.h>
#endif

typedef struct ioc_atomic_u32 {
    volatile uint32_t value;
} ioc_atomic_u32;

typedef struct ioc_atomic_u64 {
#if defined(_MSC_VER)
    __declspec(align(8)) volatile uint64_t value;
#else
    _Alignas(8) volatile uint64_t value;
#endif
} ioc_atomic_u64;

typedef struct ioc_atomic_ptr {
    void *volatile value;
} ioc_atomic_ptr;

#if defined(IOC_ATOMIC_MSVC)

static inline uint32_t ioc_load_u32(const ioc_atomic_u32 *a)
{
    return (uint32_t)_InterlockedOr((volatile long *)&a->value, 0);
}

static inline uint32_t ioc_load_seq_cst_u32(const ioc_atomic_u32 *a)
{
    return ioc_load_u32(a);
}

static inline void ioc_store_u32(ioc_atomic_u32 *a, uint32_t value)
{
    _InterlockedExchange((volatile long *)&a->value, (long)value);
}

static inline uint32_t ioc_exchange_u32(ioc_atomic_u32 *a, uint32_t value)
{
    return (uint32_t)_InterlockedExchange((volatile long *)&a->value, (long)value);
}

static inline bool ioc_compare_exchange_u32(ioc_atomic_u32 *a, uint32_t expected, uint32_t value)
{
    return (uint32_t)_InterlockedCompareExchange((volatile long *)&a->value, (long)value,
                                                 (long)expected) == expected;
}

/* The value before. */
static inline uint32_t ioc_add_u32(ioc_atomic_u32 *a, uint32_t value)
{
    return (uint32_t)_InterlockedExchangeAdd((volatile long *)&a->value, (long)value);
}

static inline uint32_t ioc_or_u32(ioc_atomic_u32 *a, uint32_t bits)
{
    return (uint32_t)_InterlockedOr((volatile long *)&a->value, (long)bits);
}

static inline uint64_t ioc_load_u64(const ioc_atomic_u64 *a)
{
    return (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)&a->value, 0, 0);
}

/* On failure *expected becomes the value that was found. */
static inline bool ioc_compare_exchange_u64(ioc_atomic_u64 *a, uint64_t *expected, uint64_t value)
{
    uint64_t found = (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)&a->value,
                                                             (__int64)value, (__int64)*expected);
    bool swapped = found == *expected;
    *expected = found;
    return swapped;
}

static inline void ioc_increment_u64(ioc_atomic_u64 *a)
{
    uint64_t seen = ioc_load_u64(a);
    while (!ioc_compare_exchange_u64(a, &seen, seen + 1)) {}
}

static inline void *ioc_load_ptr(const ioc_atomic_ptr *a)
{
    return _InterlockedCompareExchangePointer((void *volatile *)&a->value, 0, 0);
}

static inline void *ioc_load_seq_cst_ptr(const ioc_atomic_ptr *a)
{
    return ioc_load_ptr(a);
}

static inline void *ioc_exchange_ptr(ioc_atomic_ptr *a, void *value)
{
    return _InterlockedExchangePointer((void *volatile *)&a->value, value);
}

static inline bool ioc_compare_exchange_ptr(ioc_atomic_ptr *a, void **expected, void *value)
{
    void *found = _InterlockedCompareExchangePointer((void *volatile *)&a->value, value, *expected);
    bool swapped = found == *expected;
    *expected = found;
    return swapped;
}

#else

static inline uint32_t ioc_load_u32(const ioc_atomic_u32 *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_ACQUIRE);
}

static inline uint32_t ioc_load_seq_cst_u32(const ioc_atomic_u32 *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_SEQ_CST);
}

static inline void ioc_store_u32(ioc_atomic_u32 *a, uint32_t value)
{
    __atomic_store_n(&a->value, value, __ATOMIC_RELEASE);
}

static inline uint32_t ioc_exchange_u32(ioc_atomic_u32 *a, uint32_t value)
{
    return __atomic_exchange_n(&a->value, value, __ATOMIC_SEQ_CST);
}

static inline bool ioc_compare_exchange_u32(ioc_atomic_u32 *a, uint32_t expected, uint32_t value)
{
    return __atomic_compare_exchange_n(&a->value, &expected, value, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/* The value before. */
static inline uint32_t ioc_add_u32(ioc_atomic_u32 *a, uint32_t value)
{
    return __atomic_fetch_add(&a->value, value, __ATOMIC_SEQ_CST);
}

static inline uint32_t ioc_or_u32(ioc_atomic_u32 *a, uint32_t bits)
{
    return __atomic_fetch_or(&a->value, bits, __ATOMIC_SEQ_CST);
}

static inline uint64_t ioc_load_u64(const ioc_atomic_u64 *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_ACQUIRE);
}

/* On failure *expected becomes the value that was found. */
static inline bool ioc_compare_exchange_u64(ioc_atomic_u64 *a, uint64_t *expected, uint64_t value)
{
    return __atomic_compare_exchange_n(&a->value, expected, value, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static inline void ioc_increment_u64(ioc_atomic_u64 *a)
{
    (void)__atomic_fetch_add(&a->value, 1, __ATOMIC_RELAXED);
}

static inline void *ioc_load_ptr(const ioc_atomic_ptr *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_ACQUIRE);
}

static inline void *ioc_load_seq_cst_ptr(const ioc_atomic_ptr *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_SEQ_CST);
}

static inline void *ioc_exchange_ptr(ioc_atomic_ptr *a, void *value)
{
    return __atomic_exchange_n(&a->value, value, __ATOMIC_SEQ_CST);
}

static inline bool ioc_compare_exchange_ptr(ioc_atomic_ptr *a, void **expected, void *value)
{
    return __atomic_compare_exchange_n(&a->value, expected, value, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

#endif

#endif
