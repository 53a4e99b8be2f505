/* tests/unit/cli/serve_profile_test.c - promises of cli/serve_profile.h */
#include "cli/serve_profile.h"
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/certificates.h"
#include "unit/gateway/leaf_files.h"
#include "unit/settings/loads.h"

struct room {
    struct leaf_files files;
    char text[2048];
    struct gateway_profile *profile;
    struct error err;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    leaf_files_init(&room->files);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    gateway_profile_release(&room->profile);
    leaf_files_clear(&room->files);
    free(room);
    return 0;
}

/* The profile of a text in which each % is the folder of the certificates. */
static bool make(struct room *room, const char *text)
{
    struct loaded loaded;
    bool is_made;
    size_t len = 0;

    for (; *text != '\0'; text++)
        if (*text == '%')
            for (const char *c = room->files.folder; *c != '\0'; c++)
                room->text[len++] = *c;
        else
            room->text[len++] = *text;
    room->text[len] = '\0';
    loaded = load_text(room->text);
    assert_non_null(loaded.settings);
    is_made = serve_profile_new(&loaded.settings, NULL, MAKE_NOW_S, &room->profile, &room->err);
    assert_null(loaded.settings);
    loaded_clear(&loaded);
    return is_made;
}

static void hands_on_what_the_settings_say(void **state)
{
    struct room *room = *state;
    const struct gateway_profile *profile;
    const struct smtp_server_settings *smtp;

    assert_true(make(room, "hostname = mx.example.org relay_from = 10.0.0.0/8\n"
                           "bare_lf_from = { 192.0.2.0/24, \"::1\" }\n"
                           "listener \"[::1]:0\" { tls = none }\n"
                           "limits { message_size = 1M recipients = 200 connections = 30\n"
                           "    per_address = 4 command_timeout = 7s messages_per_minute = 8\n"
                           "    failed_handshakes_per_minute = 11 connections_per_minute = 12\n"
                           "    session_errors = 9 ban = 10s clients_known = 64 }\n"
                           "queue { lifetime = 2d }\n"));
    profile = room->profile;
    smtp = &profile->listeners[0].smtp;
    assert_string_equal(profile->hostname, "mx.example.org");
    assert_int_equal(profile->relay.network_count, 1);
    assert_int_equal(profile->bare_lf_from_count, 2);
    assert_int_equal(profile->bare_lf_from[0].bits, 24);
    assert_int_equal(profile->schedule.lifetime_s, 172800);
    assert_int_equal(profile->limits.connections, 30);
    assert_int_equal(profile->limits.per_client, 4);
    assert_int_equal(profile->limits.messages_per_minute, 8);
    assert_int_equal(profile->limits.connections_per_minute, 12);
    assert_int_equal(profile->limits.failures_per_minute, 11);
    assert_int_equal(profile->limits.session_errors, 9);
    assert_int_equal(profile->limits.ban_ms, 10000);
    assert_int_equal(profile->limits.clients_known, 64);
    assert_int_equal(profile->listener_count, 1);
    assert_true(profile->listeners[0].address.is_ipv6);
    assert_null(profile->listeners[0].tls);
    assert_string_equal(smtp->hostname, "mx.example.org");
    assert_int_equal(smtp->tls, SMTP_SERVER_TLS_NONE);
    assert_int_equal(smtp->extensions, SMTP_SERVER_EXTENSIONS);
    assert_int_equal(smtp->size_most, 1 << 20);
    assert_int_equal(smtp->recipients_most, 200);
    assert_int_equal(smtp->errors_most, 9);
    assert_int_equal(smtp->command_timeout_ms, 7000);
    assert_false(smtp->mends_bare_lf);
    assert_true(profile->listeners[0].smtp_mending.mends_bare_lf);
}

static void the_defaults_are_those_of_the_limits(void **state)
{
    struct room *room = *state;
    struct gateway_limits_settings limits = gateway_limits_defaults();
    struct queue_schedule_settings schedule = queue_schedule_defaults();

    assert_true(make(room, "listener \"[::1]:0\" { tls = none }"));
    assert_memory_equal(&room->profile->limits, &limits, sizeof limits);
    assert_memory_equal(&room->profile->schedule, &schedule, sizeof schedule);
    assert_int_not_equal(room->profile->hostname[0], '\0');
}

