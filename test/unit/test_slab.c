#include "unit.h"

#include "slab.h"

#include <stdlib.h>
#include <string.h>

#define MANY 20000

/* Any bits but the one of IOC_SLAB_IN_USE. */
#define TAG (UNIT_SEED & ~IOC_SLAB_IN_USE)

typedef struct block {
    uint64_t value;
    char rest[40];
} block;

typedef struct fixture {
    unit_memory memory;
    ioc_slab slab;
} fixture;

static int fixture__set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    unit_memory_init(&f->memory);
    ioc_slab_init(&f->slab, &f->memory.alloc, sizeof(block), TAG);
    *state = f;
    return 0;
}

static int fixture__tear_down(void **state)
{
    fixture *f = *state;
    ioc_slab_deinit(&f->slab);
    int leaked = unit_memory_live(&f->memory) != 0;
    free(f);
    return leaked;
}

static block *take(fixture *f)
{
    block *taken = ioc_slab_take(&f->slab);
    assert_non_null(taken);
    return taken;
}

/* An id as it is below its tag, and back: a generation above a number. */
static uint64_t untagged(uint64_t id)
{
    return id ^ TAG;
}

static uint64_t id_of(uint32_t generation, uint32_t number)
{
    return ((uint64_t)generation << 32 | number) ^ TAG;
}

static uint32_t number_of(const block *taken)
{
    return (uint32_t)untagged(ioc_slab_id(taken));
}

static ioc_slab_page *page_at(const ioc_slab *slab, uint32_t index)
{
    assert_in_range(index, 0, 7); /* in the first part */
    return slab->parts[0][index].page;
}

/* For tests that cannot wait for two thousand million takings. */
static void set_generation(block *taken, uint32_t generation)
{
    ioc_slab_slot *slot = (ioc_slab_slot *)(void *)taken - 1;
    slot->id = id_of(generation, number_of(taken));
}

static void a_new_slab_has_no_memory_and_finds_nothing(void **state)
{
    fixture *f = *state;
    uint32_t cursor = 0;
    assert_int_equal(unit_memory_calls(&f->memory), 0);
    assert_null(ioc_slab_find(&f->slab, 0));
    assert_null(ioc_slab_find(&f->slab, id_of(0, 0)));
    assert_null(ioc_slab_find(&f->slab, id_of(1, 0)));
    assert_null(ioc_slab_find(&f->slab, id_of(UINT32_MAX, UINT32_MAX)));
    assert_null(ioc_slab_next(&f->slab, &cursor));
}

static void an_id_names_its_block_until_it_is_given_back(void **state)
{
    fixture *f = *state;
    block *taken = take(f);
    uint64_t id = ioc_slab_id(taken);
    assert_true(id != 0);
    assert_ptr_equal(ioc_slab_find(&f->slab, id), taken);
    ioc_slab_give(&f->slab, taken);
    assert_null(ioc_slab_find(&f->slab, id));
}

static void a_block_used_again_has_another_id(void **state)
{
    fixture *f = *state;
    uint64_t ids[1000];
    for (size_t i = 0; i < IOC_COUNT_OF(ids); i++) {
        block *taken = take(f);
        ids[i] = ioc_slab_id(taken);
        for (size_t j = 0; j < i; j++) {
            assert_true(ids[j] != ids[i]);
            assert_null(ioc_slab_find(&f->slab, ids[j]));
        }
        assert_ptr_equal(ioc_slab_find(&f->slab, ids[i]), taken);
        ioc_slab_give(&f->slab, taken);
    }
}

static void ids_that_never_were_find_nothing(void **state)
{
    fixture *f = *state;
    uint64_t random = UNIT_SEED;
    uint64_t id = untagged(ioc_slab_id(take(f)));
    for (int i = 0; i < 100000; i++) {
        uint64_t invented = unit_random(&random);
        /* Of all shapes: any number, a high slot, a slot that exists, a generation that exists. */
        invented &= i % 4 == 1 ? UINT64_C(0x3ffffffff) : UINT64_MAX;
        invented = i % 4 == 2 ? (invented << 32 | (uint32_t)id) : invented;
        invented = i % 4 == 3 ? ((id & ~(uint64_t)UINT32_MAX) | (uint32_t)invented) : invented;
        if (invented != id) {
            assert_null(ioc_slab_find(&f->slab, untagged(invented)));
        }
    }
    assert_null(ioc_slab_find(&f->slab, 0));
}

static void the_id_of_the_next_generation_finds_nothing(void **state)
{
    fixture *f = *state;
    block *taken = take(f);
    uint32_t number = number_of(taken);
    assert_ptr_equal(ioc_slab_find(&f->slab, id_of(1, number)), taken);
    assert_null(ioc_slab_find(&f->slab, id_of(2, number)));
    assert_null(ioc_slab_find(&f->slab, id_of(3, number)));
    ioc_slab_give(&f->slab, taken);
    assert_null(ioc_slab_find(&f->slab, id_of(1, number)));
    assert_null(ioc_slab_find(&f->slab, id_of(2, number))); /* what a free slot has */
    assert_null(ioc_slab_find(&f->slab, id_of(3, number)));
}

/* ---- Tags ---- */

