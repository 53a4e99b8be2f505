/* fuzz/names.c - any text is no name or one form of it, and what a certificate may stand for never grows by spelling.
 *
 * The input: a name of a certificate, a line feed, the name that was meant.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "trust/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static size_t labels_of(struct span name)
{
    size_t count = 1;

    for (size_t i = 0; i < name.len; i++)
        count += name.data[i] == '.' && i + 1 < name.len;
    return count;
}

/* What was normalized is in its last form, and is itself. */
static const char *check_form(struct arena *arena, struct span name)
{
    const char *form = names_normalize(arena, name), *again;

    if (form == NULL)
        return NULL;
    insist(form[0] != '\0');
    for (const char *at = form; *at != '\0'; at++)
        insist(*at > ' ' && *at < 0x7f && (*at < 'A' || *at > 'Z'));
    again = names_normalize(arena, span_of(form));
    insist(again != NULL && strcmp(again, form) == 0);
    return form;
}

static void check_match(struct span presented, const char *form)
{
    if (!names_match(presented, span_of(form)))
        return;
    insist(memchr(presented.data, '\0', presented.len) == NULL);
    if (form[0] != '.') /* a wildcard is one label */
        insist(labels_of(presented) == labels_of(span_of(form)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span presented, meant = { (const char *)data, size };
    const char *form;
    struct arena arena;

    presented = span_take_until(&meant, '\n');
    arena_init(&arena, 8 << 20);
    (void)check_form(&arena, presented);
    form = check_form(&arena, meant);
    if (form != NULL) {
        insist(form[0] == '.' || form[0] == '*' || names_match(span_of(form), span_of(form)));
        check_match(presented, form);
        insist(names_match(presented, meant) == names_match(presented, span_of(form)));
    }
    arena_clear(&arena);
    return 0;
}
