/* gateway/tls_report_sending.c - one report on its way: who wants it, what it says, and each copy handed over.
 *
 * Copies are taken in hand, durably, before anything of them goes out, and settled behind it. */
#include "gateway/tls_report_sending_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "gateway/tls_report_mail.h"

enum { ARENA_BYTES = 64 << 20, LOOKUP_MS = 30 * 1000 };

static void free_sending(struct tls_report_sending **sending)
{
    struct tls_report_sending *freeing = *sending;

    *sending = NULL;
    if (freeing == NULL)
        return;
    policy_lookup_cancel(&freeing->lookup);
    buffer_clear(&freeing->packed);
    buffer_clear(&freeing->text);
    gateway_profile_release(&freeing->profile);
    arena_clear(&freeing->arena);
    memory_free(freeing);
}

static void unlist(struct tls_report_sending *sending)
{
    struct tls_report_sending **place = &sending->reports->sendings;

    while (*place != sending)
        place = &(*place)->next;
    *place = sending->next;
    sending->reports->sending_count--;
}

/* ---- the end of an attempt ---- */

static size_t count_in(const struct tls_report_sending *sending, enum tls_copy_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < sending->entry.copy_count; i++)
        count += sending->entry.copies[i].state == state;
    return count;
}

static void log_end(const struct tls_report_sending *sending)
{
    const struct tls_file_entry *entry = &sending->entry;
    struct log *log = sending->reports->settings.log;
    bool is_well = entry->state == TLS_FILE_ENDED && count_in(sending, TLS_COPY_FAILED) == 0;

    if (log != NULL)
        log_event(log, is_well ? LOG_NOTE : LOG_WARN,
                  entry->state == TLS_FILE_ENDED ? "report-ended" : "report-deferred",
                  "domain=%s day=%" PRId64 " sent=%zu of=%zu reason=%-s", entry->domain, entry->day,
                  count_in(sending, TLS_COPY_SENT), entry->copy_count, entry->said);
}

static bool run_settle(struct tls_reports_work *work, struct database *database, struct error *err)
{
    return tls_file_settle(database, &((struct tls_report_sending *)work)->entry, err);
}

static void end_settle(struct tls_reports_work *work)
{
    struct tls_report_sending *sending = (struct tls_report_sending *)work;

    log_end(sending);
    unlist(sending);
    free_sending(&sending);
}

/* What waits is given up: the report has ended. */
static void give_up(struct tls_report_sending *sending)
{
    for (size_t i = 0; i < sending->entry.copy_count; i++)
        if (sending->entry.copies[i].state == TLS_COPY_WAITING)
            sending->entry.copies[i].state = TLS_COPY_FAILED;
}

static void plan_next(struct tls_report_sending *sending)
{
    struct tls_file_entry *entry = &sending->entry;
    int64_t now_s = tls_reports_now_s(sending->reports);

    entry->next_at_s = now_s + (sending->is_stopping ? 0 : tls_file_pause_s(entry->attempts));
    entry->state = entry->next_at_s > entry->until_s ? TLS_FILE_ENDED : TLS_FILE_WAITING;
}

static const char *sum_up(struct tls_report_sending *sending)
{
    const struct tls_file_entry *entry = &sending->entry;

    if (sending->obstacle != NULL)
        return sending->obstacle;
    for (size_t i = 0; i < entry->copy_count; i++)
        if (entry->copies[i].state != TLS_COPY_SENT)
            return entry->copies[i].said;
    return "sent";
}

static void settle(struct tls_report_sending *sending)
{
    struct tls_file_entry *entry = &sending->entry;

    entry->said = sum_up(sending);
    if (!sending->ends && (sending->obstacle != NULL || count_in(sending, TLS_COPY_WAITING) > 0))
        plan_next(sending);
    else
        entry->state = TLS_FILE_ENDED;
    if (entry->state == TLS_FILE_ENDED)
        give_up(sending);
    sending->work.run = run_settle;
    sending->work.done = end_settle;
    tls_reports_ask(sending->reports, &sending->work);
}

/* ---- copies ---- */

static void hand_over(struct tls_report_sending *sending)
{
    const char *uri = sending->entry.copies[sending->at].uri;
    const char *mailbox;

    if (span_starts_with_nocase(span_of(uri), "https:")) {
        tls_report_hand_post(sending);
        return;
    }
    mailbox = tls_report_mailbox(uri, &sending->arena);
    if (mailbox != NULL)
        tls_report_hand_mail(sending, mailbox);
    else
        tls_report_sending_note(sending, TLS_COPY_FAILED, "nothing can be sent to such an address");
}

static void go_on(struct tls_report_sending *sending)
{
    struct tls_file_entry *entry = &sending->entry;

    while (sending->at < entry->copy_count && entry->copies[sending->at].state != TLS_COPY_IN_HAND)
        sending->at++;
    if (sending->at == entry->copy_count)
        settle(sending);
    else if (sending->is_stopping)
        tls_report_sending_note(sending, TLS_COPY_WAITING, "the gateway was stopped");
    else
        hand_over(sending);
}

void tls_report_sending_note(struct tls_report_sending *sending, enum tls_copy_state state,
                             const char *said)
{
    struct tls_file_copy *copy = &sending->entry.copies[sending->at];

    copy->state = state;
    copy->at_s = tls_reports_now_s(sending->reports);
    copy->said = arena_copy(&sending->arena, span_of(said));
    go_on(sending);
}

/* ---- what it says ---- */

