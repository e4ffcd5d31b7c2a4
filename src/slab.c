#include "slab.h"

#include <string.h>

#define SLAB_PAGE_BYTES    65536
#define SLAB_HEADER_BYTES  8   /* a slot's: what pointers and 64-bit numbers are aligned to */
#define SLAB_PAGE_OVERHEAD 192 /* a page's own header */
#define SLAB_FIRST_BITS    3   /* the first part of the directory has 1 << this many pages */
#define SLAB_MOST_PAGES    (((1u << IOC_SLAB_PARTS) - 1) << SLAB_FIRST_BITS)

_Static_assert(sizeof(ioc_slab_slot) <= SLAB_HEADER_BYTES, "a slot's header fits");
_Static_assert(sizeof(ioc_slab_page) <= SLAB_PAGE_OVERHEAD, "a page's header fits");
_Static_assert(SLAB_PAGE_OVERHEAD % IOC_CACHE_LINE == 0, "the first slot begins a line");

static ioc_slab_slot *slab__slot_of(const void *block)
{
    return (ioc_slab_slot *)(void *)((char *)(uintptr_t)block - SLAB_HEADER_BYTES);
}

static void *slab__block_of(ioc_slab_slot *slot)
{
    return (char *)slot + SLAB_HEADER_BYTES;
}

static bool slab__is_in_use(const ioc_slab_slot *slot)
{
    return (slot->id & IOC_SLAB_IN_USE) != 0;
}

static uint32_t slab__number(const ioc_slab *slab, uint64_t id)
{
    return (uint32_t)(id ^ slab->tag);
}

/* The next generation of a free slot is odd, so that only this bit differs. */
static void slab__begin_use(ioc_slab_slot *slot)
{
    slot->id |= IOC_SLAB_IN_USE;
}

static void slab__end_use(const ioc_slab *slab, ioc_slab_slot *slot)
{
    slot->id = ((slot->id ^ slab->tag) + IOC_SLAB_IN_USE) ^ slab->tag;
}

/* Back at the first generation, 0: there is none left. */
static bool slab__is_used_up(const ioc_slab *slab, const ioc_slab_slot *slot)
{
    return (slot->id ^ slab->tag) < IOC_SLAB_IN_USE;
}

static ioc_slab_slot *slab__slot_in(const ioc_slab *slab, ioc_slab_page *page, uint32_t index)
{
    return (ioc_slab_slot *)(void *)((char *)page + SLAB_PAGE_OVERHEAD + index * slab->stride);
}

/* The other way, from a slot whose index is known. */
static ioc_slab_page *slab__page_around(const ioc_slab *slab, ioc_slab_slot *slot, uint32_t index)
{
    return (ioc_slab_page *)(void *)((char *)slot - index * slab->stride - SLAB_PAGE_OVERHEAD);
}

/*
 * Where the directory has the page of this index. Counted from as many as the first part has, the
 * highest bit is the part, and those below it are the place in it.
 */
typedef struct slab__place {
    uint32_t part;
    uint32_t index;
} slab__place;

static slab__place slab__place_of(uint32_t page_index)
{
    uint32_t counted = page_index + (1u << SLAB_FIRST_BITS);
    uint32_t bit = ioc_highest_bit(counted);
    return (slab__place){.part = bit - SLAB_FIRST_BITS, .index = counted - (1u << bit)};
}

static ioc_slab_page *slab__page_at(const ioc_slab *slab, uint32_t page_index)
{
    slab__place place = slab__place_of(page_index);
    return slab->parts[place.part][place.index];
}

/* The slot of a number, or NULL if it has never been used. */
static ioc_slab_slot *slab__slot_at(const ioc_slab *slab, uint32_t number)
{
    ioc_slab_page *page = slab__page_at(slab, number >> slab->page_shift);
    uint32_t index = number & slab->page_mask;
    return index < page->begun ? slab__slot_in(slab, page, index) : NULL;
}

