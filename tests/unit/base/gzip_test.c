/* tests/unit/base/gzip_test.c - promises of base/gzip.h */
#include "../test.h"
#include "base/gzip.h"

#include <string.h>

enum { LIMIT = 1 << 20 };

/* "hello\n" by gzip -n */
static const char hello[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00"
    "\x20\x30\x3a\x36\x06\x00\x00\x00";
enum { HELLO_LEN = sizeof hello - 1 };

static struct buffer packed, unpacked;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&packed, 8 << 20);
    buffer_init(&unpacked, LIMIT);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    buffer_clear(&packed);
    buffer_clear(&unpacked);
    return 0;
}

static void append(const char *bytes, size_t len)
{
    assert_true(buffer_append(&packed, (struct span){ bytes, len }));
}

static void refuses(const char *reason)
{
    struct error err = { .kind = ERROR_NONE };

    assert_false(gzip_read(buffer_span(&packed), &unpacked, &err));
    assert_int_equal(err.kind, ERROR_FORMAT);
    assert_string_equal(err.text, reason);
}

static void reads(const char *text)
{
    struct error err = { .kind = ERROR_NONE };

    if (!gzip_read(buffer_span(&packed), &unpacked, &err))
        fail_msg("%s", err.text);
    assert_true(span_equal(buffer_span(&unpacked), span_of(text)));
}

static void reads_what_others_pack(void **state)
{
    (void)state;
    append(hello, HELLO_LEN);
    assert_true(gzip_is_begun(buffer_span(&packed)));
    reads("hello\n");
}

static void reads_all_members_and_the_padding_behind_them(void **state)
{
    (void)state;
    append(hello, HELLO_LEN);
    append(hello, HELLO_LEN);
    append("\0\0\0", 3);
    reads("hello\nhello\n");
}

static void reads_what_it_wrote(void **state)
{
    struct buffer text;
    struct error err;

    (void)state;
    buffer_init(&text, LIMIT);
    for (int i = 0; i < 9000; i++) /* more than one piece, packed too */
        assert_true(buffer_format(&text, "%d %d\n", i, i * 7919 % 10007));
    assert_true(gzip_write(buffer_span(&text), &packed, &err));
    assert_true(packed.len < text.len / 2);
    assert_true(gzip_read(buffer_span(&packed), &unpacked, &err));
    assert_true(span_equal(buffer_span(&unpacked), buffer_span(&text)));
    buffer_clear(&text);
}

static void packs_nothing_too(void **state)
{
    struct error err;

    (void)state;
    assert_true(gzip_write((struct span){ NULL, 0 }, &packed, &err));
    reads("");
}

static void refuses_every_beginning_of_it(void **state)
{
    (void)state;
    for (size_t len = 0; len < HELLO_LEN; len++) {
        packed.len = 0;
        unpacked.len = 0;
        append(hello, len);
        refuses(len < 2 ? "it does not begin as gzip data do" : "its gzip data are cut off");
    }
}

/* Changes that mean nothing (RFC 1952 section 2.3: name, time, system; bits behind the last) change nothing. */
static void gives_what_was_packed_or_nothing(void **state)
{
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < HELLO_LEN; i++) {
        struct error err = { .kind = ERROR_NONE };

        packed.len = 0;
        unpacked.len = 0;
        append(hello, HELLO_LEN);
        packed.data[i] = (char)(packed.data[i] ^ 0x10);
        if (gzip_read(buffer_span(&packed), &unpacked, &err))
            assert_true(span_equal(buffer_span(&unpacked), span_of("hello\n")));
        else
            refused++;
    }
    assert_in_range(refused, HELLO_LEN - 8, HELLO_LEN);
}

static void refuses_what_stands_behind(void **state)
{
    (void)state;
    append(hello, HELLO_LEN);
    append("more", 4);
    refuses("4 octets stand behind its gzip data");
}

/* RFC 1952 section 2.3.1.2: what any program can make of zeros. */
static void refuses_a_bomb_before_it_is_unpacked(void **state)
{
    static char zeros[1 << 20];
    struct buffer larger;
    struct error err;

    (void)state;
    assert_true(gzip_write((struct span){ zeros, sizeof zeros }, &packed, &err));
    buffer_init(&larger, (size_t)64 << 20);
    assert_false(gzip_read(buffer_span(&packed), &larger, &err));
    assert_string_equal(err.text,
                        "its gzip data unpack to more than 200 times their size: a bomb, not text");
    assert_in_range(larger.len, 1, GZIP_FREE_BYTES);
    buffer_clear(&larger);
}

static void holds_no_more_than_the_buffer_allows(void **state)
{
    struct error err;

    (void)state;
    append(hello, HELLO_LEN);
    buffer_clear(&unpacked);
    buffer_init(&unpacked, 5);
    refuses("its gzip data unpack to more than the 5 octets that are allowed");
    packed.len = 0;
    packed.limit = 10;
    assert_false(gzip_write(span_of("hello"), &packed, &err));
    assert_int_equal(err.kind, ERROR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_others_pack, set_up, clear),
        cmocka_unit_test_setup_teardown(reads_all_members_and_the_padding_behind_them, set_up,
                                        clear),
        cmocka_unit_test_setup_teardown(reads_what_it_wrote, set_up, clear),
        cmocka_unit_test_setup_teardown(packs_nothing_too, set_up, clear),
        cmocka_unit_test_setup_teardown(refuses_every_beginning_of_it, set_up, clear),
        cmocka_unit_test_setup_teardown(gives_what_was_packed_or_nothing, set_up, clear),
        cmocka_unit_test_setup_teardown(refuses_what_stands_behind, set_up, clear),
        cmocka_unit_test_setup_teardown(refuses_a_bomb_before_it_is_unpacked, set_up, clear),
        cmocka_unit_test_setup_teardown(holds_no_more_than_the_buffer_allows, set_up, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
