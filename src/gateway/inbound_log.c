/* gateway/inbound_log.c - what the receiving sessions tell the log, and tracking of TLS that failed. */
#include "base/text.h"
#include "gateway/inbound_parts.h"

#include "base/memory.h"
#include "diagnose/judge.h"
#include "queue/id.h"
#include "trust/certificate.h"

enum { CERTIFICATE_ARENA_BYTES = 1 << 20, NOTE_ARENA_BYTES = 16 * 1024, PROOF_BYTES = 900 };

#define SPAN(span) (int)(span).len, (span).data == NULL ? "" : (span).data

static struct log *log_of(const struct session *session, enum log_level level)
{
    struct log *log = session->inbound->settings.log;

    return log != NULL && log_wants(log, level) ? log : NULL;
}

static const char *tls_of(const struct session *session)
{
    return session->tls_version == NULL ? "none" : session->tls_version;
}

void inbound_log_accepted(const struct session *session, const struct queue_envelope *envelope,
                          const struct queue_recipient *recipients, size_t count)
{
    struct log *log = log_of(session, LOG_NOTE);
    char id[QUEUE_ID_TEXT + 1];

    if (log == NULL)
        return;
    queue_id_format(envelope->id, id);
    log_event(log, LOG_NOTE, "accepted",
              "id=%s from=<%.*s> to=<%.*s> nrcpt=%zu size=%lld client=%.*s helo=%.*s tls=%s "
              "cipher=%s message_id=%.*s wish=%s",
              id, SPAN(envelope->sender), SPAN(recipients[0].address), count,
              (long long)envelope->size_bytes, SPAN(envelope->origin.client_address),
              SPAN(envelope->origin.helo), tls_of(session), session->tls_cipher,
              SPAN(envelope->message_id), queue_envelope_wish(envelope));
}

void inbound_log_rejected(const struct session *session, const struct queue_envelope *envelope,
                          struct smtp_answer answer)
{
    struct log *log = log_of(session, LOG_WARN);

    if (log != NULL)
        log_event(log, LOG_WARN, "rejected", "client=%.*s from=<%.*s> reply=%u code=%s text=%s",
                  SPAN(envelope->origin.client_address), SPAN(envelope->sender), answer.code,
                  answer.enhanced, answer.text);
}

void inbound_log_refused(const struct session *session, const struct smtp_server_event *event)
{
    struct log *log = log_of(session, LOG_DETAIL);
    char address[NET_ADDRESS_TEXT];

    if (log == NULL)
        return;
    session_address_text(session, address);
    log_event(log, LOG_DETAIL, "refused", "client=%s during=%s line=%.*s reply=%u code=%s text=%s",
              address, smtp_server_state_name(event->during), SPAN(event->bytes),
              event->answer.code, event->answer.enhanced, event->answer.text);
}

void inbound_log_declined(const struct session *session, const char *command, struct span argument,
                          struct smtp_answer answer)
{
    struct log *log = log_of(session, LOG_NOTE);
    char address[NET_ADDRESS_TEXT];

    if (log == NULL)
        return;
    session_address_text(session, address);
    log_event(log, LOG_NOTE, "refused",
              "client=%s helo=%s tls=%s command=%s address=<%.*s> reply=%u code=%s text=%s",
              address, server_link_hello(session->link), tls_of(session), command, SPAN(argument),
              answer.code, answer.enhanced, answer.text);
}

void inbound_log_turned_away(const struct session *session, struct smtp_answer answer,
                             uint32_t untold)
{
    struct log *log = log_of(session, LOG_NOTE);
    char address[NET_ADDRESS_TEXT];

    if (log == NULL)
        return;
    session_address_text(session, address);
    log_event(log, LOG_NOTE, "turned-away", "client=%s reply=%u code=%s text=%s untold=%u", address,
              answer.code, answer.enhanced, answer.text, (unsigned)untold);
}

void inbound_log_client_certificate(const struct session *session, struct span der)
{
    AUTO(arena_clear) struct arena arena;
    struct log *log = log_of(session, LOG_NOTE);
    struct certificate shown;
    char address[NET_ADDRESS_TEXT];

    arena_init(&arena, CERTIFICATE_ARENA_BYTES);
    if (log == NULL)
        return;
    certificate_read(&arena, der, &shown);
    session_address_text(session, address);
    log_event(log, LOG_NOTE, "client-certificate", "client=%s subject=%-s issuer=%-s sha256=%s",
              address, shown.subject, shown.issuer, shown.sha256);
}

/* Who only looks in, or hangs up where no message is lost, is worth no line of its own. */
static enum log_level level_of_end(const struct smtp_server_event *event)
{
    bool is_amid_content = event->during == SMTP_SERVER_DATA ||
                           event->during == SMTP_SERVER_CHUNK ||
                           event->during == SMTP_SERVER_NEXT_CHUNK;

