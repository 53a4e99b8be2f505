#include "gateway/maildir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "gateway/maildir_path.h"
#include "smtp/field_drop.h"

enum {
    PIECE_BYTES = 16 * 1024,
    HOST_MOST = 253 / 2, /* each octet may take four in a name, which has at most 255 */
    NAME_BYTES = NAME_MAX + 1,
    NAMES_TRIED = 16,
    FLUSHED_PLACES = 8192,
};

struct gateway_maildir_delivery {
    int mailbox, tmp, new, file; /* descriptors; -1: not open */
    bool is_in_tmp, has_failed, after_cr;
    struct gateway_maildir_failure failure; /* of has_failed */
    char host[HOST_MOST + 1];
    char name[NAME_BYTES]; /* of the file in tmp/ */
    int64_t now_us;
    uint32_t number;
    struct gateway_maildir_path path;
    struct smtp_field_drop return_paths; /* that the message brings along */
    size_t used;
    char piece[PIECE_BYTES]; /* what waits for write() */
};

/* Numbers the deliveries of this process, so that no two of one microsecond share a name. */
static atomic_uint_least32_t last_number;

static bool refuse(struct gateway_maildir_failure *failure, const char *enhanced, const char *text)
{
    *failure = (struct gateway_maildir_failure){ .is_permanent = true, .enhanced = enhanced };
    return error_set(&failure->err, ERROR_USAGE, "there can be no delivery: %s", text);
}

static const char *enhanced_of(int number)
{
    switch (number) {
    case EDQUOT: return "4.2.2";
    case EFBIG:
    case ENOSPC: return "4.3.1";
    case EACCES:
    case ELOOP:
    case ENOENT:
    case ENOTDIR:
    case EPERM:
    case EROFS: return "4.3.5";
    default: return "4.3.0";
    }
}

/* A failure of the system is never final: the disk may have room, the folder its rights tomorrow. */
static bool defer(struct gateway_maildir_failure *failure, int number, const char *doing,
                  const char *path)
{
    *failure = (struct gateway_maildir_failure){ .enhanced = enhanced_of(number) };
    return error_set(&failure->err, number == ENOMEM ? ERROR_MEMORY : ERROR_SYSTEM,
                     "%s for %s failed: %s", doing, path, strerror(number));
}

static bool fail(struct gateway_maildir_delivery *delivery, const char *doing)
{
    delivery->has_failed = true;
    return defer(&delivery->failure, errno, doing, delivery->path.text);
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

/* Folders whose entries in their parents are known to be on the disk. One that is there need not be:
 * another thread may have made it a moment ago, or a process that was killed before it flushed it. So
 * each process flushes the way to each folder once. Who is pushed out of the table is flushed again. */
static _Atomic uint64_t flushed[FLUSHED_PLACES];

/* Numbers of inodes come again, with another time of birth. 0: it could not be told. */
static uint64_t key_of(int folder)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    struct statx status;
    uint64_t key;

    if (statx(folder, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0)
        return 0;
    key = (uint64_t)status.stx_ino * factor ^ (uint64_t)status.stx_dev_major << 32 ^
          status.stx_dev_minor;
    key = key * factor ^ (uint64_t)status.stx_btime.tv_sec << 30 ^ status.stx_btime.tv_nsec;
    return key ^ key >> 29;
}

/* False: errno says why. */
static bool flush_entry(int parent, int folder, bool is_new)
{
    uint64_t key = key_of(folder);
    _Atomic uint64_t *place = &flushed[key % FLUSHED_PLACES];

    if (!is_new && key != 0 && atomic_load(place) == key)
        return true;
    if (fsync(parent) != 0)
        return false;
    atomic_store(place, key);
    return true;
}

/* Opens a folder below `parent`, made if need be, and durable then. -1: errno says why. */
static int open_folder(int parent, const char *name, int flags, bool may_create)
{
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags), number;
    bool is_new = folder < 0 && errno == ENOENT && may_create;

    if (is_new) {
        if (mkdirat(parent, name, S_IRWXU) != 0 && errno != EEXIST) /* another thread was faster */
            return -1;
        folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    }
    if (folder < 0 || flush_entry(parent, folder, is_new))
        return folder;
    number = errno;
    close(folder);
    errno = number;
    return -1;
}

