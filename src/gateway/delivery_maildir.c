/* gateway/delivery_maildir.c - one message into its mailboxes, written on pool threads.
 *
 * The body is read on the loop, a part at a time, and each part is written by a pool thread into all the
 * mailboxes of the task before the next is read. So a message costs one part of memory, however large
 * it is, and no loop waits for a disk.
 */
#include <string.h>

#include "base/memory.h"
#include "gateway/delivery_parts.h"
#include "gateway/maildir_path.h"
#include "net/work.h"

/* One mailbox; a pool thread's while it works. */
struct mailbox_job {
    struct gateway_maildir_delivery *delivery;
    struct gateway_maildir_failure failure;
    bool has_failed;
};

struct maildir_job {
    struct delivery *delivery;
    struct delivery_task *task;
    struct delivery_body body;
    int64_t began_ms, now_us;
    bool is_open, is_last, is_given_up; /* what the pool thread is to do, and did */
    struct mailbox_job mailboxes[DELIVERY_MAILBOXES_MOST];
};

/* ---- on a pool thread ---- */

static void open_one(struct maildir_job *job, size_t index)
{
    const struct delivery_target *target = job->task->targets[index];
    struct mailbox_job *mailbox = &job->mailboxes[index];
    const struct gateway_maildir_settings settings = {
        .path = target->domain->path,
        .hostname = job->task->batch->plan->profile->hostname,
        .creates_mailboxes = true,
    };
    const struct gateway_maildir_envelope envelope = { job->task->message->envelope.sender,
                                                       target->address, job->now_us };

    mailbox->has_failed =
        !gateway_maildir_open(&settings, &envelope, &mailbox->delivery, &mailbox->failure);
}

static void write_one(struct maildir_job *job, size_t index)
{
    struct mailbox_job *mailbox = &job->mailboxes[index];

    if (!job->is_open)
        open_one(job, index);
    if (!mailbox->has_failed && !job->is_given_up)
        mailbox->has_failed =
            !gateway_maildir_feed(mailbox->delivery, job->body.part, &mailbox->failure);
    if (!mailbox->has_failed && !job->is_given_up && job->is_last)
        mailbox->has_failed = !gateway_maildir_commit(mailbox->delivery, &mailbox->failure);
    if (mailbox->has_failed || job->is_last || job->is_given_up)
        gateway_maildir_close(&mailbox->delivery);
}

static void write_part(void *owner)
{
    struct maildir_job *job = owner;

    for (size_t i = 0; i < job->task->count; i++)
        write_one(job, i);
    job->is_open = true;
}

/* ---- on the loop ---- */

static struct delivery_story make_story(const struct maildir_job *job, size_t index)
{
    const struct delivery_target *target = job->task->targets[index];
    struct arena *arena = &job->task->batch->arena;
    struct gateway_maildir_path path;
    const char *flaw, *place = target->domain->path;

    if (gateway_maildir_path_format(target->domain->path, target->address, &path, &flaw))
        place = path.text;
    return (struct delivery_story){ .relay = span_of(arena_format(arena, "maildir:%s", place)),
                                    .began_ms = job->began_ms };
}

static void settle_one(struct maildir_job *job, size_t index)
{
    const struct mailbox_job *mailbox = &job->mailboxes[index];
    struct delivery_story story = make_story(job, index);
    struct delivery_outcome outcome =
        delivery_outcome_of(DELIVERY_DELIVERED, "2.0.0", "delivered to the mailbox");

    if (mailbox->has_failed)
        outcome = delivery_outcome_of_maildir(&mailbox->failure, &job->task->batch->arena);
    else if (job->is_given_up)
        outcome = delivery_body_outcome(&job->body);
    delivery_settle(job->task, index, &outcome, &story);
}

static void end(struct maildir_job *job)
{
    struct delivery *delivery = job->delivery;
    struct delivery_task *task = job->task;

    for (size_t i = 0; i < task->count; i++)
        settle_one(job, i);
    delivery_body_close(&job->body);
    memory_free(job);
    delivery->maildirs_at_work--;
    delivery_maildir_dispatch(delivery);
    delivery_task_end(task);
}

static void go_on(void *owner);

/* No thread can be had: what is open is closed right here, for once. */
static void fail_all(struct maildir_job *job)
{
    for (size_t i = 0; i < job->task->count; i++) {
        struct mailbox_job *mailbox = &job->mailboxes[i];

        gateway_maildir_close(&mailbox->delivery);
        if (!mailbox->has_failed)
            mailbox->failure = (struct gateway_maildir_failure){
                .enhanced = "4.3.0", .err = { ERROR_MEMORY, "no memory for a piece of work" }
            };
        mailbox->has_failed = true;
    }
    end(job);
}

static void take_part(void *owner)
{
    struct maildir_job *job = owner;

    job->is_given_up = job->body.has_failed;
    job->is_last = delivery_body_is_whole(&job->body);
    if (job->is_given_up && !job->is_open)
        end(job);
    else if (!work_start(job->delivery->settings.loop, write_part, go_on, job, NULL))
        fail_all(job);
}

/* Once every mailbox has failed, the rest of the body is of no use to anybody. */
static bool is_of_use(const struct maildir_job *job)
{
    for (size_t i = 0; i < job->task->count; i++)
        if (!job->mailboxes[i].has_failed)
            return true;
    return false;
}

static void go_on(void *owner)
{
    struct maildir_job *job = owner;

    if (job->is_last || job->is_given_up || !is_of_use(job))
        end(job);
    else
        delivery_body_next(&job->body, take_part, job);
}

static int64_t now_us(const struct delivery *delivery)
{
    const struct clock *clock = delivery->settings.clock;

    return clock->wall_s(clock) * 1000000 + clock->monotonic_ms(clock) % 1000 * 1000;
}

static bool start(struct delivery *delivery, struct delivery_task *task)
{
    struct maildir_job *job = memory_new(1, sizeof *job);

    if (job == NULL ||
        !delivery_body_open(&job->body, delivery->settings.door, &task->message->envelope)) {
        memory_free(job);
        return false;
    }
    job->delivery = delivery;
    job->task = task;
    job->began_ms = delivery_now_ms(delivery);
    job->now_us = now_us(delivery);
    delivery->maildirs_at_work++;
    delivery_body_next(&job->body, take_part, job);
    return true;
}

static void defer(struct delivery *delivery, struct delivery_task *task)
{
    const struct delivery_outcome outcome =
        delivery_outcome_of(DELIVERY_DEFERRED, "4.3.0", "no memory for a delivery");
    const struct delivery_story story = { .relay = span_of("maildir"),
                                          .began_ms = delivery_now_ms(delivery) };

    delivery_settle_rest(task, &outcome, &story);
    delivery_task_end(task);
}

void delivery_maildir_dispatch(struct delivery *delivery)
{
    while (delivery->maildirs_at_work < DELIVERY_MAILDIRS_AT_ONCE) {
        struct delivery_task *task = delivery_line_take(&delivery->maildirs);

        if (task == NULL)
            return;
        if (!start(delivery, task))
            defer(delivery, task);
    }
}
