/*
 * Atomics without <stdatomic.h>, which MSVC has only behind a switch: __atomic builtins on gcc and
 * clang, Interlocked intrinsics on MSVC (forced elsewhere by IOC_ATOMIC_INTERLOCKED, for checks).
 *
 * A function whose name says nothing else has the order that nearly all need: loads acquire, stores
 * release, and what reads and writes in one is sequentially consistent, as are the loads named
 * _seq_cst: the sleep protocol of post.c rests on that. What is named _relaxed orders nothing, and
 * stands where another access does (test/model/orders/needs.h has the reason for each).
 *
 * On x86 and x64 every load and store is as strong as these ask for by itself: only the compiler must
 * not move it. On arm64 a relaxed access is a plain one.
 */
#ifndef IOC_ATOMIC_H
#define IOC_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_MSC_VER) && (!defined(__clang__) || defined(IOC_ATOMIC_INTERLOCKED))
#define IOC_ATOMIC_MSVC 1
#include <intrin.h>
void _ReadWriteBarrier(void); /* not every <intrin.h> that clang finds has it */
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

/* Between an access and what must stay before or behind it. */
static inline void ioc_atomic__fence(void)
{
#if defined(_M_ARM64)
    __dmb(_ARM64_BARRIER_ISH); /* all processors of the machine */
#else
    _ReadWriteBarrier();
#endif
}

static inline uint32_t ioc_load_relaxed_u32(const ioc_atomic_u32 *a)
{
    return a->value;
}

static inline uint32_t ioc_load_u32(const ioc_atomic_u32 *a)
{
    uint32_t value = a->value;
    ioc_atomic__fence();
    return value;
}

static inline uint32_t ioc_load_seq_cst_u32(const ioc_atomic_u32 *a)
{
    ioc_atomic__fence();
    return ioc_load_u32(a);
}

static inline void ioc_store_u32(ioc_atomic_u32 *a, uint32_t value)
{
    ioc_atomic__fence();
    a->value = value;
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

#if defined(_WIN64)

static inline uint64_t ioc_load_relaxed_u64(const ioc_atomic_u64 *a)
{
    return a->value;
}

static inline uint64_t ioc_load_u64(const ioc_atomic_u64 *a)
{
    uint64_t value = a->value;
    ioc_atomic__fence();
    return value;
}

#else

/* Two loads of 32 bits could be of two values. */
static inline uint64_t ioc_load_u64(const ioc_atomic_u64 *a)
{
    return (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)&a->value, 0, 0);
}

static inline uint64_t ioc_load_relaxed_u64(const ioc_atomic_u64 *a)
{
    return ioc_load_u64(a);
}

#endif

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

static inline void *ioc_load_relaxed_ptr(const ioc_atomic_ptr *a)
{
    return a->value;
}

static inline void *ioc_load_ptr(const ioc_atomic_ptr *a)
{
    void *value = a->value;
    ioc_atomic__fence();
    return value;
}

static inline void *ioc_load_seq_cst_ptr(const ioc_atomic_ptr *a)
{
    ioc_atomic__fence();
    return ioc_load_ptr(a);
}

static inline void ioc_store_ptr(ioc_atomic_ptr *a, void *value)
{
    ioc_atomic__fence();
    a->value = value;
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

static inline uint32_t ioc_load_relaxed_u32(const ioc_atomic_u32 *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_RELAXED);
}

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

static inline uint64_t ioc_load_relaxed_u64(const ioc_atomic_u64 *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_RELAXED);
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

static inline void *ioc_load_relaxed_ptr(const ioc_atomic_ptr *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_RELAXED);
}

static inline void *ioc_load_ptr(const ioc_atomic_ptr *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_ACQUIRE);
}

static inline void *ioc_load_seq_cst_ptr(const ioc_atomic_ptr *a)
{
    return __atomic_load_n(&a->value, __ATOMIC_SEQ_CST);
}

static inline void ioc_store_ptr(ioc_atomic_ptr *a, void *value)
{
    __atomic_store_n(&a->value, value, __ATOMIC_RELEASE);
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