static void the_tag_of_a_slab_is_that_of_its_address_and_time(void **state)
{
    (void)state;
    static ioc_slab slabs[50];
    uint64_t tags[50 * 50];
    for (size_t i = 0; i < IOC_COUNT_OF(tags); i++) {
        uint64_t now_ns = i % 50; /* two of them may be born in the same moment */
        tags[i] = ioc_slab_tag(&slabs[i / 50], now_ns);
        assert_true((tags[i] & IOC_SLAB_IN_USE) == 0);
        assert_true(tags[i] == ioc_slab_tag(&slabs[i / 50], now_ns));
        for (size_t j = 0; j < i; j++) {
            assert_true(tags[j] != tags[i]);
        }
    }
}

/* They have lived through the same, so below their tags the ids are equal. */
static void an_id_finds_nothing_in_a_slab_with_another_tag(void **state)
{
    fixture *f = *state;
    ioc_slab other = {0};
    ioc_slab_init(&other, &f->memory.alloc, sizeof(block), ioc_slab_tag(&other, 0));
    for (int i = 0; i < MANY; i++) {
        block *mine = take(f);
        block *its = ioc_slab_take(&other);
        assert_non_null(its);
        uint64_t my_id = ioc_slab_id(mine);
        uint64_t its_id = ioc_slab_id(its);
        assert_true((untagged(my_id) ^ its_id) == other.tag);
        assert_null(ioc_slab_find(&other, my_id));
        assert_null(ioc_slab_find(&f->slab, its_id));
        assert_ptr_equal(ioc_slab_find(&f->slab, my_id), mine);
        assert_ptr_equal(ioc_slab_find(&other, its_id), its);
        if (i % 3 == 0) {
            ioc_slab_give(&f->slab, mine);
            ioc_slab_give(&other, its);
        }
        assert_null(ioc_slab_find(&other, my_id));
        assert_null(ioc_slab_find(&f->slab, its_id));
    }
    ioc_slab_deinit(&other);
}

/* The number of the block that is taken behind so many others. */
static uint32_t number_behind(fixture *f, uint32_t count)
{
    ioc_slab slab;
    ioc_slab_init(&slab, &f->memory.alloc, sizeof(block), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_non_null(ioc_slab_take(&slab));
    }
    uint32_t number = (uint32_t)ioc_slab_id(ioc_slab_take(&slab));
    ioc_slab_deinit(&slab);
    return number;
}

/* The tag that does its worst: all that it may have of the id of a block. */
static void no_tag_makes_an_id_that_is_0(void **state)
{
    fixture *f = *state;
    for (uint32_t count = 0; count < 100; count++) {
        uint32_t number = number_behind(f, count);
        for (uint32_t generation = 1; generation < 100; generation += 2) {
            uint64_t worst = (uint64_t)(generation & ~1u) << 32 | number;
            ioc_slab slab;
            ioc_slab_init(&slab, &f->memory.alloc, sizeof(block), worst);
            block *taken = ioc_slab_take(&slab);
            for (uint32_t i = 0; i < count; i++) {
                taken = ioc_slab_take(&slab);
            }
            for (uint32_t i = 1; i < generation; i += 2) {
                ioc_slab_give(&slab, taken);
                assert_ptr_equal(ioc_slab_take(&slab), taken);
            }
            assert_true(ioc_slab_id(taken) == IOC_SLAB_IN_USE);
            assert_ptr_equal(ioc_slab_find(&slab, IOC_SLAB_IN_USE), taken);
            assert_null(ioc_slab_find(&slab, 0));
            ioc_slab_deinit(&slab);
        }
    }
}

/* ---- Memory ---- */

static void blocks_are_zero_at_first_and_kept_later(void **state)
{
    fixture *f = *state;
    block zero;
    memset(&zero, 0, sizeof zero);
    block *taken = take(f);
    assert_memory_equal(taken, &zero, sizeof zero);
    memset(taken, 0x5a, sizeof *taken);
    ioc_slab_give(&f->slab, taken);
    block *again = take(f);
    assert_ptr_equal(again, taken);
    assert_int_equal(again->rest[39], 0x5a);
}

static void blocks_never_move_and_never_overlap(void **state)
{
    fixture *f = *state;
    block **taken = calloc(MANY, sizeof *taken);
    uint64_t *ids = calloc(MANY, sizeof *ids);
    assert_non_null(taken);
    assert_non_null(ids);
    for (uint32_t i = 0; i < MANY; i++) {
        taken[i] = take(f);
        ids[i] = ioc_slab_id(taken[i]);
        assert_int_equal((uintptr_t)taken[i] % 8, 0);
        memset(taken[i], (int)(i & 0xff), sizeof *taken[i]);
        taken[i]->value = i;
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ptr_equal(ioc_slab_find(&f->slab, ids[i]), taken[i]);
        assert_true(ioc_slab_id(taken[i]) == ids[i]);
        assert_int_equal(taken[i]->value, i);
        assert_int_equal((unsigned char)taken[i]->rest[0], i & 0xff);
        assert_int_equal((unsigned char)taken[i]->rest[39], i & 0xff);
    }
    assert_int_equal(f->slab.live, MANY);
    free(ids);
    free(taken);
}

