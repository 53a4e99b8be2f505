#include "diagnose/publication.h"

#include <stdlib.h>
#include <string.h>

#include "diagnose/judge.h"
#include "trust/names.h"
#include "trust/publish.h"

enum { DANE_TA = 2 };

const char *publication_use_name(enum publication_use use)
{
    static const char *const names[] = { [PUBLICATION_STALE] = "stale",
                                         [PUBLICATION_UNUSABLE] = "unusable",
                                         [PUBLICATION_NEXT] = "next",
                                         [PUBLICATION_ISSUER] = "issuer",
                                         [PUBLICATION_PRESENT] = "present" };

    return names[use];
}

/* ---- whose is a host, and what does it show? ---- */

static bool has_name(const struct certificate *leaf, const char *host)
{
    for (size_t i = 0; i < leaf->name_count; i++)
        if (strcmp(leaf->names[i], host) == 0)
            return true;
    return false;
}

static bool stands_for(const struct certificate *leaf, const char *host)
{
    for (size_t i = 0; i < leaf->name_count; i++)
        if (names_match(span_of(leaf->names[i]), span_of(host)))
            return true;
    return false;
}

static bool is_named_in_full(const struct publication *publication, const char *host)
{
    for (size_t i = 0; i < publication->certificate_count; i++)
        if (has_name(&publication->certificates[i].leaf, host))
            return true;
    return strcmp(publication->hostname, host) == 0;
}

bool publication_is_ours(const struct publication *publication, const char *host)
{
    if (strcmp(publication->hostname, host) == 0)
        return true;
    if (host[0] == '*') /* a pattern of a policy is no host */
        return false;
    for (size_t i = 0; i < publication->certificate_count; i++)
        if (stands_for(&publication->certificates[i].leaf, host))
            return true;
    return false;
}

/* "RSA" of "RSA 2048": a server shows one certificate of each kind. */
static struct span kind_of(const struct publication_certificate *certificate)
{
    struct span key = span_of(certificate->leaf.key);

    return span_take_until(&key, ' ');
}

static void add_shown(struct publication_host *host, const struct publication_certificate *one)
{
    for (size_t i = 0; i < host->shown_count; i++)
        if (host->shown[i].certificate == one ||
            span_equal(kind_of(host->shown[i].certificate), kind_of(one)))
            return;
    host->shown[host->shown_count++].certificate = one;
}

/* As net/tls_server_names chooses: who has the name in full before who has it by a wildcard, one of each kind
 * of key; where nobody has it, the first certificate. */
static bool find_shown(const struct publication *publication, struct publication_host *host,
                       struct arena *arena)
{
    host->shown_count = 0;
    host->shown = arena_new(arena, publication->certificate_count + 1, sizeof *host->shown);
    if (host->shown == NULL)
        return false;
    for (size_t i = 0; i < publication->certificate_count; i++)
        if (has_name(&publication->certificates[i].leaf, host->name))
            add_shown(host, &publication->certificates[i]);
    for (size_t i = 0; i < publication->certificate_count; i++)
        if (stands_for(&publication->certificates[i].leaf, host->name))
            add_shown(host, &publication->certificates[i]);
    if (host->shown_count == 0 && publication->certificate_count > 0)
        add_shown(host, &publication->certificates[0]);
    return true;
}

/* ---- TLSA ---- */

/* RFC 7671 section 9: of the digests with one usage and selector only the strongest counts. */
static bool is_outdone(const struct publication_host *host, const struct dane_record *record)
{
    for (size_t i = 0; i < host->live_count && record->matching > 0; i++) {
        const struct dane_record *other = &host->live[i].record;

        if (other->usage == record->usage && other->selector == record->selector &&
            other->matching > record->matching && dane_usability(other) == DANE_USABLE)
            return true;
    }
    return false;
}

/* What a sender asks of the chain; names and records are still to be said. */
static struct chain_request request_for(const struct publication *publication,
                                        const struct publication_certificate *certificate)
{
    return (struct chain_request){ .certificates = certificate->chain,
                                   .certificate_count = certificate->chain_count,
                                   .now_s = publication->now_s,
                                   .anchors = publication->anchors };
}

/* One record alone, against one certificate; RFC 7672 section 3.2.2 for the names. */
static bool does_match(const struct publication *publication, const struct publication_host *host,
                       const struct publication_certificate *certificate,
                       const struct dane_record *record, struct arena *arena)
{
    const char *const names[] = { host->name, publication->domain };
    struct chain_request request = request_for(publication, certificate);
    struct chain_verdict verdict;

    request.names = names;
    request.name_count = ARRAY_SIZE(names);
    request.tlsa = record;
    request.tlsa_count = 1;
    return chain_verify(&request, arena, &verdict, NULL) && verdict.tlsa == CHAIN_TLSA_MATCHED;
}

