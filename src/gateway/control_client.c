#include "gateway/control_client.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/control_json.h"
#include "net/stream.h"
#include "queue/lock.h"

enum { PATH_BYTES = 4096, WAIT_MS = 50, INPUT_BYTES = 4 << 20, SENT_AT_ONCE = 256 << 10 };

struct control_client {
    struct control_client_settings settings;
    struct clock clock;
    struct loop *loop;
    struct stream *stream;
    struct buffer input;
    bool is_connected, is_drained;
    enum stream_end end;
    int error_number;
    /* where no gateway runs */
    struct queue_store *store;
    struct queue_door *door;
    struct control *control;
};

/* ---- the stream --------------------------------------------------------------------------- */

static void take_connected(void *owner)
{
    struct control_client *client = owner;

    client->is_connected = true;
    loop_stop(client->loop);
}

static void take_bytes(void *owner, struct span *bytes)
{
    struct control_client *client = owner;

    if (!buffer_append(&client->input, *bytes))
        client->end = STREAM_FAILED;
    loop_stop(client->loop);
}

static void take_drained(void *owner)
{
    loop_stop(((struct control_client *)owner)->loop);
}

static void take_end(void *owner, enum stream_end end)
{
    struct control_client *client = owner;

    client->end = end;
    client->error_number = stream_error_number(client->stream);
    stream_close(&client->stream);
    loop_stop(client->loop);
}

static const struct stream_handlers handlers = {
    .connected = take_connected, .received = take_bytes, .drained = take_drained, .ended = take_end
};

static enum control_status lose(struct error *err, const char *text)
{
    error_set(err, ERROR_SYSTEM, "%s", text);
    return CONTROL_LOST;
}

/* A part at a time, for there is a bound to what a stream holds. */
static bool send_all(struct control_client *client, struct span bytes)
{
    bool is_sent = true;

    while (is_sent && bytes.len > 0) {
        is_sent = client->stream != NULL &&
                  stream_send(client->stream, span_take_front(&bytes, SENT_AT_ONCE));
        while (is_sent && client->stream != NULL && stream_unsent(client->stream) > 0)
            loop_run(client->loop);
    }
    return is_sent;
}

static enum control_status send_bytes(struct control_client *client, struct span bytes,
                                      struct error *err)
{
    bool is_sent = send_all(client, bytes);

    if (is_sent && client->end == STREAM_STILL_OPEN)
        return CONTROL_OK;
    /* A refusal may have come before the end, or be on its way. */
    while (client->end == STREAM_STILL_OPEN && client->stream != NULL && client->input.len == 0)
        loop_run(client->loop);
    return client->input.len > 0 ? CONTROL_OK : lose(err, "the gateway went away");
}

/* Waits until so many octets are there, or until a line is where `wanted` is 0. */
static enum control_status wait_for(struct control_client *client, size_t wanted, size_t *line_len,
                                    struct error *err)
{
    for (;;) {
        struct span input = buffer_span(&client->input);

        *line_len = span_find(input, '\n');
        if (wanted == 0 ? *line_len < input.len : input.len >= wanted)
            return CONTROL_OK;
        if (client->end != STREAM_STILL_OPEN)
            return lose(err, "the gateway went away before it had answered");
        loop_run(client->loop);
    }
}

/* The next line, a new reference. */
static enum control_status next_line(struct control_client *client, json_t **line,
                                     struct error *err)
{
    enum control_status status;
    size_t len;

    *line = NULL;
    status = wait_for(client, 0, &len, err);
    if (status != CONTROL_OK)
        return status;
    *line = json_loadb(client->input.data, len, 0, NULL);
    buffer_drop(&client->input, len + 1);
    return json_is_object(*line) ? CONTROL_OK : lose(err, "the gateway's answer makes no sense");
}

static enum control_status status_in(const json_t *line, struct error *err)
{
    const char *name = json_string_value(json_object_get(line, "status"));
    const char *text = json_string_value(json_object_get(line, "text"));

    for (int status = CONTROL_OK; name != NULL && status < CONTROL_LOST; status++) {
        if (strcmp(name, control_status_name((enum control_status)status)) != 0)
            continue;
        if (status != CONTROL_OK)
            error_set(err, ERROR_SYSTEM, "%s", text == NULL ? name : text);
        return (enum control_status)status;
    }
    return lose(err, "the gateway's answer makes no sense");
}

/* Asks, and gives the line that has a status. */
static enum control_status ask(struct control_client *client, const struct control_request *request,
                               struct error *err)
{
    AUTO(buffer_clear) struct buffer line;

    buffer_init(&line, 2 * CONTROL_LINE_BYTES);
    if (!control_request_format(request, &line, err))
        return CONTROL_REFUSED;
    return send_bytes(client, buffer_span(&line), err);
}

