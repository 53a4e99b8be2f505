/* bench/accept_sink.c - the least that a server can do for a message over STARTTLS: the bound.
 *
 * usage: accept-sink CHAIN KEY FILE|- [WORKERS]
 *
 * Says "port N" once it listens on 127.0.0.1. Answers well-behaved clients (accept-load), looks at
 * nothing, appends each message to FILE as it came, and answers 250 after an fdatasync that began
 * when the message was written. One thread does those, and whatever was written while one was under
 * way shares the next: a group commit. With - it keeps nothing and answers at once: what is left is
 * what TLS and the load itself take. It ends by a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WORKERS_MOST = 16,
    BACKLOG = 4096,
    EVENTS_AT_ONCE = 64,
    READ_BYTES = 65536,
    LINE_BYTES = 1024,
    OUT_BYTES = 1024,
    BODY_BYTES_MOST = 64 * 1024 * 1024,
};

enum state { COMMAND, HANDSHAKE, CONTENT, SAVING, CLOSED };

struct session {
    struct session *next; /* of those that wait for the commit, or for their answer */
    struct worker *worker;
    int socket;
    SSL *tls;
    enum state state;
    char line[LINE_BYTES], out[OUT_BYTES];
    size_t line_len, out_len;
    char *body;
    size_t body_len, body_size;
};

struct list {
    struct session *first, **last;
};

struct worker {
    pthread_t thread;
    int poll, wake;
    pthread_mutex_t lock;
    struct list saved; /* guarded by lock */
};

static struct {
    int listener, file; /* -1: nothing is kept */
    SSL_CTX *context;
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct list written; /* guarded by lock */
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER, .has_work = PTHREAD_COND_INITIALIZER };

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(3);
}

/* ---- the commit ------------------------------------------------------------------------------- */

static void append(struct list *list, struct session *session)
{
    if (list->first == NULL)
        list->last = &list->first;
    session->next = NULL;
    *list->last = session;
    list->last = &session->next;
}

static struct session *take_all(struct list *list)
{
    struct session *first = list->first;

    list->first = NULL;
    return first;
}

static void save(struct session *session)
{
    session->state = SAVING;
    if (write(sink.file, session->body, session->body_len) != (ssize_t)session->body_len)
        die("accept-sink: write");
    session->body_len = 0;
    pthread_mutex_lock(&sink.lock);
    append(&sink.written, session);
    pthread_cond_signal(&sink.has_work);
    pthread_mutex_unlock(&sink.lock);
}

static void hand_back(struct session *session)
{
    struct worker *worker = session->worker;
    bool was_empty;

    pthread_mutex_lock(&worker->lock);
    was_empty = worker->saved.first == NULL;
    append(&worker->saved, session);
    pthread_mutex_unlock(&worker->lock);
    if (was_empty)
        eventfd_write(worker->wake, 1);
}

static void commit_for_ever(void)
{
    while (true) {
        struct session *next;

        pthread_mutex_lock(&sink.lock);
        while (sink.written.first == NULL)
            pthread_cond_wait(&sink.has_work, &sink.lock);
        next = take_all(&sink.written);
        pthread_mutex_unlock(&sink.lock);
        if (fdatasync(sink.file) != 0)
            die("accept-sink: fdatasync");
        while (next != NULL) {
            struct session *session = next;

            next = session->next;
            hand_back(session);
        }
    }
}

/* ---- one session ------------------------------------------------------------------------------ */

static void hang_up(struct session *session)
{
    if (session->tls != NULL) {
        SSL_shutdown(session->tls);
        SSL_free(session->tls);
    }
    close(session->socket);
    free(session->body);
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
}

static void start_tls(struct session *session)
{
    send_out(session);
    session->tls = SSL_new(sink.context);
    if (session->tls == NULL || SSL_set_fd(session->tls, session->socket) != 1)
        die("accept-sink: SSL_new");
    SSL_set_accept_state(session->tls);
    session->state = HANDSHAKE;
}

static void obey(struct session *session)
{
    const char *line = session->line;

    if (strncasecmp(line, "EHLO", 4) == 0) {
        say(session, session->tls != NULL ? "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                                          : "250-sink\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
    } else if (strncasecmp(line, "DATA", 4) == 0) {
        say(session, "354 go on\r\n");
        session->state = CONTENT;
    } else if (strncasecmp(line, "STARTTLS", 8) == 0) {
        say(session, "220 go on\r\n");
        start_tls(session);
    } else if (strncasecmp(line, "QUIT", 4) == 0) {
        say(session, "221 bye\r\n");
        send_out(session);
        session->state = CLOSED;
    } else {
        say(session, "250 ok\r\n");
    }
}

static void take_commands(struct session *session, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && session->state == COMMAND; i++) {
        if (bytes[i] == '\n') {
            session->line[session->line_len] = '\0';
            session->line_len = 0;
            obey(session);
        } else if (session->line_len < LINE_BYTES - 1) {
            session->line[session->line_len++] = bytes[i];
        }
    }
}

static void make_room(struct session *session, size_t len)
{
    if (session->body_len + len <= session->body_size)
        return;
    session->body_size = 2 * (session->body_len + len);
    session->body = realloc(session->body, session->body_size);
    if (session->body == NULL || session->body_size > BODY_BYTES_MOST)
        die("accept-sink: a message is too large");
}

