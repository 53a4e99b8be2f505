#include "settings/outline.h"

#include <assert.h>
#include <string.h>

#include "settings/tokens.h"

struct reader {
    struct settings_tokens in;
    struct settings_token key; /* a key that a section without its end left for the level above */
    bool has_key;
    struct settings_outline *outline;
    struct arena *arena;
    struct buffer clean;
    unsigned clean_line;
    bool is_full; /* of memory */
    /* for each option the line on which it was seen, at the top level and in the section */
    unsigned *seen_at_top, *seen_in_section;
};

#define COMPLAIN(reader, at, ...) SETTINGS_TOKENS_COMPLAIN(&(reader)->in, at, __VA_ARGS__)

static bool at_mark(const struct reader *reader, char mark)
{
    return reader->in.token.kind == SETTINGS_TOKEN_MARK && reader->in.token.text.data[0] == mark;
}

static bool at_value(const struct reader *reader)
{
    return reader->in.token.kind == SETTINGS_TOKEN_WORD ||
           reader->in.token.kind == SETTINGS_TOKEN_STRING;
}

static const char *quoted(struct reader *reader, const struct settings_token *token)
{
    return settings_fault_quote(reader->in.faults, token->text);
}

/* --- what is written for libconfuse --- */

/* Where to go back to when a statement turns out to be broken. */
struct mark {
    size_t clean_len, section_count, statement_count;
    unsigned clean_line;
};

static void go_back(struct reader *reader, const struct mark *mark)
{
    reader->clean.len = mark->clean_len;
    reader->clean_line = mark->clean_line;
    reader->outline->section_count = mark->section_count;
    reader->outline->statement_count = mark->statement_count;
}

static void emit_lines(struct reader *reader, unsigned line)
{
    for (; reader->clean_line < line; reader->clean_line++)
        reader->is_full |= !buffer_append_text(&reader->clean, "\n");
}

/* Lines stay where they were. */
static void emit(struct reader *reader, struct span text, unsigned line)
{
    emit_lines(reader, line);
    reader->is_full |=
        !buffer_append(&reader->clean, text) || !buffer_append_text(&reader->clean, " ");
}

/* Where the statement at `line` begins. The lines before it are written first, so that going back often
 * does not write them often. */
static struct mark mark_of(struct reader *reader, unsigned line)
{
    emit_lines(reader, line);
    return (struct mark){ reader->clean.len, reader->outline->section_count,
                          reader->outline->statement_count, reader->clean_line };
}

static void emit_and_advance(struct reader *reader)
{
    emit(reader, reader->in.token.text, reader->in.token.line);
    settings_tokens_next(&reader->in);
}

/* --- going on behind a fault --- */

static void skip_block(struct reader *reader)
{
    unsigned began = reader->in.token.line;
    size_t depth = 0;

    do {
        if (at_mark(reader, '{'))
            depth++;
        else if (at_mark(reader, '}'))
            depth--;
        settings_tokens_next(&reader->in);
    } while (depth > 0 && reader->in.token.kind != SETTINGS_TOKEN_END);
    if (depth > 0)
        COMPLAIN(reader, began, "the \"}\" of this \"{\" is missing");
}

/* What is left of a statement that cannot be read, as far as its line goes. */
static void skip_statement(struct reader *reader, unsigned line)
{
    while (reader->in.token.kind != SETTINGS_TOKEN_END && reader->in.token.line == line &&
           !at_mark(reader, '}'))
        if (at_mark(reader, '{'))
            skip_block(reader);
        else
            settings_tokens_next(&reader->in);
}

/* Behind a key that is unknown: a value, a list or a section; others may follow on the same line. */
static void skip_unknown(struct reader *reader, unsigned line)
{
    bool is_assignment = at_mark(reader, '=');

    if (is_assignment)
        settings_tokens_next(&reader->in);
    if (at_mark(reader, '{'))
        skip_block(reader);
    else if (at_value(reader) && (is_assignment || reader->in.token.line == line))
        settings_tokens_next(&reader->in);
    if (!is_assignment && at_mark(reader, '{'))
        skip_block(reader);
}

static void complain_of_unknown(struct reader *reader, enum settings_section kind,
                                const struct settings_token *key)
{
    const char *here = settings_sections[kind].word, *word = quoted(reader, key);
    enum settings_section where = kind;
    const char *guess = settings_option_guess(kind, key->text, &where);
    const char *in = kind == SETTINGS_TOP ? "" : " in ";

    if (guess != NULL)
        COMPLAIN(reader, key->line, "unknown word \"%s\"%s%s; did you mean \"%s\"?", word, in, here,
                 guess);
    else if (where == kind)
        COMPLAIN(reader, key->line, "unknown word \"%s\"%s%s", word, in, here);
    else if (where == SETTINGS_TOP)
        COMPLAIN(reader, key->line, "\"%s\" stands outside of any section, not in %s", word, here);
    else
        COMPLAIN(reader, key->line, "\"%s\" belongs in %s { }%s%s", word,
                 settings_sections[where].word, kind == SETTINGS_TOP ? "" : ", not in ", here);
}

