/* gateway/delivery_conversation.c - one address after the other, until one takes mail at our level.
 *
 * What follows a session that did not come so far is trust/policy's decision: the same address without TLS
 * or without our certificate, the next address, or none: then all that waits for the destination has failed.
 */
#include <assert.h>

#include "base/memory.h"
#include "gateway/delivery_destination.h"
#include "link/route_link.h"

enum {
    ARENA_BYTES = 4 * 1024 * 1024, /* of an observation with all that a peer can make it hold */
    CONNECT_MS = 30 * 1000,
    CONNECT_AMONG_OTHERS_MS = 5 * 1000, /* while there are addresses that were not tried */
};

static const struct delivery_address *address_of(const struct delivery_conversation *conversation)
{
    return &conversation->way->addresses[conversation->at];
}

/* ---- its end -------------------------------------------------------------------------------- */

static void remove_conversation(struct delivery_conversation *conversation)
{
    if (conversation->before == NULL)
        conversation->delivery->conversations = conversation->next;
    else
        conversation->before->next = conversation->next;
    if (conversation->next != NULL)
        conversation->next->before = conversation->before;
    conversation->delivery->conversation_count--;
    conversation->destination->conversations--;
    if (!conversation->was_ready)
        conversation->destination->coming--;
    client_link_close(&conversation->link);
    arena_clear(&conversation->arena);
    delivery_failure_clear(&conversation->failure);
    delivery_way_release(&conversation->way);
    delivery_plan_release(&conversation->plan);
    memory_free(conversation);
}

/* ---- at rest -------------------------------------------------------------------------------- */

static void leave_rest(struct delivery_conversation *conversation)
{
    struct delivery *delivery = conversation->delivery;
    struct delivery_conversation **place = &conversation->destination->at_rest;

    if (!conversation->is_at_rest)
        return;
    while (*place != conversation)
        place = &(*place)->next_at_rest;
    *place = conversation->next_at_rest;
    if (conversation->older == NULL)
        delivery->first_at_rest = conversation->newer;
    else
        conversation->older->newer = conversation->newer;
    if (conversation->newer == NULL)
        delivery->last_at_rest = conversation->older;
    else
        conversation->newer->older = conversation->older;
    conversation->newer = conversation->older = conversation->next_at_rest = NULL;
    conversation->is_at_rest = false;
}

void delivery_conversation_rest(struct delivery_conversation *conversation)
{
    struct delivery *delivery = conversation->delivery;

    assert(!conversation->is_at_rest);
    conversation->is_at_rest = true;
    conversation->rests_since_ms = delivery_now_ms(delivery);
    conversation->next_at_rest = conversation->destination->at_rest;
    conversation->destination->at_rest = conversation;
    conversation->older = delivery->last_at_rest;
    if (delivery->last_at_rest == NULL)
        delivery->first_at_rest = conversation;
    else
        delivery->last_at_rest->newer = conversation;
    delivery->last_at_rest = conversation;
    delivery_sweep_soon(delivery);
}

void delivery_conversation_leave(struct delivery_conversation *conversation)
{
    leave_rest(conversation);
    conversation->is_leaving = true;
    client_link_quit(conversation->link);
}

void delivery_conversation_go_on(struct delivery_conversation *conversation)
{
    leave_rest(conversation);
    if (client_link_is_ready(conversation->link))
        delivery_transaction_next(conversation);
    /* else it has ended, which is told in a moment */
}

/* ---- which address, and how ----------------------------------------------------------------- */

/* The best that was not tried, those that failed before behind the others; way->count: none. */
static size_t next_address(const struct delivery_conversation *conversation)
{
    const struct delivery_way *way = conversation->way;
    size_t found = way->count;

    for (size_t i = way->count; i-- > 0;) {
        bool is_better = found == way->count || way->addresses[found].has_failed ||
                         !way->addresses[i].has_failed;

        if (!(conversation->tried & (uint64_t)1 << i) && is_better)
            found = i;
    }
    return found;
}

bool delivery_conversation_has_others(const struct delivery_conversation *conversation)
{
    return next_address(conversation) < conversation->way->count;
}

static void set_up_tls(const struct delivery_conversation *conversation,
                       struct client_link_settings *settings)
{
    const struct delivery_destination *destination = conversation->destination;
    const struct gateway_profile *profile = conversation->plan->profile;
    const struct gateway_policy *policy = destination->policy;
    const struct route_host *host = address_of(conversation)->host;

    settings->anchors = profile->anchors;
    settings->intermediates = profile->intermediates;
    settings->self = &profile->self;
    settings->tickets = conversation->delivery->tickets;
    settings->no_resume = conversation->without_resuming;
    settings->requires_tls = destination->requires_tls;
    if (!conversation->without_certificate)
        settings->credentials = profile->credentials;
    if (policy != NULL) {
        settings->domain_names = policy->match;
        settings->domain_name_count = policy->match_count;
        settings->minimum_version = policy->minimum_version;
        settings->fingerprint = policy->fingerprint;
    }
    if (host != NULL)
        route_link_set_up(conversation->way->route, host, settings);
    delivery_published_set_up(conversation, settings);
}

