/* tests/unit/smtp/server_test.c - promises of smtp/server.h that no scenario can show
 *
 * What a conversation looks like is in tests/scenario/server/.
 */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "isemail.h"
#include "smtp/server.h"

static const struct smtp_server_settings settings = { .hostname = "mx.example.org",
                                                      .tls = SMTP_SERVER_TLS_MAY,
                                                      .extensions = SMTP_SERVER_EXTENSIONS,
                                                      .errors_most = 1000,
                                                      .idle_most = 1000 };
static struct smtp_server server;
static struct smtp_server_storage storage;

/* Pulls all events, says yes to each question; the last event that told something. */
static enum smtp_server_event_kind say_yes(void)
{
    enum smtp_server_event_kind kind = SMTP_SERVER_NOTHING;
    struct smtp_server_event event;

    while (smtp_server_next(&server, &event)) {
        kind = event.kind;
        smtp_server_answer(&server, (struct smtp_answer){ 0 }, 0);
    }
    return kind;
}

static void drop_output(void)
{
    smtp_server_sent(&server, smtp_server_output(&server).len);
}

static enum smtp_server_event_kind hear(const char *text)
{
    enum smtp_server_event_kind kind = SMTP_SERVER_NOTHING;
    struct span input = span_of(text);

    while (input.len > 0) {
        smtp_server_feed(&server, &input, 0);
        kind = say_yes();
        drop_output();
    }
    return kind;
}

static void start(const char *said)
{
    smtp_server_init(&server, &settings, &storage, 0);
    assert_int_equal(say_yes(), SMTP_SERVER_CONNECTED);
    drop_output();
    hear("EHLO client.example\r\n");
    hear(said);
}

static bool takes_recipient(struct span address)
{
    static const char before[] = "RCPT TO:<", behind[] = ">\r\n";
    struct span parts[] = { span_of(before), address, span_of(behind) };
    bool is_asked = false;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        while (parts[i].len > 0) {
            struct smtp_server_event event;

            smtp_server_feed(&server, &parts[i], 0);
            while (smtp_server_next(&server, &event)) {
                if (event.kind == SMTP_SERVER_RCPT_CAME) {
                    is_asked = span_equal(event.command->argument, address);
                    assert_true(is_asked);
                }
                smtp_server_answer(&server, (struct smtp_answer){ 0 }, 0);
            }
            drop_output();
        }
    assert_int_equal(smtp_server_state(&server), SMTP_SERVER_RCPT);
    return is_asked;
}

/* Whatever stands between the brackets, the next command is understood. */
static void takes_recipients_as_the_set_of_is_email_has_them(void **state)
{
    (void)state;
    start("MAIL FROM:<> SMTPUTF8\r\n");
    isemail_check(takes_recipient);
    assert_int_equal(hear("DATA\r\n"), SMTP_SERVER_DATA_CAME);
}

static size_t count_lines(struct span text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    return count;
}

/* A peer that sends commands and reads no reply cannot make the output grow. */
static void takes_no_more_commands_than_it_has_room_to_answer(void **state)
{
    static char commands[200 * sizeof "NOOP\r\n"];
    size_t answered = 0, len = 0;

    (void)state;
    start("");
    for (size_t i = 0; i < 200; i++)
        len += (size_t)snprintf(commands + len, sizeof commands - len, "NOOP\r\n");
    struct span input = { commands, len };

    while (input.len > 0) {
        size_t before = input.len;

        smtp_server_feed(&server, &input, 0);
        assert_int_equal(say_yes(), SMTP_SERVER_NOTHING);
        assert_true(input.len < before);
        assert_true(smtp_server_output(&server).len <= SMTP_SERVER_OUTPUT_BYTES);
        before = input.len;
        smtp_server_feed(&server, &input, 0);
        assert_int_equal(input.len, before); /* none, until the output is sent */
        answered += count_lines(smtp_server_output(&server));
        drop_output();
    }
    assert_int_equal(answered, 200);
}

