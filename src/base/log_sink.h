/* base/log_sink.h - where lines of the log go: a descriptor, or the syslog daemon of this machine.
 *
 * Whoever reads a pipe or a socket is waited for, LOG_SINK_PATIENCE_MS in all once nothing moves: from then on
 * lines are lost until one can be written.
 *
 * The daemon is sent what the C library would send it, in the local form of RFC 3164 that has no host:
 * "<20>Nov 21 19:05:00 postern[7]: TEXT", a datagram a line; or where it listens for a stream, each line up to a
 * NUL. One that was started again, or that is there at last, is connected to for the next line; where nobody
 * listens lines are lost.
 *
 * One may be shared by threads, without a lock: a line is one write, and a new connection takes the place of the
 * one before under the same number.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"

enum {
    LOG_SINK_PATIENCE_MS = 1000,
    LOG_SINK_PATH_BYTES = 108, /* of a local socket, with its NUL: unix(7) */
};

struct log_sink {
    int descriptor; /* borrowed; of syslog: ours, to the end of the process; -1: all lines are lost */
    int own; /* the same pipe, where our writes do not block; stays open, for threads that log to the
              * end of the process; -1: none */
    bool is_socket;
    char path[LOG_SINK_PATH_BYTES]; /* where the syslog daemon listens; "": it is a descriptor */
    atomic_bool is_stream;          /* the daemon reads a stream, and no datagrams */
    atomic_bool is_stalled;         /* nobody reads: nobody is waited for */
};

void log_sink_init(struct log_sink *sink, int descriptor);
/* Facility mail. The path is shorter than LOG_SINK_PATH_BYTES. */
void log_sink_init_syslog(struct log_sink *sink, const char *path);

/* Does it add time and level to a line by itself? */
bool log_sink_is_syslog(const struct log_sink *sink);

/* What stands in front of a line: nothing, or what syslog adds. `severity` is of <syslog.h>. False: no
 * memory, or no room in the line. */
MUST_CHECK bool log_sink_begin(const struct log_sink *sink, int severity, int64_t wall_s,
                               struct buffer *line);
/* Ends the line by one octet, and writes it. False: it is lost. */
MUST_CHECK bool log_sink_write(struct log_sink *sink, struct buffer *line);
