#include "net/tls_session_internal.h"

#include <openssl/err.h>

#include "base/memory.h"

/* OpenSSL refuses longer ones itself; a ticket has 64 KiB at most, a certificate is in it. */
enum { SESSION_BYTES_MOST = 256 * 1024 };

/* What the full handshake showed; shared by the sessions that go back to it. */
struct shown {
    unsigned references;
    int64_t proved_ms;
    struct arena arena; /* of what follows */
    struct span *chain;
    size_t chain_count;
    struct span staple;
    const char *signature, *group;
    int group_bits;
    bool client_certificate_requested, client_certificate_sent, sni_was_used;
};

struct tls_session {
    unsigned references;
    struct shown *shown; /* held */
    uint16_t version;
    int64_t life_s;
    unsigned char *bytes; /* OpenSSL's encoding: the connection's own copy dies with its SSL */
    size_t len;
};

static void release_shown(struct shown *shown)
{
    if (shown == NULL || --shown->references > 0)
        return;
    arena_clear(&shown->arena);
    memory_free(shown);
}

struct tls_session *tls_session_hold(struct tls_session *session)
{
    if (session != NULL)
        session->references++;
    return session;
}

void tls_session_free(struct tls_session **session)
{
    struct tls_session *freed = *session;

    *session = NULL;
    if (freed == NULL || --freed->references > 0)
        return;
    release_shown(freed->shown);
    if (freed->bytes != NULL)
        memory_wipe(freed->bytes, freed->len);
    memory_free(freed->bytes);
    memory_free(freed);
}

uint16_t tls_session_version(const struct tls_session *session)
{
    return session->version;
}

bool tls_session_is_single_use(const struct tls_session *session)
{
    return session->version >= TLS_VERSION_1_3;
}

int64_t tls_session_life_s(const struct tls_session *session)
{
    return session->life_s;
}

int64_t tls_session_proved_ms(const struct tls_session *session)
{
    return session->shown->proved_ms;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_copy(arena, span_of(text));
}

static void copy_chain(struct span *to, const struct span *from, size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count; i++)
        to[i] = arena_copy_bytes(arena, from[i]);
}

void tls_session_recall(const struct tls_session *session, struct tls_facts *facts,
                        struct arena *arena)
{
    const struct shown *shown = session->shown;

    copy_chain(facts->chain, shown->chain, shown->chain_count, arena);
    facts->chain_count = shown->chain_count;
    facts->staple = arena_copy_bytes(arena, shown->staple);
    facts->signature = copy_text(arena, shown->signature);
    facts->client_certificate_requested = shown->client_certificate_requested;
    facts->client_certificate_sent = shown->client_certificate_sent;
    facts->sni_was_used = shown->sni_was_used; /* not said again: RFC 6066 section 3 */
    if (facts->group == NULL) {                /* before TLS 1.3 nothing is exchanged again */
        facts->group = copy_text(arena, shown->group);
        facts->group_bits = shown->group_bits;
    }
}

/* A chain that is not whole would be judged for what it lost. */
static bool has_whole_chain(const struct tls_facts *facts)
{
    bool is_whole = facts->chain_count > 0 && !facts->chain_was_cut;

    for (size_t i = 0; i < facts->chain_count; i++)
        is_whole = is_whole && facts->chain[i].len > 0;
    return is_whole;
}

static void copy_shown(struct shown *to, const struct tls_facts *from)
{
    struct arena *arena = &to->arena;

    to->proved_ms = from->ended_ms;
    to->chain = arena_new(arena, from->chain_count, sizeof *to->chain);
    if (to->chain == NULL)
        return;
    to->chain_count = from->chain_count;
    copy_chain(to->chain, from->chain, from->chain_count, arena);
    to->staple = arena_copy_bytes(arena, from->staple);
    to->signature = copy_text(arena, from->signature);
    to->group = copy_text(arena, from->group);
    to->group_bits = from->group_bits;
    to->client_certificate_requested = from->client_certificate_requested;
    to->client_certificate_sent = from->client_certificate_sent;
    to->sni_was_used = from->sni_was_used;
}

static struct shown *make_shown(const struct tls_facts *facts)
{
    struct shown *made = has_whole_chain(facts) ? memory_new(1, sizeof *made) : NULL;

    if (made == NULL)
        return NULL;
    made->references = 1;
    arena_init(&made->arena, SIZE_MAX); /* bounded by what a handshake may bring */
    copy_shown(made, facts);
    if (!made->arena.exhausted)
        return made;
    release_shown(made);
    return NULL;
}

