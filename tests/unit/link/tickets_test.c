/* tests/unit/link/tickets_test.c - promises of link/tickets.h */
#include "../test.h"

#include "../net/peers.h"

#include <openssl/ssl.h>
#include <stdio.h>

#include "link/tickets.h"
#include "net/tls_server_internal.h"
#include "net/tls_session_internal.h"

enum { PROVED_MS = 1000 };

static struct tls_session *tls13, *tls12; /* both proved at PROVED_MS */
static const struct link_ticket_mark trusted = { .is_trusted = true, .flaws = 5 };
static struct link_tickets *tickets;

static void shake_hands(SSL *client, SSL *server)
{
    BIO *one, *two;
    char byte;

    assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
    SSL_set_bio(client, one, one);
    SSL_set_bio(server, two, two);
    for (int i = 0; i < 8 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    assert_true(SSL_is_init_finished(client) && SSL_is_init_finished(server));
    assert_int_equal(SSL_read(client, &byte, 1), -1); /* takes the ticket */
}

/* A session as a stream makes it, of one handshake in memory. */
static struct tls_session *make_session(struct tls_credentials *credentials, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct tls_server_context *theirs = NULL;
    struct tls_session_box box;
    struct tls_facts facts = { .ended_ms = PROVED_MS, .chain_count = 1 };
    struct tls_session *made;
    struct error err;
    SSL *client, *server = NULL;

    tls_session_prepare(context);
    SSL_CTX_set_max_proto_version(context, version);
    assert_true(tls_server_context_new(
        &(struct tls_server_settings){ .credentials = credentials, .security_level = 1 }, &theirs,
        &err));
    assert_true(tls_server_ssl_new(theirs, &server, &err));
    client = SSL_new(context);
    SSL_set_connect_state(client);
    facts.chain[0] = tls_credentials_leaf(credentials);
    assert_true(tls_session_box_join(&box, client, NULL, &facts));
    shake_hands(client, server);
    tls_session_box_completed(&box, client, &facts, NULL);
    made = tls_session_box_next(&box);
    assert_non_null(made);
    tls_session_box_clear(&box);
    SSL_shutdown(client);
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(context);
    tls_server_context_free(&theirs);
    return made;
}

static int make_sessions(void **state)
{
    struct tls_credentials *credentials = made_credentials(MADE_EC);

    (void)state;
    tls13 = make_session(credentials, TLS1_3_VERSION);
    tls12 = make_session(credentials, TLS1_2_VERSION);
    tls_credentials_free(&credentials);
    return 0;
}

static int free_sessions(void **state)
{
    (void)state;
    tls_session_free(&tls13);
    tls_session_free(&tls12);
    return 0;
}

static int set_up(void **state)
{
    struct error err;

    (void)state;
    assert_true(link_tickets_new(&tickets, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    link_tickets_free(&tickets);
    return 0;
}

static void put(const char *name, struct tls_session *session, int64_t now_ms)
{
    struct tls_session *held = tls_session_hold(session);

    link_tickets_put(tickets, name, &held, &trusted, now_ms);
    assert_null(held);
}

static bool has(const char *name, int64_t now_ms)
{
    struct link_ticket_mark mark;

    return link_tickets_find(tickets, name, now_ms, &mark) != NULL;
}

static void take(const char *name, const struct tls_session *wanted)
{
    struct tls_session *taken = link_tickets_take(tickets, name);

    assert_ptr_equal(taken, wanted);
    tls_session_free(&taken);
}

static void finds_what_was_put_with_its_mark(void **state)
{
    struct link_ticket_mark mark = { .flaws = 0 };

    (void)state;
    put("a", tls13, PROVED_MS);
    assert_ptr_equal(link_tickets_find(tickets, "a", PROVED_MS, &mark), tls13);
    assert_true(mark.is_trusted && mark.flaws == trusted.flaws);
    assert_false(has("b", PROVED_MS));
    assert_int_equal(link_tickets_count(tickets), 1);
}

static void gives_a_session_of_tls13_but_once(void **state)
{
    (void)state;
    put("a", tls13, PROVED_MS);
    put("a", tls13, PROVED_MS);
    assert_true(has("a", PROVED_MS));
    take("a", tls13);
    assert_true(has("a", PROVED_MS));
    take("a", tls13);
    assert_false(has("a", PROVED_MS));
    assert_int_equal(link_tickets_count(tickets), 0);
}

static void gives_an_older_session_again_and_keeps_one(void **state)
{
    (void)state;
    put("a", tls12, PROVED_MS);
    put("a", tls12, PROVED_MS);
    assert_int_equal(link_tickets_count(tickets), 1);
    for (int i = 0; i < 3; i++) {
        assert_true(has("a", PROVED_MS));
        take("a", tls12);
    }
    assert_int_equal(link_tickets_count(tickets), 1);
}

static void gives_the_newest_first(void **state)
{
    (void)state;
    put("a", tls12, PROVED_MS);
    put("a", tls13, PROVED_MS);
    assert_true(has("a", PROVED_MS));
    take("a", tls13);
    assert_true(has("a", PROVED_MS));
    take("a", tls12);
}

static void keeps_a_session_for_no_longer_than_the_server(void **state)
{
    int64_t life_ms = tls_session_life_s(tls12) * 1000;

    (void)state;
    assert_true(life_ms > 0 && life_ms <= LINK_TICKETS_LIFE_MS);
    put("a", tls12, PROVED_MS - 100);
    assert_true(has("a", PROVED_MS - 101 + life_ms));
    assert_false(has("a", PROVED_MS - 100 + life_ms));
    assert_int_equal(link_tickets_count(tickets), 0);
}

/* A session that is new, but goes back to an old proof of the server's key. */
static void counts_from_the_full_handshake(void **state)
{
    int64_t end_ms = PROVED_MS + LINK_TICKETS_LIFE_MS;

    (void)state;
    put("a", tls13, end_ms - 2);
    assert_true(has("a", end_ms - 1));
    assert_false(has("a", end_ms));
}

static void keeps_so_many_for_one_name(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * LINK_TICKETS_EACH; i++)
        put("a", tls13, PROVED_MS);
    assert_int_equal(link_tickets_count(tickets), LINK_TICKETS_EACH);
}

static void is_bounded_and_forgets_those_least_in_use(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < LINK_TICKETS_MOST; i++) {
        snprintf(name, sizeof name, "host %d", i);
        put(name, i % 2 == 0 ? tls13 : tls12, PROVED_MS);
    }
    assert_int_equal(link_tickets_count(tickets), LINK_TICKETS_MOST);
    assert_true(has("host 0", PROVED_MS)); /* is in use by that */
    put("one more", tls13, PROVED_MS);
    put("and one", tls13, PROVED_MS);
    assert_int_equal(link_tickets_count(tickets), LINK_TICKETS_MOST);
    assert_true(has("host 0", PROVED_MS) && has("one more", PROVED_MS));
    assert_false(has("host 1", PROVED_MS) || has("host 2", PROVED_MS));
    assert_true(has("host 3", PROVED_MS));
}

static void is_bounded_where_each_name_has_many(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < LINK_TICKETS_MOST / LINK_TICKETS_EACH + 3; i++) {
        snprintf(name, sizeof name, "host %d", i);
        for (int k = 0; k < LINK_TICKETS_EACH; k++)
            put(name, tls13, PROVED_MS);
    }
    assert_true(link_tickets_count(tickets) <= LINK_TICKETS_MOST);
    assert_true(link_tickets_count(tickets) > LINK_TICKETS_MOST - LINK_TICKETS_EACH);
    assert_false(has("host 0", PROVED_MS));
    assert_true(has(name, PROVED_MS));
}

