#include "lab/zone.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <ldns/ldns.h>

#include "base/memory.h"

enum {
    DAY_S = 86400,
    TTL_S = 300,
    CHILDREN_MOST = 8,
    TROUBLES_MOST = 32,
    ALIASES_MOST = 8, /* followed in one answer */
    UDP_BYTES = 512,  /* RFC 1035 section 4.2.1, where no EDNS says more */
    UDP_BYTES_MOST = 1232,
    FLAGS_SEP = 257,     /* RFC 4034 section 2.1.1: zone key, secure entry point */
    RRSIG_SIGNATURE = 8, /* index of the field: RFC 4034 section 3.1 */
};

/* The signed zone, or an unsigned one below it. */
struct realm {
    ldns_rdf *origin;
    ldns_dnssec_zone *names;
    ldns_rr *soa;
};

struct zone {
    struct realm realms[1 + CHILDREN_MOST]; /* [0] is the signed one */
    size_t realm_count;
    struct {
        ldns_rdf *name;
        enum zone_trouble trouble;
    } troubles[TROUBLES_MOST];
    size_t trouble_count;
    ldns_key *key;       /* owned by `keys` */
    ldns_key_list *keys; /* kept for good: ldns frees the keys with their list */
    int64_t now_s;
};

static bool fail(struct error *err, const char *doing, ldns_status status)
{
    return error_set(err, ERROR_CRYPTO, "%s: %s", doing, ldns_get_errorstr_by_id(status));
}

/* The deepest realm that holds the name; NULL: none does. */
static struct realm *find_realm(const struct zone *zone, const ldns_rdf *name)
{
    for (size_t i = zone->realm_count; i-- > 0;) {
        const struct realm *realm = &zone->realms[i];

        if (ldns_dname_compare(name, realm->origin) == 0 ||
            ldns_dname_is_subdomain(name, realm->origin))
            return (struct realm *)(uintptr_t)realm;
    }
    return NULL;
}

static bool add_record(struct realm *realm, ldns_rr *record, struct error *err)
{
    ldns_status status = ldns_dnssec_zone_add_rr(realm->names, record);

    if (status == LDNS_STATUS_OK)
        return true;
    ldns_rr_free(record);
    return fail(err, "adding a DNS record", status);
}

bool zone_add(struct zone *zone, struct error *err, const char *format, ...)
{
    char text[2048];
    ldns_rr *record = NULL;
    struct realm *realm;
    ldns_status status;
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof text)
        return error_set(err, ERROR_USAGE, "a DNS record is too long");
    status = ldns_rr_new_frm_str(&record, text, TTL_S, NULL, NULL);
    if (status != LDNS_STATUS_OK) {
        fail(err, "reading it", status);
        return error_wrap(err, "DNS record \"%s\"", text);
    }
    realm = find_realm(zone, ldns_rr_owner(record));
    if (realm == NULL) {
        ldns_rr_free(record);
        return error_set(err, ERROR_USAGE, "DNS record \"%s\" is outside the zone", text);
    }
    return add_record(realm, record, err);
}

static bool add_realm(struct zone *zone, const char *origin, struct error *err)
{
    struct realm *realm = &zone->realms[zone->realm_count];
    char text[1024];

    if (zone->realm_count == sizeof zone->realms / sizeof zone->realms[0])
        return error_set(err, ERROR_MEMORY, "too many delegations");
    snprintf(text, sizeof text, "%s %d IN SOA ns.%s hostmaster.%s 1 3600 600 604800 %d", origin,
             TTL_S, origin, origin, TTL_S);
    realm->origin = ldns_dname_new_frm_str(origin);
    realm->names = ldns_dnssec_zone_new();
    if (realm->origin == NULL || realm->names == NULL ||
        ldns_rr_new_frm_str(&realm->soa, text, TTL_S, NULL, NULL) != LDNS_STATUS_OK)
        return error_set(err, ERROR_USAGE, "a zone cannot be named %s", origin);
    zone->realm_count++;
    if (!add_record(realm, ldns_rr_clone(realm->soa), err))
        return false;
    return zone_add(zone, err, "%s %d IN NS ns.%s", origin, TTL_S, origin) &&
           zone_add(zone, err, "ns.%s %d IN A 127.0.0.1", origin, TTL_S);
}

