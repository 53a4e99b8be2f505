/* gateway/delivery_batch.c - what one lease brought: cut into tasks, and settled in groups.
 *
 * What becomes known while one request to settle is under way is the next one, so that many recipients
 * share a commit. A settlement that the store cannot take down now is asked for again until it can:
 * otherwise what was delivered would be delivered again.
 */
#include <assert.h>
#include <sys/random.h>

#include "base/memory.h"
#include "base/text.h"
#include "gateway/delivery_destination.h"
#include "queue/id.h"
#include "trust/names.h"

enum {
    LEASE_S = 3600,             /* no attempt lasts so long: see delivery_destination.h */
    BYTES_OF_LEASED = 8 * 1024, /* what queue/store.h asks for, for each recipient */
    BYTES_OF_TARGET =
        40 * 1024, /* our own beside it: targets, commands, the story with its finding */
    BYTES_AT_LEAST = 64 * 1024,
    AGAIN_MS = 1000,
    GROUP = 32, /* recipients that are worth a commit of their own */
    GROUP_MS =
        10, /* how long fewer wait for others: what is delivered, and not settled in a crash, comes twice */
    GIVE_BACK_S = 5,
    FACT_MOST = QUEUE_FACT_BYTES,
};

/* ---- life ---- */

static void free_batch(struct delivery_batch *batch)
{
    struct delivery_batch **place = &batch->delivery->batches;

    while (*place != batch)
        place = &(*place)->next;
    *place = batch->next;
    loop_timer_close(&batch->timer);
    delivery_plan_release(&batch->plan);
    arena_clear(&batch->arena);
    memory_free(batch);
}

void delivery_batch_look(struct delivery_batch *batch)
{
    struct delivery *delivery = batch->delivery;

    if (batch->settled < batch->total || batch->tasks > 0 || batch->is_asking)
        return;
    free_batch(batch);
    delivery_go_on(delivery);
}

void delivery_batch_abandon(struct delivery_batch *batch)
{
    struct log *log = batch->delivery->settings.log;

    if (batch->is_asking || batch->known < batch->total)
        return;
    if (log != NULL && batch->settled < batch->total)
        log_event(log, LOG_ERROR, "settlements-lost", "recipients=%zu",
                  batch->total - batch->settled);
    batch->delivery->in_hand -= batch->total - batch->settled;
    batch->settled = batch->total;
    delivery_batch_look(batch);
}

/* ---- settling ---- */

static void settle_soon(struct delivery_batch *batch);

static void complain(struct delivery_batch *batch)
{
    struct log *log = batch->delivery->settings.log;

    if (log != NULL && !batch->has_complained)
        log_event(log, LOG_ERROR, "settling-failed", "status=%s recipients=%zu",
                  queue_status_name(batch->settle.request.status), batch->settle.count);
    batch->has_complained = true;
}

/* When the first of what has just been taken down is due again; INT64_MAX: none is. */
static int64_t first_due_again(const struct queue_settle *settle)
{
    int64_t due_at_s = INT64_MAX;

    for (size_t i = 0; i < settle->count; i++) {
        const struct queue_settlement *settlement = &settle->settlements[i];
        bool is_due_again =
            settlement->result == QUEUE_DEFERRED || settlement->result == QUEUE_WAITING;

        if (is_due_again && settlement->due_at_s < due_at_s)
            due_at_s = settlement->due_at_s;
    }
    return due_at_s;
}

static void settled(void *owner)
{
    struct delivery_batch *batch = owner;

    batch->is_asking = false;
    if (batch->settle.request.status != QUEUE_OK) {
        complain(batch);
        loop_timer_start(batch->timer, AGAIN_MS);
        batch->will_ask = true;
        if (batch->delivery->was_cut)
            delivery_batch_abandon(batch);
        return;
    }
    batch->settled += batch->settle.count;
    batch->delivery->in_hand -= batch->settle.count;
    delivery_look_at(batch->delivery, first_due_again(&batch->settle));
    settle_soon(batch);
    delivery_go_on(batch->delivery);
    delivery_batch_look(batch);
}

