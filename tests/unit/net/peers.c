/* tests/unit/net/peers.c - both ends of one connection on one loop, and certificates made fresh. */
#include "../test.h"

#include "peers.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT_MS = 60000, RECEIVED_MOST = 8 * 1024 * 1024 };

static void stop_when_done(struct peers *peers)
{
    bool client_is_done = peers->client.has_ended || peers->client.stream == NULL;
    bool server_is_done = peers->server.has_ended || peers->server.stream == NULL;

    if (client_is_done && server_is_done)
        loop_stop(peers->loop);
}

static void run_out(void *owner)
{
    struct peers *peers = owner;

    peers->ran_out = true;
    loop_stop(peers->loop);
}

static void note_connected(void *owner)
{
    struct end *end = owner;

    end->is_connected = true;
    if (end->on_connected != NULL)
        end->on_connected(end);
}

static void note_received(void *owner, struct span *bytes)
{
    struct end *end = owner;

    assert_true(buffer_append(&end->received, *bytes));
    if (end->on_received != NULL)
        end->on_received(end, bytes);
}

static void note_secured(void *owner)
{
    struct end *end = owner;

    end->is_secured = true;
    if (end->on_secured != NULL)
        end->on_secured(end);
}

static void note_resumable(void *owner, struct tls_session **session)
{
    struct end *end = owner;

    if (end->on_resumable != NULL)
        end->on_resumable(end, session);
}

static void note_drained(void *owner)
{
    struct end *end = owner;

    end->drained++;
    if (end->on_drained != NULL)
        end->on_drained(end);
}

static void note_ended(void *owner, enum stream_end how)
{
    struct end *end = owner;

    assert_false(end->has_ended);
    end->has_ended = true;
    end->end = how;
    if (end->on_ended != NULL)
        end->on_ended(end);
    stop_when_done(end->peers);
}

static const struct stream_handlers handlers = { .connected = note_connected,
                                                 .received = note_received,
                                                 .secured = note_secured,
                                                 .resumable = note_resumable,
                                                 .drained = note_drained,
                                                 .ended = note_ended };

static void accept_one(void *owner, int socket, const struct net_address *peer)
{
    struct peers *peers = owner;
    struct stream_handlers chosen = handlers;

    (void)peer;
    chosen.skips_prompt_drains = peers->server.skips_prompt_drains;
    assert_true(
        stream_adopt(peers->loop, socket, &chosen, &peers->server, &peers->server.stream, NULL));
    listener_close(&peers->listener);
    if (peers->server.on_connected != NULL)
        peers->server.on_connected(&peers->server);
}

void peers_start(struct peers *peers)
{
    struct error err;

    memset(peers, 0, sizeof *peers);
    arena_init(&peers->arena, 4 * 1024 * 1024);
    buffer_init(&peers->client.received, RECEIVED_MOST);
    buffer_init(&peers->server.received, RECEIVED_MOST);
    peers->client.peers = peers->server.peers = peers;
    tls_client_defaults(&peers->settings);
    peers->settings.sni = "mx.test";
    assert_true(loop_open(&peers->loop, &err));
    assert_true(net_address_parse(span_of("127.0.0.1"), &peers->address));
    assert_true(
        listener_open(peers->loop, &peers->address, accept_one, peers, &peers->listener, &err));
    assert_true(loop_timer_open(peers->loop, run_out, peers, &peers->limit, &err));
}

void peers_run(struct peers *peers)
{
    struct error err;

    assert_true(stream_connect(peers->loop, &peers->address, &handlers, &peers->client,
                               &peers->client.stream, &err));
    loop_timer_start(peers->limit, LIMIT_MS);
    loop_run(peers->loop);
    assert_false(peers->ran_out);
}

void peers_dial_local(struct peers *peers, const char *path)
{
    struct error err;

    assert_true(stream_connect_local(peers->loop, path, &handlers, &peers->client,
                                     &peers->client.stream, &err));
    loop_timer_start(peers->limit, LIMIT_MS);
    loop_run(peers->loop);
    assert_false(peers->ran_out);
}

void peers_run_local(struct peers *peers, const char *path)
{
    struct error err = { .text = "" };

    listener_close(&peers->listener);
    if (!listener_open_local(peers->loop, path, 0600, accept_one, peers, &peers->listener, &err))
        fail_msg("%s", err.text);
    peers_dial_local(peers, path);
}

struct relay {
    int sides[2];
    pthread_t thread;
};

/* False: this direction is over. */
static bool hand_on_one(int from, int to)
{
    char byte;

    if (read(from, &byte, 1) == 1)
        return send(to, &byte, 1, MSG_NOSIGNAL) == 1;
    shutdown(to, SHUT_WR);
    return false;
}

