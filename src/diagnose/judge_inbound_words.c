/* diagnose/judge_inbound_words.c - what proves a finding about a client that fails against us. */
#include "diagnose/judge_inbound_parts.h"

#include <string.h>

#include "base/text.h"

enum { NAMES_SHOWN = 8, MESSAGE_CLIENT_HELLO = 1, NO_MESSAGE = 0xff };

const char *inbound_when(struct inbound *inbound)
{
    const struct tls_facts *tls = &inbound->seen->tls;

    if (inbound->seen->ending == ENDING_INJECTED)
        return "before our 220";
    if (tls->was_completed)
        return "right after the handshake, without a word inside";
    if (tls->last_message_received == NO_MESSAGE && tls->first_bytes.len > 0)
        return arena_format(inbound->judge.arena, "after %zu octets that are no whole ClientHello",
                            tls->first_bytes.len);
    if (tls->last_message_received == NO_MESSAGE)
        return inbound->seen->is_implicit_tls ? "before it has sent a ClientHello"
                                              : "behind our 220, before it has sent a ClientHello";
    if (tls->last_message_received != MESSAGE_CLIENT_HELLO)
        return arena_format(inbound->judge.arena, "after its %s",
                            tls_handshake_message_name(tls->last_message_received));
    if (!tls->has_server_hello)
        return "after its ClientHello";
    return tls->was_resumed ? "after our ServerHello" : "after our Certificate flight";
}

const char *inbound_list(struct inbound *inbound, const char *const *names, size_t count)
{
    struct arena *arena = inbound->judge.arena;
    size_t shown = count <= NAMES_SHOWN + 1 ? count : NAMES_SHOWN;
    const char *text = "";

    for (size_t i = 0; i < shown; i++)
        text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : ", ",
                            text_printable(arena, span_of(names[i]), false));
    if (shown < count)
        text = arena_format(arena, "%s and %zu more", text, count - shown);
    return count == 0 ? "nothing" : text;
}

const char *inbound_key(const struct inbound *inbound)
{
    const struct chain_verdict *verdict = &inbound->seen->self.verdict;

    if (!inbound->seen->self.has_verdict || verdict->certificate_count == 0 ||
        verdict->certificates[0].key == NULL || verdict->certificates[0].key[0] == '\0')
        return "of a kind that was not looked at";
    return verdict->certificates[0].key;
}

bool inbound_is_smtp(struct span bytes)
{
    static const char *const verbs[] = { "EHLO", "HELO", "MAIL", "RCPT", "DATA",     "RSET", "QUIT",
                                         "NOOP", "AUTH", "VRFY", "HELP", "STARTTLS", "BDAT" };

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        size_t len = strlen(verbs[i]);

        if (span_starts_with_nocase(bytes, verbs[i]) &&
            (bytes.len == len || strchr(" \r\n", bytes.data[len]) != NULL))
            return true;
    }
    return false;
}

const char *inbound_protocol(struct span bytes)
{
    static const struct {
        const char *start, *name;
    } known[] = {
        { "GET ", "HTTP" },     { "HEAD ", "HTTP" },    { "POST ", "HTTP" },  { "PUT ", "HTTP" },
        { "OPTIONS ", "HTTP" }, { "CONNECT ", "HTTP" }, { "PRI ", "HTTP/2" }, { "SSH-", "SSH" },
        { "JRMI", "Java RMI" }, { "\x03", "RDP" },      { "\x05", "SOCKS" },
    };

    if (inbound_is_smtp(bytes))
        return "an SMTP command";
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (span_starts_with(bytes, known[i].start))
            return known[i].name;
    return NULL;
}

bool inbound_shares(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    for (size_t i = 0; i < a_count; i++)
        for (size_t k = 0; k < b_count; k++)
            if (strcmp(a[i], b[k]) == 0)
                return true;
    return false;
}

static const char *end_words(struct inbound *inbound)
{
    const struct inbound_observation *seen = inbound->seen;

    switch ((int)seen->ending) {
    case ENDING_CLOSED: return "the client closes first (FIN)";
    case ENDING_RESET: return "the client's side resets (RST)";
    case ENDING_TIMEOUT:
        return arena_format(inbound->judge.arena, "we close, after %s of silence",
                            judge_wait(&inbound->judge, seen->timeout_ms));
    case ENDING_NOT_TLS: return "we close, for what came is not TLS";
    case ENDING_INJECTED: return "we close, for what came behind STARTTLS";
    default: return "TLS ends it";
    }
}

static void prove_alert(struct inbound *inbound, struct finding *finding, bool is_sent)
{
    const struct tls_alert *alert = judge_fatal_alert(&inbound->seen->tls, is_sent);

    if (alert != NULL)
        judge_prove(&inbound->judge, finding, "alert %s %s, %s",
                    judge_alert(&inbound->judge, alert->description),
                    is_sent ? "from us to the client" : "from the client", inbound_when(inbound));
}

void inbound_prove_end(struct inbound *inbound, struct finding *finding)
{
    const struct tls_facts *tls = &inbound->seen->tls;

    prove_alert(inbound, finding, false);
    prove_alert(inbound, finding, true);
    if (tls->library_reason != NULL)
        judge_prove(&inbound->judge, finding, "our TLS library says: %s", tls->library_reason);
    if (finding->evidence_count == 0 || inbound->seen->ending != ENDING_TLS)
        judge_prove(&inbound->judge, finding, "%s, %s", end_words(inbound), inbound_when(inbound));
}

static void prove_offer(struct inbound *inbound, struct finding *finding, const char *who,
                        const struct tls_offer *offer)
{
    const struct {
        const char *what;
        const char *const *names;
        size_t count;
    } lists[] = {
        { "versions", offer->versions, offer->version_count },
        { "ciphers", offer->ciphers, offer->cipher_count },
        { "groups", offer->groups, offer->group_count },
        { "signature algorithms", offer->signatures, offer->signature_count },
    };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (lists[i].count > 0)
            judge_prove(&inbound->judge, finding, "%s %s: %s", who, lists[i].what,
                        inbound_list(inbound, lists[i].names, lists[i].count));
}

void inbound_prove_offers(struct inbound *inbound, struct finding *finding)
{
    const struct tls_facts *tls = &inbound->seen->tls;

    if (tls->offer.cipher_count == 0)
        return;
    prove_offer(inbound, finding, "their", &tls->offer);
    judge_prove(&inbound->judge, finding, "they ask for: %s, ALPN %s",
                tls->sni == NULL ? "no name"
                                 : text_printable(inbound->judge.arena, span_of(tls->sni), false),
                inbound_list(inbound, tls->offer.protocols, tls->offer.protocol_count));
    prove_offer(inbound, finding, "our", &inbound->seen->self.takes);
}
