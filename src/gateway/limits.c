#include "gateway/limits.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

enum {
    WAYS = 16, /* rows where one client may be; one more is its crowd */
    SETS_LEAST = 4,
    CLIENTS_MOST = 1 << 24,
    MINUTE_MS = 60000,
    UNITS_PER_MS = 1000, /* what each costs is a part of a minute; microseconds are fine enough */
};

/* What a client may do so many times a minute. */
enum debt { CONNECTIONS, MESSAGES, FAILURES, DEBTS };

struct row {
    uint64_t client; /* the /64 of IPv6, or the address of IPv4 */
    bool is_ipv6, is_used;
    uint32_t open, untold;
    int64_t banned_until_ms, told_at_ms;
    int64_t paid_at_us[DEBTS]; /* when those so far are paid off, at the allowed rate */
};

struct set {
    struct row rows[WAYS + 1]; /* the last is the crowd */
};

struct gateway_limits {
    struct gateway_limits_settings settings;
    uint64_t secret[2];
    uint32_t open;
    uint32_t set_count; /* a power of two */
    struct set sets[];
};

struct gateway_limits_settings gateway_limits_defaults(void)
{
    return (struct gateway_limits_settings){ .connections = 10000,
                                             .per_client = 50,
                                             .messages_per_minute = 600,
                                             .failures_per_minute = 600,
                                             .session_errors = 20,
                                             .ban_ms = 5 * MINUTE_MS,
                                             .clients_known = 65536 };
}

bool gateway_limits_new(const struct gateway_limits_settings *settings,
                        const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES],
                        struct gateway_limits **limits, struct error *err)
{
    struct gateway_limits *made;
    uint32_t set_count = SETS_LEAST;

    *limits = NULL;
    if (settings->clients_known > CLIENTS_MOST)
        return error_set(err, ERROR_USAGE, "more than %d clients cannot be kept track of",
                         (int)CLIENTS_MOST);
    while (set_count * WAYS < settings->clients_known)
        set_count *= 2;
    made = memory_new(1, sizeof *made + set_count * sizeof made->sets[0]);
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to keep track of %u clients",
                         settings->clients_known);
    made->settings = *settings;
    made->set_count = set_count;
    memcpy(made->secret, secret, sizeof made->secret);
    *limits = made;
    return true;
}

void gateway_limits_free(struct gateway_limits **limits)
{
    if (*limits != NULL)
        memory_wipe((*limits)->secret, sizeof(*limits)->secret);
    memory_free(*limits);
    *limits = NULL;
}

