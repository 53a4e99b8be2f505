/* tests/unit/net/https_url_test.c - promises of https_url_read, which decides where reports may go */
#include "../test.h"

#include <string.h>

#include "net/https.h"

static const struct {
    const char *url, *host; /* NULL: not asked */
    uint16_t port;
} cases[] = {
    { "https://mta-sts.example.org/.well-known/mta-sts.txt", "mta-sts.example.org", 443 },
    { "https://Reports.Example.ORG:8443/v1?x=y#z", "reports.example.org", 8443 },
    { "HTTPS://a.test", "a.test", 443 },
    { "https://a_b.xn--bcher-kva.test/", "a_b.xn--bcher-kva.test", 443 },
    { "https://%61.test/", "a.test", 443 },
    { "", NULL, 0 },
    { "https://", NULL, 0 },
    { "https:///path", NULL, 0 },
    { "a.test", NULL, 0 },
    { "http://a.test/", NULL, 0 },
    { "ftp://a.test/", NULL, 0 },
    { "file:///etc/passwd", NULL, 0 },
    { "https:a.test", NULL, 0 },
    { "https://a.test./", NULL, 0 },
    { "https://.a.test/", NULL, 0 },
    { "https://a..test/", NULL, 0 },
    { "https://user@a.test/", NULL, 0 },
    { "https://user:password@a.test/", NULL, 0 },
    { "https://@a.test/", NULL, 0 },
    { "https://a.test:0/", NULL, 0 },
    { "https://a.test:65536/", NULL, 0 },
    { "https://a.test:x/", NULL, 0 },
    { "https://127.0.0.1/", NULL, 0 },
    { "https://127.1/", NULL, 0 },
    { "https://2130706433/", NULL, 0 },
    { "https://0x7f000001/", NULL, 0 },
    { "https://0177.0.0.1/", NULL, 0 },
    { "https://[::1]/", NULL, 0 },
    { "https://%31%32%37.0.0.1/", NULL, 0 },
    { "https://0x7f000%61/", NULL, 0 },
    { "https://0%78/", NULL, 0 },
    { "https://127.0.0%2e0X%41/", NULL, 0 },
    { "https://1.2.3.4.0177/", NULL, 0 },
    { "https://0x7fg.0xa.0xyz/", "0x7fg.0xa.0xyz", 443 },
    { "https://127.0.0.a%31/", "127.0.0.a1", 443 },
    { "https://-a.test/", NULL, 0 }, /* which libcurl would look up by itself */
    { "https://%2Da.test/", NULL, 0 },
    { "https://a.-b-.test/", "a.-b-.test", 443 },
    { "https://a%2etest%2f@b.test/", NULL, 0 },
    { "https://a%00.test/", NULL, 0 },
    { "https://b\xc3\xbc"
      "cher.test/",
      NULL, 0 },
    { "https://a.test/a b", NULL, 0 },
    { "https://a.test/\r\nX: y", NULL, 0 },
    { "https://a,b.test/", NULL, 0 },
    { "https://a:443:b.test/", NULL, 0 },
};

static void takes_domain_names_by_https_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct https_url read;
        const char *flaw;
        struct arena arena;
        bool taken;

        arena_init(&arena, 64 * 1024);
        taken = https_url_read(cases[i].url, &arena, &read, &flaw);
        if (taken != (cases[i].host != NULL))
            fail_msg("%s: %s", cases[i].url, taken ? read.host : flaw);
        if (taken) {
            assert_string_equal(read.host, cases[i].host);
            assert_int_equal(read.port, cases[i].port);
        } else {
            assert_true(flaw[0] != '\0');
        }
        arena_clear(&arena);
    }
}

static void takes_no_url_beyond_the_bound(void **state)
{
    static char url[HTTPS_URL_MOST + 2] = "https://a.test/";
    struct https_url read;
    struct arena arena;
    const char *flaw;

    (void)state;
    arena_init(&arena, 64 * 1024);
    memset(url + strlen(url), 'x', sizeof url - 1 - strlen(url));
    assert_false(https_url_read(url, &arena, &read, &flaw));
    url[HTTPS_URL_MOST] = '\0';
    assert_true(https_url_read(url, &arena, &read, &flaw));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_domain_names_by_https_and_nothing_else),
        cmocka_unit_test(takes_no_url_beyond_the_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
