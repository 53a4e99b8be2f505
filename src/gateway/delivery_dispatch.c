/* gateway/delivery_dispatch.c - which destination has its turn, and whether it may dial. */
#include "gateway/delivery_destination.h"

enum { SEARCHES_MOST = 200 /* at once: a burst of cold names stalls the resolver's thread */ };

void delivery_destination_want(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;

    if (destination->is_wanting || destination->plan != delivery->plan || delivery->is_draining)
        return;
    destination->is_wanting = true;
    destination->next_wanting = NULL;
    if (delivery->first_wanting == NULL)
        delivery->first_wanting = destination;
    else
        delivery->last_wanting->next_wanting = destination;
    delivery->last_wanting = destination;
}

static struct delivery_destination *take_wanting(struct delivery *delivery)
{
    struct delivery_destination *first = delivery->first_wanting;

    if (first == NULL)
        return NULL;
    delivery->first_wanting = first->next_wanting;
    first->is_wanting = false;
    return first;
}

/* It could not have its turn, and keeps its place. */
static void put_back(struct delivery *delivery, struct delivery_destination *destination)
{
    if (destination->is_wanting)
        return;
    destination->is_wanting = true;
    destination->next_wanting = delivery->first_wanting;
    if (delivery->first_wanting == NULL)
        delivery->last_wanting = destination;
    delivery->first_wanting = destination;
}

/* Those that are not ready yet take a task each when they are; the others take more by themselves. */
static bool wants_conversation(const struct delivery_destination *destination)
{
    if (destination->is_doubtful && destination->conversations > 0)
        return false;
    return destination->coming < destination->line.tasks &&
           pace_wants_connection(&destination->pace, destination->line.tasks,
                                 destination->conversations);
}

/* A connection that rests elsewhere is worth less than one that mail waits for. */
static bool has_room(struct delivery *delivery)
{
    if (delivery->conversation_count < DELIVERY_CONVERSATIONS_IN_ALL)
        return true;
    if (delivery->first_at_rest != NULL)
        delivery_conversation_leave(delivery->first_at_rest);
    return false;
}

/* False: there is no room for another now. */
static bool dial(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;

    while (wants_conversation(destination)) {
        if (!delivery_way_is_fresh(destination)) {
            if (destination->searched != NULL)
                return true;
            if (delivery->searches >= SEARCHES_MOST) {
                delivery_sweep_soon(delivery);
                return false;
            }
            delivery_way_search(destination);
            continue;
        }
        if (!has_room(delivery))
            return false;
        if (!delivery_conversation_open(destination)) {
            if (destination->conversations == 0)
                delivery_destination_defer_line(destination, "no memory for a connection");
            return true;
        }
    }
    return true;
}

static bool serve(struct delivery_destination *destination)
{
    int64_t now_ms = delivery_now_ms(destination->plan->delivery);

    if (destination->line.tasks == 0)
        return true;
    if (pace_rests(&destination->pace, now_ms)) {
        delivery_destination_fail_line(destination);
        return true;
    }
    while (destination->at_rest != NULL && destination->line.tasks > 0 &&
           now_ms >= destination->paced_until_ms)
        delivery_conversation_go_on(destination->at_rest);
    return now_ms < destination->paced_until_ms || dial(destination);
}

void delivery_dispatch(struct delivery *delivery)
{
    struct delivery_plan *plan = delivery_plan_hold(delivery->plan);
    struct delivery_destination *destination;
    bool has_had_turn = true;

    if (!delivery->is_dispatching) {
        delivery->is_dispatching = true;
        while (has_had_turn && plan == delivery->plan &&
               (destination = take_wanting(delivery)) != NULL) {
            has_had_turn = serve(destination);
            if (!has_had_turn)
                put_back(delivery, destination);
        }
        delivery->is_dispatching = false;
    }
    delivery_plan_release(&plan);
}

void delivery_let_go(struct delivery *delivery, const struct delivery_plan *plan)
{
    struct delivery_conversation *conversation = delivery->first_at_rest;

    while (conversation != NULL) {
        struct delivery_conversation *newer = conversation->newer;

        if (plan == NULL || conversation->plan == plan)
            delivery_conversation_leave(conversation);
        conversation = newer;
    }
}

void delivery_destination_take_way(struct delivery_destination *destination)
{
    struct delivery *delivery = destination->plan->delivery;

    if (destination->way == NULL || destination->way->count == 0)
        delivery_destination_fail_line(destination);
    delivery_destination_want(destination);
    if (!delivery->is_draining)
        delivery_dispatch(delivery);
}
