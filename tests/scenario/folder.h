/* tests/scenario/folder.h - runs a test over every scenario of a folder and prints TAP. */
#pragma once

#include <stdbool.h>

/* The whole of a main: argv[1] is the folder. `test_file` prints why a file is not as promised. */
int folder_test(int argc, char **argv, bool (*test_file)(const char *path));
