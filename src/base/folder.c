#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* By a descriptor, which ThreadSanitizer sees: opendir it does not, and takes the number for that of a file closed
 * before. */
DIR *folder_open(int place, const char *path)
{
    int descriptor = openat(place, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), number;
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);

    if (folder == NULL && descriptor >= 0) {
        number = errno;
        close(descriptor);
        errno = number;
    }
    return folder;
}
