/* bench/accept_load.c - sends mail over STARTTLS in many sessions at once, and times the answers.
 *
 * usage: accept-load [--at-once N] [--messages N] [--bytes N] [--warm-up MS] [--window MS]
 *                    [--threads N] [--to ADDRESS] [--clear] [--idle | --total N] PORT
 *
 * Each session dials 127.0.0.1, greets, makes a full TLS handshake (nothing is resumed), sends its
 * messages one after the other (envelope pipelined where offered) and quits; then the next begins.
 * Says "begin" and "end" on a line each where the window begins and ends, and at last one line of
 * JSON: the messages answered 250 in the window, their rate, and the time from the end of the data
 * to that 250. With --total it begins at once, and ends with the answer to the N-th message; whatever
 * a failed session did not send, another does. With --idle it opens all sessions once, up to the EHLO inside TLS, says "idle", keeps
 * them until its standard input ends, and says how many were closed by the server meanwhile.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "times.h"

enum {
    THREADS_MOST = 16,
    SESSIONS_MOST = 20000,
    BYTES_MOST = 64 * 1024 * 1024,
    LINE_BYTES = 80, /* of a reply, what is looked at */
    READ_BYTES = 16384,
    EVENTS_AT_ONCE = 64,
    DIALS_AT_ONCE = 32, /* of a thread, where sessions are kept */
    ERRORS_MOST = 1000, /* of a thread; then it gives up */
    TURN_MS = 50,
    PATIENCE_MS = 10000, /* behind the window, for sessions that still run */
    TOTAL_PATIENCE_MS = 300000,
};

/* Named for what they wait for. */
enum state { GREETING, EHLO, STARTTLS, HANDSHAKE, EHLO_INSIDE, MAIL, RCPT, DATA, END, IDLE, QUIT };

struct session {
    int socket; /* -1: none */
    SSL *tls;   /* NULL: in the clear */
    enum state state;
    bool offers_pipelining;
    long messages_left;
    const char *out; /* what is still to be sent */
    size_t out_len;
    int64_t ended_at_us; /* when the last byte of the data was handed over */
    char line[LINE_BYTES];
    size_t line_len;
};

struct worker {
    pthread_t thread;
    int poll;
    SSL_CTX *context;
    struct session *sessions;
    size_t session_count, started, open, dialling;
    struct times times;
    int64_t messages, handshakes, errors, lost;
    char first_error[160];
};

static struct {
    long at_once, messages, bytes, warm_up_ms, window_ms, threads, total;
    const char *to;
    bool in_the_clear, idle;
    struct sockaddr_in server;
} options = { 20, 1, 4096, 500, 3000, 2, 0, "someone@example.org", false, false, { 0 } };

static const char ehlo[] = "EHLO bench.test\r\n", starttls[] = "STARTTLS\r\n", data[] = "DATA\r\n",
                  quit[] = "QUIT\r\n", mail[] = "MAIL FROM:<sender@bench.test>\r\n";
static char rcpt[512], envelope[1024];
static char *content;
static size_t content_len;
static int64_t began_at_us, window_at_us, window_end_us, give_up_at_us;
static atomic_bool ends;
static atomic_size_t idle_count;
static atomic_long unsent; /* of the total, what no session has yet */

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- one session ----------------------------------------------------------------------------- */

static void hang_up(struct worker *worker, struct session *session)
{
    if (options.total > 0)
        unsent += session->messages_left;
    if (session->state < EHLO_INSIDE)
        worker->dialling--;
    if (session->tls != NULL)
        SSL_free(session->tls);
    close(session->socket);
    session->tls = NULL;
    session->socket = -1;
    worker->open--;
}

static void fail(struct worker *worker, struct session *session, const char *what)
{
    static const char *const names[] = { "greeting",    "EHLO", "STARTTLS", "handshake",
                                         "EHLO inside", "MAIL", "RCPT",     "DATA",
                                         "end of data", "idle", "QUIT" };

    if (session->state == IDLE)
        worker->lost++;
    else if (worker->errors++ == 0)
        snprintf(worker->first_error, sizeof worker->first_error, "%s: %s", names[session->state],
                 what);
    hang_up(worker, session);
}

static void send_out(struct worker *worker, struct session *session)
{
    while (session->socket >= 0 && session->out_len > 0) {
        size_t done = 0;

        if (session->tls == NULL) {
            ssize_t sent = send(session->socket, session->out, session->out_len, MSG_NOSIGNAL);

            if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
                return;
            done = sent < 0 ? 0 : (size_t)sent;
        } else if (SSL_write_ex(session->tls, session->out, session->out_len, &done) != 1) {
            int reason = SSL_get_error(session->tls, 0);

            ERR_clear_error();
            if (reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ)
                return;
        }
        if (done == 0) {
            fail(worker, session, "could not be sent");
            return;
        }
        session->out += done;
        session->out_len -= done;
        if (session->out_len == 0 && session->state == END)
            session->ended_at_us = now_us();
    }
}

