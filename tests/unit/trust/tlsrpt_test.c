/* tests/unit/trust/tlsrpt_test.c - tests where a domain wants its reports. */
#include "trust/tlsrpt.h"

#include "unit/test.h"

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

static enum txt_record_status read_one(struct arena *arena, const char *text,
                                       struct tlsrpt_record *record, const char **flaw)
{
    struct span line = span_of(text);

    return tlsrpt_record_read(&line, 1, arena, record, flaw);
}

static void gives_each_address_in_order(void **state)
{
    struct tlsrpt_record record;
    const char *flaw;

    assert_int_equal(
        read_one(*state,
                 "v=TLSRPTv1 ; rua=mailto:a@example.org , https://r.example.org/x?y=1%21"
                 ";new=1; rua=mailto:b@example.org?subject=x; ",
                 &record, &flaw),
        TXT_RECORD_VALID);
    assert_int_equal(record.count, 3);
    assert_string_equal(record.uris[0], "mailto:a@example.org");
    assert_string_equal(record.uris[1], "https://r.example.org/x?y=1%21");
    assert_string_equal(record.uris[2], "mailto:b@example.org?subject=x");
    assert_null(flaw);
}

static void passes_over_a_scheme_that_nobody_can_use(void **state)
{
    struct tlsrpt_record record;
    const char *flaw;

    assert_int_equal(
        read_one(*state, "v=TLSRPTv1;rua=http://a.example/,mailto:a@example.org", &record, &flaw),
        TXT_RECORD_VALID);
    assert_int_equal(record.count, 1);
    assert_int_equal(read_one(*state, "v=TLSRPTv1;rua=http://a.example/", &record, &flaw),
                     TXT_RECORD_INVALID);
    assert_string_equal(flaw, "no rua begins with mailto: or https:");
}

static void says_what_is_wrong_with_a_record(void **state)
{
    static const struct {
        const char *text, *flaw;
    } cases[] = {
        { "v=TLSRPTv1", "it has no rua" },
        { "v=TLSRPTv1;", "it has no rua" },
        { "v=TLSRPTv1;rua=", "the field \"rua\" has no value" },
        { "v=TLSRPTv1;rua=a@example.org", "the rua \"a@example.org\" does not begin with mailto:" },
        { "v=TLSRPTv1;rua=mailto:a", "the rua \"mailto:a\" is no address of mail" },
        { "v=TLSRPTv1;rua=mailto:@x", "the rua \"mailto:@x\" is no address of mail" },
        { "v=TLSRPTv1;rua=mailto:a@?x=y@z", "the rua \"mailto:a@?x=y@z\" is no address of mail" },
        { "v=TLSRPTv1;rua=https:x", "the rua \"https:x\" names no host" },
        { "v=TLSRPTv1;rua=https:///x", "the rua \"https:///x\" names no host" },
        { "v=TLSRPTv1;rua=mailto:a@x,", "a rua is empty" },
        { "v=TLSRPTv1;rua=mailto:a!b@x", "the rua \"mailto:a!b@x\" has a character" },
        { "v=TLSRPTv1;rua=mailto:a%4@x", "the rua \"mailto:a%4@x\" has a character" },
        { "v=TLSRPTv1;rua=mailto:a@x;new=", "the field \"new\" has no value" },
        { "v=TLSRPTv1;rua=mailto:a@x;new=a=b", "the value of the field \"new\"" },
        { "v=TLSRPTv2;rua=mailto:a@x", "it does not begin with \"v=TLSRPTv1;\", but with" },
        { "rua=mailto:a@x;v=TLSRPTv1", "it does not begin with \"v=TLSRPTv1;\", but with" },
    };
    struct tlsrpt_record record;
    const char *flaw;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(read_one(*state, cases[i].text, &record, &flaw), TXT_RECORD_INVALID);
        assert_int_equal(record.count, 0);
        if (strncmp(flaw, cases[i].flaw, strlen(cases[i].flaw)) != 0)
            assert_string_equal(flaw, cases[i].flaw);
    }
}

static void takes_the_one_record_among_others(void **state)
{
    struct span texts[] = { span_of("v=spf1 -all"), span_of("v=TLSRPTv1;rua=mailto:a@x"),
                            span_of("v=TLSRPTv1;rua=mailto:b@x") };
    struct tlsrpt_record record;
    const char *flaw;

    assert_int_equal(tlsrpt_record_read(texts, 2, *state, &record, &flaw), TXT_RECORD_VALID);
    assert_int_equal(tlsrpt_record_read(texts, 1, *state, &record, &flaw), TXT_RECORD_NONE);
    assert_null(flaw);
    assert_int_equal(tlsrpt_record_read(texts, 3, *state, &record, &flaw), TXT_RECORD_SEVERAL);
    assert_string_equal(flaw, "there are 2 records that begin with \"v=TLSRPTv1;\"");
}

static void bounds_the_addresses(void **state)
{
    struct arena *arena = *state;
    const char *text = "v=TLSRPTv1; rua=mailto:a@x";
    struct tlsrpt_record record;
    const char *flaw;

    for (size_t i = 0; i < TLSRPT_URIS_MOST; i++)
        text = arena_format(arena, "%s,mailto:a@x", text);
    assert_int_equal(read_one(arena, text, &record, &flaw), TXT_RECORD_VALID);
    assert_int_equal(record.count, TLSRPT_URIS_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_each_address_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(passes_over_a_scheme_that_nobody_can_use, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_the_one_record_among_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_the_addresses, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