static void the_blocks_in_use_are_visited_once_each(void **state)
{
    fixture *f = *state;
    block **taken = calloc(MANY, sizeof *taken);
    assert_non_null(taken);
    for (uint32_t i = 0; i < MANY; i++) {
        taken[i] = take(f);
        taken[i]->value = 0;
    }
    for (uint32_t i = 0; i < MANY; i += 3) {
        ioc_slab_give(&f->slab, taken[i]);
    }
    uint32_t cursor = 0;
    uint32_t visited = 0;
    for (block *found; (found = ioc_slab_next(&f->slab, &cursor)) != NULL;) {
        found->value++;
        visited++;
    }
    assert_int_equal(visited, f->slab.live);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(taken[i]->value, i % 3 == 0 ? 0 : 1);
    }
    free(taken);
}

static void a_visited_block_may_be_given_back(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        (void)take(f);
    }
    uint32_t cursor = 0;
    uint32_t visited = 0;
    for (block *found; (found = ioc_slab_next(&f->slab, &cursor)) != NULL;) {
        ioc_slab_give(&f->slab, found);
        visited++;
    }
    assert_int_equal(visited, 1000);
    assert_int_equal(f->slab.live, 0);
}

static void a_slot_whose_generations_are_used_up_is_retired(void **state)
{
    fixture *f = *state;
    block *last = take(f);
    set_generation(last, UINT32_MAX);
    uint64_t id = ioc_slab_id(last);
    assert_ptr_equal(ioc_slab_find(&f->slab, id), last);
    ioc_slab_give(&f->slab, last);
    assert_null(ioc_slab_find(&f->slab, id));
    assert_null(ioc_slab_find(&f->slab, id_of(0, (uint32_t)untagged(id))));
    assert_null(ioc_slab_find(&f->slab, id_of(1, (uint32_t)untagged(id))));
    assert_int_equal(f->slab.live, 0);
    for (int i = 0; i < 5000; i++) {
        assert_ptr_not_equal(take(f), last);
    }
    uint32_t cursor = 0;
    for (block *found; (found = ioc_slab_next(&f->slab, &cursor)) != NULL;) {
        assert_ptr_not_equal(found, last);
    }
}

static void the_last_generation_but_one_is_used(void **state)
{
    fixture *f = *state;
    block *taken = take(f);
    set_generation(taken, UINT32_MAX - 2);
    ioc_slab_give(&f->slab, taken);
    assert_ptr_equal(take(f), taken);
    assert_true(untagged(ioc_slab_id(taken)) >> 32 == UINT32_MAX);
    ioc_slab_give(&f->slab, taken);
    assert_ptr_not_equal(take(f), taken);
}

static void when_all_slots_are_retired_the_slab_grows(void **state)
{
    fixture *f = *state;
    block *first = take(f);
    size_t slots = page_at(&f->slab, 0)->slots;
    set_generation(first, UINT32_MAX);
    ioc_slab_give(&f->slab, first);
    for (size_t i = 1; i < slots; i++) {
        block *taken = take(f);
        set_generation(taken, UINT32_MAX);
        ioc_slab_give(&f->slab, taken);
    }
    assert_int_equal(f->slab.page_count, 1);
    block *taken = take(f);
    assert_int_equal(f->slab.page_count, 2);
    assert_ptr_equal(ioc_slab_find(&f->slab, ioc_slab_id(taken)), taken);
}

static void without_memory_taking_fails_and_changes_nothing(void **state)
{
    fixture *f = *state;
    unit_memory_allow(&f->memory, 0); /* not even the directory of pages */
    assert_null(ioc_slab_take(&f->slab));
    unit_memory_allow(&f->memory, 1); /* the directory, but no page */
    assert_null(ioc_slab_take(&f->slab));
    assert_int_equal(f->slab.live, 0);
    unit_memory_allow(&f->memory, 1); /* one page */
    uint64_t first = ioc_slab_id(take(f));
    size_t slots = page_at(&f->slab, 0)->slots;
    for (size_t i = 1; i < slots; i++) {
        (void)take(f);
    }
    assert_null(ioc_slab_take(&f->slab));
    assert_int_equal(f->slab.live, slots);
    assert_non_null(ioc_slab_find(&f->slab, first));
    unit_memory_allow(&f->memory, UINT64_MAX);
    (void)take(f);
    assert_non_null(ioc_slab_find(&f->slab, first));
}

static void any_refused_allocation_leaves_the_slab_usable(void **state)
{
    fixture *f = *state;
    uint64_t last_id = 0;
    /* Many pages, so that the directory of pages grows, too. */
    for (size_t taken = 0; taken < MANY;) {
        unit_memory_allow(&f->memory, 0);
        block *refused = ioc_slab_take(&f->slab);
        unit_memory_allow(&f->memory, UINT64_MAX);
        block *got = refused != NULL ? refused : take(f);
        assert_true(last_id == 0 || ioc_slab_find(&f->slab, last_id) != NULL);
        last_id = ioc_slab_id(got);
        assert_int_equal(f->slab.live, ++taken);
    }
}

/* ---- Thousands of pages ---- */

#define MANY_PAGES 4100

/* An allocator that looks at the requests of one call of the slab. */
typedef struct watch {
    ioc_alloc alloc;
    size_t requests;
    size_t largest;
    size_t returned; /* of all calls */
    size_t held;     /* now */
} watch;

/* As long as what malloc aligns to. */
#define WATCH_HEADER 16