static void say(struct session *session, enum state state, const char *text, size_t len)
{
    session->state = state;
    session->out = text;
    session->out_len = len;
}

static void shake(struct worker *worker, struct session *session)
{
    int code = SSL_connect(session->tls);
    int reason = code == 1 ? SSL_ERROR_NONE : SSL_get_error(session->tls, code);

    if (code == 1) {
        worker->handshakes++;
        worker->dialling--;
        say(session, EHLO_INSIDE, ehlo, sizeof ehlo - 1);
    } else if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
        char words[120];

        ERR_error_string_n(ERR_get_error(), words, sizeof words);
        fail(worker, session, words);
    }
    ERR_clear_error();
}

static void secure(struct worker *worker, struct session *session)
{
    session->state = HANDSHAKE;
    session->tls = SSL_new(worker->context);
    if (session->tls == NULL || SSL_set_fd(session->tls, session->socket) != 1)
        exit(3);
    shake(worker, session);
}

static void next_message(struct session *session)
{
    if (options.idle) {
        session->state = IDLE;
        idle_count++;
    } else if (session->messages_left == 0) {
        say(session, QUIT, quit, sizeof quit - 1);
    } else if (session->offers_pipelining) {
        say(session, MAIL, envelope, strlen(envelope));
    } else {
        say(session, MAIL, mail, sizeof mail - 1);
    }
}

static void count_message(struct worker *worker, struct session *session)
{
    int64_t now = now_us();

    worker->messages++;
    session->messages_left--;
    if (now >= window_at_us && now < window_end_us)
        times_add(&worker->times, now - session->ended_at_us);
}

/* The reply was the one that was hoped for. */
static void go_on(struct worker *worker, struct session *session)
{
    switch (session->state) {
    case GREETING: say(session, EHLO, ehlo, sizeof ehlo - 1); break;
    case EHLO:
        if (!options.in_the_clear)
            say(session, STARTTLS, starttls, sizeof starttls - 1);
        else
            next_message(session);
        break;
    case STARTTLS: secure(worker, session); break;
    case EHLO_INSIDE: next_message(session); break;
    case MAIL:
        session->state = RCPT;
        if (!session->offers_pipelining)
            say(session, RCPT, rcpt, strlen(rcpt));
        break;
    case RCPT:
        session->state = DATA;
        if (!session->offers_pipelining)
            say(session, DATA, data, sizeof data - 1);
        break;
    case DATA: say(session, END, content, content_len); break;
    case END:
        count_message(worker, session);
        next_message(session);
        break;
    case QUIT:
        if (session->tls != NULL)
            SSL_shutdown(session->tls);
        hang_up(worker, session);
        break;
    case HANDSHAKE:
    case IDLE: break;
    }
}

static void take_line(struct worker *worker, struct session *session)
{
    static const char *const wanted[] = { [GREETING] = "220",    [EHLO] = "250", [STARTTLS] = "220",
                                          [EHLO_INSIDE] = "250", [MAIL] = "250", [RCPT] = "250",
                                          [DATA] = "354",        [END] = "250",  [QUIT] = "221" };
    const char *hoped = wanted[session->state];

    session->line[session->line_len] = '\0';
    session->line_len = 0;
    if (strncmp(session->line + 3, "-PIPELINING", 11) == 0 ||
        strncmp(session->line + 3, " PIPELINING", 11) == 0)
        session->offers_pipelining = true;
    if (hoped == NULL || strncmp(session->line, hoped, 3) != 0)
        fail(worker, session, session->line);
    else if (session->line[3] != '-')
        go_on(worker, session);
}

static void take(struct worker *worker, struct session *session, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && session->socket >= 0; i++) {
        if (bytes[i] == '\n')
            take_line(worker, session);
        else if (bytes[i] != '\r' && session->line_len < LINE_BYTES - 1)
            session->line[session->line_len++] = bytes[i];
    }
}

