#include "cli/check_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/commands.h"
#include "cli/save_chain.h"
#include "diagnose/judge.h"
#include "diagnose/report_json.h"
#include "diagnose/saved_checkup.h"

enum { REPORT_BYTES_MOST = 16 << 20, TOGETHER_ARENA_BYTES = 1 << 20 };

void check_output_init(struct check_output *output, const struct check_options *options,
                       struct report_style style)
{
    *output = (struct check_output){ .options = options, .style = style };
    if (options->observation_file != NULL)
        output->saved = json_array();
}

void check_output_clear(struct check_output *output)
{
    json_decref(output->saved);
    output->saved = NULL;
}

static void remember(struct check_output *output, const struct checkup *checkup)
{
    int status = checkup_exit_status(checkup);

    /* what could not be told outweighs what was found: a script must not take it for an answer */
    if (status > output->exit_status)
        output->exit_status = status;
    for (size_t i = 0; i < checkup->host_count; i++)
        if (output->observation_count < CHECK_OBSERVATIONS_MOST)
            output->observations[output->observation_count++] = &checkup->hosts[i]->observation;
}

static bool print_json(json_t *json, struct error *err)
{
    int written;

    if (json == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the JSON of a report");
    written = json_dumpf(json, stdout, JSON_COMPACT);
    json_decref(json);
    if (written != 0 || putchar('\n') == EOF || fflush(stdout) != 0)
        return error_set(err, ERROR_SYSTEM, "writing the report: %s", strerror(errno));
    return true;
}

static bool print_text(struct buffer *text, struct error *err)
{
    if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
        return error_set(err, ERROR_SYSTEM, "writing the report: %s", strerror(errno));
    return true;
}

static bool print_report(struct check_output *output, const struct checkup *checkup,
                         struct error *err)
{
    AUTO(buffer_clear) struct buffer text;

    buffer_init(&text, REPORT_BYTES_MOST);
    if ((output->count > 0 && !buffer_append_text(&text, "\n")) ||
        !report_checkup(checkup, &output->style, &text))
        return error_set(err, ERROR_MEMORY, "no memory for a report");
    return print_text(&text, err);
}

static bool save_chains(const struct check_output *output, const struct checkup *checkup,
                        struct error *err)
{
    for (size_t i = 0; i < checkup->host_count; i++)
        if (!save_chain(output->options->save_directory, &checkup->hosts[i]->observation, err))
            return error_wrap(err, "saving the certificates");
    return true;
}

bool check_output_checkup(struct check_output *output, const struct checkup *checkup,
                          struct error *err)
{
    bool is_printed = output->options->as_json ? print_json(report_json_checkup(checkup), err)
                                               : print_report(output, checkup, err);

    if (!is_printed)
        return false;
    output->count++;
    remember(output, checkup);
    if (output->options->save_directory != NULL && !save_chains(output, checkup, err))
        return false;
    if (output->saved != NULL &&
        json_array_append_new(output->saved, saved_checkup_to_json(checkup)) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for the observation");
    return true;
}

/* What several targets show together and none of them alone, such as port 25 blocked. */
static bool print_together(struct check_output *output, struct error *err)
{
    AUTO(arena_clear) struct arena arena;
    AUTO(buffer_clear) struct buffer text;
    struct findings findings = { .count = 0 };

    arena_init(&arena, TOGETHER_ARENA_BYTES);
    buffer_init(&text, REPORT_BYTES_MOST);
    judge_together(output->observations, output->observation_count, &arena, &findings);
    if (findings.count == 0)
        return true;
    if (output->options->as_json)
        return print_json(json_pack("{s:n, s:o, s:i}", "target", "findings",
                                    report_json_findings(&findings), "schema", 1),
                          err);
    if (!buffer_append_text(&text, "\nAll targets together:\n\n"))
        return error_set(err, ERROR_MEMORY, "no memory for a report");
    for (size_t i = 0; i < findings.count; i++)
        if (!report_finding(&findings.items[i], &output->style, &text))
            return error_set(err, ERROR_MEMORY, "no memory for a report");
    return print_text(&text, err);
}

static bool write_saved(const struct check_output *output, struct error *err)
{
    const char *path = output->options->observation_file;
    json_t *file = json_pack("{s:i, s:O}", "schema", 1, "checkups", output->saved);
    bool is_written = file != NULL && json_dump_file(file, path, JSON_INDENT(1)) == 0;

    json_decref(file);
    if (!is_written)
        return error_set(err, ERROR_SYSTEM, "writing %s: %s", path, strerror(errno));
    return true;
}

bool check_output_end(struct check_output *output, struct error *err)
{
    if (output->count > 1 && !print_together(output, err))
        return false;
    return output->saved == NULL || write_saved(output, err);
}

bool check_output_saved(struct check_output *output, const char *path, struct arena *arena,
                        struct error *err)
{
    json_error_t where;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    const json_t *checkups = json_object_get(file, "checkups");
    bool is_fine = true;

    if (file == NULL && where.line < 0) /* it did not come to reading; the text names the file */
        return error_set(err, ERROR_USAGE, "%s", where.text);
    if (file == NULL)
        return error_set(err, ERROR_USAGE, "%s: line %d: %s", path, where.line, where.text);
    if (!json_is_array(checkups) || json_integer_value(json_object_get(file, "schema")) != 1)
        is_fine = error_set(err, ERROR_USAGE,
                            "%s: not what postern check --observation writes: it has no "
                            "\"checkups\" of schema 1",
                            path);
    for (size_t i = 0; is_fine && i < json_array_size(checkups); i++) {
        struct checkup *checkup = NULL;

        is_fine = saved_checkup_from_json(json_array_get(checkups, i), arena, &checkup, err)
                      ? check_output_checkup(output, checkup, err)
                      : error_wrap(err, "%s: checkup %zu", path, i + 1);
    }
    json_decref(file);
    return is_fine && check_output_end(output, err);
}
