#include "slab.h"

#include <string.h>

#define SLAB_FIRST_BYTES   2048 /* a page's, where little is in use */
#define SLAB_MOST_BYTES    65536
#define SLAB_SPARSE        8   /* a page is at most this part of what is held */
#define SLAB_HEADER_BYTES  8   /* a slot's: what pointers and 64-bit numbers are aligned to */
#define SLAB_PAGE_OVERHEAD 128 /* a page's own header */
#define SLAB_FIRST_BITS    3   /* the first part of the directory has 1 << this many pages */
#define SLAB_MOST_PAGES    (((1u << IOC_SLAB_PARTS) - 1) << SLAB_FIRST_BITS)

/* ioc_slab.sizes */
enum {
    SLAB_LARGE,
    SLAB_SMALL
};

_Static_assert(sizeof(ioc_slab_slot) <= SLAB_HEADER_BYTES, "a slot's header fits");
_Static_assert(sizeof(ioc_slab_page) <= SLAB_PAGE_OVERHEAD, "a page's header fits");
_Static_assert(SLAB_PAGE_OVERHEAD % IOC_CACHE_LINE == 0, "the first slot begins a line");
_Static_assert(SLAB_MOST_PAGES <= UINT32_MAX >> IOC_SLAB_PAGE_SHIFT, "each slot has a number");

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

static uint32_t slab__generation(const ioc_slab *slab, const ioc_slab_slot *slot)
{
    return (uint32_t)((slot->id ^ slab->tag) >> 32);
}

/* ---- The directory ---- */

static uint32_t slab__index_in_page(uint32_t number)
{
    return number & (IOC_SLAB_PAGE_SLOTS - 1);
}

static ioc_slab_slot *slab__slot_in(const ioc_slab_place *place, uint32_t index)
{
    size_t offset = (size_t)index * place->stride;
    return (ioc_slab_slot *)(void *)((char *)place->page + SLAB_PAGE_OVERHEAD + offset);
}

static size_t slab__page_bytes(const ioc_slab_page *page)
{
    return SLAB_PAGE_OVERHEAD + (size_t)page->slots * page->size->stride;
}

/*
 * Where the directory has the page of this index. Counted from as many as the first part has, the
 * highest bit is the part, and those below it are the place in it.
 */
typedef struct slab__way {
    uint32_t part;
    uint32_t index;
} slab__way;

static slab__way slab__way_to(uint32_t page_index)
{
    uint32_t counted = page_index + (1u << SLAB_FIRST_BITS);
    uint32_t bit = ioc_highest_bit(counted);
    return (slab__way){.part = bit - SLAB_FIRST_BITS, .index = counted - (1u << bit)};
}

static ioc_slab_place *slab__place_at(const ioc_slab *slab, uint32_t page_index)
{
    slab__way way = slab__way_to(page_index);
    return &slab->parts[way.part][way.index];
}

/* The place of the page that has the slot of a number, used at least once; or NULL. */
static const ioc_slab_place *slab__place_of(const ioc_slab *slab, uint32_t number)
{
    uint32_t index = number >> IOC_SLAB_PAGE_SHIFT;
    if (index >= slab->page_count) {
        return NULL;
    }
    const ioc_slab_place *place = slab__place_at(slab, index);
    return place->page != NULL && slab__index_in_page(number) < place->begun ? place : NULL;
}

