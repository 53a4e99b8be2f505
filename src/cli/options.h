/* cli/options.h - the options of a subcommand as one table: read, refused and explained from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "trust/dane.h"

enum { OPTIONS_MOST = 40, OPTIONS_END = -1, OPTIONS_REFUSED = -2 };

struct option_row {
    const char *name;  /* without the dashes */
    const char *value; /* the word for its value; NULL: it takes none */
    const char *help;  /* one line */
    int code;          /* a letter is the short form too; else 256 and up */
};

struct option_table {
    const char *command; /* "check" */
    const struct option_row *rows;
    size_t count; /* at most OPTIONS_MOST */
};

/* A line for each row, on standard output. */
void options_print(const struct option_table *table);

/* Before the first options_next of a command line. */
void options_begin(void);
/* The code of the next option, with *value borrowed from argv; OPTIONS_END: what is left begins at
 * argv[*rest]; OPTIONS_REFUSED: one line on stderr has said why. */
MUST_CHECK int options_next(const struct option_table *table, int argc, char **argv,
                            const char **value, int *rest);

/* Says that the value is not `wanted` and returns false. */
bool options_refuse(const struct option_table *table, const char *name, const char *value,
                    const char *wanted);
/* 1 to 65535. */
MUST_CHECK bool options_read_port(const struct option_table *table, const char *name,
                                  const char *value, uint16_t *port);
/* The name of a host, in the form that is compared and looked up; or an address. */
MUST_CHECK bool options_read_host(const struct option_table *table, const char *name,
                                  const char *value, struct arena *arena, const char **host);
/* One more "3 1 1 HEX". */
MUST_CHECK bool options_add_tlsa(const struct option_table *table, const char *value,
                                 struct arena *arena, struct dane_record *records, size_t most,
                                 size_t *count);
