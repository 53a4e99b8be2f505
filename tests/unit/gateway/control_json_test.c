/* tests/unit/gateway/control_json_test.c - promises of gateway/control_json.h */
#include "../test.h"

#include <string.h>

#include "gateway/control_json.h"

static void check_text(struct span span, const char *text)
{
    assert_int_equal(span.len, strlen(text));
    assert_memory_equal(span.data, text, span.len);
}

static void an_envelope_comes_back_as_it_went(void **state)
{
    const struct queue_envelope envelope = {
        .id = 1234567,
        .sender = span_of("j\xc3\xbcrgen@b.example"),
        .envid = span_of("QQ+2B"),
        .message_id = span_of("<a@b>"),
        .returns = QUEUE_RETURN_HEADERS,
        .requires_tls = true,
        .is_8bit = true,
        .received_at_s = 1795219200,
        .size_bytes = 42,
        .origin = { .client_address = span_of("192.0.2.1"),
                    .helo = span_of("\"\\x"),
                    .user = span_of("ann"),
                    .tls_version = span_of("TLSv1.3"),
                    .tls_cipher = span_of("TLS_AES_256_GCM_SHA384") },
    };
    struct queue_envelope back;
    struct error err = { 0 };
    struct arena arena;
    json_t *json = control_json_of_envelope(&envelope);

    (void)state;
    arena_init(&arena, 65536);
    assert_true(control_json_read_envelope(json, &arena, &back, &err));
    assert_int_equal(back.id, envelope.id);
    check_text(back.sender, "j\xc3\xbcrgen@b.example");
    check_text(back.envid, "QQ+2B");
    check_text(back.message_id, "<a@b>");
    assert_int_equal(back.returns, QUEUE_RETURN_HEADERS);
    assert_true(back.is_8bit);
    assert_false(back.is_smtputf8 || back.tls_optional);
    assert_true(back.requires_tls);
    assert_int_equal(back.received_at_s, 1795219200);
    assert_int_equal(back.size_bytes, 42);
    check_text(back.origin.client_address, "192.0.2.1");
    check_text(back.origin.helo, "\"\\x");
    check_text(back.origin.user, "ann");
    check_text(back.origin.tls_version, "TLSv1.3");
    check_text(back.origin.tls_cipher, "TLS_AES_256_GCM_SHA384");
    json_decref(json);
    arena_clear(&arena);
}

static void a_recipient_comes_back_as_it_went(void **state)
{
    const struct queue_recipient recipient = { .address = span_of("a@b.example"),
                                               .orcpt = span_of("rfc822;x@y"),
                                               .notify = QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_DELAY,
                                               .state = QUEUE_DEFERRED,
                                               .due_at_s = 99,
                                               .attempts = 3,
                                               .last_code = span_of("4.7.5"),
                                               .last_reply = span_of("454 \xff\x01 no"),
                                               .last_finding = span_of("certificate-expired") };
    struct queue_recipient back;
    struct error err = { 0 };
    struct arena arena;
    json_t *json = control_json_of_recipient(&recipient);

    (void)state;
    arena_init(&arena, 65536);
    assert_true(control_json_read_recipient(json, &arena, &back, &err));
    check_text(back.address, "a@b.example");
    check_text(back.orcpt, "rfc822;x@y");
    assert_int_equal(back.notify, recipient.notify);
    assert_int_equal(back.state, QUEUE_DEFERRED);
    assert_int_equal(back.due_at_s, 99);
    assert_int_equal(back.attempts, 3);
    check_text(back.last_code, "4.7.5");
    check_text(back.last_reply, "454 \xef\xbf\xbd\x01 no"); /* what is no UTF-8 is U+FFFD */
    check_text(back.last_finding, "certificate-expired");
    json_decref(json);
    arena_clear(&arena);
}

static void any_octets_become_a_string(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char octets[] = { 'a', (char)byte, 'b', (char)byte };
        json_t *json = control_json_of_text((struct span){ octets, sizeof octets });

        assert_non_null(json);
        assert_true(json_string_length(json) >= sizeof octets);
        json_decref(json);
    }
    json_t *json = control_json_of_text((struct span){ NULL, 0 });

    assert_string_equal(json_string_value(json), "");
    json_decref(json);
}

static void counts_come_back_as_they_went(void **state)
{
    const struct queue_stats stats = { .recipients = { 1, 2, 3, 4, 5, 6 },
                                       .messages = 7,
                                       .body_bytes = 8,
                                       .failures = 9,
                                       .last_failure = "the disk is full" };
    struct queue_stats back;
    struct error err = { 0 };
    json_t *json = control_json_of_stats(&stats);

    (void)state;
    assert_true(control_json_read_stats(json, &back, &err));
    assert_memory_equal(back.recipients, stats.recipients, sizeof back.recipients);
    assert_int_equal(back.messages, 7);
    assert_int_equal(back.body_bytes, 8);
    assert_int_equal(back.failures, 9);
    assert_string_equal(back.last_failure, "the disk is full");
    json_decref(json);
}

static void names_the_field_that_is_wrong(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        { "{\"sender\":7}", "\"sender\" is not a text, or too long a one" },
        { "{\"received\":\"now\"}", "\"received\" is not a number in its range" },
        { "{\"received\":-1}", "\"received\" is not a number in its range" },
        { "{\"smtputf8\":\"yes\"}", "\"smtputf8\" is not true or false" },
        { "{\"id\":\"il\"}", "\"id\" is not the id of a message" },
        { "{\"return\":\"some\"}", "\"return\" is not full or headers" },
        { "{\"origin\":{\"helo\":[]}}", "\"helo\" is not a text, or too long a one" },
        { "[]", "a message is no object" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_t *json = json_loads(rows[i].json, 0, NULL);
        struct queue_envelope envelope;
        struct error err = { 0 };
        struct arena arena;

        arena_init(&arena, 65536);
        assert_false(control_json_read_envelope(json, &arena, &envelope, &err));
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(err.kind, ERROR_FORMAT);
        json_decref(json);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_comes_back_as_it_went),
        cmocka_unit_test(a_recipient_comes_back_as_it_went),
        cmocka_unit_test(any_octets_become_a_string),
        cmocka_unit_test(counts_come_back_as_they_went),
        cmocka_unit_test(names_the_field_that_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
