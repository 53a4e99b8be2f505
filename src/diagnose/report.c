#include "diagnose/report.h"

#include <string.h>

#include "base/text.h"
#include "diagnose/page.h"
#include "diagnose/report_dane.h"
#include "diagnose/report_published.h"

enum {
    INDENT = 2,
    HANG = 11,
    SCRATCH_BYTES = 4 << 20,
    TLSA_SHOWN = 12,
    TLSA_CHARACTERS = 24, /* "3 1 1 " and the first digits */
};

static const enum page_colour colours[] = {
    [SEVERITY_NOTICE] = PAGE_PLAIN,
    [SEVERITY_WARNING] = PAGE_YELLOW,
    [SEVERITY_UNTRUSTED] = PAGE_RED,
    [SEVERITY_FATAL] = PAGE_RED,
};

/* Who has to act, in words that the reader of a forwarded report understands too. */
static const char *const whose[] = {
    [FAULT_SERVER] = "the receiving side has to act",
    [FAULT_CLIENT] = "we, the sending side, have to act",
    [FAULT_NETWORK] = "something between the two sides does this",
    [FAULT_DNS] = "the owner of the DNS zone has to act",
    [FAULT_POLICY] = "the owner of the published policy has to act",
};

/* Where both sides are ours: what we publish (postern publish). */
static const char *const whose_of_ours[] = {
    [FAULT_SERVER] = "we have to act, at our gateway",
    [FAULT_CLIENT] = "we have to act",
    [FAULT_NETWORK] = "something between the two sides does this",
    [FAULT_DNS] = "we have to act, in our zone",
    [FAULT_POLICY] = "we have to act, in what we publish",
};

static const char *who_acts(const struct finding *finding)
{
    bool is_of_ours = strncmp(finding->code, "publish-", strlen("publish-")) == 0;

    return is_of_ours ? whose_of_ours[finding->fault] : whose[finding->fault];
}

/* ---- one finding ---- */

/* What they look like is an image of our own trouble: without roots nobody is trusted. Then nobody there is
 * to act, and the remedy for it would lead astray. */
static bool is_image_of_ours(const struct findings *all, const struct finding *finding)
{
    const struct finding *root =
        all == NULL || finding->because_of == NULL ? NULL : findings_find(all, finding->because_of);

    return root != NULL && root->fault == FAULT_CLIENT && finding->fault != FAULT_CLIENT;
}

/* `all`: those that it stands among; NULL: it stands alone. */
static void write_finding(struct page *page, struct arena *arena, const struct findings *all,
                          const struct finding *finding)
{
    bool is_image = is_image_of_ours(all, finding);

    page_paragraph(page, INDENT, colours[finding->severity], finding->cause);
    page_item(page, INDENT, "Who", HANG, PAGE_PLAIN,
              is_image ? "nobody, as long as our own side is not put right" : who_acts(finding));
    page_item(page, INDENT, "Finding", HANG, PAGE_PLAIN,
              finding->because_of == NULL
                  ? arena_format(arena, "%s (%s)", finding->code, severity_name(finding->severity))
                  : arena_format(arena, "%s (%s), follows from %s", finding->code,
                                 severity_name(finding->severity), finding->because_of));
    for (size_t i = 0; i < finding->evidence_count; i++)
        page_item(page, INDENT, i == 0 ? "Proof" : "", HANG, PAGE_PLAIN, finding->evidence[i]);
    page_item(page, INDENT, "To do", HANG, PAGE_PLAIN,
              is_image ? arena_format(arena, "First what %s asks for, then check again",
                                      finding->because_of)
                       : finding->remedy);
    page_end_line(page);
}

/* ---- the facts of one host ---- */

static const char *name_host(struct arena *arena, const struct observation *seen)
{
    bool is_named = strcmp(seen->host, seen->address) != 0;
    bool is_ipv6 = strchr(seen->address, ':') != NULL;

    if (!is_named)
        return arena_format(arena, is_ipv6 ? "[%s]:%u" : "%s:%u", seen->address, seen->port);
    return arena_format(arena, "%s [%s]:%u", seen->host, seen->address, seen->port);
}