static void find_use(const struct publication *publication, const struct publication_host *host,
                     struct publication_record *live, struct arena *arena)
{
    live->use = PUBLICATION_STALE;
    if (dane_usability(&live->record) != DANE_USABLE)
        live->use = PUBLICATION_UNUSABLE;
    for (size_t i = 0; i < host->shown_count && live->use != PUBLICATION_UNUSABLE; i++) {
        const struct publication_certificate *certificate = host->shown[i].certificate;

        if (does_match(publication, host, certificate, &live->record, arena)) {
            live->use = live->record.usage == DANE_TA ? PUBLICATION_ISSUER : PUBLICATION_PRESENT;
            return;
        }
        if (publish_tlsa_is_of_key(&live->record, certificate->next_key))
            live->use = PUBLICATION_NEXT;
    }
}

/* Which of the live records go on to match when its certificate is renewed, with the same key or the next. */
static void look_ahead(const struct publication_host *host, struct publication_shown *shown)
{
    for (size_t i = 0; i < host->live_count; i++) {
        const struct dane_record *record = &host->live[i].record;
        bool is_of_issuer = host->live[i].use == PUBLICATION_ISSUER;

        if (dane_usability(record) != DANE_USABLE || is_outdone(host, record))
            continue;
        shown->outlives_renewal |=
            is_of_issuer || publish_tlsa_is_of_key(record, shown->certificate->key);
        shown->next_survives |=
            is_of_issuer || publish_tlsa_is_of_key(record, shown->certificate->next_key);
    }
}

static bool is_live(const struct publication_host *host, const struct dane_record *record)
{
    for (size_t i = 0; i < host->live_count; i++) {
        const struct dane_record *live = &host->live[i].record;

        if (live->usage == record->usage && live->selector == record->selector &&
            live->matching == record->matching && span_equal(live->data, record->data))
            return true;
    }
    return false;
}

static void want(struct publication_host *host, struct arena *arena, struct span key,
                 const char *file, int64_t ends_s, bool is_next)
{
    struct publication_wanted wanted = {
        .record = publish_tlsa(arena, key), .file = file, .is_next = is_next, .ends_s = ends_s
    };

    if (key.len == 0)
        return;
    for (size_t i = 0; i < host->wanted_count; i++)
        if (span_equal(host->wanted[i].record.data, wanted.record.data))
            return;
    wanted.is_live = is_live(host, &wanted.record);
    host->wanted[host->wanted_count++] = wanted;
}

static bool want_records(struct publication_host *host, struct arena *arena)
{
    host->wanted_count = 0;
    host->wanted = arena_new(arena, 2 * host->shown_count + 1, sizeof *host->wanted);
    if (host->wanted == NULL)
        return false;
    for (size_t i = 0; i < host->shown_count; i++) {
        const struct publication_certificate *one = host->shown[i].certificate;

        want(host, arena, one->key, one->file, one->leaf.not_after_s, false);
    }
    for (size_t i = 0; i < host->shown_count; i++) {
        const struct publication_certificate *one = host->shown[i].certificate;

        want(host, arena, one->next_key, one->next_file, 0, true);
    }
    return true;
}

/* ---- one host ---- */

static bool judge_shown(const struct publication *publication, const struct publication_host *host,
                        struct publication_shown *shown, struct arena *arena, struct error *err)
{
    const char *const names[] = { host->name, publication->domain };
    struct chain_request request = request_for(publication, shown->certificate);
    struct dane_record *records = arena_new(arena, host->live_count + 1, sizeof *records);