static void *IOCP_CALL watch__allocate(size_t size, void *context)
{
    watch *w = context;
    w->requests++;
    w->largest = size > w->largest ? size : w->largest;
    w->held += size;
    char *memory = malloc(WATCH_HEADER + size);
    assert_non_null(memory);
    memcpy(memory, &size, sizeof size);
    return memory + WATCH_HEADER;
}

static void IOCP_CALL watch__free(void *memory, void *context)
{
    watch *w = context;
    size_t size = 0;
    memcpy(&size, (char *)memory - WATCH_HEADER, sizeof size);
    w->returned++;
    w->held -= size;
    free((char *)memory - WATCH_HEADER);
}

static void watch__init(watch *w)
{
    memset(w, 0, sizeof *w);
    ioc_alloc_init(&w->alloc, watch__allocate, watch__free, w);
}

/* The smallest blocks: 256 of them are a page. */
static void growing_copies_nothing_and_gives_nothing_back(void **state)
{
    (void)state;
    watch w;
    ioc_slab slab;
    watch__init(&w);
    ioc_slab_init(&slab, &w.alloc, 8, TAG);
    while (slab.page_count < MANY_PAGES) {
        size_t pages = slab.page_count;
        w.requests = 0;
        w.largest = 0;
        block *taken = ioc_slab_take(&slab);
        assert_non_null(taken);
        /* A page, and now and then a part of the directory, as large as all the others together. */
        size_t directory = (pages + 8) * sizeof(ioc_slab_place);
        assert_in_range(w.requests, 0, slab.page_count > pages ? 2 : 0);
        assert_in_range(w.largest, 0, directory > 65536 ? directory : 65536);
        assert_ptr_equal(ioc_slab_find(&slab, ioc_slab_id(taken)), taken);
    }
    assert_int_equal(w.returned, 0);
    size_t visited = 0;
    uint32_t cursor = 0;
    for (block *found; (found = ioc_slab_next(&slab, &cursor)) != NULL; visited++) {
        assert_ptr_equal(ioc_slab_find(&slab, ioc_slab_id(found)), found);
    }
    assert_int_equal(visited, slab.live);
    ioc_slab_deinit(&slab);
}

/* ---- Addresses from outside ---- */

static bool owns(const fixture *f, const void *block, ptrdiff_t offset)
{
    return ioc_slab_owns(&f->slab, (const void *)((uintptr_t)block + (uintptr_t)offset));
}

static void a_new_slab_owns_nothing(void **state)
{
    fixture *f = *state;
    assert_false(owns(f, NULL, 0));
    assert_false(owns(f, NULL, 8));
    assert_false(owns(f, NULL, -1));
    assert_false(owns(f, &f->slab, 0));
}

static void a_slab_owns_a_block_while_it_is_in_use(void **state)
{
    fixture *f = *state;
    block *first = take(f);
    block *second = take(f);
    assert_true(owns(f, first, 0));
    assert_true(owns(f, second, 0));
    ioc_slab_give(&f->slab, first);
    assert_false(owns(f, first, 0));
    assert_true(owns(f, second, 0));
    assert_ptr_equal(take(f), first);
    assert_true(owns(f, first, 0));
    set_generation(first, UINT32_MAX);
    assert_true(owns(f, first, 0));
    ioc_slab_give(&f->slab, first); /* retired */
    assert_false(owns(f, first, 0));
}

/* Only its beginning counts: not a byte beside it. */
static void of_all_addresses_around_the_slab_owns_only_its_blocks(void **state)
{
    fixture *f = *state;
    block *first = take(f);
    block *second = take(f);
    for (ptrdiff_t offset = -70000; offset < 140000; offset++) {
        bool is_block = offset == 0 || offset == (char *)second - (char *)first;
        assert_true(owns(f, first, offset) == is_block);
    }
}

/* Even if what the memory happens to hold looks like the header of one in use. */
static void a_block_that_was_never_taken_is_not_owned(void **state)
{
    fixture *f = *state;
    block *first = take(f);
    const ioc_slab_page *page = page_at(&f->slab, 0);
    for (uint32_t number = 1; number < page->slots; number++) {
        char *never = (char *)first + (size_t)number * page->place->stride;
        uint64_t id = id_of(1, number);
        memcpy(never - sizeof id, &id, sizeof id);
        assert_false(owns(f, never, 0));
    }
    assert_true(owns(f, first, 0));
}

static void a_slab_owns_nothing_of_others(void **state)
{
    fixture *f = *state;
    ioc_slab other;
    block on_stack = {0};
    block *foreign = malloc(sizeof *foreign);
    ioc_slab_init(&other, &f->memory.alloc, sizeof(block), TAG); /* with the same ids */
    for (int i = 0; i < 1000; i++) {
        block *mine = take(f);
        block *its = ioc_slab_take(&other);
        assert_true(owns(f, mine, 0) && !owns(f, its, 0));
        assert_true(ioc_slab_owns(&other, its) && !ioc_slab_owns(&other, mine));
    }
    assert_false(owns(f, &on_stack, 0));
    assert_false(owns(f, f, 0));
    assert_false(owns(f, foreign, 0));
    volatile uintptr_t gone = (uintptr_t)foreign; /* the compiler is not to know it */
    free(foreign);
    assert_false(owns(f, NULL, (ptrdiff_t)gone)); /* a sanitizer would report that it was read */
    assert_false(owns(f, NULL, 0));
    assert_false(owns(f, NULL, 16));
    assert_false(owns(f, NULL, 8));
    assert_false(owns(f, NULL, -8));
    assert_false(owns(f, NULL, PTRDIFF_MIN));
    assert_false(owns(f, NULL, PTRDIFF_MAX));
    ioc_slab_deinit(&other);
}

