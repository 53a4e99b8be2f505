#include "queue/message.h"

#include <assert.h>

static const char *const state_names[QUEUE_STATES] = {
    [QUEUE_WAITING] = "waiting", [QUEUE_DEFERRED] = "deferred", [QUEUE_LEASED] = "leased",
    [QUEUE_HELD] = "held",       [QUEUE_DONE] = "done",         [QUEUE_BOUNCED] = "bounced",
};

const char *queue_state_name(enum queue_state state)
{
    assert((unsigned)state < QUEUE_STATES);
    return state_names[state];
}

bool queue_state_parse(struct span name, enum queue_state *state)
{
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        if (span_equal(name, span_of(state_names[i]))) {
            *state = (enum queue_state)i;
            return true;
        }
    }
    return false;
}

const char *queue_envelope_wish(const struct queue_envelope *envelope)
{
    return envelope->requires_tls ? "requiretls" : envelope->tls_optional ? "tls-optional" : "none";
}

struct span queue_domain_of(struct span address)
{
    for (size_t i = address.len; i > 0; i--) {
        if (address.data[i - 1] == '@')
            return span_part(address, i, address.len - i);
    }
    return (struct span){ NULL, 0 };
}

static bool is_recipient_bounded(const struct queue_recipient *recipient)
{
    return recipient->address.len > 0 && recipient->address.len <= QUEUE_ADDRESS_BYTES &&
           recipient->orcpt.len <= QUEUE_ADDRESS_BYTES;
}

static bool is_origin_bounded(const struct queue_origin *origin)
{
    return origin->client_address.len <= QUEUE_FACT_BYTES && origin->helo.len <= QUEUE_FACT_BYTES &&
           origin->user.len <= QUEUE_FACT_BYTES && origin->tls_version.len <= QUEUE_FACT_BYTES &&
           origin->tls_cipher.len <= QUEUE_FACT_BYTES;
}

size_t queue_session_bytes(const struct queue_session *session)
{
    return session->destination.len + session->relay.len + session->level.len + session->rule.len +
           session->tls.len + session->decision.len + session->why_clear.len +
           session->findings.len + session->would.len + session->changes.len + session->told.len +
           session->observation.len;
}

const char *queue_envelope_flaw(const struct queue_envelope *envelope,
                                const struct queue_recipient *recipients, size_t count)
{
    if (envelope->id <= 0)
        return "the message has no id";
    if (count == 0)
        return "the message has no recipient";
    if (count > QUEUE_RECIPIENTS)
        return "the message has too many recipients";
    if (envelope->sender.len > QUEUE_ADDRESS_BYTES || envelope->envid.len > QUEUE_ADDRESS_BYTES)
        return "the sender or ENVID is too long";
    if (envelope->message_id.len > QUEUE_FACT_BYTES || !is_origin_bounded(&envelope->origin))
        return "a fact about where the message came from is too long";
    for (size_t i = 0; i < count; i++) {
        if (!is_recipient_bounded(&recipients[i]))
            return "a recipient is empty or too long";
    }
    return NULL;
}
