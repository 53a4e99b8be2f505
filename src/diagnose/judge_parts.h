/* diagnose/judge_parts.h - what the files of the judge share: adding a finding and proving it.
 *
 * Pure, like all of the judge. Each judge_STEP looks whether the observation is about its step, so
 * that they can be called one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"
#include "diagnose/catalogue.h"
#include "diagnose/experiment.h"
#include "diagnose/finding.h"
#include "link/observation.h"
#include "link/route.h"
#include "trust/chain.h"

enum { JUDGE_COMMON_VALUES = 9 };

struct judge {
    const struct observation *seen;        /* NULL: a chain alone */
    const struct experiments *experiments; /* never NULL */
    struct arena *arena;
    struct findings *findings;
    struct catalogue_value common[JUDGE_COMMON_VALUES]; /* {host} and so on, for every finding */
    const char *reference;                              /* the name that should be certified */
    int64_t now_s;
    struct finding spare; /* written where the list is full */
};

/* Adds the finding of that row. Its texts are filled from the common values and those given. */
struct finding *judge_add(struct judge *judge, const char *code,
                          const struct catalogue_value *values, size_t count);
#define JUDGE_ADD(judge, code, ...)                                                                \
    judge_add((judge), (code), (const struct catalogue_value[]){ __VA_ARGS__ },                    \
              sizeof((const struct catalogue_value[]){ __VA_ARGS__ }) /                            \
                  sizeof(struct catalogue_value))

/* Puts the words of a variant in place of the row's, and its fault. */
void judge_reword(struct judge *judge, struct finding *finding, const char *key,
                  const struct catalogue_value *values, size_t count);
#define JUDGE_REWORD(judge, finding, key, ...)                                                     \
    judge_reword((judge), (finding), (key), (const struct catalogue_value[]){ __VA_ARGS__ },       \
                 sizeof((const struct catalogue_value[]){ __VA_ARGS__ }) /                         \
                     sizeof(struct catalogue_value))

/* One line of evidence; past the most that a finding holds it is dropped. */
void judge_prove(struct judge *judge, struct finding *finding, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "EHLO reply: 250-... \r\n": the bytes, cut where they are many. */
void judge_prove_bytes(struct judge *judge, struct finding *finding, const char *what,
                       struct span bytes);
/* How the dial as configured ended, and each experiment. */
void judge_prove_dials(struct judge *judge, struct finding *finding);

/* Bytes as one printable line of at most `most` characters, trailing line end dropped. */
const char *judge_quote(struct judge *judge, struct span bytes, size_t most);
/* The reply on one line: "554 5.7.1 go away". */
const char *judge_reply(struct judge *judge, const struct observed_reply *reply);
/* "3 seconds", "340 ms" */
const char *judge_wait(struct judge *judge, int64_t milliseconds);
/* What we looked for is an address, for which no SNI is sent and few authorities sign. */
bool judge_is_address(const char *reference);
/* What is not as the grammar of replies has it, the worst first. */
const char *judge_flaw_words(uint32_t flaws);
/* How bad tolerated flaws are: text in UTF-8 hardly is. */
enum severity judge_flaw_severity(uint32_t flaws, struct span raw);
/* "closes" or "resets", by the ending. */
const char *judge_closes(enum ending ending);
/* "SERVFAIL" */
const char *judge_rcode(struct judge *judge, int rcode);
/* Where a look-up fails for a reason that is ours, the finding says so. */
void judge_own_dns(struct judge *judge, struct finding *finding,
                   const struct observed_lookup *lookup);
/* Which finding a look-up that failed is: "dns-timeout"; NULL: it did not fail. */
const char *judge_lookup_code(enum dns_outcome outcome);
/* "connection reset by peer" for an errno; "error 95" for a rare one */
const char *judge_errno(struct judge *judge, int number);
/* How a dial went, in words: "alert handshake_failure (40)", "succeeds with TLSv1.0, ...". */
const char *judge_outcome(struct judge *judge, const struct observation *dial);
/* What a dial changed, in words: "with TLS 1.0 and 1.1 allowed". */
const char *judge_dial_words(enum dial dial);
/* "TLSv1.2 to TLSv1.3" */
const char *judge_offer(struct judge *judge, const struct tls_facts *tls);
/* "handshake_failure (40)" */
const char *judge_alert(struct judge *judge, uint8_t description);
/* What an alert says, as a clause. */
const char *judge_alert_meaning(uint8_t description);
/* The last fatal alert that the peer sent (`sent`: that we sent); NULL. */
const struct tls_alert *judge_fatal_alert(const struct tls_facts *tls, bool sent);
/* The names that a certificate has, "a, b and 3 more"; "no name" */
const char *judge_names(struct judge *judge, const struct certificate *certificate);

/* Root causes first, then what follows, then by severity; steps in order. */
void judge_sort(struct findings *findings);

void judge_self(struct judge *judge);    /* judge_self.c: our clock, our trust store */
void judge_connect(struct judge *judge); /* judge_connect.c: connect, greeting */
void judge_smtp(struct judge *judge);    /* judge_smtp.c: ehlo, starttls, after-tls */
/* judge_client_certificate.c. True: the failure is about our client certificate. */
MUST_CHECK bool judge_client_certificate(struct judge *judge);
void judge_handshake(struct judge *judge); /* judge_handshake.c */
/* judge_differential.c. True: the experiments single out a cause, and it was added. */
MUST_CHECK bool judge_differential(struct judge *judge);
void judge_certificate(struct judge *judge, const struct chain_verdict *verdict);
void judge_policy(struct judge *judge); /* judge_policy.c */
void judge_tlsa(struct judge *judge);   /* judge_tlsa.c */
/* TLSA records against a chain alone, without a session. */
void judge_tlsa_alone(struct judge *judge, const struct chain_verdict *verdict);
