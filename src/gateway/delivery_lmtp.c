/* gateway/delivery_lmtp.c - one conversation with an LMTP server, and who gets one.
 *
 * RFC 2033: one transaction for all recipients of a message at a server, and a reply for each of them
 * behind the data. A conversation takes one task after the other out of its destination's line, and says
 * QUIT when there is none. TLS where it is offered, by the same link as everything that dials; over a
 * local socket none.
 *
 * A lease lasts an hour. A conversation takes tasks for CONVERSATION_TAKES_MS, is over after
 * CONVERSATION_MS at the latest, and takes no task whose lease would not last until then.
 */
#include "base/memory.h"
#include "diagnose/judge.h"
#include "gateway/delivery_envelope.h"
#include "gateway/delivery_parts.h"
#include "link/client_link.h"
#include "net/host.h"

enum {
    CONVERSATION_TAKES_MS = 10 * 60 * 1000,
    CONVERSATION_MS = 25 * 60 * 1000,
    ARENA_BYTES = 4 * 1024 * 1024, /* of an observation with all that a peer can make it hold */
};

struct delivery_conversation {
    struct delivery_conversation *next; /* of the delivery */
    struct delivery *delivery;
    struct delivery_plan *plan;
    struct delivery_destination *destination;
    struct client_link *link;
    struct arena arena;
    struct observation observation;
    int64_t began_ms;
    enum policy_level level;
    size_t messages; /* that came to their end in it */
    bool was_ready, is_over;
    struct host_query host; /* where the settings name the server */
    bool is_looking_up;
    size_t address; /* of the host's, the one that is dialled */

    /* of the message in hand */
    struct delivery_task *task; /* NULL: none */
    struct delivery_envelope envelope;
    struct delivery_body body;
    struct span rest;                /* of its part */
    struct delivery_outcome refusal; /* of MAIL or DATA */
    struct delivery_story story;
    bool has_reply, is_behind_data;
};

/* ---- the message in hand ---- */

static const char *why_clear(const struct delivery_conversation *conversation)
{
    if (conversation->destination->domain->kind == GATEWAY_DELIVER_LMTP_SOCKET)
        return "none:local-socket";
    return conversation->level == POLICY_NONE ? "none:tls-failed" : "none:not-offered";
}

static bool offers(const struct observation *observation, uint32_t extension)
{
    const struct smtp_capabilities *capabilities = observation->has_capabilities_after_tls
                                                       ? &observation->capabilities_after_tls
                                                       : &observation->capabilities;

    return capabilities->extensions & extension;
}

static void make_story(struct delivery_conversation *conversation, struct delivery_task *task)
{
    struct arena *arena = &task->batch->arena;
    const struct tls_facts *tls = &conversation->observation.tls;

    conversation->story = (struct delivery_story){
        .relay = span_of(delivery_route_name(conversation->destination->domain, arena)),
        .began_ms = delivery_now_ms(conversation->delivery),
        .tells_success = offers(&conversation->observation, SMTP_EXTENSION_DSN),
    };
    if (tls->was_completed)
        conversation->story.tls =
            span_of(arena_format(arena, "%s:%s", policy_level_name(conversation->level),
                                 tls_version_name(tls->version)));
    else
        conversation->story.why_clear = why_clear(conversation);
}

/* False: nobody is left to send it to. */
static bool make_envelope(struct delivery_conversation *conversation, struct delivery_task *task)
{
    struct delivery_envelope *envelope = &conversation->envelope;
    struct delivery_outcome unfit = delivery_outcome_of_unsent(SMTP_CLIENT_UNSENT_RECIPIENT);

    if (!delivery_envelope_make(task, offers(&conversation->observation, SMTP_EXTENSION_SMTPUTF8),
                                envelope))
        return false;
    for (size_t i = 0; i < envelope->unfit_count; i++)
        delivery_settle(task, envelope->unfit[i], &unfit, &conversation->story);
    return envelope->message.recipient_count > 0;
}

