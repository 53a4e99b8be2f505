#include "gateway/host_memory.h"

#include <assert.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/memory.h"
#include "base/text.h"
#include "diagnose/judge.h"
#include "gateway/host_memory_parts.h"

enum {
    WRITTEN_ENOUGH_S = 3600, /* of a success that showed nothing new */
    WORDS_MOST = 4096,
    NAME_MOST = 300,
};

/* ---- remembering ---- */

static size_t hosts_most(const struct host_memory *memory)
{
    return memory->settings.hosts_most > 0 ? memory->settings.hosts_most : HOST_MEMORY_MOST;
}

static void make_room(struct host_memory *memory)
{
    while (memory->table.count > hosts_most(memory)) {
        struct host_record *oldest = (struct host_record *)memory->table.oldest;

        if (oldest->is_listed)
            host_memory_unlist(memory, oldest);
        host_memory_forget(memory, oldest->name, NULL);
        host_record_drop(&memory->table, oldest);
    }
}

static bool is_all_known(const struct host_look *look, const struct host_look *known)
{
    for (size_t i = 0; i < HOST_ASPECTS; i++)
        if (look->shown[i] != NULL &&
            (known->shown[i] == NULL || strcmp(look->shown[i], known->shown[i]) != 0))
            return false;
    return true;
}

static bool has_news(const struct host_news *news)
{
    for (size_t i = 0; i < HOST_ASPECTS; i++)
        if (news->since_s[i] != 0)
            return true;
    return false;
}

/* Worth a row of the file: it is new, or the time that the file has is long ago. */
static bool is_worth_writing(const struct host_memory *memory, const struct host_face *face,
                             const struct host_look *look)
{
    return face == NULL || has_news(&face->news) || !is_all_known(look, &face->look) ||
           host_memory_now_s(memory) - face->written_at_s >= WRITTEN_ENOUGH_S;
}

static void remember(struct host_memory *memory, const char *name, const char *address,
                     const char *destination, const struct host_look *look)
{
    struct host_record *record = name_table_touch(&memory->table, name);
    struct host_face *face, *dropped;
    bool will_write;

    if (record == NULL)
        return;
    will_write = is_worth_writing(memory, host_record_face(record, address), look);
    face = host_record_remember(record, address, destination, look, host_memory_now_s(memory),
                                &dropped);
    if (dropped != NULL)
        host_memory_forget(memory, name, dropped->address);
    host_face_free(&dropped);
    if (face != NULL && will_write)
        host_memory_list(memory, record, face);
    make_room(memory);
}

/* ---- is it us? ---- */

/* The last two labels: hosts under them have one owner, mostly. */
static struct span owner_of(struct span host)
{
    size_t dots = 0;

    for (size_t i = host.len; i > 0; i--)
        if (host.data[i - 1] == '.' && ++dots == 2)
            return span_part(host, i, host.len);
    return host;
}

static uint64_t hash_issuer(const struct host_memory *memory, const struct host_look *look)
{
    return name_table_hash(memory->table.seed, span_of(look->shown[HOST_ORGANIZATION]));
}

/* Of the root cause. */
static uint64_t hash_verdict(const struct host_memory *memory, const struct host_look *look)
{
    struct span rest = span_of(look->shown[HOST_VERDICT]);

    return name_table_hash(~memory->table.seed, span_take_until(&rest, ','));
}

static void note_streaks(struct host_memory *memory, const struct host_look *look)
{
    if (look->shown[HOST_ORGANIZATION] != NULL)
        host_suspects_see(&memory->suspects, HOST_STREAK_ISSUER, hash_issuer(memory, look),
                          host_memory_now_s(memory));
    host_suspects_see(&memory->suspects, HOST_STREAK_VERDICT, hash_verdict(memory, look),
                      host_memory_now_s(memory));
}

static struct host_place place_of(const struct host_memory *memory, const char *destination,
                                  const struct observation *seen)
{
    uint64_t seed = memory->table.seed;

    return (struct host_place){ .owner = name_table_hash(seed, owner_of(span_of(seen->host))),
                                .destination = name_table_hash(seed, span_of(destination)),
                                .at_s = host_memory_now_s(memory) };
}

/* Many hosts go to the same public CA in a day, and nothing is wrong with that. It is something of ours where nobody
 * trusts that issuer, or where no session since has shown another one. */
