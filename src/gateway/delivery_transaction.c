/* gateway/delivery_transaction.c - one message after the other over a conversation that takes mail.
 *
 * RFC 5321 section 3.3, and RFC 2033 for LMTP, where each recipient has a reply of its own behind the
 * data. A task with more recipients than the server takes at once (RFC 9422, or 452 to RCPT: RFC 5321
 * section 4.5.3.1.10) goes in several transactions.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "gateway/delivery_destination.h"

enum { TRIES_MOST = 3 };

static const struct smtp_capabilities *
capabilities_of(const struct delivery_conversation *conversation)
{
    const struct observation *seen = &conversation->observation;

    return seen->has_capabilities_after_tls ? &seen->capabilities_after_tls : &seen->capabilities;
}

/* ---- the message in hand -------------------------------------------------------------------- */

static void make_story(struct delivery_conversation *conversation)
{
    struct arena *arena = &conversation->task->batch->arena;
    struct delivery_story *story = &conversation->story;

    delivery_verdict_tell(conversation);
    *story = (struct delivery_story){
        .relay = span_of(delivery_relay_name(
            conversation->destination, &conversation->way->addresses[conversation->at], arena)),
        .began_ms = delivery_now_ms(conversation->delivery),
        .is_relayed = !delivery_is_lmtp(conversation->destination),
        .tells_success = capabilities_of(conversation)->extensions & SMTP_EXTENSION_DSN,
        .tls = span_of(delivery_tls_words(conversation, arena)),
        .why_clear = conversation->why_clear,
        .session = conversation->session,
    };
    if (conversation->told != NULL)
        story->finding = span_of(arena_copy(arena, span_of(conversation->told->code)));
}

/* The server wants more protection than the session has: RFC 3207 section 4, RFC 3463 section 3.8. */
static bool is_for_lack_of_tls(const struct delivery_outcome *outcome)
{
    static const char *const details[] = { "7.4", "7.5", "7.10" };
    struct span detail = span_part(outcome->code, strlen("5."), outcome->code.len);

    for (size_t i = 0; i < ARRAY_SIZE(details); i++)
        if (span_equal(detail, span_of(details[i])))
            return true;
    return span_starts_with(outcome->said, "530");
}

/* A flaw of the session is told with what was delivered all the same, and is no reason of a refusal. */
static void settle(const struct delivery_conversation *conversation, size_t target,
                   const struct delivery_outcome *outcome)
{
    struct delivery_story story = conversation->story;

    if (outcome->fate != DELIVERY_DELIVERED && !is_for_lack_of_tls(outcome))
        story.finding = (struct span){ NULL, 0 };
    delivery_settle(conversation->task, target, outcome, &story);
}

/* What the server takes at once. */
static size_t recipients_most(const struct delivery_conversation *conversation)
{
    uint32_t limit = capabilities_of(conversation)->limit_recipients;

    return limit == 0 || limit > DELIVERY_RECIPIENTS_MOST ? DELIVERY_RECIPIENTS_MOST : limit;
}

/* False: nobody is left to send it to, or no memory. */
static bool make_envelope(struct delivery_conversation *conversation)
{
    struct delivery_task *task = conversation->task;
    struct delivery_envelope *envelope = &conversation->envelope;
    struct delivery_outcome unfit = delivery_outcome_of_unsent(SMTP_CLIENT_UNSENT_RECIPIENT);
    bool offers_utf8 = capabilities_of(conversation)->extensions & SMTP_EXTENSION_SMTPUTF8;

    if (!delivery_envelope_make(task, offers_utf8, recipients_most(conversation),
                                conversation->only_domain, envelope))
        return false;
    for (size_t i = 0; i < envelope->unfit_count; i++)
        settle(conversation, envelope->unfit[i], &unfit);
    return envelope->message.recipient_count > 0;
}

