/* tests/unit/settings/check_test.c - tests that contradictions are named, each with its line. */
#include "settings/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEARS  "listener \"[::1]:25\" { tls = none }\n"

static const struct {
    const char *text, *said;
} cases[] = {
    { "", "t.conf: warning: there is no listener: no mail can come in\n" },
    { "listener \"[::1]:25\" {\n tls = required }",
      "t.conf:2: tls = required needs a certificate; to do without TLS say tls = none\n" },
    { "\nlistener \"[::1]:25\" { }",
      "t.conf:2: tls = may needs a certificate; to do without TLS say tls = none\n" },
    { "listener \"[::1]:25\" { tls = none\ncertificate = /a }",
      "t.conf:2: warning: the certificate is never shown, because tls = none\n" },
    { "listener \"[::1]:25\" { tls = none\nclient_certificate = request }",
      "t.conf:2: a certificate of clients cannot be had with tls = none\n" },
    { "listener \"[::1]:25\" {\ncertificate = { /a, /b } key = /k }",
      "t.conf:2: 2 certificates and 1 keys: each certificate needs its own key\n" },
    { HEARS "listener \"[0:0::1]:25\" { tls = none }",
      "t.conf:2: the listener of line 1 has this address already; one listener may have several "
      "certificates\n" },
    { HEARS "listener \"localhost:25\" { tls = none }",
      "t.conf:2: listener: \"localhost:25\" is not an address with its port, such as 192.0.2.1:25 "
      "or [::]:25\n" },
    { "listener \"[::1]:25\" { tls = non }",
      "t.conf:1: tls: \"non\" is not known; did you mean none?\n" },

    { HEARS "domain a.example { }",
      "t.conf:2: this domain does not say where its mail goes: deliver = \"...\"\n" },
    { HEARS "domain a.example { delivr = x }",
      "t.conf:2: unknown word \"delivr\" in domain; did you mean \"deliver\"?\n" },
    { HEARS "domain .a.example { deliver = maildir:/m }",
      "t.conf:2: domain: \".a.example\" is not a domain name; each domain is named by itself\n" },
    { HEARS "domain \"a b\" { deliver = maildir:/m }",
      "t.conf:2: domain: \"a b\" is not a domain name\n" },
    { HEARS "domain -a.example { deliver = maildir:/m }",
      "t.conf:2: domain: \"-a.example\" is not a domain name; no label begins or ends with \"-\"\n" },
    { HEARS "policy .-a.example { level = may }",
      "t.conf:2: policy: \".-a.example\" is neither a domain nor, with a leading dot, all names "
      "below one; no label begins or ends with \"-\"\n" },
    { HEARS "domain a.example { deliver = maildir:/m }\ndomain b.example { deliver = maildir:/m }\n"
            "domain A.example. { deliver = maildir:/n }",
      "t.conf:4: domain a.example is there already, on line 2\n" },

    { HEARS "relay_from = 0.0.0.0/0",
      "t.conf:2: warning: relay_from 0.0.0.0/0 makes an open relay: anybody may send anywhere\n" },
    { HEARS "relay_from = { \"::/0\", 128.0.0.0/1, 10.0.0.0/8 }",
      "t.conf:2: warning: relay_from ::/0 makes an open relay: anybody may send anywhere\n"
      "t.conf:2: warning: relay_from 128.0.0.0/1 makes an open relay: anybody may send anywhere\n" },
    { HEARS "relay_from = { \"::ffff:0:0/96\", \"::ffff:10.0.0.0/104\" }",
      "t.conf:2: warning: relay_from ::ffff:0.0.0.0/96 makes an open relay: anybody may send "
      "anywhere\n" },

    { HEARS "user = \"no-such-user\"\nsandbox = no", "" }, /* of another machine, maybe */
    { HEARS "sandbox = ys", "t.conf:2: sandbox: \"ys\" is not known; did you mean yes?\n" },
    { HEARS "user = \"\"", "t.conf:2: user: \"\" is not a text of 1 to 200 octets\n" },

    { HEARS "client { key = /k }", "t.conf:2: a key without its certificate\n" },

    { HEARS "policy a.example { level = fingerprint }",
      "t.conf:2: level = fingerprint needs a fingerprint\n" },
    { HEARS "policy a.example { level = verify\nfingerprint = " DIGEST " }",
      "t.conf:3: the fingerprint is looked at only with level = fingerprint, not verify\n" },
    { HEARS "policy a.example { level = dane-only\nnext_hop = [192.0.2.1] }",
      "t.conf:3: level = dane-only needs a host: an address has no TLSA record\n" },
    { HEARS "policy a.example { level = verify\nnext_hop = [192.0.2.1] }",
      "t.conf:3: warning: at level = verify an address needs a certificate with that very address in "
      "it; level = secure takes one that names the domain\n" },
    { HEARS "domain a.example { deliver = maildir:/m }\npolicy A.example { level = verify }",
      "t.conf:3: warning: this policy has no effect: mail for a.example ends here, see line 2\n" },
    { HEARS "domain a.example { deliver = smtp:b.example }\npolicy .a.example { level = verify }\n"
            "policy a.example { level = verify\nnext_hop = c.example }",
      "t.conf:5: warning: next_hop has no effect: mail for a.example goes where line 2 says\n" },
    { HEARS "policy a.example {\nlevel = sts }", "" },
    { HEARS "policy a.example { level = none\nminimum_tls = 1.3 }",
      "t.conf:3: warning: minimum_tls has no effect, because level = none\n" },
    { HEARS "policy default { level = verify\nmatch = { a.example } }",
      "t.conf:3: match is for level = secure, not verify: it lists the names that the certificate "
      "may carry; which domain a policy is for its title says\n" },
    { HEARS "policy a.example { level = secure match = { } }",
      "t.conf:2: match is an empty list: no certificate would do\n" },
    { HEARS "policy a.example { level = secure match = { b.example, .c.example } }", "" },
    { HEARS "policy \"the bank\" { }",
      "t.conf:2: policy: \"the bank\" is neither a domain nor, with a leading dot, all names below "
      "one\n" },
    { HEARS "policy *.a.example { }",
      "t.conf:2: unexpected *; other values than plain words stand in "
      "quotes\n" },
    { HEARS "policy \"*.a.example\" { }",
      "t.conf:2: policy: \"*.a.example\" has a *; every name below a domain is written "
      "\".example.org\"\n" },
    { HEARS "policy a.example { }\npolicy .a.example { }\npolicy A.example. { level = verify }",
      "t.conf:4: a.example has a policy already, on line 2\n" },

    { HEARS "queue { lifetime = 1h\nretry = { 1h, 2h } warn_after = 1m }",
      "t.conf:2: a message is given up before it is tried a second time: lifetime is not longer than "
      "the first retry\n" },
    { HEARS "queue { lifetime = 4h }",
      "t.conf:2: warning: no sender is ever warned: warn_after is not shorter than lifetime\n" },
    { HEARS "queue { in_the_clear_after = 5d }",
      "t.conf:2: warning: in_the_clear_after is not shorter than lifetime: it never comes\n" },
    { HEARS "limits { connections = 10\nper_address = 11 }",
      "t.conf:3: warning: per_address is more than connections, which comes first\n" },
    { HEARS "limits { connections = 10 }", "" },
};

