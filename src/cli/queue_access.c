#include "cli/queue_access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "queue/id.h"

static const char usual_file[] = "/etc/postern/postern.conf";

static bool read_all(FILE *file, struct buffer *text)
{
    char piece[4096];
    size_t len;

    while ((len = fread(piece, 1, sizeof piece, file)) > 0)
        if (!buffer_append(text, (struct span){ piece, len }))
            return false;
    return ferror(file) == 0;
}

static bool read_file(const char *path, struct buffer *text, struct error *err)
{
    FILE *file = fopen(path, "rb");
    bool is_read;

    if (file == NULL)
        return error_set(err, ERROR_SYSTEM, "opening the settings %s: %s", path, strerror(errno));
    errno = 0;
    is_read = read_all(file, text);
    if (!is_read)
        error_set(err, ERROR_SYSTEM, "reading the settings %s: %s", path,
                  errno == 0 ? "they are too large" : strerror(errno));
    fclose(file);
    return is_read;
}

/* The first that is no warning. */
static bool tell_fault(const struct settings_faults *faults, struct error *err)
{
    for (size_t i = 0; i < faults->count; i++)
        if (!faults->list[i].is_warning)
            return error_set(err, ERROR_FORMAT, "%s:%u: %s", faults->file, faults->list[i].line,
                             faults->list[i].text);
    return false;
}

static bool find_hostname(struct queue_access *access, struct error *err)
{
    const char *name = access->settings->hostname;

    if (name != NULL)
        snprintf(access->hostname, sizeof access->hostname, "%s", name);
    else if (gethostname(access->hostname, sizeof access->hostname - 1) != 0)
        return error_set(err, ERROR_SYSTEM, "asking for the machine's name: %s", strerror(errno));
    return true;
}

bool queue_access_load(struct queue_access *access, const char *path, struct error *err)
{
    AUTO(buffer_clear) struct buffer text;
    struct settings_faults faults;
    struct settings_source source = { .name = path == NULL ? usual_file : path,
                                      .leaves_files_alone = true };
    bool is_loaded;

    *access = (struct queue_access){ 0 };
    buffer_init(&text, SETTINGS_FILE_MOST);
    if (!read_file(source.name, &text, err))
        return false;
    source.text = buffer_span(&text);
    is_loaded =
        settings_load_text(&source, &access->settings, &faults, err) && find_hostname(access, err);
    if (!is_loaded && faults.fault_count > 0)
        tell_fault(&faults, err);
    settings_fault_clear(&faults);
    return is_loaded;
}

void queue_access_clear(struct queue_access *access)
{
    settings_free(&access->settings);
}

enum control_status queue_access_open(const struct queue_access *access,
                                      struct control_client **client, struct error *err)
{
    const struct settings *settings = access->settings;
    struct control_client_settings wanted = {
        .folder = settings->state_dir,
        .terms = { .hostname = access->hostname,
                   .message_bytes = settings->limits.message_bytes,
                   .recipients = (size_t)settings->limits.recipients },
        .tracking_days = queue_store_defaults(settings->state_dir).tracking_days,
        .patience_ms = QUEUE_ACCESS_PATIENCE_MS,
    };

    return control_client_open(&wanted, client, err);
}

bool queue_access_parse(const char *text, bool may_be_all, struct queue_selection *selection)
{
    *selection = (struct queue_selection){ 0 };
    if (text[0] == '@') {
        selection->domain = span_without_final_dot(span_of(text + 1));
        return selection->domain.len > 0;
    }
    if (may_be_all && strcmp(text, "all") == 0)
        return true;
    return queue_id_parse(span_of(text), &selection->id);
}

const char *queue_access_size(struct arena *arena, int64_t bytes)
{
    static const char *const units[] = { "KB", "MB", "GB", "TB" };
    int64_t tenths = bytes * 10;
    size_t unit = 0;

    if (bytes < 1000)
        return arena_format(arena, "%lld bytes", (long long)bytes);
    for (tenths /= 1000; tenths >= 10000 && unit + 1 < ARRAY_SIZE(units); unit++)
        tenths /= 1000;
    return arena_format(arena, "%lld.%lld %s", (long long)(tenths / 10), (long long)(tenths % 10),
                        units[unit]);
}
