/* gateway/delivery_parts.h - what the files of delivery share; nobody else includes it.
 *
 * A batch is what one lease brought. It is cut into tasks: one message for one destination. A task
 * waits in a line, then a Maildir job or an LMTP conversation has it. Each of its recipients is settled
 * exactly once; then the task ends, and with the last of them and the last settlement the batch. Whoever's
 * end the sender is to hear of is held back until the report is in the queue, durable: its settlement is
 * known only then.
 */
#pragma once

#include <stdatomic.h>

#include "gateway/bounce.h"
#include "gateway/delivery.h"
#include "gateway/delivery_outcome.h"
#include "gateway/delivery_route.h"
#include "net/mailbox.h"

/* One recipient. */
struct delivery_target {
    const struct queue_recipient *recipient;
    const struct gateway_profile_domain *domain; /* NULL: none of ours */
    struct delivery_destination *destination;    /* NULL: a Maildir, or nowhere */
    struct span address;
    bool requires_tls, tls_optional; /* what its message asks of the way there: RFC 8689 */
    bool is_for_maildir, is_in_task, is_settled;
};

/* A settlement that waits for its report. */
struct delivery_held {
    struct queue_settlement settlement;
    enum bounce_action action;
    struct span said;           /* a peer's reply, for the report */
    const struct finding *told; /* for the report; the batch's arena has it; NULL */
    const char *why_clear;      /* for the log */
};

/* One message for one destination; the batch's arena has it. */
struct delivery_task {
    struct delivery_task *next; /* in its line */
    struct delivery_batch *batch;
    const struct queue_message *message;
    struct delivery_target **targets;
    size_t count;
    struct delivery_held *held; /* room for `count` with the first of them */
    size_t held_count;
    unsigned tries; /* connections that were lost under it before its data */
};

struct delivery_line {
    struct delivery_task *first, *last;
    size_t tasks, recipients;
};

/* What a profile means for delivery; lives as long as anything goes on by it. */
struct delivery_plan {
    unsigned references;
    struct delivery *delivery;
    struct gateway_profile *profile;
    struct delivery_destination **buckets; /* by name */
    size_t bucket_count, destination_count;
};

struct delivery_batch {
    struct delivery_batch *next;
    struct delivery *delivery;
    struct delivery_plan *plan;
    struct arena arena;
    struct queue_lease lease;
    struct queue_settle settle;
    struct loop_timer *timer;             /* the next request to settle */
    struct queue_settlement *settlements; /* in the order in which they became known */
    size_t total, known, settled;
    size_t tasks; /* that have not ended */
    bool is_asking, will_ask, has_complained;
    void (*leased)(struct delivery_batch *batch);
};

struct delivery {
    struct delivery_settings settings;
    struct delivery_plan *plan; /* of what is leased next */
    struct loop_timer *timer;
    struct mailbox *wakes;
    struct mailbox_message wake;
    atomic_bool is_waking; /* `wake` is in the mailbox */

    struct delivery_batch *batches;
    struct delivery_batch *leasing; /* the one of them whose lease is asked for; NULL */
    size_t in_hand;
    atomic_bool is_woken; /* while a lease was asked for, or there was no room */
    bool has_given_back;  /* of the last lease, because a line was full */
    bool has_complained;  /* of a store that gives no lease */
    int64_t next_look_ms; /* not before this */
    int64_t timer_at_ms;  /* when the timer is due; INT64_MAX: it is not running */

    struct delivery_line maildirs;
    size_t maildirs_at_work;
    struct link_tickets *tickets; /* of TLS sessions with servers */
    struct delivery_conversation *conversations;
    size_t conversation_count;
    struct delivery_conversation *first_at_rest, *last_at_rest; /* open, with nothing to send */
    struct delivery_destination *first_wanting, *last_wanting;  /* they have mail, and may dial */
    struct delivery_destination *first_searching; /* somebody looks for their addresses */
    struct delivery_way *first_looking; /* somebody looks for what their domains publish */
    size_t searches;                    /* of routes */
    bool is_dispatching;
    struct loop_timer *sweep;
    bool is_sweeping;

    struct delivery_report *reports; /* that wait for their turn, the first of them first */
    size_t reports_at_work;

    struct delivery_reading *reading; /* of TLS reports that came; NULL: none has come yet */

    struct diagnosis *diagnosis; /* NULL: it drains */
    size_t tellings;             /* of sessions, that the store has not answered for */

    bool is_draining, was_cut;
    void (*drained)(void *owner);
    void *owner;
};

int64_t delivery_now_s(const struct delivery *delivery);
int64_t delivery_now_ms(const struct delivery *delivery);

/* ---- delivery.c ---- */

/* Something came to its end: there may be room, and a drain may be over. */
void delivery_go_on(struct delivery *delivery);
/* Connections rest, or messages keep a distance: somebody has to look after them. */
void delivery_sweep_soon(struct delivery *delivery);
/* Something is due again then, which no lease has told of. */
void delivery_look_at(struct delivery *delivery, int64_t due_at_s);

/* ---- delivery_plan.c ---- */

