#include "cli/check_files.h"

#include "base/buffer.h"
#include "link/trust_files.h"
#include "trust/certificate.h"

static const char default_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

enum { CREDENTIALS_BYTES_MOST = 1 << 20 };

/* An unreadable store is what the check will report, beside what it sees. */
static bool load_anchors(struct check_files *files, const struct check_options *options,
                         struct arena *arena, struct error *err)
{
    struct error problem;

    files->anchors = anchors_new();
    if (files->anchors == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the trust store");
    files->self.anchor_file = options->ca_file != NULL ? options->ca_file : default_ca_file;
    if (!trust_files_add(files->self.anchor_file, files->anchors, &problem))
        files->self.anchor_problem = arena_copy(arena, span_of(problem.text));
    files->self.anchor_count = anchors_count(files->anchors);
    files->self.newest_anchor_s = anchors_newest_s(files->anchors);
    return true;
}

static bool load_intermediates(struct check_files *files, const struct check_options *options,
                               struct error *err)
{
    if (options->intermediates_file == NULL)
        return true;
    files->intermediates = anchors_new();
    if (files->intermediates == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the known intermediates");
    return trust_files_add(options->intermediates_file, files->intermediates, err) ||
           error_wrap(err, "--intermediates");
}

static void describe_credentials(struct check_files *files, const char *path, int64_t now_s,
                                 struct arena *arena)
{
    struct certificate leaf;

    certificate_read(arena, tls_credentials_leaf(files->credentials), &leaf);
    files->self.has_client_certificate = true;
    files->self.client_certificate_state = tls_credentials_state(files->credentials, now_s);
    files->self.client_certificate_subject = leaf.subject;
    files->self.client_certificate_ended_s = leaf.not_after_s;
    files->self.client_certificate_file = path;
}

static bool load_credentials(struct check_files *files, const struct check_options *options,
                             int64_t now_s, struct arena *arena, struct error *err)
{
    AUTO(buffer_clear) struct buffer chain;
    AUTO(buffer_clear) struct buffer key;
    const char *key_path =
        options->client_key != NULL ? options->client_key : options->client_certificate;

    buffer_init(&chain, CREDENTIALS_BYTES_MOST);
    buffer_init(&key, CREDENTIALS_BYTES_MOST);
    if (options->client_certificate == NULL)
        return true;
    if (!trust_files_read(options->client_certificate, &chain, err) ||
        !trust_files_read(key_path, &key, err))
        return error_wrap(err, "our client certificate");
    if (!tls_credentials_load(buffer_span(&chain), buffer_span(&key), &files->credentials, err))
        return error_wrap(err, "our client certificate, %s with key %s",
                          options->client_certificate, key_path);
    describe_credentials(files, options->client_certificate, now_s, arena);
    return true;
}

bool check_files_load(struct check_files *files, const struct check_options *options,
                      const struct clock *clock, struct arena *arena, struct error *err)
{
    *files = (struct check_files){ .self = { .built_at_s = POSTERN_RELEASED_S } };
    return load_anchors(files, options, arena, err) && load_intermediates(files, options, err) &&
           load_credentials(files, options, clock->wall_s(clock), arena, err);
}

void check_files_clear(struct check_files *files)
{
    anchors_free(&files->anchors);
    anchors_free(&files->intermediates);
    tls_credentials_free(&files->credentials);
}