static size_t count_issuer(struct host_memory *memory, const struct host_place *place,
                           const struct observation *seen, const struct host_look *look)
{
    bool is_everywhere;
    size_t count = host_suspects_add(&memory->suspects, HOST_STREAK_ISSUER,
                                     hash_issuer(memory, look), place, &is_everywhere);

    return is_everywhere || !seen->verdict.is_trusted ? count : 0;
}

static size_t count_verdict(struct host_memory *memory, const struct host_place *place,
                            const struct findings *findings, const struct host_look *look)
{
    bool is_everywhere;
    size_t count;

    if (findings->count == 0 || !judge_may_be_ours(findings->items[0].code))
        return 0;
    count = host_suspects_add(&memory->suspects, HOST_STREAK_VERDICT, hash_verdict(memory, look),
                              place, &is_everywhere);
    return is_everywhere ? count : 0;
}

/* ---- comparing ---- */

/* Since when it shows what it shows now. */
static int64_t note_news(struct host_memory *memory, struct host_record *record,
                         struct host_face *face, enum host_aspect aspect, const char *shown)
{
    struct host_news *news = &face->news;
    uint64_t hash = name_table_hash(0, span_of(shown)); /* the same after a restart */

    if (news->since_s[aspect] != 0 && news->hash[aspect] == hash)
        return news->since_s[aspect];
    news->hash[aspect] = hash;
    news->since_s[aspect] = host_memory_now_s(memory);
    host_memory_list(memory, record, face);
    return news->since_s[aspect];
}

/* It shows again what it showed then. */
static void drop_news(struct host_memory *memory, struct host_record *record,
                      struct host_face *face, enum host_aspect aspect)
{
    if (face->news.since_s[aspect] == 0)
        return;
    face->news.since_s[aspect] = 0;
    host_memory_list(memory, record, face);
}

static bool tell_changes(struct host_memory *memory, struct host_record *record,
                         struct host_face *face, const struct host_look *look, struct buffer *words)
{
    for (enum host_aspect aspect = 0; aspect < HOST_ASPECTS; aspect++) {
        if (host_look_differs(&face->look, look, aspect)) {
            if (!host_look_tell(&face->look, look, aspect,
                                note_news(memory, record, face, aspect, look->shown[aspect]),
                                words))
                return false;
        } else if (look->shown[aspect] != NULL) {
            drop_news(memory, record, face, aspect);
        }
    }
    return true;
}

static bool tell_last_success(const struct host_face *face, struct buffer *words)
{
    AUTO(arena_clear) struct arena arena;

    arena_init(&arena, 1024);
    return buffer_format(words, "the last delivery before that: %s\n",
                         host_look_minute(&arena, face->at_s));
}

/* Is it us? */
static bool tell_ours(struct host_memory *memory, const struct host_face *face,
                      const char *destination, const struct observation *seen,
                      const struct host_look *look, const struct findings *findings,
                      struct buffer *words)
{
    const struct host_place place = place_of(memory, destination, seen);
    size_t count = 0;

    if (host_look_differs(&face->look, look, HOST_ISSUER))
        count = count_issuer(memory, &place, seen, look);
    else if (host_look_differs(&face->look, look, HOST_VERDICT))
        count = count_verdict(memory, &place, findings, look);
    return count < HOST_MEMORY_ALIKE ||
           buffer_format(words,
                         HOST_MEMORY_OURS
                         "%zu destinations within a day: it is our own firewall or proxy that "
                         "stands between\n",
                         count);
}

/* A server that has no name is known by its address alone. */
static const char *name_of(const struct observation *seen, struct arena *arena)
{
    const char *host = seen->host[0] != '\0' ? seen->host : seen->address;
    char name[NAME_MOST];
    size_t len = 0;

    for (const char *c = host; *c != '\0' && len < sizeof name - 8; c++)
        name[len++] = text_lower(*c);
    return arena_format(arena, "%.*s:%u", (int)len, name, seen->port);
}

const char *host_memory_take(struct host_memory *memory, const char *destination,
                             const struct observation *seen, const struct findings *findings,
                             bool was_success, struct arena *arena)
{
    const char *name = name_of(seen, arena), *told = NULL;
    struct host_record *record;
    struct host_face *face = NULL;
    struct host_look look;
    struct buffer words;

    assert(memory->drained == NULL);
    host_look_read(seen, findings, was_success, arena, &look);
    note_streaks(memory, &look);
    record = name_table_find(&memory->table, name);
    if (record != NULL) {
        face = host_record_face(record, seen->address);
        face = face != NULL ? face : record->faces;
    }
    buffer_init(&words, WORDS_MOST);
    if (face != NULL && tell_changes(memory, record, face, &look, &words) && words.len > 0 &&
        tell_ours(memory, face, destination, seen, &look, findings, &words) &&
        tell_last_success(face, &words))
        told = arena_copy(arena, buffer_span(&words));
    buffer_clear(&words);
    if (was_success && !arena->exhausted)
        remember(memory, name, seen->address, destination, &look);
    return told == NULL || told[0] == '\0' ? NULL : told;
}

