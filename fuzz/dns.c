/* fuzz/dns.c - a name from the wire becomes text that is asked for again as the same name, and a file
 * of trust anchors is read within bounds, each record on a line of its own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns.h"
#include "net/dns_anchor.h"
#include "net/dns_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 12, TAIL = 4, NAME_TEXT = 1100 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static void ask_again(struct span wire)
{
    char text[NAME_TEXT];
    uint8_t question[300];
    size_t len;

    if (!dns_name_text(wire, text, sizeof text))
        return;
    for (const char *at = text; *at != '\0'; at++)
        insist(*at > ' ' && *at < 0x7f);
    len = dns_probe_format(text, 1, 0, question, sizeof question);
    insist(len == HEADER + wire.len + TAIL);
    for (size_t i = 0; i < wire.len; i++)
        insist(question[HEADER + i] == lower((uint8_t)wire.data[i]));
}

static bool look_at(void *owner, const char *record)
{
    (void)owner;
    insist(strchr(record, '\n') == NULL && strchr(record, ';') == NULL);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = { (const char *)data, size };
    char text[NAME_TEXT];
    struct error err;

    ask_again(bytes);
    if (size > 0 && size < sizeof text) {
        uint8_t question[300];

        memcpy(text, data, size);
        text[size - 1] = '\0';
        insist(dns_probe_format(text, 1, 0, question, sizeof question) <= sizeof question);
    }
    if (!dns_anchor_parse(bytes, look_at, NULL, &err))
        insist(strlen(err.text) > 0);
    return 0;
}
