/* tests/unit/gateway/host_memory_test.c - promises of gateway/host_memory.h */
#include "gateway/host_memory.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../queue/file_limit.h"
#include "../test.h"
#include "base/memory.h"
#include "sessions.h"

enum { NOW_S = 1795313400 }; /* 2026-11-22 02:10 UTC */

struct remembering {
    struct sessions *sessions;
    char folder[64];
    struct clock clock;
    struct loop *loop;
    struct log log;
    int log_file;
    size_t most;
    struct host_memory *memory;
};

static void open_memory(struct remembering *all)
{
    const struct host_memory_settings settings = { .loop = all->loop,
                                                   .state_dir = all->folder,
                                                   .clock = &all->clock,
                                                   .log = &all->log,
                                                   .hosts_most = all->most,
                                                   .write_after_ms = 1 };
    struct error err = { .text = "" };

    if (!host_memory_open(&settings, &all->memory, &err))
        fail_msg("%s", err.text);
}

static void stop_loop(void *owner)
{
    loop_stop(((struct remembering *)owner)->loop);
}

static void close_memory(struct remembering *all)
{
    host_memory_drain(all->memory, stop_loop, all);
    loop_run(all->loop);
    host_memory_close(&all->memory);
}

static void restart(struct remembering *all)
{
    close_memory(all);
    open_memory(all);
}

static int start(void **state)
{
    struct remembering *all = memory_new(1, sizeof *all);
    char path[96];
    void *sessions;

    assert_non_null(all);
    assert_int_equal(sessions_open(&sessions), 0);
    all->sessions = sessions;
    snprintf(all->folder, sizeof all->folder, "/tmp/postern-hosts-XXXXXX");
    assert_non_null(mkdtemp(all->folder));
    snprintf(path, sizeof path, "%s/log", all->folder);
    all->log_file = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    assert_true(all->log_file >= 0);
    all->clock = clock_fixed(NOW_S, 0);
    log_init(&all->log, LOG_TEXT, LOG_NOTE, all->log_file, &all->clock);
    assert_true(loop_open(&all->loop, NULL));
    open_memory(all);
    *state = all;
    return 0;
}

static int stop(void **state)
{
    static const char *const files[] = { "hosts.db", "hosts.db-wal", "hosts.db-shm",
                                         "hosts.db.damaged", "log" };
    struct remembering *all = *state;
    void *sessions = all->sessions;
    char path[96];

    if (all->memory != NULL)
        close_memory(all);
    loop_close(&all->loop);
    close(all->log_file);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof path, "%s/%s", all->folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(all->folder), 0);
    sessions_close(&sessions);
    memory_free(all);
    return 0;
}

static bool has_logged(const struct remembering *all, const char *words)
{
    static char text[65536];
    ssize_t len = pread(all->log_file, text, sizeof text - 1, 0);

    assert_true(len >= 0);
    text[len] = '\0';
    return strstr(text, words) != NULL;
}

/* A session with nothing wrong, or with one finding. */
static const char *take(struct remembering *all, const char *destination,
                        const struct observation *seen, const char *code, bool was_success)
{
    return host_memory_take(all->memory, destination, seen, sessions_findings(all->sessions, code),
                            was_success, &all->sessions->arena);
}

static const char *deliver(struct remembering *all, const char *domain, const char *host,
                           enum sessions_issuer issuer)
{
    return take(all, domain, sessions_over_tls(all->sessions, host, "192.0.2.1", issuer),
                issuer == SESSIONS_FIREWALL ? "certificate-issuer-untrusted" : NULL, true);
}

static const char *meet_firewall(struct remembering *all, const char *domain, const char *host)
{
    return take(all, domain, sessions_over_tls(all->sessions, host, "192.0.2.1", SESSIONS_FIREWALL),
                "certificate-issuer-untrusted", false);
}

static void has_no_words_for_a_new_host_nor_for_one_that_is_as_it_was(void **state)
{
    struct remembering *all = *state;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_null(meet_firewall(all, "example.com", "mx.example.com"));
}