static enum control_status take_status(struct control_client *client, json_t **line,
                                       struct error *err)
{
    enum control_status status = next_line(client, line, err);

    return status == CONTROL_OK ? status_in(*line, err) : status;
}

/* ---- opening ------------------------------------------------------------------------------ */

static bool format_path(const struct control_client *client, const char *name,
                        char path[PATH_BYTES], struct error *err)
{
    int len = snprintf(path, PATH_BYTES, "%s/%s", client->settings.folder, name);

    return (len > 0 && len < PATH_BYTES) ||
           error_set(err, ERROR_USAGE, "the path %.100s... is too long", path);
}

/* True: a gateway answers. */
static bool find_gateway(struct control_client *client)
{
    char path[PATH_BYTES];

    client->end = STREAM_STILL_OPEN;
    client->is_connected = false;
    if (!format_path(client, "control", path, NULL) ||
        !stream_connect_local(client->loop, path, &handlers, client, &client->stream, NULL))
        return false;
    while (!client->is_connected && client->end == STREAM_STILL_OPEN)
        loop_run(client->loop);
    return client->is_connected;
}

static bool check_folder(const char *folder, struct stat *status, struct error *err)
{
    if (stat(folder, status) != 0 && errno == ENOENT)
        return error_set(err, ERROR_SYSTEM,
                         "there is no queue yet: %s is not there; starting the gateway makes it",
                         folder);
    if (stat(folder, status) != 0)
        return error_set(err, ERROR_SYSTEM, "%s: %s", folder, strerror(errno));
    return S_ISDIR(status->st_mode) || error_set(err, ERROR_SYSTEM, "%s is no folder", folder);
}

/* So that no file of the queue comes to belong to root, and the gateway cannot open it later. */
static bool become_owner(const struct stat *folder, struct error *err)
{
    if (geteuid() != 0 || folder->st_uid == 0)
        return true;
    return (setgroups(0, NULL) == 0 &&
            setresgid(folder->st_gid, folder->st_gid, folder->st_gid) == 0 &&
            setresuid(folder->st_uid, folder->st_uid, folder->st_uid) == 0) ||
           error_set(err, ERROR_SYSTEM, "becoming the queue's owner: %s", strerror(errno));
}

static bool open_store(struct control_client *client, struct error *err)
{
    struct queue_store_settings settings = queue_store_defaults(client->settings.folder);

    settings.tracking_days = client->settings.tracking_days;
    return queue_store_open(&settings, &client->store, err) &&
           queue_door_open(client->store, client->loop, &client->door, err);
}

/* The pair is made first: at its end the control code sees who started this program. */
static bool serve_ourselves(struct control_client *client, const struct stat *folder,
                            int sockets[2], struct error *err)
{
    struct control_settings settings = { .loop = client->loop, .clock = &client->clock };

    if (!become_owner(folder, err) || !open_store(client, err))
        return false;
    settings.door = client->door;
    if (!control_open(&settings, &client->settings.terms, &client->control, err))
        return false;
    client->end = STREAM_STILL_OPEN;
    if (!stream_adopt(client->loop, sockets[0], &handlers, client, &client->stream, err))
        return false;
    sockets[0] = -1;
    control_adopt(client->control, sockets[1]);
    sockets[1] = -1;
    return true;
}

static bool open_queue(struct control_client *client, const struct stat *folder, struct error *err)
{
    int sockets[2];
    bool is_open;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0)
        return error_set(err, ERROR_SYSTEM, "making a pair of sockets: %s", strerror(errno));
    is_open = serve_ourselves(client, folder, sockets, err);
    for (int i = 0; i < 2; i++)
        if (sockets[i] >= 0)
            close(sockets[i]);
    return is_open;
}

static bool is_ours(const struct control_client *client, struct error *err)
{
    return access(client->settings.folder, R_OK | W_OK | X_OK) == 0 ||
           error_set(err, ERROR_SYSTEM, "no gateway runs, and %s is not for this user to open: %s",
                     client->settings.folder, strerror(errno));
}

static bool has_patience(const struct control_client *client, int64_t since_ms, struct error *err)
{
    const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000L };

    if (client->clock.monotonic_ms(&client->clock) - since_ms >= client->settings.patience_ms)
        return error_set(err, ERROR_SYSTEM, "another process works on %s, and does not answer",
                         client->settings.folder);
    nanosleep(&pause, NULL);
    return true;
}

/* Somebody who holds the queue without answering starts, stops, or is one of us. */
static enum control_status find_queue(struct control_client *client, struct error *err)
{
    int64_t since_ms = client->clock.monotonic_ms(&client->clock);
    char lock[PATH_BYTES];
    struct stat folder;

