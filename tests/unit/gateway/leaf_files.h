/* tests/unit/gateway/leaf_files.h - certificates and keys made on the spot, in files that go with the test. */
#pragma once

#include "../trust/make_chain.h"

enum { LEAF_PAIRS = 2 };

/* A folder with room for two pairs of files, and a root that issues. */
struct leaf_files {
    char folder[64], paths[2 * LEAF_PAIRS][96];
    const char *certificates[LEAF_PAIRS], *keys[LEAF_PAIRS];
    struct made root;
    struct anchors *anchors; /* the root */
};

void leaf_files_init(struct leaf_files *files);
void leaf_files_clear(struct leaf_files *files);

void leaf_files_write(const struct leaf_files *files, int pair, const struct made *leaf,
                      const struct made *key_of);
/* A leaf for `host` by `issuer`. */
void leaf_files_make(const struct leaf_files *files, int pair, const char *host,
                     const struct made *issuer);