/* --- statements --- */

/* At the opening brace. */
static void read_list(struct reader *reader, const char *key)
{
    unsigned began = reader->in.token.line;

    emit_and_advance(reader);
    while (!at_mark(reader, '}')) {
        unsigned line = reader->in.token.line;

        if (!at_value(reader)) {
            COMPLAIN(reader, began, "the list of %s has no \"}\" before %s", key,
                     quoted(reader, &reader->in.token));
            return;
        }
        emit_and_advance(reader);
        if (at_mark(reader, ',')) {
            emit_and_advance(reader);
        } else if (!at_mark(reader, '}')) {
            COMPLAIN(reader, line, "a \",\" or \"}\" is missing in the list of %s", key);
            if (reader->in.token.line != line || !at_value(reader))
                return; /* most likely the next statement */
        }
    }
    emit_and_advance(reader);
}

static void read_value(struct reader *reader, const struct settings_option *option, unsigned line)
{
    if (at_mark(reader, '{')) {
        if (option->list_most == 0)
            COMPLAIN(reader, line, "%s takes one value, not a list", option->key);
        read_list(reader, option->key);
    } else if (!at_value(reader) ||
               (reader->in.token.kind == SETTINGS_TOKEN_WORD && reader->in.token.line != line)) {
        COMPLAIN(reader, line, "%s has no value", option->key);
    } else {
        emit_and_advance(reader);
    }
}

static void take_statement(struct reader *reader, size_t section,
                           const struct settings_option *option, unsigned line)
{
    struct settings_outline *outline = reader->outline;
    unsigned *seen = section == 0 ? reader->seen_at_top : reader->seen_in_section;
    unsigned *first = &seen[option - settings_options];

    if (*first != 0)
        COMPLAIN(reader, line, "%s is there already, on line %u", option->key, *first);
    else if (outline->statement_count == SETTINGS_STATEMENTS_MOST)
        COMPLAIN(reader, line, "more than %d settings in one file", SETTINGS_STATEMENTS_MOST);
    else
        outline->statements[outline->statement_count++] =
            (struct settings_outline_statement){ section, option, line, false };
    if (*first == 0)
        *first = line;
}

/* A key with its value; the key was taken. */
static void read_assignment(struct reader *reader, size_t section, const struct settings_token *key)
{
    enum settings_section kind = reader->outline->sections[section].kind;
    const struct settings_option *option = settings_option_find(kind, key->text);

    if (option == NULL || option->gone != NULL) {
        if (option == NULL)
            complain_of_unknown(reader, kind, key);
        else
            COMPLAIN(reader, key->line, "%s: %s", option->key, option->gone);
        skip_unknown(reader, key->line);
        return;
    }
    if (!at_mark(reader, '=')) {
        COMPLAIN(reader, key->line, "the \"=\" is missing behind %s", option->key);
        skip_statement(reader, key->line);
        return;
    }
    emit(reader, key->text, key->line);
    emit_and_advance(reader);
    take_statement(reader, section, option, key->line);
    read_value(reader, option, key->line);
}

/* The key at the token, or the one that was left; its statement begins. False: there is none. */
static bool take_key(struct reader *reader, struct settings_token *key)
{
    reader->in.is_broken = false;
    if (reader->has_key) {
        reader->has_key = false;
        *key = reader->key;
        return true;
    }
    *key = reader->in.token;
    if (key->kind == SETTINGS_TOKEN_WORD) {
        settings_tokens_next(&reader->in);
        return true;
    }
    if (at_mark(reader, '{')) {
        COMPLAIN(reader, key->line,
                 "a word is expected here, not {; a value with braces in it stands in quotes");
        skip_block(reader);
    } else {
        COMPLAIN(reader, key->line, "a word is expected here, not %s", quoted(reader, key));
        settings_tokens_next(&reader->in);
    }
    return false;
}

/* Where the next statement begins. */
static unsigned line_of_next(const struct reader *reader)
{
    return reader->has_key ? reader->key.line : reader->in.token.line;
}

/* A new section within one: most likely the end of the outer one is missing. */
static bool begins_section(const struct reader *reader, enum settings_section kind,
                           const struct settings_token *key)
{
    enum settings_section inner;

    return settings_section_find(key->text, &inner) &&
           settings_option_find(kind, key->text) == NULL &&
           (at_mark(reader, '{') || reader->in.token.kind == SETTINGS_TOKEN_STRING);
}

