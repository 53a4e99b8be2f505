/* tests/unit/queue/file_limit.h - files of this program that may not grow, as under `ulimit -f`: EFBIG. */
#pragma once

#include <signal.h>
#include <sys/resource.h>

/* 0: as much as there is room. */
static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}
