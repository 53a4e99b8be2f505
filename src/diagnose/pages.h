/* diagnose/pages.h - the pages of doc/findings, built into the program. */
#pragma once

/* The page of a finding as text; NULL: no such code. Static. */
const char *pages_find(const char *code);
