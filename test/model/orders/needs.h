/*
 * Every atomic access of the sources that run on the machine, and the weakest order with which all
 * scenarios hold while all others have theirs. src/atomic.h gives more: one strength to all of a kind.
 */
static const need needs[] = {
    /* The queue. What is in an item comes with it; that the newest is read before is a guess only,
       which the exchange looks at again. */
    {"ioc_mpsc_push", "load_relaxed_ptr", RELAXED},
    {"ioc_mpsc_push", "compare_exchange_ptr", SEQ_CST}, /* the sleep protocol: news, state */
    {"ioc_mpsc_take", "load_relaxed_ptr", RELAXED},
    {"ioc_mpsc_take", "exchange_ptr", ACQUIRE},
    {"ioc_mpsc_is_empty", "load_seq_cst_ptr", SEQ_CST}, /* and the other way round */

    /* The pool. All goes by the head of the stack: who gets a number from it sees the node's page and
       link and what its last owner did. The links are read before the head says whether they count. */
    {"ioc_pool_give", "load_relaxed_u64", RELAXED},
    {"ioc_pool_give", "store_u32", RELAXED},
    {"ioc_pool_give", "compare_exchange_u64", RELEASE},
    {"ioc_pool_link", "store_u32", RELAXED}, /* as the last one's */
    {"ioc_pool_take", "load_u64", ACQUIRE},
    {"ioc_pool_take", "load_relaxed_u32", RELAXED},
    {"ioc_pool_take", "compare_exchange_u64", ACQUIRE}, /* if it fails: the head is another then */
    {"pool__node", "load_relaxed_ptr", RELAXED},
    {"pool__grow", "load_ptr", RELAXED}, /* only whether there is one */
    {"pool__grow", "store_u32", RELAXED},
    {"pool__grow", "compare_exchange_ptr", RELAXED},
    {"ioc_pool_deinit", "load_ptr", RELAXED}, /* nobody else is there */
    {"ioc_pool_take_all", "load_u64", RELAXED},
    {"ioc_pool_take_all", "compare_exchange_u64", ACQUIRE},
    {"pool__next", "load_u32", RELAXED},
    {"ioc_pool_free_pages", "exchange_ptr", RELAXED}, /* the gate has kept the others from it */

    /* The gate. Entering and shutting are one word, so that one of them is first. */
    {"inbox__enter", "add_u32", ACQUIRE}, /* behind a trim: that nothing is free */
    {"inbox__is_nobody_inside", "add_u32", ACQUIRE | RELEASE},
    {"inbox__leave", "add_u32", RELEASE},
    {"ioc_inbox_shut_gate", "or_u32", RELAXED},
    {"ioc_inbox_is_shut", "load_u32", RELAXED}, /* the loop's own doing */
    {"ioc_inbox_is_in_use", "load_u32", ACQUIRE},

    /* The sleep protocol: of two who write one word and then read the other's, one sees it. */
    {"inbox__change", "compare_exchange_u32", SEQ_CST},
    {"inbox__wake", "load_seq_cst_u32", SEQ_CST},
    {"ioc_inbox_stop", "exchange_u32", SEQ_CST},
    {"ioc_inbox_is_stopped", "load_seq_cst_u32", SEQ_CST},
    {"ioc_inbox_resume", "exchange_u32", RELAXED},
    {"ioc_inbox_is_awake", "load_relaxed_u32", RELAXED}, /* nobody else makes it so, or ends it */
    {"ioc_inbox_awake", "exchange_u32", RELAXED},        /* the packet has brought all else */

    /* An async. The item goes to and fro: who finds the flag down may link it, and who takes it down
       sees what all wrote that found it up. */
    {"ioc_async_notify", "exchange_u32", ACQUIRE | RELEASE},
    {"ioc_async_notify", "store_u32", RELAXED}, /* who finds it down then is refused as well */
    {"async__serve", "exchange_u32", ACQUIRE | RELEASE},
    {"ioc_async_destroy", "load_u32", RELAXED}, /* nobody may be notifying it */
};
