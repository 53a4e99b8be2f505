/* tests/unit/gateway/file_watch_test.c - promises of gateway/file_watch.h */
#include "../test.h"
#include "gateway/file_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char one[64], other[64];
static const char *const both[] = { one, NULL, other };
static struct gateway_file_watch watch;

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(one, sizeof one, "/tmp/postern-watch-XXXXXX");
    snprintf(other, sizeof other, "/tmp/postern-watch-XXXXXX");
    close(mkstemp(one));
    close(mkstemp(other));
    gateway_file_watch_take(&watch, both, 3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(one);
    unlink(other);
    return 0;
}

static enum gateway_file_state look(void)
{
    return gateway_file_watch_look(&watch, both, 3);
}

static void tells_each_change_once_and_when_it_is_over(void **state)
{
    (void)state;
    assert_int_equal(look(), GATEWAY_FILES_SAME);
    write_file(one, "half");
    assert_int_equal(look(), GATEWAY_FILES_CHANGING);
    write_file(one, "half and half");
    assert_int_equal(look(), GATEWAY_FILES_CHANGING);
    assert_int_equal(look(), GATEWAY_FILES_CHANGED);
    assert_int_equal(look(), GATEWAY_FILES_SAME);
}

static void any_of_the_files_counts(void **state)
{
    (void)state;
    write_file(other, "x");
    assert_int_equal(look(), GATEWAY_FILES_CHANGING);
    assert_int_equal(look(), GATEWAY_FILES_CHANGED);
}

static void a_file_may_go_and_come(void **state)
{
    (void)state;
    unlink(one);
    assert_int_equal(look(), GATEWAY_FILES_CHANGING);
    assert_int_equal(look(), GATEWAY_FILES_CHANGED);
    assert_int_equal(look(), GATEWAY_FILES_SAME);
    write_file(one, "");
    assert_int_equal(look(), GATEWAY_FILES_CHANGING);
    assert_int_equal(look(), GATEWAY_FILES_CHANGED);
}

static void what_is_taken_up_is_no_change(void **state)
{
    (void)state;
    write_file(one, "x");
    gateway_file_watch_take(&watch, both, 3);
    assert_int_equal(look(), GATEWAY_FILES_SAME);
}

#define WATCHED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCHED(tells_each_change_once_and_when_it_is_over),
        WATCHED(any_of_the_files_counts),
        WATCHED(a_file_may_go_and_come),
        WATCHED(what_is_taken_up_is_no_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