static void ask_to_settle(struct delivery_batch *batch)
{
    if (batch->is_asking || batch->known == batch->settled)
        return;
    loop_timer_stop(batch->timer);
    batch->will_ask = false;
    batch->is_asking = true;
    batch->settle = (struct queue_settle){
        .lease = batch->lease.number,
        .settlements = batch->settlements + batch->settled,
        .count = batch->known - batch->settled,
    };
    queue_settle(batch->delivery->settings.door, &batch->settle, settled, batch);
}

static void on_timer(void *owner)
{
    ask_to_settle(owner);
}

/* Now, or soon: together with what becomes known meanwhile. */
static void settle_soon(struct delivery_batch *batch)
{
    size_t waiting = batch->known - batch->settled;

    if (batch->is_asking || waiting == 0)
        return;
    if (batch->known == batch->total || waiting >= GROUP) {
        ask_to_settle(batch);
    } else if (!batch->will_ask) {
        loop_timer_start(batch->timer, GROUP_MS);
        batch->will_ask = true;
    }
}

static uint32_t roll(void)
{
    uint32_t chance = 0;

    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance)
        return 0; /* no spread for once */
    return chance;
}

/* Somebody has to act where mail is given up and nobody hears of it: a report that cannot be delivered. */
static enum log_level level_of(const struct queue_message *message,
                               const struct queue_settlement *settlement, enum log_level level)
{
    bool nobody_hears = settlement->result == QUEUE_BOUNCED && message->envelope.sender.len == 0;

    return nobody_hears ? LOG_ERROR : level;
}

static void log_settlement(const struct delivery_batch *batch, const struct queue_message *message,
                           const struct queue_settlement *settlement, const char *why_clear)
{
    static const struct {
        enum log_level level;
        const char *name;
    } words[QUEUE_STATES] = { [QUEUE_DONE] = { LOG_NOTE, "delivered" },
                              [QUEUE_DEFERRED] = { LOG_WARN, "deferred" },
                              [QUEUE_BOUNCED] = { LOG_WARN, "bounced" } };
    struct log *log = batch->delivery->settings.log;
    enum log_level level = level_of(message, settlement, words[settlement->result].level);
    const char *name = words[settlement->result].name;
    const struct queue_attempt *attempt = &settlement->attempt;
    const struct span *sender = &message->envelope.sender, *to = &settlement->recipient->address;
    char id[QUEUE_ID_TEXT + 1];

    if (log == NULL || !log_wants(log, level))
        return;
    queue_id_format(message->envelope.id, id);
    if (why_clear == NULL && attempt->tls.len == 0 && attempt->finding.len == 0)
        log_event(log, level, name,
                  "id=%s from=<%.*s> to=<%.*s> relay=%.*s status=%s code=%.*s milliseconds=%lld "
                  "reply=%-.*s",
                  id, (int)sender->len, sender->data, (int)to->len, to->data,
                  (int)attempt->relay.len, attempt->relay.data, name, (int)attempt->code.len,
                  attempt->code.data, (long long)attempt->milliseconds, (int)attempt->reply.len,
                  attempt->reply.data);
    else
        log_event(log, level, name,
                  "id=%s from=<%.*s> to=<%.*s> relay=%.*s tls=%.*s%s status=%s code=%.*s "
                  "finding=%.*s milliseconds=%lld reply=%-.*s",
                  id, (int)sender->len, sender->data, (int)to->len, to->data,
                  (int)attempt->relay.len, attempt->relay.data, (int)attempt->tls.len,
                  attempt->tls.data, attempt->tls.len > 0 ? NULL : why_clear, name,
                  (int)attempt->code.len, attempt->code.data, (int)attempt->finding.len,
                  attempt->finding.data, (long long)attempt->milliseconds, (int)attempt->reply.len,
                  attempt->reply.data);
}

static void add_settlement(struct delivery_batch *batch, const struct queue_settlement *settlement)
{
    assert(batch->known < batch->total);
    batch->settlements[batch->known++] = *settlement;
    settle_soon(batch);
}

