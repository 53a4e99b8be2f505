/* trust/publish.h - what a domain publishes of its TLS, written down: TLSA, MTA-STS and TLSRPT (pure).
 *
 * The records of RFC 7672 section 3.1.1, RFC 8461 section 3 and RFC 8460 section 3, as texts and as lines of a zone
 * (RFC 1035 section 5.1). All texts live in the arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"
#include "trust/dane.h"
#include "trust/mta_sts.h"

enum { PUBLISH_TTL_S = 3600 };

/* "3 1 1 HEX" of a SubjectPublicKeyInfo in DER: it stays right whatever certificate the key is in. */
struct dane_record publish_tlsa(struct arena *arena, struct span key);

/* Does the record stand for this key itself, in any certificate: usage 3 and selector 1? */
MUST_CHECK bool publish_tlsa_is_of_key(const struct dane_record *record, struct span key);

/* The policy file, a line for each part. */
const char *publish_policy(struct arena *arena, const struct mta_sts_policy *policy);

/* The id of its record: another one for another policy, whatever the order of the hosts. */
const char *publish_policy_id(struct arena *arena, const struct mta_sts_policy *policy);
/* Was it made by publish_policy_id? Others tell nothing of the policy. */
MUST_CHECK bool publish_policy_id_is_ours(const char *id);
/* The same mode, age and hosts, in whatever order; `max_age` and hosts of mode none tell nothing. */
MUST_CHECK bool publish_policy_equal(const struct mta_sts_policy *a,
                                     const struct mta_sts_policy *b);

/* "v=STSv1; id=..." */
const char *publish_sts_record(struct arena *arena, const char *id);
/* The mailbox as a URI for it: what is not plain is written %XX (RFC 6068 section 2). */
const char *publish_mailto(struct arena *arena, const char *mailbox);
/* "v=TLSRPTv1; rua=mailto:...,https://..." */
const char *publish_report_record(struct arena *arena, const char *const *uris, size_t count);

/* Lines of a zone file, with a line end each and within 80 columns unless a name is long: the data of a TLSA record, and a text
 * that does not fit, stand on lines of their own within parentheses; a text of more than 255 octets is cut into several strings. `name`
 * without a final dot. */
const char *publish_tlsa_line(struct arena *arena, const char *name,
                              const struct dane_record *record);
const char *publish_txt_line(struct arena *arena, const char *name, const char *text);
