#include "gateway/bindings.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/listener.h"

struct place {
    uint64_t number;
    struct net_address asked, actual;
    int handed_over; /* which of them; -1: bound by us */
    bool is_asked_for, is_new;
};

struct gateway_bindings {
    size_t workers;
    struct service_socket handed_over[SERVICE_SOCKETS_MOST];
    size_t handed_over_count;
    struct place *places;
    size_t place_count;
    uint64_t last_number;
};

bool gateway_bindings_new(size_t workers, const struct service_socket *handed_over,
                          size_t handed_over_count, struct gateway_bindings **bindings,
                          struct error *err)
{
    struct gateway_bindings *made = memory_new(1, sizeof *made);

    *bindings = made;
    if (made == NULL) {
        for (size_t i = 0; i < handed_over_count; i++)
            close(handed_over[i].descriptor);
        return error_set(err, ERROR_MEMORY, "no memory for listeners");
    }
    made->workers = workers;
    for (size_t i = 0; i < handed_over_count; i++)
        made->handed_over[i] = handed_over[i];
    made->handed_over_count = handed_over_count;
    return true;
}

void gateway_bindings_free(struct gateway_bindings **bindings)
{
    struct gateway_bindings *freed = *bindings;

    *bindings = NULL;
    if (freed == NULL)
        return;
    for (size_t i = 0; i < freed->handed_over_count; i++)
        close(freed->handed_over[i].descriptor);
    memory_free(freed->places);
    memory_free(freed);
}

void gateway_bindings_begin(struct gateway_bindings *bindings)
{
    for (size_t i = 0; i < bindings->place_count; i++)
        bindings->places[i].is_asked_for = bindings->places[i].is_new = false;
}

static struct place *find_open(struct gateway_bindings *bindings, const struct net_address *asked)
{
    struct place *chosen = NULL; /* for port 0, and now asked for by the port that it got */

    for (size_t i = 0; i < bindings->place_count; i++) {
        struct place *place = &bindings->places[i];

        if (!place->is_asked_for && net_address_equal(&place->asked, asked))
            return place;
        if (!place->is_asked_for && chosen == NULL && net_address_equal(&place->actual, asked))
            chosen = place;
    }
    return chosen;
}

static int find_handed_over(const struct gateway_bindings *bindings,
                            const struct net_address *asked)
{
    for (size_t i = 0; i < bindings->handed_over_count; i++)
        if (net_address_equal(&bindings->handed_over[i].address, asked))
            return (int)i;
    return -1;
}

/* A socket for each worker; they share its queue. */
static bool copy_socket(const struct gateway_bindings *bindings, int descriptor, int *sockets,
                        struct error *err)
{
    for (size_t i = 0; i < bindings->workers; i++) {
        sockets[i] = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
        if (sockets[i] < 0) {
            while (i > 0)
                close(sockets[--i]);
            return error_set(err, ERROR_SYSTEM, "no descriptor for a listener");
        }
    }
    return true;
}

static bool open_place(struct gateway_bindings *bindings, struct place *place, int *sockets,
                       struct error *err)
{
    place->actual = place->asked;
    place->handed_over = find_handed_over(bindings, &place->asked);
    if (place->handed_over < 0)
        return listener_bind_shared(&place->actual, bindings->workers, sockets, err);
    return copy_socket(bindings, bindings->handed_over[place->handed_over].descriptor, sockets,
                       err);
}

static struct gateway_binding describe(const struct place *place)
{
    return (struct gateway_binding){ place->number, place->actual, place->is_new };
}

bool gateway_bindings_ask(struct gateway_bindings *bindings, const struct net_address *address,
                          struct gateway_binding *binding, int *sockets, struct error *err)
{
    struct place *place = find_open(bindings, address), *grown;

    if (place != NULL) {
        place->is_asked_for = true;
        for (size_t i = 0; i < bindings->workers; i++)
            sockets[i] = -1;
        *binding = describe(place);
        return true;
    }
    grown = memory_grow(bindings->places, (bindings->place_count + 1) * sizeof *bindings->places);
    if (grown == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a listener");
    bindings->places = grown;
    place = &grown[bindings->place_count];
    *place = (struct place){ .asked = *address, .is_asked_for = true, .is_new = true };
    if (!open_place(bindings, place, sockets, err))
        return false;
    place->number = ++bindings->last_number;
    bindings->place_count++;
    *binding = describe(place);
    return true;
}

void gateway_bindings_end(struct gateway_bindings *bindings, bool is_taken)
{
    size_t kept = 0;

    for (size_t i = 0; i < bindings->place_count; i++) {
        const struct place *place = &bindings->places[i];

        if (is_taken ? place->is_asked_for : !place->is_new)
            bindings->places[kept++] = *place;
    }
    bindings->place_count = kept;
}

static bool is_used(const struct gateway_bindings *bindings, int handed_over)
{
    for (size_t i = 0; i < bindings->place_count; i++)
        if (bindings->places[i].handed_over == handed_over)
            return true;
    return false;
}

const struct service_socket *gateway_bindings_unused(const struct gateway_bindings *bindings,
                                                     size_t number)
{
    for (size_t i = 0; i < bindings->handed_over_count; i++)
        if (!is_used(bindings, (int)i) && number-- == 0)
            return &bindings->handed_over[i];
    return NULL;
}
