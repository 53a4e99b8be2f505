/* tests/integration/corpora/dane_link.c - judges chains by TLSA with the functions that a delivery calls.
 *
 * Reads one JSON object a line, as `postern cert --batch` does: "id", "chain" and "roots" in base64, "names", "tlsa".
 * Each becomes what a handshake with such a server leaves behind, is judged by client_link_judge, and decided on by
 * policy_decide at dane-only. Writes "ID DECISION" a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/text.h"
#include "link/client_link_parts.h"

enum { LINE_MOST = 1 << 20, CHAIN_MOST = 16 };

static struct arena arena;

static void insist(bool claim, const char *what)
{
    if (claim)
        return;
    fprintf(stderr, "dane-link: %s\n", what);
    exit(1);
}

static struct span decode(const char *base64)
{
    struct span der;

    insist(text_from_base64(&arena, span_of(base64), &der), "no base64");
    return der;
}

static const char *text_at(const json_t *array, size_t index)
{
    const char *text = json_string_value(json_array_get(array, index));

    insist(text != NULL, "no text where one is due");
    return text;
}

static void fill_anchors(struct anchors *anchors, const json_t *roots)
{
    struct error err = { .text = "" };

    for (size_t i = 0; i < json_array_size(roots); i++)
        insist(anchors_add(anchors, decode(text_at(roots, i)), &err), err.text);
}

/* A host with these records, by a secure MX. */
static void set_up_link(const json_t *case_, struct client_link_settings *settings)
{
    const json_t *names = json_object_get(case_, "names");
    struct dane_record *record = arena_new(&arena, 1, sizeof *record);
    struct error err = { .text = "" };

    insist(dane_parse(&arena, span_of(text_at(json_object_get(case_, "tlsa"), 0)), record, &err),
           err.text);
    settings->tlsa = record;
    settings->tlsa_count = 1;
    settings->tlsa_state =
        dane_usability(record) == DANE_USABLE ? POLICY_TLSA_USABLE : POLICY_TLSA_UNUSABLE;
    for (size_t i = 0; i < json_array_size(names) && i < CLIENT_LINK_DANE_NAMES_MOST; i++)
        settings->dane_names[settings->dane_name_count++] = text_at(names, i);
    settings->host = settings->domain = settings->dane_names[0];
    settings->dnssec = settings->mx_dnssec = DNS_SECURE;
    settings->has_lookups = true;
    settings->level = POLICY_DANE_ONLY;
}

/* What a handshake leaves behind that the server completed. */
static void show(const json_t *case_, struct observation *seen)
{
    static const struct observed_reply fine = { .came = true, .code = 250 };
    const json_t *chain = json_object_get(case_, "chain");

    observation_init(seen);
    seen->greeting = seen->ehlo = seen->starttls = seen->ehlo_after_tls = fine;
    seen->has_capabilities = true;
    seen->capabilities.extensions = SMTP_EXTENSION_STARTTLS;
    seen->tls.was_started = seen->tls.was_completed = true;
    for (size_t i = 0; i < json_array_size(chain) && i < CHAIN_MOST; i++)
        seen->tls.chain[seen->tls.chain_count++] = decode(text_at(chain, i));
}

static const char *decide(const json_t *case_, struct anchors *anchors, const struct clock *clock)
{
    struct client_link_settings settings = { .clock = clock, .anchors = anchors };
    struct observation seen;
    struct policy_session session;
    struct error err = { .text = "" };

    set_up_link(case_, &settings);
    show(case_, &seen);
    seen.tlsa = settings.tlsa_state;
    seen.dnssec = seen.mx_dnssec = DNS_SECURE;
    seen.has_lookups = true;
    insist(client_link_judge(&settings, &arena, &seen, &err), err.text);
    session = observation_session(&seen);
    return policy_decision_name(policy_decide(POLICY_DANE_ONLY, &session).decision);
}

static void judge_line(const char *line, const struct clock *clock)
{
    json_t *case_ = json_loads(line, 0, NULL);
    AUTO(anchors_free) struct anchors *anchors = anchors_new();

    insist(case_ != NULL && anchors != NULL, "a line is no JSON");
    arena_init(&arena, 16 << 20);
    fill_anchors(anchors, json_object_get(case_, "roots"));
    printf("%s %s\n", json_string_value(json_object_get(case_, "id")),
           decide(case_, anchors, clock));
    arena_clear(&arena);
    json_decref(case_);
}

int main(void)
{
    static char line[LINE_MOST];
    struct clock clock = clock_system();

    while (fgets(line, sizeof line, stdin) != NULL)
        judge_line(line, &clock);
    return 0;
}
