/* tests/unit/queue/journal_group_test.c - promises of queue/journal_group.h */
#include "queue/journal_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "base/compiler.h"

enum { LIMIT = 1024 * 1024, TEXT_BYTES = 150 * 1024, SECRET = 4711, NUMBER = 7 };

static struct journal_group group;
static char text[TEXT_BYTES];

static int open_one(void **state)
{
    (void)state;
    journal_group_init(&group, LIMIT);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i % 251);
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    journal_group_clear(&group);
    return 0;
}

/* Of these octets of the text; where they are. */
static size_t add(size_t start, size_t len, bool is_lent)
{
    size_t offset = 0;

    assert_true(journal_group_add(&group, 1, span_of("head"), (struct span){ text + start, len },
                                  is_lent, &offset));
    return offset;
}

/* As it is written, with its header; the octets are the caller's to free. */
static char *write_out(size_t *len)
{
    struct journal_group_header header = journal_group_seal(&group, SECRET, NUMBER);
    FILE *file = tmpfile();
    char *bytes;

    assert_non_null(file);
    assert_true(journal_group_write(&group, &header, fileno(file), 0));
    *len = journal_group_len(&group);
    bytes = malloc(*len);
    assert_non_null(bytes);
    assert_int_equal(pread(fileno(file), bytes, *len, 0), *len);
    fclose(file);
    return bytes;
}

static bool fits(const char *bytes, size_t len, uint64_t secret)
{
    struct journal_group_header header;

    memcpy(&header, bytes, sizeof header);
    return journal_group_is_header(&header) &&
           journal_group_fits(&header, (struct span){ bytes + sizeof header, len - sizeof header },
                              secret);
}

static void every_part_is_where_its_offset_says(void **state)
{
    size_t offsets[40], len;
    char *bytes, part[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
        offsets[i] = add(i * 100, 1 + i * 97, i % 3 > 0);
    bytes = write_out(&len);
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        journal_group_read(&group, offsets[i], part, 1 + i * 97);
        assert_memory_equal(part, text + i * 100, 1 + i * 97);
        assert_memory_equal(bytes + offsets[i], text + i * 100, 1 + i * 97);
    }
    free(bytes);
}

static void the_header_fits_to_what_was_written_and_to_nothing_else(void **state)
{
    size_t len;
    char *bytes;

    (void)state;
    for (size_t i = 0; i < 30; i++)
        (void)add(i, 1 + i * 31, i & 1);
    bytes = write_out(&len);
    assert_true(fits(bytes, len, SECRET));
    assert_false(fits(bytes, len, SECRET + 1));
    assert_false(fits(bytes, len - 8, SECRET));
    for (size_t i = 0; i < len; i++) {
        if (i >= 8 && i < 16)
            continue; /* its number, which is part of the sum: below */
        bytes[i] ^= 0x40;
        if (fits(bytes, len, SECRET))
            fail_msg("octet %zu was changed, and nobody sees it", i);
        bytes[i] ^= 0x40;
    }
    bytes[8]++;
    assert_false(fits(bytes, len, SECRET));
    free(bytes);
}

static void what_is_cut_off_leaves_it_as_it_was(void **state)
{
    size_t len, again_len, marks[20], offset = 0;
    char *bytes, *again;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        (void)add(i, 1000, i & 1);
    bytes = write_out(&len);
    for (size_t round = 0; round < ARRAY_SIZE(marks); round++) {
        marks[round] = journal_group_len(&group);
        (void)add(round, 70 + round, round & 1);
    }
    for (size_t round = ARRAY_SIZE(marks); round-- > 0;) {
        journal_group_cut(&group, marks[round]);
        assert_int_equal(journal_group_len(&group), marks[round]);
    }
    again = write_out(&again_len);
    assert_int_equal(again_len, len);
    assert_memory_equal(again, bytes, len);
    journal_group_cut(&group, 0);
    assert_int_equal(journal_group_len(&group), 0);
    assert_false(
        journal_group_add(&group, 1, span_of("head"), (struct span){ text, LIMIT }, true, &offset));
    assert_int_equal(journal_group_len(&group), 0);
    free(bytes);
    free(again);
}

static void what_was_lent_may_go_once_the_group_is_empty(void **state)
{
    char *lent = malloc(5000);
    size_t offset;
    char part[4];

    (void)state;
    assert_non_null(lent);
    memset(lent, 'x', 5000);
    assert_true(
        journal_group_add(&group, 1, span_of(""), (struct span){ lent, 5000 }, true, &offset));
    journal_group_empty(&group, 0);
    free(lent);
    assert_int_equal(journal_group_len(&group), 0);
    offset = add(0, 4, false);
    journal_group_read(&group, offset, part, 4);
    assert_memory_equal(part, text, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_part_is_where_its_offset_says),
        TEST(the_header_fits_to_what_was_written_and_to_nothing_else),
        TEST(what_is_cut_off_leaves_it_as_it_was),
        TEST(what_was_lent_may_go_once_the_group_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
