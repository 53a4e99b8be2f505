/* tests/unit/net/mailbox_test.c - promises of net/mailbox.h */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "../test.h"
#include "net/mailbox.h"

enum { SENDERS = 4, EACH = 20000, LIMIT = 64 };

struct letter {
    struct mailbox_message message; /* first, so that a message is its letter */
    unsigned sender, number;
};

struct receiver {
    struct loop *loop;
    struct mailbox *mailbox;
    unsigned count, next[SENDERS];
    bool is_ordered;
};

static void receive(void *owner)
{
    struct receiver *receiver = owner;
    struct letter *letter;

    while ((letter = (struct letter *)mailbox_take(receiver->mailbox)) != NULL) {
        receiver->is_ordered &= letter->number == receiver->next[letter->sender];
        receiver->next[letter->sender] = letter->number + 1;
        receiver->count++;
    }
    if (receiver->count == SENDERS * EACH)
        loop_stop(receiver->loop);
}

struct sender {
    pthread_t thread;
    unsigned number;
    struct mailbox *mailbox;
    struct letter letters[EACH];
};

static void *send_all(void *argument)
{
    struct sender *sender = argument;

    for (unsigned i = 0; i < EACH; i++) {
        sender->letters[i] = (struct letter){ .sender = sender->number, .number = i };
        while (!mailbox_post(sender->mailbox, &sender->letters[i].message))
            sched_yield();
    }
    return NULL;
}

enum { AT_ONCE = 5 };

static void *send_several_at_once(void *argument)
{
    struct sender *sender = argument;
    struct letter *letters = sender->letters;

    for (unsigned i = 0; i < EACH; i += AT_ONCE) {
        for (unsigned j = i; j < i + AT_ONCE; j++) {
            letters[j] = (struct letter){ .sender = sender->number, .number = j };
            if (j > i)
                letters[j - 1].message.next = &letters[j].message;
        }
        mailbox_post_all(sender->mailbox, &letters[i].message, &letters[i + AT_ONCE - 1].message);
    }
    return NULL;
}

static void open_receiver(struct receiver *receiver, size_t limit, void (*arrived)(void *owner))
{
    struct error err = { 0 };

    *receiver = (struct receiver){ .is_ordered = true };
    assert_true(loop_open(&receiver->loop, &err));
    assert_true(mailbox_open(receiver->loop, limit, arrived, receiver, &receiver->mailbox, &err));
}

static void close_receiver(struct receiver *receiver)
{
    mailbox_close(&receiver->mailbox);
    assert_null(receiver->mailbox);
    loop_close(&receiver->loop);
}

static void check_order(size_t limit, void *(*send)(void *argument))
{
    static struct sender senders[SENDERS];
    struct receiver receiver;

    open_receiver(&receiver, limit, receive);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].number = i;
        senders[i].mailbox = receiver.mailbox;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send, &senders[i]), 0);
    }
    loop_run(receiver.loop);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    assert_int_equal(receiver.count, SENDERS * EACH);
    assert_true(receiver.is_ordered);
    close_receiver(&receiver);
}

static void every_message_of_every_thread_arrives_once_and_in_order(void **state)
{
    (void)state;
    check_order(LIMIT, send_all);
    check_order(0, send_all);
}

static void several_at_once_arrive_in_order_too(void **state)
{
    (void)state;
    check_order(0, send_several_at_once);
}

static void a_full_mailbox_refuses_and_takes_again_when_there_is_room(void **state)
{
    struct letter letters[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    struct receiver receiver;

    (void)state;
    open_receiver(&receiver, 2, receive);
    assert_true(mailbox_post(receiver.mailbox, &letters[0].message));
    assert_true(mailbox_post(receiver.mailbox, &letters[1].message));
    assert_false(mailbox_post(receiver.mailbox, &letters[2].message));
    assert_ptr_equal(mailbox_take(receiver.mailbox), &letters[0]);
    assert_true(mailbox_post(receiver.mailbox, &letters[2].message));
    assert_ptr_equal(mailbox_take(receiver.mailbox), &letters[1]);
    assert_ptr_equal(mailbox_take(receiver.mailbox), &letters[2]);
    assert_null(mailbox_take(receiver.mailbox));
    close_receiver(&receiver);
}

/* Two threads that play ping-pong; the one that gets the last ball closes at once, while the
 * other is perhaps still inside mailbox_post. */
enum { ROUNDS = 500 };

struct player {
    struct loop *loop;
    struct mailbox *mailbox;
    struct mailbox *other;
    struct letter ball;
    bool is_done;
};

static void take_the_ball(void *owner)
{
    struct player *player = owner;

    while (mailbox_take(player->mailbox) != NULL)
        player->is_done = true;
    if (player->is_done)
        loop_stop(player->loop);
}

static void *throw_the_ball(void *argument)
{
    struct player *player = argument;

    if (!mailbox_post(player->other, &player->ball.message))
        abort();
    return NULL;
}

static void whoever_has_the_last_message_may_close_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct player player = { 0 };
        struct error err = { 0 };
        pthread_t thread;

        assert_true(loop_open(&player.loop, &err));
        assert_true(mailbox_open(player.loop, 1, take_the_ball, &player, &player.mailbox, &err));
        player.other = player.mailbox;
        assert_int_equal(pthread_create(&thread, NULL, throw_the_ball, &player), 0);
        loop_run(player.loop);
        mailbox_close(&player.mailbox);
        loop_close(&player.loop);
        pthread_join(thread, NULL);
        assert_true(player.is_done);
    }
}

static void closing_none_is_nothing(void **state)
{
    struct mailbox *none = NULL;

    (void)state;
    mailbox_close(&none);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_of_every_thread_arrives_once_and_in_order),
        cmocka_unit_test(several_at_once_arrive_in_order_too),
        cmocka_unit_test(a_full_mailbox_refuses_and_takes_again_when_there_is_room),
        cmocka_unit_test(whoever_has_the_last_message_may_close_at_once),
        cmocka_unit_test(closing_none_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