static void write_tls(struct page *page, struct arena *arena, const struct observation *seen)
{
    const struct tls_facts *tls = &seen->tls;

    if (!tls->has_server_hello)
        return;
    page_item(page, INDENT, "TLS", HANG, PAGE_PLAIN,
              arena_format(arena, "%s%s%s%s%s%s", tls_version_name(tls->version),
                           tls->cipher == NULL ? "" : ", ", tls->cipher == NULL ? "" : tls->cipher,
                           tls->group == NULL ? "" : ", ", tls->group == NULL ? "" : tls->group,
                           tls->was_completed ? "" : " (not completed)"));
    if (tls->client_certificate_requested)
        page_item(page, INDENT, "", HANG, PAGE_PLAIN,
                  tls->client_certificate_sent ? "asked for a client certificate and got ours"
                                               : "asked for a client certificate and got none");
}

static const char *shorten(struct arena *arena, const char *record)
{
    return text_printable(arena, span_part(span_of(record), 0, TLSA_CHARACTERS), false);
}

/* The records of a host, and which of them fits. */
static void write_dane(struct page *page, struct arena *arena, const struct observation *seen)
{
    const char *name = report_dane_name(seen, arena);
    const struct report_dane *told = report_dane_records(seen, arena);

    if (seen->tlsa == POLICY_TLSA_LOOKUP_FAILED || seen->tlsa_failure != NULL)
        page_item(page, INDENT, "DANE", HANG, PAGE_PLAIN,
                  seen->tlsa_failure == NULL
                      ? "the TLSA look-up failed"
                      : text_printable(arena, span_of(seen->tlsa_failure), false));
    if (seen->tlsa_count == 0 || told == NULL)
        return;
    page_item(page, INDENT, "DANE", HANG, PAGE_PLAIN,
              arena_format(arena, "%s%s", text_printable(arena, span_of(name), false),
                           seen->has_lookups && seen->mx_dnssec != DNS_SECURE
                               ? ", by an MX record that is not signed"
                               : ""));
    for (size_t i = 0; i < seen->tlsa_count && i < TLSA_SHOWN; i++)
        page_item(page, INDENT, "", HANG, PAGE_PLAIN,
                  arena_format(arena, "%s%s: %s%s%s", shorten(arena, seen->tlsa_records[i]),
                               strlen(seen->tlsa_records[i]) > TLSA_CHARACTERS ? "..." : "",
                               told[i].state, *told[i].why == '\0' ? "" : ", ", told[i].why));
    if (seen->tlsa_count > TLSA_SHOWN)
        page_item(page, INDENT, "", HANG, PAGE_PLAIN,
                  arena_format(arena, "and %zu more", seen->tlsa_count - TLSA_SHOWN));
}

static void write_certificate(struct page *page, struct arena *arena, const char *label,
                              size_t number, const struct certificate *certificate, int64_t now_s)
{
    const char *state = certificate->not_after_s < now_s    ? "ended"
                        : certificate->not_before_s > now_s ? "begins"
                                                            : "until";
    int64_t date_s =
        certificate->not_before_s > now_s ? certificate->not_before_s : certificate->not_after_s;

    if (!certificate->is_readable) {
        page_item(page, INDENT, label, HANG, PAGE_PLAIN,
                  arena_format(arena, "%zu  cannot be read as a certificate", number));
        return;
    }
    page_item(page, INDENT, label, HANG, PAGE_PLAIN,
              arena_format(arena, "%zu  %s", number, certificate->subject));
    page_item(page, INDENT, "", HANG + 3, PAGE_PLAIN,
              arena_format(arena, "issued by %s", certificate->issuer));
    page_item(page, INDENT, "", HANG + 3, PAGE_PLAIN,
              arena_format(arena, "%s, %s %s", certificate->key, state, text_date(arena, date_s)));
}

static void write_chain(struct page *page, struct arena *arena, const struct chain_verdict *verdict,
                        int64_t now_s)
{
    for (size_t i = 0; i < verdict->certificate_count; i++)
        write_certificate(page, arena, i == 0 ? "Chain" : "", i + 1, &verdict->certificates[i],
                          now_s);
}

/* The levels that end in this decision, as a list; "" where none does. */
static const char *levels_with(struct arena *arena, const struct checkup_host *host,
                               enum policy_decision decision)
{
    const char *list = "";

    for (enum policy_level level = 0; level < POLICY_LEVEL_COUNT; level++)
        if (host->decisions[level].decision == decision &&
            (level != POLICY_FINGERPRINT || host->observation.fingerprint_asked))
            list = arena_format(arena, "%s%s%s", list, *list == '\0' ? "" : ", ",
                                policy_level_name(level));
    return list;
}

