/* tests/integration/stacks/mbedtls_server.c - one TLS session over mbed TLS 2.28, as small devices have it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/dhm.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "stack.h"

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context chance;
static mbedtls_ssl_context ssl;
static mbedtls_ssl_config config;
static mbedtls_net_context connection = { 0 };
static mbedtls_x509_crt chain, authorities;
static mbedtls_pk_context key;
static int suites[16];
static mbedtls_ecp_group_id groups[16];

static void need(int status, const char *what)
{
    if (status != 0)
        stack_broken(what);
}

static int read_tls(void *of, void *bytes, size_t size)
{
    int got;

    do
        got = mbedtls_ssl_read(of, bytes, size);
    while (got == MBEDTLS_ERR_SSL_WANT_READ || got == MBEDTLS_ERR_SSL_WANT_WRITE);
    return got;
}

static int write_tls(void *of, const void *bytes, size_t len)
{
    return mbedtls_ssl_write(of, bytes, len);
}

static void renegotiate(void *of)
{
    (void)mbedtls_ssl_renegotiate(of);
}

static void notify(void *of)
{
    (void)mbedtls_ssl_close_notify(of);
}

static int look_at_name(void *of, mbedtls_ssl_context *session, const unsigned char *name,
                        size_t len)
{
    const char *wanted = of;

    (void)session;
    return strlen(wanted) == len && memcmp(wanted, name, len) == 0 ? 0 : -1;
}

/* "TLS-RSA-...,TLS-..." */
static void choose_suites(void)
{
    char words[512];
    char *rest = words, *word;
    size_t count = 0;

    if (stack_word("ciphers") == NULL)
        return;
    snprintf(words, sizeof words, "%s", stack_word("ciphers"));
    while ((word = strsep(&rest, ",")) != NULL && count < 15) {
        suites[count] = mbedtls_ssl_get_ciphersuite_id(word);
        if (suites[count++] == 0)
            stack_broken(word);
    }
    mbedtls_ssl_conf_ciphersuites(&config, suites);
}

static void choose_group(void)
{
    const mbedtls_ecp_curve_info *curve;

    if (stack_word("group") == NULL)
        return;
    curve = mbedtls_ecp_curve_info_from_name(stack_word("group"));
    if (curve == NULL)
        stack_broken("group");
    groups[0] = curve->grp_id;
    groups[1] = MBEDTLS_ECP_DP_NONE;
    mbedtls_ssl_conf_curves(&config, groups);
}

static void load_dh(void)
{
    mbedtls_dhm_context dh;
    size_t len;
    const unsigned char *pem;

    if (stack_word("dh") == NULL)
        return;
    pem = stack_file("dh", &len);
    mbedtls_dhm_init(&dh);
    need(mbedtls_dhm_parse_dhm(&dh, pem, len + 1), "dh parameters");
    need(mbedtls_ssl_conf_dh_param_ctx(&config, &dh), "dh");
}

static void load(void)
{
    mbedtls_x509_crt_init(&chain);
    mbedtls_x509_crt_init(&authorities);
    mbedtls_pk_init(&key);
    if (stack_word("cert") != NULL) {
        need(mbedtls_x509_crt_parse_file(&chain, stack_word("cert")), "certificate");
        need(mbedtls_pk_parse_keyfile(&key, stack_word("key"), NULL), "key");
        need(mbedtls_ssl_conf_own_cert(&config, &chain, &key), "certificate and key");
    }
    if (stack_word("ca") != NULL) {
        need(mbedtls_x509_crt_parse_file(&authorities, stack_word("ca")), "ca");
        mbedtls_ssl_conf_ca_chain(&config, &authorities, NULL);
    }
}

static void start(void)
{
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&chance);
    need(mbedtls_ctr_drbg_seed(&chance, mbedtls_entropy_func, &entropy, NULL, 0), "chance");
    mbedtls_ssl_config_init(&config);
    need(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                     MBEDTLS_SSL_PRESET_DEFAULT),
         "defaults");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &chance);
    mbedtls_ssl_conf_min_version(&config, 3, stack_version("low", 0x0303) & 0xff);
    mbedtls_ssl_conf_max_version(&config, 3, stack_version("high", 0x0303) & 0xff);
    if (stack_word("client") != NULL)
        mbedtls_ssl_conf_authmode(&config, stack_is("client", "require")
                                               ? MBEDTLS_SSL_VERIFY_REQUIRED
                                               : MBEDTLS_SSL_VERIFY_OPTIONAL);
    if (stack_word("sni") != NULL)
        mbedtls_ssl_conf_sni(&config, look_at_name, (void *)(size_t)stack_word("sni"));
    if (stack_word("renegotiate") != NULL)
        mbedtls_ssl_conf_renegotiation(&config, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
    choose_suites();
    choose_group();
    load_dh();
    load();
    mbedtls_ssl_init(&ssl);
    need(mbedtls_ssl_setup(&ssl, &config), "session");
    mbedtls_ssl_set_bio(&ssl, &connection, mbedtls_net_send, mbedtls_net_recv, NULL);
}

int main(int argc, char **argv)
{
    struct stack_tls tls = { .of = &ssl,
                             .read = read_tls,
                             .write = write_tls,
                             .renegotiate = renegotiate,
                             .notify = notify };
    char why[128];
    int status;

    stack_init(argc, argv);
    start();
    do
        status = mbedtls_ssl_handshake(&ssl);
    while (status == MBEDTLS_ERR_SSL_WANT_READ || status == MBEDTLS_ERR_SSL_WANT_WRITE);
    if (status != 0) { /* the library has said what it says by itself */
        mbedtls_strerror(status, why, sizeof why);
        stack_give_up(why);
    }
    stack_converse(&tls);
}