    if (!check_folder(client->settings.folder, &folder, err) ||
        !format_path(client, "queue.lock", lock, err))
        return CONTROL_LOST;
    do {
        if (find_gateway(client))
            return CONTROL_OK;
        if (client->error_number == EACCES) {
            error_set(err, ERROR_SYSTEM, "%s: this user may not reach the gateway",
                      client->settings.folder);
            return CONTROL_DENIED;
        }
        if (!is_ours(client, err))
            return CONTROL_LOST;
        if (!queue_lock_is_held(lock)) { /* else its holder's socket may come in a moment */
            struct error why = { 0 };

            if (open_queue(client, &folder, &why))
                return CONTROL_OK;
            if (why.kind != ERROR_BUSY) {
                *err = why;
                return CONTROL_LOST;
            }
        }
    } while (has_patience(client, since_ms, err));
    return CONTROL_LOST;
}

enum control_status control_client_open(const struct control_client_settings *settings,
                                        struct control_client **client, struct error *err)
{
    AUTO(control_client_close) struct control_client *made = memory_new(1, sizeof *made);
    enum control_status status;

    *client = NULL;
    if (made == NULL) {
        error_set(err, ERROR_MEMORY, "no memory to ask the queue");
        return CONTROL_LOST;
    }
    made->settings = *settings;
    made->clock = clock_system();
    buffer_init(&made->input, INPUT_BYTES);
    status = loop_open(&made->loop, err) ? find_queue(made, err) : CONTROL_LOST;
    if (status == CONTROL_OK)
        *client = TAKE(made);
    return status;
}

static void take_all_ended(void *owner)
{
    struct control_client *client = owner;

    client->is_drained = true;
    loop_stop(client->loop);
}

void control_client_close(struct control_client **client)
{
    struct control_client *closing = *client;

    *client = NULL;
    if (closing == NULL)
        return;
    stream_close(&closing->stream);
    if (closing->control != NULL)
        control_drain(closing->control, take_all_ended, closing);
    while (closing->control != NULL && !closing->is_drained)
        loop_run(closing->loop);
    control_close(&closing->control);
    queue_door_close(&closing->door);
    queue_store_close(&closing->store);
    buffer_clear(&closing->input);
    loop_close(&closing->loop);
    memory_free(closing);
}

/* ---- requests ----------------------------------------------------------------------------- */

/* One message while its recipients come in. */
struct gathering {
    struct arena arena;
    struct queue_message message;
    size_t room;
    bool (*visit)(void *owner, const struct queue_message *message);
    void *owner;
    bool is_over;
};

static void give_message(struct gathering *gathering)
{
    if (gathering->message.recipient_count > 0 && !gathering->is_over)
        gathering->is_over = !gathering->visit(gathering->owner, &gathering->message);
    gathering->message = (struct queue_message){ 0 };
    gathering->room = 0;
    arena_clear(&gathering->arena);
    arena_init(&gathering->arena, 256 << 20);
}

