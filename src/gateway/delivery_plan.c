/* gateway/delivery_plan.c - what a profile means for delivery, and the lines of tasks that wait. */
#include "base/memory.h"
#include "gateway/delivery_destination.h"

enum { BUCKETS = 16384 };

static void free_plan(struct delivery_plan *plan)
{
    for (size_t i = 0; i < plan->bucket_count; i++)
        while (plan->buckets[i] != NULL) {
            struct delivery_destination *destination = plan->buckets[i];

            plan->buckets[i] = destination->next_in_bucket;
            delivery_destination_free(destination);
        }
    gateway_profile_release(&plan->profile);
    memory_free(plan->buckets);
    memory_free(plan);
}

bool delivery_plan_new(struct delivery *delivery, struct gateway_profile *profile,
                       struct delivery_plan **plan, struct error *err)
{
    struct delivery_plan *made = memory_new(1, sizeof *made);

    *plan = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a plan of delivery");
    made->references = 1;
    made->delivery = delivery;
    made->profile = gateway_profile_hold(profile);
    made->buckets = memory_new(BUCKETS, sizeof(struct delivery_destination *));
    if (made->buckets == NULL) {
        free_plan(made);
        return error_set(err, ERROR_MEMORY, "no memory for a plan of delivery");
    }
    made->bucket_count = BUCKETS;
    *plan = made;
    return true;
}

struct delivery_plan *delivery_plan_hold(struct delivery_plan *plan)
{
    plan->references++;
    return plan;
}

void delivery_plan_release(struct delivery_plan **plan)
{
    struct delivery_plan *released = *plan;

    *plan = NULL;
    if (released != NULL && --released->references == 0)
        free_plan(released);
}

void delivery_line_add(struct delivery_line *line, struct delivery_task *task)
{
    task->next = NULL;
    if (line->first == NULL)
        line->first = task;
    else
        line->last->next = task;
    line->last = task;
    line->tasks++;
    line->recipients += task->count;
}

void delivery_line_add_front(struct delivery_line *line, struct delivery_task *task)
{
    task->next = line->first;
    if (line->first == NULL)
        line->last = task;
    line->first = task;
    line->tasks++;
    line->recipients += task->count;
}

struct delivery_task *delivery_line_take(struct delivery_line *line)
{
    struct delivery_task *task = line->first;

    if (task == NULL)
        return NULL;
    line->first = task->next;
    line->tasks--;
    line->recipients -= task->count;
    return task;
}

static bool is_older(const struct delivery_task *task, int64_t received_by_s)
{
    return task->message->envelope.received_at_s <= received_by_s;
}

bool delivery_line_has_older(const struct delivery_line *line, int64_t received_by_s)
{
    const struct delivery_task *task = line->first;

    while (task != NULL && !is_older(task, received_by_s))
        task = task->next;
    return task != NULL;
}

struct delivery_task *delivery_line_take_older(struct delivery_line *line, int64_t received_by_s)
{
    struct delivery_task *before = NULL, *task = line->first;

    while (task != NULL && !is_older(task, received_by_s)) {
        before = task;
        task = task->next;
    }
    if (before == NULL || task == NULL)
        return task == NULL ? NULL : delivery_line_take(line);
    before->next = task->next;
    if (line->last == task)
        line->last = before;
    line->tasks--;
    line->recipients -= task->count;
    return task;
}

void delivery_line_give_back(struct delivery_line *line, int64_t due_at_s)
{
    struct delivery_task *task;

    while ((task = delivery_line_take(line)) != NULL) {
        delivery_give_back(task, due_at_s);
        delivery_task_end(task);
    }
}
