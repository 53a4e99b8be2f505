/* tests/integration/stacks/gnutls_server.c - one TLS session over GnuTLS, as Exim on Debian has it. */
#include <string.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "stack.h"

static void need(int status, const char *what)
{
    if (status < 0)
        stack_broken(what);
}

static int read_tls(void *of, void *bytes, size_t size)
{
    ssize_t got;

    do
        got = gnutls_record_recv(of, bytes, size);
    while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
    if (got == GNUTLS_E_REHANDSHAKE) /* they may refuse, and go on */
        return gnutls_handshake(of) == 0 ? read_tls(of, bytes, size) : -1;
    if (got == GNUTLS_E_WARNING_ALERT_RECEIVED)
        return read_tls(of, bytes, size);
    return (int)got;
}

static int write_tls(void *of, const void *bytes, size_t len)
{
    return (int)gnutls_record_send(of, bytes, len);
}

static void renegotiate(void *of)
{
    if (gnutls_protocol_get_version(of) >= GNUTLS_TLS1_3)
        (void)gnutls_session_key_update(of, GNUTLS_KU_PEER);
    else
        (void)gnutls_rehandshake(of);
}

static void notify(void *of)
{
    (void)gnutls_bye(of, GNUTLS_SHUT_WR);
}

/* Looks at the ClientHello: the name that it asks for, the protocol that it speaks. */
static int look_at_hello(gnutls_session_t session)
{
    char name[256];
    size_t len = sizeof name;
    unsigned type;
    gnutls_datum_t protocol;
    const char *wanted = stack_word("sni");

    if (stack_is("die", "hello"))
        stack_give_up("asked to");
    if (stack_word("alpn") != NULL && gnutls_alpn_get_selected_protocol(session, &protocol) < 0)
        return GNUTLS_E_NO_APPLICATION_PROTOCOL;
    if (wanted == NULL)
        return 0;
    if (gnutls_server_name_get(session, name, &len, &type, 0) < 0 || strcmp(name, wanted) != 0)
        return GNUTLS_E_UNRECOGNIZED_NAME;
    return 0;
}

/* As a server does that says how it dislikes a certificate. */
static int look_at_certificate(gnutls_session_t session)
{
    unsigned status = 0;

    if (gnutls_certificate_get_peers(session, NULL) == NULL)
        return 0; /* whether that is enough is the library's question */
    if (gnutls_certificate_verify_peers2(session, &status) < 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return status == 0 ? 0 : GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
}

static void load_dh(gnutls_certificate_credentials_t credentials)
{
    gnutls_dh_params_t dh;
    gnutls_datum_t pem;
    size_t len;

    if (stack_word("dh") == NULL)
        return;
    pem.data = stack_file("dh", &len);
    pem.size = (unsigned)len;
    need(gnutls_dh_params_init(&dh), "dh");
    need(gnutls_dh_params_import_pkcs3(dh, &pem, GNUTLS_X509_FMT_PEM), "dh parameters");
    gnutls_certificate_set_dh_params(credentials, dh);
}

static gnutls_certificate_credentials_t load(void)
{
    gnutls_certificate_credentials_t made;

    need(gnutls_certificate_allocate_credentials(&made), "credentials");
    /* A key of another certificate, a response that says revoked: the point of some servers. */
    gnutls_certificate_set_flags(made, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH |
                                           GNUTLS_CERTIFICATE_SKIP_OCSP_RESPONSE_CHECK);
    if (stack_word("cert") != NULL)
        need(gnutls_certificate_set_x509_key_file(made, stack_word("cert"), stack_word("key"),
                                                  GNUTLS_X509_FMT_PEM),
             "certificate");
    if (stack_word("staple") != NULL)
        need(gnutls_certificate_set_ocsp_status_request_file(made, stack_word("staple"), 0),
             "staple");
    if (stack_word("ca") != NULL)
        need(gnutls_certificate_set_x509_trust_file(made, stack_word("ca"), GNUTLS_X509_FMT_PEM),
             "ca");
    load_dh(made);
    gnutls_certificate_set_verify_function(made, look_at_certificate);
    return made;
}

static gnutls_session_t start(void)
{
    gnutls_session_t session;
    gnutls_anon_server_credentials_t anonymous;
    const char *priority = stack_word("ciphers");

    need(gnutls_init(&session, GNUTLS_SERVER), "session");
    need(gnutls_priority_set_direct(session, priority == NULL ? "NORMAL" : priority, NULL),
         "priority");
    need(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, load()), "credentials");
    if (stack_word("anonymous") != NULL) {
        need(gnutls_anon_allocate_server_credentials(&anonymous), "anonymous");
        need(gnutls_credentials_set(session, GNUTLS_CRD_ANON, anonymous), "anonymous");
    }
    if (stack_word("client") != NULL)
        gnutls_certificate_server_set_request(
            session, stack_is("client", "require") ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    if (stack_word("records") != NULL)
        (void)gnutls_record_set_max_size(session, 512);
    gnutls_handshake_set_post_client_hello_function(session, look_at_hello);
    gnutls_transport_set_int(session, 0);
    return session;
}

int main(int argc, char **argv)
{
    struct stack_tls tls = {
        .read = read_tls, .write = write_tls, .renegotiate = renegotiate, .notify = notify
    };
    int status;

    stack_init(argc, argv);
    need(gnutls_global_init(), "library");
    tls.of = start();
    do
        status = gnutls_handshake(tls.of);
    while (status < 0 && gnutls_error_is_fatal(status) == 0);
    if (status < 0) {
        if (stack_word("quiet") == NULL)
            (void)gnutls_alert_send_appropriate(tls.of, status);
        stack_give_up(gnutls_strerror(status));
    }
    stack_converse(&tls);
}