static bool add_recipient(struct gathering *gathering, const json_t *json, struct error *err)
{
    struct queue_message *message = &gathering->message;

    if (message->recipient_count == gathering->room) {
        size_t room = gathering->room == 0 ? 8 : 2 * gathering->room;
        struct queue_recipient *larger = arena_new(&gathering->arena, room, sizeof *larger);

        if (larger == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for the recipients of a message");
        if (gathering->room > 0)
            memcpy(larger, message->recipients, gathering->room * sizeof *larger);
        message->recipients = larger;
        gathering->room = room;
    }
    return control_json_read_recipient(json, &gathering->arena,
                                       &message->recipients[message->recipient_count++], err);
}

/* CONTROL_OK with *is_last unset: a line of a message. */
static enum control_status take_list_line(struct control_client *client,
                                          struct gathering *gathering, bool *is_last,
                                          struct error *err)
{
    json_t *line, *message, *recipient;
    enum control_status status = next_line(client, &line, err);
    bool is_read = true;

    message = json_object_get(line, "message");
    recipient = json_object_get(line, "recipient");
    *is_last = status != CONTROL_OK || (message == NULL && recipient == NULL);
    if (*is_last && status == CONTROL_OK)
        status = status_in(line, err);
    if (message != NULL) {
        give_message(gathering);
        is_read = control_json_read_envelope(message, &gathering->arena,
                                             &gathering->message.envelope, err);
    } else if (recipient != NULL) {
        is_read = add_recipient(gathering, recipient, err);
    }
    json_decref(line);
    return is_read ? status : CONTROL_LOST;
}

enum control_status
control_client_list(struct control_client *client, const struct control_request *request,
                    bool (*visit)(void *owner, const struct queue_message *message), void *owner,
                    struct error *err)
{
    struct gathering gathering = { .visit = visit, .owner = owner };
    enum control_status status = ask(client, request, err);
    bool is_last = false;

    arena_init(&gathering.arena, 0);
    while (status == CONTROL_OK && !is_last && !gathering.is_over)
        status = take_list_line(client, &gathering, &is_last, err);
    if (status == CONTROL_OK)
        give_message(&gathering);
    arena_clear(&gathering.arena);
    return status;
}

enum control_status control_client_change(struct control_client *client,
                                          const struct control_request *request, int64_t *changed,
                                          struct error *err)
{
    enum control_status status = ask(client, request, err);
    json_t *line = NULL;

    *changed = 0;
    if (status == CONTROL_OK)
        status = take_status(client, &line, err);
    if (status == CONTROL_OK && !control_json_read_number(line, "changed", INT64_MAX, changed, err))
        status = CONTROL_LOST;
    json_decref(line);
    return status;
}

static enum control_status take_octets(struct control_client *client, const json_t *line,
                                       struct buffer *out, struct error *err)
{
    enum control_status status;
    int64_t len;
    size_t line_len;

    if (!control_json_read_number(line, "bytes", QUEUE_PART_BYTES, &len, err))
        return CONTROL_LOST;
    status = wait_for(client, (size_t)len, &line_len, err);
    if (len == 0 || status != CONTROL_OK)
        return status;
    if (!buffer_append(out, span_part(buffer_span(&client->input), 0, (size_t)len)))
        status = lose(err, "no memory for the message");
    buffer_drop(&client->input, (size_t)len);
    return status;
}

enum control_status control_client_read(struct control_client *client, int64_t id, int64_t part,
                                        struct buffer *out, struct error *err)
{
    const struct control_request request = { .kind = CONTROL_READ, .id = id, .part = part };
    enum control_status status = ask(client, &request, err);
    json_t *line = NULL;

    if (status == CONTROL_OK)
        status = take_status(client, &line, err);
    if (status == CONTROL_OK)
        status = take_octets(client, line, out, err);
    json_decref(line);
    return status;
}

enum control_status control_client_stats(struct control_client *client, struct queue_stats *stats,
                                         struct error *err)
{
    const struct control_request request = { .kind = CONTROL_STATS };
    enum control_status status = ask(client, &request, err);
    json_t *line = NULL;

    if (status == CONTROL_OK)
        status = take_status(client, &line, err);
    if (status == CONTROL_OK &&
        !control_json_read_stats(json_object_get(line, "stats"), stats, err))
        status = CONTROL_LOST;
    json_decref(line);
    return status;
}

/* The next part, made of what is left of the two. */
static enum control_status send_part(struct control_client *client, struct span pieces[2],
                                     struct error *err)
{
    size_t room = CONTROL_PART_BYTES;
    enum control_status status = CONTROL_OK;

    for (int i = 0; i < 2 && room > 0 && status == CONTROL_OK; i++) {
        struct span bytes = span_take_front(&pieces[i], room);

        room -= bytes.len;
        if (bytes.len > 0)
            status = send_bytes(client, bytes, err);
    }
    return status;
}

static enum control_status put_body(struct control_client *client, struct span pieces[2],
                                    struct error *err)
{
    enum control_status status;
    json_t *line = NULL;

    do {
        status = send_part(client, pieces, err);
        if (status == CONTROL_OK)
            status = take_status(client, &line, err);
        json_decref(line);
        line = NULL;
    } while (status == CONTROL_OK && pieces[0].len + pieces[1].len > 0);
    return status;
}

static enum control_status begin_put(struct control_client *client,
                                     const struct control_request *request, int64_t *id,
                                     struct error *err)
{
    enum control_status status = ask(client, request, err);
    json_t *line = NULL;

    if (status == CONTROL_OK)
        status = take_status(client, &line, err);
    if (status == CONTROL_OK && !control_json_read_id(line, id, err))
        status = CONTROL_LOST;
    json_decref(line);
    return status;
}

/* Too many of the same user ask at once: it is over in a moment, and nothing was put yet. */
static enum control_status come_again(struct control_client *client, int64_t since_ms,
                                      struct error *err)
{
    if (!has_patience(client, since_ms, err))
        return CONTROL_BUSY;
    stream_close(&client->stream);
    buffer_clear(&client->input);
    return find_queue(client, err);
}

enum control_status control_client_put(struct control_client *client,
                                       struct control_request *request, struct span header,
                                       struct span body, int64_t *id, struct error *err)
{
    struct span pieces[2] = { header, body };
    int64_t since_ms = client->clock.monotonic_ms(&client->clock);
    enum control_status status;

    request->kind = CONTROL_PUT;
    request->size_bytes = (int64_t)(header.len + body.len);
    while ((status = begin_put(client, request, id, err)) == CONTROL_BUSY &&
           client->store == NULL) {
        status = come_again(client, since_ms, err);
        if (status != CONTROL_OK)
            break;
    }
    return status == CONTROL_OK ? put_body(client, pieces, err) : status;
}