/* A small body came with the lease. */
static bool open_body(struct delivery_conversation *conversation)
{
    const struct queue_message *message = conversation->task->message;

    conversation->rest = message->body;
    if (message->body.len == 0)
        return delivery_body_open(&conversation->body, conversation->delivery->settings.door,
                                  &message->envelope);
    conversation->body = (struct delivery_body){ .size_bytes = message->envelope.size_bytes,
                                                 .taken = message->envelope.size_bytes };
    return true;
}

/* The task leaves the conversation's hands, all of it settled. */
static void end_task(struct delivery_conversation *conversation,
                     const struct delivery_outcome *outcome)
{
    struct delivery_task *task = conversation->task;

    for (size_t i = 0; i < task->count; i++)
        if (!task->targets[i]->is_settled)
            settle(conversation, i, outcome);
    if (!conversation->body.is_reading)
        delivery_body_close(&conversation->body);
    conversation->task = NULL;
    delivery_task_end(task);
}

static bool begin_task(struct delivery_conversation *conversation, struct delivery_task *task)
{
    struct delivery_outcome outcome =
        delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", "no memory for a delivery");

    conversation->task = task;
    conversation->refusal = (struct delivery_outcome){ .fate = DELIVERY_OPEN };
    conversation->has_reply = conversation->is_behind_data = conversation->has_taken = false;
    make_story(conversation);
    if (open_body(conversation) && make_envelope(conversation))
        return true;
    end_task(conversation, &outcome);
    return false;
}

/* ---- one after the other -------------------------------------------------------------------- */

static bool takes_more(const struct delivery_conversation *conversation)
{
    return !conversation->is_leaving && !conversation->delivery->is_draining &&
           conversation->plan == conversation->delivery->plan &&
           delivery_now_ms(conversation->delivery) - conversation->began_ms < CONVERSATION_TAKES_MS;
}

static bool lasts(const struct delivery_task *task)
{
    return task->batch->lease.until_s - delivery_now_s(task->batch->delivery) >
           CONVERSATION_MS / 1000;
}

static struct delivery_task *take_task(struct delivery_conversation *conversation)
{
    struct delivery_destination *destination = conversation->destination;

    if (conversation->in_clear)
        return delivery_line_take_older(&destination->line, delivery_clear_since_s(destination));
    return delivery_line_take(&destination->line);
}

/* RFC 9422 section 4.3: so many domains of recipients in a session. We name one, whatever the number: those
 * that bound them mean to go on to one place, and there are few. False: it is for another conversation. */
static bool fits_domain(struct delivery_conversation *conversation,
                        const struct delivery_task *task)
{
    if (capabilities_of(conversation)->limit_domains == 0)
        return true;
    if (conversation->only_domain == NULL)
        conversation->only_domain =
            arena_copy(&conversation->arena, delivery_envelope_domain(task));
    return delivery_envelope_has(task, conversation->only_domain);
}

/* False: the next message is to come later. */
static bool is_its_time(struct delivery_conversation *conversation)
{
    struct delivery_destination *destination = conversation->destination;
    int64_t now_ms = delivery_now_ms(conversation->delivery);
    int64_t wait_ms = pace_begin(&destination->pace, now_ms);

    destination->paced_until_ms = now_ms + wait_ms;
    return wait_ms == 0;
}

/* One in the clear is not for what comes next: that has to try TLS first. */
static void rest(struct delivery_conversation *conversation)
{
    if (takes_more(conversation) && !conversation->in_clear &&
        !delivery_is_lmtp(conversation->destination))
        delivery_conversation_rest(conversation);
    else
        client_link_quit(conversation->link);
}

/* Where messages turn out to take long, or the pace lets there be more of them. */
static void ask_for_another(struct delivery_destination *destination)
{
    if (!pace_wants_connection(&destination->pace, destination->line.tasks,
                               destination->conversations))
        return;
    delivery_destination_want(destination);
    delivery_dispatch(destination->plan->delivery);
}