static void read_section_body(struct reader *reader, size_t section, unsigned line)
{
    enum settings_section kind = reader->outline->sections[section].kind;
    const char *word = settings_sections[kind].word;

    memset(reader->seen_in_section, 0, settings_option_count * sizeof *reader->seen_in_section);
    while (!at_mark(reader, '}')) {
        struct mark mark = mark_of(reader, line_of_next(reader));
        struct settings_token key;

        if (reader->in.token.kind == SETTINGS_TOKEN_END) {
            COMPLAIN(reader, line, "the \"}\" of this %s is missing", word);
            return;
        }
        if (!take_key(reader, &key))
            continue;
        if (begins_section(reader, kind, &key)) {
            COMPLAIN(reader, key.line, "%s within %s: is the \"}\" of line %u's %s missing?",
                     quoted(reader, &key), word, line, word);
            reader->key = key;
            reader->has_key = true;
            return;
        }
        read_assignment(reader, section, &key);
        if (reader->in.is_broken) {
            go_back(reader, &mark);
            reader->outline->sections[section].is_damaged = true;
        }
    }
    settings_tokens_next(&reader->in);
}

/* The text between the quotes, or the word. */
static const char *title_of(struct reader *reader, const struct settings_token *token)
{
    struct span text = token->text;
    char *title;
    size_t len = 0;

    if (token->kind == SETTINGS_TOKEN_WORD)
        return arena_copy(reader->arena, text);
    text = span_part(text, 1, text.len < 2 ? 0 : text.len - 2);
    title = arena_new(reader->arena, text.len + 1, 1);
    if (title == NULL)
        return "";
    while (text.len > 0) {
        if (text.data[0] == '\\' && text.len > 1)
            span_take(&text);
        title[len++] = span_take(&text);
    }
    return title;
}

/* True: it may be added to those that are there. */
static bool check_section(struct reader *reader, const struct settings_outline_section *section)
{
    const struct settings_section_row *row = &settings_sections[section->kind];
    const struct settings_outline *outline = reader->outline;

    if (row->title == NULL && section->title != NULL) {
        COMPLAIN(reader, section->line, "%s takes no name: %s { ... }", row->word, row->word);
        return false;
    }
    if (row->title != NULL && section->title == NULL) {
        COMPLAIN(reader, section->line, "%s needs a name: %s \"%s\" { ... }", row->word, row->word,
                 row->title);
        return false;
    }
    for (size_t i = 1; i < outline->section_count; i++) {
        const struct settings_outline_section *other = &outline->sections[i];

        /* Of listeners, settings/check.c compares what the titles mean: several may have port 0. */
        if (other->kind == section->kind && section->kind != SETTINGS_LISTENER &&
            (row->title == NULL || strcmp(other->title, section->title) == 0)) {
            COMPLAIN(reader, section->line, "this %s is there already, on line %u", row->word,
                     other->line);
            return false;
        }
    }
    if (outline->section_count <= SETTINGS_SECTIONS_MOST)
        return true;
    COMPLAIN(reader, section->line, "more than %d sections in one file", SETTINGS_SECTIONS_MOST);
    return false;
}

static size_t ordinal_of(const struct settings_outline *outline, enum settings_section kind)
{
    for (size_t i = outline->section_count; i > 1; i--)
        if (outline->sections[i - 1].kind == kind)
            return outline->sections[i - 1].ordinal + 1;
    return 0;
}

/* libconfuse takes no title twice; it gives them back by their place. */
static void emit_title(struct reader *reader, enum settings_section kind)
{
    if (kind == SETTINGS_LISTENER) {
        size_t ordinal = ordinal_of(reader->outline, kind);

        emit(reader, span_of(arena_format(reader->arena, "\"%zu\"", ordinal)),
             reader->in.token.line);
        settings_tokens_next(&reader->in);
    } else {
        emit_and_advance(reader);
    }
}

/* The brace alone is missing: what follows would be one fault more for each of its lines. */
static bool goes_on_without_brace(const struct reader *reader, enum settings_section kind,
                                  unsigned line)
{
    const struct settings_token *token = &reader->in.token;

    return token->kind == SETTINGS_TOKEN_WORD && token->line > line &&
           settings_option_find(kind, token->text) != NULL &&
           settings_option_find(SETTINGS_TOP, token->text) == NULL;
}