static void says_what_is_new_and_since_when(void **state)
{
    struct remembering *all = *state;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    all->clock.fixed_wall_s += 3600;
    assert_string_equal(
        meet_firewall(all, "example.org", "mx.example.org"),
        "since 2026-11-22 03:10 UTC the issuer is FGT60F (Fortinet); before, R11 (Let's Encrypt)\n"
        "since 2026-11-22 03:10 UTC the key's SHA-256 is 00000002mx.examp; before, 00000000mx.examp\n"
        "since 2026-11-22 03:10 UTC the findings are certificate-issuer-untrusted; before, none\n"
        "the last delivery before that: 2026-11-22 02:10 UTC\n");
}

static void keeps_saying_since_when_while_the_host_fails(void **state)
{
    struct remembering *all = *state;
    const char *first;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    first = meet_firewall(all, "example.org", "mx.example.org");
    assert_non_null(first);
    for (int i = 0; i < 3; i++) {
        all->clock.fixed_wall_s += 7200;
        if (i == 1)
            restart(all);
        assert_string_equal(meet_firewall(all, "example.org", "mx.example.org"), first);
    }
}

static void knows_the_key_of_the_last_success(void **state)
{
    struct remembering *all = *state;
    struct observation *seen =
        sessions_over_tls(all->sessions, "mx.example.org", "192.0.2.1", SESSIONS_FIREWALL);
    int64_t at_s = 0;

    assert_null(host_memory_key(all->memory, seen, &at_s, &all->sessions->arena));
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    all->clock.fixed_wall_s += 3600;
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org")); /* no success */
    restart(all);
    assert_string_equal(host_memory_key(all->memory, seen, &at_s, &all->sessions->arena),
                        "00000000mx.example.org");
    assert_int_equal(at_s, NOW_S);
    seen->address = "192.0.2.2"; /* a new one: that of the host does */
    assert_string_equal(host_memory_key(all->memory, seen, &at_s, &all->sessions->arena),
                        "00000000mx.example.org");
    seen->host = "mx.example.com";
    assert_null(host_memory_key(all->memory, seen, &at_s, &all->sessions->arena));
}

static void counts_anew_what_was_as_before_in_between(void **state)
{
    struct remembering *all = *state;
    const char *words;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org"));
    all->clock.fixed_wall_s += 3600;
    assert_null(
        take(all, "example.org",
             sessions_over_tls(all->sessions, "mx.example.org", "192.0.2.1", SESSIONS_PUBLIC), NULL,
             false));
    all->clock.fixed_wall_s += 3600;
    words = meet_firewall(all, "example.org", "mx.example.org");
    assert_non_null(strstr(words, "since 2026-11-22 04:10 UTC the issuer"));
}

static void remembers_only_what_delivered(void **state)
{
    struct remembering *all = *state;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org"));
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_non_null(deliver(all, "example.org", "mx.example.org", SESSIONS_FIREWALL));
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_FIREWALL));
}

static void says_that_mail_went_in_the_clear_where_it_did_not_before(void **state)
{
    struct remembering *all = *state;
    const char *words;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    words =
        take(all, "example.org", sessions_in_clear(all->sessions, "mx.example.org", "192.0.2.1"),
             "starttls-not-offered", true);
    assert_non_null(strstr(words, "UTC the TLS version is none; before, TLSv1.3\n"));
    assert_non_null(strstr(words, "UTC EHLO no longer offers STARTTLS\n"));
    assert_null(strstr(words, "issuer"));
    /* What the session in the clear did not show is still known. */
    assert_non_null(strstr(deliver(all, "example.org", "mx.example.org", SESSIONS_OTHER_PUBLIC),
                           "the issuer is E1 (Example Trust); before, R11 (Let's Encrypt)\n"));
}

static void compares_a_new_address_with_the_one_of_the_last_success(void **state)
{
    struct remembering *all = *state;
    struct observation *second =
        sessions_over_tls(all->sessions, "mx.example.org", "192.0.2.2", SESSIONS_OTHER_PUBLIC);

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_non_null(take(all, "example.org", second, NULL, true));
    /* From here on each is compared with itself. */
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_null(take(all, "example.org", second, NULL, true));
}

static void does_not_take_servers_without_a_name_for_one(void **state)
{
    struct remembering *all = *state;

    assert_null(take(all, "example.org",
                     sessions_over_tls(all->sessions, "", "192.0.2.1", SESSIONS_PUBLIC), NULL,
                     true));
    assert_null(take(all, "example.com",
                     sessions_over_tls(all->sessions, "", "192.0.2.2", SESSIONS_OTHER_PUBLIC), NULL,
                     true));
    assert_non_null(take(all, "example.com",
                         sessions_over_tls(all->sessions, "", "192.0.2.2", SESSIONS_PUBLIC), NULL,
                         true));
}

