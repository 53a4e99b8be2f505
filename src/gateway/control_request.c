#include "gateway/control_request.h"

#include <jansson.h>

#include "base/text.h"
#include "gateway/control_json.h"
#include "queue/id.h"
#include "smtp/address.h"

/* ---- reading ------------------------------------------------------------------------------ */

static bool read_selection(const json_t *json, struct arena *arena,
                           struct queue_selection *selection, struct error *err)
{
    return control_json_read_id(json, &selection->id, err) &&
           control_json_read_text(json, "domain", QUEUE_ADDRESS_BYTES, arena, &selection->domain,
                                  err);
}

static bool read_list(const json_t *json, struct arena *arena, struct control_request *request,
                      struct error *err)
{
    struct span state;

    if (!read_selection(json, arena, &request->selection, err) ||
        !control_json_read_text(json, "state", 16, arena, &state, err))
        return false;
    request->by_state = state.len > 0;
    return state.len == 0 || queue_state_parse(state, &request->state) ||
           error_set(err, ERROR_FORMAT, "\"state\" is not the state of a recipient");
}

static bool read_read(const json_t *json, struct arena *arena, struct control_request *request,
                      struct error *err)
{
    (void)arena;
    if (!control_json_read_id(json, &request->id, err))
        return false;
    if (request->id == 0)
        return error_set(err, ERROR_FORMAT, "\"id\" is missing");
    return control_json_read_number(json, "part", INT64_MAX, &request->part, err);
}

/* Everything at once is said, not left out by mistake. */
static bool read_change(const json_t *json, struct arena *arena, struct control_request *request,
                        struct error *err)
{
    bool is_all, is_some;

    if (!read_selection(json, arena, &request->selection, err) ||
        !control_json_read_bool(json, "all", &is_all, err))
        return false;
    is_some = request->selection.id != 0 || request->selection.domain.len > 0;
    return is_all != is_some ||
           error_set(err, ERROR_FORMAT, "say which messages: \"id\", \"domain\", or \"all\" alone");
}

static bool is_mailbox(struct span text)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    return smtp_address_parse(text, &address, &flaw);
}

/* RFC 3461 section 4: xtext, and no blank anywhere. */
static bool is_parameter(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return true;
}

/* Behind "utf-8;" UTF-8 may stand as it is: RFC 6533 section 3. */
static bool is_original(struct span text)
{
    bool is_utf8 = span_starts_with_nocase(text, "utf-8;");

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == '\x7f')
            return false;
    return is_utf8 ? text_is_utf8(text) : text_is_ascii(text);
}

static bool check_envelope(const struct queue_envelope *envelope, struct error *err)
{
    if (envelope->sender.len > 0 && !is_mailbox(envelope->sender))
        return error_set(err, ERROR_FORMAT, "the sender is no address");
    return is_parameter(envelope->envid) ||
           error_set(err, ERROR_FORMAT, "the ENVID is not written as RFC 3461 wants it");
}

static bool read_recipient(const json_t *json, struct arena *arena, struct control_request *request,
                           struct error *err)
{
    struct queue_recipient *recipient = &request->recipients[request->recipient_count];

    if (!control_json_read_recipient(json, arena, recipient, err))
        return false;
    if (!is_mailbox(recipient->address) || !is_original(recipient->orcpt))
        return error_set(err, ERROR_FORMAT, "recipient number %zu is no address",
                         request->recipient_count + 1);
    request->recipient_count++;
    return true;
}

static bool read_recipients(const json_t *json, size_t most, struct arena *arena,
                            struct control_request *request, struct error *err)
{
    const json_t *recipients = json_object_get(json, "recipients");
    size_t count = json_array_size(recipients);

    if (count == 0)
        return error_set(err, ERROR_FORMAT, "there is no recipient");
    if (count > most)
        return error_set(err, ERROR_FORMAT, "there are %zu recipients, and %zu at most may be",
                         count, most);
    request->recipients = arena_new(arena, count, sizeof *request->recipients);
    if (request->recipients == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the recipients");
    for (size_t i = 0; i < count; i++)
        if (!read_recipient(json_array_get(recipients, i), arena, request, err))
            return false;
    return true;
}

static bool read_put(const json_t *json, struct arena *arena, struct control_request *request,
                     struct error *err)
{
    return control_json_read_number(json, "size", INT64_MAX, &request->size_bytes, err) &&
           control_json_read_envelope(json_object_get(json, "envelope"), arena, &request->envelope,
                                      err) &&
           check_envelope(&request->envelope, err);
}

static bool read_nothing(const json_t *json, struct arena *arena, struct control_request *request,
                         struct error *err)
{
    (void)json, (void)arena, (void)request, (void)err;
    return true;
}

static const struct verb {
    const char *name;
    enum control_kind kind;
    enum queue_change_kind change;
    bool (*read)(const json_t *json, struct arena *arena, struct control_request *request,
                 struct error *err);
} verbs[] = {
    { "list", CONTROL_LIST, 0, read_list },
    { "read", CONTROL_READ, 0, read_read },
    { "hold", CONTROL_CHANGE, QUEUE_HOLD, read_change },
    { "release", CONTROL_CHANGE, QUEUE_RELEASE, read_change },
    { "retry", CONTROL_CHANGE, QUEUE_RETRY, read_change },
    { "delete", CONTROL_CHANGE, QUEUE_DELETE, read_change },
    { "put", CONTROL_PUT, 0, read_put },
    { "stats", CONTROL_STATS, 0, read_nothing },
};

static bool read_request(const json_t *json, size_t recipients_most, struct arena *arena,
                         struct control_request *request, struct error *err)
{
    const char *name = json_string_value(json_object_get(json, "do"));

    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        *request = (struct control_request){ .kind = verbs[i].kind, .change = verbs[i].change };
        return verbs[i].read(json, arena, request, err) &&
               (request->kind != CONTROL_PUT ||
                read_recipients(json, recipients_most, arena, request, err));
    }
    return error_set(err, ERROR_FORMAT, "\"do\" names nothing that can be done");
}

