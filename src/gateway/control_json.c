#include "gateway/control_json.h"

#include "base/buffer.h"
#include "base/text.h"
#include "queue/id.h"

/* ---- writing ------------------------------------------------------------------------------ */

/* Length of the UTF-8 character at the front, 0: there is none. */
static size_t character_len(struct span text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++)
        if (text_is_utf8(span_part(text, 0, len)))
            return len;
    return 0;
}

static bool append_as_utf8(struct buffer *out, struct span text)
{
    bool has_room = true;

    while (text.len > 0 && has_room) {
        size_t len = character_len(text);

        if (len > 0)
            has_room = buffer_append(out, span_take_front(&text, len));
        else
            has_room = buffer_append_text(out, "\xef\xbf\xbd");
        if (len == 0)
            span_take(&text);
    }
    return has_room;
}

json_t *control_json_of_text(struct span text)
{
    AUTO(buffer_clear) struct buffer out;

    buffer_init(&out, 3 * text.len);
    if (text_is_utf8(text) && span_find(text, '\0') == text.len)
        return json_stringn(text.data == NULL ? "" : text.data, text.len);
    if (!append_as_utf8(&out, text))
        return NULL;
    for (size_t i = 0; i < out.len; i++)
        if (out.data[i] == '\0')
            out.data[i] = '?';
    return json_stringn(out.data, out.len);
}

static bool set(json_t *json, const char *key, json_t *value)
{
    return value != NULL && json_object_set_new(json, key, value) == 0;
}

static bool set_text(json_t *json, const char *key, struct span text)
{
    return text.len == 0 || set(json, key, control_json_of_text(text));
}

static bool set_number(json_t *json, const char *key, int64_t number)
{
    return set(json, key, json_integer(number));
}

static bool set_claim(json_t *json, const char *key, bool claim)
{
    return !claim || set(json, key, json_true());
}

