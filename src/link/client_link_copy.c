/* link/client_link_copy.c - keeps how a link was set up beyond the conversation that it was set up for. */
#include "link/client_link.h"

static const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, span_of(text));
}

static const char *const *copy_texts(struct arena *arena, const char *const *texts, size_t count)
{
    const char **copies = arena_new(arena, count + 1, sizeof *copies);

    for (size_t i = 0; copies != NULL && i < count; i++)
        copies[i] = copy_text(arena, texts[i]);
    return copies;
}

static const struct dane_record *copy_records(struct arena *arena,
                                              const struct dane_record *records, size_t count)
{
    struct dane_record *copies = arena_new(arena, count + 1, sizeof *copies);

    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = records[i];
        copies[i].data = arena_copy_bytes(arena, records[i].data);
    }
    return copies;
}

bool client_link_settings_copy(const struct client_link_settings *settings, struct arena *arena,
                               struct client_link_settings *copy)
{
    *copy = *settings;
    copy->hostname = copy_text(arena, settings->hostname);
    copy->domain = copy_text(arena, settings->domain);
    copy->host = copy_text(arena, settings->host);
    copy->domain_names = copy_texts(arena, settings->domain_names, settings->domain_name_count);
    copy->local_socket = copy_text(arena, settings->local_socket);
    copy->deadline_ms = 0;
    copy->tickets = NULL;
    copy->tlsa = copy_records(arena, settings->tlsa, settings->tlsa_count);
    copy->tlsa_base = copy_text(arena, settings->tlsa_base);
    copy->tlsa_failure = copy_text(arena, settings->tlsa_failure);
    copy->tlsa_flaw.name = copy_text(arena, settings->tlsa_flaw.name);
    copy->tlsa_flaw.alias = copy_text(arena, settings->tlsa_flaw.alias);
    for (size_t i = 0; i < settings->dane_name_count; i++)
        copy->dane_names[i] = copy_text(arena, settings->dane_names[i]);
    copy->fingerprint = copy_text(arena, settings->fingerprint);
    return !arena->exhausted;
}