/* The task leaves the conversation's hands, all of it settled. */
static void end_task(struct delivery_conversation *conversation,
                     const struct delivery_outcome *outcome)
{
    struct delivery_task *task = conversation->task;

    delivery_settle_rest(task, outcome, &conversation->story);
    if (!conversation->body.is_reading)
        delivery_body_close(&conversation->body);
    conversation->task = NULL;
    conversation->messages++;
    delivery_task_end(task);
}

static bool begin_task(struct delivery_conversation *conversation, struct delivery_task *task)
{
    struct delivery_outcome outcome =
        delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", "no memory for a delivery");

    conversation->task = task;
    conversation->refusal = (struct delivery_outcome){ .fate = DELIVERY_OPEN };
    conversation->has_reply = conversation->is_behind_data = false;
    conversation->rest = (struct span){ NULL, 0 };
    make_story(conversation, task);
    if (delivery_body_open(&conversation->body, conversation->delivery->settings.door,
                           &task->message->envelope) &&
        make_envelope(conversation, task))
        return true;
    end_task(conversation, &outcome);
    return false;
}

/* ---- what the link says ---- */

static bool takes_more(const struct delivery_conversation *conversation)
{
    return delivery_now_ms(conversation->delivery) - conversation->began_ms < CONVERSATION_TAKES_MS;
}

static bool lasts(const struct delivery_task *task)
{
    return task->batch->lease.until_s - delivery_now_s(task->batch->delivery) >
           CONVERSATION_MS / 1000;
}

static void on_ready(void *owner, const struct observation *observation)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_line *line = &conversation->destination->line;
    struct delivery_task *task;

    (void)observation;
    if (!conversation->was_ready)
        conversation->destination->coming--;
    conversation->was_ready = true;
    conversation->destination->has_failed = false;
    while (takes_more(conversation) && (task = delivery_line_take(line)) != NULL) {
        if (!lasts(task)) {
            delivery_give_back(task, delivery_now_s(conversation->delivery));
            delivery_task_end(task);
        } else if (begin_task(conversation, task)) {
            client_link_send(conversation->link, &conversation->envelope.message);
            return;
        }
    }
    client_link_quit(conversation->link);
}

static void on_recipient(void *owner, size_t index, const struct smtp_reply *reply)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_task *task = conversation->task;
    struct delivery_outcome outcome = delivery_outcome_of_reply(reply, &task->batch->arena);

    conversation->has_reply = true;
    if (conversation->is_behind_data || outcome.fate != DELIVERY_DELIVERED)
        delivery_settle(task, conversation->envelope.target_of[index], &outcome,
                        &conversation->story);
}

static void on_refused(void *owner, const struct smtp_reply *reply)
{
    struct delivery_conversation *conversation = owner;

    conversation->has_reply = true;
    conversation->refusal = delivery_outcome_of_reply(reply, &conversation->task->batch->arena);
}

static void on_done(void *owner, const struct smtp_reply *reply, size_t taken)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_outcome outcome = conversation->refusal;

    (void)taken;
    if (outcome.fate == DELIVERY_OPEN)
        outcome = delivery_outcome_of_reply(reply, &conversation->task->batch->arena);
    end_task(conversation, &outcome);
}

static void on_unsent(void *owner, enum smtp_client_unsent why, size_t recipient)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_outcome outcome = delivery_outcome_of_unsent(why);

    (void)recipient;
    end_task(conversation, &outcome);
}

/* ---- the body ---- */

static void conclude(struct delivery_conversation *conversation);
static void take_part(void *owner);

static void read_on(struct delivery_conversation *conversation)
{
    if (!conversation->body.is_reading && !delivery_body_is_whole(&conversation->body))
        delivery_body_next(&conversation->body, take_part, conversation);
}