static void mark_settled(struct delivery_task *task, size_t index)
{
    assert(!task->targets[index]->is_settled);
    task->targets[index]->is_settled = true;
}

void delivery_settle_held(struct delivery_batch *batch, const struct queue_message *message,
                          const struct delivery_held *held)
{
    log_settlement(batch, message, &held->settlement, held->why_clear);
    add_settlement(batch, &held->settlement);
}

void delivery_settle(struct delivery_task *task, size_t index,
                     const struct delivery_outcome *outcome, const struct delivery_story *story)
{
    struct delivery_batch *batch = task->batch;
    const struct delivery_schedule schedule = {
        .settings = &batch->plan->profile->schedule,
        .now_s = delivery_now_s(batch->delivery),
        .chance = roll(),
    };
    struct queue_settlement settlement =
        delivery_outcome_settle(outcome, &task->message->envelope, task->targets[index]->recipient,
                                &schedule, &batch->arena);

    settlement.attempt.milliseconds = delivery_now_ms(batch->delivery) - story->began_ms;
    settlement.attempt.relay = text_front(story->relay, FACT_MOST);
    settlement.attempt.tls = story->tls;
    settlement.attempt.finding = story->finding;
    settlement.attempt.session = story->session;
    if (settlement.result == QUEUE_BOUNCED && delivery_outcome_is_of(outcome, story->told))
        settlement.attempt.code = outcome->code;
    settlement.attempt.reply = text_front(settlement.attempt.reply, FACT_MOST);
    mark_settled(task, index);
    if (delivery_report_hold(task, &settlement, outcome->said, story))
        return;
    log_settlement(batch, task->message, &settlement, story->why_clear);
    add_settlement(batch, &settlement);
}

void delivery_settle_rest(struct delivery_task *task, const struct delivery_outcome *outcome,
                          const struct delivery_story *story)
{
    for (size_t i = 0; i < task->count; i++)
        if (!task->targets[i]->is_settled)
            delivery_settle(task, i, outcome, story);
}

void delivery_give_back(struct delivery_task *task, int64_t due_at_s)
{
    for (size_t i = 0; i < task->count; i++) {
        if (task->targets[i]->is_settled)
            continue;
        mark_settled(task, i);
        add_settlement(task->batch,
                       &(struct queue_settlement){ .id = task->message->envelope.id,
                                                   .recipient = task->targets[i]->recipient,
                                                   .result = QUEUE_WAITING,
                                                   .due_at_s = due_at_s });
    }
}

void delivery_task_end(struct delivery_task *task)
{
    struct delivery_batch *batch = task->batch;

    for (size_t i = 0; i < task->count; i++)
        assert(task->targets[i]->is_settled);
    delivery_report_start(task);
    batch->tasks--;
    delivery_batch_look(batch);
}

/* ---- dividing ---- */

/* Whether one task may carry both. */
static bool is_one_task(const struct delivery_target *a, const struct delivery_target *b)
{
    return a->destination == b->destination && a->is_for_maildir == b->is_for_maildir;
}

static struct delivery_target make_target(struct delivery_batch *batch,
                                          const struct queue_envelope *envelope,
                                          const struct queue_recipient *recipient)
{
    const struct gateway_profile *profile = batch->plan->profile;
    struct delivery_route route = delivery_route_find(profile, recipient->address, &batch->arena);
    struct delivery_target target = {
        .recipient = recipient,
        .domain = route.domain == profile->domain_count ? NULL : &profile->domains[route.domain],
        .address = route.address,
        /* a report is sent anyway: RFC 8689 section 5 */
        .requires_tls = envelope->requires_tls && envelope->sender.len > 0,
        .tls_optional = envelope->tls_optional,
    };

    target.is_for_maildir = target.domain != NULL && target.domain->kind == GATEWAY_DELIVER_MAILDIR;
    if (!target.is_for_maildir)
        target.destination = delivery_destination_find(batch->plan, &target);
    return target;
}

