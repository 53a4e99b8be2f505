#include "net/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/address_internal.h"
#include "net/loop_internal.h"

enum {
    LOCAL_PATH = sizeof((struct sockaddr_un *)NULL)->sun_path,
    BACKLOG = 511,
    ACCEPTS_PER_TURN = 64, /* so that a flood of connections does not starve those that are open */
    PAUSE_MS = 100,        /* where the kernel has no descriptor or memory for one more */
};

struct listener {
    uv_poll_t poll;
    struct loop_timer *pause; /* NULL: a deaf one */
    int socket;
    int filler; /* takes the only place of a deaf listener's queue; -1: none */
    bool is_closed;
    bool is_local;         /* AF_UNIX: peers have no address */
    struct stat file;      /* of a local socket that this one made */
    char path[LOCAL_PATH]; /* "": none */
    listener_accepted *accepted;
    void *owner;
};

static void accept_waiting(uv_poll_t *poll, int status, int events);

static void resume(void *owner)
{
    struct listener *listener = owner;

    uv_poll_start(&listener->poll, UV_READABLE, accept_waiting);
}

/* Whoever waits stays readable: without a pause the loop would spin until a descriptor is free. */
static void stop_accepting(struct listener *listener, int number)
{
    if (number == EAGAIN)
        return;
    uv_poll_stop(&listener->poll);
    loop_timer_start(listener->pause, PAUSE_MS);
}

static void accept_waiting(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->is_closed; i++) {
        struct sockaddr_storage storage;
        struct net_address peer;
        socklen_t len = sizeof storage;
        int socket = accept4(listener->socket, (struct sockaddr *)&storage, &len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (socket < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (socket < 0) {
            stop_accepting(listener, errno);
            return;
        }
        if (listener->is_local)
            listener->accepted(listener->owner, socket, NULL);
        else if (!net_address_from_socket(&storage, &peer))
            close(socket);
        else
            listener->accepted(listener->owner, socket, &peer);
    }
}

static bool fail(int socket, struct error *err, const char *doing,
                 const struct net_address *address)
{
    char text[NET_ADDRESS_TEXT];
    int number = errno;

    if (socket >= 0)
        close(socket);
    return error_set(err, ERROR_SYSTEM, "%s %s port %u: %s", doing, net_address_text(address, text),
                     address->port, strerror(number));
}

/* Who it is the system tells, and only to root of a process of another user. */
static bool fail_taken(int socket, struct error *err, const struct net_address *address)
{
    char text[NET_ADDRESS_TEXT];

    close(socket);
    return error_set(err, ERROR_BUSY,
                     "binding to %s port %u: %s; ss -ltnp sport = :%u, run by root, shows by whom",
                     net_address_text(address, text), address->port, strerror(EADDRINUSE),
                     address->port);
}

static bool bind_socket(struct net_address *address, int backlog, bool is_shared, int *bound,
                        struct error *err)
{
    struct sockaddr_storage storage;
    socklen_t len = net_address_to_socket(address, &storage);
    const int on = 1;
    int made = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (made < 0)
        return fail(made, err, "opening a socket for", address);
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (is_shared && setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return fail(made, err, "sharing", address);
    if (address->is_ipv6) /* "::" means IPv6 alone; IPv4 has a listener of its own */
        setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(made, (const struct sockaddr *)&storage, len) != 0)
        return errno == EADDRINUSE ? fail_taken(made, err, address)
                                   : fail(made, err, "binding to", address);
    if (listen(made, backlog) != 0)
        return fail(made, err, "listening on", address);
    len = sizeof storage;
    if (getsockname(made, (struct sockaddr *)&storage, &len) != 0 ||
        !net_address_from_socket(&storage, address))
        return fail(made, err, "asking for the port of", address);
    *bound = made;
    return true;
}

static void free_listener(uv_handle_t *handle)
{
    memory_free(handle->data);
}

/* Takes `socket`, which listens, in any case. */
static bool start_accepting(struct loop *loop, int socket, listener_accepted *accepted, void *owner,
                            struct listener **listener, struct error *err)
{
    struct listener *made = memory_new(1, sizeof *made);

    if (made == NULL) {
        close(socket);
        return error_set(err, ERROR_MEMORY, "no memory for a listener");
    }
    made->socket = socket;
    made->filler = -1;
    made->accepted = accepted;
    made->owner = owner;
    if (!loop_timer_open(loop, resume, made, &made->pause, err)) {
        close(socket);
        memory_free(made);
        return false;
    }
    if (uv_poll_init(&loop->uv, &made->poll, socket) != 0) {
        close(socket);
        loop_timer_close(&made->pause);
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "watching a listening socket failed");
    }
    made->poll.data = made;
    uv_poll_start(&made->poll, UV_READABLE, accept_waiting);
    *listener = made;
    return true;
}

bool listener_open(struct loop *loop, struct net_address *address, listener_accepted *accepted,
                   void *owner, struct listener **listener, struct error *err)
{
    int bound;

    *listener = NULL;
    return bind_socket(address, BACKLOG, false, &bound, err) &&
           start_accepting(loop, bound, accepted, owner, listener, err);
}

bool listener_bind_shared(struct net_address *address, size_t count, int *sockets,
                          struct error *err)
{
    int alone = -1;

    /* Who shares a port shares it with every process of our user, and would take half of the mail of
     * an instance that was forgotten. One that does not share it meets whoever is there. */
    if (!bind_socket(address, 0, false, &alone, err))
        return false;
    close(alone);
    for (size_t i = 0; i < count; i++)
        if (!bind_socket(address, BACKLOG, true, &sockets[i], err)) {
            while (i > 0)
                close(sockets[--i]);
            return false;
        }
    return true;
}

