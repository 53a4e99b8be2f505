#include "gateway/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/memory.h"
#include "gateway/maildir_path.h"
#include "gateway/sandbox_parts.h"

enum { PATH_BYTES = GATEWAY_MAILDIR_PATH_BYTES, DEPTH_MOST = 256, ARENA_BYTES = 64 << 20 };

/* A folder whatever its name is. */
struct place {
    dev_t device;
    ino_t number;
};

struct sandbox {
    struct log *log;
    struct arena arena;
    const char *
        *folders; /* in front of the Maildirs at the start, whether they were there or not */
    size_t folder_count;
    struct place *places; /* sorted; below them Maildirs may be written */
    size_t place_count;
    bool guards_files; /* else all may be written */
};

static void close_place(int *place)
{
    if (*place >= 0)
        close(*place);
    *place = -1;
}

static int compare(const void *a, const void *b)
{
    const struct place *left = a, *right = b;

    if (left->device != right->device)
        return left->device < right->device ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

static bool identify(int folder, struct place *place)
{
    struct stat status;

    if (fstat(folder, &status) != 0)
        return false;
    *place = (struct place){ status.st_dev, status.st_ino };
    return true;
}

/* ---- the folders in front of Maildirs ----------------------------------------------------- */

/* NULL: the n-th domain has none, or that of the one before it. */
static const char *folder_of(const struct gateway_profile *profile, size_t number,
                             char path[PATH_BYTES])
{
    const struct gateway_profile_domain *domain = &profile->domains[number];
    struct span folder;

    if (domain->kind != GATEWAY_DELIVER_MAILDIR)
        return NULL;
    folder = gateway_maildir_path_fixed(domain->path);
    if (number > 0 && domain[-1].kind == GATEWAY_DELIVER_MAILDIR &&
        span_equal(folder, gateway_maildir_path_fixed(domain[-1].path)))
        return NULL;
    memcpy(path, folder.data, folder.len);
    path[folder.len] = '\0';
    return path;
}

/* The folder, or the nearest above it that is there; `path` becomes its name. -1: there is none. */
static int open_nearest(char *path)
{
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    while (folder < 0 && strcmp(path, "/") != 0) {
        char *slash = strrchr(path, '/');

        slash[slash == path] = '\0';
        folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return folder;
}

/* ---- entering ----------------------------------------------------------------------------- */

static void log_missing(struct log *log, const char *folder, const char *instead)
{
    log_event(log, LOG_WARN, "sandbox-folder-missing", "folder=%s writable=%s remedy=%s", folder,
              strcmp(instead, "/") == 0 ? "" : instead,
              "Make the folder that Maildirs are in, or mount it, and start again");
}

static bool allow_folder(const struct sandbox_settings *settings, struct sandbox *sandbox,
                         const struct sandbox_ruleset *ruleset, const char *folder,
                         struct error *err)
{
    AUTO(close_place) int place = -1;
    char path[PATH_BYTES];

    sandbox->folders[sandbox->folder_count++] = arena_copy(&sandbox->arena, span_of(folder));
    memcpy(path, folder, strlen(folder) + 1);
    place = open_nearest(path);
    if (strcmp(path, folder) != 0)
        log_missing(settings->log, folder, path);
    if (place < 0 || (strcmp(path, folder) != 0 && strcmp(path, "/") == 0))
        return true; /* its mail waits for another start */
    return identify(place, &sandbox->places[sandbox->place_count++])
               ? sandbox_ruleset_allow(ruleset, place, SANDBOX_MAILBOX, err)
               : error_set(err, ERROR_SYSTEM, "looking at %s: %s", path, strerror(errno));
}

static bool allow_mailboxes(const struct sandbox_settings *settings, struct sandbox *sandbox,
                            const struct sandbox_ruleset *ruleset, struct error *err)
{
    char path[PATH_BYTES];

    for (size_t i = 0; i < settings->profile->domain_count; i++) {
        const char *folder = folder_of(settings->profile, i, path);

        if (folder != NULL && !allow_folder(settings, sandbox, ruleset, folder, err))
            return false;
    }
    if (sandbox->arena.exhausted)
        return error_set(err, ERROR_MEMORY, "no memory for the sandbox");
    qsort(sandbox->places, sandbox->place_count, sizeof *sandbox->places, compare);
    return true;
}

/* True where it is not there. */
static bool allow_if_there(const struct sandbox_ruleset *ruleset, const char *path,
                           enum sandbox_kind kind, struct error *err)
{
    AUTO(close_place) int place = open(path, O_PATH | O_CLOEXEC);

    return place < 0 || sandbox_ruleset_allow(ruleset, place, kind, err);
}

static bool allow_state(const struct sandbox_ruleset *ruleset, const char *state_dir,
                        struct error *err)
{
    AUTO(close_place) int place = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (place < 0)
        return error_set(err, ERROR_SYSTEM, "opening %s: %s", state_dir, strerror(errno));
#ifdef SANDBOX_ALSO_WRITES /* a build that counts what is run writes that down at the end */
    if (!allow_if_there(ruleset, SANDBOX_ALSO_WRITES, SANDBOX_MAILBOX, err))
        return false;
#endif
    return sandbox_ruleset_allow(ruleset, place, SANDBOX_STATE, err) &&
           allow_if_there(ruleset, "/dev/null", SANDBOX_DEVICE, err);
}

/* The system's refusal is no failure of ours: what it does not have is done without, and told. */
static void log_part_missing(struct log *log, const char *part, const char *reason)
{
    log_event(log, LOG_WARN, "sandbox-part-missing", "part=%s reason=%s", part, reason);
}

static bool guard_files(const struct sandbox_settings *settings, struct sandbox *sandbox,
                        unsigned *abi, struct error *err)
{
    AUTO(sandbox_ruleset_close) struct sandbox_ruleset ruleset = { -1, 0 };
    struct error why;

    *abi = 0;
    if (!sandbox_ruleset_open(&ruleset, &why)) {
        log_part_missing(settings->log, "landlock", why.text);
        return true;
    }
    if (!allow_state(&ruleset, settings->state_dir, err) ||
        !allow_mailboxes(settings, sandbox, &ruleset, err))
        return false;
    sandbox->guards_files = sandbox_ruleset_enforce(&ruleset, &why);
    if (sandbox->guards_files)
        *abi = ruleset.abi;
    else
        log_part_missing(settings->log, "landlock", why.text);
    return true;
}

static bool guard_calls(const struct sandbox_settings *settings)
{
    struct error why;

    if (sandbox_calls_refuse(&why))
        return true;
    log_part_missing(settings->log, "seccomp", why.text);
    return false;
}

static struct sandbox *new_sandbox(const struct sandbox_settings *settings)
{
    AUTO(sandbox_free) struct sandbox *made = memory_new(1, sizeof *made);
    size_t most = settings->profile->domain_count + 1;

    if (made == NULL)
        return NULL;
    made->log = settings->log;
    arena_init(&made->arena, ARENA_BYTES);
    made->folders = arena_new(&made->arena, most, sizeof *made->folders);
    made->places = arena_new(&made->arena, most, sizeof *made->places);
    return made->folders == NULL || made->places == NULL ? NULL : TAKE(made);
}

bool sandbox_enter(const struct sandbox_settings *settings, struct sandbox **sandbox,
                   struct error *err)
{
    AUTO(sandbox_free) struct sandbox *made = new_sandbox(settings);
    unsigned abi;
    bool refuses;

    *sandbox = NULL;
    if (made == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the sandbox");
    if (!sandbox_make_folder(settings->state_dir, (uid_t)-1, (gid_t)-1, err))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0)
        return error_set(err, ERROR_SYSTEM, "giving up new rights: %s", strerror(errno));
    if (!guard_files(settings, made, &abi, err))
        return false;
    refuses = guard_calls(settings);
    log_event(settings->log, LOG_NOTE, "sandbox", "user=%s landlock=%u seccomp=%s",
              sandbox_user_name(), abi, refuses ? "yes" : "no");
    *sandbox = TAKE(made);
    return true;
}

void sandbox_free(struct sandbox **sandbox)
{
    if (*sandbox == NULL)
        return;
    arena_clear(&(*sandbox)->arena);
    memory_free(*sandbox);
    *sandbox = NULL;
}

/* ---- afterwards --------------------------------------------------------------------------- */

/* From the folder up, as landlock looks at it: names may lead anywhere, and folders be others by now. */
static bool is_below(const struct sandbox *sandbox, const char *folder)
{
    AUTO(close_place) int place = -1;
    struct place here, before = { 0, 0 };
    char path[PATH_BYTES];

    memcpy(path, folder, strlen(folder) + 1);
    place = open_nearest(path);
    for (size_t i = 0; place >= 0 && i < DEPTH_MOST && identify(place, &here); i++) {
        int above;

        if (bsearch(&here, sandbox->places, sandbox->place_count, sizeof here, compare) != NULL)
            return true;
        if (i > 0 && compare(&here, &before) == 0)
            return false; /* the root is above itself */
        before = here;
        above = openat(place, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close_place(&place);
        place = above;
    }
    return false;
}

/* What it has meant from the start on a reload makes no worse: a disk, say, that was mounted since. */
static bool was_there(const struct sandbox *sandbox, const char *folder)
{
    for (size_t i = 0; i < sandbox->folder_count; i++)
        if (strcmp(sandbox->folders[i], folder) == 0) {
            log_event(sandbox->log, LOG_WARN, "restart-needed", "key=deliver folder=%s", folder);
            return true;
        }
    return false;
}

bool sandbox_permits(const struct sandbox *sandbox, const struct gateway_profile *profile,
                     struct error *err)
{
    char path[PATH_BYTES];

    if (sandbox == NULL || !sandbox->guards_files)
        return true;
    for (size_t i = 0; i < profile->domain_count; i++) {
        const char *folder = folder_of(profile, i, path);

        if (folder != NULL && !is_below(sandbox, folder) && !was_there(sandbox, folder))
            return error_set(err, ERROR_USAGE,
                             "domain %s: nothing below %s can be written since the start, when no "
                             "Maildir was in that folder (sandbox): it needs a restart",
                             profile->domains[i].name, folder);
    }
    return true;
}
