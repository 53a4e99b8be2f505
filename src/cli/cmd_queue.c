/* cli/cmd_queue.c - `postern queue`: what waits, and what is to become of it. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/queue_access.h"
#include "cli/queue_page.h"
#include "cli/queue_summary.h"
#include "cli/terminal.h"
#include "gateway/control_json.h"
#include "smtp/header.h"

enum { OUTPUT_BYTES = 1 << 30, ARENA_BYTES = 256 << 20, BODY_BYTES = 1 << 30 };

enum queue_option { OPTION_BODY = 256, OPTION_JSON, OPTION_STATE, OPTION_SUMMARY };

static const struct option_row rows[] = {
    { "config", "FILE", "the settings (/etc/postern/postern.conf) (-c)", 'c' },
    { "state", "STATE", "list: only where a recipient is waiting, deferred, held...",
      OPTION_STATE },
    { "summary", NULL, "list: for each domain how many, since when and why", OPTION_SUMMARY },
    { "body", NULL, "show: the body too, not only the header", OPTION_BODY },
    { "json", NULL, "one JSON object a message", OPTION_JSON },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "queue", rows, ARRAY_SIZE(rows) };

/* A word of the command line and what it means. */
struct target {
    const char *word;
    struct queue_selection selection;
};

/* What the command holds while it runs. */
struct queue_command {
    const char *settings_file;
    bool as_json, with_body, in_short, wants_help;
    struct control_request request; /* the list's filter */
    struct target *targets;
    size_t target_count;
    struct queue_access access;
    struct control_client *client;
    struct report_style style;
    struct arena arena; /* of one message */
    struct buffer out;
    struct queue_page page;
    struct queue_page_sum sum;
    struct queue_summary summary; /* in_short */
};

static void print_help(void)
{
    puts("usage: postern queue list    [OPTIONS] [ID | @DOMAIN]\n"
         "       postern queue show    [OPTIONS] ID...\n"
         "       postern queue retry   [OPTIONS] ID... | @DOMAIN... | all\n"
         "       postern queue hold    [OPTIONS] ID... | @DOMAIN... | all\n"
         "       postern queue release [OPTIONS] ID... | @DOMAIN... | all\n"
         "       postern queue delete  [OPTIONS] ID... | @DOMAIN... | all\n"
         "\n"
         "Asks the gateway, or opens the queue itself where none runs. @DOMAIN means\n"
         "recipients there, not all of their messages.\n");
    options_print(&table);
    puts("\nExit status: 0 done, 1 nothing in the queue is meant by that, 2 wrong usage,\n"
         "3 it could not be done.");
}

static bool take_option(struct queue_command *command, int option, const char *value)
{
    switch (option) {
    case 'c': command->settings_file = value; return true;
    case OPTION_STATE:
        command->request.by_state = true;
        return queue_state_parse(span_of(value), &command->request.state) ||
               options_refuse(&table, "state", value,
                              "waiting, deferred, leased, held, done or bounced");
    case OPTION_SUMMARY: command->in_short = true; return true;
    case OPTION_BODY: command->with_body = true; return true;
    case OPTION_JSON: command->as_json = true; return true;
    case 'h': command->wants_help = true; return true;
    default: return false;
    }
}

static bool parse_options(struct queue_command *command, int argc, char **argv, int *rest)
{
    const char *value;
    int option;

    options_begin();
    while ((option = options_next(&table, argc, argv, &value, rest)) != OPTIONS_END)
        if (option == OPTIONS_REFUSED || !take_option(command, option, value))
            return false;
    return true;
}

/* ---- output ------------------------------------------------------------------------------- */

/* All that is to be printed is gathered, and the queue is let go before it is: who reads it in a pager
 * keeps no gateway from starting. The arena is anew for each message. */
