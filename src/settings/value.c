#include "settings/value.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "gateway/maildir_path.h"
#include "gateway/sandbox.h"
#include "net/address.h"
#include "settings/network.h"
#include "settings/settings.h"
#include "smtp/address.h"
#include "trust/names.h"

enum { SMTP_PORT = 25, LMTP_PORT = 24, SHA256_BYTES = 32, TEXT_MOST = 200, PATH_MOST = 4096 };

typedef bool parser(const struct settings_option *option, struct span text, void *place,
                    const struct settings_value_context *context, struct error *err);

/* --- numbers with units --- */

struct unit {
    char letter;
    uint64_t size;
};

static const struct unit duration_units[] = {
    { 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }, { 0 },
};
static const struct unit size_units[] = {
    { 'G', 1 << 30 }, { 'M', 1 << 20 }, { 'K', 1 << 10 }, { '\0', 1 }, { 0 },
};
static const struct unit number_units[] = { { '\0', 1 }, { 0 } };

static const struct unit *units_of(const struct settings_option *option)
{
    if (option->type == SETTINGS_DURATION)
        return duration_units;
    return option->type == SETTINGS_SIZE ? size_units : number_units;
}

const char *settings_value_text(const struct settings_option *option, uint64_t value,
                                struct arena *arena)
{
    const struct unit *unit = units_of(option);

    while (unit[1].size != 0 && (value == 0 || value % unit->size != 0))
        unit++;
    return arena_format(arena, "%llu%.1s", (unsigned long long)(value / unit->size), &unit->letter);
}

/* Takes the unit off the end; 0 where there is none such. */
static uint64_t take_unit(const struct unit *unit, struct span *text)
{
    char last = text->len == 0 ? '\0' : text->data[text->len - 1];

    if (span_equal(*text, span_of("0")))
        return 1;
    for (; unit->size != 0; unit++)
        if (unit->letter == '\0') {
            return 1;
        } else if (unit->letter == last) {
            text->len--;
            return unit->size;
        }
    return 0;
}

static bool parse_quantity(const struct settings_option *option, struct span text, uint64_t *value,
                           const struct settings_value_context *context, struct error *err)
{
    static const char *const wanted[] = {
        [SETTINGS_DURATION] = "a time such as 30s, 5m, 4h or 5d",
        [SETTINGS_SIZE] = "a size such as 64K, 50M or 1G",
        [SETTINGS_NUMBER] = "a whole number",
    };
    uint64_t size = take_unit(units_of(option), &text);

    if (size == 0 || !text_to_number(text, UINT32_MAX, value))
        return error_set(err, ERROR_FORMAT, "is not %s", wanted[option->type]);
    *value *= size;
    if (*value < option->least || *value > option->most)
        return error_set(err, ERROR_FORMAT, "is not between %s and %s",
                         settings_value_text(option, option->least, context->arena),
                         settings_value_text(option, option->most, context->arena));
    return true;
}

static bool parse_duration(const struct settings_option *option, struct span text, void *place,
                           const struct settings_value_context *context, struct error *err)
{
    uint64_t seconds = 0;

    if (!parse_quantity(option, text, &seconds, context, err))
        return false;
    *(int64_t *)place = (int64_t)seconds;
    return true;
}

static bool parse_number(const struct settings_option *option, struct span text, void *place,
                         const struct settings_value_context *context, struct error *err)
{
    return parse_quantity(option, text, place, context, err);
}

/* --- words --- */

static const char *list_words(const char *const *words, struct arena *arena)
{
    const char *list = words[0];

    for (size_t i = 1; words[i] != NULL; i++)
        list = arena_format(arena, "%s%s%s", list, words[i + 1] == NULL ? " or " : ", ", words[i]);
    return list;
}

