/* bench/opensmtpd_key.c - preloaded into OpenSMTPD 6.8, so that it finds its private key again.
 *
 * It keeps the key in a process of its own and marks the public half with the key's name. OpenSSL 3
 * copies that half for its providers without the mark (OpenSMTPD issue 1171), and every handshake
 * fails. Here a copy has the mark that was set last: the benchmark has one key. What it costs to
 * ask the other process is as it was.
 */
#include <dlfcn.h>
#include <openssl/rsa.h>

static void *mark;

int RSA_set_ex_data(RSA *key, int index, void *data)
{
    int (*original)(RSA *, int, void *);

    *(void **)&original = dlsym(RTLD_NEXT, "RSA_set_ex_data");
    if (data != NULL)
        mark = data;
    return original(key, index, data);
}

void *RSA_get_ex_data(const RSA *key, int index)
{
    void *(*original)(const RSA *, int);
    void *data;

    *(void **)&original = dlsym(RTLD_NEXT, "RSA_get_ex_data");
    data = original(key, index);
    return data != NULL ? data : mark;
}
