#include "lab/lab_zone.h"

#include <stdio.h>

#include "base/compiler.h"

enum { SMTP_PORT = 25, NAME_BYTES = 300 };

static bool add_address(struct zone *zone, const char *name, const struct lab_server *server,
                        struct error *err)
{
    char text[NET_ADDRESS_TEXT];

    return zone_add(zone, err, "%s. 300 IN A %s", name, net_address_text(&server->address, text));
}

static bool add_mx(struct zone *zone, const struct lab_server *server, const char *host,
                   struct error *err)
{
    return zone_add(zone, err, "%s. 300 IN MX 10 %s.", server->domain, host);
}

/* Where the name of the records is only an alias; NULL: it is none. */
static const char *alias_of_tlsa(const struct lab_server *server, char name[NAME_BYTES])
{
    if (server->row->tlsa == FAULT_TLSA_DANGLING)
        snprintf(name, NAME_BYTES, "nowhere.%s.", server->domain);
    else if (server->row->tlsa == FAULT_TLSA_INSECURE)
        snprintf(name, NAME_BYTES, "_tlsa.unsigned-%s.", server->domain);
    else
        return NULL;
    return name;
}

static bool add_trouble_of_tlsa(struct zone *zone, const struct lab_server *server,
                                const char *name, struct error *err)
{
    if (server->row->tlsa == FAULT_TLSA_SERVFAIL)
        return zone_trouble(zone, name, ZONE_SERVFAIL, err);
    if (server->row->tlsa == FAULT_TLSA_BAD_SIGNATURE)
        return zone_trouble(zone, name, ZONE_BAD_SIGNATURE, err);
    return server->row->tlsa != FAULT_TLSA_SIGNATURE_EXPIRED ||
           zone_trouble(zone, name, ZONE_SIGNATURE_EXPIRED, err);
}

static bool add_records(struct zone *zone, const struct lab_server *server, const char *name,
                        struct error *err)
{
    for (size_t i = 0; i < server->tlsa_count; i++)
        if (!zone_add(zone, err, "%s 300 IN TLSA %s", name, server->tlsa[i]))
            return false;
    return true;
}

static bool add_tlsa_at(struct zone *zone, const struct lab_server *server, const char *base,
                        uint16_t port, struct error *err)
{
    char name[NAME_BYTES], target[NAME_BYTES];
    const char *alias = alias_of_tlsa(server, target);

    snprintf(name, sizeof name, "_%u._tcp.%s.", port, base);
    if (alias != NULL)
        return zone_add(zone, err, "%s 300 IN CNAME %s", name, alias);
    return add_trouble_of_tlsa(zone, server, name, err) && add_records(zone, server, name, err);
}

static bool add_unsigned_tlsa(struct zone *zone, const struct lab_server *server, struct error *err)
{
    char name[NAME_BYTES], origin[NAME_BYTES];

    if (server->row->tlsa != FAULT_TLSA_INSECURE)
        return true;
    snprintf(origin, sizeof origin, "unsigned-%s.", server->domain);
    return zone_delegate_insecurely(zone, origin, err) &&
           add_records(zone, server, alias_of_tlsa(server, name), err);
}

/* At port 25 too, so that the names are those of life when somebody redirects that port here. */
static bool add_tlsa(struct zone *zone, const struct lab_server *server, const char *base,
                     struct error *err)
{
    if (server->tlsa_count == 0)
        return true;
    return add_unsigned_tlsa(zone, server, err) &&
           add_tlsa_at(zone, server, base, SMTP_PORT, err) &&
           (server->address.port == SMTP_PORT ||
            add_tlsa_at(zone, server, base, server->address.port, err));
}

static bool add_usual(struct zone *zone, const struct lab_server *server, struct error *err)
{
    return add_mx(zone, server, server->host, err) &&
           add_address(zone, server->host, server, err) &&
           add_tlsa(zone, server, server->host, err);
}