static void remembers_over_a_restart(void **state)
{
    struct remembering *all = *state;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    restart(all);
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org"));
}

static void writes_while_it_runs(void **state)
{
    struct remembering *all = *state;
    struct loop_timer *timer;

    for (int i = 0; i < 50; i++) {
        char host[64];

        snprintf(host, sizeof host, "mx%d.example.org", i);
        assert_null(deliver(all, "example.org", host, SESSIONS_PUBLIC));
        assert_true(loop_timer_open(all->loop, stop_loop, all, &timer, NULL));
        loop_timer_start(timer, 2);
        loop_run(all->loop);
        loop_timer_close(&timer);
    }
    restart(all);
    for (int i = 0; i < 50; i++) {
        char host[64];

        snprintf(host, sizeof host, "mx%d.example.org", i);
        assert_non_null(meet_firewall(all, "example.org", host));
    }
}

static void writes_more_hosts_than_one_write_takes(void **state)
{
    struct remembering *all = *state;
    char host[64];

    for (int i = 0; i < 3500; i++) {
        snprintf(host, sizeof host, "mx%d.example%d.org", i, i);
        arena_clear(&all->sessions->arena);
        assert_null(deliver(all, "example.org", host, SESSIONS_PUBLIC));
    }
    restart(all);
    for (int i = 0; i < 3500; i++) {
        snprintf(host, sizeof host, "mx%d.example%d.org", i, i);
        arena_clear(&all->sessions->arena);
        assert_non_null(meet_firewall(all, "example.org", host));
    }
}

static void forgets_the_hosts_of_the_oldest_success_first(void **state)
{
    struct remembering *all = *state;
    char host[64];

    close_memory(all);
    all->most = 10;
    open_memory(all);
    for (int i = 0; i < 30; i++) {
        snprintf(host, sizeof host, "mx%d.example.org", i);
        assert_null(deliver(all, "example.org", host, SESSIONS_PUBLIC));
        all->clock.fixed_wall_s++;
        assert_null(deliver(all, "example.org", "mx0.example.org", SESSIONS_PUBLIC));
        if (i % 7 == 0)
            restart(all);
    }
    restart(all);
    for (int i = 1; i < 30; i++) {
        snprintf(host, sizeof host, "mx%d.example.org", i);
        assert_true((meet_firewall(all, "example.org", host) != NULL) == (i > 20));
    }
    assert_non_null(meet_firewall(all, "example.org", "mx0.example.org"));
}

static void keeps_some_addresses_of_a_host(void **state)
{
    struct remembering *all = *state;
    char address[64];

    for (int i = 0; i < 40; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i);
        (void)take(all, "example.org",
                   sessions_over_tls(all->sessions, "mx.example.org",
                                     arena_copy(&all->sessions->arena, span_of(address)),
                                     i % 2 == 0 ? SESSIONS_PUBLIC : SESSIONS_OTHER_PUBLIC),
                   NULL, true);
    }
    restart(all);
    for (int i = 40 - HOST_MEMORY_ADDRESSES_MOST; i < 40; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i);
        assert_null(take(all, "example.org",
                         sessions_over_tls(all->sessions, "mx.example.org", address,
                                           i % 2 == 0 ? SESSIONS_PUBLIC : SESSIONS_OTHER_PUBLIC),
                         NULL, true));
    }
}

/* ---- is it us? ---- */

static const struct {
    const char *domain, *host;
} places[] = { { "example.org", "mx.example.org" },
               { "example.com", "mail.example.com" },
               { "example.net", "in.example.net" },
               { "example.edu", "a.example.edu" } };

static void deliver_everywhere(struct remembering *all, enum sessions_issuer issuer)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        assert_null(deliver(all, places[i].domain, places[i].host, issuer));
}

static bool is_ours(const char *words)
{
    return words != NULL && strstr(words, "it is our own firewall or proxy") != NULL;
}