static void drop(struct session *session)
{
    session->body_len = 0;
    session->state = COMMAND;
    say(session, "250 kept nowhere\r\n");
}

/* The clients say nothing behind a message before its answer. */
static void take_content(struct session *session, const char *bytes, size_t len)
{
    make_room(session, len);
    memcpy(session->body + session->body_len, bytes, len);
    session->body_len += len;
    if (session->body_len >= 5 &&
        memcmp(session->body + session->body_len - 5, "\r\n.\r\n", 5) == 0) {
        if (sink.file < 0)
            drop(session);
        else
            save(session);
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

    if (code == 1)
        session->state = COMMAND;
    else if (SSL_get_error(session->tls, code) != SSL_ERROR_WANT_READ)
        session->state = CLOSED;
    ERR_clear_error();
}

/* Events are edges: reads until nothing is left. Nothing more comes while a message is saved, and
 * the session may be another thread's by then. */
static void turn(struct session *session)
{
    static _Thread_local char bytes[READ_BYTES];
    int len = 1;

    if (session->state == HANDSHAKE)
        shake(session);
    while (len > 0 && (session->state == COMMAND || session->state == CONTENT)) {
        len = read_some(session, bytes);
        if (len < 0)
            session->state = CLOSED;
        else if (session->state == COMMAND)
            take_commands(session, bytes, (size_t)len);
        else if (len > 0)
            take_content(session, bytes, (size_t)len);
        if (session->state == SAVING)
            return;
        if (session->state != CLOSED)
            send_out(session);
    }
    if (session->state == CLOSED)
        hang_up(session);
}

/* ---- the threads ------------------------------------------------------------------------------ */

static void greet(struct worker *worker, int socket)
{
    struct session *session = calloc(1, sizeof *session);
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = session };
    const int on = 1;

    if (session == NULL)
        die("accept-sink");
    session->socket = socket;
    session->worker = worker;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    say(session, "220 sink ESMTP\r\n");
    send_out(session);
    if (epoll_ctl(worker->poll, EPOLL_CTL_ADD, socket, &event) != 0)
        die("accept-sink: epoll_ctl");
}

static void accept_some(struct worker *worker)
{
    int socket = accept4(sink.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (socket >= 0)
        greet(worker, socket);
}

static void answer_saved(struct worker *worker)
{
    struct session *next;
    eventfd_t count;

    eventfd_read(worker->wake, &count);
    pthread_mutex_lock(&worker->lock);
    next = take_all(&worker->saved);
    pthread_mutex_unlock(&worker->lock);
    while (next != NULL) {
        struct session *session = next;

        next = session->next;
        session->state = COMMAND;
        say(session, "250 saved\r\n");
        send_out(session);
        turn(session);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct epoll_event events[EVENTS_AT_ONCE];

    while (true) {
        int count = epoll_wait(worker->poll, events, EVENTS_AT_ONCE, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &sink)
                accept_some(worker);
            else if (events[i].data.ptr == worker)
                answer_saved(worker);
            else
                turn(events[i].data.ptr);
        }
    }
    return NULL;
}

static void start(struct worker *worker)
{
    struct epoll_event dialled = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &sink };
    struct epoll_event woken = { .events = EPOLLIN, .data.ptr = worker };

    pthread_mutex_init(&worker->lock, NULL);
    worker->poll = epoll_create1(EPOLL_CLOEXEC);
    worker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->poll < 0 || worker->wake < 0 ||
        epoll_ctl(worker->poll, EPOLL_CTL_ADD, sink.listener, &dialled) != 0 ||
        epoll_ctl(worker->poll, EPOLL_CTL_ADD, worker->wake, &woken) != 0 ||
        pthread_create(&worker->thread, NULL, work, worker) != 0)
        die("accept-sink: starting");
}

static void open_listener(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;

    sink.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sink.listener < 0 || bind(sink.listener, (const struct sockaddr *)&address, len) != 0 ||
        listen(sink.listener, BACKLOG) != 0 ||
        getsockname(sink.listener, (struct sockaddr *)&address, &len) != 0)
        die("accept-sink: listening");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void open_context(const char *chain, const char *key)
{
    sink.context = SSL_CTX_new(TLS_server_method());
    if (sink.context == NULL || SSL_CTX_use_certificate_chain_file(sink.context, chain) != 1 ||
        SSL_CTX_use_PrivateKey_file(sink.context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_num_tickets(sink.context, 1) != 1)
        die("accept-sink: the certificate");
    SSL_CTX_set_read_ahead(sink.context, 1);
    SSL_CTX_set_mode(sink.context, SSL_MODE_RELEASE_BUFFERS);
}

int main(int argc, char **argv)
{
    static struct worker workers[WORKERS_MOST];
    long count = argc == 5 ? strtol(argv[4], NULL, 10) : 2;
    bool keeps;

    if (argc < 4 || argc > 5 || count < 1 || count > WORKERS_MOST) {
        fprintf(stderr, "usage: accept-sink CHAIN KEY FILE|- [WORKERS]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    keeps = strcmp(argv[3], "-") != 0;
    sink.file = keeps ? open(argv[3], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (keeps && sink.file < 0)
        die(argv[3]);
    open_context(argv[1], argv[2]);
    open_listener();
    for (long i = 0; i < count; i++)
        start(&workers[i]);
    commit_for_ever();
}