/* What is there to read; 0: nothing now, -1: nothing ever. */
static int read_some(struct session *session, char *bytes)
{
    size_t len = 0;
    ssize_t got;
    int reason;

    if (session->tls == NULL) {
        got = recv(session->socket, bytes, READ_BYTES, 0);
        return got < 0 && (errno == EAGAIN || errno == ENOTCONN) ? 0 : got <= 0 ? -1 : (int)got;
    }
    if (SSL_read_ex(session->tls, bytes, READ_BYTES, &len) == 1)
        return (int)len;
    reason = SSL_get_error(session->tls, 0);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Events are edges, so what can be read is read, and what is to be said is said at once. */
static void turn(struct worker *worker, struct session *session)
{
    static _Thread_local char bytes[READ_BYTES];
    int len = 1;

    if (session->state == HANDSHAKE)
        shake(worker, session);
    while (session->socket >= 0 && session->state != HANDSHAKE && len > 0) {
        send_out(worker, session);
        if (session->socket < 0)
            return;
        len = read_some(session, bytes);
        if (len < 0)
            fail(worker, session, "the server hung up");
        else
            take(worker, session, bytes, (size_t)len);
    }
    if (session->socket >= 0)
        send_out(worker, session);
}

/* Takes so many of the total, or what is left of it. */
static long take_unsent(long most)
{
    long left = unsent, taken;

    do
        taken = left < most ? left : most;
    while (!atomic_compare_exchange_weak(&unsent, &left, left - taken));
    return taken;
}

/* The first sessions end one after the other, so that not all of them are at the same step. */
static long messages_of(const struct worker *worker, size_t slot)
{
    long messages = options.messages;

    if (worker->started < worker->session_count)
        messages = 1 + (long)slot * options.messages / (long)worker->session_count;
    return options.total > 0 ? take_unsent(messages) : messages;
}

static void dial(struct worker *worker, size_t slot)
{
    struct session *session = &worker->sessions[slot];
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = session };
    const int on = 1;

    *session =
        (struct session){ .socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
                          .messages_left = messages_of(worker, slot) };
    if (session->socket < 0) {
        perror("accept-load: socket");
        exit(3);
    }
    worker->started++;
    worker->open++;
    worker->dialling++;
    setsockopt(session->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(session->socket, (const struct sockaddr *)&options.server, sizeof options.server) !=
            0 &&
        errno != EINPROGRESS)
        fail(worker, session, "could not be dialled");
    else if (epoll_ctl(worker->poll, EPOLL_CTL_ADD, session->socket, &event) != 0)
        exit(3);
}

/* ---- the threads ------------------------------------------------------------------------------ */

static bool may_dial(const struct worker *worker)
{
    if (options.idle)
        return worker->started < worker->session_count && worker->dialling < DIALS_AT_ONCE;
    if (options.total > 0)
        return worker->errors < ERRORS_MOST && unsent > 0;
    return worker->errors < ERRORS_MOST && now_us() < window_end_us;
}

static void dial_all(struct worker *worker)
{
    for (size_t i = 0; i < worker->session_count && may_dial(worker); i++)
        if (worker->sessions[i].socket < 0)
            dial(worker, i);
}

static bool goes_on(const struct worker *worker)
{
    if (options.idle)
        return !ends;
    return now_us() < give_up_at_us && (worker->open > 0 || may_dial(worker));
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct epoll_event events[EVENTS_AT_ONCE];

    dial_all(worker);
    while (goes_on(worker)) {
        int count = epoll_wait(worker->poll, events, EVENTS_AT_ONCE, TURN_MS);

        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;

            turn(worker, session);
            if (session->socket < 0 && !options.idle && may_dial(worker))
                dial(worker, (size_t)(session - worker->sessions));
        }
        if (count == 0 || options.idle)
            dial_all(worker);
    }
    worker->errors += (int64_t)(options.idle ? 0 : worker->open); /* they were given up */
    return NULL;
}

static SSL_CTX *new_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        exit(3);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  (options.idle ? SSL_MODE_RELEASE_BUFFERS : 0));
    SSL_CTX_set_read_ahead(context, 1); /* or each record is two reads */
    return context;
}

static void start(struct worker *worker, long index)
{
    worker->session_count =
        (size_t)(options.at_once / options.threads + (index < options.at_once % options.threads));
    worker->sessions = calloc(worker->session_count + 1, sizeof *worker->sessions);
    worker->poll = epoll_create1(EPOLL_CLOEXEC);
    worker->context = new_context();
    if (worker->sessions == NULL || worker->poll < 0)
        exit(3);
    for (size_t i = 0; i < worker->session_count; i++)
        worker->sessions[i].socket = -1;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0)
        exit(3);
}

