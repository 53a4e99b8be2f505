/* fuzz/url.c - a URL that is taken names one host in one spelling, and libcurl dials no address but the one it was given. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/address_internal.h"
#include "net/https_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static bool refuse_all(void *owner, const struct https_peer *peer)
{
    (void)owner;
    (void)peer;
    return false;
}

static int look_up(void *resolver, void *reserved, void *owner)
{
    (void)resolver;
    (void)reserved;
    (void)owner;
    abort(); /* it has an address */
}

static curl_socket_t note_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *peer)
{
    struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
    struct net_address *dialled = owner;

    insist(purpose == CURLSOCKTYPE_IPCXN && peer->addrlen <= sizeof storage && dialled->port == 0);
    memcpy(&storage, &peer->addr, peer->addrlen);
    insist(net_address_from_socket(&storage, dialled));
    return CURL_SOCKET_BAD;
}

/* Without a socket it gets no further. */
static void dial(const char *url, uint16_t port)
{
    const struct net_address given = { .bytes = { 192, 0, 2, 7 }, .port = port };
    const struct https_request request = { .url = url,
                                           .addresses = &given,
                                           .address_count = 1,
                                           .body_most = 1,
                                           .timeout_ms = 1000,
                                           .judge = refuse_all };
    struct net_address dialled = { .port = 0 };
    AUTO(https_query_free) struct https_query *query = NULL;

    insist(https_query_new(&request, &query, NULL));
    curl_easy_setopt(query->easy, CURLOPT_RESOLVER_START_FUNCTION, look_up);
    curl_easy_setopt(query->easy, CURLOPT_OPENSOCKETFUNCTION, note_socket);
    curl_easy_setopt(query->easy, CURLOPT_OPENSOCKETDATA, &dialled);
    insist(curl_easy_perform(query->easy) != CURLE_OK);
    insist(net_address_equal(&dialled, &given));
}

static void look_at(const struct https_url *read, struct arena *arena)
{
    struct net_address address = { .port = 0 };
    struct https_url again;
    const char *flaw;
    char url[400];

    insist(read->port != 0 && read->host[0] != '\0' && strlen(read->host) <= 253);
    insist(strspn(read->host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(read->host));
    insist(!net_address_parse(span_of(read->host), &address));
    snprintf(url, sizeof url, "https://%s:%u/", read->host, read->port);
    insist(https_url_read(url, arena, &again, &flaw));
    insist(strcmp(again.host, read->host) == 0 && again.port == read->port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct https_url read;
    const char *flaw;
    const char *text;

    arena_init(&arena, 64 * 1024);
    text = arena_copy(&arena, (struct span){ (const char *)data, size });
    if (https_url_read(text, &arena, &read, &flaw)) {
        look_at(&read, &arena);
        dial(text, read.port);
    } else {
        insist(flaw[0] != '\0');
    }
    arena_clear(&arena);
    return 0;
}
