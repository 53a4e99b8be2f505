/* gateway/host_memory_suspects.c - is it us? the same news from unrelated hosts. */
#include "gateway/host_memory_parts.h"

static struct host_suspect *find_suspect(struct host_suspects *suspects, uint64_t what)
{
    struct host_suspect *oldest = &suspects->items[0];

    for (size_t i = 0; i < suspects->count; i++) {
        if (suspects->items[i].what == what)
            return &suspects->items[i];
        if (suspects->items[i].last_s < oldest->last_s)
            oldest = &suspects->items[i];
    }
    if (suspects->count < HOST_SUSPECTS_MOST)
        oldest = &suspects->items[suspects->count++];
    *oldest = (struct host_suspect){ .what = what };
    return oldest;
}

static void forget_old_places(struct host_suspect *suspect, int64_t now_s)
{
    size_t kept = 0;

    for (size_t i = 0; i < suspect->count; i++)
        if (now_s - suspect->places[i].at_s < HOST_MEMORY_ALIKE_S)
            suspect->places[kept++] = suspect->places[i];
    suspect->count = kept;
}

static void add_place(struct host_suspect *suspect, const struct host_place *place)
{
    for (size_t i = 0; i < suspect->count; i++)
        if (suspect->places[i].owner == place->owner ||
            suspect->places[i].destination == place->destination)
            return;
    if (suspect->count < HOST_PLACES_MOST)
        suspect->places[suspect->count++] = *place;
}

void host_suspects_see(struct host_suspects *suspects, enum host_streak streak, uint64_t what,
                       int64_t now_s)
{
    if (what == suspects->streaks[streak].what)
        return;
    suspects->streaks[streak].what = what;
    suspects->streaks[streak].since_s = now_s;
}

size_t host_suspects_add(struct host_suspects *suspects, enum host_streak streak, uint64_t what,
                         const struct host_place *place, bool *is_everywhere)
{
    struct host_suspect *suspect = find_suspect(suspects, what);

    suspect->last_s = place->at_s;
    forget_old_places(suspect, place->at_s);
    add_place(suspect, place);
    *is_everywhere = suspects->streaks[streak].what == what &&
                     suspects->streaks[streak].since_s <= suspect->places[0].at_s;
    return suspect->count;
}
