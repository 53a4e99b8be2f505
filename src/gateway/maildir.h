/* gateway/maildir.h - final delivery into a Maildir: written to tmp/, made durable, renamed into new/.
 *
 * RFC 5321 section 4.4 (Return-Path: ours alone; those that a message brings along are removed from its header,
 * for who delivers knows the sender, and a stale one leads reports and filters astray). Names of files: seconds, then microseconds, process, a counter,
 * device and inode, then our host, as Maildir has it. Lines end in LF there, whatever they came with
 * (doc/decisions/0012). Nothing half-written is ever in new/, whenever the machine stops; what a crash
 * leaves in tmp/ is for the mailbox's reader, who removes what is older than 36 hours.
 *
 * Every function blocks on the disk: not for a thread that runs a loop. Several threads may deliver at
 * once, to one mailbox too. SIGXFSZ must be ignored, so that a limit on file sizes is an error like any
 * other. Folders are made with mode 0700, files with 0600. Symbolic links are followed on the way to
 * the mailbox, for an operator may have moved it to another disk; never for tmp, new and cur.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

struct gateway_maildir_settings {
    const char *path;       /* a pattern without flaw by gateway/maildir_path.h */
    const char *hostname;   /* ends the names of files; at most 126 octets are used */
    bool creates_mailboxes; /* else only folders that exist are mailboxes. What the pattern has in
                             * front of {domain} and {user} is never created: a disk that is not
                             * mounted must not be replaced by an empty folder */
};

struct gateway_maildir_envelope {
    struct span sender; /* without brackets; empty: <> */
    struct span recipient;
    int64_t now_us; /* since 1970, UTC */
};

/* Why it was not delivered. */
struct gateway_maildir_failure {
    bool is_permanent;    /* it would fail tomorrow as well */
    const char *enhanced; /* RFC 3463: "5.1.1" (no such mailbox), "5.1.7" (a sender that is none),
                           * "4.2.2" (quota), "4.3.1" (disk full), "4.3.5" (folders or rights are
                           * not as they should be), "4.3.0" (all else); static */
    struct error err;     /* for the log: which file, and what the system said */
};

struct gateway_maildir_delivery;

/* Makes the folders that are missing and begins a file in tmp/ with its Return-Path and Delivered-To
 * fields. Settings and envelope are not needed afterwards. */
MUST_CHECK bool gateway_maildir_open(const struct gateway_maildir_settings *settings,
                                     const struct gateway_maildir_envelope *envelope,
                                     struct gateway_maildir_delivery **delivery,
                                     struct gateway_maildir_failure *failure);

/* The next bytes of the message, split anywhere; CRLF becomes LF, Return-Path fields go, all else stays as it is. After
 * false every further call is false for the same reason. */
MUST_CHECK bool gateway_maildir_feed(struct gateway_maildir_delivery *delivery, struct span bytes,
                                     struct gateway_maildir_failure *failure);

/* All bytes were fed: makes the file durable, renames it into new/ and makes that durable. Once and
 * at the end. True: it is delivered, and no crash takes it back. False: it is not in new/, unless what
 * failed was the very last step and a reader was faster than our removing it. */
MUST_CHECK bool gateway_maildir_commit(struct gateway_maildir_delivery *delivery,
                                       struct gateway_maildir_failure *failure);

/* Without a commit that succeeded the file in tmp/ is removed. */
void gateway_maildir_close(struct gateway_maildir_delivery **delivery);
