/*
 * Control data as Windows has it, written and read: in both layouts, those of 32 and of 64 bits; the
 * bytes are compared with what the system's structures have, written out here by hand.
 */
#include "unit.h"

#include "control.h"

#include <stdlib.h>
#include <string.h>

static const size_t words[] = {4, 8};

/* One piece of control data, by hand. */
typedef struct piece {
    int32_t level;
    int32_t type;
    uint32_t bytes;
    unsigned char data[24];
} piece;

static size_t piece__add(unsigned char *to, size_t at, size_t word_bytes, const piece *p)
{
    uint64_t length = word_bytes + 8 + p->bytes;
    memcpy(to + at, &length, word_bytes);
    memcpy(to + at + word_bytes, &p->level, 4);
    memcpy(to + at + word_bytes + 4, &p->type, 4);
    memcpy(to + at + word_bytes + 8, p->data, p->bytes);
    size_t end = at + (size_t)length;
    return end + (word_bytes - end % word_bytes) % word_bytes;
}

static const piece piece_local_4 = {0, 19, 8, {192, 0, 2, 1, 7, 0, 0, 0}};
static const piece piece_local_6 = {
    41, 19, 20, {0xfe, 0x80, [15] = 9, [16] = 5, [17] = 0, [18] = 0, [19] = 0}};

/* In memory that ends where the data does, so that a sanitizer sees who reads on. */
static ioc_control read__exactly(const void *data, size_t size, size_t word_bytes)
{
    ioc_control control;
    void *copy = size > 0 && size <= 4 * IOC_CONTROL_BYTES ? malloc(size) : NULL;
    assert_true(copy != NULL || size == 0);
    if (copy != NULL) {
        memcpy(copy, data, size);
    }
    memset(&control, 0xff, sizeof control);
    ioc_control_read(&control, word_bytes, copy, size);
    free(copy);
    return control;
}

static ioc_control read__one(int32_t level, int32_t type, uint32_t value, size_t word_bytes)
{
    unsigned char data[64] = {0};
    piece p = {level, type, sizeof value, {0}};
    memcpy(p.data, &value, sizeof value);
    return read__exactly(data, piece__add(data, 0, word_bytes, &p), word_bytes);
}

/* ---- Reading ---- */

static void each_number_is_read_where_its_level_and_type_say(void **state)
{
    (void)state;
    static const struct {
        int32_t level;
        int32_t type;
        uint32_t part; /* 0: it is not known, or only sent */
        size_t at;
    } rows[] = {
        {0, 21, IOC_CONTROL_HOPS, offsetof(ioc_control, hops)},
        {0, 4, IOC_CONTROL_HOPS, offsetof(ioc_control, hops)},
        {41, 21, IOC_CONTROL_HOPS, offsetof(ioc_control, hops)},
        {0, 50, IOC_CONTROL_ECN, offsetof(ioc_control, ecn)},
        {41, 50, IOC_CONTROL_ECN, offsetof(ioc_control, ecn)},
        {0, 3, IOC_CONTROL_CLASS, offsetof(ioc_control, traffic_class)},
        {41, 39, IOC_CONTROL_CLASS, offsetof(ioc_control, traffic_class)},
        {17, 3, IOC_CONTROL_SEGMENTS, offsetof(ioc_control, segment_bytes)},
        {17, 2, 0, 0},
        {0, 14, 0, 0},
        {41, 14, 0, 0},
        {41, 4, 0, 0},
        {17, 21, 0, 0},
        {6, 21, 0, 0},
        {0, 22, 0, 0},
    };
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
            ioc_control control = read__one(rows[i].level, rows[i].type, 77, words[w]);
            ioc_control expected = {.parts = rows[i].part};
            uint32_t value = 77;
            if (rows[i].part != 0) {
                memcpy((unsigned char *)&expected + rows[i].at, &value, sizeof value);
            }
            assert_memory_equal(&control, &expected, sizeof expected);
        }
    }
}

