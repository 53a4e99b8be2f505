/* fuzz/maildir_path.c - whatever an address says, its mailbox is two names below the fixed folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/maildir_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static void check_name(struct span name)
{
    insist(name.len > 0 && name.len <= 255 && name.data[0] != '.');
    for (size_t i = 0; i < name.len; i++)
        insist((unsigned char)name.data[i] >= ' ' && name.data[i] != '\x7f');
}

static void check_pattern(struct span text)
{
    static char pattern[4096];
    struct gateway_maildir_path path;
    const char *flaw;

    if (text.len >= sizeof pattern)
        return;
    memcpy(pattern, text.data, text.len);
    pattern[text.len] = '\0';
    if (gateway_maildir_path_flaw(pattern) != NULL)
        return;
    if (!gateway_maildir_path_format(pattern, span_of("u@example.org"), &path, &flaw))
        return;
    insist(path.text[0] == '/' && path.fixed_len > 0 && path.fixed_len < strlen(path.text));
    insist(strncmp(path.text, pattern, path.fixed_len) == 0);
    insist(strstr(path.text, "/../") == NULL && path.text[strlen(path.text) - 1] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = { (const char *)data, size };
    struct gateway_maildir_path path;
    const char *flaw;
    struct span rest;

    if (gateway_maildir_path_format("/m/{domain}/{user}", text, &path, &flaw)) {
        rest = span_of(path.text);
        insist(path.fixed_len == 2 && span_starts_with(rest, "/m/"));
        span_take_front(&rest, 3);
        check_name(span_take_until(&rest, '/'));
        check_name(span_take_until(&rest, '/'));
        insist(rest.len == 0 && path.text[strlen(path.text) - 1] != '/');
    } else {
        insist(flaw != NULL);
    }
    if (size > 0)
        check_pattern(text);
    return 0;
}
