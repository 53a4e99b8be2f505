#include "lab/lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "lab/certificates.h"
#include "lab/dns_server.h"
#include "lab/exam.h"
#include "lab/fault_row.h"
#include "lab/fault_server.h"
#include "lab/lab_server.h"
#include "lab/lab_zone.h"
#include "lab/zone.h"
#include "net/address.h"

enum { ARENA_BYTES_MOST = 16 * 1024 * 1024, WEEK_S = 7 * 86400 };

#define ANCHOR_FILE "trust-anchor.ds"

struct lab {
    struct loop *loop;
    struct arena arena; /* certificates and names */
    const char *directory, *anchor_file;
    struct certificates *certificates;
    struct span client_ca, stranger_ca;
    struct lab_server *servers;
    size_t server_count;
    uint16_t port;      /* common to all servers; 0: each has its own */
    uint16_t sts_port;  /* of policy servers, each at its mail server's address */
    bool has_addresses; /* each server has an address of its own */
    struct zone *zone;
    struct dns_server *dns;
    struct net_address dns_address;
};

static bool choose(const struct lab_settings *settings, size_t index, const struct fault_row **row,
                   struct error *err)
{
    if (settings->faults == NULL) {
        *row = fault_row(index);
        return true;
    }
    *row = fault_find(settings->faults[index]);
    if (*row == NULL)
        return error_set(err, ERROR_USAGE, "there is no fault \"%s\"; --list shows them all",
                         settings->faults[index]);
    if (lab_server_needs_dns(*row) && !settings->with_dns)
        return error_set(err, ERROR_USAGE, "the fault \"%s\" shows in DNS alone: add --dns",
                         settings->faults[index]);
    return true;
}

