/* tests/integration/stacks/wolfssl_server.c - one TLS session over wolfSSL, as embedded gateways have it. */
#include <string.h>
#include <unistd.h>

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include "stack.h"

static void need(int status, const char *what)
{
    if (status != WOLFSSL_SUCCESS)
        stack_broken(what);
}

static int read_tls(void *of, void *bytes, size_t size)
{
    return wolfSSL_read(of, bytes, (int)size);
}

static int write_tls(void *of, const void *bytes, size_t len)
{
    return wolfSSL_write(of, bytes, (int)len);
}

static void notify(void *of)
{
    (void)wolfSSL_shutdown(of);
}

static WOLFSSL_METHOD *method(void)
{
    int low = stack_version("low", 0x0303), high = stack_version("high", 0x0304);

    if (low == 0x0304)
        return wolfTLSv1_3_server_method();
    if (high == 0x0303 && low == 0x0303)
        return wolfTLSv1_2_server_method();
    if (high == 0x0302)
        return wolfTLSv1_1_server_method();
    return wolfSSLv23_server_method();
}

static WOLFSSL_CTX *load(void)
{
    WOLFSSL_CTX *made = wolfSSL_CTX_new(method());

    if (made == NULL)
        stack_broken("context");
    if (stack_word("cert") != NULL) {
        need(wolfSSL_CTX_use_certificate_chain_file(made, stack_word("cert")), "certificate");
        need(wolfSSL_CTX_use_PrivateKey_file(made, stack_word("key"), WOLFSSL_FILETYPE_PEM), "key");
    }
    if (stack_word("ciphers") != NULL)
        need(wolfSSL_CTX_set_cipher_list(made, stack_word("ciphers")), "ciphers");
    if (stack_word("ca") != NULL) {
        need(wolfSSL_CTX_load_verify_locations(made, stack_word("ca"), NULL), "ca");
        wolfSSL_CTX_set_verify(
            made,
            WOLFSSL_VERIFY_PEER |
                (stack_is("client", "require") ? WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            NULL);
    }
    if (stack_word("dh") != NULL) {
        need(wolfSSL_CTX_SetMinDhKey_Sz(made, 1024), "smallest dh");
        need(wolfSSL_CTX_SetTmpDH_file(made, stack_word("dh"), WOLFSSL_FILETYPE_PEM), "dh");
    }
    return made;
}

int main(int argc, char **argv)
{
    struct stack_tls tls = { .read = read_tls, .write = write_tls, .notify = notify };
    WOLFSSL *ssl;

    stack_init(argc, argv);
    need(wolfSSL_Init(), "library");
    ssl = wolfSSL_new(load());
    if (ssl == NULL)
        stack_broken("session");
    if (stack_word("sni") != NULL)
        need(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, stack_word("sni"),
                            (unsigned short)strlen(stack_word("sni"))),
             "sni");
    need(wolfSSL_set_fd(ssl, 0), "descriptor");
    if (wolfSSL_accept(ssl) != WOLFSSL_SUCCESS)
        stack_give_up(wolfSSL_ERR_reason_error_string((unsigned long)wolfSSL_get_error(ssl, 0)));
    tls.of = ssl;
    stack_converse(&tls);
}