static void give(struct delivery_conversation *conversation)
{
    client_link_give_body(conversation->link, &conversation->rest,
                          delivery_body_is_whole(&conversation->body));
    if (conversation->task != NULL && conversation->rest.len == 0)
        read_on(conversation);
}

/* Half a body must not be ended: the connection goes, and what it holds with it. */
static void leave(struct delivery_conversation *conversation)
{
    struct delivery_outcome outcome = delivery_body_outcome(&conversation->body);

    client_link_close(&conversation->link);
    end_task(conversation, &outcome);
    conclude(conversation);
}

static void take_part(void *owner)
{
    struct delivery_conversation *conversation = owner;

    if (conversation->task == NULL)
        delivery_body_close(&conversation->body);
    if (conversation->is_over) {
        conclude(conversation);
    } else if (conversation->task != NULL && conversation->body.has_failed) {
        leave(conversation);
    } else if (conversation->task != NULL) {
        conversation->rest = conversation->body.part;
        give(conversation);
    }
}

static void on_body_wanted(void *owner)
{
    struct delivery_conversation *conversation = owner;

    conversation->is_behind_data = true;
    if (conversation->body.is_reading)
        return;
    if (conversation->rest.len > 0 || delivery_body_is_whole(&conversation->body))
        give(conversation);
    else
        read_on(conversation);
}

/* ---- its end ---- */

static void remove_conversation(struct delivery_conversation *conversation)
{
    struct delivery_conversation **place = &conversation->delivery->conversations;

    while (*place != conversation)
        place = &(*place)->next;
    *place = conversation->next;
    conversation->delivery->conversation_count--;
    conversation->destination->conversations--;
    if (!conversation->was_ready)
        conversation->destination->coming--;
    client_link_close(&conversation->link);
    arena_clear(&conversation->arena);
    delivery_plan_release(&conversation->plan);
    memory_free(conversation);
}

static const char *step_of(const struct delivery_conversation *conversation)
{
    if (!conversation->was_ready)
        return step_name(conversation->observation.reached);
    return conversation->is_behind_data ? "the data" : "the envelope";
}

static struct delivery_outcome outcome_of_end(struct delivery_conversation *conversation,
                                              struct arena *arena)
{
    if (conversation->refusal.fate != DELIVERY_OPEN)
        return conversation->refusal;
    if (conversation->host.failure != NULL)
        return delivery_outcome_of(DELIVERY_DEFERRED, "4.4.3",
                                   arena_format(arena, "looking up %s: %s", conversation->host.name,
                                                conversation->host.failure));
    return delivery_outcome_of_ending(&conversation->observation, step_of(conversation), arena);
}

/* A server may close a connection that has served for a while; the next message then is none the worse. */
static bool is_worth_another(const struct delivery_conversation *conversation)
{
    return conversation->messages > 0 && !conversation->has_reply &&
           !conversation->delivery->is_draining &&
           conversation->plan == conversation->delivery->plan;
}

static void end_task_in_hand(struct delivery_conversation *conversation)
{
    struct delivery_task *task = conversation->task;
    struct delivery_outcome outcome;

    if (is_worth_another(conversation)) {
        delivery_body_close(&conversation->body);
        conversation->task = NULL;
        delivery_line_add_front(&conversation->destination->line, task);
        return;
    }
    outcome = outcome_of_end(conversation, &task->batch->arena);
    end_task(conversation, &outcome);
}

/* The slug of what kept us from talking at all; "": none that a judge of connections knows. */
static const char *find_finding(struct delivery_conversation *conversation)
{
    struct findings *findings = arena_new(&conversation->arena, 1, sizeof *findings);

    if (findings == NULL || conversation->host.failure != NULL ||
        conversation->destination->domain->kind == GATEWAY_DELIVER_LMTP_SOCKET)
        return "";
    judge_observation(&conversation->observation, NULL, &conversation->arena, findings);
    return findings->count == 0 ? "" : findings->items[0].code;
}