static void drops_all_of_a_name_and_starts_anew(void **state)
{
    (void)state;
    put("a", tls13, PROVED_MS);
    put("a", tls13, PROVED_MS);
    put("b", tls13, PROVED_MS);
    link_tickets_drop(tickets, "a");
    link_tickets_drop(tickets, "nobody");
    assert_false(has("a", PROVED_MS));
    assert_true(has("b", PROVED_MS));
    put("a", tls13, PROVED_MS);
    assert_true(has("a", PROVED_MS));
}

static void keeps_none_of_what_is_shunned_for_a_while(void **state)
{
    int64_t end_ms = PROVED_MS + LINK_TICKETS_SHUN_MS;

    (void)state;
    put("a", tls13, PROVED_MS);
    link_tickets_shun(tickets, "a", PROVED_MS);
    assert_false(has("a", PROVED_MS));
    put("a", tls13, end_ms - 1);
    link_tickets_drop(tickets, "a"); /* ends no shunning */
    put("a", tls13, end_ms - 1);
    assert_false(has("a", end_ms - 1));
    put("a", tls13, end_ms);
    assert_true(has("a", end_ms));
}

static void shuns_no_more_than_it_can_hold(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < LINK_TICKETS_MOST + 2; i++) {
        snprintf(name, sizeof name, "host %d", i);
        link_tickets_shun(tickets, name, PROVED_MS);
    }
    put("host 0", tls13, PROVED_MS); /* was forgotten */
    put(name, tls13, PROVED_MS);
    assert_true(has("host 0", PROVED_MS));
    assert_false(has(name, PROVED_MS));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(finds_what_was_put_with_its_mark),
        TEST(gives_a_session_of_tls13_but_once),
        TEST(gives_an_older_session_again_and_keeps_one),
        TEST(gives_the_newest_first),
        TEST(keeps_a_session_for_no_longer_than_the_server),
        TEST(counts_from_the_full_handshake),
        TEST(keeps_so_many_for_one_name),
        TEST(is_bounded_and_forgets_those_least_in_use),
        TEST(is_bounded_where_each_name_has_many),
        TEST(drops_all_of_a_name_and_starts_anew),
        TEST(keeps_none_of_what_is_shunned_for_a_while),
        TEST(shuns_no_more_than_it_can_hold),
    };

    return cmocka_run_group_tests(tests, make_sessions, free_sessions);
}
