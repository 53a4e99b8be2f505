/* tests/unit/gateway/sessions.c - what conversations with hosts showed, made up. */
#include "../test.h"

#include "sessions.h"

#include "base/memory.h"

#define EHLO         "250-mx\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
#define EHLO_WITHOUT "250-mx\r\n250-SIZE 10240000\r\n250 8BITMIME\r\n"

int sessions_open(void **state)
{
    struct sessions *sessions = memory_new(1, sizeof *sessions);

    if (sessions == NULL)
        return 1;
    arena_init(&sessions->arena, 64 << 20);
    *state = sessions;
    return 0;
}

int sessions_close(void **state)
{
    struct sessions *sessions = *state;

    arena_clear(&sessions->arena);
    memory_free(sessions);
    return 0;
}

static struct observed_reply reply(const char *raw)
{
    return (struct observed_reply){ .came = true, .code = 250, .raw = span_of(raw) };
}

struct observation *sessions_refused(struct sessions *sessions, const char *host,
                                     const char *address)
{
    struct observation *seen = arena_new(&sessions->arena, 1, sizeof *seen);

    assert_non_null(seen);
    observation_init(seen);
    seen->domain = seen->host = host;
    seen->address = address;
    seen->port = 25;
    seen->level = POLICY_MAY;
    seen->reached = STEP_CONNECT;
    seen->ending = ENDING_REFUSED;
    return seen;
}

struct observation *sessions_in_clear(struct sessions *sessions, const char *host,
                                      const char *address)
{
    struct observation *seen = sessions_refused(sessions, host, address);

    seen->reached = STEP_AFTER_TLS;
    seen->ending = ENDING_QUIT;
    seen->greeting =
        (struct observed_reply){ .came = true, .code = 220, .raw = span_of("220 mx\r\n") };
    seen->ehlo = reply(EHLO_WITHOUT);
    return seen;
}

static struct certificate *make_leaf(struct sessions *sessions, const char *host,
                                     enum sessions_issuer issuer)
{
    static const char *const issuers[] = { "CN=R11, O=Let's Encrypt, C=US",
                                           "CN=E1, O=Example Trust", "CN=FGT60F, O=Fortinet" };
    static const char *const names[] = { "R11", "E1", "FGT60F" };
    struct certificate *leaf = arena_new(&sessions->arena, 1, sizeof *leaf);

    assert_non_null(leaf);
    *leaf = (struct certificate){ .is_readable = true,
                                  .subject = arena_format(&sessions->arena, "CN=%s", host),
                                  .issuer = issuers[issuer],
                                  .issuer_common_name = names[issuer],
                                  .spki_sha256 = arena_format(&sessions->arena, "%08x%s",
                                                              (unsigned)issuer, host) };
    return leaf;
}

struct observation *sessions_over_tls(struct sessions *sessions, const char *host,
                                      const char *address, enum sessions_issuer issuer)
{
    struct observation *seen = sessions_in_clear(sessions, host, address);

    seen->ehlo = reply(EHLO);
    seen->ehlo_after_tls = reply(EHLO_WITHOUT);
    seen->tls.was_started = seen->tls.was_completed = true;
    seen->tls.version = TLS_VERSION_1_3;
    seen->has_verdict = true;
    seen->verdict.certificates = make_leaf(sessions, host, issuer);
    seen->verdict.certificate_count = 1;
    seen->verdict.is_trusted = issuer != SESSIONS_FIREWALL;
    seen->host_named = true;
    return seen;
}

struct findings *sessions_findings(struct sessions *sessions, const char *code)
{
    struct findings *findings = arena_new(&sessions->arena, 1, sizeof *findings);

    assert_non_null(findings);
    if (code != NULL)
        findings->items[findings->count++] =
            (struct finding){ .code = code, .severity = SEVERITY_UNTRUSTED, .cause = code };
    return findings;
}