/* Nobody talks to this server: what waits for it has failed with the one that tried. */
static void fail_line(struct delivery_conversation *conversation)
{
    struct delivery_line *line = &conversation->destination->line;
    const char *finding = find_finding(conversation);
    struct delivery_task *task;

    while ((task = delivery_line_take(line)) != NULL) {
        struct arena *arena = &task->batch->arena;
        struct delivery_outcome outcome = outcome_of_end(conversation, arena);
        struct delivery_story story = {
            .relay = span_of(delivery_route_name(conversation->destination->domain, arena)),
            .finding = span_of(arena_copy(arena, span_of(finding))),
            .why_clear = "none:no-session",
            .began_ms = conversation->began_ms,
        };

        delivery_settle_rest(task, &outcome, &story);
        delivery_task_end(task);
    }
}

static bool open_conversation(struct delivery_destination *destination, enum policy_level level);

/* Never so far as to take mail. Level may goes on without TLS where TLS is what fails. */
static void take_failure(struct delivery_conversation *conversation)
{
    struct policy_session session = observation_session(&conversation->observation);
    enum policy_decision decision;

    session.may_go_clear = true;
    decision = policy_decide(conversation->level, &session).decision;
    if (conversation->level == POLICY_MAY && decision == POLICY_REDIAL_WITHOUT_TLS &&
        !conversation->delivery->is_draining &&
        open_conversation(conversation->destination, POLICY_NONE))
        return;
    conversation->destination->has_failed = true;
    if (conversation->destination->conversations == 1)
        fail_line(conversation);
}

static void conclude(struct delivery_conversation *conversation)
{
    struct delivery *delivery = conversation->delivery;

    if (conversation->task != NULL)
        end_task_in_hand(conversation);
    else if (!conversation->was_ready && conversation->is_over)
        take_failure(conversation);
    remove_conversation(conversation);
    if (!delivery->is_draining)
        delivery_lmtp_dispatch(delivery->plan);
    delivery_go_on(delivery);
}

static bool dial_next_address(struct delivery_conversation *conversation);

static void on_finished(void *owner, struct observation *observation)
{
    struct delivery_conversation *conversation = owner;

    (void)observation;
    if (dial_next_address(conversation))
        return;
    conversation->is_over = true;
    if (!conversation->body.is_reading)
        conclude(conversation);
}

void delivery_lmtp_cut_all(struct delivery *delivery)
{
    struct delivery_conversation *conversation, *next;

    for (conversation = delivery->conversations; conversation != NULL; conversation = next) {
        next = conversation->next;
        if (conversation->is_over)
            continue;
        client_link_close(&conversation->link);
        conversation->observation.ending = ENDING_STOPPED;
        conversation->is_over = true;
        if (!conversation->body.is_reading && !conversation->is_looking_up)
            conclude(conversation);
    }
}

/* ---- its beginning ---- */

static struct net_address address_of(const struct delivery_conversation *conversation)
{
    if (conversation->address < conversation->host.count)
        return conversation->host.addresses[conversation->address];
    return conversation->destination->domain->address;
}

static void set_up_link(const struct delivery_conversation *conversation,
                        struct client_link_settings *settings)
{
    const struct gateway_profile_domain *domain = conversation->destination->domain;

    *settings = (struct client_link_settings){
        .hostname = conversation->plan->profile->hostname,
        .domain = domain->name,
        .host = domain->host == NULL ? "" : domain->host,
        .local_socket = domain->kind == GATEWAY_DELIVER_LMTP_SOCKET ? domain->path : NULL,
        .address = address_of(conversation),
        .preference = -1,
        .level = conversation->level,
        .is_lmtp = true,
        .deadline_ms = conversation->began_ms + CONVERSATION_MS,
        .clock = conversation->delivery->settings.clock,
    };
}