/* From the fixed folder down to the mailbox. */
static bool open_mailbox(struct gateway_maildir_delivery *delivery, bool may_create)
{
    struct span rest = span_of(delivery->path.text + delivery->path.fixed_len);
    char name[GATEWAY_MAILDIR_PATH_BYTES];

    memcpy(name, delivery->path.text, delivery->path.fixed_len);
    name[delivery->path.fixed_len] = '\0';
    delivery->mailbox = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (delivery->mailbox < 0) {
        int number = errno;

        delivery->has_failed = true;
        return defer(&delivery->failure, number,
                     number == ENOENT ? "the folder of all mailboxes is to be there, and is never "
                                        "made: opening it"
                                      : "opening the folder of all mailboxes",
                     name);
    }
    while (rest.len > 0) {
        struct span part = span_take_until(&rest, '/');
        int folder;

        if (part.len == 0) /* the slash behind the fixed folder */
            continue;
        memcpy(name, part.data, part.len);
        name[part.len] = '\0';
        folder = open_folder(delivery->mailbox, name, 0, may_create);
        if (folder < 0 && errno == ENOENT && !may_create) {
            delivery->has_failed = true;
            return refuse(&delivery->failure, "5.1.1", "there is no such mailbox");
        }
        if (folder < 0)
            return fail(delivery, "opening the mailbox");
        close_descriptor(&delivery->mailbox);
        delivery->mailbox = folder;
    }
    return true;
}

static bool open_parts(struct gateway_maildir_delivery *delivery)
{
    int cur = open_folder(delivery->mailbox, "cur", O_NOFOLLOW, true);

    if (cur < 0)
        return fail(delivery, "opening cur/");
    close_descriptor(&cur);
    delivery->tmp = open_folder(delivery->mailbox, "tmp", O_NOFOLLOW, true);
    if (delivery->tmp < 0)
        return fail(delivery, "opening tmp/");
    delivery->new = open_folder(delivery->mailbox, "new", O_NOFOLLOW, true);
    return delivery->new >= 0 || fail(delivery, "opening new/");
}

/* "/" and ":" may not stand in names: octal then, as the Maildir convention has it. */
static void format_host(struct gateway_maildir_delivery *delivery, char *out, size_t size)
{
    size_t len = 0;

    for (const char *host = delivery->host; *host != '\0' && len + 5 < size; host++) {
        if (*host == '/' || *host == ':')
            len += (size_t)snprintf(out + len, size - len, "\\%03o", (unsigned)*host);
        else
            out[len++] = *host;
    }
    out[len] = '\0';
}

/* Device and inode make the name in new/ unlike any that is there, even where a container gives
 * every run the same process id. */
static void format_name(struct gateway_maildir_delivery *delivery, const struct stat *status,
                        char name[NAME_BYTES])
{
    char host[HOST_MOST + 1], place[64] = "";

    format_host(delivery, host, sizeof host);
    if (status != NULL)
        snprintf(place, sizeof place, "V%llxI%llx", (unsigned long long)status->st_dev,
                 (unsigned long long)status->st_ino);
    snprintf(name, NAME_BYTES, "%lld.M%06lldP%ldQ%u%s.%s", (long long)(delivery->now_us / 1000000),
             (long long)(delivery->now_us % 1000000), (long)getpid(), (unsigned)delivery->number,
             place, host);
}

