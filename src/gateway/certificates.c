#include "gateway/certificates.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "diagnose/judge.h"
#include "gateway/file_watch.h"
#include "link/credential_files.h"
#include "link/trust_files.h"

enum { ARENA_BYTES = 16 << 20, CHAIN_MOST = 32, CLIENT_CA_MOST = 16 << 20 };

_Static_assert(2 * GATEWAY_CERTIFICATES_MOST + 1 == GATEWAY_FILE_WATCH_MOST,
               "certificates, their keys and client_ca");

struct certificate_of_ours {
    struct tls_credentials *credentials;
    struct chain_verdict verdict;
    struct findings findings;
};

struct gateway_certificates {
    atomic_uint references;
    const struct gateway_certificates_settings *settings;
    struct arena arena;
    struct certificate_of_ours *each;
    struct tls_server_context *tls;
    struct inbound_self self;
    struct gateway_file_watch watch; /* the main thread's */
};

/* ---- files -------------------------------------------------------------------------------- */

static size_t list_files(const struct gateway_certificates_settings *settings,
                         const char *paths[GATEWAY_FILE_WATCH_MOST])
{
    size_t count = 0;

    for (size_t i = 0; i < settings->count; i++) {
        paths[count++] = settings->certificates[i];
        paths[count++] = settings->keys[i];
    }
    paths[count++] = settings->client_ca;
    return count;
}

bool gateway_certificates_look(struct gateway_certificates *certificates)
{
    const char *paths[GATEWAY_FILE_WATCH_MOST];
    size_t count = list_files(certificates->settings, paths);

    return gateway_file_watch_look(&certificates->watch, paths, count) == GATEWAY_FILES_CHANGED;
}

/* ---- judging ------------------------------------------------------------------------------ */

/* As postern cert does, by what a sender sees; `hostname` NULL: it need not name us. */
static bool judge_one(struct gateway_certificates *certificates, size_t number,
                      const char *hostname, int64_t now_s, struct error *err)
{
    const struct gateway_certificates_settings *settings = certificates->settings;
    struct certificate_of_ours *one = &certificates->each[number];
    struct span chain[CHAIN_MOST];
    struct chain_request request = { .certificates = chain,
                                     .names = &hostname,
                                     .name_count = hostname != NULL,
                                     .now_s = now_s,
                                     .anchors = settings->anchors };

    if (!trust_files_certificates(settings->certificates[number], &certificates->arena, chain,
                                  CHAIN_MOST, &request.certificate_count, err) ||
        !chain_verify(&request, &certificates->arena, &one->verdict, err))
        return false;
    judge_verdict(&one->verdict, hostname, now_s, &certificates->arena, &one->findings);
    return true;
}

/* One of them has to name us; the others are there for other names. */
static bool judge_all(struct gateway_certificates *certificates, int64_t now_s, struct error *err)
{
    const struct gateway_certificates_settings *settings = certificates->settings;
    size_t ours = settings->count;

    for (size_t i = 0; i < settings->count; i++) {
        if (!judge_one(certificates, i, settings->hostname, now_s, err))
            return false;
        if (ours == settings->count && certificates->each[i].verdict.name_matched)
            ours = i;
    }
    for (size_t i = 0; i < settings->count; i++)
        if ((ours < settings->count || i > 0) && !certificates->each[i].verdict.name_matched &&
            !judge_one(certificates, i, NULL, now_s, err))
            return false;
    ours = ours == settings->count ? 0 : ours;
    certificates->self.has_verdict = true;
    certificates->self.verdict = certificates->each[ours].verdict;
    certificates->self.certificate_file = settings->certificates[ours];
    return true;
}

/* ---- loading ------------------------------------------------------------------------------ */

static bool load_credentials(struct gateway_certificates *certificates, struct error *err)
{
    const struct gateway_certificates_settings *settings = certificates->settings;

    for (size_t i = 0; i < settings->count; i++)
        if (!credential_files_load(settings->certificates[i], settings->keys[i],
                                   &certificates->each[i].credentials, err))
            return error_wrap(err, "certificate %s", settings->certificates[i]);
    return true;
}

static bool make_context(struct gateway_certificates *certificates, struct span client_ca,
                         struct error *err)
{
    const struct gateway_certificates_settings *settings = certificates->settings;
    const struct tls_credentials *all[GATEWAY_CERTIFICATES_MOST] = { NULL };
    struct tls_server_settings tls = { .security_level = 1,
                                       .more = all + 1,
                                       .more_count = settings->count - 1,
                                       .tickets = settings->tickets,
                                       .client_certificate = settings->client_certificate,
                                       .client_ca_pem = client_ca,
                                       .names_no_client_ca = !settings->names_client_ca };