static void local_addresses_are_read_with_their_interface(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        unsigned char data[128] = {0};
        size_t size = piece__add(data, 0, words[w], &piece_local_4);
        size = piece__add(data, size, words[w], &piece_local_6);
        ioc_control control = read__exactly(data, size, words[w]);
        assert_int_equal(control.parts, IOC_CONTROL_LOCAL_4 | IOC_CONTROL_LOCAL_6);
        assert_memory_equal(control.local_4.address, piece_local_4.data, 4);
        assert_int_equal(control.local_4.interface_index, 7);
        assert_memory_equal(control.local_6.address, piece_local_6.data, 16);
        assert_int_equal(control.local_6.interface_index, 5);
    }
}

/* The last piece may end without what fills up its word. */
static void the_last_piece_needs_no_filling(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        unsigned char data[128] = {0};
        piece hops = {0, 21, 4, {64}};
        size_t before = piece__add(data, 0, words[w], &piece_local_4);
        (void)piece__add(data, before, words[w], &hops);
        size_t size = before + words[w] + 8 + 4;
        assert_int_equal(read__exactly(data, size, words[w]).parts,
                         IOC_CONTROL_LOCAL_4 | IOC_CONTROL_HOPS);
        assert_int_equal(read__exactly(data, size - 1, words[w]).parts, IOC_CONTROL_LOCAL_4);
    }
}

/* Cut off at any byte: what is whole is read, and nothing else. */
static void what_is_cut_off_is_read_as_far_as_it_is_whole(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        unsigned char data[128] = {0};
        size_t first = piece__add(data, 0, words[w], &piece_local_4);
        size_t all = piece__add(data, first, words[w], &piece_local_6);
        size_t first_end = words[w] + 8 + 8;
        size_t second_end = first + words[w] + 8 + 20;
        for (size_t size = 0; size <= all; size++) {
            uint32_t expected = (size >= first_end ? IOC_CONTROL_LOCAL_4 : 0) |
                                (size >= second_end ? IOC_CONTROL_LOCAL_6 : 0);
            assert_int_equal(read__exactly(data, size, words[w]).parts, expected);
        }
    }
}

static void a_length_that_cannot_be_ends_it(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        const uint64_t most = words[w] == 8 ? UINT64_MAX : UINT32_MAX;
        const uint64_t lengths[] = {0,    1,        words[w] + 7, 1000,
                                    most, most - 3, most / 2 + 1, most - words[w] + 1};
        for (size_t i = 0; i < IOC_COUNT_OF(lengths); i++) {
            unsigned char data[128] = {0};
            piece hops = {0, 21, 4, {64}};
            size_t first = piece__add(data, 0, words[w], &piece_local_4);
            size_t second = piece__add(data, first, words[w], &hops);
            size_t all = piece__add(data, second, words[w], &piece_local_6);
            memcpy(data + first, &lengths[i], words[w]);
            assert_int_equal(read__exactly(data, all, words[w]).parts, IOC_CONTROL_LOCAL_4);
        }
    }
}

/* Shorter than what its type has: passed over. Longer: its beginning counts. */
static void a_piece_of_another_size_is_not_taken_for_more_than_it_has(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        for (uint32_t bytes = 0; bytes <= 12; bytes++) {
            unsigned char data[128] = {0};
            piece hops = {0, 21, bytes, {64}};
            piece ecn = {0, 50, 4, {2}};
            size_t size = piece__add(data, 0, words[w], &hops);
            size = piece__add(data, size, words[w], &ecn);
            ioc_control control = read__exactly(data, size, words[w]);
            assert_int_equal(control.parts, IOC_CONTROL_ECN | (bytes >= 4 ? IOC_CONTROL_HOPS : 0));
            assert_int_equal(control.hops, bytes >= 4 ? 64 : 0);
            assert_int_equal(control.ecn, 2);
        }
    }
}

/* ---- Writing ---- */

static const ioc_control control_of_all = {
    .parts = IOC_CONTROL_LOCAL_4 | IOC_CONTROL_LOCAL_6 | IOC_CONTROL_HOPS | IOC_CONTROL_ECN |
             IOC_CONTROL_CLASS | IOC_CONTROL_SEGMENTS | IOC_CONTROL_WHOLE,
    .local_4 = {{192, 0, 2, 1}, 7},
    .local_6 = {{0xfe, 0x80, [15] = 9}, 5},
    .hops = 64,
    .ecn = 2,
    .traffic_class = 99,
    .segment_bytes = 1200,
    .dont_fragment = 1,
};

