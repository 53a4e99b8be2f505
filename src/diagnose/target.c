#include "diagnose/target.h"

#include "base/text.h"
#include "trust/names.h"

/* Splits "HOST:PORT" or "[ADDRESS]:PORT"; *port_text stays empty where there is none. False: a
 * bracket without its partner, or something else than a port behind it. */
static bool split(struct span text, struct span *host, struct span *port_text)
{
    size_t colon;

    *port_text = (struct span){ NULL, 0 };
    if (text.len > 0 && text.data[0] == '[') {
        size_t end = span_find(text, ']');

        *host = span_part(text, 1, end - 1);
        if (end == text.len)
            return false;
        *port_text = span_part(text, end + 2, text.len);
        return end + 1 == text.len || (text.data[end + 1] == ':' && port_text->len > 0);
    }
    colon = span_find(text, ':');
    *host = span_part(text, 0, colon);
    if (colon == text.len)
        return true;
    *port_text = span_part(text, colon + 1, text.len);
    if (span_find(*port_text, ':') < port_text->len) { /* an IPv6 address without brackets */
        *host = text;
        *port_text = (struct span){ NULL, 0 };
    } else if (port_text->len == 0) {
        return false;
    }
    return true;
}

static bool read_port(struct span text, uint16_t *port)
{
    uint64_t number = 0;

    if (text.len == 0)
        return true;
    if (!text_to_number(text, UINT16_MAX, &number) || number == 0)
        return false;
    *port = (uint16_t)number;
    return true;
}

bool target_parse_address(const char *text, uint16_t port, struct net_address *address,
                          struct error *err)
{
    struct span host, port_text;

    *address = (struct net_address){ .port = port };
    if (!split(span_of(text), &host, &port_text) || !read_port(port_text, &port) ||
        !net_address_parse(host, address))
        return error_set(err, ERROR_USAGE,
                         "\"%s\" is no address; write 192.0.2.1, 192.0.2.1:25 or [2001:db8::1]:25",
                         text);
    address->port = port;
    return true;
}

bool target_parse(const char *text, uint16_t port, struct arena *arena, struct target *target,
                  struct error *err)
{
    struct span host, port_text;
    char address_text[NET_ADDRESS_TEXT];

    *target = (struct target){ .port = port };
    if (!split(span_of(text), &host, &port_text) || !read_port(port_text, &target->port))
        return error_set(err, ERROR_USAGE,
                         "\"%s\" is no target; write a domain, host:port or [address]:port", text);
    if (net_address_parse(host, &target->address)) {
        target->kind = TARGET_ADDRESS;
        target->address.port = target->port;
        target->name = arena_copy(arena, span_of(net_address_text(&target->address, address_text)));
        return true;
    }
    target->kind = port_text.len > 0 ? TARGET_HOST : TARGET_DOMAIN;
    target->name = host.len > 0 && host.data[0] != '.' ? names_normalize(arena, host) : NULL;
    if (target->name == NULL || text[0] == '[')
        return error_set(err, ERROR_USAGE, "\"%s\" is no domain name and no address", text);
    return true;
}
