#include "lab/fault_server.h"

#include <string.h>

#include "base/memory.h"
#include "lab/fault_session.h"
#include "net/listener.h"

struct fault_server {
    struct fault_stage stage;
    struct listener *listener;
    struct tls_credentials *credentials;
    char host[256];
};

static void accept_client(void *owner, int socket, const struct net_address *peer)
{
    struct fault_server *server = owner;

    (void)peer;
    fault_session_start(&server->stage, socket);
}

static bool shakes_hands(const struct fault_row *row)
{
    return row->hello.when != FAULT_HELLO_ALWAYS && row->obsolete.version == 0;
}

static bool make_context(struct fault_server *server, const struct fault_server_settings *settings,
                         struct error *err)
{
    const struct fault_tls *tls = &settings->row->tls;
    struct tls_server_settings wanted = {
        .minimum_version = tls->minimum_version,
        .maximum_version = tls->maximum_version,
        .security_level = tls->is_lax ? 0 : 1,
        .ciphers = tls->ciphers,
        .groups = tls->groups,
        .signature_algorithms = tls->signature_algorithms,
        .dh_bits = tls->dh_bits,
        .no_tickets = tls->no_tickets,
        .legacy_renegotiation = tls->legacy_renegotiation,
        .client_certificate = tls->client_certificate,
        .client_ca_pem = settings->client_ca_pem,
        .only_sni = tls->only_other_name ? "another-name.lab.test" : NULL,
        .sni_required = tls->needs_sni,
        .staple = settings->staple,
    };

    if (!tls_credentials_load(settings->certificate->chain_pem, settings->certificate->key_pem,
                              &server->credentials, err))
        return false;
    wanted.credentials = server->credentials;
    return tls_server_context_new(&wanted, &server->stage.context, err);
}

static bool start_listening(struct fault_server *server, struct net_address *address,
                            struct error *err)
{
    struct loop *loop = server->stage.loop;

    switch (server->stage.row->listening) {
    case FAULT_DROPS: return listener_open_deaf(loop, address, &server->listener, err);
    case FAULT_REFUSES: /* takes the port to know one that is free, and gives it back */
        if (!listener_open(loop, address, accept_client, server, &server->listener, err))
            return false;
        listener_close(&server->listener);
        return true;
    case FAULT_UNREACHABLE:
    case FAULT_NOWHERE: return true;
    case FAULT_LISTENS:
    case FAULT_RESETS:
        return listener_open(loop, address, accept_client, server, &server->listener, err);
    }
    return true;
}

bool fault_server_open(struct loop *loop, const struct fault_server_settings *settings,
                       struct net_address *address, struct fault_server **server, struct error *err)
{
    AUTO(fault_server_close) struct fault_server *made = memory_new(1, sizeof *made);

    *server = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a lab server");
    if (strlen(settings->host) >= sizeof made->host)
        return error_set(err, ERROR_USAGE, "the host name %s is too long", settings->host);
    memcpy(made->host, settings->host, strlen(settings->host) + 1);
    made->stage.loop = loop;
    made->stage.row = settings->row;
    made->stage.host = made->host;
    if (shakes_hands(settings->row) && !make_context(made, settings, err))
        return error_wrap(err, "lab server %s", settings->row->name);
    if (!start_listening(made, address, err))
        return error_wrap(err, "lab server %s", settings->row->name);
    *server = TAKE(made);
    return true;
}

void fault_server_close(struct fault_server **server)
{
    struct fault_server *closing = *server;

    *server = NULL;
    if (closing == NULL)
        return;
    fault_sessions_close(&closing->stage);
    listener_close(&closing->listener);
    tls_server_context_free(&closing->stage.context);
    tls_credentials_free(&closing->credentials);
    memory_free(closing);
}

const struct fault_tally *fault_server_tally(const struct fault_server *server)
{
    return &server->stage.tally;
}