static void all_that_is_sent_is_written_for_the_level_that_it_goes_over(void **state)
{
    (void)state;
    static const piece pieces[2][5] = {
        {{0, 19, 8, {192, 0, 2, 1, 7}},
         {0, 21, 4, {64}},
         {0, 50, 4, {2}},
         {0, 14, 4, {1}},
         {17, 2, 4, {0xb0, 0x04}}},
        {{41, 19, 20, {0xfe, 0x80, [15] = 9, [16] = 5}},
         {41, 21, 4, {64}},
         {41, 50, 4, {2}},
         {41, 14, 4, {1}},
         {17, 2, 4, {0xb0, 0x04}}},
    };
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        for (int is_6 = 0; is_6 < 2; is_6++) {
            unsigned char expected[IOC_CONTROL_BYTES] = {0};
            unsigned char written[IOC_CONTROL_BYTES] = {0};
            size_t size = 0;
            for (size_t i = 0; i < IOC_COUNT_OF(pieces[0]); i++) {
                size = piece__add(expected, size, words[w], &pieces[is_6][i]);
            }
            assert_int_equal(ioc_control_write(&control_of_all,
                                               is_6 ? IOC_LEVEL_IPV6 : IOC_LEVEL_IPV4, words[w],
                                               written, sizeof written),
                             size);
            assert_memory_equal(written, expected, sizeof expected);
        }
    }
}

static void what_is_not_there_is_not_written(void **state)
{
    (void)state;
    unsigned char written[IOC_CONTROL_BYTES];
    for (uint32_t part = 1; part <= IOC_CONTROL_WHOLE; part *= 2) {
        ioc_control control = control_of_all;
        control.parts = part;
        size_t size = ioc_control_write(&control, IOC_LEVEL_IPV4, 8, written, sizeof written);
        bool is_left_out = part == IOC_CONTROL_LOCAL_6 || part == IOC_CONTROL_CLASS;
        assert_int_equal(size, is_left_out ? 0 : 24);
    }
    ioc_control none = control_of_all;
    none.parts = 0;
    assert_int_equal(ioc_control_write(&none, IOC_LEVEL_IPV6, 8, NULL, 0), 0);
}

/* Nothing is written behind the end, and the caller learns how much it would have been. */
static void what_has_no_room_is_told(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        unsigned char whole[IOC_CONTROL_BYTES];
        size_t all =
            ioc_control_write(&control_of_all, IOC_LEVEL_IPV6, words[w], whole, sizeof whole);
        for (size_t size = 0; size <= all; size++) {
            unsigned char *room = malloc(size);
            assert_int_equal(
                ioc_control_write(&control_of_all, IOC_LEVEL_IPV6, words[w], room, size), all);
            free(room);
        }
    }
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    for (size_t w = 0; w < IOC_COUNT_OF(words); w++) {
        unsigned char data[IOC_CONTROL_BYTES];
        size_t size =
            ioc_control_write(&control_of_all, IOC_LEVEL_IPV6, words[w], data, sizeof data);
        ioc_control control = read__exactly(data, size, words[w]);
        assert_int_equal(control.parts, IOC_CONTROL_LOCAL_6 | IOC_CONTROL_HOPS | IOC_CONTROL_ECN);
        assert_memory_equal(&control.local_6, &control_of_all.local_6, sizeof control.local_6);
        assert_int_equal(control.hops, 64);
        assert_int_equal(control.ecn, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_is_read_where_its_level_and_type_say),
        cmocka_unit_test(local_addresses_are_read_with_their_interface),
        cmocka_unit_test(the_last_piece_needs_no_filling),
        cmocka_unit_test(what_is_cut_off_is_read_as_far_as_it_is_whole),
        cmocka_unit_test(a_length_that_cannot_be_ends_it),
        cmocka_unit_test(a_piece_of_another_size_is_not_taken_for_more_than_it_has),
        cmocka_unit_test(all_that_is_sent_is_written_for_the_level_that_it_goes_over),
        cmocka_unit_test(what_is_not_there_is_not_written),
        cmocka_unit_test(what_has_no_room_is_told),
        cmocka_unit_test(what_is_written_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
