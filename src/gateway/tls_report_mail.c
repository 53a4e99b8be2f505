#include "gateway/tls_report_mail.h"

#include <inttypes.h>
#include <string.h>

#include "base/gzip.h"
#include "base/text.h"
#include "smtp/address.h"

enum { BASE64_LINE = 76, MAILBOX_MOST = 320 };

bool tls_report_pack(const struct tls_report *report, struct arena *arena, struct buffer *out,
                     struct error *err)
{
    const char *json = tls_report_write(report, arena);

    if (json == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the JSON of a report");
    return gzip_write(span_of(json), out, err);
}

/* "mail.example.com!example.net!1470013207!1470186007!001.json.gz" */
static const char *file_name(const struct tls_report_mail *mail, struct arena *arena)
{
    return arena_format(arena, "%s!%s!%" PRId64 "!%" PRId64 "!%s.json.gz", mail->submitter,
                        mail->domain, mail->report->start_s, mail->report->end_s, mail->instance);
}

/* ---- the header ---- */

static bool put_header(const struct tls_report_mail *mail, struct arena *arena, struct buffer *out)
{
    return buffer_format(out,
                         "Date: %s\r\n"
                         "From: <%s>\r\n"
                         "To: <%s>\r\n"
                         "Message-ID: <%s.%" PRId64 "@%s>\r\n",
                         text_mail_date(arena, mail->now_s), mail->from, mail->to, mail->report->id,
                         mail->now_s, mail->submitter) &&
           buffer_format(out,
                         "Subject: Report Domain: %s\r\n"
                         " Submitter: %s\r\n"
                         " Report-ID: <%s@%s>\r\n",
                         mail->domain, mail->submitter, mail->report->id, mail->submitter) &&
           buffer_format(out,
                         "TLS-Report-Domain: %s\r\n"
                         "TLS-Report-Submitter: %s\r\n"
                         "TLS-Required: No\r\n"
                         "Auto-Submitted: auto-generated\r\n",
                         mail->domain, mail->submitter) &&
           buffer_format(out,
                         "MIME-Version: 1.0\r\n"
                         "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
                         " boundary=\"%s\"\r\n"
                         "\r\n",
                         mail->boundary);
}

/* ---- the part for people ---- */

static int64_t sessions_of(const struct tls_report *report, bool failed)
{
    int64_t sum = 0;

    for (size_t i = 0; i < report->policy_count; i++)
        sum += failed ? report->policies[i].failures : report->policies[i].successes;
    return sum;
}

static bool put_words(const struct tls_report_mail *mail, struct arena *arena, struct buffer *out)
{
    return buffer_format(out,
                         "--%s\r\n"
                         "Content-Type: text/plain; charset=us-ascii\r\n"
                         "\r\n"
                         "This is a report on TLS (RFC 8460) about mail from %s\r\n"
                         "to %s, between %s and\r\n"
                         "%s. It was made by a program; the file below is\r\n"
                         "for programs, too.\r\n"
                         "\r\n",
                         mail->boundary, mail->submitter, mail->domain,
                         text_time(arena, mail->report->start_s),
                         text_time(arena, mail->report->end_s)) &&
           buffer_format(out,
                         "Sessions that were as each policy asks: %" PRId64 "\r\n"
                         "Sessions that failed:                   %" PRId64 "\r\n"
                         "\r\n",
                         sessions_of(mail->report, false), sessions_of(mail->report, true));
}

/* ---- the part for programs ---- */

static bool put_base64(struct span bytes, struct arena *arena, struct buffer *out)
{
    struct span text = span_of(text_base64(arena, bytes));

    while (text.len > 0) {
        if (!buffer_append(out, span_take_front(&text, BASE64_LINE)) ||
            !buffer_append_text(out, "\r\n"))
            return false;
    }
    return true;
}

static bool put_file(const struct tls_report_mail *mail, struct arena *arena, struct buffer *out)
{
    const char *name = file_name(mail, arena);

    return buffer_format(out,
                         "--%s\r\n"
                         "Content-Type: " TLS_REPORT_MEDIA_TYPE ";\r\n"
                         " name=\"%s\"\r\n"
                         "Content-Disposition: attachment;\r\n"
                         " filename=\"%s\"\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "\r\n",
                         mail->boundary, name, name) &&
           put_base64(mail->file, arena, out) && buffer_format(out, "--%s--\r\n", mail->boundary);
}

bool tls_report_compose(const struct tls_report_mail *mail, struct arena *arena, struct buffer *out)
{
    return put_header(mail, arena, out) && put_words(mail, arena, out) &&
           put_file(mail, arena, out) && !arena->exhausted;
}

/* ---- mailto: ---- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1. 0 where it is no escape. */
static char unescape(struct span *rest)
{
    int high, low;

    if (rest->len < 2)
        return '\0';
    high = digit_of(span_take(rest));
    low = digit_of(span_take(rest));
    return high < 0 || low < 0 ? '\0' : (char)(high * 16 + low);
}

const char *tls_report_mailbox(const char *uri, struct arena *arena)
{
    struct span rest = span_of(uri);
    char text[MAILBOX_MOST + 1];
    struct smtp_address address;
    struct smtp_address_flaw flaw;
    size_t len = 0;

    if (!span_starts_with_nocase(rest, "mailto:"))
        return NULL;
    span_take_front(&rest, strlen("mailto:"));
    rest = span_part(rest, 0, span_find(rest, '?'));
    while (rest.len > 0 && len < MAILBOX_MOST) {
        char c = span_take(&rest);

        c = c == '%' ? unescape(&rest) : c;
        if (c <= ' ' || c >= 0x7f) /* nothing that a header would break at */
            return NULL;
        text[len++] = c;
    }
    if (rest.len > 0 || !smtp_address_parse((struct span){ text, len }, &address, &flaw) ||
        address.is_literal)
        return NULL;
    return arena_copy(arena, (struct span){ text, len });
}
