#include "gateway/delivery.h"

#include <assert.h>

#include "base/memory.h"
#include "gateway/delivery_destination.h"
#include "gateway/diagnosis.h"

enum {
    PAUSE_MS = 20,       /* between leases that did not bring all they could: puts come in swarms */
    FULL_PAUSE_MS = 500, /* where a line was full, and work was given back */
    FAILED_PAUSE_MS = 1000,
    SLEEP_MOST_MS = 60 * 1000, /* the clock of the wall may be set */
    LEASED_AT_LEAST = 50,
    SWEEP_MS = 200,
    REST_MS = 5000, /* a connection stays open without mail */
};

int64_t delivery_now_s(const struct delivery *delivery)
{
    return delivery->settings.clock->wall_s(delivery->settings.clock);
}

int64_t delivery_now_ms(const struct delivery *delivery)
{
    return loop_now_ms(delivery->settings.loop);
}

/* ---- leases ---- */

/* While it drains the timer is for its end. */
static void start_timer(struct delivery *delivery, int64_t delay_ms)
{
    if (delivery->is_draining)
        return;
    delivery->timer_at_ms = delivery_now_ms(delivery) + delay_ms;
    loop_timer_start(delivery->timer, delay_ms);
}

/* Not before then. */
static void look_in(struct delivery *delivery, int64_t delay_ms)
{
    delivery->next_look_ms = delivery_now_ms(delivery) + delay_ms;
    start_timer(delivery, delay_ms);
}

static int64_t delay_until(const struct delivery *delivery, int64_t due_at_s)
{
    int64_t now_s = delivery_now_s(delivery);

    if (due_at_s <= now_s)
        return PAUSE_MS;
    return due_at_s - now_s < SLEEP_MOST_MS / 1000 ? (due_at_s - now_s) * 1000 : SLEEP_MOST_MS;
}

void delivery_look_at(struct delivery *delivery, int64_t due_at_s)
{
    int64_t delay_ms = delay_until(delivery, due_at_s);

    if (delivery_now_ms(delivery) + delay_ms < delivery->timer_at_ms)
        start_timer(delivery, delay_ms);
}

/* Nothing more is due now. What is in hand may be due again before that: see delivery_look_at. */
static void sleep_until_due(struct delivery *delivery, int64_t next_due_at_s)
{
    start_timer(delivery, delivery->is_woken ? PAUSE_MS : delay_until(delivery, next_due_at_s));
    delivery->next_look_ms = delivery_now_ms(delivery) + PAUSE_MS; /* a wake need not wait longer */
}

static void take_failure(struct delivery *delivery, const struct delivery_batch *batch)
{
    if (delivery->settings.log != NULL && !delivery->has_complained)
        log_event(delivery->settings.log, LOG_ERROR, "leasing-failed", "status=%s",
                  queue_status_name(batch->lease.request.status));
    delivery->has_complained = true;
    look_in(delivery, FAILED_PAUSE_MS);
}

static void take_batch(struct delivery *delivery, struct delivery_batch *batch)
{
    int64_t next_due_at_s = batch->lease.next_due_at_s;

    delivery->has_complained = false;
    delivery->has_given_back = false;
    delivery_batch_divide(batch);
    if (delivery->has_given_back)
        look_in(delivery, FULL_PAUSE_MS);
    else
        sleep_until_due(delivery, next_due_at_s);
    delivery_maildir_dispatch(delivery);
    delivery_dispatch(delivery);
}

static void leased(struct delivery_batch *batch)
{
    struct delivery *delivery = batch->delivery;

    if (batch->lease.request.status != QUEUE_OK)
        take_failure(delivery, batch);
    else
        take_batch(delivery, batch);
    delivery_batch_look(batch);
}

static size_t room_of(const struct delivery *delivery)
{
    size_t room = delivery->settings.in_hand_most - delivery->in_hand;

    if (delivery->in_hand >= delivery->settings.in_hand_most)
        return 0;
    return room < DELIVERY_LEASED_AT_ONCE ? room : DELIVERY_LEASED_AT_ONCE;
}

