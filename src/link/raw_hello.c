/* link/raw_hello.c - asks a server with a ClientHello of our own what OpenSSL cannot offer. */
#include "link/client_link_parts.h"
#include "net/hello.h"

#include <sys/random.h>

bool raw_hello_send(struct client_link *link)
{
    const struct client_link_settings *settings = &link->settings;
    struct net_address address = { .port = 0 };
    bool is_ssl3 = settings->dial == DIAL_RAW_SSL3;
    struct hello_offer offer = {
        .version = is_ssl3 ? TLS_VERSION_SSL3 : TLS_VERSION_1_2,
        .with_extensions = !is_ssl3,
    };
    uint8_t random[32], hello[2048];
    size_t len;

    if (!is_ssl3 && !net_address_parse(span_of(settings->host), &address))
        offer.sni = settings->host;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    len = hello_format(&offer, random, hello, sizeof hello);
    if (len == 0)
        return false;
    buffer_init(&link->raw, RAW_ANSWER_BYTES_MOST);
    link->observation->tls.sni = offer.sni;
    link->observation->tls.hello_bytes = len;
    link->observation->tls.was_started = true;
    link->observation->tls.began_ms = loop_now_ms(link->loop);
    return stream_send(link->stream, (struct span){ (const char *)hello, len });
}

bool raw_hello_take(struct client_link *link, struct span *bytes)
{
    struct observation *observation = link->observation;
    bool is_full = !buffer_append(&link->raw, *bytes);

    span_take_front(bytes, bytes->len);
    if (observation->tls.first_bytes.len < TLS_FIRST_BYTES)
        observation->tls.first_bytes =
            arena_copy_bytes(link->arena, span_part(buffer_span(&link->raw), 0, TLS_FIRST_BYTES));
    observation->raw_status = hello_read(buffer_span(&link->raw), &observation->raw_answer);
    observation->has_raw_answer =
        observation->raw_status == HELLO_ANSWERED || observation->raw_status == HELLO_ALERTED;
    observation->tls.is_not_tls = observation->raw_status == HELLO_NOT_TLS;
    return is_full || observation->raw_status != HELLO_PARTIAL;
}
