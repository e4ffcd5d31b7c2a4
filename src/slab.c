#include "slab.h"

#include <string.h>

#define SLAB_PAGE_BYTES  65536
#define SLAB_FIRST_PAGES 8
#define SLAB_ALIGNMENT   16

static size_t slab__header_bytes(void)
{
    return ioc_round_up(sizeof(ioc_slab_slot), SLAB_ALIGNMENT);
}

static ioc_slab_slot *slab__slot_of(const void *block)
{
    return (ioc_slab_slot *)(void *)((char *)(uintptr_t)block - slab__header_bytes());
}

static void *slab__block_of(ioc_slab_slot *slot)
{
    return (char *)slot + slab__header_bytes();
}

static ioc_slab_slot *slab__slot_at(const ioc_slab *slab, uint32_t number)
{
    char *page = slab->pages[number >> slab->page_shift];
    size_t index = number & ((1u << slab->page_shift) - 1);
    return (ioc_slab_slot *)(void *)(page + index * slab->stride);
}

void ioc_slab_init(ioc_slab *slab, ioc_alloc *alloc, size_t block_bytes)
{
    memset(slab, 0, sizeof *slab);
    slab->alloc = alloc;
    slab->stride = slab__header_bytes() + ioc_round_up(block_bytes, SLAB_ALIGNMENT);
    while (slab->stride << (slab->page_shift + 1) <= SLAB_PAGE_BYTES) {
        slab->page_shift++;
    }
}

void ioc_slab_deinit(ioc_slab *slab)
{
    for (size_t i = 0; i < slab->page_count; i++) {
        ioc_alloc_give(slab->alloc, slab->pages[i]);
    }
    ioc_alloc_give(slab->alloc, slab->pages);
    memset(slab, 0, sizeof *slab);
}

static bool slab__reserve_page(ioc_slab *slab)
{
    if (slab->page_count < slab->page_capacity) {
        return true;
    }
    size_t capacity = slab->page_capacity == 0 ? SLAB_FIRST_PAGES : slab->page_capacity * 2;
    char **pages = ioc_alloc_take(slab->alloc, capacity * sizeof *pages);
    if (pages == NULL) {
        return false;
    }
    if (slab->page_count > 0) {
        memcpy(pages, slab->pages, slab->page_count * sizeof *pages);
    }
    ioc_alloc_give(slab->alloc, slab->pages);
    slab->pages = pages;
    slab->page_capacity = capacity;
    return true;
}

static bool slab__grow(ioc_slab *slab)
{
    uint32_t count = 1u << slab->page_shift;
    if (slab->page_count > UINT32_MAX / count - 1 || !slab__reserve_page(slab)) {
        return false;
    }
    char *page = ioc_alloc_take(slab->alloc, count * slab->stride);
    if (page == NULL) {
        return false;
    }
    uint32_t first = (uint32_t)slab->page_count * count;
    slab->pages[slab->page_count++] = page;
    for (uint32_t i = count; i-- > 0;) {
        ioc_slab_slot *slot = slab__slot_at(slab, first + i);
        slot->number = first + i;
        slot->next_free = slab->free;
        slab->free = slot;
    }
    return true;
}

void *ioc_slab_take(ioc_slab *slab)
{
    if (slab->free == NULL && !slab__grow(slab)) {
        return NULL;
    }
    ioc_slab_slot *slot = slab->free;
    slab->free = slot->next_free;
    slot->generation++;
    slab->live++;
    IOC_ASSERT(slot->generation % 2 == 1);
    return slab__block_of(slot);
}

void ioc_slab_give(ioc_slab *slab, void *block)
{
    ioc_slab_slot *slot = slab__slot_of(block);
    IOC_ASSERT(slot->generation % 2 == 1);
    IOC_ASSERT(slab->live > 0);
    slab->live--;
    slot->generation++;
    if (slot->generation == 0) {
        return; /* every generation has been used: retired */
    }
    slot->next_free = slab->free;
    slab->free = slot;
}

uint64_t ioc_slab_id(const void *block)
{
    const ioc_slab_slot *slot = slab__slot_of(block);
    return (uint64_t)slot->generation << 32 | slot->number;
}

void *ioc_slab_find(const ioc_slab *slab, uint64_t id)
{
    uint32_t number = (uint32_t)id;
    uint32_t generation = (uint32_t)(id >> 32);
    if (generation % 2 == 0 || number >> slab->page_shift >= slab->page_count) {
        return NULL;
    }
    ioc_slab_slot *slot = slab__slot_at(slab, number);
    return slot->generation == generation ? slab__block_of(slot) : NULL;
}

void *ioc_slab_next(const ioc_slab *slab, uint32_t *cursor)
{
    while (*cursor >> slab->page_shift < slab->page_count) {
        ioc_slab_slot *slot = slab__slot_at(slab, (*cursor)++);
        if (slot->generation % 2 == 1) {
            return slab__block_of(slot);
        }
    }
    return NULL;
}
