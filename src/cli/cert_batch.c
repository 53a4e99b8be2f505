#include "cli/cert_batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum {
    LINE_BYTES_MOST = 4 << 20,
    CHUNK_BYTES = 256 * 1024,
    ANSWER_BYTES_MOST = 1 << 20,
    LINES_MOST = 512, /* judged before any of them is printed */
    WORKERS_MOST = 16,
};

struct line {
    struct span text; /* inside the batch's input */
    struct buffer answer;
    struct error err;
    bool is_judged;
};

struct batch;

struct worker {
    struct batch *batch;
    struct cert_judge *judge;
    pthread_t thread;
    bool has_thread;
};

/* Workers share nothing but the counter that deals out the lines. */
struct batch {
    struct buffer input;
    struct line lines[LINES_MOST];
    size_t line_count;
    atomic_size_t next;
    struct worker workers[WORKERS_MOST];
    size_t worker_count;
    size_t number;    /* of the last line printed */
    bool is_skipping; /* inside a line that is too long */
    size_t bad_lines;
};

/* --- judging */

static void *work(void *owner)
{
    struct worker *worker = owner;
    struct batch *batch = worker->batch;

    for (size_t i; (i = atomic_fetch_add(&batch->next, 1)) < batch->line_count;) {
        struct line *line = &batch->lines[i];

        if (line->text.len > 0)
            line->is_judged = cert_line_judge(worker->judge, line->text, &line->answer, &line->err);
    }
    return NULL;
}

/* Where no thread can be had, the others do its share. */
static void judge_lines(struct batch *batch)
{
    size_t wanted =
        batch->line_count < batch->worker_count ? batch->line_count : batch->worker_count;

    atomic_store(&batch->next, 0);
    for (size_t i = 1; i < wanted; i++) {
        struct worker *worker = &batch->workers[i];

        worker->has_thread = pthread_create(&worker->thread, NULL, work, worker) == 0;
    }
    work(&batch->workers[0]);
    for (size_t i = 1; i < wanted; i++)
        if (batch->workers[i].has_thread)
            pthread_join(batch->workers[i].thread, NULL);
}

static bool print_lines(struct batch *batch)
{
    for (size_t i = 0; i < batch->line_count; i++) {
        struct line *line = &batch->lines[i];
        struct span answer = buffer_span(&line->answer);

        batch->number++;
        if (line->text.len == 0)
            continue;
        if (!line->is_judged) {
            fprintf(stderr, "postern cert: line %zu: %s\n", batch->number, line->err.text);
            batch->bad_lines++;
        }
        if (fwrite(answer.data, 1, answer.len, stdout) != answer.len)
            return false;
        buffer_clear(&line->answer);
    }
    batch->line_count = 0;
    return fflush(stdout) == 0;
}

/* --- lines */

static void add_line(struct batch *batch, struct span text)
{
    struct line *line = &batch->lines[batch->line_count++];

    *line = (struct line){ .text = span_trim(text) };
    if (line->text.len > 0 && line->text.data[line->text.len - 1] == '\r')
        line->text.len--;
    buffer_init(&line->answer, ANSWER_BYTES_MOST);
}

static bool refuse_long_line(struct batch *batch)
{
    struct buffer answer;
    bool is_printed;

    batch->number++;
    batch->bad_lines++;
    fprintf(stderr, "postern cert: line %zu: longer than %d bytes\n", batch->number,
            LINE_BYTES_MOST);
    buffer_init(&answer, ANSWER_BYTES_MOST);
    is_printed = cert_line_refuse("the line is too long", &answer) &&
                 fwrite(answer.data, 1, answer.len, stdout) == answer.len && fflush(stdout) == 0;
    buffer_clear(&answer);
    return is_printed;
}

/* Judges and prints every whole line of the input; at its end the rest is a line too. */
static bool take_lines(struct batch *batch, bool is_end)
{
    struct span rest = buffer_span(&batch->input);

    for (;;) {
        size_t end = span_find(rest, '\n');
        bool is_whole = end < rest.len;

        if (rest.len > 0 && (is_whole || is_end) && !batch->is_skipping)
            add_line(batch, span_part(rest, 0, end));
        if (is_whole || is_end) {
            span_take_front(&rest, is_whole ? end + 1 : end);
            batch->is_skipping = false;
        }
        if (batch->line_count == LINES_MOST || !is_whole) {
            judge_lines(batch);
            if (!print_lines(batch))
                return false;
        }
        if (!is_whole)
            break;
    }
    if (rest.len > LINE_BYTES_MOST && !batch->is_skipping) {
        batch->is_skipping = true;
        if (!refuse_long_line(batch))
            return false;
    }
    if (batch->is_skipping)
        rest.len = 0;
    buffer_drop(&batch->input, batch->input.len - rest.len);
    return true;
}

static bool read_more(struct batch *batch, char *chunk, bool *is_end, struct error *err)
{
    ssize_t got = read(STDIN_FILENO, chunk, CHUNK_BYTES);

    if (got < 0 && errno == EINTR)
        return true;
    if (got < 0)
        return error_set(err, ERROR_SYSTEM, "standard input: %s", strerror(errno));
    *is_end = got == 0;
    return buffer_append(&batch->input, (struct span){ chunk, (size_t)got }) ||
           error_set(err, ERROR_MEMORY, "no memory for a line");
}

static bool start_workers(struct batch *batch, const struct cert_rules *rules)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = processors < 1              ? 1
                    : processors > WORKERS_MOST ? WORKERS_MOST
                                                : (size_t)processors;

    for (; batch->worker_count < wanted; batch->worker_count++) {
        struct worker *worker = &batch->workers[batch->worker_count];

        *worker = (struct worker){ .batch = batch, .judge = cert_judge_new(rules) };
        if (worker->judge == NULL)
            return false;
    }
    return true;
}

static bool run(struct batch *batch, const struct cert_rules *rules, char *chunk, struct error *err)
{
    bool is_end = false;

    buffer_init(&batch->input, LINE_BYTES_MOST + CHUNK_BYTES);
    if (!start_workers(batch, rules))
        return error_set(err, ERROR_MEMORY, "no memory for the trust stores");
    while (!is_end) {
        if (!read_more(batch, chunk, &is_end, err))
            return false;
        if (!take_lines(batch, is_end))
            return error_set(err, ERROR_SYSTEM, "writing the answers failed");
    }
    return true;
}

bool cert_batch_run(const struct cert_rules *rules, size_t *bad_lines, struct error *err)
{
    struct batch *batch = memory_new(1, sizeof *batch);
    char *chunk = memory_new(CHUNK_BYTES, 1);
    bool is_done = batch != NULL && chunk != NULL ? run(batch, rules, chunk, err)
                                                  : error_set(err, ERROR_MEMORY, "no memory");

    *bad_lines = batch == NULL ? 0 : batch->bad_lines;
    for (size_t i = 0; batch != NULL && i < LINES_MOST; i++)
        buffer_clear(&batch->lines[i].answer);
    for (size_t i = 0; batch != NULL && i < batch->worker_count; i++)
        cert_judge_free(&batch->workers[i].judge);
    if (batch != NULL)
        buffer_clear(&batch->input);
    memory_free(chunk);
    memory_free(batch);
    return is_done;
}
