/* tests/unit/gateway/gateway_test.c - promises of gateway/gateway.h and gateway/worker.h */
#include "../test.h"
#include "gateway/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/certificates.h"
#include "leaf_files.h"

enum { WORKERS = 3, CLIENTS = 24, LIMIT_MS = 20000, LOG_BYTES = 65536, LINE_BYTES = 1024 };

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

    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(taken, (const struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&where, &len), 0);
    start(room, make_profile("first.example", 0));
    second = make_profile("second.example", ntohs(where.sin_port));
    profile = &second->profile;
    assert_false(gateway_reload(room->gateway, profile, &room->err));
    gateway_profile_release(&profile);
    assert_non_null(strstr(room->err.text, "Address already in use"));
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
        IN_ROOM(listens_on_what_was_handed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
