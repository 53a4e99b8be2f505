#include "gateway/client_certificate.h"

#include <stdatomic.h>

#include "base/arena.h"
#include "base/memory.h"
#include "diagnose/judge.h"
#include "gateway/file_watch.h"
#include "link/our_side.h"

enum { ARENA_BYTES = 1 << 20 };

struct gateway_client_certificate {
    atomic_uint references;
    struct arena arena;
    const char *paths[2]; /* of the certificate, of its key */
    struct tls_credentials *credentials;
    struct observed_self self; /* what of it is about the certificate */
    struct findings findings;
    struct gateway_file_watch watch;
};

static bool load(struct gateway_client_certificate *made, int64_t now_s, struct error *err)
{
    gateway_file_watch_take(&made->watch, made->paths, ARRAY_SIZE(made->paths));
    if (!our_side_read_certificate(made->paths[0], made->paths[1], now_s, &made->arena,
                                   &made->credentials, &made->self, err))
        return false;
    judge_own_certificate(&made->self, now_s, &made->arena, &made->findings);
    return !made->arena.exhausted ||
           error_set(err, ERROR_MEMORY, "no memory to judge our client certificate");
}

bool gateway_client_certificate_load(const char *certificate, const char *key, int64_t now_s,
                                     struct gateway_client_certificate **made, struct error *err)
{
    AUTO(gateway_client_certificate_release)
    struct gateway_client_certificate *loaded = memory_new(1, sizeof *loaded);

    *made = NULL;
    if (loaded == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for our client certificate");
    loaded->references = 1;
    arena_init(&loaded->arena, ARENA_BYTES);
    loaded->paths[0] = arena_copy(&loaded->arena, span_of(certificate));
    loaded->paths[1] = arena_copy(&loaded->arena, span_of(key));
    if (!load(loaded, now_s, err))
        return false;
    *made = TAKE(loaded);
    return true;
}

bool gateway_client_certificate_load_again(const struct gateway_client_certificate *before,
                                           int64_t now_s, struct gateway_client_certificate **made,
                                           struct error *err)
{
    return gateway_client_certificate_load(before->paths[0], before->paths[1], now_s, made, err);
}

struct gateway_client_certificate *
gateway_client_certificate_hold(struct gateway_client_certificate *certificate)
{
    atomic_fetch_add_explicit(&certificate->references, 1, memory_order_relaxed);
    return certificate;
}

void gateway_client_certificate_release(struct gateway_client_certificate **certificate)
{
    struct gateway_client_certificate *released = *certificate;

    *certificate = NULL;
    if (released == NULL ||
        atomic_fetch_sub_explicit(&released->references, 1, memory_order_acq_rel) > 1)
        return;
    tls_credentials_free(&released->credentials);
    arena_clear(&released->arena);
    memory_free(released);
}

const struct tls_credentials *
gateway_client_certificate_credentials(const struct gateway_client_certificate *certificate)
{
    return certificate->credentials;
}

const char *gateway_client_certificate_file(const struct gateway_client_certificate *certificate)
{
    return certificate->paths[0];
}

const struct findings *
gateway_client_certificate_findings(const struct gateway_client_certificate *certificate)
{
    return &certificate->findings;
}

void gateway_client_certificate_describe(const struct gateway_client_certificate *certificate,
                                         struct observed_self *self)
{
    const struct observed_self *ours = &certificate->self;

    self->has_client_certificate = ours->has_client_certificate;
    self->client_certificate_state = ours->client_certificate_state;
    self->client_certificate_subject = ours->client_certificate_subject;
    self->client_certificate_ended_s = ours->client_certificate_ended_s;
    self->client_certificate_file = ours->client_certificate_file;
}

void gateway_client_certificate_log(const struct gateway_client_certificate *certificate,
                                    struct log *log)
{
    for (size_t i = 0; i < certificate->findings.count; i++) {
        const struct finding *finding = &certificate->findings.items[i];

        log_event(log, LOG_WARN, finding->code, "file=%s cause=%-s remedy=%-s",
                  certificate->paths[0], finding->cause, finding->remedy);
    }
}

bool gateway_client_certificate_look(struct gateway_client_certificate *certificate)
{
    return gateway_file_watch_look(&certificate->watch, certificate->paths,
                                   ARRAY_SIZE(certificate->paths)) == GATEWAY_FILES_CHANGED;
}
