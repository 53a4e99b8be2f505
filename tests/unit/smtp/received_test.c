/* tests/unit/smtp/received_test.c - promises of smtp/received.h */
#include "../test.h"

#include <string.h>

#include "base/compiler.h"
#include "smtp/received.h"

static struct smtp_received usual(void)
{
    return (struct smtp_received){ .hello = "client.example",
                                   .client_name = "mail.client.example",
                                   .client_address = "192.0.2.1",
                                   .hostname = "mx.example.org",
                                   .tls_version = "TLSv1.3",
                                   .tls_cipher = "TLS_AES_256_GCM_SHA384",
                                   .message_id = "01J9Z",
                                   .recipient = "b@example.org",
                                   .is_esmtp = true,
                                   .at_s = 1795287900 };
}

static void check(struct smtp_received received, const char *field)
{
    struct arena arena;

    arena_init(&arena, 65536);
    assert_string_equal(smtp_received_format(&arena, &received), field);
    arena_clear(&arena);
}

static void tells_who_over_what_to_whom_and_when(void **state)
{
    struct smtp_received received = usual();

    (void)state;
    check(received, "Received: from client.example (mail.client.example [192.0.2.1])\r\n"
                    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
                    "\tby mx.example.org with ESMTPS id 01J9Z\r\n"
                    "\tfor <b@example.org>;\r\n"
                    "\tSat, 21 Nov 2026 19:05:00 +0000\r\n");
    received.tls_cipher = NULL;
    received.client_name = NULL;
    received.recipient = NULL;
    received.is_utf8 = true;
    check(received, "Received: from client.example ([192.0.2.1])\r\n"
                    "\t(using TLSv1.3)\r\n"
                    "\tby mx.example.org with UTF8SMTPS id 01J9Z;\r\n"
                    "\tSat, 21 Nov 2026 19:05:00 +0000\r\n");
    received.tls_version = NULL;
    received.is_esmtp = received.is_utf8 = false;
    received.hello = "[192.0.2.1]";
    received.client_address = "2001:db8::1";
    check(received, "Received: from [192.0.2.1] ([IPv6:2001:db8::1])\r\n"
                    "\tby mx.example.org with SMTP id 01J9Z;\r\n"
                    "\tSat, 21 Nov 2026 19:05:00 +0000\r\n");
}

static void tells_of_a_program_of_this_host(void **state)
{
    struct smtp_received received = { .user = "alice (x\n",
                                      .hostname = "mx.example.org",
                                      .message_id = "01J9Z",
                                      .recipient = "b@example.org",
                                      .at_s = 1795287900 };

    (void)state;
    check(received, "Received: by mx.example.org (from user alice??x?)\r\n"
                    "\tid 01J9Z\r\n"
                    "\tfor <b@example.org>;\r\n"
                    "\tSat, 21 Nov 2026 19:05:00 +0000\r\n");
}

static void names_the_protocol(void **state)
{
    (void)state;
    assert_string_equal(smtp_received_protocol(false, false, false), "SMTP");
    assert_string_equal(smtp_received_protocol(false, true, false), "SMTP");
    assert_string_equal(smtp_received_protocol(true, false, false), "ESMTP");
    assert_string_equal(smtp_received_protocol(true, true, false), "ESMTPS");
    assert_string_equal(smtp_received_protocol(true, false, true), "UTF8SMTP");
    assert_string_equal(smtp_received_protocol(true, true, true), "UTF8SMTPS");
}

static void quotes_a_name_that_is_none_as_a_comment(void **state)
{
    struct smtp_received received = usual();

    (void)state;
    received.hello = "my_host(\\)x";
    received.tls_version = NULL;
    received.recipient = NULL;
    check(received, "Received: from [192.0.2.1] (mail.client.example [192.0.2.1]) "
                    "(it said my_host???x)\r\n"
                    "\tby mx.example.org with ESMTP id 01J9Z;\r\n"
                    "\tSat, 21 Nov 2026 19:05:00 +0000\r\n");
}

/* Any byte anywhere in what a peer chose: the field keeps its lines, and none is added. */
static void cannot_be_made_to_hold_another_line(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++)
        for (size_t at = 0; at < 4; at++) {
            struct smtp_received received = usual();
            char hello[] = "host", name[] = "name", recipient[] = "b@ex";
            struct arena arena;
            size_t lines = 0;

            hello[at] = name[at] = recipient[at] = (char)byte;
            received.hello = hello;
            received.client_name = name;
            received.recipient = recipient;
            arena_init(&arena, 65536);
            const char *field = smtp_received_format(&arena, &received);

            for (const char *c = field; *c != '\0'; c++) {
                lines += *c == '\n';
                assert_true((*c == '\r') == (c[1] == '\n'));
                assert_true(*c != '\n' || c[1] == '\t' || c[1] == '\0');
            }
            assert_in_range(lines, 4, 5);
            arena_clear(&arena);
        }
}

static void is_empty_where_the_memory_is(void **state)
{
    struct smtp_received received = usual();
    struct arena arena;

    (void)state;
    arena_init(&arena, 64);
    assert_string_equal(smtp_received_format(&arena, &received), "");
    assert_true(arena.exhausted);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_over_what_to_whom_and_when),
        cmocka_unit_test(tells_of_a_program_of_this_host),
        cmocka_unit_test(names_the_protocol),
        cmocka_unit_test(quotes_a_name_that_is_none_as_a_comment),
        cmocka_unit_test(cannot_be_made_to_hold_another_line),
        cmocka_unit_test(is_empty_where_the_memory_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