static void begin_page(struct queue_command *command)
{
    struct clock clock = clock_system();

    arena_clear(&command->arena);
    arena_init(&command->arena, ARENA_BYTES);
    command->page = (struct queue_page){ .arena = &command->arena,
                                         .now_s = clock.wall_s(&clock),
                                         .with_utf8 = command->style.with_utf8 };
    page_init(&command->page.page, &command->out, command->style.columns,
              command->style.with_colour);
}

static bool end_page(const struct queue_command *command)
{
    return !command->page.page.has_failed && !command->arena.exhausted;
}

static int print_all(struct queue_command *command, int status)
{
    size_t len = command->out.len;

    if ((len == 0 || fwrite(command->out.data, 1, len, stdout) == len) && fflush(stdout) == 0)
        return status;
    return failure("queue", "writing the answer failed");
}

static json_t *json_of(const struct queue_message *message)
{
    json_t *json = control_json_of_envelope(&message->envelope), *recipients = json_array();
    bool is_whole = json != NULL && recipients != NULL;

    for (size_t i = 0; is_whole && i < message->recipient_count; i++)
        is_whole = json_array_append_new(recipients,
                                         control_json_of_recipient(&message->recipients[i])) == 0;
    is_whole = is_whole && json_object_set(json, "recipients", recipients) == 0;
    json_decref(recipients);
    if (is_whole)
        return json;
    json_decref(json);
    return NULL;
}

static int append(const char *bytes, size_t len, void *out)
{
    return buffer_append(out, (struct span){ bytes, len }) ? 0 : -1;
}

/* Takes the reference. */
static bool print_line(struct queue_command *command, json_t *json)
{
    bool is_written = json != NULL &&
                      json_dump_callback(json, append, &command->out, JSON_COMPACT) == 0 &&
                      buffer_append_text(&command->out, "\n");

    json_decref(json);
    return is_written;
}

static int fail(enum control_status status, const struct error *err)
{
    failure("queue", err->text);
    return status == CONTROL_ABSENT ? EXIT_FINDINGS : EXIT_COULD_NOT_TELL;
}

/* ---- list --------------------------------------------------------------------------------- */

static bool print_entry(void *owner, const struct queue_message *message)
{
    struct queue_command *command = owner;
    bool is_first = command->sum.messages == 0;

    queue_page_count(&command->sum, message);
    if (command->in_short)
        return queue_summary_add(&command->summary, message);
    if (command->as_json)
        return print_line(command, json_of(message));
    begin_page(command);
    if (is_first)
        queue_page_heading(&command->page);
    queue_page_entry(&command->page, message);
    return end_page(command);
}

static bool print_summary(struct queue_command *command)
{
    struct summary_domain **domains = queue_summary_sort(&command->summary);
    bool is_written = domains != NULL;

    for (size_t i = 0; is_written && domains[i] != NULL; i++) {
        if (command->as_json) {
            is_written = print_line(command, queue_summary_json(domains[i]));
            continue;
        }
        begin_page(command);
        queue_summary_page(&command->page, domains[i]);
        is_written = end_page(command);
    }
    return is_written;
}

static int print_sum(struct queue_command *command)
{
    bool is_filtered = command->target_count > 0 || command->request.by_state;

    begin_page(command);
    if (command->sum.messages > 0 && !command->as_json)
        queue_page_sum(&command->page, &command->sum);
    else if (!command->as_json)
        page_paragraph(&command->page.page, 0, PAGE_PLAIN,
                       is_filtered ? "Nothing in the queue is like that." : "The queue is empty.");
    if (command->sum.messages == 0 && is_filtered)
        return EXIT_FINDINGS;
    return end_page(command) ? EXIT_HEALTHY : EXIT_COULD_NOT_TELL;
}