void delivery_transaction_next(struct delivery_conversation *conversation)
{
    struct delivery_task *task;

    conversation->way->addresses[conversation->at].has_failed = false;
    if (!takes_more(conversation)) {
        client_link_quit(conversation->link);
        return;
    }
    if (conversation->destination->line.tasks > 0 && !is_its_time(conversation)) {
        rest(conversation);
        return;
    }
    while ((task = take_task(conversation)) != NULL) {
        if (!lasts(task)) {
            delivery_give_back(task, delivery_now_s(conversation->delivery));
            delivery_task_end(task);
        } else if (!fits_domain(conversation, task)) {
            delivery_line_add_front(&conversation->destination->line, task);
            client_link_quit(conversation->link);
            return;
        } else if (begin_task(conversation, task)) {
            ask_for_another(conversation->destination);
            client_link_send(conversation->link, &conversation->envelope.message);
            return;
        }
    }
    rest(conversation);
}

/* ---- what the server says ------------------------------------------------------------------- */

/* Too many recipients, behind others that it took: they go with the next transaction. */
static bool is_put_off(const struct delivery_conversation *conversation,
                       const struct smtp_reply *reply)
{
    return reply->code == 452 && conversation->has_taken && !conversation->is_behind_data;
}

void delivery_transaction_take_recipient(void *owner, size_t index, const struct smtp_reply *reply)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_task *task = conversation->task;
    struct delivery_outcome outcome = delivery_outcome_of_reply(reply, &task->batch->arena);

    conversation->has_reply = true;
    if (is_put_off(conversation, reply))
        conversation->envelope.target_of[index] = SIZE_MAX;
    else if (conversation->is_behind_data || outcome.fate != DELIVERY_DELIVERED)
        settle(conversation, conversation->envelope.target_of[index], &outcome);
    else
        conversation->has_taken = true;
}

static bool is_too_much(const struct smtp_reply *reply)
{
    struct span status = smtp_reply_enhanced_status(reply);

    return reply->code == 421 || (reply->code / 100 == 4 && (span_starts_with(status, "4.7.") ||
                                                             span_equal(status, span_of("4.3.2"))));
}

void delivery_transaction_take_refusal(void *owner, const struct smtp_reply *reply)
{
    struct delivery_conversation *conversation = owner;

    conversation->has_reply = true;
    conversation->refusal = delivery_outcome_of_reply(reply, &conversation->task->batch->arena);
    if (is_too_much(reply))
        pace_take_throttle(&conversation->destination->pace,
                           delivery_now_ms(conversation->delivery));
}

/* Those of this transaction; the others of the task have theirs next. */
static void settle_sent(struct delivery_conversation *conversation,
                        const struct delivery_outcome *outcome)
{
    const struct delivery_envelope *envelope = &conversation->envelope;

    for (size_t i = 0; i < envelope->message.recipient_count; i++) {
        size_t target = envelope->target_of[i];

        if (target != SIZE_MAX && !conversation->task->targets[target]->is_settled)
            settle(conversation, target, outcome);
    }
}

static bool has_unsettled(const struct delivery_task *task)
{
    for (size_t i = 0; i < task->count; i++)
        if (!task->targets[i]->is_settled)
            return true;
    return false;
}

/* A refusal of recipients, or LMTP's replies behind the data, say nothing of those that this transaction
 * left out; what was said of the message does. */
static bool may_go_on(const struct delivery_conversation *conversation,
                      const struct delivery_outcome *outcome)
{
    bool was_of_recipients =
        !conversation->is_behind_data || delivery_is_lmtp(conversation->destination);

    return outcome->fate == DELIVERY_DELIVERED ||
           (was_of_recipients && conversation->refusal.fate == DELIVERY_OPEN);
}