MUST_CHECK bool delivery_plan_new(struct delivery *delivery, struct gateway_profile *profile,
                                  struct delivery_plan **plan, struct error *err);
struct delivery_plan *delivery_plan_hold(struct delivery_plan *plan);
void delivery_plan_release(struct delivery_plan **plan);

void delivery_line_add(struct delivery_line *line, struct delivery_task *task);
void delivery_line_add_front(struct delivery_line *line, struct delivery_task *task);
struct delivery_task *delivery_line_take(struct delivery_line *line); /* NULL: empty */
/* The first whose message had come by then; NULL: none. */
struct delivery_task *delivery_line_take_older(struct delivery_line *line, int64_t received_by_s);
bool delivery_line_has_older(const struct delivery_line *line, int64_t received_by_s);
/* All that waits is due again at `due_at_s`, untried. */
void delivery_line_give_back(struct delivery_line *line, int64_t due_at_s);

/* ---- delivery_batch.c ---- */

/* Asks for a lease; `leased` is called on the loop. False: no memory. */
MUST_CHECK bool delivery_batch_lease(struct delivery *delivery, size_t most,
                                     void (*leased)(struct delivery_batch *batch),
                                     struct error *err);
/* Cuts it into tasks that wait in their lines; gives back what finds a line full. */
void delivery_batch_divide(struct delivery_batch *batch);
/* Closes it where nothing of it is open any longer. */
void delivery_batch_look(struct delivery_batch *batch);
/* No more attempts to settle: what is known and not taken down will be done again. */
void delivery_batch_abandon(struct delivery_batch *batch);

/* How it went, beside the outcome. */
struct delivery_story {
    struct span relay;
    struct span tls;     /* "may:TLSv1.3"; empty: in the clear, or no connection */
    struct span finding; /* slug */
    const struct finding
        *told;             /* the same with the words of this case, for the report: borrowed for the
                                   call; NULL: the catalogue has to do */
    int64_t session;       /* of queue_tell; 0: none */
    const char *why_clear; /* of a conversation in the clear, for the log: "none:not-offered" */
    int64_t began_ms;
    bool is_relayed; /* by SMTP: what becomes of it there is not known here */
    bool
        tells_success; /* the server has been told what the sender wants to hear, and reports by itself */
};

/* Takes down what became of one recipient of the task, which is in somebody's hands; once each. */
void delivery_settle(struct delivery_task *task, size_t index,
                     const struct delivery_outcome *outcome, const struct delivery_story *story);
/* The same for all of them that are not settled yet. */
void delivery_settle_rest(struct delivery_task *task, const struct delivery_outcome *outcome,
                          const struct delivery_story *story);
/* Takes down a settlement that was held back; its report is kept, or has failed for good. */
void delivery_settle_held(struct delivery_batch *batch, const struct queue_message *message,
                          const struct delivery_held *held);
/* Untried, and due again then. */
void delivery_give_back(struct delivery_task *task, int64_t due_at_s);
/* All are settled and nobody looks at the task again. */
void delivery_task_end(struct delivery_task *task);

/* ---- delivery_report.c ---- */

/* Holds this one of the task back where its sender is to hear of it first. False: it is to be settled. */
MUST_CHECK bool delivery_report_hold(struct delivery_task *task,
                                     struct queue_settlement *settlement, struct span said,
                                     const struct delivery_story *story);
/* Reports on all that the task holds back; a settlement for each of them follows. */
void delivery_report_start(struct delivery_task *task);

/* ---- delivery_body.c ---- */

/* Reads the body of a message, one part after the other. */
struct delivery_body {
    struct queue_read read;
    struct queue_door *door;
    int64_t size_bytes, taken;
    struct span part; /* the last that came */
    bool is_reading, has_failed;
    void (*came)(void *owner);
    void *owner;
};

/* False: no memory. */
MUST_CHECK bool delivery_body_open(struct delivery_body *body, struct queue_door *door,
                                   const struct queue_envelope *envelope);
/* `came` is called later, exactly once: `part` is there, or has_failed (the store failed, or the body is
 * not as long as its message says). */
void delivery_body_next(struct delivery_body *body, void (*came)(void *owner), void *owner);
/* Nothing is behind the part that came last. */
bool delivery_body_is_whole(const struct delivery_body *body);
struct delivery_outcome delivery_body_outcome(const struct delivery_body *body);
/* While nothing is being read. */
void delivery_body_close(struct delivery_body *body);

/* ---- delivery_reading.c ---- */

/* Is its message for the address where TLS reports come, and not read yet? */
bool delivery_reading_is_due(const struct delivery_task *task);
/* Has it read, and then given back so that it is tried. False: no memory, and it is still the caller's. */
MUST_CHECK bool delivery_reading_add(struct delivery_task *task);
/* While nothing is in hand. */
void delivery_reading_free(struct delivery_reading **reading);

/* ---- delivery_maildir.c ---- */

/* Takes tasks out of delivery->maildirs while there is room for more at once. */
void delivery_maildir_dispatch(struct delivery *delivery);
