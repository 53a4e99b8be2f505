#include "link/policy_fetch.h"

#include <string.h>

#include "base/text.h"

static int64_t left_ms(const struct policy_fetch *fetch)
{
    int64_t left = fetch->deadline_ms - loop_now_ms(fetch->loop);

    return left > 1 ? left : 1;
}

static void fail(struct policy_fetch *fetch, const struct error *err)
{
    fetch->published->failure = arena_copy(fetch->arena, span_of(err->text));
}

/* ---- the file ---- */

static bool read_file(struct policy_fetch *fetch, struct span body, struct mta_sts_policy *policy)
{
    struct observed_published *published = fetch->published;
    const char *flaw;

    published->policy_text = arena_copy(fetch->arena, body);
    if (memchr(body.data == NULL ? "" : body.data, '\0', body.len) != NULL)
        published->policy_flaw = "it has an octet of zero";
    else if (!mta_sts_policy_read(body, fetch->arena, policy, &flaw))
        published->policy_flaw = flaw;
    return published->policy_flaw == NULL;
}

/* RFC 8461 section 3.3: of status 200 alone, not behind a redirect; section 3.2: text/plain. */
static const char *why_no_file(struct arena *arena, const struct https_answer *answer,
                               const struct observed_published *published)
{
    if (answer->outcome != HTTPS_ANSWERED)
        return arena_copy(arena, span_of(answer->failure));
    if (answer->status >= 300 && answer->status < 400 && published->location[0] != '\0')
        return arena_format(arena, "the server answers %d and leads to %s, but no redirect counts",
                            answer->status, published->location);
    if (answer->status != 200)
        return arena_format(arena, "the server answers %d and not 200", answer->status);
    if (published->content_type[0] == '\0')
        return "the file has no Content-Type, which must be text/plain";
    if (!mta_sts_is_plain_text(answer->content_type))
        return arena_format(arena, "the file is of type %s and not text/plain",
                            published->content_type);
    return NULL;
}

static void note_answer(struct policy_fetch *fetch, const struct https_answer *answer)
{
    struct observed_published *published = fetch->published;
    char text[NET_ADDRESS_TEXT];

    published->fetch_outcome = answer->outcome;
    published->http_status = answer->status;
    published->content_type =
        text_printable(fetch->arena, span_part(answer->content_type, 0, 200), false);
    published->location = text_printable(fetch->arena, span_part(answer->location, 0, 200), false);
    published->has_verdict = fetch->judge.has_verdict;
    if (published->has_verdict)
        published->verdict = fetch->judge.verdict;
    if (answer->address.port != 0)
        published->address =
            arena_copy(fetch->arena, span_of(net_address_text(&answer->address, text)));
}

static void take_answer(void *owner, const struct https_answer *answer)
{
    struct policy_fetch *fetch = owner;
    struct observed_published *published = fetch->published;
    struct mta_sts_policy policy;
    bool has_policy = false;

    fetch->query = NULL;
    note_answer(fetch, answer);
    if (answer->outcome == HTTPS_TOO_LARGE)
        published->policy_flaw = "it is larger than 64 KB";
    else
        published->fetch_failure = why_no_file(fetch->arena, answer, published);
    if (fetch->judge.failed)
        fail(fetch, &fetch->judge.err);
    else if (answer->outcome == HTTPS_FAILED)
        published->failure = published->fetch_failure;
    else if (!observed_published_fetch_failed(published))
        has_policy = read_file(fetch, answer->body, &policy);
    fetch->fetched(fetch->owner, has_policy ? &policy : NULL);
}

static void send_request(struct policy_fetch *fetch)
{
    struct https_request request = { .url = fetch->published->url,
                                     .addresses = fetch->addresses,
                                     .address_count = fetch->address_count,
                                     .body_most = MTA_STS_BODY_MOST,
                                     .timeout_ms = left_ms(fetch) };
    struct error err;

    fetch->judge = (struct https_judge){ .anchors = fetch->anchors,
                                         .intermediates = fetch->intermediates,
                                         .clock = fetch->clock,
                                         .arena = fetch->arena };
    https_judge_use(&fetch->judge, &request);
    if (https_send(fetch->https, &request, take_answer, fetch, &fetch->query, &err))
        return;
    fetch->published->fetch_outcome = HTTPS_FAILED;
    fail(fetch, &err);
    fetch->published->fetch_failure = fetch->published->failure;
    fetch->fetched(fetch->owner, NULL);
}

/* ---- the policy host ---- */

