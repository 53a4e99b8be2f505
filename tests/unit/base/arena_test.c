/* tests/unit/base/arena_test.c - promises of base/arena.h */
#include "../test.h"

#include "base/arena.h"

static void gives_zeroed_memory_of_any_size_up_to_its_limit(void **state)
{
    struct arena arena;
    unsigned char *large;

    (void)state;
    arena_init(&arena, 100000);
    large = arena_new(&arena, 70000, 1);
    assert_non_null(large);
    for (size_t i = 0; i < 70000; i++)
        assert_int_equal(large[i], 0);
    assert_false(arena.exhausted);
    assert_null(arena_new(&arena, 70000, 1));
    assert_true(arena.exhausted);
    arena_clear(&arena);
}

static void answers_with_empty_text_once_exhausted(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64);
    assert_string_equal(arena_copy(&arena, span_of("fits")), "fits");
    assert_string_equal(arena_format(&arena, "%0100d", 1), "");
    assert_string_equal(arena_copy(&arena, span_of("would fit")), "");
    assert_true(arena.exhausted);
    arena_clear(&arena);
    assert_string_equal(arena_copy(&arena, span_of("again")), "again");
    arena_clear(&arena);
}

static void refuses_a_count_that_would_overflow(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_new(&arena, SIZE_MAX / 2, 4));
    assert_true(arena.exhausted);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_memory_of_any_size_up_to_its_limit),
        cmocka_unit_test(answers_with_empty_text_once_exhausted),
        cmocka_unit_test(refuses_a_count_that_would_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
