/* tests/integration/gateway/queue_dump.c - prints all that is in a queue, bodies too, for those who count.
 *
 * usage: queue-dump FOLDER
 *
 * For every message "message ID SIZE", a line "to STATE ADDRESS" for each recipient, "body LENGTH"
 * and then as many bytes and a line feed. Opening does what any start after a crash does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "queue/id.h"
#include "queue/store.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, BODY_MOST = 256 * 1024 * 1024 };

static struct loop *loop;
static struct queue_door *door;

static void die(const char *what)
{
    fprintf(stderr, "queue-dump: %s\n", what);
    exit(3);
}

static void stop(void *owner)
{
    (void)owner;
    loop_stop(loop);
}

static void dump_body(int64_t id)
{
    static char bytes[QUEUE_PART_BYTES];
    struct queue_read part = { .id = id, .bytes = bytes };
    struct buffer body;

    buffer_init(&body, BODY_MOST);
    for (;; part.number++) {
        queue_read(door, &part, stop, NULL);
        loop_run(loop);
        if (part.request.status != QUEUE_OK)
            break;
        if (!buffer_append(&body, (struct span){ bytes, part.len }))
            die("a body is too large");
    }
    if (part.request.status != QUEUE_ABSENT)
        die("a body cannot be read");
    printf("body %zu\n", body.len);
    fwrite(body.data, 1, body.len, stdout);
    printf("\n");
    buffer_clear(&body);
}

static void dump_message(const struct queue_message *message)
{
    char id[QUEUE_ID_TEXT + 1];

    queue_id_format(message->envelope.id, id);
    printf("message %s %" PRId64 "\n", id, message->envelope.size_bytes);
    for (size_t i = 0; i < message->recipient_count; i++)
        printf("to %s %.*s\n", queue_state_name(message->recipients[i].state),
               (int)message->recipients[i].address.len, message->recipients[i].address.data);
    dump_body(message->envelope.id);
}

static void dump_all(void)
{
    struct queue_list list = { .most = QUEUE_LISTED_AT_ONCE };

    do {
        struct arena arena;

        arena_init(&arena, ARENA_BYTES);
        list.arena = &arena;
        queue_list(door, &list, stop, NULL);
        loop_run(loop);
        if (list.request.status != QUEUE_OK)
            die("the queue cannot be listed");
        for (size_t i = 0; i < list.message_count; i++)
            dump_message(&list.messages[i]);
        arena_clear(&arena);
    } while (list.has_more);
}

int main(int argc, char **argv)
{
    struct queue_store *store = NULL;
    struct error err = { 0 };

    if (argc != 2) {
        fprintf(stderr, "usage: queue-dump FOLDER\n");
        return 2;
    }
    struct queue_store_settings settings = queue_store_defaults(argv[1]);
    if (!queue_store_open(&settings, &store, &err) || !loop_open(&loop, &err) ||
        !queue_door_open(store, loop, &door, &err))
        die(err.text);
    dump_all();
    queue_door_close(&door);
    queue_store_close(&store);
    loop_close(&loop);
    return fflush(stdout) == 0 ? 0 : 3;
}