/* A program writes what it likes into its blocks: its own id, or that of the next block. */
static void what_is_written_into_a_block_makes_no_block(void **state)
{
    fixture *f = *state;
    ioc_slab wide;
    ioc_slab_init(&wide, &f->memory.alloc, 1000, TAG);
    for (size_t i = 0; i < 500; i++) {
        uint64_t *words = ioc_slab_take(&wide);
        uint64_t *next = ioc_slab_take(&wide);
        assert_non_null(words);
        assert_non_null(next);
        uint64_t ids[] = {ioc_slab_id(words), ioc_slab_id(next), id_of(1, 0)};
        for (size_t which = 0; which < IOC_COUNT_OF(ids); which++) {
            for (size_t j = 0; j < 125; j++) {
                words[j] = ids[which];
            }
            assert_true(ioc_slab_owns(&wide, words));
            for (size_t j = 1; j < 125; j++) {
                assert_false(ioc_slab_owns(&wide, &words[j]));
            }
        }
    }
    ioc_slab_deinit(&wide);
}

/* Row by row. */
static size_t height_of(const ioc_slab *slab, size_t page_count)
{
    ioc_slab_page **pages = calloc(MANY_PAGES, sizeof *pages);
    assert_non_null(pages);
    size_t begin = 0;
    size_t end = 1;
    size_t height = 0;
    for (pages[0] = slab->root; begin < end; height++) {
        size_t count = end;
        for (; begin < end; begin++) {
            for (size_t i = 0; i < IOC_SLAB_WAYS; i++) {
                ioc_slab_page *page = pages[begin]->ways[i];
                if (page != NULL) {
                    assert_in_range(count, 0, MANY_PAGES - 1);
                    pages[count++] = page;
                }
            }
        }
        end = count;
    }
    assert_int_equal(end, page_count);
    free(pages);
    return height;
}

/* Memory in one piece, handed out upwards: the order that makes a simple tree a list. */
typedef struct arena {
    ioc_alloc alloc;
    char *memory;
    size_t used;
} arena;

#define ARENA_BYTES ((size_t)MANY_PAGES * 17000)

static void *IOCP_CALL arena__allocate(size_t size, void *context)
{
    arena *a = context;
    size_t begin = a->used;
    a->used = ioc_round_up(begin + size, 16);
    return a->used <= ARENA_BYTES ? a->memory + begin : NULL;
}

static void IOCP_CALL arena__free(void *memory, void *context)
{
    (void)memory;
    (void)context;
}

/* Every third block of thousands of pages is in use, and asked about with what is beside it. */
static void assert_owns_every_third(ioc_slab *slab)
{
    size_t count = 0;
    block **taken = calloc((size_t)MANY_PAGES * IOC_SLAB_PAGE_SLOTS, sizeof *taken);
    assert_non_null(taken);
    while (slab->page_count < MANY_PAGES) {
        taken[count] = ioc_slab_take(slab);
        assert_non_null(taken[count++]);
    }
    for (size_t i = 0; i < count; i++) {
        if (i % 3 != 0) {
            ioc_slab_give(slab, taken[i]);
        }
    }
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const char *bytes = (const char *)taken[i];
        wrong += ioc_slab_owns(slab, bytes) != (i % 3 == 0);
        wrong += ioc_slab_owns(slab, bytes + 8);
        wrong += ioc_slab_owns(slab, bytes - 8);
        wrong += ioc_slab_owns(slab, bytes + 1);
    }
    assert_int_equal(wrong, 0);
    free(taken);
}

static void thousands_of_pages_are_a_low_tree_whatever_their_order(void **state)
{
    (void)state;
    arena a = {.memory = malloc(ARENA_BYTES)};
    assert_non_null(a.memory);
    ioc_alloc_init(&a.alloc, arena__allocate, arena__free, &a);
    watch scattered;
    watch__init(&scattered);
    ioc_alloc *const allocs[] = {&a.alloc, &scattered.alloc};
    for (size_t i = 0; i < IOC_COUNT_OF(allocs); i++) {
        ioc_slab slab;
        ioc_slab_init(&slab, allocs[i], 8, TAG);
        assert_owns_every_third(&slab);
        assert_in_range(height_of(&slab, MANY_PAGES), 7, 20); /* if it had no gaps, 7 */
        ioc_slab_deinit(&slab);
    }
    free(a.memory);
}

/* There are several in each loop, most of them with hardly anything in it. */
static void a_slab_itself_is_small(void **state)
{
    (void)state;
    assert_in_range(sizeof(ioc_slab), 1, 384);
}

/* ---- Allocations ---- */