static struct shown *hold_shown(struct shown *shown)
{
    shown->references++;
    return shown;
}

static bool encode(struct tls_session *session, SSL_SESSION *library_session)
{
    int len = i2d_SSL_SESSION(library_session, NULL);
    unsigned char *end;

    if (len <= 0 || len > SESSION_BYTES_MOST)
        return false;
    session->bytes = memory_new(1, (size_t)len);
    if (session->bytes == NULL)
        return false;
    session->len = (size_t)len;
    end = session->bytes;
    return i2d_SSL_SESSION(library_session, &end) == len;
}

/* NULL: it is not fit to be kept, or there is no memory. */
static struct tls_session *make_session(const struct tls_session_box *box, SSL_SESSION *given)
{
    struct tls_session *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return NULL;
    made->references = 1;
    made->version = (uint16_t)SSL_SESSION_get_protocol_version(given);
    made->life_s = (int64_t)SSL_SESSION_get_ticket_lifetime_hint(given);
    made->shown = box->kin == NULL ? make_shown(box->facts) : hold_shown(box->kin->shown);
    if (made->shown == NULL || !encode(made, given))
        tls_session_free(&made);
    ERR_clear_error();
    return made;
}

static void keep(struct tls_session_box *box, SSL_SESSION *given)
{
    struct tls_session *made;

    if (box->facts == NULL || box->count == TLS_SESSIONS_AT_ONCE ||
        SSL_SESSION_is_resumable(given) != 1)
        return;
    made = make_session(box, given);
    if (made == NULL)
        return;
    if (box->kin == NULL)
        box->kin = tls_session_hold(made);
    box->given[box->count++] = made;
}

/* In TLS 1.3 a ticket is a message of its own, at any time behind the handshake. A lifetime of zero
 * means that it is to be thrown away: RFC 8446 section 4.6.1. */
static int note_session(SSL *ssl, SSL_SESSION *given)
{
    struct tls_session_box *box = SSL_get_app_data(ssl);

    if (box != NULL && SSL_version(ssl) >= TLS1_3_VERSION &&
        SSL_SESSION_get_ticket_lifetime_hint(given) > 0)
        keep(box, given);
    return 0; /* the reference stays with OpenSSL */
}

void tls_session_prepare(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, note_session);
}

static bool offer(SSL *ssl, const struct tls_session *session)
{
    const unsigned char *bytes = session->bytes;
    SSL_SESSION *decoded = d2i_SSL_SESSION(NULL, &bytes, (long)session->len);
    bool is_set = decoded != NULL && SSL_set_session(ssl, decoded) == 1;

    SSL_SESSION_free(decoded);
    return is_set;
}

bool tls_session_box_join(struct tls_session_box *box, SSL *ssl, struct tls_session *session,
                          const struct tls_facts *facts)
{
    *box = (struct tls_session_box){ .facts = facts };
    if (facts != NULL)
        SSL_set_app_data(ssl, box);
    if (session == NULL)
        return true;
    if (!offer(ssl, session)) {
        ERR_clear_error();
        return false;
    }
    box->kin = tls_session_hold(session);
    return true;
}

/* RFC 7627 section 5.3: a session without the extended master secret is not to be resumed. */
static bool comes_with_handshake(SSL *ssl, const struct tls_facts *facts)
{
    return SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) == 1 &&
           (!facts->was_resumed || facts->tickets_received > 0);
}

void tls_session_box_completed(struct tls_session_box *box, SSL *ssl, struct tls_facts *facts,
                               struct arena *arena)
{
    if (facts->was_resumed && box->kin != NULL)
        tls_session_recall(box->kin, facts, arena);
    else
        tls_session_free(&box->kin); /* refused: a full handshake was done in its place */
    if (box->facts != NULL && comes_with_handshake(ssl, facts))
        keep(box, SSL_get0_session(ssl));
}

struct tls_session *tls_session_box_next(struct tls_session_box *box)
{
    struct tls_session *next = box->count == 0 ? NULL : box->given[0];

    if (next == NULL)
        return NULL;
    box->count--;
    for (size_t i = 0; i < box->count; i++)
        box->given[i] = box->given[i + 1];
    return next;
}

void tls_session_box_clear(struct tls_session_box *box)
{
    struct tls_session *next;

    while ((next = tls_session_box_next(box)) != NULL)
        tls_session_free(&next);
    tls_session_free(&box->kin);
    box->facts = NULL;
}
