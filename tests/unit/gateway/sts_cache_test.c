/* tests/unit/gateway/sts_cache_test.c - promises of gateway/sts_cache.h; what DNS and HTTPS answer is scripted. */
#include "gateway/sts_cache.h"

#include <fcntl.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net/scripted_dns.h"
#include "../queue/file_limit.h"
#include "../test.h"
#include "base/memory.h"

enum {
    NOW_S = 1800000000,
    DAY_S = 86400,
    LIMIT_MS = 60000,
    NO_ROOM = 4096,
    MANY = 10000,
    EACH_MOST = 1024
};

#define POLICY                                                                                     \
    "version: STSv1\nmode: enforce\nmx: mx1.example.org\nmx: *.example.net\nmax_age: 604800\n"
#define NEWER "version: STSv1\nmode: testing\nmx: mx2.example.org\nmax_age: 604800\n"

struct keeping {
    struct arena arena;
    char folder[64];
    struct clock clock;
    struct loop *loop;
    struct log log;
    int log_file;
    size_t most;
    struct sts_keeper *keeper;
    const struct sts_cache *cache;
    struct loop_timer *limit;
    bool ran_out;
    int status;       /* of the policy host */
    const char *body; /* NULL: NEWER */
    unsigned fetches;
};

static struct keeping *stage; /* of the scripted servers */

/* ---- scripted servers: each domain has a record with the id 2, and a policy host ---- */

static void answer_dns(const char *name, enum dns_type type, struct dns_answer *told)
{
    static const struct span text = { "\x0fv=STSv1; id=2; ", 16 },
                             address = { "\xc0\x00\x02\x07", 4 };

    (void)name;
    if (type == DNS_TYPE_AAAA)
        return;
    *told = (struct dns_answer){ .outcome = DNS_ANSWERED,
                                 .records = type == DNS_TYPE_TXT ? &text : &address,
                                 .record_count = 1 };
}

struct https_query {
    struct loop_timer *timer;
    void (*answered)(void *owner, const struct https_answer *answer);
    void *owner;
};

static void answer_https(void *owner)
{
    struct https_query *query = owner;
    const struct https_answer told = { .outcome = HTTPS_ANSWERED,
                                       .status = stage->status,
                                       .content_type = span_of("text/plain"),
                                       .body = span_of(stage->body == NULL ? NEWER : stage->body),
                                       .failure = "" };

    query->answered(query->owner, &told);
    loop_timer_close(&query->timer);
    memory_free(query);
    loop_stop(stage->loop);
}

bool https_send(struct https *https, const struct https_request *request,
                void (*answered)(void *owner, const struct https_answer *answer), void *owner,
                struct https_query **query, struct error *err)
{
    struct https_query *made = memory_new(1, sizeof *made);