static int64_t connect_timeout_ms(const struct delivery_conversation *conversation)
{
    int64_t patience_ms = conversation->plan->profile->client_timeout_ms;
    int64_t most_ms =
        delivery_conversation_has_others(conversation) ? CONNECT_AMONG_OTHERS_MS : CONNECT_MS;

    return patience_ms > 0 && patience_ms < most_ms ? patience_ms : most_ms;
}

static void set_up_link(const struct delivery_conversation *conversation,
                        struct client_link_settings *settings)
{
    const struct delivery_destination *destination = conversation->destination;
    const struct delivery_address *address = address_of(conversation);

    *settings = (struct client_link_settings){
        .hostname = conversation->plan->profile->hostname,
        .domain = destination->domain,
        .host = address->name,
        .local_socket = destination->path,
        .address = address->address,
        .preference = -1,
        .mx_dnssec = DNS_SECURE,
        .level = conversation->in_clear ? POLICY_NONE : destination->level,
        .is_lmtp = delivery_is_lmtp(destination),
        .connect_timeout_ms = connect_timeout_ms(conversation),
        .reply_timeout_ms = conversation->plan->profile->client_timeout_ms,
        .deadline_ms = conversation->began_ms + CONVERSATION_MS,
        .clock = conversation->delivery->settings.clock,
    };
    if (!settings->is_lmtp)
        set_up_tls(conversation, settings);
}

/* ---- what came of it ------------------------------------------------------------------------ */

static void on_ready(void *owner, const struct observation *observation)
{
    struct delivery_conversation *conversation = owner;
    enum policy_decision decision;

    (void)observation;
    if (conversation->was_ready) {
        delivery_transaction_next(conversation);
        return;
    }
    delivery_verdict_make(conversation);
    decision = conversation->verdict.decision;
    if (decision != POLICY_DELIVER && decision != POLICY_DELIVER_IN_CLEAR) {
        client_link_quit(conversation->link);
        return;
    }
    conversation->was_ready = true;
    conversation->destination->coming--;
    delivery_diagnosis_compare(conversation, true);
    conversation->destination->is_doubtful = false;
    delivery_transaction_next(conversation);
}

static bool dial(struct delivery_conversation *conversation);

static void use_next_address(struct delivery_conversation *conversation)
{
    conversation->at = next_address(conversation);
    conversation->in_clear = conversation->without_certificate = false;
    conversation->without_resuming = false;
}

static void forget_session(struct delivery_conversation *conversation)
{
    arena_clear(&conversation->arena);
    observation_init(&conversation->observation);
    conversation->told = NULL;
    conversation->changes = NULL;
    conversation->session = 0;
}

/* The same address in another way, or another address; false: neither, or no memory. */
static bool dial_on(struct delivery_conversation *conversation)
{
    enum policy_decision decision = conversation->verdict.decision;

    client_link_close(&conversation->link);
    if (client_link_should_dial_without_resuming(&conversation->observation)) {
        conversation->without_resuming = true;
    } else if (decision == POLICY_REDIAL_WITHOUT_TLS) {
        conversation->in_clear = true;
    } else if (decision == POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE &&
               !conversation->without_certificate) {
        conversation->without_certificate = true;
    } else if (delivery_conversation_has_others(conversation)) {
        use_next_address(conversation);
    } else {
        return false;
    }
    forget_session(conversation);
    return dial(conversation);
}

/* No address takes mail. */
static void take_end(struct delivery_conversation *conversation)
{
    conversation->is_over = true;
    delivery_destination_take_failure(conversation->destination, &conversation->failure);
    delivery_conversation_conclude(conversation);
}

/* It never came so far as to take mail. */
static void take_failure(struct delivery_conversation *conversation)
{
    delivery_verdict_make(conversation);
    if (conversation->delivery->is_draining ||
        !client_link_should_dial_without_resuming(&conversation->observation)) {
        delivery_diagnosis_compare(conversation, false);
        conversation->way->addresses[conversation->at].has_failed = true;
        delivery_verdict_keep(conversation);
        delivery_diagnosis_ask(conversation);
    }
    if (conversation->delivery->is_draining || !dial_on(conversation))
        take_end(conversation);
}

void delivery_conversation_conclude(struct delivery_conversation *conversation)
{
    struct delivery *delivery = conversation->delivery;
    struct delivery_destination *destination = conversation->destination;
    struct delivery_plan *plan = delivery_plan_hold(conversation->plan);

    if (conversation->task != NULL)
        delivery_transaction_end(conversation);
    leave_rest(conversation);
    remove_conversation(conversation);
    if (destination->line.tasks > 0)
        delivery_destination_want(destination);
    if (!delivery->is_draining)
        delivery_dispatch(delivery);
    delivery_plan_release(&plan);
    delivery_go_on(delivery);
}

