/* gateway/sandbox_files.c - landlock: nothing is executed, and nothing is written but where it was allowed. */
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/sandbox_parts.h"

/* The headers of older kernels lack what newer ones know; the numbers are for good. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (UINT64_C(1) << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (UINT64_C(1) << 15)
#endif
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

/* struct landlock_ruleset_attr as of ABI 6; older kernels take a longer one whose end is zero. */
struct ruleset_wanted {
    uint64_t files, ports, scopes;
};

enum {
    ABI_REFER = 2, /* before it no file can be moved to another folder at all: no Maildir */
    ABI_TRUNCATE = 3,
    ABI_IOCTL = 5,
    ABI_SCOPES = 6,
};

#define WITH_FILES                                                                                 \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                              \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER)

static const uint64_t allowed[] = {
    [SANDBOX_STATE] = WITH_FILES | LANDLOCK_ACCESS_FS_MAKE_SOCK,
    [SANDBOX_MAILBOX] = WITH_FILES,
    [SANDBOX_DEVICE] = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE,
};

/* All but reading, as far as this kernel knows it. */
static uint64_t handled(unsigned abi)
{
    uint64_t access = WITH_FILES | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_EXECUTE |
                      LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                      LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |
                      LANDLOCK_ACCESS_FS_IOCTL_DEV;

    if (abi < ABI_TRUNCATE)
        access &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi < ABI_IOCTL)
        access &= ~(uint64_t)LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return access;
}

bool sandbox_ruleset_open(struct sandbox_ruleset *ruleset, struct error *err)
{
    struct ruleset_wanted wanted = { 0 };
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    *ruleset = (struct sandbox_ruleset){ -1, 0 };
    if (abi < 0)
        return error_set(err, ERROR_SYSTEM, "this kernel has no landlock: %s", strerror(errno));
    if (abi < ABI_REFER)
        return error_set(
            err, ERROR_SYSTEM,
            "landlock of this kernel (ABI %ld) lets no file be moved to another folder", abi);
    wanted.files = handled((unsigned)abi);
    wanted.scopes = abi >= ABI_SCOPES ? SCOPE_SIGNAL : 0;
    ruleset->descriptor =
        (int)syscall(SYS_landlock_create_ruleset, &wanted, sizeof wanted, UINT32_C(0));
    if (ruleset->descriptor < 0)
        return error_set(err, ERROR_SYSTEM, "landlock takes no rules: %s", strerror(errno));
    ruleset->abi = (unsigned)abi;
    return true;
}

bool sandbox_ruleset_allow(const struct sandbox_ruleset *ruleset, int place, enum sandbox_kind kind,
                           struct error *err)
{
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = allowed[kind] & handled(ruleset->abi),
        .parent_fd = place,
    };

    if (syscall(SYS_landlock_add_rule, ruleset->descriptor, LANDLOCK_RULE_PATH_BENEATH, &rule,
                UINT32_C(0)) == 0)
        return true;
    return error_set(err, ERROR_SYSTEM, "landlock does not take a folder: %s", strerror(errno));
}

bool sandbox_ruleset_enforce(const struct sandbox_ruleset *ruleset, struct error *err)
{
    if (syscall(SYS_landlock_restrict_self, ruleset->descriptor, UINT32_C(0)) == 0)
        return true;
    return error_set(err, ERROR_SYSTEM, "landlock does not come into force: %s", strerror(errno));
}

void sandbox_ruleset_close(struct sandbox_ruleset *ruleset)
{
    if (ruleset->descriptor >= 0)
        close(ruleset->descriptor);
    ruleset->descriptor = -1;
}
