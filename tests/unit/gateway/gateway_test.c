/* tests/unit/gateway/gateway_test.c - promises of gateway/gateway.h and gateway/worker.h */
#include "../test.h"
#include "gateway/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/certificates.h"
#include "leaf_files.h"
#include "net/tls_tickets.h"

enum { WORKERS = 3, CLIENTS = 24, LIMIT_MS = 60000, LOG_BYTES = 65536, LINE_BYTES = 1024 };

/* A profile as a load of the settings would make it, with one listener or two. */
struct made_profile {
    struct gateway_profile profile;
    struct gateway_profile_listener listeners[2];
    struct gateway_certificates_settings certificates;
};

struct room {
    char folder[64], queue[96];
    struct loop *loop;
    struct loop_timer *limit;
    struct clock clock;
    struct log log;
    int log_ends[2];
    char said[LOG_BYTES];
    size_t said_len;
    const char *awaited;
    struct loop_timer *poll;
    struct gateway_settings settings;
    struct gateway *gateway;
    uint16_t port;
    bool ran_out, has_drained;
    struct error err;
};

/* ---- threads ------------------------------------------------------------------------------ */

static int threads_left = INT_MAX; /* that may be started */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    if (threads_left-- > 0)
        return __real_pthread_create(thread, attributes, run, argument);
    return EAGAIN;
}

/* ---- profiles ----------------------------------------------------------------------------- */

static void release_profile(void *owner)
{
    struct made_profile *made = owner;

    gateway_certificates_release(&made->listeners[0].certificates);
    free(made);
}

static void fill_listener(struct gateway_profile_listener *listener, const char *hostname,
                          uint16_t port)
{
    listener->address = (struct net_address){ .bytes = { 127, 0, 0, 1 }, .port = port };
    listener->smtp = (struct smtp_server_settings){ .hostname = hostname,
                                                    .extensions = SMTP_SERVER_EXTENSIONS,
                                                    .size_most = 1 << 20,
                                                    .recipients_most = 100 };
    listener->smtp_mending = listener->smtp;
    listener->smtp_mending.mends_bare_lf = true;
}

static struct made_profile *make_profile(const char *hostname, uint16_t port)
{
    static const struct gateway_relay_domain domains[] = { { "example.org", false } };
    struct made_profile *made = calloc(1, sizeof *made);

    made->profile.references = 1;
    made->profile.hostname = hostname;
    made->profile.relay = (struct gateway_relay_rules){ .domains = domains, .domain_count = 1 };
    made->profile.limits = gateway_limits_defaults();
    made->profile.schedule = queue_schedule_defaults();
    made->profile.listeners = made->listeners;
    made->profile.listener_count = 1;
    made->profile.release = release_profile;
    made->profile.owner = made;
    fill_listener(&made->listeners[0], hostname, port);
    return made;
}

/* ---- the log ------------------------------------------------------------------------------ */

static bool read_log(struct room *room)
{
    ssize_t len = read(room->log_ends[0], room->said + room->said_len,
                       sizeof room->said - 1 - room->said_len);

    room->said_len += len > 0 ? (size_t)len : 0;
    room->said[room->said_len] = '\0';
    return len > 0;
}

static void poll_log(void *owner)
{
    struct room *room = owner;

    read_log(room);
    if (strstr(room->said, room->awaited) != NULL)
        loop_stop(room->loop);
    else
        loop_timer_start(room->poll, 10);
}

static void run_out(void *owner)
{
    struct room *room = owner;

    room->ran_out = true;
    loop_stop(room->loop);
}

static void await_log(struct room *room, const char *text)
{
    room->awaited = text;
    loop_timer_start(room->poll, 0);
    loop_timer_start(room->limit, LIMIT_MS);
    loop_run(room->loop);
    loop_timer_stop(room->limit);
    loop_timer_stop(room->poll);
    if (room->ran_out)
        fail_msg("never said: %s; but: %s", text, room->said);
}

/* The port of the last line "listening". */
static uint16_t listening_port(struct room *room)
{
    const char *at = room->said, *last = NULL;

    while ((at = strstr(at, " listening address=127.0.0.1 port=")) != NULL)
        last = at++;
    assert_non_null(last);
    return (uint16_t)strtoul(strstr(last, "port=") + 5, NULL, 10);
}