static void on_finished(void *owner, struct observation *observation)
{
    struct delivery_conversation *conversation = owner;

    (void)observation;
    if (!conversation->was_ready) {
        take_failure(conversation);
        return;
    }
    conversation->is_over = true;
    if (!conversation->body.is_reading)
        delivery_conversation_conclude(conversation);
}

static void cut(struct delivery_conversation *conversation)
{
    client_link_close(&conversation->link);
    conversation->observation.ending = ENDING_STOPPED;
    conversation->is_over = true;
    if (!conversation->body.is_reading)
        delivery_conversation_conclude(conversation);
}

void delivery_conversation_cut_coming(struct delivery *delivery)
{
    struct delivery_conversation *conversation, *next;

    for (conversation = delivery->conversations; conversation != NULL; conversation = next) {
        next = conversation->next;
        if (!conversation->is_over && !conversation->was_ready)
            cut(conversation);
    }
}

void delivery_conversation_cut_all(struct delivery *delivery)
{
    struct delivery_conversation *conversation, *next;

    for (conversation = delivery->conversations; conversation != NULL; conversation = next) {
        next = conversation->next;
        if (!conversation->is_over)
            cut(conversation);
    }
}

/* ---- hosts that are passed over ------------------------------------------------------------- */

/* Does what is published let no mail go there at our level, whatever the host would show? */
static bool is_barred(struct delivery_conversation *conversation,
                      const struct client_link_settings *settings)
{
    struct policy_session published;
    enum policy_reason reason;

    if (settings->is_lmtp)
        return false;
    client_link_describe(settings, &conversation->arena, &conversation->observation);
    published = observation_session(&conversation->observation);
    return policy_bars(settings->level, &published, &reason);
}

static void log_barred(struct delivery_conversation *conversation)
{
    const struct finding *told = conversation->told;

    if (conversation->delivery->settings.log != NULL)
        log_event(conversation->delivery->settings.log, LOG_NOTE, "host-passed-over",
                  "relay=%s destination=%s finding=%s cause=%-s",
                  delivery_relay_name(conversation->destination, address_of(conversation),
                                      &conversation->arena),
                  conversation->destination->domain, told == NULL ? "none" : told->code,
                  told == NULL ? "" : told->cause);
}

/* It has failed as if it had been dialled, and so have its other addresses: RFC 8461 section 5.1. */
static void pass_over(struct delivery_conversation *conversation)
{
    struct delivery_way *way = conversation->way;
    const struct route_host *host = address_of(conversation)->host;

    for (size_t i = 0; i < way->count; i++)
        if (i == conversation->at || (host != NULL && way->addresses[i].host == host)) {
            conversation->tried |= (uint64_t)1 << i;
            way->addresses[i].has_failed = true;
        }
    conversation->observation.ending = ENDING_BARRED;
    conversation->observation.reached = STEP_POLICY;
    delivery_verdict_make(conversation);
    log_barred(conversation);
    delivery_verdict_tell(conversation);
    delivery_verdict_keep(conversation);
}

/* ---- its beginning -------------------------------------------------------------------------- */

/* The address, or the next one that is not barred. False: none is left, or no memory. */
static bool dial(struct delivery_conversation *conversation)
{
    static const struct client_link_handlers handlers = {
        .ready = on_ready,
        .recipient = delivery_transaction_take_recipient,
        .refused = delivery_transaction_take_refusal,
        .body_wanted = delivery_transaction_take_want,
        .message_done = delivery_transaction_take_done,
        .message_unsent = delivery_transaction_take_unsent,
        .finished = on_finished,
    };
    struct client_link_settings *settings = &conversation->asked;

    conversation->tried |= (uint64_t)1 << conversation->at;
    set_up_link(conversation, settings);
    while (is_barred(conversation, settings)) {
        pass_over(conversation);
        if (!delivery_conversation_has_others(conversation))
            return false;
        use_next_address(conversation);
        forget_session(conversation);
        conversation->tried |= (uint64_t)1 << conversation->at;
        set_up_link(conversation, settings);
    }
    conversation->dialled_ms = delivery_now_ms(conversation->delivery);
    return client_link_open(conversation->delivery->settings.loop, settings, &handlers,
                            conversation, &conversation->arena, &conversation->observation, NULL,
                            &conversation->link, NULL);
}

bool delivery_conversation_open(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;
    struct delivery_conversation *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return false;
    made->delivery = delivery;
    made->plan = delivery_plan_hold(destination->plan);
    made->destination = destination;
    made->way = destination->way;
    made->way->references++;
    made->began_ms = delivery_now_ms(delivery);
    arena_init(&made->arena, ARENA_BYTES);
    delivery_failure_init(&made->failure);
    observation_init(&made->observation);
    made->next = delivery->conversations;
    if (made->next != NULL)
        made->next->before = made;
    delivery->conversations = made;
    delivery->conversation_count++;
    destination->conversations++;
    destination->coming++;
    made->at = next_address(made);
    if (dial(made))
        return true;
    if (made->failure.is_set) { /* every host is barred */
        take_end(made);
        return true;
    }
    remove_conversation(made);
    return false;
}