void delivery_transaction_take_done(void *owner, const struct smtp_reply *reply, size_t taken)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_task *task = conversation->task;
    struct delivery_outcome outcome = conversation->refusal;
    int64_t now_ms = delivery_now_ms(conversation->delivery);

    if (outcome.fate == DELIVERY_OPEN)
        outcome = delivery_outcome_of_reply(reply, &task->batch->arena);
    conversation->messages++;
    conversation->destination->has_taken |= taken > 0;
    if (taken > 0)
        pace_take_success(&conversation->destination->pace, now_ms,
                          now_ms - conversation->story.began_ms);
    settle_sent(conversation, &outcome);
    if (may_go_on(conversation, &outcome) && has_unsettled(task)) {
        if (!conversation->body.is_reading)
            delivery_body_close(&conversation->body);
        conversation->task = NULL;
        delivery_line_add_front(&conversation->destination->line, task);
        return;
    }
    end_task(conversation, &outcome);
}

void delivery_transaction_take_unsent(void *owner, enum smtp_client_unsent why, size_t recipient)
{
    struct delivery_conversation *conversation = owner;
    struct delivery_outcome outcome = delivery_outcome_of_unsent(why);

    (void)recipient;
    conversation->messages++;
    end_task(conversation, &outcome);
}

/* ---- the body ------------------------------------------------------------------------------- */

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
    conversation->is_over = true;
    end_task(conversation, &outcome);
    delivery_conversation_conclude(conversation);
}

static void take_part(void *owner)
{
    struct delivery_conversation *conversation = owner;

    if (conversation->task == NULL)
        delivery_body_close(&conversation->body);
    if (conversation->is_over) {
        delivery_conversation_conclude(conversation);
    } else if (conversation->task != NULL && conversation->body.has_failed) {
        leave(conversation);
    } else if (conversation->task != NULL) {
        conversation->rest = conversation->body.part;
        give(conversation);
    }
}

void delivery_transaction_take_want(void *owner)
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

/* ---- the link's end ------------------------------------------------------------------------- */

/* A server may close a connection that has served for a while; the next message then is none the worse.
 * One that leaves in the middle of an envelope may have a neighbour that does not. */
static bool is_worth_another(const struct delivery_conversation *conversation)
{
    const struct delivery_task *task = conversation->task;
    bool was_unlucky = conversation->messages > 0 && !conversation->has_reply;
    bool has_others = delivery_conversation_has_others(conversation) && task->tries < TRIES_MOST;

    return (was_unlucky || has_others) && !conversation->is_behind_data &&
           conversation->refusal.fate == DELIVERY_OPEN && !conversation->delivery->is_draining &&
           conversation->plan == conversation->delivery->plan;
}

static struct delivery_outcome outcome_of_end(const struct delivery_conversation *conversation)
{
    const char *step = conversation->is_behind_data ? "the data" : "the envelope";

    if (conversation->refusal.fate != DELIVERY_OPEN)
        return conversation->refusal;
    if (conversation->delivery->was_cut)
        return delivery_outcome_of(DELIVERY_DEFERRED, "4.4.2",
                                   "we were stopped before the server had answered");
    return delivery_outcome_of_ending(&conversation->observation, step,
                                      &conversation->task->batch->arena);
}

void delivery_transaction_end(struct delivery_conversation *conversation)
{
    struct delivery_task *task = conversation->task;
    struct delivery_outcome outcome;

    conversation->destination->has_taken = false;
    if (conversation->observation.ending == ENDING_TIMEOUT)
        pace_take_throttle(&conversation->destination->pace,
                           delivery_now_ms(conversation->delivery));
    if (is_worth_another(conversation)) {
        task->tries++;
        conversation->way->addresses[conversation->at].has_failed = conversation->messages == 0;
        delivery_body_close(&conversation->body);
        conversation->task = NULL;
        delivery_line_add_front(&conversation->destination->line, task);
        return;
    }
    outcome = outcome_of_end(conversation);
    end_task(conversation, &outcome);
}
