#include "cli/publish_page.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/catalogue.h"
#include "diagnose/page.h"
#include "diagnose/report_json.h"
#include "trust/publish.h"

enum { COMMENT_BYTES = 64 << 10 };

/* What is put together for one domain. */
struct sheet {
    const struct publication *publication;
    struct page page;
    struct arena *arena;
};

static const char *safe(struct sheet *sheet, const char *text)
{
    return text_printable_again(sheet->arena, span_of(text), true);
}

/* ---- is it live? ---- */

static bool is_told(enum dns_outcome outcome)
{
    return outcome == DNS_ANSWERED || outcome == DNS_NO_DATA || outcome == DNS_NXDOMAIN;
}

enum presence { NOT_LOOKED_UP, NOT_KNOWN, NOT_LIVE, DIFFERS, LIVE };

static const char *presence_words(enum presence presence)
{
    static const char *const words[] = { [NOT_LOOKED_UP] = "",
                                         [NOT_KNOWN] = "the look-up failed",
                                         [NOT_LIVE] = "not live",
                                         [DIFFERS] = "another is live",
                                         [LIVE] = "live" };

    return words[presence];
}

static enum presence tlsa_presence(const struct publication_host *host, bool is_live)
{
    if (!host->was_looked_up)
        return NOT_LOOKED_UP;
    if (!is_told(host->lookup.outcome))
        return NOT_KNOWN;
    return is_live ? LIVE : NOT_LIVE;
}

static enum presence record_presence(enum txt_record_status record,
                                     const struct observed_lookup *lookup, bool is_same)
{
    if (!is_told(lookup->outcome))
        return NOT_KNOWN;
    if (record == TXT_RECORD_NONE)
        return NOT_LIVE;
    return is_same && record == TXT_RECORD_VALID ? LIVE : DIFFERS;
}

static bool has_live_policy(const struct publication *publication)
{
    const struct mta_sts_policy *policy = publication_live_policy(publication);

    return policy != NULL && publish_policy_equal(policy, &publication->policy);
}

/* Any id that nothing speaks against is as good as ours. */
static enum presence sts_presence(const struct publication *publication)
{
    const struct observed_published *live = publication->live;
    bool is_same = live != NULL && live->sts_id != NULL &&
                   (strcmp(live->sts_id, publication->policy_id) == 0 ||
                    (has_live_policy(publication) && !publish_policy_id_is_ours(live->sts_id)));

    return live == NULL ? NOT_LOOKED_UP
                        : record_presence(live->sts_record, &live->sts_lookup, is_same);
}

static enum presence policy_presence(const struct publication *publication)
{
    const struct mta_sts_policy *policy = publication_live_policy(publication);

    if (publication->live == NULL)
        return NOT_LOOKED_UP;
    if (policy == NULL)
        return publication->live->sts_record == TXT_RECORD_VALID ? NOT_KNOWN : NOT_LOOKED_UP;
    return has_live_policy(publication) ? LIVE : DIFFERS;
}

static enum presence report_presence(const struct publication *publication)
{
    const struct observed_published *live = publication->live;

    if (live == NULL || !live->asked_reports)
        return NOT_LOOKED_UP;
    return record_presence(live->report_record, &live->report_lookup,
                           publication_reports_are_live(publication));
}

static enum presence dkim_presence(const struct publication *publication, struct arena *arena)
{
    if (!publication->dkim_was_looked_up)
        return NOT_LOOKED_UP;
    if (!is_told(publication->dkim_lookup.outcome))
        return NOT_KNOWN;
    if (publication->dkim_live_count == 0)
        return NOT_LIVE;
    return publication_dkim_is_live(publication, arena) ? LIVE : DIFFERS;
}

/* ---- zone lines ---- */

/* A comment of the zone, every line of it; coloured as a whole. */
static void put_comment(struct sheet *sheet, enum page_colour colour, const char *text)
{
    AUTO(buffer_clear) struct buffer wrapped;
    struct page lines;
    struct span rest;

    buffer_init(&wrapped, COMMENT_BYTES);
    page_init(&lines, &wrapped, (int)sheet->page.columns - 2, false);
    page_paragraph(&lines, 0, PAGE_PLAIN, text);
    sheet->page.has_failed |= lines.has_failed;
    for (rest = buffer_span(&wrapped); rest.len > 0;) {
        struct span line = span_take_until(&rest, '\n');

        page_put(&sheet->page, colour,
                 arena_format(sheet->arena, "; %.*s", (int)line.len, line.data));
        page_end_line(&sheet->page);
    }
}

