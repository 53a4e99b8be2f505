/* diagnose/catalogue.h - every finding there is: the one home of their words.
 *
 * A row is static; `cause` and `remedy` hold {names} that the judge fills. doc/findings/CODE.md is
 * the page of a row, the lab has a fault for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "diagnose/finding.h"

struct catalogue_row {
    const char *code;
    enum step step;
    enum fault fault;
    enum severity severity;
    const char *tls_report; /* NULL: none fits */
    const char *enhanced_status;
    const char *title;          /* a few words: "The certificate names another host" */
    const char *cause, *remedy; /* templates with {names} */
    const char *source;         /* "RFC 8461 section 4.2" */
    const char *lab;            /* the lab fault that shows it; NULL with `lab_reason` */
    const char *lab_reason;     /* why no lab server can show it */
};

size_t catalogue_count(void);
const struct catalogue_row *catalogue_row(size_t index);
/* NULL: no such code. */
const struct catalogue_row *catalogue_find(const char *code);

/* Other words for a row, where the judge knows more than the row: what experiments singled out, or
 * who exactly is to blame. Keys are ours and never shown. */
struct catalogue_variant {
    const char *key;
    enum fault fault;
    const char *cause, *remedy; /* templates; a NULL remedy: that of the row */
};

size_t catalogue_variant_count(void);
const struct catalogue_variant *catalogue_variant(size_t index);
/* NULL: no such key. */
const struct catalogue_variant *catalogue_variant_find(const char *key);

struct catalogue_value {
    const char *name, *value;
};

/* Replaces each {name} by its value; a name without a value is a bug of ours (assert). */
const char *catalogue_fill(struct arena *arena, const char *template_text,
                           const struct catalogue_value *values, size_t count);
