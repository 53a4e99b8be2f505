#include "gateway/control.h"

#include <assert.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/control_internal.h"
#include "gateway/control_json.h"

enum {
    SOCKET_MODE = 0666,
    OWN_ARENA_BYTES = 80 << 20,
    STRANGERS_ARENA_BYTES = 16 << 20,
    OUTPUT_BYTES = 512 << 10,
};

static const char too_many_text[] = "too many others ask; try again";

const char *control_status_name(enum control_status status)
{
    static const char *const names[] = {
        [CONTROL_OK] = "ok",           [CONTROL_FULL] = "full",     [CONTROL_BUSY] = "busy",
        [CONTROL_FAILED] = "failed",   [CONTROL_ABSENT] = "absent", [CONTROL_DENIED] = "denied",
        [CONTROL_REFUSED] = "refused", [CONTROL_LOST] = "lost",
    };

    return names[status];
}

enum control_status control_status_of(enum queue_status status)
{
    switch (status) {
    case QUEUE_OK: return CONTROL_OK;
    case QUEUE_FULL: return CONTROL_FULL;
    case QUEUE_BUSY: return CONTROL_BUSY;
    case QUEUE_FAILED: return CONTROL_FAILED;
    case QUEUE_ABSENT: return CONTROL_ABSENT;
    }
    return CONTROL_FAILED;
}

/* ---- answers ------------------------------------------------------------------------------ */

void control_session_send_bytes(struct control_session *session, struct span bytes)
{
    session->is_ending |= !buffer_append(&session->output, bytes);
}

static int append(const char *bytes, size_t len, void *out)
{
    return buffer_append(out, (struct span){ bytes, len }) ? 0 : -1;
}

void control_session_send(struct control_session *session, json_t *line)
{
    bool is_sent = line != NULL &&
                   json_dump_callback(line, append, &session->output, JSON_COMPACT) == 0 &&
                   buffer_append_text(&session->output, "\n");

    json_decref(line);
    session->is_ending |= !is_sent;
}

void control_session_answer_with(struct control_session *session, json_t *answer)
{
    control_session_send(session, answer);
    session->state = CONTROL_IN_LINE;
}

void control_session_answer(struct control_session *session, enum control_status status,
                            const char *text)
{
    json_t *words = text == NULL ? NULL : control_json_of_text(span_of(text));
    json_t *answer = json_pack("{s:s, s:o*}", "status", control_status_name(status), "text", words);

    control_session_answer_with(session, answer);
}

void control_session_answer_queue(struct control_session *session, enum queue_status status)
{
    static const char *const words[] = {
        [QUEUE_OK] = NULL,
        [QUEUE_FULL] = "the disk that holds the queue is full",
        [QUEUE_BUSY] = "the queue has too much to do; try again",
        [QUEUE_FAILED] = "the queue failed; the gateway's log says how",
        [QUEUE_ABSENT] = "there is no such message in the queue",
    };

    control_session_answer(session, control_status_of(status), words[status]);
}

bool control_session_flush(struct control_session *session)
{
    bool is_sent =
        session->stream != NULL && stream_send(session->stream, buffer_span(&session->output));

    buffer_clear(&session->output);
    session->is_ending |= !is_sent;
    return is_sent && stream_unsent(session->stream) == 0;
}

/* ---- sessions ----------------------------------------------------------------------------- */

static void free_session(struct control_session *session)
{
    struct control *control = session->control;

    *session->link = session->next;
    if (session->next != NULL)
        session->next->link = session->link;
    control->session_count--;
    stream_close(&session->stream);
    loop_timer_close(&session->patience);
    buffer_clear(&session->input);
    buffer_clear(&session->output);
    buffer_clear(&session->part);
    arena_clear(&session->arena);
    arena_clear(&session->page);
    memory_free(session->bytes);
    memory_free(session);
    if (control->session_count == 0 && control->drained != NULL)
        control->drained(control->drained_owner);
}

/* What the store works on is answered first, and what it half has is taken back. */
static void end_session(struct control_session *session)
{
    session->is_ending = true;
    stream_close(&session->stream);
    if (session->state != CONTROL_WORKING && !control_put_abandon(session))
        free_session(session);
}

