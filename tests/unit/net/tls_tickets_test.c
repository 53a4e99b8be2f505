/* tests/unit/net/tls_tickets_test.c - promises of net/tls_tickets.h, between contexts and threads */
#include "../test.h"

#include "peers.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

#include "net/tls_server_internal.h"

static struct tls_credentials *ec, *other;

static struct tls_server_context *make_context(struct tls_tickets *tickets,
                                               struct tls_credentials *credentials)
{
    struct tls_server_context *context = NULL;
    struct error err;

    assert_true(tls_server_context_new(&(struct tls_server_settings){ .credentials = credentials,
                                                                      .tickets = tickets,
                                                                      .security_level = 1 },
                                       &context, &err));
    return context;
}

static SSL *make_client(int version, SSL_SESSION *session)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    SSL_CTX_set_max_proto_version(context, version);
    ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_connect_state(ssl);
    if (session != NULL)
        assert_int_equal(SSL_set_session(ssl, session), 1);
    return ssl;
}

static void join(SSL *client, SSL *server)
{
    BIO *one, *two;

    assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
    SSL_set_bio(client, one, one);
    SSL_set_bio(server, two, two);
}

struct outcome {
    bool was_resumed, has_new_ticket;
};

static bool same_ticket(const SSL_SESSION *one, const SSL_SESSION *another)
{
    const unsigned char *bytes, *others;
    size_t len, others_len;

    SSL_SESSION_get0_ticket(one, &bytes, &len);
    SSL_SESSION_get0_ticket(another, &others, &others_len);
    return len > 0 && len == others_len && memcmp(bytes, others, len) == 0;
}

/* One session in memory; `*session` is brought along, and is the newest afterwards. */
static struct outcome talk(struct tls_server_context *context, int version, SSL_SESSION **session)
{
    SSL *client = make_client(version, *session), *server = NULL;
    SSL_SESSION *after;
    struct outcome outcome;
    char byte;
    struct error err;

    assert_true(tls_server_ssl_new(context, &server, &err));
    join(client, server);
    for (int i = 0; i < 8 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    assert_true(SSL_is_init_finished(client) && SSL_is_init_finished(server));
    assert_int_equal(SSL_read(client, &byte, 1), -1); /* takes the ticket */
    after = SSL_get1_session(client);
    outcome.was_resumed = SSL_session_reused(server) == 1;
    outcome.has_new_ticket = *session == NULL || !same_ticket(*session, after);
    SSL_SESSION_free(*session);
    *session = after;
    assert_int_equal(SSL_session_reused(client), outcome.was_resumed);
    SSL_shutdown(client);
    SSL_free(client);
    SSL_free(server);
    return outcome;
}

static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

static void opens_in_one_context_what_another_sealed(void **state)
{
    struct tls_tickets *tickets = NULL;
    struct tls_server_context *first, *second, *stranger;
    struct error err;

    (void)state;
    assert_true(tls_tickets_new(&tickets, &err));
    first = make_context(tickets, ec);
    second = make_context(tickets, other);
    stranger = make_context(NULL, ec);
    tls_tickets_free(&tickets); /* the contexts hold theirs */
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        SSL_SESSION *session = NULL;

        assert_false(talk(first, versions[i], &session).was_resumed);
        assert_non_null(session);
        assert_true(talk(second, versions[i], &session).was_resumed);
        assert_true(talk(first, versions[i], &session).was_resumed);
        assert_false(talk(stranger, versions[i], &session).was_resumed);
        SSL_SESSION_free(session);
    }
    tls_server_context_free(&first);
    tls_server_context_free(&second);
    tls_server_context_free(&stranger);
}

static void opens_with_the_key_before_and_seals_anew(void **state)
{
    struct tls_tickets *tickets = NULL;
    struct tls_server_context *context;
    struct error err;

    (void)state;
    assert_true(tls_tickets_new(&tickets, &err));
    context = make_context(tickets, ec);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        SSL_SESSION *session = NULL;
        struct outcome outcome;

        talk(context, versions[i], &session);
        assert_true(tls_tickets_rotate(tickets, &err));
        outcome = talk(context, versions[i], &session);
        assert_true(outcome.was_resumed && outcome.has_new_ticket);
        assert_true(tls_tickets_rotate(tickets, &err)); /* the first key is gone, the second not */
        outcome = talk(context, versions[i], &session);
        assert_true(outcome.was_resumed && outcome.has_new_ticket);
        assert_true(tls_tickets_rotate(tickets, &err));
        assert_true(tls_tickets_rotate(tickets, &err));
        outcome = talk(context, versions[i], &session);
        assert_true(!outcome.was_resumed && outcome.has_new_ticket);
        SSL_SESSION_free(session);
    }
    tls_server_context_free(&context);
    tls_tickets_free(&tickets);
}

/* In TLS 1.3 a client uses each ticket once; in TLS 1.2 as long as it is good. */
static void gives_a_new_ticket_where_each_is_used_once(void **state)
{
    struct tls_tickets *tickets = NULL;
    struct tls_server_context *context;
    struct error err;

    (void)state;
    assert_true(tls_tickets_new(&tickets, &err));
    context = make_context(tickets, ec);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        SSL_SESSION *session = NULL;
        struct outcome outcome;

        talk(context, versions[i], &session);
        outcome = talk(context, versions[i], &session);
        assert_true(outcome.was_resumed);
        assert_int_equal(outcome.has_new_ticket, versions[i] == TLS1_3_VERSION);
        SSL_SESSION_free(session);
    }
    tls_server_context_free(&context);
    tls_tickets_free(&tickets);
}

enum { ROUNDS = 40 };

static void *come_back_again_and_again(void *owner)
{
    struct tls_server_context *context = tls_server_context_hold(owner);
    SSL_SESSION *session = NULL;
    uintptr_t resumed = 0;

    for (int i = 0; i < ROUNDS; i++)
        resumed += talk(context, versions[i % 2 == 0 ? 0 : 1], &session).was_resumed;
    SSL_SESSION_free(session);
    tls_server_context_free(&context);
    return (void *)resumed;
}

static void serves_threads_while_its_keys_change(void **state)
{
    struct tls_tickets *tickets = NULL;
    struct tls_server_context *context;
    pthread_t threads[2];
    struct error err;

    (void)state;
    assert_true(tls_tickets_new(&tickets, &err));
    context = make_context(tickets, ec);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_back_again_and_again, context), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_true(tls_tickets_rotate(tickets, &err));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tls_server_context_free(&context);
    tls_tickets_free(&tickets);
}

static int make_credentials(void **state)
{
    (void)state;
    ec = made_credentials(MADE_EC);
    other = made_credentials(MADE_EC);
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    tls_credentials_free(&ec);
    tls_credentials_free(&other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_in_one_context_what_another_sealed),
        cmocka_unit_test(opens_with_the_key_before_and_seals_anew),
        cmocka_unit_test(gives_a_new_ticket_where_each_is_used_once),
        cmocka_unit_test(serves_threads_while_its_keys_change),
    };

    return cmocka_run_group_tests(tests, make_credentials, free_credentials);
}