static void *hand_on(void *owner)
{
    struct relay *relay = owner;
    struct pollfd polled[2] = { { relay->sides[0], POLLIN, 0 }, { relay->sides[1], POLLIN, 0 } };

    while ((polled[0].fd >= 0 || polled[1].fd >= 0) && poll(polled, 2, LIMIT_MS) > 0)
        for (int i = 0; i < 2; i++)
            if (polled[i].fd >= 0 && polled[i].revents != 0 &&
                !hand_on_one(relay->sides[i], relay->sides[1 - i]))
                polled[i].fd = -1;
    close(relay->sides[0]);
    close(relay->sides[1]);
    return NULL;
}

static void adopt(struct end *end, int socket)
{
    assert_true(stream_adopt(end->peers->loop, socket, &handlers, end, &end->stream, NULL));
    if (end->on_connected != NULL)
        end->on_connected(end);
}

void peers_run_dribbling(struct peers *peers)
{
    int client[2], server[2];
    struct relay relay;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server), 0);
    assert_int_equal(fcntl(client[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(server[0], F_SETFL, O_NONBLOCK), 0);
    relay.sides[0] = client[1];
    relay.sides[1] = server[1];
    assert_int_equal(pthread_create(&relay.thread, NULL, hand_on, &relay), 0);
    listener_close(&peers->listener);
    adopt(&peers->server, server[0]);
    adopt(&peers->client, client[0]);
    loop_timer_start(peers->limit, LIMIT_MS);
    loop_run(peers->loop);
    stream_close(&peers->client.stream);
    stream_close(&peers->server.stream);
    pthread_join(relay.thread, NULL);
    assert_false(peers->ran_out);
}

void peers_stop(struct peers *peers)
{
    stream_close(&peers->client.stream);
    stream_close(&peers->server.stream);
    listener_close(&peers->listener);
    loop_close(&peers->loop);
    buffer_clear(&peers->client.received);
    buffer_clear(&peers->server.received);
    tls_server_context_free(&peers->context);
    arena_clear(&peers->arena);
}

void end_close(struct end *end)
{
    stream_close(&end->stream);
    stop_when_done(end->peers);
}

void end_reset(struct end *end)
{
    stream_reset(&end->stream);
    stop_when_done(end->peers);
}

void end_say(struct end *end, const char *text)
{
    assert_true(stream_send(end->stream, span_of(text)));
}

bool end_heard(const struct end *end, const char *text)
{
    return span_equal(buffer_span(&end->received), span_of(text));
}

void end_secure_client(struct end *end)
{
    struct peers *peers = end->peers;
    struct error err = { .text = "" };

    if (!stream_secure_client(end->stream, &peers->settings, &end->facts, &peers->arena, &err))
        fail_msg("%s", err.text);
}

void end_secure_server(struct end *end)
{
    struct peers *peers = end->peers;
    struct error err = { .text = "" };

    if (!stream_secure_server(end->stream, peers->context, &end->facts, &peers->arena, &err))
        fail_msg("%s", err.text);
}

static EVP_PKEY *make_key(enum made_key kind)
{
    EVP_PKEY *key =
        kind == MADE_EC ? EVP_EC_gen("P-256") : EVP_RSA_gen(kind == MADE_RSA_1024 ? 1024U : 2048U);

    assert_non_null(key);
    return key;
}

static void add_names(X509 *leaf, const char *names)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(leaf, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static struct span make_certificate(struct arena *arena, enum made_key kind, int from_days,
                                    int to_days, const char *names)
{
    EVP_PKEY *key = make_key(kind);
    X509 *leaf = X509_new();
    BIO *pem = BIO_new(BIO_s_mem());
    struct span result;
    char *bytes;
    X509_NAME *name = X509_get_subject_name(leaf);

    X509_set_version(leaf, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(leaf), 7);
    X509_time_adj_ex(X509_getm_notBefore(leaf), from_days, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(leaf), to_days, 0, NULL);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mx.test", -1, -1,
                               0);
    X509_set_issuer_name(leaf, name);
    X509_set_pubkey(leaf, key);
    if (names != NULL)
        add_names(leaf, names);
    assert_true(X509_sign(leaf, key, EVP_sha256()) > 0);
    PEM_write_bio_X509(pem, leaf);
    PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
    result.len = (size_t)BIO_get_mem_data(pem, &bytes);
    result = arena_copy_bytes(arena, (struct span){ bytes, result.len });
    BIO_free(pem);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return result;
}

struct span made_certificate(struct arena *arena, enum made_key kind, int from_days, int to_days)
{
    return make_certificate(arena, kind, from_days, to_days, NULL);
}

struct tls_credentials *made_credentials_for(enum made_key kind, const char *names)
{
    struct arena arena;
    struct tls_credentials *credentials = NULL;
    struct error err;
    struct span pem;

    arena_init(&arena, 64 * 1024);
    pem = make_certificate(&arena, kind, -1, 30, names);
    assert_true(tls_credentials_load(pem, pem, &credentials, &err));
    arena_clear(&arena);
    return credentials;
}

struct tls_credentials *made_credentials(enum made_key kind)
{
    return made_credentials_for(kind, NULL);
}
