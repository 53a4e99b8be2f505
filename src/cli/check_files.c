#include "cli/check_files.h"

#include "link/our_side.h"
#include "link/trust_files.h"

static const char default_ca_file[] = "/etc/ssl/certs/ca-certificates.crt";

/* An unreadable store is what the check will report, beside what it sees. */
static bool load_anchors(struct check_files *files, const struct check_options *options,
                         struct arena *arena, struct error *err)
{
    files->anchors = anchors_new();
    if (files->anchors == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the trust store");
    our_side_read_roots(options->ca_file != NULL ? options->ca_file : default_ca_file,
                        files->anchors, arena, &files->self);
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

static bool load_credentials(struct check_files *files, const struct check_options *options,
                             int64_t now_s, struct arena *arena, struct error *err)
{
    const char *certificate = options->client_certificate;

    if (certificate == NULL)
        return true;
    return our_side_read_certificate(
        certificate, options->client_key != NULL ? options->client_key : certificate, now_s, arena,
        &files->credentials, &files->self, err);
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
