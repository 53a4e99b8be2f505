#include "net/host.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "net/address_internal.h"
#include "net/work.h"

static void add_address(struct host_query *query, const struct addrinfo *info)
{
    struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
    struct net_address *address = &query->addresses[query->count];

    memcpy(&storage, info->ai_addr, info->ai_addrlen);
    if (!net_address_from_socket(&storage, address))
        return;
    address->port = query->port;
    query->count++;
}

static void ask(void *owner)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
    struct host_query *query = owner;
    struct addrinfo *all = NULL;
    int failure = getaddrinfo(query->name, NULL, &hints, &all);

    if (failure != 0) {
        query->failure = gai_strerror(failure);
        return;
    }
    for (const struct addrinfo *info = all; info != NULL && query->count < HOST_ADDRESSES_MOST;
         info = info->ai_next)
        add_address(query, info);
    freeaddrinfo(all);
    if (query->count == 0)
        query->failure = "no address";
}

static void answer(void *owner)
{
    struct host_query *query = owner;

    query->found(query->owner);
}

bool host_find(struct loop *loop, const char *name, uint16_t port, void (*found)(void *owner),
               void *owner, struct host_query *query, struct error *err)
{
    *query = (struct host_query){ .port = port, .found = found, .owner = owner };
    if (strlen(name) > HOST_NAME_MOST)
        return error_set(err, ERROR_USAGE, "%.40s...: too long for the name of a host", name);
    memcpy(query->name, name, strlen(name) + 1);
    return work_start(loop, ask, answer, query, err);
}
