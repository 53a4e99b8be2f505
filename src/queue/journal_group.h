/* queue/journal_group.h - what the journal holds and has not written: the records of its next group, in their order.
 *
 * Small ones are copied. The body of a message may be lent: its bytes stay where the caller has them
 * until the group was written, or that part of it was cut off. Offsets count from the group's header,
 * with all that is lent, as they will count in the file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/span.h"

/* In front of the records; of a whole group its sums are right. */
struct journal_group_header {
    uint32_t magic, len; /* of what follows this */
    uint64_t number;
    uint64_t sums[2];
};

struct journal_record_header {
    uint32_t kind, len;
};

struct journal_lent {
    size_t at; /* in `copied`: it stands in front of that */
    struct span bytes;
};

struct journal_group {
    struct buffer copied; /* room for the header first */
    struct journal_lent *lent;
    size_t lent_count, lent_room, lent_bytes;
};

/* Of at most that many bytes. */
void journal_group_init(struct journal_group *group, size_t limit);
/* Nothing is held, and no memory. */
void journal_group_clear(struct journal_group *group);
/* Nothing is held. More memory than `kept_bytes` is given back. */
void journal_group_empty(struct journal_group *group, size_t kept_bytes);

/* 0: no record is held. */
size_t journal_group_len(const struct journal_group *group);
/* Holds a record of two parts, the second as it is, or lent. *offset: where the second is. False: no memory,
 * and it is as before. */
MUST_CHECK bool journal_group_add(struct journal_group *group, uint32_t kind, struct span head,
                                  struct span bytes, bool is_lent, size_t *offset);
/* Drops all behind a length that it had. */
void journal_group_cut(struct journal_group *group, size_t len);
/* One part of a record. */
void journal_group_read(const struct journal_group *group, size_t offset, char *bytes, size_t len);
/* Its records, where nothing is lent. */
struct span journal_group_records(const struct journal_group *group);

/* The header that fits. */
struct journal_group_header journal_group_seal(const struct journal_group *group, uint64_t secret,
                                               int64_t number);
/* The length of a record with the padding behind it. */
size_t journal_group_padded(size_t len);
/* Does it look like one? */
bool journal_group_is_header(const struct journal_group_header *header);
/* Does it fit to these records? */
bool journal_group_fits(const struct journal_group_header *header, struct span records,
                        uint64_t secret);
/* Into the file, from `offset` on. False: errno tells why. */
MUST_CHECK bool journal_group_write(struct journal_group *group,
                                    const struct journal_group_header *header, int file,
                                    int64_t offset);