/* One slip each: nothing is said of the default that stands in for the value. */
static const char *const slips[] = {
    "listener \"[::1]:25\" {\ncertificate = x }",
    "listener \"[::1]:25\" { key = /k\ncertificate = x }",
    "listener \"[::1]:25\" { certificate = /c\nkey = x }",
    "listener \"[::1]:25\" { next_key = /k\ncertificate = x }",
    "listener \"[::1]:25\" { client_certificate = require certificate = /c\ntls = non }",
    HEARS "policy a.example { match = a.example\nlevel = secur }",
    HEARS "policy a.example { fingerprint = " DIGEST "\nlevel = fingrprint }",
    HEARS "policy a.example { level = fingerprint\nfingerprint = 0011 }",
    HEARS "policy a.example { level = secure\nmatch = -a.example }",
    HEARS "domain a.example { sts = off\ndeliver = maldir:/m }\npolicy a.example { level = may }",
    HEARS "domain a.example { sts = off\ndelivr = smtp:b }\npolicy a.example { level = may }",
    HEARS "client { key = /k\ncertificate = x }",
    HEARS "queue { retry = 6d\nlifetime = 5x }",
    HEARS "queue { lifetime = 5h\nretry = 6x }",
    HEARS "limits { per_address = 20000\nconnections = x }",
    HEARS "limits { connections = 10\nper_address = x }",
    HEARS "reports { send = yes dkim_selector = s\ndkim_key = x }",
};

