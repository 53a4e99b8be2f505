#include "base/log_sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const char our_name[] = "postern";

_Static_assert(sizeof((struct sockaddr_un *)NULL)->sun_path == LOG_SINK_PATH_BYTES, "unix(7)");

/* ---- the syslog daemon -------------------------------------------------------------------- */

/* -1: nobody listens there, or not by sockets of this kind. */
static int connect_by(int kind, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int made = socket(AF_UNIX, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fault;

    if (made < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(made, (const struct sockaddr *)&address, sizeof address) == 0)
        return made;
    fault = errno;
    close(made);
    errno = fault;
    return -1;
}

/* Other threads may be writing: what the number stands for changes at once, and the number never. */
static bool connect_again(struct log_sink *sink)
{
    int made = connect_by(SOCK_DGRAM, sink->path);
    bool is_stream = made < 0 && errno == EPROTOTYPE, is_ours;

    if (is_stream)
        made = connect_by(SOCK_STREAM, sink->path);
    if (made < 0)
        return false;
    atomic_store(&sink->is_stream, is_stream);
    is_ours = dup3(made, sink->descriptor, O_CLOEXEC) >= 0;
    close(made);
    return is_ours;
}

void log_sink_init_syslog(struct log_sink *sink, const char *path)
{
    assert(path[0] != '\0' && strlen(path) < sizeof sink->path);
    /* A number to keep, whether anybody listens or not. */
    log_sink_init(sink, socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    memcpy(sink->path, path, strlen(path) + 1);
    tzset();
    if (sink->descriptor >= 0)
        connect_again(sink); /* or else for the first line */
}

bool log_sink_is_syslog(const struct log_sink *sink)
{
    return sink->path[0] != '\0';
}

bool log_sink_begin(const struct log_sink *sink, int severity, int64_t wall_s, struct buffer *line)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = (time_t)wall_s;
    struct tm local = { .tm_mday = 1 };

    if (!log_sink_is_syslog(sink))
        return true;
    localtime_r(&now, &local);
    return buffer_format(line, "<%d>%s %2d %02d:%02d:%02d %s[%ld]: ", LOG_MAIL | severity,
                         months[local.tm_mon], local.tm_mday, local.tm_hour, local.tm_min,
                         local.tm_sec, our_name, (long)getpid());
}

/* ---- descriptors -------------------------------------------------------------------------- */

/* O_NONBLOCK belongs to an open file, which we share with whoever started us; a pipe that is opened
 * anew has one of its own. Where that is not permitted, writes block as they are. */
static int open_pipe_again(int descriptor)
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void log_sink_init(struct log_sink *sink, int descriptor)
{
    struct stat file;
    bool is_known = descriptor >= 0 && fstat(descriptor, &file) == 0;

    sink->descriptor = descriptor;
    sink->own = is_known && S_ISFIFO(file.st_mode) ? open_pipe_again(descriptor) : -1;
    sink->is_socket = is_known && S_ISSOCK(file.st_mode);
    sink->path[0] = '\0';
    atomic_init(&sink->is_stream, false);
    atomic_init(&sink->is_stalled, false);
}

/* ---- lines -------------------------------------------------------------------------------- */

/* A line is at most PIPE_BUF: a pipe takes it whole or not at all, as a local socket does. */
static ssize_t write_some(const struct log_sink *sink, struct span bytes)
{
    size_t end = log_sink_is_syslog(sink) && !atomic_load(&sink->is_stream);
    ssize_t written;

    if (!sink->is_socket)
        return write(sink->own >= 0 ? sink->own : sink->descriptor, bytes.data, bytes.len);
    written = send(sink->descriptor, bytes.data, bytes.len - end, MSG_DONTWAIT | MSG_NOSIGNAL);
    return written < 0 ? written : written + (ssize_t)end; /* a datagram ends without a NUL */
}

/* False: whoever reads has stopped, and the line is lost. */
static bool wait_for_reader(struct log_sink *sink)
{
    struct pollfd room = { .fd = sink->descriptor, .events = POLLOUT };
    int ready = atomic_load(&sink->is_stalled) ? 0 : poll(&room, 1, LOG_SINK_PATIENCE_MS);

    if (ready > 0 || (ready < 0 && errno == EINTR))
        return true;
    atomic_store(&sink->is_stalled, true);
    return false;
}

/* After a write that failed with errno. `is_new`: somebody was connected to for this very line. */
static bool may_go_on(struct log_sink *sink, bool *is_new)
{
    if (errno == EINTR)
        return true;
    if (errno == EAGAIN)
        return wait_for_reader(sink);
    if (*is_new || !log_sink_is_syslog(sink) || sink->descriptor < 0)
        return false;
    *is_new = connect_again(sink);
    return *is_new;
}

bool log_sink_write(struct log_sink *sink, struct buffer *line)
{
    static const struct span line_feed = { "\n", 1 }, nul = { "", 1 };
    bool is_new = false;
    struct span left;

    if (!buffer_append(line, log_sink_is_syslog(sink) ? nul : line_feed))
        return false;
    left = buffer_span(line);
    while (left.len > 0) {
        ssize_t written = write_some(sink, left);

        if (written > 0)
            span_take_front(&left, (size_t)written);
        else if (written < 0 && !may_go_on(sink, &is_new))
            return false;
    }
    if (atomic_load(&sink->is_stalled))
        atomic_store(&sink->is_stalled, false);
    return true;
}
