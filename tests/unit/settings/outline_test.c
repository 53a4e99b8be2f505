/* tests/unit/settings/outline_test.c - tests that every fault of shape is named with its line, that
 * reading goes on behind it, and that only what is sound is handed on. */
#include "settings/outline.h"

#include <stdio.h>
#include <string.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

/* A file, and all that has to be said of it. */
static const struct {
    const char *text, *said;
} cases[] = {
    { "hostnam = a\n", "t.conf:1: unknown word \"hostnam\"; did you mean \"hostname\"?\n" },
    { "\n\nlistner \"a\" { tls = may\nx = { y } }\nlog = xml\n",
      "t.conf:3: unknown word \"listner\"; did you mean \"listener\"?\n"
      "t.conf:5: log: \"xml\" is not one of text or json\n" },
    { "zzz = 1\n", "t.conf:1: unknown word \"zzz\"\n" },
    { "tls = may\n", "t.conf:1: \"tls\" belongs in listener { }\n" },
    { "queue { log = text }", "t.conf:1: \"log\" stands outside of any section, not in queue\n" },
    { "limits { tls = may }", "t.conf:1: \"tls\" belongs in listener { }, not in limits\n" },
    { "policy a.example { macth = { b } level = mayy }",
      "t.conf:1: unknown word \"macth\" in policy; did you mean \"match\"?\n"
      "t.conf:1: level: \"mayy\" is not known; did you mean may?\n" },
    { "include(\"/etc/passwd\")\nlog = x\n",
      "t.conf:1: unexpected (; other values than plain words stand in quotes\n"
      "t.conf:1: include: one file holds all settings; there is no include\n"
      "t.conf:1: unexpected ); other values than plain words stand in quotes\n"
      "t.conf:2: log: \"x\" is not one of text or json\n" },
    { "log text\nlog_to = x", "t.conf:1: the \"=\" is missing behind log\n"
                              "t.conf:2: log_to: \"x\" is not one of stderr or syslog\n" },
    { "log =\nlog_to = x", "t.conf:1: log has no value\n"
                           "t.conf:2: log_to: \"x\" is not one of stderr or syslog\n" },
    { "log =", "t.conf:1: log has no value\n" },
    { "log = { text }", "t.conf:1: log takes one value, not a list\n" },
    { "log = text\n\nlog = json", "t.conf:3: log is there already, on line 1\n" },
    { "relay_from = { \"::1\" \"::2\" }",
      "t.conf:1: a \",\" or \"}\" is missing in the list of relay_from\n" },
    { "relay_from = { \"::1\"\nlog = x",
      "t.conf:1: a \",\" or \"}\" is missing in the list of relay_from\n"
      "t.conf:2: log: \"x\" is not one of text or json\n" },
    { "relay_from = { 10.0.0.1/8, \"::1\", x }\nbare_lf_from = { \"::1\", y }",
      "t.conf:1: relay_from: \"10.0.0.1/8\" has bits set beyond its first 8; is it the network "
      "10.0.0.0/8, or one address?\n"
      "t.conf:1: relay_from: \"x\" is no network such as 192.0.2.0/24, 2001:db8::/32 or one address\n"
      "t.conf:2: bare_lf_from: \"y\" is no network such as 192.0.2.0/24, 2001:db8::/32 or one address\n" },
    { "relay_from = { ,", "t.conf:1: the list of relay_from has no \"}\" before ,\n"
                          "t.conf:1: a word is expected here, not ,\n" },
    { "queue { lifetime = 1d\nlimits { recipients = 3 }\nlog = x",
      "t.conf:2: limits within queue: is the \"}\" of line 1's queue missing?\n"
      "t.conf:2: recipients: \"3\" is not between 100 and 10000\n"
      "t.conf:3: log: \"x\" is not one of text or json\n" },
    { "\nqueue {\nlifetime = 3d\n", "t.conf:2: the \"}\" of this queue is missing\n" },
    { "}\nlog = x", "t.conf:1: this \"}\" closes nothing\n"
                    "t.conf:2: log: \"x\" is not one of text or json\n" },
    { "queue \"fast\" { }", "t.conf:1: queue takes no name: queue { ... }\n" },
    { "domain { deliver = x }", "t.conf:1: domain needs a name: domain \"DOMAIN\" { ... }\n" },
    { "web = 127.0.0.1:80\nlog = x", "t.conf:1: web is a section: the \"{\" is missing\n"
                                     "t.conf:2: log: \"x\" is not one of text or json\n" },
    { "queue\nlifetime = 3d\nretry = x\n}\nlog = x",
      "t.conf:1: queue is a section: the \"{\" is missing\n"
      "t.conf:5: log: \"x\" is not one of text or json\n" },
    { "domain \"a.example {\n deliver = maildir:/m\n}\nlog = x",
      "t.conf:1: a text begins here with \" and does not end on its line\n"
      "t.conf:4: log: \"x\" is not one of text or json\n" },
    { "queue { }\nqueue { lifetim = 3 }",
      "t.conf:2: this queue is there already, on line 1\n"
      "t.conf:2: unknown word \"lifetim\" in queue; did you mean \"lifetime\"?\n" },
    { "policy a.example { }\npolicy 'a.example' { }",
      "t.conf:2: this policy is there already, on line 1\n" },
    { "log = \"text\nlog_to = x",
      "t.conf:1: a text begins here with \" and does not end on its line\n"
      "t.conf:2: log_to: \"x\" is not one of stderr or syslog\n" },
    { "store = \"postgresql://db/p\"",
      "t.conf:1: store: a queue that several gateways share is not in this release; without this "
      "key the queue is in state_dir\n" },
    { "/* a\n*/ log = x /* b\n",
      "t.conf:2: the comment that begins here does not end: \"*/\" is missing\n"
      "t.conf:2: log: \"x\" is not one of text or json\n" },
    { "state_dir = file://db/p",
      "t.conf:1: file://db/p: a value with // in it has to stand in quotes\n" },
    { "state_dir = \"/srv/${HOME}\"",
      "t.conf:1: \"${\": the environment is not looked at; only {domain} and {user} are filled in\n" },
    { "state_dir = \"/srv\\n\"",
      "t.conf:1: a \\ stands only before another or before \"; write \\\\ for "
      "the character itself\n" },
    { "state_dir = \"/a\tb\"", "t.conf:1: a control character (0x09) within a text\n" },
    { "state_dir = \"/\xff\"", "t.conf:1: a text that is not UTF-8\n" },
    { "log = text;\nlog_to = x",
      "t.conf:1: unexpected ;; other values than plain words stand in quotes\n"
      "t.conf:2: log_to: \"x\" is not one of stderr or syslog\n" },
    { "relay_from += \"::1\"", "t.conf:1: there is no +=: give the whole list with =\n" },
    { "{ a { b } c }\nlog = x",
      "t.conf:1: a word is expected here, not {; a value with braces in it stands in quotes\n"
      "t.conf:2: log: \"x\" is not one of text or json\n" },
    { "zzz { a { b\nlog = x", "t.conf:1: unknown word \"zzz\"\n"
                              "t.conf:1: the \"}\" of this \"{\" is missing\n" },
    { "domain a.example { deliver = x deliver = y }",
      "t.conf:1: deliver is there already, on line 1\n"
      "t.conf:1: deliver: \"x\" is not maildir:/path, lmtp:unix:/path, lmtp:HOST or smtp:HOST\n" },
};

