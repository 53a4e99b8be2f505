/* tests/unit/gateway/tls_reports_test.c - promises of gateway/tls_reports.h, with the answers of DNS and HTTPS scripted.
 *
 * The functions of net/dns.h and net/https.h that are called are defined here; tests/integration asks real servers. The
 * queue and the file are real.
 */
#include "gateway/tls_reports.h"

#include <stdio.h>
#include <string.h>

#include "../queue/asking.h"
#include "../test.h"
#include "base/gzip.h"
#include "base/memory.h"
#include "gateway/tls_report_file.h"
#include "net/https.h"
#include "sessions.h"

enum { LIMIT_MS = 60000, DAY_S = 86400, TODAY = ASKING_NOW_S / DAY_S };

/* ---- scripted servers ---- */

struct dns_query {
    struct loop_timer *timer;
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;
    enum dns_type type;
};

struct https_query {
    struct loop_timer *timer;
    void (*answered)(void *owner, const struct https_answer *answer);
    void *owner;
};

static struct stage {
    struct asking queue;
    struct sessions *sessions;
    struct clock clock;
    struct loop_timer *limit, *beat;
    struct gateway_profile profile;
    struct tls_reports *reports;
    struct arena arena;
    /* what the servers say, and were asked */
    enum dns_outcome outcome;
    const char *record; /* of _smtp._tls */
    enum https_outcome https;
    int status;
    bool is_silent;     /* the HTTPS server */
    bool has_no_memory; /* for work on another thread */
    char address[4];
    int looked_up, posted, woken;
    struct buffer upload;
    char url[200], media_type[64], name[300];
    bool (*is_reached)(void);
} stage;

/* The linker puts these between the library and net/. */
bool real_work_start(struct loop *loop, void (*run)(void *owner), void (*done)(void *owner),
                     void *owner, struct error *err) __asm__("__real_work_start");
bool scarce_work_start(struct loop *loop, void (*run)(void *owner), void (*done)(void *owner),
                       void *owner, struct error *err) __asm__("__wrap_work_start");
bool scripted_dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
                       void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
                       struct dns_query **query, struct error *err) __asm__("__wrap_dns_find");
void scripted_dns_cancel(struct dns_query **query) __asm__("__wrap_dns_cancel");
bool scripted_https_send(struct https *https, const struct https_request *request,
                         void (*answered)(void *owner, const struct https_answer *answer),
                         void *owner, struct https_query **query,
                         struct error *err) __asm__("__wrap_https_send");
void scripted_https_cancel(struct https_query **query) __asm__("__wrap_https_cancel");

bool scarce_work_start(struct loop *loop, void (*run)(void *owner), void (*done)(void *owner),
                       void *owner, struct error *err)
{
    return stage.has_no_memory ? error_set(err, ERROR_MEMORY, "no memory for a piece of work")
                               : real_work_start(loop, run, done, owner, err);
}

static void answer_dns(void *owner)
{
    struct dns_query *query = owner;
    struct dns_answer told = { .outcome = DNS_NO_DATA };
    struct span record = { stage.address, sizeof stage.address };
    char text[256];

    if (query->type == DNS_TYPE_A) {
        told.outcome = DNS_ANSWERED;
    } else if (query->type == DNS_TYPE_TXT) {
        told.outcome = stage.outcome;
        record.len =
            (size_t)snprintf(text, sizeof text, "%c%s", (int)strlen(stage.record), stage.record);
        record.data = text;
    }
    told.records = &record;
    told.record_count = told.outcome == DNS_ANSWERED;
    query->answered(query->owner, &told);
    loop_timer_close(&query->timer);
    memory_free(query);
}

bool scripted_dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
                       void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
                       struct dns_query **query, struct error *err)
{
    struct dns_query *made = memory_new(1, sizeof *made);

