/* gateway/sandbox.h - what a gateway gives up before it serves: the rights of root, most of the file system,
 * and the system calls that it has no use for.
 *
 * In this order, and all before the first thread is started: landlock binds whoever asks for it and what comes
 * of it, and no thread that is there already. doc/decisions/0032 says why each is as it is.
 *
 * Log: running-as-root, sandbox, sandbox-folder-missing, sandbox-part-missing, restart-needed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/profile.h"

/* ---- whose rights ------------------------------------------------------------------------- */

/* False: there is no such user here, or it is root under whatever name; `err` says so. */
MUST_CHECK bool sandbox_user_find(const char *user, struct error *err);

/* From root to `user` and its groups, with one right of root kept: to bind ports below 1024, since a
 * reload may name one. There is no way back. Where `state_dir` is not NULL and not there it is made, for
 * that user. Who is that user already keeps no more than that right. False: it is somebody else who
 * calls, or the system refuses. */
MUST_CHECK bool sandbox_become(const char *user, const char *state_dir, struct error *err);

/* Where something right in state_dir belongs to another user than the one who calls, who is not root, adds to
 * *err what and how that is mended: the start has failed, and that is why. */
void sandbox_name_foreign(const char *state_dir, struct error *err);

/* "postern", or the number of a user without a name. Borrowed until the next call. */
const char *sandbox_user_name(void);

/* ---- the rest ----------------------------------------------------------------------------- */

struct sandbox; /* what may be written since */

struct sandbox_settings {
    const char *state_dir; /* made if it is missing */
    const struct gateway_profile
        *profile;    /* whose Maildirs may be written; borrowed for the call */
    struct log *log; /* outlives the sandbox */
};

/* From here on nothing is executed; nothing is written, made, renamed or removed but below state_dir and the
 * folders in front of the Maildirs (of one that is missing: below the nearest that is there, unless that is
 * "/"); and what sandbox_calls.c lists answers EPERM. Files that are open stay as they are, and reading is
 * left to the permissions of files. What the kernel does not know is left out, and the log says so.
 * False: state_dir cannot be made or opened, or no memory; some of it may be in force. */
MUST_CHECK bool sandbox_enter(const struct sandbox_settings *settings, struct sandbox **sandbox,
                              struct error *err);

/* Can all Maildirs of another profile be written? False: err names one that is new and cannot be without
 * a restart. NULL allows all. */
MUST_CHECK bool sandbox_permits(const struct sandbox *sandbox,
                                const struct gateway_profile *profile, struct error *err);

/* What is in force stays so. */
void sandbox_free(struct sandbox **sandbox);