const char *control_change_name(enum queue_change_kind change)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (verbs[i].kind == CONTROL_CHANGE && verbs[i].change == change)
            return verbs[i].name;
    return "";
}

bool control_request_parse(struct span line, size_t recipients_most, struct arena *arena,
                           struct control_request *request, struct error *err)
{
    json_error_t flaw;
    json_t *json =
        json_loadb(line.data == NULL ? "" : line.data, line.len, JSON_REJECT_DUPLICATES, &flaw);
    bool is_read;

    if (json == NULL)
        return error_set(err, ERROR_FORMAT, "a request is one JSON object a line: %s", flaw.text);
    is_read = read_request(json, recipients_most, arena, request, err);
    json_decref(json);
    if (arena->exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the request");
    return is_read;
}

/* ---- writing ------------------------------------------------------------------------------ */

static const char *name_of(const struct control_request *request)
{
    if (request->kind == CONTROL_CHANGE)
        return control_change_name(request->change);
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (verbs[i].kind == request->kind)
            return verbs[i].name;
    return "";
}

static bool set(json_t *json, const char *key, json_t *value)
{
    return value != NULL && json_object_set_new(json, key, value) == 0;
}

static bool set_id(json_t *json, int64_t id)
{
    char text[QUEUE_ID_TEXT + 1];

    queue_id_format(id, text);
    return id == 0 || set(json, "id", json_string(text));
}

static bool set_selection(json_t *json, const struct control_request *request)
{
    const struct queue_selection *selection = &request->selection;
    bool is_some = selection->id != 0 || selection->domain.len > 0;

    return set_id(json, selection->id) &&
           (selection->domain.len == 0 ||
            set(json, "domain", json_stringn(selection->domain.data, selection->domain.len))) &&
           (request->kind != CONTROL_CHANGE || is_some || set(json, "all", json_true())) &&
           (!request->by_state ||
            set(json, "state", json_string(queue_state_name(request->state))));
}

static bool set_put(json_t *json, const struct control_request *request)
{
    json_t *recipients = json_array();
    bool is_whole = set(json, "size", json_integer(request->size_bytes)) &&
                    set(json, "envelope", control_json_of_envelope(&request->envelope));

    for (size_t i = 0; is_whole && i < request->recipient_count; i++) {
        json_t *recipient = control_json_of_recipient(&request->recipients[i]);

        is_whole = recipient != NULL && json_array_append_new(recipients, recipient) == 0;
    }
    is_whole = is_whole && set(json, "recipients", json_incref(recipients));
    json_decref(recipients);
    return is_whole;
}

static bool fill(json_t *json, const struct control_request *request)
{
    if (!set(json, "do", json_string(name_of(request))))
        return false;
    switch (request->kind) {
    case CONTROL_LIST:
    case CONTROL_CHANGE: return set_selection(json, request);
    case CONTROL_READ:
        return set_id(json, request->id) && set(json, "part", json_integer(request->part));
    case CONTROL_PUT: return set_put(json, request);
    case CONTROL_STATS: return true;
    }
    return false;
}

static int append(const char *bytes, size_t len, void *out)
{
    return buffer_append(out, (struct span){ bytes, len }) ? 0 : -1;
}

bool control_request_format(const struct control_request *request, struct buffer *out,
                            struct error *err)
{
    json_t *json = json_object();
    size_t before = out->len;
    bool is_whole = json != NULL && fill(json, request) &&
                    json_dump_callback(json, append, out, JSON_COMPACT) == 0 &&
                    buffer_append_text(out, "\n");

    json_decref(json);
    if (is_whole && out->len - before <= CONTROL_LINE_BYTES)
        return true;
    return error_set(err, ERROR_FORMAT,
                     "the request is too long, or is not UTF-8, and cannot be asked");
}