static void no_limit_of_errors_is_none_for_the_engine_too(void **state)
{
    struct room *room = *state;

    assert_true(make(room, "listener \"[::1]:0\" { tls = none } limits { session_errors = 0 }"));
    assert_int_equal(room->profile->limits.session_errors, 0);
    assert_int_equal(room->profile->listeners[0].smtp.errors_most, UINT32_MAX);
}

static void domains_stand_in_the_order_of_the_relay_rules(void **state)
{
    struct room *room = *state;
    const struct gateway_profile *profile;

    assert_true(make(room, "listener \"[::1]:0\" { tls = none }\n"
                           "domain d.example { deliver = \"maildir:/m/{user}\" }\n"
                           "domain c.example { deliver = \"lmtp:unix:/run/lmtp\" }\n"
                           "domain b.example { deliver = \"lmtp:[192.0.2.1]\" }\n"
                           "domain a.example { deliver = \"smtp:relay.example:2525\" }\n"));
    profile = room->profile;
    assert_int_equal(profile->domain_count, 4);
    for (size_t i = 0; i < profile->domain_count; i++)
        assert_string_equal(profile->domains[i].name, profile->relay.domains[i].name);
    assert_int_equal(profile->domains[0].kind, GATEWAY_DELIVER_SMTP);
    assert_string_equal(profile->domains[0].host, "relay.example");
    assert_int_equal(profile->domains[0].address.port, 2525);
    assert_int_equal(profile->domains[1].kind, GATEWAY_DELIVER_LMTP);
    assert_null(profile->domains[1].host);
    assert_int_equal(profile->domains[1].address.port, 24);
    assert_int_equal(profile->domains[2].kind, GATEWAY_DELIVER_LMTP_SOCKET);
    assert_string_equal(profile->domains[2].path, "/run/lmtp");
    assert_int_equal(profile->domains[3].kind, GATEWAY_DELIVER_MAILDIR);
    assert_string_equal(profile->domains[3].path, "/m/{user}");
    assert_string_equal(profile->relay.postmaster_domain, "d.example");
}

static void certificates_are_loaded_and_judged(void **state)
{
    struct room *room = *state;
    const struct gateway_profile_listener *listeners;

    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    leaf_files_make(&room->files, 1, "other.example", &room->files.root);
    assert_true(make(room, "hostname = mx.example.org\n"
                           "listener \"127.0.0.1:25\" {\n"
                           "    certificate = { \"%/b.pem\", \"%/a.pem\" }\n"
                           "    key = { \"%/b.key\", \"%/a.key\" } tls = required }\n"
                           "listener \"127.0.0.1:465\" { tls = implicit certificate = \"%/b.pem\"\n"
                           "    key = \"%/b.key\" client_certificate = request }\n"
                           "trust { ca_file = \"%/a.pem\" }\n"));
    listeners = room->profile->listeners;
    assert_int_equal(listeners[0].smtp.tls, SMTP_SERVER_TLS_REQUIRED);
    assert_ptr_equal(listeners[0].tls, gateway_certificates_tls(listeners[0].certificates));
    assert_string_equal(listeners[0].self.certificate_file, room->files.certificates[0]);
    assert_true(listeners[0].self.verdict.name_matched);
    assert_int_equal(listeners[1].smtp.tls, SMTP_SERVER_TLS_IMPLICIT);
    assert_false(listeners[1].self.verdict.name_matched);
    assert_int_equal(listeners[1].self.client_certificate, TLS_CLIENT_CERTIFICATE_REQUEST);
}

