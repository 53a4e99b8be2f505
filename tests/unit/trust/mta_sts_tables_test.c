/* tests/unit/trust/mta_sts_tables_test.c - tests the tables of other programs' own tests of MTA-STS and TLS reports.
 *
 * 75 rows: records, policy files, matches of hosts, of mox and kumomta, each with the verdict that those give. All of them
 * agree; "v=STSv1; id=a;;" and an extension without a value, which one could let pass, are refused as the
 * grammar of RFC 8461 section 3.1 has it. Skipped where ../shared/corpora is absent.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "trust/mta_sts.h"
#include "trust/tlsrpt.h"
#include "unit/test.h"

static const char *file_path(struct arena *arena)
{
    const char *corpora = getenv("POSTERN_CORPORA");

    return arena_format(arena, "%s/mtasts/mtasts-tables.json",
                        corpora != NULL ? corpora : DEFAULT_CORPORA);
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    assert_non_null(text);
    return text;
}

static bool judges_record(const json_t *row, struct arena *arena)
{
    struct span text = span_of(text_of(row, "txt"));
    const char *id, *flaw;

    return mta_sts_record_read(&text, 1, arena, &id, &flaw) == TXT_RECORD_VALID;
}

static bool lists_as_wanted(const json_t *row, const struct mta_sts_policy *policy)
{
    const json_t *wanted = json_object_get(row, "mx");

    if (wanted == NULL)
        return true;
    if (json_array_size(wanted) != policy->mx_count ||
        strcmp(mta_sts_mode_name(policy->mode), text_of(row, "mode")) != 0 ||
        json_integer_value(json_object_get(row, "max_age")) != policy->max_age_s)
        return false;
    for (size_t i = 0; i < policy->mx_count; i++)
        if (strcmp(json_string_value(json_array_get(wanted, i)), policy->mx[i]) != 0)
            return false;
    return true;
}

static bool judges_policy(const json_t *row, struct arena *arena)
{
    struct mta_sts_policy policy;
    const char *flaw;

    return mta_sts_policy_read(span_of(text_of(row, "text")), arena, &policy, &flaw) &&
           lists_as_wanted(row, &policy);
}

static bool judges_match(const json_t *row, struct arena *arena)
{
    (void)arena;
    return mta_sts_match(text_of(row, "pattern"), text_of(row, "host"));
}

static bool judges_report_record(const json_t *row, struct arena *arena)
{
    struct span text = span_of(text_of(row, "txt"));
    struct tlsrpt_record record;
    const char *flaw;

    return tlsrpt_record_read(&text, 1, arena, &record, &flaw) == TXT_RECORD_VALID;
}

static size_t count_agreeing(const json_t *tables, const char *table, const char *verdict,
                             bool (*judge)(const json_t *row, struct arena *arena),
                             struct arena *arena)
{
    const json_t *rows = json_object_get(tables, table), *row;
    size_t i, agreeing = 0;

    json_array_foreach(rows, i, row)
    {
        bool wanted = json_is_true(json_object_get(row, verdict));

        if (judge(row, arena) == wanted)
            agreeing++;
        else
            print_message("%s %zu: wanted %s\n", table, i, wanted ? "yes" : "no");
    }
    return agreeing;
}

static json_t *load(struct arena *arena)
{
    json_t *tables = json_load_file(file_path(arena), JSON_ALLOW_NUL, NULL);

    if (tables == NULL) {
        print_message("no %s here\n", file_path(arena));
        arena_clear(arena);
        skip();
    }
    return tables;
}

static void agrees_with_all_75_rows(void **state)
{
    struct arena arena;
    json_t *tables;

    (void)state;
    arena_init(&arena, 16 << 20);
    tables = load(&arena);
    assert_int_equal(count_agreeing(tables, "sts_record", "valid", judges_record, &arena), 18);
    assert_int_equal(count_agreeing(tables, "sts_policy", "valid", judges_policy, &arena), 25);
    assert_int_equal(count_agreeing(tables, "mx_match", "match", judges_match, &arena), 12);
    assert_int_equal(count_agreeing(tables, "tlsrpt_record", "valid", judges_report_record, &arena),
                     20);
    json_decref(tables);
    arena_clear(&arena);
}

static void check_set(const json_t *row, struct arena *arena)
{
    static const struct {
        const char *word;
        enum txt_record_status record;
    } words[] = {
        { "none", TXT_RECORD_NONE },
        { "valid", TXT_RECORD_VALID },
        { "syntax", TXT_RECORD_INVALID },
        { "multiple", TXT_RECORD_SEVERAL },
    };
    const json_t *list = json_object_get(row, "txt");
    const char *id, *flaw, *wanted = text_of(row, "result");
    enum txt_record_status answer;
    struct span texts[4];

    for (size_t i = 0; i < json_array_size(list); i++)
        texts[i] = span_of(json_string_value(json_array_get(list, i)));
    answer = mta_sts_record_read(texts, json_array_size(list), arena, &id, &flaw);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(wanted, words[i].word) == 0)
            assert_int_equal(answer, words[i].record);
    if (answer == TXT_RECORD_VALID)
        assert_string_equal(id, text_of(row, "id"));
}

static void agrees_with_all_6_sets_of_records(void **state)
{
    struct arena arena;
    json_t *tables;
    const json_t *rows;

    (void)state;
    arena_init(&arena, 1 << 20);
    tables = load(&arena);
    rows = json_object_get(tables, "sts_record_sets");
    assert_int_equal(json_array_size(rows), 6);
    for (size_t i = 0; i < json_array_size(rows); i++)
        check_set(json_array_get(rows, i), &arena);
    json_decref(tables);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_all_75_rows),
        cmocka_unit_test(agrees_with_all_6_sets_of_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