static void wait_patiently(struct control_session *session)
{
    if (session->patience != NULL)
        loop_timer_start(session->patience, CONTROL_PATIENCE_MS);
}

static void lose_patience(void *owner)
{
    struct control_session *session = owner;

    if (session->state == CONTROL_WORKING)
        wait_patiently(session);
    else
        end_session(session);
}

static void begin_request(struct control_session *session, struct span line)
{
    size_t limit = session->may_all ? OWN_ARENA_BYTES : STRANGERS_ARENA_BYTES;
    struct error err = { 0 };

    arena_clear(&session->arena);
    arena_init(&session->arena, limit);
    if (!control_request_parse(line, session->control->terms.recipients, &session->arena,
                               &session->request, &err))
        control_session_answer(session, err.kind == ERROR_FORMAT ? CONTROL_REFUSED : CONTROL_FAILED,
                               err.text);
    else if (session->request.kind == CONTROL_PUT)
        control_put_begin(session);
    else if (!session->may_all)
        control_session_answer(session, CONTROL_DENIED,
                               "only root and the gateway's own user may do that");
    else
        control_people_begin(session);
}

static size_t count_long(const struct control *control)
{
    size_t count = 0;

    for (const struct control_session *session = control->sessions; session != NULL;
         session = session->next)
        count += !session->may_all && session->is_long;
    return count;
}

static void refuse(struct control_session *session, enum control_status status, const char *text)
{
    control_session_answer(session, status, text);
    session->is_ending = true;
}

/* `len`: of a line, or of what has come of it. */
static bool may_be_so_long(struct control_session *session, size_t len)
{
    if (len >= CONTROL_LINE_BYTES) {
        refuse(session, CONTROL_REFUSED, "a request is too long");
        return false;
    }
    if (len <= CONTROL_LONG_BYTES || session->is_long)
        return true;
    session->is_long = true;
    if (session->may_all || count_long(session->control) <= CONTROL_LONG_OF_STRANGERS)
        return true;
    refuse(session, CONTROL_BUSY, too_many_text);
    return false;
}

/* False: more must come first. */
static bool take_line(struct control_session *session)
{
    struct span input = buffer_span(&session->input), line = input;

    line.len = span_find(input, '\n');
    if (!may_be_so_long(session, line.len) || line.len == input.len)
        return false;
    begin_request(session, line);
    buffer_drop(&session->input, line.len + 1);
    return true;
}

static bool take_input(struct control_session *session)
{
    switch (session->state) {
    case CONTROL_IN_LINE: return take_line(session);
    case CONTROL_IN_PART: return control_put_feed(session);
    case CONTROL_WORKING:
    case CONTROL_LISTING: return false;
    }
    return false;
}

void control_session_run(struct control_session *session)
{
    session->is_ending |= session->stream == NULL;
    while (!session->is_ending && !session->control->is_draining && take_input(session))
        ;
    if (session->stream != NULL)
        control_session_flush(session);
    session->is_ending |= session->control->is_draining && session->state != CONTROL_WORKING;
    if (session->is_ending)
        end_session(session);
}

static void take_bytes(void *owner, struct span *bytes)
{
    struct control_session *session = owner;

    wait_patiently(session);
    /* Who talks on while a request is worked on may fill this, and no more. */
    session->is_ending |= !buffer_append(&session->input, *bytes);
    control_session_run(session);
}

static void take_drained(void *owner)
{
    struct control_session *session = owner;

    wait_patiently(session);
    if (session->state != CONTROL_LISTING)
        return;
    control_people_go_on(session);
    control_session_run(session);
}

static void take_end(void *owner, enum stream_end end)
{
    (void)end;
    end_session(owner);
}

static size_t count_of(const struct control *control, uint32_t user_id, bool of_all_strangers)
{
    size_t count = 0;

    for (const struct control_session *session = control->sessions; session != NULL;
         session = session->next)
        count += !session->may_all && (of_all_strangers || session->user_id == user_id);
    return count;
}