/* A lease is worth its while. */
static bool has_room(const struct delivery *delivery)
{
    return room_of(delivery) >= LEASED_AT_LEAST;
}

/* Leases, unless a lease is under way, or there is no room, or it is too early: then it is remembered. */
static void look(struct delivery *delivery)
{
    delivery->is_woken = true;
    if (delivery->is_draining || delivery->leasing != NULL || !has_room(delivery))
        return;
    if (delivery_now_ms(delivery) < delivery->next_look_ms) {
        start_timer(delivery, delivery->next_look_ms - delivery_now_ms(delivery));
        return;
    }
    delivery->is_woken = false;
    loop_timer_stop(delivery->timer);
    delivery->timer_at_ms = INT64_MAX;
    if (!delivery_batch_lease(delivery, room_of(delivery), leased, NULL))
        look_in(delivery, FAILED_PAUSE_MS);
}

/* ---- drain ---- */

static bool is_idle(const struct delivery *delivery)
{
    return delivery->batches == NULL && delivery->conversations == NULL &&
           delivery->first_searching == NULL && delivery->first_looking == NULL &&
           delivery->tellings == 0;
}

void delivery_go_on(struct delivery *delivery)
{
    if (delivery->is_draining && is_idle(delivery))
        loop_timer_start(delivery->timer, 0); /* not inside whatever led here */
    else if (!delivery->is_draining && delivery->is_woken && has_room(delivery))
        look(delivery);
}

/* What a server has not answered by now is deferred, what the store does not take down is left. */
static void cut_all(struct delivery *delivery)
{
    struct delivery_batch *batch, *next;

    delivery->was_cut = true;
    delivery_way_cancel_all(delivery);
    delivery_conversation_cut_all(delivery);
    for (batch = delivery->batches; batch != NULL; batch = next) {
        next = batch->next;
        delivery_batch_abandon(batch);
    }
    delivery_go_on(delivery);
}

static void on_timer(void *owner)
{
    struct delivery *delivery = owner;

    if (!delivery->is_draining)
        look(delivery);
    else if (is_idle(delivery))
        delivery->drained(delivery->owner);
    else
        cut_all(delivery);
}

/* What waits is to be leased anew, or by another instance. */
static void give_back_what_waits(struct delivery *delivery)
{
    struct delivery_plan *plan = delivery_plan_hold(delivery->plan);
    int64_t now_s = delivery_now_s(delivery);

    delivery_line_give_back(&delivery->maildirs, now_s);
    for (size_t i = 0; i < plan->bucket_count; i++)
        for (struct delivery_destination *each = plan->buckets[i]; each != NULL;
             each = each->next_in_bucket) {
            delivery_line_give_back(&each->line, now_s);
            each->is_wanting = false;
        }
    delivery->first_wanting = delivery->last_wanting = NULL;
    delivery_let_go(delivery, plan);
    delivery_plan_release(&plan);
}

void delivery_drain(struct delivery *delivery, void (*drained)(void *owner), void *owner)
{
    assert(!delivery->is_draining);
    delivery->is_draining = true;
    delivery->drained = drained;
    delivery->owner = owner;
    loop_timer_start(delivery->timer, delivery->settings.drain_ms > 0 ? delivery->settings.drain_ms
                                                                      : DELIVERY_DRAIN_MS);
    give_back_what_waits(delivery);
    delivery_way_cancel_all(delivery);
    diagnosis_close(&delivery->diagnosis);
    delivery_conversation_cut_coming(delivery);
    delivery_go_on(delivery);
}

/* ---- connections at rest ---- */

void delivery_sweep_soon(struct delivery *delivery)
{
    if (delivery->is_sweeping)
        return;
    delivery->is_sweeping = true;
    loop_timer_start(delivery->sweep, SWEEP_MS);
}