    (void)https;
    (void)request;
    assert_non_null(made);
    stage->fetches++;
    *made = (struct https_query){ .answered = answered, .owner = owner };
    assert_true(loop_timer_open(stage->loop, answer_https, made, &made->timer, err));
    loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void https_cancel(struct https_query **query)
{
    if (*query == NULL)
        return;
    loop_timer_close(&(*query)->timer);
    memory_free(*query);
    *query = NULL;
}

/* ---- the stage ---- */

static void open_keeper(struct keeping *all)
{
    const struct sts_keeper_settings settings = { .loop = all->loop,
                                                  .state_dir = all->folder,
                                                  .clock = &all->clock,
                                                  .log = &all->log,
                                                  .policies_most = all->most,
                                                  .write_after_ms = 1,
                                                  .look_every_ms = 1 };
    struct error err = { .text = "" };

    if (!sts_keeper_open(&settings, &all->keeper, &err))
        fail_msg("%s", err.text);
    all->cache = sts_keeper_cache(all->keeper);
}

static void stop_loop(void *owner)
{
    loop_stop(((struct keeping *)owner)->loop);
}

static void close_keeper(struct keeping *all)
{
    sts_keeper_drain(all->keeper, stop_loop, all);
    loop_run(all->loop);
    sts_keeper_close(&all->keeper);
}

static void restart(struct keeping *all)
{
    close_keeper(all);
    open_keeper(all);
}

static void run_out(void *owner)
{
    struct keeping *all = owner;

    all->ran_out = true;
    loop_stop(all->loop);
}

static int start(void **state)
{
    struct keeping *all = memory_new(1, sizeof *all);
    char path[96];

    assert_non_null(all);
    stage = all;
    arena_init(&all->arena, 64 << 20);
    snprintf(all->folder, sizeof all->folder, "/tmp/postern-sts-XXXXXX");
    assert_non_null(mkdtemp(all->folder));
    snprintf(path, sizeof path, "%s/log", all->folder);
    all->log_file = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    assert_true(all->log_file >= 0);
    all->clock = clock_fixed(NOW_S, 0);
    log_init(&all->log, LOG_TEXT, LOG_NOTE, all->log_file, &all->clock);
    assert_true(loop_open(&all->loop, NULL));
    scripted_dns_begin(all->loop, answer_dns);
    assert_true(loop_timer_open(all->loop, run_out, all, &all->limit, NULL));
    all->status = 200;
    open_keeper(all);
    *state = all;
    return 0;
}

static int stop(void **state)
{
    static const char *const files[] = { "sts.db", "sts.db-wal", "sts.db-shm", "sts.db.damaged",
                                         "log" };
    struct keeping *all = *state;
    char path[96];

    if (all->keeper != NULL)
        close_keeper(all);
    loop_timer_close(&all->limit);
    loop_close(&all->loop);
    close(all->log_file);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof path, "%s/%s", all->folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(all->folder), 0);
    arena_clear(&all->arena);
    memory_free(all);
    return 0;
}

static bool has_logged(const struct keeping *all, const char *words)
{
    static char text[65536];
    ssize_t len = pread(all->log_file, text, sizeof text - 1, 0);

    assert_true(len >= 0);
    text[len] = '\0';
    return strstr(text, words) != NULL;
}

static void keep(struct keeping *all, const char *domain, const char *id, const char *text)
{
    const struct sts_cached cached = { id, text, all->clock.fixed_wall_s,
                                       all->clock.fixed_wall_s + 7 * DAY_S };

    all->cache->keep(all->cache->owner, domain, &cached);
}

/* The id; NULL: nothing is kept. */
static const char *find(struct keeping *all, const char *domain)
{
    struct sts_cached cached;

    if (!all->cache->find(all->cache->owner, domain, &all->arena, &cached))
        return NULL;
    assert_true(cached.ends_at_s == cached.fetched_at_s + 7 * DAY_S);
    return cached.id;
}

static void begin_refreshing(struct keeping *all)
{
    const struct policy_lookup_settings by = { .loop = all->loop,
                                               .dns = (struct dns *)all,
                                               .https = (struct https *)all,
                                               .clock = &all->clock,
                                               .private_addresses = true };

    sts_keeper_refresh_by(all->keeper, &by);
}

/* Until the next answer of the policy host. */
static void wait_for_fetch(struct keeping *all)
{
    loop_timer_start(all->limit, LIMIT_MS);
    loop_run(all->loop);
    loop_timer_stop(all->limit);
    assert_false(all->ran_out);
}

static void turn(struct keeping *all, int64_t for_ms)
{
    struct loop_timer *timer;

    assert_true(loop_timer_open(all->loop, stop_loop, all, &timer, NULL));
    loop_timer_start(timer, for_ms);
    loop_run(all->loop);
    loop_timer_close(&timer);
}

/* ---- promises ---- */

static void keeps_a_policy_over_restarts(void **state)
{
    struct keeping *all = *state;
    struct sts_cached cached;

    assert_null(find(all, "example.org"));
    keep(all, "example.org", "1", POLICY);
    keep(all, "example.com", "7", NEWER);
    keep(all, "example.org", "2", POLICY);
    assert_int_equal(sts_keeper_count(all->keeper), 2);
    restart(all);
    assert_int_equal(sts_keeper_count(all->keeper), 2);
    assert_true(all->cache->find(all->cache->owner, "example.org", &all->arena, &cached));
    assert_string_equal(cached.id, "2");
    assert_string_equal(cached.policy_text, POLICY);
    assert_int_equal(cached.fetched_at_s, NOW_S);
    assert_int_equal(cached.ends_at_s, NOW_S + 7 * DAY_S);
    assert_string_equal(find(all, "example.com"), "7");
}

