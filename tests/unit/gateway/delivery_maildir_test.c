/* tests/unit/gateway/delivery_maildir_test.c - promises of gateway/delivery.h about Maildirs */
#include "../test.h"
#include "delivering.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static const char body[] = "Subject: one\r\n\r\nfirst\r\n.second\r\nno end";
static const char in_mailbox[] = "Return-Path: <from@example.net>\n"
                                 "Delivered-To: User@box.example\n"
                                 "Subject: one\n\nfirst\n.second\nno end";

static struct delivering delivering;

static int open_all(void **state)
{
    (void)state;
    delivering_open(&delivering);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    delivering_close(&delivering);
    return 0;
}

static bool is_same(const struct buffer *content, const char *text)
{
    return span_equal(buffer_span(content), span_of(text));
}

static void puts_the_bytes_of_a_message_into_its_mailbox(void **state)
{
    struct buffer content = { .data = NULL };
    int64_t id;

    (void)state;
    id = delivering_put(&delivering, "from@example.net", "User@box.example", span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "User@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", &content), 1);
    assert_true(is_same(&content, in_mailbox));
    assert_int_equal(delivering_files(&delivering, "box.example/user", "tmp", NULL), 0);
    assert_int_equal(asking_stats(&delivering.asking).messages, 0);
    buffer_clear(&content);
}

