#include "queue/journal_record.h"

#include "base/buffer.h"

/* ---- to bytes --------------------------------------------------------------------------------- */

static bool put_number(struct buffer *out, int64_t number)
{
    return buffer_append(out, (struct span){ (const char *)&number, sizeof number });
}

static bool put_text(struct buffer *out, struct span text)
{
    return put_number(out, (int64_t)text.len) && buffer_append(out, text);
}

static bool put_origin(struct buffer *out, const struct queue_origin *origin)
{
    return put_text(out, origin->client_address) && put_text(out, origin->helo) &&
           put_text(out, origin->user) && put_text(out, origin->tls_version) &&
           put_text(out, origin->tls_cipher);
}

/* Records of before have 0 or 1 here: SMTPUTF8 alone. */
enum { TRAIT_SMTPUTF8 = 1, TRAIT_REQUIRES_TLS = 2, TRAIT_TLS_OPTIONAL = 4, TRAITS = 7 };

static int64_t traits_of(const struct queue_envelope *envelope)
{
    return (envelope->is_smtputf8 ? TRAIT_SMTPUTF8 : 0) |
           (envelope->requires_tls ? TRAIT_REQUIRES_TLS : 0) |
           (envelope->tls_optional ? TRAIT_TLS_OPTIONAL : 0);
}

static bool put_envelope(struct buffer *out, const struct queue_envelope *envelope)
{
    return put_number(out, envelope->id) && put_text(out, envelope->sender) &&
           put_text(out, envelope->envid) && put_text(out, envelope->message_id) &&
           put_number(out, (int64_t)envelope->returns) && put_number(out, envelope->is_8bit) &&
           put_number(out, traits_of(envelope)) && put_number(out, envelope->received_at_s) &&
           put_number(out, envelope->size_bytes) && put_origin(out, &envelope->origin);
}

bool journal_format_put(const struct journal_put *put, struct buffer *out)
{
    bool is_well =
        put_envelope(out, &put->envelope) && put_number(out, (int64_t)put->place_count) &&
        put_number(out, (int64_t)put->recipient_count) && put_number(out, put->first_number);

    for (size_t i = 0; is_well && i < put->place_count; i++)
        is_well = buffer_append(
            out, (struct span){ (const char *)&put->places[i], sizeof put->places[i] });
    for (size_t i = 0; is_well && i < put->recipient_count; i++)
        is_well = put_text(out, put->recipients[i].address) &&
                  put_text(out, put->recipients[i].orcpt) &&
                  put_number(out, (int64_t)put->recipients[i].notify);
    return is_well;
}

bool journal_format_change(const struct journal_change *change, struct buffer *out)
{
    return put_number(out, change->message) && put_number(out, change->number) &&
           put_number(out, (int64_t)change->state) && put_number(out, change->due_at_s) &&
           put_number(out, change->has_warned) && put_text(out, change->code) &&
           put_text(out, change->reply) && put_text(out, change->finding);
}

bool journal_format_lease(const struct journal_lease *lease, struct buffer *out)
{
    return put_number(out, lease->number) && put_number(out, lease->until_s) &&
           put_number(out, (int64_t)lease->count) &&
           buffer_append(out, (struct span){ (const char *)lease->leased,
                                             lease->count * sizeof *lease->leased });
}

/* ---- from bytes ------------------------------------------------------------------------------- */

struct input {
    struct span left;
    bool is_broken;
};

static struct span take_bytes(struct input *input, size_t len)
{
    if (len > input->left.len)
        input->is_broken = true;
    if (input->is_broken)
        return (struct span){ 0 };
    return span_take_front(&input->left, len);
}

static int64_t take_number(struct input *input)
{
    int64_t number = 0;
    struct span bytes = take_bytes(input, sizeof number);

    if (bytes.len == sizeof number)
        memcpy(&number, bytes.data, sizeof number);
    return number;
}

/* One of 0 to `most`. */
static int64_t take_choice(struct input *input, int64_t most)
{
    int64_t number = take_number(input);

    if (number >= 0 && number <= most)
        return number;
    input->is_broken = true;
    return 0;
}

static struct span take_text(struct input *input)
{
    int64_t len = take_number(input);

