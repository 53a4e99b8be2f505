/* gateway/inbound_history_parts.h - what the files of the inbound history share; nobody else includes it. */
#pragma once

#include "gateway/inbound_history.h"
#include "queue/database.h"

/* ---- inbound_history_file.c: one connection, on one thread at a time ---- */

struct inbound_file {
    struct database database;
    int64_t day; /* that `rows` is of */
    int64_t rows;
};

/* Opens the file, made where there is none. One that is damaged is put aside and begun anew, *was_put_aside; with NULL
 * for that, as where a gateway may have it open, it is a failure. */
MUST_CHECK bool inbound_file_open(struct inbound_file *file, const char *state_dir,
                                  bool *was_put_aside, struct error *err);
void inbound_file_close(struct inbound_file *file);

/* One transaction: begin, any of the others, then end. After a false, inbound_file_undo. */
MUST_CHECK bool inbound_file_begin(struct inbound_file *file, struct error *err);
MUST_CHECK bool inbound_file_add(struct inbound_file *file, const struct inbound_failure *failure,
                                 struct error *err);
MUST_CHECK bool inbound_file_keep(struct inbound_file *file, const struct received_report *received,
                                  int64_t now_s, bool *is_new, struct error *err);
/* The gateway has run from then to then, and nothing else was lost in between. */
MUST_CHECK bool inbound_file_note(struct inbound_file *file, int64_t since_s, int64_t until_s,
                                  struct error *err);
/* Drops what is older than it may be. */
MUST_CHECK bool inbound_file_end(struct inbound_file *file, int64_t now_s, struct error *err);
void inbound_file_undo(struct inbound_file *file);