/* ---- clients ------------------------------------------------------------------------------ */

static int dial(uint16_t port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct timeval limit = { LIMIT_MS / 1000, 0 };
    int made = socket(AF_INET, SOCK_STREAM, 0);

    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(made, (const struct sockaddr *)&where, sizeof where) == 0)
        return made;
    close(made);
    return -1;
}

/* One line of an answer, or "" where the connection ended. */
static const char *hear(int client)
{
    static char line[LINE_BYTES];
    size_t len = 0;

    while (len < sizeof line - 1 && recv(client, &line[len], 1, 0) == 1)
        if (line[len++] == '\n')
            break;
    line[len] = '\0';
    return line;
}

static void expect(int client, const char *begin)
{
    const char *line;

    do /* the last line of an answer counts */
        line = hear(client);
    while (line[0] != '\0' && line[3] == '-');
    if (strncmp(line, begin, strlen(begin)) != 0)
        fail_msg("\"%s\" in place of \"%s\"", line, begin);
}

static void say(int client, const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void ask(int client, const char *command, const char *answer)
{
    say(client, command);
    expect(client, answer);
}

/* Up to the answer to DATA. */
static void begin_message(int client)
{
    expect(client, "220 ");
    ask(client, "EHLO client.example\r\n", "250 ");
    ask(client, "MAIL FROM:<a@client.example>\r\n", "250 ");
    ask(client, "RCPT TO:<b@example.org>\r\n", "250 ");
    ask(client, "DATA\r\n", "354 ");
    say(client, "Subject: x\r\n\r\n");
}

/* ---- time --------------------------------------------------------------------------------- */

/* The system's, but for a leap; for the tests that read `ahead_s`, and any thread of theirs. */
static _Atomic int64_t ahead_s;

static int64_t wall_ahead_s(const struct clock *clock)
{
    struct clock system = clock_system();

    (void)clock;
    return system.wall_s(&system) + ahead_s;
}

static int64_t monotonic_ahead_ms(const struct clock *clock)
{
    struct clock system = clock_system();

    (void)clock;
    return system.monotonic_ms(&system) + ahead_s * 1000;
}

static void turn(void *owner)
{
    loop_stop(((struct room *)owner)->loop);
}

/* Some looks at certificates and keys. */
static void let_it_look(struct room *room)
{
    struct loop_timer *timer;

    assert_true(loop_timer_open(room->loop, turn, room, &timer, &room->err));
    loop_timer_start(timer, 3 * room->settings.look_ms);
    loop_run(room->loop);
    loop_timer_close(&timer);
}

/* ---- the room ----------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct room *room = calloc(1, sizeof *room);

    snprintf(room->folder, sizeof room->folder, "/tmp/postern-gateway-XXXXXX");
    assert_non_null(mkdtemp(room->folder));
    snprintf(room->queue, sizeof room->queue, "%s/state", room->folder);
    assert_true(loop_open(&room->loop, &room->err));
    assert_true(loop_timer_open(room->loop, run_out, room, &room->limit, &room->err));
    assert_true(loop_timer_open(room->loop, poll_log, room, &room->poll, &room->err));
    room->clock = clock_system();
    assert_int_equal(pipe2(room->log_ends, O_NONBLOCK), 0);
    log_init(&room->log, LOG_TEXT, LOG_NOTE, room->log_ends[1], &room->clock);
    room->settings = (struct gateway_settings){ .loop = room->loop,
                                                .state_dir = room->queue,
                                                .workers = WORKERS,
                                                .log = &room->log,
                                                .clock = &room->clock,
                                                .look_ms = 20 };
    *state = room;
    return 0;
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts;
    (void)kind;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    struct room *room = *state;

    loop_close(&room->loop);
    close(room->log_ends[0]);
    close(room->log_ends[1]);
    nftw(room->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(room);
    return 0;
}

static void start(struct room *room, struct made_profile *made)
{
    struct gateway_profile *profile = &made->profile;

    if (!gateway_start(&room->settings, profile, &room->gateway, &room->err))
        fail_msg("%s", room->err.text);
    gateway_profile_release(&profile);
    await_log(room, " started hostname=");
    room->port = listening_port(room);
}

static void note_drained(void *owner)
{
    struct room *room = owner;

    room->has_drained = true;
    gateway_stop(&room->gateway);
    loop_stop(room->loop);
}

/* Runs the loop until the gateway is gone. */
static void await_end(struct room *room)
{
    loop_timer_start(room->limit, LIMIT_MS);
    loop_run(room->loop);
    loop_timer_stop(room->limit);
    assert_true(room->has_drained);
    assert_null(room->gateway);
    read_log(room);
    assert_non_null(strstr(room->said, " stopped pid="));
}

static void drain(struct room *room)
{
    gateway_drain(room->gateway, note_drained, room);
    assert_false(room->has_drained);
}

/* ---- promises ----------------------------------------------------------------------------- */

static void serves_until_it_is_drained(void **state)
{
    struct room *room = *state;
    int clients[CLIENTS], sender;

    start(room, make_profile("mx.example.org", 0));
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = dial(room->port);
    for (int i = 0; i < CLIENTS; i++)
        expect(clients[i], "220 mx.example.org");
    sender = dial(room->port);
    begin_message(sender);
    drain(room);
    for (int i = 0; i < CLIENTS; i++) {
        expect(clients[i], "421 ");
        close(clients[i]);
    }
    gateway_hurry(room->gateway); /* the message never ends */
    await_end(room);
    close(sender);
    assert_int_equal(dial(room->port), -1);
    assert_non_null(strstr(room->said, " draining sessions="));
    assert_non_null(strstr(room->said, " cutting sessions="));
}

static void a_message_that_is_under_way_is_taken_before_the_end(void **state)
{
    struct room *room = *state;
    int client;

    start(room, make_profile("mx.example.org", 0));
    client = dial(room->port);
    begin_message(client);
    drain(room);
    await_log(room, " draining ");
    ask(client, ".\r\n", "250 ");
    expect(client, "421 ");
    close(client);
    await_end(room);
    assert_non_null(strstr(room->said, " accepted id="));
    assert_null(strstr(room->said, " cutting "));
}

static void sessions_go_on_by_what_they_began_with(void **state)
{
    struct room *room = *state;
    struct made_profile *second = make_profile("second.example", 0);
    struct gateway_profile *profile = &second->profile;
    int before, after, elsewhere;

    start(room, make_profile("first.example", 0));
    before = dial(room->port);
    expect(before, "220 first.example");
    second->profile.listener_count = 2; /* one more */
    fill_listener(&second->listeners[1], "second.example", 0);
    assert_true(gateway_reload(room->gateway, profile, &room->err));
    gateway_profile_release(&profile);
    await_log(room, " reloaded listeners=2");
    ask(before, "HELO client.example\r\n", "250 first.example");
    after = dial(room->port);
    expect(after, "220 second.example");
    assert_int_not_equal(listening_port(room), room->port);
    elsewhere = dial(listening_port(room));
    expect(elsewhere, "220 second.example");
    drain(room);
    expect(before, "421 ");
    close(before);
    close(after);
    close(elsewhere);
    await_end(room);
}

static void what_is_no_longer_asked_for_is_closed(void **state)
{
    struct room *room = *state;
    struct made_profile *none = make_profile("mx.example.org", 0);
    struct gateway_profile *profile = &none->profile;

    none->profile.listener_count = 0;
    start(room, make_profile("mx.example.org", 0));
    assert_true(gateway_reload(room->gateway, profile, &room->err));
    gateway_profile_release(&profile);
    await_log(room, " reloaded listeners=0");
    assert_int_equal(dial(room->port), -1);
    drain(room);
    await_end(room);
}

static void a_reload_that_cannot_listen_changes_nothing(void **state)
{
    struct room *room = *state;
    struct sockaddr_in where = { .sin_family = AF_INET };
    socklen_t len = sizeof where;
    int taken = socket(AF_INET, SOCK_STREAM, 0), client;
    struct made_profile *second;
    struct gateway_profile *profile;
    char remedy[64];

    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(taken, (const struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&where, &len), 0);
    start(room, make_profile("first.example", 0));
    second = make_profile("second.example", ntohs(where.sin_port));
    second->listeners[0].said_at = "postern.conf:12";
    profile = &second->profile;
    assert_false(gateway_reload(room->gateway, profile, &room->err));
    gateway_profile_release(&profile);
    assert_int_equal(room->err.kind, ERROR_BUSY);
    assert_non_null(strstr(room->err.text, "listener of postern.conf:12: binding to 127.0.0.1"));
    assert_non_null(strstr(room->err.text, "Address already in use"));
    snprintf(remedy, sizeof remedy, "ss -ltnp sport = :%u", ntohs(where.sin_port));
    assert_non_null(strstr(room->err.text, remedy));
    client = dial(room->port);
    expect(client, "220 first.example");
    close(client);
    close(taken);
    drain(room);
    await_end(room);
}

static void a_second_one_is_refused_and_told_of_the_first(void **state)
{
    struct room *room = *state;
    struct made_profile *made = make_profile("mx.example.org", 0);
    struct gateway_profile *profile = &made->profile;
    struct gateway *second;
    char pid[32];

    start(room, make_profile("mx.example.org", 0));
    assert_false(gateway_start(&room->settings, profile, &second, &room->err));
    assert_null(second);
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_non_null(strstr(room->err.text, pid));
    gateway_profile_release(&profile);
    drain(room);
    await_end(room);
}

static void a_start_that_fails_late_leaves_nothing_behind(void **state)
{
    struct room *room = *state;
    struct made_profile *made = make_profile("mx.example.org", 0);
    struct gateway_profile *profile = &made->profile;
    char queue[300];

    /* The address of a local socket is short; all else is open by then. */
    snprintf(queue, sizeof queue, "%s/%0150d", room->folder, 0);
    room->settings.state_dir = queue;
    assert_false(gateway_start(&room->settings, profile, &room->gateway, &room->err));
    assert_null(room->gateway);
    assert_non_null(strstr(room->err.text, "/control"));
    assert_int_equal(profile->references, 1);
    gateway_profile_release(&profile);
    read_log(room);
    assert_int_equal(dial(listening_port(room)), -1);
    room->settings.state_dir = room->queue;
    start(room, make_profile("mx.example.org", 0));
    drain(room);
    await_end(room);
}

static void a_worker_that_cannot_start_ends_the_others(void **state)
{
    struct room *room = *state;
    struct made_profile *made = make_profile("mx.example.org", 0);
    struct gateway_profile *profile = &made->profile;

    threads_left = 1 + WORKERS - 1; /* the queue's, and all workers but one */
    assert_false(gateway_start(&room->settings, profile, &room->gateway, &room->err));
    threads_left = INT_MAX;
    assert_non_null(strstr(room->err.text, "starting a worker"));
    assert_int_equal(profile->references, 1);
    gateway_profile_release(&profile);
    start(room, make_profile("mx.example.org", 0));
    drain(room);
    await_end(room);
}

static void newer_certificates_are_taken_up(void **state)
{
    struct room *room = *state;
    struct made_profile *made = make_profile("mx.example.org", 0);
    struct gateway_profile_listener *listener = &made->listeners[0];
    struct leaf_files files;
    int before;

    leaf_files_init(&files);
    leaf_files_make(&files, 0, "mx.example.org", &files.root);
    made->certificates = (struct gateway_certificates_settings){ .listener = "here",
                                                                 .certificates = files.certificates,
                                                                 .keys = files.keys,
                                                                 .count = 1,
                                                                 .hostname = "mx.example.org",
                                                                 .anchors = files.anchors };
    assert_true(gateway_certificates_load(&made->certificates, MAKE_NOW_S, &listener->certificates,
                                          &room->err));
    listener->tls = gateway_certificates_tls(listener->certificates);
    listener->smtp.tls = SMTP_SERVER_TLS_MAY;
    start(room, made);
    before = dial(room->port);
    expect(before, "220 mx.example.org");
    assert_null(strstr(room->said, "certificate-name-mismatch"));
    leaf_files_make(&files, 0, "other.example", &files.root);
    await_log(room, " certificates-renewed listeners=1");
    assert_non_null(strstr(room->said, " warn certificate-name-mismatch listener=here"));
    ask(before, "NOOP\r\n", "250 ");
    assert_int_equal(truncate(files.keys[0], 10), 0);
    await_log(room, " certificate-unusable listener=here");
    ask(before, "NOOP\r\n", "250 ");
    close(before);
    drain(room);
    await_end(room);
    leaf_files_clear(&files);
}

/* ---- what time brings --------------------------------------------------------------------- */

enum { HALF_A_DAY_S = 12 * 60 * 60, DAY_S = 24 * 60 * 60 };

/* A gateway whose clock leaps by `ahead_s`, with a certificate; of the files the caller disposes. */
static void start_with_certificate(struct room *room, struct leaf_files *files,
                                   struct tls_tickets *tickets)
{
    struct made_profile *made = make_profile("mx.example.org", 0);
    struct gateway_profile_listener *listener = &made->listeners[0];

    ahead_s = 0;
    room->clock.wall_s = wall_ahead_s;
    room->clock.monotonic_ms = monotonic_ahead_ms;
    room->settings.tickets = tickets;
    leaf_files_init(files);
    leaf_files_make(files, 0, "mx.example.org", &files->root);
    made->certificates =
        (struct gateway_certificates_settings){ .listener = "here",
                                                .certificates = files->certificates,
                                                .keys = files->keys,
                                                .count = 1,
                                                .hostname = "mx.example.org",
                                                .anchors = files->anchors,
                                                .tickets = tickets };
    assert_true(gateway_certificates_load(&made->certificates, MAKE_NOW_S, &listener->certificates,
                                          &room->err));
    listener->tls = gateway_certificates_tls(listener->certificates);
    listener->smtp.tls = SMTP_SERVER_TLS_MAY;
    start(room, made);
}

/* A session over TLS 1.2, whose ticket comes with the handshake: whether `session` was resumed, and the
 * session that it left. */
static bool resume(const struct room *room, SSL_CTX *context, SSL_SESSION *session,
                   SSL_SESSION **left)
{
    int client = dial(room->port);
    SSL *ssl = SSL_new(context);
    bool was_resumed;

    expect(client, "220 ");
    ask(client, "EHLO client.example\r\n", "250 ");
    ask(client, "STARTTLS\r\n", "220 ");
    assert_int_equal(SSL_set_fd(ssl, client), 1);
    if (session != NULL)
        assert_int_equal(SSL_set_session(ssl, session), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    was_resumed = SSL_session_reused(ssl) == 1;
    *left = SSL_get1_session(ssl);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* it stays good */
    SSL_free(ssl);
    close(client);
    return was_resumed;
}

static bool has_ticket_of(const SSL_SESSION *one, const SSL_SESSION *other)
{
    const unsigned char *tickets[2];
    size_t lens[2];

    SSL_SESSION_get0_ticket(one, &tickets[0], &lens[0]);
    SSL_SESSION_get0_ticket(other, &tickets[1], &lens[1]);
    return lens[0] == lens[1] && memcmp(tickets[0], tickets[1], lens[0]) == 0;
}

/* Tries it again and again, while the gateway looks after its keys, until it is so. */
static void await_resumption(struct room *room, SSL_CTX *context, SSL_SESSION *session,
                             bool is_resumed, bool is_sealed_anew)
{
    for (int tries = 0; tries < LIMIT_MS / 20; tries++) {
        SSL_SESSION *left;
        bool was_resumed = resume(room, context, session, &left);
        bool was_sealed_anew = !has_ticket_of(session, left);

        SSL_SESSION_free(left);
        if (was_resumed == is_resumed && was_sealed_anew == is_sealed_anew)
            return;
        let_it_look(room);
    }
    fail_msg("never %s", is_resumed ? "sealed by a new key" : "forgotten");
}

static void tickets_are_sealed_by_a_new_key_twice_a_day(void **state)
{
    struct room *room = *state;
    struct tls_tickets *tickets;
    struct leaf_files files;
    SSL_SESSION *session, *left;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    assert_true(tls_tickets_new(&tickets, &room->err));
    start_with_certificate(room, &files, tickets);
    assert_false(resume(room, context, NULL, &session));
    ahead_s = HALF_A_DAY_S - 60;
    let_it_look(room);
    assert_true(resume(room, context, session, &left)); /* by the key that sealed it */
    assert_true(has_ticket_of(session, left));
    SSL_SESSION_free(left);
    ahead_s = HALF_A_DAY_S;
    await_resumption(room, context, session, true, true);
    ahead_s = 2 * HALF_A_DAY_S;
    await_resumption(room, context, session, false, true);
    drain(room);
    await_end(room);
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    tls_tickets_free(&tickets);
    leaf_files_clear(&files);
}

static void our_certificate_is_judged_anew_every_day(void **state)
{
    struct room *room = *state;
    struct leaf_files files;
    int before;

    start_with_certificate(room, &files, NULL);
    before = dial(room->port);
    expect(before, "220 ");
    let_it_look(room);
    read_log(room);
    assert_null(strstr(room->said, " certificates-judged "));
    ahead_s = DAY_S;
    await_log(room, " certificates-judged listeners=1");
    assert_null(strstr(room->said, " certificate-expired "));
    ahead_s = 400 * (int64_t)DAY_S; /* the file has not changed */
    await_log(room, " warn certificate-expired listener=here");
    ask(before, "EHLO client.example\r\n", "250 ");
    close(before);
    drain(room);
    await_end(room);
    leaf_files_clear(&files);
}

static void who_is_too_slow_is_cut_when_the_time_to_end_is_over(void **state)
{
    struct room *room = *state;
    int slow;

    room->settings.drain_ms = 1;
    start(room, make_profile("mx.example.org", 0));
    slow = dial(room->port);
    begin_message(slow);
    drain(room); /* and nobody hurries */
    await_end(room);
    assert_non_null(strstr(room->said, " cutting sessions=1"));
    assert_string_equal(hear(slow), "");
    close(slow);
}

static void listens_on_what_was_handed_over(void **state)
{
    struct room *room = *state;
    struct sockaddr_in where = { .sin_family = AF_INET };
    socklen_t len = sizeof where;
    struct service_socket sockets[2] = { { .name = "smtp" }, { .name = "odd" } };
    int client;

    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 2; i++) {
        where.sin_port = 0;
        sockets[i].descriptor = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(sockets[i].descriptor, (const struct sockaddr *)&where, sizeof where),
                         0);
        assert_int_equal(listen(sockets[i].descriptor, 8), 0);
        assert_int_equal(getsockname(sockets[i].descriptor, (struct sockaddr *)&where, &len), 0);
        sockets[i].address =
            (struct net_address){ .bytes = { 127, 0, 0, 1 }, .port = ntohs(where.sin_port) };
    }
    room->settings.sockets = sockets;
    room->settings.socket_count = 2;
    start(room, make_profile("mx.example.org", sockets[0].address.port));
    assert_int_equal(room->port, sockets[0].address.port);
    assert_non_null(strstr(room->said, " warn socket-unused name=odd"));
    client = dial(room->port);
    expect(client, "220 ");
    close(client);
    drain(room);
    await_end(room);
}

#define IN_ROOM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(serves_until_it_is_drained),
        IN_ROOM(a_message_that_is_under_way_is_taken_before_the_end),
        IN_ROOM(sessions_go_on_by_what_they_began_with),
        IN_ROOM(what_is_no_longer_asked_for_is_closed),
        IN_ROOM(a_reload_that_cannot_listen_changes_nothing),
        IN_ROOM(a_second_one_is_refused_and_told_of_the_first),
        IN_ROOM(a_start_that_fails_late_leaves_nothing_behind),
        IN_ROOM(a_worker_that_cannot_start_ends_the_others),
        IN_ROOM(newer_certificates_are_taken_up),
        IN_ROOM(tickets_are_sealed_by_a_new_key_twice_a_day),
        IN_ROOM(our_certificate_is_judged_anew_every_day),
        IN_ROOM(who_is_too_slow_is_cut_when_the_time_to_end_is_over),
        IN_ROOM(listens_on_what_was_handed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
