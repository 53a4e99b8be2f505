#include "gateway/resolver.h"

#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "gateway/file_watch.h"

enum { TEXTS_BYTES = 64 * 1024 };

struct gateway_resolver {
    struct log *log;
    struct dns *dns;
    struct arena texts; /* of `settings` */
    struct dns_settings settings;
    struct gateway_file_watch watch;
    bool is_failing;   /* the last attempt was in vain */
    struct error told; /* why, as it was logged */
};

static size_t list_files(const struct dns_settings *settings, const char *paths[2])
{
    paths[0] = dns_settings_anchor(settings);
    paths[1] = settings->resolver != NULL ? NULL : dns_settings_resolv_conf(settings);
    return 2;
}

static const char *name_of(const struct dns_settings *settings)
{
    return settings->resolver != NULL ? settings->resolver : dns_settings_resolv_conf(settings);
}

/* Once for each reason, however often it is tried. */
static void tell_failure(struct gateway_resolver *resolver, const struct error *err)
{
    if (resolver->is_failing && strcmp(resolver->told.text, err->text) == 0)
        return;
    resolver->is_failing = true;
    resolver->told = *err;
    log_event(resolver->log, LOG_ERROR, "resolver-failed", "resolver=%s reason=%s remedy=%s",
              name_of(&resolver->settings), err->text,
              "Names are looked up as before, or not at all, and mail that needs it waits: correct "
              "resolv.conf or the section dns of the settings; it is tried again all the time");
}

static bool open_anew(struct gateway_resolver *resolver)
{
    struct error err = { ERROR_NONE, "" };
    const char *paths[2];
    size_t count = list_files(&resolver->settings, paths);

    gateway_file_watch_take(&resolver->watch, paths, count);
    if (!dns_change(resolver->dns, &resolver->settings, &err)) {
        tell_failure(resolver, &err);
        return false;
    }
    resolver->is_failing = false;
    return true;
}

static void change(struct gateway_resolver *resolver)
{
    if (open_anew(resolver))
        log_event(resolver->log, LOG_NOTE, "resolver-changed", "resolver=%s",
                  name_of(&resolver->settings));
}

static const char *copy(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, span_of(text));
}

static bool copy_settings(const struct dns_settings *from, struct arena *texts,
                          struct dns_settings *settings)
{
    arena_init(texts, TEXTS_BYTES);
    settings->resolver = copy(texts, from->resolver);
    settings->trust_anchor = copy(texts, from->trust_anchor);
    settings->resolv_conf = copy(texts, from->resolv_conf);
    return !texts->exhausted;
}

bool gateway_resolver_open(struct loop *loop, const struct dns_settings *settings, struct log *log,
                           struct gateway_resolver **resolver, struct error *err)
{
    AUTO(gateway_resolver_close) struct gateway_resolver *made = memory_new(1, sizeof *made);

    *resolver = NULL;
    if (made == NULL || !copy_settings(settings, &made->texts, &made->settings))
        return error_set(err, ERROR_MEMORY, "no memory for a resolver");
    made->log = log;
    if (!dns_new(loop, &made->dns, err))
        return false;
    (void)open_anew(made);
    *resolver = TAKE(made);
    return true;
}

void gateway_resolver_close(struct gateway_resolver **resolver)
{
    if (*resolver == NULL)
        return;
    dns_close(&(*resolver)->dns);
    arena_clear(&(*resolver)->texts);
    memory_free(*resolver);
    *resolver = NULL;
}

struct dns *gateway_resolver_dns(const struct gateway_resolver *resolver)
{
    return resolver->dns;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void gateway_resolver_use(struct gateway_resolver *resolver, const struct dns_settings *settings)
{
    const struct dns_settings *before = &resolver->settings;
    struct dns_settings copied;
    struct arena texts;

    if (is_same_text(settings->resolver, before->resolver) &&
        is_same_text(settings->trust_anchor, before->trust_anchor) &&
        is_same_text(settings->resolv_conf, before->resolv_conf))
        return;
    if (!copy_settings(settings, &texts, &copied)) {
        const struct error err = { ERROR_MEMORY, "no memory for a resolver" };

        tell_failure(resolver, &err);
        arena_clear(&texts);
        return;
    }
    arena_clear(&resolver->texts);
    resolver->texts = texts;
    resolver->settings = copied;
    change(resolver);
}

void gateway_resolver_look(struct gateway_resolver *resolver)
{
    const char *paths[2];
    size_t count = list_files(&resolver->settings, paths);
    enum gateway_file_state state = gateway_file_watch_look(&resolver->watch, paths, count);

    if (state == GATEWAY_FILES_CHANGED || (state == GATEWAY_FILES_SAME && resolver->is_failing))
        change(resolver);
}
