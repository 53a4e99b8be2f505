/* tests/unit/gateway/message_header_test.c - promises of gateway/message_header.h */
#include "../test.h"
#include "gateway/message_header.h"

#include <string.h>

static const struct {
    const char *message, *id;
    unsigned hops;
} cases[] = {
    { "", "", 0 },
    { "\r\nMessage-ID: <no@body>\r\n", "", 0 },
    { "Message-ID: <a@b>\r\n\r\n", "<a@b>", 0 },
    { "message-id:<a@b>\r\nMessage-Id: <second@b>\r\n\r\n", "<a@b>", 0 },
    { "Message-ID :\t<a@b> \r\n\r\n", "<a@b>", 0 },
    { "Message-ID:\r\n <folded@b>\r\n more\r\n\r\n", "<folded@b>", 0 },
    { "Message-ID:\r\nTo: <x@y>\r\n <not@it>\r\n\r\n", "", 0 },
    { "Received: a\r\n\tby b\r\nreceived: c\r\nX-Received: d\r\n\r\nReceived: e\r\n", "", 2 },
    { "Subject: Message-ID: <no@b>\r\n Message-ID: <no@c>\r\nMessage-ID: <cut@of", "<cut@of", 0 },
    { "no field\r\nReceived: x", "", 0 },
};

static void finds_the_message_id_and_counts_hops(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message_header header = message_header_read(span_of(cases[i].message));

        if (!span_equal(header.message_id, span_of(cases[i].id)) || header.hops != cases[i].hops)
            fail_msg("case %zu: \"%.*s\", %u hops", i, (int)header.message_id.len,
                     header.message_id.data, header.hops);
    }
}

static void tells_an_8bit_header_from_an_8bit_body(void **state)
{
    static const struct {
        const char *message;
        bool has_8bit, is_whole;
    } rows[] = {
        { "Subject: x\r\n\r\ncaf\xc3\xa9\r\n", false, true },
        { "Subject: caf\xc3\xa9\r\n\r\nx\r\n", true, true },
        { "Subject: x\r\n caf\xe9\r\nTo: y\r\n\r\n", true, true },
        { "Subject: x\r\nTo: y\r\n", false, false },
        { "Subject: x\r\nno field\r\n\r\n", false, false },
        { "", false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message_header header = message_header_read(span_of(rows[i].message));

        assert_int_equal(header.has_8bit, rows[i].has_8bit);
        assert_int_equal(header.is_whole, rows[i].is_whole);
    }
}

/* RFC 8689 section 3: one field, and it can say but one thing. */
static void hears_the_wish_of_a_sender_who_can_do_without_tls(void **state)
{
    static const struct {
        const char *message;
        bool tls_optional;
    } rows[] = {
        { "TLS-Required: No\r\n\r\n", true },
        { "tls-required:NO\r\n\r\n", true },
        { "TLS-Required:\r\n\tno \r\n\r\n", true },
        { "Subject: x\r\nTLS-Required: No\r\nTo: y\r\n\r\n", true },
        { "TLS-Required: Yes\r\n\r\n", false },
        { "TLS-Required: No way\r\n\r\n", false },
        { "TLS-Required: Nope\r\n\r\n", false },
        { "TLS-Required:\r\n\r\n", false },
        { "TLS-Required\r\n\r\n", false },
        { "X-TLS-Required: No\r\n\r\n", false },
        { "Subject: x\r\n TLS-Required: No\r\n\r\n", false },
        { "TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false },
        { "TLS-Required: Yes\r\nTLS-Required: No\r\n\r\n", false },
        { "TLS-Required: No\r\nTLS-Required: No\r\nTLS-Required: No\r\n\r\n", false },
        { "Subject: x\r\n\r\nTLS-Required: No\r\n", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (message_header_read(span_of(rows[i].message)).tls_optional != rows[i].tls_optional)
            fail_msg("case %zu", i);
}

/* Whatever is cut off, nothing outside is read (under a sanitizer) and the rest is as before. */
static void takes_a_beginning_of_any_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t len = 0; len <= strlen(cases[i].message); len++)
            assert_true(message_header_read((struct span){ cases[i].message, len }).hops <=
                        cases[i].hops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_message_id_and_counts_hops),
        cmocka_unit_test(tells_an_8bit_header_from_an_8bit_body),
        cmocka_unit_test(hears_the_wish_of_a_sender_who_can_do_without_tls),
        cmocka_unit_test(takes_a_beginning_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