static bool parse_one_of(const char *const *words, struct span text, void *place,
                         const struct settings_value_context *context, struct error *err)
{
    const char *near = settings_nearest(text, words);

    for (unsigned i = 0; words[i] != NULL; i++)
        if (span_equal(text, span_of(words[i]))) {
            *(unsigned *)place = i; /* the enums hold nothing below 0 */
            return true;
        }
    if (near != NULL)
        return error_set(err, ERROR_FORMAT, "is not known; did you mean %s?", near);
    return error_set(err, ERROR_FORMAT, "is not one of %s", list_words(words, context->arena));
}

static bool parse_word(const struct settings_option *option, struct span text, void *place,
                       const struct settings_value_context *context, struct error *err)
{
    return parse_one_of(option->words, text, place, context, err);
}

static bool parse_level(const struct settings_option *option, struct span text, void *place,
                        const struct settings_value_context *context, struct error *err)
{
    const char *words[POLICY_LEVEL_COUNT + 1] = { NULL };

    (void)option;
    for (int i = 0; i < POLICY_LEVEL_COUNT; i++)
        words[i] = policy_level_name((enum policy_level)i);
    return parse_one_of(words, text, place, context, err);
}

static bool parse_version(const struct settings_option *option, struct span text, void *place,
                          const struct settings_value_context *context, struct error *err)
{
    static const char *const words[] = { "1.0", "1.1", "1.2", "1.3", NULL };
    unsigned index;

    (void)option;
    if (!parse_one_of(words, text, &index, context, err))
        return error_set(err, ERROR_FORMAT, "is not one of %s", list_words(words, context->arena));
    *(uint16_t *)place = (uint16_t)(TLS_VERSION_1_0 + index);
    return true;
}

static bool parse_fingerprint(const struct settings_option *option, struct span text, void *place,
                              const struct settings_value_context *context, struct error *err)
{
    char digits[2 * SHA256_BYTES + 1];
    struct span bytes;
    size_t len = 0;

    (void)option;
    for (; text.len > 0 && len < sizeof digits; span_take(&text))
        if (text.data[0] != ':')
            digits[len++] = text.data[0];
    if (len != 2 * SHA256_BYTES ||
        !text_from_hex(context->arena, (struct span){ digits, len }, &bytes) ||
        bytes.len != SHA256_BYTES)
        return error_set(err, ERROR_FORMAT, "is not the 64 hex digits of a SHA-256");
    *(const char **)place = text_hex(context->arena, bytes);
    return true;
}

/* --- names and addresses --- */

static bool has_hyphen_at_an_end(const char *name)
{
    for (const char *hyphen = strchr(name, '-'); hyphen != NULL; hyphen = strchr(hyphen + 1, '-'))
        if (hyphen == name || hyphen[-1] == '.' || hyphen[1] == '.' || hyphen[1] == '\0')
            return true;
    return false;
}

const char *settings_value_name(struct span text, struct arena *arena, const char **why)
{
    const char *name = text.len == 0 || text.len > 1024 ? NULL : names_normalize(arena, text);

    *why = "";
    if (name == NULL || !has_hyphen_at_an_end(name))
        return name;
    *why = "; no label begins or ends with \"-\"";
    return NULL;
}

static bool parse_host(const struct settings_option *option, struct span text, void *place,
                       const struct settings_value_context *context, struct error *err)
{
    const char *why, *name = settings_value_name(text, context->arena, &why);

    (void)option;
    if (name == NULL || name[0] == '.')
        return error_set(err, ERROR_FORMAT, "is not a domain name%s", why);
    *(const char **)place = name;
    return true;
}

bool settings_value_pattern(struct span text, const struct settings_value_context *context,
                            const char **pattern, struct error *err)
{
    const char *why;

    *pattern = settings_value_name(text, context->arena, &why);
    if (span_find(text, '*') < text.len)
        return error_set(err, ERROR_FORMAT,
                         "has a *; every name below a domain is written \".example.org\"");
    return *pattern != NULL ||
           error_set(err, ERROR_FORMAT,
                     "is neither a domain nor, with a leading dot, all names below one%s", why);
}