    for (size_t i = 0; i < settings->count; i++)
        all[i] = certificates->each[i].credentials;
    tls.credentials = all[0];
    if (!tls_server_context_new(&tls, &certificates->tls, err))
        return error_wrap(err, "certificate %s", settings->certificates[0]);
    certificates->self.client_certificate = settings->client_certificate;
    return tls_server_offer(certificates->tls, &certificates->arena, &certificates->self.takes,
                            err);
}

static bool read_client_ca_and_make_context(struct gateway_certificates *certificates,
                                            struct error *err)
{
    AUTO(buffer_clear) struct buffer client_ca;
    const char *path = certificates->settings->client_ca;

    buffer_init(&client_ca, CLIENT_CA_MOST);
    if (path != NULL && !trust_files_read(path, &client_ca, err))
        return error_wrap(err, "client_ca");
    if (!make_context(certificates, buffer_span(&client_ca), err))
        return path == NULL ? false : error_wrap(err, "with client_ca %s", path);
    return true;
}

bool gateway_certificates_load(const struct gateway_certificates_settings *settings, int64_t now_s,
                               struct gateway_certificates **certificates, struct error *err)
{
    AUTO(gateway_certificates_release)
    struct gateway_certificates *made = memory_new(1, sizeof *made);
    const char *paths[GATEWAY_FILE_WATCH_MOST];

    assert(settings->count > 0 && settings->count <= GATEWAY_CERTIFICATES_MOST);
    *certificates = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for certificates");
    made->references = 1;
    made->settings = settings;
    arena_init(&made->arena, ARENA_BYTES);
    made->each = memory_new(settings->count, sizeof *made->each);
    if (made->each == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for certificates");
    gateway_file_watch_take(&made->watch, paths, list_files(settings, paths));
    if (!load_credentials(made, err) || !read_client_ca_and_make_context(made, err) ||
        (anchors_count(settings->anchors) > 0 && !judge_all(made, now_s, err)))
        return false;
    if (made->arena.exhausted)
        return error_set(err, ERROR_MEMORY, "no memory to judge certificates");
    *certificates = TAKE(made);
    return true;
}

bool gateway_certificates_load_again(const struct gateway_certificates *before, int64_t now_s,
                                     struct gateway_certificates **certificates, struct error *err)
{
    return gateway_certificates_load(before->settings, now_s, certificates, err);
}

struct gateway_certificates *gateway_certificates_hold(struct gateway_certificates *certificates)
{
    atomic_fetch_add_explicit(&certificates->references, 1, memory_order_relaxed);
    return certificates;
}

void gateway_certificates_release(struct gateway_certificates **certificates)
{
    struct gateway_certificates *released = *certificates;

    *certificates = NULL;
    if (released == NULL ||
        atomic_fetch_sub_explicit(&released->references, 1, memory_order_acq_rel) > 1)
        return;
    tls_server_context_free(&released->tls);
    for (size_t i = 0; released->each != NULL && i < released->settings->count; i++)
        tls_credentials_free(&released->each[i].credentials);
    memory_free(released->each);
    arena_clear(&released->arena);
    memory_free(released);
}

/* ---- asking ------------------------------------------------------------------------------- */

struct tls_server_context *gateway_certificates_tls(const struct gateway_certificates *certificates)
{
    return certificates->tls;
}

const struct inbound_self *
gateway_certificates_self(const struct gateway_certificates *certificates)
{
    return &certificates->self;
}

const char *gateway_certificates_listener(const struct gateway_certificates *certificates)
{
    return certificates->settings->listener;
}

bool gateway_certificates_have_same_files(const struct gateway_certificates *a,
                                          const struct gateway_certificates *b)
{
    const struct gateway_certificates_settings *left = a->settings, *right = b->settings;

    if (left->count != right->count || (left->client_ca == NULL) != (right->client_ca == NULL) ||
        (left->client_ca != NULL && strcmp(left->client_ca, right->client_ca) != 0))
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (strcmp(left->certificates[i], right->certificates[i]) != 0 ||
            strcmp(left->keys[i], right->keys[i]) != 0)
            return false;
    return true;
}

const struct findings *
gateway_certificates_findings(const struct gateway_certificates *certificates, size_t number,
                              const char **file)
{
    if (number >= certificates->settings->count)
        return NULL;
    *file = certificates->settings->certificates[number];
    return &certificates->each[number].findings;
}

void gateway_certificates_log(const struct gateway_certificates *certificates, struct log *log)
{
    const struct findings *findings;
    const char *file;

    for (size_t i = 0; (findings = gateway_certificates_findings(certificates, i, &file)) != NULL;
         i++)
        for (size_t j = 0; j < findings->count; j++) {
            const struct finding *finding = &findings->items[j];

            log_event(log, finding->severity == SEVERITY_NOTICE ? LOG_NOTE : LOG_WARN,
                      finding->code, "listener=%s file=%s severity=%s cause=%-s remedy=%-s",
                      certificates->settings->listener, file, severity_name(finding->severity),
                      finding->cause, finding->remedy);
        }
}
