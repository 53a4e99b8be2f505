/* gateway/delivery_plan.c - the LMTP servers of a profile, and the lines of tasks that wait for them. */
#include "base/memory.h"
#include "gateway/delivery_parts.h"

static void free_plan(struct delivery_plan *plan)
{
    gateway_profile_release(&plan->profile);
    memory_free(plan->destinations);
    memory_free(plan->destination_of);
    memory_free(plan);
}

static bool is_lmtp(const struct gateway_profile_domain *domain)
{
    return domain->kind == GATEWAY_DELIVER_LMTP || domain->kind == GATEWAY_DELIVER_LMTP_SOCKET;
}

/* Domains of the same server share one destination. */
static void find_destinations(struct delivery_plan *plan)
{
    const struct gateway_profile *profile = plan->profile;

    for (size_t i = 0; i < profile->domain_count; i++) {
        const struct gateway_profile_domain *domain = &profile->domains[i];
        size_t at = 0;

        if (!is_lmtp(domain))
            continue;
        while (at < plan->destination_count &&
               !delivery_route_match(domain, plan->destinations[at].domain))
            at++;
        if (at == plan->destination_count)
            plan->destinations[plan->destination_count++] =
                (struct delivery_destination){ .plan = plan, .domain = domain };
        plan->destination_of[i] = at;
    }
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
    made->destinations = memory_new(profile->domain_count + 1, sizeof *made->destinations);
    made->destination_of = memory_new(profile->domain_count + 1, sizeof *made->destination_of);
    if (made->destinations == NULL || made->destination_of == NULL) {
        free_plan(made);
        return error_set(err, ERROR_MEMORY, "no memory for a plan of delivery");
    }
    find_destinations(made);
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

void delivery_line_give_back(struct delivery_line *line, int64_t due_at_s)
{
    struct delivery_task *task;

    while ((task = delivery_line_take(line)) != NULL) {
        delivery_give_back(task, due_at_s);
        delivery_task_end(task);
    }
}
