/* tests/unit/cli/policy_page_test.c - promises of cli/policy_page.h */
#include "cli/policy_page.h"
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "unit/settings/loads.h"

#define DIGEST "1f0c5c4f3c8d7a3f2c4e9b6a5d8e7f60112233445566778899aabbccddeeff00"

static const char text[] = "listener \"[::1]:25\" { tls = none }\n"
                           "domain here.example { deliver = \"maildir:/m/{user}\" }\n"
                           "domain behind.example { deliver = \"smtp:[10.0.0.5]:2500\" }\n"
                           "client { port = 2525 }\n"
                           "policy partner.com {\n"
                           "    level = secure\n"
                           "    match = { .provider.example }\n"
                           "    minimum_tls = 1.3 }\n"
                           "policy .partner.com { level = secure }\n"
                           "policy pin.example { level = fingerprint fingerprint = " DIGEST "\n"
                           "    next_hop = \"relay.example:26\" }\n"
                           "policy behind.example { level = verify }\n"
                           "policy none.example { level = none }\n"
                           "policy all.example { level = secure\n"
                           "    next_hop = \"relay.example\" }\n";

struct room {
    struct loaded loaded;
    struct arena arena;
    struct buffer out;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    room->loaded = load_sound(text);
    arena_init(&room->arena, 1 << 20);
    buffer_init(&room->out, 1 << 20);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    loaded_clear(&room->loaded);
    buffer_clear(&room->out);
    arena_clear(&room->arena);
    free(room);
    return 0;
}

static struct policy_answer find(struct room *room, const char *name)
{
    struct policy_answer answer;

    if (!policy_answer_find(room->loaded.settings, name, &room->arena, &answer))
        fail_msg("%s is not a domain", name);
    return answer;
}

/* The page as one text, with blanks for its line ends and indents. */
static const char *page_of(struct room *room, const char *name)
{
    struct policy_answer answer = find(room, name);
    struct page page;
    char *from, *to;

    buffer_clear(&room->out);
    page_init(&page, &room->out, 80, false);
    policy_page_put(&page, &answer, &room->arena);
    assert_true(buffer_append(&room->out, (struct span){ "", 1 }));
    assert_false(page.has_failed);
    for (from = to = room->out.data; *from != '\0'; from++) {
        if (*from == '\n')
            *from = ' ';
        if (*from != ' ' || to == room->out.data || to[-1] != ' ')
            *to++ = *from;
    }
    *to = '\0';
    return room->out.data;
}

static void expect(struct room *room, const char *name, const char *const *phrases)
{
    const char *page = page_of(room, name);

    for (; *phrases != NULL; phrases++)
        if (strstr(page, *phrases) == NULL)
            fail_msg("not in the page: %s\n%s", *phrases, page);
}

#define EXPECT(room, name, ...) expect(room, name, (const char *const[]){ __VA_ARGS__, NULL })

static void each_part_is_told_with_its_line(void **state)
{
    struct room *room = *state;

    EXPECT(room, "partner.com", "partner.com: secure ",
           "policy \"partner.com\", t.conf:5: it is for this very domain",
           "level secure (t.conf:6)", "names .provider.example (t.conf:7)",
           "minimum TLS 1.3 (t.conf:8)", "goes to the MX hosts, port 2525");
    EXPECT(room, "pin.example", "level fingerprint (t.conf:10)",
           "fingerprint " DIGEST " (t.conf:10)", "goes to relay.example, port 26 (t.conf:11)",
           "minimum TLS 1.2 (the default)");
    EXPECT(
        room, "all.example",
        "names relay.example, .relay.example, all.example, .all.example (by next_hop, t.conf:15)");
}

static void says_by_which_rule_a_policy_is_for_the_domain(void **state)
{
    struct room *room = *state;

    EXPECT(room, "a.B.partner.com.", "a.b.partner.com: secure ",
           "\".partner.com\", t.conf:9: it is for every name below partner.com, and none is nearer",
           "names a.b.partner.com, .a.b.partner.com (the default)");
    EXPECT(room, "other.example", "other.example: sts ",
           "policy \"default\", built in: no other policy is for this domain",
           "level sts (the default)");
    EXPECT(room, "user@[192.0.2.1]", "[192.0.2.1]: sts ", "goes to that address");
}

static void a_domain_of_ours_has_no_policy_but_where_smtp_is_spoken(void **state)
{
    struct room *room = *state;

    EXPECT(room, "bob@Here.example", "here.example: its mail ends here",
           "goes to the Maildir /m/{user} (t.conf:2)");
    assert_null(strstr(page_of(room, "here.example"), "policy"));
    EXPECT(room, "behind.example", "behind.example: verify ", "level verify (t.conf:12)",
           "goes to SMTP to [10.0.0.5], port 2500 (t.conf:3)");
}

static void refuses_what_is_no_domain(void **state)
{
    static const char *const wrong[] = {
        "", ".", ".example.org", "a b", "user@", "[nowhere]", "["
    };
    struct room *room = *state;
    struct policy_answer answer;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (policy_answer_find(room->loaded.settings, wrong[i], &room->arena, &answer))
            fail_msg("\"%s\" is taken for a domain", wrong[i]);
}

static const char *text_at(json_t *json, const char *key)
{
    const char *value = json_string_value(json_object_get(json, key));

    return value == NULL ? "(none)" : value;
}

static void programs_are_told_the_same(void **state)
{
    struct room *room = *state;
    struct policy_answer answer = find(room, "all.example"), local = find(room, "here.example");
    json_t *json = policy_page_json(&answer, &room->arena), *policy;

    assert_non_null(json);
    policy = json_object_get(json, "policy");
    assert_string_equal(text_at(json, "domain"), "all.example");
    assert_string_equal(text_at(json, "file"), "t.conf");
    assert_string_equal(text_at(policy, "level"), "secure");
    assert_string_equal(text_at(policy, "rule"), "exact");
    assert_string_equal(text_at(policy, "minimum_tls"), "1.2");
    assert_int_equal(json_array_size(json_object_get(policy, "names")), 4);
    assert_string_equal(text_at(json_object_get(policy, "next_hop"), "host"), "relay.example");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(policy, "lines"), "next_hop")), 15);
    assert_true(json_is_null(json_object_get(json_object_get(policy, "lines"), "match")));
    json_decref(json);
    json = policy_page_json(&local, &room->arena);
    assert_true(json_is_null(json_object_get(json, "policy")));
    assert_string_equal(text_at(json_object_get(json, "local"), "how"), "maildir");
    json_decref(json);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(each_part_is_told_with_its_line),
        IN_ROOM(says_by_which_rule_a_policy_is_for_the_domain),
        IN_ROOM(a_domain_of_ours_has_no_policy_but_where_smtp_is_spoken),
        IN_ROOM(refuses_what_is_no_domain),
        IN_ROOM(programs_are_told_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
