/* gateway/sandbox_user.c - from root to an ordinary user who may still bind any port. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/sandbox.h"
#include "gateway/sandbox_parts.h"

enum { NAME_BYTES = 64 };

static bool refused(struct error *err, const char *what)
{
    return error_set(err, ERROR_SYSTEM, "%s: %s", what, strerror(errno));
}

/* ---- users -------------------------------------------------------------------------------- */

/* Borrowed until the next look-up. */
static const struct passwd *find(const char *user, struct error *err)
{
    const struct passwd *found;

    errno = 0;
    found = getpwnam(user);
    if (found == NULL)
        error_set(err, ERROR_USAGE, "there is no user \"%s\" here%s%s", user,
                  errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
    else if (found->pw_uid == 0)
        error_set(err, ERROR_USAGE, "the user \"%s\" is root, who gives nothing up: make one",
                  user);
    return found == NULL || found->pw_uid == 0 ? NULL : found;
}

bool sandbox_user_find(const char *user, struct error *err)
{
    return find(user, err) != NULL;
}

const char *sandbox_user_name(void)
{
    static char number[NAME_BYTES];
    const struct passwd *found = getpwuid(geteuid());

    if (found != NULL)
        return found->pw_name;
    snprintf(number, sizeof number, "%lu", (unsigned long)geteuid());
    return number;
}

/* ---- folders ------------------------------------------------------------------------------ */

bool sandbox_make_folder(const char *path, uid_t uid, gid_t gid, struct error *err)
{
    int folder;
    bool is_made;

    if (mkdir(path, 0711) != 0)
        return errno == EEXIST ||
               error_set(err, ERROR_SYSTEM, "making the folder %s: %s", path, strerror(errno));
    folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    is_made = folder >= 0 && fchmod(folder, 0711) == 0 && /* whatever the umask */
              (uid == (uid_t)-1 || fchown(folder, uid, gid) == 0);
    if (!is_made)
        error_set(err, ERROR_SYSTEM, "giving the folder %s to its user: %s", path, strerror(errno));
    if (folder >= 0)
        close(folder);
    return is_made;
}

static bool is_foreign(int folder, const char *name)
{
    struct stat status;

    return strcmp(name, "..") != 0 && strcmp(name, "lost+found") != 0 &&
           fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_uid != geteuid();
}

void sandbox_name_foreign(const char *state_dir, struct error *err)
{
    DIR *folder = geteuid() == 0 ? NULL : opendir(state_dir);
    const struct dirent *entry = NULL;
    char before[sizeof err->text];

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (is_foreign(dirfd(folder), entry->d_name))
            break;
    if (entry != NULL) {
        memcpy(before, err->text, sizeof before);
        error_set(err, err->kind, "%.250s. %.80s/%.40s is not of our user: chown -R %s: %.80s",
                  before, state_dir, strcmp(entry->d_name, ".") == 0 ? "" : entry->d_name,
                  sandbox_user_name(), state_dir);
    }
    if (folder != NULL)
        closedir(folder);
}

/* ---- rights ------------------------------------------------------------------------------- */

struct rights {
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
};

static bool get_rights(struct rights *rights)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

    return syscall(SYS_capget, &header, rights->sets) == 0;
}

static bool set_rights(const struct rights *rights)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

    return syscall(SYS_capset, &header, rights->sets) == 0;
}

/* To bind ports below 1024, where we have that right; and none beside it. */
static bool keep_one_right(struct error *err)
{
    const uint32_t kept = UINT32_C(1) << CAP_NET_BIND_SERVICE;
    struct rights have, wanted = { 0 };

    if (!get_rights(&have))
        return refused(err, "asking for our rights");
    wanted.sets[0].permitted = wanted.sets[0].effective = have.sets[0].permitted & kept;
    wanted.sets[0].inheritable = have.sets[0].inheritable & kept; /* ambient rights come of it */
    if (memcmp(&have, &wanted, sizeof have) != 0 && !set_rights(&wanted))
        return refused(err, "giving up the rights of root");
    return true;
}

static bool cannot_go_back(struct error *err)
{
    if (setresuid(0, 0, 0) == 0 || setuid(0) == 0 || seteuid(0) == 0)
        return error_set(err, ERROR_SYSTEM,
                         "the rights of root were given up and can be taken back");
    return true;
}

static bool leave_root(const char *name, uid_t uid, gid_t gid, struct error *err)
{
    if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) != 0)
        return refused(err, "keeping the right to bind ports");
    if (initgroups(name, gid) != 0)
        return refused(err, "taking the groups of the user");
    if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return refused(err, "becoming the user");
    if (prctl(PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L) != 0)
        return refused(err, "keeping the right to bind ports no longer");
    return keep_one_right(err) && cannot_go_back(err);
}

bool sandbox_become(const char *user, const char *state_dir, struct error *err)
{
    const struct passwd *found = find(user, err);
    char name[NAME_BYTES];
    uid_t uid;
    gid_t gid;

    if (found == NULL)
        return false;
    uid = found->pw_uid;
    gid = found->pw_gid;
    if (strlen(found->pw_name) >= sizeof name)
        return error_set(err, ERROR_USAGE, "the name of the user is too long");
    memcpy(name, found->pw_name,
           strlen(found->pw_name) + 1); /* the entry goes with the next look-up */
    if (geteuid() == 0)
        return (state_dir == NULL || sandbox_make_folder(state_dir, uid, gid, err)) &&
               leave_root(name, uid, gid, err);
    if (uid != geteuid())
        return error_set(err, ERROR_USAGE,
                         "user = \"%s\", and we are %s: only root can become another user. Start "
                         "it as root or as %s, or leave user out",
                         user, sandbox_user_name(), user);
    return keep_one_right(err);
}
