#include "link/credential_files.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "link/trust_files.h"

enum { FILE_MOST = 16 << 20 };

bool credential_files_read(const char *certificate, const char *key,
                           struct tls_credentials **credentials, struct error *err)
{
    struct buffer chain_pem, key_pem;
    bool is_read;

    *credentials = NULL;
    buffer_init(&chain_pem, FILE_MOST);
    buffer_init(&key_pem, FILE_MOST);
    is_read =
        trust_files_read(certificate, &chain_pem, err) && trust_files_read(key, &key_pem, err) &&
        tls_credentials_load(buffer_span(&chain_pem), buffer_span(&key_pem), credentials, err);
    buffer_clear(&chain_pem);
    if (key_pem.data != NULL)
        memory_wipe(key_pem.data, key_pem.len);
    buffer_clear(&key_pem);
    return is_read;
}

bool credential_files_load(const char *certificate, const char *key,
                           struct tls_credentials **credentials, struct error *err)
{
    AUTO(tls_credentials_free) struct tls_credentials *loaded = NULL;

    *credentials = NULL;
    if (!credential_files_read(certificate, key, &loaded, err))
        return false;
    if (tls_credentials_state(loaded, 0) == TLS_CREDENTIALS_KEY_MISMATCH)
        return error_set(err, ERROR_CRYPTO, "the key in %s is not the key of this certificate",
                         key);
    *credentials = TAKE(loaded);
    return true;
}