/* Of the same address, or where that is new of the one that was last. */
static const struct host_face *find_face(const struct host_memory *memory,
                                         const struct observation *seen, struct arena *arena)
{
    const struct host_record *record = name_table_find(&memory->table, name_of(seen, arena));
    const struct host_face *face = record == NULL ? NULL : host_record_face(record, seen->address);

    return face != NULL || record == NULL ? face : record->faces;
}

const char *host_memory_key(const struct host_memory *memory, const struct observation *seen,
                            int64_t *at_s, struct arena *arena)
{
    const struct host_face *face = find_face(memory, seen, arena);

    if (face == NULL || face->look.shown[HOST_KEY] == NULL || *face->look.shown[HOST_KEY] == '\0')
        return NULL;
    *at_s = face->at_s;
    return arena_copy(arena, span_of(face->look.shown[HOST_KEY]));
}

/* ---- start and end ---- */

static void write_in_time(void *owner)
{
    host_memory_write(owner);
}

static void take_row(void *owner, const struct host_row *row)
{
    struct host_memory *memory = owner;
    struct host_record *record = name_table_touch(&memory->table, row->name);
    struct host_face *face, *dropped;

    if (record == NULL)
        return;
    face = host_record_remember(record, row->address, row->destination, &row->look, row->at_s,
                                &dropped);
    host_face_free(&dropped);
    if (face != NULL) {
        face->news = row->news;
        face->written_at_s = row->at_s;
    }
}

static void tell_drained(void *owner)
{
    struct host_memory *memory = owner;

    memory->is_drained = true;
    memory->drained(memory->owner);
}

static void open_file(struct host_memory *memory)
{
    struct error err = { .text = "" };
    bool was_put_aside, is_open;

    is_open = host_file_open(&memory->database, memory->settings.state_dir, take_row, memory,
                             &was_put_aside, &err);
    memory->has_file = is_open || err.kind == ERROR_FULL; /* a write opens it when there is room */
    if (!is_open)
        host_memory_complain(memory, "host-memory-unwritten", err.text);
    else if (was_put_aside && memory->settings.log != NULL)
        log_event(memory->settings.log, LOG_WARN, "host-memory-lost", "file=hosts.db.damaged");
    memory->settings.state_dir = NULL;
    make_room(memory);
    if (is_open && memory->database.is_alone)
        host_memory_write_anew(memory);
}

bool host_memory_open(const struct host_memory_settings *settings, struct host_memory **memory,
                      struct error *err)
{
    AUTO(host_memory_close) struct host_memory *made = memory_new(1, sizeof *made);
    uint64_t seed;

    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for what hosts showed");
    made->settings = *settings;
    if (RAND_bytes((unsigned char *)&seed, sizeof seed) != 1)
        return error_set(err, ERROR_CRYPTO, "no random numbers can be had");
    if (!name_table_init(&made->table, hosts_most(made), sizeof(struct host_record),
                         offsetof(struct host_record, name), seed, err) ||
        !loop_timer_open(settings->loop, write_in_time, made, &made->timer, err) ||
        !loop_timer_open(settings->loop, tell_drained, made, &made->tell, err))
        return false;
    open_file(made);
    *memory = TAKE(made);
    return true;
}

void host_memory_drain(struct host_memory *memory, void (*drained)(void *owner), void *owner)
{
    assert(memory->drained == NULL);
    memory->drained = drained;
    memory->owner = owner;
    loop_timer_stop(memory->timer);
    host_memory_write(memory);
    host_memory_go_on(memory);
}

void host_memory_close(struct host_memory **memory)
{
    struct host_memory *closing = *memory;

    *memory = NULL;
    if (closing == NULL)
        return;
    assert(closing->batch == NULL);
    host_memory_free_batch(&closing->gone);
    loop_timer_close(&closing->timer);
    loop_timer_close(&closing->tell);
    while (closing->table.oldest != NULL)
        host_record_drop(&closing->table, (struct host_record *)closing->table.oldest);
    name_table_clear(&closing->table);
    database_close(&closing->database);
    memory_free(closing);
}
