/* link/client_link_verdict.c - has the chain of a handshake judged, for every level at once. */
#include "base/text.h"
#include "link/client_link_parts.h"
#include "trust/names.h"

enum { REFERENCES_MOST = 64 };

struct references {
    const char *names[REFERENCES_MOST];
    size_t count;
};

static void add_reference(struct references *references, const char *name)
{
    if (name != NULL && name[0] != '\0' && references->count < REFERENCES_MOST)
        references->names[references->count++] = name;
}

/* The names that level secure takes: the domain and any host below it, unless a rule lists others.
 * Where an address stands in place of a domain, the name that was asked for beside it is meant. */
static void list_domain_names(const struct client_link_settings *settings, struct arena *arena,
                              struct references *references)
{
    struct net_address address = { .port = 0 };

    for (size_t i = 0; i < settings->domain_name_count; i++)
        add_reference(references, settings->domain_names[i]);
    if (settings->domain_name_count > 0 || settings->domain == NULL)
        return;
    if (net_address_parse(span_of(settings->domain), &address)) {
        add_reference(references, settings->host);
        return;
    }
    add_reference(references, settings->domain);
    add_reference(references, arena_format(arena, ".%s", settings->domain));
}

static bool names_address(const struct certificate *leaf, const struct net_address *wanted)
{
    struct net_address address = { .port = 0 };

    for (size_t i = 0; i < leaf->address_count; i++)
        if (net_address_parse(span_of(leaf->addresses[i]), &address) &&
            net_address_is_same_host(&address, wanted))
            return true;
    return false;
}

/* Does the leaf name this reference? An IP address is matched with iPAddress alone (RFC 9525
 * section 6.1), a name with dNSName alone. */
static bool leaf_names(const struct chain_verdict *verdict, struct arena *arena,
                       const char *reference)
{
    const struct certificate *leaf = verdict->certificates;
    struct net_address address = { .port = 0 };
    const char *wanted;

    if (verdict->certificate_count == 0 || reference == NULL)
        return false;
    if (net_address_parse(span_of(reference), &address))
        return names_address(leaf, &address);
    wanted = names_normalize(arena, span_of(reference));
    for (size_t i = 0; wanted != NULL && i < leaf->name_count; i++)
        if (names_match(span_of(leaf->names[i]), span_of(wanted)))
            return true;
    return false;
}

static bool leaf_names_any(const struct chain_verdict *verdict, struct arena *arena,
                           const struct references *references)
{
    for (size_t i = 0; i < references->count; i++)
        if (leaf_names(verdict, arena, references->names[i]))
            return true;
    return false;
}

/* Hex digits of either case; colons and blanks between them do not count. */
static bool fingerprint_equal(const char *wanted, const char *hex)
{
    for (; *wanted != '\0'; wanted++) {
        if (*wanted == ':' || *wanted == ' ')
            continue;
        if (*hex == '\0' || text_lower(*wanted) != *hex++)
            return false;
    }
    return *hex == '\0';
}

static bool fingerprint_matches(const struct client_link_settings *settings,
                                const struct chain_verdict *verdict)
{
    const struct certificate *leaf = verdict->certificates;

    return settings->fingerprint != NULL && verdict->certificate_count > 0 &&
           leaf->sha256[0] != '\0' &&
           (fingerprint_equal(settings->fingerprint, leaf->sha256) ||
            (leaf->spki_sha256[0] != '\0' &&
             fingerprint_equal(settings->fingerprint, leaf->spki_sha256)));
}

/* RFC 7672 section 3.2.2 */
static void list_dane_names(const struct client_link_settings *settings,
                            struct references *references)
{
    for (size_t i = 0; i < settings->dane_name_count; i++)
        add_reference(references, settings->dane_names[i]);
    if (references->count == 0)
        add_reference(references,
                      settings->tlsa_base != NULL ? settings->tlsa_base : settings->host);
}

bool client_link_judge(const struct client_link_settings *settings, struct arena *arena,
                       struct observation *observation, struct error *err)
{
    struct references names = { .count = 0 }, domain_names = { .count = 0 }, dane = { .count = 0 };
    const struct tls_facts *tls = &observation->tls;
    struct chain_request request = {
        .certificates = tls->chain,
        .certificate_count = tls->chain_count,
        .now_s = settings->clock->wall_s(settings->clock),
        .profile = CHAIN_COMPATIBLE,
        .anchors = settings->anchors,
        .intermediates = settings->intermediates,
        .staple = tls->staple,
        .staple_was_asked = true,
        .tlsa = settings->tlsa,
        .tlsa_count = settings->tlsa_count,
    };

    list_domain_names(settings, arena, &domain_names);
    add_reference(&names, settings->host);
    for (size_t i = 0; i < domain_names.count; i++)
        add_reference(&names, domain_names.names[i]);
    request.names = names.names;
    request.name_count = names.count;
    list_dane_names(settings, &dane);
    request.dane_names = dane.names;
    request.dane_name_count = dane.count;
    if (!chain_verify(&request, arena, &observation->verdict, err))
        return error_wrap(err, "judging the chain of %s", settings->host);
    observation->has_verdict = true;
    observation->host_named = leaf_names(&observation->verdict, arena, settings->host);
    observation->domain_named = leaf_names_any(&observation->verdict, arena, &domain_names);
    observation->fingerprint_matched = fingerprint_matches(settings, &observation->verdict);
    return true;
}