static bool add_texts(struct zone *zone, const char *label, const struct lab_server *server,
                      const char *first, const char *second, struct error *err)
{
    const char *texts[] = { first, second };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i] != NULL &&
            !zone_add(zone, err, "%s.%s. 300 IN TXT \"%s\"", label, server->domain, texts[i]))
            return false;
    return true;
}

static bool add_policy_host(struct zone *zone, const struct lab_server *server, struct error *err)
{
    enum fault_policy_server how = server->row->published.server;
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "%s.", server->policy_host);
    if (how == FAULT_POLICY_NO_ADDRESS)
        return zone_add(zone, err, "%s 300 IN TXT \"no address\"", name);
    if (how == FAULT_POLICY_SERVFAIL && !zone_trouble(zone, name, ZONE_SERVFAIL, err))
        return false;
    return add_address(zone, server->policy_host, server, err);
}

/* RFC 8461 section 3.1, RFC 8460 section 3 */
static bool add_published(struct zone *zone, const struct lab_server *server, struct error *err)
{
    const struct fault_published *published = &server->row->published;
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "_mta-sts.%s.", server->domain);
    if (published->sts_record_servfail && !zone_trouble(zone, name, ZONE_SERVFAIL, err))
        return false;
    return add_texts(zone, "_mta-sts", server, published->sts_record, published->second_sts_record,
                     err) &&
           add_texts(zone, "_smtp._tls", server, published->report_record,
                     published->second_report_record, err) &&
           (!lab_server_has_policy(server->row) || add_policy_host(zone, server, err));
}

static bool add_trouble(struct zone *zone, const struct lab_server *server,
                        enum zone_trouble trouble, struct error *err)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "%s.", server->domain);
    return add_usual(zone, server, err) && zone_trouble(zone, name, trouble, err);
}

static bool add_alias(struct zone *zone, const struct lab_server *server, struct error *err)
{
    char target[NAME_BYTES];

    snprintf(target, sizeof target, "mx.%s", server->domain);
    return add_mx(zone, server, server->host, err) &&
           zone_add(zone, err, "%s. 300 IN CNAME %s.", server->host, target) &&
           add_address(zone, target, server, err) && add_tlsa(zone, server, target, err);
}

static bool add_insecure(struct zone *zone, const struct lab_server *server, struct error *err)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "%s.", server->domain);
    return zone_delegate_insecurely(zone, name, err) && add_usual(zone, server, err);
}

static bool add_mail(struct zone *zone, const struct lab_server *server, struct error *err)
{
    switch (server->row->zone) {
    case FAULT_ZONE_USUAL: return add_usual(zone, server, err);
    case FAULT_ZONE_NXDOMAIN: return true;
    case FAULT_ZONE_NULL_MX:
        return zone_add(zone, err, "%s. 300 IN MX 0 .", server->domain); /* RFC 7505 section 3 */
    case FAULT_ZONE_NO_MX: return add_address(zone, server->domain, server, err);
    case FAULT_ZONE_NO_ADDRESS:
        return add_mx(zone, server, server->host, err) &&
               zone_add(zone, err, "%s. 300 IN TXT \"no address\"", server->host);
    case FAULT_ZONE_MX_ALIAS: return add_alias(zone, server, err);
    case FAULT_ZONE_MX_ADDRESS: return add_mx(zone, server, "127.0.0.1", err);
    case FAULT_ZONE_SERVFAIL: return add_trouble(zone, server, ZONE_SERVFAIL, err);
    case FAULT_ZONE_TIMEOUT: return add_trouble(zone, server, ZONE_SILENCE, err);
    case FAULT_ZONE_BOGUS: return add_trouble(zone, server, ZONE_BAD_SIGNATURE, err);
    case FAULT_ZONE_SIGNATURE_EXPIRED:
        return add_trouble(zone, server, ZONE_SIGNATURE_EXPIRED, err);
    case FAULT_ZONE_INSECURE:
    case FAULT_ZONE_MX_INSECURE: return add_insecure(zone, server, err);
    }
    return true;
}

bool lab_zone_add(struct zone *zone, const struct lab_server *server, struct error *err)
{
    return add_mail(zone, server, err) && add_published(zone, server, err);
}