static bool parse_pattern(const struct settings_option *option, struct span text, void *place,
                          const struct settings_value_context *context, struct error *err)
{
    (void)option;
    return settings_value_pattern(text, context, place, err);
}

/* Splits "HOST:PORT", "[ADDR]:PORT" and either without the port; false: the port is no port. */
static bool split_port(struct span text, struct span *host, uint16_t *port)
{
    bool is_bracketed = span_starts_with(text, "[");
    size_t end = is_bracketed ? span_find(text, ']') + 1 : span_find(text, ':');
    struct span rest;
    uint64_t number;

    *host = span_part(text, 0, end);
    rest = span_part(text, end, text.len);
    if (rest.len == 0)
        return !is_bracketed || end <= text.len;
    span_take(&rest); /* the colon, or it is no number */
    if (text.data[end] != ':' || !text_to_number(rest, UINT16_MAX, &number))
        return false;
    *port = (uint16_t)number;
    return true;
}

bool settings_value_address(struct span text, struct net_address *address, struct error *err)
{
    struct span host;
    uint32_t colons = 0;

    *address = (struct net_address){ 0 };
    for (size_t i = 0; i < text.len; i++)
        colons += text.data[i] == ':';
    if (colons == 0 || (colons > 1 && !span_starts_with(text, "[")) ||
        span_starts_with((struct span){ text.data + text.len - 1, 1 }, "]"))
        return error_set(err, ERROR_FORMAT,
                         "needs an address and a port: 192.0.2.1:25 or [2001:db8::1]:25");
    if (!split_port(text, &host, &address->port) || !net_address_parse(host, address))
        return error_set(err, ERROR_FORMAT,
                         "is not an address with its port, such as 192.0.2.1:25 or [::]:25");
    return true;
}

static bool parse_listen(const struct settings_option *option, struct span text, void *place,
                         const struct settings_value_context *context, struct error *err)
{
    struct net_address *address = arena_new(context->arena, 1, sizeof *address);

    (void)option;
    *(struct net_address **)place = address;
    return address != NULL && settings_value_address(text, address, err);
}

static bool parse_resolver(const struct settings_option *option, struct span text, void *place,
                           const struct settings_value_context *context, struct error *err)
{
    struct net_address address = { 0 };

    (void)option;
    *(const char **)place = arena_copy(context->arena, text);
    if (net_address_parse(text, &address))
        return true;
    if (!settings_value_address(text, &address, NULL) || address.port == 0)
        return error_set(err, ERROR_FORMAT,
                         "is not the address of a resolver, such as 127.0.0.1 or 127.0.0.1:53");
    return true;
}

static bool parse_network(const struct settings_option *option, struct span text, void *place,
                          const struct settings_value_context *context, struct error *err)
{
    (void)option;
    (void)context;
    return settings_network_parse(text, place, err);
}

static bool read_hop(struct span text, struct settings_hop *hop, uint16_t port,
                     const struct settings_value_context *context, struct error *err)
{
    struct span host;
    const char *why;

    *hop = (struct settings_hop){ .address.port = port };
    if (!split_port(text, &host, &hop->address.port) || hop->address.port == 0)
        return error_set(err, ERROR_FORMAT, "is not a host or [address], with a port or without");
    if (span_starts_with(host, "["))
        return net_address_parse(host, &hop->address) ||
               error_set(err, ERROR_FORMAT, "has no address between its brackets");
    if (net_address_parse(host, &hop->address))
        return error_set(err, ERROR_FORMAT, "is an address: write it in brackets");
    hop->host = settings_value_name(host, context->arena, &why);
    if (hop->host == NULL || hop->host[0] == '.')
        return error_set(err, ERROR_FORMAT, "is not a host or [address], with a port or without%s",
                         why);
    return true;
}

