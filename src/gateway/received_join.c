#include "gateway/received_join.h"

#include <stdlib.h>
#include <string.h>

#include "net/address.h"

/* ---- words: RFC 8460 section 4.3 ---- */

static const struct {
    const char *type, *meaning;
} meanings[] = {
    { "starttls-not-supported", "the host did not offer STARTTLS" },
    { "certificate-host-mismatch", "the host's certificate does not name it" },
    { "certificate-expired", "the host's certificate had expired" },
    { "certificate-not-trusted",
      "no authority that the sender trusts vouches for the certificate" },
    { "validation-failure", "TLS failed for a reason that has no word of its own" },
    { "tlsa-invalid", "no TLSA record matches the host's certificate" },
    { "dnssec-invalid", "the sender's resolver took no answer for valid: DNSSEC" },
    { "dane-required", "the sender asks for DANE, and found no TLSA record that it can use" },
    { "sts-policy-fetch-error", "the sender could not fetch the MTA-STS policy" },
    { "sts-policy-invalid", "the MTA-STS policy is not well formed" },
    { "sts-webpki-invalid", "the certificate of the policy's web server does not hold" },
};

const char *received_join_meaning(const char *result_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (strcmp(result_type, meanings[i].type) == 0)
            return meanings[i].meaning;
    return NULL;
}

bool received_join_is_of_what_is_published(const char *result_type)
{
    struct span type = span_of(result_type);

    return span_starts_with(type, "sts-") || span_starts_with(type, "dnssec-") ||
           span_starts_with(type, "dane-") || span_starts_with(type, "tlsa-");
}

/* ---- groups ---- */

/* While they are made: the addresses are a list that grows. */
struct making {
    struct arena *arena;
    struct received_join *join;
    const char **addresses[RECEIVED_JOIN_GROUPS_MOST];
    size_t rooms[RECEIVED_JOIN_GROUPS_MOST];
    size_t addresses_in_all;
};

/* One way to write each address: 2001:DB8::0:1 is 2001:db8::1. */
static const char *normalize(const char *text, struct arena *arena)
{
    struct net_address address;
    char normal[NET_ADDRESS_TEXT];

    if (!net_address_parse(span_of(text), &address))
        return text;
    return arena_copy(arena, span_of(net_address_text(&address, normal)));
}

static void add_address(struct making *making, size_t index, const char *text)
{
    struct received_join_group *group = &making->join->groups[index];
    size_t *room = &making->rooms[index];

    if (*text == '\0' || making->addresses_in_all == RECEIVED_JOIN_ADDRESSES_MOST)
        return;
    if (group->address_count == *room) {
        size_t more = *room == 0 ? 4 : *room * 2;
        const char **larger = arena_new(making->arena, more, sizeof *larger);

        if (larger == NULL)
            return;
        for (size_t i = 0; i < group->address_count; i++)
            larger[i] = making->addresses[index][i];
        making->addresses[index] = larger;
        *room = more;
    }
    making->addresses[index][group->address_count++] = normalize(text, making->arena);
    making->addresses_in_all++;
}

static bool is_of(const struct received_join_group *group, const struct tls_report_policy *policy,
                  const struct tls_report_failure *failure)
{
    return group->policy == policy && strcmp(group->result_type, failure->result_type) == 0 &&
           span_equal_nocase(span_of(group->mx), span_of(failure->receiving_mx_hostname));
}

/* The one for it, made where there is none yet. */
static size_t find_group(struct received_join *join, const struct tls_report_policy *policy,
                         const struct tls_report_failure *failure)
{
    struct received_join_group *group;

    for (size_t i = join->count; i > 0; i--)
        if (is_of(&join->groups[i - 1], policy, failure))
            return i - 1;
    if (join->count == RECEIVED_JOIN_GROUPS_MOST) {
        join->groups[join->count - 1].is_rest = true;
        return join->count - 1;
    }
    group = &join->groups[join->count++];
    *group = (struct received_join_group){ .policy = policy,
                                           .result_type = failure->result_type,
                                           .mx = failure->receiving_mx_hostname,
                                           .receiving_ip = failure->receiving_ip,
                                           .reason = "",
                                           .information = "" };
    return join->count - 1;
}

/* Whatever a report says, a sum stays one. */
static int64_t add_up(int64_t sum, int64_t more)
{
    return more > INT64_MAX - sum ? INT64_MAX : sum + more;
}