static void put_remark(struct sheet *sheet, const char *text, enum presence presence)
{
    static const enum page_colour colours[] = { [NOT_LOOKED_UP] = PAGE_DIM,
                                                [NOT_KNOWN] = PAGE_YELLOW,
                                                [NOT_LIVE] = PAGE_YELLOW,
                                                [DIFFERS] = PAGE_YELLOW,
                                                [LIVE] = PAGE_GREEN };

    put_comment(sheet, colours[presence],
                presence == NOT_LOOKED_UP
                    ? text
                    : arena_format(sheet->arena, "%s: %s", presence_words(presence), text));
}

static void put_lines(struct sheet *sheet, const char *lines)
{
    page_put(&sheet->page, PAGE_PLAIN, lines);
}

static const char *wanted_remark(struct sheet *sheet, const struct publication_wanted *wanted)
{
    if (wanted->is_next)
        return arena_format(sheet->arena, "the next key, %s", safe(sheet, wanted->file));
    return arena_format(sheet->arena, "the key of %s, until %s", safe(sheet, wanted->file),
                        text_date(sheet->arena, wanted->ends_s));
}

static void put_others(struct sheet *sheet, const struct publication_host *host)
{
    static const char *const words[] = {
        [PUBLICATION_STALE] = "stands for no key of ours",
        [PUBLICATION_UNUSABLE] = "does not count for mail",
        [PUBLICATION_NEXT] = "fits the next key",
        [PUBLICATION_ISSUER] = "fits an authority above our certificate",
        [PUBLICATION_PRESENT] = "fits our certificate",
    };

    for (size_t i = 0; i < host->live_count; i++) {
        const struct publication_record *live = &host->live[i];
        bool is_wanted = false;

        for (size_t j = 0; j < host->wanted_count && !is_wanted; j++)
            is_wanted = strcmp(dane_format(sheet->arena, &live->record),
                               dane_format(sheet->arena, &host->wanted[j].record)) == 0;
        if (!is_wanted)
            put_comment(sheet, PAGE_DIM,
                        arena_format(sheet->arena, "also live, %s: %s", words[live->use],
                                     dane_format(sheet->arena, &live->record)));
    }
}

static const char *zone_state(const struct publication_host *host)
{
    if (!host->was_looked_up || !is_told(host->lookup.outcome))
        return "";
    return host->lookup.security == DNS_SECURE ? ", in a signed zone"
                                               : ", in a zone that is not signed";
}

static void put_host(struct sheet *sheet, const struct publication_host *host)
{
    const struct route *route = sheet->publication->route;

    if (host->wanted_count == 0)
        return;
    page_end_line(&sheet->page);
    put_comment(sheet, PAGE_DIM,
                arena_format(sheet->arena, "TLSA of %s%s%s", safe(sheet, host->name),
                             zone_state(host),
                             host->is_mail_host || route == NULL || route->outcome != ROUTE_FOUND
                                 ? ""
                                 : ", which is no mail host of this domain"));
    for (size_t i = 0; i < host->wanted_count; i++) {
        const struct publication_wanted *wanted = &host->wanted[i];

        put_remark(sheet, wanted_remark(sheet, wanted), tlsa_presence(host, wanted->is_live));
        put_lines(sheet, publish_tlsa_line(sheet->arena, host->tlsa_name, &wanted->record));
    }
    put_others(sheet, host);
}

static const char *below(struct sheet *sheet, const char *label)
{
    return arena_format(sheet->arena, "%s.%s", label, sheet->publication->domain);
}

static void put_record(struct sheet *sheet, const char *name, enum presence presence,
                       const char *text, const char *remark)
{
    page_end_line(&sheet->page);
    put_remark(sheet, remark, presence);
    put_lines(sheet, publish_txt_line(sheet->arena, name, text));
}

static bool calls_for_nothing(const struct publication *publication)
{
    bool is_empty = !publication->wants_sts && publication->report_record == NULL &&
                    publication->dkim_record == NULL;

    for (size_t i = 0; i < publication->host_count; i++)
        is_empty = is_empty && publication->hosts[i].wanted_count == 0;
    return is_empty;
}