/* RFC 8461 section 3.2, sts-policy-mx: a host, or "*." and the domain that it is right below. */
static bool parse_mx_pattern(const struct settings_option *option, struct span text, void *place,
                             const struct settings_value_context *context, struct error *err)
{
    bool is_wildcard = span_starts_with(text, "*.");
    const char *why, *name = settings_value_name(span_part(text, is_wildcard ? 2 : 0, text.len),
                                                 context->arena, &why);

    (void)option;
    if (name == NULL || name[0] == '.')
        return error_set(err, ERROR_FORMAT, "is neither a host nor \"*.\" and a domain%s", why);
    *(const char **)place = is_wildcard ? arena_format(context->arena, "*.%s", name) : name;
    return true;
}

/* RFC 8460 section 3: what would end the URI within the record has to be encoded (RFC 3986). */
static bool is_sound_in_record(struct span uri)
{
    for (size_t i = 0; i < uri.len; i++)
        if (uri.data[i] <= ' ' || uri.data[i] > '~' || strchr(",;!\"\\<>", uri.data[i]) != NULL)
            return false;
    return true;
}

static bool parse_report_uri(const struct settings_option *option, struct span text, void *place,
                             const struct settings_value_context *context, struct error *err)
{
    struct span rest = text;

    (void)option;
    *(const char **)place = arena_copy(context->arena, text);
    if (!is_sound_in_record(text))
        return error_set(err, ERROR_FORMAT, "has a character that has to be written as %%XX in it");
    if (span_starts_with_nocase(text, "mailto:")) {
        size_t at = span_find(rest, '@');

        return (at > strlen("mailto:") && at + 1 < text.len) ||
               error_set(err, ERROR_FORMAT, "has no mailbox behind mailto:");
    }
    if (!span_starts_with_nocase(text, "https://"))
        return error_set(err, ERROR_FORMAT, "is neither mailto:MAILBOX nor https://HOST/...");
    span_take_front(&rest, strlen("https://"));
    return span_find(rest, '/') > 0 || error_set(err, ERROR_FORMAT, "has no host");
}

static bool parse_mailbox(const struct settings_option *option, struct span text, void *place,
                          const struct settings_value_context *context, struct error *err)
{
    struct smtp_address address;
    struct smtp_address_flaw flaw;

    (void)option;
    *(const char **)place = arena_copy(context->arena, text);
    if (!smtp_address_parse(text, &address, &flaw))
        return error_set(err, ERROR_FORMAT, "is no mail address: %s", flaw.text);
    if (address.is_utf8 || address.is_literal)
        return error_set(err, ERROR_FORMAT, "is not a mail address in ASCII at a domain");
    return true;
}

static bool parse_text(const struct settings_option *option, struct span text, void *place,
                       const struct settings_value_context *context, struct error *err)
{
    (void)option;
    *(const char **)place = arena_copy(context->arena, text);
    if (text.len == 0 || text.len > TEXT_MOST)
        return error_set(err, ERROR_FORMAT, "is not a text of 1 to %d octets", TEXT_MOST);
    if (strcmp(text_printable(context->arena, text, true), *(const char **)place) != 0)
        return error_set(err, ERROR_FORMAT, "is not one line of printable UTF-8");
    return true;
}

static bool parse_hop(const struct settings_option *option, struct span text, void *place,
                      const struct settings_value_context *context, struct error *err)
{
    struct settings_hop *hop = arena_new(context->arena, 1, sizeof *hop);

    (void)option;
    *(struct settings_hop **)place = hop;
    return hop != NULL && read_hop(text, hop, SMTP_PORT, context, err);
}

/* --- files --- */

static bool parse_path(const struct settings_option *option, struct span text, void *place,
                       const struct settings_value_context *context, struct error *err)
{
    (void)option;
    *(const char **)place = arena_copy(context->arena, text);
    if (!span_starts_with(text, "/"))
        return error_set(err, ERROR_FORMAT, "is not a path that begins with /");
    if (text.len >= PATH_MOST)
        return error_set(err, ERROR_FORMAT, "is longer than a path can be");
    return true;
}

