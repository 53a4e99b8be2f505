/* tests/unit/net/dns_ahead_test.c - promises of net/dns_ahead.h, and of net/dns.h that rest on it */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/dns.h"
#include "net/dns_ahead.h"
#include "responder.h"

enum { SILENT_NAMES = 100, GOOD_NAMES = 10, WAIT_MS = 3000, LONG_MS = 20000, TYPE_A = 1 };

struct room {
    struct responder responder;
    struct net_address resolver;
    struct loop *loop;
    struct dns_ahead *ahead;
    int heard, wanted;
};

static int set_up(void **state)
{
    static struct room room;
    struct error err = { .text = "" };

    memset(&room, 0, sizeof room);
    *state = &room;
    responder_start(&room.responder);
    assert_true(net_address_parse(span_of("127.0.0.1"), &room.resolver));
    room.resolver.port = room.responder.port;
    assert_true(loop_open(&room.loop, &err));
    assert_true(dns_ahead_open(room.loop, &room.resolver, 1, &room.ahead, &err));
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    dns_ahead_close(&room->ahead);
    loop_close(&room->loop);
    responder_stop(&room->responder);
    return 0;
}

static void note(void *owner)
{
    struct room *room = owner;

    if (++room->heard == room->wanted)
        loop_stop(room->loop);
}

static struct dns_ahead_question *ask(struct room *room, const char *name)
{
    struct dns_ahead_question *question;
    int before = room->heard;

    assert_true(dns_ahead_ask(room->ahead, name, TYPE_A, note, room, &question));
    assert_int_equal(room->heard, before); /* never inside the call */
    return question;
}

static void hears_any_answer_once(void **state)
{
    static const char *const names[] = { "good.test", "nx.test", "servfail.test", "refused.test" };
    struct room *room = *state;

    room->wanted = 4;
    for (size_t i = 0; i < 4; i++)
        ask(room, names[i]);
    loop_run(room->loop); /* nothing is left that would keep it running */
    assert_int_equal(room->heard, 4);
}

static void tells_a_thousand_questions_apart(void **state)
{
    struct room *room = *state;
    struct dns_ahead_question *silent[10];

    room->wanted = 1000;
    for (size_t i = 0; i < 10; i++)
        silent[i] = ask(room, "silent.test");
    for (int i = 0; i < room->wanted; i++) {
        char name[32];

        snprintf(name, sizeof name, "good.%d.test", i);
        ask(room, name);
    }
    loop_run(room->loop); /* what the kernel drops of them is asked again */
    assert_int_equal(room->heard, 1000);
    for (size_t i = 0; i < 10; i++)
        dns_ahead_stop(&silent[i]);
}

static void hears_nothing_once_stopped(void **state)
{
    struct room *room = *state;
    struct dns_ahead_question *question = ask(room, "good.test");

    dns_ahead_stop(&question);
    assert_null(question);
    dns_ahead_stop(&question);
    room->wanted = 1;
    ask(room, "good.test");
    loop_run(room->loop);
    assert_int_equal(room->heard, 1);
}

static void what_cannot_be_asked_is_refused(void **state)
{
    struct room *room = *state;
    struct dns_ahead_question *question;
    struct dns_ahead *none;
    struct error err;

    assert_false(dns_ahead_ask(room->ahead, "a..b", TYPE_A, note, room, &question));
    assert_null(question);
    assert_true(dns_ahead_open(room->loop, NULL, 0, &none, &err));
    assert_null(none);
}

/* ---- what it is for ---- */

struct crowd {
    struct loop *loop;
    struct dns *dns;
    int silent_ended, silent_before, good;
};

static void ask_for_good(void *owner);

static void note_silent(void *owner, const struct dns_answer *answer)
{
    (void)answer;
    ((struct crowd *)owner)->silent_ended++;
}

static void note_good(void *owner, const struct dns_answer *answer)
{
    struct crowd *crowd = owner;

    crowd->good += answer->outcome == DNS_ANSWERED;
    crowd->silent_before = crowd->silent_ended;
    if (crowd->good == GOOD_NAMES || answer->outcome != DNS_ANSWERED)
        loop_stop(crowd->loop);
    else
        ask_for_good(crowd);
}

static void ask_for_good(void *owner)
{
    struct crowd *crowd = owner;
    struct dns_query *query;
    char name[32];

    snprintf(name, sizeof name, "good.%d.test", crowd->good);
    assert_true(dns_find(crowd->dns, name, DNS_TYPE_A, LONG_MS, note_good, crowd, &query, NULL));
}

/* Of a zone that nobody asks about, so that nothing has to be signed. */
static void write_anchor(char path[64])
{
    const char *folder = getenv("TMPDIR");
    FILE *file;

    snprintf(path, 64, "%s/postern-ahead-XXXXXX", folder == NULL ? "/tmp" : folder);
    file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fputs("nobody.test. IN DS 20326 8 2 "
          "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n",
          file);
    fclose(file);
}

static void a_hundred_names_without_an_answer_keep_no_other_waiting(void **state)
{
    struct room *room = *state;
    struct crowd crowd = { .loop = room->loop };
    struct loop_timer *timer;
    struct error err = { .text = "" };
    char resolver[64], anchor[64] = "";

    write_anchor(anchor);
    snprintf(resolver, sizeof resolver, "127.0.0.1:%u", room->responder.port);
    if (!dns_open(room->loop, &(struct dns_settings){ resolver, anchor, NULL }, &crowd.dns, &err))
        fail_msg("%s", err.text);
    unlink(anchor);
    for (int i = 0; i < SILENT_NAMES; i++) {
        struct dns_query *query;
        char name[32];

        snprintf(name, sizeof name, "silent.%d.test", i);
        assert_true(
            dns_find(crowd.dns, name, DNS_TYPE_A, LONG_MS, note_silent, &crowd, &query, NULL));
    }
    /* By then libunbound would have given the resolver up for them. */
    assert_true(loop_timer_open(room->loop, ask_for_good, &crowd, &timer, NULL));
    loop_timer_start(timer, WAIT_MS);
    loop_run(room->loop);
    loop_timer_close(&timer);
    dns_close(&crowd.dns);
    assert_int_equal(crowd.good, GOOD_NAMES);
    assert_int_equal(crowd.silent_before, 0);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(hears_any_answer_once),
        PROMISE(tells_a_thousand_questions_apart),
        PROMISE(hears_nothing_once_stopped),
        PROMISE(what_cannot_be_asked_is_refused),
        PROMISE(a_hundred_names_without_an_answer_keep_no_other_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
