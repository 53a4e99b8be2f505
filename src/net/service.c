#include "net/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/span.h"
#include "base/text.h"
#include "net/address_internal.h"

enum { FIRST_DESCRIPTOR = 3, DESCRIPTORS_MOST = 1024 };

/* ---- sockets ------------------------------------------------------------------------------ */

/* How many descriptors were meant for us; 0: none. */
static size_t count_handed_over(void)
{
    uint64_t count, process;

    if (!text_to_number(span_of(getenv("LISTEN_PID")), INT32_MAX, &process) ||
        process != (uint64_t)getpid() ||
        !text_to_number(span_of(getenv("LISTEN_FDS")), DESCRIPTORS_MOST, &count))
        return 0;
    return (size_t)count;
}

/* Listens on TCP; not UDP, not a file, not a local socket. */
static bool is_tcp_listener(int descriptor, struct net_address *address)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage, int_len = sizeof(int);
    int listens = 0, type = 0;

    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) == 0 && listens &&
           getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &int_len) == 0 &&
           type == SOCK_STREAM && getsockname(descriptor, (struct sockaddr *)&storage, &len) == 0 &&
           net_address_from_socket(&storage, address);
}

size_t service_take_sockets(struct service_socket sockets[SERVICE_SOCKETS_MOST], size_t *strangers)
{
    struct span names = span_of(getenv("LISTEN_FDNAMES"));
    size_t handed_over = count_handed_over(), count = 0;

    *strangers = 0;
    for (size_t i = 0; i < handed_over; i++) {
        struct span name = span_take_until(&names, ':');
        struct service_socket taken = { .descriptor = FIRST_DESCRIPTOR + (int)i };

        fcntl(taken.descriptor, F_SETFD, FD_CLOEXEC);
        if (count == SERVICE_SOCKETS_MOST || !is_tcp_listener(taken.descriptor, &taken.address)) {
            close(taken.descriptor);
            ++*strangers;
            continue;
        }
        snprintf(taken.name, sizeof taken.name, "%.*s", (int)name.len, name.data);
        sockets[count++] = taken;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return count;
}

/* ---- readiness ---------------------------------------------------------------------------- */

struct service {
    int socket;
    struct sockaddr_un manager;
    socklen_t manager_len;
};

/* "/path", or "@name" in the abstract namespace. */
static bool set_address(struct service *service, const char *text, struct error *err)
{
    size_t len = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || len >= sizeof service->manager.sun_path)
        return error_set(err, ERROR_USAGE, "NOTIFY_SOCKET is no address of a local socket: %.80s",
                         text);
    service->manager.sun_family = AF_UNIX;
    memcpy(service->manager.sun_path, text, len);
    if (text[0] == '@')
        service->manager.sun_path[0] = '\0';
    service->manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

bool service_open(struct service **service, struct error *err)
{
    AUTO(service_close) struct service *made = NULL;
    const char *address = getenv("NOTIFY_SOCKET");

    *service = NULL;
    if (address == NULL || address[0] == '\0')
        return true;
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to speak to the service manager");
    made->socket = -1;
    if (!set_address(made, address, err))
        return false;
    made->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (made->socket < 0)
        return error_set(err, ERROR_SYSTEM, "opening a socket to the service manager: %s",
                         strerror(errno));
    unsetenv("NOTIFY_SOCKET");
    *service = TAKE(made);
    return true;
}

bool service_tell(struct service *service, enum service_state state, const char *words,
                  struct error *err)
{
    static const char *const names[] = { "READY", "RELOADING", "STOPPING" };
    struct timespec now;
    char text[512];
    int len;

    if (service == NULL)
        return true;
    /* The time is asked for with RELOADING alone: it tells this reload from an earlier one. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    len = snprintf(text, sizeof text, "%s=1\nSTATUS=%.300s\nMONOTONIC_USEC=%" PRId64 "\n",
                   names[state], words, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    if (sendto(service->socket, text, (size_t)len, MSG_NOSIGNAL,
               (const struct sockaddr *)&service->manager, service->manager_len) == len)
        return true;
    return error_set(err, ERROR_SYSTEM, "telling the service manager %s: %s", names[state],
                     strerror(errno));
}

void service_close(struct service **service)
{
    struct service *closing = *service;

    *service = NULL;
    if (closing == NULL)
        return;
    if (closing->socket >= 0)
        close(closing->socket);
    memory_free(closing);
}
