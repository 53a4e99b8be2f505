/* net/stream_open.c - how a stream begins: dialled, over TCP or to a local socket, or taken over. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/address_internal.h"
#include "net/loop_internal.h"
#include "net/stream_internal.h"

static bool start_polling(struct stream *stream, int socket, struct error *err)
{
    const int on = 1;

    stream->socket = socket;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (uv_poll_init(&stream->loop->uv, &stream->poll, socket) != 0)
        return error_set(err, ERROR_SYSTEM, "watching a socket failed");
    stream->poll.data = stream;
    stream->is_polled = true;
    return true;
}

static struct stream *make_stream(struct loop *loop, const struct stream_handlers *handlers,
                                  void *owner, struct error *err)
{
    struct stream *made = memory_new(1, sizeof *made);

    if (made == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for a connection");
        return NULL;
    }
    made->loop = loop;
    made->handlers = *handlers;
    made->owner = owner;
    made->socket = -1;
    made->began_ms = loop_now_ms(loop);
    buffer_init(&made->output, STREAM_OUTPUT_MOST);
    return made;
}

static bool start_connecting(struct stream *stream, const struct sockaddr *peer, socklen_t len,
                             struct error *err)
{
    while (connect(stream->socket, peer, len) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EINPROGRESS)
            return stream_finish_later(stream, stream_end_of_errno(errno), errno, 0, err);
        break;
    }
    stream_watch(stream);
    return true;
}

/* An end that is known at once comes with the loop's next turn. */
static bool start_dialling(struct stream *stream, const struct sockaddr *peer, socklen_t len,
                           struct error *err)
{
    int made = socket(peer->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (made < 0 && errno == EAFNOSUPPORT)
        return stream_finish_later(stream, STREAM_UNREACHABLE, EAFNOSUPPORT, 0, err);
    if (made < 0)
        return error_set(err, ERROR_SYSTEM, "opening a socket: %s", strerror(errno));
    return start_polling(stream, made, err) && start_connecting(stream, peer, len, err);
}

static bool dial(struct loop *loop, const struct sockaddr *peer, socklen_t len,
                 const struct stream_handlers *handlers, void *owner, struct stream **stream,
                 struct error *err)
{
    struct stream *made = make_stream(loop, handlers, owner, err);

    if (made == NULL)
        return false;
    made->state = STREAM_CONNECTING;
    if (!start_dialling(made, peer, len, err)) {
        stream_let_go(made);
        return false;
    }
    *stream = made;
    return true;
}

bool stream_connect(struct loop *loop, const struct net_address *address,
                    const struct stream_handlers *handlers, void *owner, struct stream **stream,
                    struct error *err)
{
    struct sockaddr_storage storage;
    socklen_t len = net_address_to_socket(address, &storage);

    *stream = NULL;
    return dial(loop, (const struct sockaddr *)&storage, len, handlers, owner, stream, err);
}

bool stream_connect_local(struct loop *loop, const char *path,
                          const struct stream_handlers *handlers, void *owner,
                          struct stream **stream, struct error *err)
{
    struct sockaddr_un local;

    *stream = NULL;
    return net_address_local(path, &local, err) &&
           dial(loop, (const struct sockaddr *)&local, sizeof local, handlers, owner, stream, err);
}

bool stream_adopt(struct loop *loop, int socket, const struct stream_handlers *handlers,
                  void *owner, struct stream **stream, struct error *err)
{
    struct stream *made = make_stream(loop, handlers, owner, err);

    *stream = NULL;
    if (made == NULL) {
        close(socket);
        return false;
    }
    made->state = STREAM_OPEN;
    if (!start_polling(made, socket, err)) {
        stream_let_go(made);
        return false;
    }
    stream_watch(made);
    *stream = made;
    return true;
}

bool stream_peer_user(const struct stream *stream, uint32_t *user_id)
{
    struct ucred peer;
    int family = AF_UNSPEC;
    socklen_t len = sizeof peer, family_len = sizeof family;

    if (stream->socket < 0 ||
        getsockopt(stream->socket, SOL_SOCKET, SO_DOMAIN, &family, &family_len) != 0 ||
        family != AF_UNIX || getsockopt(stream->socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    *user_id = peer.uid;
    return true;
}
