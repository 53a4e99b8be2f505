#include "gateway/inbound_history.h"

#include <assert.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/text.h"
#include "gateway/inbound_history_parts.h"
#include "net/mailbox.h"
#include "net/work.h"

enum {
    WRITE_AFTER_MS = 5000,
    WRITE_AGAIN_MS = 60000,     /* after a failure */
    NOTE_EVERY_MS = 10 * 60000, /* that the gateway runs */
    PATH_BYTES = 4096,
    DAY_S = 86400,
    TEXT_MOST = 400, /* octets of a cause, and of a name that a client gives itself */
};

/* A failure on its way from a worker to the file; its texts stand behind it. */
struct told {
    struct mailbox_message message; /* first */
    struct told *next;
    struct inbound_failure failure;
    char texts[];
};

/* A message to be read. */
struct taken {
    struct taken *next;
    struct span message; /* its own copy */
    struct arena arena;
    struct received_report received;
    struct inbound_history_outcome outcome;
    void (*taken)(void *owner, const struct inbound_history_outcome *outcome);
    void *owner;
};

/* What one run of a pool thread writes. */
struct batch {
    struct inbound_history *history;
    struct told *told;
    struct taken *taken;
    int64_t since_s, now_s;
    bool is_written;
    struct error err;
};

struct inbound_history {
    struct inbound_history_settings settings;
    char state_dir[PATH_BYTES];
    struct mailbox *mailbox;
    struct inbound_file file; /* the pool thread's while is_writing */
    bool has_file;
    struct told *told; /* the newest first: nobody minds the order */
    size_t told_count;
    struct taken *taken, **taken_end;
    struct batch batch;
    int64_t since_s; /* the gateway runs since then */
    struct loop_timer *timer, *tell;
    bool is_writing, was_not_started, has_complained, is_drained;
    bool is_planned; /* there is something to write, and the timer runs for it */
    void (*drained)(void *owner);
    void *owner;
};

static int64_t now_s(const struct inbound_history *history)
{
    return history->settings.clock->wall_s(history->settings.clock);
}

static void complain(struct inbound_history *history, const char *reason)
{
    if (history->settings.log != NULL && !history->has_complained)
        log_event(history->settings.log, LOG_WARN, "inbound-history-unwritten", "reason=%s",
                  reason);
    history->has_complained = true;
}

static void free_told(struct told *told)
{
    while (told != NULL) {
        struct told *next = told->next;

        memory_free(told);
        told = next;
    }
}

static void free_taken(struct taken *taken)
{
    arena_clear(&taken->arena);
    memory_free(taken);
}

/* ---- from any thread ---- */

/* Appends a text and its NUL, cut where it is too long. */
static const char *put_text(char **at, const char *text)
{
    size_t len = text_front(span_of(text), TEXT_MOST).len;
    char *start = *at;

    memcpy(start, text, len);
    start[len] = '\0';
    *at += len + 1;
    return start;
}

void inbound_history_tell(struct inbound_history *history,
                          const struct inbound_observation *observation,
                          const struct finding *finding)
{
    struct told *told = memory_new(1, sizeof *told + (size_t)5 * (TEXT_MOST + 1));
    char *at;

    if (told == NULL)
        return;
    at = told->texts;
    told->failure = (struct inbound_failure){
        .day = observation->wall_s / DAY_S,
        .client = put_text(&at, observation->address),
        .helo = put_text(&at, observation->name),
        .host = put_text(&at, observation->host),
        .port = observation->port,
        .finding = put_text(&at, finding->code),
        .cause = put_text(&at, finding->cause),
        .count = 1,
        .first_s = observation->wall_s,
        .last_s = observation->wall_s,
    };
    if (!mailbox_post(history->mailbox, &told->message))
        memory_free(told);
}

/* ---- on a pool thread ---- */

static bool write_told(struct batch *batch, struct error *err)
{
    struct inbound_file *file = &batch->history->file;

    for (const struct told *told = batch->told; told != NULL; told = told->next)
        if (!inbound_file_add(file, &told->failure, err))
            return false;
    return inbound_file_note(file, batch->since_s, batch->now_s, err);
}

static bool write_taken(struct batch *batch, struct error *err)
{
    for (struct taken *taken = batch->taken; taken != NULL; taken = taken->next) {
        bool is_new;

        if (taken->outcome.fate == INBOUND_HISTORY_UNREADABLE)
            continue;
        if (!inbound_file_keep(&batch->history->file, &taken->received, batch->now_s, &is_new, err))
            return false;
        taken->outcome.fate = is_new ? INBOUND_HISTORY_KEPT : INBOUND_HISTORY_KNOWN;
    }
    return true;
}

