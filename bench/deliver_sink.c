/* bench/deliver_sink.c - many hosts that take mail over STARTTLS at little cost, and count it.
 *
 * usage: deliver-sink CHAIN KEY SLOW-MS [THREADS]
 *
 * Says "port N" once it listens on that port of all of 127.0.0.0/8: each address is a host. Those of
 * 127.9.0.0/16 are slow: whatever they answer, greeting included, comes SLOW-MS late. Messages are
 * looked at only for their end, and kept nowhere. Lines on standard input:
 *
 *   await N    says "awaiting N", and counts from there on what the fast hosts take. One line of JSON
 *              when it is N: the time of the first, half, nine tenths and all of them, and the
 *              connections until then.
 *   count      the same line for what came until now, whether fewer or more.
 *
 * It ends with its standard input. Exit status: 0, 2 wrong usage or a line that it does not know, 3 something
 * failed that it needs.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS_MOST = 16,
    BACKLOG = 4096,
    EVENTS_AT_ONCE = 64,
    READ_BYTES = 65536,
    LINE_BYTES = 256, /* of a command, what is looked at */
    OUT_BYTES = 1024,
    END_BYTES = 5, /* CR LF dot CR LF */
    SLOW_NET = 0x7f09,
};

enum state { GREETING, COMMAND, HANDSHAKE, CONTENT, CLOSED };

struct session {
    struct session *next; /* of the slow ones that will be looked at */
    int64_t look_at_us;
    int socket;
    SSL *tls;
    enum state state;
    bool is_slow, waits; /* waits: is among those */
    char line[LINE_BYTES], out[OUT_BYTES], tail[END_BYTES - 1];
    size_t line_len, out_len, tail_len;
};

/* Every wait is as long as any other: who came first is looked at first. */
struct thread {
    pthread_t thread;
    int poll;
    struct session *first, **last;
};

/* What was counted since the last "await". */
static struct {
    atomic_long messages, connections, handshakes, resumed, in_the_clear, slow_messages;
    atomic_long wanted;
    _Atomic int64_t began_us, first_us, half_us, most_us, all_us;
} counts;

static int listener;
static SSL_CTX *context;
static int64_t slow_us;

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(3);
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- counting --------------------------------------------------------------------------------- */

static double processor_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double since_ms(int64_t at_us)
{
    return at_us == 0 ? -1 : (double)(at_us - counts.began_us) / 1000;
}

static void report(void)
{
    printf("{\"messages\": %ld, \"connections\": %ld, \"handshakes\": %ld, \"resumed\": %ld, "
           "\"in_the_clear\": %ld, \"slow_messages\": %ld, \"first_ms\": %.3f, \"half_ms\": %.3f, "
           "\"most_ms\": %.3f, \"all_ms\": %.3f, \"sink_s\": %.3f}\n",
           counts.messages, counts.connections, counts.handshakes, counts.resumed,
           counts.in_the_clear, counts.slow_messages, since_ms(counts.first_us),
           since_ms(counts.half_us), since_ms(counts.most_us), since_ms(counts.all_us),
           processor_s());
    fflush(stdout);
}

static void count_message(const struct session *session)
{
    long number;

    if (session->is_slow) {
        counts.slow_messages++;
        return;
    }
    counts.in_the_clear += session->tls == NULL;
    number = ++counts.messages;
    if (number == 1)
        counts.first_us = now_us();
    if (number == counts.wanted / 2)
        counts.half_us = now_us();
    if (number == counts.wanted * 9 / 10)
        counts.most_us = now_us();
    if (number == counts.wanted) {
        counts.all_us = now_us();
        report();
    }
}

/* Nothing is to be under way meanwhile. */
static void await(long wanted)
{
    counts.messages = counts.connections = counts.handshakes = counts.resumed = 0;
    counts.in_the_clear = counts.slow_messages = 0;
    counts.first_us = counts.half_us = counts.most_us = counts.all_us = 0;
    counts.wanted = wanted;
    counts.began_us = now_us();
    printf("awaiting %ld\n", wanted);
    fflush(stdout);
}

/* The exit status. */
static int obey_input(void)
{
    char line[80];

    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "await ", 6) == 0) {
            await(strtol(line + 6, NULL, 10));
        } else if (strcmp(line, "count\n") == 0) {
            report();
        } else {
            fprintf(stderr, "deliver-sink: neither \"await N\" nor \"count\": %s", line);
            return 2;
        }
    }
    return 0;
}

/* ---- one session ------------------------------------------------------------------------------ */

static void hang_up(struct session *session)
{
    if (session->tls != NULL) {
        SSL_shutdown(session->tls);
        SSL_free(session->tls);
    }
    close(session->socket);
    free(session);
}

static void say(struct session *session, const char *text)
{
    size_t len = strlen(text);

    if (session->out_len + len > OUT_BYTES) {
        session->state = CLOSED;
        return;
    }
    memcpy(session->out + session->out_len, text, len);
    session->out_len += len;
}

