#include "diagnose/judge.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "diagnose/judge_parts.h"

enum { PROOF_CHARACTERS = 400, PROOF_BYTES = 1024 };

static const struct experiments no_experiments;

static const char *fill(struct judge *judge, const char *template_text,
                        const struct catalogue_value *values, size_t count)
{
    struct catalogue_value all[JUDGE_COMMON_VALUES + 12];
    size_t common = 0;

    assert(count <= 12);
    while (common < JUDGE_COMMON_VALUES && judge->common[common].name != NULL) {
        all[common] = judge->common[common];
        common++;
    }
    for (size_t i = 0; i < count; i++)
        all[common + i] = values[i];
    return catalogue_fill(judge->arena, template_text, all, common + count);
}

struct finding *judge_add(struct judge *judge, const char *code,
                          const struct catalogue_value *values, size_t count)
{
    const struct catalogue_row *row = catalogue_find(code);
    struct finding *finding = &judge->spare;

    assert(row != NULL);
    if (judge->findings->count < FINDINGS_MOST)
        finding = &judge->findings->items[judge->findings->count++];
    *finding = (struct finding){
        .code = row->code,
        .step = row->step,
        .fault = row->fault,
        .severity = row->severity,
        .cause = fill(judge, row->cause, values, count),
        .remedy = fill(judge, row->remedy, values, count),
        .tls_report = row->tls_report,
        .enhanced_status = row->enhanced_status,
    };
    return finding;
}

void judge_reword(struct judge *judge, struct finding *finding, const char *key,
                  const struct catalogue_value *values, size_t count)
{
    const struct catalogue_variant *variant = catalogue_variant_find(key);

    assert(variant != NULL);
    finding->fault = variant->fault;
    finding->cause = fill(judge, variant->cause, values, count);
    if (variant->remedy != NULL)
        finding->remedy = fill(judge, variant->remedy, values, count);
}

void judge_prove(struct judge *judge, struct finding *finding, const char *format, ...)
{
    char line[PROOF_BYTES];
    va_list arguments;

    if (finding->evidence_count >= FINDING_EVIDENCE_MOST)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    finding->evidence[finding->evidence_count++] = arena_copy(judge->arena, span_of(line));
}

const char *judge_quote(struct judge *judge, struct span bytes, size_t most)
{
    struct span kept = span_part(bytes, 0, most);
    const char *text;

    while (kept.len == bytes.len && kept.len > 0 &&
           (kept.data[kept.len - 1] == '\n' || kept.data[kept.len - 1] == '\r')) {
        kept.len--;
        bytes.len--;
    }
    text = text_printable(judge->arena, kept, false);
    if (strlen(text) > most) /* escapes make it longer */
        return arena_format(judge->arena, "%.*s...", (int)most, text);
    return kept.len < bytes.len ? arena_format(judge->arena, "%s...", text) : text;
}

void judge_prove_bytes(struct judge *judge, struct finding *finding, const char *what,
                       struct span bytes)
{
    if (bytes.len == 0)
        judge_prove(judge, finding, "%s: not one byte", what);
    else
        judge_prove(judge, finding, "%s: \"%s\"", what,
                    text_printable(judge->arena, span_part(bytes, 0, PROOF_CHARACTERS), false));
}

const char *judge_reply(struct judge *judge, const struct observed_reply *reply)
{
    struct span rest = reply->raw;
    const char *text = "";

    /* Lines joined; the code stands once. */
    for (size_t line = 0; rest.len > 0 && line < 6; line++) {
        struct span one = span_trim(span_take_until(&rest, '\n'));

        if (one.len > 0 && one.data[one.len - 1] == '\r')
            one.len--;
        if (line > 0 && one.len > 4)
            one = span_part(one, 4, one.len);
        text = arena_format(judge->arena, "%s%s%s", text, line > 0 ? " " : "",
                            judge_quote(judge, one, 200));
    }
    return arena_format(judge->arena, "\"%s\"", text);
}

void judge_prove_dials(struct judge *judge, struct finding *finding)
{
    const struct experiments *made = judge->experiments;

    judge_prove(judge, finding, "as configured: %s", judge_outcome(judge, judge->seen));
    for (size_t i = 0; i < made->count; i++)
        judge_prove(judge, finding, "%s: %s", judge_dial_words(made->items[i]->dial),
                    judge_outcome(judge, made->items[i]));
}

static int rank(const struct finding *finding)
{
    if (finding->severity < SEVERITY_UNTRUSTED)
        return finding->severity == SEVERITY_WARNING ? 2 : 3;
    return finding->because_of == NULL ? 0 : 1;
}

static bool goes_before(const struct finding *a, const struct finding *b)
{
    if (rank(a) != rank(b))
        return rank(a) < rank(b);
    return a->severity > b->severity;
}