/* "at every level", or "at level may, encrypt". */
static const char *name_levels(struct arena *arena, const struct checkup_host *host,
                               enum policy_decision decision)
{
    size_t others = 0;

    for (enum policy_level level = 0; level < POLICY_LEVEL_COUNT; level++)
        others += host->decisions[level].decision != decision;
    return others == 0 ? "every level"
                       : arena_format(arena, "level %s", levels_with(arena, host, decision));
}

static void write_decisions(struct page *page, struct arena *arena, const struct checkup_host *host)
{
    static const char *const words[] = {
        [POLICY_DELIVER] = "over TLS",
        [POLICY_DELIVER_IN_CLEAR] = "in the clear",
        [POLICY_REDIAL_WITHOUT_TLS] = "in the clear, by a second call",
        [POLICY_REDIAL_WITHOUT_CLIENT_CERTIFICATE] = "without our certificate",
        [POLICY_NEXT_HOST] = "by the next host",
        [POLICY_DEFER] = "no, deferred",
        [POLICY_BOUNCE] = "no, returned",
    };
    bool is_first = true;

    for (enum policy_decision decision = 0; decision < POLICY_DECISION_COUNT; decision++) {
        if (*levels_with(arena, host, decision) == '\0')
            continue;
        page_item(
            page, INDENT, is_first ? "Deliver?" : "", HANG, PAGE_PLAIN,
            arena_format(arena, "%s at %s", words[decision], name_levels(arena, host, decision)));
        is_first = false;
    }
}

static void write_experiments(struct page *page, struct arena *arena,
                              const struct checkup_host *host)
{
    const char *failure = experiment_succeeded(&host->observation) ? "fails" : "fails too";

    for (size_t i = 0; i < host->experiments.count; i++) {
        const struct observation *seen = host->experiments.items[i];

        page_item(page, INDENT, i == 0 ? "Tried" : "", HANG, PAGE_PLAIN,
                  arena_format(arena, "%s: %s", dial_name(seen->dial),
                               experiment_succeeded(seen) ? "works" : failure));
    }
}

static void write_transcript(struct page *page, struct arena *arena,
                             const struct transcript *transcript)
{
    static const char *const marks[] = {
        [TRANSCRIPT_SENT] = "C:", [TRANSCRIPT_RECEIVED] = "S:", [TRANSCRIPT_NOTE] = "--"
    };

    for (size_t i = 0; i < transcript->count; i++) {
        const struct transcript_line *line = &transcript->lines[i];

        page_item(page, INDENT,
                  arena_format(arena, "%6lld ms %s%s", (long long)line->at_ms,
                               line->is_encrypted ? "*" : " ", marks[line->kind]),
                  INDENT + 14, PAGE_PLAIN, line->text);
    }
    if (transcript->was_cut)
        page_paragraph(page, INDENT, PAGE_DIM, "(cut here)");
}

static void write_transcripts(struct page *page, struct arena *arena, const struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->host_count; i++) {
        const struct checkup_host *host = checkup->hosts[i];

        if (host->transcript.count == 0)
            continue;
        page_end_line(page);
        page_paragraph(page, 0, PAGE_BOLD,
                       arena_format(arena, "Said with %s (C: by us, S: by them, * inside TLS)",
                                    name_host(arena, &host->observation)));
        write_transcript(page, arena, &host->transcript);
    }
}

/* ---- one host ---- */

/* Whether it is plain who they are, and only what is published or asked for beside it is not met. */
static bool is_only_policy(const struct checkup_host *host)
{
    const struct observation *seen = &host->observation;
    const struct chain_verdict *verdict = &seen->verdict;

    for (size_t i = 0; i < host->findings.count; i++)
        if (host->findings.items[i].severity >= SEVERITY_UNTRUSTED &&
            host->findings.items[i].step != STEP_POLICY)
            return false;
    return seen->has_verdict && verdict->is_trusted && verdict->name_matched &&
           verdict->tlsa != CHAIN_TLSA_MISMATCH &&
           (!seen->fingerprint_asked || seen->fingerprint_matched);
}

