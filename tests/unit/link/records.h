/* tests/unit/link/records.h - records with a value in every field, and whether two are the same. */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "link/observation_fields.h"

/* The values that records_fill makes follow from it. */
extern uint64_t records_seed;

void records_fill(struct arena *arena, const struct record *record, void *base);
void records_compare(const struct record *record, const void *a, const void *b);

/* Fails where bytes of the struct belong to no field. */
void records_check_coverage(const char *name, const struct record *record);

/* Takes `json`, prints it and gives back what the text says. */
json_t *records_print_and_parse(json_t *json);
