/* link/client_link_record.c - writes down in the observation what a conversation shows. */
#include "link/client_link_parts.h"

static struct span keep(struct client_link *link, struct span bytes, size_t most)
{
    return arena_copy_bytes(link->arena, span_part(bytes, 0, most));
}

void client_link_describe(const struct client_link_settings *settings, struct arena *arena,
                          struct observation *observation)
{
    char text[NET_ADDRESS_TEXT];

    observation_init(observation);
    observation->domain = settings->domain;
    observation->host = settings->host;
    observation->address =
        arena_copy(arena, span_of(settings->local_socket != NULL
                                      ? settings->local_socket
                                      : net_address_text(&settings->address, text)));
    observation->port = settings->address.port;
    observation->preference = settings->preference;
    observation->level = settings->level;
    observation->wall_s = settings->clock->wall_s(settings->clock);
    observation->dial = settings->dial;
    observation->dnssec = settings->dnssec;
    observation->has_lookups = settings->has_lookups;
    observation->is_implicit_tls = settings->is_implicit_tls;
    observation->host_reference = settings->host;
    observation->fingerprint_asked = settings->fingerprint != NULL;
    observation->fingerprint_wanted = settings->fingerprint;
    observation->mx_dnssec = settings->mx_dnssec;
    observation->tlsa = settings->tlsa_state;
    observation->tlsa_base = settings->tlsa_base;
    observation->tlsa_failure = settings->tlsa_failure;
    observation->tlsa_flaw = settings->tlsa_flaw;
    observation->sts = settings->sts;
    observation->sts_host_listed = settings->sts_host_listed;
    observation->requires_tls = settings->requires_tls;
    observation->minimum_version = settings->minimum_version;
    if (settings->self != NULL)
        observation->self = *settings->self;
    observation->tlsa_records =
        arena_new(arena, settings->tlsa_count + 1, sizeof *observation->tlsa_records);
    for (size_t i = 0; observation->tlsa_records != NULL && i < settings->tlsa_count; i++)
        observation->tlsa_records[observation->tlsa_count++] =
            dane_format(arena, &settings->tlsa[i]);
}

void client_link_record_own_address(struct client_link *link)
{
    struct net_address address;
    char text[NET_ADDRESS_TEXT];

    if (stream_own_address(link->stream, &address))
        link->observation->own_address =
            arena_copy(link->arena, span_of(net_address_text(&address, text)));
}

/* A second 220 where the reply to EHLO is due: the engine forgives one and waits on. */
static bool is_second_greeting(const struct client_link *link,
                               const struct smtp_client_event *event)
{
    return event->during == SMTP_CLIENT_EHLO && event->reply.code == 220 &&
           smtp_client_state(&link->engine) == SMTP_CLIENT_EHLO;
}

/* Where the reply belongs; NULL: to a message, which the owner is told of. With TLS from the first
 * byte there is but one EHLO. */
static struct observed_reply *find_slot(struct client_link *link,
                                        const struct smtp_client_event *event)
{
    struct observation *observation = link->observation;
    bool is_second = event->is_encrypted && observation->starttls.came;

    switch ((int)event->during) {
    case SMTP_CLIENT_GREETING: return &observation->greeting;
    case SMTP_CLIENT_EHLO:
        if (is_second_greeting(link, event))
            return is_second ? &observation->second_greeting : NULL;
        return is_second ? &observation->ehlo_after_tls : &observation->ehlo;
    case SMTP_CLIENT_HELO: return &observation->helo;
    case SMTP_CLIENT_STARTTLS: return &observation->starttls;
    case SMTP_CLIENT_QUIT: return &observation->quit;
    default: return NULL;
    }
}

static void record_capabilities(struct client_link *link, const struct smtp_client_event *event)
{
    struct observation *observation = link->observation;
    bool is_second = event->is_encrypted && observation->starttls.came;

    if (event->during != SMTP_CLIENT_EHLO || event->reply.code / 100 != 2 ||
        is_second_greeting(link, event))
        return;
    smtp_capabilities_parse(is_second ? &observation->capabilities_after_tls
                                      : &observation->capabilities,
                            &event->reply);
    if (is_second)
        observation->has_capabilities_after_tls = true;
    else
        observation->has_capabilities = true;
}

/* The parser leaves off at a byte that is no text. What stands behind it tells what does speak
 * there, such as a TLS record, and so it is kept with the reply that is none. */
static struct span keep_broken(struct client_link *link, const struct smtp_reply *reply)
{
    struct buffer all;
    struct span kept = { NULL, 0 };

    buffer_init(&all, OBSERVATION_STRAY_BYTES);
    if (reply->raw.len >= OBSERVATION_STRAY_BYTES ||
        (reply->flaws & (SMTP_REPLY_FLAW_ENDLESS_LINE | SMTP_REPLY_FLAW_TOO_LARGE)) != 0 ||
        !buffer_append(&all, reply->raw) ||
        !buffer_append(&all, span_part(link->unread, 0, OBSERVATION_STRAY_BYTES - reply->raw.len)))
        kept = keep(link, reply->raw, OBSERVATION_REPLY_BYTES);
    else
        kept = keep(link, buffer_span(&all), OBSERVATION_STRAY_BYTES);
    buffer_clear(&all);
    return kept;
}

void client_link_record_reply(struct client_link *link, const struct smtp_client_event *event)
{
    int64_t now_ms = loop_now_ms(link->loop);
    struct observed_reply *slot = find_slot(link, event);
    bool is_broken = event->kind == SMTP_CLIENT_BROKEN_REPLY;

    if (link->transcript != NULL)
        transcript_bytes(link->transcript, now_ms, TRANSCRIPT_RECEIVED, event->is_encrypted,
                         event->reply.raw);
    if (event->is_encrypted)
        link->has_secure_reply = true;
    if (slot == NULL)
        return;
    *slot = (struct observed_reply){
        .came = true,
        .is_broken = is_broken,
        .code = event->reply.code,
        .flaws = event->reply.flaws,
        .raw = is_broken ? keep_broken(link, &event->reply)
                         : keep(link, event->reply.raw, OBSERVATION_REPLY_BYTES),
        .waited_ms = now_ms - link->last_sent_ms,
    };
    if (!is_broken)
        record_capabilities(link, event);
}

/* The peer closed, or time ran out, where a reply was due: what of it had come. */
void client_link_record_cut(struct client_link *link, const struct smtp_client_event *event)
{
    int64_t now_ms = loop_now_ms(link->loop);
    struct observed_reply *slot = find_slot(link, event);

    if (link->transcript != NULL)
        transcript_bytes(link->transcript, now_ms, TRANSCRIPT_RECEIVED, event->is_encrypted,
                         event->bytes);
    link->observation->unfinished = keep(link, event->bytes, OBSERVATION_REPLY_BYTES);
    if (slot != NULL && !slot->came) {
        slot->raw = link->observation->unfinished;
        slot->waited_ms = now_ms - link->last_sent_ms;
    }
}

/* The answer to a ClientHello begins with a handshake or an alert record (RFC 8446 section 5.1),
 * here behind the end of a line of plaintext. A server that never turned to TLS sends none. */
struct span client_link_find_injected(struct span first_bytes)
{
    const unsigned char *p = (const unsigned char *)first_bytes.data;

    for (size_t i = 1; i + 2 < first_bytes.len; i++)
        if (p[i - 1] == '\n' && (p[i] == 0x16 || p[i] == 0x15) && p[i + 1] == 3 && p[i + 2] <= 4)
            return span_part(first_bytes, 0, i);
    return (struct span){ NULL, 0 };
}
