/* link/client_link_resume.c - offers the session that a server gave before, and keeps those that it gives.
 *
 * What speaks for a resumed session is the chain of its full handshake. It is judged again before the
 * session is offered, by today's clock, roots and TLSA records. Where anything is to be held against
 * the server, now or then, a full handshake shows what it has by now: so nobody is found at fault, or
 * turned down, for a certificate of yesterday.
 */
#include <openssl/evp.h>

#include "base/text.h"
#include "link/client_link_parts.h"

static bool may_resume(const struct client_link *link)
{
    const struct client_link_settings *settings = &link->settings;

    return settings->tickets != NULL && settings->dial == DIAL_AS_CONFIGURED &&
           settings->local_socket == NULL;
}

/* Of our certificate: to whom a session was given must be who comes back with it. */
static const char *digest_of(const struct tls_credentials *credentials, struct arena *arena)
{
    struct span leaf =
        credentials == NULL ? (struct span){ NULL, 0 } : tls_credentials_leaf(credentials);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (leaf.len == 0 || EVP_Digest(leaf.data, leaf.len, digest, &len, EVP_sha256(), NULL) != 1)
        return "";
    return text_hex(arena, (struct span){ (const char *)digest, len });
}

/* For whom a session is good: all that shapes the handshake, and whom it is with. */
static const char *make_name(const struct client_link *link, const struct tls_client_settings *tls)
{
    char address[NET_ADDRESS_TEXT];

    return arena_format(link->arena, "%s [%s]:%u %s %x %d %s", link->settings.host,
                        net_address_text(&link->settings.address, address),
                        link->settings.address.port, tls->sni == NULL ? "-" : tls->sni,
                        tls->minimum_version, tls->security_level,
                        digest_of(tls->credentials, link->arena));
}

/* Names are left aside: who asks for which is another matter for each conversation. */
static struct link_ticket_mark mark_of(const struct chain_verdict *verdict)
{
    struct link_ticket_mark mark = { .is_trusted = verdict->is_trusted };

    _Static_assert(CHAIN_KIND_COUNT <= 64, "one bit a kind");
    for (size_t i = 0; i < verdict->flaw_count; i++)
        if (verdict->flaws[i].kind != CHAIN_NAME_MISMATCH &&
            verdict->flaws[i].kind != CHAIN_NAME_ONLY_IN_CN)
            mark.flaws |= (uint64_t)1 << verdict->flaws[i].kind;
    return mark;
}

/* Known for whom we meant, by one way at least, and by none that we asked for known for another. */
static bool is_sound(const struct observation *seen)
{
    bool is_matched = seen->verdict.tlsa == CHAIN_TLSA_MATCHED || seen->fingerprint_matched;

    return ((seen->verdict.is_trusted && seen->host_named) || is_matched) &&
           seen->verdict.tlsa != CHAIN_TLSA_MISMATCH &&
           (seen->fingerprint_matched || !seen->fingerprint_asked);
}

/* Would mail go, were it resumed? */
static bool meets_level(const struct client_link_settings *settings, const struct observation *seen)
{
    const struct policy_session session = {
        .offered = true,
        .encrypted = true,
        .chain_trusted = seen->verdict.is_trusted,
        .host_named = seen->host_named,
        .domain_named = seen->domain_named,
        .fingerprint_matched = seen->fingerprint_matched,
        .tlsa = settings->tlsa_state,
        .tlsa_matched = seen->verdict.tlsa == CHAIN_TLSA_MATCHED,
        .mx_insecure = settings->has_lookups && settings->mx_dnssec != DNS_SECURE,
        .sts = settings->sts,
        .sts_host_listed = settings->sts_host_listed,
    };

    return policy_decide(settings->level, &session).decision == POLICY_DELIVER;
}

/* Judges what the session knows of the server, as if it had been resumed already. */
static bool foresee(struct client_link *link, const struct tls_session *session)
{
    struct observation *seen = arena_new(link->arena, 1, sizeof *seen);
    struct error err = { .kind = ERROR_NONE };

    if (seen == NULL)
        return false;
    observation_init(seen);
    seen->fingerprint_asked = link->settings.fingerprint != NULL;
    tls_session_recall(session, &seen->tls, link->arena);
    link->foreseen = seen;
    return client_link_judge(&link->settings, link->arena, seen, &err) && !link->arena->exhausted;
}

