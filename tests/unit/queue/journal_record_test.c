/* tests/unit/queue/journal_record_test.c - promises of queue/journal_record.h */
#include "queue/journal_record.h"

#include "../test.h"

static struct buffer out;
static struct arena arena;

static int open_one(void **state)
{
    (void)state;
    buffer_init(&out, 1 << 20);
    arena_init(&arena, 1 << 20);
    return 0;
}

static int close_one(void **state)
{
    (void)state;
    buffer_clear(&out);
    arena_clear(&arena);
    return 0;
}

static const struct queue_recipient recipients[] = {
    { .address = { "a@example.org", 13 }, .orcpt = { "rfc822;b@example.org", 20 }, .notify = 6 },
    { .address = { "\"\0\xff\"@example.org", 15 } },
};
static const struct journal_place places[] = { { 7, 40, 65536 }, { 8, 32, 1 } };
static const struct journal_put put = {
    .envelope = { .id = INT64_C(0x7123456789abcdef),
                  .sender = { "sender@example.net", 18 },
                  .envid = { "QQ314159", 8 },
                  .message_id = { "<one@example.net>", 17 },
                  .returns = QUEUE_RETURN_HEADERS,
                  .is_8bit = true,
                  .received_at_s = 1795219200,
                  .size_bytes = 65537,
                  .origin = { .client_address = { "192.0.2.1", 9 },
                              .helo = { "mail.example.net", 16 },
                              .tls_version = { "TLSv1.3", 7 },
                              .tls_cipher = { "TLS_AES_256_GCM_SHA384", 22 } } },
    .recipients = recipients,
    .recipient_count = 2,
    .first_number = 4711,
    .places = places,
    .place_count = 2,
};
static const struct journal_change change = {
    .message = 42,
    .number = 4712,
    .state = QUEUE_DEFERRED,
    .due_at_s = 1795219500,
    .has_warned = true,
    .code = { "4.7.5", 5 },
    .reply = { "454 later", 9 },
    .finding = { "certificate-expired", 19 },
};
static const struct journal_leased leased[] = { { 42, 4711 }, { 42, 4712 }, { 43, 4713 } };
static const struct journal_lease lease = { 9, 1795219500, leased, 3 };

static void a_put_comes_back_as_it_was(void **state)
{
    struct journal_put again;

    (void)state;
    assert_true(journal_format_put(&put, &out));
    assert_true(journal_parse_put(buffer_span(&out), &arena, &again));
    assert_int_equal(again.envelope.id, put.envelope.id);
    assert_true(span_equal(again.envelope.sender, put.envelope.sender));
    assert_true(span_equal(again.envelope.envid, put.envelope.envid));
    assert_true(span_equal(again.envelope.message_id, put.envelope.message_id));
    assert_int_equal(again.envelope.returns, QUEUE_RETURN_HEADERS);
    assert_true(again.envelope.is_8bit);
    assert_false(again.envelope.is_smtputf8);
    assert_int_equal(again.envelope.received_at_s, put.envelope.received_at_s);
    assert_int_equal(again.envelope.size_bytes, 65537);
    assert_true(span_equal(again.envelope.origin.client_address, span_of("192.0.2.1")));
    assert_true(span_equal(again.envelope.origin.helo, span_of("mail.example.net")));
    assert_int_equal(again.envelope.origin.user.len, 0);
    assert_true(span_equal(again.envelope.origin.tls_version, span_of("TLSv1.3")));
    assert_true(span_equal(again.envelope.origin.tls_cipher, put.envelope.origin.tls_cipher));
    assert_int_equal(again.first_number, 4711);
    assert_int_equal(again.place_count, 2);
    assert_memory_equal(again.places, places, sizeof places);
    assert_int_equal(again.recipient_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(span_equal(again.recipients[i].address, recipients[i].address));
        assert_true(span_equal(again.recipients[i].orcpt, recipients[i].orcpt));
        assert_int_equal(again.recipients[i].notify, recipients[i].notify);
    }
}