static void names_every_fault_and_goes_on_behind_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_faults(cases[i].text, cases[i].said);
}

/* Everything at once: no fault hides another. */
static void names_the_faults_of_all_statements_at_once(void **state)
{
    struct buffer text;
    struct loaded loaded;
    size_t count = 0;

    (void)state;
    buffer_init(&text, 1 << 16);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (strchr(cases[i].text, '{') == NULL && strstr(cases[i].text, "/*") == NULL) {
            assert_true(buffer_format(&text, "%s\n", cases[i].text));
            count++;
        }
    loaded = load_span(buffer_span(&text));
    assert_true(count > 10);
    assert_true(loaded.faults.fault_count >= count);
    loaded_clear(&loaded);
    buffer_clear(&text);
}

static void reads_every_way_of_writing(void **state)
{
    struct loaded loaded = load_sound(
        "#\n## a comment { with = marks\n// another \"\n/* and\n * one \" over lines */\r\n"
        "state_dir='/a \\'b\\' \\\\c' # behind\n"
        "relay_from=\n{\n\"::1\" , '::2',}log=text log_to=syslog\r\n"
        "listener\n'127.0.0.1:25'\n{tls=none}queue{lifetime=1d /**/}");

    (void)state;
    assert_string_equal(loaded.settings->state_dir, "/a 'b' \\c");
    assert_int_equal(loaded.settings->relay.network_count, 2);
    assert_int_equal(loaded.settings->queue.lifetime_s, 86400);
    assert_int_equal(loaded.settings->listeners[0].line, 10);
    loaded_clear(&loaded);
}

