/* gateway/delivery_failure.c - why nothing goes to a destination, and what that means for its line. */
#include <sys/random.h>

#include "gateway/delivery_destination.h"

enum { FAILURE_BYTES = 256 * 1024 };

void delivery_destination_defer_line(struct delivery_destination *destination, const char *words)
{
    const struct delivery_outcome outcome = delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", words);
    const struct delivery_story story = {
        .relay = span_of("none"),
        .began_ms = delivery_now_ms(destination->plan->delivery),
    };
    struct delivery_task *task;

    while ((task = delivery_line_take(&destination->line)) != NULL) {
        delivery_settle_rest(task, &outcome, &story);
        delivery_task_end(task);
    }
}

void delivery_failure_init(struct delivery_failure *failure)
{
    *failure = (struct delivery_failure){ .is_set = false };
    arena_init(&failure->arena, FAILURE_BYTES);
}

void delivery_failure_clear(struct delivery_failure *failure)
{
    arena_clear(&failure->arena);
    delivery_failure_init(failure);
}

static struct span copy_text(struct arena *arena, struct span text)
{
    return span_of(arena_copy(arena, text));
}

static void fail_task(const struct delivery_failure *failure, struct delivery_task *task,
                      int64_t now_ms)
{
    struct arena *arena = &task->batch->arena;
    struct delivery_outcome outcome = {
        .fate = failure->outcome.fate,
        .code = copy_text(arena, failure->outcome.code),
        .words = copy_text(arena, failure->outcome.words),
        .said = copy_text(arena, failure->outcome.said),
    };
    struct delivery_story story = {
        .relay = copy_text(arena, span_of(failure->relay)),
        .tls = copy_text(arena, span_of(failure->tls)),
        .why_clear = "none:no-session",
        .began_ms = now_ms - failure->took_ms,
        .session = failure->session,
    };

    if (failure->told != NULL) {
        story.told = finding_copy(arena, failure->told);
        story.finding = copy_text(arena, span_of(failure->told->code));
    }
    delivery_settle_rest(task, &outcome, &story);
    delivery_task_end(task);
}

void delivery_destination_fail_line(struct delivery_destination *destination)
{
    struct delivery_plan *plan = delivery_plan_hold(destination->plan);
    int64_t now_ms = delivery_now_ms(plan->delivery);
    struct delivery_task *task;

    if (!destination->failure.is_set)
        delivery_destination_defer_line(destination, "no memory for what went wrong");
    while ((task = delivery_line_take(&destination->line)) != NULL)
        fail_task(&destination->failure, task, now_ms);
    delivery_plan_release(&plan);
}

void delivery_destination_refuse(struct delivery_destination *destination, enum delivery_fate fate,
                                 const char *code, const char *words, const struct finding *told)
{
    struct delivery_failure *failure = &destination->failure;

    delivery_failure_clear(failure);
    failure->is_set = true;
    failure->relay = "none";
    failure->tls = "";
    failure->told = told == NULL ? NULL : finding_copy(&failure->arena, told);
    failure->outcome = delivery_outcome_of(
        fate, code,
        failure->told == NULL ? arena_copy(&failure->arena, span_of(words)) : failure->told->cause);
}

/* Half of what its messages wait before they are due again. */
static int64_t longest_rest_ms(const struct delivery_destination *destination)
{
    const struct queue_schedule_settings *schedule = &destination->plan->profile->schedule;
    size_t at = destination->pace.failures;

    if (at >= schedule->retry_count)
        at = schedule->retry_count - 1;
    return schedule->retry_s[at] * 1000 / 2;
}

static uint32_t roll(void)
{
    uint32_t chance = 0;

    if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance)
        return 0; /* no spread for once */
    return chance;
}

void delivery_destination_take_failure(struct delivery_destination *destination,
                                       struct delivery_failure *failure)
{
    int64_t now_ms = delivery_now_ms(destination->plan->delivery);
    bool others_are_ready = destination->conversations > destination->coming;

    if (others_are_ready) { /* it takes no more of them than it has */
        pace_take_throttle(&destination->pace, now_ms);
        return;
    }
    destination->is_doubtful = destination->coming > 1; /* others are under way yet */
    if (destination->is_doubtful)
        return;
    destination->has_taken = false;
    delivery_failure_clear(&destination->failure);
    destination->failure = *failure;
    delivery_failure_init(failure);
    if (!destination->failure.goes_in_clear_later &&
        destination->failure.outcome.fate != DELIVERY_REFUSED) /* nobody comes back to it */
        pace_take_failure(&destination->pace, now_ms, longest_rest_ms(destination), roll());
    delivery_destination_fail_line(destination);
}
