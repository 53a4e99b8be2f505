#include "diagnose/finding.h"

#include <assert.h>
#include <string.h>

const char *fault_name(enum fault fault)
{
    static const char *const names[] = {
        [FAULT_SERVER] = "server", [FAULT_CLIENT] = "client", [FAULT_NETWORK] = "network",
        [FAULT_DNS] = "dns",       [FAULT_POLICY] = "policy",
    };

    assert((size_t)fault < ARRAY_SIZE(names));
    return names[fault];
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {
        [SEVERITY_NOTICE] = "notice",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_UNTRUSTED] = "untrusted",
        [SEVERITY_FATAL] = "fatal",
    };

    assert((size_t)severity < ARRAY_SIZE(names));
    return names[severity];
}

bool findings_worst(const struct findings *findings, enum severity *severity)
{
    *severity = SEVERITY_NOTICE;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].severity > *severity)
            *severity = findings->items[i].severity;
    return findings->count > 0;
}

const struct finding *findings_find(const struct findings *findings, const char *code)
{
    for (size_t i = 0; i < findings->count; i++)
        if (strcmp(findings->items[i].code, code) == 0)
            return &findings->items[i];
    return NULL;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, span_of(text));
}

const struct finding *finding_copy(struct arena *arena, const struct finding *finding)
{
    struct finding *copy = arena_new(arena, 1, sizeof *copy);

    if (copy == NULL)
        return NULL;
    *copy = *finding;
    copy->code = copy_text(arena, finding->code);
    copy->cause = copy_text(arena, finding->cause);
    for (size_t i = 0; i < finding->evidence_count; i++)
        copy->evidence[i] = copy_text(arena, finding->evidence[i]);
    copy->remedy = copy_text(arena, finding->remedy);
    copy->tls_report = copy_text(arena, finding->tls_report);
    copy->enhanced_status = copy_text(arena, finding->enhanced_status);
    copy->because_of = copy_text(arena, finding->because_of);
    return arena->exhausted ? NULL : copy;
}