static void expect_bounded(const char *piece, size_t count, const char *said)
{
    struct loaded loaded;
    struct buffer text;

    buffer_init(&text, 1 << 23);
    while (count-- > 0)
        assert_true(buffer_append_text(&text, piece));
    loaded = load_span(buffer_span(&text));
    assert_null(loaded.settings);
    if (strstr(loaded.said.data, said) == NULL)
        fail_msg("%.40s... drew %.300s", text.data, loaded.said.data);
    assert_true(loaded.faults.count <= SETTINGS_FAULTS_MOST);
    loaded_clear(&loaded);
    buffer_clear(&text);
}

static void hostile_files_are_bounded_and_named(void **state)
{
    (void)state;
    expect_bounded("queue { ", 100000, "queue within queue");
    expect_bounded("{", 1 << 20, "is missing");
    expect_bounded("}", 1 << 20, "t.conf: and 1048476 more");
    expect_bounded("a", 1 << 22, "...\"");
    expect_bounded("a", (1 << 22) + 1, "t.conf: it is larger than 4 MiB");
    expect_bounded("log = text\n", 200000, "log is there already, on line 1");
    expect_bounded("\"", 99999, "a word is expected here");
    expect_bounded("/* ", 99999, "\"*/\" is missing");
    expect_bounded("include(\"x\")\n", 200, "there is no include");
    expect_bounded("listener = {", 10000, "is a section");
}

static void a_nul_byte_is_named(void **state)
{
    struct loaded loaded = load_span((struct span){ "log = text\n\0log = x", 19 });

    (void)state;
    assert_string_equal(loaded.said.data,
                        "t.conf: there is a NUL byte in it: is this a text file?\n");
    loaded_clear(&loaded);
}

static void more_sections_than_the_most_are_named(void **state)
{
    struct loaded loaded;
    struct buffer text;

    (void)state;
    buffer_init(&text, 1 << 20);
    for (int i = 0; i <= SETTINGS_SECTIONS_MOST; i++)
        assert_true(buffer_format(&text, "policy p%d { }\n", i));
    loaded = load_span(buffer_span(&text));
    assert_string_equal(loaded.said.data, "t.conf:20001: more than 20000 sections in one file\n");
    loaded_clear(&loaded);
    text.len -= strlen("policy p10000 { }\n");
    loaded = load_span(buffer_span(&text));
    assert_non_null(loaded.settings);
    loaded_clear(&loaded);
    buffer_clear(&text);
}

/* What is handed on has the lines of the file, and nothing that was faulty. */
static void hands_on_what_is_sound_line_by_line(void **state)
{
    struct settings_faults faults;
    struct settings_outline outline;
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    settings_fault_init(&faults, "t.conf");
    assert_true(settings_outline_read(
        span_of("# c\nlog = text zzz = 1\nqueue { lifetime 3\nretry = { 1m,\n2m } }\nweb x { }"),
        &arena, &outline, &faults, NULL));
    assert_string_equal(outline.clean.data, "\nlog = text \nqueue { \nretry = { 1m , \n2m } } \n");
    assert_int_equal(outline.section_count, 2);
    assert_int_equal(outline.statement_count, 2);
    assert_int_equal(settings_outline_line(&outline, 0, "log"), 2);
    assert_int_equal(settings_outline_line(&outline, 1, "retry"), 4);
    assert_int_equal(settings_outline_line(&outline, 1, "lifetime"), 0);
    assert_true(outline.sections[1].is_damaged);
    settings_fault_clear(&faults);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_every_fault_and_goes_on_behind_it),
        cmocka_unit_test(names_the_faults_of_all_statements_at_once),
        cmocka_unit_test(reads_every_way_of_writing),
        cmocka_unit_test(hostile_files_are_bounded_and_named),
        cmocka_unit_test(a_nul_byte_is_named),
        cmocka_unit_test(more_sections_than_the_most_are_named),
        cmocka_unit_test(hands_on_what_is_sound_line_by_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
