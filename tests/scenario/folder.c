/* tests/scenario/folder.c - the loop over a folder of scenarios, and its TAP. */
#include "folder.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int folder_test(int argc, char **argv, bool (*test_file)(const char *path))
{
    char pattern[4096];
    glob_t found;
    bool all_good = true;

    if (argc != 2)
        return 2;
    snprintf(pattern, sizeof pattern, "%s/*.smtp", argv[1]);
    if (glob(pattern, 0, NULL, &found) != 0) {
        printf("Bail out! no scenario in %s\n", argv[1]);
        return EXIT_FAILURE;
    }
    printf("1..%zu\n", found.gl_pathc);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        bool is_good = test_file(found.gl_pathv[i]);

        all_good &= is_good;
        printf("%s %zu - %s\n", is_good ? "ok" : "not ok", i + 1,
               strrchr(found.gl_pathv[i], '/') + 1);
    }
    globfree(&found);
    return all_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