static void taking_and_giving_allocates_nothing_once_grown(void **state)
{
    fixture *f = *state;
    block *held[100];
    uint64_t random = UNIT_SEED;
    for (size_t i = 0; i < IOC_COUNT_OF(held); i++) {
        held[i] = take(f);
    }
    uint64_t calls = unit_memory_calls(&f->memory);
    for (int i = 0; i < 100000; i++) {
        size_t which = unit_random_below(&random, IOC_COUNT_OF(held));
        ioc_slab_give(&f->slab, held[which]);
        held[which] = take(f);
    }
    assert_int_equal(unit_memory_calls(&f->memory), calls);
}

static void blocks_given_back_in_any_order_are_taken_page_by_page(void **state)
{
    fixture *f = *state;
    block **taken = calloc(MANY, sizeof *taken);
    uint64_t random = UNIT_SEED;
    assert_non_null(taken);
    for (uint32_t i = 0; i < MANY; i++) {
        taken[i] = take(f);
    }
    for (uint32_t i = MANY; i > 0; i--) {
        uint32_t which = unit_random_below(&random, i);
        ioc_slab_give(&f->slab, taken[which]);
        taken[which] = taken[i - 1];
    }
    size_t changes = 0;
    uint32_t page = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t its_page = number_of(take(f)) >> IOC_SLAB_PAGE_SHIFT;
        changes += its_page != page;
        page = its_page;
    }
    /* But for the first, which was given back last. */
    assert_in_range(changes, 0, f->slab.page_count + 1);
    free(taken);
}

static void the_block_that_was_given_back_is_the_next_to_be_taken(void **state)
{
    fixture *f = *state;
    block *taken[100];
    for (size_t i = 0; i < IOC_COUNT_OF(taken); i++) {
        taken[i] = take(f);
    }
    for (size_t i = IOC_COUNT_OF(taken); i > 0; i--) {
        ioc_slab_give(&f->slab, taken[i - 1]);
        assert_ptr_equal(take(f), taken[i - 1]);
    }
}

static void a_block_larger_than_a_page_is_possible(void **state)
{
    fixture *f = *state;
    ioc_slab large;
    ioc_slab_init(&large, &f->memory.alloc, 200000, 0);
    char *a = ioc_slab_take(&large);
    char *b = ioc_slab_take(&large);
    assert_non_null(a);
    assert_non_null(b);
    memset(a, 1, 200000);
    memset(b, 2, 200000);
    assert_ptr_equal(ioc_slab_find(&large, ioc_slab_id(a)), a);
    assert_ptr_equal(ioc_slab_find(&large, ioc_slab_id(b)), b);
    assert_int_equal(a[199999], 1);
    uint64_t id = ioc_slab_id(a);
    ioc_slab_give(&large, a);
    assert_null(ioc_slab_find(&large, id));
    ioc_slab_deinit(&large);
}

/* ---- Blocks of two sizes ---- */

static void small_blocks_have_ids_of_the_same_table(void **state)
{
    fixture *f = *state;
    block *large[600];
    char *small[600];
    ioc_slab_set_small(&f->slab, 24);
    for (size_t i = 0; i < IOC_COUNT_OF(large); i++) {
        large[i] = take(f);
        small[i] = ioc_slab_take_small(&f->slab);
        assert_non_null(small[i]);
        memset(large[i], 1, sizeof *large[i]);
        memset(small[i], 2, 24);
    }
    for (size_t i = 0; i < IOC_COUNT_OF(large); i++) {
        assert_ptr_equal(ioc_slab_find(&f->slab, ioc_slab_id(large[i])), large[i]);
        assert_ptr_equal(ioc_slab_find(&f->slab, ioc_slab_id(small[i])), small[i]);
        assert_true(ioc_slab_owns(&f->slab, large[i]));
        assert_true(ioc_slab_owns(&f->slab, small[i]));
        assert_int_equal(large[i]->rest[39], 1);
        assert_int_equal(small[i][23], 2);
    }
    assert_int_equal(f->slab.live, 2 * IOC_COUNT_OF(large));
    uint32_t cursor = 0;
    size_t visited = 0;
    for (void *found; (found = ioc_slab_next(&f->slab, &cursor)) != NULL; visited++) {
        bool is_small = *(const char *)found == 2;
        (is_small ? ioc_slab_give_small : ioc_slab_give)(&f->slab, found);
    }
    assert_int_equal(visited, 2 * IOC_COUNT_OF(large));
    /* Each kind has its own again. */
    assert_int_equal(((char *)ioc_slab_take_small(&f->slab))[23], 2);
    assert_int_equal(take(f)->rest[39], 1);
}

/* ---- How much memory ---- */

static void a_slab_with_little_in_it_is_small(void **state)
{
    (void)state;
    watch w;
    ioc_slab slab;
    watch__init(&w);
    ioc_slab_init(&slab, &w.alloc, sizeof(block), TAG);
    ioc_slab_set_small(&slab, 24);
    (void)ioc_slab_take(&slab);
    (void)ioc_slab_take_small(&slab);
    assert_in_range(w.held, 1, 4400);
    ioc_slab_deinit(&slab);
    assert_int_equal(w.held, 0);
}

