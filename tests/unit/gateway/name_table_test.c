/* tests/unit/gateway/name_table_test.c - promises of gateway/name_table.h */
#include "../test.h"
#include "gateway/name_table.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 1000, SLOTS_FOR = 10 }; /* so that slots have chains */

struct record {
    struct name_node node;
    int64_t value;
    bool flag;
    char name[];
};

static void start(struct name_table *table)
{
    assert_true(name_table_init(table, SLOTS_FOR, sizeof(struct record),
                                offsetof(struct record, name), 7, NULL));
}

static void stop(struct name_table *table)
{
    while (table->oldest != NULL)
        name_table_drop(table, table->oldest);
    assert_null(table->newest);
    name_table_clear(table);
}

static struct record *touch(struct name_table *table, int number)
{
    char name[32];

    snprintf(name, sizeof name, "host-%d.example", number);
    return name_table_touch(table, name);
}

static struct record *find(const struct name_table *table, int number)
{
    char name[32];

    snprintf(name, sizeof name, "host-%d.example", number);
    return name_table_find(table, name);
}

static void finds_each_record_by_its_name_and_no_other(void **state)
{
    struct name_table table;

    (void)state;
    start(&table);
    for (int i = 0; i < MANY; i++) {
        struct record *made = touch(&table, i);

        assert_int_equal(made->value, 0);
        made->value = i;
        made->flag = true; /* next to the name, and not in it */
    }
    assert_int_equal(table.count, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(find(&table, i)->value, i);
        assert_ptr_equal(find(&table, i), touch(&table, i));
    }
    assert_int_equal(table.count, MANY);
    assert_null(find(&table, MANY));
    assert_null(name_table_find(&table, ""));
    stop(&table);
}

static void what_is_dropped_is_gone_and_the_others_stay(void **state)
{
    struct name_table table;

    (void)state;
    start(&table);
    for (int i = 0; i < MANY; i++)
        touch(&table, i)->value = i;
    for (int i = 0; i < MANY; i += 3)
        name_table_drop(&table, find(&table, i));
    for (int i = 0; i < MANY; i++)
        if (i % 3 == 0)
            assert_null(find(&table, i));
        else
            assert_int_equal(find(&table, i)->value, i);
    assert_int_equal(touch(&table, 0)->value, 0);
    stop(&table);
}

static void the_line_goes_from_the_oldest_use_to_the_newest(void **state)
{
    static const int line[] = { 1, 3, 0, 4, 2 };
    struct name_table table;
    size_t at = 0;

    (void)state;
    start(&table);
    for (int i = 0; i < 6; i++)
        touch(&table, i)->value = i;
    touch(&table, 0);
    touch(&table, 4);
    touch(&table, 2);
    name_table_drop(&table, find(&table, 5));
    for (const struct name_node *node = table.oldest; node != NULL; node = node->newer)
        assert_int_equal(((const struct record *)node)->value, line[at++]);
    assert_int_equal(at, 5);
    for (const struct name_node *node = table.newest; node != NULL; node = node->older)
        assert_int_equal(((const struct record *)node)->value, line[--at]);
    stop(&table);
}

/* hosts.db has it. */
static void a_hash_without_a_seed_is_the_same_for_ever(void **state)
{
    (void)state;
    assert_true(name_table_hash(0, span_of("")) == 0xecba3df2c3383c52U);
    assert_true(name_table_hash(0, span_of("ISRG")) == 0xe6e26d7f4fa38069U);
    assert_true(name_table_hash(0, span_of("mx.example.org:25")) == 0xb31e7f4030ac07b5U);
    assert_true(name_table_hash(1, span_of("ISRG")) != name_table_hash(0, span_of("ISRG")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_record_by_its_name_and_no_other),
        cmocka_unit_test(what_is_dropped_is_gone_and_the_others_stay),
        cmocka_unit_test(the_line_goes_from_the_oldest_use_to_the_newest),
        cmocka_unit_test(a_hash_without_a_seed_is_the_same_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
