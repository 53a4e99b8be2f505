#include "lab/exam.h"

#include "net/tls.h"

enum exam_deed exam_deed(const struct fault_tally *tally)
{
    if (tally->delivered_in_clear > 0)
        return EXAM_IN_CLEAR;
    if (tally->delivered_over_tls > 0)
        return EXAM_OVER_TLS;
    return tally->connections > 0 ? EXAM_REFUSED : EXAM_NOT_SEEN;
}

static enum exam_mark mark_over_tls(enum fault_safety safety, enum exam_level level)
{
    switch (safety) {
    case FAULT_SAFE:
    case FAULT_NO_TLS: /* a client that knows a way round the fault, such as an old version */
    case FAULT_DEAD: return EXAM_RIGHT;
    case FAULT_UNTRUSTED: return level == EXAM_VERIFY ? EXAM_TOO_LAX : EXAM_RIGHT;
    case FAULT_INJECTED: return EXAM_TOO_LAX; /* another's words were taken for the server's */
    }
    return EXAM_NO_MARK;
}

/* In the clear is right only where nothing better could be had. */
static enum exam_mark mark_in_clear(enum fault_safety safety, enum exam_level level)
{
    bool could_encrypt = safety == FAULT_SAFE || safety == FAULT_UNTRUSTED;

    return level == EXAM_MAY && !could_encrypt ? EXAM_RIGHT : EXAM_TOO_LAX;
}

static enum exam_mark mark_refused(enum fault_safety safety, enum exam_level level)
{
    switch (safety) {
    case FAULT_SAFE: return EXAM_TOO_STRICT;
    case FAULT_UNTRUSTED: return level == EXAM_VERIFY ? EXAM_RIGHT : EXAM_TOO_STRICT;
    case FAULT_NO_TLS: return level == EXAM_MAY ? EXAM_TOO_STRICT : EXAM_RIGHT;
    case FAULT_INJECTED:
    case FAULT_DEAD: return EXAM_RIGHT;
    }
    return EXAM_NO_MARK;
}

enum exam_mark exam_mark(enum fault_safety safety, enum exam_level level, enum exam_deed deed)
{
    switch (deed) {
    case EXAM_NOT_SEEN: return EXAM_NO_MARK;
    case EXAM_REFUSED: return mark_refused(safety, level);
    case EXAM_IN_CLEAR: return mark_in_clear(safety, level);
    case EXAM_OVER_TLS: return mark_over_tls(safety, level);
    }
    return EXAM_NO_MARK;
}

bool exam_heading(struct buffer *out)
{
    return buffer_format(out, "%-34s %-12s %-10s %-10s %s\n", "server", "what it did", "may",
                         "encrypt", "verify");
}

bool exam_line(const struct fault_row *row, const struct fault_tally *tally, struct buffer *out)
{
    static const char *const marks[] = { [EXAM_NO_MARK] = "-",
                                         [EXAM_RIGHT] = "right",
                                         [EXAM_TOO_LAX] = "TOO LAX",
                                         [EXAM_TOO_STRICT] = "too strict" };
    enum exam_deed deed = exam_deed(tally);
    const char *words = "never came";
    const char *columns[EXAM_LEVEL_COUNT];

    if (deed == EXAM_REFUSED)
        words = "refused";
    else if (deed == EXAM_IN_CLEAR)
        words = "in the clear";
    else if (deed == EXAM_OVER_TLS)
        words = tls_version_name(tally->last_version);
    for (int i = 0; i < EXAM_LEVEL_COUNT; i++)
        columns[i] = marks[exam_mark(row->safety, (enum exam_level)i, deed)];
    return buffer_format(out, "%-34s %-12s %-10s %-10s %s\n", row->name, words, columns[EXAM_MAY],
                         columns[EXAM_ENCRYPT], columns[EXAM_VERIFY]);
}