static const char *verdict_of(const struct checkup_host *host, enum page_colour *colour)
{
    enum severity worst;

    *colour = PAGE_GREEN;
    if (!findings_worst(&host->findings, &worst) || worst == SEVERITY_NOTICE)
        return "TLS works, and the certificate is trusted";
    *colour = colours[worst];
    if (worst == SEVERITY_WARNING)
        return "TLS works, with a warning";
    if (worst == SEVERITY_UNTRUSTED)
        return is_only_policy(host)
                   ? "TLS works and the certificate is trusted, but a policy asks for more"
                   : "TLS works, but nobody can tell with whom";
    if (host->observation.reached <= STEP_GREETING)
        return "no mail gets through";
    return "no TLS session";
}

static void write_heading(struct page *page, struct arena *arena, const struct observation *seen)
{
    bool is_mx = seen->preference >= 0 && strcmp(seen->domain, seen->host) != 0;

    page_paragraph(page, 0, PAGE_BOLD,
                   is_mx ? arena_format(arena, "%s by %s", seen->domain, name_host(arena, seen))
                         : name_host(arena, seen));
}

static void write_host(struct page *page, struct arena *arena, const struct checkup_host *host)
{
    const struct observation *seen = &host->observation;
    enum page_colour colour;
    const char *verdict = verdict_of(host, &colour);

    write_heading(page, arena, seen);
    page_paragraph(page, INDENT, colour, verdict);
    page_end_line(page);
    for (size_t i = 0; i < host->findings.count; i++)
        write_finding(page, arena, &host->findings, &host->findings.items[i]);
    write_tls(page, arena, seen);
    write_dane(page, arena, seen);
    write_chain(page, arena, &seen->verdict, seen->wall_s);
    write_experiments(page, arena, host);
    write_decisions(page, arena, host);
}

/* One line for a host that is fine, among others. */
static void write_healthy(struct page *page, struct arena *arena, const struct checkup_host *host)
{
    const struct observation *seen = &host->observation;
    const struct certificate *leaf =
        seen->verdict.certificate_count > 0 ? &seen->verdict.certificates[0] : NULL;

    write_heading(page, arena, seen);
    page_item(page, INDENT, "Fine", HANG, PAGE_PLAIN,
              arena_format(arena, "%s%s%s%s%s%s", tls_version_name(seen->tls.version),
                           leaf == NULL ? "" : ", ", leaf == NULL ? "" : leaf->key,
                           leaf == NULL ? "" : ", until ",
                           leaf == NULL ? "" : text_date(arena, leaf->not_after_s),
                           seen->verdict.tlsa == CHAIN_TLSA_MATCHED ? ", DANE" : ""));
}

static bool is_healthy(const struct checkup_host *host)
{
    return host->findings.count == 0;
}

/* ---- all of it ---- */

static size_t count_failing(const struct checkup *checkup)
{
    size_t failing = 0;

    for (size_t i = 0; i < checkup->host_count; i++) {
        enum severity worst;

        failing +=
            findings_worst(&checkup->hosts[i]->findings, &worst) && worst >= SEVERITY_UNTRUSTED;
    }
    return failing;
}

/* Where one host stands for the domain, its own heading says all. */
static void write_summary(struct page *page, struct arena *arena, const struct checkup *checkup)
{
    size_t failing = count_failing(checkup);

    if (checkup->host_count < 2)
        return;
    page_paragraph(page, 0, PAGE_BOLD,
                   failing == 0 ? arena_format(arena, "%s: TLS works at all %zu addresses",
                                               checkup->domain, checkup->host_count)
                                : arena_format(arena,
                                               "%s: TLS fails or cannot be trusted at %zu of %zu "
                                               "addresses",
                                               checkup->domain, failing, checkup->host_count));
    page_end_line(page);
}

static const char *state_of(struct arena *arena, const struct observed_lookup *lookup)
{
    static const char *const outcomes[] = {
        [DNS_ANSWERED] = NULL,       [DNS_NO_DATA] = "none",      [DNS_NXDOMAIN] = "no such name",
        [DNS_SERVFAIL] = "servfail", [DNS_TIMEOUT] = "no answer", [DNS_BOGUS] = "bogus",
    };
    const char *security = dns_security_name(lookup->security);

    if (lookup->outcome == DNS_BOGUS)
        return lookup->why_bogus == NULL
                   ? "bogus"
                   : arena_format(arena, "bogus: %s",
                                  text_printable(arena, span_of(lookup->why_bogus), false));
    if (lookup->outcome == DNS_ANSWERED)
        return arena_format(arena, "%zu, %s", lookup->record_count, security);
    return lookup->outcome == DNS_TIMEOUT || lookup->outcome == DNS_SERVFAIL
               ? outcomes[lookup->outcome]
               : arena_format(arena, "%s, %s", outcomes[lookup->outcome], security);
}