bool zone_delegate_insecurely(struct zone *zone, const char *name, struct error *err)
{
    /* The parent's NS record first: once the realm is there, the name is its own. */
    return zone_add(zone, err, "%s %d IN NS ns.%s", name, TTL_S, name) &&
           add_realm(zone, name, err);
}

bool zone_trouble(struct zone *zone, const char *name, enum zone_trouble trouble, struct error *err)
{
    ldns_rdf *parsed = ldns_dname_new_frm_str(name);

    if (parsed == NULL || zone->trouble_count == TROUBLES_MOST) {
        ldns_rdf_deep_free(parsed);
        return error_set(err, ERROR_USAGE, "no trouble can be made for the name %s", name);
    }
    zone->troubles[zone->trouble_count].name = parsed;
    zone->troubles[zone->trouble_count++].trouble = trouble;
    return true;
}

static void set_validity(struct zone *zone, int64_t from_s, int64_t to_s)
{
    ldns_key_set_inception(zone->key, (uint32_t)from_s);
    ldns_key_set_expiration(zone->key, (uint32_t)to_s);
}

static bool make_key(struct zone *zone, struct error *err)
{
    zone->key = ldns_key_new_frm_algorithm(LDNS_SIGN_ECDSAP256SHA256, 256);
    if (zone->key == NULL)
        return error_set(err, ERROR_CRYPTO, "making a DNSSEC key failed");
    zone->keys = ldns_key_list_new();
    if (zone->keys == NULL || !ldns_key_list_push_key(zone->keys, zone->key)) {
        ldns_key_deep_free(zone->key);
        return error_set(err, ERROR_MEMORY, "no memory for a DNSSEC key");
    }
    ldns_key_set_pubkey_owner(zone->key, ldns_rdf_clone(zone->realms[0].origin));
    ldns_key_set_flags(zone->key, FLAGS_SEP);
    ldns_key_set_origttl(zone->key, TTL_S);
    set_validity(zone, zone->now_s - 2 * DAY_S, zone->now_s + 30 * DAY_S);
    return true;
}

bool zone_new(const char *origin, int64_t now_s, struct zone **zone, struct error *err)
{
    AUTO(zone_free) struct zone *made = memory_new(1, sizeof *made);
    ldns_rr *public_key;

    *zone = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a zone");
    made->now_s = now_s;
    if (!add_realm(made, origin, err) || !make_key(made, err))
        return false;
    public_key = ldns_key2rr(made->key);
    if (public_key == NULL)
        return error_set(err, ERROR_CRYPTO, "making a DNSKEY record failed");
    ldns_rr_set_ttl(public_key, TTL_S);
    ldns_key_set_keytag(made->key, ldns_calc_keytag(public_key));
    if (!add_record(&made->realms[0], public_key, err))
        return false;
    *zone = TAKE(made);
    return true;
}

void zone_free(struct zone **zone)
{
    struct zone *freed = *zone;

    *zone = NULL;
    if (freed == NULL)
        return;
    for (size_t i = 0; i < sizeof freed->realms / sizeof freed->realms[0]; i++) {
        ldns_rdf_deep_free(freed->realms[i].origin);
        ldns_rr_free(freed->realms[i].soa);
        if (freed->realms[i].names != NULL)
            ldns_dnssec_zone_deep_free(freed->realms[i].names);
    }
    for (size_t i = 0; i < freed->trouble_count; i++)
        ldns_rdf_deep_free(freed->troubles[i].name);
    if (freed->keys != NULL)
        ldns_key_list_free(freed->keys);
    memory_free(freed);
}

static ldns_dnssec_name *find_name(const struct realm *realm, const ldns_rdf *name)
{
    ldns_rbnode_t *node = ldns_rbtree_search(realm->names->names, name);

    return node == NULL || node == LDNS_RBTREE_NULL ? NULL
                                                    : (ldns_dnssec_name *)(uintptr_t)node->data;
}

static void spoil(ldns_dnssec_rrs *signatures)
{
    for (; signatures != NULL; signatures = signatures->next)
        ldns_rdf_data(ldns_rr_rdf(signatures->rr, RRSIG_SIGNATURE))[7] ^= 0x55;
}

