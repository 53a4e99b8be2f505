#include "diagnose/saved_checkup.h"

#include "base/text.h"
#include "link/observation_json.h"
#include "link/published_json.h"
#include "link/route_json.h"

enum { HOSTS_MOST = 64 };

/* ---- writing ---- */

static json_t *host_json(const struct checkup_host *host)
{
    json_t *experiments = json_array();

    for (size_t i = 0; i < host->experiments.count; i++)
        json_array_append_new(experiments, observation_to_json(host->experiments.items[i]));
    return json_pack("{s:o, s:o}", "observation", observation_to_json(&host->observation),
                     "experiments", experiments);
}

json_t *saved_checkup_to_json(const struct checkup *checkup)
{
    json_t *hosts = json_array();

    for (size_t i = 0; i < checkup->host_count; i++)
        json_array_append_new(hosts, host_json(checkup->hosts[i]));
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "target", checkup->target, "domain", checkup->domain,
        "level", policy_level_name(checkup->level), "wall_s", (json_int_t)checkup->wall_s, "route",
        checkup->route == NULL ? json_null() : route_to_json(checkup->route), "published",
        checkup->published == NULL ? json_null() : published_to_json(checkup->published), "hosts",
        hosts);
}

/* ---- reading ---- */

/* What a stranger wrote there will be shown: nothing but printable text passes. */
static bool read_text(const json_t *json, const char *name, struct arena *arena, const char **text,
                      struct error *err)
{
    const json_t *field = json_object_get(json, name);

    if (!json_is_string(field))
        return error_set(err, ERROR_USAGE, "\"%s\" is missing or no text", name);
    *text = text_printable(
        arena, (struct span){ json_string_value(field), json_string_length(field) }, true);
    return true;
}

static bool read_level(const json_t *json, struct arena *arena, enum policy_level *level,
                       struct error *err)
{
    const char *word = "";

    if (!read_text(json, "level", arena, &word, err))
        return false;
    return policy_level_parse(span_of(word), level) ||
           error_set(err, ERROR_USAGE, "\"level\" is no level: %s", word);
}

static bool read_experiments(const json_t *list, struct arena *arena, struct checkup_host *host,
                             struct error *err)
{
    size_t count = json_array_size(list);

    if (count > EXPERIMENTS_MOST)
        return error_set(err, ERROR_USAGE, "\"experiments\": more than %d", EXPERIMENTS_MOST);
    for (size_t i = 0; i < count; i++) {
        struct observation *seen = arena_new(arena, 1, sizeof *seen);

        if (seen == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for an experiment");
        if (!observation_from_json(json_array_get(list, i), arena, seen, err))
            return error_wrap(err, "experiment %zu", i + 1);
        host->experiment_observations[i] = seen;
        host->experiments.items[host->experiments.count++] = seen;
    }
    return true;
}

static bool read_host(const json_t *json, struct arena *arena, struct checkup_host *host,
                      struct error *err)
{
    return observation_from_json(json_object_get(json, "observation"), arena, &host->observation,
                                 err) &&
           read_experiments(json_object_get(json, "experiments"), arena, host, err);
}

static bool read_hosts(const json_t *list, struct arena *arena, struct checkup *checkup,
                       struct error *err)
{
    size_t count = json_array_size(list);

    if (!json_is_array(list) || count > HOSTS_MOST)
        return error_set(err, ERROR_USAGE, "\"hosts\" is missing or longer than %d", HOSTS_MOST);
    checkup->hosts = arena_new(arena, count, sizeof(struct checkup_host *));
    for (size_t i = 0; i < count; i++) {
        struct checkup_host *host = arena_new(arena, 1, sizeof *host);

        if (host == NULL || checkup->hosts == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for a host");
        if (!read_host(json_array_get(list, i), arena, host, err))
            return error_wrap(err, "host %zu", i + 1);
        checkup->hosts[checkup->host_count++] = host;
    }
    return true;
}

static bool read_route(const json_t *json, struct arena *arena, struct checkup *checkup,
                       struct error *err)
{
    const json_t *route = json_object_get(json, "route");

    return route == NULL || json_is_null(route) ||
           route_from_json(route, arena, &checkup->route, err) || error_wrap(err, "\"route\"");
}

static bool read_published(const json_t *json, struct arena *arena, struct checkup *checkup,
                           struct error *err)
{
    const json_t *published = json_object_get(json, "published");

    return published == NULL || json_is_null(published) ||
           published_from_json(published, arena, &checkup->published, err) ||
           error_wrap(err, "\"published\"");
}

bool saved_checkup_from_json(const json_t *json, struct arena *arena, struct checkup **checkup,
                             struct error *err)
{
    struct checkup *read = arena_new(arena, 1, sizeof *read);

    if (read == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a checkup");
    if (!read_text(json, "target", arena, &read->target, err) ||
        !read_text(json, "domain", arena, &read->domain, err) ||
        !read_level(json, arena, &read->level, err) || !read_route(json, arena, read, err) ||
        !read_published(json, arena, read, err) ||
        !read_hosts(json_object_get(json, "hosts"), arena, read, err))
        return false;
    read->wall_s = json_integer_value(json_object_get(json, "wall_s"));
    checkup_judge(read, arena);
    *checkup = read;
    return !arena->exhausted || error_set(err, ERROR_MEMORY, "no memory for all of it");
}
