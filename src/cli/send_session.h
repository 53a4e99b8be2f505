/* cli/send_session.h - `sendmail -bs`: a session of SMTP on standard input and output, for local programs.
 *
 * smtp/server speaks, as for clients from outside, but to one who may send to anybody and has no TLS:
 * both ends are one user of this host. Each message is completed as any of `postern send`, and its
 * 250 means that it is on stable storage.
 */
#pragma once

#include "base/compiler.h"
#include "cli/queue_access.h"
#include "cli/send_options.h"

/* EX_OK: the session has ended, and its replies have told of each message. EX_IOERR: it could not be
 * read or answered to its end. */
MUST_CHECK int send_session_run(const char *name, const struct send_options *options,
                                const struct queue_access *access);