static void tells_the_log_and_tracking_where_it_went(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    struct tracking_event story;
    char relay[256];
    int64_t id;

    (void)state;
    id = delivering_put(&delivering, "from@example.net", "user@box.example", span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    snprintf(relay, sizeof relay, "maildir:%s/box.example/user", delivering.root);
    story = delivering_story(&delivering, id, "user@box.example", &arena);
    assert_true(span_equal(story.attempt.relay, span_of(relay)));
    assert_true(span_equal(story.attempt.code, span_of("2.0.0")));
    assert_int_equal(story.attempt.tls.len, 0);
    assert_true(story.attempt.milliseconds >= 0);
    {
        const char *const words[] = { " delivered id=",         " from=<from@example.net>",
                                      " to=<user@box.example>", relay,
                                      " status=delivered",      " code=2.0.0" };

        assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    }
}

static void gives_every_mailbox_of_a_message_its_file(void **state)
{
    char list[1024] = "", name[64];
    int64_t id;

    (void)state;
    for (int i = 0; i < 3 * DELIVERY_MAILBOXES_MOST; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%su%d@box.example",
                 i == 0 ? "" : ",", i);
    id = delivering_put(&delivering, "", list, span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    for (int i = 0; i < 3 * DELIVERY_MAILBOXES_MOST; i++) {
        snprintf(name, sizeof name, "box.example/u%d", i);
        assert_int_equal(delivering_files(&delivering, name, "new", NULL), 1);
        snprintf(name, sizeof name, "u%d@box.example", i);
        assert_int_equal(delivering_end_of(&delivering, id, name), TRACKING_DONE);
    }
}

/* Lines of every length, over many parts. */
static void fill(struct buffer *text, size_t size)
{
    buffer_init(text, size);
    while (text->len + 1100 < size)
        assert_true(buffer_format(text, "%0*zu\r\n", (int)(text->len % 997 + 1), text->len));
}

static void brings_large_bodies_over_in_parts(void **state)
{
    struct buffer large = { .data = NULL }, content = { .data = NULL }, plain = { .data = NULL };
    struct span rest;

    (void)state;
    fill(&large, 10 * 1024 * 1024);
    delivering_put(&delivering, "", "a@box.example,b@box.example", buffer_span(&large));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    buffer_init(&plain, 11 * 1024 * 1024);
    assert_true(buffer_append_text(&plain, "Return-Path: <>\nDelivered-To: b@box.example\n"));
    for (rest = buffer_span(&large); rest.len > 0;) {
        struct span line = span_take_until(&rest, '\r');

        assert_true(buffer_append(&plain, line));
        if (rest.len > 0)
            assert_true(buffer_append(&plain, (struct span){ "\n", 1 }));
        span_take_front(&rest, 1);
    }
    assert_int_equal(delivering_files(&delivering, "box.example/b", "new", &content), 1);
    assert_int_equal(content.len, plain.len);
    assert_memory_equal(content.data, plain.data, plain.len);
    assert_int_equal(delivering_files(&delivering, "box.example/a", "new", NULL), 1);
    buffer_clear(&large);
    buffer_clear(&plain);
    buffer_clear(&content);
}

static void takes_a_body_of_nothing(void **state)
{
    struct buffer content = { .data = NULL };

    (void)state;
    delivering_put(&delivering, "", "user@box.example", (struct span){ NULL, 0 });
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", &content), 1);
    assert_true(is_same(&content, "Return-Path: <>\nDelivered-To: user@box.example\n"));
    buffer_clear(&content);
}

static void brings_mail_for_postmaster_alone_to_their_domain(void **state)
{
    struct buffer content = { .data = NULL };

    (void)state;
    delivering_put(&delivering, "", "Postmaster", span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    assert_int_equal(delivering_files(&delivering, "box.example/postmaster", "new", &content), 1);
    assert_non_null(strstr(content.data, "Delivered-To: Postmaster@box.example\n"));
    buffer_clear(&content);
}

static void bounces_what_can_never_be_a_mailbox_and_delivers_the_rest(void **state)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    const char *const words[] = { " error bounced id=", " to=<.hidden/up@box.example>",
                                  " status=bounced", " code=5.1.1" };
    struct tracking_event story;
    int64_t id;

    (void)state;
    id = delivering_put(&delivering, "", ".hidden/up@box.example,user@box.example", span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    story = delivering_story(&delivering, id, ".hidden/up@box.example", &arena);
    assert_int_equal(story.kind, TRACKING_BOUNCED);
    assert_true(span_equal(story.attempt.code, span_of("5.1.1")));
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
}

static void check_deferred(int64_t id, const char *code)
{
    AUTO(arena_clear) struct arena arena = { .limit = 4 * 1024 * 1024 };
    struct tracking_event story = delivering_story(&delivering, id, "user@box.example", &arena);
    struct queue_list list =
        asking_list(&delivering.asking, (struct queue_selection){ .id = id }, &arena);

    assert_int_equal(story.kind, TRACKING_DEFERRED);
    assert_true(span_equal(story.attempt.code, span_of(code)));
    assert_int_equal(list.message_count, 1);
    assert_int_equal(list.messages[0].recipients[0].state, QUEUE_DEFERRED);
    assert_int_equal(list.messages[0].recipients[0].attempts, 1);
    assert_true(list.messages[0].recipients[0].due_at_s >= ASKING_NOW_S + 300);
    assert_true(list.messages[0].recipients[0].due_at_s <= ASKING_NOW_S + 300 + 38);
}

static void waits_where_the_folder_of_all_mailboxes_is_missing(void **state)
{
    const char *const words[] = { " warn deferred id=", " status=deferred", " code=4.3.5",
                                  "No such file" };
    int64_t id;

    (void)state;
    snprintf(delivering.pattern, sizeof delivering.pattern, "%s/unmounted/{user}", delivering.root);
    id = delivering_put(&delivering, "", "user@box.example", span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    check_deferred(id, "4.3.5");
    assert_true(delivering_logged(&delivering, words, ARRAY_SIZE(words)));
}

/* A file stands where the folder new/ of box.example/user should be. */
static void spoil_mailbox(void)
{
    static const char *const folders[] = { "box.example", "box.example/user" };
    char path[256];
    FILE *file;

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", delivering.root, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/box.example/user/new", delivering.root);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void mend_mailbox(void)
{
    char path[256];

    snprintf(path, sizeof path, "%s/box.example/user/new", delivering.root);
    assert_int_equal(unlink(path), 0);
}

static void
delivers_to_the_others_where_one_mailbox_fails_and_to_that_once_it_is_mended(void **state)
{
    int64_t id;

    (void)state;
    spoil_mailbox();
    id = delivering_put(&delivering, "", "user@box.example,other@box.example", span_of(body));
    delivering_start(&delivering);
    delivering_settle(&delivering);
    check_deferred(id, "4.3.5");
    assert_int_equal(delivering_end_of(&delivering, id, "other@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/other", "new", NULL), 1);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "tmp", NULL), 0);
    mend_mailbox();
    asking_change(&delivering.asking, QUEUE_RETRY, (struct queue_selection){ .id = id },
                  ASKING_NOW_S);
    delivery_wake(delivering.delivery);
    delivering_empty(&delivering);
    assert_int_equal(delivering_end_of(&delivering, id, "user@box.example"), TRACKING_DONE);
    assert_int_equal(delivering_files(&delivering, "box.example/user", "new", NULL), 1);
    assert_int_equal(delivering_files(&delivering, "box.example/other", "new", NULL), 1);
}

#define DELIVERS(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DELIVERS(puts_the_bytes_of_a_message_into_its_mailbox),
        DELIVERS(tells_the_log_and_tracking_where_it_went),
        DELIVERS(gives_every_mailbox_of_a_message_its_file),
        DELIVERS(brings_large_bodies_over_in_parts),
        DELIVERS(takes_a_body_of_nothing),
        DELIVERS(brings_mail_for_postmaster_alone_to_their_domain),
        DELIVERS(bounces_what_can_never_be_a_mailbox_and_delivers_the_rest),
        DELIVERS(waits_where_the_folder_of_all_mailboxes_is_missing),
        DELIVERS(delivers_to_the_others_where_one_mailbox_fails_and_to_that_once_it_is_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
