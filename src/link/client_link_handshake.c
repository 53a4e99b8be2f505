/* link/client_link_handshake.c - from the 220 to the end of the handshake, and what stands between. */
#include "link/client_link_parts.h"

enum {
    HANDSHAKE_TIMEOUT_MS = 5 * 60 * 1000, /* as for a reply: RFC 5321 section 4.5.3.2 */
    RESET_WAIT_LEAST_MS = 20,             /* for RST behind a FIN, see look_for_reset */
    RESET_WAIT_MOST_MS = 200,
    PEEK_BYTES = 512,
};

void client_link_start_handshake(struct client_link *link)
{
    struct tls_client_settings settings;
    struct error err = { .kind = ERROR_NONE };
    int64_t timeout_ms = link->settings.reply_timeout_ms;

    client_link_enter_step(link, STEP_HANDSHAKE);
    client_link_enter_phase(link, LINK_SECURING,
                            timeout_ms > 0 ? timeout_ms : HANDSHAKE_TIMEOUT_MS);
    if (!client_link_tls_settings(link, &settings, &err)) {
        client_link_settle_failure(link, err.text);
        client_link_conclude(link, 0);
        return;
    }
    client_link_prepare_resumption(link, &settings);
    if (!stream_secure_client(link->stream, &settings, &link->observation->tls, link->arena,
                              &err)) {
        client_link_settle_failure(link, err.text);
        client_link_conclude(link, 0);
    }
    link->last_sent_ms = client_link_now(link);
}

static void start_raw_hello(struct client_link *link)
{
    int64_t timeout_ms = link->settings.reply_timeout_ms;

    client_link_enter_step(link, STEP_HANDSHAKE);
    client_link_enter_phase(link, LINK_RAW, timeout_ms > 0 ? timeout_ms : HANDSHAKE_TIMEOUT_MS);
    if (!raw_hello_send(link)) {
        client_link_settle_failure(link, "sending a ClientHello of our own failed");
        client_link_conclude(link, 0);
    }
}

/* Behind the 220 and before our ClientHello nothing may come (RFC 3207 section 4.2): bytes there
 * are injected, and a FIN there means that the peer never meant to speak TLS. */
void client_link_turn_to_tls(struct client_link *link)
{
    char bytes[PEEK_BYTES];
    struct span early = { bytes, stream_peek(link->stream, bytes, sizeof bytes) };

    if (early.len > 0) {
        smtp_client_feed(&link->engine, &early, client_link_now(link));
    } else if (stream_peek_end(link->stream)) {
        client_link_settle(link, ENDING_CLOSED);
        client_link_conclude(link, 0);
    } else if (link->settings.dial == DIAL_RAW_OBSOLETE || link->settings.dial == DIAL_RAW_SSL3) {
        start_raw_hello(link);
    } else {
        client_link_start_handshake(link);
    }
}

void client_link_take_injection(struct client_link *link, struct span bytes)
{
    link->observation->injected =
        arena_copy_bytes(link->arena, span_part(bytes, 0, OBSERVATION_STRAY_BYTES));
    client_link_settle(link, ENDING_INJECTED);
}

/* A FIN in the handshake and no byte before it: a peer that had closed before our ClientHello came
 * answers that with RST. One that read it and left does not. So the RST, which takes a round trip,
 * tells a server that never began TLS from one that hung up on our ClientHello. */
static void look_for_reset(struct client_link *link)
{
    int64_t wait_ms = 2 * link->observation->step_ms[STEP_CONNECT];

    link->looks_for_reset = true;
    if (wait_ms < RESET_WAIT_LEAST_MS)
        wait_ms = RESET_WAIT_LEAST_MS;
    if (wait_ms > RESET_WAIT_MOST_MS)
        wait_ms = RESET_WAIT_MOST_MS;
    client_link_conclude(link, wait_ms);
}

void client_link_settle_reset_look(struct client_link *link)
{
    if (stream_was_reset(link->stream))
        client_link_enter_step(link, STEP_STARTTLS);
    client_link_settle(link, ENDING_CLOSED);
}

void client_link_end_handshake(struct client_link *link, enum stream_end end)
{
    struct observation *observation = link->observation;
    struct span injected = client_link_find_injected(observation->tls.first_bytes);

    if (end == STREAM_CLOSED && observation->tls.first_bytes.len == 0 &&
        !client_link_is_tls_from_first_byte(link)) {
        look_for_reset(link);
        return;
    }
    if (end == STREAM_NOT_TLS && injected.len > 0 && !client_link_is_tls_from_first_byte(link)) {
        client_link_enter_step(link, STEP_STARTTLS);
        client_link_take_injection(link, injected);
    }
    client_link_settle(link, client_link_ending_of(end));
}
