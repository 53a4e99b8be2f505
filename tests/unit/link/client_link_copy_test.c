/* tests/unit/link/client_link_copy_test.c - promises of client_link_settings_copy in link/client_link.h. */
#include "../test.h"

#include <string.h>

#include "link/client_link.h"

enum { ARENA_BYTES = 64 * 1024 };

static struct client_link_settings whole(char *text, const char *const *names,
                                         const struct dane_record *record)
{
    return (struct client_link_settings){
        .hostname = text,
        .domain = text,
        .host = text,
        .domain_names = names,
        .domain_name_count = 2,
        .address = { .port = 25 },
        .local_socket = text,
        .preference = 7,
        .level = POLICY_DANE,
        .minimum_version = 0x0303,
        .deadline_ms = 99,
        .tlsa = record,
        .tlsa_count = 1,
        .tlsa_state = POLICY_TLSA_USABLE,
        .tlsa_base = text,
        .tlsa_failure = text,
        .tlsa_flaw = { TLSA_FLAW_DANGLING, text, text },
        .dane_names = { text, text },
        .dane_name_count = 2,
        .dnssec = DNS_SECURE,
        .mx_dnssec = DNS_INDETERMINATE,
        .has_lookups = true,
        .sts = POLICY_STS_ENFORCE,
        .sts_host_listed = true,
        .requires_tls = true,
        .fingerprint = text,
    };
}

static void outlives_all_that_it_was_made_of(void **state)
{
    char text[] = "text", data[] = "data";
    const char *names[] = { text, text };
    struct dane_record record = { 3, 1, 1, { data, 4 } };
    struct client_link_settings settings = whole(text, names, &record), copy;
    struct arena arena;

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    assert_true(client_link_settings_copy(&settings, &arena, &copy));
    memset(text, 'x', 4);
    memset(data, 'x', 4);
    names[0] = names[1] = NULL;
    record.usage = 0;
    const char *const texts[] = { copy.hostname,       copy.domain,          copy.host,
                                  copy.local_socket,   copy.tlsa_base,       copy.tlsa_failure,
                                  copy.tlsa_flaw.name, copy.tlsa_flaw.alias, copy.fingerprint,
                                  copy.dane_names[0],  copy.dane_names[1],   copy.domain_names[0],
                                  copy.domain_names[1] };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_string_equal(texts[i], "text");
    assert_int_equal(copy.tlsa[0].usage, 3);
    assert_memory_equal(copy.tlsa[0].data.data, "data", 4);
    arena_clear(&arena);
}

static void keeps_all_but_what_is_of_one_conversation(void **state)
{
    char text[] = "text";
    const char *names[] = { text, text };
    struct dane_record record = { 3, 1, 1, { text, 4 } };
    struct client_link_settings settings = whole(text, names, &record), copy;
    struct arena arena;

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    assert_true(client_link_settings_copy(&settings, &arena, &copy));
    assert_int_equal(copy.deadline_ms, 0);
    assert_null(copy.tickets);
    assert_int_equal(copy.address.port, 25);
    assert_int_equal(copy.preference, 7);
    assert_int_equal(copy.level, POLICY_DANE);
    assert_int_equal(copy.minimum_version, 0x0303);
    assert_int_equal(copy.domain_name_count, 2);
    assert_int_equal(copy.tlsa_count, 1);
    assert_int_equal(copy.tlsa_state, POLICY_TLSA_USABLE);
    assert_int_equal(copy.tlsa_flaw.kind, TLSA_FLAW_DANGLING);
    assert_int_equal(copy.dane_name_count, 2);
    assert_int_equal(copy.dnssec, DNS_SECURE);
    assert_int_equal(copy.mx_dnssec, DNS_INDETERMINATE);
    assert_int_equal(copy.sts, POLICY_STS_ENFORCE);
    assert_true(copy.has_lookups && copy.sts_host_listed && copy.requires_tls);
    arena_clear(&arena);
}

static void leaves_out_what_there_is_not(void **state)
{
    const struct client_link_settings settings = { .host = "" };
    struct client_link_settings copy;
    struct arena arena;

    (void)state;
    arena_init(&arena, ARENA_BYTES);
    assert_true(client_link_settings_copy(&settings, &arena, &copy));
    assert_null(copy.hostname);
    assert_string_equal(copy.host, "");
    assert_null(copy.tlsa_base);
    assert_null(copy.fingerprint);
    assert_int_equal(copy.domain_name_count + copy.tlsa_count + copy.dane_name_count, 0);
    arena_clear(&arena);
}

static void says_when_the_arena_is_too_small(void **state)
{
    char text[] = "text";
    const char *names[] = { text, text };
    struct dane_record record = { 3, 1, 1, { text, 4 } };
    struct client_link_settings settings = whole(text, names, &record), copy;

    (void)state;
    for (size_t limit = 0; limit < 64; limit++) {
        struct arena arena;

        arena_init(&arena, limit);
        assert_false(client_link_settings_copy(&settings, &arena, &copy));
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlives_all_that_it_was_made_of),
        cmocka_unit_test(keeps_all_but_what_is_of_one_conversation),
        cmocka_unit_test(leaves_out_what_there_is_not),
        cmocka_unit_test(says_when_the_arena_is_too_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
