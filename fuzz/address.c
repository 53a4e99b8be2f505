/* fuzz/address.c - what is taken for a mailbox has its parts in place and is safe in a command. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "smtp/address.h"
#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_parts(struct span text, const struct smtp_address *address)
{
    static char copy[512];
    struct smtp_address_flaw flaw;

    insist(address->local_part.data == text.data && address->local_part.len <= 64);
    insist(text.data[address->local_part.len] == '@');
    insist(address->domain.data == text.data + address->local_part.len + 1);
    insist(address->local_part.len + 1 + address->domain.len == text.len && text.len <= 254);
    insist(smtp_domain_parse(address->domain, &flaw));
    insist(address->is_literal == (address->domain.data[0] == '['));
    insist(address->is_quoted == (text.data[0] == '"'));
    insist(text_is_utf8(text));
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    insist(strlen(copy) == text.len);
    insist(smtp_command_path_is_safe(copy, address->is_utf8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = { (const char *)data, size };
    struct smtp_address address;
    struct smtp_address_flaw flaw;
    bool is_mailbox = smtp_address_parse(text, &address, &flaw);

    insist(is_mailbox == (flaw.text == NULL) && flaw.at <= size);
    if (is_mailbox)
        check_parts(text, &address);
    insist(smtp_domain_parse(text, &flaw) == (flaw.text == NULL) && flaw.at <= size);
    return 0;
}
