/* tests/unit/link/question_test.c - promises of link/question.h, with the answers of the DNS scripted. */
#include "link/question.h"

#include <string.h>

#include "../test.h"
#include "scripted_answers.h"

static struct stage {
    struct loop *loop;
    struct loop_timer *end; /* of a run whose answer does not stop it */
    struct arena arena;
    struct question question;
    const char *failure;
    unsigned answered;
    size_t records;
} stage;

static void stop(void *owner)
{
    (void)owner;
    loop_stop(stage.loop);
}

static int set_up(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    arena_init(&stage.arena, 1 << 20);
    assert_true(loop_open(&stage.loop, NULL));
    assert_true(loop_timer_open(stage.loop, stop, NULL, &stage.end, NULL));
    scripted_begin(stage.loop, &stage.arena, "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    question_stop(&stage.question);
    loop_timer_close(&stage.end);
    loop_close(&stage.loop);
    arena_clear(&stage.arena);
    return 0;
}

static void take(void *owner, const struct dns_answer *answer)
{
    assert_ptr_equal(owner, &stage);
    assert_true(stage.question.is_answered);
    assert_null(stage.question.query);
    assert_int_equal(stage.question.seen.outcome, answer->outcome);
    stage.answered++;
    stage.records = answer->record_count;
}

static void ask(const char *name)
{
    stage.question = (struct question){
        .arena = &stage.arena, .failure = &stage.failure, .answered = take, .owner = &stage
    };
    question_start(&stage.question, (struct dns *)&stage, name, DNS_TYPE_TXT, 1000);
}

static void run(void)
{
    loop_timer_start(stage.end, 0);
    loop_run(stage.loop);
}

/* ---- promises ---- */

static void tells_the_answer_and_notes_what_it_showed(void **state)
{
    static const struct scripted_answer answers[] = {
        SCRIPTED_TXT("there.example", "text"),
        { .name = "broken.example", .type = DNS_TYPE_TXT, .outcome = DNS_BOGUS }
    };

    (void)state;
    scripted.answers = answers;
    scripted.answer_count = ARRAY_SIZE(answers);
    ask("there.example");
    assert_int_equal(stage.answered, 0);
    assert_false(stage.question.is_answered);
    assert_string_equal(stage.question.seen.name, "there.example");
    assert_int_equal(stage.question.seen.type, DNS_TYPE_TXT);
    run();
    assert_int_equal(stage.answered, 1);
    assert_int_equal(stage.records, 1);
    assert_int_equal(stage.question.seen.outcome, DNS_ANSWERED);
    assert_int_equal(stage.question.seen.record_count, 1);
    ask("broken.example");
    run();
    assert_int_equal(stage.answered, 2);
    assert_string_equal(stage.question.seen.why_bogus, "signature expired");
    assert_null(stage.failure);
}

/* RFC 1035 section 2.3.4 */
static void takes_a_name_that_cannot_be_for_one_that_is_not(void **state)
{
    char name[255];

    (void)state;
    memset(name, 'a', sizeof name);
    name[254] = '\0';
    ask(name);
    assert_int_equal(stage.answered, 1);
    assert_int_equal(stage.question.seen.outcome, DNS_NXDOMAIN);
    assert_int_equal(scripted_dns.asked, 0);
    assert_null(stage.failure);
    name[253] = '\0';
    ask(name);
    assert_int_equal(scripted_dns.asked, 1);
}

static void takes_a_question_that_could_not_be_asked_for_one_without_answer(void **state)
{
    (void)state;
    scripted_dns.cannot_ask = true;
    ask("there.example");
    assert_int_equal(stage.answered, 1);
    assert_int_equal(stage.question.seen.outcome, DNS_TIMEOUT);
    assert_string_equal(stage.failure, "no memory for a question");
}

static void calls_nobody_after_the_stop(void **state)
{
    (void)state;
    ask("there.example");
    question_stop(&stage.question);
    run();
    assert_int_equal(stage.answered, 0);
    assert_int_equal(scripted_dns.cancelled, 1);
    question_stop(&stage.question);
    assert_int_equal(scripted_dns.cancelled, 1);
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STAGED(tells_the_answer_and_notes_what_it_showed),
        STAGED(takes_a_name_that_cannot_be_for_one_that_is_not),
        STAGED(takes_a_question_that_could_not_be_asked_for_one_without_answer),
        STAGED(calls_nobody_after_the_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
