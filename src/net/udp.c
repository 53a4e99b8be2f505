#include "net/udp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/address_internal.h"
#include "net/loop_internal.h"

enum { DATAGRAMS_PER_TURN = 64 }; /* so that a flood does not starve the rest of the loop */

struct udp {
    uv_poll_t poll;
    struct loop *loop;
    int socket;
    bool is_closed;
    void (*received)(void *owner, const struct net_address *peer, struct span bytes);
    void *owner;
};

static void receive_waiting(uv_poll_t *poll, int status, int events)
{
    struct udp *udp = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < DATAGRAMS_PER_TURN && !udp->is_closed; i++) {
        struct sockaddr_storage storage;
        struct net_address peer;
        socklen_t len = sizeof storage;
        ssize_t count = recvfrom(udp->socket, udp->loop->received, LOOP_READ_BYTES, 0,
                                 (struct sockaddr *)&storage, &len);

        if (count < 0 && (errno == EINTR || errno == ECONNREFUSED)) /* an earlier answer's ICMP */
            continue;
        if (count < 0)
            return;
        if (net_address_from_socket(&storage, &peer))
            udp->received(udp->owner, &peer, (struct span){ udp->loop->received, (size_t)count });
    }
}

static bool bind_socket(struct net_address *address, int *bound, struct error *err)
{
    struct sockaddr_storage storage;
    socklen_t len = net_address_to_socket(address, &storage);
    char text[NET_ADDRESS_TEXT];
    int made = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (made >= 0 && bind(made, (const struct sockaddr *)&storage, len) == 0) {
        len = sizeof storage;
        if (getsockname(made, (struct sockaddr *)&storage, &len) == 0 &&
            net_address_from_socket(&storage, address)) {
            *bound = made;
            return true;
        }
    }
    error_set(err, ERROR_SYSTEM, "binding to %s UDP port %u: %s", net_address_text(address, text),
              address->port, strerror(errno));
    if (made >= 0)
        close(made);
    return false;
}

bool udp_open(struct loop *loop, struct net_address *address,
              void (*received)(void *owner, const struct net_address *peer, struct span bytes),
              void *owner, struct udp **udp, struct error *err)
{
    struct udp *made = memory_new(1, sizeof *made);

    *udp = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a UDP socket");
    if (!bind_socket(address, &made->socket, err)) {
        memory_free(made);
        return false;
    }
    made->loop = loop;
    made->received = received;
    made->owner = owner;
    if (uv_poll_init(&loop->uv, &made->poll, made->socket) != 0) {
        close(made->socket);
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "watching a UDP socket failed");
    }
    made->poll.data = made;
    uv_poll_start(&made->poll, UV_READABLE, receive_waiting);
    *udp = made;
    return true;
}

static void free_udp(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void udp_close(struct udp **udp)
{
    struct udp *closing = *udp;

    *udp = NULL;
    if (closing == NULL)
        return;
    closing->is_closed = true;
    uv_close((uv_handle_t *)&closing->poll, free_udp);
    close(closing->socket);
}

void udp_keep_loop(struct udp *udp, bool keeps)
{
    if (keeps)
        uv_ref((uv_handle_t *)&udp->poll);
    else
        uv_unref((uv_handle_t *)&udp->poll);
}

void udp_send(struct udp *udp, const struct net_address *peer, struct span bytes)
{
    struct sockaddr_storage storage;
    socklen_t len = net_address_to_socket(peer, &storage);

    (void)sendto(udp->socket, bytes.data, bytes.len, 0, (const struct sockaddr *)&storage, len);
}
