/* diagnose/judge_self.c - is it us? our clock and our trust store. */
#include "diagnose/judge_parts.h"

#include "base/text.h"

enum { DAY_S = 86400, PROGRAM_LIFE_DAYS = 3650 };

/* A certificate of the peer that begins only after our now, by more than a clock may be off. */
static bool peer_is_ahead(const struct chain_verdict *verdict, int64_t now_s)
{
    for (size_t i = 0; i < verdict->certificate_count; i++)
        if (verdict->certificates[i].is_readable &&
            verdict->certificates[i].not_before_s <= now_s + DAY_S)
            return false;
    return verdict->certificate_count > 0;
}

/* Nobody runs a program for so long while all certificates of a peer, the issuers' too, have ended. */
static bool is_far_ahead(const struct judge *judge)
{
    const struct chain_verdict *verdict = &judge->seen->verdict;
    int64_t built_at_s = judge->seen->self.built_at_s;

    if (!judge->seen->has_verdict || verdict->certificate_count < 2 || built_at_s <= 0 ||
        judge->now_s < built_at_s + PROGRAM_LIFE_DAYS * (int64_t)DAY_S)
        return false;
    for (size_t i = 0; i < verdict->certificate_count; i++)
        if (!verdict->certificates[i].is_readable ||
            verdict->certificates[i].not_after_s > judge->now_s)
            return false;
    return true;
}

/* Why our clock cannot be right; NULL. A lone young anchor is no proof where the peers' dates
 * hold, for a private root may be made ahead of its time. */
static const char *why_clock_is_wrong(struct judge *judge)
{
    const struct observation *seen = judge->seen;
    const struct observed_self *self = &seen->self;
    bool all_ahead = seen->has_verdict && peer_is_ahead(&seen->verdict, judge->now_s);

    if (self->built_at_s > 0 && judge->now_s < self->built_at_s - DAY_S)
        return arena_format(judge->arena, "this program was built on %s",
                            text_date(judge->arena, self->built_at_s));
    if (self->newest_anchor_s > judge->now_s + DAY_S && (all_ahead || self->anchor_count > 1))
        return arena_format(judge->arena, "a root in our own trust store was made on %s",
                            text_date(judge->arena, self->newest_anchor_s));
    if (all_ahead && seen->verdict.certificate_count > 1)
        return arena_format(judge->arena,
                            "every certificate that %s shows begins later, the issuers' too",
                            judge->common[0].value);
    if (is_far_ahead(judge))
        return arena_format(judge->arena,
                            "this program was built on %s, and every certificate has ended since",
                            text_date(judge->arena, self->built_at_s));
    return NULL;
}

static void judge_clock(struct judge *judge)
{
    const struct observed_self *self = &judge->seen->self;
    const char *why = why_clock_is_wrong(judge);
    struct finding *finding;

    if (why == NULL)
        return;
    finding = JUDGE_ADD(judge, "clock-wrong", { "now", text_date(judge->arena, judge->now_s) },
                        { "why", why });
    judge_prove(judge, finding, "our clock: %s", text_time(judge->arena, judge->now_s));
    if (self->built_at_s > 0)
        judge_prove(judge, finding, "built at: %s", text_time(judge->arena, self->built_at_s));
    if (self->newest_anchor_s > 0)
        judge_prove(judge, finding, "newest root in our trust store (%s): notBefore %s",
                    self->anchor_file == NULL ? "its file is not known" : self->anchor_file,
                    text_time(judge->arena, self->newest_anchor_s));
    if (judge->seen->has_verdict && judge->seen->verdict.certificate_count > 0)
        judge_prove(judge, finding, "certificate of the peer: notBefore %s",
                    text_time(judge->arena, judge->seen->verdict.certificates[0].not_before_s));
    if (!judge->seen->has_verdict)
        finding->severity = SEVERITY_WARNING; /* nothing failed by it yet */
}

static void judge_trust_store(struct judge *judge)
{
    const struct observed_self *self = &judge->seen->self;
    const char *problem = self->anchor_problem;
    struct finding *finding;

    if (self->anchor_count > 0 || !judge->seen->has_verdict)
        return;
    if (problem == NULL)
        problem = self->anchor_file == NULL
                      ? "no file with roots was found"
                      : arena_format(judge->arena, "%s holds none", self->anchor_file);
    finding = JUDGE_ADD(judge, "trust-store-empty", { "why", problem });
    judge_prove(judge, finding, "trust store: %s, 0 certificates%s%s",
                self->anchor_file == NULL ? "no file" : self->anchor_file,
                self->anchor_problem == NULL ? "" : "; ",
                self->anchor_problem == NULL ? "" : self->anchor_problem);
    if (judge->seen->verdict.tlsa == CHAIN_TLSA_MATCHED)
        finding->severity = SEVERITY_WARNING; /* DANE does not need it */
}

void judge_self(struct judge *judge)
{
    judge_clock(judge);
    judge_trust_store(judge);
}