static bool is_listening(int socket, int *family)
{
    int listens = 0;
    socklen_t len = sizeof listens, family_len = sizeof *family;

    return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0 &&
           getsockopt(socket, SOL_SOCKET, SO_DOMAIN, family, &family_len) == 0;
}

bool listener_adopt(struct loop *loop, int socket, listener_accepted *accepted, void *owner,
                    struct listener **listener, struct error *err)
{
    int family, flags = fcntl(socket, F_GETFL);

    *listener = NULL;
    if (flags < 0 || !is_listening(socket, &family)) {
        close(socket);
        return error_set(err, ERROR_USAGE, "descriptor %d is no listening socket", socket);
    }
    if (fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(socket, F_SETFD, FD_CLOEXEC) != 0) {
        close(socket);
        return error_set(err, ERROR_SYSTEM, "preparing a listening socket: %s", strerror(errno));
    }
    if (!start_accepting(loop, socket, accepted, owner, listener, err))
        return false;
    assert(*listener != NULL);
    (*listener)->is_local = family == AF_UNIX;
    return true;
}

static bool fail_local(int socket, struct error *err, const char *doing, const char *path)
{
    int number = errno;

    close(socket);
    return error_set(err, ERROR_SYSTEM, "%s %s: %s", doing, path, strerror(number));
}

/* A file that a listener of the past left behind. */
static bool is_stale(const struct sockaddr_un *local)
{
    struct stat file;
    int probe;
    bool is_refused;

    if (lstat(local->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return false;
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    is_refused = probe >= 0 && connect(probe, (const struct sockaddr *)local, sizeof *local) != 0 &&
                 errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    return is_refused;
}

static bool bind_local_socket(const struct sockaddr_un *local, mode_t mode, int *bound,
                              struct error *err)
{
    const struct sockaddr *address = (const struct sockaddr *)local;
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), status;

    if (made < 0)
        return error_set(err, ERROR_SYSTEM, "opening a local socket: %s", strerror(errno));
    /* The file is made with what the socket permits less the umask: never more than wanted, and
     * what the umask took comes back behind it. */
    if (fchmod(made, mode) != 0)
        return fail_local(made, err, "permitting", local->sun_path);
    status = bind(made, address, sizeof *local);
    if (status != 0 && errno == EADDRINUSE) {
        if (is_stale(local) && unlink(local->sun_path) == 0)
            status = bind(made, address, sizeof *local);
        else
            errno = EADDRINUSE;
    }
    if (status != 0)
        return fail_local(made, err, "binding to", local->sun_path);
    if (chmod(local->sun_path, mode) != 0 || listen(made, BACKLOG) != 0) {
        fail_local(made, err, "listening on", local->sun_path);
        unlink(local->sun_path);
        return false;
    }
    *bound = made;
    return true;
}

bool listener_open_local(struct loop *loop, const char *path, mode_t mode,
                         listener_accepted *accepted, void *owner, struct listener **listener,
                         struct error *err)
{
    struct sockaddr_un local;
    struct listener *made = NULL;
    int bound = -1;

    *listener = NULL;
    if (!net_address_local(path, &local, err) || !bind_local_socket(&local, mode, &bound, err))
        return false;
    if (!start_accepting(loop, bound, accepted, owner, &made, err)) {
        unlink(path);
        return false;
    }
    assert(made != NULL);
    made->is_local = true;
    memcpy(made->path, local.sun_path, sizeof made->path);
    if (lstat(path, &made->file) != 0)
        made->path[0] = '\0'; /* somebody took it away already */
    *listener = made;
    return true;
}

/* Unless somebody has put another in its place. */
static void remove_file(const struct listener *listener)
{
    struct stat file;

    if (listener->path[0] != '\0' && lstat(listener->path, &file) == 0 &&
        file.st_dev == listener->file.st_dev && file.st_ino == listener->file.st_ino)
        unlink(listener->path);
}

/* A queue of no length still holds one connection, so one of our own goes in and stays: Linux
 * drops the SYNs that come while the queue is full. */
static bool fill_queue(const struct net_address *address, int *filler, struct error *err)
{
    struct sockaddr_storage storage;
    socklen_t len = net_address_to_socket(address, &storage);

    *filler = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*filler < 0)
        return fail(-1, err, "opening a socket for", address);
    if (connect(*filler, (const struct sockaddr *)&storage, len) == 0 || errno == EINPROGRESS)
        return true;
    return fail(*filler, err, "connecting to", address);
}

bool listener_open_deaf(struct loop *loop, struct net_address *address, struct listener **listener,
                        struct error *err)
{
    struct listener *made = memory_new(1, sizeof *made);

    *listener = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a listener");
    if (!bind_socket(address, 0, false, &made->socket, err)) {
        memory_free(made);
        return false;
    }
    if (!fill_queue(address, &made->filler, err)) {
        close(made->socket);
        memory_free(made);
        return false;
    }
    if (uv_poll_init(&loop->uv, &made->poll, made->socket) != 0) {
        fail(made->socket, err, "watching", address);
        close(made->filler);
        memory_free(made);
        return false;
    }
    made->poll.data = made; /* never started: nobody is accepted */
    *listener = made;
    return true;
}

void listener_close(struct listener **listener)
{
    struct listener *closing = *listener;

    if (closing == NULL)
        return;
    closing->is_closed = true;
    remove_file(closing);
    loop_timer_close(&closing->pause);
    uv_close((uv_handle_t *)&closing->poll, free_listener);
    close(closing->socket);
    if (closing->filler >= 0)
        close(closing->filler);
    *listener = NULL;
}