/* Of one in use, or given back just now. */
static ioc_slab_page *slab__page_around(const ioc_slab *slab, const ioc_slab_slot *slot)
{
    return slab__place_at(slab, slab__number(slab, slot->id) >> IOC_SLAB_PAGE_SHIFT)->page;
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

/* How many slots a page has that is as large as this, about. */
static uint32_t slab__slots_in(const ioc_slab_size *size, size_t bytes)
{
    size_t room = bytes - IOC_CACHE_LINE - SLAB_PAGE_OVERHEAD;
    size_t slots = room / size->stride;
    slots = slots < IOC_SLAB_PAGE_SLOTS ? slots : IOC_SLAB_PAGE_SLOTS;
    return slots > 0 ? (uint32_t)slots : 1;
}

static void slab__set_size(ioc_slab *slab, ioc_slab_size *size, size_t block_bytes)
{
    size_t stride = ioc_round_up(SLAB_HEADER_BYTES + block_bytes, SLAB_HEADER_BYTES);
    IOC_ASSERT(stride <= UINT32_MAX / 4);
    size->stride = (uint32_t)stride;
    ioc_list_init(&size->open);
    size_t most_bytes = SLAB_PAGE_OVERHEAD + slab__slots_in(size, SLAB_MOST_BYTES) * stride;
    uint32_t shift = ioc_highest_bit((uint32_t)most_bytes) + 1;
    slab->granule_shift = shift > slab->granule_shift ? shift : slab->granule_shift;
}

void ioc_slab_init(ioc_slab *slab, ioc_alloc *alloc, size_t block_bytes, uint64_t tag)
{
    IOC_ASSERT((tag & IOC_SLAB_IN_USE) == 0);
    memset(slab, 0, sizeof *slab);
    slab->alloc = alloc;
    slab->tag = tag;
    slab__set_size(slab, &slab->sizes[SLAB_LARGE], block_bytes);
    ioc_list_init(&slab->sizes[SLAB_SMALL].open);
}

void ioc_slab_set_small(ioc_slab *slab, size_t block_bytes)
{
    IOC_ASSERT(slab->page_count == 0);
    slab__set_size(slab, &slab->sizes[SLAB_SMALL], block_bytes);
}

void ioc_slab_deinit(ioc_slab *slab)
{
    for (uint32_t i = 0; i < slab->page_count; i++) {
        const ioc_slab_page *page = slab__place_at(slab, i)->page;
        ioc_alloc_give(slab->alloc, page != NULL ? page->memory : NULL);
    }
    for (size_t i = 0; i < IOC_SLAB_PARTS; i++) {
        ioc_alloc_give(slab->alloc, slab->parts[i]);
    }
    memset(slab, 0, sizeof *slab);
}

/* ---- The tree of pages ---- */

/*
 * Memory is thought of in granules, which are longer than a page. A page is filed under the granule
 * that it begins in; it may reach into the next one. Of large pages at most two begin in one. Small
 * ones, of which there are few, may be as many as it has room for: these have the same way, and
 * stand one behind the other.
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

/* Where the tree has a page: what points to it. */
static ioc_slab_page **slab__root_of(ioc_slab *slab, const ioc_slab_page *page)
{
    uint64_t way = slab__mix((uintptr_t)page >> slab->granule_shift);
    ioc_slab_page **at = &slab->root;
    while (*at != page) {
        at = &(*at)->ways[way % IOC_SLAB_WAYS];
        way /= IOC_SLAB_WAYS;
    }
    return at;
}

/* The first way that leads on, or NULL. */
static ioc_slab_page **slab__first_way(ioc_slab_page *page)
{
    for (uint32_t i = 0; i < IOC_SLAB_WAYS; i++) {
        if (page->ways[i] != NULL) {
            return &page->ways[i];
        }
    }
    return NULL;
}

/* A page below this one from which no way leads on: what points to it. NULL: it has none below. */
static ioc_slab_page **slab__leaf_below(ioc_slab_page *page)
{
    ioc_slab_page **leaf = NULL;
    for (ioc_slab_page **way = slab__first_way(page); way != NULL; way = slab__first_way(*way)) {
        leaf = way;
    }
    return leaf;
}

/* Whatever stands below a page has its way so far: any leaf may take its place. */
static void slab__uproot(ioc_slab *slab, ioc_slab_page *page)
{
    ioc_slab_page **at = slab__root_of(slab, page);
    ioc_slab_page **leaf_at = slab__leaf_below(page);
    ioc_slab_page *leaf = leaf_at != NULL ? *leaf_at : NULL;
    if (leaf != NULL) {
        *leaf_at = NULL;
        memcpy(leaf->ways, page->ways, sizeof leaf->ways);
    }
    *at = leaf;
}

/* The page that has this address in it and begins in this granule, or NULL. */
static ioc_slab_page *slab__page_from(const ioc_slab *slab, uintptr_t address, uintptr_t granule)
{
    uint64_t way = slab__mix(granule);
    ioc_slab_page *page = slab->root;
    while (page != NULL && address - (uintptr_t)page >= slab__page_bytes(page)) {
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

/* Where the directory will have the next page: NULL: no memory for its part, or no number left. */
static bool slab__has_place(ioc_slab *slab)
{
    if (slab->first_hole != 0) {
        return true;
    }
    if (slab->page_count >= SLAB_MOST_PAGES) {
        return false;
    }
    ioc_slab_place **part = &slab->parts[slab__way_to(slab->page_count).part];
    if (*part == NULL) {
        size_t count = (size_t)(part - slab->parts) + SLAB_FIRST_BITS;
        *part = ioc_alloc_take_raw(slab->alloc, sizeof **part << count);
    }
    return *part != NULL;
}

/* Enter a page where one was given back, or behind the others. There is a place. */
static void slab__enter(ioc_slab *slab, ioc_slab_page *page)
{
    bool is_new = slab->first_hole == 0;
    page->index = is_new ? slab->page_count++ : slab->first_hole - 1;
    ioc_slab_place *place = slab__place_at(slab, page->index);
    if (!is_new) {
        page->generation = place->generation;
        slab->first_hole = place->next_hole;
    }
    *place = (ioc_slab_place){.page = page, .stride = page->size->stride};
    page->place = place;
}

/* The more there is, the larger: the unused rest stays a small part. */
static size_t slab__next_bytes(const ioc_slab_size *size)
{
    size_t bytes = SLAB_FIRST_BYTES;
    while (bytes < SLAB_MOST_BYTES && 2 * bytes * SLAB_SPARSE <= size->held_bytes) {
        bytes *= 2;
    }
    return bytes;
}

/* What a page takes from the allocator. */
static size_t slab__memory_bytes(const ioc_slab_page *page)
{
    return IOC_CACHE_LINE + slab__page_bytes(page);
}

/* A page with all slots free that is in nothing; NULL: no memory. */
static ioc_slab_page *slab__new_page(ioc_slab *slab, ioc_slab_size *size)
{
    ioc_slab_page empty = {.size = size};
    empty.slots = slab__slots_in(size, slab__next_bytes(size));
    empty.free_count = empty.slots;
    for (uint32_t i = 0; i < empty.slots; i++) {
        empty.free[i / 32] |= 1u << (i % 32);
    }
    empty.memory = ioc_alloc_take_raw(slab->alloc, slab__memory_bytes(&empty));
    if (empty.memory == NULL) {
        return NULL;
    }
    uintptr_t begin = (uintptr_t)empty.memory;
    ioc_slab_page *page = (ioc_slab_page *)(begin + (IOC_CACHE_LINE - begin % IOC_CACHE_LINE));
    *page = empty;
    ioc_link_init(&page->link);
    return page;
}

/* Copies nothing, so the work is nearly the same however many pages there are. */
static bool slab__grow(ioc_slab *slab, ioc_slab_size *size)
{
    ioc_slab_page *page = slab__has_place(slab) ? slab__new_page(slab, size) : NULL;
    if (page == NULL) {
        return false;
    }
    size->held_bytes += slab__memory_bytes(page);
    ioc_list_push(&size->open, &page->link);
    slab__plant(slab, page);
    slab__enter(slab, page);
    return true;
}

/* ---- Taking and giving ---- */

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
    ioc_slab_place *place = page->place;
    ioc_slab_slot *slot = slab__slot_in(place, index);
    if (index == place->begun) {
        memset(slot, 0, place->stride);
        uint32_t number = page->index << IOC_SLAB_PAGE_SHIFT | index;
        slot->id = ((uint64_t)page->generation << 32 | number) ^ slab->tag;
        place->begun++;
    }
    return slot;
}

static ioc_slab_slot *slab__take_in_order(ioc_slab *slab, ioc_slab_size *size)
{
    if (ioc_list_is_empty(&size->open) && !slab__grow(slab, size)) {
        return NULL;
    }
    ioc_slab_page *page = IOC_CONTAINER_OF(ioc_list_first(&size->open), ioc_slab_page, link);
    ioc_slab_slot *slot = slab__take_in(slab, page);
    if (page->free_count == 0) {
        ioc_link_remove(&page->link);
    }
    return slot;
}

static inline void *slab__take(ioc_slab *slab, ioc_slab_size *size)
{
    ioc_slab_slot *slot = size->spare;
    size->spare = NULL;
    if (slot == NULL) {
        slot = slab__take_in_order(slab, size);
    }
    if (slot == NULL) {
        return NULL;
    }
    IOC_ASSERT(!slab__is_in_use(slot));
    slab__begin_use(slot);
    slab->live++;
    return slab__block_of(slot);
}

void *ioc_slab_take(ioc_slab *slab)
{
    return slab__take(slab, &slab->sizes[SLAB_LARGE]);
}

void *ioc_slab_take_small(ioc_slab *slab)
{
    return slab__take(slab, &slab->sizes[SLAB_SMALL]);
}

/* Into its page's bitmap. */
static void slab__put_back(const ioc_slab *slab, ioc_slab_size *size, const ioc_slab_slot *slot)
{
    ioc_slab_page *page = slab__page_around(slab, slot);
    uint32_t index = slab__index_in_page(slab__number(slab, slot->id));
    page->free[index / 32] |= 1u << (index % 32);
    page->free_count++;
    if (!ioc_link_is_in_list(&page->link)) {
        ioc_list_push(&size->open, &page->link);
    }
}

static inline void slab__give(ioc_slab *slab, ioc_slab_size *size, void *block)
{
    ioc_slab_slot *slot = slab__slot_of(block);
    IOC_ASSERT(slab__is_in_use(slot));
    IOC_ASSERT(slab->live > 0);
    slab->live--;
    slab__end_use(slab, slot);
    if (slab__is_used_up(slab, slot)) {
        return; /* retired */
    }
    IOC_ASSERT(slab__page_around(slab, slot)->size == size);
    if (size->spare == NULL) {
        size->spare = slot;
    } else {
        slab__put_back(slab, size, slot);
    }
}

void ioc_slab_give(ioc_slab *slab, void *block)
{
    slab__give(slab, &slab->sizes[SLAB_LARGE], block);
}

void ioc_slab_give_small(ioc_slab *slab, void *block)
{
    slab__give(slab, &slab->sizes[SLAB_SMALL], block);
}

/* ---- Giving pages back ---- */

/* Not below that of any slot, and so above those of all ids: see slab__take_in. */
static uint32_t slab__highest_generation(const ioc_slab *slab, const ioc_slab_page *page)
{
    uint32_t highest = page->generation;
    for (uint32_t i = 0; i < page->place->begun; i++) {
        uint32_t generation = slab__generation(slab, slab__slot_in(page->place, i));
        highest = generation > highest ? generation : highest;
    }
    return highest;
}

static size_t slab__give_page_back(ioc_slab *slab, ioc_slab_page *page)
{
    size_t bytes = slab__memory_bytes(page);
    *page->place = (ioc_slab_place){.generation = slab__highest_generation(slab, page),
                                    .next_hole = slab->first_hole};
    slab->first_hole = page->index + 1;
    slab__uproot(slab, page);
    ioc_link_remove(&page->link);
    page->size->held_bytes -= bytes;
    ioc_alloc_give(slab->alloc, page->memory);
    return bytes;
}

static void slab__put_spare_back(ioc_slab *slab, ioc_slab_size *size)
{
    if (size->spare != NULL) {
        slab__put_back(slab, size, size->spare);
        size->spare = NULL;
    }
}

size_t ioc_slab_trim(ioc_slab *slab)
{
    size_t bytes = 0;
    slab__put_spare_back(slab, &slab->sizes[SLAB_LARGE]);
    slab__put_spare_back(slab, &slab->sizes[SLAB_SMALL]);
    /* From the last one, so that the first hole is the lowest. */
    for (uint32_t i = slab->page_count; i > 0; i--) {
        ioc_slab_page *page = slab__place_at(slab, i - 1)->page;
        if (page != NULL && page->free_count == page->slots) {
            bytes += slab__give_page_back(slab, page);
        }
    }
    return bytes;
}

/* ---- Ids and addresses ---- */

uint64_t ioc_slab_id(const void *block)
{
    const ioc_slab_slot *slot = slab__slot_of(block);
    IOC_ASSERT(slab__is_in_use(slot));
    return slot->id;
}

void *ioc_slab_find(const ioc_slab *slab, uint64_t id)
{
    uint32_t number = slab__number(slab, id);
    const ioc_slab_place *place = (id & IOC_SLAB_IN_USE) != 0 ? slab__place_of(slab, number) : NULL;
    if (place == NULL) {
        return NULL;
    }
    ioc_prefetch(place->page, IOC_CACHE_LINE); /* where it is given back to */
    ioc_slab_slot *slot = slab__slot_in(place, slab__index_in_page(number));
    return slot->id == id ? slab__block_of(slot) : NULL;
}

bool ioc_slab_owns(const ioc_slab *slab, const void *address)
{
    uintptr_t header = (uintptr_t)address - SLAB_HEADER_BYTES;
    ioc_slab_page *page = slab__page_with(slab, header);
    if (page == NULL) {
        return false;
    }
    size_t offset = header - (uintptr_t)page - SLAB_PAGE_OVERHEAD;
    const ioc_slab_place *place = page->place;
    size_t begun_bytes = (size_t)place->begun * place->stride;
    if (offset >= begun_bytes || begun_bytes - offset < SLAB_HEADER_BYTES) {
        return false;
    }
    /* It may be read now. If it is in the middle of a block, it says anything but its own place. */
    uint64_t id = 0;
    memcpy(&id, (const char *)page + SLAB_PAGE_OVERHEAD + offset, sizeof id);
    uint32_t index = slab__number(slab, id) - (page->index << IOC_SLAB_PAGE_SHIFT);
    return (id & IOC_SLAB_IN_USE) != 0 && index < place->begun &&
           (size_t)index * place->stride == offset;
}

void *ioc_slab_next(const ioc_slab *slab, uint32_t *cursor)
{
    while (*cursor >> IOC_SLAB_PAGE_SHIFT < slab->page_count) {
        const ioc_slab_place *place = slab__place_of(slab, *cursor);
        uint32_t index = slab__index_in_page(*cursor);
        if (place == NULL) {
            *cursor += IOC_SLAB_PAGE_SLOTS - index;
            continue;
        }
        (*cursor)++;
        ioc_slab_slot *slot = slab__slot_in(place, index);
        if (slab__is_in_use(slot)) {
            return slab__block_of(slot);
        }
    }
    return NULL;
}
