/* smtp/address_list.h - the addresses of a To field or of a command line, one after the other.
 *
 * RFC 5322 section 3.4 (address-list: mailboxes, groups) with 3.2.2 (comments, folding), RFC 6532
 * (UTF-8), and of section 4.4 what is still written: routes, empty elements, dots in a display name,
 * blanks around the dots of an address. An address without @ is one too: who is meant depends on
 * the host. Allocates nothing; an address has at most SMTP_LISTED_BYTES.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"

enum { SMTP_LISTED_BYTES = 320 };

enum smtp_address_list_status {
    SMTP_LISTED_ADDRESS, /* the next one is in *listed */
    SMTP_LISTED_END,     /* there are no more */
    SMTP_LISTED_BROKEN,  /* see `flaw` and `flaw_at`; final */
};

struct smtp_address_list {
    struct span text; /* borrowed */
    size_t at;
    bool is_in_group;
    const char *flaw; /* "a comment does not end"; static; NULL: none */
    size_t flaw_at;
};

/* A local part with its domain passes smtp_address_parse; without one it would with one added. "<>"
 * is an address of no length. */
struct smtp_listed {
    char text[SMTP_LISTED_BYTES + 1]; /* comments, blanks, route and brackets gone; NUL behind it */
    size_t len;
    bool has_domain;
    size_t end; /* where in the list "@domain" would go, if there is none */
};

void smtp_address_list_init(struct smtp_address_list *list, struct span text);

MUST_CHECK enum smtp_address_list_status smtp_address_list_next(struct smtp_address_list *list,
                                                                struct smtp_listed *listed);