static bool choose_rows(struct lab *lab, const struct lab_settings *settings, struct error *err)
{
    size_t wanted = settings->faults == NULL ? faults_count() : settings->fault_count;

    lab->servers = memory_new(wanted == 0 ? 1 : wanted, sizeof *lab->servers);
    if (lab->servers == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the lab's servers");
    for (size_t i = 0; i < wanted; i++) {
        const struct fault_row *row;

        if (!choose(settings, i, &row, err))
            return false;
        if (settings->with_dns || !lab_server_needs_dns(row))
            lab->servers[lab->server_count++].row = row;
    }
    return true;
}

static bool make_staple(struct lab *lab, struct lab_server *server, struct error *err)
{
    enum fault_staple staple = server->row->tls.staple;

    return certificates_staple(
        lab->certificates, &server->certificate,
        staple == FAULT_STAPLE_REVOKED ? CERTIFICATE_STATUS_REVOKED : CERTIFICATE_STATUS_GOOD,
        staple == FAULT_STAPLE_EXPIRED ? -WEEK_S : 0, &lab->arena, &server->staple, err);
}

static bool make_certificate(struct lab *lab, struct lab_server *server, struct error *err)
{
    const struct fault_row *row = server->row;

    if (!certificates_issue(lab->certificates, row->tls.certificate, server->host, server->domain,
                            &lab->arena, &server->certificate, err))
        return false;
    if (row->tls.staple != FAULT_STAPLE_NONE && !make_staple(lab, server, err))
        return false;
    return lab_server_make_tlsa(server, lab->certificates, &lab->arena, err);
}

static bool start_server(struct lab *lab, struct lab_server *server, size_t index,
                         struct error *err)
{
    bool is_asking = server->row->tls.client_certificate != TLS_CLIENT_CERTIFICATE_NONE;
    struct fault_server_settings settings = {
        .row = server->row,
        .host = server->host,
        .certificate = &server->certificate,
        .staple = server->staple,
    };

    if (is_asking)
        settings.client_ca_pem =
            server->row->tls.distrusts_clients ? lab->stranger_ca : lab->client_ca;
    lab_server_choose_address(server, index, lab->has_addresses, lab->port);
    if (!fault_server_open(lab->loop, &settings, &server->address, &server->server, err))
        return false;
    if (lab->has_addresses && lab->port == 0)
        lab->port = server->address.port;
    return true;
}

static bool start_policy_server(struct lab *lab, struct lab_server *server, struct error *err)
{
    struct policy_server_settings settings = { .published = &server->row->published,
                                               .mail_host = server->host,
                                               .certificate = &server->policy_certificate };

    if (!lab_server_has_policy(server->row))
        return true;
    if (!certificates_issue(lab->certificates, server->row->published.certificate,
                            server->policy_host, server->domain, &lab->arena,
                            &server->policy_certificate, err))
        return false;
    server->policy_address = server->address;
    server->policy_address.port = lab->sts_port;
    if (!policy_server_open(lab->loop, &settings, &server->policy_address, &server->policy_server,
                            err))
        return false;
    lab->sts_port = server->policy_address.port;
    return true;
}

static bool start_servers(struct lab *lab, struct error *err)
{
    for (size_t i = 0; i < lab->server_count; i++) {
        struct lab_server *server = &lab->servers[i];

        lab_server_name(server, &lab->arena);
        if (!make_certificate(lab, server, err) || !start_server(lab, server, i, err) ||
            !start_policy_server(lab, server, err))
            return false;
    }
    return true;
}

static bool write_anchor(struct lab *lab, struct error *err)
{
    FILE *file;
    bool is_written;

    lab->anchor_file = arena_format(&lab->arena, "%s/%s", lab->directory, ANCHOR_FILE);
    file = fopen(lab->anchor_file, "we");
    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", lab->anchor_file, strerror(errno));
    is_written = fputs(zone_anchor(lab->zone, &lab->arena), file) >= 0;
    is_written = fclose(file) == 0 && is_written;
    return is_written || error_set(err, ERROR_SYSTEM, "writing %s failed", lab->anchor_file);
}

static bool start_dns(struct lab *lab, const struct lab_settings *settings, struct error *err)
{
    if (!settings->with_dns)
        return true;
    if (!net_address_parse(span_of("127.0.0.1"), &lab->dns_address))
        return error_set(err, ERROR_SYSTEM, "127.0.0.1 is no address here");
    lab->dns_address.port = settings->dns_port;
    if (!zone_new("lab.test.", settings->now_s, &lab->zone, err))
        return false;
    for (size_t i = 0; i < lab->server_count; i++)
        if (!lab_zone_add(lab->zone, &lab->servers[i], err))
            return error_wrap(err, "the zone of %s", lab->servers[i].row->name);
    return zone_sign(lab->zone, err) && write_anchor(lab, err) &&
           dns_server_open(lab->loop, lab->zone, &lab->dns_address, &lab->dns, err);
}

bool lab_open(struct loop *loop, const struct lab_settings *settings, struct lab **lab,
              struct error *err)
{
    AUTO(lab_close) struct lab *made = memory_new(1, sizeof *made);

    *lab = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the lab");
    arena_init(&made->arena, ARENA_BYTES_MOST);
    made->loop = loop;
    made->directory = settings->directory;
    made->port = settings->port;
    made->sts_port = settings->sts_port;
    made->has_addresses = settings->with_dns || settings->port != 0;
    if (!choose_rows(made, settings, err) ||
        !certificates_new(settings->now_s, &made->certificates, err) ||
        !certificates_write(made->certificates, settings->directory, err) ||
        !certificates_client_ca(made->certificates, false, &made->arena, &made->client_ca, err) ||
        !certificates_client_ca(made->certificates, true, &made->arena, &made->stranger_ca, err) ||
        !start_servers(made, err) || !start_dns(made, settings, err))
        return false;
    if (made->arena.exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the lab's certificates");
    *lab = TAKE(made);
    return true;
}

void lab_close(struct lab **lab)
{
    struct lab *closing = *lab;

    *lab = NULL;
    if (closing == NULL)
        return;
    for (size_t i = 0; i < closing->server_count; i++) {
        fault_server_close(&closing->servers[i].server);
        policy_server_close(&closing->servers[i].policy_server);
    }
    dns_server_close(&closing->dns);
    zone_free(&closing->zone);
    certificates_free(&closing->certificates);
    memory_free(closing->servers);
    arena_clear(&closing->arena);
    memory_free(closing);
}

bool lab_exam(const struct lab *lab, struct buffer *out)
{
    if (!exam_heading(out))
        return false;
    for (size_t i = 0; i < lab->server_count; i++) {
        const struct lab_server *server = &lab->servers[i];
        bool can_be_seen =
            server->row->listening == FAULT_LISTENS || server->row->listening == FAULT_RESETS;

        if (can_be_seen && !exam_line(server->row, fault_server_tally(server->server), out))
            return false;
    }
    return true;
}

static const char *dns_text(const struct lab *lab, char text[NET_ADDRESS_TEXT])
{
    snprintf(text, NET_ADDRESS_TEXT, "127.0.0.1:%u", lab->dns_address.port);
    return text;
}

/* `json` is taken; false where it is NULL. */
static bool push(json_t *array, json_t *json)
{
    return json != NULL && json_array_append_new(array, json) == 0;
}

static bool push_option(json_t *array, const char *option, const char *value)
{
    return push(array, json_string(option)) && push(array, json_string(value));
}

static bool push_file(const struct lab *lab, json_t *array, const char *option, const char *name)
{
    return push(array, json_string(option)) &&
           push(array, json_sprintf("%s/%s", lab->directory, name));
}

/* None where no server listens anywhere. */
static bool push_port(json_t *array, const char *option, uint16_t port)
{
    return port == 0 || (push(array, json_string(option)) && push(array, json_sprintf("%u", port)));
}

static bool push_way(const struct lab *lab, const struct lab_server *server, json_t *array)
{
    char text[NET_ADDRESS_TEXT];

    if (lab->dns == NULL)
        return push(array, json_string("--connect")) &&
               push(array, json_sprintf("%s:%u", net_address_text(&server->address, text),
                                        server->address.port));
    return push_option(array, "--resolver", dns_text(lab, text)) &&
           push_option(array, "--trust-anchor", lab->anchor_file) &&
           push_port(array, "--port", lab->port) && push_port(array, "--sts-port", lab->sts_port) &&
           (lab->sts_port == 0 || push(array, json_string("--private-addresses")));
}

static bool push_client(const struct lab *lab, const struct fault_row *row, json_t *array)
{
    static const char *const roots[] = { [FAULT_ROOTS_LAB] = "ca.pem",
                                         [FAULT_ROOTS_EMPTY] = "empty-ca.pem",
                                         [FAULT_ROOTS_FUTURE] = "future-ca.pem" };
    const struct fault_client *client = &row->client;
    const char *file = NULL;

    if (client->credentials == FAULT_CREDENTIALS_GOOD)
        file = certificates_client_file(CERTIFICATE_CLIENT_GOOD);
    else if (client->credentials == FAULT_CREDENTIALS_EXPIRED)
        file = certificates_client_file(CERTIFICATE_CLIENT_EXPIRED);
    else if (client->credentials == FAULT_CREDENTIALS_WRONG_KEY)
        file = certificates_client_file(CERTIFICATE_CLIENT_WRONG_KEY);
    if (!push_file(lab, array, "--ca-file", roots[client->roots]))
        return false;
    if (client->knows_intermediates &&
        !push_file(lab, array, "--intermediates", "intermediates.pem"))
        return false;
    if (file != NULL && (!push_file(lab, array, "--client-cert", file) ||
                         !push_file(lab, array, "--client-key", file)))
        return false;
    if (client->level != NULL && !push_option(array, "--level", client->level))
        return false;
    if (client->requires_tls && !push(array, json_string("--require-tls")))
        return false;
    if (client->fingerprint != NULL && !push_option(array, "--fingerprint", client->fingerprint))
        return false;
    return client->timeout_s == 0 || (push(array, json_string("--timeout")) &&
                                      push(array, json_sprintf("%d", client->timeout_s)));
}

static bool push_tlsa(const struct lab_server *server, json_t *array)
{
    for (size_t i = 0; i < server->tlsa_count; i++)
        if (!push_option(array, "--tlsa", server->tlsa[i]))
            return false;
    return true;
}

static json_t *make_arguments(const struct lab *lab, const struct lab_server *server)
{
    json_t *array = json_array();

    if (array != NULL && push_way(lab, server, array) && push_client(lab, server->row, array) &&
        (lab->dns != NULL || push_tlsa(server, array)) &&
        push(array, json_string(lab->dns == NULL ? server->host : server->domain)))
        return array;
    json_decref(array);
    return NULL;
}

static json_t *describe_server(const struct lab *lab, const struct lab_server *server)
{
    struct fault_expectation expect = fault_expectation_of(server->row);
    bool is_somewhere = server->row->listening != FAULT_NOWHERE;
    char text[NET_ADDRESS_TEXT];

    return json_pack("{s:s, s:s, s:s?, s:o, s:s, s:s, s:o, s:{s:s?, s:s?, s:s?}}", "fault",
                     server->row->name, "summary", server->row->summary, "address",
                     is_somewhere ? net_address_text(&server->address, text) : NULL, "port",
                     is_somewhere ? json_integer(server->address.port) : json_null(), "host",
                     server->host, "domain", server->domain, "arguments",
                     make_arguments(lab, server), "expect", "code", expect.code, "fault",
                     expect.fault, "tls_report", expect.tls_report);
}

json_t *lab_manifest(const struct lab *lab)
{
    char text[NET_ADDRESS_TEXT];
    json_t *servers = json_array();

    for (size_t i = 0; servers != NULL && i < lab->server_count; i++)
        if (!push(servers, describe_server(lab, &lab->servers[i]))) {
            json_decref(servers);
            servers = NULL;
        }
    if (servers == NULL)
        return NULL;
    return json_pack(
        "{s:s, s:o, s:s?, s:s?, s:o, s:o}", "directory", lab->directory, "ca_file",
        json_sprintf("%s/ca.pem", lab->directory), "dns",
        lab->dns == NULL ? NULL : dns_text(lab, text), "trust_anchor", lab->anchor_file, "sts_port",
        lab->sts_port == 0 ? json_null() : json_integer(lab->sts_port), "servers", servers);
}

void lab_remove_files(const char *directory)
{
    char path[4096];

    certificates_remove(directory);
    if (snprintf(path, sizeof path, "%s/%s", directory, ANCHOR_FILE) < (int)sizeof path)
        unlink(path);
}
