/* gateway/tls_report_handing.c - one copy of a report is handed over: into our own queue, or by HTTPS POST. */
#include "gateway/tls_report_sending_parts.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/text.h"
#include "gateway/dkim.h"
#include "gateway/tls_report_mail.h"
#include "queue/id.h"

enum { BOUNDARY_BYTES = 15, POST_MS = 60 * 1000, NAMES_MS = 20 * 1000, ANSWER_MOST = 64 * 1024 };

/* ---- mail ---- */

static const char *make_boundary(struct arena *arena)
{
    unsigned char bytes[BOUNDARY_BYTES];

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return NULL;
    return arena_format(arena, "tlsrpt%s",
                        text_hex(arena, (struct span){ (const char *)bytes, sizeof bytes }));
}

/* The signature goes in front (RFC 6376 section 3.5). */
static bool sign(struct tls_report_sending *sending, struct buffer *plain, struct error *err)
{
    const struct dkim_key *key = sending->profile->reports.key;
    const char *field = "";

    if (key != NULL && !dkim_sign(key, buffer_span(plain), tls_reports_now_s(sending->reports),
                                  &sending->arena, &field, err))
        return error_wrap(err, "signing");
    return (buffer_append_text(&sending->text, field) &&
            buffer_append(&sending->text, buffer_span(plain))) ||
           error_set(err, ERROR_MEMORY, "no memory for the mail");
}

static bool compose(struct tls_report_sending *sending, const char *mailbox, struct error *err)
{
    AUTO(buffer_clear) struct buffer plain;
    const struct gateway_profile_reports *ours = &sending->profile->reports;
    const struct tls_report_mail mail = { .report = &sending->report,
                                          .domain = sending->entry.domain,
                                          .submitter = ours->submitter,
                                          .instance = sending->instance,
                                          .from = ours->from,
                                          .to = mailbox,
                                          .boundary = make_boundary(&sending->arena),
                                          .now_s = tls_reports_now_s(sending->reports),
                                          .file = buffer_span(&sending->packed) };

    buffer_init(&plain, TLS_REPORT_MAIL_MOST);
    buffer_clear(&sending->text);
    if (mail.boundary == NULL)
        return error_set(err, ERROR_CRYPTO, "no random numbers can be had");
    if (!tls_report_compose(&mail, &sending->arena, &plain))
        return error_set(err, ERROR_MEMORY, "no memory for the mail");
    return sign(sending, &plain, err);
}

static void note_status(struct tls_report_sending *sending, enum queue_status status)
{
    sending->put.id = 0;
    tls_report_sending_note(
        sending, TLS_COPY_WAITING,
        arena_format(&sending->arena, "our own queue: %s", queue_status_name(status)));
}

static void take_commit(void *owner)
{
    struct tls_report_sending *sending = owner;
    const struct tls_reports_settings *settings = &sending->reports->settings;
    char id[QUEUE_ID_TEXT + 1];

    if (sending->put.request.status != QUEUE_OK) {
        note_status(sending, sending->put.request.status);
        return;
    }
    queue_id_format(sending->put.id, id);
    sending->put.id = 0;
    if (settings->woken != NULL)
        settings->woken(settings->owner);
    tls_report_sending_note(sending, TLS_COPY_SENT,
                            arena_format(&sending->arena, "in the queue as %s", id));
}

static void take_abort(void *owner)
{
    struct tls_report_sending *sending = owner;

    note_status(sending, sending->failure);
}

static void put_part(struct tls_report_sending *sending);

static void take_append(void *owner)
{
    struct tls_report_sending *sending = owner;

    sending->failure = sending->put.request.status;
    if (sending->failure == QUEUE_OK)
        put_part(sending);
    else
        queue_put_abort(sending->reports->settings.door, &sending->put, take_abort, sending);
}

static void put_part(struct tls_report_sending *sending)
{
    struct queue_door *door = sending->reports->settings.door;

    sending->put.bytes = span_take_front(&sending->rest, QUEUE_PART_BYTES);
    if (sending->rest.len > 0)
        queue_put_append(door, &sending->put, take_append, sending);
    else
        queue_put_commit(door, &sending->put, take_commit, sending);
}

/* Nobody hears of a report that could not be delivered: not its sender either. */
void tls_report_hand_mail(struct tls_report_sending *sending, const char *mailbox)
{
    struct error err = { .text = "" };

    if (!compose(sending, mailbox, &err)) {
        tls_report_sending_note(sending, TLS_COPY_WAITING, err.text);
        return;
    }
    sending->put = (struct queue_put){ .id = queue_door_id(sending->reports->settings.door) };
    sending->recipient =
        (struct queue_recipient){ .address = span_of(mailbox), .notify = QUEUE_NOTIFY_NEVER };
    sending->envelope =
        (struct queue_envelope){ .id = sending->put.id,
                                 .sender = span_of(sending->profile->reports.from),
                                 .tls_optional = true,
                                 .received_at_s = tls_reports_now_s(sending->reports) };
    sending->put.envelope = &sending->envelope;
    sending->put.recipients = &sending->recipient;
    sending->put.recipient_count = 1;
    sending->rest = buffer_span(&sending->text);
    put_part(sending);
}

/* ---- HTTPS POST ---- */

