#include "cli/publish_files.h"

#include <string.h>

#include "gateway/dkim.h"
#include "link/public_key_file.h"
#include "link/trust_files.h"
#include "trust/names.h"
#include "trust/publish.h"

enum { ARENA_BYTES = 64 << 20, CHAIN_MOST = 32 };

static bool offers_starttls(const struct settings_listener *listener)
{
    return listener->tls == SETTINGS_TLS_MAY || listener->tls == SETTINGS_TLS_REQUIRED;
}

static bool is_for_mail(const struct settings *settings, const struct settings_listener *listener)
{
    bool has_usual_port = false;

    for (size_t i = 0; i < settings->listener_count; i++)
        has_usual_port |= offers_starttls(&settings->listeners[i]) &&
                          settings->listeners[i].address.port == PUBLICATION_PORT;
    return offers_starttls(listener) &&
           (!has_usual_port || listener->address.port == PUBLICATION_PORT);
}

static struct publication_certificate *find_file(struct publish_files *files, const char *path)
{
    for (size_t i = 0; i < files->certificate_count; i++)
        if (strcmp(files->certificates[i].file, path) == 0)
            return &files->certificates[i];
    return NULL;
}

static bool read_certificate(struct publish_files *files, const char *path,
                             struct publication_certificate *certificate, struct error *err)
{
    struct span *chain = arena_new(&files->arena, CHAIN_MOST, sizeof *chain);

    *certificate = (struct publication_certificate){ .file = path, .chain = chain };
    if (chain == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %s", path);
    if (!trust_files_certificates(path, &files->arena, chain, CHAIN_MOST, &certificate->chain_count,
                                  err))
        return false;
    certificate_read(&files->arena, chain[0], &certificate->leaf);
    certificate->key = public_key_of_certificate(chain[0], &files->arena);
    return certificate->key.len > 0 ||
           error_set(err, ERROR_FORMAT, "%s: its first certificate cannot be read", path);
}

/* Listeners may share files; the next key may stand at one of them alone. */
static bool read_nth(struct publish_files *files, const struct settings_listener *listener,
                     size_t number, struct error *err)
{
    struct publication_certificate *certificate = find_file(files, listener->certificates[number]);

    if (certificate == NULL) {
        certificate = &files->certificates[files->certificate_count];
        if (!read_certificate(files, listener->certificates[number], certificate, err))
            return false;
        files->certificate_count++;
    }
    if (number >= listener->next_key_count || certificate->next_file != NULL)
        return true;
    certificate->next_file = listener->next_keys[number];
    return public_key_file_read(certificate->next_file, &files->arena, &certificate->next_key, err);
}

static bool read_listeners(struct publish_files *files, const struct settings *settings,
                           struct error *err)
{
    size_t most = 1;