/* Signs one set of records again, with the validity that the key now has. */
static bool sign_again(struct zone *zone, ldns_dnssec_rrsets *set)
{
    ldns_rr_list *records = ldns_rr_list_new();
    ldns_rr_list *made = NULL;
    bool is_signed = false;

    for (ldns_dnssec_rrs *each = set->rrs; each != NULL; each = each->next)
        ldns_rr_list_push_rr(records, each->rr);
    made = ldns_sign_public(records, zone->keys);
    if (made != NULL && ldns_rr_list_rr_count(made) == 1 && set->signatures != NULL) {
        ldns_rr_free(set->signatures->rr);
        set->signatures->rr = ldns_rr_list_pop_rr(made);
        is_signed = true;
    }
    ldns_rr_list_deep_free(made);
    ldns_rr_list_free(records);
    return is_signed;
}

static bool make_trouble(struct zone *zone, const ldns_rdf *name, enum zone_trouble trouble,
                         struct error *err)
{
    ldns_dnssec_name *node = find_name(&zone->realms[0], name);
    ldns_dnssec_rrsets *set = node == NULL ? NULL : node->rrsets;

    if (trouble == ZONE_SIGNATURE_EXPIRED)
        set_validity(zone, zone->now_s - 60 * DAY_S, zone->now_s - 30 * DAY_S);
    for (; set != NULL; set = set->next) {
        if (trouble == ZONE_BAD_SIGNATURE)
            spoil(set->signatures);
        else if (trouble == ZONE_SIGNATURE_EXPIRED && !sign_again(zone, set))
            return error_set(err, ERROR_CRYPTO, "signing with old dates failed");
    }
    return true;
}

bool zone_sign(struct zone *zone, struct error *err)
{
    ldns_rr_list *added = ldns_rr_list_new();
    struct realm *realm = &zone->realms[0];
    ldns_status status;

    status = ldns_dnssec_zone_add_empty_nonterminals(realm->names);
    if (status == LDNS_STATUS_OK)
        status = ldns_dnssec_zone_sign(realm->names, added, zone->keys,
                                       ldns_dnssec_default_replace_signatures, NULL);
    ldns_rr_list_free(added); /* the records are the zone's now */
    if (status != LDNS_STATUS_OK)
        return fail(err, "signing the zone", status);
    for (size_t i = 1; i < zone->realm_count; i++)
        if (ldns_dnssec_zone_add_empty_nonterminals(zone->realms[i].names) != LDNS_STATUS_OK)
            return error_set(err, ERROR_MEMORY, "no memory for a zone's names");
    for (size_t i = 0; i < zone->trouble_count; i++)
        if (!make_trouble(zone, zone->troubles[i].name, zone->troubles[i].trouble, err))
            return false;
    return true;
}

const char *zone_anchor(const struct zone *zone, struct arena *arena)
{
    ldns_rr *public_key = ldns_key2rr(zone->key);
    ldns_rr *digest = ldns_key_rr2ds(public_key, LDNS_SHA256);
    char *text = digest == NULL ? NULL : ldns_rr2str(digest);
    const char *copy = arena_copy(arena, span_of(text));

    LDNS_FREE(text);
    ldns_rr_free(digest);
    ldns_rr_free(public_key);
    return copy;
}

/* One answer in the making. */
struct reply {
    const struct zone *zone;
    ldns_pkt *packet;
    bool with_signatures;
};

static void push(struct reply *reply, ldns_pkt_section section, const ldns_rr *record)
{
    ldns_rr *copy = record == NULL ? NULL : ldns_rr_clone(record);

    /* Not twice: two denials may need the same NSEC. */
    if (copy != NULL && !ldns_pkt_safe_push_rr(reply->packet, section, copy))
        ldns_rr_free(copy);
}

static void push_all(struct reply *reply, ldns_pkt_section section, const ldns_dnssec_rrs *records)
{
    for (; records != NULL; records = records->next)
        push(reply, section, records->rr);
}

static void push_set(struct reply *reply, ldns_pkt_section section, const ldns_dnssec_rrsets *set)
{
    push_all(reply, section, set->rrs);
    if (reply->with_signatures)
        push_all(reply, section, set->signatures);
}

