#include "net/tls_watch.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "net/loop.h"
#include "net/tls_message.h"

enum { ALERT_CLOSE_NOTIFY = 0, ALERT_LEVEL_FATAL = 2, AUTHORITY_TEXT_MOST = 512 };

static void note_alert(struct tls_watch *watch, bool is_sent, const uint8_t *bytes)
{
    struct tls_facts *facts = watch->facts;

    if (bytes[1] == ALERT_CLOSE_NOTIFY) {
        if (!is_sent)
            facts->close_notify_received = true;
        if (facts->was_completed || is_sent) /* the orderly end; no news */
            return;
    }
    if (facts->alert_count == TLS_ALERTS_MOST)
        return;
    facts->alerts[facts->alert_count++] = (struct tls_alert){
        .is_sent = is_sent,
        .is_fatal = bytes[0] == ALERT_LEVEL_FATAL,
        .is_after_handshake = facts->was_completed,
        .description = bytes[1],
        .at_ms = loop_now_ms(watch->loop),
    };
}

static void keep_client_hello(struct tls_watch *watch, struct span message)
{
    if (watch->is_server && watch->hello.len == 0 && message.len > 4 &&
        message.data[0] == TLS_MESSAGE_CLIENT_HELLO)
        watch->hello = arena_copy_bytes(watch->arena, message);
}

static void see_message(int is_sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                        void *owner)
{
    struct tls_watch *watch = owner;

    (void)version;
    (void)ssl;
    /* OpenSSL shows a message after hashing it and before reading it: so the peer's transcript and
     * ours stay the same, and only what this server believes changes. */
    if (type == SSL3_RT_HANDSHAKE && !is_sent && watch->forgets_renegotiation &&
        watch->facts->hello_bytes == 0)
        tls_message_forget_renegotiation((uint8_t *)(uintptr_t)bytes, len);
    if (type == SSL3_RT_HANDSHAKE && !is_sent)
        keep_client_hello(watch, (struct span){ bytes, len });
    if (type == SSL3_RT_HANDSHAKE)
        tls_message_note((struct span){ bytes, len }, is_sent != 0, watch->is_server, watch->facts,
                         watch->arena);
    else if (type == SSL3_RT_ALERT && len >= 2)
        note_alert(watch, is_sent != 0, bytes);
}

void tls_watch_start(struct tls_watch *watch, SSL *ssl)
{
    *watch->facts = (struct tls_facts){
        .was_started = true,
        .began_ms = loop_now_ms(watch->loop),
        .last_message_received = 0xff,
        .last_message_sent = 0xff,
    };
    SSL_set_msg_callback(ssl, see_message);
    SSL_set_msg_callback_arg(ssl, watch);
}

void tls_watch_first_bytes(struct tls_watch *watch, struct span bytes)
{
    struct tls_facts *facts = watch->facts;
    size_t kept = facts->first_bytes.len;

    if (watch->first_bytes == NULL)
        watch->first_bytes = arena_new(watch->arena, TLS_FIRST_BYTES, 1);
    if (watch->first_bytes == NULL)
        return;
    bytes = span_part(bytes, 0, TLS_FIRST_BYTES - kept);
    if (bytes.len > 0)
        memcpy(watch->first_bytes + kept, bytes.data, bytes.len);
    facts->first_bytes = (struct span){ watch->first_bytes, kept + bytes.len };
}

/* "ASN1 lib" and the like only point at another entry of the queue. */
static bool is_own_word(unsigned long code)
{
    return ERR_GET_LIB(code) == ERR_LIB_SSL && (ERR_GET_RFLAGS(code) & ERR_RFLAG_COMMON) == 0;
}

/* The TLS layer's own word is the reason; where it has none, the first that went wrong. */
static unsigned long take_library_code(void)
{
    unsigned long first = ERR_get_error(), code = first;

    while (code != 0 && !is_own_word(code))
        code = ERR_get_error();
    ERR_clear_error();
    return code != 0 ? code : first;
}

void tls_watch_failed(struct tls_watch *watch)
{
    struct tls_facts *facts = watch->facts;
    unsigned long code = take_library_code();
    const char *reason = ERR_reason_error_string(code);

    if (code == 0 || facts->library_code != 0)
        return;
    /* SSL_R_..._ALERT_...: the peer's alert, which is among the alerts already. */
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET &&
        ERR_GET_REASON(code) < SSL_AD_REASON_OFFSET + 256)
        return;
    facts->library_code = code;
    facts->library_reason = reason == NULL ? NULL : arena_copy(watch->arena, span_of(reason));
}

/* "CN=Example CA, O=Example": RFC 2253, readable UTF-8. */
static const char *name_text(const X509_NAME *name, struct arena *arena)
{
    char text[AUTHORITY_TEXT_MOST];
    const char *result = NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    int len;

    if (memory == NULL)
        return NULL;
    if (X509_NAME_print_ex(memory, name, 0,
                           (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) | XN_FLAG_SEP_CPLUS_SPC) >=
        0) {
        len = BIO_read(memory, text, sizeof text);
        result = arena_copy(arena, (struct span){ text, len > 0 ? (size_t)len : 0 });
    }
    BIO_free(memory);
    return result;
}

static void note_authorities(struct tls_watch *watch, SSL *ssl)
{
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl);
    struct tls_facts *facts = watch->facts;

    for (int i = 0; i < sk_X509_NAME_num(names); i++) {
        const char *text;

        if (facts->authority_count == TLS_AUTHORITIES_MOST)
            return;
        text = name_text(sk_X509_NAME_value(names, i), watch->arena);
        if (text != NULL)
            facts->authorities[facts->authority_count++] = text;
    }
}

static void end_handshake(struct tls_watch *watch, SSL *ssl)
{
    struct tls_facts *facts = watch->facts;

    if (facts->ended_ms == 0)
        facts->ended_ms = loop_now_ms(watch->loop);
    if (!watch->is_server && facts->client_certificate_requested && facts->authority_count == 0)
        note_authorities(watch, ssl);
}

void tls_watch_completed(struct tls_watch *watch, SSL *ssl)
{
    watch->facts->was_completed = true;
    watch->facts->was_resumed = SSL_session_reused(ssl) == 1;
    end_handshake(watch, ssl);
}

void tls_watch_ended(struct tls_watch *watch, SSL *ssl)
{
    end_handshake(watch, ssl);
    if (watch->facts->offered_session && SSL_session_reused(ssl) == 1)
        watch->facts->was_resumed = true;
    if (watch->hello.len > 0 && watch->facts->offer.versions == NULL)
        tls_message_note_offer(watch->hello, watch->facts, watch->arena);
}
