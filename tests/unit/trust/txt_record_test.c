/* tests/unit/trust/txt_record_test.c - tests the grammar that two TXT records share. */
#include "trust/txt_record.h"

#include "unit/test.h"

static const struct txt_record_kind kind = { "v=STSv1", "stsv", "id" };

static int set_up(void **state)
{
    static struct arena arena;

    arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int tear_down(void **state)
{
    arena_clear(*state);
    return 0;
}

static size_t pick(const char *first, const char *second, struct span *picked)
{
    struct span texts[] = { span_of(first), span_of(second) };

    return txt_record_pick(&kind, texts, 2, picked);
}

static void picks_the_record_that_begins_with_the_version(void **state)
{
    struct span picked;

    (void)state;
    assert_int_equal(pick("v=spf1 -all", "v=STSv1;id=1", &picked), 1);
    assert_true(span_equal(picked, span_of("v=STSv1;id=1")));
    assert_int_equal(pick("v=STSv1 \t;id=1", "v=STSv1;id=2", &picked), 2);
    assert_true(span_equal(picked, span_of("v=STSv1 \t;id=1")));
    assert_int_equal(pick("v=STSv12;id=1", "v=spf1 -all", &picked), 0);
    assert_true(span_equal(picked, span_of("v=STSv12;id=1"))); /* meant for one */
    assert_int_equal(pick("id=1; V=stsV1;", "v=STSv1;id=2", &picked), 1);
    assert_true(span_equal(picked, span_of("v=STSv1;id=2")));
    assert_int_equal(pick("", "v=spf1 -all", &picked), 0);
    assert_int_equal(picked.len, 0);
}

/* "name=value|name=value", or "!" where a field is flawed. */
static const char *fields_of(struct arena *arena, const char *text)
{
    struct span rest = txt_record_begin(&kind, span_of(text)), name, value;
    const char *all = "", *flaw = NULL;

    for (;;) {
        if (!txt_record_next(&kind, &rest, arena, &name, &value, &flaw)) {
            assert_non_null(flaw);
            return "!";
        }
        if (name.len == 0)
            return all;
        all = arena_format(arena, "%s%.*s=%.*s|", all, (int)name.len, name.data, (int)value.len,
                           value.data);
    }
}

static void takes_fields_one_by_one(void **state)
{
    static const struct {
        const char *text, *fields;
    } cases[] = {
        { "v=STSv1;a=1", "a=1|" },
        { "v=STSv1 ; a=1\t;\tb.c-d_e=x:y ; ", "a=1|b.c-d_e=x:y|" },
        { "v=STSv1;id=x=\xc3\xb8 y", "id=x=\xc3\xb8 y|" }, /* for its reader to judge */
        { "v=STSv1;a=!:<>~", "a=!:<>~|" },
        { "v=STSv1;a=x=y", "!" },
        { "v=STSv1;a=x y", "!" },
        { "v=STSv1;a=\xc3\xb8", "!" },
        { "v=STSv1;", "" },
        { "v=STSv1;;", "!" },
        { "v=STSv1;a=1;;b=2", "!" },
        { "v=STSv1;a", "!" },
        { "v=STSv1;a=", "!" },
        { "v=STSv1;a= 1", "!" },
        { "v=STSv1;=1", "!" },
        { "v=STSv1;_a=1", "!" },
        { "v=STSv1;a b=1", "!" },
        { "v=STSv1;a234567890123456789012345678901x=1", "a234567890123456789012345678901x=1|" },
        { "v=STSv1;a234567890123456789012345678901xy=1", "!" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(fields_of(*state, cases[i].text), cases[i].fields);
}

static void a_name_has_no_zero(void **state)
{
    (void)state;
    assert_true(txt_record_is_name(span_of("a.b")));
    assert_false(txt_record_is_name((struct span){ "a\0b", 3 }));
}

static void says_why_none_of_them_counts(void **state)
{
    static const struct {
        const char *first, *second;
        size_t found;
        const char *flaw;
    } cases[] = {
        { "v=spf1 -all", "v=STSv1;id=1", 1, NULL },
        { "v=spf1 -all", "", 0, NULL },
        { "v=STSv1;id=1", "v=STSv1;id=2", 2, "there are 2 records that begin with \"v=STSv1;\"" },
        { "v=spf1 -all", "v=STSv1", 0, "it has no id" },
        { "v=stsv1;id=1", "", 0, "it does not begin with \"v=STSv1;\", but with \"v=stsv1;id=1\"" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span texts[] = { span_of(cases[i].first), span_of(cases[i].second) }, picked;
        const char *flaw = "of before";

        assert_int_equal(txt_record_choose(&kind, texts, 2, *state, &picked, &flaw),
                         cases[i].found);
        if (cases[i].flaw == NULL)
            assert_null(flaw);
        else
            assert_string_equal(flaw, cases[i].flaw);
    }
}

static void joins_the_strings_of_a_record(void **state)
{
    static const struct {
        struct span rdata;
        const char *text;
    } cases[] = {
        { { "\x03"
            "abc",
            4 },
          "abc" },
        { { "\x02"
            "ab\x00\x01"
            "c",
            6 },
          "abc" },
        { { "\x00", 1 }, "" },
        { { "", 0 }, "" },
        { { "\x01"
            "a\x09"
            "bc",
            5 },
          "abc" }, /* cut off */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_true(span_equal(txt_record_join(*state, cases[i].rdata), span_of(cases[i].text)));
}

static void quotes_no_more_than_a_sentence_bears(void **state)
{
    assert_string_equal(txt_record_quote(*state, span_of("a\nb")), "\"a\\nb\"");
    assert_string_equal(
        txt_record_quote(*state,
                         span_of("0123456789012345678901234567890123456789012345678901234567"
                                 "89and more")),
        "\"012345678901234567890123456789012345678901234567890123456789...\"");
}

static void has_a_word_for_whatever_the_records_come_to(void **state)
{
    (void)state;
    assert_string_equal(txt_record_status_name(TXT_RECORD_SEVERAL), "several");
    for (unsigned i = 0; i < TXT_RECORD_STATUS_COUNT; i++)
        assert_non_null(txt_record_status_name((enum txt_record_status)i));
    assert_null(txt_record_status_name(TXT_RECORD_STATUS_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_the_record_that_begins_with_the_version),
        cmocka_unit_test_setup_teardown(takes_fields_one_by_one, set_up, tear_down),
        cmocka_unit_test(a_name_has_no_zero),
        cmocka_unit_test_setup_teardown(says_why_none_of_them_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(joins_the_strings_of_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quotes_no_more_than_a_sentence_bears, set_up, tear_down),
        cmocka_unit_test(has_a_word_for_whatever_the_records_come_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
