/* fuzz/settings.c - settings from any text: bounded, every fault named, and what loads is whole. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "settings/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static size_t lines_of(struct span text)
{
    size_t lines = 1;

    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void check_faults(const struct settings_faults *faults, struct span text)
{
    insist(faults->count <= SETTINGS_FAULTS_MOST);
    insist(!faults->arena.exhausted);
    for (size_t i = 0; i < faults->count; i++) {
        const struct settings_fault *fault = &faults->list[i];

        insist(fault->text[0] != '\0' && fault->line <= lines_of(text));
        insist(i == 0 || faults->list[i - 1].line <= fault->line);
        for (const char *c = fault->text; *c != '\0'; c++)
            insist(*c >= ' ' && *c != 0x7f);
    }
}

static void check_settings(const struct settings *settings)
{
    insist(settings->state_dir[0] == '/' && settings->queue.retry_count > 0);
    insist(settings->queue.lifetime_s > settings->queue.retry_s[0]);
    insist(settings->relay.domain_count == settings->domain_count);
    for (size_t i = 0; i < settings->listener_count; i++)
        insist(settings->listeners[i].tls == SETTINGS_TLS_NONE ||
               settings->listeners[i].certificate_count > 0);
    for (size_t i = 0; i < settings->domain_count; i++)
        insist(strcmp(settings->domains[i].name, settings->relay.domains[i].name) == 0 &&
               (i == 0 || strcmp(settings->domains[i - 1].name, settings->domains[i].name) < 0));
    for (size_t i = 0; i < settings->policy_rules.pattern_count; i++) {
        const struct gateway_policy_pattern *pattern = &settings->policy_rules.patterns[i];
        struct gateway_policy_choice choice =
            gateway_policies_find(&settings->policy_rules, span_of(pattern->text));

        insist(choice.policy == pattern->policy && choice.rule == GATEWAY_POLICY_EXACT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings_source source = { "f.conf", { (const char *)data, size }, true };
    struct settings *settings;
    struct settings_faults faults;
    struct error err;
    bool is_loaded = settings_load_text(&source, &settings, &faults, &err);

    insist(is_loaded == (settings != NULL) && is_loaded == (faults.fault_count == 0));
    check_faults(&faults, source.text);
    if (settings != NULL)
        check_settings(settings);
    settings_free(&settings);
    settings_fault_clear(&faults);
    return 0;
}