static void servers_elsewhere_are_met_by_policies_roots_and_our_certificate(void **state)
{
    struct room *room = *state;
    const struct gateway_profile *profile;
    struct gateway_policy_choice choice;

    leaf_files_make(&room->files, 0, "mx.example.org", &room->files.root);
    assert_true(make(
        room, "listener \"127.0.0.1:25\" { tls = none }\n"
              "trust { ca_file = \"%/a.pem\" }\n"
              "client { certificate = \"%/a.pem\" key = \"%/a.key\" port = 2525 sts_port = 8443\n"
              "    private_addresses = yes\n"
              "    timeout = 8s }\n"
              "policy a.example { level = verify }\n"
              "dns { resolver = 127.0.0.1:53 trust_anchor = /r.key }\n"));
    profile = room->profile;
    choice = gateway_policies_find(&profile->policies, span_of("a.example"));
    assert_int_equal(choice.policy->level, POLICY_VERIFY);
    assert_int_equal(anchors_count(profile->anchors), 1);
    assert_int_equal(profile->self.anchor_count, 1);
    assert_true(profile->self.built_at_s > 0);
    assert_non_null(profile->credentials);
    assert_true(profile->self.has_client_certificate);
    assert_int_equal(profile->self.client_certificate_state, TLS_CREDENTIALS_FINE);
    assert_int_equal(profile->mx_port, 2525);
    assert_int_equal(profile->sts_port, 8443);
    assert_true(profile->private_addresses);
    assert_int_equal(profile->client_timeout_ms, 8000);
    assert_string_equal(profile->dns.resolver, "127.0.0.1:53");
    assert_string_equal(profile->dns.trust_anchor, "/r.key");
}

static void without_settings_servers_elsewhere_are_met_in_the_usual_way(void **state)
{
    struct room *room = *state;
    const struct gateway_profile *profile;

    assert_true(make(room, "listener \"127.0.0.1:25\" { tls = none }"));
    profile = room->profile;
    assert_int_equal(gateway_policies_find(&profile->policies, span_of("a.example")).policy->level,
                     POLICY_STS);
    assert_null(profile->credentials);
    assert_false(profile->self.has_client_certificate);
    assert_int_equal(profile->mx_port, 25);
    assert_int_equal(profile->sts_port, 443);
    assert_false(profile->private_addresses);
    assert_int_equal(profile->client_timeout_ms, 0);
    assert_null(profile->dns.resolver);
    assert_null(profile->dns.trust_anchor); /* the default, which may be missing */
}

static void a_certificate_that_cannot_be_used_is_named_with_its_listener(void **state)
{
    struct room *room = *state;

    assert_false(make(room, "listener \"127.0.0.1:25\" { certificate = \"%/a.pem\" }"));
    assert_null(room->profile);
    assert_non_null(strstr(room->err.text, "listener 127.0.0.1:25: "));
    assert_non_null(strstr(room->err.text, room->files.certificates[0]));
}

static void counts_the_descriptors_that_it_takes(void **state)
{
    struct room *room = *state;

    assert_true(make(room, "listener \"[::1]:0\" { tls = none } limits { connections = 5000 }"));
    assert_in_range(serve_profile_descriptors(room->profile, 4), 5000 + 4, 5000 + 1000);
}

static void lets_in_no_more_clients_than_there_are_descriptors_for(void **state)
{
    static const struct {
        uint64_t have;
        uint32_t connections;
    } cases[] = { { 70, 17 }, { 3, 1 }, { 0, 1 } };
    struct room *room = *state;
    uint64_t need;

    assert_true(make(room, "listener \"[::1]:0\" { tls = none } limits { connections = 5000 }"));
    need = serve_profile_descriptors(room->profile, 2);
    assert_true(serve_profile_fit(room->profile, 2, need));
    assert_int_equal(room->profile->limits.connections, 5000);
    assert_false(serve_profile_fit(room->profile, 2, need - 4000));
    assert_int_equal(room->profile->limits.connections, 1000);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        room->profile->limits.connections = 5000;
        assert_false(serve_profile_fit(room->profile, 2, cases[i].have));
        assert_int_equal(room->profile->limits.connections, cases[i].connections);
    }
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(hands_on_what_the_settings_say),
        IN_ROOM(the_defaults_are_those_of_the_limits),
        IN_ROOM(no_limit_of_errors_is_none_for_the_engine_too),
        IN_ROOM(domains_stand_in_the_order_of_the_relay_rules),
        IN_ROOM(certificates_are_loaded_and_judged),
        IN_ROOM(servers_elsewhere_are_met_by_policies_roots_and_our_certificate),
        IN_ROOM(without_settings_servers_elsewhere_are_met_in_the_usual_way),
        IN_ROOM(a_certificate_that_cannot_be_used_is_named_with_its_listener),
        IN_ROOM(counts_the_descriptors_that_it_takes),
        IN_ROOM(lets_in_no_more_clients_than_there_are_descriptors_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