/* Of what it holds, an eighth at most: and the header of each page, and the directory. */
static void the_unused_rest_of_a_slab_is_a_small_part(void **state)
{
    (void)state;
    watch w;
    ioc_slab slab;
    watch__init(&w);
    ioc_slab_init(&slab, &w.alloc, 120, TAG);
    for (size_t count = 1; count <= MANY; count++) {
        assert_non_null(ioc_slab_take(&slab));
        assert_in_range(w.held, count * 128, count * 160 + 2500);
    }
    assert_in_range(w.held, MANY * 128, MANY * 130 + 65536);
    ioc_slab_deinit(&slab);
}

/* ---- Giving memory back ---- */

static void a_trimmed_slab_holds_only_pages_in_use(void **state)
{
    (void)state;
    watch w;
    ioc_slab slab;
    block **taken = calloc(MANY, sizeof *taken);
    assert_non_null(taken);
    watch__init(&w);
    ioc_slab_init(&slab, &w.alloc, sizeof(block), TAG);
    for (size_t i = 0; i < MANY; i++) {
        taken[i] = ioc_slab_take(&slab);
    }
    assert_int_equal(ioc_slab_trim(&slab), 0);
    block *kept = taken[MANY / 2];
    kept->value = 17;
    uint64_t id = ioc_slab_id(kept);
    for (size_t i = 0; i < MANY; i++) {
        if (taken[i] != kept) {
            ioc_slab_give(&slab, taken[i]);
        }
    }
    size_t before = w.held;
    size_t bytes = ioc_slab_trim(&slab);
    assert_true(bytes > 0 && before - w.held == bytes);
    assert_int_equal(ioc_slab_trim(&slab), 0);
    assert_ptr_equal(ioc_slab_find(&slab, id), kept);
    assert_int_equal(kept->value, 17);
    assert_true(ioc_slab_owns(&slab, kept));
    uint32_t cursor = 0;
    assert_ptr_equal(ioc_slab_next(&slab, &cursor), kept);
    assert_null(ioc_slab_next(&slab, &cursor));
    ioc_slab_give(&slab, kept);
    assert_true(ioc_slab_trim(&slab) > 0);
    /* What is left is the directory. */
    assert_in_range(w.held, 0, (size_t)slab.page_count * 2 * sizeof(ioc_slab_place) + 128);
    assert_null(slab.root);
    free(taken);
    ioc_slab_deinit(&slab);
    assert_int_equal(w.held, 0);
}

static void places_of_pages_that_were_given_back_are_used_again(void **state)
{
    fixture *f = *state;
    block *taken[1000];
    uint32_t pages = 0;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < IOC_COUNT_OF(taken); i++) {
            taken[i] = take(f);
        }
        assert_true(round == 0 || f->slab.page_count == pages);
        pages = f->slab.page_count;
        for (size_t i = 0; i < IOC_COUNT_OF(taken); i++) {
            ioc_slab_give(&f->slab, taken[i]);
        }
        assert_true(ioc_slab_trim(&f->slab) > 0);
    }
}

static void a_page_with_a_retired_slot_stays(void **state)
{
    fixture *f = *state;
    block *last = take(f);
    set_generation(last, UINT32_MAX);
    ioc_slab_give(&f->slab, last);
    assert_int_equal(ioc_slab_trim(&f->slab), 0);
    assert_ptr_not_equal(take(f), last);
}

/* The last generation of a page that is given back is the last of the next one, too. */
static void generations_go_on_in_the_next_page(void **state)
{
    fixture *f = *state;
    block *taken = take(f);
    set_generation(taken, UINT32_MAX - 2);
    ioc_slab_give(&f->slab, taken);
    assert_true(ioc_slab_trim(&f->slab) > 0);
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(untagged(ioc_slab_id(take(f))) == ((uint64_t)UINT32_MAX << 32 | i));
    }
}

/* All that was ever taken, and whether it still is. */
typedef struct history {
    uint64_t ids[60000];
    void *blocks[60000]; /* NULL: it was given back */
    bool is_small[60000];
    size_t count;
} history;