static void can_be_looked_into_while_it_runs(void **state)
{
    struct keeping *all = *state;
    struct sts_cached cached;
    struct error err;
    bool found;

    assert_true(sts_keeper_look(all->folder, "example.org", &all->arena, &cached, &found, &err));
    assert_false(found);
    keep(all, "example.org", "1", POLICY);
    restart(all);
    assert_true(sts_keeper_look(all->folder, "example.org", &all->arena, &cached, &found, &err));
    assert_true(found);
    assert_string_equal(cached.id, "1");
    assert_string_equal(cached.policy_text, POLICY);
    assert_int_equal(cached.ends_at_s, NOW_S + 7 * DAY_S);
    assert_true(sts_keeper_look("/nowhere", "example.org", &all->arena, &cached, &found, &err));
    assert_false(found);
}

static void remembers_a_fetch_that_failed_until_one_succeeds(void **state)
{
    const struct sts_failed failed = { .id = "3",
                                       .at_s = NOW_S,
                                       .outcome = HTTPS_UNTRUSTED,
                                       .http_status = 0,
                                       .failure = "not trusted",
                                       .content_type = "" };
    struct keeping *all = *state;
    struct sts_failed told;

    assert_false(all->cache->find_failed(all->cache->owner, "example.org", &all->arena, &told));
    all->cache->keep_failed(all->cache->owner, "example.org", &failed);
    all->cache->keep_failed(all->cache->owner, "example.org", &failed);
    assert_true(all->cache->find_failed(all->cache->owner, "example.org", &all->arena, &told));
    assert_string_equal(told.id, "3");
    assert_int_equal(told.outcome, HTTPS_UNTRUSTED);
    assert_string_equal(told.failure, "not trusted");
    assert_null(told.content_type);
    assert_null(told.policy_flaw);
    assert_null(find(all, "example.org")); /* it is no policy */
    keep(all, "example.org", "3", POLICY);
    assert_false(all->cache->find_failed(all->cache->owner, "example.org", &all->arena, &told));
}

static void lets_go_of_what_nobody_used_for_the_longest(void **state)
{
    struct keeping *all = *state;
    char domain[32];

    close_keeper(all);
    all->most = 3;
    open_keeper(all);
    for (int i = 0; i < 3; i++) {
        snprintf(domain, sizeof domain, "d%d.example", i);
        keep(all, domain, "1", POLICY);
    }
    assert_non_null(find(all, "d0.example"));
    keep(all, "d3.example", "1", POLICY);
    assert_non_null(find(all, "d0.example"));
    assert_null(find(all, "d1.example"));
    assert_int_equal(sts_keeper_count(all->keeper), 3);
    restart(all);
    assert_int_equal(sts_keeper_count(all->keeper), 3);
    assert_null(find(all, "d1.example"));
}

static void puts_a_file_aside_that_cannot_be_read(void **state)
{
    struct keeping *all = *state;
    char path[96];
    int file;

    keep(all, "example.org", "1", POLICY);
    close_keeper(all);
    snprintf(path, sizeof path, "%s/sts.db", all->folder);
    file = open(path, O_WRONLY | O_TRUNC);
    assert_true(file >= 0);
    assert_int_equal(write(file, "no database at all, not even by half, and long enough", 53), 53);
    close(file);
    open_keeper(all);
    assert_true(has_logged(all, "sts-cache-lost"));
    assert_int_equal(sts_keeper_count(all->keeper), 0);
    keep(all, "example.org", "1", POLICY);
    restart(all);
    assert_string_equal(find(all, "example.org"), "1");
}

static void lives_without_a_file_and_says_so(void **state)
{
    struct keeping *all = *state;
    char kept[sizeof all->folder];

    close_keeper(all);
    memcpy(kept, all->folder, sizeof kept);
    snprintf(all->folder, sizeof all->folder, "/nowhere/at/all");
    open_keeper(all);
    assert_true(has_logged(all, "sts-cache-unwritten"));
    keep(all, "example.org", "1", POLICY);
    assert_string_equal(find(all, "example.org"), "1");
    close_keeper(all);
    memcpy(all->folder, kept, sizeof kept);
}