static bool open_link(struct delivery_conversation *conversation)
{
    static const struct client_link_handlers handlers = {
        .ready = on_ready,
        .recipient = on_recipient,
        .refused = on_refused,
        .body_wanted = on_body_wanted,
        .message_done = on_done,
        .message_unsent = on_unsent,
        .finished = on_finished,
    };
    struct client_link_settings settings;

    set_up_link(conversation, &settings);
    return client_link_open(conversation->delivery->settings.loop, &settings, &handlers,
                            conversation, &conversation->arena, &conversation->observation, NULL,
                            &conversation->link, NULL);
}

/* A server may listen at one of its host's addresses alone. */
static bool dial_next_address(struct delivery_conversation *conversation)
{
    if (conversation->was_ready || conversation->observation.reached != STEP_CONNECT ||
        conversation->address + 1 >= conversation->host.count ||
        conversation->delivery->is_draining)
        return false;
    client_link_close(&conversation->link);
    arena_clear(&conversation->arena);
    conversation->address++;
    if (open_link(conversation))
        return true;
    observation_init(&conversation->observation); /* its texts were the arena's */
    return false;
}

static void take_host(void *owner)
{
    struct delivery_conversation *conversation = owner;

    conversation->is_looking_up = false;
    if (!conversation->is_over && conversation->host.failure == NULL && open_link(conversation))
        return;
    conversation->is_over = true;
    conclude(conversation);
}

/* False: no memory. */
static bool begin_conversation(struct delivery_conversation *conversation)
{
    const struct gateway_profile_domain *domain = conversation->destination->domain;

    observation_init(&conversation->observation);
    if (domain->kind != GATEWAY_DELIVER_LMTP || domain->host == NULL)
        return open_link(conversation);
    conversation->is_looking_up =
        host_find(conversation->delivery->settings.loop, domain->host, domain->address.port,
                  take_host, conversation, &conversation->host, NULL);
    return conversation->is_looking_up;
}

static bool open_conversation(struct delivery_destination *destination, enum policy_level level)
{
    struct delivery *delivery = destination->plan->delivery;
    struct delivery_conversation *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return false;
    made->delivery = delivery;
    made->plan = delivery_plan_hold(destination->plan);
    made->destination = destination;
    made->level = level;
    made->began_ms = delivery_now_ms(delivery);
    arena_init(&made->arena, ARENA_BYTES);
    made->next = delivery->conversations;
    delivery->conversations = made;
    delivery->conversation_count++;
    destination->conversations++;
    destination->coming++;
    if (begin_conversation(made))
        return true;
    remove_conversation(made);
    return false;
}

/* Those that are not ready yet take a task each when they are; the others take more by themselves. */
static bool wants_conversation(const struct delivery_destination *destination)
{
    size_t most = destination->has_failed ? 1 : DELIVERY_CONVERSATIONS_MOST;
    const struct delivery *delivery = destination->plan->delivery;

    return delivery->conversation_count < DELIVERY_CONVERSATIONS_IN_ALL &&
           destination->conversations < most && destination->coming < destination->line.tasks;
}

static void defer_line(struct delivery_destination *destination)
{
    const struct delivery_outcome outcome =
        delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", "no memory for a connection");
    const struct delivery_story story = {
        .relay = span_of("lmtp"),
        .began_ms = delivery_now_ms(destination->plan->delivery),
    };
    struct delivery_task *task;

    while ((task = delivery_line_take(&destination->line)) != NULL) {
        delivery_settle_rest(task, &outcome, &story);
        delivery_task_end(task);
    }
}

static void dispatch(struct delivery_destination *destination)
{
    enum policy_level level =
        destination->domain->kind == GATEWAY_DELIVER_LMTP ? POLICY_MAY : POLICY_NONE;

    while (wants_conversation(destination))
        if (!open_conversation(destination, level)) {
            if (destination->conversations == 0)
                defer_line(destination);
            return;
        }
}

void delivery_lmtp_dispatch(struct delivery_plan *plan)
{
    for (size_t i = 0; i < plan->destination_count; i++)
        dispatch(&plan->destinations[i]);
}