/* Trouble that whoever looks at the queue wants to know of. */
static void print_trouble(struct queue_command *command)
{
    struct queue_stats stats;
    struct error err;

    if (command->as_json || control_client_stats(command->client, &stats, &err) != CONTROL_OK ||
        stats.failures == 0)
        return;
    begin_page(command);
    page_item(&command->page.page, 0, "trouble", 9, PAGE_RED,
              arena_format(&command->arena, "%lld commits have failed; the last: %s",
                           (long long)stats.failures,
                           queue_page_text(&command->page, span_of(stats.last_failure))));
    if (!end_page(command))
        failure("queue", "writing failed");
}

static int run_list(struct queue_command *command)
{
    enum control_status status;
    struct error err = { 0 };
    int printed;

    command->request.kind = CONTROL_LIST;
    if (command->target_count > 0)
        command->request.selection = command->targets[0].selection;
    command->summary.only = command->request.selection.domain;
    command->summary.by_state = command->request.by_state;
    command->summary.state = command->request.state;
    status = control_client_list(command->client, &command->request, print_entry, command, &err);
    if (status != CONTROL_OK)
        return fail(status, &err);
    if (command->in_short && !print_summary(command))
        return failure("queue", "no memory for the summary, or nowhere to write it");
    printed = print_sum(command);
    print_trouble(command);
    return printed;
}

/* ---- show --------------------------------------------------------------------------------- */

/* What tracking has of it, in the arena of the page; NULL: nothing, or it cannot be read, which costs the further
 * findings alone. */
static const struct tracking_story *find_story(struct queue_command *command, int64_t id)
{
    const struct tracking_query query = { .id = id, .most = 1 };
    const char *folder =
        arena_format(&command->arena, "%s/tracking", command->access.settings->state_dir);
    struct tracking_story *stories;
    struct error err;
    size_t count;

    return tracking_find(folder, &query, &command->arena, &stories, &count, &err) && count > 0
               ? stories
               : NULL;
}

/* "findings" of each recipient: those of the session of its last attempt. Takes and gives the reference. */
static json_t *add_findings(json_t *json, const struct queue_message *message,
                            const struct tracking_story *story)
{
    json_t *recipients = json_object_get(json, "recipients");

    for (size_t i = 0; i < message->recipient_count; i++) {
        const struct tracking_event *last = queue_page_last(story, &message->recipients[i]);
        struct span codes = last == NULL ? (struct span){ NULL, 0 } : last->session->findings;
        json_t *list = codes.len == 0 ? NULL : json_array();

        while (codes.len > 0)
            json_array_append_new(list, control_json_of_text(span_take_until(&codes, ' ')));
        if (list != NULL)
            json_object_set_new(json_array_get(recipients, i), "findings", list);
    }
    return json;
}

static bool print_message(void *owner, const struct queue_message *message)
{
    struct queue_command *command = owner;
    const struct tracking_story *story;

    command->sum.messages++;
    begin_page(command);
    story = find_story(command, message->envelope.id);
    if (command->as_json)
        return print_line(command, add_findings(json_of(message), message, story));
    queue_page_message(&command->page, message, story);
    page_end_line(&command->page.page);
    return end_page(command);
}

/* Lines as they are, made safe to show. */
static bool print_lines(struct queue_command *command, struct span text)
{
    begin_page(command);
    while (text.len > 0) {
        struct span line = span_take_line(&text);

        if (command->arena.used > ARENA_BYTES / 2) {
            if (!end_page(command))
                return false;
            begin_page(command);
        }
        page_put(&command->page.page, PAGE_PLAIN, "    ");
        for (size_t tab; (tab = span_find(line, '\t')) < line.len;
             span_take_front(&line, tab + 1)) {
            page_put(&command->page.page, PAGE_PLAIN,
                     queue_page_text(&command->page, span_part(line, 0, tab)));
            page_put(&command->page.page, PAGE_PLAIN, "    ");
        }
        page_put(&command->page.page, PAGE_PLAIN, queue_page_text(&command->page, line));
        page_end_line(&command->page.page);
    }
    return end_page(command);
}