/* Somebody else changes the file while it is open. */
static void change_file(const struct keeping *all, const char *sql)
{
    sqlite3 *connection;
    char path[96];

    snprintf(path, sizeof path, "%s/sts.db", all->folder);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(connection);
}

static void writes_all_of_it_later_where_a_write_failed(void **state)
{
    struct keeping *all = *state;

    keep(all, "example.org", "1", POLICY);
    restart(all);
    change_file(all, "ALTER TABLE policy RENAME TO elsewhere");
    keep(all, "example.com", "7", NEWER);
    loop_timer_start(all->limit, LIMIT_MS);
    while (!has_logged(all, "sts-cache-unwritten") && !all->ran_out)
        turn(all, 1);
    loop_timer_stop(all->limit);
    assert_false(all->ran_out);
    keep(all, "example.net", "8", NEWER);
    assert_string_equal(find(all, "example.com"), "7");
    change_file(all, "ALTER TABLE elsewhere RENAME TO policy; DELETE FROM policy");
    restart(all);
    assert_int_equal(sts_keeper_count(all->keeper), 3);
    assert_string_equal(find(all, "example.org"), "1");
    assert_string_equal(find(all, "example.com"), "7");
    assert_string_equal(find(all, "example.net"), "8");
}

static void keeps_policies_after_a_start_on_a_full_disk(void **state)
{
    struct keeping *all = *state;
    char path[96];

    close_keeper(all);
    snprintf(path, sizeof path, "%s/sts.db", all->folder);
    assert_int_equal(unlink(path), 0);
    limit_files_to(NO_ROOM);
    open_keeper(all);
    limit_files_to(0);
    keep(all, "example.org", "1", POLICY);
    restart(all);
    assert_non_null(find(all, "example.org"));
}

static void shares_its_file_again_when_there_is_room(void **state)
{
    struct keeping *all = *state;
    struct sts_cached cached;
    bool found = false;

    keep(all, "example.org", "1", POLICY);
    close_keeper(all);
    limit_files_to(NO_ROOM);
    open_keeper(all);
    limit_files_to(0);
    loop_timer_start(all->limit, LIMIT_MS);
    while (!all->ran_out &&
           !sts_keeper_look(all->folder, "example.org", &all->arena, &cached, &found, NULL))
        turn(all, 1);
    loop_timer_stop(all->limit);
    assert_true(found);
}

static void fetches_a_policy_in_use_anew_before_it_ends(void **state)
{
    struct keeping *all = *state;
    struct sts_cached cached;

    keep(all, "used.example", "2", POLICY);
    keep(all, "unused.example", "2", POLICY);
    assert_non_null(find(all, "used.example"));
    all->clock.fixed_wall_s += DAY_S - 1;
    begin_refreshing(all);
    turn(all, 20);
    assert_int_equal(all->fetches, 0); /* not yet */
    all->clock.fixed_wall_s += 1;
    wait_for_fetch(all);
    turn(all, 20);
    assert_int_equal(all->fetches, 1);
    assert_true(all->cache->find(all->cache->owner, "used.example", &all->arena, &cached));
    assert_string_equal(cached.policy_text, NEWER);
    assert_int_equal(cached.ends_at_s, NOW_S + 8 * DAY_S);
    assert_true(all->cache->find(all->cache->owner, "unused.example", &all->arena, &cached));
    assert_string_equal(cached.policy_text, POLICY);
}

static void keeps_a_policy_whose_refresh_fails_and_tries_again_later(void **state)
{
    struct keeping *all = *state;

    keep(all, "example.org", "1", POLICY);
    assert_non_null(find(all, "example.org"));
    all->clock.fixed_wall_s += DAY_S;
    all->status = 500;
    begin_refreshing(all);
    wait_for_fetch(all);
    turn(all, 20);
    assert_int_equal(all->fetches, 1); /* and not at every look */
    assert_true(has_logged(all, "sts-refresh-failed domain=example.org"));
    assert_string_equal(find(all, "example.org"), "1");
    all->status = 200;
    all->clock.fixed_wall_s += STS_CACHE_REFRESH_AGAIN_S;
    wait_for_fetch(all);
    turn(all, 20);
    assert_string_equal(find(all, "example.org"), "2");
}

