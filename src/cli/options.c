#include "cli/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "net/address.h"
#include "trust/names.h"

enum { INDENT = 2, GAP = 2, WIDEST = 26 };

static size_t width_of(const struct option_row *row)
{
    return 2 + strlen(row->name) + (row->value == NULL ? 0 : 1 + strlen(row->value));
}

void options_print(const struct option_table *table)
{
    size_t widest = 0;

    for (size_t i = 0; i < table->count; i++)
        if (width_of(&table->rows[i]) > widest && width_of(&table->rows[i]) <= WIDEST)
            widest = width_of(&table->rows[i]);
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        size_t width = width_of(row), pad = widest + GAP;

        printf("%*s--%s%s%s", INDENT, "", row->name, row->value == NULL ? "" : " ",
               row->value == NULL ? "" : row->value);
        if (width > widest)
            printf("\n%*s", (int)(INDENT + pad), "");
        else
            printf("%*s", (int)(pad - width), "");
        printf("%s\n", row->help);
    }
}

void options_begin(void)
{
    opterr = 0;
    optind = 0; /* glibc: start afresh, also behind another set of options */
}

int options_next(const struct option_table *table, int argc, char **argv, const char **value,
                 int *rest)
{
    struct option known[OPTIONS_MOST + 1] = { 0 };
    char letters[2 * OPTIONS_MOST + 2] = ":";
    size_t letter_count = 1;
    int code;

    assert(table->count <= OPTIONS_MOST);
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];

        known[i] = (struct option){ row->name, row->value != NULL, NULL, row->code };
        if (row->code < 256)
            letters[letter_count++] = (char)row->code;
        if (row->code < 256 && row->value != NULL)
            letters[letter_count++] = ':';
    }
    code = getopt_long(argc, argv, letters, known, NULL);
    *value = optarg;
    *rest = optind;
    if (code == ':')
        usage_error(table->command, "%s needs a value", argv[optind - 1]);
    else if (code == '?')
        usage_error(table->command, "there is no option %s", argv[optind - 1]);
    else
        return code;
    return OPTIONS_REFUSED;
}

bool options_refuse(const struct option_table *table, const char *name, const char *value,
                    const char *wanted)
{
    usage_error(table->command, "--%s \"%s\" is not %s", name, value, wanted);
    return false;
}

bool options_read_port(const struct option_table *table, const char *name, const char *value,
                       uint16_t *port)
{
    uint64_t number;

    if (!text_to_number(span_of(value), UINT16_MAX, &number) || number == 0)
        return options_refuse(table, name, value, "a port, 1 to 65535");
    *port = (uint16_t)number;
    return true;
}

bool options_read_host(const struct option_table *table, const char *name, const char *value,
                       struct arena *arena, const char **host)
{
    struct net_address address;

    *host = value;
    if (net_address_parse(span_of(value), &address))
        return true;
    *host = value[0] == '.' ? NULL : names_normalize(arena, span_of(value));
    return *host != NULL || options_refuse(table, name, value, "the name of a host");
}

bool options_add_tlsa(const struct option_table *table, const char *value, struct arena *arena,
                      struct dane_record *records, size_t most, size_t *count)
{
    struct error err;

    if (*count == most) {
        usage_error(table->command, "more than %zu --tlsa records", most);
        return false;
    }
    if (!dane_parse(arena, span_of(value), &records[*count], &err)) {
        usage_error(table->command, "--tlsa \"%s\": %s", value, err.text);
        return false;
    }
    (*count)++;
    return true;
}
