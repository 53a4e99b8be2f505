/* tests/unit/link/https_judge_test.c - tests that HTTPS servers are judged as mail servers are. */
#include "../test.h"
#include "link/https_judge.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../net/https_server.h"
#include "../trust/make_chain.h"

#define HOST  "mta-sts.example.test"
#define REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct room {
    struct made root, stranger, inter, leaf;
    struct anchors *anchors, *intermediates;
    struct arena arena;
    struct loop *loop;
    struct https *https;
    struct https_server server;
    struct clock clock;
    struct https_judge judge;
    enum https_outcome outcome;
};

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);
    struct error err = { .text = "" };

    room->root = make_root("Example Root CA");
    room->stranger = make_root("Strange Root CA");
    room->inter = make_intermediate("Example CA 1", &room->root);
    room->anchors = make_anchors(&room->root);
    room->intermediates = make_anchors(NULL);
    room->clock = clock_fixed(MAKE_NOW_S, 0);
    arena_init(&room->arena, 8 << 20);
    assert_true(loop_open(&room->loop, &err));
    if (!https_open(room->loop, &room->https, &err))
        fail_msg("%s", err.text);
    *state = room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    https_close(&room->https);
    loop_close(&room->loop);
    make_free(&room->root);
    make_free(&room->stranger);
    make_free(&room->inter);
    anchors_free(&room->anchors);
    anchors_free(&room->intermediates);
    arena_clear(&room->arena);
    free(room);
    return 0;
}

static void note(void *owner, const struct https_answer *answer)
{
    struct room *room = owner;

    room->outcome = answer->outcome;
    loop_stop(room->loop);
}

static struct span pem_of(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);

    return (struct span){ bytes, (size_t)len };
}

static struct tls_credentials *load(const struct made *leaf, const struct made *second)
{
    BIO *chain = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
    struct tls_credentials *loaded = NULL;
    struct error err = { .text = "" };

    PEM_write_bio_X509(chain, leaf->x509);
    if (second != NULL)
        PEM_write_bio_X509(chain, second->x509);
    PEM_write_bio_PrivateKey(key, leaf->key, NULL, NULL, 0, NULL, NULL);
    if (!tls_credentials_load(pem_of(chain), pem_of(key), &loaded, &err))
        fail_msg("%s", err.text);
    BIO_free(chain);
    BIO_free(key);
    return loaded;
}

/* Asks a server that shows `leaf`, and `second` behind it. */
static void ask(struct room *room, const struct made *leaf, const struct made *second,
                struct span staple)
{
    struct tls_credentials *credentials = load(leaf, second);
    struct https_request request = { .body_most = 100, .timeout_ms = 20000 };
    struct https_query *query;
    struct error err = { .text = "" };
    char url[128];

    assert_true(https_server_open(
        &room->server, room->loop, "127.0.0.1",
        &(struct tls_server_settings){ .credentials = credentials, .staple = staple }));
    room->server.reply = span_of(REPLY);
    room->server.then = SERVER_STALLS;
    room->judge = (struct https_judge){ .anchors = room->anchors,
                                        .intermediates = room->intermediates,
                                        .clock = &room->clock,
                                        .arena = &room->arena };
    snprintf(url, sizeof url, "https://" HOST ":%u/", room->server.address.port);
    request.url = url;
    request.addresses = &room->server.address;
    request.address_count = 1;
    https_judge_use(&room->judge, &request);
    if (!https_send(room->https, &request, note, room, &query, &err))
        fail_msg("%s", err.text);
    loop_run(room->loop);
    assert_int_equal(room->server.requests, room->outcome == HTTPS_ANSWERED);
    https_server_close(&room->server);
    tls_credentials_free(&credentials);
}

static struct made make(struct room *room, struct make_recipe recipe)
{
    recipe.issuer = recipe.issuer == NULL ? &room->inter : recipe.issuer;
    recipe.extensions[0] = "extendedKeyUsage=serverAuth";
    recipe.extensions[1] = "keyUsage=critical,digitalSignature";
    if (recipe.extensions[2] == NULL)
        recipe.extensions[2] = "subjectAltName=DNS:" HOST;
    return make_certificate(&recipe);
}