/* However much is fed at once. */
static void gives_content_in_pieces_of_bounded_size(void **state)
{
    static char body[1 << 20];
    struct span input = { body, sizeof body };
    size_t given = 0;

    (void)state;
    start("MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
    memset(body, 'x', sizeof body);
    for (size_t i = 76; i < sizeof body; i += 78)
        memcpy(body + i, "\r\n", 2);
    while (input.len > 0) {
        struct smtp_server_event event;

        smtp_server_feed(&server, &input, 0);
        while (smtp_server_next(&server, &event)) {
            assert_int_equal(event.kind, SMTP_SERVER_CONTENT);
            assert_in_range(event.bytes.len, 1, SMTP_SERVER_CONTENT_MOST);
            assert_memory_equal(event.bytes.data, body + given, event.bytes.len);
            given += event.bytes.len;
        }
    }
    assert_int_equal(given, sizeof body);
}

/* Ten thousand idle sessions shall cost little: what is large is lent, and shared at rest. */
static void is_small_at_rest(void **state)
{
    struct smtp_server_storage other;

    (void)state;
    assert_true(sizeof server <= 192);
    start("");
    assert_true(smtp_server_is_at_rest(&server));
    hear("NOO");
    assert_false(smtp_server_is_at_rest(&server));
    hear("P\r\n");
    assert_true(smtp_server_is_at_rest(&server));
    memset(&other, 0x5a, sizeof other);
    smtp_server_lend(&server, &other);
    memset(&storage, 0xa5, sizeof storage);
    hear("MAIL FROM:<a@example.org>\r\n");
    assert_int_equal(smtp_server_state(&server), SMTP_SERVER_RCPT);
    assert_true(smtp_server_is_at_rest(&server));
}

static void can_be_copied_and_replayed(void **state)
{
    struct smtp_server copy;
    struct smtp_server_storage copied;

    (void)state;
    start("MAIL FROM:<>\r\nRCPT TO:<b@exa");
    copy = server;
    copied = storage;
    hear("mple.org>\r\nRSET\r\n");
    assert_int_equal(smtp_server_state(&server), SMTP_SERVER_READY);
    server = copy;
    storage = copied;
    assert_int_equal(hear("mple.org>\r\n"), SMTP_SERVER_RCPT_CAME);
}

static void is_not_moved_by_what_nobody_asked_for(void **state)
{
    (void)state;
    start("");
    smtp_server_answer(&server, (struct smtp_answer){ 250, "2.0.0", "what?" }, 0);
    smtp_server_resume(&server, 0);
    assert_int_equal(smtp_server_output(&server).len, 0);
    smtp_server_quit(&server, (struct smtp_answer){ 0 }, 0);
    assert_int_equal(say_yes(), SMTP_SERVER_FINISHED);
    size_t said = smtp_server_output(&server).len;

    smtp_server_quit(&server, (struct smtp_answer){ 0 }, 0);
    smtp_server_end_of_input(&server);
    smtp_server_tick(&server, INT64_MAX);
    smtp_server_pause(&server);
    assert_int_equal(say_yes(), SMTP_SERVER_NOTHING);
    assert_int_equal(smtp_server_output(&server).len, said);
    assert_true(smtp_server_deadline_ms(&server) == INT64_MAX);
}

static void names_each_state(void **state)
{
    (void)state;
    for (enum smtp_server_state each = 0; each <= SMTP_SERVER_CLOSED; each++)
        assert_true(strlen(smtp_server_state_name(each)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_recipients_as_the_set_of_is_email_has_them),
        cmocka_unit_test(takes_no_more_commands_than_it_has_room_to_answer),
        cmocka_unit_test(gives_content_in_pieces_of_bounded_size),
        cmocka_unit_test(is_small_at_rest),
        cmocka_unit_test(can_be_copied_and_replayed),
        cmocka_unit_test(is_not_moved_by_what_nobody_asked_for),
        cmocka_unit_test(names_each_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
