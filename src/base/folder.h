/* base/folder.h - a folder whose names are to be read. */
#pragma once

#include <dirent.h>

#include "base/compiler.h"

/* Where the path is not absolute it begins at `place`, an open folder; AT_FDCWD is the working one. closedir ends it.
 * NULL: errno tells. */
MUST_CHECK DIR *folder_open(int place, const char *path);