/* Replies are short: a socket that takes none of them is that of a client that does not read. */
static void send_out(struct session *session)
{
    size_t done = 0;

    if (session->out_len == 0)
        return;
    if (session->tls != NULL)
        (void)SSL_write_ex(session->tls, session->out, session->out_len, &done);
    else
        done = (size_t)send(session->socket, session->out, session->out_len, MSG_NOSIGNAL);
    if (done != session->out_len)
        session->state = CLOSED;
    session->out_len = 0;
    ERR_clear_error();
}

static void start_tls(struct session *session)
{
    send_out(session);
    if (session->state == CLOSED)
        return;
    session->tls = SSL_new(context);
    if (session->tls == NULL || SSL_set_fd(session->tls, session->socket) != 1)
        die("deliver-sink: SSL_new");
    SSL_set_accept_state(session->tls);
    session->state = HANDSHAKE;
}

static void obey(struct session *session)
{
    const char *line = session->line;

    if (strncasecmp(line, "EHLO", 4) == 0) {
        say(session, "250-mx.bench.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
                     "250-ENHANCEDSTATUSCODES\r\n");
        say(session,
            session->tls != NULL ? "250 8BITMIME\r\n" : "250-STARTTLS\r\n250 8BITMIME\r\n");
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        say(session, "354 go on\r\n");
        session->state = CONTENT;
        memcpy(session->tail, "\r\n", 2);
        session->tail_len = 2;
    } else if (strncasecmp(line, "STARTTLS", 8) == 0) {
        say(session, "220 2.0.0 go on\r\n");
        start_tls(session);
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        say(session, "221 2.0.0 bye\r\n");
        send_out(session);
        session->state = CLOSED;
    } else {
        say(session, "250 2.1.0 ok\r\n");
    }
}

/* How many of them were commands. */
static size_t take_commands(struct session *session, const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len && session->state == COMMAND) {
        char byte = bytes[i++];

        if (byte == '\n') {
            session->line[session->line_len] = '\0';
            session->line_len = 0;
            obey(session);
        } else if (session->line_len < LINE_BYTES - 1) {
            session->line[session->line_len++] = byte;
        }
    }
    return i;
}

/* How many of them are of the content, with the end of data where that is found. The end may have begun
 * in what came before. */
static size_t find_end(const struct session *session, const char *bytes, size_t len, bool *is_end)
{
    char joint[2 * END_BYTES];
    size_t head = len < END_BYTES - 1 ? len : END_BYTES - 1;
    const char *found;

    memcpy(joint, session->tail, session->tail_len);
    memcpy(joint + session->tail_len, bytes, head);
    found = memmem(joint, session->tail_len + head, "\r\n.\r\n", END_BYTES);
    *is_end = true;
    if (found != NULL)
        return (size_t)(found - joint) + END_BYTES - session->tail_len;
    found = memmem(bytes, len, "\r\n.\r\n", END_BYTES);
    if (found != NULL)
        return (size_t)(found - bytes) + END_BYTES;
    *is_end = false;
    return len;
}

/* The last bytes that came. */
static void keep_tail(struct session *session, const char *bytes, size_t len)
{
    size_t most = sizeof session->tail, kept;

    if (len >= most) {
        memcpy(session->tail, bytes + len - most, most);
        session->tail_len = most;
        return;
    }
    kept = session->tail_len + len > most ? most - len : session->tail_len;
    memmove(session->tail, session->tail + session->tail_len - kept, kept);
    memcpy(session->tail + kept, bytes, len);
    session->tail_len = kept + len;
}

static size_t take_content(struct session *session, const char *bytes, size_t len)
{
    bool is_end;
    size_t taken = find_end(session, bytes, len, &is_end);

    if (is_end) {
        say(session, "250 2.0.0 taken\r\n");
        session->state = COMMAND;
        count_message(session);
    } else {
        keep_tail(session, bytes, len);
    }
    return taken;
}

static void take(struct session *session, const char *bytes, size_t len)
{
    while (len > 0 && (session->state == COMMAND || session->state == CONTENT)) {
        size_t taken = session->state == COMMAND ? take_commands(session, bytes, len)
                                                 : take_content(session, bytes, len);

        bytes += taken;
        len -= taken;
    }
}