static void history__check(const ioc_slab *slab, const history *h)
{
    size_t live = 0;
    for (size_t i = 0; i < h->count; i++) {
        assert_ptr_equal(ioc_slab_find(slab, h->ids[i]), h->blocks[i]);
        if (h->blocks[i] != NULL) {
            assert_true(ioc_slab_owns(slab, h->blocks[i]));
            live++;
        }
    }
    assert_int_equal(slab->live, live);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Bursts and quiet times; what is left of them is scattered over the pages. */
static void whatever_is_trimmed_no_id_comes_again_and_every_stale_one_is_known(void **state)
{
    fixture *f = *state;
    history *h = calloc(1, sizeof *h);
    uint64_t random = UNIT_SEED;
    size_t trimmed = 0;
    assert_non_null(h);
    ioc_slab_set_small(&f->slab, 24);
    while (h->count + 2000 < IOC_COUNT_OF(h->ids)) {
        for (uint32_t i = unit_random_below(&random, 2000); i > 0; i--) {
            bool is_small = unit_random_below(&random, 2) == 0;
            h->is_small[h->count] = is_small;
            h->blocks[h->count] = is_small ? ioc_slab_take_small(&f->slab) : take(f);
            h->ids[h->count] = ioc_slab_id(h->blocks[h->count]);
            h->count++;
        }
        uint32_t kept = unit_random_below(&random, 4); /* of a thousand */
        for (size_t i = 0; i < h->count; i++) {
            if (h->blocks[i] != NULL && unit_random_below(&random, 1000) >= kept) {
                (h->is_small[i] ? ioc_slab_give_small : ioc_slab_give)(&f->slab, h->blocks[i]);
                h->blocks[i] = NULL;
            }
        }
        trimmed += ioc_slab_trim(&f->slab) > 0;
        history__check(&f->slab, h);
    }
    assert_in_range(trimmed, 20, SIZE_MAX);
    qsort(h->ids, h->count, sizeof *h->ids, compare_ids);
    for (size_t i = 1; i < h->count; i++) {
        assert_true(h->ids[i] != h->ids[i - 1]);
    }
    free(h);
}

/* Of thousands of pages every other one goes, and then those that are left are still found. */
static void the_tree_has_the_pages_that_are_left(void **state)
{
    (void)state;
    watch w;
    ioc_slab slab;
    watch__init(&w);
    ioc_slab_init(&slab, &w.alloc, 8, TAG);
    block **kept = calloc(MANY_PAGES, sizeof *kept);
    assert_non_null(kept);
    while (slab.page_count < MANY_PAGES) {
        uint32_t pages = slab.page_count;
        block *taken = ioc_slab_take(&slab);
        if (slab.page_count != pages && pages % 2 == 0) {
            kept[pages] = taken;
        }
    }
    uint32_t cursor = 0;
    for (void *found; (found = ioc_slab_next(&slab, &cursor)) != NULL;) {
        uint32_t page = (cursor - 1) >> IOC_SLAB_PAGE_SHIFT;
        if (found != kept[page]) {
            ioc_slab_give(&slab, found);
        }
    }
    size_t height = height_of(&slab, MANY_PAGES);
    assert_true(ioc_slab_trim(&slab) > 0);
    assert_in_range(height_of(&slab, MANY_PAGES / 2), 6, height);
    for (uint32_t i = 0; i < MANY_PAGES; i += 2) {
        assert_true(ioc_slab_owns(&slab, kept[i]));
        assert_false(ioc_slab_owns(&slab, (char *)kept[i] + 16));
    }
    free(kept);
    ioc_slab_deinit(&slab);
}

#define SLAB_TEST(name) cmocka_unit_test_setup_teardown(name, fixture__set_up, fixture__tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLAB_TEST(a_new_slab_has_no_memory_and_finds_nothing),
        SLAB_TEST(an_id_names_its_block_until_it_is_given_back),
        SLAB_TEST(a_block_used_again_has_another_id),
        SLAB_TEST(ids_that_never_were_find_nothing),
        SLAB_TEST(the_id_of_the_next_generation_finds_nothing),
        SLAB_TEST(the_tag_of_a_slab_is_that_of_its_address_and_time),
        SLAB_TEST(an_id_finds_nothing_in_a_slab_with_another_tag),
        SLAB_TEST(no_tag_makes_an_id_that_is_0),
        SLAB_TEST(blocks_are_zero_at_first_and_kept_later),
        SLAB_TEST(blocks_never_move_and_never_overlap),
        SLAB_TEST(the_blocks_in_use_are_visited_once_each),
        SLAB_TEST(a_visited_block_may_be_given_back),
        SLAB_TEST(a_slot_whose_generations_are_used_up_is_retired),
        SLAB_TEST(the_last_generation_but_one_is_used),
        SLAB_TEST(when_all_slots_are_retired_the_slab_grows),
        SLAB_TEST(without_memory_taking_fails_and_changes_nothing),
        SLAB_TEST(any_refused_allocation_leaves_the_slab_usable),
        SLAB_TEST(growing_copies_nothing_and_gives_nothing_back),
        SLAB_TEST(a_new_slab_owns_nothing),
        SLAB_TEST(a_slab_owns_a_block_while_it_is_in_use),
        SLAB_TEST(of_all_addresses_around_the_slab_owns_only_its_blocks),
        SLAB_TEST(a_block_that_was_never_taken_is_not_owned),
        SLAB_TEST(a_slab_owns_nothing_of_others),
        SLAB_TEST(what_is_written_into_a_block_makes_no_block),
        SLAB_TEST(thousands_of_pages_are_a_low_tree_whatever_their_order),
        SLAB_TEST(a_slab_itself_is_small),
        SLAB_TEST(taking_and_giving_allocates_nothing_once_grown),
        SLAB_TEST(blocks_given_back_in_any_order_are_taken_page_by_page),
        SLAB_TEST(the_block_that_was_given_back_is_the_next_to_be_taken),
        SLAB_TEST(a_block_larger_than_a_page_is_possible),
        SLAB_TEST(small_blocks_have_ids_of_the_same_table),
        SLAB_TEST(a_slab_with_little_in_it_is_small),
        SLAB_TEST(the_unused_rest_of_a_slab_is_a_small_part),
        SLAB_TEST(a_trimmed_slab_holds_only_pages_in_use),
        SLAB_TEST(places_of_pages_that_were_given_back_are_used_again),
        SLAB_TEST(a_page_with_a_retired_slot_stays),
        SLAB_TEST(generations_go_on_in_the_next_page),
        SLAB_TEST(whatever_is_trimmed_no_id_comes_again_and_every_stale_one_is_known),
        SLAB_TEST(the_tree_has_the_pages_that_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
