#include "link/route_json.h"

#include "link/observation_fields.h"
#include "link/record_json.h"

json_t *route_to_json(const struct route *route)
{
    return record_to_json(&route_record, route);
}

bool route_from_json(const json_t *json, struct arena *arena, struct route **route,
                     struct error *err)
{
    struct route *made = arena_new(arena, 1, sizeof *made);

    *route = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a route");
    if (!record_from_json(&route_record, json, arena, made, err))
        return false;
    if (json_object_get(json, "outcome") == NULL)
        return error_set(err, ERROR_FORMAT, "outcome is missing");
    for (size_t i = 0; i < made->lookup_count; i++)
        if (made->lookups[i].type == (enum dns_type)0)
            return error_set(err, ERROR_FORMAT, "lookups: [%zu]: type is missing", i);
    *route = made;
    return true;
}
