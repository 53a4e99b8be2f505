#include "net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "net/tls_internal.h"

enum { NAME_BYTES = 16, KEY_BYTES = 32, IV_BYTES = 16 };

struct key {
    unsigned char name[NAME_BYTES], seal[KEY_BYTES], proof[KEY_BYTES];
};

struct tls_tickets {
    atomic_uint references;
    EVP_CIPHER *cipher; /* fetched once: a fetch costs more than the ticket */

    pthread_mutex_t lock; /* of what follows */
    struct key keys[2];   /* the one that seals, and the one before; that is empty at first */
    bool has_rotated;
};

static bool make_key(struct key *key, struct error *err)
{
    if (RAND_bytes(key->name, sizeof key->name) == 1 &&
        RAND_priv_bytes(key->seal, sizeof key->seal) == 1 &&
        RAND_priv_bytes(key->proof, sizeof key->proof) == 1)
        return true;
    return error_set(err, ERROR_CRYPTO, "making a key for session tickets: %s",
                     tls_library_reason());
}

bool tls_tickets_new(struct tls_tickets **tickets, struct error *err)
{
    struct tls_tickets *made = memory_new(1, sizeof *made);

    *tickets = NULL;
    tls_library_init();
    ERR_clear_error();
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for session tickets");
    made->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (made->cipher == NULL || !make_key(&made->keys[0], err)) {
        if (made->cipher == NULL)
            error_set(err, ERROR_CRYPTO, "AES-256-CBC: %s", tls_library_reason());
        EVP_CIPHER_free(made->cipher);
        memory_free(made);
        return false;
    }
    pthread_mutex_init(&made->lock, NULL); /* a default mutex: glibc and musl cannot fail here */
    atomic_init(&made->references, 1);
    *tickets = made;
    return true;
}

struct tls_tickets *tls_tickets_hold(struct tls_tickets *tickets)
{
    if (tickets != NULL)
        atomic_fetch_add_explicit(&tickets->references, 1, memory_order_relaxed);
    return tickets;
}

void tls_tickets_free(struct tls_tickets **tickets)
{
    struct tls_tickets *freed = *tickets;

    *tickets = NULL;
    if (freed == NULL || atomic_fetch_sub_explicit(&freed->references, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_destroy(&freed->lock);
    EVP_CIPHER_free(freed->cipher);
    memory_wipe(freed->keys, sizeof freed->keys);
    memory_free(freed);
}

bool tls_tickets_rotate(struct tls_tickets *tickets, struct error *err)
{
    struct key fresh;
    bool is_made;

    ERR_clear_error();
    is_made = make_key(&fresh, err);
    if (is_made) {
        pthread_mutex_lock(&tickets->lock);
        tickets->keys[1] = tickets->keys[0];
        tickets->keys[0] = fresh;
        tickets->has_rotated = true;
        pthread_mutex_unlock(&tickets->lock);
    }
    memory_wipe(&fresh, sizeof fresh);
    return is_made;
}

static void copy_sealing(struct tls_tickets *tickets, struct key *key)
{
    pthread_mutex_lock(&tickets->lock);
    *key = tickets->keys[0];
    pthread_mutex_unlock(&tickets->lock);
}

/* False: none of ours, or one that is gone. */
static bool copy_named(struct tls_tickets *tickets, const unsigned char *name, struct key *key,
                       bool *is_newest)
{
    bool is_known = true;

    pthread_mutex_lock(&tickets->lock);
    *is_newest = memcmp(tickets->keys[0].name, name, NAME_BYTES) == 0;
    if (*is_newest)
        *key = tickets->keys[0];
    else if (tickets->has_rotated && memcmp(tickets->keys[1].name, name, NAME_BYTES) == 0)
        *key = tickets->keys[1];
    else
        is_known = false;
    pthread_mutex_unlock(&tickets->lock);
    return is_known;
}

static bool start_mac(EVP_MAC_CTX *mac, const struct key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_init(mac, key->proof, sizeof key->proof, params) == 1;
}

static int seal_ticket(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct key key;
    bool is_done;

    copy_sealing(tickets, &key);
    memcpy(name, key.name, NAME_BYTES);
    is_done = RAND_bytes(iv, IV_BYTES) == 1 &&
              EVP_EncryptInit_ex2(cipher, tickets->cipher, key.seal, iv, NULL) == 1 &&
              start_mac(mac, &key);
    memory_wipe(&key, sizeof key);
    return is_done ? 1 : -1;
}

static int open_ticket(struct tls_tickets *tickets, const unsigned char *name,
                       const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                       bool is_tls13)
{
    struct key key;
    bool is_newest, is_done;

    if (!copy_named(tickets, name, &key, &is_newest))
        return 0;
    is_done = start_mac(mac, &key) &&
              EVP_DecryptInit_ex2(cipher, tickets->cipher, key.seal, iv, NULL) == 1;
    memory_wipe(&key, sizeof key);
    if (!is_done)
        return -1;
    /* 2: give a new one. A client of TLS 1.3 uses each once: RFC 8446 appendix C.4. */
    return is_newest && !is_tls13 ? 1 : 2;
}

int tls_tickets_use(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int is_sealing)
{
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    return is_sealing
               ? seal_ticket(tickets, name, iv, cipher, mac)
               : open_ticket(tickets, name, iv, cipher, mac, SSL_version(ssl) >= TLS1_3_VERSION);
}
