/* cli/cmd_cert.c - `postern cert`: judges a file of certificates offline. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/cert_batch.h"
#include "cli/cert_options.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "diagnose/judge.h"
#include "diagnose/report.h"
#include "diagnose/report_json.h"
#include "link/trust_files.h"

enum { ARENA_BYTES = 32 << 20, REPORT_BYTES = 4 << 20, CERTIFICATES_MOST = 256, CRLS_MOST = 64 };

static const char system_roots[] = "/etc/ssl/certs/ca-certificates.crt";

/* All of one `postern cert`. */
struct cert {
    struct cert_options options;
    struct arena arena;
    struct anchors *anchors, *intermediates;
    struct span certificates[CERTIFICATES_MOST], crls[CRLS_MOST];
    size_t certificate_count, crl_count;
    int64_t now_s;
    struct chain_verdict verdict;
    struct findings findings;
};

static bool load_stores(struct cert *cert, struct error *err)
{
    const struct cert_options *options = &cert->options;

    cert->anchors = anchors_new();
    cert->intermediates = anchors_new();
    if (cert->anchors == NULL || cert->intermediates == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the trust store");
    if (options->intermediates_file != NULL &&
        !trust_files_add(options->intermediates_file, cert->intermediates, err))
        return false;
    if (options->ca_file == NULL)
        /* A batch brings its roots along; it can do without the system's. */
        return trust_files_add(system_roots, cert->anchors, err) || options->is_batch;
    if (trust_files_add(options->ca_file, cert->anchors, err))
        return true;
    if (anchors_count(cert->anchors) == 0)
        return false;
    fprintf(stderr, "postern cert: %s; the others are used\n", err->text);
    return true;
}

static bool load_crls(struct cert *cert, struct error *err)
{
    AUTO(buffer_clear) struct buffer content;
    const char *path = cert->options.crl_file;
    struct span rest, der;

    buffer_init(&content, ARENA_BYTES / 2);
    if (path == NULL)
        return true;
    if (!trust_files_read(path, &content, err))
        return false;
    rest = buffer_span(&content);
    if (rest.len > 0 && rest.data[0] == 0x30) { /* DER: one list */
        cert->crls[cert->crl_count++] = arena_copy_bytes(&cert->arena, rest);
        return true;
    }
    for (;;) {
        if (!trust_files_next(&rest, "X509 CRL", &cert->arena, &der, err))
            return error_wrap(err, "%s: revocation list %zu", path, cert->crl_count + 1);
        if (der.len == 0)
            break;
        if (cert->crl_count == CRLS_MOST)
            return error_set(err, ERROR_FORMAT, "%s: more than %d revocation lists", path,
                             CRLS_MOST);
        cert->crls[cert->crl_count++] = der;
    }
    return cert->crl_count > 0 ||
           error_set(err, ERROR_FORMAT, "%s: there is no revocation list in it", path);
}

static bool judge(struct cert *cert, struct error *err)
{
    const struct cert_options *options = &cert->options;
    struct chain_request request = {
        .certificates = cert->certificates,
        .certificate_count = cert->certificate_count,
        .names = &options->name,
        .name_count = options->name != NULL,
        .now_s = cert->now_s,
        .profile = options->profile,
        .anchors = cert->anchors,
        .intermediates = cert->intermediates,
        .crls = cert->crls,
        .crl_count = cert->crl_count,
        .tlsa = options->tlsa,
        .tlsa_count = options->tlsa_count,
    };

    if (!chain_verify(&request, &cert->arena, &cert->verdict, err))
        return false;
    judge_verdict(&cert->verdict, options->name, cert->now_s, &cert->arena, &cert->findings);
    return true;
}

static const char *tlsa_text(enum chain_tlsa tlsa)
{
    static const char *const texts[] = { [CHAIN_TLSA_NONE] = "none",
                                         [CHAIN_TLSA_UNUSABLE] = "unusable",
                                         [CHAIN_TLSA_MATCHED] = "matched",
                                         [CHAIN_TLSA_MISMATCH] = "mismatch" };

    return texts[tlsa];
}

static json_t *path_json(const struct chain_verdict *verdict)
{
    json_t *path = json_array();

    for (size_t i = 0; i < verdict->path_count; i++)
        json_array_append_new(path, json_string(verdict->path[i]));
    return path;
}

static bool print_json(struct cert *cert, struct error *err)
{
    const struct chain_verdict *verdict = &cert->verdict;
    const char *name = cert->options.name;
    json_t *whole = json_object();
    bool is_printed;

    json_object_set_new(
        whole, "file",
        json_string(text_printable(&cert->arena, span_of(cert->options.chain_file), true)));
    json_object_set_new(whole, "name",
                        name == NULL
                            ? json_null()
                            : json_string(text_printable(&cert->arena, span_of(name), true)));
    json_object_set_new(whole, "time", json_string(text_time(&cert->arena, cert->now_s)));
    json_object_set_new(whole, "trusted", json_boolean(cert_is_trusted(verdict)));
    json_object_set_new(whole, "tlsa", json_string(tlsa_text(verdict->tlsa)));
    json_object_set_new(whole, "path", path_json(verdict));
    json_object_set_new(whole, "other_path", json_boolean(verdict->needed_other_path));
    json_object_set_new(whole, "chain", report_json_chain(verdict));
    json_object_set_new(whole, "findings", report_json_findings(&cert->findings));
    json_object_set_new(whole, "schema", json_integer(1));
    is_printed = json_dumpf(whole, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF &&
                 fflush(stdout) == 0;
    json_decref(whole);
    return is_printed || error_set(err, ERROR_SYSTEM, "writing the answer failed");
}

/* The first line: what is to be known by those who read no further. */
static const char *summary(struct cert *cert)
{
    const struct chain_verdict *verdict = &cert->verdict;
    const char *name = cert->options.name == NULL
                           ? ""
                           : text_printable(&cert->arena, span_of(cert->options.name), true);
    const char *names = *name == '\0'           ? ""
                        : verdict->name_matched ? ", and names "
                                                : ", and does not name ";
    const char *file = text_printable(&cert->arena, span_of(cert->options.chain_file), true);

    if (verdict->tlsa == CHAIN_TLSA_MATCHED)
        return arena_format(&cert->arena, "%s: matches TLSA record %zu", file,
                            verdict->tlsa_index + 1);
    if (verdict->tlsa == CHAIN_TLSA_MISMATCH)
        return arena_format(&cert->arena, "%s: matches no TLSA record", file);
    return arena_format(&cert->arena, "%s: %s%s%s", file,
                        verdict->is_trusted ? "trusted" : "not trusted", names, name);
}

static bool write_report(struct cert *cert, struct buffer *out)
{
    struct report_style style = terminal_style(false);

    if (!buffer_format(out, "%s\n\n", summary(cert)))
        return false;
    for (size_t i = 0; i < cert->findings.count; i++)
        if (!report_finding(&cert->findings.items[i], &style, out))
            return false;
    if (cert->verdict.needed_other_path &&
        !buffer_append_text(out, "OpenSSL's own search misses the path; we found another:\n"))
        return false;
    return report_chain(&cert->verdict, cert->now_s, &style, out);
}

static bool print_report(struct cert *cert, struct error *err)
{
    AUTO(buffer_clear) struct buffer out;

    buffer_init(&out, REPORT_BYTES);
    if (!write_report(cert, &out))
        return error_set(err, ERROR_MEMORY, "no memory for the report");
    if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
        return error_set(err, ERROR_SYSTEM, "writing the report failed");
    return true;
}

static int exit_status_of(const struct cert *cert)
{
    enum severity worst;

    return findings_worst(&cert->findings, &worst) && worst >= SEVERITY_UNTRUSTED ? EXIT_FINDINGS
                                                                                  : EXIT_HEALTHY;
}

static int run_batch(struct cert *cert)
{
    struct cert_rules rules = { .profile = cert->options.profile,
                                .anchors = cert->anchors,
                                .intermediates = cert->intermediates,
                                .now_s = cert->now_s };
    size_t bad_lines = 0;
    struct error err;

    if (!cert_batch_run(&rules, &bad_lines, &err))
        return failure("cert", err.text);
    return bad_lines > 0 ? EXIT_USAGE : EXIT_HEALTHY;
}

static int run_file(struct cert *cert)
{
    struct error err;

    if (!trust_files_certificates(cert->options.chain_file, &cert->arena, cert->certificates,
                                  CERTIFICATES_MOST, &cert->certificate_count, &err) ||
        !load_crls(cert, &err))
        return usage_error("cert", "%s", err.text);
    if (!judge(cert, &err) ||
        !(cert->options.as_json ? print_json(cert, &err) : print_report(cert, &err)))
        return failure("cert", err.text);
    return exit_status_of(cert);
}

static int run(struct cert *cert)
{
    struct clock clock = clock_system();
    struct error err;

    cert->now_s = cert->options.has_at ? cert->options.at_s : clock.wall_s(&clock);
    if (!load_stores(cert, &err))
        return cert->options.ca_file != NULL || cert->options.intermediates_file != NULL
                   ? usage_error("cert", "%s", err.text)
                   : failure("cert", err.text);
    return cert->options.is_batch ? run_batch(cert) : run_file(cert);
}

int cmd_cert(int argc, char **argv)
{
    static struct cert cert; /* too large for a stack, and there is one a process */
    int status = EXIT_USAGE;

    arena_init(&cert.arena, ARENA_BYTES);
    if (cert_options_parse(argc, argv, &cert.arena, &cert.options)) {
        if (cert.options.wants_help) {
            cert_options_print_help();
            status = EXIT_HEALTHY;
        } else {
            status = run(&cert);
        }
    }
    anchors_free(&cert.anchors);
    anchors_free(&cert.intermediates);
    arena_clear(&cert.arena);
    return status;
}