/* The NSEC at the name, or the last one before it: RFC 4034 section 6.1 gives the order. */
static void push_denial(struct reply *reply, const struct realm *realm, const ldns_rdf *name)
{
    ldns_rbnode_t *node = NULL;
    ldns_dnssec_name *found;

    if (!reply->with_signatures)
        return;
    ldns_rbtree_find_less_equal(realm->names->names, name, &node);
    while (node != NULL && node != LDNS_RBTREE_NULL) {
        found = (ldns_dnssec_name *)(uintptr_t)node->data;
        if (found->nsec != NULL) {
            push(reply, LDNS_SECTION_AUTHORITY, found->nsec);
            push_all(reply, LDNS_SECTION_AUTHORITY, found->nsec_signatures);
            return;
        }
        node = ldns_rbtree_previous(node);
    }
}

static void push_soa(struct reply *reply, const struct realm *realm)
{
    ldns_dnssec_rrsets *set =
        ldns_dnssec_zone_find_rrset(realm->names, realm->origin, LDNS_RR_TYPE_SOA);

    if (set != NULL)
        push_set(reply, LDNS_SECTION_AUTHORITY, set);
}

/* RFC 4035 section 3.1.3.2: no such name, and no wildcard that could have made it. */
static void deny_name(struct reply *reply, const struct realm *realm, const ldns_rdf *name)
{
    ldns_rdf *encloser = ldns_dname_left_chop(name);
    ldns_rdf *wildcard = ldns_dname_new_frm_str("*");

    ldns_pkt_set_rcode(reply->packet, LDNS_RCODE_NXDOMAIN);
    push_soa(reply, realm);
    push_denial(reply, realm, name);
    while (encloser != NULL && find_name(realm, encloser) == NULL &&
           ldns_dname_compare(encloser, realm->origin) != 0) {
        ldns_rdf *above = ldns_dname_left_chop(encloser);

        ldns_rdf_deep_free(encloser);
        encloser = above;
    }
    if (encloser != NULL && wildcard != NULL &&
        ldns_dname_cat(wildcard, encloser) == LDNS_STATUS_OK)
        push_denial(reply, realm, wildcard);
    ldns_rdf_deep_free(wildcard);
    ldns_rdf_deep_free(encloser);
}

/* Returns the name that an alias leads to; NULL: the answer is complete. */
static const ldns_rdf *answer_name(struct reply *reply, const struct realm *realm,
                                   const ldns_rdf *name, ldns_rr_type type)
{
    ldns_dnssec_name *node = find_name(realm, name);
    ldns_dnssec_rrsets *set = NULL, *alias = NULL;

    if (node == NULL) {
        deny_name(reply, realm, name);
        return NULL;
    }
    set = ldns_dnssec_name_find_rrset(node, type);
    alias = ldns_dnssec_name_find_rrset(node, LDNS_RR_TYPE_CNAME);
    if (set == NULL && alias == NULL) {
        push_soa(reply, realm);
        push_denial(reply, realm, name);
        return NULL;
    }
    push_set(reply, LDNS_SECTION_ANSWER, set != NULL ? set : alias);
    return set != NULL ? NULL : ldns_rr_rdf(alias->rrs->rr, 0);
}

/* DS is asked of the parent: RFC 4035 section 3.1.4.1. */
static const struct realm *realm_for(const struct zone *zone, const ldns_rdf *name,
                                     ldns_rr_type type)
{
    const struct realm *realm = find_realm(zone, name);

    if (type == LDNS_RR_TYPE_DS && realm != NULL && realm != &zone->realms[0] &&
        ldns_dname_compare(name, realm->origin) == 0)
        return &zone->realms[0];
    return realm;
}

static bool has_trouble(const struct zone *zone, const ldns_rdf *name, enum zone_trouble trouble)
{
    for (size_t i = 0; i < zone->trouble_count; i++)
        if (zone->troubles[i].trouble == trouble &&
            ldns_dname_compare(zone->troubles[i].name, name) == 0)
            return true;
    return false;
}

static void answer_question(struct reply *reply, const ldns_rdf *name, ldns_rr_type type)
{
    for (int i = 0; name != NULL && i < ALIASES_MOST; i++) {
        const struct realm *realm = realm_for(reply->zone, name, type);

        if (has_trouble(reply->zone, name, ZONE_SERVFAIL)) {
            ldns_pkt_set_rcode(reply->packet, LDNS_RCODE_SERVFAIL);
            return;
        }
        if (realm == NULL) { /* the rest of the world does not exist here */
            ldns_pkt_set_rcode(reply->packet, LDNS_RCODE_NXDOMAIN);
            return;
        }
        name = answer_name(reply, realm, name, type);
    }
}