static bool run_take(struct tls_reports_work *work, struct database *database, struct error *err)
{
    struct tls_report_sending *sending = (struct tls_report_sending *)work;
    struct tls_file_entry *entry = &sending->entry;
    bool is_wanted = sending->obstacle == NULL;

    return tls_file_load(database, entry->day, entry->domain, &sending->arena, &sending->report,
                         err) &&
           tls_file_instance(database, &sending->arena, &sending->instance, err) &&
           tls_file_take(database, entry, is_wanted ? sending->published->reports.uris : NULL,
                         is_wanted ? sending->published->reports.count : 0,
                         tls_reports_now_s(sending->reports), &sending->arena, err);
}

static void pack(struct tls_report_sending *sending)
{
    const struct gateway_profile_reports *ours = &sending->profile->reports;
    struct error err = { .text = "" };

    sending->report.organization = ours->organization;
    sending->report.contact = ours->contact;
    if (sending->obstacle == NULL &&
        !tls_report_pack(&sending->report, &sending->arena, &sending->packed, &err))
        sending->obstacle = arena_copy(&sending->arena, span_of(err.text));
}

/* What was taken in hand and is not handed over after all. */
static void put_back(struct tls_report_sending *sending)
{
    for (size_t i = 0; i < sending->entry.copy_count; i++)
        if (sending->entry.copies[i].state == TLS_COPY_IN_HAND)
            sending->entry.copies[i].state = TLS_COPY_WAITING;
}

static void end_take(struct tls_reports_work *work)
{
    struct tls_report_sending *sending = (struct tls_report_sending *)work;

    if (!work->is_good) { /* as it was, and looked at again */
        unlist(sending);
        free_sending(&sending);
        return;
    }
    pack(sending);
    if (sending->obstacle != NULL)
        put_back(sending);
    go_on(sending);
}

static void take(struct tls_report_sending *sending)
{
    sending->work.run = run_take;
    sending->work.done = end_take;
    tls_reports_ask(sending->reports, &sending->work);
}

/* ---- who wants it ---- */

static const char *find_obstacle(struct tls_report_sending *sending)
{
    const struct observed_published *published = sending->published;
    enum dns_outcome outcome = published->report_lookup.outcome;

    if (published->report_record == TXT_RECORD_VALID)
        return NULL;
    if (outcome != DNS_ANSWERED && outcome != DNS_NO_DATA && outcome != DNS_NXDOMAIN)
        return "_smtp._tls cannot be looked up";
    sending->ends = true;
    if (published->report_flaw == NULL)
        return "the domain asks for no reports";
    return arena_format(&sending->arena, "_smtp._tls: %s", published->report_flaw);
}

static void take_published(void *owner, struct observed_published *published)
{
    struct tls_report_sending *sending = owner;

    policy_lookup_cancel(&sending->lookup);
    sending->published = published;
    sending->obstacle = find_obstacle(sending);
    take(sending);
}

static void look_up(struct tls_report_sending *sending)
{
    const struct tls_reports_settings *settings = &sending->reports->settings;
    const struct policy_lookup_settings lookup = { .loop = settings->loop,
                                                   .dns = settings->dns,
                                                   .anchors = sending->profile->anchors,
                                                   .intermediates = sending->profile->intermediates,
                                                   .clock = settings->clock,
                                                   .timeout_ms = LOOKUP_MS,
                                                   .with_reports = true };
    struct error err = { .text = "" };

    if (policy_lookup_start(&lookup, &sending->arena, sending->entry.domain, take_published,
                            sending, &sending->lookup, &err))
        return;
    sending->obstacle = arena_copy(&sending->arena, span_of(err.text));
    take(sending);
}

/* ---- beginning and stopping ---- */

static bool is_under_way(const struct tls_reports *reports, const struct tls_file_entry *entry)
{
    for (const struct tls_report_sending *sending = reports->sendings; sending != NULL;
         sending = sending->next)
        if (sending->entry.day == entry->day && strcmp(sending->entry.domain, entry->domain) == 0)
            return true;
    return false;
}

/* One that could not be begun in time would surprise more than it tells. */
static bool is_too_late(const struct tls_report_sending *sending)
{
    const struct tls_file_entry *entry = &sending->entry;

    return entry->until_s == 0 && tls_reports_now_s(sending->reports) >=
                                      (entry->day + TLS_FILE_TOO_LATE_DAYS) * TLS_FILE_DAY_S;
}

void tls_report_sending_start(struct tls_reports *reports, const struct tls_file_entry *entry)
{
    struct tls_report_sending *made;

    if (reports->drained != NULL || reports->sending_count >= TLS_REPORTS_AT_ONCE ||
        is_under_way(reports, entry))
        return;
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return;
    arena_init(&made->arena, ARENA_BYTES);
    buffer_init(&made->packed, TLS_REPORT_MAIL_MOST);
    buffer_init(&made->text, TLS_REPORT_MAIL_MOST);
    made->reports = reports;
    made->profile = gateway_profile_hold(reports->profile);
    made->entry = *entry;
    made->entry.domain = arena_copy(&made->arena, span_of(entry->domain));
    made->entry.said = "";
    made->next = reports->sendings;
    reports->sendings = made;
    reports->sending_count++;
    made->ends = is_too_late(made);
    if (!made->ends) {
        look_up(made);
        return;
    }
    made->obstacle = "it was too late to send it";
    take(made);
}

void tls_report_sending_stop(struct tls_reports *reports)
{
    struct tls_report_sending *next;

    /* Without memory for work a sending ends within: that one alone, for no other waits for its turn. */
    assert(reports->is_at_work || reports->first == NULL);
    for (struct tls_report_sending *sending = reports->sendings; sending != NULL; sending = next) {
        next = sending->next;
        sending->is_stopping = true;
        if (sending->lookup != NULL) { /* nothing is in hand yet */
            unlist(sending);
            free_sending(&sending);
        } else if (sending->query != NULL || sending->ipv4 != NULL || sending->ipv6 != NULL) {
            tls_report_hand_stop(sending);
        }
    }
}