/* Parts until the header is whole, or all of them. */
static enum control_status read_content(struct queue_command *command, int64_t id,
                                        struct buffer *content, struct error *err)
{
    enum control_status status = CONTROL_OK;

    for (int64_t part = 0; status == CONTROL_OK; part++) {
        if (part > 0 && !command->with_body && smtp_header_len(buffer_span(content)) < content->len)
            return CONTROL_OK;
        status = control_client_read(command->client, id, part, content, err);
        if (status == CONTROL_ABSENT && part > 0)
            return CONTROL_OK;
    }
    return status;
}

static int print_content(struct queue_command *command, int64_t id)
{
    AUTO(buffer_clear) struct buffer content;
    struct error err = { 0 };
    enum control_status status;
    struct span text;

    buffer_init(&content, BODY_BYTES);
    status = read_content(command, id, &content, &err);
    if (status != CONTROL_OK)
        return fail(status, &err);
    text = buffer_span(&content);
    if (!command->with_body)
        text.len = smtp_header_len(text);
    return print_lines(command, text) ? EXIT_HEALTHY : EXIT_COULD_NOT_TELL;
}

static int show_one(struct queue_command *command, const struct target *target)
{
    const struct control_request request = { .kind = CONTROL_LIST, .selection = target->selection };
    enum control_status status;
    struct error err = { 0 };

    command->sum.messages = 0;
    status = control_client_list(command->client, &request, print_message, command, &err);
    if (status != CONTROL_OK)
        return fail(status, &err);
    if (command->sum.messages == 0) {
        fprintf(
            stderr,
            "postern queue: %s is not in the queue; postern track --id %s knows what became of it\n",
            target->word, target->word);
        return EXIT_FINDINGS;
    }
    return command->as_json ? EXIT_HEALTHY : print_content(command, request.selection.id);
}

static int run_show(struct queue_command *command)
{
    int worst = EXIT_HEALTHY;

    for (size_t i = 0; i < command->target_count; i++) {
        int status = show_one(command, &command->targets[i]);

        worst = status > worst ? status : worst;
    }
    return worst;
}

/* ---- change ------------------------------------------------------------------------------- */

static int change_one(struct queue_command *command, enum queue_change_kind kind,
                      const struct target *target)
{
    static const char *const done[] = { [QUEUE_HOLD] = "held",
                                        [QUEUE_RELEASE] = "released",
                                        [QUEUE_RETRY] = "due now",
                                        [QUEUE_DELETE] = "deleted" };
    const struct control_request request = { .kind = CONTROL_CHANGE,
                                             .change = kind,
                                             .selection = target->selection };
    const char *word = target->word;
    enum control_status status;
    struct error err = { 0 };
    bool is_written = true;
    int64_t changed = 0;

    status = control_client_change(command->client, &request, &changed, &err);
    if (status != CONTROL_OK)
        return fail(status, &err);
    if (command->as_json)
        is_written = print_line(
            command, json_pack("{s:s, s:I}", "target", word, "recipients", (json_int_t)changed));
    else if (changed > 0)
        is_written = buffer_format(&command->out, "%s: %lld recipient%s %s\n", word,
                                   (long long)changed, changed == 1 ? "" : "s", done[kind]);
    else
        fprintf(stderr, "postern queue: %s: there is nothing to %s\n", word,
                control_change_name(kind));
    if (!is_written)
        return failure("queue", "no memory for the answer");
    return changed > 0 ? EXIT_HEALTHY : EXIT_FINDINGS;
}