static void names_no_fault_that_only_follows_from_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(slips); i++) {
        struct loaded loaded = load_text(slips[i]);
        const char *line =
            strncmp(slips[i], HEARS, strlen(HEARS)) == 0 ? "t.conf:3: " : "t.conf:2: ";

        if (loaded.faults.count != 1 || strncmp(loaded.said.data, line, strlen(line)) != 0)
            fail_msg("of %s was said:\n%s", slips[i], loaded.said.data);
        loaded_clear(&loaded);
    }
}

static void names_each_contradiction_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_faults(cases[i].text, cases[i].said);
}

static void warnings_keep_no_file_from_being_used(void **state)
{
    struct loaded loaded = load_text("relay_from = 0.0.0.0/0");

    (void)state;
    assert_non_null(loaded.settings);
    assert_int_equal(loaded.faults.count, 2);
    assert_int_equal(loaded.faults.fault_count, 0);
    loaded_clear(&loaded);
}

static void one_file_may_hold_certificate_and_key(void **state)
{
    struct loaded loaded = load_sound("listener \"[::1]:25\" { certificate = { /a, /b } }");
    const struct settings_listener *listener = &loaded.settings->listeners[0];

    (void)state;
    assert_int_equal(listener->key_count, 2);
    assert_string_equal(listener->keys[1], "/b");
    loaded_clear(&loaded);
}

/* What --check-config says of settings whose trust anchor is a file with this text. */
static void expect_of_anchor(const char *anchor, bool is_fault, const char *said)
{
    char path[] = "/tmp/postern-anchor-XXXXXX", text[256];
    int file = mkstemp(path);
    struct settings_source source = { "t.conf", { NULL, 0 }, false };
    struct settings *settings;
    struct settings_faults faults;
    struct buffer all;
    struct error err;

    assert_int_equal(write(file, anchor, strlen(anchor)), strlen(anchor));
    close(file);
    snprintf(text, sizeof text, HEARS "dns { resolver = 127.0.0.1:53\ntrust_anchor = \"%s\" }",
             path);
    source.text = span_of(text);
    assert_int_equal(settings_load_text(&source, &settings, &faults, &err), !is_fault);
    buffer_init(&all, 1 << 20);
    assert_true(settings_fault_format(&faults, &all));
    assert_true(buffer_append(&all, (struct span){ "", 1 }));
    if (said == NULL ? strstr(all.data, "t.conf:3") != NULL : strstr(all.data, said) == NULL)
        fail_msg("%s of %s", all.data, anchor);
    buffer_clear(&all);
    settings_fault_clear(&faults);
    settings_free(&settings);
    unlink(path);
}

static void a_trust_anchor_is_tried_as_the_resolver_will_use_it(void **state)
{
    (void)state;
    expect_of_anchor(". IN DS 20326 8 2 "
                     "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n",
                     false, NULL);
    expect_of_anchor("; nothing\n", true,
                     "t.conf:3: trust_anchor: there is no DS or DNSKEY record");
    expect_of_anchor("example. IN A 192.0.2.1\n", true, "t.conf:3: trust_anchor: ");
    expect_of_anchor("a..b. IN DS 1 8 2 00\n", false,
                     "t.conf:3: warning: names cannot be looked up: starting libunbound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_each_contradiction_with_its_line),
        cmocka_unit_test(names_no_fault_that_only_follows_from_another),
        cmocka_unit_test(warnings_keep_no_file_from_being_used),
        cmocka_unit_test(one_file_may_hold_certificate_and_key),
        cmocka_unit_test(a_trust_anchor_is_tried_as_the_resolver_will_use_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
