#include "link/https_judge.h"

/* The verdict keeps the certificates as they were given, and outlives the peer's. NULL: no memory. */
static const struct span *copy_chain(const struct https_peer *peer, struct arena *arena)
{
    struct span *chain = arena_new(arena, peer->chain_count + 1, sizeof *chain);

    for (size_t i = 0; chain != NULL && i < peer->chain_count; i++)
        chain[i] = arena_copy_bytes(arena, peer->chain[i]);
    return chain;
}

/* Who has no roots cannot say of any server that it is not to be trusted. */
static bool is_our_lack(const struct https_judge *judge)
{
    return !judge->verdict.is_trusted && anchors_count(judge->anchors) == 0;
}

static bool judge_peer(void *owner, const struct https_peer *peer)
{
    struct https_judge *judge = owner;
    struct chain_request request = {
        .certificates = copy_chain(peer, judge->arena),
        .certificate_count = peer->chain_count,
        .names = &peer->host,
        .name_count = 1,
        .now_s = judge->clock->wall_s(judge->clock),
        .profile = CHAIN_COMPATIBLE,
        .anchors = judge->anchors,
        .intermediates = judge->intermediates,
        .staple = peer->staple,
        .staple_was_asked = true,
    };

    if (request.certificates == NULL ||
        !chain_verify(&request, judge->arena, &judge->verdict, &judge->err)) {
        judge->failed = true;
        if (request.certificates == NULL)
            error_set(&judge->err, ERROR_MEMORY, "no memory for certificates");
        return error_wrap(&judge->err, "judging the certificates of %s", peer->host);
    }
    judge->has_verdict = true;
    judge->failed = is_our_lack(judge);
    if (judge->failed)
        return error_set(&judge->err, ERROR_SYSTEM, "there are no trusted roots to judge %s by",
                         peer->host);
    return judge->verdict.is_trusted && judge->verdict.name_matched;
}

void https_judge_use(struct https_judge *judge, struct https_request *request)
{
    judge->has_verdict = judge->failed = false;
    request->judge = judge_peer;
    request->judge_owner = judge;
}