static int run_change(struct queue_command *command, enum queue_change_kind kind)
{
    int worst = EXIT_HEALTHY;

    for (size_t i = 0; i < command->target_count; i++) {
        int status = change_one(command, kind, &command->targets[i]);

        worst = status > worst ? status : worst;
    }
    return worst;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int run_verb(struct queue_command *command, const char *verb)
{
    struct error err = { 0 };
    enum control_status status = queue_access_open(&command->access, &command->client, &err);

    if (status != CONTROL_OK)
        return fail(status, &err);
    if (strcmp(verb, "list") == 0)
        return run_list(command);
    if (strcmp(verb, "show") == 0)
        return run_show(command);
    for (int kind = QUEUE_HOLD; kind <= QUEUE_DELETE; kind++)
        if (strcmp(verb, control_change_name((enum queue_change_kind)kind)) == 0)
            return run_change(command, (enum queue_change_kind)kind);
    return EXIT_USAGE;
}

static bool is_verb(const char *text)
{
    static const char *const verbs[] = { "list", "show", "retry", "hold", "release", "delete" };

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i], text) == 0)
            return true;
    return false;
}

static int refuse_target(const char *verb, const char *word)
{
    if (strcmp(verb, "list") == 0)
        return usage_error("queue", "\"%s\" is no ID of a message and no @DOMAIN", word);
    if (strcmp(verb, "show") == 0)
        return usage_error("queue", "\"%s\" is no ID of a message", word);
    return usage_error("queue", "\"%s\" is no ID of a message, no @DOMAIN, and not all", word);
}

/* All words are read before the first is acted upon: what is deleted by a line that was not meant so is
 * gone. EXIT_HEALTHY: each means something. */
static int read_targets(struct queue_command *command, const char *verb, size_t count, char **words)
{
    bool is_show = strcmp(verb, "show") == 0;

    if (count > 1 && strcmp(verb, "list") == 0)
        return usage_error("queue", "list takes one ID or @DOMAIN");
    command->targets = memory_new(count + 1, sizeof *command->targets);
    if (command->targets == NULL)
        return failure("queue", "no memory for the targets");
    for (; command->target_count < count; command->target_count++) {
        struct target *target = &command->targets[command->target_count];

        target->word = words[command->target_count];
        if (!queue_access_parse(target->word, !is_show, &target->selection) ||
            (is_show && target->selection.id == 0))
            return refuse_target(verb, target->word);
    }
    return EXIT_HEALTHY;
}

static int refuse_nothing(const char *verb)
{
    if (strcmp(verb, "show") == 0)
        return usage_error("queue", "show which message? Give its ID");
    return usage_error("queue", "%s what? Give an ID, @DOMAIN, or all", verb);
}

static int run(struct queue_command *command, int count, char **words)
{
    struct error err = { 0 };
    int status;

    if (count == 0)
        return usage_error("queue", "list, show, retry, hold, release or delete?");
    if (!is_verb(words[0]))
        return usage_error(
            "queue", "there is no \"%s\"; there are list, show, retry, hold, release and delete",
            words[0]);
    if (count == 1 && strcmp(words[0], "list") != 0)
        return refuse_nothing(words[0]);
    status = read_targets(command, words[0], (size_t)count - 1, words + 1);
    if (status != EXIT_HEALTHY)
        return status;
    if (!queue_access_load(&command->access, command->settings_file, &err))
        return failure("queue", err.text);
    return run_verb(command, words[0]);
}

int cmd_queue(int argc, char **argv)
{
    static struct queue_command command; /* too large for a stack, and there is one a process */
    int rest, status = EXIT_USAGE;

    command.style = terminal_style(false);
    queue_summary_init(&command.summary);
    buffer_init(&command.out, OUTPUT_BYTES);
    arena_init(&command.arena, ARENA_BYTES);
    if (parse_options(&command, argc, argv, &rest)) {
        if (command.wants_help)
            print_help();
        status = command.wants_help ? EXIT_HEALTHY : run(&command, argc - rest, argv + rest);
    }
    control_client_close(&command.client);
    status = print_all(&command, status);
    memory_free(command.targets);
    queue_access_clear(&command.access);
    queue_summary_clear(&command.summary);
    buffer_clear(&command.out);
    arena_clear(&command.arena);
    return status;
}
