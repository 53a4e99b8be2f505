/* tests/unit/diagnose/publications.h - a domain of ours that publishes all that it should, in which a test changes one
 * thing. */
#pragma once

#include "diagnose/publication.h"
#include "unit/diagnose/samples.h"
#include "unit/trust/make_chain.h"

#include <stdlib.h>

#include "link/public_key_file.h"
#include "trust/publish.h"

/* MX 10 mx.example.org, all of it signed, whose certificate has an intermediate and a root. */
struct published_well {
    struct made root, intermediate, leaf, next, stranger;
    struct publication publication;
    struct publication_certificate certificates[3];
    struct publication_host hosts[3];
    struct publication_record live[8];
    struct route route;
    struct observed_published published;
    struct findings findings;
};

static const char *const our_hosts[] = { "mx.example.org" };
static const char *const our_reports[] = { "mailto:tlsrpt@example.org" };

static inline struct span key_of(const struct made *made)
{
    struct span key = public_key_of_certificate(made->der, &arena);

    assert_true(key.len > 0);
    return key;
}

/* One more live record of the first host, by what it stands for: "3 1 1" of this certificate. */
static inline void go_live(struct published_well *well, const struct made *of, uint8_t usage,
                           uint8_t selector, uint8_t matching)
{
    const char *text = dane_record_for(&arena, of->der, usage, selector, matching);
    struct publication_host *host = &well->hosts[0];

    assert_true(host->live_count < ARRAY_SIZE(well->live));
    assert_true(dane_parse(&arena, span_of(text), &well->live[host->live_count++].record, NULL));
    host->lookup.outcome = DNS_ANSWERED;
}

static inline void add_certificate(struct published_well *well, const struct made *leaf,
                                   const char *file)
{
    struct publication_certificate *one =
        &well->certificates[well->publication.certificate_count++];
    struct span *chain = arena_new(&arena, 2, sizeof *chain);

    assert_non_null(chain);
    chain[0] = leaf->der;
    chain[1] = well->intermediate.der;
    *one = (struct publication_certificate){
        .file = file, .chain = chain, .chain_count = 2, .key = key_of(leaf)
    };
    certificate_read(&arena, leaf->der, &one->leaf);
}

static inline void set_next_key(struct published_well *well, const struct made *next)
{
    well->certificates[0].next_key = key_of(next);
    well->certificates[0].next_file = "/next.pem";
}

static inline void set_up_live(struct published_well *well)
{
    well->route = (struct route){
        .domain = "example.org", .outcome = ROUTE_FOUND, .mx_security = DNS_SECURE, .has_mx = true
    };
    well->hosts[0] = (struct publication_host){ .name = "mx.example.org",
                                                .preference = 10,
                                                .is_mail_host = true,
                                                .security = DNS_SECURE,
                                                .was_looked_up = true,
                                                .lookup = { .name = "_25._tcp.mx.example.org",
                                                            .type = DNS_TYPE_TLSA,
                                                            .security = DNS_SECURE },
                                                .live = well->live };
    go_live(well, &well->leaf, 3, 1, 1);
    go_live(well, &well->next, 3, 1, 1);
    observed_published_init(&well->published);
    well->published.domain = "example.org";
    well->published.sts_lookup =
        (struct observed_lookup){ .outcome = DNS_ANSWERED, .security = DNS_SECURE };
    well->published.sts_record = TXT_RECORD_VALID;
    well->published.sts_id = publish_policy_id(&arena, &well->publication.policy);
    well->published.has_policy = true;
    well->published.policy = well->publication.policy;
    well->published.asked_reports = true;
    well->published.report_lookup = well->published.sts_lookup;
    well->published.report_record = TXT_RECORD_VALID;
    well->published.report_text = "v=TLSRPTv1; rua=mailto:tlsrpt@example.org";
    well->published.reports = (struct tlsrpt_record){ our_reports, 1 };
}

static inline int set_up_well(void **state)
{
    struct published_well *well = calloc(1, sizeof *well);

    arena_init(&arena, 64 << 20);
    well->root = make_root("Our Root");
    well->intermediate = make_intermediate("Our Intermediate", &well->root);
    well->leaf = make_leaf("mx.example.org", &well->intermediate);
    well->next = make_leaf("mx.example.org", &well->intermediate);
    well->stranger = make_root("mx.example.org");
    add_certificate(well, &well->leaf, "/mx.pem");
    set_next_key(well, &well->next);
    well->publication.domain = "example.org";
    well->publication.hostname = "mx.example.org";
    well->publication.settings_file = "/etc/postern/postern.conf";
    well->publication.now_s = MAKE_NOW_S;
    well->publication.certificates = well->certificates;
    well->publication.anchors = make_anchors(&well->root);
    well->publication.wants_sts = true;
    well->publication.policy =
        (struct mta_sts_policy){ MTA_STS_MODE_ENFORCE, 604800, our_hosts, 1 };
    well->publication.report_uris = our_reports;
    well->publication.report_uri_count = 1;
    well->publication.route = &well->route;
    well->publication.live = &well->published;
    well->publication.hosts = well->hosts;
    well->publication.host_count = 1;
    set_up_live(well);
    *state = well;
    return 0;
}

static inline int tear_down_well(void **state)
{
    struct published_well *well = *state;

    make_free(&well->root);
    make_free(&well->intermediate);
    make_free(&well->leaf);
    make_free(&well->next);
    make_free(&well->stranger);
    anchors_free(&well->publication.anchors);
    assert_false(arena.exhausted);
    arena_clear(&arena);
    free(well);
    return 0;
}

static inline void judge_well(struct published_well *well)
{
    struct error err;

    if (!publication_compare(&well->publication, &arena, &err))
        fail_msg("%s", err.text);
    judge_publication(&well->publication, &arena, &well->findings);
    for (size_t i = 0; i < well->findings.count; i++) {
        const struct finding *finding = &well->findings.items[i];

        assert_true(finding->evidence_count > 0);
        assert_true(finding->cause[0] != '\0' && finding->remedy[0] != '\0');
    }
}

/* Exactly one finding. */
static inline const struct finding *expect_only(struct published_well *well, const char *code,
                                                enum severity severity)
{
    judge_well(well);
    if (well->findings.count != 1 || strcmp(well->findings.items[0].code, code) != 0)
        fail_msg("%s, not %s; %zu in all",
                 well->findings.count == 0 ? "nothing" : well->findings.items[0].code, code,
                 well->findings.count);
    assert_string_equal(severity_name(well->findings.items[0].severity), severity_name(severity));
    return &well->findings.items[0];
}

static inline void expect_nothing(struct published_well *well)
{
    judge_well(well);
    if (well->findings.count > 0)
        fail_msg("%s: %s", well->findings.items[0].code, well->findings.items[0].cause);
}

static inline void expect_words(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", text, words);
}
