/* fuzz/command.c - a line that is taken has its parts inside the line, and only what was offered; our client may say it on.
 *
 * The first byte of the input says which extensions are offered. What is refused gets a code of
 * 5xx with an enhanced code of class 5, and words that fit one line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_inside(struct span line, struct span part)
{
    insist(part.len == 0 ||
           (part.data >= line.data && part.data + part.len <= line.data + line.len));
}

static void check_command(struct span line, const struct smtp_command *command, uint32_t extensions)
{
    bool has_path = command->verb == SMTP_COMMAND_MAIL || command->verb == SMTP_COMMAND_RCPT;

    insist(command->verb >= SMTP_COMMAND_EHLO);
    check_inside(line, command->argument);
    check_inside(line, command->address.local_part);
    check_inside(line, command->address.domain);
    check_inside(line, command->envelope_id);
    check_inside(line, command->original);
    insist(memchr(line.data, '\0', line.len) == NULL && memchr(line.data, '\n', line.len) == NULL);
    insist(!command->is_utf8 || (extensions & SMTP_EXTENSION_SMTPUTF8));
    insist(!command->is_8bit || (extensions & SMTP_EXTENSION_8BITMIME));
    insist(!command->has_size || (extensions & SMTP_EXTENSION_SIZE));
    insist(command->envelope_id.len <= 100 && command->original.len <= 500);
    insist(command->notify < 16 &&
           (!(command->notify & SMTP_NOTIFY_NEVER) || command->notify == 1));
    if (has_path && command->argument.len > 0 && !command->is_postmaster) {
        struct smtp_address address;
        struct smtp_address_flaw flaw;

        insist(smtp_address_parse(command->argument, &address, &flaw));
        insist(command->verb == SMTP_COMMAND_RCPT || command->is_utf8 || !address.is_utf8);
    }
}

static const char *text_of(struct arena *arena, struct span part)
{
    return part.len == 0 ? NULL : arena_copy(arena, part);
}

/* As our client says it to the next server. */
static size_t say_again(const struct smtp_command *command, uint32_t extensions, const char *path,
                        struct arena *arena, char out[SMTP_COMMAND_BYTES])
{
    static const char *const parts[] = { [SMTP_COMMAND_RETURN_NONE] = NULL,
                                         [SMTP_COMMAND_RETURN_FULL] = "FULL",
                                         [SMTP_COMMAND_RETURN_HDRS] = "HDRS" };
    const struct smtp_client_recipient recipient = {
        .address = path,
        .original = text_of(arena, command->original),
        .notify = command->notify,
    };
    const struct smtp_client_message message = {
        .sender = path,
        .size_bytes = command->size,
        .is_8bit = command->is_8bit,
        .is_utf8 = command->is_utf8,
        .requires_tls = command->requires_tls,
        .envelope_id = text_of(arena, command->envelope_id),
        .return_part = parts[command->parts],
    };

    if (command->verb == SMTP_COMMAND_MAIL)
        return smtp_command_format_mail(out, &message, extensions);
    return smtp_command_format_rcpt(out, &recipient, extensions);
}

/* What a server takes a client may say, and it means the same to the next server. */
static void check_again(const struct smtp_command *command, uint32_t extensions)
{
    AUTO(arena_clear) struct arena arena;
    struct smtp_command again;
    struct smtp_answer answer;
    char out[SMTP_COMMAND_BYTES];
    const char *path;
    size_t len;

    arena_init(&arena, 1 << 16);
    path = arena_copy(&arena, command->argument);
    insist(smtp_command_path_is_safe(path, command->address.is_utf8));
    for (size_t i = 0; i < command->original.len; i++)
        if ((unsigned char)command->original.data[i] >= 0x80)
            return; /* is not passed on */
    len = say_again(command, extensions, path, &arena, out);
    insist(smtp_command_parse((struct span){ out, len - 2 }, extensions, &again, &answer));
    insist(again.verb == command->verb && span_equal(again.argument, command->argument));
    insist(span_equal(again.original, command->original) && again.notify == command->notify);
    insist(span_equal(again.envelope_id, command->envelope_id) && again.parts == command->parts);
    insist(again.size == command->size && again.is_8bit == command->is_8bit);
    insist(again.is_utf8 == command->is_utf8 && again.requires_tls == command->requires_tls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtp_command command;
    struct smtp_answer answer = { 0 };
    char out[SMTP_ANSWER_BYTES];

    if (size < 1)
        return 0;
    uint32_t extensions = (uint32_t)data[0] << 2;
    struct span line = { (const char *)data + 1, size - 1 };

    if (smtp_command_parse(line, extensions, &command, &answer)) {
        check_command(line, &command, extensions);
        if (command.verb == SMTP_COMMAND_MAIL || command.verb == SMTP_COMMAND_RCPT)
            check_again(&command, extensions);
        return 0;
    }
    insist(answer.code >= 500 && answer.code <= 559 && answer.enhanced[0] == '5');
    insist(smtp_answer_format(out, answer) < sizeof out);
    return 0;
}