/* True: the newest session may be offered; link->foreseen is the judgement of it. */
static bool choose_session(struct client_link *link)
{
    struct link_tickets *tickets = link->settings.tickets;
    struct link_ticket_mark then, now;
    const struct tls_session *session =
        link_tickets_find(tickets, link->ticket_name, client_link_now(link), &then);

    if (session == NULL || tls_session_version(session) < link->settings.minimum_version ||
        !foresee(link, session))
        return false;
    now = mark_of(&link->foreseen->verdict);
    if (now.is_trusted != then.is_trusted || now.flaws != then.flaws) {
        link_tickets_drop(tickets, link->ticket_name);
        return false;
    }
    return is_sound(link->foreseen) && meets_level(&link->settings, link->foreseen);
}

void client_link_prepare_resumption(struct client_link *link, struct tls_client_settings *tls)
{
    if (!may_resume(link))
        return;
    link->ticket_name = make_name(link, tls);
    if (link->arena->exhausted) {
        link->ticket_name = NULL;
        return;
    }
    tls->keeps_sessions = true;
    if (link->settings.no_resume || !choose_session(link)) {
        link->foreseen = NULL;
        return;
    }
    link->offered = link_tickets_take(link->settings.tickets, link->ticket_name);
    tls->session = link->offered;
}

bool client_link_take_foreseen(struct client_link *link)
{
    struct observation *observation = link->observation;
    const struct observation *foreseen = link->foreseen;

    if (foreseen == NULL)
        return false;
    if (!observation->tls.was_resumed) { /* refused: those before it will fare no better */
        link_tickets_drop(link->settings.tickets, link->ticket_name);
        return false;
    }
    observation->verdict = foreseen->verdict;
    observation->host_named = foreseen->host_named;
    observation->domain_named = foreseen->domain_named;
    observation->fingerprint_matched = foreseen->fingerprint_matched;
    observation->has_verdict = true;
    return true;
}

void client_link_keep_session(struct client_link *link, struct tls_session **session)
{
    struct link_ticket_mark mark;

    if (link->ticket_name == NULL || !link->observation->has_verdict ||
        !is_sound(link->observation))
        return;
    mark = mark_of(&link->observation->verdict);
    link_tickets_put(link->settings.tickets, link->ticket_name, session, &mark,
                     client_link_now(link));
}

static bool has_reply_inside(const struct observation *observation)
{
    if (observation->is_implicit_tls)
        return observation->greeting.came;
    return observation->ehlo_after_tls.came || observation->second_greeting.came;
}

bool client_link_should_dial_without_resuming(const struct observation *observation)
{
    const struct tls_facts *tls = &observation->tls;

    if (!tls->offered_session || has_reply_inside(observation) ||
        (tls->was_completed && !tls->was_resumed))
        return false;
    switch (observation->ending) {
    case ENDING_CLOSED:
    case ENDING_RESET:
    case ENDING_TIMEOUT:
    case ENDING_TLS:
    case ENDING_BROKEN:
        return observation->reached != STEP_STARTTLS; /* there it never came to read our hello */
    case ENDING_QUIT:
    case ENDING_REFUSED:
    case ENDING_UNREACHABLE:
    case ENDING_NO_CONNECT:
    case ENDING_NOT_TLS:
    case ENDING_INJECTED:
    case ENDING_STOPPED:
    case ENDING_FAILED:
    case ENDING_BARRED:
    case ENDING_COUNT: break;
    }
    return false;
}

/* A fatal alert makes a session unfit for more (RFC 5246 section 7.2.2), and one in which the server
 * never said a word has shown nothing that is worth coming back to. */
void client_link_settle_resumption(struct client_link *link)
{
    const struct observation *observation = link->observation;
    bool is_unfit = observation->tls.was_completed &&
                    (observation->ending == ENDING_TLS || !has_reply_inside(observation));

    tls_session_free(&link->offered);
    if (link->ticket_name == NULL)
        return;
    if (client_link_should_dial_without_resuming(observation))
        link_tickets_shun(link->settings.tickets, link->ticket_name, client_link_now(link));
    else if (is_unfit)
        link_tickets_drop(link->settings.tickets, link->ticket_name);
}