static bool open_file(struct gateway_maildir_delivery *delivery)
{
    for (int i = 0; i < NAMES_TRIED && delivery->file < 0; i++) {
        delivery->number = atomic_fetch_add(&last_number, 1);
        format_name(delivery, NULL, delivery->name);
        delivery->file =
            openat(delivery->tmp, delivery->name,
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
        if (delivery->file < 0 && errno != EEXIST)
            break;
    }
    delivery->is_in_tmp = delivery->file >= 0;
    return delivery->is_in_tmp || fail(delivery, "making a file in tmp/");
}

static bool flush(struct gateway_maildir_delivery *delivery)
{
    size_t written = 0;

    while (written < delivery->used) {
        ssize_t len = write(delivery->file, delivery->piece + written, delivery->used - written);

        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return fail(delivery, "writing");
        written += (size_t)len;
    }
    delivery->used = 0;
    return true;
}

static bool put_text(struct gateway_maildir_delivery *delivery, struct span text)
{
    while (text.len > 0) {
        struct span part = span_take_front(&text, sizeof delivery->piece - delivery->used);

        memcpy(delivery->piece + delivery->used, part.data, part.len);
        delivery->used += part.len;
        if (delivery->used == sizeof delivery->piece && !flush(delivery))
            return false;
    }
    return true;
}

static bool put_fields(struct gateway_maildir_delivery *delivery,
                       const struct gateway_maildir_envelope *envelope)
{
    return put_text(delivery, span_of("Return-Path: <")) && put_text(delivery, envelope->sender) &&
           put_text(delivery, span_of(">\nDelivered-To: ")) &&
           put_text(delivery, envelope->recipient) && put_text(delivery, span_of("\n"));
}

static bool start(struct gateway_maildir_delivery *delivery,
                  const struct gateway_maildir_settings *settings,
                  const struct gateway_maildir_envelope *envelope)
{
    return open_mailbox(delivery, settings->creates_mailboxes) && open_parts(delivery) &&
           open_file(delivery) && put_fields(delivery, envelope);
}

static struct gateway_maildir_delivery *
new_delivery(const struct gateway_maildir_settings *settings, int64_t now_us)
{
    struct gateway_maildir_delivery *delivery = memory_new(1, sizeof *delivery);

    if (delivery == NULL)
        return NULL;
    delivery->mailbox = delivery->tmp = delivery->new = delivery->file = -1;
    delivery->now_us = now_us;
    smtp_field_drop_init(&delivery->return_paths, "Return-Path");
    snprintf(delivery->host, sizeof delivery->host, "%s", settings->hostname);
    return delivery;
}

bool gateway_maildir_open(const struct gateway_maildir_settings *settings,
                          const struct gateway_maildir_envelope *envelope,
                          struct gateway_maildir_delivery **delivery,
                          struct gateway_maildir_failure *failure)
{
    AUTO(gateway_maildir_close) struct gateway_maildir_delivery *made = NULL;
    const char *flaw;

    assert(envelope->now_us >= 0);
    *delivery = NULL;
    if (text_holds_control(envelope->sender)) /* it would write fields of its own */
        return refuse(failure, "5.1.7", "the sender's address holds a control character");
    made = new_delivery(settings, envelope->now_us);
    if (made == NULL)
        return defer(failure, ENOMEM, "a delivery", settings->path);
    if (!gateway_maildir_path_format(settings->path, envelope->recipient, &made->path, &flaw))
        return flaw == NULL ? defer(failure, ENOMEM, "a delivery", settings->path)
                            : refuse(failure, "5.1.1", flaw);
    if (!start(made, settings, envelope)) {
        *failure = made->failure;
        return false;
    }
    *delivery = TAKE(made);
    return true;
}

/* Of the message, with the line ends that it has here. */
static bool put_message(struct gateway_maildir_delivery *delivery, struct span text)
{
    while (text.len > 0)
        if (!put_text(delivery, smtp_field_drop_next(&delivery->return_paths, &text)))
            return false;
    return true;
}

/* A CR waits for the byte behind it: it goes where that is LF, and stays where it is not. */
static bool put_content(struct gateway_maildir_delivery *delivery, struct span *bytes)
{
    if (delivery->after_cr && bytes->data[0] != '\n' && !put_message(delivery, span_of("\r")))
        return false;
    if (!put_message(delivery, span_take_front(bytes, span_find(*bytes, '\r'))))
        return false;
    delivery->after_cr = bytes->len > 0;
    if (delivery->after_cr)
        span_take(bytes);
    return true;
}

bool gateway_maildir_feed(struct gateway_maildir_delivery *delivery, struct span bytes,
                          struct gateway_maildir_failure *failure)
{
    while (!delivery->has_failed && bytes.len > 0)
        if (!put_content(delivery, &bytes))
            break;
    if (delivery->has_failed)
        *failure = delivery->failure;
    return !delivery->has_failed;
}

static bool make_durable(struct gateway_maildir_delivery *delivery)
{
    int file = delivery->file;

    if (delivery->after_cr && !put_message(delivery, span_of("\r")))
        return false;
    if (!put_text(delivery, smtp_field_drop_end(&delivery->return_paths)))
        return false;
    if (!flush(delivery))
        return false;
    if (fsync(file) != 0)
        return fail(delivery, "making the file durable");
    delivery->file = -1;
    return close(file) == 0 || fail(delivery, "closing the file");
}

static bool move_to_new(struct gateway_maildir_delivery *delivery)
{
    char name[NAME_BYTES];
    struct stat status;

    if (fstatat(delivery->tmp, delivery->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return fail(delivery, "looking at the file in tmp/");
    format_name(delivery, &status, name);
    if (renameat(delivery->tmp, delivery->name, delivery->new, name) != 0)
        return fail(delivery, "renaming the file into new/");
    delivery->is_in_tmp = false;
    if (fsync(delivery->new) == 0)
        return true;
    fail(delivery, "making new/ durable");
    unlinkat(delivery->new, name,
             0); /* it will be delivered again: spare the reader a second one */
    return false;
}

bool gateway_maildir_commit(struct gateway_maildir_delivery *delivery,
                            struct gateway_maildir_failure *failure)
{
    assert(delivery->is_in_tmp);
    if (!delivery->has_failed && make_durable(delivery) && move_to_new(delivery))
        return true;
    *failure = delivery->failure;
    return false;
}

void gateway_maildir_close(struct gateway_maildir_delivery **delivery)
{
    struct gateway_maildir_delivery *gone = *delivery;

    if (gone == NULL)
        return;
    close_descriptor(&gone->file);
    if (gone->is_in_tmp)
        unlinkat(gone->tmp, gone->name, 0);
    close_descriptor(&gone->tmp);
    close_descriptor(&gone->new);
    close_descriptor(&gone->mailbox);
    memory_free(gone);
    *delivery = NULL;
}