/* What keeps a host without addresses from being asked. */
static const char *why_no_address(struct arena *arena, const struct observed_lookup *seen)
{
    switch (seen->outcome) {
    case DNS_NXDOMAIN: return arena_format(arena, "the name %s does not exist", seen->name);
    case DNS_SERVFAIL: return arena_format(arena, "the look-up of %s fails", seen->name);
    case DNS_TIMEOUT: return arena_format(arena, "the look-up of %s has no answer", seen->name);
    case DNS_BOGUS:
        return arena_format(arena, "the answers for %s fail their validation%s%s", seen->name,
                            seen->why_bogus == NULL ? "" : ": ",
                            seen->why_bogus == NULL ? "" : seen->why_bogus);
    case DNS_ANSWERED:
    case DNS_NO_DATA: break;
    }
    return arena_format(arena, "%s has no address", seen->name);
}

/* Which of the two tells more of why there is an address, or none. */
static const struct observed_lookup *choose_lookup(const struct policy_fetch *fetch)
{
    static const int rank[] = {
        [DNS_ANSWERED] = 6, [DNS_NO_DATA] = 1,  [DNS_NXDOMAIN] = 2,
        [DNS_TIMEOUT] = 3,  [DNS_SERVFAIL] = 4, [DNS_BOGUS] = 5,
    };
    const struct observed_lookup *ipv4 = &fetch->ipv4.seen, *ipv6 = &fetch->ipv6.seen;

    return rank[ipv6->outcome] > rank[ipv4->outcome] ? ipv6 : ipv4;
}

static void end_addresses(struct policy_fetch *fetch)
{
    struct observed_published *published = fetch->published;

    published->host_lookup = *choose_lookup(fetch);
    if (fetch->address_count > 0) {
        send_request(fetch);
        return;
    }
    published->fetch_outcome = HTTPS_NO_CONNECT;
    published->only_private = fetch->refused != NULL;
    published->fetch_failure =
        fetch->refused == NULL
            ? why_no_address(fetch->arena, &published->host_lookup)
            : arena_format(fetch->arena, "%s has no address that everybody reaches: %s",
                           published->host_lookup.name, fetch->refused);
    fetch->fetched(fetch->owner, NULL);
}

/* A stranger's DNS must not lead us to hosts of our own network. */
static void add_address(struct policy_fetch *fetch, const struct net_address *address)
{
    const char *special = net_address_special(address);
    char text[NET_ADDRESS_TEXT];

    if (special != NULL && !fetch->private_addresses)
        fetch->refused =
            arena_format(fetch->arena, "%s is %s", net_address_text(address, text), special);
    else if (fetch->address_count < HTTPS_ADDRESSES_MOST)
        fetch->addresses[fetch->address_count++] = *address;
}

static void take_addresses(struct policy_fetch *fetch, const struct question *question,
                           const struct dns_answer *answer)
{
    struct net_address address = { .is_ipv6 = question->seen.type == DNS_TYPE_AAAA };
    size_t len = address.is_ipv6 ? 16 : 4;

    for (size_t i = 0; i < answer->record_count && answer->outcome == DNS_ANSWERED; i++) {
        if (answer->records[i].len != len)
            continue;
        memcpy(address.bytes, answer->records[i].data, len);
        add_address(fetch, &address);
    }
    if (fetch->ipv4.is_answered && fetch->ipv6.is_answered)
        end_addresses(fetch);
}

static void take_ipv4(void *owner, const struct dns_answer *answer)
{
    struct policy_fetch *fetch = owner;

    take_addresses(fetch, &fetch->ipv4, answer);
}

static void take_ipv6(void *owner, const struct dns_answer *answer)
{
    struct policy_fetch *fetch = owner;

    take_addresses(fetch, &fetch->ipv6, answer);
}

/* ---- the beginning and the end ---- */

void policy_fetch_start(struct policy_fetch *fetch)
{
    const char *host = arena_format(fetch->arena, "mta-sts.%s", fetch->published->domain);
    struct question question = { .arena = fetch->arena,
                                 .failure = &fetch->published->failure,
                                 .owner = fetch };

    fetch->published->fetched = true;
    fetch->ipv4 = fetch->ipv6 = question;
    fetch->ipv4.answered = take_ipv4;
    fetch->ipv6.answered = take_ipv6;
    question_start(&fetch->ipv4, fetch->dns, host, DNS_TYPE_A, left_ms(fetch));
    question_start(&fetch->ipv6, fetch->dns, host, DNS_TYPE_AAAA, left_ms(fetch));
}

void policy_fetch_stop(struct policy_fetch *fetch)
{
    question_stop(&fetch->ipv4);
    question_stop(&fetch->ipv6);
    https_cancel(&fetch->query);
}