static bool parse_socket(const struct settings_option *option, struct span text, void *place,
                         const struct settings_value_context *context, struct error *err)
{
    if (text.len > NET_LOCAL_PATH_MOST)
        return error_set(err, ERROR_FORMAT,
                         "has a path longer than the %d octets of a local socket",
                         (int)NET_LOCAL_PATH_MOST);
    return parse_path(option, text, place, context, err);
}

/* A folder of ours has a local socket in it. */
static bool parse_directory(const struct settings_option *option, struct span text, void *place,
                            const struct settings_value_context *context, struct error *err)
{
    const size_t most = NET_LOCAL_PATH_MOST - strlen("/control");

    if (!parse_path(option, text, place, context, err))
        return false;
    return text.len <= most ||
           error_set(err, ERROR_FORMAT,
                     "is longer than the %zu octets that leave room for our socket in it", most);
}

/* The first folder on the way to a file that we may not pass, or the file itself. */
static const char *find_closed(const char *path, char folder[PATH_MOST])
{
    for (size_t i = 1; path[i] != '\0' && i < PATH_MOST; i++) {
        folder[i - 1] = path[i - 1];
        folder[i] = '\0';
        if (path[i] == '/' && access(folder, X_OK) != 0)
            return folder;
    }
    return path;
}

/* Whoever is denied it is named: root, who tried it by hand, is not. */
static bool unreadable(const char *path, struct error *err)
{
    char folder[PATH_MOST];
    int number = errno;
    const char *closed;

    if (number != EACCES)
        return error_set(err, ERROR_SYSTEM, "cannot be read: %s", strerror(number));
    closed = find_closed(path, folder);
    return error_set(err, ERROR_SYSTEM,
                     "cannot be read by user %s: %s. Let a group of that user %s it: chgrp GROUP "
                     "%s; chmod g+%s %s",
                     sandbox_user_name(), strerror(number), closed == path ? "read" : "pass",
                     closed, closed == path ? "r" : "x", closed);
}

bool settings_value_look_at_file(const char *path, bool may_be_directory, struct error *err)
{
    struct stat facts;

    if (stat(path, &facts) != 0 || access(path, R_OK) != 0)
        return unreadable(path, err);
    if (!S_ISREG(facts.st_mode) && !(may_be_directory && S_ISDIR(facts.st_mode)))
        return error_set(err, ERROR_FORMAT, "is not a file");
    return true;
}

static bool parse_file(const struct settings_option *option, struct span text, void *place,
                       const struct settings_value_context *context, struct error *err)
{
    if (!parse_path(option, text, place, context, err))
        return false;
    return context->leaves_files_alone ||
           settings_value_look_at_file(*(const char **)place, option->type == SETTINGS_ROOTS, err);
}

/* By the check of the code that delivers, which takes no path with a flaw. */
static bool read_maildir(struct span text, const char **path,
                         const struct settings_value_context *context, struct error *err)
{
    const char *flaw;

    *path = arena_copy(context->arena, text);
    flaw = gateway_maildir_path_flaw(*path);
    return flaw == NULL || error_set(err, ERROR_FORMAT, "is no path of a Maildir: %s", flaw);
}

static bool parse_delivery(const struct settings_option *option, struct span text, void *place,
                           const struct settings_value_context *context, struct error *err)
{
    struct settings_delivery *delivery = place;
    struct span how = span_take_until(&text, ':');

    *delivery = (struct settings_delivery){ 0 };
    if (span_equal(how, span_of("maildir")))
        return read_maildir(text, &delivery->path, context, err);
    if (span_equal(how, span_of("smtp"))) {
        delivery->how = SETTINGS_SMTP;
        return read_hop(text, &delivery->hop, SMTP_PORT, context, err);
    }
    if (!span_equal(how, span_of("lmtp")))
        return error_set(err, ERROR_FORMAT,
                         "is not maildir:/path, lmtp:unix:/path, lmtp:HOST or smtp:HOST");
    delivery->how = SETTINGS_LMTP;
    if (!span_starts_with(text, "unix:"))
        return read_hop(text, &delivery->hop, LMTP_PORT, context, err);
    delivery->how = SETTINGS_LMTP_SOCKET;
    span_take_front(&text, strlen("unix:"));
    return parse_socket(option, text, &delivery->path, context, err);
}

