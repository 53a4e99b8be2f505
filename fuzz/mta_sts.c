/* fuzz/mta_sts.c - policy files: one that is taken is within its bounds and lists hosts, one that is not has its reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "trust/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* A host that the pattern stands for. */
static const char *host_of(struct arena *arena, const char *pattern)
{
    return pattern[0] == '*' ? arena_format(arena, "a%s", pattern + 1) : pattern;
}

static void check_again(const struct mta_sts_policy *policy, struct arena *arena)
{
    const char *text = arena_format(arena, "version: STSv1\nmode: %s\nmax_age: %lld\n",
                                    mta_sts_mode_name(policy->mode), (long long)policy->max_age_s);
    struct mta_sts_policy again;
    const char *flaw;

    for (size_t i = 0; i < policy->mx_count && i < 4; i++)
        text = arena_format(arena, "%smx: %s\n", text, policy->mx[i]);
    insist(mta_sts_policy_read(span_of(text), arena, &again, &flaw));
    insist(again.mode == policy->mode && again.max_age_s == policy->max_age_s);
}

static void check_policy(const struct mta_sts_policy *policy, struct arena *arena)
{
    insist(policy->mode < MTA_STS_MODE_COUNT);
    insist(policy->max_age_s >= 0 && policy->max_age_s <= MTA_STS_AGE_MOST_S);
    insist(policy->mode == MTA_STS_MODE_NONE || policy->mx_count > 0);
    insist(policy->mx_count <= MTA_STS_MX_MOST);
    for (size_t i = 0; i < policy->mx_count; i++) {
        insist(mta_sts_policy_lists(policy, host_of(arena, policy->mx[i])));
        insist(!mta_sts_match(policy->mx[i],
                              arena_format(arena, "a.%s", host_of(arena, policy->mx[i]))));
    }
    check_again(policy, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = { (const char *)data, size };
    struct mta_sts_policy policy;
    struct arena arena;
    const char *flaw;

    arena_init(&arena, 64 << 20);
    if (mta_sts_policy_read(input, &arena, &policy, &flaw)) {
        insist(flaw == NULL);
        check_policy(&policy, &arena);
    } else {
        insist(flaw != NULL && flaw[0] != '\0' && strchr(flaw, '\n') == NULL);
        insist(text_is_ascii(span_of(flaw)));
    }
    (void)!mta_sts_is_plain_text(input);
    insist(!arena.exhausted);
    arena_clear(&arena);
    return 0;
}
