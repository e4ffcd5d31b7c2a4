#include "unit.h"

#include "queue/list.h"

typedef struct item {
    int number;
    ioc_link link;
} item;

static void items__init(item *items, int count)
{
    for (int i = 0; i < count; i++) {
        items[i].number = i;
        ioc_link_init(&items[i].link);
    }
}

static int list__pop_number(ioc_list *list)
{
    ioc_link *link = ioc_list_pop(list);
    return link != NULL ? IOC_CONTAINER_OF(link, item, link)->number : -1;
}

static void a_new_list_is_empty(void **state)
{
    (void)state;
    ioc_list list;
    ioc_list_init(&list);
    assert_true(ioc_list_is_empty(&list));
    assert_null(ioc_list_first(&list));
    assert_null(ioc_list_pop(&list));
}

static void links_come_out_in_the_order_of_pushing(void **state)
{
    (void)state;
    item items[5];
    ioc_list list;
    items__init(items, 5);
    ioc_list_init(&list);
    for (int i = 0; i < 5; i++) {
        assert_false(ioc_link_is_in_list(&items[i].link));
        ioc_list_push(&list, &items[i].link);
        assert_true(ioc_link_is_in_list(&items[i].link));
    }
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(ioc_list_first(&list), &items[i].link);
        assert_int_equal(list__pop_number(&list), i);
        assert_false(ioc_link_is_in_list(&items[i].link));
    }
    assert_true(ioc_list_is_empty(&list));
}

static void the_only_link_is_first_and_last(void **state)
{
    (void)state;
    item items[1];
    ioc_list list;
    items__init(items, 1);
    ioc_list_init(&list);
    ioc_list_push(&list, &items[0].link);
    assert_ptr_equal(list.ends.next, &items[0].link);
    assert_ptr_equal(list.ends.previous, &items[0].link);
    assert_int_equal(list__pop_number(&list), 0);
    assert_true(ioc_list_is_empty(&list));
}

static void removing_the_first_a_middle_and_the_last_keeps_the_order(void **state)
{
    (void)state;
    item items[6];
    ioc_list list;
    items__init(items, 6);
    ioc_list_init(&list);
    for (int i = 0; i < 6; i++) {
        ioc_list_push(&list, &items[i].link);
    }
    ioc_link_remove(&items[0].link);
    ioc_link_remove(&items[3].link);
    ioc_link_remove(&items[5].link);
    assert_int_equal(list__pop_number(&list), 1);
    assert_int_equal(list__pop_number(&list), 2);
    assert_int_equal(list__pop_number(&list), 4);
    assert_true(ioc_list_is_empty(&list));
}

static void removing_a_link_that_is_in_no_list_is_harmless(void **state)
{
    (void)state;
    item items[2];
    ioc_list list;
    items__init(items, 2);
    ioc_list_init(&list);
    ioc_list_push(&list, &items[0].link);
    ioc_link_remove(&items[1].link);
    ioc_link_remove(&items[0].link);
    ioc_link_remove(&items[0].link);
    assert_true(ioc_list_is_empty(&list));
    ioc_list_push(&list, &items[0].link);
    assert_int_equal(list__pop_number(&list), 0);
}

static void a_removed_link_can_join_another_list(void **state)
{
    (void)state;
    item items[3];
    ioc_list from;
    ioc_list to;
    items__init(items, 3);
    ioc_list_init(&from);
    ioc_list_init(&to);
    for (int i = 0; i < 3; i++) {
        ioc_list_push(&from, &items[i].link);
    }
    ioc_link_remove(&items[1].link);
    ioc_list_push(&to, &items[1].link);
    assert_int_equal(list__pop_number(&to), 1);
    assert_int_equal(list__pop_number(&from), 0);
    assert_int_equal(list__pop_number(&from), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty),
        cmocka_unit_test(links_come_out_in_the_order_of_pushing),
        cmocka_unit_test(the_only_link_is_first_and_last),
        cmocka_unit_test(removing_the_first_a_middle_and_the_last_keeps_the_order),
        cmocka_unit_test(removing_a_link_that_is_in_no_list_is_harmless),
        cmocka_unit_test(a_removed_link_can_join_another_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
