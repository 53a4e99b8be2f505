#include "link/record.h"

const struct field field_text = { .kind = FIELD_TEXT }, field_bytes = { .kind = FIELD_BYTES };

const char *words_find(const struct words *words, unsigned value)
{
    if (value >= words->count)
        return NULL;
    return words->word != NULL ? words->word(value) : words->list[value];
}