static void a_server_that_can_be_believed_is_asked(void **state)
{
    struct room *room = *state;
    struct made leaf = make_leaf(HOST, &room->inter);

    ask(room, &leaf, &room->inter, span_of(NULL));
    assert_int_equal(room->outcome, HTTPS_ANSWERED);
    assert_true(room->judge.has_verdict && room->judge.verdict.is_trusted &&
                room->judge.verdict.name_matched);
    assert_int_equal(room->judge.verdict.certificate_count, 2);
    /* which stay when the answer is gone */
    assert_true(span_equal(room->judge.verdict.certificates[0].der, leaf.der));
    assert_true(span_equal(room->judge.verdict.certificates[1].der, room->inter.der));
    make_free(&leaf);
}

static void a_server_with_a_flaw_is_not_asked_and_the_flaw_is_told(void **state)
{
    struct room *room = *state;
    const struct {
        struct make_recipe recipe;
        bool shows_no_issuer;
        enum chain_flaw_kind flaw;
    } cases[] = {
        { { .extensions = { [2] = "subjectAltName=DNS:example.test" } },
          false,
          CHAIN_NAME_MISMATCH },
        { { .name = HOST, .extensions = { [2] = "subjectAltName=DNS:other.test" } },
          false,
          CHAIN_NAME_ONLY_IN_CN },
        { { .ends_s = MAKE_NOW_S - 1 }, false, CHAIN_EXPIRED },
        { { .begins_s = MAKE_NOW_S + MAKE_DAY_S }, false, CHAIN_NOT_YET_VALID },
        { { .issuer = &room->stranger }, true, CHAIN_ISSUER_UNTRUSTED },
        { { .digest = "SHA1" }, false, CHAIN_WEAK_SIGNATURE },
        { { .name = NULL }, true, CHAIN_INCOMPLETE },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct made leaf = make(room, cases[i].recipe);

        ask(room, &leaf, cases[i].shows_no_issuer ? NULL : &room->inter, span_of(NULL));
        assert_int_equal(room->outcome, HTTPS_UNTRUSTED);
        assert_true(room->judge.has_verdict);
        if (!chain_has(&room->judge.verdict, cases[i].flaw))
            fail_msg("case %zu: no %s", i, chain_flaw_name(cases[i].flaw));
        make_free(&leaf);
    }
}

/* That is our own failure, and says nothing of what is published there. */
static void without_roots_nobody_is_judged(void **state)
{
    struct room *room = *state;
    struct made leaf = make_leaf(HOST, &room->inter);

    anchors_free(&room->anchors);
    room->anchors = make_anchors(NULL);
    ask(room, &leaf, &room->inter, span_of(NULL));
    assert_int_not_equal(room->outcome, HTTPS_ANSWERED);
    assert_true(room->judge.failed);
    assert_string_equal(room->judge.err.text, "there are no trusted roots to judge " HOST " by");
    make_free(&leaf);
}

static void one_that_signs_itself_is_not_asked(void **state)
{
    struct room *room = *state;
    struct made leaf = make_certificate(
        &(struct make_recipe){ .name = HOST, .extensions = { "subjectAltName=DNS:" HOST } });

    ask(room, &leaf, NULL, span_of(NULL));
    assert_int_equal(room->outcome, HTTPS_UNTRUSTED);
    assert_true(chain_has(&room->judge.verdict, CHAIN_SELF_SIGNED));
    make_free(&leaf);
}

static void one_whose_issuer_says_that_it_is_revoked_is_not_asked(void **state)
{
    struct room *room = *state;
    struct made leaf = make_leaf(HOST, &room->inter);
    struct span staple = make_staple(&room->inter, &room->inter, &leaf, true,
                                     MAKE_NOW_S - MAKE_DAY_S, MAKE_NOW_S + MAKE_DAY_S);

    ask(room, &leaf, &room->inter, staple);
    assert_int_equal(room->outcome, HTTPS_UNTRUSTED);
    assert_true(chain_has(&room->judge.verdict, CHAIN_REVOKED));
    OPENSSL_free((void *)(uintptr_t)staple.data);
    make_free(&leaf);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(a_server_that_can_be_believed_is_asked),
        PROMISE(a_server_with_a_flaw_is_not_asked_and_the_flaw_is_told),
        PROMISE(without_roots_nobody_is_judged),
        PROMISE(one_that_signs_itself_is_not_asked),
        PROMISE(one_whose_issuer_says_that_it_is_revoked_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