/* 0: nothing now, -1: nothing ever. */
static int read_some(struct session *session, char *bytes)
{
    size_t len = 0;
    ssize_t got;
    int reason;

    if (session->tls == NULL) {
        got = recv(session->socket, bytes, READ_BYTES, 0);
        return got < 0 && errno == EAGAIN ? 0 : got <= 0 ? -1 : (int)got;
    }
    if (SSL_read_ex(session->tls, bytes, READ_BYTES, &len) == 1)
        return (int)len;
    reason = SSL_get_error(session->tls, 0);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void shake(struct session *session)
{
    int code = SSL_do_handshake(session->tls);

    if (code == 1) {
        session->state = COMMAND;
        counts.handshakes++;
        counts.resumed += SSL_session_reused(session->tls);
    } else if (SSL_get_error(session->tls, code) != SSL_ERROR_WANT_READ) {
        session->state = CLOSED;
    }
    ERR_clear_error();
}

/* Events are edges: reads until nothing is left. */
static void turn(struct session *session)
{
    static _Thread_local char bytes[READ_BYTES];
    int len = 1;

    if (session->state == GREETING) {
        session->state = COMMAND;
        say(session, "220 mx.bench.test ESMTP\r\n");
        send_out(session);
    }
    if (session->state == HANDSHAKE)
        shake(session);
    while (len > 0 && (session->state == COMMAND || session->state == CONTENT)) {
        len = read_some(session, bytes);
        if (len < 0)
            session->state = CLOSED;
        else
            take(session, bytes, (size_t)len);
        if (session->state != CLOSED)
            send_out(session);
    }
    if (session->state == CLOSED)
        hang_up(session);
}

/* ---- the threads ------------------------------------------------------------------------------ */

static void wait_or_turn(struct thread *thread, struct session *session)
{
    if (!session->is_slow) {
        turn(session);
    } else if (!session->waits) {
        session->waits = true;
        session->look_at_us = now_us() + slow_us;
        session->next = NULL;
        *thread->last = session;
        thread->last = &session->next;
    }
}

/* How long until the next of them, in ms; -1: there is none. */
static int turn_slow_ones(struct thread *thread)
{
    while (thread->first != NULL) {
        struct session *session = thread->first;
        int64_t left_us = session->look_at_us - now_us();

        if (left_us > 0)
            return (int)(left_us / 1000) + 1;
        thread->first = session->next;
        if (thread->first == NULL)
            thread->last = &thread->first;
        session->waits = false;
        turn(session);
    }
    return -1;
}

/* Nobody but this machine is served. */
static bool is_ours(int socket, bool *is_slow)
{
    struct sockaddr_in here;
    socklen_t len = sizeof here;
    uint32_t address;

    if (getsockname(socket, (struct sockaddr *)&here, &len) != 0)
        return false;
    address = ntohl(here.sin_addr.s_addr);
    *is_slow = address >> 16 == SLOW_NET;
    return address >> 24 == 127;
}

static void greet(struct thread *thread, int socket)
{
    struct session *session = calloc(1, sizeof *session);
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = session };
    const int on = 1;

    if (session == NULL)
        die("deliver-sink");
    session->socket = socket;
    if (!is_ours(socket, &session->is_slow)) {
        hang_up(session);
        return;
    }
    counts.connections += !session->is_slow;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(thread->poll, EPOLL_CTL_ADD, socket, &event) != 0)
        die("deliver-sink: epoll_ctl");
    wait_or_turn(thread, session);
}

static void accept_some(struct thread *thread)
{
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (socket >= 0)
        greet(thread, socket);
}

static void *work(void *argument)
{
    struct thread *thread = argument;
    struct epoll_event events[EVENTS_AT_ONCE];

    while (true) {
        int count = epoll_wait(thread->poll, events, EVENTS_AT_ONCE, turn_slow_ones(thread));

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &listener)
                accept_some(thread);
            else
                wait_or_turn(thread, events[i].data.ptr);
        }
    }
    return NULL;
}

static void start(struct thread *thread)
{
    struct epoll_event dialled = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &listener };

    thread->last = &thread->first;
    thread->poll = epoll_create1(EPOLL_CLOEXEC);
    if (thread->poll < 0 || epoll_ctl(thread->poll, EPOLL_CTL_ADD, listener, &dialled) != 0 ||
        pthread_create(&thread->thread, NULL, work, thread) != 0)
        die("deliver-sink: starting");
}

static void open_listener(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
    socklen_t len = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") != 0 ||
        bind(listener, (const struct sockaddr *)&address, len) != 0 ||
        listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        die("deliver-sink: listening");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void open_context(const char *chain, const char *key)
{
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, chain) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_num_tickets(context, 1) != 1)
        die("deliver-sink: the certificate");
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

/* As many connections as may be. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct thread threads[THREADS_MOST];
    long count = argc == 5 ? strtol(argv[4], NULL, 10) : 1;

    if (argc < 4 || argc > 5 || count < 1 || count > THREADS_MOST) {
        fprintf(stderr, "usage: deliver-sink CHAIN KEY SLOW-MS [THREADS]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    slow_us = strtol(argv[3], NULL, 10) * 1000;
    raise_limits();
    open_context(argv[1], argv[2]);
    open_listener();
    for (long i = 0; i < count; i++)
        start(&threads[i]);
    /* The threads go on: nothing that they use may be cleared away under them. */
    _exit(obey_input());
}
