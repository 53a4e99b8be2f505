/* settings/options.h - every section and key of postern.conf, in one table.
 *
 * The loader reads by it; postern.conf(5) and the sample file are compared with it. A key that is no
 * longer there stays as a row with `gone`, so that whoever has it in a file is told what to do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum settings_section {
    SETTINGS_TOP, /* outside of any section */
    SETTINGS_LISTENER,
    SETTINGS_DOMAIN,
    SETTINGS_TRUST,
    SETTINGS_CLIENT,
    SETTINGS_POLICY,
    SETTINGS_QUEUE,
    SETTINGS_LIMITS,
    SETTINGS_DNS,
    SETTINGS_REPORTS,
    SETTINGS_WEB,
    SETTINGS_SECTION_COUNT,
};

struct settings_section_row {
    const char *word;
    const char *title; /* what the title is, "ADDR:PORT"; NULL: it has none and is there once */
    const char *help;
};

extern const struct settings_section_row settings_sections[SETTINGS_SECTION_COUNT];

enum settings_type {
    SETTINGS_HOST,        /* a domain name */
    SETTINGS_DIRECTORY,   /* an absolute path; need not be there */
    SETTINGS_SOCKET,      /* an absolute path of a local socket; need not be there */
    SETTINGS_FILE,        /* an absolute path of a readable file */
    SETTINGS_ROOTS,       /* likewise, or a directory */
    SETTINGS_WORD,        /* one of `words`; the n-th has value n */
    SETTINGS_LEVEL,       /* of trust/policy.h */
    SETTINGS_VERSION,     /* of TLS, "1.2" */
    SETTINGS_DURATION,    /* 30s, 5m, 1h, 5d; 0 */
    SETTINGS_SIZE,        /* bytes: 64K, 50M */
    SETTINGS_NUMBER,      /* a whole number */
    SETTINGS_LISTEN,      /* an address with its port */
    SETTINGS_RESOLVER,    /* an address, its port may be left out */
    SETTINGS_NETWORK,     /* CIDR */
    SETTINGS_PATTERN,     /* a domain, or with a leading dot all below it */
    SETTINGS_HOP,         /* a host or [address], its port may be left out */
    SETTINGS_DELIVERY,    /* "maildir:...", "lmtp:...", "smtp:..." */
    SETTINGS_FINGERPRINT, /* SHA-256 in hex */
    SETTINGS_MX_PATTERN,  /* of MTA-STS: a host, or "*." and a domain */
    SETTINGS_REPORT_URI,  /* mailto: or https: */
    SETTINGS_MAILBOX,     /* "postmaster@example.org", in ASCII */
    SETTINGS_TEXT,        /* one line for people */
};

struct settings_option {
    enum settings_section section;
    const char *key;
    enum settings_type type;
    size_t offset;        /* in the struct of its section; of the pointer for a list */
    size_t count_offset;  /* of a list */
    uint64_t list_most;   /* values; 0: it is no list */
    const char *fallback; /* the default as it would be written, a list with blanks; NULL: none */
    uint64_t least, most; /* of a duration (seconds), size (bytes) or number */
    const char *const *words;
    const char *help;  /* one line */
    const char *since; /* the version that brought it */
    const char *gone;  /* what to do instead; the row is for a key that is not there */
};

extern const struct settings_option settings_options[];
extern const size_t settings_option_count;

/* NULL where there is none. */
const struct settings_option *settings_option_find(enum settings_section section, struct span key);
/* False where the word is no section. */
bool settings_section_find(struct span word, enum settings_section *section);

/* What a word that is unknown in this section may be meant for; NULL where nothing is near. `where`
 * is set to the section in which the very word is known, else it stays as it is. */
const char *settings_option_guess(enum settings_section section, struct span word,
                                  enum settings_section *where);

/* The one of `words` (up to a NULL) nearest to the word, or NULL. */
const char *settings_nearest(struct span word, const char *const *words);