/* To each number another one, with no pattern left. */
static uint64_t slab__mix(uint64_t bits)
{
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

uint64_t ioc_slab_tag(const ioc_slab *slab, uint64_t now_ns)
{
    return slab__mix((uintptr_t)slab + slab__mix(now_ns)) & ~IOC_SLAB_IN_USE;
}

void ioc_slab_init(ioc_slab *slab, ioc_alloc *alloc, size_t block_bytes, uint64_t tag)
{
    IOC_ASSERT((tag & IOC_SLAB_IN_USE) == 0);
    memset(slab, 0, sizeof *slab);
    slab->alloc = alloc;
    slab->tag = tag;
    slab->stride = ioc_round_up(SLAB_HEADER_BYTES + block_bytes, IOC_CACHE_LINE);
    while (slab->stride << (slab->page_shift + 1) <= SLAB_PAGE_BYTES &&
           2u << slab->page_shift <= IOC_SLAB_PAGE_SLOTS) {
        slab->page_shift++;
    }
    slab->page_mask = (1u << slab->page_shift) - 1;
    slab->page_bytes = SLAB_PAGE_OVERHEAD + (slab->stride << slab->page_shift);
    IOC_ASSERT(slab->page_bytes <= UINT32_MAX / 2);
    slab->granule_shift = ioc_highest_bit((uint32_t)slab->page_bytes) + 1;
    ioc_list_init(&slab->open);
}

void ioc_slab_deinit(ioc_slab *slab)
{
    for (uint32_t i = 0; i < slab->page_count; i++) {
        ioc_alloc_give(slab->alloc, slab__page_at(slab, i)->memory);
    }
    for (size_t i = 0; i < IOC_SLAB_PARTS; i++) {
        ioc_alloc_give(slab->alloc, slab->parts[i]);
    }
    memset(slab, 0, sizeof *slab);
}

/* Where the directory will have the next page; NULL: no memory for its part, or no number left. */
static ioc_slab_page **slab__next_place(ioc_slab *slab)
{
    if (slab->page_count >= SLAB_MOST_PAGES || slab->page_count >= UINT32_MAX >> slab->page_shift) {
        return NULL;
    }
    slab__place place = slab__place_of((uint32_t)slab->page_count);
    if (slab->parts[place.part] == NULL) {
        size_t bytes = sizeof(ioc_slab_page *) << (place.part + SLAB_FIRST_BITS);
        slab->parts[place.part] = ioc_alloc_take_raw(slab->alloc, bytes);
    }
    return slab->parts[place.part] != NULL ? &slab->parts[place.part][place.index] : NULL;
}

/* ---- The tree of pages ---- */

/*
 * Memory is thought of in granules, which are longer than a page. A page is filed under the granule
 * that it begins in, and so are at most two; it may reach into the next one.
 */
static void slab__plant(ioc_slab *slab, ioc_slab_page *page)
{
    uint64_t way = slab__mix((uintptr_t)page >> slab->granule_shift);
    ioc_slab_page **at = &slab->root;
    while (*at != NULL) {
        at = &(*at)->ways[way % IOC_SLAB_WAYS];
        way /= IOC_SLAB_WAYS;
    }
    *at = page;
}

/* The page that has this address in it and begins in this granule, or NULL. */
static ioc_slab_page *slab__page_from(const ioc_slab *slab, uintptr_t address, uintptr_t granule)
{
    uint64_t way = slab__mix(granule);
    ioc_slab_page *page = slab->root;
    while (page != NULL && address - (uintptr_t)page >= slab->page_bytes) {
        page = page->ways[way % IOC_SLAB_WAYS];
        way /= IOC_SLAB_WAYS;
    }
    return page;
}

static ioc_slab_page *slab__page_with(const ioc_slab *slab, uintptr_t address)
{
    uintptr_t granule = address >> slab->granule_shift;
    ioc_slab_page *page = slab__page_from(slab, address, granule);
    return page != NULL ? page : slab__page_from(slab, address, granule - 1);
}

/* ---- Growing ---- */

/* Copies nothing, so the work is nearly the same however many pages there are. */
static bool slab__grow(ioc_slab *slab)
{
    uint32_t count = slab->page_mask + 1;
    ioc_slab_page **place = slab__next_place(slab);
    if (place == NULL) {
        return false;
    }
    char *memory = ioc_alloc_take_raw(slab->alloc, IOC_CACHE_LINE + slab->page_bytes);
    if (memory == NULL) {
        return false;
    }
    size_t past_line = (size_t)((uintptr_t)memory % IOC_CACHE_LINE);
    ioc_slab_page *page = (ioc_slab_page *)(void *)(memory + (IOC_CACHE_LINE - past_line));
    memset(page, 0, sizeof *page);
    page->memory = memory;
    page->first_number = (uint32_t)slab->page_count * count;
    page->free_count = count;
    for (uint32_t i = 0; i < count; i++) {
        page->free[i / 32] |= 1u << (i % 32);
    }
    ioc_link_init(&page->link);
    ioc_list_push(&slab->open, &page->link);
    slab__plant(slab, page);
    *place = page;
    slab->page_count++;
    return true;
}

/* The lowest free slot of a page that has one. */
static ioc_slab_slot *slab__take_in(const ioc_slab *slab, ioc_slab_page *page)
{
    uint32_t word = 0;
    while (page->free[word] == 0) {
        word++;
    }
    uint32_t index = word * 32 + ioc_lowest_bit(page->free[word]);
    page->free[word] &= page->free[word] - 1;
    page->free_count--;
    ioc_slab_slot *slot = slab__slot_in(slab, page, index);
    if (index == page->begun) {
        memset(slot, 0, slab->stride);
        slot->id = (page->first_number + index) ^ slab->tag;
        page->begun++;
    }
    return slot;
}

void *ioc_slab_take(ioc_slab *slab)
{
    if (ioc_list_is_empty(&slab->open) && !slab__grow(slab)) {
        return NULL;
    }
    ioc_slab_page *page = IOC_CONTAINER_OF(ioc_list_first(&slab->open), ioc_slab_page, link);
    ioc_slab_slot *slot = slab__take_in(slab, page);
    if (page->free_count == 0) {
        ioc_link_remove(&page->link);
    }
    IOC_ASSERT(!slab__is_in_use(slot));
    slab__begin_use(slot);
    slab->live++;
    return slab__block_of(slot);
}

void ioc_slab_give(ioc_slab *slab, void *block)
{
    ioc_slab_slot *slot = slab__slot_of(block);
    IOC_ASSERT(slab__is_in_use(slot));
    IOC_ASSERT(slab->live > 0);
    slab->live--;
    slab__end_use(slab, slot);
    if (slab__is_used_up(slab, slot)) {
        return; /* retired */
    }
    uint32_t index = slab__number(slab, slot->id) & slab->page_mask;
    ioc_slab_page *page = slab__page_around(slab, slot, index);
    page->free[index / 32] |= 1u << (index % 32);
    page->free_count++;
    if (!ioc_link_is_in_list(&page->link)) {
        ioc_list_push(&slab->open, &page->link);
    }
}

uint64_t ioc_slab_id(const void *block)
{
    const ioc_slab_slot *slot = slab__slot_of(block);
    IOC_ASSERT(slab__is_in_use(slot));
    return slot->id;
}

void *ioc_slab_find(const ioc_slab *slab, uint64_t id)
{
    uint32_t number = slab__number(slab, id);
    if ((id & IOC_SLAB_IN_USE) == 0 || number >> slab->page_shift >= slab->page_count) {
        return NULL;
    }
    ioc_slab_slot *slot = slab__slot_at(slab, number);
    return slot != NULL && slot->id == id ? slab__block_of(slot) : NULL;
}

bool ioc_slab_owns(const ioc_slab *slab, const void *address)
{
    uintptr_t header = (uintptr_t)address - SLAB_HEADER_BYTES;
    ioc_slab_page *page = slab__page_with(slab, header);
    if (page == NULL) {
        return false;
    }
    size_t offset = header - (uintptr_t)page - SLAB_PAGE_OVERHEAD;
    if (offset % IOC_CACHE_LINE != 0 || offset >= page->begun * slab->stride) {
        return false;
    }
    /* It may be read now. If it is in the middle of a block, it says anything but its own place. */
    uint64_t id = 0;
    memcpy(&id, (const char *)page + SLAB_PAGE_OVERHEAD + offset, sizeof id);
    uint32_t index = slab__number(slab, id) - page->first_number;
    return (id & IOC_SLAB_IN_USE) != 0 && index < page->begun && index * slab->stride == offset;
}

void *ioc_slab_next(const ioc_slab *slab, uint32_t *cursor)
{
    while (*cursor >> slab->page_shift < slab->page_count) {
        ioc_slab_slot *slot = slab__slot_at(slab, (*cursor)++);
        if (slot != NULL && slab__is_in_use(slot)) {
            return slab__block_of(slot);
        }
    }
    return NULL;
}