static bool may_come(const struct control_session *session)
{
    const struct control *control = session->control;

    /* The session itself is counted. */
    return session->may_all ||
           (count_of(control, 0, true) <= CONTROL_STRANGERS &&
            count_of(control, session->user_id, false) <= CONTROL_OF_ONE_STRANGER);
}

static bool start_session(struct control_session *session, int socket)
{
    static const struct stream_handlers handlers = { .received = take_bytes,
                                                     .drained = take_drained,
                                                     .ended = take_end };
    struct loop *loop = session->control->settings.loop;

    if (!stream_adopt(loop, socket, &handlers, session, &session->stream, NULL)) {
        close(socket);
        return false;
    }
    if (!stream_peer_user(session->stream, &session->user_id))
        return false;
    session->may_all = session->user_id == 0 || session->user_id == geteuid();
    return session->may_all ||
           loop_timer_open(loop, lose_patience, session, &session->patience, NULL);
}

void control_adopt(struct control *control, int socket)
{
    struct control_session *session = memory_new(1, sizeof *session);

    if (session == NULL || control->is_draining) {
        memory_free(session);
        close(socket);
        return;
    }
    session->control = control;
    session->link = &control->sessions;
    session->next = control->sessions;
    if (session->next != NULL)
        session->next->link = &session->next;
    control->sessions = session;
    control->session_count++;
    buffer_init(&session->input, CONTROL_LINE_BYTES + CONTROL_PART_BYTES);
    buffer_init(&session->output, OUTPUT_BYTES);
    arena_init(&session->arena, 0);
    arena_init(&session->page, 0);
    if (!start_session(session, socket)) {
        free_session(session);
        return;
    }
    wait_patiently(session);
    if (may_come(session))
        return;
    refuse(session, CONTROL_BUSY, too_many_text);
    control_session_run(session);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static void accept_session(void *owner, int socket, const struct net_address *peer)
{
    (void)peer;
    control_adopt(owner, socket);
}

bool control_set_terms(struct control *control, const struct control_terms *terms,
                       struct error *err)
{
    size_t len = strlen(terms->hostname) + 1;
    char *hostname = memory_new(len, 1);

    if (hostname == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the control socket");
    memcpy(hostname, terms->hostname, len);
    memory_free((char *)(uintptr_t)control->terms.hostname);
    control->terms = *terms;
    control->terms.hostname = hostname;
    return true;
}

bool control_open(const struct control_settings *settings, const struct control_terms *terms,
                  struct control **control, struct error *err)
{
    AUTO(control_close) struct control *made = memory_new(1, sizeof *made);

    *control = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the control socket");
    made->settings = *settings;
    made->settings.path = NULL;
    if (!control_set_terms(made, terms, err) ||
        (settings->path != NULL &&
         !listener_open_local(settings->loop, settings->path, SOCKET_MODE, accept_session, made,
                              &made->listener, err)))
        return error_wrap(err, "opening the control socket");
    *control = TAKE(made);
    return true;
}

size_t control_sessions(const struct control *control)
{
    return control->session_count;
}

/* Those that may; the others end when the store has answered. */
static void end_sessions(struct control *control)
{
    for (struct control_session *session = control->sessions, *next; session != NULL;
         session = next) {
        next = session->next;
        if (session->state != CONTROL_WORKING)
            end_session(session);
    }
}

void control_drain(struct control *control, void (*drained)(void *owner), void *owner)
{
    control->is_draining = true;
    listener_close(&control->listener);
    end_sessions(control);
    if (control->session_count == 0) {
        drained(owner);
        return;
    }
    control->drained = drained;
    control->drained_owner = owner;
}

void control_close(struct control **control)
{
    struct control *closing = *control;

    *control = NULL;
    if (closing == NULL)
        return;
    closing->is_draining = true;
    closing->drained = NULL;
    listener_close(&closing->listener);
    end_sessions(closing);
    assert(closing->session_count == 0);
    memory_free((char *)(uintptr_t)closing->terms.hostname);
    memory_free(closing);
}
