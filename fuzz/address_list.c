/* fuzz/address_list.c - lists of addresses from any text: bounded, forward only, and each is one. */
#include <stdint.h>
#include <stdlib.h>

#include "smtp/address.h"
#include "smtp/address_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check(const struct smtp_listed *listed, size_t size)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;
    struct span text = { listed->text, listed->len };

    insist(listed->len <= SMTP_LISTED_BYTES && listed->text[listed->len] == '\0');
    insist(listed->end <= size);
    insist(!listed->has_domain || smtp_address_parse(text, &address, &flaw));
    for (size_t i = 0; i < listed->len; i++)
        insist((unsigned char)listed->text[i] >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum smtp_address_list_status status;
    struct smtp_address_list list;
    struct smtp_listed listed;
    size_t before = 0;

    smtp_address_list_init(&list, (struct span){ (const char *)data, size });
    while ((status = smtp_address_list_next(&list, &listed)) == SMTP_LISTED_ADDRESS) {
        check(&listed, size);
        insist(list.at > before && list.at <= size);
        before = list.at;
    }
    insist((status == SMTP_LISTED_BROKEN) == (list.flaw != NULL));
    insist(list.flaw_at <= size);
    return 0;
}
