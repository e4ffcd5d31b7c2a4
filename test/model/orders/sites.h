/*
 * Stands before each source that runs on the machine: every atomic access says first where it is, and
 * pages of the pool are small.
 */
#include "machine.h"

#include "atomic.h"
#include "queue/pool.h"

#include <string.h>

#undef IOC_POOL_FIRST_PAGE
#define IOC_POOL_FIRST_PAGE 1

#define memset(memory, byte, size) machine_set(memory, byte, size)

#define AT(call) machine_at(__func__, #call)

#define ioc_load_relaxed_u32(a)    (AT(load_relaxed_u32), ioc_load_relaxed_u32(a))
#define ioc_load_u32(a)            (AT(load_u32), ioc_load_u32(a))
#define ioc_load_seq_cst_u32(a)    (AT(load_seq_cst_u32), ioc_load_seq_cst_u32(a))
#define ioc_store_u32(a, value)    (AT(store_u32), ioc_store_u32(a, value))
#define ioc_exchange_u32(a, value) (AT(exchange_u32), ioc_exchange_u32(a, value))
#define ioc_add_u32(a, value)      (AT(add_u32), ioc_add_u32(a, value))
#define ioc_or_u32(a, bits)        (AT(or_u32), ioc_or_u32(a, bits))
#define ioc_load_relaxed_u64(a)    (AT(load_relaxed_u64), ioc_load_relaxed_u64(a))
#define ioc_load_u64(a)            (AT(load_u64), ioc_load_u64(a))
#define ioc_load_relaxed_ptr(a)    (AT(load_relaxed_ptr), ioc_load_relaxed_ptr(a))
#define ioc_load_ptr(a)            (AT(load_ptr), ioc_load_ptr(a))
#define ioc_load_seq_cst_ptr(a)    (AT(load_seq_cst_ptr), ioc_load_seq_cst_ptr(a))
#define ioc_exchange_ptr(a, value) (AT(exchange_ptr), ioc_exchange_ptr(a, value))
#define ioc_compare_exchange_u32(a, expected, value) \
    (AT(compare_exchange_u32), ioc_compare_exchange_u32(a, expected, value))
#define ioc_compare_exchange_u64(a, expected, value) \
    (AT(compare_exchange_u64), ioc_compare_exchange_u64(a, expected, value))
#define ioc_compare_exchange_ptr(a, expected, value) \
    (AT(compare_exchange_ptr), ioc_compare_exchange_ptr(a, expected, value))
