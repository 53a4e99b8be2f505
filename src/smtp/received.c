#include "smtp/received.h"

#include <string.h>

#include "base/text.h"
#include "smtp/address.h"

const char *smtp_received_protocol(bool is_esmtp, bool is_encrypted, bool is_utf8)
{
    if (is_utf8)
        return is_encrypted ? "UTF8SMTPS" : "UTF8SMTP";
    if (!is_esmtp)
        return "SMTP";
    return is_encrypted ? "ESMTPS" : "ESMTP";
}

/* What could end a line, or a comment: RFC 5322 section 3.2.2. */
static const char *make_harmless(struct arena *arena, const char *text)
{
    char *copy = arena_new(arena, strlen(text) + 1, 1);

    if (copy == NULL)
        return "";
    for (size_t i = 0; text[i] != '\0'; i++) {
        bool is_harmless = text[i] > ' ' && text[i] <= '~' && strchr("()\\", text[i]) == NULL;

        copy[i] = '?';
        if (is_harmless)
            copy[i] = text[i];
    }
    return copy;
}

static bool is_domain(const char *text)
{
    struct smtp_address_flaw flaw;

    return smtp_domain_parse(span_of(text), &flaw);
}

/* Extended-Domain. A client that calls itself by no name gets its address there, and what it said
 * stands in a comment. */
static const char *format_client(struct arena *arena, const struct smtp_received *received)
{
    const char *tag = strchr(received->client_address, ':') != NULL ? "IPv6:" : "";
    const char *literal =
        arena_format(arena, "[%s%s]", tag, make_harmless(arena, received->client_address));
    bool has_name = received->client_name != NULL && is_domain(received->client_name);
    const char *name = has_name ? received->client_name : "", *gap = has_name ? " " : "";

    if (is_domain(received->hello))
        return arena_format(arena, "%s (%s%s%s)", received->hello, name, gap, literal);
    return arena_format(arena, "%s (%s%s%s) (it said %s)", literal, name, gap, literal,
                        make_harmless(arena, received->hello));
}

/* A mailbox may hold blanks and brackets in quotes, and UTF-8, but no control. */
static const char *format_recipient(struct arena *arena, const char *recipient)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    if (recipient == NULL || !smtp_address_parse(span_of(recipient), &address, &flaw))
        return "";
    return arena_format(arena, "\r\n\tfor <%s>", recipient);
}

static const char *format_tls(struct arena *arena, const struct smtp_received *received)
{
    if (received->tls_version == NULL)
        return "";
    if (received->tls_cipher == NULL)
        return arena_format(arena, "\r\n\t(using %s)", received->tls_version);
    return arena_format(arena, "\r\n\t(using %s with cipher %s)", received->tls_version,
                        received->tls_cipher);
}

/* Nothing said hello, and there is no protocol to name. */
static const char *format_local(struct arena *arena, const struct smtp_received *received)
{
    return arena_format(arena, "Received: by %s (from user %s)\r\n\tid %s%s;\r\n\t%s\r\n",
                        received->hostname, make_harmless(arena, received->user),
                        received->message_id, format_recipient(arena, received->recipient),
                        text_mail_date(arena, received->at_s));
}

const char *smtp_received_format(struct arena *arena, const struct smtp_received *received)
{
    const char *protocol;

    if (received->client_address == NULL)
        return format_local(arena, received);
    protocol = smtp_received_protocol(received->is_esmtp, received->tls_version != NULL,
                                      received->is_utf8);

    return arena_format(arena, "Received: from %s%s\r\n\tby %s with %s id %s%s;\r\n\t%s\r\n",
                        format_client(arena, received), format_tls(arena, received),
                        received->hostname, protocol, received->message_id,
                        format_recipient(arena, received->recipient),
                        text_mail_date(arena, received->at_s));
}