void gateway_limits_set(struct gateway_limits *limits,
                        const struct gateway_limits_settings *settings)
{
    limits->settings = *settings;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void stir(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 of two words: without the secret nobody can tell which clients share a set. */
static uint64_t hash(const uint64_t secret[2], uint64_t first, uint64_t second)
{
    uint64_t v[4] = { secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
                      secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573 };
    const uint64_t words[] = { first, second, (uint64_t)16 << 56 };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        v[3] ^= words[i];
        stir(v);
        stir(v);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        stir(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The row of a client that is yet to come: all that is counted is at nothing. */
static struct row row_of(const struct net_address *address)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* RFC 4291 section 2.5.5.2 */
    bool is_mapped = address->is_ipv6 && memcmp(address->bytes, mapped, sizeof mapped) == 0;
    const uint8_t *bytes = address->bytes + (is_mapped ? sizeof mapped : 0);
    struct row row = { .is_ipv6 = address->is_ipv6 && !is_mapped, .is_used = true };

    for (size_t i = 0; i < (row.is_ipv6 ? 8 : 4); i++)
        row.client = row.client << 8 | bytes[i];
    row.banned_until_ms = row.told_at_ms = INT64_MIN;
    for (size_t i = 0; i < DEBTS; i++)
        row.paid_at_us[i] = INT64_MIN;
    return row;
}

static bool owes_nothing(const struct row *row, int64_t now_ms)
{
    for (size_t i = 0; i < DEBTS; i++)
        if (row->paid_at_us[i] > now_ms * UNITS_PER_MS)
            return false;
    return true;
}

static bool is_forgettable(const struct row *row, int64_t now_ms)
{
    return !row->is_used ||
           (row->open == 0 && row->banned_until_ms <= now_ms && owes_nothing(row, now_ms));
}

static bool is_crowd(uint32_t index)
{
    return index % (WAYS + 1) == WAYS;
}

/* The client's own row, or one that is free, or the crowd's; its index over all sets. */
static uint32_t find_row(struct gateway_limits *limits, const struct row *client, int64_t now_ms)
{
    uint64_t number = hash(limits->secret, client->client, client->is_ipv6);
    uint32_t set = (uint32_t)(number & (limits->set_count - 1));
    struct row *rows = limits->sets[set].rows;
    uint32_t found = WAYS;

    for (uint32_t i = 0; i < WAYS; i++) {
        if (rows[i].is_used && rows[i].client == client->client &&
            rows[i].is_ipv6 == client->is_ipv6)
            return set * (WAYS + 1) + i;
        if (found == WAYS && is_forgettable(&rows[i], now_ms))
            found = i;
    }
    if (is_forgettable(&rows[found], now_ms))
        rows[found] = *client;
    return set * (WAYS + 1) + found;
}

static struct row *row_at(struct gateway_limits *limits, uint32_t index)
{
    assert(index / (WAYS + 1) < limits->set_count);
    return &limits->sets[index / (WAYS + 1)].rows[index % (WAYS + 1)];
}

static bool refuse(struct smtp_answer *answer, uint16_t code, const char *enhanced,
                   const char *text)
{
    *answer = (struct smtp_answer){ code, enhanced, text };
    return false;
}

static bool reaches(uint32_t count, uint32_t limit)
{
    return limit != 0 && count >= limit;
}

bool gateway_limits_open(struct gateway_limits *limits, const struct net_address *client,
                         int64_t now_ms, struct gateway_limits_session *session,
                         struct smtp_answer *answer)
{
    struct row fresh = row_of(client), *row;
    uint32_t index;

    if (reaches(limits->open, limits->settings.connections))
        return refuse(answer, 421, "4.3.2", "Too many connections here, try again later");
    index = find_row(limits, &fresh, now_ms);
    row = row_at(limits, index);
    if (row->banned_until_ms > now_ms)
        return refuse(answer, 421, "4.7.0", "Too many errors from you, try again in some minutes");
    if (reaches(row->open, limits->settings.per_client))
        return refuse(answer, 421, "4.7.0",
                      is_crowd(index) ? "Too many clients at once, try again later"
                                      : "Too many connections from you, close some first");
    row->open++;
    limits->open++;
    *session = (struct gateway_limits_session){ .row = index };
    return true;
}

bool gateway_limits_take_error(struct gateway_limits *limits,
                               struct gateway_limits_session *session, int64_t now_ms,
                               struct smtp_answer *answer)
{
    if (session->errors < UINT32_MAX)
        session->errors++;
    if (!reaches(session->errors, limits->settings.session_errors))
        return true;
    if (!is_crowd(session->row))
        row_at(limits, session->row)->banned_until_ms = now_ms + limits->settings.ban_ms;
    return refuse(answer, 421, "4.7.0", "Too many errors in one session");
}

/* Each puts the day of payment off by its share of a minute; up to a minute is lent. False: not this one. */
static bool borrow(struct row *row, enum debt debt, uint32_t per_minute, int64_t now_ms)
{
    const int64_t minute_us = (int64_t)MINUTE_MS * UNITS_PER_MS, now_us = now_ms * UNITS_PER_MS;
    int64_t paid_us = row->paid_at_us[debt];
    int64_t from_us = paid_us > now_us ? paid_us : now_us, share_us;

    if (per_minute == 0)
        return true;
    share_us = minute_us / per_minute;
    if (from_us - now_us > minute_us - share_us)
        return false;
    row->paid_at_us[debt] = from_us + share_us;
    return true;
}

bool gateway_limits_take_connection(struct gateway_limits *limits,
                                    const struct gateway_limits_session *session, int64_t now_ms,
                                    struct smtp_answer *answer)
{
    if (borrow(row_at(limits, session->row), CONNECTIONS, limits->settings.connections_per_minute,
               now_ms))
        return true;
    return refuse(answer, 421, "4.7.0",
                  is_crowd(session->row) ? "Too many connections in a minute, try again later"
                                         : "Too many connections from you in a minute");
}

bool gateway_limits_may_tell(struct gateway_limits *limits, const struct net_address *client,
                             int64_t now_ms, uint32_t *untold)
{
    struct row fresh = row_of(client), *row = row_at(limits, find_row(limits, &fresh, now_ms));

    if (row->told_at_ms > now_ms - MINUTE_MS) {
        row->untold += row->untold < UINT32_MAX;
        return false;
    }
    *untold = row->untold;
    row->untold = 0;
    row->told_at_ms = now_ms;
    return true;
}

bool gateway_limits_take_message(struct gateway_limits *limits,
                                 const struct gateway_limits_session *session, int64_t now_ms,
                                 struct smtp_answer *answer)
{
    if (borrow(row_at(limits, session->row), MESSAGES, limits->settings.messages_per_minute,
               now_ms))
        return true;
    return refuse(answer, 452, "4.7.0",
                  is_crowd(session->row) ? "Too many messages in a minute, try again later"
                                         : "Too many messages from you in a minute");
}

bool gateway_limits_take_failure(struct gateway_limits *limits,
                                 const struct gateway_limits_session *session, int64_t now_ms)
{
    return borrow(row_at(limits, session->row), FAILURES, limits->settings.failures_per_minute,
                  now_ms);
}

void gateway_limits_close(struct gateway_limits *limits,
                          const struct gateway_limits_session *session)
{
    struct row *row = row_at(limits, session->row);

    assert(row->open > 0 && limits->open > 0);
    row->open--;
    limits->open--;
}

uint32_t gateway_limits_connections(const struct gateway_limits *limits)
{
    return limits->open;
}
