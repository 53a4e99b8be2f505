/* fuzz/control_answer.c - what a gateway answers of its queue is refused in words, or written down again the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/control_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 16 << 20 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_refusal(const struct error *err)
{
    insist(err->kind == ERROR_FORMAT && err->text[0] != '\0');
    insist(memchr(err->text, '\0', sizeof err->text) != NULL);
}

static void check_equal(json_t *first, json_t *second)
{
    insist(first != NULL && second != NULL && json_equal(first, second));
    json_decref(first);
    json_decref(second);
}

static void check_envelope(const json_t *json, struct arena *arena)
{
    struct error err = { .kind = ERROR_NONE };
    struct queue_envelope envelope, again;
    json_t *written;

    if (!control_json_read_envelope(json, arena, &envelope, &err)) {
        check_refusal(&err);
        return;
    }
    written = control_json_of_envelope(&envelope);
    insist(written != NULL && control_json_read_envelope(written, arena, &again, &err));
    check_equal(written, control_json_of_envelope(&again));
}

static void check_recipient(const json_t *json, struct arena *arena)
{
    struct error err = { .kind = ERROR_NONE };
    struct queue_recipient recipient, again;
    json_t *written;

    if (!control_json_read_recipient(json, arena, &recipient, &err)) {
        check_refusal(&err);
        return;
    }
    insist(recipient.state < QUEUE_STATES && recipient.notify < 16 && recipient.due_at_s >= 0);
    written = control_json_of_recipient(&recipient);
    insist(written != NULL && control_json_read_recipient(written, arena, &again, &err));
    check_equal(written, control_json_of_recipient(&again));
}

static void check_stats(const json_t *json)
{
    struct error err = { .kind = ERROR_NONE };
    struct queue_stats stats, again;
    json_t *written;

    if (!control_json_read_stats(json, &stats, &err)) {
        check_refusal(&err);
        return;
    }
    insist(memchr(stats.last_failure, '\0', sizeof stats.last_failure) != NULL);
    written = control_json_of_stats(&stats);
    insist(written != NULL && control_json_read_stats(written, &again, &err));
    check_equal(written, control_json_of_stats(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    struct arena arena;

    if (json == NULL)
        return 0;
    arena_init(&arena, ARENA);
    check_envelope(json, &arena);
    check_recipient(json, &arena);
    check_stats(json);
    arena_clear(&arena);
    json_decref(json);
    return 0;
}
