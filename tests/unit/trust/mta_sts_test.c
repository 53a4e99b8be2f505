/* tests/unit/trust/mta_sts_test.c - tests records, policy files and the hosts that they list. */
#include "trust/mta_sts.h"

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

static enum txt_record_status read_record(struct arena *arena, const char *text, const char **id,
                                          const char **flaw)
{
    struct span record = span_of(text);

    return mta_sts_record_read(&record, 1, arena, id, flaw);
}

static void says_what_is_wrong_with_a_record(void **state)
{
    static const struct {
        const char *text;
        enum txt_record_status answer;
        const char *told; /* the id, or words of the flaw */
    } cases[] = {
        { "v=STSv1; id=20160831085700Z;", TXT_RECORD_VALID, "20160831085700Z" },
        { "v=STSv1;ext=1;id=1", TXT_RECORD_VALID, "1" },
        { "v=STSv1;id=1;id=2", TXT_RECORD_VALID, "1" }, /* RFC 8461 section 3.2: the first */
        { "v=spf1 -all", TXT_RECORD_NONE, NULL },
        { "v=STSv1", TXT_RECORD_INVALID, "it has no id" },
        { "v=STSv1;", TXT_RECORD_INVALID, "it has no id" },
        { "v=STSv1;id=a-b", TXT_RECORD_INVALID, "its id \"a-b\" is not 1 to 32" },
        { "v=STSv1;id=a;x=\x01", TXT_RECORD_INVALID, "the value of the field \"x\"" },
        { "id=1; v=STSv1;", TXT_RECORD_INVALID, "does not begin with \"v=STSv1;\", but" },
        { "V=STSv1; id=1", TXT_RECORD_INVALID, "but with \"V=STSv1; id=1\"" },
        { "v=STSv12;id=1", TXT_RECORD_INVALID, "but with \"v=STSv12;id=1\"" },
    };
    const char *id, *flaw;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(read_record(*state, cases[i].text, &id, &flaw), cases[i].answer);
        assert_true((id != NULL) == (cases[i].answer == TXT_RECORD_VALID));
        if (cases[i].answer == TXT_RECORD_VALID)
            assert_string_equal(id, cases[i].told);
        else if (cases[i].told != NULL)
            assert_non_null(strstr(flaw, cases[i].told));
        else
            assert_null(flaw);
    }
}

static void takes_the_one_record_among_others(void **state)
{
    struct span texts[] = { span_of("v=spf1 -all"), span_of("v=STSv1;id=7"), span_of("x") };
    const char *id, *flaw;

    assert_int_equal(mta_sts_record_read(texts, 3, *state, &id, &flaw), TXT_RECORD_VALID);
    assert_string_equal(id, "7");
    texts[2] = span_of("v=STSv1;");
    assert_int_equal(mta_sts_record_read(texts, 3, *state, &id, &flaw), TXT_RECORD_SEVERAL);
    assert_string_equal(flaw, "there are 2 records that begin with \"v=STSv1;\"");
    assert_int_equal(mta_sts_record_read(NULL, 0, *state, &id, &flaw), TXT_RECORD_NONE);
}

static void reads_a_policy_whole(void **state)
{
    struct mta_sts_policy policy;
    const char *flaw;

    assert_true(
        mta_sts_policy_read(span_of("version: STSv1\r\nmode: enforce\r\nmx: MX.Example.org\r\n"
                                    "mx: *.example.net \nmax_age: 86400\r\nnew: \xc3\xb8 x\n"),
                            *state, &policy, &flaw));
    assert_null(flaw);
    assert_int_equal(policy.mode, MTA_STS_MODE_ENFORCE);
    assert_int_equal(policy.max_age_s, 86400);
    assert_int_equal(policy.mx_count, 2);
    assert_string_equal(policy.mx[0], "mx.example.org");
    assert_string_equal(policy.mx[1], "*.example.net");
    assert_true(mta_sts_policy_lists(&policy, "mx.example.org"));
    assert_true(mta_sts_policy_lists(&policy, "a.example.net"));
    assert_false(mta_sts_policy_lists(&policy, "a.example.org"));
}

/* RFC 8461 section 3.2: all entries of such a field except for the first are ignored. */
static void takes_the_first_of_a_field_that_stands_twice(void **state)
{
    struct mta_sts_policy policy;
    const char *flaw;

    assert_true(mta_sts_policy_read(span_of("version: STSv1\nmode: testing\nmode: doubt\nmx: a\n"
                                            "max_age: 1\nmax_age: x\nversion: STSv2"),
                                    *state, &policy, &flaw));
    assert_int_equal(policy.mode, MTA_STS_MODE_TESTING);
    assert_int_equal(policy.max_age_s, 1);
}

static void lets_empty_lines_pass_at_the_end_alone(void **state)
{
    struct mta_sts_policy policy;
    const char *flaw;

    assert_true(mta_sts_policy_read(span_of("version: STSv1\nmode: none\nmax_age: 1\r\n\r\n \n"),
                                    *state, &policy, &flaw));
    assert_false(mta_sts_policy_read(span_of("version: STSv1\n\nmode: none\nmax_age: 1\n"), *state,
                                     &policy, &flaw));
    assert_string_equal(flaw, "line 2: it is empty");
}

