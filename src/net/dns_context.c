#include "net/dns_context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unbound.h>

#include "base/buffer.h"
#include "base/text.h"
#include "net/dns_anchor.h"

enum { ANCHOR_FILE_MOST = 1024 * 1024, LINE_BYTES = 512, DNS_PORT = 53 };

static const struct {
    const char *name, *value;
} options[] = {
    { "module-config:", "validator iterator" },
    { "do-not-query-localhost:", "no" },
    { "qname-minimisation:", "no" }, /* everything is forwarded */
    { "infra-host-ttl:", "5" },      /* a resolver that was down is tried again soon */
    { "msg-cache-size:", "8m" },
    { "rrset-cache-size:", "16m" },
};

static bool set_options(struct ub_ctx *context, struct error *err)
{
    ub_ctx_debugout(context, NULL);
    ub_ctx_debuglevel(context, 0);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        int status = ub_ctx_set_option(context, options[i].name, options[i].value);

        if (status != 0)
            return error_set(err, ERROR_SYSTEM, "libunbound refuses \"%s %s\": %s", options[i].name,
                             options[i].value, ub_strerror(status));
    }
    return true;
}

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353" */
static bool parse_resolver(const char *text, struct net_address *address)
{
    struct span host = span_of(text), port;
    uint64_t number;

    address->port = DNS_PORT;
    if (net_address_parse(host, address))
        return true;
    while (host.len > 0 && host.data[host.len - 1] != ':')
        host.len--;
    if (host.len == 0)
        return false;
    port = span_of(text + host.len);
    host.len--;
    if (!text_to_number(port, UINT16_MAX, &number) || number == 0 ||
        !net_address_parse(host, address))
        return false;
    address->port = (uint16_t)number;
    return true;
}

/* What a "nameserver" line names, whatever follows it; empty: it is another line. */
static const char *take_nameserver(char *line)
{
    static const char blanks[] = " \t\r\n";
    char *rest = NULL;
    const char *word = strtok_r(line, blanks, &rest);

    if (word == NULL || strcmp(word, "nameserver") != 0)
        return NULL;
    return strtok_r(NULL, blanks, &rest);
}

/* We can ask it ourselves where it is an address without a zone. */
static void note_nameserver(struct dns_context *context, const char *name)
{
    struct net_address address = { .port = DNS_PORT };
    bool is_known = net_address_parse(span_of(name), &address);

    context->has_others |= !is_known;
    if (is_known && context->resolver_count < DNS_PROBE_RESOLVERS_MOST)
        context->resolvers[context->resolver_count++] = address;
}

/* One line that cannot be used does not make the others worse. With no such line at all libunbound asks
 * the name servers of the world itself. */
static bool read_nameservers(struct dns_context *context, const char *path, FILE *file,
                             struct error *err)
{
    unsigned used = 0, wrong = 0;
    char line[LINE_BYTES];

    while (fgets(line, sizeof line, file) != NULL) {
        const char *name = take_nameserver(line);

        if (name == NULL)
            continue;
        if (ub_ctx_set_fwd(context->unbound, name) != 0) {
            wrong++;
            continue;
        }
        used++;
        note_nameserver(context, name);
    }
    if (ferror(file))
        return error_set(err, ERROR_SYSTEM, "reading %s: %s", path, strerror(errno));
    return used > 0 || wrong == 0 ||
           error_set(err, ERROR_FORMAT, "no nameserver line of %s has an address", path);
}

static bool set_nameservers(struct dns_context *context, const char *path, struct error *err)
{
    FILE *file = fopen(path, "re");
    bool is_read;

    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "reading %s: %s", path, strerror(errno));
    is_read = read_nameservers(context, path, file, err);
    fclose(file);
    return is_read;
}

static bool set_resolver(struct dns_context *context, const struct dns_settings *settings,
                         struct error *err)
{
    struct net_address *address = &context->resolvers[0];
    char text[NET_ADDRESS_TEXT], forward[NET_ADDRESS_TEXT + 8];
    int status;

    if (settings->resolver == NULL)
        return set_nameservers(context, dns_settings_resolv_conf(settings), err);
    if (!parse_resolver(settings->resolver, address))
        return error_set(err, ERROR_USAGE,
                         "\"%.80s\" is no resolver; give an address, or address:port",
                         settings->resolver);
    context->resolver_count = 1;
    snprintf(forward, sizeof forward, "%s@%u", net_address_text(address, text), address->port);
    status = ub_ctx_set_fwd(context->unbound, forward);
    return status == 0 ||
           error_set(err, ERROR_USAGE, "forwarding to %s: %s", forward, ub_strerror(status));
}

static bool add_anchor(void *owner, const char *record)
{
    return ub_ctx_add_ta(owner, record) == 0;
}

static bool set_anchors(struct ub_ctx *context, const struct dns_settings *settings,
                        struct error *err)
{
    struct buffer text;
    bool is_missing = false, is_fine;
    const char *path = dns_settings_anchor(settings);

    buffer_init(&text, ANCHOR_FILE_MOST);
    is_fine = dns_anchor_read(path, &text, &is_missing, err);
    if (is_fine && !dns_anchor_parse(buffer_span(&text), add_anchor, context, err))
        is_fine = error_wrap(err, "trust anchors in %s", path);
    buffer_clear(&text);
    return is_fine || (is_missing && settings->trust_anchor == NULL);
}

/* The first call that needs the finished context tells whether the settings were any good. Zones
 * that libunbound answers by itself are given back to the resolver. */
static bool freeze(struct ub_ctx *context, struct error *err)
{
    static const char *const built_in[] = { "test.", "invalid.", "localhost." };
    int status = ub_ctx_async(context, 1);

    for (size_t i = 0; status == 0 && i < ARRAY_SIZE(built_in); i++)
        status = ub_ctx_zone_remove(context, built_in[i]);
    return status == 0 ||
           error_set(err, ERROR_SYSTEM, "starting libunbound: %s", ub_strerror(status));
}

const char *dns_settings_resolv_conf(const struct dns_settings *settings)
{
    return settings->resolv_conf != NULL ? settings->resolv_conf : "/etc/resolv.conf";
}

const char *dns_settings_anchor(const struct dns_settings *settings)
{
    return settings->trust_anchor != NULL ? settings->trust_anchor : "/usr/share/dns/root.key";
}

bool dns_context_open(const struct dns_settings *settings, struct dns_context *context,
                      struct error *err)
{
    *context = (struct dns_context){ .unbound = ub_ctx_create() };
    if (context->unbound == NULL)
        return error_set(err, ERROR_SYSTEM, "libunbound cannot be started");
    if (set_options(context->unbound, err) && set_resolver(context, settings, err) &&
        set_anchors(context->unbound, settings, err) && freeze(context->unbound, err))
        return true;
    dns_context_close(context);
    return false;
}

void dns_context_close(struct dns_context *context)
{
    if (context->unbound != NULL)
        ub_ctx_delete(context->unbound);
    context->unbound = NULL;
}
