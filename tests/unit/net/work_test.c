/* tests/unit/net/work_test.c - promises of net/work.h */
#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "net/work.h"

enum { PIECES = 64 };

struct piece {
    struct bench *bench;
    pthread_t ran_on;
    int number, result;
    bool is_done;
};

struct bench {
    struct loop *loop;
    struct piece pieces[PIECES];
    pthread_t home;
    int done;
    atomic_int running;
};

static void square(void *owner)
{
    struct piece *piece = owner;

    atomic_fetch_add(&piece->bench->running, 1);
    piece->ran_on = pthread_self();
    piece->result = piece->number * piece->number;
}

static void note_done(void *owner)
{
    struct piece *piece = owner;

    assert_true(pthread_equal(pthread_self(), piece->bench->home));
    assert_false(piece->is_done);
    piece->is_done = true;
    piece->bench->done++;
}

static void start(struct bench *bench)
{
    struct error err;

    *bench = (struct bench){ .home = pthread_self() };
    assert_true(loop_open(&bench->loop, &err));
    for (int i = 0; i < PIECES; i++)
        bench->pieces[i] = (struct piece){ .bench = bench, .number = i };
}

static void runs_all_on_other_threads_and_answers_on_the_loops(void **state)
{
    struct bench bench;
    struct error err;

    (void)state;
    start(&bench);
    for (int i = 0; i < PIECES; i++)
        assert_true(work_start(bench.loop, square, note_done, &bench.pieces[i], &err));
    assert_int_equal(bench.done, 0); /* never inside the call */
    loop_run(bench.loop);            /* until nothing is left */
    assert_int_equal(bench.done, PIECES);
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(bench.pieces[i].result, i * i);
        assert_false(pthread_equal(bench.pieces[i].ran_on, bench.home));
    }
    loop_close(&bench.loop);
}

static void run_again(void *owner)
{
    struct piece *piece = owner;

    if (++piece->bench->done < PIECES)
        assert_true(work_start(piece->bench->loop, square, run_again, piece, NULL));
}

static void may_be_started_by_an_answer(void **state)
{
    struct bench bench;
    struct error err;

    (void)state;
    start(&bench);
    assert_true(work_start(bench.loop, square, run_again, &bench.pieces[3], &err));
    loop_run(bench.loop);
    assert_int_equal(atomic_load(&bench.running), PIECES);
    assert_int_equal(bench.pieces[3].result, 9);
    loop_close(&bench.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_all_on_other_threads_and_answers_on_the_loops),
        cmocka_unit_test(may_be_started_by_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
