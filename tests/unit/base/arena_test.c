/* tests/unit/base/arena_test.c - promises of base/arena.h */
#include "../test.h"

#include <malloc.h>

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

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void holds_little_while_little_is_in_it(void **state)
{
    struct arena arena;
    size_t before = heap_bytes(), small, large;

    (void)state;
    arena_init(&arena, 1024 * 1024);
    arena_copy(&arena, span_of("mx.example.org"));
    small = heap_bytes() - before;
    if (small == 0) { /* a sanitizer's heap does not tell */
        arena_clear(&arena);
        skip();
    }
    assert_in_range(small, 1, 1200);
    for (int i = 0; i < 10000; i++)
        arena_copy(&arena, span_of("0123456789abcde"));
    large = heap_bytes() - before;
    assert_in_range(large, 160000, 200000);
    assert_false(arena.exhausted);
    arena_clear(&arena);
    assert_int_equal(heap_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_memory_of_any_size_up_to_its_limit),
        cmocka_unit_test(answers_with_empty_text_once_exhausted),
        cmocka_unit_test(refuses_a_count_that_would_overflow),
        cmocka_unit_test(holds_little_while_little_is_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
