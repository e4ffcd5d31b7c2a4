/*
 * Id table and memory in one: blocks of one size, or of a second, smaller one, named by ids that
 * are never used twice.
 *
 * Blocks live in pages that are never moved. A pointer to a block stays readable (not meaningful)
 * after the block was given back, until the slab is trimmed: then pages of which nothing is in use
 * go back to the allocator. One thread.
 *
 * An id is a slot number below a generation, which counts up with each taking and each giving: odd
 * while the block is in use. A slot whose generations are used up is retired, so that no id ever
 * names two blocks; and of a page that was given back its place keeps the highest generation, from
 * which the next page in this place goes on. All of it is xored with the slab's tag. So an id of
 * another slab is, once the tag is taken off, a number of 63 random bits, which is nobody's; only
 * bit 32 is never tagged, and says whether the block is in use without the slab at hand. It also
 * keeps an id from being 0.
 *
 * Each page has the numbers of IOC_SLAB_PAGE_SLOTS slots to itself, however many it holds: so pages
 * may differ in the number of slots and in their size, and the way from a number to its slot is the
 * same. The first pages are small, and they grow with what the slab holds: what is unused in the
 * last one is a small part of it.
 *
 * Each page keeps a bitmap of its free slots and gives out the lowest, and a page is filled before
 * the next is begun. So blocks that are taken one after the other lie in the order of memory even
 * if they were given back in random order, as a million timers are: taking them is a walk that the
 * processor foresees, and not a cache miss each. Only one block does not wait for its turn: one that
 * was given back when none waited is the next to be taken, while it is in the cache.
 *
 * Whether an address that came from outside is a block is asked of a tree of the pages (a digital
 * search tree): the way to a page is the digits of a number that is mixed from where it begins. So
 * the tree stays low in whatever order the system hands out memory: of 4 000 pages some ten are
 * looked at. A new page is a new leaf, and nothing else changes; where a page is taken out, a leaf
 * from below takes its place.
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

/* The numbers of a page, the most slots in it, and the words of its bitmap. */
#define IOC_SLAB_PAGE_SHIFT 8
#define IOC_SLAB_PAGE_SLOTS (1u << IOC_SLAB_PAGE_SHIFT)
#define IOC_SLAB_PAGE_WORDS (IOC_SLAB_PAGE_SLOTS / 32)

/* How many ways lead on from a page of the tree. */
#define IOC_SLAB_WAYS 4

/* The blocks of one size. */
typedef struct ioc_slab_size {
    uint32_t stride;      /* bytes from slot to slot */
    size_t held_bytes;    /* in its pages */
    ioc_list open;        /* pages with free slots */
    ioc_slab_slot *spare; /* given back, and in no bitmap; or NULL */
} ioc_slab_size;

/* At the beginning of each page, its slots behind it. */
typedef struct ioc_slab_page {
    ioc_link link; /* size.open, while a slot is free */
    uint32_t index;
    uint32_t free_count;
    uint32_t free[IOC_SLAB_PAGE_WORDS];        /* a bit for each free slot */
    struct ioc_slab_page *ways[IOC_SLAB_WAYS]; /* on in the tree, or NULL */
    ioc_slab_size *size;
    struct ioc_slab_place *place;
    void *memory; /* what the allocator gave */
    uint32_t slots;
    uint32_t generation; /* even: of slots that have not been used */
} ioc_slab_page;

/*
 * Where the directory has a page. What finding a block needs is here, and not at the beginning of the
 * page: with many pages each of these would be a cache miss besides that of the block.
 */
typedef struct ioc_slab_place {
    ioc_slab_page *page; /* NULL: it was given back */
    union {
        struct {
            uint32_t stride; /* as its size's */
            uint32_t begun;  /* slots that have been used at all */
        };
        struct {                 /* of one that was given back */
            uint32_t generation; /* higher than those of its ids */
            uint32_t next_hole;  /* the next such place, as slab.first_hole */
        };
    };
} ioc_slab_place;

/* The parts of the directory of pages. Each has twice as many as the one before, so none moves. */
#define IOC_SLAB_PARTS 21

typedef struct ioc_slab {
    ioc_alloc *alloc;
    uint64_t tag;
    size_t live;
    ioc_slab_size sizes[2];
    uint32_t page_count;    /* places in use, and holes */
    uint32_t first_hole;    /* 1 + the index of a place whose page was given back, 0: none */
    uint32_t granule_shift; /* see the tree in slab.c */
    ioc_slab_page *root;    /* of the tree of pages */
    ioc_slab_place *parts[IOC_SLAB_PARTS]; /* the pages in the order of their numbers */
} ioc_slab;

/*
 * A tag that no other slab has, nor one that was at this address at another time. It tells ids
 * apart that went astray; it is no secret.
 */
uint64_t ioc_slab_tag(const ioc_slab *slab, uint64_t now_ns);

/* The tag is one of ioc_slab_tag's, or 0 if nobody outside sees its ids. */
void ioc_slab_init(ioc_slab *slab, ioc_alloc *alloc, size_t block_bytes, uint64_t tag);
void ioc_slab_deinit(ioc_slab *slab);

/* Before the first block is taken: how large the small ones are. */
void ioc_slab_set_small(ioc_slab *slab, size_t block_bytes);

/* A block with what its last user left in it (zeroes at first), or NULL if there is no memory. */
void *ioc_slab_take(ioc_slab *slab);
void *ioc_slab_take_small(ioc_slab *slab);
void ioc_slab_give(ioc_slab *slab, void *block);
void ioc_slab_give_small(ioc_slab *slab, void *block); /* one that was taken as such */

/*
 * Give the pages of which nothing is in use back to the allocator: how many bytes that were. Looks
 * at each page once. Not the directory: it knows the ids that there were.
 */
size_t ioc_slab_trim(ioc_slab *slab);

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
