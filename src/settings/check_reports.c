/* settings/check_reports.c - what is wrong with the section `reports` when its values are seen together. */
#include "gateway/dkim.h"
#include "settings/load.h"
#include "settings/value.h"

#include <string.h>

static unsigned line_of_section(const struct settings_load *load, size_t *section)
{
    for (size_t i = 1; i < load->outline.section_count; i++)
        if (load->outline.sections[i].kind == SETTINGS_REPORTS) {
            *section = i;
            return load->outline.sections[i].line;
        }
    return 0;
}

static const char *domain_of(const char *address)
{
    const char *at = address == NULL ? NULL : strrchr(address, '@');

    return at == NULL ? NULL : at + 1;
}

/* NULL: the one of hostname, which may be known at the start alone. */
static const char *signing_domain(const struct settings *settings)
{
    const struct settings_reports *reports = &settings->reports;

    if (reports->dkim_domain != NULL)
        return reports->dkim_domain;
    if (reports->from != NULL)
        return domain_of(reports->from);
    return reports->contact != NULL ? domain_of(reports->contact) : settings->hostname;
}

/* Without it the gateway does not start, so it is a fault; where files are left alone nobody knows. */
static void check_key(struct settings_load *load, unsigned line)
{
    const struct settings_reports *reports = &load->settings->reports;
    const char *domain = signing_domain(load->settings);
    struct dkim_key *key = NULL;
    struct error err = { ERROR_NONE, "" };

    if (load->source->leaves_files_alone ||
        !settings_value_look_at_file(reports->dkim_key, false, NULL))
        return; /* said already */
    if (!dkim_key_load(reports->dkim_key, domain == NULL ? "localhost.localdomain" : domain,
                       reports->dkim_selector, &key, &err))
        settings_fault_add(load->faults, line, "dkim_key: %s", err.text);
    dkim_key_free(&key);
}

static void check_signing(struct settings_load *load, size_t section)
{
    const struct settings_reports *reports = &load->settings->reports;
    unsigned key = settings_outline_line(&load->outline, section, "dkim_key");
    unsigned selector = settings_outline_line(&load->outline, section, "dkim_selector");

    if (reports->dkim_key != NULL && reports->dkim_selector == NULL && selector == 0)
        settings_fault_add(load->faults, key, "dkim_key needs dkim_selector");
    else if (reports->dkim_key == NULL && key == 0 && selector != 0)
        settings_fault_add(load->faults, selector, "dkim_selector without dkim_key");
    else if (reports->dkim_key != NULL && reports->dkim_selector != NULL)
        check_key(load, key);
}

static bool is_ours(const struct settings *settings, const char *domain)
{
    for (size_t i = 0; i < settings->domain_count; i++)
        if (span_equal_nocase(span_of(settings->domains[i].name), span_of(domain)))
            return true;
    return false;
}

/* Mail for it would be refused, or sent on: in neither case would anybody read it here. */
static void check_read(struct settings_load *load, size_t section)
{
    const char *domain = domain_of(load->settings->reports.read);

    if (domain != NULL && load->faults->fault_count == 0 && !is_ours(load->settings, domain))
        settings_fault_warn(load->faults, settings_outline_line(&load->outline, section, "read"),
                            "nobody can send reports to %s: no domain \"%s\" is ours",
                            load->settings->reports.read, domain);
}

void settings_check_reports(struct settings_load *load)
{
    const struct settings_reports *reports = &load->settings->reports;
    size_t section = 0;
    unsigned line = line_of_section(load, &section);

    if (line == 0 || load->outline.sections[section].is_damaged)
        return;
    check_signing(load, section);
    check_read(load, section);
    if (reports->send && reports->dkim_key == NULL &&
        !settings_outline_is_refused(&load->outline, section, "dkim_key"))
        settings_fault_warn(load->faults, settings_outline_line(&load->outline, section, "send"),
                            "reports by mail go without a DKIM signature (dkim_key), and their "
                            "receivers are to ignore those: RFC 8460 section 3");
}