static void says_that_it_is_our_firewall_where_three_destinations_show_its_certificate(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    assert_false(is_ours(meet_firewall(all, places[0].domain, places[0].host)));
    assert_false(is_ours(meet_firewall(all, places[0].domain, places[0].host)));
    assert_false(is_ours(meet_firewall(all, places[1].domain, places[1].host)));
    assert_non_null(
        strstr(meet_firewall(all, places[2].domain, places[2].host),
               "so at 3 destinations within a day: it is our own firewall or proxy that stands"
               " between\n"));
    assert_true(is_ours(meet_firewall(all, places[0].domain, places[0].host)));
}

static void does_not_blame_our_firewall_for_one_operator_of_many_domains(void **state)
{
    struct remembering *all = *state;
    char domain[64], host[64];

    for (int i = 0; i < 5; i++) {
        snprintf(domain, sizeof domain, "customer%d.example", i);
        snprintf(host, sizeof host, "mx%d.hoster.example", i);
        assert_null(deliver(all, domain, host, SESSIONS_PUBLIC));
        assert_false(is_ours(meet_firewall(all, domain, host)));
    }
}

static void does_not_blame_our_firewall_for_a_public_authority_that_many_change_to(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        assert_false(
            is_ours(deliver(all, places[i].domain, places[i].host, SESSIONS_OTHER_PUBLIC)));
        assert_null(deliver(all, "example.info", "mx.example.info", SESSIONS_PUBLIC));
        all->clock.fixed_wall_s += 60;
    }
}

static void blames_our_firewall_though_we_trust_it_where_nothing_else_is_seen(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    all->clock.fixed_wall_s += 60;
    assert_false(is_ours(deliver(all, places[0].domain, places[0].host, SESSIONS_OTHER_PUBLIC)));
    assert_false(is_ours(deliver(all, places[1].domain, places[1].host, SESSIONS_OTHER_PUBLIC)));
    assert_true(is_ours(deliver(all, places[2].domain, places[2].host, SESSIONS_OTHER_PUBLIC)));
}

static void forgets_suspicions_after_a_day(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        assert_false(is_ours(meet_firewall(all, places[i].domain, places[i].host)));
        all->clock.fixed_wall_s += HOST_MEMORY_ALIKE_S / 2 + 1;
    }
}

static const char *meet_mask(struct remembering *all, size_t place)
{
    return take(all, places[place].domain,
                sessions_in_clear(all->sessions, places[place].host, "192.0.2.1"),
                "starttls-masked", true);
}

static void says_that_it_is_our_firewall_where_starttls_is_masked_everywhere(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    assert_false(is_ours(meet_mask(all, 0)));
    assert_false(is_ours(meet_mask(all, 1)));
    assert_true(is_ours(meet_mask(all, 2)));
}

static void does_not_blame_our_firewall_where_others_come_through(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    assert_false(is_ours(meet_mask(all, 0)));
    all->clock.fixed_wall_s += 60;
    assert_null(deliver(all, "example.info", "mx.example.info", SESSIONS_PUBLIC));
    all->clock.fixed_wall_s += 60;
    assert_false(is_ours(meet_mask(all, 1)));
    assert_false(is_ours(meet_mask(all, 2)));
}

static void does_not_blame_our_firewall_for_certificates_that_expired(void **state)
{
    struct remembering *all = *state;

    deliver_everywhere(all, SESSIONS_PUBLIC);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        assert_false(is_ours(
            take(all, places[i].domain,
                 sessions_over_tls(all->sessions, places[i].host, "192.0.2.1", SESSIONS_PUBLIC),
                 "certificate-expired", true)));
}

/* ---- files that fail ---- */

static void puts_a_damaged_file_aside(void **state)
{
    struct remembering *all = *state;
    char path[96], aside[96];
    int file;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    close_memory(all);
    snprintf(path, sizeof path, "%s/hosts.db", all->folder);
    snprintf(aside, sizeof aside, "%s/hosts.db.damaged", all->folder);
    file = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(file >= 0);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(write(file, "rubbish!", 8), 8);
    close(file);
    open_memory(all);
    assert_int_equal(access(aside, F_OK), 0);
    assert_true(has_logged(all, "host-memory-lost"));
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    restart(all);
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org"));
}

/* Somebody else changes the file while it is open. */
static void change_file(const struct remembering *all, const char *sql)
{
    sqlite3 *connection;
    char path[96];

    snprintf(path, sizeof path, "%s/hosts.db", all->folder);
    assert_int_equal(sqlite3_open(path, &connection), SQLITE_OK);
    assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(connection);
}

