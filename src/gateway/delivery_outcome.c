#include "gateway/delivery_outcome.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"

struct delivery_outcome delivery_outcome_of(enum delivery_fate fate, const char *code,
                                            const char *words)
{
    return (
        struct delivery_outcome){ .fate = fate, .code = span_of(code), .words = span_of(words) };
}

/* One line that can be shown, stored and logged. */
static struct span make_words(struct arena *arena, struct span bytes)
{
    const char *text = text_printable(arena, text_front(bytes, DELIVERY_WORDS_MOST), true);

    return text_front(span_of(text), DELIVERY_WORDS_MOST);
}

/* The lines of a reply with blanks between them, behind its code. */
static struct span join_lines(const struct smtp_reply *reply, struct arena *arena)
{
    struct span words = { NULL, 0 };
    struct buffer text;
    bool fits = true;

    buffer_init(&text, DELIVERY_WORDS_MOST);
    for (size_t i = 0; fits && i < reply->line_count; i++) {
        struct span line = smtp_reply_line(reply, i);
        size_t room = DELIVERY_WORDS_MOST - text.len;

        struct span front = text_front(line, room > 1 ? room - 1 : 0);

        fits = room > 1 && buffer_append(&text, (struct span){ " ", 1 }) &&
               buffer_append(&text, front) && front.len == line.len;
    }
    words = make_words(arena, buffer_span(&text));
    buffer_clear(&text);
    return span_of(arena_format(arena, "%u%.*s", reply->code, (int)words.len, words.data));
}

static enum delivery_fate fate_of(uint16_t code)
{
    if (code / 100 == 2)
        return DELIVERY_DELIVERED;
    return code / 100 == 5 ? DELIVERY_REFUSED : DELIVERY_DEFERRED;
}

struct delivery_outcome delivery_outcome_of_reply(const struct smtp_reply *reply,
                                                  struct arena *arena)
{
    static const char *const general[] = {
        [DELIVERY_DELIVERED] = "2.0.0", [DELIVERY_DEFERRED] = "4.0.0", [DELIVERY_REFUSED] = "5.0.0"
    };
    enum delivery_fate fate = fate_of(reply->code);
    struct span enhanced = smtp_reply_enhanced_status(reply);
    struct delivery_outcome outcome = { .fate = fate,
                                        .code = span_of(general[fate]),
                                        .words = join_lines(reply, arena) };

    outcome.said = outcome.words;
    if (enhanced.len > 0 && enhanced.data[0] == general[fate][0])
        outcome.code = span_of(arena_copy(arena, enhanced));
    return outcome;
}

struct delivery_outcome delivery_outcome_of_maildir(const struct gateway_maildir_failure *failure,
                                                    struct arena *arena)
{
    return (struct delivery_outcome){
        .fate = failure->is_permanent ? DELIVERY_REFUSED : DELIVERY_DEFERRED,
        .code = span_of(failure->enhanced),
        .words = make_words(arena, span_of(failure->err.text)),
    };
}

static struct span words_of(const struct observed_reply *observed, struct arena *arena)
{
    struct smtp_reply reply = { .code = observed->code, .raw = observed->raw };

    for (size_t i = 0; i < observed->raw.len; i++)
        if (observed->raw.data[i] == '\n')
            reply.line_count++;
    return join_lines(&reply, arena);
}

/* A server that turns everybody away is one to come back to, whatever class it says so in. */
static bool find_turned_away(const struct observation *observation, struct arena *arena,
                             struct delivery_outcome *outcome)
{
    const struct observed_reply *const replies[] = { &observation->greeting, &observation->ehlo,
                                                     &observation->ehlo_after_tls };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        struct span words;

        if (!replies[i]->came || replies[i]->is_broken || replies[i]->code / 100 == 2)
            continue;
        words = words_of(replies[i], arena);
        *outcome = delivery_outcome_of(
            DELIVERY_DEFERRED, "4.3.2",
            arena_format(arena, "the server takes no mail now: %.*s", (int)words.len, words.data));
        outcome->said = words;
        return true;
    }
    return false;
}

/* A local socket that is not there, or is not for us, is set wrongly, here or there. */
static struct delivery_outcome failed(const struct observation *observation, struct arena *arena)
{
    const char *code = "4.3.0";

    if (observation->error_number == ENOENT || observation->error_number == EACCES ||
        observation->error_number == EPERM || observation->error_number == ENOTSOCK ||
        observation->error_number == EPROTOTYPE)
        code = "4.3.5";
    return (struct delivery_outcome){ .fate = DELIVERY_DEFERRED,
                                      .code = span_of(code),
                                      .words = make_words(arena, span_of(observation->failure)) };
}

static struct delivery_outcome later(const char *code, const char *words)
{
    return delivery_outcome_of(DELIVERY_DEFERRED, code, words);
}

