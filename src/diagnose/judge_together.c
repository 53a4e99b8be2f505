/* diagnose/judge_together.c - what only many hosts together can tell: that it is us. */
#include "diagnose/judge.h"
#include "diagnose/judge_parts.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

enum { UNRELATED_LEAST = 3, SMTP_PORT = 25, OBSERVATIONS_MOST = 256 };

/* The last two labels: hosts under them have one owner, mostly. */
static struct span owner_of(const struct observation *seen)
{
    struct span name =
        span_of(seen->host == NULL || seen->host[0] == '\0' ? seen->address : seen->host);
    size_t dots = 0;

    for (size_t i = name.len; i > 0; i--)
        if (name.data[i - 1] == '.' && ++dots == 2)
            return span_part(name, i, name.len);
    return name;
}

static size_t count_owners(const struct observation *const *observations, size_t count)
{
    size_t owners = 0;

    for (size_t i = 0; i < count; i++) {
        bool is_new = true;

        for (size_t j = 0; j < i; j++)
            is_new =
                is_new && !span_equal_nocase(owner_of(observations[i]), owner_of(observations[j]));
        owners += is_new;
    }
    return owners;
}

static bool got_no_answer(const struct observation *seen)
{
    return seen->reached <= STEP_CONNECT && seen->port == SMTP_PORT &&
           (seen->ending == ENDING_NO_CONNECT || seen->ending == ENDING_TIMEOUT ||
            seen->ending == ENDING_UNREACHABLE || seen->ending == ENDING_REFUSED);
}

static void prove_each(struct judge *judge, struct finding *finding,
                       const struct observation *const *observations, size_t count,
                       const char *what)
{
    for (size_t i = 0; i < count; i++)
        judge_prove(judge, finding, "%s [%s]:%u: %s",
                    text_printable(judge->arena, span_of(observations[i]->host), false),
                    observations[i]->address, observations[i]->port,
                    what != NULL ? what : ending_name(observations[i]->ending));
}

static bool judge_port(struct judge *judge, const struct observation *const *observations,
                       size_t count, size_t owners)
{
    struct finding *finding;

    for (size_t i = 0; i < count; i++)
        if (!got_no_answer(observations[i]))
            return false;
    finding =
        JUDGE_ADD(judge, "port-25-blocked", { "count", arena_format(judge->arena, "%zu", owners) },
                  { "address", observations[0]->address });
    prove_each(judge, finding, observations, count, NULL);
    return true;
}

/* The first finding that stops TLS and has no cause of its own; NULL. */
static const char *root_code(const struct observation *seen, struct arena *arena)
{
    struct findings *findings = arena_new(arena, 1, sizeof *findings);

    if (findings == NULL)
        return NULL;
    judge_observation(seen, NULL, arena, findings);
    return findings->count > 0 && findings->items[0].severity == SEVERITY_FATAL
               ? findings->items[0].code
               : NULL;
}

/* Only what something in between can do to all alike. */
bool judge_may_be_ours(const char *code)
{
    static const char *const ours[] = {
        "starttls-masked", "starttls-not-offered", "ehlo-rejected",     "starttls-refused",
        "handshake-reset", "handshake-timeout",    "handshake-closed",  "greeting-timeout",
        "starttls-closed", "starttls-not-tls",     "starttls-injected", "greeting-closed",
    };

    for (size_t i = 0; code != NULL && i < ARRAY_SIZE(ours); i++)
        if (strcmp(code, ours[i]) == 0)
            return true;
    return false;
}

static void judge_alike(struct judge *judge, const struct observation *const *observations,
                        size_t count, size_t owners)
{
    const char *code = root_code(observations[0], judge->arena);
    struct finding *finding;

    if (!judge_may_be_ours(code))
        return;
    for (size_t i = 1; i < count; i++) {
        const char *other = root_code(observations[i], judge->arena);

        if (other == NULL || strcmp(other, code) != 0)
            return;
    }
    finding = JUDGE_ADD(judge, "all-fail-alike", { "code", code },
                        { "count", arena_format(judge->arena, "%zu", owners) });
    prove_each(judge, finding, observations, count, code);
}

/* Our clock: every peer's certificate begins later than our now. */
static void judge_clock(struct judge *judge, const struct observation *const *observations,
                        size_t count)
{
    const struct certificate *leaf;
    struct finding *finding;

    for (size_t i = 0; i < count; i++)
        if (!observations[i]->has_verdict ||
            !chain_has(&observations[i]->verdict, CHAIN_NOT_YET_VALID))
            return;
    finding =
        JUDGE_ADD(judge, "clock-wrong", { "now", text_date(judge->arena, observations[0]->wall_s) },
                  { "why", "the certificates of all hosts begin later" });
    for (size_t i = 0; i < count; i++) {
        leaf = &observations[i]->verdict.certificates[0];
        judge_prove(judge, finding, "%s: notBefore %s",
                    text_printable(judge->arena, span_of(observations[i]->host), false),
                    text_time(judge->arena, leaf->not_before_s));
    }
}

static bool has_no_route(const struct observation *seen)
{
    return seen->reached <= STEP_CONNECT && seen->ending == ENDING_UNREACHABLE &&
           (seen->error_number == ENETUNREACH || seen->error_number == EADDRNOTAVAIL);
}

static bool has_answering_sibling(const struct observation *const *observations, size_t count,
                                  const struct observation *seen)
{
    for (size_t i = 0; i < count; i++)
        if (observations[i]->reached > STEP_CONNECT &&
            span_equal_nocase(span_of(observations[i]->host), span_of(seen->host)))
            return true;
    return false;
}

void judge_other_addresses(const struct observation *const *observations,
                           struct findings *const *findings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!has_no_route(observations[i]) ||
            !has_answering_sibling(observations, count, observations[i]))
            continue;
        for (size_t k = 0; k < findings[i]->count; k++)
            if (strcmp(findings[i]->items[k].code, "connect-unreachable") == 0)
                findings[i]->items[k].severity = SEVERITY_NOTICE;
    }
}

void judge_together(const struct observation *const *observations, size_t count,
                    struct arena *arena, struct findings *findings)
{
    size_t owners;
    struct judge judge = { .arena = arena, .findings = findings };

    if (count > OBSERVATIONS_MOST)
        count = OBSERVATIONS_MOST;
    owners = count == 0 ? 0 : count_owners(observations, count);
    if (owners >= 2)
        judge_clock(&judge, observations, count);
    if (owners >= UNRELATED_LEAST && !judge_port(&judge, observations, count, owners))
        judge_alike(&judge, observations, count, owners);
    judge_sort(findings);
}