static void put_zone(struct sheet *sheet)
{
    const struct publication *publication = sheet->publication;

    if (calls_for_nothing(publication)) {
        page_paragraph(
            &sheet->page, 0, PAGE_PLAIN,
            "The settings call for nothing: no listener has a certificate, sts = off, and "
            "no reports_to.");
        page_end_line(&sheet->page);
        return;
    }
    page_put(&sheet->page, PAGE_BOLD, "For the zone:");
    page_end_line(&sheet->page);
    for (size_t i = 0; i < publication->host_count; i++)
        put_host(sheet, &publication->hosts[i]);
    if (publication->wants_sts)
        put_record(sheet, below(sheet, "_mta-sts"), sts_presence(publication),
                   publication->sts_record,
                   arena_format(sheet->arena, "MTA-STS, mode %s",
                                mta_sts_mode_name(publication->policy.mode)));
    if (publication->report_record != NULL)
        put_record(sheet, below(sheet, "_smtp._tls"), report_presence(publication),
                   publication->report_record, "where TLS reports go");
    if (publication->dkim_record != NULL)
        put_record(sheet, publication->dkim_name, dkim_presence(publication, sheet->arena),
                   publication->dkim_record,
                   arena_format(sheet->arena, "the key that signs our TLS reports, %s",
                                safe(sheet, publication->dkim_file)));
}

static void put_policy(struct sheet *sheet)
{
    const struct publication *publication = sheet->publication;
    enum presence presence = policy_presence(publication);

    if (!publication->wants_sts)
        return;
    page_end_line(&sheet->page);
    page_paragraph(&sheet->page, 0, PAGE_BOLD,
                   arena_format(sheet->arena,
                                "For the web server, as "
                                "https://mta-sts.%s/.well-known/mta-sts.txt%s%s%s:",
                                publication->domain, presence == NOT_LOOKED_UP ? "" : " (",
                                presence_words(presence), presence == NOT_LOOKED_UP ? "" : ")"));
    page_end_line(&sheet->page);
    put_lines(sheet, publication->policy_text);
}

/* ---- the page ---- */

static const char *heading(struct sheet *sheet, const struct findings *findings)
{
    const struct publication *publication = sheet->publication;

    if (findings->count > 0)
        return arena_format(sheet->arena, "%s: %s%s", publication->domain,
                            catalogue_find(findings->items[0].code)->title,
                            findings->count == 1 ? ""
                                                 : arena_format(sheet->arena, ", and %zu more",
                                                                findings->count - 1));
    return arena_format(sheet->arena, "%s: %s", publication->domain,
                        publication->is_offline ? "what to publish; nothing was looked up"
                                                : "all that is called for is live");
}

bool publish_page_put(const struct publication *publication, const struct findings *findings,
                      const struct report_style *style, struct arena *arena, struct buffer *out)
{
    struct sheet sheet = { .publication = publication, .arena = arena };

    page_init(&sheet.page, out, style->columns, style->with_colour);
    page_put(&sheet.page, PAGE_BOLD, heading(&sheet, findings));
    page_end_line(&sheet.page);
    page_end_line(&sheet.page);
    for (size_t i = 0; i < findings->count; i++)
        if (!report_finding(&findings->items[i], style, out))
            return false;
    put_zone(&sheet);
    put_policy(&sheet);
    return !sheet.page.has_failed && !arena->exhausted;
}

/* ---- for programs ------------------------------------------------------------------------- */

static json_t *presence_json(enum presence presence)
{
    static const char *const words[] = {
        [NOT_KNOWN] = "unknown", [NOT_LIVE] = "no", [DIFFERS] = "other", [LIVE] = "yes"
    };

    return presence == NOT_LOOKED_UP ? json_null() : json_string(words[presence]);
}

static json_t *wanted_json(const struct publication_host *host, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < host->wanted_count; i++) {
        const struct publication_wanted *wanted = &host->wanted[i];

        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:o}", "record", dane_format(arena, &wanted->record),
                            "key", wanted->is_next ? "next" : "present", "file",
                            text_printable(arena, span_of(wanted->file), true), "live",
                            presence_json(tlsa_presence(host, wanted->is_live))));
    }
    return list;
}

