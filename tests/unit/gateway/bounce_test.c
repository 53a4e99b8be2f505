/* tests/unit/gateway/bounce_test.c - promises of gateway/bounce.h */
#include "../test.h"
#include "gateway/bounce.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "queue/id.h"

enum { NOW_S = 1795219200, LINE_MOST = 998 };

static const char message[] =
    "Subject: caf\xc3\xa9\r\n\tfolded  twice\r\nX-Odd :one\r\n\r\n.text\r\n";

static struct queue_envelope envelope;
static struct queue_recipient recipient;
static struct queue_attempt attempt;
static struct bounce_recipient one;
static struct bounce bounce;
static struct buffer text;
static struct bounce_form form;

static int set_up(void **state)
{
    struct queue_id_maker maker;

    (void)state;
    queue_id_init(&maker, 0, 0);
    envelope = (struct queue_envelope){
        .id = queue_id_next(&maker, NOW_S - 60),
        .sender = span_of("from@example.net"),
        .message_id = span_of("<1@example.net>"),
        .received_at_s = NOW_S - 60,
        .size_bytes = (int64_t)strlen(message),
    };
    recipient = (struct queue_recipient){ .address = span_of("gone@example.org") };
    attempt = (struct queue_attempt){
        .at_s = NOW_S,
        .relay = span_of("mail.example.org[192.0.2.1]:25"),
        .tls = span_of("may:TLSv1.3"),
        .code = span_of("5.1.1"),
        .reply = span_of("550 5.1.1 Nobody here of that name"),
    };
    one = (struct bounce_recipient){ &recipient, &attempt, attempt.reply, NULL };
    bounce = (struct bounce){
        .action = BOUNCE_FAILED,
        .envelope = &envelope,
        .recipients = &one,
        .count = 1,
        .message = span_of(message),
        .hostname = "mx.example.com",
        .id = "0123456789abc",
        .boundary = "boundary0123",
        .now_s = NOW_S,
        .retries_until_s = NOW_S + 86400,
    };
    buffer_init(&text, BOUNCE_BYTES_MOST);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_clear(&text);
    return 0;
}

