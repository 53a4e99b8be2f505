/* cli/terminal.h - what the terminal can show, and a line that tells of progress. */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "diagnose/report.h"

/* For stdout: colour only on a terminal and never with NO_COLOR; its width, 80 where unknown. */
struct report_style terminal_style(bool with_transcript);

/* Replaces the progress line on stderr; nothing where stderr is no terminal. NULL wipes it. */
void terminal_progress(const char *text);

/* Lines on stderr, "WHERE: what". Where it is a terminal, one too long for it is folded under its first word; into
 * a file or a pipe each goes as it is. */
void terminal_tell(struct span lines);
