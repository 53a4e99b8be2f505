/* net/dns_name.c - names and types of the DNS as text (pure). */
#include <stdio.h>

#include "base/text.h"
#include "net/dns.h"
#include "net/octets.h"

const char *dns_type_name(enum dns_type type)
{
    switch (type) {
    case DNS_TYPE_A: return "A";
    case DNS_TYPE_CNAME: return "CNAME";
    case DNS_TYPE_MX: return "MX";
    case DNS_TYPE_TXT: return "TXT";
    case DNS_TYPE_AAAA: return "AAAA";
    case DNS_TYPE_TLSA: return "TLSA";
    }
    return "";
}

/* One octet of a label; RFC 1035 section 5.1 for those that mean something or cannot be seen. */
static int put_octet(char *text, size_t size, uint8_t octet)
{
    octet = (uint8_t)text_lower((char)octet);
    if (octet == '.' || octet == '\\')
        return snprintf(text, size, "\\%c", octet);
    if (octet <= ' ' || octet >= 0x7f)
        return snprintf(text, size, "\\%03u", octet);
    return snprintf(text, size, "%c", octet);
}

bool dns_name_text(struct span wire, char *text, size_t size)
{
    struct octets octets = { wire, false };
    size_t used = 0, len;

    if (wire.len > 255)
        return false;
    while ((len = octets_take(&octets, 1)) > 0 && len < 64) {
        struct span label = octets_take_bytes(&octets, len);

        for (size_t i = 0; i <= label.len; i++) {
            bool is_end = i == label.len;
            int put = is_end ? snprintf(text + used, size - used, ".")
                             : put_octet(text + used, size - used, (uint8_t)label.data[i]);

            used += (size_t)put;
            if (used >= size)
                return false;
        }
    }
    if (len != 0 || octets.is_short || octets.left.len > 0)
        return false;
    if (used == 0)
        return snprintf(text, size, ".") < (int)size;
    text[used - 1] = '\0'; /* the last dot */
    return true;
}
