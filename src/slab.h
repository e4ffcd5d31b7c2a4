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
 *
 * Whether an address that came from outside is a block is asked of a tree of the pages (a digital
 * search tree): the way to a page is the digits of a number that is mixed from where it begins. So
 * the tree stays low in whatever order the system hands out memory: of 4 000 pages some ten are
 * looked at. A new page is a new leaf, and nothing else changes.
 */
#ifndef IOC_SLAB_H
#define IOC_SLAB_H

#include "alloc.h"
#include "queue/list.h"

/* The lowest bit of an id's generation: set while its block is in use. No tag has it. */
#define IOC_SLAB_IN_USE (UINT64_C(1) << 32)

/* Before each block. */
typedef struct ioc_slab_slot {
    uint64_t id; /* tagged; its generation is even while the block is free */
} ioc_slab_slot;

/* The most slots in a page, and the words of its bitmap. */
#define IOC_SLAB_PAGE_SLOTS 256
#define IOC_SLAB_PAGE_WORDS (IOC_SLAB_PAGE_SLOTS / 32)

/* How many ways lead on from a page of the tree. */
#define IOC_SLAB_WAYS 8

/* At the beginning of each page, its slots behind it. */
typedef struct ioc_slab_page {
    ioc_link link; /* slab.open, while a slot is free */
    void *memory;  /* what the allocator gave */
    uint32_t first_number;
    uint32_t begun; /* slots that have been used at all */
    uint32_t free_count;
    uint32_t free[IOC_SLAB_PAGE_WORDS];        /* a bit for each free slot */
    struct ioc_slab_page *ways[IOC_SLAB_WAYS]; /* on in the tree, or NULL */
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
    size_t page_bytes;                     /* its header and all its slots */
    uint32_t granule_shift;                /* see the tree in slab.c */
    ioc_slab_page *root;                   /* of the tree of pages */
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

/*
 * Whether this is the address of a block of this slab, in use now. Any address may be asked about:
 * it is looked at only if it lies in a page.
 */
bool ioc_slab_owns(const ioc_slab *slab, const void *address);

/* The blocks in use, one after the other: *cursor begins at 0; NULL at the end. */
void *ioc_slab_next(const ioc_slab *slab, uint32_t *cursor);

#endif