    (void)dns, (void)err;
    assert_true(timeout_ms > 0);
    assert_non_null(made);
    if (type == DNS_TYPE_TXT) {
        stage.looked_up++;
        snprintf(stage.name, sizeof stage.name, "%s", name);
    }
    *made = (struct dns_query){ .answered = answered, .owner = owner, .type = type };
    assert_true(loop_timer_open(stage.queue.loop, answer_dns, made, &made->timer, NULL));
    loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void scripted_dns_cancel(struct dns_query **query)
{
    loop_timer_close(&(*query)->timer);
    memory_free(*query);
    *query = NULL;
}

static void answer_https(void *owner)
{
    struct https_query *query = owner;
    const struct https_answer answer = { .outcome = stage.https,
                                         .status = stage.status,
                                         .failure = "no" };

    query->answered(query->owner, &answer);
    loop_timer_close(&query->timer);
    memory_free(query);
}

bool scripted_https_send(struct https *https, const struct https_request *request,
                         void (*answered)(void *owner, const struct https_answer *answer),
                         void *owner, struct https_query **query, struct error *err)
{
    struct https_query *made = memory_new(1, sizeof *made);

    (void)https, (void)err;
    assert_non_null(made);
    assert_int_equal(request->address_count, 1);
    assert_non_null(request->judge);
    stage.posted++;
    snprintf(stage.url, sizeof stage.url, "%s", request->url);
    snprintf(stage.media_type, sizeof stage.media_type, "%s", request->upload_type);
    buffer_clear(&stage.upload);
    assert_true(buffer_append(&stage.upload, request->upload));
    *made = (struct https_query){ .answered = answered, .owner = owner };
    assert_true(loop_timer_open(stage.queue.loop, answer_https, made, &made->timer, NULL));
    if (!stage.is_silent)
        loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void scripted_https_cancel(struct https_query **query)
{
    if (*query == NULL)
        return;
    loop_timer_close(&(*query)->timer);
    memory_free(*query);
    *query = NULL;
}

/* ---- the gateway around it ---- */

static void wake(void *owner)
{
    (void)owner;
    stage.woken++;
}

static void open_reports(void)
{
    const struct tls_reports_settings settings = {
        .loop = stage.queue.loop,
        .state_dir = stage.queue.folder,
        .clock = &stage.clock,
        .door = stage.queue.door,
        .dns = (struct dns *)&stage,     /* never looked into: its functions are ours */
        .https = (struct https *)&stage, /* likewise */
        .woken = wake,
        .write_after_ms = 1,
        .look_ms = 1,
    };
    struct error err = { .text = "" };

    if (!tls_reports_open(&settings, &stage.profile, &stage.reports, &err))
        fail_msg("%s", err.text);
}

static void stop_loop(void *owner)
{
    (void)owner;
    loop_stop(stage.queue.loop);
}

static void close_reports(void)
{
    if (stage.reports == NULL)
        return;
    tls_reports_drain(stage.reports, stop_loop, NULL);
    loop_run(stage.queue.loop);
    tls_reports_close(&stage.reports);
}

static void restart(void)
{
    close_reports();
    open_reports();
}

static void run_out(void *owner)
{
    (void)owner;
    fail_msg("it never comes");
}

static void beat(void *owner)
{
    (void)owner;
    if (stage.is_reached())
        loop_stop(stage.queue.loop);
    else
        loop_timer_start(stage.beat, 1);
}

static void run_until(bool (*is_reached)(void))
{
    stage.is_reached = is_reached;
    loop_timer_start(stage.limit, LIMIT_MS);
    loop_timer_start(stage.beat, 0);
    loop_run(stage.queue.loop);
    loop_timer_stop(stage.limit);
}

static int setup(void **state)
{
    void *sessions;

    (void)state;
    stage = (struct stage){ .outcome = DNS_ANSWERED,
                            .record = "v=TLSRPTv1; rua=https://a.example/t",
                            .https = HTTPS_ANSWERED,
                            .address = { 23, 0, 2, 7 },
                            .status = 201 };
    asking_open(&stage.queue);
    assert_int_equal(sessions_open(&sessions), 0);
    stage.sessions = sessions;
    arena_init(&stage.arena, 64 << 20);
    buffer_init(&stage.upload, 1 << 20);
    stage.clock = clock_fixed(ASKING_NOW_S, 0);
    stage.profile = (struct gateway_profile){
        .references = 100,
        .reports = { .sends = true,
                     .organization = "Org",
                     .contact = "tls@b.example",
                     .from = "noreply@b.example",
                     .submitter = "b.example" },
    };
    assert_true(loop_timer_open(stage.queue.loop, run_out, NULL, &stage.limit, NULL));
    assert_true(loop_timer_open(stage.queue.loop, beat, NULL, &stage.beat, NULL));
    open_reports();
    return 0;
}

static int teardown(void **state)
{
    void *sessions = stage.sessions;

    (void)state;
    close_reports();
    loop_timer_close(&stage.limit);
    loop_timer_close(&stage.beat);
    buffer_clear(&stage.upload);
    arena_clear(&stage.arena);
    assert_int_equal(stage.profile.references, 100);
    sessions_close(&sessions);
    asking_close(&stage.queue);
    return 0;
}

/* ---- what is counted ---- */

/* As many sessions in the clear with the host of the domain. */
static void count(const char *domain, int sessions)
{
    const struct tls_report_session session = {
        .domain = domain,
        .seen = sessions_in_clear(stage.sessions, "mx.a.example", "192.0.2.1"),
        .findings = sessions_findings(stage.sessions, NULL),
    };

    for (int i = 0; i < sessions; i++)
        tls_reports_count(stage.reports, &session);
}

/* The file as `postern report` sees it; *entries may be gone with the next look. */
static size_t look_at_file(struct tls_file_entry **entries, struct tls_report *report)
{
    struct database database;
    struct error err = { .text = "" };
    size_t read = 0;

    if (!tls_file_look(&database, stage.queue.folder, &err))
        return 0; /* it is not there yet */
    if (!tls_file_list(&database, -1, NULL, 100, &stage.arena, entries, &read, &err) ||
        (report != NULL && read > 0 &&
         !tls_file_load(&database, (*entries)[0].day, (*entries)[0].domain, &stage.arena, report,
                        &err)))
        fail_msg("%s", err.text);
    database_close(&database);
    return read;
}

/* With the gateway gone. */
static struct tls_file_entry *read_file(size_t expected, struct tls_report *report)
{
    struct tls_file_entry *entries;

    close_reports();
    assert_int_equal(look_at_file(&entries, report), expected);
    return entries;
}

static void what_is_counted_survives_restarts(void **state)
{
    struct tls_report report;

    (void)state;
    count("a.example", 3);
    restart();
    count("A.Example.", 2);
    stage.clock.fixed_wall_s += DAY_S;
    count("a.example", 1);
    assert_int_equal(read_file(2, &report)->day, TODAY);
    assert_int_equal(report.policy_count, 1);
    assert_int_equal(report.policies[0].failures, 5);
    assert_int_equal(report.policies[0].detail_count, 1);
    assert_string_equal(report.policies[0].details[0].result_type, "starttls-not-supported");
    assert_int_equal(report.policies[0].details[0].failed_sessions, 5);
}

static void what_is_no_domain_is_not_counted(void **state)
{
    (void)state;
    count("192.0.2.1", 1);
    count("[192.0.2.1]", 1);
    count("a b.example", 1);
    count("", 1);
    count("b\303\244.example", 1);
    count("a.example", 1);
    assert_string_equal(read_file(1, NULL)->domain, "a.example");
}

/* ---- what is sent ---- */

/* The attempt of the first report is settled: it has ended, or waits for the next one. */
static bool is_settled(void)
{
    struct tls_file_entry *entries;

    return look_at_file(&entries, NULL) > 0 && entries[0].attempts > 0 &&
           (entries[0].state == TLS_FILE_ENDED || entries[0].next_at_s > stage.clock.fixed_wall_s);
}

static bool has_all_ended(void)
{
    struct tls_file_entry *entries;
    size_t read = look_at_file(&entries, NULL);

    for (size_t i = 0; i < read; i++)
        if (entries[i].state != TLS_FILE_ENDED)
            return false;
    return read > 0;
}

/* That of domain "z.example", which is behind the others. */
static bool has_last_ended(void)
{
    struct tls_file_entry *entries;
    size_t read = look_at_file(&entries, NULL);

    return read > 0 && strcmp(entries[read - 1].domain, "z.example") == 0 &&
           entries[read - 1].state == TLS_FILE_ENDED;
}

static bool has_posted(void)
{
    return stage.posted > 0;
}

static bool has_posted_all_at_once(void)
{
    return stage.posted == 4;
}

static bool is_one_left(void)
{
    struct tls_file_entry *entries;

    return look_at_file(&entries, NULL) == 1;
}

/* All reports of today are due. */
static void go_to_tomorrow_night(void)
{
    restart(); /* all is written */
    stage.clock.fixed_wall_s = (TODAY + 2) * (int64_t)DAY_S - 1;
}

static void expect_ended(const struct tls_file_entry *entry, enum tls_copy_state copy,
                         const char *said)
{
    assert_int_equal(entry->state, TLS_FILE_ENDED);
    assert_int_equal(entry->copy_count, 1);
    assert_int_equal(entry->copies[0].state, copy);
    if (strstr(entry->copies[0].said, said) == NULL)
        fail_msg("%s", entry->copies[0].said);
}

static void a_report_is_posted_as_the_rfc_asks(void **state)
{
    AUTO(buffer_clear) struct buffer json;
    struct tls_report report;
    struct error err = { .text = "" };

    (void)state;
    count("a.example", 3);
    go_to_tomorrow_night();
    run_until(is_settled);
    assert_string_equal(stage.name, "_smtp._tls.a.example");
    assert_string_equal(stage.url, "https://a.example/t");
    assert_string_equal(stage.media_type, "application/tlsrpt+gzip");
    buffer_init(&json, 1 << 20);
    assert_true(gzip_read(buffer_span(&stage.upload), &json, &err));
    assert_true(tls_report_read(buffer_span(&json), &stage.arena, &report, &err));
    assert_string_equal(report.organization, "Org");
    assert_string_equal(report.contact, "tls@b.example");
    assert_int_equal(report.start_s, TODAY * (int64_t)DAY_S);
    assert_int_equal(report.policies[0].failures, 3);
    expect_ended(read_file(1, NULL), TLS_COPY_SENT, "201");
}

static void a_report_goes_by_mail_through_our_own_queue(void **state)
{
    struct queue_lease lease = { .now_s = INT32_MAX,
                                 .until_s = INT32_MAX + 600LL,
                                 .most = 10,
                                 .with_bodies = true,
                                 .arena = &stage.arena };
    const char *body;

    (void)state;
    stage.record = "v=TLSRPTv1; rua=mailto:t%2Bx@a.example";
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(is_settled);
    assert_int_equal(stage.woken, 1);
    expect_ended(read_file(1, NULL), TLS_COPY_SENT, "in the queue as ");
    queue_lease(stage.queue.door, &lease, asking_answered, &stage.queue);
    asking_wait(&stage.queue, 1);
    assert_int_equal(lease.message_count, 1);
    assert_int_equal(lease.messages[0].recipient_count, 1);
    assert_true(span_equal(lease.messages[0].recipients[0].address, span_of("t+x@a.example")));
    assert_int_equal(lease.messages[0].recipients[0].notify, QUEUE_NOTIFY_NEVER);
    assert_true(span_equal(lease.messages[0].envelope.sender, span_of("noreply@b.example")));
    assert_true(lease.messages[0].envelope.tls_optional);
    body = arena_copy(&stage.arena, lease.messages[0].body);
    assert_non_null(strstr(body, "\r\nTLS-Report-Domain: a.example\r\n"));
    assert_non_null(strstr(body, "\r\nTLS-Required: No\r\n"));
}

static void each_address_gets_its_own_copy(void **state)
{
    const struct tls_file_entry *entry;

    (void)state;
    stage.record = "v=TLSRPTv1; rua=mailto:t@a.example,https://a.example/t,mailto:a%20b@a.example";
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(is_settled);
    entry = read_file(1, NULL);
    assert_int_equal(entry->copy_count, 3);
    assert_int_equal(entry->copies[0].state, TLS_COPY_SENT);
    assert_int_equal(entry->copies[1].state, TLS_COPY_FAILED);
    assert_int_equal(entry->copies[2].state, TLS_COPY_SENT);
}

/* Sees a look go by. */
static void nothing_is_sent_before_the_day_is_over(void **state)
{
    (void)state;
    count("a.example", 1);
    stage.clock.fixed_wall_s += DAY_S;
    count("m.example", 1); /* of a day that is not over */
    stage.clock.fixed_wall_s -= DAY_S;
    restart();
    stage.clock.fixed_wall_s = (TODAY + 2) * (int64_t)DAY_S - 1;
    run_until(is_settled);
    assert_int_equal(stage.looked_up, 1);
    assert_int_equal(read_file(2, NULL)[1].attempts, 0);
}

/* Days that are long gone show that a look went by. */
static void nothing_is_sent_unless_the_settings_say_so(void **state)
{
    (void)state;
    count("a.example", 1);
    stage.clock.fixed_wall_s += (TLS_FILE_DAYS + 1) * (int64_t)DAY_S;
    count("b.example", 1);
    stage.clock.fixed_wall_s -= (TLS_FILE_DAYS + 1) * (int64_t)DAY_S;
    restart();
    stage.profile.reports.sends = false;
    stage.clock.fixed_wall_s += (TLS_FILE_DAYS + 3) * (int64_t)DAY_S - 1;
    run_until(is_one_left);
    assert_int_equal(stage.looked_up, 0);
    assert_int_equal(read_file(1, NULL)->state, TLS_FILE_WAITING);
}

static void nobody_gets_a_report_twice(void **state)
{
    (void)state;
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(is_settled);
    count("z.example", 1);
    restart();
    stage.clock.fixed_wall_s += DAY_S;
    run_until(has_last_ended);
    restart();
    count("z.example", 1);
    restart();
    stage.clock.fixed_wall_s += DAY_S;
    run_until(has_all_ended);
    assert_string_equal(read_file(3, NULL)->domain, "a.example");
    assert_int_equal(stage.posted, 3);
}

static void what_fails_is_tried_again_for_a_day(void **state)
{
    struct tls_file_entry *entries;
    int attempts = 0;

    (void)state;
    stage.status = 503;
    count("a.example", 1);
    go_to_tomorrow_night();
    do {
        run_until(is_settled);
        assert_int_equal(look_at_file(&entries, NULL), 1);
        assert_int_equal(stage.posted, ++attempts);
        assert_true(attempts < 20);
        stage.clock.fixed_wall_s = entries[0].next_at_s;
    } while (entries[0].state == TLS_FILE_WAITING);
    assert_true(attempts > 5);
    assert_true(stage.clock.fixed_wall_s > entries[0].until_s);
    expect_ended(read_file(1, NULL), TLS_COPY_FAILED, "503");
}

/* Whoever publishes the record could have us speak to any port of any host inside. */
static void nothing_is_posted_to_an_address_of_a_network_of_our_own(void **state)
{
    static const char loopback[4] = { 127, 0, 0, 1 };
    struct tls_file_entry *entries;

    (void)state;
    memcpy(stage.address, loopback, sizeof loopback);
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(is_settled);
    assert_int_equal(stage.posted, 0);
    assert_int_equal(look_at_file(&entries, NULL), 1);
    assert_int_equal(entries[0].state, TLS_FILE_WAITING);
    assert_string_equal(entries[0].copies[0].said,
                        "a.example has no address that everybody reaches: 127.0.0.1 is loopback");
    stage.profile.private_addresses = true;
    stage.clock.fixed_wall_s = entries[0].next_at_s;
    run_until(has_all_ended);
    assert_int_equal(stage.posted, 1);
    expect_ended(read_file(1, NULL), TLS_COPY_SENT, "201");
}

static void a_success_at_the_second_attempt_is_the_end(void **state)
{
    (void)state;
    stage.https = HTTPS_NO_CONNECT;
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(is_settled);
    restart();
    stage.https = HTTPS_ANSWERED;
    stage.clock.fixed_wall_s += 3600;
    run_until(has_all_ended);
    assert_int_equal(stage.posted, 2);
    expect_ended(read_file(1, NULL), TLS_COPY_SENT, "201");
}

static void who_asks_for_nothing_gets_nothing(void **state)
{
    const struct tls_file_entry *entry;

    (void)state;
    stage.outcome = DNS_NXDOMAIN;
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(has_all_ended);
    entry = read_file(1, NULL);
    assert_int_equal(entry->copy_count, 0);
    assert_string_equal(entry->said, "the domain asks for no reports");
    assert_int_equal(stage.posted, 0);
}

static void a_record_with_a_flaw_is_told(void **state)
{
    (void)state;
    stage.record = "v=TLSRPTv1; rua=ftp://a.example/";
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(has_all_ended);
    assert_non_null(strstr(read_file(1, NULL)->said, "_smtp._tls: "));
}

static void a_lookup_that_fails_is_tried_again(void **state)
{
    (void)state;
    stage.outcome = DNS_SERVFAIL;
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(is_settled);
    assert_int_equal(stage.posted, 0);
    stage.outcome = DNS_ANSWERED;
    stage.clock.fixed_wall_s += 3600;
    run_until(has_all_ended);
    expect_ended(read_file(1, NULL), TLS_COPY_SENT, "201");
}

static void a_post_that_the_end_cuts_off_is_not_sent_again(void **state)
{
    (void)state;
    stage.is_silent = true;
    count("a.example", 1);
    go_to_tomorrow_night();
    run_until(has_posted);
    restart();
    stage.is_silent = false;
    count("z.example", 1);
    restart();
    stage.clock.fixed_wall_s += 2 * DAY_S;
    run_until(has_last_ended);
    assert_int_equal(stage.posted, 2);
    expect_ended(read_file(2, NULL), TLS_COPY_UNKNOWN, "stopped");
}

/* Each report under way ends within the walk over them, and is freed there. */
static void an_end_without_memory_comes_all_the_same_and_sends_nothing_twice(void **state)
{
    struct tls_file_entry *entries;

    (void)state;
    stage.is_silent = true;
    count("a.example", 1);
    count("b.example", 1);
    count("c.example", 1);
    count("d.example", 1);
    go_to_tomorrow_night();
    run_until(has_posted_all_at_once);
    stage.has_no_memory = true;
    close_reports();
    stage.has_no_memory = stage.is_silent = false;
    open_reports();
    count("z.example", 1);
    restart();
    stage.clock.fixed_wall_s += 2 * DAY_S;
    run_until(has_last_ended);
    assert_int_equal(stage.posted, 5);
    entries = read_file(5, NULL);
    for (int i = 0; i < 4; i++)
        expect_ended(&entries[i], TLS_COPY_UNKNOWN, "");
}

static void what_is_long_over_is_not_begun(void **state)
{
    (void)state;
    count("a.example", 1);
    restart();
    stage.clock.fixed_wall_s = (TODAY + TLS_FILE_TOO_LATE_DAYS) * (int64_t)DAY_S;
    run_until(has_all_ended);
    assert_int_equal(stage.looked_up, 0);
    assert_string_equal(read_file(1, NULL)->said, "it was too late to send it");
}

/* Four at a time, and all in the end. */
static void many_reports_are_sent_one_after_the_other(void **state)
{
    char name[32];

    (void)state;
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "%02d.example", i);
        count(name, 1);
    }
    go_to_tomorrow_night();
    run_until(has_all_ended);
    assert_int_equal(stage.posted, 25);
    read_file(25, NULL);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(what_is_counted_survives_restarts),
        PROMISE(what_is_no_domain_is_not_counted),
        PROMISE(a_report_is_posted_as_the_rfc_asks),
        PROMISE(a_report_goes_by_mail_through_our_own_queue),
        PROMISE(each_address_gets_its_own_copy),
        PROMISE(nothing_is_sent_before_the_day_is_over),
        PROMISE(nothing_is_sent_unless_the_settings_say_so),
        PROMISE(nobody_gets_a_report_twice),
        PROMISE(what_fails_is_tried_again_for_a_day),
        PROMISE(nothing_is_posted_to_an_address_of_a_network_of_our_own),
        PROMISE(a_success_at_the_second_attempt_is_the_end),
        PROMISE(who_asks_for_nothing_gets_nothing),
        PROMISE(a_record_with_a_flaw_is_told),
        PROMISE(a_lookup_that_fails_is_tried_again),
        PROMISE(a_post_that_the_end_cuts_off_is_not_sent_again),
        PROMISE(an_end_without_memory_comes_all_the_same_and_sends_nothing_twice),
        PROMISE(what_is_long_over_is_not_begun),
        PROMISE(many_reports_are_sent_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