/* RFC 8460 section 5.4: any success will do, and anything else may be tried again. */
static void take_answer(void *owner, const struct https_answer *answer)
{
    struct tls_report_sending *sending = owner;
    struct arena *arena = &sending->arena;

    sending->query = NULL;
    if (answer->outcome == HTTPS_ANSWERED && answer->status / 100 == 2)
        tls_report_sending_note(sending, TLS_COPY_SENT,
                                arena_format(arena, "HTTP status %d", answer->status));
    else if (answer->outcome == HTTPS_ANSWERED)
        tls_report_sending_note(sending, TLS_COPY_WAITING,
                                arena_format(arena, "HTTP status %d", answer->status));
    else
        tls_report_sending_note(
            sending, TLS_COPY_WAITING,
            arena_format(arena, "%s: %s", https_outcome_name(answer->outcome),
                         text_printable(arena, span_of(answer->failure), true)));
}

static void post(struct tls_report_sending *sending)
{
    const struct tls_reports_settings *settings = &sending->reports->settings;
    struct https_request request = { .url = sending->entry.copies[sending->at].uri,
                                     .addresses = sending->addresses,
                                     .address_count = sending->address_count,
                                     .body_most = ANSWER_MOST,
                                     .timeout_ms = POST_MS,
                                     .upload = buffer_span(&sending->packed),
                                     .upload_type = TLS_REPORT_MEDIA_TYPE };
    struct error err = { .text = "" };

    if (sending->address_count == 0) {
        tls_report_sending_note(sending, TLS_COPY_WAITING, sending->no_address);
        return;
    }
    sending->judge = (struct https_judge){ .anchors = sending->profile->anchors,
                                           .intermediates = sending->profile->intermediates,
                                           .clock = settings->clock,
                                           .arena = &sending->arena };
    https_judge_use(&sending->judge, &request);
    if (!https_send(settings->https, &request, take_answer, sending, &sending->query, &err))
        tls_report_sending_note(sending, TLS_COPY_WAITING, err.text);
}

/* Whoever publishes a record names the host, the port and, by its DNS, the address: none of them may be ours. */
static void add_address(struct tls_report_sending *sending, const struct net_address *address)
{
    const char *special = net_address_special(address);
    char text[NET_ADDRESS_TEXT];

    if (special != NULL && !sending->profile->private_addresses)
        sending->no_address =
            arena_format(&sending->arena, "%s has no address that everybody reaches: %s is %s",
                         sending->url.host, net_address_text(address, text), special);
    else if (sending->address_count < TLS_REPORT_ADDRESSES)
        sending->addresses[sending->address_count++] = *address;
}

static void add_addresses(struct tls_report_sending *sending, const struct dns_answer *answer,
                          bool is_ipv6)
{
    if (answer->outcome == DNS_BOGUS || answer->outcome == DNS_TIMEOUT ||
        answer->outcome == DNS_SERVFAIL)
        sending->no_address = "the host's name cannot be looked up";
    for (size_t i = 0; answer->outcome == DNS_ANSWERED && i < answer->record_count; i++) {
        struct net_address address = { .is_ipv6 = is_ipv6, .port = sending->url.port };

        if (answer->records[i].len != (is_ipv6 ? 16 : 4))
            continue;
        memcpy(address.bytes, answer->records[i].data, answer->records[i].len);
        add_address(sending, &address);
    }
}

static void take_ipv4(void *owner, const struct dns_answer *answer)
{
    struct tls_report_sending *sending = owner;

    sending->ipv4 = NULL;
    add_addresses(sending, answer, false);
    if (sending->ipv6 == NULL)
        post(sending);
}

static void take_ipv6(void *owner, const struct dns_answer *answer)
{
    struct tls_report_sending *sending = owner;

    sending->ipv6 = NULL;
    add_addresses(sending, answer, true);
    if (sending->ipv4 == NULL)
        post(sending);
}

static void ask_addresses(struct tls_report_sending *sending)
{
    struct dns *dns = sending->reports->settings.dns;
    struct error err = { .text = "" };

    if (dns_find(dns, sending->url.host, DNS_TYPE_A, NAMES_MS, take_ipv4, sending, &sending->ipv4,
                 &err) &&
        dns_find(dns, sending->url.host, DNS_TYPE_AAAA, NAMES_MS, take_ipv6, sending,
                 &sending->ipv6, &err))
        return;
    if (sending->ipv4 != NULL)
        dns_cancel(&sending->ipv4);
    tls_report_sending_note(sending, TLS_COPY_WAITING, err.text);
}

void tls_report_hand_post(struct tls_report_sending *sending)
{
    const char *flaw;

    sending->address_count = 0;
    sending->no_address = "the host has no address";
    if (sending->reports->settings.https == NULL)
        tls_report_sending_note(sending, TLS_COPY_WAITING, "nothing can be posted here");
    else if (!https_url_read(sending->entry.copies[sending->at].uri, &sending->arena, &sending->url,
                             &flaw))
        tls_report_sending_note(sending, TLS_COPY_FAILED, flaw);
    else
        ask_addresses(sending);
}

/* Nobody knows how much of a POST has arrived. */
void tls_report_hand_stop(struct tls_report_sending *sending)
{
    bool was_posted = sending->query != NULL;

    if (sending->ipv4 != NULL)
        dns_cancel(&sending->ipv4);
    if (sending->ipv6 != NULL)
        dns_cancel(&sending->ipv6);
    https_cancel(&sending->query);
    tls_report_sending_note(sending, was_posted ? TLS_COPY_UNKNOWN : TLS_COPY_WAITING,
                            "the gateway was stopped");
}