static ldns_pkt *start_reply(const ldns_pkt *question)
{
    ldns_pkt *packet = ldns_pkt_new();

    if (packet == NULL)
        return NULL;
    ldns_pkt_set_id(packet, ldns_pkt_id(question));
    ldns_pkt_set_qr(packet, true);
    ldns_pkt_set_aa(packet, true);
    ldns_pkt_set_rd(packet, ldns_pkt_rd(question));
    ldns_pkt_set_ra(packet, true); /* resolvers forward to us */
    ldns_pkt_set_cd(packet, ldns_pkt_cd(question));
    if (ldns_pkt_edns(question)) {
        ldns_pkt_set_edns_udp_size(packet, UDP_BYTES_MOST);
        ldns_pkt_set_edns_do(packet, ldns_pkt_edns_do(question));
    }
    ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION,
                     ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(question), 0)));
    return packet;
}

static size_t write_packet(const ldns_pkt *packet, size_t limit, uint8_t *out)
{
    uint8_t *wire = NULL;
    size_t len = 0;

    if (ldns_pkt2wire(&wire, packet, &len) != LDNS_STATUS_OK || len > limit)
        len = 0;
    if (len > 0)
        memcpy(out, wire, len);
    LDNS_FREE(wire);
    return len;
}

static void empty_section(ldns_pkt *packet, ldns_pkt_section section)
{
    ldns_rr_list *empty = ldns_rr_list_new();

    if (section == LDNS_SECTION_ANSWER) {
        ldns_rr_list_deep_free(ldns_pkt_answer(packet));
        ldns_pkt_set_answer(packet, empty);
    } else {
        ldns_rr_list_deep_free(ldns_pkt_authority(packet));
        ldns_pkt_set_authority(packet, empty);
    }
    ldns_pkt_set_section_count(packet, section, 0);
}

/* What does not fit UDP comes without records and with TC set: RFC 2181 section 9. */
static size_t write_reply(ldns_pkt *packet, const ldns_pkt *question, bool is_udp, uint8_t *out)
{
    size_t limit = ZONE_MESSAGE_MOST, len;

    if (is_udp) {
        limit = ldns_pkt_edns(question) ? ldns_pkt_edns_udp_size(question) : UDP_BYTES;
        limit = limit < UDP_BYTES ? UDP_BYTES : limit > UDP_BYTES_MOST ? UDP_BYTES_MOST : limit;
    }
    len = write_packet(packet, limit, out);
    if (len > 0 || !is_udp)
        return len;
    empty_section(packet, LDNS_SECTION_ANSWER);
    empty_section(packet, LDNS_SECTION_AUTHORITY);
    ldns_pkt_set_tc(packet, true);
    return write_packet(packet, limit, out);
}

static size_t answer_packet(const struct zone *zone, const ldns_pkt *question, bool is_udp,
                            uint8_t *out)
{
    const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(question), 0);
    struct reply reply = { .zone = zone, .with_signatures = ldns_pkt_edns_do(question) };
    size_t len;

    if (has_trouble(zone, ldns_rr_owner(asked), ZONE_SILENCE))
        return 0;
    reply.packet = start_reply(question);
    if (reply.packet == NULL)
        return 0;
    answer_question(&reply, ldns_rr_owner(asked), ldns_rr_get_type(asked));
    len = write_reply(reply.packet, question, is_udp, out);
    ldns_pkt_free(reply.packet);
    return len;
}

size_t zone_answer(const struct zone *zone, struct span question, bool is_udp,
                   uint8_t out[ZONE_MESSAGE_MOST])
{
    ldns_pkt *packet = NULL;
    size_t len = 0;

    if (ldns_wire2pkt(&packet, (const uint8_t *)question.data, question.len) != LDNS_STATUS_OK)
        return 0;
    if (!ldns_pkt_qr(packet) && ldns_pkt_qdcount(packet) == 1 &&
        ldns_pkt_get_opcode(packet) == LDNS_PACKET_QUERY)
        len = answer_packet(zone, packet, is_udp, out);
    ldns_pkt_free(packet);
    return len;
}
