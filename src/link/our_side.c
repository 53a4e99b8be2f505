#include "link/our_side.h"

#include "link/credential_files.h"
#include "link/trust_files.h"
#include "trust/certificate.h"

void our_side_read_roots(const char *path, struct anchors *anchors, struct arena *arena,
                         struct observed_self *self)
{
    struct error problem;

    self->anchor_file = path;
    if (!trust_files_add(path, anchors, &problem))
        self->anchor_problem = arena_copy(arena, span_of(problem.text));
    self->anchor_count = anchors_count(anchors);
    self->newest_anchor_s = anchors_newest_s(anchors);
}

static void describe(const struct tls_credentials *credentials, const char *path, int64_t now_s,
                     struct arena *arena, struct observed_self *self)
{
    struct certificate leaf;

    certificate_read(arena, tls_credentials_leaf(credentials), &leaf);
    self->has_client_certificate = true;
    self->client_certificate_state = tls_credentials_state(credentials, now_s);
    self->client_certificate_subject = leaf.subject;
    self->client_certificate_ended_s = leaf.not_after_s;
    self->client_certificate_file = path;
}

bool our_side_read_certificate(const char *certificate, const char *key, int64_t now_s,
                               struct arena *arena, struct tls_credentials **credentials,
                               struct observed_self *self, struct error *err)
{
    if (!credential_files_read(certificate, key, credentials, err))
        return error_wrap(err, "our client certificate, %s with key %s", certificate, key);
    describe(*credentials, certificate, now_s, arena, self);
    return true;
}
