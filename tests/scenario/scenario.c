/* tests/scenario/scenario.c - reads a scenario file. */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "escape.h"

static const char *store(struct scenario *scenario, struct span text)
{
    char *kept = scenario->bytes + scenario->used;

    if (text.len + 1 > sizeof scenario->bytes - scenario->used)
        return NULL;
    if (text.len > 0)
        memcpy(kept, text.data, text.len);
    kept[text.len] = '\0';
    scenario->used += text.len + 1;
    return kept;
}

static bool unescape(struct scenario *scenario, struct span text, struct span *bytes)
{
    char *start = scenario->bytes + scenario->used;
    size_t len;

    if (!escape_undo(text, start, sizeof scenario->bytes - scenario->used, &len))
        return false;
    *bytes = (struct span){ start, len };
    scenario->used += len;
    return true;
}

static bool read_setting(struct scenario *scenario, struct span text)
{
    static const struct {
        const char *word;
        enum smtp_client_tls tls;
    } levels[] = { { "never", SMTP_CLIENT_TLS_NEVER },
                   { "if-offered", SMTP_CLIENT_TLS_IF_OFFERED },
                   { "required", SMTP_CLIENT_TLS_REQUIRED } };
    struct span name = span_take_until(&text, ' ');

    if (span_equal(name, span_of("lmtp")))
        return scenario->settings.is_lmtp = true;
    if (span_equal(name, span_of("helo")))
        return scenario->settings.says_helo = true;
    if (span_equal(name, span_of("implicit-tls")))
        return scenario->settings.is_implicit_tls = true;
    for (size_t i = 0; span_equal(name, span_of("tls")) && i < ARRAY_SIZE(levels); i++)
        if (span_equal(text, span_of(levels[i].word))) {
            scenario->settings.tls = levels[i].tls;
            return true;
        }
    return false;
}

/* from ADDRESS [size=N] [8bit] [utf8] [requiretls] [envid=X] [ret=X] */
static bool read_sender(struct scenario *scenario, struct span text)
{
    struct smtp_client_message *message = &scenario->message;
    struct span sender;

    if (!unescape(scenario, span_take_until(&text, ' '), &sender))
        return false;
    message->sender = store(scenario, sender);
    while (text.len > 0) {
        struct span value = span_take_until(&text, ' '), name = span_take_until(&value, '='), bytes;

        if (!unescape(scenario, value, &bytes))
            return false;
        if (span_equal(name, span_of("8bit")))
            message->is_8bit = true;
        else if (span_equal(name, span_of("utf8")))
            message->is_utf8 = true;
        else if (span_equal(name, span_of("requiretls")))
            message->requires_tls = true;
        else if (span_equal(name, span_of("envid")))
            message->envelope_id = store(scenario, bytes);
        else if (span_equal(name, span_of("ret")))
            message->return_part = store(scenario, bytes);
        else if (!span_equal(name, span_of("size")) ||
                 !text_to_number(value, UINT64_MAX, &message->size_bytes))
            return false;
    }
    return message->sender != NULL;
}

/* to ADDRESS [notify=N] [orcpt=X] */
static bool read_recipient(struct scenario *scenario, struct span text)
{
    struct smtp_client_recipient *recipient =
        &scenario->recipients[scenario->message.recipient_count];
    struct span address;

    if (scenario->message.recipient_count++ == SCENARIO_RECIPIENTS_MOST - 1 ||
        !unescape(scenario, span_take_until(&text, ' '), &address))
        return false;
    recipient->address = store(scenario, address);
    while (text.len > 0) {
        struct span value = span_take_until(&text, ' '), name = span_take_until(&value, '=');
        uint64_t notify;

        if (span_equal(name, span_of("orcpt")))
            recipient->original = store(scenario, value);
        else if (span_equal(name, span_of("notify")) && text_to_number(value, 15, &notify))
            recipient->notify = (unsigned)notify;
        else
            return false;
    }
    return recipient->address != NULL;
}

/* Body lines stand behind each other in `bytes`, for nothing else comes between them. */
static bool read_body(struct scenario *scenario, struct span text)
{
    struct span bytes;

    if (!unescape(scenario, text, &bytes))
        return false;
    if (scenario->body.data == NULL)
        scenario->body.data = bytes.data;
    scenario->body.len = (size_t)(bytes.data + bytes.len - scenario->body.data);
    return true;
}

static bool add_step(struct scenario *scenario, enum scenario_word word, struct span text,
                     int64_t time_ms, int line)
{
    if (scenario->step_count == SCENARIO_STEPS_MOST)
        return false;
    scenario->steps[scenario->step_count++] = (struct scenario_step){ word, line, text, time_ms };
    return true;
}

static bool read_step(struct scenario *scenario, struct span name, struct span text, int line)
{
    static const struct {
        const char *name;
        enum scenario_word word;
        bool is_escaped;
    } words[] = {
        { "S:", SCENARIO_SERVER, true },  { "C:", SCENARIO_CLIENT, true },
        { "E:", SCENARIO_EVENT, false },  { "CAPABILITIES:", SCENARIO_CAPABILITIES, false },
        { "TLS", SCENARIO_TLS, false },   { "CLOSE", SCENARIO_CLOSE, false },
        { "TIME", SCENARIO_TIME, false }, { "SEND", SCENARIO_SEND, false },
        { "BODY", SCENARIO_BODY, false }, { "QUIT", SCENARIO_QUIT, false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct span bytes;
        uint64_t time_ms = 0;

        if (!span_equal(name, span_of(words[i].name)))
            continue;
        if (words[i].word == SCENARIO_TIME && !text_to_number(text, INT32_MAX, &time_ms))
            return false;
        if (words[i].is_escaped)
            return unescape(scenario, text, &bytes) &&
                   add_step(scenario, words[i].word, bytes, 0, line);
        text.data = store(scenario, text);
        return text.data != NULL && add_step(scenario, words[i].word, text, (int64_t)time_ms, line);
    }
    return false;
}

static bool read_line(struct scenario *scenario, struct span text, int line)
{
    static const struct {
        const char *name;
        bool (*read)(struct scenario *, struct span);
    } headings[] = { { "set", read_setting },
                     { "from", read_sender },
                     { "to", read_recipient },
                     { "body", read_body } };
    struct span name = span_take_until(&text, ' ');

    if (name.len == 0 || name.data[0] == '#')
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(headings); i++)
        if (span_equal(name, span_of(headings[i].name)))
            return headings[i].read(scenario, text);
    return read_step(scenario, name, text, line);
}

bool scenario_parse(struct scenario *scenario, const char *path, const char **why, int *line)
{
    static char text[8192];
    FILE *file = fopen(path, "r");
    bool is_good = file != NULL;

    *scenario = (struct scenario){ .settings = { .hostname = "client.example",
                                                 .tls = SMTP_CLIENT_TLS_IF_OFFERED } };
    scenario->message =
        (struct smtp_client_message){ .sender = "", .recipients = scenario->recipients };
    *why = "the file cannot be read";
    for (*line = 0; is_good && fgets(text, sizeof text, file) != NULL;) {
        struct span whole = span_of(text);

        ++*line;
        *why = "the line is not understood";
        is_good = read_line(scenario, span_part(whole, 0, span_find(whole, '\n')), *line);
    }
    if (file != NULL)
        fclose(file);
    return is_good;
}