/* Look-ups that take long make room for others, connections that rest too long leave, and those that have mail again, for its time has come, go on. */
static void sweep(void *owner)
{
    struct delivery *delivery = owner;
    struct delivery_conversation *conversation = delivery->first_at_rest;
    int64_t now_ms = delivery_now_ms(delivery);

    delivery->is_sweeping = false;
    while (conversation != NULL) {
        struct delivery_conversation *newer = conversation->newer;

        if (conversation->destination->line.tasks > 0)
            delivery_destination_want(conversation->destination);
        else if (now_ms - conversation->rests_since_ms >= REST_MS)
            delivery_conversation_leave(conversation);
        conversation = newer;
    }
    if (delivery->first_at_rest != NULL)
        delivery_sweep_soon(delivery);
    delivery_way_leave_slow(delivery);
    delivery_dispatch(delivery);
}

/* ---- life ---- */

void delivery_wake(struct delivery *delivery)
{
    bool was_posted = true;

    /* What is remembered already needs no second wake: the lease that forgets it comes after this put. */
    if (!atomic_load(&delivery->is_woken) && !atomic_exchange(&delivery->is_waking, true))
        was_posted = mailbox_post(delivery->wakes, &delivery->wake);
    assert(was_posted);
    (void)was_posted;
}

void delivery_retry(struct delivery *delivery)
{
    struct delivery_plan *plan = delivery->plan;

    for (size_t i = 0; i < plan->bucket_count; i++)
        for (struct delivery_destination *each = plan->buckets[i]; each != NULL;
             each = each->next_in_bucket)
            pace_forget(&each->pace);
    look(delivery);
}

static void take_wakes(void *owner)
{
    struct delivery *delivery = owner;

    while (mailbox_take(delivery->wakes) != NULL)
        atomic_store(&delivery->is_waking, false);
    look(delivery);
}

void delivery_reload(struct delivery *delivery, struct gateway_profile *profile)
{
    struct delivery_plan *plan, *before = delivery->plan;
    struct error err = { .text = "" };

    if (!delivery_plan_new(delivery, profile, &plan, &err)) {
        if (delivery->settings.log != NULL)
            log_event(delivery->settings.log, LOG_ERROR, "reload-failed", "part=delivery why=%s",
                      err.text);
        return;
    }
    if (!delivery->is_draining)
        give_back_what_waits(delivery);
    delivery->plan = plan;
    delivery_plan_release(&before);
    look(delivery);
}

static bool open_parts(struct delivery *delivery, struct gateway_profile *profile,
                       struct error *err)
{
    struct loop *loop = delivery->settings.loop;

    return delivery_plan_new(delivery, profile, &delivery->plan, err) &&
           loop_timer_open(loop, on_timer, delivery, &delivery->timer, err) &&
           loop_timer_open(loop, sweep, delivery, &delivery->sweep, err) &&
           mailbox_open(loop, 0, take_wakes, delivery, &delivery->wakes, err) &&
           delivery_diagnosis_open(delivery, err) && link_tickets_new(&delivery->tickets, err);
}

static void free_delivery(struct delivery *delivery)
{
    if (delivery->wakes != NULL)
        while (mailbox_take(delivery->wakes) != NULL)
            continue;
    mailbox_close(&delivery->wakes);
    loop_timer_close(&delivery->timer);
    loop_timer_close(&delivery->sweep);
    diagnosis_close(&delivery->diagnosis);
    delivery_plan_release(&delivery->plan);
    link_tickets_free(&delivery->tickets);
    delivery_reading_free(&delivery->reading);
    memory_free(delivery);
}

bool delivery_open(const struct delivery_settings *settings, struct gateway_profile *profile,
                   struct delivery **delivery, struct error *err)
{
    struct delivery *made = memory_new(1, sizeof *made);

    *delivery = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for delivery");
    made->settings = *settings;
    if (made->settings.in_hand_most == 0)
        made->settings.in_hand_most = DELIVERY_IN_HAND_MOST;
    if (!open_parts(made, profile, err)) {
        free_delivery(made);
        return false;
    }
    start_timer(made, 0);
    *delivery = made;
    return true;
}

void delivery_close(struct delivery **delivery)
{
    struct delivery *closing = *delivery;

    *delivery = NULL;
    if (closing == NULL)
        return;
    assert(closing->is_draining && is_idle(closing));
    free_delivery(closing);
}