    if (len < 0)
        input->is_broken = true;
    return take_bytes(input, (size_t)len);
}

/* How many things of that size follow; no more than there is room for. */
static size_t take_count(struct input *input, size_t each)
{
    int64_t count = take_number(input);

    if (count >= 0 && (uint64_t)count <= input->left.len / each)
        return (size_t)count;
    input->is_broken = true;
    return 0;
}

/* Fills them with the bytes that follow. */
static void *take_array(struct input *input, size_t count, size_t each, struct arena *arena)
{
    struct span bytes = take_bytes(input, count * each);
    void *array;

    if (bytes.len == 0)
        return NULL;
    array = arena_new(arena, count, each);
    if (array == NULL)
        input->is_broken = true;
    else
        memcpy(array, bytes.data, bytes.len);
    return array;
}

static struct queue_origin take_origin(struct input *input)
{
    struct queue_origin origin;

    origin.client_address = take_text(input);
    origin.helo = take_text(input);
    origin.user = take_text(input);
    origin.tls_version = take_text(input);
    origin.tls_cipher = take_text(input);
    return origin;
}

static struct queue_envelope take_envelope(struct input *input)
{
    struct queue_envelope envelope = { 0 };
    int64_t traits;

    envelope.id = take_number(input);
    envelope.sender = take_text(input);
    envelope.envid = take_text(input);
    envelope.message_id = take_text(input);
    envelope.returns = (enum queue_return)take_choice(input, QUEUE_RETURN_HEADERS);
    envelope.is_8bit = take_choice(input, 1) != 0;
    traits = take_choice(input, TRAITS);
    envelope.is_smtputf8 = (traits & TRAIT_SMTPUTF8) != 0;
    envelope.requires_tls = (traits & TRAIT_REQUIRES_TLS) != 0;
    envelope.tls_optional = (traits & TRAIT_TLS_OPTIONAL) != 0;
    envelope.received_at_s = take_number(input);
    envelope.size_bytes = take_number(input);
    envelope.origin = take_origin(input);
    return envelope;
}

static const struct queue_recipient *take_recipients(struct input *input, size_t count,
                                                     struct arena *arena)
{
    struct queue_recipient *recipients = arena_new(arena, count, sizeof *recipients);

    if (recipients == NULL)
        input->is_broken = true;
    for (size_t i = 0; !input->is_broken && i < count; i++) {
        struct span address = take_text(input), orcpt = take_text(input);

        recipients[i] = (struct queue_recipient){ .address = address,
                                                  .orcpt = orcpt,
                                                  .notify = (unsigned)take_choice(input, 15) };
    }
    return recipients;
}

static bool is_whole(const struct input *input)
{
    return !input->is_broken && input->left.len == 0;
}

bool journal_parse_put(struct span bytes, struct arena *arena, struct journal_put *put)
{
    struct input input = { .left = bytes };

    put->envelope = take_envelope(&input);
    put->place_count = take_count(&input, sizeof *put->places);
    put->recipient_count = take_count(&input, 3 * sizeof(int64_t));
    put->first_number = take_number(&input);
    put->places = take_array(&input, put->place_count, sizeof *put->places, arena);
    put->recipients = take_recipients(&input, put->recipient_count, arena);
    return is_whole(&input);
}

bool journal_parse_change(struct span bytes, struct journal_change *change)
{
    struct input input = { .left = bytes };

    change->message = take_number(&input);
    change->number = take_number(&input);
    change->state = (enum queue_state)take_choice(&input, QUEUE_STATES - 1);
    change->due_at_s = take_number(&input);
    change->has_warned = take_choice(&input, 1) != 0;
    change->code = take_text(&input);
    change->reply = take_text(&input);
    change->finding = take_text(&input);
    return is_whole(&input);
}

bool journal_parse_lease(struct span bytes, struct arena *arena, struct journal_lease *lease)
{
    struct input input = { .left = bytes };

    lease->number = take_number(&input);
    lease->until_s = take_number(&input);
    lease->count = take_count(&input, sizeof *lease->leased);
    lease->leased = take_array(&input, lease->count, sizeof *lease->leased, arena);
    return is_whole(&input);
}