/* The disk may have had no room at the start. */
static bool open_again(struct inbound_history *history, struct error *err)
{
    history->has_file =
        history->has_file || inbound_file_open(&history->file, history->state_dir, NULL, err);
    return history->has_file;
}

static bool write_all(struct batch *batch, struct error *err)
{
    struct inbound_file *file = &batch->history->file;

    if (!open_again(batch->history, err) || !inbound_file_begin(file, err))
        return false;
    if (write_told(batch, err) && write_taken(batch, err) &&
        inbound_file_end(file, batch->now_s, err))
        return true;
    inbound_file_undo(file);
    return false;
}

static void read_taken(struct taken *taken)
{
    struct inbound_history_outcome *outcome = &taken->outcome;

    if (received_report_read(taken->message, &taken->arena, &taken->received, &outcome->err))
        outcome->received = &taken->received;
    outcome->fate = outcome->received != NULL           ? INBOUND_HISTORY_FAILED
                    : outcome->err.kind == ERROR_FORMAT ? INBOUND_HISTORY_UNREADABLE
                                                        : INBOUND_HISTORY_FAILED;
}

static void write_batch(void *owner)
{
    struct batch *batch = owner;

    for (struct taken *taken = batch->taken; taken != NULL; taken = taken->next)
        read_taken(taken);
    batch->is_written = write_all(batch, &batch->err);
}

/* ---- on the loop ---- */

static void begin_write(struct inbound_history *history);

static void plan(struct inbound_history *history, int64_t after_ms)
{
    if (history->is_planned || history->is_writing || history->drained != NULL)
        return;
    history->is_planned = true;
    loop_timer_start(history->timer, after_ms);
}

/* Only that the gateway runs is to be written, and that has time. */
static void plan_note(struct inbound_history *history)
{
    plan(history, NOTE_EVERY_MS);
    history->is_planned = false;
}

static void tell_if_drained(struct inbound_history *history)
{
    if (history->drained != NULL && !history->is_writing && !history->is_drained)
        loop_timer_start(history->tell, 0);
}

static void answer(struct taken *taken, const struct batch *batch)
{
    struct inbound_history_outcome *outcome = &taken->outcome;

    if (!batch->is_written && outcome->fate != INBOUND_HISTORY_UNREADABLE) {
        if (outcome->received != NULL) /* else it has its own reason */
            outcome->err = batch->err;
        outcome->fate = INBOUND_HISTORY_FAILED;
    }
    taken->taken(taken->owner, outcome);
    free_taken(taken);
}

/* Failures that could not be written wait for the next time, with those that come. */
static void take_back(struct inbound_history *history, struct told *told)
{
    struct told *last = told;

    while (last != NULL && last->next != NULL) {
        history->told_count++;
        last = last->next;
    }
    if (last == NULL)
        return;
    history->told_count++;
    last->next = history->told;
    history->told = told;
}

static void note_written(void *owner)
{
    struct batch *batch = owner;
    struct inbound_history *history = batch->history;
    struct batch done = *batch;

    history->is_writing = false;
    *batch = (struct batch){ .history = history };
    if (done.is_written) {
        history->has_complained = false;
        free_told(done.told);
    } else {
        complain(history, done.err.text);
        take_back(history, done.told);
    }
    for (struct taken *taken = done.taken, *next; taken != NULL; taken = next) {
        next = taken->next;
        answer(taken, &done);
    }
    if (history->taken != NULL ||
        (done.is_written && history->drained != NULL && history->told != NULL))
        begin_write(history);
    else if (!done.is_written)
        plan(history, WRITE_AGAIN_MS);
    else if (history->told != NULL)
        plan(history, WRITE_AFTER_MS);
    else
        plan_note(history);
    tell_if_drained(history);
}

static void begin_write(struct inbound_history *history)
{
    struct batch *batch = &history->batch;

    if (history->is_writing)
        return;
    loop_timer_stop(history->timer);
    history->is_planned = false;
    history->is_writing = true;
    *batch = (struct batch){ .history = history,
                             .told = history->told,
                             .taken = history->taken,
                             .since_s = history->since_s,
                             .now_s = now_s(history) };
    history->told = NULL;
    history->told_count = 0;
    history->taken = NULL;
    history->taken_end = &history->taken;
    if (work_start(history->settings.loop, write_batch, note_written, batch, &batch->err))
        return;
    history->was_not_started = true;
    loop_timer_start(history->timer, 0);
}