/* An address whose domain is none: nothing will ever take it. Or there is no memory. */
static void settle_astray(struct delivery_task *task)
{
    const struct delivery_outcome outcome =
        queue_domain_of(task->targets[0]->address).len == 0 ||
                names_normalize(&task->batch->arena, queue_domain_of(task->targets[0]->address)) ==
                    NULL
            ? delivery_outcome_of(DELIVERY_REFUSED, "5.1.3", "the address has no domain")
            : delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", "no memory for a destination");
    const struct delivery_story story = { .relay = span_of("none"),
                                          .began_ms = delivery_now_ms(task->batch->delivery) };

    delivery_settle_rest(task, &outcome, &story);
    delivery_task_end(task);
}

/* Where room is short, what has taken no mail yet gets little of it. What is left alone fails at once. */
static bool is_full(const struct delivery_destination *destination)
{
    const struct delivery *delivery = destination->plan->delivery;
    bool is_scarce = delivery->in_hand > delivery->settings.in_hand_most / 2;
    size_t most =
        is_scarce && !destination->has_taken ? DELIVERY_LINE_UNPROVEN : DELIVERY_LINE_MOST;

    return destination->line.tasks >= most &&
           !pace_rests(&destination->pace, delivery_now_ms(delivery));
}

static void hand_on(struct delivery_task *task)
{
    struct delivery_batch *batch = task->batch;
    struct delivery *delivery = batch->delivery;
    struct delivery_destination *destination = task->targets[0]->destination;

    batch->tasks++;
    if (delivery->is_draining || (destination != NULL && is_full(destination))) {
        delivery->has_given_back = true;
        delivery_give_back(task,
                           delivery_now_s(delivery) + (delivery->is_draining ? 0 : GIVE_BACK_S));
        delivery_task_end(task);
    } else if (delivery_reading_is_due(task) && delivery_reading_add(task)) {
        return; /* it comes again */
    } else if (task->targets[0]->is_for_maildir) {
        delivery_line_add(&delivery->maildirs, task);
    } else if (destination == NULL) {
        settle_astray(task);
    } else {
        delivery_line_add(&destination->line, task);
        delivery_destination_want(destination);
    }
}

/* Room for what one message can need: a task for each of its recipients. */
struct parts {
    struct delivery_target *targets;
    struct delivery_target **members;
    struct delivery_task *tasks;
};

/* One task after the other: the first target that is in none, and those that go with it. */
static void divide_message(struct delivery_batch *batch, const struct queue_message *message,
                           struct parts *parts)
{
    struct delivery_target *targets = parts->targets;
    size_t count = message->recipient_count;

    for (size_t i = 0; i < count; i++) {
        struct delivery_task *task = parts->tasks;
        size_t most =
            targets[i].is_for_maildir ? DELIVERY_MAILBOXES_MOST : DELIVERY_RECIPIENTS_MOST;

        if (targets[i].is_in_task)
            continue;
        *task =
            (struct delivery_task){ .batch = batch, .message = message, .targets = parts->members };
        for (size_t j = i; j < count && task->count < most; j++) {
            if (targets[j].is_in_task || !is_one_task(&targets[i], &targets[j]))
                continue;
            targets[j].is_in_task = true;
            task->targets[task->count++] = &targets[j];
        }
        parts->tasks++;
        parts->members += task->count;
        hand_on(task);
    }
    parts->targets += count;
}

static bool has(const struct delivery_batch *batch, int64_t number)
{
    for (size_t i = 0; i < batch->lease.message_count; i++)
        for (size_t j = 0; j < batch->lease.messages[i].recipient_count; j++)
            if (batch->lease.messages[i].recipients[j].number == number)
                return true;
    return false;
}

/* A lease that ended while its work goes on, on a disk that hangs or because the clock was set: the new
 * lease leaves the recipient to who has it. */
static bool is_at_work(const struct delivery_batch *batch, int64_t number)
{
    for (const struct delivery_batch *other = batch->delivery->batches; other != NULL;
         other = other->next)
        if (other != batch && other->lease.until_s <= batch->lease.now_s && has(other, number))
            return true;
    return false;
}

