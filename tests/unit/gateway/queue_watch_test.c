/* tests/unit/gateway/queue_watch_test.c - promises of gateway/queue_watch.h */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "gateway/queue_watch.h"

enum { TEXT_MOST = 8192 };

static struct clock now;
static struct log events;
static struct queue_watch watch;
static FILE *file;

static int set_up(void **state)
{
    (void)state;
    now = clock_fixed(1000, 5000);
    file = tmpfile();
    if (file == NULL)
        return 1;
    log_init(&events, LOG_TEXT, LOG_NOTE, fileno(file), &now);
    queue_watch_init(&watch, &events, &now);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return fclose(file);
}

static void assert_told(const char *text)
{
    static char told[TEXT_MOST];
    ssize_t len = pread(fileno(file), told, sizeof told - 1, 0);

    assert_true(len >= 0);
    told[len] = '\0';
    assert_string_equal(told, text);
}

#define FULL                                                                                       \
    "1970-01-01T00:16:40Z error queue-failed status=full times=%d reason=\"no room for it\" "      \
    "remedy=\"make room on the disk of the queue: mail is taken again by itself\"\n"
#define FIRST                                                                                      \
    "1970-01-01T00:16:40Z error queue-failed status=failed times=1 reason=\"it broke\" "           \
    "remedy=\"see what the kernel says of the disk of the queue: dmesg\"\n"
#define WORKS "1970-01-01T00:16:40Z note queue-works untold=%d\n"

static void a_queue_that_works_is_no_news(void **state)
{
    (void)state;
    queue_watch_kept(&watch);
    assert_told("");
}

static void the_first_failure_is_told_with_its_cause_and_what_to_do(void **state)
{
    (void)state;
    queue_watch_failed(&watch, QUEUE_FAILED, "it broke");
    assert_told(FIRST);
}

static void those_that_follow_are_counted_and_told_once_a_minute(void **state)
{
    char text[TEXT_MOST];

    (void)state;
    queue_watch_failed(&watch, QUEUE_FAILED, "it broke");
    for (int i = 0; i < 100; i++)
        queue_watch_failed(&watch, QUEUE_FULL, "no room for it");
    assert_told(FIRST);
    now.fixed_monotonic_ms += QUEUE_WATCH_AGAIN_MS;
    queue_watch_failed(&watch, QUEUE_FULL, "no room for it");
    snprintf(text, sizeof text, FIRST FULL, 101);
    assert_told(text);
}

static void it_works_again_when_mail_was_kept_and_none_failed_for_a_while(void **state)
{
    char text[TEXT_MOST];

    (void)state;
    queue_watch_failed(&watch, QUEUE_FAILED, "it broke");
    queue_watch_kept(&watch);
    now.fixed_monotonic_ms += QUEUE_WATCH_WELL_MS - 1;
    queue_watch_kept(&watch);
    queue_watch_failed(&watch, QUEUE_FULL, "no room for it");
    now.fixed_monotonic_ms += QUEUE_WATCH_WELL_MS - 1;
    queue_watch_kept(&watch);
    assert_told(FIRST);
    now.fixed_monotonic_ms++;
    queue_watch_kept(&watch);
    queue_watch_kept(&watch);
    snprintf(text, sizeof text, FIRST WORKS, 1);
    assert_told(text);
}

static void what_fails_after_that_is_told_at_once(void **state)
{
    char text[TEXT_MOST];

    (void)state;
    queue_watch_failed(&watch, QUEUE_FAILED, "it broke");
    now.fixed_monotonic_ms += QUEUE_WATCH_WELL_MS;
    queue_watch_kept(&watch);
    queue_watch_failed(&watch, QUEUE_FULL, "no room for it");
    snprintf(text, sizeof text, FIRST WORKS FULL, 0, 1);
    assert_told(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queue_that_works_is_no_news),
        TEST(the_first_failure_is_told_with_its_cause_and_what_to_do),
        TEST(those_that_follow_are_counted_and_told_once_a_minute),
        TEST(it_works_again_when_mail_was_kept_and_none_failed_for_a_while),
        TEST(what_fails_after_that_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
