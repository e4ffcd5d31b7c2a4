/* What the portions are in which a file is sent. */
#include "unit.h"

#include "base.h"
#include "sendfile.h"

/* As the backend would, with the sizes alone. */
static ioc_sendfile sendfile__of(uint64_t asked, uint64_t available, uint32_t head, uint32_t tail)
{
    return (ioc_sendfile){
        .offset = 1000,
        .bytes = asked,
        .available = available,
        .head = {.length = head},
        .tail = {.length = tail},
    };
}

/* Send all of it: how many portions that takes, which follow each other without a gap. */
static int sendfile__send(ioc_sendfile *sendfile, uint32_t most, bool has_tail)
{
    uint64_t offset = sendfile->offset;
    uint64_t end = offset + sendfile->available;
    int portions = 0;
    do {
        ioc_portion next = ioc_sendfile_next(sendfile, most);
        assert_int_equal(next.offset, offset);
        assert_true(next.bytes <= most);
        offset += next.bytes;
        assert_true(offset <= end);
        assert_true(offset == end || next.bytes == most);
        assert_int_equal(next.head.length, portions == 0 ? sendfile->head.length : 0);
        assert_int_equal(next.tail.length, offset == end && has_tail ? sendfile->tail.length : 0);
        assert_int_equal(next.total, next.head.length + next.bytes + next.tail.length);
        sendfile->sent += next.total;
        portions++;
    } while (!ioc_sendfile_is_done(sendfile) && portions < 10000);
    assert_int_equal(offset, end);
    return portions;
}

static void a_file_is_sent_in_as_few_portions_as_it_takes(void **state)
{
    static const struct {
        uint64_t bytes;
        uint32_t most;
        int portions;
    } rows[] = {
        {0, 7, 1},
        {1, 7, 1},
        {7, 7, 1},
        {8, 7, 2},
        {14, 7, 2},
        {15, 7, 3},
        {1000, 1, 1000},
        {UINT64_C(5) << 30, 1u << 30, 5},
        {(UINT64_C(1) << 40) + 1, 1u << 30, 1025},
    };
    static const uint32_t around[][2] = {{0, 0}, {3, 0}, {0, 5}, {3, 5}, {1u << 29, 1u << 29}};
    (void)state;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        for (size_t k = 0; k < IOC_COUNT_OF(around); k++) {
            ioc_sendfile all =
                sendfile__of(IOC_SENDFILE_ALL, rows[i].bytes, around[k][0], around[k][1]);
            ioc_sendfile part =
                sendfile__of(rows[i].bytes, rows[i].bytes, around[k][0], around[k][1]);
            assert_int_equal(sendfile__send(&all, rows[i].most, true), rows[i].portions);
            assert_int_equal(sendfile__send(&part, rows[i].most, true), rows[i].portions);
        }
    }
}

static void a_file_that_is_shorter_gets_no_tail(void **state)
{
    (void)state;
    for (uint64_t available = 0; available < 20; available++) {
        ioc_sendfile sendfile = sendfile__of(20, available, 3, 5);
        (void)sendfile__send(&sendfile, 7, false);
        assert_int_equal(sendfile.sent, 3 + available);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_sent_in_as_few_portions_as_it_takes),
        cmocka_unit_test(a_file_that_is_shorter_gets_no_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