static json_t *live_json(const struct publication_host *host, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < host->live_count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s}", "record",
                                              dane_format(arena, &host->live[i].record), "use",
                                              publication_use_name(host->live[i].use)));
    return list;
}

static json_t *hosts_json(const struct publication *publication, struct arena *arena)
{
    json_t *list = json_array();

    for (size_t i = 0; i < publication->host_count; i++) {
        const struct publication_host *host = &publication->hosts[i];
        bool is_told_of = host->was_looked_up && is_told(host->lookup.outcome);

        json_array_append_new(
            list, json_pack("{s:s,s:o,s:b,s:b,s:s?,s:o,s:o}", "host",
                            text_printable(arena, span_of(host->name), true), "preference",
                            host->preference < 0 ? json_null() : json_integer(host->preference),
                            "mail_host", host->is_mail_host, "ours", host->is_ours, "dnssec",
                            is_told_of ? dns_security_name(host->lookup.security) : NULL, "tlsa",
                            wanted_json(host, arena), "tlsa_live", live_json(host, arena)));
    }
    return list;
}

static json_t *sts_json(const struct publication *publication, struct arena *arena)
{
    const struct mta_sts_policy *live = publication_live_policy(publication);

    if (!publication->wants_sts)
        return json_null();
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:o,s:o,s:s?}", "mode", mta_sts_mode_name(publication->policy.mode),
        "record", publication->sts_record, "policy", publication->policy_text, "url",
        arena_format(arena, "https://mta-sts.%s/.well-known/mta-sts.txt", publication->domain),
        "record_live", presence_json(sts_presence(publication)), "policy_live",
        presence_json(policy_presence(publication)), "live_mode",
        live == NULL ? NULL : mta_sts_mode_name(live->mode));
}

static json_t *reports_json(const struct publication *publication)
{
    if (publication->report_record == NULL)
        return json_null();
    return json_pack("{s:s,s:o}", "record", publication->report_record, "live",
                     presence_json(report_presence(publication)));
}

static json_t *dkim_json(const struct publication *publication, struct arena *arena)
{
    if (publication->dkim_record == NULL)
        return json_null();
    return json_pack("{s:s,s:s,s:s,s:o}", "name", publication->dkim_name, "record",
                     publication->dkim_record, "file",
                     text_printable(arena, span_of(publication->dkim_file), true), "live",
                     presence_json(dkim_presence(publication, arena)));
}

/* Every line that is called for, one text each, as it can be pasted. */
static json_t *zone_json(const struct publication *publication, struct arena *arena)
{
    json_t *lines = json_array();

    for (size_t i = 0; i < publication->host_count; i++)
        for (size_t j = 0; j < publication->hosts[i].wanted_count; j++)
            json_array_append_new(
                lines, json_string(publish_tlsa_line(arena, publication->hosts[i].tlsa_name,
                                                     &publication->hosts[i].wanted[j].record)));
    if (publication->wants_sts)
        json_array_append_new(lines,
                              json_string(publish_txt_line(
                                  arena, arena_format(arena, "_mta-sts.%s", publication->domain),
                                  publication->sts_record)));
    if (publication->report_record != NULL)
        json_array_append_new(lines,
                              json_string(publish_txt_line(
                                  arena, arena_format(arena, "_smtp._tls.%s", publication->domain),
                                  publication->report_record)));
    if (publication->dkim_record != NULL)
        json_array_append_new(lines, json_string(publish_txt_line(arena, publication->dkim_name,
                                                                  publication->dkim_record)));
    return lines;
}

json_t *publish_page_json(const struct publication *publication, const struct findings *findings,
                          struct arena *arena)
{
    const struct route *route = publication->route;

    return json_pack(
        "{s:s,s:s,s:b,s:s?,s:o,s:o,s:o,s:o,s:o,s:o,s:i}", "domain", publication->domain, "time",
        text_time(arena, publication->now_s), "looked_up", !publication->is_offline, "dnssec",
        route == NULL ? NULL : dns_security_name(route->mx_security), "hosts",
        hosts_json(publication, arena), "sts", sts_json(publication, arena), "reports",
        reports_json(publication), "dkim", dkim_json(publication, arena), "zone",
        zone_json(publication, arena), "findings", report_json_findings(findings), "schema", 1);
}