static void what_is_asked_of_tls_comes_back_as_it_was(void **state)
{
    (void)state;
    for (unsigned traits = 0; traits < 8; traits++) {
        struct journal_put wishing = put, again;

        wishing.envelope.is_smtputf8 = traits & 1;
        wishing.envelope.requires_tls = traits & 2;
        wishing.envelope.tls_optional = traits & 4;
        out.len = 0;
        assert_true(journal_format_put(&wishing, &out));
        assert_true(journal_parse_put(buffer_span(&out), &arena, &again));
        assert_int_equal(again.envelope.is_smtputf8, wishing.envelope.is_smtputf8);
        assert_int_equal(again.envelope.requires_tls, wishing.envelope.requires_tls);
        assert_int_equal(again.envelope.tls_optional, wishing.envelope.tls_optional);
    }
}

static void a_change_comes_back_as_it_was(void **state)
{
    struct journal_change again;

    (void)state;
    assert_true(journal_format_change(&change, &out));
    assert_true(journal_parse_change(buffer_span(&out), &again));
    assert_int_equal(again.message, 42);
    assert_int_equal(again.number, 4712);
    assert_int_equal(again.state, QUEUE_DEFERRED);
    assert_int_equal(again.due_at_s, 1795219500);
    assert_true(again.has_warned);
    assert_true(span_equal(again.code, change.code));
    assert_true(span_equal(again.reply, change.reply));
    assert_true(span_equal(again.finding, change.finding));
}

static void a_lease_comes_back_as_it_was(void **state)
{
    struct journal_lease again;

    (void)state;
    assert_true(journal_format_lease(&lease, &out));
    assert_true(journal_parse_lease(buffer_span(&out), &arena, &again));
    assert_int_equal(again.number, 9);
    assert_int_equal(again.until_s, 1795219500);
    assert_int_equal(again.count, 3);
    assert_memory_equal(again.leased, leased, sizeof leased);
}

static void what_is_cut_or_too_long_is_refused(void **state)
{
    struct journal_put one_put;
    struct journal_change one_change;
    struct journal_lease one_lease;

    (void)state;
    assert_true(journal_format_put(&put, &out));
    for (size_t len = 0; len < out.len; len++)
        assert_false(journal_parse_put((struct span){ out.data, len }, &arena, &one_put));
    out.len = 0;
    assert_true(journal_format_change(&change, &out));
    for (size_t len = 0; len < out.len; len++)
        assert_false(journal_parse_change((struct span){ out.data, len }, &one_change));
    assert_true(buffer_append_text(&out, "x"));
    assert_false(journal_parse_change(buffer_span(&out), &one_change));
    out.len = 0;
    assert_true(journal_format_lease(&lease, &out));
    for (size_t len = 0; len < out.len; len++)
        assert_false(journal_parse_lease((struct span){ out.data, len }, &arena, &one_lease));
}

/* Every octet of a record as 0x00 and 0xff: whatever that says, nothing is read beyond it. */
static void octets_that_are_wrong_lead_nowhere(void **state)
{
    struct journal_put again;

    (void)state;
    assert_true(journal_format_put(&put, &out));
    for (size_t i = 0; i < out.len; i++)
        for (int wrong = 0; wrong <= 0xff; wrong += 0xff) {
            char was = out.data[i];
            struct arena small;

            arena_init(&small, 1 << 16);
            out.data[i] = (char)wrong;
            if (journal_parse_put(buffer_span(&out), &small, &again))
                assert_true(again.recipient_count <= 2 && again.place_count <= 2);
            out.data[i] = was;
            arena_clear(&small);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_comes_back_as_it_was),         TEST(a_change_comes_back_as_it_was),
        TEST(a_lease_comes_back_as_it_was),       TEST(what_is_cut_or_too_long_is_refused),
        TEST(octets_that_are_wrong_lead_nowhere), TEST(what_is_asked_of_tls_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