struct delivery_outcome delivery_outcome_of_ending(const struct observation *observation,
                                                   const char *step, struct arena *arena)
{
    struct delivery_outcome outcome;

    if (find_turned_away(observation, arena, &outcome))
        return outcome;
    switch (observation->ending) {
    case ENDING_REFUSED: return later("4.4.1", "the connection was refused");
    case ENDING_UNREACHABLE:
        return later("4.4.1", arena_format(arena, "the server cannot be reached: %s",
                                           strerror(observation->error_number)));
    case ENDING_NO_CONNECT: return later("4.4.1", "no answer to our attempt to connect");
    case ENDING_TIMEOUT:
        return later("4.4.2", arena_format(arena, "the server fell silent at %s", step));
    case ENDING_TLS:
    case ENDING_NOT_TLS:
    case ENDING_INJECTED:
        return later("4.7.5",
                     arena_format(arena, "TLS failed: %s", ending_name(observation->ending)));
    case ENDING_BROKEN: return later("4.5.0", "what the server answered is no LMTP or SMTP");
    case ENDING_FAILED: return failed(observation, arena);
    case ENDING_BARRED: return later("4.7.0", "what is published lets no mail go to that host");
    case ENDING_QUIT:
    case ENDING_CLOSED:
    case ENDING_RESET:
    case ENDING_STOPPED:
    case ENDING_COUNT: break;
    }
    return later("4.4.2", arena_format(arena, "the server left at %s", step));
}

struct delivery_outcome delivery_outcome_of_unsent(enum smtp_client_unsent why)
{
    static const struct {
        const char *code, *words;
    } rows[] = {
        [SMTP_CLIENT_UNSENT_NONE] = { "5.0.0", "the message cannot be sent" },
        [SMTP_CLIENT_UNSENT_8BIT] = { "5.6.3", "the message is 8-bit, and the server takes none" },
        [SMTP_CLIENT_UNSENT_REQUIRETLS] = { "5.7.30",
                                            "the message asks for REQUIRETLS, and the server does not offer it" },
        [SMTP_CLIENT_UNSENT_UTF8] = { "5.6.7",
                                      "the message needs SMTPUTF8, which the server lacks" },
        [SMTP_CLIENT_UNSENT_SIZE] = { "5.3.4", "the message is larger than the server takes" },
        [SMTP_CLIENT_UNSENT_SENDER] = { "5.1.7", "the sender's address fits into no command" },
        [SMTP_CLIENT_UNSENT_RECIPIENT] = { "5.1.3",
                                           "the recipient's address fits into no command" },
        [SMTP_CLIENT_UNSENT_ENVELOPE_ID] = { "5.5.4", "the envelope's id fits into no command" },
        [SMTP_CLIENT_UNSENT_COUNT] = { "5.5.3", "too many recipients at once" },
        [SMTP_CLIENT_UNSENT_BODY] = { "5.6.0", "the message holds a bare CR, a bare LF or a NUL" },
    };

    assert((size_t)why < ARRAY_SIZE(rows));
    return delivery_outcome_of(DELIVERY_REFUSED, rows[why].code, rows[why].words);
}

struct span delivery_outcome_code(const struct finding *finding, enum delivery_fate fate,
                                  struct arena *arena)
{
    return span_of(arena_format(arena, "%c%s", fate == DELIVERY_REFUSED ? '5' : '4',
                                finding->enhanced_status + 1));
}

bool delivery_outcome_is_of(const struct delivery_outcome *outcome, const struct finding *finding)
{
    return finding != NULL && finding->enhanced_status != NULL && outcome->code.len > 0 &&
           span_equal(span_part(outcome->code, 1, outcome->code.len),
                      span_of(finding->enhanced_status + 1));
}

static void give_up(struct queue_settlement *settlement, const struct delivery_outcome *outcome,
                    int64_t waited_s, struct arena *arena)
{
    settlement->result = QUEUE_BOUNCED;
    settlement->attempt.code = span_of("4.4.7"); /* RFC 3463 section 3.5: delivery time expired */
    settlement->attempt.reply = span_of(arena_format(
        arena, "given up after %s; at last %.*s %.*s", text_duration(arena, waited_s),
        (int)outcome->code.len, outcome->code.data, (int)outcome->words.len, outcome->words.data));
}

static void come_back(struct queue_settlement *settlement, const struct delivery_outcome *outcome,
                      const struct queue_envelope *envelope,
                      const struct delivery_schedule *schedule, struct arena *arena)
{
    const struct queue_schedule_history history = {
        .received_at_s = envelope->received_at_s,
        .attempts = settlement->recipient->attempts + 1,
        .has_warned = settlement->recipient->has_warned,
    };
    struct queue_schedule_decision decision =
        queue_schedule_decide(schedule->settings, &history, schedule->now_s, schedule->chance);

    settlement->result = QUEUE_DEFERRED;
    settlement->due_at_s = decision.next_at_s;
    settlement->has_warned |= decision.warns;
    if (decision.gives_up)
        give_up(settlement, outcome, schedule->now_s - envelope->received_at_s, arena);
}

struct queue_settlement delivery_outcome_settle(const struct delivery_outcome *outcome,
                                                const struct queue_envelope *envelope,
                                                const struct queue_recipient *recipient,
                                                const struct delivery_schedule *schedule,
                                                struct arena *arena)
{
    struct queue_settlement settlement = {
        .id = envelope->id,
        .recipient = recipient,
        .has_warned = recipient->has_warned,
        .attempt = { .at_s = schedule->now_s, .code = outcome->code, .reply = outcome->words },
    };

    assert(outcome->fate != DELIVERY_OPEN);
    switch (outcome->fate) {
    case DELIVERY_OPEN:
    case DELIVERY_DELIVERED: settlement.result = QUEUE_DONE; break;
    case DELIVERY_REFUSED: settlement.result = QUEUE_BOUNCED; break;
    case DELIVERY_DEFERRED: come_back(&settlement, outcome, envelope, schedule, arena); break;
    }
    return settlement;
}
