/* tests/unit/base/memory_test.c - promises of base/memory.h */
#include "../test.h"

#include <string.h>

#include "base/memory.h"

static void comes_zeroed(void **state)
{
    unsigned char *block = memory_new(1000, 3);

    (void)state;
    assert_non_null(block);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(block[i], 0);
    memory_free(block);
}

static void gives_nothing_where_the_size_would_overflow(void **state)
{
    volatile size_t count = SIZE_MAX / 2; /* not a constant: the compiler would warn of it */

    (void)state;
    assert_null(memory_new(count, 4));
}

static void keeps_what_was_there_when_it_grows(void **state)
{
    char *block = memory_new(1, 6);

    (void)state;
    assert_non_null(block);
    memcpy(block, "kept\n", 6);
    block = memory_grow(block, 100000);
    assert_non_null(block);
    assert_string_equal(block, "kept\n");
    memory_free(block);
}

static void frees_nothing_where_there_is_nothing(void **state)
{
    (void)state;
    memory_free(NULL);
}

static void wipes_every_byte_and_no_other(void **state)
{
    static const char expected[] = { 's', 0, 0, 0, 0, 't' };
    char block[] = { 's', 'e', 'c', 'r', 'e', 't' };

    (void)state;
    memory_wipe(block + 1, 4);
    assert_memory_equal(block, expected, sizeof block);
}

static void what_was_kept_comes_zeroed_too(void **state)
{
    enum { BYTES = 512 * 1024 };

    (void)state;
    memory_keep_freed(4 << 20);
    for (int round = 0; round < 3; round++) {
        char *block = memory_new(1, BYTES);

        assert_non_null(block);
        for (size_t i = 0; i < BYTES; i++)
            assert_int_equal(block[i], 0);
        memset(block, 'x', BYTES);
        memory_free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_zeroed),
        cmocka_unit_test(gives_nothing_where_the_size_would_overflow),
        cmocka_unit_test(keeps_what_was_there_when_it_grows),
        cmocka_unit_test(frees_nothing_where_there_is_nothing),
        cmocka_unit_test(wipes_every_byte_and_no_other),
        cmocka_unit_test(what_was_kept_comes_zeroed_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
