/* cli/cmd_explain.c - prints the page of a finding, or the list of them. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "diagnose/catalogue.h"
#include "diagnose/pages.h"

static void print_list(void)
{
    for (size_t i = 0; i < catalogue_count(); i++) {
        const struct catalogue_row *row = catalogue_row(i);

        printf("%-34s %s\n", row->code, row->title);
    }
}

/* The code that shares the longest beginning with what was typed, for "did you mean". */
static const char *find_closest(const char *typed)
{
    const char *closest = NULL;
    size_t best = 3; /* fewer letters in common tell nothing */

    for (size_t i = 0; i < catalogue_count(); i++) {
        const char *code = catalogue_row(i)->code;
        size_t common = 0;

        while (code[common] != '\0' && code[common] == typed[common])
            common++;
        if (common > best) {
            best = common;
            closest = code;
        }
    }
    return closest;
}

int cmd_explain(int argc, char **argv)
{
    const char *page, *closest;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts("usage: postern explain CODE     what a finding means, at length\n"
             "       postern explain --list   every code there is");
        return EXIT_HEALTHY;
    }
    if (argc != 2)
        return usage_error("explain", "give one CODE, such as certificate-expired, or --list");
    if (strcmp(argv[1], "--list") == 0) {
        print_list();
        return EXIT_HEALTHY;
    }
    page = pages_find(argv[1]);
    if (page != NULL) {
        fputs(page, stdout);
        return EXIT_HEALTHY;
    }
    closest = find_closest(argv[1]);
    if (closest != NULL)
        return usage_error("explain", "there is no finding \"%s\"; did you mean %s?", argv[1],
                           closest);
    return usage_error("explain", "there is no finding \"%s\"; --list names them all", argv[1]);
}
