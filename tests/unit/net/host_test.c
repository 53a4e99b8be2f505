/* tests/unit/net/host_test.c - promises of net/host.h */
#include "../test.h"
#include "net/host.h"

#include <string.h>

struct asked {
    struct loop *loop;
    struct host_query query;
    int answers;
};

static void note_found(void *owner)
{
    struct asked *asked = owner;

    asked->answers++;
}

static void find(struct asked *asked, const char *name)
{
    asked->answers = 0;
    assert_true(loop_open(&asked->loop, NULL));
    assert_true(host_find(asked->loop, name, 24, note_found, asked, &asked->query, NULL));
    assert_int_equal(asked->answers, 0);
    loop_run(asked->loop);
    loop_close(&asked->loop);
    assert_int_equal(asked->answers, 1);
}

static void knows_this_machine_by_its_name(void **state)
{
    struct asked asked;
    char text[NET_ADDRESS_TEXT];
    bool is_there = false;

    (void)state;
    find(&asked, "localhost");
    assert_null(asked.query.failure);
    for (size_t i = 0; i < asked.query.count; i++) {
        net_address_text(&asked.query.addresses[i], text);
        assert_int_equal(asked.query.addresses[i].port, 24);
        is_there |= strcmp(text, "127.0.0.1") == 0 || strcmp(text, "::1") == 0;
    }
    assert_true(is_there);
}

static void says_why_a_name_has_no_address(void **state)
{
    struct asked asked;

    (void)state;
    find(&asked, "no host"); /* no resolver is asked for such a name */
    assert_int_equal(asked.query.count, 0);
    assert_non_null(asked.query.failure);
}

static void takes_no_name_that_is_too_long(void **state)
{
    static char name[HOST_NAME_MOST + 2];
    struct loop *loop = NULL;
    struct host_query query;
    struct error err;

    (void)state;
    memset(name, 'a', sizeof name - 1);
    assert_true(loop_open(&loop, NULL));
    assert_false(host_find(loop, name, 24, note_found, NULL, &query, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_this_machine_by_its_name),
        cmocka_unit_test(says_why_a_name_has_no_address),
        cmocka_unit_test(takes_no_name_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