static void take_failure(struct making *making, const struct tls_report_policy *policy,
                         const struct tls_report_failure *failure)
{
    size_t index = find_group(making->join, policy, failure);
    struct received_join_group *group = &making->join->groups[index];

    group->failed = add_up(group->failed, failure->failed_sessions);
    if (*group->reason == '\0')
        group->reason = failure->failure_reason_code;
    if (*group->information == '\0')
        group->information = failure->additional_information;
    add_address(making, index, failure->sending_mta_ip);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order, each once. */
static void settle_addresses(struct making *making)
{
    for (size_t i = 0; i < making->join->count; i++) {
        struct received_join_group *group = &making->join->groups[i];
        const char **addresses = making->addresses[i];
        size_t kept = 0;

        if (addresses == NULL) /* nobody was told of */
            continue;
        qsort(addresses, group->address_count, sizeof *addresses, compare_texts);
        for (size_t k = 0; k < group->address_count; k++)
            if (kept == 0 || strcmp(addresses[kept - 1], addresses[k]) != 0)
                addresses[kept++] = addresses[k];
        group->addresses = addresses;
        group->address_count = kept;
    }
}

/* ---- what was seen ---- */

static bool has_address(const struct received_join_group *group, const char *client)
{
    return group->address_count > 0 && *client != '\0' &&
           bsearch(&client, group->addresses, group->address_count, sizeof *group->addresses,
                   compare_texts) != NULL;
}

/* "mail-1.google.com" is below "google.com". */
static bool is_below(const char *name, const char *domain)
{
    struct span whole = span_of(name), end = span_of(domain);

    if (end.len == 0 || whole.len < end.len)
        return false;
    return span_equal_nocase(span_part(whole, whole.len - end.len, end.len), end) &&
           (whole.len == end.len || whole.data[whole.len - end.len - 1] == '.');
}

static void add_seen(struct received_join_group *group, const struct inbound_failure *failure)
{
    struct received_join_seen *seen = NULL;

    for (size_t i = 0; i < group->seen_count && seen == NULL; i++)
        if (strcmp(group->seen[i].finding, failure->finding) == 0)
            seen = &group->seen[i];
    if (group->seen_failed == 0 || failure->first_s < group->first_s)
        group->first_s = failure->first_s;
    if (group->seen_failed == 0 || failure->last_s > group->last_s)
        group->last_s = failure->last_s;
    group->seen_failed = add_up(group->seen_failed, failure->count);
    if (seen == NULL && group->seen_count == RECEIVED_JOIN_FINDINGS_MOST)
        return; /* it is in the sum */
    if (seen == NULL) {
        seen = &group->seen[group->seen_count++];
        *seen = (struct received_join_seen){ .finding = failure->finding,
                                             .cause = failure->cause,
                                             .first_s = failure->first_s,
                                             .last_s = failure->last_s };
    }
    seen->count = add_up(seen->count, failure->count);
    seen->first_s = failure->first_s < seen->first_s ? failure->first_s : seen->first_s;
    seen->last_s = failure->last_s > seen->last_s ? failure->last_s : seen->last_s;
}

static bool is_meant(const struct received_join *join, const struct received_join_group *group,
                     const struct inbound_failure *failure, enum received_join_by by)
{
    return by == RECEIVED_JOIN_BY_ADDRESS ? has_address(group, failure->client)
                                          : is_below(failure->helo, join->domain);
}

/* Those of the report's time. */
static void look_for(const struct received_join *join, struct received_join_group *group,
                     const struct tls_report *report, const struct inbound_failures *failures,
                     enum received_join_by by)
{
    for (size_t i = 0; i < failures->count; i++) {
        const struct inbound_failure *failure = &failures->items[i];

        if (failure->last_s >= report->start_s && failure->first_s <= report->end_s &&
            is_meant(join, group, failure, by))
            add_seen(group, failure);
    }
    if (group->seen_count > 0)
        group->by = by;
}

static int compare_seen(const void *a, const void *b)
{
    const struct received_join_seen *one = a, *other = b;

    return one->count != other->count ? (one->count < other->count) - (one->count > other->count)
                                      : strcmp(one->finding, other->finding);
}

/* The report's order of policies is that of their addresses. */
static int compare_groups(const void *a, const void *b)
{
    const struct received_join_group *one = a, *other = b;

    if (one->policy != other->policy)
        return one->policy < other->policy ? -1 : 1;
    if (one->failed != other->failed)
        return (one->failed < other->failed) - (one->failed > other->failed);
    return strcmp(one->result_type, other->result_type);
}

/* "tls-reports@google.com" or "mailto:...": what stands behind the at sign, where it is a name. */
static const char *domain_of(const char *contact)
{
    const char *at = strrchr(contact, '@');

    return at == NULL || strchr(at, '.') == NULL || strchr(at, ' ') != NULL ? "" : at + 1;
}

bool received_join_make(const struct tls_report *report, const struct inbound_failures *failures,
                        struct arena *arena, struct received_join *join)
{
    struct making *making = arena_new(arena, 1, sizeof *making);

    *join = (struct received_join){ .domain = domain_of(report->contact) };
    join->groups = arena_new(arena, RECEIVED_JOIN_GROUPS_MOST, sizeof *join->groups);
    if (making == NULL || join->groups == NULL)
        return false;
    *making = (struct making){ .arena = arena, .join = join };
    for (size_t i = 0; i < report->policy_count; i++)
        for (size_t k = 0; k < report->policies[i].detail_count; k++)
            take_failure(making, &report->policies[i], &report->policies[i].details[k]);
    settle_addresses(making);
    for (size_t i = 0; i < join->count; i++) {
        look_for(join, &join->groups[i], report, failures, RECEIVED_JOIN_BY_ADDRESS);
        if (join->groups[i].seen_count == 0)
            look_for(join, &join->groups[i], report, failures, RECEIVED_JOIN_BY_NAME);
        qsort(join->groups[i].seen, join->groups[i].seen_count, sizeof join->groups[i].seen[0],
              compare_seen);
    }
    qsort(join->groups, join->count, sizeof *join->groups, compare_groups);
    return !arena->exhausted;
}