/* Every line ends in CRLF and none is too long for SMTP. */
static void check_lines(void)
{
    size_t from = 0;

    assert_true(text.len > 2 && memcmp(text.data + text.len - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i < text.len; i++) {
        assert_true(text.data[i] != '\0');
        assert_true(text.data[i] != '\r' || text.data[i + 1] == '\n');
        if (text.data[i] != '\n')
            continue;
        assert_true(i > 0 && text.data[i - 1] == '\r');
        assert_true(i - 1 - from <= LINE_MOST);
        from = i + 1;
    }
}

static void compose(void)
{
    buffer_clear(&text);
    assert_true(bounce_compose(&bounce, &text, &form));
    check_lines();
    assert_true(buffer_append(&text, (struct span){ "", 1 }));
    text.len--;
}

static void check_has(const char *words)
{
    if (strstr(text.data, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text.data);
}

static void check_lacks(const char *words)
{
    if (strstr(text.data, words) != NULL)
        fail_msg("\"%s\" is in:\n%s", words, text.data);
}

static void says_what_a_report_of_a_failure_has_to_say(void **state)
{
    (void)state;
    compose();
    check_has("From: Mail Delivery System <MAILER-DAEMON@mx.example.com>\r\n"
              "To: <from@example.net>\r\n"
              "Message-ID: <0123456789abc.report@mx.example.com>\r\n"
              "In-Reply-To: <1@example.net>\r\n"
              "References: <1@example.net>\r\n"
              "Subject: Not delivered: your message to gone@example.org\r\n"
              "Auto-Submitted: auto-replied\r\n"
              "MIME-Version: 1.0\r\n"
              "Content-Type: multipart/report; report-type=delivery-status;\r\n"
              "\tboundary=\"boundary0123\"\r\n\r\n");
    check_has("\r\nReporting-MTA: dns; mx.example.com\r\n"
              "Arrival-Date: Fri, 20 Nov 2026 23:59:00 +0000\r\n"
              "\r\n"
              "Final-Recipient: rfc822; gone@example.org\r\n"
              "Action: failed\r\n"
              "Status: 5.1.1\r\n"
              "Remote-MTA: dns; mail.example.org\r\n"
              "Diagnostic-Code: smtp; 550 5.1.1 Nobody here of that name\r\n"
              "Last-Attempt-Date: Sat, 21 Nov 2026 00:00:00 +0000\r\n"
              "\r\n--boundary0123\r\n");
    check_has("\r\n\r\n--boundary0123--\r\n");
    check_lacks("Will-Retry-Until");
    check_lacks("Original-");
}

static void speaks_to_the_sender_first(void **state)
{
    const char *plain, *postmaster;

    (void)state;
    bounce.message = span_of("Subject: Minutes of Monday\r\n\r\n");
    compose();
    check_has("(\"Minutes of Monday\")");
    plain = strstr(text.data, "There is no such mailbox.");
    postmaster = strstr(text.data, "==== For your postmaster ====");
    assert_non_null(plain);
    assert_non_null(postmaster);
    assert_true(plain < postmaster);
    assert_true(strstr(postmaster, "550 5.1.1 Nobody here of that name") != NULL);
    assert_true(strstr(postmaster,
                       "  Server      mail.example.org, TLSv1.3; our rule is \"may\"\r\n") != NULL);
}

static void returns_the_header_so_that_it_passes_everywhere(void **state)
{
    (void)state;
    compose();
    check_has("Content-Type: text/rfc822-headers; charset=utf-8\r\n"
              "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
              "Subject: caf=C3=A9\r\n\tfolded  twice\r\nX-Odd :one\r\n\r\n--boundary0123--\r\n");
    assert_false(form.is_8bit || form.is_smtputf8);
    check_lacks(".text");
    bounce.message = span_of("Subject: plain = plain \r\n\r\n");
    compose();
    check_has("Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
              "Subject: plain = plain \r\n\r\n--boundary0123--\r\n");
    bounce.message = span_of("Subject: a=\xff \r\n\r\n");
    compose();
    check_has("Content-Type: text/rfc822-headers\r\n"
              "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
              "Subject: a=3D=FF=20\r\n\r\n--boundary0123--\r\n");
}

static void returns_the_whole_message_where_that_was_asked_for(void **state)
{
    char wanted[300];

    (void)state;
    envelope.returns = QUEUE_RETURN_FULL;
    bounce.message = span_of("Subject: a\r\n\r\nno end");
    envelope.size_bytes = (int64_t)bounce.message.len;
    compose();
    snprintf(wanted, sizeof wanted,
             "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n%s\r\n"
             "--boundary0123--\r\n",
             bounce.message.data);
    check_has(wanted);
    assert_false(form.is_8bit || form.is_smtputf8);
    bounce.message = span_of(message);
    envelope.size_bytes = (int64_t)bounce.message.len;
    compose();
    check_has(
        "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: caf\xc3\xa9");
    assert_true(form.is_8bit && !form.is_smtputf8);
    envelope.is_smtputf8 = true;
    compose();
    assert_true(form.is_8bit && form.is_smtputf8);
    bounce.message = span_of("Subject: a\r\n\r\nno end");
    bounce.action = BOUNCE_DELAYED; /* RFC 3461 section 4.3: RET is for failures */
    compose();
    check_has("Content-Type: text/rfc822-headers\r\n");
    check_lacks("no end");
}

static void returns_the_header_alone_of_what_is_large(void **state)
{
    (void)state;
    envelope.returns = QUEUE_RETURN_FULL;
    envelope.size_bytes = BOUNCE_RETURNED_MOST;
    assert_int_equal(bounce_returned_len(BOUNCE_FAILED, &envelope), BOUNCE_RETURNED_MOST);
    assert_int_equal(bounce_returned_len(BOUNCE_DELAYED, &envelope), BOUNCE_HEADER_MOST);
    envelope.size_bytes++;
    assert_int_equal(bounce_returned_len(BOUNCE_FAILED, &envelope), BOUNCE_HEADER_MOST);
    envelope.returns = QUEUE_RETURN_HEADERS;
    envelope.size_bytes = 7;
    assert_int_equal(bounce_returned_len(BOUNCE_FAILED, &envelope), 7);
}

static void cuts_an_endless_header_at_a_field(void **state)
{
    static char endless[BOUNCE_HEADER_MOST + 1];
    size_t len = 0;

    (void)state;
    while (len < BOUNCE_HEADER_MOST)
        len += (size_t)snprintf(endless + len, sizeof endless - len, "X-%zu: %060d\r\n", len, 0);
    bounce.message = (struct span){ endless, BOUNCE_HEADER_MOST };
    envelope.size_bytes = 10 * BOUNCE_HEADER_MOST;
    compose();
    check_has(" 000000000000000000000000000000000000000000000000000000000000\r\n\r\n"
              "--boundary0123--\r\n");
}

static void tells_of_a_delay_how_long_it_is_tried(void **state)
{
    (void)state;
    bounce.action = BOUNCE_DELAYED;
    attempt.code = span_of("4.4.1");
    attempt.reply = span_of("the connection was refused");
    one.said = (struct span){ NULL, 0 };
    compose();
    check_has("Subject: Delayed: your message to gone@example.org\r\n");
    check_has("Action: delayed\r\nStatus: 4.4.1\r\n");
    check_has("Will-Retry-Until: Sun, 22 Nov 2026 00:00:00 +0000\r\n");
    check_has("need not do anything");
    check_has("the connection was refused");
    check_lacks("Diagnostic-Code"); /* nobody said anything */
}

static void tells_of_success(void **state)
{
    (void)state;
    bounce.action = BOUNCE_DELIVERED;
    attempt.code = span_of("2.0.0");
    attempt.relay = span_of("maildir:/var/mail/gone");
    attempt.reply = span_of("delivered to the mailbox");
    one.said = (struct span){ NULL, 0 };
    compose();
    check_has("Action: delivered\r\nStatus: 2.0.0\r\nLast-Attempt-Date");
    check_lacks("/var/mail");
    check_lacks("Remedy");
    bounce.action = BOUNCE_RELAYED;
    compose();
    check_has("Action: relayed\r\n");
}

static void tells_strangers_no_names_of_our_files(void **state)
{
    (void)state;
    attempt.relay = span_of("lmtp:unix:/run/private");
    attempt.reply = span_of("given up after 5 days; at last 4.3.5 /run/private: not there");
    attempt.code = span_of("4.4.7");
    one.said = (struct span){ NULL, 0 };
    compose();
    check_lacks("/run/private");
    check_lacks("Remote-MTA");
    check_has("our log tells it");
    check_has("Status: 4.4.7\r\n");
}

static void names_the_server_that_spoke(void **state)
{
    static const struct {
        const char *relay, *field;
    } cases[] = {
        { "mx.example.org[192.0.2.1]:25", "Remote-MTA: dns; mx.example.org\r\n" },
        { "lmtp:mail.example.org:24", "Remote-MTA: dns; mail.example.org\r\n" },
        { "lmtp:[192.0.2.9]:24", "Remote-MTA: dns; [192.0.2.9]\r\n" },
        { "lmtp:[2001:db8::1]:24", "Remote-MTA: dns; [2001:db8::1]\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        attempt.relay = span_of(cases[i].relay);
        compose();
        check_has(cases[i].field);
    }
    attempt.relay = span_of("none");
    compose();
    check_lacks("Remote-MTA");
}

static void gives_back_what_the_sender_said_of_envelope_and_recipient(void **state)
{
    static const struct {
        const char *orcpt, *field;
    } cases[] = {
        { "rfc822;a+2Bb@example.org", "Original-Recipient: rfc822; a+b@example.org\r\n" },
        { "rfc822;a+0D+0AStatus:+20b", "Original-Recipient: rfc822; a+0D+0AStatus:+20b\r\n" },
        { "rfc822;cut+2", "Original-Recipient: rfc822; cut+2\r\n" },
        { "utf-8;\xc3\xa9@example.org", "Original-Recipient: utf-8; \\x{E9}@example.org\r\n" },
        { "utf-8;\\x{E9}@example.org", "Original-Recipient: utf-8; \\x{E9}@example.org\r\n" },
    };

    (void)state;
    envelope.envid = span_of("one+2Btwo+20three");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        recipient.orcpt = span_of(cases[i].orcpt);
        compose();
        check_has(cases[i].field);
        check_has("Original-Envelope-Id: one+two three\r\n");
    }
}

static void says_addresses_outside_of_ascii_within_it(void **state)
{
    char *fields, *end;

    (void)state;
    envelope.sender = span_of("\xd0\xbf@example.net");
    envelope.is_smtputf8 = true;
    recipient.address = span_of("gr\xc3\xbc+\\\xf0\x9f\x98\x80@example.org");
    attempt.reply = one.said = span_of("550 5.1.1 gr\xc3\xbc\xc3\x9f dich");
    compose();
    assert_true(form.is_8bit && form.is_smtputf8);
    check_has("To: <\xd0\xbf@example.net>\r\n");
    check_has("Final-Recipient: utf-8; gr\\x{FC}\\x{2B}\\x{5C}\\x{1F600}@example.org\r\n");
    check_has("Diagnostic-Code: smtp; 550 5.1.1 gr\\x{FC}\\x{DF} dich\r\n");
    fields = strstr(text.data, "message/delivery-status\r\n");
    assert_non_null(fields);
    end = strstr(fields, "--boundary0123");
    for (const char *at = fields; at < end; at++)
        assert_true((unsigned char)*at < 0x80);
}

static void keeps_what_others_said_within_its_line(void **state)
{
    (void)state;
    recipient.address = span_of("a\r\nStatus: 2.0.0@example.org");
    attempt.reply = one.said = span_of("550 x\r\nAction: delivered\r\n\r\n--boundary0123--");
    attempt.code = span_of("5.1.1\r\nX: y");
    envelope.message_id = span_of("<a\r\nBcc: b@c>");
    envelope.envid = span_of("a\r\nb");
    compose();
    check_lacks("\r\nAction: delivered");
    check_lacks("\r\nStatus: 2.0.0");
    check_lacks("\r\nBcc");
    check_lacks("\r\nX: y");
    check_has("Status: 5.0.0\r\n");
}

static void folds_what_is_long(void **state)
{
    char reply[600] = "550 5.7.1";

    (void)state;
    for (int i = 0; i < 50; i++)
        snprintf(reply + strlen(reply), sizeof reply - strlen(reply), " word%05d", i);
    attempt.reply = one.said = span_of(reply);
    compose();
    for (const char *at = text.data, *end; *at != '\0'; at = end + 2) {
        end = strstr(at, "\r\n");
        if (end - at > 78)
            fail_msg("%zu columns: %.*s", (size_t)(end - at), (int)(end - at), at);
    }
    check_has("word00049\r\n");
}

static void keeps_lines_as_short_as_mail_has_them_whatever_an_address_is(void **state)
{
    static char strange[QUEUE_ADDRESS_BYTES + 1];

    (void)state;
    memset(strange, 0xe7, QUEUE_ADDRESS_BYTES);
    envelope.sender = recipient.address = recipient.orcpt = attempt.reply = span_of(strange);
    compose(); /* checks its lines */
    check_has("To: undisclosed-recipients:;\r\n");
}

static void takes_nothing_that_was_said_for_the_end_of_a_part(void **state)
{
    unsigned parts = 0;

    (void)state;
    recipient.address = span_of("--boundary0123");
    attempt.reply = span_of("550 --boundary0123");
    compose();
    for (const char *at = text.data; (at = strstr(at, "\r\n--boundary0123")) != NULL; at++)
        parts++;
    assert_int_equal(parts, 4); /* three that begin, and the end */
    check_has("\r\n=2D-boundary0123");
}

static void tells_of_many_recipients_at_once(void **state)
{
    static struct bounce_recipient many[BOUNCE_RECIPIENTS_MOST];
    static struct queue_recipient recipients[BOUNCE_RECIPIENTS_MOST];
    static char addresses[BOUNCE_RECIPIENTS_MOST][QUEUE_ADDRESS_BYTES + 1];
    static char reply[QUEUE_FACT_BYTES + 1];
    unsigned found = 0;

    (void)state;
    memset(reply, 'r', QUEUE_FACT_BYTES);
    attempt.reply = span_of(reply);
    for (size_t i = 0; i < BOUNCE_RECIPIENTS_MOST; i++) {
        memset(addresses[i], 'a', QUEUE_ADDRESS_BYTES);
        recipients[i] = (struct queue_recipient){ .address = span_of(addresses[i]),
                                                  .orcpt = span_of(addresses[i]) };
        many[i] = (struct bounce_recipient){ &recipients[i], &attempt, attempt.reply, NULL };
    }
    bounce.recipients = many;
    bounce.count = BOUNCE_RECIPIENTS_MOST;
    buffer_clear(&text);
    assert_true(bounce_compose(&bounce, &text, &form));
    assert_true(buffer_append(&text, (struct span){ "", 1 }));
    for (const char *at = text.data; (at = strstr(at, "\r\nFinal-Recipient: ")) != NULL; at++)
        found++;
    assert_int_equal(found, BOUNCE_RECIPIENTS_MOST);
    check_has("your message to 100 recipients\r\n");
}

static void takes_cause_and_remedy_from_the_catalogue(void **state)
{
    (void)state;
    attempt.finding = span_of("certificate-expired");
    attempt.code = span_of("4.7.5");
    one.said = (struct span){ NULL, 0 };
    compose();
    check_has("The certificate has expired\r\n");
    check_has("certificate-expired; a matter of the receiving side");
    check_has("Renew it and reload the mail server");
}

static const struct finding expired = {
    .code = "certificate-expired",
    .step = STEP_CERTIFICATE,
    .fault = FAULT_SERVER,
    .severity = SEVERITY_UNTRUSTED,
    .cause = "The certificate of mail.example.org expired on 20 November 2026",
    .evidence = { "notAfter: 20 November 2026", "our clock: 21 November 2026",
                  "our trust store: /etc/ssl/certs/ca-certificates.crt",
                  "issuer: http://aia.example.org/ca.der" },
    .evidence_count = 4,
    .remedy = "Renew the certificate of mail.example.org (policy-map global_policy / class x)",
    .enhanced_status = "4.7.5",
};

/* ehlo-rejected in general has another code than where the server turned us away. */
static void goes_by_the_code_of_this_case(void **state)
{
    static const struct finding rejected = { .code = "ehlo-rejected",
                                             .step = STEP_EHLO,
                                             .fault = FAULT_SERVER,
                                             .severity = SEVERITY_FATAL,
                                             .cause = "mail.example.org turns us away",
                                             .remedy = "Read the reason in the reply",
                                             .enhanced_status = "5.3.2" };

    (void)state;
    one = (struct bounce_recipient){ &recipient, &attempt, { NULL, 0 }, &rejected };
    attempt.finding = span_of("ehlo-rejected");
    attempt.code = span_of("4.3.2");
    compose();
    check_has("  Cause       mail.example.org turns us away\r\n");
    check_has("(ehlo-rejected; a matter of the receiving side)\r\n");
}

static void tells_cause_proof_and_remedy_of_this_case(void **state)
{
    const char *plain, *postmaster;

    (void)state;
    one = (struct bounce_recipient){ &recipient, &attempt, { NULL, 0 }, &expired };
    attempt.finding = span_of("certificate-expired");
    attempt.code = span_of("4.7.5");
    attempt.reply = span_of("given up after 5 days; at last 4.7.5 The certificate expired");
    compose();
    plain = strstr(text.data, "could not prove that it is the right one");
    postmaster = strstr(text.data, "==== For your postmaster ====");
    assert_non_null(plain);
    assert_non_null(postmaster);
    assert_true(plain < postmaster);
    check_has("We tried for as long as we may");
    check_has("  Cause       The certificate of mail.example.org expired on 20 November\r\n"
              "              2026\r\n");
    check_has("(certificate-expired; a matter of the receiving side)\r\n");
    check_has("  Proof     - notAfter: 20 November 2026\r\n"
              "            - our clock: 21 November 2026\r\n"
              "            - issuer: http://aia.example.org/ca.der\r\n");
    check_has("  Remedy      Renew the certificate of mail.example.org (policy-map\r\n");
    check_lacks("/etc/ssl"); /* the names of our files are nobody's business */
    check_has("Action: failed\r\nStatus: 4.7.5\r\n");
}

static void a_delay_names_the_finding_too(void **state)
{
    (void)state;
    bounce.action = BOUNCE_DELAYED;
    one = (struct bounce_recipient){ &recipient, &attempt, { NULL, 0 }, &expired };
    attempt.finding = span_of("certificate-expired");
    attempt.code = span_of("4.7.5");
    compose();
    check_has("You need not do anything");
    check_has("It could not be handed over so far. Their mail server could not prove");
    check_has("  Cause       The certificate of mail.example.org expired");
    check_has("Action: delayed\r\nStatus: 4.7.5\r\n");
}

static void a_flaw_of_the_session_is_not_why_a_mailbox_refuses(void **state)
{
    (void)state;
    one.finding =
        &expired; /* delivered at level may all the same, and nobody is there of that name */
    attempt.finding = span_of("certificate-expired");
    compose();
    check_has("There is no such mailbox.");
    check_has("  Cause       their mail server refuses it for good\r\n");
    check_lacks("certificate-expired");
    check_lacks("expired on");
}

static void what_is_our_own_fault_is_told_as_ours(void **state)
{
    static const struct finding empty = {
        .code = "trust-store-empty",
        .step = STEP_CERTIFICATE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_UNTRUSTED,
        .cause = "The trust store /etc/ssl/certs/ca-certificates.crt holds none",
        .evidence = { "/etc/ssl/certs: no such file" },
        .evidence_count = 1,
        .remedy = "Set ca_file in \"/etc/postern/postern.conf\"",
    };

    (void)state;
    one = (struct bounce_recipient){ &recipient, &attempt, { NULL, 0 }, &empty };
    attempt.finding = span_of("trust-store-empty");
    attempt.code = span_of("4.7.5");
    attempt.reply = span_of(empty.cause);
    compose();
    check_has("The fault is\r\n    on this side, not on yours nor on theirs.");
    check_has("(trust-store-empty; a matter of this mail system)\r\n");
    check_has("postmaster@mx.example.com can say more");
    check_lacks("/etc");
}

static void says_to_a_sender_what_each_kind_of_finding_means(void **state)
{
    static const struct {
        const char *code, *status, *words;
    } cases[] = {
        { "dns-timeout", "4.4.3", "cannot be looked up" },
        { "connect-refused", "4.4.1", "server cannot be reached." },
        { "greeting-rejected", "4.3.2", "does not take mail as it should" },
        { "ehlo-timeout", "4.4.2", "does not take mail as it should" },
        { "ehlo-rejected", "4.7.4", "No protected" },
        { "starttls-not-offered", "4.7.4", "No protected" },
        { "handshake-no-common-version", "4.7.5", "No protected" },
        { "certificate-name-mismatch", "4.7.5", "could not prove that it is the right one" },
    };

    (void)state;
    one.said = (struct span){ NULL, 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        attempt.finding = span_of(cases[i].code);
        attempt.code = span_of(cases[i].status);
        compose();
        check_has(cases[i].words);
        check_has(cases[i].code);
    }
}

static void tells_a_story_that_is_the_same_for_all_once(void **state)
{
    struct queue_recipient others[] = { recipient, recipient, recipient };
    struct queue_attempt other = attempt;
    struct bounce_recipient all[] = { { &others[0], &attempt, attempt.reply, NULL },
                                      { &others[1], &attempt, attempt.reply, NULL },
                                      { &others[2], &other, attempt.reply, NULL } };
    unsigned told = 0;

    (void)state;
    others[1].address = span_of("second@example.org");
    others[2].address = span_of("third@example.org");
    other.code = span_of("5.2.2");
    bounce.recipients = all;
    bounce.count = 3;
    compose();
    check_has("\r\n  gone@example.org\r\n  second@example.org\r\n    There is no such mailbox.");
    check_has("\r\n\r\n  third@example.org\r\n    The mailbox is full.");
    check_has("\r\n\r\ngone@example.org\r\nsecond@example.org\r\n  Cause ");
    for (const char *at = text.data; (at = strstr(at, "\r\n  Cause ")) != NULL; at++)
        told++;
    assert_int_equal(told, 2);
}

static void keeps_within_its_bounds_whatever_a_finding_holds(void **state)
{
    static struct bounce_recipient many[BOUNCE_RECIPIENTS_MOST];
    static struct queue_attempt attempts[BOUNCE_RECIPIENTS_MOST];
    static char words[20000];
    struct finding large = expired;

    (void)state;
    memset(words, 'w', sizeof words - 1);
    for (size_t i = 0; i < sizeof words - 1; i += 20)
        words[i] = ' ';
    large.cause = large.remedy = words;
    large.evidence_count = FINDING_EVIDENCE_MOST;
    for (size_t i = 0; i < FINDING_EVIDENCE_MOST; i++)
        large.evidence[i] = words;
    for (size_t i = 0; i < BOUNCE_RECIPIENTS_MOST; i++) {
        attempts[i] = attempt;
        attempts[i].at_s += (int64_t)i; /* a story of its own each */
        attempts[i].code = span_of("4.7.5");
        attempts[i].finding = span_of("certificate-expired");
        many[i] = (struct bounce_recipient){ &recipient, &attempts[i], { NULL, 0 }, &large };
    }
    bounce.recipients = many;
    bounce.count = BOUNCE_RECIPIENTS_MOST;
    compose();
}

static void asks_what_the_sender_wants_to_hear(void **state)
{
    static const struct {
        unsigned notify;
        bool failed, delayed, delivered;
    } cases[] = {
        { 0, true, true, false },
        { QUEUE_NOTIFY_NEVER, false, false, false },
        { QUEUE_NOTIFY_FAILURE, true, false, false },
        { QUEUE_NOTIFY_DELAY, false, true, false },
        { QUEUE_NOTIFY_SUCCESS, false, false, true },
        { QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE, true, false, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        recipient.notify = cases[i].notify;
        assert_int_equal(bounce_is_wanted(&envelope, &recipient, BOUNCE_FAILED), cases[i].failed);
        assert_int_equal(bounce_is_wanted(&envelope, &recipient, BOUNCE_DELAYED), cases[i].delayed);
        assert_int_equal(bounce_is_wanted(&envelope, &recipient, BOUNCE_DELIVERED),
                         cases[i].delivered);
        assert_int_equal(bounce_is_wanted(&envelope, &recipient, BOUNCE_RELAYED),
                         cases[i].delivered);
    }
    envelope.sender = (struct span){ NULL, 0 };
    recipient.notify = QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY;
    assert_false(bounce_is_wanted(&envelope, &recipient, BOUNCE_FAILED));
}

static void says_so_where_there_is_no_room(void **state)
{
    (void)state;
    compose();
    for (size_t limit = 0; limit < 3000; limit += 100) {
        buffer_clear(&text);
        buffer_init(&text, limit);
        if (bounce_compose(&bounce, &text, &form))
            return;
    }
    fail_msg("a small report takes more than 3,000 octets");
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(says_what_a_report_of_a_failure_has_to_say),
        PROMISE(speaks_to_the_sender_first),
        PROMISE(returns_the_header_so_that_it_passes_everywhere),
        PROMISE(returns_the_whole_message_where_that_was_asked_for),
        PROMISE(returns_the_header_alone_of_what_is_large),
        PROMISE(cuts_an_endless_header_at_a_field),
        PROMISE(tells_of_a_delay_how_long_it_is_tried),
        PROMISE(tells_of_success),
        PROMISE(tells_strangers_no_names_of_our_files),
        PROMISE(names_the_server_that_spoke),
        PROMISE(gives_back_what_the_sender_said_of_envelope_and_recipient),
        PROMISE(says_addresses_outside_of_ascii_within_it),
        PROMISE(keeps_what_others_said_within_its_line),
        PROMISE(folds_what_is_long),
        PROMISE(keeps_lines_as_short_as_mail_has_them_whatever_an_address_is),
        PROMISE(takes_nothing_that_was_said_for_the_end_of_a_part),
        PROMISE(tells_of_many_recipients_at_once),
        PROMISE(takes_cause_and_remedy_from_the_catalogue),
        PROMISE(goes_by_the_code_of_this_case),
        PROMISE(tells_cause_proof_and_remedy_of_this_case),
        PROMISE(a_delay_names_the_finding_too),
        PROMISE(a_flaw_of_the_session_is_not_why_a_mailbox_refuses),
        PROMISE(what_is_our_own_fault_is_told_as_ours),
        PROMISE(says_to_a_sender_what_each_kind_of_finding_means),
        PROMISE(tells_a_story_that_is_the_same_for_all_once),
        PROMISE(keeps_within_its_bounds_whatever_a_finding_holds),
        PROMISE(asks_what_the_sender_wants_to_hear),
        PROMISE(says_so_where_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
