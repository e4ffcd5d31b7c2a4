/*
 * Id table and memory in one: blocks of one size, named by ids that are never used twice.
 *
 * Blocks live in pages that are never moved and are freed with the slab, so a pointer to a block
 * stays readable (not meaningful) after the block was given back. One thread.
 *
 * An id is a slot number below a generation, which counts up with each taking and each giving: odd
 * while the block is in use. A slot whose generations are used up is retired, so that no id ever
 * names two blocks. All of it is xored with the slab's tag. So an id of another slab is, once the
 * tag is taken off, a number of 63 random bits, which is nobody's; only bit 32 is never tagged, and
 * says whether the block is in use without the slab at hand. It also keeps an id from being 0.
 *
 * Each page keeps a bitmap of its free slots and gives out the lowest, and a page is filled before
 * the next is begun. So blocks that are taken one after the other lie in the order of memory even
 * if they were given back in random order, as a million timers are: taking them is a walk that the
 * processor foresees, and not a cache miss each.
 */
#ifndef IOC_SLAB_H
#define IOC_SLAB_H

#include "alloc.h"
#include "queue/list.h"

/* The lowest bit of an id's generation: set while its block is in use. No tag has it. */
#define IOC_SLAB_IN_USE (UINT64_C(1) << 32)

/* Before each block. */
typedef struct ioc_slab_slot {
    uint64_t id; /* tagged; of the last use or the next, while it is not in use */
} ioc_slab_slot;

/* The most slots in a page, and the words of its bitmap. */
#define IOC_SLAB_PAGE_SLOTS 256
#define IOC_SLAB_PAGE_WORDS (IOC_SLAB_PAGE_SLOTS / 32)

/* At the beginning of each page, its slots behind it. */
typedef struct ioc_slab_page {
    ioc_link link; /* slab.open, while a slot is free */
    void *memory;  /* what the allocator gave */
    uint32_t first_number;
    uint32_t begun; /* slots that have been used at all */
    uint32_t free_count;
    uint32_t free[IOC_SLAB_PAGE_WORDS]; /* a bit for each free slot */
} ioc_slab_page;

/* The parts of the directory of pages. Each has twice as many as the one before, so none moves. */
#define IOC_SLAB_PARTS 24

typedef struct ioc_slab {
    ioc_alloc *alloc;
    uint64_t tag;
    size_t stride;       /* bytes from slot to slot */
    uint32_t page_shift; /* a page holds 1 << page_shift slots */
    uint32_t page_mask;  /* of a number: where it is in its page */
    size_t page_count;
    ioc_list open; /* pages with free slots */
    size_t live;
    ioc_slab_page **parts[IOC_SLAB_PARTS]; /* the pages in the order of their numbers */
} ioc_slab;

/*
 * A tag that no other slab has, nor one that was at this address at another time. It tells ids
 * apart that went astray; it is no secret.
 */
uint64_t ioc_slab_tag(const ioc_slab *slab, uint64_t now_ns);

/* The tag is one of ioc_slab_tag's, or 0 if nobody outside sees its ids. */
void ioc_slab_init(ioc_slab *slab, ioc_alloc *alloc, size_t block_bytes, uint64_t tag);
void ioc_slab_deinit(ioc_slab *slab);

/* A block with what its last user left in it (zeroes at first), or NULL if there is no memory. */
void *ioc_slab_take(ioc_slab *slab);
void ioc_slab_give(ioc_slab *slab, void *block);

/* The id of a block in use, never 0. */
uint64_t ioc_slab_id(const void *block);

/* The block that an id names, or NULL if it was given back, is another slab's or never was. */
void *ioc_slab_find(const ioc_slab *slab, uint64_t id);

/* The blocks in use, one after the other: *cursor begins at 0; NULL at the end. */
void *ioc_slab_next(const ioc_slab *slab, uint32_t *cursor);

#endif
