#include "lab/lab_server.h"

#include <string.h>

#include "trust/dane.h"

bool lab_server_needs_dns(const struct fault_row *row)
{
    return row->zone != FAULT_ZONE_USUAL || row->tlsa >= FAULT_TLSA_SERVFAIL ||
           row->published.sts_record != NULL || row->published.report_record != NULL;
}

bool lab_server_has_policy(const struct fault_row *row)
{
    return row->published.sts_record != NULL;
}

void lab_server_name(struct lab_server *server, struct arena *arena)
{
    const char *label = "mx.";

    if (server->row->zone == FAULT_ZONE_NO_MX)
        label = "";
    else if (server->row->zone == FAULT_ZONE_MX_ALIAS)
        label = "alias.";
    else if (server->row->zone == FAULT_ZONE_MX_INSECURE)
        label = "host-of-"; /* beside the domain, not below it */
    server->domain = arena_format(arena, "%s.lab.test", server->row->name);
    server->host = arena_format(arena, "%s%s", label, server->domain);
    server->policy_host = arena_format(arena, "mta-sts.%s", server->domain);
}

/* A multicast or broadcast address has no route for TCP, and asks nothing of any network. */
static const struct net_address unreachable = { .bytes = { 127, 255, 255, 255 }, .port = 25 };

void lab_server_choose_address(struct lab_server *server, size_t index, bool is_own, uint16_t port)
{
    struct net_address address = { .bytes = { 127, 0, 0, 1 }, .port = port };

    if (server->row->listening == FAULT_UNREACHABLE) {
        address = unreachable;
        if (port != 0)
            address.port = port;
    } else if (is_own || server->row->listening == FAULT_REFUSES) {
        /* Nobody else is likely to listen there in the moment after the port was given back. */
        address.bytes[2] = (uint8_t)(64 + index / 250);
        address.bytes[3] = (uint8_t)(1 + index % 250);
    }
    server->address = address;
}

static void add(struct lab_server *server, const char *record)
{
    server->tlsa[server->tlsa_count++] = record;
}

/* Of a key that the server does not have. */
static bool add_other(struct lab_server *server, struct certificates *certificates,
                      struct arena *arena, struct error *err)
{
    struct certificate_made other;

    if (!certificates_issue(certificates, CERTIFICATE_GOOD, server->host, server->domain, arena,
                            &other, err))
        return false;
    add(server, dane_record_for(arena, other.leaf_der, 3, 1, 1));
    return true;
}

/* The right data under the numbers of other data, with the same length. */
static const char *wrong_head(struct arena *arena, const char *record)
{
    return arena_format(arena, "3 0 1%s", strrchr(record, ' '));
}

bool lab_server_make_tlsa(struct lab_server *server, struct certificates *certificates,
                          struct arena *arena, struct error *err)
{
    const struct certificate_made *made = &server->certificate;
    const char *fitting;

    server->tlsa_count = 0;
    if (server->row->tlsa == FAULT_TLSA_NONE)
        return true;
    fitting = dane_record_for(arena, made->leaf_der, 3, 1, 1);
    switch (server->row->tlsa) {
    case FAULT_TLSA_NONE: break;
    case FAULT_TLSA_SERVFAIL: /* they are in the zone, or NSEC would prove that there is none */
    case FAULT_TLSA_BAD_SIGNATURE:
    case FAULT_TLSA_SIGNATURE_EXPIRED:
    case FAULT_TLSA_DANGLING:
    case FAULT_TLSA_INSECURE:
    case FAULT_TLSA_MATCHING: add(server, fitting); break;
    case FAULT_TLSA_MATCHING_ROOT:
        add(server, dane_record_for(arena, made->issuer_der, 2, 0, 1));
        break;
    case FAULT_TLSA_UNUSABLE: add(server, dane_record_for(arena, made->leaf_der, 1, 1, 1)); break;
    case FAULT_TLSA_WRONG_HEAD: add(server, wrong_head(arena, fitting)); break;
    case FAULT_TLSA_OTHER: return add_other(server, certificates, arena, err);
    case FAULT_TLSA_ROLLOVER:
        if (!add_other(server, certificates, arena, err))
            return false;
        add(server, fitting);
        break;
    case FAULT_TLSA_MIXED:
        add(server, dane_record_for(arena, made->leaf_der, 1, 1, 1));
        if (!add_other(server, certificates, arena, err))
            return false;
        add(server, arena_format(arena, "3 1 7%s", strrchr(fitting, ' ')));
        add(server, fitting);
        break;
    }
    return true;
}