static void names_the_line_that_is_wrong(void **state)
{
    static const struct {
        const char *body, *flaw;
    } cases[] = {
        { "", "it is empty" },
        { "\r\n\r\n", "it is empty" },
        { "garbage", "line 1: it is \"garbage\" and not of the form name: value" },
        { "<html>", "line 1: it is \"<html>\" and not" },
        { "\xef\xbb\xbfversion: STSv1\n", "line 1: it begins with a byte order mark" },
        { "version: STSv2", "line 1: the version is \"STSv2\" and not \"STSv1\"" },
        { "version: STSv1\nmode: Enforce", "line 2: the mode is \"Enforce\" and not enforce" },
        { "version: STSv1\nmax_age: 31557601", "line 2: max_age is \"31557601\"" },
        { "version: STSv1\nmax_age: -1", "line 2: max_age is \"-1\"" },
        { "version: STSv1\nmx: mail.example.org.",
          "line 2: the mx \"mail.example.org.\" is no host" },
        { "version: STSv1\nmx: *.", "line 2: the mx \"*.\"" },
        { "version: STSv1\nmx: *", "line 2: the mx \"*\"" },
        { "version: STSv1\nmx: a b", "line 2: the mx \"a b\"" },
        { "version: STSv1\nmx: -a.b", "line 2: the mx \"-a.b\"" },
        { "version: STSv1\nmode : none", "line 2: there is \"mode \" where the name" },
        { " version: STSv1", "line 1: there is \" version\"" },
        { "version: STSv1\nnew: \x01", "line 2: the value \"\\x01\" has a control character" },
        { "version: STSv1\nnew: \xff", "line 2: the value \"\\xff\" is not UTF-8" },
        { "mode: none\nmax_age: 1", "it has no line \"version: STSv1\"" },
        { "version: STSv1\nmax_age: 1", "it has no line with the mode" },
        { "version: STSv1\nmode: none", "it has no line with max_age" },
        { "version: STSv1\nmode: enforce\nmax_age: 1", "it has no line with an mx" },
    };
    struct mta_sts_policy policy;
    const char *flaw;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_false(mta_sts_policy_read(span_of(cases[i].body), *state, &policy, &flaw));
        if (strncmp(flaw, cases[i].flaw, strlen(cases[i].flaw)) != 0)
            assert_string_equal(flaw, cases[i].flaw);
    }
}

static void bounds_the_hosts_that_a_policy_lists(void **state)
{
    struct arena *arena = *state;
    char *body = arena_new(arena, 8 << 10, 1);
    struct mta_sts_policy policy;
    const char *flaw;
    size_t len = 0;

    assert_non_null(body);
    for (size_t i = 0; i <= MTA_STS_MX_MOST; i++, len += 5)
        memcpy(body + len, "mx:a\n", 5);
    assert_false(mta_sts_policy_read((struct span){ body, len }, arena, &policy, &flaw));
    assert_string_equal(flaw, "line 1025: there are more than 1024 lines of mx");
}

static void tells_plain_text_with_any_parameters(void **state)
{
    (void)state;
    assert_true(mta_sts_is_plain_text(span_of("text/plain")));
    assert_true(mta_sts_is_plain_text(span_of("Text/Plain ; charset=utf-8")));
    assert_false(mta_sts_is_plain_text(span_of("text/html")));
    assert_false(mta_sts_is_plain_text(span_of("text/plainly")));
    assert_false(mta_sts_is_plain_text(span_of("")));
}

static void matches_one_label_to_a_wildcard(void **state)
{
    (void)state;
    assert_true(mta_sts_match("MX.example.org", "mx.Example.org."));
    assert_true(mta_sts_match("*.example.org", "a.example.org"));
    assert_false(mta_sts_match("*.example.org", "a.b.example.org"));
    assert_false(mta_sts_match("*.example.org", "example.org"));
    assert_false(mta_sts_match("*.example.org", ".example.org"));
    assert_false(mta_sts_match("", ""));
    assert_false(mta_sts_match("", "."));
}

static void has_a_word_for_every_mode(void **state)
{
    (void)state;
    assert_string_equal(mta_sts_mode_name(MTA_STS_MODE_TESTING), "testing");
    for (unsigned i = 0; i < MTA_STS_MODE_COUNT; i++)
        assert_non_null(mta_sts_mode_name((enum mta_sts_mode)i));
    assert_null(mta_sts_mode_name(MTA_STS_MODE_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_the_one_record_among_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_a_policy_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_the_first_of_a_field_that_stands_twice, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(lets_empty_lines_pass_at_the_end_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_the_line_that_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_the_hosts_that_a_policy_lists, set_up, tear_down),
        cmocka_unit_test(tells_plain_text_with_any_parameters),
        cmocka_unit_test(matches_one_label_to_a_wildcard),
        cmocka_unit_test(has_a_word_for_every_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