static void write_lookup(struct page *page, struct arena *arena, const char *label,
                         const struct observed_lookup *lookup)
{
    page_item(page, INDENT, label, HANG, PAGE_PLAIN,
              arena_format(arena, "%s %s: %s", lookup->name, dns_type_name(lookup->type),
                           state_of(arena, lookup)));
}

static void write_lookups(struct page *page, struct arena *arena, const struct checkup *checkup)
{
    const struct observed_lookup *published[PUBLISHED_LOOKUPS_MOST];
    const struct route *route = checkup->route;
    size_t count = 0;

    for (size_t i = 0; i < route->lookup_count; i++)
        write_lookup(page, arena, i == 0 ? "DNS" : "", &route->lookups[i]);
    if (checkup->published != NULL)
        count = observed_published_lookups(checkup->published, published);
    for (size_t i = 0; i < count; i++)
        write_lookup(page, arena, "", published[i]);
}

/* Hosts with findings first: what is wrong must not stand below what is fine. */
static void write_hosts(struct page *page, struct arena *arena, const struct checkup *checkup,
                        const struct report_style *style)
{
    bool is_brief = checkup->host_count > 1 && !style->with_transcript;
    bool is_first = true;

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < checkup->host_count; i++) {
            const struct checkup_host *host = checkup->hosts[i];

            if (is_healthy(host) != (pass == 1))
                continue;
            if (!is_first)
                page_end_line(page);
            is_first = false;
            if (is_brief && is_healthy(host))
                write_healthy(page, arena, host);
            else
                write_host(page, arena, host);
        }
}

static void write_checkup(struct page *page, struct arena *arena, const struct checkup *checkup,
                          const struct report_style *style)
{
    write_summary(page, arena, checkup);
    if (checkup->failure != NULL)
        page_paragraph(
            page, 0, PAGE_RED,
            arena_format(arena, "%s: it could not be told: %s", checkup->target, checkup->failure));
    if (checkup->findings.count > 0) {
        page_put(page, PAGE_BOLD, checkup->domain);
        page_end_line(page);
    }
    for (size_t i = 0; i < checkup->findings.count; i++)
        write_finding(page, arena, &checkup->findings, &checkup->findings.items[i]);
    write_hosts(page, arena, checkup, style);
    if (checkup->published != NULL) {
        if (checkup->host_count > 0 || checkup->findings.count == 0)
            page_end_line(page);
        page_paragraph(page, 0, PAGE_BOLD, arena_format(arena, "Published by %s", checkup->domain));
        report_published_write(page, arena, checkup->published);
    }
    if (checkup->route != NULL)
        write_lookups(page, arena, checkup);
    if (style->with_transcript)
        write_transcripts(page, arena, checkup);
}

bool report_checkup(const struct checkup *checkup, const struct report_style *style,
                    struct buffer *out)
{
    AUTO(arena_clear) struct arena arena;
    struct page page;

    arena_init(&arena, SCRATCH_BYTES);
    page_init(&page, out, style->columns, style->with_colour);
    write_checkup(&page, &arena, checkup, style);
    return !page.has_failed && !arena.exhausted;
}

bool report_finding(const struct finding *finding, const struct report_style *style,
                    struct buffer *out)
{
    AUTO(arena_clear) struct arena arena;
    struct page page;

    arena_init(&arena, SCRATCH_BYTES);
    page_init(&page, out, style->columns, style->with_colour);
    write_finding(&page, &arena, NULL, finding);
    return !page.has_failed && !arena.exhausted;
}

bool report_chain(const struct chain_verdict *verdict, int64_t now_s,
                  const struct report_style *style, struct buffer *out)
{
    AUTO(arena_clear) struct arena arena;
    struct page page;

    arena_init(&arena, SCRATCH_BYTES);
    page_init(&page, out, style->columns, style->with_colour);
    write_chain(&page, &arena, verdict, now_s);
    return !page.has_failed && !arena.exhausted;
}
