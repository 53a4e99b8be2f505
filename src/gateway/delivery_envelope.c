#include "gateway/delivery_envelope.h"

#include "base/text.h"
#include "gateway/delivery_destination.h"
#include "smtp/command.h"

/* What would break out of its command line is left out. */
static const char *option_of(struct arena *arena, struct span text, size_t most)
{
    const char *option = arena_copy(arena, text);

    return smtp_command_value_is_safe(option, most) ? option : NULL;
}

/* RFC 6531 section 3.4. A mailbox, and the LMTP server before it, takes the bytes of a header as they are; there
 * only an address in the envelope cannot be said without it. */
static bool needs_utf8(const struct delivery_task *task, bool offers_utf8)
{
    const struct queue_envelope *envelope = &task->message->envelope;
    bool is_needed = !delivery_is_lmtp(task->targets[0]->destination) || offers_utf8 ||
                     !text_is_ascii(envelope->sender);

    for (size_t i = 0; i < task->count; i++)
        is_needed |= !text_is_ascii(task->targets[i]->address);
    return envelope->is_smtputf8 && is_needed;
}

static struct smtp_client_message make_message(const struct delivery_task *task, bool offers_utf8)
{
    static const char *const parts[] = {
        [QUEUE_RETURN_UNSAID] = NULL, [QUEUE_RETURN_FULL] = "FULL", [QUEUE_RETURN_HEADERS] = "HDRS"
    };
    const struct queue_envelope *envelope = &task->message->envelope;
    struct arena *arena = &task->batch->arena;
    enum queue_return returns = envelope->returns;

    if (envelope->requires_tls && returns == QUEUE_RETURN_FULL) /* RFC 8689 section 5 */
        returns = QUEUE_RETURN_HEADERS;
    return (struct smtp_client_message){
        .sender = arena_copy(arena, envelope->sender),
        .size_bytes = (uint64_t)envelope->size_bytes,
        .is_8bit = envelope->is_8bit,
        .is_utf8 = needs_utf8(task, offers_utf8),
        .requires_tls = envelope->requires_tls,
        .envelope_id = option_of(arena, envelope->envid, SMTP_COMMAND_ENVID_MOST),
        .return_part = parts[returns],
    };
}

static struct smtp_client_recipient make_recipient(const struct delivery_target *target,
                                                   const char *address, struct arena *arena)
{
    return (struct smtp_client_recipient){
        .address = address,
        .original = option_of(arena, target->recipient->orcpt, SMTP_COMMAND_ORCPT_MOST),
        .notify = target->recipient->notify,
    };
}

static struct span domain_of(struct span address)
{
    size_t at = address.len;

    while (at > 0 && address.data[at - 1] != '@')
        at--;
    return span_part(address, at, SIZE_MAX);
}

static bool is_meant(const struct delivery_target *target, const char *domain)
{
    return !target->is_settled &&
           (domain == NULL || span_equal_nocase(domain_of(target->address), span_of(domain)));
}

struct span delivery_envelope_domain(const struct delivery_task *task)
{
    for (size_t i = 0; i < task->count; i++)
        if (!task->targets[i]->is_settled)
            return domain_of(task->targets[i]->address);
    return (struct span){ NULL, 0 };
}

bool delivery_envelope_has(const struct delivery_task *task, const char *domain)
{
    for (size_t i = 0; i < task->count; i++)
        if (is_meant(task->targets[i], domain))
            return true;
    return false;
}

bool delivery_envelope_make(const struct delivery_task *task, bool offers_utf8, size_t most,
                            const char *domain, struct delivery_envelope *envelope)
{
    struct arena *arena = &task->batch->arena;
    struct smtp_client_recipient *recipients = arena_new(arena, task->count, sizeof *recipients);
    struct smtp_client_message *message = &envelope->message;

    *envelope = (struct delivery_envelope){ .message = make_message(task, offers_utf8) };
    envelope->target_of = arena_new(arena, task->count, sizeof *envelope->target_of);
    envelope->unfit = arena_new(arena, task->count, sizeof *envelope->unfit);
    message->recipients = recipients;
    for (size_t i = 0; !arena->exhausted && i < task->count; i++) {
        const struct delivery_target *target = task->targets[i];
        const char *address = arena_copy(arena, target->address);

        if (!is_meant(target, domain) || message->recipient_count == most)
            continue;
        if (smtp_command_path_is_safe(address, message->is_utf8)) {
            envelope->target_of[message->recipient_count] = i;
            recipients[message->recipient_count++] = make_recipient(target, address, arena);
        } else {
            envelope->unfit[envelope->unfit_count++] = i;
        }
    }
    return !arena->exhausted;
}
