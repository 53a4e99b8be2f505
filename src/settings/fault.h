/* settings/fault.h - what is wrong with a settings file: every fault with its line, in order.
 *
 * A fault keeps the file from being used; a warning does not. At most SETTINGS_FAULTS_MOST are
 * kept, the others are counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/span.h"

enum { SETTINGS_FAULTS_MOST = 100 };

struct settings_fault {
    unsigned line; /* 0: the file as a whole, or a default */
    bool is_warning;
    const char *text; /* one sentence without a full stop; printable */
};

struct settings_faults {
    const char *file;
    struct settings_fault list[SETTINGS_FAULTS_MOST]; /* as found; by line after settings_load */
    size_t count, fault_count, left_out;              /* fault_count: those that are no warnings */
    struct arena arena;
};

/* `file` is the name that is printed; copied. */
void settings_fault_init(struct settings_faults *faults, const char *file);
void settings_fault_clear(struct settings_faults *faults);

void settings_fault_add(struct settings_faults *faults, unsigned line, const char *format, ...)
    PRINTF_LIKE(3, 4);
void settings_fault_warn(struct settings_faults *faults, unsigned line, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* What stands in a file, cut and made safe to print within a fault. Lives as long as the faults. */
const char *settings_fault_quote(struct settings_faults *faults, struct span text);

void settings_fault_sort(struct settings_faults *faults);

/* A line for each, "FILE:LINE: text" or "FILE:LINE: warning: text". False: the buffer is full. */
MUST_CHECK bool settings_fault_format(const struct settings_faults *faults, struct buffer *text);
