#include "link/https_judge.h"

static bool judge_peer(void *owner, const struct https_peer *peer)
{
    struct https_judge *judge = owner;
    struct chain_request request = {
        .certificates = peer->chain,
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

    if (!chain_verify(&request, judge->arena, &judge->verdict, &judge->err)) {
        judge->failed = true;
        return error_wrap(&judge->err, "judging the certificates of %s", peer->host);
    }
    judge->has_verdict = true;
    return judge->verdict.is_trusted && judge->verdict.name_matched;
}

void https_judge_use(struct https_judge *judge, struct https_request *request)
{
    judge->has_verdict = judge->failed = false;
    request->judge = judge_peer;
    request->judge_owner = judge;
}
