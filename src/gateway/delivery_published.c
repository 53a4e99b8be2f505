/* gateway/delivery_published.c - what a domain publishes of itself, beside the way to its hosts.
 *
 * MTA-STS (RFC 8461) is of the domain, and only of its MX hosts: where the settings name the server, no policy
 * applies. At level sts the way is complete with it; for the reports that a domain asks for it may come later,
 * and no mail waits for it.
 */
#include "diagnose/judge.h"
#include "gateway/delivery_destination.h"

enum { LOOKUP_MS = 60 * 1000 /* RFC 8461 section 3.3 */ };

static bool is_needed(const struct delivery_destination *destination)
{
    return destination->kind == DELIVERY_TO_MX &&
           (destination->level == POLICY_STS || destination->requires_tls);
}

/* Or wanted, for what the domain is told of us. */
static bool is_wanted(const struct delivery_destination *destination)
{
    return is_needed(destination) ||
           (destination->kind == DELIVERY_TO_MX && destination->plan->profile->reports.sends);
}

/* ---- looking -------------------------------------------------------------------------------- */

static void forget_lookup(struct delivery_way *way)
{
    if (way->before_looking == NULL)
        way->delivery->first_looking = way->next_looking;
    else
        way->before_looking->next_looking = way->next_looking;
    if (way->next_looking != NULL)
        way->next_looking->before_looking = way->before_looking;
    way->next_looking = way->before_looking = NULL;
    policy_lookup_cancel(&way->lookup);
    delivery_plan_release(&way->plan);
}

static void take_published(void *owner, struct observed_published *published)
{
    struct delivery_way *way = owner;
    struct delivery *delivery = way->delivery;
    struct delivery_destination *waiting = way->waiting;

    forget_lookup(way);
    way->published = published;
    way->waiting = NULL;
    if (waiting != NULL)
        delivery_way_conclude(waiting);
    delivery_way_release(&way);
    delivery_go_on(delivery);
}

void delivery_published_search(struct delivery_destination *destination)
{
    struct delivery_way *way = destination->searched;
    struct delivery *delivery = way->delivery;
    const struct gateway_profile *profile = destination->plan->profile;
    const struct policy_lookup_settings settings = {
        .loop = delivery->settings.loop,
        .dns = delivery->settings.dns,
        .https = delivery->settings.https,
        .anchors = profile->anchors,
        .intermediates = profile->intermediates,
        .clock = delivery->settings.clock,
        .cache = delivery->settings.sts_cache,
        .https_port = profile->sts_port,
        .private_addresses = profile->private_addresses,
        .timeout_ms = LOOKUP_MS,
        .with_sts = true,
    };

    if (!is_wanted(destination) || !policy_lookup_start(&settings, &way->arena, destination->domain,
                                                        take_published, way, &way->lookup, NULL))
        return;
    way->references++;
    way->plan = delivery_plan_hold(destination->plan);
    way->next_looking = delivery->first_looking;
    if (way->next_looking != NULL)
        way->next_looking->before_looking = way;
    delivery->first_looking = way;
}

bool delivery_published_is_here(struct delivery_destination *destination)
{
    struct delivery_way *way = destination->searched;

    if (way->lookup == NULL || !is_needed(destination))
        return true;
    way->waiting = destination;
    return false;
}

void delivery_published_cancel_all(struct delivery *delivery)
{
    while (delivery->first_looking != NULL) {
        struct delivery_way *way = delivery->first_looking;

        forget_lookup(way);
        delivery_way_release(&way);
    }
}

/* ---- what it means -------------------------------------------------------------------------- */

void delivery_published_set_up(const struct delivery_conversation *conversation,
                               struct client_link_settings *settings)
{
    const struct observed_published *published = conversation->way->published;
    const char *name = conversation->way->addresses[conversation->at].name;

    if (conversation->destination->kind != DELIVERY_TO_MX)
        settings->sts = POLICY_STS_NONE;
    if (published == NULL)
        return;
    settings->sts = published->sts;
    settings->sts_host_listed =
        published->has_policy && mta_sts_policy_lists(&published->policy, name);
    if (settings->level == POLICY_STS && published->sts == POLICY_STS_ENFORCE &&
        settings->minimum_version < TLS_VERSION_1_2)
        settings->minimum_version = TLS_VERSION_1_2;
}

void delivery_published_judge(struct delivery_conversation *conversation, struct findings *findings)
{
    const struct delivery_destination *destination = conversation->destination;
    const struct observed_published *published = conversation->way->published;

    if (findings == NULL || destination->policy == NULL)
        return;
    if (published != NULL)
        judge_published(published, NULL, &conversation->plan->profile->self, &conversation->arena,
                        findings);
    if (conversation->verdict.reason == POLICY_REASON_STS_UNKNOWN)
        judge_level_unavailable(destination->level, destination->domain, destination->policy->name,
                                published == NULL ? NULL : published->failure, &conversation->arena,
                                findings);
}