    if (records == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for TLSA records");
    for (size_t i = 0; i < host->live_count; i++)
        records[i] = host->live[i].record;
    request.names = names;
    request.name_count = 1; /* RFC 8461 section 4.1 */
    if (!chain_verify(&request, arena, &shown->pkix, err))
        return false;
    request.name_count = ARRAY_SIZE(names);
    request.tlsa = records;
    request.tlsa_count = host->live_count;
    if (!chain_verify(&request, arena, &shown->dane, err))
        return false;
    judge_verdict(&shown->pkix, host->name, publication->now_s, arena, &shown->flaws);
    look_ahead(host, shown);
    return true;
}

/* Whatever order the answer came in. */
static int compare_records(const void *a, const void *b)
{
    const struct dane_record *left = &((const struct publication_record *)a)->record,
                             *right = &((const struct publication_record *)b)->record;
    int order = (left->usage << 16 | left->selector << 8 | left->matching) -
                (right->usage << 16 | right->selector << 8 | right->matching);
    size_t len = left->data.len < right->data.len ? left->data.len : right->data.len;

    if (order == 0 && len > 0)
        order = memcmp(left->data.data, right->data.data, len);
    return order != 0 ? order
                      : (left->data.len > right->data.len) - (left->data.len < right->data.len);
}

static bool compare_host(const struct publication *publication, struct publication_host *host,
                         struct arena *arena, struct error *err)
{
    host->tlsa_name = host->lookup.canonical_name != NULL
                          ? host->lookup.canonical_name
                          : arena_format(arena, "_%d._tcp.%s", PUBLICATION_PORT, host->name);
    if (!find_shown(publication, host, arena) || !want_records(host, arena))
        return error_set(err, ERROR_MEMORY, "no memory for what %s is to publish", host->name);
    if (host->live_count > 0)
        qsort(host->live, host->live_count, sizeof *host->live, compare_records);
    for (size_t i = 0; i < host->live_count; i++)
        find_use(publication, host, &host->live[i], arena);
    for (size_t i = 0; i < host->shown_count; i++)
        if (!judge_shown(publication, host, &host->shown[i], arena, err))
            return false;
    return true;
}

/* ---- all of it ---- */

bool publication_compare(struct publication *publication, struct arena *arena, struct error *err)
{
    for (size_t i = 0; i < publication->host_count; i++) {
        struct publication_host *host = &publication->hosts[i];

        host->is_ours = publication_is_ours(publication, host->name);
        host->is_ours_by_wildcard = host->is_ours && !is_named_in_full(publication, host->name);
        if (host->is_ours && !compare_host(publication, host, arena, err))
            return false;
    }
    if (publication->wants_sts) {
        publication->policy_text = publish_policy(arena, &publication->policy);
        publication->policy_id = publish_policy_id(arena, &publication->policy);
        publication->sts_record = publish_sts_record(arena, publication->policy_id);
    }
    if (publication->report_uri_count > 0)
        publication->report_record =
            publish_report_record(arena, publication->report_uris, publication->report_uri_count);
    return !arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for what to publish");
}

static bool has_uri(const char *const *uris, size_t count, const char *uri)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(uris[i], uri) == 0)
            return true;
    return false;
}

bool publication_reports_are_live(const struct publication *publication)
{
    const struct observed_published *live = publication->live;
    bool is_same = live != NULL && live->report_record == TXT_RECORD_VALID &&
                   live->reports.count == publication->report_uri_count;

    for (size_t i = 0; is_same && i < publication->report_uri_count; i++)
        is_same = has_uri(live->reports.uris, live->reports.count, publication->report_uris[i]);
    return is_same;
}

/* What the tag p= says, without the blanks that it may be cut by; "" where there is none. */
static const char *dkim_key_in(struct span record, struct arena *arena)
{
    while (record.len > 0) {
        struct span tag = span_trim(span_take_until(&record, ';'));
        const char *key = "";

        if (!span_starts_with(tag, "p"))
            continue;
        span_take(&tag);
        tag = span_trim(tag);
        if (!span_starts_with(tag, "="))
            continue;
        span_take(&tag);
        while (tag.len > 0) {
            struct span part = span_take_until(&tag, ' ');

            key = arena_format(arena, "%s%.*s", key, (int)part.len, part.data);
        }
        return key;
    }
    return "";
}

bool publication_dkim_is_live(const struct publication *publication, struct arena *arena)
{
    const char *wanted = dkim_key_in(span_of(publication->dkim_record), arena);

    for (size_t i = 0; i < publication->dkim_live_count; i++)
        if (strcmp(dkim_key_in(span_of(publication->dkim_live[i]), arena), wanted) == 0)
            return true;
    return false;
}

const struct mta_sts_policy *publication_live_policy(const struct publication *publication)
{
    const struct observed_published *live = publication->live;

    return live != NULL && live->has_policy && live->sts_id != NULL ? &live->policy : NULL;
}

enum mta_sts_mode publication_strictest_mode(const struct publication *publication)
{
    const struct mta_sts_policy *live = publication_live_policy(publication);
    enum mta_sts_mode wanted =
        publication->wants_sts ? publication->policy.mode : MTA_STS_MODE_NONE;

    return live != NULL && live->mode > wanted ? live->mode : wanted;
}
