/* tests/scenario/scenario_test.c - replays each tests/scenario/NAME.smtp with its bytes split anyhow.
 *
 * Usage: scenario-test DIRECTORY. Every scenario runs with the server's bytes in pieces of each
 * size, and cut in two at each place: the same events and the same output must come. TAP output.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "folder.h"
#include "scenario.h"

enum { TEXT_BYTES = 1024, LOG_MOST = 32 };

/* One run of a scenario. */
struct replay {
    const struct scenario *scenario;
    size_t piece, cut; /* pieces of `piece` bytes; where that is 0, two pieces, cut at `cut` */
    struct smtp_client client;
    char storage[8192];
    int64_t now_ms;
    char output[65536];
    size_t output_len;
    struct span body;
    char log[LOG_MOST][TEXT_BYTES]; /* events that came and were not asked for yet */
    size_t log_len;
    int line;
    char why[3 * TEXT_BYTES]; /* empty: no fault */
};

static void fail(struct replay *replay, const char *format, ...) PRINTF_LIKE(2, 3);

static void fail(struct replay *replay, const char *format, ...)
{
    va_list arguments;

    if (replay->why[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(replay->why, sizeof replay->why, format, arguments);
    va_end(arguments);
}

static const char *const kinds[] = {
    [SMTP_CLIENT_NOTHING] = "nothing",
    [SMTP_CLIENT_REPLIED] = "replied",
    [SMTP_CLIENT_HANDSHAKE_NOW] = "handshake-now",
    [SMTP_CLIENT_INJECTED] = "injected",
    [SMTP_CLIENT_IS_READY] = "is-ready",
    [SMTP_CLIENT_RECIPIENT] = "recipient",
    [SMTP_CLIENT_BODY_WANTED] = "body-wanted",
    [SMTP_CLIENT_MESSAGE_DONE] = "message-done",
    [SMTP_CLIENT_BROKEN_REPLY] = "broken-reply",
    [SMTP_CLIENT_TIMED_OUT] = "timed-out",
    [SMTP_CLIENT_ENDED_EARLY] = "ended-early",
    [SMTP_CLIENT_FINISHED] = "finished",
    [SMTP_CLIENT_MESSAGE_UNSENT] = "message-unsent",
};

static const char *const unsent[] = {
    [SMTP_CLIENT_UNSENT_NONE] = "none",
    [SMTP_CLIENT_UNSENT_8BIT] = "8bit",
    [SMTP_CLIENT_UNSENT_UTF8] = "utf8",
    [SMTP_CLIENT_UNSENT_REQUIRETLS] = "requiretls",
    [SMTP_CLIENT_UNSENT_SIZE] = "size",
    [SMTP_CLIENT_UNSENT_SENDER] = "sender",
    [SMTP_CLIENT_UNSENT_RECIPIENT] = "recipient",
    [SMTP_CLIENT_UNSENT_ENVELOPE_ID] = "envelope-id",
    [SMTP_CLIENT_UNSENT_COUNT] = "count",
    [SMTP_CLIENT_UNSENT_BODY] = "body",
};

static const struct {
    uint32_t flaw;
    const char *name;
} flaws[] = {
    { SMTP_REPLY_FLAW_BARE_LF, "bare-lf" },
    { SMTP_REPLY_FLAW_BARE_CR, "bare-cr" },
    { SMTP_REPLY_FLAW_NUL, "nul" },
    { SMTP_REPLY_FLAW_CONTROL, "control" },
    { SMTP_REPLY_FLAW_EIGHT_BIT, "eight-bit" },
    { SMTP_REPLY_FLAW_LONG_LINE, "long-line" },
    { SMTP_REPLY_FLAW_CODE_CHANGE, "code-change" },
    { SMTP_REPLY_FLAW_NO_TEXT, "no-text" },
    { SMTP_REPLY_FLAW_UNKNOWN_CODE, "unknown-code" },
    { SMTP_REPLY_FLAW_NOT_A_CODE, "not-a-code" },
    { SMTP_REPLY_FLAW_SEPARATOR, "separator" },
    { SMTP_REPLY_FLAW_ENDLESS_LINE, "endless-line" },
    { SMTP_REPLY_FLAW_TOO_LARGE, "too-large" },
};

PRINTF_LIKE(2, 3)
static void add(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text + used, TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

static void add_bytes(char *text, struct span bytes)
{
    struct arena arena;

    arena_init(&arena, 65536);
    if (bytes.len > 0)
        add(text, " \"%s\"", text_printable(&arena, bytes, false));
    arena_clear(&arena);
}

/* KIND STATE [CODE] [what is special] [tls] [flaws] ["bytes"] */
static void describe(char *text, const struct smtp_client_event *event)
{
    text[0] = '\0';
    add(text, "%s", kinds[event->kind]);
    if (event->kind == SMTP_CLIENT_RECIPIENT)
        add(text, " %zu", event->recipient);
    if (event->kind != SMTP_CLIENT_FINISHED && event->kind != SMTP_CLIENT_IS_READY &&
        event->kind != SMTP_CLIENT_HANDSHAKE_NOW && event->kind != SMTP_CLIENT_INJECTED &&
        event->kind != SMTP_CLIENT_BODY_WANTED && event->kind != SMTP_CLIENT_MESSAGE_UNSENT)
        add(text, " %s", smtp_client_state_name(event->during));
    if (event->reply.code != 0)
        add(text, " %u", (unsigned)event->reply.code);
    if (event->kind == SMTP_CLIENT_MESSAGE_DONE)
        add(text, " taken %zu", event->taken);
    if (event->unsent != SMTP_CLIENT_UNSENT_NONE)
        add(text, " %s", unsent[event->unsent]);
    if (event->unsent == SMTP_CLIENT_UNSENT_RECIPIENT)
        add(text, " %zu", event->recipient);
    if (event->is_encrypted)
        add(text, " tls");
    for (size_t i = 0; event->kind != SMTP_CLIENT_MESSAGE_DONE && i < ARRAY_SIZE(flaws); i++)
        if (event->reply.flaws & flaws[i].flaw)
            add(text, " %s", flaws[i].name);
    add_bytes(text, event->bytes);
}

/* HANDSHAKE_NOW before INJECTED only says that the bytes came a moment later. */
static void pull_events(struct replay *replay)
{
    struct smtp_client_event event;

    while (smtp_client_next(&replay->client, &event)) {
        if (event.kind == SMTP_CLIENT_INJECTED && replay->log_len > 0 &&
            strcmp(replay->log[replay->log_len - 1], "handshake-now") == 0)
            replay->log_len--;
        if (replay->log_len == LOG_MOST)
            fail(replay, "more events than a test can hold");
        else
            describe(replay->log[replay->log_len++], &event);
    }
}

static void drain_output(struct replay *replay)
{
    for (;;) {
        struct span output = smtp_client_output(&replay->client);

        if (output.len == 0)
            return;
        if (output.len > sizeof replay->output - replay->output_len) {
            fail(replay, "more output than a test can hold");
            return;
        }
        memcpy(replay->output + replay->output_len, output.data, output.len);
        replay->output_len += output.len;
        smtp_client_sent(&replay->client, output.len);
    }
}

static void feed_piece(struct replay *replay, struct span piece)
{
    while (piece.len > 0) {
        size_t before = piece.len;

        smtp_client_feed(&replay->client, &piece, replay->now_ms);
        pull_events(replay);
        drain_output(replay);
        if (piece.len == before) {
            fail(replay, "the engine took no byte and had no event");
            return;
        }
    }
}

/* Neighbouring S: lines are one stretch. `*start` is how many bytes came before it. */
static void feed_stretch(struct replay *replay, size_t first, size_t end, size_t *start)
{
    static char bytes[SCENARIO_BYTES_MOST];
    struct span rest = { bytes, 0 };

    for (size_t i = first; i < end; i++) {
        struct span text = replay->scenario->steps[i].text;

        memcpy(bytes + rest.len, text.data, text.len);
        rest.len += text.len;
    }
    size_t done = *start;

    *start += rest.len;
    while (rest.len > 0 && replay->why[0] == '\0') {
        size_t len = replay->piece > 0    ? replay->piece
                     : done < replay->cut ? replay->cut - done
                                          : rest.len;
        struct span piece = span_take_front(&rest, len);

        done += piece.len;
        feed_piece(replay, piece);
    }
}

static void expect_output(struct replay *replay, struct span line)
{
    struct span output = { replay->output, replay->output_len };
    size_t len = line.len + 2;

    if (output.len < len || memcmp(output.data, line.data, line.len) != 0 ||
        memcmp(output.data + line.len, "\r\n", 2) != 0) {
        fail(replay, "the client said \"%.*s\"", (int)span_find(output, '\r'), output.data);
        return;
    }
    replay->output_len -= len;
    memmove(replay->output, replay->output + len, replay->output_len);
}

/* Of injected bytes, those that came in the same read are shown: with splits, a part of them. */
static bool events_agree(struct replay *replay, const char *actual, const char *wanted)
{
    size_t shared = strlen(actual);

    if (strcmp(actual, wanted) == 0)
        return true;
    return (replay->piece > 0 || replay->cut > 0) &&
           strncmp(actual, "injected ", strlen("injected ")) == 0 && shared > 0 &&
           strncmp(actual, wanted, shared - 1) == 0;
}

static void expect_event(struct replay *replay, struct span wanted)
{
    char text[TEXT_BYTES];

    snprintf(text, sizeof text, "%.*s", (int)wanted.len, wanted.data);
    if (replay->log_len == 0) {
        fail(replay, "no event came; wanted: %s", text);
        return;
    }
    if (!events_agree(replay, replay->log[0], text))
        fail(replay, "came: %s; wanted: %s", replay->log[0], text);
    replay->log_len--;
    memmove(replay->log[0], replay->log[1], replay->log_len * sizeof replay->log[0]);
}

static void add_extensions(char *text, uint32_t extensions)
{
    for (uint32_t bit = 1; bit != 0 && bit <= extensions; bit <<= 1)
        if (extensions & bit)
            add(text, " %s", smtp_extension_name((enum smtp_extension)bit));
}

static void expect_capabilities(struct replay *replay, struct span wanted)
{
    const struct smtp_capabilities *capabilities = smtp_client_capabilities(&replay->client);
    char text[TEXT_BYTES] = "", expected[TEXT_BYTES];

    add_extensions(text, capabilities->extensions);
    if (capabilities->size_most > 0)
        add(text, " most=%" PRIu64, capabilities->size_most);
    if (capabilities->masked_line > 0)
        add(text, " masked-line=%u", (unsigned)capabilities->masked_line);
    if (capabilities->is_lower_case)
        add(text, " lower-case");
    if (capabilities->on_greeting_line != 0)
        add(text, " on-greeting-line");
    add_extensions(text, capabilities->on_greeting_line);
    snprintf(expected, sizeof expected, "%s%.*s", wanted.len > 0 ? " " : "", (int)wanted.len,
             wanted.data);
    if (strcmp(text, expected) != 0)
        fail(replay, "the server offers:%s; wanted:%s", text, expected);
}

static void give_body(struct replay *replay)
{
    replay->body = replay->scenario->body;
    do {
        smtp_client_give_body(&replay->client, &replay->body, true, replay->now_ms);
        drain_output(replay);
    } while (smtp_client_state(&replay->client) == SMTP_CLIENT_BODY);
}

static void do_step(struct replay *replay, const struct scenario_step *step)
{
    struct smtp_client *client = &replay->client;

    switch (step->word) {
    case SCENARIO_SERVER: break;
    case SCENARIO_CLIENT: expect_output(replay, step->text); return;
    case SCENARIO_EVENT: expect_event(replay, step->text); return;
    case SCENARIO_CAPABILITIES: expect_capabilities(replay, step->text); return;
    case SCENARIO_TLS: smtp_client_secured(client, replay->now_ms); break;
    case SCENARIO_CLOSE: smtp_client_end_of_input(client); break;
    case SCENARIO_TIME:
        replay->now_ms += step->time_ms;
        smtp_client_tick(client, replay->now_ms);
        break;
    case SCENARIO_SEND: smtp_client_send(client, &replay->scenario->message, replay->now_ms); break;
    case SCENARIO_BODY: give_body(replay); break;
    case SCENARIO_QUIT: smtp_client_quit(client, replay->now_ms); break;
    }
    drain_output(replay);
    pull_events(replay);
}

/* Before the peer or the caller acts again, all that came must have been asked for. */
static void expect_nothing_left(struct replay *replay)
{
    if (replay->log_len > 0)
        fail(replay, "an event that nobody wanted: %s", replay->log[0]);
    if (replay->output_len > 0)
        fail(replay, "the client said more: \"%.*s\"", (int)replay->output_len, replay->output);
}

static bool is_check(enum scenario_word word)
{
    return word == SCENARIO_CLIENT || word == SCENARIO_EVENT || word == SCENARIO_CAPABILITIES;
}

static bool run(struct replay *replay, const struct scenario *scenario, size_t piece, size_t cut)
{
    size_t start = 0;

    *replay = (struct replay){ .scenario = scenario, .piece = piece, .cut = cut };
    smtp_client_init(&replay->client, &scenario->settings, replay->storage, sizeof replay->storage,
                     0);
    for (size_t i = 0; i < scenario->step_count && replay->why[0] == '\0'; i++) {
        const struct scenario_step *step = &scenario->steps[i];
        size_t end = i;

        replay->line = step->line;
        if (!is_check(step->word))
            expect_nothing_left(replay);
        while (end < scenario->step_count && scenario->steps[end].word == SCENARIO_SERVER)
            end++;
        if (end > i) {
            feed_stretch(replay, i, end, &start);
            i = end - 1;
        } else {
            do_step(replay, step);
        }
    }
    expect_nothing_left(replay);
    return replay->why[0] == '\0';
}

static size_t count_server_bytes(const struct scenario *scenario)
{
    size_t count = 0;

    for (size_t i = 0; i < scenario->step_count; i++)
        if (scenario->steps[i].word == SCENARIO_SERVER)
            count += scenario->steps[i].text.len;
    return count;
}

/* Long stretches of one letter need not be cut at each of them: beyond 600 bytes, in steps. */
static size_t after(size_t size)
{
    return size < 600 ? size + 1 : size + 97;
}

static bool run_all_splits(struct replay *replay, const struct scenario *scenario)
{
    size_t most = count_server_bytes(scenario);

    if (!run(replay, scenario, 0, 0))
        return false;
    for (size_t piece = 1; piece <= most; piece = after(piece))
        if (!run(replay, scenario, piece, 0))
            return false;
    for (size_t cut = 1; cut < most; cut = after(cut))
        if (!run(replay, scenario, 0, cut))
            return false;
    return true;
}

static bool test_file(const char *path)
{
    static struct scenario scenario;
    static struct replay replay;
    const char *why;
    int line;

    if (!scenario_parse(&scenario, path, &why, &line)) {
        printf("# %s:%d: %s\n", path, line, why);
        return false;
    }
    if (run_all_splits(&replay, &scenario))
        return true;
    printf("# %s:%d: %s (pieces of %zu, cut at %zu)\n", path, replay.line, replay.why, replay.piece,
           replay.cut);
    return false;
}

int main(int argc, char **argv)
{
    return folder_test(argc, argv, test_file);
}
