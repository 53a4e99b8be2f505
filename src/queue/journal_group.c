#include "queue/journal_group.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "base/memory.h"

enum {
    WRITTEN_AT_ONCE = 64 * 1024, /* more, and Linux takes large pages, that it has to look for */
    PIECES_AT_ONCE = 64,
    ALIGNMENT = 8, /* of records */
};

static const uint32_t magic = 0x31676a50; /* "Pjg1" */
static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);

void journal_group_init(struct journal_group *group, size_t limit)
{
    *group = (struct journal_group){ 0 };
    buffer_init(&group->copied, limit);
}

void journal_group_clear(struct journal_group *group)
{
    buffer_clear(&group->copied);
    memory_free(group->lent);
    journal_group_init(group, group->copied.limit);
}

void journal_group_empty(struct journal_group *group, size_t kept_bytes)
{
    if (group->copied.size > kept_bytes)
        buffer_clear(&group->copied);
    group->copied.len = group->lent_count = group->lent_bytes = 0;
}

size_t journal_group_len(const struct journal_group *group)
{
    return group->copied.len + group->lent_bytes;
}

size_t journal_group_padded(size_t len)
{
    return (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* ---- records ---------------------------------------------------------------------------------- */

static bool add_header_room(struct journal_group *group)
{
    static const struct journal_group_header none;

    return group->copied.len > 0 ||
           buffer_append(&group->copied, (struct span){ (const char *)&none, sizeof none });
}

static bool lend(struct journal_group *group, struct span bytes)
{
    assert(bytes.len > 0);
    if (group->lent_count == group->lent_room) {
        size_t room = group->lent_room == 0 ? 64 : group->lent_room * 2;
        void *grown = memory_grow(group->lent, room * sizeof *group->lent);

        if (grown == NULL)
            return false;
        group->lent = grown;
        group->lent_room = room;
    }
    group->lent[group->lent_count++] = (struct journal_lent){ group->copied.len, bytes };
    group->lent_bytes += bytes.len;
    return true;
}

bool journal_group_add(struct journal_group *group, uint32_t kind, struct span head,
                       struct span bytes, bool is_lent, size_t *offset)
{
    static const char zeros[ALIGNMENT];
    size_t len = head.len + bytes.len, before = journal_group_len(group);
    struct journal_record_header record = { kind, (uint32_t)len };
    struct span padding = { zeros, journal_group_padded(len) - len };

    if (len > group->copied.limit || before > group->copied.limit - len)
        return false;
    if (!add_header_room(group) ||
        !buffer_append(&group->copied, (struct span){ (const char *)&record, sizeof record }) ||
        !buffer_append(&group->copied, head)) {
        journal_group_cut(group, before);
        return false;
    }
    *offset = journal_group_len(group);
    if ((is_lent ? lend(group, bytes) : buffer_append(&group->copied, bytes)) &&
        buffer_append(&group->copied, padding))
        return true;
    journal_group_cut(group, before);
    return false;
}

/* Where in the file a lent piece begins, if so many bytes are lent before it. */
static size_t offset_of(const struct journal_lent *lent, size_t lent_before)
{
    return lent->at + lent_before;
}

void journal_group_cut(struct journal_group *group, size_t len)
{
    assert(len <= journal_group_len(group));
    while (group->lent_count > 0) {
        const struct journal_lent *last = &group->lent[group->lent_count - 1];

        if (offset_of(last, group->lent_bytes - last->bytes.len) < len)
            break;
        group->lent_bytes -= last->bytes.len;
        group->lent_count--;
    }
    group->copied.len = len - group->lent_bytes;
}

void journal_group_read(const struct journal_group *group, size_t offset, char *bytes, size_t len)
{
    size_t lent_before = 0, i = 0;
    struct span held;

    while (i < group->lent_count && offset_of(&group->lent[i], lent_before) < offset)
        lent_before += group->lent[i++].bytes.len;
    if (i < group->lent_count && offset_of(&group->lent[i], lent_before) == offset)
        held = span_part(group->lent[i].bytes, 0, len);
    else
        held = span_part(buffer_span(&group->copied), offset - lent_before, len);
    assert(held.len == len);
    memcpy(bytes, held.data, len);
}

struct span journal_group_records(const struct journal_group *group)
{
    assert(group->lent_count == 0);
    return span_part(buffer_span(&group->copied), sizeof(struct journal_group_header),
                     group->copied.len);
}

/* ---- sums ------------------------------------------------------------------------------------- */

/* As of SQLite's log, over words of 64 bits and twice in turn, so that neither waits for the other: what
 * is missing, old or torn shows. */
struct sum {
    uint64_t one[2], other[2];
    char rest[4 * sizeof(uint64_t)]; /* what does not fill four words yet */
    size_t rest_len;
};

static struct sum start_sum(uint64_t secret, uint64_t number, size_t len)
{
    uint64_t first = secret ^ number, second = secret * odd + len;

    return (struct sum){ .one = { first, second }, .other = { second, first } };
}

static struct span add_words(struct sum *sum, struct span bytes)
{
    uint64_t words[4], one[2] = { sum->one[0], sum->one[1] },
                       other[2] = { sum->other[0], sum->other[1] };
    size_t at = 0;

    for (; bytes.len - at >= sizeof words; at += sizeof words) {
        memcpy(words, bytes.data + at, sizeof words);
        one[0] += words[0] + one[1];
        other[0] += words[2] + other[1];
        one[1] += words[1] + one[0];
        other[1] += words[3] + other[0];
    }
    memcpy(sum->one, one, sizeof one);
    memcpy(sum->other, other, sizeof other);
    return span_part(bytes, at, bytes.len);
}

static void add_up(struct sum *sum, struct span bytes)
{
    if (sum->rest_len > 0) {
        struct span front = span_take_front(&bytes, sizeof sum->rest - sum->rest_len);

        memcpy(sum->rest + sum->rest_len, front.data, front.len);
        sum->rest_len += front.len;
        if (sum->rest_len < sizeof sum->rest)
            return;
        add_words(sum, (struct span){ sum->rest, sizeof sum->rest });
    }
    bytes = add_words(sum, bytes);
    if (bytes.len > 0)
        memcpy(sum->rest, bytes.data, bytes.len);
    sum->rest_len = bytes.len;
}

static void end_sum(const struct sum *sum, uint64_t sums[2])
{
    uint64_t words[4] = { 0 };

    memcpy(words, sum->rest, sum->rest_len);
    sums[0] = sum->one[0] + odd * (sum->other[0] ^ words[0]) + words[1];
    sums[1] = sum->one[1] + odd * (sum->other[1] ^ words[2]) + words[3];
}

/* ---- pieces ----------------------------------------------------------------------------------- */

/* Goes through all of a group in its order, what is copied and what is lent. */
struct walk {
    const struct journal_group *group;
    size_t at, next;  /* in `copied`; the lent piece that comes next */
    struct span left; /* of the piece */
};

/* Empty: that was all. */
static struct span take_piece(struct walk *walk, size_t most)
{
    const struct journal_group *group = walk->group;

    if (walk->left.len == 0) {
        bool has_lent = walk->next < group->lent_count;
        size_t end = has_lent ? group->lent[walk->next].at : group->copied.len;

        if (walk->at < end)
            walk->left = span_part(buffer_span(&group->copied), walk->at, end - walk->at);
        else if (has_lent)
            walk->left = group->lent[walk->next++].bytes;
        if (walk->at < end)
            walk->at = end;
    }
    return span_take_front(&walk->left, most);
}

struct journal_group_header journal_group_seal(const struct journal_group *group, uint64_t secret,
                                               int64_t number)
{
    size_t len = journal_group_len(group) - sizeof(struct journal_group_header);
    struct journal_group_header header = { .magic = magic,
                                           .len = (uint32_t)len,
                                           .number = (uint64_t)number };
    struct walk walk = { .group = group, .at = sizeof header };
    struct sum sum = start_sum(secret, header.number, len);
    struct span piece;

    while ((piece = take_piece(&walk, SIZE_MAX)).len > 0)
        add_up(&sum, piece);
    end_sum(&sum, header.sums);
    return header;
}

bool journal_group_is_header(const struct journal_group_header *header)
{
    return header->magic == magic;
}

bool journal_group_fits(const struct journal_group_header *header, struct span records,
                        uint64_t secret)
{
    struct sum sum = start_sum(secret, header->number, records.len);
    uint64_t sums[2];

    add_up(&sum, records);
    end_sum(&sum, sums);
    return header->len == records.len && memcmp(sums, header->sums, sizeof sums) == 0;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static size_t gather(struct walk *walk, struct iovec *pieces, int *count)
{
    size_t len = 0;
    struct span piece;

    *count = 0;
    while (*count < PIECES_AT_ONCE && (piece = take_piece(walk, WRITTEN_AT_ONCE - len)).len > 0) {
        pieces[(*count)++] = (struct iovec){ (void *)(uintptr_t)piece.data, piece.len };
        len += piece.len;
    }
    return len;
}

static bool write_pieces(int file, struct iovec *pieces, int count, int64_t offset)
{
    while (count > 0) {
        ssize_t written = pwritev(file, pieces, count, offset);

        if (written < 0 && errno != EINTR)
            return false;
        offset += written < 0 ? 0 : written;
        for (; written > 0 && (size_t)written >= pieces->iov_len; pieces++, count--)
            written -= (ssize_t)pieces->iov_len;
        if (written > 0)
            *pieces = (struct iovec){ (char *)pieces->iov_base + written,
                                      pieces->iov_len - (size_t)written };
    }
    return true;
}

bool journal_group_write(struct journal_group *group, const struct journal_group_header *header,
                         int file, int64_t offset)
{
    struct walk walk = { .group = group };
    struct iovec pieces[PIECES_AT_ONCE];
    size_t len;
    int count;

    memcpy(group->copied.data, header, sizeof *header);
    while ((len = gather(&walk, pieces, &count)) > 0) {
        if (!write_pieces(file, pieces, count, offset))
            return false;
        offset += (int64_t)len;
    }
    return true;
}