/* Its word was taken. What is in a section that cannot be kept is still looked at. */
static void read_section(struct reader *reader, enum settings_section kind,
                         const struct settings_token *key)
{
    struct settings_outline *outline = reader->outline;
    struct settings_outline_section section = { .kind = kind, .line = key->line };
    struct mark mark = mark_of(reader, key->line);
    bool has_brace, is_kept;

    emit(reader, key->text, key->line);
    if (at_value(reader) && !goes_on_without_brace(reader, kind, key->line)) {
        section.title = title_of(reader, &reader->in.token);
        emit_title(reader, kind);
    }
    has_brace = at_mark(reader, '{');
    if (!has_brace && !reader->in.is_broken) /* a text that does not end took it along */
        COMPLAIN(reader, key->line, "%s is a section: the \"{\" is missing", quoted(reader, key));
    if (!has_brace && !goes_on_without_brace(reader, kind, key->line)) {
        skip_statement(reader, key->line);
        go_back(reader, &mark);
        return;
    }
    is_kept = has_brace && check_section(reader, &section) && !reader->in.is_broken;
    section.ordinal = ordinal_of(outline, kind);
    section.first_statement = outline->statement_count;
    outline->sections[outline->section_count++] = section; /* one more than the most has room */
    if (has_brace)
        emit_and_advance(reader);
    read_section_body(reader, outline->section_count - 1, key->line);
    emit(reader, span_of("}"), reader->clean_line);
    if (!is_kept)
        go_back(reader, &mark);
}

static void read_file(struct reader *reader)
{
    settings_tokens_next(&reader->in);
    while (reader->has_key || reader->in.token.kind != SETTINGS_TOKEN_END) {
        struct mark mark = mark_of(reader, line_of_next(reader));
        enum settings_section kind;
        struct settings_token key;

        if (!reader->has_key && at_mark(reader, '}')) {
            settings_fault_add(reader->in.faults, reader->in.token.line,
                               "this \"}\" closes nothing");
            settings_tokens_next(&reader->in);
        } else if (!take_key(reader, &key)) {
            continue;
        } else if (settings_section_find(key.text, &kind)) {
            read_section(reader, kind, &key);
        } else {
            read_assignment(reader, 0, &key);
            if (reader->in.is_broken) {
                go_back(reader, &mark);
                reader->outline->sections[0].is_damaged = true;
            }
        }
    }
}

static size_t count_of(struct span text, char byte)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == byte;
    return count;
}

static bool take_clean(struct reader *reader, struct error *err)
{
    struct span clean = buffer_span(&reader->clean);

    reader->outline->clean =
        (struct span){ arena_copy(reader->arena, clean), reader->arena->exhausted ? 0 : clean.len };
    buffer_clear(&reader->clean);
    if (reader->is_full || reader->arena->exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    return true;
}

bool settings_outline_read(struct span text, struct arena *arena, struct settings_outline *outline,
                           struct settings_faults *faults, struct error *err)
{
    size_t statements = count_of(text, '='), sections = count_of(text, '{');
    struct reader reader = { .in = { .rest = text, .line = 1, .faults = faults },
                             .clean_line = 1,
                             .arena = arena };

    if (statements > SETTINGS_STATEMENTS_MOST)
        statements = SETTINGS_STATEMENTS_MOST;
    if (sections > SETTINGS_SECTIONS_MOST + 1)
        sections = SETTINGS_SECTIONS_MOST + 1;
    *outline = (struct settings_outline){
        .sections = arena_new(arena, sections + 2, sizeof *outline->sections),
        .section_count = 1,
        .statements = arena_new(arena, statements + 1, sizeof *outline->statements),
    };
    reader.outline = outline;
    reader.seen_at_top = arena_new(arena, settings_option_count, sizeof *reader.seen_at_top);
    reader.seen_in_section =
        arena_new(arena, settings_option_count, sizeof *reader.seen_in_section);
    if (arena->exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the settings");
    buffer_init(&reader.clean, 3 * text.len + 64);
    if (memchr(text.data == NULL ? "" : text.data, '\0', text.len) != NULL)
        settings_fault_add(faults, 0, "there is a NUL byte in it: is this a text file?");
    else
        read_file(&reader);
    return take_clean(&reader, err);
}

static const struct settings_outline_statement *
find_statement(const struct settings_outline *outline, size_t section, const char *key)
{
    for (size_t i = outline->sections[section].first_statement; i < outline->statement_count; i++) {
        const struct settings_outline_statement *statement = &outline->statements[i];

        if (statement->section == section && strcmp(statement->option->key, key) == 0)
            return statement;
        if (section != 0 && statement->section != section)
            break;
    }
    return NULL;
}

unsigned settings_outline_line(const struct settings_outline *outline, size_t section,
                               const char *key)
{
    const struct settings_outline_statement *statement = find_statement(outline, section, key);

    return statement == NULL ? 0 : statement->line;
}

bool settings_outline_is_refused(const struct settings_outline *outline, size_t section,
                                 const char *key)
{
    const struct settings_outline_statement *statement = find_statement(outline, section, key);

    return statement != NULL && statement->is_refused;
}
