/* tests/unit/net/idle_memory_test.c - what an idle TLS connection costs a server, whose clients are
 * another process */
#include "../test.h"

#include "peers.h"

#include <fcntl.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STREAMS = 200,
    LIMIT_MS = 60000,
    HEAP_MOST = 18 * 1024, /* of each; OpenSSL 3.0 takes 13.7 KB of it */
};

struct server;

struct connection {
    struct server *server;
    struct stream *stream;
    struct tls_facts facts;
    struct arena arena;
};

struct server {
    struct loop *loop;
    struct tls_server_context *context;
    struct connection connections[STREAMS];
    int heard;
    bool ran_out;
};

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void answer(void *owner, struct span *bytes)
{
    struct connection *connection = owner;

    (void)bytes;
    assert_true(stream_send(connection->stream, span_of("250 mx.test\r\n")));
    stream_forget_facts(connection->stream);
    arena_clear(&connection->arena);
    if (++connection->server->heard == STREAMS)
        loop_stop(connection->server->loop);
}

static const struct stream_handlers handlers = { .received = answer };

static void open_connection(struct server *server, int socket, struct connection *connection)
{
    struct error err;

    connection->server = server;
    arena_init(&connection->arena, 64 * 1024);
    assert_true(
        stream_adopt(server->loop, socket, &handlers, connection, &connection->stream, &err));
    assert_true(stream_secure_server(connection->stream, server->context, &connection->facts,
                                     &connection->arena, &err));
}

static void run_out(void *owner)
{
    struct server *server = owner;

    server->ran_out = true;
    loop_stop(server->loop);
}

/* One after the other: TLS, a word, its answer; then idle until the server hangs up. */
static int be_clients(int sockets[STREAMS][2])
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl[STREAMS];
    char reply[64];

    for (int i = 0; i < STREAMS; i++) {
        ssl[i] = SSL_new(context);
        SSL_set_fd(ssl[i], sockets[i][1]);
        if (SSL_connect(ssl[i]) != 1 || SSL_write(ssl[i], "NOOP\r\n", 6) != 6 ||
            SSL_read(ssl[i], reply, sizeof reply) <= 0)
            return 1;
    }
    for (int i = 0; i < STREAMS; i++)
        if (SSL_read(ssl[i], reply, sizeof reply) > 0)
            return 1;
    return 0;
}

static pid_t start_clients(int sockets[STREAMS][2])
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        for (int i = 0; i < STREAMS; i++)
            close(sockets[i][0]);
        _exit(be_clients(sockets));
    }
    for (int i = 0; i < STREAMS; i++)
        close(sockets[i][1]);
    return child;
}

static void make_sockets(int sockets[STREAMS][2])
{
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets[i]), 0);
        assert_int_equal(fcntl(sockets[i][0], F_SETFL, O_NONBLOCK), 0);
    }
}

static void costs_little_once_its_facts_are_forgotten(void **state)
{
    static struct server server;
    struct tls_credentials *credentials = made_credentials(MADE_EC);
    struct loop_timer *limit = NULL;
    int sockets[STREAMS][2], status;
    size_t before, each;
    pid_t clients;
    struct error err;

    (void)state;
    make_sockets(sockets);
    clients = start_clients(sockets);
    assert_true(loop_open(&server.loop, &err));
    assert_true(loop_timer_open(server.loop, run_out, &server, &limit, &err));
    loop_timer_start(limit, LIMIT_MS);
    assert_true(tls_server_context_new(
        &(struct tls_server_settings){ .credentials = credentials, .security_level = 1 },
        &server.context, &err));
    before = heap_bytes();
    for (int i = 0; i < STREAMS; i++)
        open_connection(&server, sockets[i][0], &server.connections[i]);
    loop_run(server.loop);
    assert_false(server.ran_out);
    each = (heap_bytes() - before) / STREAMS;
    for (int i = 0; i < STREAMS; i++)
        stream_close(&server.connections[i].stream);
    loop_close(&server.loop);
    tls_server_context_free(&server.context);
    tls_credentials_free(&credentials);
    assert_int_equal(waitpid(clients, &status, 0), clients);
    assert_int_equal(status, 0);
    print_message("an idle TLS connection: %zu octets of heap\n", each);
    if (each > 0) /* a sanitizer's heap does not tell */
        assert_in_range(each, 1, HEAP_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_little_once_its_facts_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