    for (size_t i = 0; i < settings->listener_count; i++)
        most += settings->listeners[i].certificate_count;
    files->certificates = arena_new(&files->arena, most, sizeof *files->certificates);
    if (files->certificates == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for certificates");
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct settings_listener *listener = &settings->listeners[i];

        for (size_t j = 0; is_for_mail(settings, listener) && j < listener->certificate_count; j++)
            if (!read_nth(files, listener, j, err))
                return false;
    }
    return true;
}

bool publish_files_read(struct publish_files *files, const struct settings *settings,
                        struct error *err)
{
    *files = (struct publish_files){ .anchors = anchors_new() };
    arena_init(&files->arena, ARENA_BYTES);
    if (files->anchors == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the trust store");
    if (!trust_files_add(settings->ca_file, files->anchors, err) &&
        anchors_count(files->anchors) == 0)
        return error_wrap(err, "ca_file");
    return read_listeners(files, settings, err);
}

void publish_files_clear(struct publish_files *files)
{
    anchors_free(&files->anchors);
    arena_clear(&files->arena);
}

/* ---- one domain ---- */

static const struct settings_domain *find_domain(const struct settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->domain_count; i++)
        if (strcmp(settings->domains[i].name, name) == 0)
            return &settings->domains[i];
    return NULL;
}

/* The hosts that the policy lists are the settings', or our own name. */
static void call_for_policy(struct publication *publication, const struct settings_domain *domain)
{
    static const enum mta_sts_mode modes[] = { [SETTINGS_STS_OFF] = MTA_STS_MODE_NONE,
                                               [SETTINGS_STS_NONE] = MTA_STS_MODE_NONE,
                                               [SETTINGS_STS_TESTING] = MTA_STS_MODE_TESTING,
                                               [SETTINGS_STS_ENFORCE] = MTA_STS_MODE_ENFORCE };
    bool has_list = domain->sts_mx_count > 0;

    publication->wants_sts = domain->sts != SETTINGS_STS_OFF;
    publication->policy = (struct mta_sts_policy){
        .mode = modes[domain->sts],
        .max_age_s = domain->sts_max_age_s,
        .mx = has_list ? domain->sts_mx : &publication->hostname,
        .mx_count = has_list ? domain->sts_mx_count : 1,
    };
}

/* To whom reports of others go: as the section says, else to the mailbox that we read them from. */
static void call_for_reports(struct publication *publication, const struct settings *settings,
                             const struct settings_domain *domain, struct arena *arena)
{
    const char **uri = arena_new(arena, 1, sizeof *uri);

    publication->report_uris = domain->reports_to;
    publication->report_uri_count = domain->reports_to_count;
    if (domain->reports_to_count > 0 || settings->reports.read == NULL || uri == NULL)
        return;
    *uri = publish_mailto(arena, settings->reports.read);
    publication->report_uris = uri;
    publication->report_uri_count = 1;
}

static const char *domain_of(const char *mailbox)
{
    const char *at = mailbox == NULL ? NULL : strrchr(mailbox, '@');

    return at == NULL ? NULL : at + 1;
}

/* The domain that signs our reports, as serve_profile finds it. */
static const char *signing_domain(const struct settings *settings, const char *hostname)
{
    const struct settings_reports *reports = &settings->reports;
    const char *from = reports->from != NULL ? reports->from : reports->contact;

    if (reports->dkim_domain != NULL)
        return reports->dkim_domain;
    return from != NULL ? domain_of(from) : hostname;
}

static bool is_within(const char *name, const char *domain)
{
    size_t len = strlen(name), below = strlen(domain);

    return strcmp(name, domain) == 0 ||
           (len > below && name[len - below - 1] == '.' && strcmp(name + len - below, domain) == 0);
}

static bool call_for_dkim(struct publication *publication, const struct settings *settings,
                          struct arena *arena, struct error *err)
{
    const struct settings_reports *reports = &settings->reports;
    const char *domain = signing_domain(settings, publication->hostname);
    AUTO(dkim_key_free) struct dkim_key *key = NULL;

    if (reports->dkim_key == NULL || reports->dkim_selector == NULL || domain == NULL ||
        !is_within(domain, publication->domain))
        return true;
    if (!dkim_key_load(reports->dkim_key, domain, reports->dkim_selector, &key, err))
        return error_wrap(err, "dkim_key");
    publication->dkim_name = dkim_key_name(key, arena);
    publication->dkim_record = dkim_key_record(key, "tlsrpt", arena);
    publication->dkim_file = reports->dkim_key;
    return true;
}

bool publish_files_begin(const struct publish_files *files, const struct settings *settings,
                         const char *hostname, const char *domain, int64_t now_s,
                         struct arena *arena, struct publication **publication, struct error *err)
{
    const char *name = domain[0] == '\0' ? NULL : names_normalize(arena, span_of(domain));
    const struct settings_domain *section = name == NULL ? NULL : find_domain(settings, name);
    const char *ours = names_normalize(arena, span_of(hostname));
    struct publication *made = arena_new(arena, 1, sizeof *made);

    *publication = made;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %.255s", domain);
    if (section == NULL)
        return error_set(err, ERROR_USAGE, "%s has no section: domain \"%.255s\"", settings->file,
                         domain);
    *made = (struct publication){ .domain = name,
                                  .hostname = ours == NULL ? hostname : ours,
                                  .settings_file = settings->file,
                                  .now_s = now_s,
                                  .is_offline = true,
                                  .certificates = files->certificates,
                                  .certificate_count = files->certificate_count,
                                  .anchors = files->anchors };
    call_for_policy(made, section);
    call_for_reports(made, settings, section, arena);
    return call_for_dkim(made, settings, arena, err);
}