/* --- the table --- */

static const struct type {
    size_t size; /* of what is stored for one value */
    parser *parse;
} types[] = {
    [SETTINGS_HOST] = { sizeof(const char *), parse_host },
    [SETTINGS_DIRECTORY] = { sizeof(const char *), parse_directory },
    [SETTINGS_SOCKET] = { sizeof(const char *), parse_socket },
    [SETTINGS_FILE] = { sizeof(const char *), parse_file },
    [SETTINGS_ROOTS] = { sizeof(const char *), parse_file },
    [SETTINGS_WORD] = { sizeof(unsigned), parse_word },
    [SETTINGS_LEVEL] = { sizeof(unsigned), parse_level },
    [SETTINGS_VERSION] = { sizeof(uint16_t), parse_version },
    [SETTINGS_DURATION] = { sizeof(int64_t), parse_duration },
    [SETTINGS_SIZE] = { sizeof(uint64_t), parse_number },
    [SETTINGS_NUMBER] = { sizeof(uint64_t), parse_number },
    [SETTINGS_LISTEN] = { sizeof(struct net_address *), parse_listen },
    [SETTINGS_RESOLVER] = { sizeof(const char *), parse_resolver },
    [SETTINGS_NETWORK] = { sizeof(struct gateway_relay_network), parse_network },
    [SETTINGS_PATTERN] = { sizeof(const char *), parse_pattern },
    [SETTINGS_HOP] = { sizeof(struct settings_hop *), parse_hop },
    [SETTINGS_DELIVERY] = { sizeof(struct settings_delivery), parse_delivery },
    [SETTINGS_FINGERPRINT] = { sizeof(const char *), parse_fingerprint },
    [SETTINGS_MX_PATTERN] = { sizeof(const char *), parse_mx_pattern },
    [SETTINGS_REPORT_URI] = { sizeof(const char *), parse_report_uri },
    [SETTINGS_MAILBOX] = { sizeof(const char *), parse_mailbox },
    [SETTINGS_TEXT] = { sizeof(const char *), parse_text },
};

_Static_assert(sizeof(enum settings_tls) == sizeof(unsigned), "words are stored as unsigned");

/* Where the values of a list go: waiting times have room in their struct, others in the arena. */
static char *list_of(const struct settings_option *option, size_t count, void *section,
                     struct arena *arena)
{
    void *place = (char *)section + option->offset;

    if (option->type == SETTINGS_DURATION)
        return place;
    *(void **)place = arena_new(arena, count + 1, types[option->type].size);
    return *(char **)place;
}

bool settings_value_store(const struct settings_option *option, const struct span *values,
                          size_t count, void *section, const struct settings_value_context *context,
                          size_t *wrong, struct error *err)
{
    const struct type *type = &types[option->type];
    void *counter = (char *)section + option->count_offset;
    char *list;

    *wrong = 0;
    if (option->list_most == 0) {
        assert(count == 1);
        return type->parse(option, values[0], (char *)section + option->offset, context, err);
    }
    if (count > option->list_most)
        return error_set(err, ERROR_FORMAT, "is one of more than %llu values",
                         (unsigned long long)option->list_most);
    list = list_of(option, count, section, context->arena);
    if (list == NULL)
        return error_set(err, ERROR_MEMORY, "no memory");
    for (; *wrong < count; (*wrong)++)
        if (!type->parse(option, values[*wrong], list + *wrong * type->size, context, err))
            return false;
    *(size_t *)counter = count;
    return true;
}

bool settings_value_try(const struct settings_option *option, struct span value,
                        const struct settings_value_context *context, struct error *err)
{
    const struct type *type = &types[option->type];
    void *place = arena_new(context->arena, 1, type->size);

    return place == NULL || type->parse(option, value, place, context, err);
}