static void leave_those_at_work(struct delivery_batch *batch, struct delivery_target *targets)
{
    size_t left = 0;

    for (size_t i = 0; i < batch->total; i++)
        if (is_at_work(batch, targets[i].recipient->number)) {
            targets[i].is_in_task = targets[i].is_settled = true;
            left++;
        }
    batch->total -= left;
    batch->delivery->in_hand -= left;
}

static bool make_parts(struct delivery_batch *batch, struct parts *parts)
{
    struct arena *arena = &batch->arena;
    size_t at = 0;

    batch->settlements = arena_new(arena, batch->total, sizeof *batch->settlements);
    parts->targets = arena_new(arena, batch->total, sizeof *parts->targets);
    parts->members = arena_new(arena, batch->total, sizeof(struct delivery_target *));
    parts->tasks = arena_new(arena, batch->total, sizeof *parts->tasks);
    if (arena->exhausted)
        return false;
    for (size_t i = 0; i < batch->lease.message_count; i++)
        for (size_t j = 0; j < batch->lease.messages[i].recipient_count; j++)
            parts->targets[at++] = make_target(batch, &batch->lease.messages[i].envelope,
                                               &batch->lease.messages[i].recipients[j]);
    if (!arena->exhausted)
        leave_those_at_work(batch, parts->targets);
    return !arena->exhausted;
}

static void take_count(struct delivery_batch *batch)
{
    for (size_t i = 0; i < batch->lease.message_count; i++)
        batch->total += batch->lease.messages[i].recipient_count;
    batch->delivery->in_hand += batch->total;
}

/* Without memory the lease is left to run out. */
static void leave_leased(struct delivery_batch *batch)
{
    if (batch->delivery->settings.log != NULL)
        log_event(batch->delivery->settings.log, LOG_ERROR, "no-memory",
                  "recipients=%zu tried-again-in-s=%d", batch->total, LEASE_S);
    batch->delivery->in_hand -= batch->total;
    batch->total = 0;
}

void delivery_batch_divide(struct delivery_batch *batch)
{
    struct parts parts;

    take_count(batch);
    delivery_destination_forget_unused(batch->plan);
    batch->tasks++; /* it must outlive what is settled at once */
    if (make_parts(batch, &parts))
        for (size_t i = 0; i < batch->lease.message_count; i++)
            divide_message(batch, &batch->lease.messages[i], &parts);
    else
        leave_leased(batch);
    batch->tasks--;
}

/* ---- leasing ---- */

static void take_lease(void *owner)
{
    struct delivery_batch *batch = owner;
    struct delivery *delivery = batch->delivery;

    delivery->leasing = NULL;
    if (batch->plan != delivery->plan) { /* there was a reload: nothing waits in the lines of old */
        delivery_plan_release(&batch->plan);
        batch->plan = delivery_plan_hold(delivery->plan);
    }
    batch->leased(batch);
}

bool delivery_batch_lease(struct delivery *delivery, size_t most,
                          void (*leased)(struct delivery_batch *batch), struct error *err)
{
    struct delivery_batch *batch = memory_new(1, sizeof *batch);
    int64_t now_s = delivery_now_s(delivery);

    if (batch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a lease");
    if (!loop_timer_open(delivery->settings.loop, on_timer, batch, &batch->timer, err)) {
        memory_free(batch);
        return false;
    }
    batch->delivery = delivery;
    batch->plan = delivery_plan_hold(delivery->plan);
    batch->leased = leased;
    arena_init(&batch->arena,
               BYTES_AT_LEAST + most * (BYTES_OF_LEASED + BYTES_OF_TARGET + QUEUE_LEASED_BODY));
    batch->next = delivery->batches;
    delivery->batches = delivery->leasing = batch;
    batch->lease = (struct queue_lease){ .now_s = now_s,
                                         .until_s = now_s + LEASE_S,
                                         .most = most,
                                         .arena = &batch->arena,
                                         .with_bodies = true };
    queue_lease(delivery->settings.door, &batch->lease, take_lease, batch);
    return true;
}
