/* tests/unit/gateway/leaf_files.c - certificates and keys made on the spot, in files that go with the test. */
#include "leaf_files.h"
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/pem.h>

void leaf_files_init(struct leaf_files *files)
{
    static const char *const names[2 * LEAF_PAIRS] = { "a.pem", "a.key", "b.pem", "b.key" };

    *files = (struct leaf_files){ .folder = "/tmp/postern-certificates-XXXXXX" };
    assert_non_null(mkdtemp(files->folder));
    for (int i = 0; i < 2 * LEAF_PAIRS; i++)
        snprintf(files->paths[i], sizeof files->paths[i], "%s/%s", files->folder, names[i]);
    for (int i = 0; i < LEAF_PAIRS; i++) {
        files->certificates[i] = files->paths[2 * i];
        files->keys[i] = files->paths[2 * i + 1];
    }
    files->root = make_root("Root");
    files->anchors = make_anchors(&files->root);
}

void leaf_files_clear(struct leaf_files *files)
{
    for (int i = 0; i < 2 * LEAF_PAIRS; i++)
        unlink(files->paths[i]);
    rmdir(files->folder);
    make_free(&files->root);
    anchors_free(&files->anchors);
}

void leaf_files_write(const struct leaf_files *files, int pair, const struct made *leaf,
                      const struct made *key_of)
{
    FILE *file = fopen(files->certificates[pair], "wb");

    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, leaf->x509), 1);
    fclose(file);
    file = fopen(files->keys[pair], "wb");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key_of->key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

void leaf_files_make(const struct leaf_files *files, int pair, const char *host,
                     const struct made *issuer)
{
    struct made leaf = make_leaf(host, issuer);

    leaf_files_write(files, pair, &leaf, &leaf);
    make_free(&leaf);
}