/* The object, or NULL where it could not be filled. */
static json_t *give(json_t *json, bool is_whole)
{
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *json_of_origin(const struct queue_origin *origin)
{
    json_t *json = json_object();

    return give(json, set_text(json, "address", origin->client_address) &&
                          set_text(json, "helo", origin->helo) &&
                          set_text(json, "user", origin->user) &&
                          set_text(json, "tls_version", origin->tls_version) &&
                          set_text(json, "tls_cipher", origin->tls_cipher));
}

static const char *return_names[] = {
    [QUEUE_RETURN_UNSAID] = "", [QUEUE_RETURN_FULL] = "full", [QUEUE_RETURN_HEADERS] = "headers"
};

json_t *control_json_of_envelope(const struct queue_envelope *envelope)
{
    json_t *json = json_object();
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(envelope->id, id);
    return give(json, (envelope->id == 0 || set_text(json, "id", span_of(id))) &&
                          set(json, "sender", control_json_of_text(envelope->sender)) &&
                          set_number(json, "received", envelope->received_at_s) &&
                          set_number(json, "size", envelope->size_bytes) &&
                          set_text(json, "message_id", envelope->message_id) &&
                          set_text(json, "envid", envelope->envid) &&
                          set_text(json, "return", span_of(return_names[envelope->returns])) &&
                          set_claim(json, "eight_bit", envelope->is_8bit) &&
                          set_claim(json, "smtputf8", envelope->is_smtputf8) &&
                          set_claim(json, "requires_tls", envelope->requires_tls) &&
                          set_claim(json, "tls_optional", envelope->tls_optional) &&
                          set(json, "origin", json_of_origin(&envelope->origin)));
}

json_t *control_json_of_recipient(const struct queue_recipient *recipient)
{
    json_t *json = json_object();

    return give(json,
                set(json, "address", control_json_of_text(recipient->address)) &&
                    set_text(json, "state", span_of(queue_state_name(recipient->state))) &&
                    set_number(json, "due", recipient->due_at_s) &&
                    set_number(json, "attempts", recipient->attempts) &&
                    (recipient->notify == 0 || set_number(json, "notify", recipient->notify)) &&
                    set_text(json, "orcpt", recipient->orcpt) &&
                    set_text(json, "code", recipient->last_code) &&
                    set_text(json, "reply", recipient->last_reply) &&
                    set_text(json, "finding", recipient->last_finding));
}

json_t *control_json_of_stats(const struct queue_stats *stats)
{
    json_t *json = json_object(), *recipients = json_object();
    bool is_whole = true;

    for (int state = 0; state < QUEUE_STATES; state++)
        is_whole = is_whole && set_number(recipients, queue_state_name((enum queue_state)state),
                                          stats->recipients[state]);
    is_whole =
        is_whole && set_number(json, "messages", stats->messages) &&
        set_number(json, "bytes", stats->body_bytes) && set_number(json, "puts", stats->puts) &&
        set_number(json, "settled", stats->settled) &&
        set_number(json, "commits", stats->commits) && set_number(json, "busy", stats->busy) &&
        set_number(json, "failures", stats->failures) &&
        set_number(json, "tracking_lost", stats->tracking_lost) &&
        set_text(json, "last_failure", span_of(stats->last_failure));
    if (is_whole)
        is_whole = set(json, "recipients", json_incref(recipients));
    json_decref(recipients);
    return give(json, is_whole);
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool refuse(struct error *err, const char *key, const char *wanted)
{
    return error_set(err, ERROR_FORMAT, "\"%s\" is not %s", key, wanted);
}

bool control_json_read_text(const json_t *json, const char *key, size_t most, struct arena *arena,
                            struct span *text, struct error *err)
{
    const json_t *value = json_object_get(json, key);

    *text = (struct span){ "", 0 };
    if (value == NULL)
        return true;
    if (!json_is_string(value) || json_string_length(value) > most)
        return refuse(err, key, "a text, or too long a one");
    *text = span_of(
        arena_copy(arena, (struct span){ json_string_value(value), json_string_length(value) }));
    return true;
}

bool control_json_read_number(const json_t *json, const char *key, int64_t most, int64_t *number,
                              struct error *err)
{
    const json_t *value = json_object_get(json, key);

    *number = 0;
    if (value == NULL)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > most)
        return refuse(err, key, "a number in its range");
    *number = json_integer_value(value);
    return true;
}

bool control_json_read_bool(const json_t *json, const char *key, bool *claim, struct error *err)
{
    const json_t *value = json_object_get(json, key);

    *claim = json_is_true(value);
    return value == NULL || json_is_boolean(value) || refuse(err, key, "true or false");
}

bool control_json_read_id(const json_t *json, int64_t *id, struct error *err)
{
    const json_t *value = json_object_get(json, "id");

    *id = 0;
    return value == NULL ||
           (json_is_string(value) && queue_id_parse(span_of(json_string_value(value)), id)) ||
           refuse(err, "id", "the id of a message");
}

static bool read_return(const json_t *json, enum queue_return *returns, struct error *err)
{
    const json_t *value = json_object_get(json, "return");

    *returns = QUEUE_RETURN_UNSAID;
    if (value == NULL)
        return true;
    for (int i = QUEUE_RETURN_FULL; i <= QUEUE_RETURN_HEADERS && json_is_string(value); i++)
        if (strcmp(json_string_value(value), return_names[i]) == 0)
            *returns = (enum queue_return)i;
    return *returns != QUEUE_RETURN_UNSAID || refuse(err, "return", "full or headers");
}

static bool read_origin(const json_t *json, struct arena *arena, struct queue_origin *origin,
                        struct error *err)
{
    const json_t *from = json_object_get(json, "origin");
    const size_t most = QUEUE_FACT_BYTES;

    return control_json_read_text(from, "address", most, arena, &origin->client_address, err) &&
           control_json_read_text(from, "helo", most, arena, &origin->helo, err) &&
           control_json_read_text(from, "user", most, arena, &origin->user, err) &&
           control_json_read_text(from, "tls_version", most, arena, &origin->tls_version, err) &&
           control_json_read_text(from, "tls_cipher", most, arena, &origin->tls_cipher, err);
}

bool control_json_read_envelope(const json_t *json, struct arena *arena,
                                struct queue_envelope *envelope, struct error *err)
{
    const size_t most = QUEUE_ADDRESS_BYTES;

    *envelope = (struct queue_envelope){ 0 };
    if (!json_is_object(json))
        return error_set(err, ERROR_FORMAT, "a message is no object");
    return control_json_read_id(json, &envelope->id, err) &&
           control_json_read_text(json, "sender", most, arena, &envelope->sender, err) &&
           control_json_read_text(json, "envid", most, arena, &envelope->envid, err) &&
           control_json_read_text(json, "message_id", QUEUE_FACT_BYTES, arena,
                                  &envelope->message_id, err) &&
           read_return(json, &envelope->returns, err) &&
           control_json_read_bool(json, "eight_bit", &envelope->is_8bit, err) &&
           control_json_read_bool(json, "smtputf8", &envelope->is_smtputf8, err) &&
           control_json_read_bool(json, "requires_tls", &envelope->requires_tls, err) &&
           control_json_read_bool(json, "tls_optional", &envelope->tls_optional, err) &&
           control_json_read_number(json, "received", INT64_MAX, &envelope->received_at_s, err) &&
           control_json_read_number(json, "size", INT64_MAX, &envelope->size_bytes, err) &&
           read_origin(json, arena, &envelope->origin, err);
}

static bool read_notify(const json_t *json, unsigned *notify, struct error *err)
{
    int64_t set_of = 0;

    if (!control_json_read_number(json, "notify", 15, &set_of, err))
        return false;
    *notify = (unsigned)set_of;
    return (*notify & QUEUE_NOTIFY_NEVER) == 0 || *notify == QUEUE_NOTIFY_NEVER ||
           refuse(err, "notify", "never alone or a set of the others");
}

static bool read_state(const json_t *json, struct queue_recipient *recipient, struct error *err)
{
    const json_t *state = json_object_get(json, "state");

    return state == NULL ||
           (json_is_string(state) &&
            queue_state_parse(span_of(json_string_value(state)), &recipient->state)) ||
           refuse(err, "state", "the state of a recipient");
}

bool control_json_read_recipient(const json_t *json, struct arena *arena,
                                 struct queue_recipient *recipient, struct error *err)
{
    const size_t most = QUEUE_ADDRESS_BYTES;

    *recipient = (struct queue_recipient){ 0 };
    if (!json_is_object(json))
        return error_set(err, ERROR_FORMAT, "a recipient is no object");
    return control_json_read_text(json, "address", most, arena, &recipient->address, err) &&
           control_json_read_text(json, "orcpt", most, arena, &recipient->orcpt, err) &&
           read_notify(json, &recipient->notify, err) && read_state(json, recipient, err) &&
           control_json_read_number(json, "due", INT64_MAX, &recipient->due_at_s, err) &&
           control_json_read_number(json, "attempts", INT64_MAX, &recipient->attempts, err) &&
           control_json_read_text(json, "code", most, arena, &recipient->last_code, err) &&
           /* three octets of JSON for one that was none of UTF-8 */
           control_json_read_text(json, "reply", 3 * QUEUE_FACT_BYTES, arena,
                                  &recipient->last_reply, err) &&
           control_json_read_text(json, "finding", most, arena, &recipient->last_finding, err);
}

bool control_json_read_stats(const json_t *json, struct queue_stats *stats, struct error *err)
{
    const json_t *recipients = json_object_get(json, "recipients");
    const json_t *failure = json_object_get(json, "last_failure");

    *stats = (struct queue_stats){ 0 };
    for (int state = 0; state < QUEUE_STATES; state++)
        if (!control_json_read_number(recipients, queue_state_name((enum queue_state)state),
                                      INT64_MAX, &stats->recipients[state], err))
            return false;
    if (json_is_string(failure))
        snprintf(stats->last_failure, sizeof stats->last_failure, "%s", json_string_value(failure));
    return control_json_read_number(json, "messages", INT64_MAX, &stats->messages, err) &&
           control_json_read_number(json, "bytes", INT64_MAX, &stats->body_bytes, err) &&
           control_json_read_number(json, "puts", INT64_MAX, &stats->puts, err) &&
           control_json_read_number(json, "settled", INT64_MAX, &stats->settled, err) &&
           control_json_read_number(json, "commits", INT64_MAX, &stats->commits, err) &&
           control_json_read_number(json, "busy", INT64_MAX, &stats->busy, err) &&
           control_json_read_number(json, "failures", INT64_MAX, &stats->failures, err) &&
           control_json_read_number(json, "tracking_lost", INT64_MAX, &stats->tracking_lost, err);
}
