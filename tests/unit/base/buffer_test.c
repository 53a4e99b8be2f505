/* tests/unit/base/buffer_test.c - promises of base/buffer.h */
#include "../test.h"

#include "base/buffer.h"

static void grows_up_to_its_limit_and_then_adds_nothing(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 1000);
    for (int i = 0; i < 100; i++)
        assert_true(buffer_append_text(&buffer, "0123456789"));
    assert_false(buffer_append_text(&buffer, "x"));
    assert_int_equal(buffer.len, 1000);
    buffer_clear(&buffer);
    assert_true(buffer_append_text(&buffer, "again"));
    buffer_clear(&buffer);
}

static void drops_from_the_front(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, 100);
    assert_true(buffer_format(&buffer, "%s-%d", "EHLO", 7));
    buffer_drop(&buffer, 5);
    assert_true(span_equal(buffer_span(&buffer), span_of("7")));
    buffer_drop(&buffer, 50);
    assert_int_equal(buffer.len, 0);
    buffer_clear(&buffer);
}

static void moves_nothing_within_its_reserve(void **state)
{
    struct buffer buffer;
    const char *data;

    (void)state;
    buffer_init(&buffer, 1000);
    assert_false(buffer_reserve(&buffer, 1001));
    assert_true(buffer_reserve(&buffer, 1000));
    data = buffer.data;
    for (int i = 0; i < 100; i++)
        assert_true(buffer_append_text(&buffer, "0123456789"));
    assert_ptr_equal(buffer.data, data);
    assert_int_equal(buffer.len, 1000);
    assert_false(buffer_reserve(&buffer, 1));
    buffer_clear(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_limit_and_then_adds_nothing),
        cmocka_unit_test(drops_from_the_front),
        cmocka_unit_test(moves_nothing_within_its_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
