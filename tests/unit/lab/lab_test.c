/* tests/unit/lab/lab_test.c - promises of lab/lab.h */
#include "lab/lab.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "base/compiler.h"
#include "lab/fault_row.h"
#include "net/address.h"

enum { NOW_S = 1795000000 };

struct fixture {
    struct loop *loop;
    char directory[64];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct error err = { 0 };

    memcpy(fixture.directory, "/tmp/postern-lab-XXXXXX", 24);
    *state = &fixture;
    return mkdtemp(fixture.directory) != NULL && loop_open(&fixture.loop, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    loop_close(&fixture->loop);
    lab_remove_files(fixture->directory);
    return rmdir(fixture->directory); /* fails where a file was left behind */
}

static struct lab *open_lab(struct fixture *fixture, const char *const *faults, size_t count,
                            bool with_dns)
{
    struct lab_settings settings = { .faults = faults,
                                     .fault_count = count,
                                     .with_dns = with_dns,
                                     .directory = fixture->directory,
                                     .now_s = NOW_S };
    struct lab *lab = NULL;
    struct error err = { 0 };

    if (!lab_open(fixture->loop, &settings, &lab, &err))
        fail_msg("%s", err.text);
    return lab;
}

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool has_argument(json_t *server, const char *wanted)
{
    json_t *arguments = json_object_get(server, "arguments");

    for (size_t i = 0; i < json_array_size(arguments); i++)
        if (strcmp(json_string_value(json_array_get(arguments, i)), wanted) == 0)
            return true;
    return false;
}

static void the_manifest_tells_how_to_ask_each_server(void **state)
{
    static const char *const faults[] = { "expired", "expired-client-certificate", "tlsa-mismatch",
                                          "healthy" };
    struct lab *lab = open_lab(*state, faults, ARRAY_SIZE(faults), false);
    json_t *manifest = lab_manifest(lab);
    json_t *servers = json_object_get(manifest, "servers");
    json_t *expired = json_array_get(servers, 0);

    assert_int_equal(json_array_size(servers), ARRAY_SIZE(faults));
    assert_true(json_is_null(json_object_get(manifest, "dns")));
    assert_string_equal(text_of(expired, "fault"), "expired");
    assert_string_equal(text_of(expired, "address"), "127.0.0.1");
    assert_string_equal(text_of(expired, "host"), "mx.expired.lab.test");
    assert_string_equal(text_of(json_object_get(expired, "expect"), "code"), "certificate-expired");
    assert_true(has_argument(expired, "--connect"));
    assert_true(has_argument(expired, "mx.expired.lab.test"));
    assert_false(has_argument(expired, "--client-cert"));
    assert_true(has_argument(json_array_get(servers, 1), "--client-cert"));
    assert_true(has_argument(json_array_get(servers, 2), "--tlsa"));
    assert_true(json_is_null(
        json_object_get(json_object_get(json_array_get(servers, 3), "expect"), "code")));
    json_decref(manifest);
    lab_close(&lab);
    assert_null(lab);
}

static void with_dns_every_server_has_an_address_of_its_own_at_one_port(void **state)
{
    struct lab *lab = open_lab(*state, NULL, 0, true);
    json_t *manifest = lab_manifest(lab);
    json_t *servers = json_object_get(manifest, "servers");
    json_int_t port = json_integer_value(json_object_get(json_array_get(servers, 0), "port"));

    assert_int_equal(json_array_size(servers), faults_count());
    assert_non_null(text_of(manifest, "dns"));
    assert_int_equal(access(text_of(manifest, "trust_anchor"), R_OK), 0);
    for (size_t i = 0; i < json_array_size(servers); i++) {
        json_t *one = json_array_get(servers, i);
        const char *address = text_of(one, "address");

        assert_true(has_argument(one, "--resolver"));
        if (address == NULL)
            continue;
        assert_int_equal(json_integer_value(json_object_get(one, "port")), port);
        for (size_t j = 0; j < i; j++) {
            const char *other = text_of(json_array_get(servers, j), "address");
            assert_true(other == NULL || strcmp(address, other) != 0);
        }
    }
    json_decref(manifest);
    lab_close(&lab);
}

static void without_dns_the_faults_of_names_are_left_out(void **state)
{
    struct lab *lab = open_lab(*state, NULL, 0, false);
    json_t *manifest = lab_manifest(lab);
    json_t *servers = json_object_get(manifest, "servers");

    assert_true(json_array_size(servers) < faults_count());
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const char *name = text_of(json_array_get(servers, i), "fault");
        assert_int_equal(fault_find(name)->zone, FAULT_ZONE_USUAL);
    }
    json_decref(manifest);
    lab_close(&lab);
}

static void what_cannot_be_is_said(void **state)
{
    static const char *const unknown[] = { "no-such-fault" }, *const dns[] = { "nxdomain" };
    struct fixture *fixture = *state;
    struct lab_settings settings = {
        .faults = unknown, .fault_count = 1, .directory = fixture->directory, .now_s = NOW_S
    };
    struct lab *lab = NULL;
    struct error err = { 0 };

    assert_false(lab_open(fixture->loop, &settings, &lab, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "no-such-fault"));
    settings.faults = dns;
    assert_false(lab_open(fixture->loop, &settings, &lab, &err));
    assert_non_null(strstr(err.text, "--dns"));
    settings.faults = NULL;
    settings.directory = "/nonexistent";
    assert_false(lab_open(fixture->loop, &settings, &lab, &err));
    assert_non_null(strstr(err.text, "/nonexistent"));
    assert_null(lab);
}

static void a_port_that_is_taken_stops_the_lab_and_leaves_nothing_open(void **state)
{
    static const char *const faults[] = { "healthy" };
    struct fixture *fixture = *state;
    struct lab *first = open_lab(fixture, faults, 1, true), *second = NULL;
    json_t *manifest = lab_manifest(first);
    json_t *server = json_array_get(json_object_get(manifest, "servers"), 0);
    struct lab_settings settings = {
        .faults = faults, .fault_count = 1, .directory = fixture->directory, .now_s = NOW_S
    };
    struct error err = { 0 };

    settings.port = (uint16_t)json_integer_value(json_object_get(server, "port"));
    assert_false(lab_open(fixture->loop, &settings, &second, &err));
    assert_non_null(strstr(err.text, "healthy"));
    assert_null(second);
    json_decref(manifest);
    lab_close(&first);
}

static void the_exam_lists_the_servers_that_can_be_met(void **state)
{
    static const char *const faults[] = { "healthy", "refused", "expired" };
    struct lab *lab = open_lab(*state, faults, ARRAY_SIZE(faults), false);
    struct buffer out;

    buffer_init(&out, 10000);
    assert_true(lab_exam(lab, &out));
    assert_non_null(memmem(out.data, out.len, "healthy", 7));
    assert_non_null(memmem(out.data, out.len, "expired", 7));
    assert_null(memmem(out.data, out.len, "refused", 7));
    assert_non_null(memmem(out.data, out.len, "never came", 10));
    buffer_clear(&out);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_manifest_tells_how_to_ask_each_server, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(with_dns_every_server_has_an_address_of_its_own_at_one_port,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_dns_the_faults_of_names_are_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_port_that_is_taken_stops_the_lab_and_leaves_nothing_open,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_exam_lists_the_servers_that_can_be_met, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
