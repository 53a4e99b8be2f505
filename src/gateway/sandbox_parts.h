/* gateway/sandbox_parts.h - what the parts of gateway/sandbox.h know of each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/error.h"

/* gateway/sandbox_user.c: a folder with mode 0711, of that user; one that is there stays as it is.
 * (uid_t)-1: of whoever calls. */
MUST_CHECK bool sandbox_make_folder(const char *path, uid_t uid, gid_t gid, struct error *err);

/* ---- gateway/sandbox_files.c: landlock ---- */

struct sandbox_ruleset {
    int descriptor; /* -1: there is none */
    unsigned abi;   /* 0: the kernel has no landlock that is of use */
};

/* What may be done below a folder. */
enum sandbox_kind {
    SANDBOX_STATE,   /* all with files, folders and local sockets */
    SANDBOX_MAILBOX, /* with files and folders */
    SANDBOX_DEVICE,  /* no folder: writing to it */
};

/* False: why is in err, and the kernel's landlock cannot be used. */
MUST_CHECK bool sandbox_ruleset_open(struct sandbox_ruleset *ruleset, struct error *err);
MUST_CHECK bool sandbox_ruleset_allow(const struct sandbox_ruleset *ruleset, int place,
                                      enum sandbox_kind kind, struct error *err);
/* From now on; the caller has no_new_privs. */
MUST_CHECK bool sandbox_ruleset_enforce(const struct sandbox_ruleset *ruleset, struct error *err);
void sandbox_ruleset_close(struct sandbox_ruleset *ruleset);

/* ---- gateway/sandbox_calls.c: seccomp ---- */

/* From now on, for all threads; the caller has no_new_privs. */
MUST_CHECK bool sandbox_calls_refuse(struct error *err);

/* The n-th name of the table; NULL: there are no more. */
const char *sandbox_calls_name(size_t number);
