/* fuzz/url.c - a URL that is taken names one host in one spelling, and never an address, a user or a port that is none. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/https.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
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
    if (https_url_read(text, &arena, &read, &flaw))
        look_at(&read, &arena);
    else
        insist(flaw[0] != '\0');
    arena_clear(&arena);
    return 0;
}