void judge_sort(struct findings *findings)
{
    for (size_t i = 1; i < findings->count; i++) { /* stable, and few of them */
        struct finding moved = findings->items[i];
        size_t j = i;

        for (; j > 0 && goes_before(&moved, &findings->items[j - 1]); j--)
            findings->items[j] = findings->items[j - 1];
        findings->items[j] = moved;
    }
}

static void set_common(struct judge *judge, const char *const pairs[][2], size_t count)
{
    assert(count <= JUDGE_COMMON_VALUES);
    for (size_t i = 0; i < count; i++)
        judge->common[i] = (struct catalogue_value){ pairs[i][0], pairs[i][1] };
}

static const char *printable(struct arena *arena, const char *text)
{
    return text == NULL ? "" : text_printable(arena, span_of(text), false);
}

static void init_for_session(struct judge *judge, const struct observation *seen)
{
    struct arena *arena = judge->arena;
    const char *host = printable(arena, seen->host), *address = printable(arena, seen->address);
    bool is_ipv6 = strchr(address, ':') != NULL;
    const char *bare = arena_format(arena, is_ipv6 ? "[%s]:%u" : "%s:%u", address, seen->port);
    const char *name = host[0] == '\0' ? address : host;
    bool is_same = strcmp(name, address) == 0, with_name;
    bool has_domain =
        seen->domain != NULL && seen->domain[0] != '\0' && strcmp(seen->domain, seen->address) != 0;

    judge->reference = seen->host_reference == NULL || seen->host_reference[0] == '\0'
                           ? name
                           : printable(arena, seen->host_reference);
    judge->now_s = seen->wall_s;
    with_name = !judge_is_address(judge->reference);
    set_common(
        judge,
        (const char *const[][2]){
            { "host", name },
            { "address", address },
            { "port", arena_format(arena, "%u", seen->port) },
            { "address_port", bare },
            { "endpoint",
              is_same ? bare : arena_format(arena, "%s [%s]:%u", name, address, seen->port) },
            { "domain", has_domain ? printable(arena, seen->domain) : name },
            { "reference", judge->reference },
            { "probe", arena_format(arena, "openssl s_client -starttls smtp -connect %s %s%s", bare,
                                    with_name ? "-servername " : "-noservername",
                                    with_name ? judge->reference : "") },
        },
        8);
}

void judge_observation(const struct observation *observation, const struct experiments *experiments,
                       struct arena *arena, struct findings *findings)
{
    struct judge judge = {
        .seen = observation,
        .experiments = experiments == NULL ? &no_experiments : experiments,
        .arena = arena,
        .findings = findings,
    };

    findings->count = 0;
    init_for_session(&judge, observation);
    if (observation->ending == ENDING_BARRED) { /* there was no conversation */
        judge_policy(&judge);
        judge_sort(findings);
        return;
    }
    judge_self(&judge);
    judge_connect(&judge);
    judge_smtp(&judge);
    judge_handshake(&judge);
    judge_policy(&judge); /* first: where TLSA records speak, they are what counts */
    if (observation->has_verdict)
        judge_certificate(&judge, &observation->verdict);
    judge_sort(findings);
}

/* Whose chain it is where nobody says so. */
static const char *name_of_itself(const struct chain_verdict *verdict, struct arena *arena)
{
    const struct certificate *leaf = verdict->certificates;

    return verdict->certificate_count > 0 && leaf->is_readable && leaf->name_count > 0
               ? printable(arena, leaf->names[0])
               : "this server";
}

void judge_verdict(const struct chain_verdict *verdict, const char *host, int64_t now_s,
                   struct arena *arena, struct findings *findings)
{
    const char *name = host != NULL ? printable(arena, host) : name_of_itself(verdict, arena);
    struct judge judge = {
        .experiments = &no_experiments,
        .arena = arena,
        .findings = findings,
        .reference = name,
        .now_s = now_s,
    };

    findings->count = 0;
    set_common(&judge,
               (const char *const[][2]){
                   { "host", name },
                   { "domain", name },
                   { "reference", name },
                   { "port", "25" },
               },
               4);
    judge_certificate(&judge, verdict);
    judge_tlsa_alone(&judge, verdict);
    judge_sort(findings);
}

void judge_level_unavailable(enum policy_level level, const char *domain, const char *rule,
                             const char *why, struct arena *arena, struct findings *findings)
{
    struct judge judge = { .experiments = &no_experiments, .arena = arena, .findings = findings };
    struct finding *finding;

    set_common(&judge, (const char *const[][2]){ { "domain", printable(arena, domain) } }, 1);
    finding = JUDGE_ADD(&judge, "level-unavailable", { "level", policy_level_name(level) },
                        { "why", why == NULL ? "no memory" : printable(arena, why) });
    judge_prove(&judge, finding, "policy \"%s\": level = %s", printable(arena, rule),
                policy_level_name(level));
}
