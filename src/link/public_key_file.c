#include "link/public_key_file.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "link/trust_files.h"

enum { FILE_MOST = 1 << 20 };

/* Nobody is asked for the words of an encrypted key. */
static int refuse_password(char *words, int size, int is_for_writing, void *owner)
{
    (void)words;
    (void)size;
    (void)is_for_writing;
    (void)owner;
    return -1;
}

static struct span key_in_der(EVP_PKEY *key, struct arena *arena)
{
    unsigned char *der = NULL;
    int len = key == NULL ? 0 : i2d_PUBKEY(key, &der);
    struct span copy = { NULL, 0 };

    if (len > 0)
        copy = arena_copy_bytes(arena, (struct span){ (const char *)der, (size_t)len });
    OPENSSL_free(der);
    return copy;
}

struct span public_key_of_certificate(struct span der, struct arena *arena)
{
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
    struct span key = key_in_der(certificate == NULL ? NULL : X509_get0_pubkey(certificate), arena);

    X509_free(certificate);
    ERR_clear_error();
    return key;
}

/* The first PEM block that `read` takes; others before it are skipped. */
static struct span read_block(struct span pem, struct arena *arena,
                              EVP_PKEY *(*read)(BIO *, EVP_PKEY **, pem_password_cb *, void *))
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : read(bio, NULL, refuse_password, NULL);
    struct span der = key_in_der(key, arena);

    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return der;
}

static struct span read_certificate(struct span pem, struct arena *arena)
{
    struct span der;

    if (!trust_files_next(&pem, "CERTIFICATE", arena, &der, NULL) || der.len == 0)
        return (struct span){ NULL, 0 };
    return public_key_of_certificate(der, arena);
}

bool public_key_file_read(const char *path, struct arena *arena, struct span *key,
                          struct error *err)
{
    struct buffer pem;
    bool is_read;

    *key = (struct span){ NULL, 0 };
    buffer_init(&pem, FILE_MOST);
    is_read = trust_files_read(path, &pem, err);
    if (is_read && pem.len > 0) {
        *key = read_block(buffer_span(&pem), arena, PEM_read_bio_PrivateKey);
        if (key->len == 0)
            *key = read_block(buffer_span(&pem), arena, PEM_read_bio_PUBKEY);
        if (key->len == 0)
            *key = read_certificate(buffer_span(&pem), arena);
    }
    if (pem.data != NULL)
        memory_wipe(pem.data, pem.len);
    buffer_clear(&pem);
    if (!is_read)
        return false;
    return key->len > 0 ||
           error_set(err, ERROR_FORMAT,
                     "%s: there is no key in it that can be read: neither a private key without a "
                     "password, nor a public key, nor a certificate, in PEM",
                     path);
}