static void tells_why_a_refresh_failed_with_what_was_published_escaped_once(void **state)
{
    struct keeping *all = *state;

    keep(all, "example.org", "1", POLICY);
    assert_non_null(find(all, "example.org"));
    all->clock.fixed_wall_s += DAY_S;
    all->body = "version: STSv1\nmode: a\\b\n";
    begin_refreshing(all);
    wait_for_fetch(all);
    turn(all, 20);
    assert_true(has_logged(all, "sts-refresh-failed domain=example.org"));
    assert_true(has_logged(all, "a\\\\b"));
    assert_false(has_logged(all, "a\\\\\\\\b"));
}

static void lets_go_of_what_has_ended(void **state)
{
    struct keeping *all = *state;

    keep(all, "example.org", "1", POLICY);
    begin_refreshing(all);
    all->clock.fixed_wall_s += 7 * DAY_S - 1;
    turn(all, 20);
    assert_int_equal(sts_keeper_count(all->keeper), 1);
    all->clock.fixed_wall_s += 1;
    turn(all, 20);
    assert_int_equal(sts_keeper_count(all->keeper), 0);
    restart(all);
    assert_int_equal(sts_keeper_count(all->keeper), 0);
}

static void calls_refreshes_off(void **state)
{
    struct keeping *all = *state;
    char domain[32];

    for (int i = 0; i < 2 * STS_CACHE_REFRESHES; i++) {
        snprintf(domain, sizeof domain, "d%d.example", i);
        keep(all, domain, "2", POLICY);
        assert_non_null(find(all, domain));
    }
    all->clock.fixed_wall_s += DAY_S;
    begin_refreshing(all);
    wait_for_fetch(all); /* others are under way */
    sts_keeper_refresh_by(all->keeper, NULL);
    all->fetches = 0;
    turn(all, 20);
    assert_int_equal(all->fetches, 0);
    begin_refreshing(all);
    close_keeper(all);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* With SQLite's own memory, and after a restart, too. */
static void costs_a_kilobyte_a_policy_at_most(void **state)
{
    struct keeping *all = *state;
    size_t before, cost;
    char domain[64];

    close_keeper(all);
    before = heap_bytes();
    if (before == 0)
        skip(); /* another allocator's, such as a sanitizer's, which counts nothing */
    open_keeper(all);
    for (int i = 0; i < MANY; i++) {
        snprintf(domain, sizeof domain, "quite-a-usual-domain-%d.example.org", i);
        keep(all, domain, "20261122051500Z", POLICY);
    }
    cost = heap_bytes() - before;
    print_message("%zu bytes a policy\n", cost / MANY);
    assert_true(cost / MANY <= EACH_MOST);
    restart(all);
    assert_int_equal(sts_keeper_count(all->keeper), MANY);
    cost = heap_bytes() - before;
    print_message("%zu bytes a policy after a restart\n", cost / MANY);
    assert_true(cost / MANY <= EACH_MOST);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        STAGED(keeps_a_policy_over_restarts),
        STAGED(can_be_looked_into_while_it_runs),
        STAGED(remembers_a_fetch_that_failed_until_one_succeeds),
        STAGED(lets_go_of_what_nobody_used_for_the_longest),
        STAGED(puts_a_file_aside_that_cannot_be_read),
        STAGED(lives_without_a_file_and_says_so),
        STAGED(writes_all_of_it_later_where_a_write_failed),
        STAGED(keeps_policies_after_a_start_on_a_full_disk),
        STAGED(shares_its_file_again_when_there_is_room),
        STAGED(fetches_a_policy_in_use_anew_before_it_ends),
        STAGED(keeps_a_policy_whose_refresh_fails_and_tries_again_later),
        STAGED(tells_why_a_refresh_failed_with_what_was_published_escaped_once),
        STAGED(lets_go_of_what_has_ended),
        STAGED(calls_refreshes_off),
        STAGED(costs_a_kilobyte_a_policy_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