static void wait_until(int64_t at_us)
{
    struct timespec at = { at_us / 1000000, at_us % 1000000 * 1000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static void announce(const char *word, int64_t at_us)
{
    wait_until(at_us);
    puts(word);
    fflush(stdout);
}

/* Waits until all are idle, then until standard input ends. */
static void keep_idle(void)
{
    char byte;

    while (idle_count < (size_t)options.at_once && now_us() < give_up_at_us)
        wait_until(now_us() + TURN_MS * 1000);
    printf("idle %zu\n", idle_count);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    ends = true;
}

static double processor_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* A text of ours or of the server, without what JSON would have to escape. */
static void print_words(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(*text == '"' || *text == '\\' || (unsigned char)*text < 32 ? '?' : *text);
}

static void report(struct worker *workers)
{
    struct worker sum = { 0 };

    for (long i = 0; i < options.threads; i++) {
        pthread_join(workers[i].thread, NULL);
        times_join(&sum.times, &workers[i].times);
        sum.messages += workers[i].messages;
        sum.handshakes += workers[i].handshakes;
        sum.errors += workers[i].errors;
        sum.lost += workers[i].lost;
        if (sum.first_error[0] == '\0')
            memcpy(sum.first_error, workers[i].first_error, sizeof sum.first_error);
    }
    printf("{\"messages\": %" PRId64 ", \"rate\": %.1f, \"median_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"all_messages\": %" PRId64 ", \"handshakes\": %" PRId64 ", \"errors\": %" PRId64
           ", \"lost\": %" PRId64 ", \"client_s\": %.3f, \"first_error\": \"",
           sum.times.count, (double)sum.times.count * 1000 / (double)options.window_ms,
           times_quantile(&sum.times, 0.5) / 1000, times_quantile(&sum.times, 0.99) / 1000,
           sum.messages, sum.handshakes, sum.errors, sum.lost, processor_s());
    print_words(sum.first_error);
    puts("\"}");
}

/* ---- the command line ------------------------------------------------------------------------- */

/* Header, lines of 70 letters with a dot here and there, and the end of data. */
static void make_content(void)
{
    size_t most = (size_t)options.bytes + 512;
    int head;

    content = malloc(most);
    if (content == NULL)
        exit(3);
    head = snprintf(content, most,
                    "From: <sender@bench.test>\r\nTo: <%.200s>\r\nSubject: bench\r\n"
                    "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@bench.test>\r\n\r\n",
                    options.to);
    content_len = (size_t)head;
    while (content_len + 2 < (size_t)options.bytes) {
        size_t room = (size_t)options.bytes - content_len - 2, len = room < 70 ? room : 70;

        memset(content + content_len, 'x', len);
        memcpy(content + content_len + len, "\r\n", 2);
        content_len += len + 2;
    }
    memcpy(content + content_len, ".\r\n", 3);
    content_len += 3;
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: accept-load [--at-once N] [--messages N] [--bytes N] [--warm-up MS] [--window MS]\n"
        "                   [--threads N] [--to ADDRESS] [--clear] [--idle | --total N] PORT\n");
    return 2;
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = {
        { "at-once", required_argument, NULL, 'n' },
        { "messages", required_argument, NULL, 'm' },
        { "bytes", required_argument, NULL, 'b' },
        { "warm-up", required_argument, NULL, 'w' },
        { "window", required_argument, NULL, 's' },
        { "threads", required_argument, NULL, 't' },
        { "to", required_argument, NULL, 'r' },
        { "clear", no_argument, NULL, 'c' },
        { "idle", no_argument, NULL, 'i' },
        { "total", required_argument, NULL, 'a' },
        { NULL, 0, NULL, 0 },
    };
    long *const numbers[] = {
        ['n'] = &options.at_once,    ['m'] = &options.messages,  ['b'] = &options.bytes,
        ['w'] = &options.warm_up_ms, ['s'] = &options.window_ms, ['t'] = &options.threads,
        ['a'] = &options.total
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (letter == 'r')
            options.to = optarg;
        else if (letter == 'c')
            options.in_the_clear = true;
        else if (letter == 'i')
            options.idle = true;
        else if (letter == '?' || (*numbers[letter] = strtol(optarg, NULL, 10)) < 0)
            return false;
    }
    if (optind + 1 != argc)
        return false;
    options.server =
        (struct sockaddr_in){ .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)strtoul(argv[optind], NULL, 10)) };
    return options.at_once >= 1 && options.at_once <= SESSIONS_MOST && options.messages >= 1 &&
           options.threads >= 1 && options.threads <= THREADS_MOST && options.bytes <= BYTES_MOST &&
           options.window_ms >= 1;
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS_MOST];

    if (!parse(argc, argv))
        return usage();
    snprintf(rcpt, sizeof rcpt, "RCPT TO:<%.400s>\r\n", options.to);
    snprintf(envelope, sizeof envelope, "%s%s%s", mail, rcpt, data);
    make_content();
    began_at_us = now_us();
    window_at_us = began_at_us + options.warm_up_ms * 1000;
    window_end_us = window_at_us + options.window_ms * 1000;
    give_up_at_us =
        window_end_us + (options.total > 0 ? TOTAL_PATIENCE_MS : PATIENCE_MS) * (int64_t)1000;
    unsent = options.total;
    for (long i = 0; i < options.threads; i++)
        start(&workers[i], i);
    if (options.idle) {
        keep_idle();
    } else if (options.total == 0) {
        announce("begin", window_at_us);
        announce("end", window_end_us);
    }
    report(workers);
    return 0;
}