static void turn(struct remembering *all)
{
    struct loop_timer *timer;

    assert_true(loop_timer_open(all->loop, stop_loop, all, &timer, NULL));
    loop_timer_start(timer, 2);
    loop_run(all->loop);
    loop_timer_close(&timer);
}

static void writes_all_of_it_later_where_a_write_failed(void **state)
{
    struct remembering *all = *state;

    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    restart(all);
    change_file(all, "ALTER TABLE host RENAME TO elsewhere");
    assert_null(deliver(all, "example.com", "mx.example.com", SESSIONS_PUBLIC));
    for (int i = 0; i < 5000 && !has_logged(all, "host-memory-unwritten"); i++)
        turn(all);
    assert_true(has_logged(all, "host-memory-unwritten"));
    change_file(all, "ALTER TABLE elsewhere RENAME TO host; DELETE FROM host");
    restart(all);
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org"));
    assert_non_null(meet_firewall(all, "example.com", "mx.example.com"));
}

static void remembers_after_a_start_on_a_full_disk(void **state)
{
    static const char *const hosts[] = { "mx1.example.org", "mx2.example.org" };
    struct remembering *all = *state;
    char path[96];

    close_memory(all);
    snprintf(path, sizeof path, "%s/hosts.db", all->folder);
    assert_int_equal(unlink(path), 0);
    for (size_t i = 0; i < 2; i++) { /* without a file, and with one */
        limit_files_to(4096);        /* less than SQLite needs */
        open_memory(all);
        limit_files_to(0);
        assert_null(deliver(all, "example.org", hosts[i], SESSIONS_PUBLIC));
        close_memory(all);
    }
    open_memory(all);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(meet_firewall(all, "example.org", hosts[i]));
}

static void remembers_without_a_file_where_none_can_be_had(void **state)
{
    struct remembering *all = *state;
    char folder[sizeof all->folder];

    close_memory(all);
    memcpy(folder, all->folder, sizeof folder);
    snprintf(all->folder, sizeof all->folder, "/dev/null/none");
    open_memory(all);
    memcpy(all->folder, folder, sizeof folder);
    assert_true(has_logged(all, "host-memory-unwritten"));
    assert_null(deliver(all, "example.org", "mx.example.org", SESSIONS_PUBLIC));
    assert_non_null(meet_firewall(all, "example.org", "mx.example.org"));
    restart(all);
    assert_null(meet_firewall(all, "example.org", "mx.example.org"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(has_no_words_for_a_new_host_nor_for_one_that_is_as_it_was),
        TEST(says_what_is_new_and_since_when),
        TEST(keeps_saying_since_when_while_the_host_fails),
        TEST(knows_the_key_of_the_last_success),
        TEST(counts_anew_what_was_as_before_in_between),
        TEST(remembers_only_what_delivered),
        TEST(says_that_mail_went_in_the_clear_where_it_did_not_before),
        TEST(compares_a_new_address_with_the_one_of_the_last_success),
        TEST(does_not_take_servers_without_a_name_for_one),
        TEST(remembers_over_a_restart),
        TEST(writes_while_it_runs),
        TEST(writes_more_hosts_than_one_write_takes),
        TEST(forgets_the_hosts_of_the_oldest_success_first),
        TEST(keeps_some_addresses_of_a_host),
        TEST(says_that_it_is_our_firewall_where_three_destinations_show_its_certificate),
        TEST(does_not_blame_our_firewall_for_one_operator_of_many_domains),
        TEST(does_not_blame_our_firewall_for_a_public_authority_that_many_change_to),
        TEST(blames_our_firewall_though_we_trust_it_where_nothing_else_is_seen),
        TEST(forgets_suspicions_after_a_day),
        TEST(says_that_it_is_our_firewall_where_starttls_is_masked_everywhere),
        TEST(does_not_blame_our_firewall_where_others_come_through),
        TEST(does_not_blame_our_firewall_for_certificates_that_expired),
        TEST(puts_a_damaged_file_aside),
        TEST(writes_all_of_it_later_where_a_write_failed),
        TEST(remembers_after_a_start_on_a_full_disk),
        TEST(remembers_without_a_file_where_none_can_be_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
