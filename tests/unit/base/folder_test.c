/* tests/unit/base/folder_test.c - promises of base/folder.h */
#include "../test.h"

#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[64], below[80], file[96];

static int make(void **state)
{
    int made;

    (void)state;
    snprintf(place, sizeof place, "/tmp/postern-folder-XXXXXX");
    assert_non_null(mkdtemp(place));
    snprintf(below, sizeof below, "%s/below", place);
    assert_int_equal(mkdir(below, 0700), 0);
    snprintf(file, sizeof file, "%s/file", below);
    made = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(made >= 0);
    close(made);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    unlink(file);
    rmdir(below);
    rmdir(place);
    return 0;
}

/* The folder below, which has one file, and no other. */
static void check_names(DIR *folder)
{
    const struct dirent *entry;
    int files = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        files += strcmp(entry->d_name, "file") == 0;
        assert_true(entry->d_name[0] == '.' || strcmp(entry->d_name, "file") == 0);
    }
    assert_int_equal(files, 1);
}

static void reads_the_names_of_a_folder_and_no_program_inherits_it(void **state)
{
    DIR *folder = folder_open(AT_FDCWD, below);

    (void)state;
    check_names(folder);
    assert_true((fcntl(dirfd(folder), F_GETFD) & FD_CLOEXEC) != 0);
    closedir(folder);
}

static void begins_at_an_open_folder_which_stays_as_it_was(void **state)
{
    int start = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder;

    (void)state;
    assert_true(start >= 0);
    for (int i = 0; i < 2; i++) { /* the names that were read are there again */
        folder = folder_open(start, "below");
        check_names(folder);
        closedir(folder);
    }
    close(start);
}

static void says_by_errno_why_there_is_none(void **state)
{
    (void)state;
    errno = 0;
    assert_null(folder_open(AT_FDCWD, file));
    assert_int_equal(errno, ENOTDIR);
    errno = 0;
    assert_null(folder_open(AT_FDCWD, "/nowhere/at/all"));
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_names_of_a_folder_and_no_program_inherits_it),
        cmocka_unit_test(begins_at_an_open_folder_which_stays_as_it_was),
        cmocka_unit_test(says_by_errno_why_there_is_none),
    };

    return cmocka_run_group_tests(tests, make, clear);
}
