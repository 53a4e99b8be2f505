/* tests/scenario/server_scenario_test.c - replays each tests/scenario/server/NAME.smtp in many ways.
 *
 * Usage: server-scenario-test DIRECTORY. Every scenario runs with the client's bytes in pieces of each
 * size, and cut in two at each place; with answers that come at once or late, with output that is
 * sent at once or late, and with the storage taken away at rest. The same must follow. TAP output.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "escape.h"
#include "folder.h"
#include "smtp/server.h"

enum {
    TEXT_BYTES = 2048,
    LOG_MOST = 64,
    LINES_MOST = 256,
    FILE_BYTES = 64 * 1024,
    STREAM_BYTES = 256 * 1024,
    RULES_MOST = 16,
};

/* Ways to run; bits. */
enum { ANSWERS_LATE = 1, SENDS_LATE = 2, LENDS = 4, WAYS = 8 };

struct scenario {
    char text[FILE_BYTES];
    struct span lines[LINES_MOST];
    size_t line_count;
};

struct rule {
    struct span kind, argument;
    struct smtp_answer answer;
    bool is_held;
};

/* One run of a scenario. */
struct replay {
    size_t piece, cut; /* pieces of `piece` bytes; where that is 0, two pieces, cut at `cut` */
    unsigned way;
    struct smtp_server_settings settings;
    struct smtp_server server;
    struct smtp_server_storage storages[2];
    size_t storage;
    bool is_started, was_cut_behind_starttls;
    int64_t now_ms;
    char input[STREAM_BYTES], output[STREAM_BYTES], content[STREAM_BYTES];
    size_t input_len, output_len, content_len, fed;
    char log[LOG_MOST][TEXT_BYTES]; /* events that came and were not asked for yet */
    size_t log_len;
    struct rule rules[RULES_MOST];
    size_t rule_count;
    struct smtp_command asked_for; /* the command of the last event that asked */
    char texts[TEXT_BYTES];        /* what the answers of rules point into */
    size_t texts_len;
    size_t line;
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
    [SMTP_SERVER_NOTHING] = "nothing",
    [SMTP_SERVER_CONNECTED] = "connected",
    [SMTP_SERVER_HELLO_CAME] = "hello",
    [SMTP_SERVER_MAIL_CAME] = "mail",
    [SMTP_SERVER_RCPT_CAME] = "rcpt",
    [SMTP_SERVER_DATA_CAME] = "data",
    [SMTP_SERVER_MESSAGE_ENDED] = "message-ended",
    [SMTP_SERVER_CONTENT] = "content",
    [SMTP_SERVER_MESSAGE_DROPPED] = "message-dropped",
    [SMTP_SERVER_REFUSED] = "refused",
    [SMTP_SERVER_EARLY_TALK] = "early-talk",
    [SMTP_SERVER_HANDSHAKE_NOW] = "handshake-now",
    [SMTP_SERVER_INJECTED] = "injected",
    [SMTP_SERVER_TIMED_OUT] = "timed-out",
    [SMTP_SERVER_ENDED_EARLY] = "ended-early",
    [SMTP_SERVER_FINISHED] = "finished",
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

static void add_printable(char *text, const char *before, struct span bytes, const char *behind)
{
    struct arena arena;

    arena_init(&arena, 1 << 20);
    add(text, "%s%s%s", before, text_printable(&arena, bytes, false), behind);
    arena_clear(&arena);
}

static void add_command(char *text, const struct smtp_command *command)
{
    static const char *const parts[] = { "", " ret=full", " ret=hdrs" };

    if (command->verb == SMTP_COMMAND_HELO || command->verb == SMTP_COMMAND_EHLO)
        add_printable(text, command->verb == SMTP_COMMAND_HELO ? " HELO " : " EHLO ",
                      command->argument, "");
    if (command->verb == SMTP_COMMAND_MAIL || command->verb == SMTP_COMMAND_RCPT)
        add_printable(text, " <", command->argument, ">");
    if (command->verb == SMTP_COMMAND_BDAT)
        add(text, " BDAT");
    if (command->has_size || command->verb == SMTP_COMMAND_BDAT)
        add(text, " size=%" PRIu64, command->size);
    add(text, "%s%s%s%s%s%s", command->is_last ? " last" : "",
        command->is_postmaster ? " postmaster" : "", command->is_8bit ? " 8bit" : "",
        command->is_utf8 ? " utf8" : "", command->requires_tls ? " requiretls" : "",
        parts[command->parts]);
    if (command->notify != 0)
        add(text, " notify=%u", command->notify);
    if (command->envelope_id.len > 0)
        add_printable(text, " envid=", command->envelope_id, "");
    if (command->original.len > 0)
        add_printable(text, " orcpt=", command->original, "");
}

/* KIND [what is special] [tls] ["BYTES"]; README.md has them all. */
static void describe(char *text, const struct smtp_server_event *event)
{
    text[0] = '\0';
    add(text, "%s", kinds[event->kind]);
    if (event->command != NULL)
        add_command(text, event->command);
    if (event->kind == SMTP_SERVER_MESSAGE_ENDED)
        add(text, " octets=%" PRIu64 " recipients=%" PRIu32, event->octets, event->recipients);
    if (event->kind == SMTP_SERVER_REFUSED)
        add(text, " %u %s", (unsigned)event->answer.code, event->answer.enhanced);
    if (event->kind == SMTP_SERVER_TIMED_OUT || event->kind == SMTP_SERVER_ENDED_EARLY)
        add(text, " %s", smtp_server_state_name(event->during));
    if (event->is_encrypted)
        add(text, " tls");
    if (event->kind == SMTP_SERVER_INJECTED || event->kind == SMTP_SERVER_EARLY_TALK)
        add_printable(text, " \"", event->bytes, "\"");
}

static void keep(struct replay *replay, char *store, size_t *len, struct span bytes)
{
    if (bytes.len > STREAM_BYTES - *len) {
        fail(replay, "more bytes than a test can hold");
        return;
    }
    if (bytes.len > 0)
        memcpy(store + *len, bytes.data, bytes.len);
    *len += bytes.len;
}

/* HANDSHAKE_NOW before INJECTED only says that the bytes came a moment later. */
static bool pull_events(struct replay *replay)
{
    struct smtp_server_event event;
    bool is_any = false;

    while (smtp_server_next(&replay->server, &event)) {
        is_any = true;
        if (event.command != NULL)
            replay->asked_for = *event.command;
        if (event.kind == SMTP_SERVER_CONTENT) {
            keep(replay, replay->content, &replay->content_len, event.bytes);
            continue;
        }
        if (event.kind == SMTP_SERVER_INJECTED && replay->log_len > 0 &&
            strcmp(replay->log[replay->log_len - 1], "handshake-now") == 0)
            replay->log_len--;
        if (replay->log_len == LOG_MOST)
            fail(replay, "more events than a test can hold");
        else
            describe(replay->log[replay->log_len++], &event);
    }
    return is_any;
}

static bool send_output(struct replay *replay)
{
    struct span output = smtp_server_output(&replay->server);

    keep(replay, replay->output, &replay->output_len, output);
    smtp_server_sent(&replay->server, output.len);
    return output.len > 0;
}

/* At rest another storage takes the place of the one that was lent, which is spoilt. */
static void swap_storage(struct replay *replay)
{
    if (!(replay->way & LENDS) || !smtp_server_is_at_rest(&replay->server))
        return;
    memset(&replay->storages[replay->storage], 0xa5, sizeof replay->storages[0]);
    replay->storage = 1 - replay->storage;
    smtp_server_lend(&replay->server, &replay->storages[replay->storage]);
}

/* The rule for what is asked: the one that names the address, else the one for all. */
static const struct rule *find_rule(const struct replay *replay)
{
    struct span kind = span_of(kinds[smtp_server_asked(&replay->server)]);
    const struct rule *found = NULL;

    for (size_t i = 0; i < replay->rule_count; i++) {
        const struct rule *rule = &replay->rules[i];

        if (span_equal(rule->kind, kind) &&
            (rule->argument.len == 0 || span_equal(rule->argument, replay->asked_for.argument)))
            found = rule;
    }
    return found;
}

static bool answer(struct replay *replay)
{
    const struct rule *rule = find_rule(replay);

    if (smtp_server_asked(&replay->server) == SMTP_SERVER_NOTHING ||
        (rule != NULL && rule->is_held))
        return false;
    smtp_server_answer(&replay->server, rule == NULL ? (struct smtp_answer){ 0 } : rule->answer,
                       replay->now_ms);
    return true;
}

static bool take_input(struct replay *replay)
{
    struct span input = { replay->input, replay->input_len };

    if (input.len == 0)
        return false;
    smtp_server_feed(&replay->server, &input, replay->now_ms);
    bool is_any = pull_events(replay) || input.len < replay->input_len;

    memmove(replay->input, input.data, input.len);
    replay->input_len = input.len;
    return is_any;
}

/* Until nothing moves without the peer. */
static void work(struct replay *replay)
{
    bool is_moving = true;

    while (is_moving && replay->why[0] == '\0') {
        is_moving = pull_events(replay) || take_input(replay);
        if (!is_moving || !(replay->way & SENDS_LATE))
            is_moving |= send_output(replay);
        if (!is_moving || !(replay->way & ANSWERS_LATE))
            is_moving |= answer(replay);
        swap_storage(replay);
    }
}

static void feed(struct replay *replay, struct span bytes)
{
    while (bytes.len > 0 && replay->why[0] == '\0') {
        size_t len = replay->piece > 0           ? replay->piece
                     : replay->fed < replay->cut ? replay->cut - replay->fed
                                                 : bytes.len;
        struct span piece = span_take_front(&bytes, len);

        replay->fed += piece.len;
        keep(replay, replay->input, &replay->input_len, piece);
        work(replay);
    }
}

static bool is_split(const struct replay *replay)
{
    return replay->piece > 0 || replay->cut > 0;
}

/* In a split the 220 to STARTTLS may be out before what stands behind it is seen: then neither 554 nor
 * 421 comes. */
static bool is_220_before_injection(const struct replay *replay, struct span line)
{
    return is_split(replay) && span_starts_with(line, "554 5.5.1 Nothing may stand") &&
           replay->output_len >= 4 && memcmp(replay->output, "220 ", 4) == 0;
}

static void expect_line(struct replay *replay, struct span line)
{
    struct span output = { replay->output, replay->output_len };
    size_t len = line.len + 2;

    if (is_220_before_injection(replay, line)) {
        len = span_find(output, '\n') + 1;
        replay->was_cut_behind_starttls = true;
    } else if (replay->was_cut_behind_starttls && span_starts_with(line, "421 ")) {
        return;
    } else if (output.len < len || memcmp(output.data, line.data, line.len) != 0 ||
               memcmp(output.data + line.len, "\r\n", 2) != 0) {
        fail(replay, "the server said \"%.*s\"", (int)span_find(output, '\r'), output.data);
        return;
    }
    replay->output_len -= len;
    memmove(replay->output, replay->output + len, replay->output_len);
}

/* Of bytes that came too early, those of the same read are shown: with splits, a part of them. */
static bool events_agree(const struct replay *replay, const char *actual, const char *wanted)
{
    size_t shared = strlen(actual);

    if (strcmp(actual, wanted) == 0)
        return true;
    return is_split(replay) && shared > 0 &&
           (strncmp(actual, "injected ", 9) == 0 || strncmp(actual, "early-talk ", 11) == 0) &&
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

static void expect_content(struct replay *replay, struct span wanted)
{
    if (replay->content_len < wanted.len ||
        (wanted.len > 0 && memcmp(replay->content, wanted.data, wanted.len) != 0)) {
        fail(replay, "the content goes on \"%.*s\"", (int)replay->content_len, replay->content);
        return;
    }
    replay->content_len -= wanted.len;
    memmove(replay->content, replay->content + wanted.len, replay->content_len);
}

static void expect_deadline(struct replay *replay, struct span wanted)
{
    int64_t deadline = smtp_server_deadline_ms(&replay->server);
    char text[32] = "none";

    if (deadline != INT64_MAX)
        snprintf(text, sizeof text, "%" PRId64, deadline - replay->now_ms);
    if (!span_equal(span_of(text), wanted))
        fail(replay, "the deadline is %s", text);
}

static void expect_nothing_left(struct replay *replay)
{
    if (replay->log_len > 0)
        fail(replay, "an event that nobody wanted: %s", replay->log[0]);
    if (replay->output_len > 0)
        fail(replay, "the server said more: \"%.*s\"", (int)replay->output_len, replay->output);
    if (replay->content_len > 0)
        fail(replay, "more content: \"%.*s\"", (int)replay->content_len, replay->content);
}

static const char *store_text(struct replay *replay, struct span text)
{
    char *kept = replay->texts + replay->texts_len;

    if (text.len + 1 > sizeof replay->texts - replay->texts_len) {
        fail(replay, "more answers than a test can hold");
        return "";
    }
    if (text.len > 0)
        memcpy(kept, text.data, text.len);
    kept[text.len] = '\0';
    replay->texts_len += text.len + 1;
    return kept;
}

/* CODE [ENHANCED [TEXT]] */
static struct smtp_answer read_answer(struct replay *replay, struct span text)
{
    struct span digits = span_take_until(&text, ' '), enhanced = span_take_until(&text, ' ');
    struct smtp_answer answer = { 0 };
    uint64_t code = 0;

    if (!text_to_number(digits, 599, &code))
        fail(replay, "an answer begins with its code");
    answer.code = (uint16_t)code;
    if (enhanced.len > 0)
        answer.enhanced = store_text(replay, enhanced);
    if (text.len > 0)
        answer.text = store_text(replay, text);
    return answer;
}

/* answer KIND[:ARGUMENT] CODE [ENHANCED [TEXT]], or hold KIND */
static void add_rule(struct replay *replay, struct span text, bool is_held)
{
    struct span kind = span_take_until(&text, ' '), argument = kind;
    struct rule rule = { .kind = span_take_until(&argument, ':'), .is_held = is_held };

    rule.argument = argument;
    if (!is_held)
        rule.answer = read_answer(replay, text);
    if (replay->rule_count == RULES_MOST)
        fail(replay, "more rules than a test can hold");
    else
        replay->rules[replay->rule_count++] = rule;
}

static bool set_word(struct replay *replay, struct span word)
{
    static const char *const levels[] = { "none", "may", "required", "implicit" };

    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        if (span_equal(word, span_of(levels[i]))) {
            replay->settings.tls = (enum smtp_server_tls)i;
            return true;
        }
    if (span_equal(word, span_of("mend")))
        return replay->settings.mends_bare_lf = true;
    for (uint32_t bit = 1; bit <= SMTP_EXTENSION_AUTH; bit <<= 1)
        if (span_starts_with(word, "no-") &&
            span_equal(span_part(word, 3, word.len),
                       span_of(smtp_extension_name((enum smtp_extension)bit)))) {
            replay->settings.extensions &= ~bit;
            return true;
        }
    return false;
}

/* set WORD or set NAME=N */
static void set(struct replay *replay, struct span text)
{
    struct smtp_server_settings *settings = &replay->settings;
    struct span value = text, name = span_take_until(&value, '=');
    uint64_t number = 0;

    if (set_word(replay, text))
        return;
    if (!text_to_number(value, INT32_MAX, &number))
        fail(replay, "a setting that nobody knows");
    else if (span_equal(name, span_of("size")))
        settings->size_most = number;
    else if (span_equal(name, span_of("recipients")))
        settings->recipients_most = (uint32_t)number;
    else if (span_equal(name, span_of("beyond")))
        settings->beyond_most = (uint32_t)number;
    else if (span_equal(name, span_of("messages")))
        settings->messages_most = (uint32_t)number;
    else if (span_equal(name, span_of("errors")))
        settings->errors_most = (uint32_t)number;
    else if (span_equal(name, span_of("idle")))
        settings->idle_most = (uint32_t)number;
    else if (span_equal(name, span_of("timeout")))
        settings->command_timeout_ms = (int64_t)number;
    else if (span_equal(name, span_of("message-timeout")))
        settings->message_timeout_ms = (int64_t)number;
    else
        fail(replay, "a setting that nobody knows");
}

static void start(struct replay *replay)
{
    smtp_server_init(&replay->server, &replay->settings, &replay->storages[0], 0);
    replay->is_started = true;
    work(replay);
}

/* What the peer, the owner or the clock does. */
static bool act(struct replay *replay, struct span word, struct span text)
{
    struct smtp_server *server = &replay->server;
    uint64_t number;

    if (span_equal(word, span_of("TLS"))) {
        smtp_server_secured(server, replay->now_ms);
    } else if (span_equal(word, span_of("CLOSE"))) {
        smtp_server_end_of_input(server);
    } else if (span_equal(word, span_of("TIME")) && text_to_number(text, INT32_MAX, &number)) {
        replay->now_ms += (int64_t)number;
        smtp_server_tick(server, replay->now_ms);
    } else if (span_equal(word, span_of("ANSWER"))) {
        smtp_server_answer(server, read_answer(replay, text), replay->now_ms);
    } else if (span_equal(word, span_of("STOP"))) {
        smtp_server_quit(server, read_answer(replay, text), replay->now_ms);
    } else if (span_equal(word, span_of("PAUSE"))) {
        smtp_server_pause(server);
    } else if (span_equal(word, span_of("RESUME"))) {
        smtp_server_resume(server, replay->now_ms);
    } else {
        return false;
    }
    work(replay);
    return true;
}

/* The common beginnings; what they bring must be good, and is not looked at any further. */
static bool begin(struct replay *replay, struct span word)
{
    static const struct {
        const char *word, *bytes;
    } beginnings[] = {
        { "EHLO", "EHLO client.example\r\n" },
        { "MAIL", "MAIL FROM:<a@client.example>\r\n" },
        { "RCPT", "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\n" },
        { "DATA", "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
        if (!span_equal(word, span_of(beginnings[i].word)))
            continue;
        feed(replay, span_of(beginnings[i].bytes));
        for (struct span rest = { replay->output, replay->output_len }; rest.len > 0;) {
            struct span line = span_take_until(&rest, '\n');

            if (line.data[0] != '2' && line.data[0] != '3')
                fail(replay, "the server said \"%.*s\"", (int)line.len, line.data);
        }
        replay->output_len = replay->log_len = 0;
        return true;
    }
    return false;
}

static bool is_check(struct span word)
{
    return span_equal(word, span_of("S:")) || span_equal(word, span_of("E:")) ||
           span_equal(word, span_of("T:")) || span_equal(word, span_of("DEADLINE"));
}

static void check(struct replay *replay, struct span word, struct span text, struct span bytes)
{
    if (word.data[0] == 'S')
        expect_line(replay, bytes);
    else if (word.data[0] == 'E')
        expect_event(replay, text);
    else if (word.data[0] == 'T')
        expect_content(replay, bytes);
    else
        expect_deadline(replay, text);
}

static void do_line(struct replay *replay, struct span line)
{
    static char bytes[STREAM_BYTES];
    struct span text = line, word = span_take_until(&text, ' ');
    size_t len = 0;

    if (word.len == 0 || word.data[0] == '#')
        return;
    if (!escape_undo(text, bytes, sizeof bytes, &len))
        fail(replay, "the escapes are wrong");
    if (span_equal(word, span_of("set"))) {
        set(replay, text);
        return;
    }
    if (span_equal(word, span_of("answer")) || span_equal(word, span_of("hold"))) {
        add_rule(replay, text, word.data[0] == 'h');
        return;
    }
    if (!replay->is_started)
        start(replay);
    if (is_check(word)) {
        check(replay, word, text, (struct span){ bytes, len });
        return;
    }
    if (begin(replay, word))
        return;
    expect_nothing_left(replay);
    if (span_equal(word, span_of("C:")))
        feed(replay, (struct span){ bytes, len });
    else if (!act(replay, word, text))
        fail(replay, "the line is not understood");
}

static bool run(struct replay *replay, const struct scenario *scenario, size_t piece, size_t cut,
                unsigned way)
{
    *replay = (struct replay){ .piece = piece, .cut = cut, .way = way };
    replay->settings = (struct smtp_server_settings){ .hostname = "mx.example.org",
                                                      .tls = SMTP_SERVER_TLS_MAY,
                                                      .extensions = SMTP_SERVER_EXTENSIONS };
    for (size_t i = 0; i < scenario->line_count && replay->why[0] == '\0'; i++) {
        replay->line = i + 1;
        do_line(replay, scenario->lines[i]);
    }
    expect_nothing_left(replay);
    if (replay->input_len > 0)
        fail(replay, "%zu bytes were not taken", replay->input_len);
    return replay->why[0] == '\0';
}

/* Long stretches of one letter need not be cut at each of them: beyond 600 bytes, in steps. */
static size_t after(size_t size)
{
    return size < 600 ? size + 1 : size + 97;
}

static bool run_all_ways(struct replay *replay, const struct scenario *scenario)
{
    for (unsigned way = 0; way < WAYS; way++)
        if (!run(replay, scenario, 0, 0, way) || !run(replay, scenario, 1, 0, way))
            return false;
    size_t most = replay->fed;

    for (size_t piece = 2; piece <= most; piece = after(piece))
        if (!run(replay, scenario, piece, 0, (unsigned)piece % WAYS))
            return false;
    for (size_t cut = 1; cut < most; cut = after(cut))
        if (!run(replay, scenario, 0, cut, (unsigned)cut % WAYS))
            return false;
    return true;
}

static bool read_scenario(struct scenario *scenario, const char *path)
{
    FILE *file = fopen(path, "r");
    struct span rest = { scenario->text, 0 };

    scenario->line_count = 0;
    if (file == NULL)
        return false;
    rest.len = fread(scenario->text, 1, sizeof scenario->text, file);
    fclose(file);
    while (rest.len > 0 && scenario->line_count < LINES_MOST)
        scenario->lines[scenario->line_count++] = span_take_until(&rest, '\n');
    return rest.len == 0;
}

static bool test_file(const char *path)
{
    static struct scenario scenario;
    static struct replay replay;

    if (!read_scenario(&scenario, path)) {
        printf("# %s cannot be read\n", path);
        return false;
    }
    if (run_all_ways(&replay, &scenario))
        return true;
    printf("# %s:%zu: %s (pieces of %zu, cut at %zu, way %u)\n", path, replay.line, replay.why,
           replay.piece, replay.cut, replay.way);
    return false;
}

int main(int argc, char **argv)
{
    return folder_test(argc, argv, test_file);
}