    return event->kind == SMTP_SERVER_TIMED_OUT ||
                   (event->kind == SMTP_SERVER_ENDED_EARLY && is_amid_content)
               ? LOG_NOTE
               : LOG_DETAIL;
}

void inbound_log_cut_off(const struct session *session, const struct smtp_server_event *event)
{
    enum log_level level = level_of_end(event);
    struct log *log = log_of(session, level);
    const char *name = event->kind == SMTP_SERVER_TIMED_OUT    ? "timed-out"
                       : event->kind == SMTP_SERVER_EARLY_TALK ? "early-talk"
                                                               : "cut-off";
    char address[NET_ADDRESS_TEXT];

    if (log == NULL)
        return;
    session_address_text(session, address);
    log_event(log, level, name, "client=%s helo=%s tls=%s during=%s", address,
              server_link_hello(session->link), tls_of(session),
              smtp_server_state_name(event->during));
}

/* ---- TLS that failed ---- */

struct note {
    struct queue_note request;
    struct inbound *inbound;
    struct arena arena;
};

static void free_note(void *owner)
{
    struct note *note = owner;
    struct inbound *inbound = note->inbound;

    inbound->asked--;
    inbound->notes--;
    arena_clear(&note->arena);
    memory_free(note);
    inbound_look_whether_drained(inbound);
}

static struct span copy(struct note *note, const char *text)
{
    return arena_copy_bytes(&note->arena, text_front(span_of(text), QUEUE_FACT_BYTES));
}

static void put_note(struct inbound *inbound, const struct inbound_observation *observation,
                     const struct finding *finding, const char *proof)
{
    struct note *note = inbound->notes < NOTES_MOST ? memory_new(1, sizeof *note) : NULL;

    if (note == NULL)
        return;
    note->inbound = inbound;
    arena_init(&note->arena, NOTE_ARENA_BYTES);
    note->request.origin = (struct queue_origin){
        .client_address = copy(note, observation->address),
        .helo = copy(note, observation->name),
    };
    note->request.attempt = (struct queue_attempt){
        .at_s = observation->wall_s,
        .milliseconds = observation->tls.ended_ms > 0
                            ? observation->tls.ended_ms - observation->tls.began_ms
                            : 0,
        .relay = copy(note, arena_format(&note->arena, "%s:%u", observation->host,
                                         (unsigned)observation->port)),
        .code = copy(note, finding->enhanced_status),
        .reply = copy(note, arena_format(&note->arena, "%s. %s", finding->cause, proof)),
        .finding = copy(note, finding->code),
    };
    inbound->asked++;
    inbound->notes++;
    queue_note(inbound->settings.door, &note->request, free_note, note);
}

/* Log and tracking are kept for days, beside the mail: nobody fills that disk by connections that fail. What
 * goes beyond a client's limit is in the history, by its count. */
static bool may_tell(const struct session *session)
{
    const struct inbound_settings *settings = &session->inbound->settings;

    return session->is_trusted ||
           (session->is_counted &&
            gateway_shared_limits_take_failure(settings->limits, &session->counted,
                                               settings->clock->monotonic_ms(settings->clock)));
}

/* The evidence as one text. */
static const char *join_proof(const struct finding *finding, struct arena *arena)
{
    struct buffer text;
    const char *proof;

    buffer_init(&text, PROOF_BYTES);
    for (size_t i = 0; i < finding->evidence_count; i++)
        if (!buffer_format(&text, "%s%s", i == 0 ? "" : "; ", finding->evidence[i]))
            break;
    proof = arena_copy(arena, buffer_span(&text));
    buffer_clear(&text);
    return proof;
}

void inbound_tell_failure(struct session *session, const struct inbound_observation *observation,
                          struct arena *arena)
{
    struct findings findings = { .count = 0 };
    const struct finding *finding = &findings.items[0];
    enum log_level level;
    const char *proof;
    struct log *log;
    bool is_told;

    judge_inbound(observation, arena, &findings);
    if (findings.count == 0)
        return;
    proof = join_proof(finding, arena);
    is_told = may_tell(session);
    level = !is_told                         ? LOG_DETAIL
            : finding->fault == FAULT_SERVER ? LOG_WARN /* the server is us */
                                             : LOG_NOTE;
    log = log_of(session, level);
    if (log != NULL)
        log_event(log, level, "tls-failed",
                  "client=%s helo=%s port=%u finding=%s side=%s cause=%-s proof=%-s remedy=%-s",
                  observation->address, observation->name, (unsigned)observation->port,
                  finding->code, fault_name(finding->fault), finding->cause, proof,
                  finding->remedy);
    if (is_told)
        put_note(session->inbound, observation, finding, proof);
    if (session->inbound->settings.history != NULL)
        inbound_history_tell(session->inbound->settings.history, observation, finding);
}