static void write_in_time(void *owner)
{
    struct inbound_history *history = owner;

    if (history->was_not_started) { /* the write failed before it began */
        history->was_not_started = false;
        note_written(&history->batch);
        return;
    }
    history->is_planned = false;
    begin_write(history);
}

static void read_letters(void *owner)
{
    struct inbound_history *history = owner;
    struct mailbox_message *message;

    while ((message = mailbox_take(history->mailbox)) != NULL) {
        struct told *told = (struct told *)message;

        if (history->told_count == INBOUND_HISTORY_WAITING_MOST) {
            memory_free(told);
            continue;
        }
        told->next = history->told;
        history->told = told;
        history->told_count++;
    }
    if (history->told != NULL)
        plan(history, history->settings.write_after_ms > 0 ? history->settings.write_after_ms
                                                           : WRITE_AFTER_MS);
}

bool inbound_history_take(struct inbound_history *history, struct span message,
                          void (*taken)(void *owner, const struct inbound_history_outcome *outcome),
                          void *owner)
{
    struct taken *made = memory_new(1, sizeof *made);

    if (made == NULL)
        return false;
    *made = (struct taken){ .taken = taken, .owner = owner };
    arena_init(&made->arena, RECEIVED_REPORT_ARENA_BYTES + message.len);
    made->message = arena_copy_bytes(&made->arena, message);
    if (made->arena.exhausted) {
        free_taken(made);
        return false;
    }
    *history->taken_end = made;
    history->taken_end = &made->next;
    begin_write(history);
    return true;
}

/* ---- start and end ---- */

static void tell_drained(void *owner)
{
    struct inbound_history *history = owner;

    if (history->is_drained)
        return;
    history->is_drained = true;
    history->drained(history->owner);
}

static void open_file(struct inbound_history *history)
{
    struct error err = { .text = "" };
    bool was_put_aside;

    history->has_file = inbound_file_open(&history->file, history->state_dir, &was_put_aside, &err);
    if (!history->has_file)
        complain(history, err.text);
    else if (was_put_aside && history->settings.log != NULL)
        log_event(history->settings.log, LOG_WARN, "inbound-history-lost", "file=%s",
                  "inbound.db.damaged");
}

bool inbound_history_open(const struct inbound_history_settings *settings,
                          struct inbound_history **history, struct error *err)
{
    AUTO(inbound_history_close) struct inbound_history *made = memory_new(1, sizeof *made);

    *history = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for what fails inbound");
    made->settings = *settings;
    made->batch.history = made;
    made->taken_end = &made->taken;
    made->since_s = now_s(made);
    if ((size_t)snprintf(made->state_dir, sizeof made->state_dir, "%s", settings->state_dir) >=
        sizeof made->state_dir)
        return error_set(err, ERROR_USAGE, "the path of the state directory is too long");
    if (!mailbox_open(settings->loop, INBOUND_HISTORY_WAITING_MOST, read_letters, made,
                      &made->mailbox, err) ||
        !loop_timer_open(settings->loop, write_in_time, made, &made->timer, err) ||
        !loop_timer_open(settings->loop, tell_drained, made, &made->tell, err))
        return false;
    open_file(made);
    plan_note(made);
    *history = TAKE(made);
    return true;
}

void inbound_history_drain(struct inbound_history *history, void (*drained)(void *owner),
                           void *owner)
{
    assert(history->drained == NULL);
    read_letters(history);
    history->drained = drained;
    history->owner = owner;
    begin_write(history); /* also that the gateway ran until now */
}

void inbound_history_close(struct inbound_history **history)
{
    struct inbound_history *closing = *history;
    struct mailbox_message *message;

    *history = NULL;
    if (closing == NULL)
        return;
    assert(!closing->is_writing);
    while (closing->mailbox != NULL && (message = mailbox_take(closing->mailbox)) != NULL)
        memory_free(message);
    if (closing->mailbox != NULL)
        mailbox_close(&closing->mailbox);
    loop_timer_close(&closing->timer);
    loop_timer_close(&closing->tell);
    free_told(closing->told);
    if (closing->has_file)
        inbound_file_close(&closing->file);
    memory_free(closing);
}
