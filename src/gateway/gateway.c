#include "gateway/gateway.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "gateway/gateway_internal.h"

enum {
    LOCK_PATIENCE_MS = 3000,
    PATH_BYTES = 4096,
    DRAIN_MS = 60 * 1000,
};

static int64_t now_s(const struct gateway *gateway)
{
    return gateway->settings.clock->monotonic_ms(gateway->settings.clock) / 1000;
}

/* ---- draining ----------------------------------------------------------------------------- */

static void tell_drained(void *owner)
{
    struct gateway *gateway = owner;

    gateway->drained(gateway->drained_owner); /* may stop the gateway */
}

static void tell_if_drained(struct gateway *gateway)
{
    if (gateway->has_remembered && gateway->has_answered && gateway->has_kept &&
        gateway->has_kept_policies && gateway->has_reported &&
        gateway->drained_count == gateway->worker_count)
        loop_timer_start(gateway->tell, 0);
}

static void note_answered(void *owner)
{
    struct gateway *gateway = owner;

    gateway->has_answered = true;
    tell_if_drained(gateway);
}

static void note_remembered(void *owner)
{
    struct gateway *gateway = owner;

    gateway->has_remembered = true;
    tell_if_drained(gateway);
}

static void note_kept(void *owner)
{
    struct gateway *gateway = owner;

    gateway->has_kept = true;
    tell_if_drained(gateway);
}

static void note_policies_kept(void *owner)
{
    struct gateway *gateway = owner;

    gateway->has_kept_policies = true;
    tell_if_drained(gateway);
}

static void note_reported(void *owner)
{
    struct gateway *gateway = owner;

    gateway->has_reported = true;
    tell_if_drained(gateway);
}

/* Workers tell the history what fails, and delivery gives it what to read. */
static void drain_history(struct gateway *gateway)
{
    if (gateway->is_keeping || !gateway->has_delivered ||
        gateway->drained_count < gateway->worker_count)
        return;
    gateway->is_keeping = true;
    inbound_history_drain(gateway->history, note_kept, gateway);
}

static void note_delivered(void *owner)
{
    struct gateway *gateway = owner;

    gateway->has_delivered = true;
    host_memory_drain(gateway->hosts, note_remembered, gateway);
    sts_keeper_drain(gateway->policies, note_policies_kept, gateway);
    tls_reports_drain(gateway->reports, note_reported, gateway);
    drain_history(gateway);
}

static void read_letters(void *owner)
{
    struct gateway *gateway = owner;
    struct mailbox_message *message;

    while ((message = mailbox_take(gateway->mailbox)) != NULL) {
        struct worker_letter *letter = (struct worker_letter *)message;

        if (letter->kind == WORKER_CHANGED) {
            gateway_change_note(gateway, letter->change);
        } else {
            gateway->drained_count++;
            drain_history(gateway);
            tell_if_drained(gateway);
        }
    }
}

void gateway_hurry(struct gateway *gateway)
{
    assert(gateway->is_draining);
    loop_timer_start(gateway->patience, 0);
}

static void lose_patience(void *owner)
{
    struct gateway *gateway = owner;

    if (gateway->is_cutting || gateway->drained_count == gateway->worker_count)
        return;
    gateway->is_cutting = true;
    log_event(gateway->settings.log, LOG_WARN, "cutting", "sessions=%u",
              gateway_shared_limits_connections(gateway->limits));
    for (size_t i = 0; i < gateway->worker_count; i++)
        worker_cut(gateway->workers[i]);
}

void gateway_drain(struct gateway *gateway, void (*drained)(void *owner), void *owner)
{
    assert(!gateway->is_draining);
    gateway->is_draining = true;
    gateway->drained = drained;
    gateway->drained_owner = owner;
    log_event(gateway->settings.log, LOG_NOTE, "draining", "sessions=%u",
              gateway_shared_limits_connections(gateway->limits));
    for (size_t i = 0; i < gateway->worker_count; i++)
        worker_drain(gateway->workers[i]);
    delivery_drain(gateway->delivery, note_delivered, gateway);
    control_drain(gateway->control, note_answered, gateway);
    loop_timer_start(gateway->patience,
                     gateway->settings.drain_ms > 0 ? gateway->settings.drain_ms : DRAIN_MS);
}

/* ---- start and stop ----------------------------------------------------------------------- */

static size_t choose_worker_count(const struct gateway_settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = settings->workers > 0 ? settings->workers : cores > 0 ? (size_t)cores : 1;

    return count < GATEWAY_WORKERS_MOST ? count : GATEWAY_WORKERS_MOST;
}

static bool open_limits(struct gateway *gateway, const struct gateway_profile *profile,
                        struct error *err)
{
    uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES];
    bool is_open;

    if (RAND_bytes(secret, sizeof secret) != 1)
        return error_set(err, ERROR_CRYPTO, "no random numbers can be had");
    is_open = gateway_shared_limits_new(&profile->limits, secret, &gateway->limits, err);
    memory_wipe(secret, sizeof secret);
    return is_open;
}

static bool open_timers(struct gateway *gateway, struct error *err)
{
    struct loop *loop = gateway->settings.loop;

    return loop_timer_open(loop, gateway_change_look_after, gateway, &gateway->look, err) &&
           loop_timer_open(loop, lose_patience, gateway, &gateway->patience, err) &&
           loop_timer_open(loop, tell_drained, gateway, &gateway->tell, err);
}

/* `postern send` and `postern queue` hold the queue for moments where no gateway runs. */
static bool open_store(struct gateway *gateway, struct error *err)
{
    struct queue_store_settings settings = queue_store_defaults(gateway->settings.state_dir);

    settings.clock = *gateway->settings.clock;
    settings.lock_patience_ms = LOCK_PATIENCE_MS;
    queue_watch_init(&gateway->watch, gateway->settings.log, gateway->settings.clock);
    settings.failed = queue_watch_failed;
    settings.kept = queue_watch_kept;
    settings.owner = &gateway->watch;
    return queue_store_open(&settings, &gateway->store, err);
}

/* On a worker's thread. */
static void wake_delivery(void *owner)
{
    struct gateway *gateway = owner;

    delivery_wake(gateway->delivery); /* is there before any worker runs, and until none does */
}

static bool make_workers(struct gateway *gateway, struct error *err)
{
    struct worker_settings settings = { .store = gateway->store,
                                        .limits = gateway->limits,
                                        .history = gateway->history,
                                        .log = gateway->settings.log,
                                        .clock = gateway->settings.clock,
                                        .main = gateway->mailbox,
                                        .accepted = wake_delivery,
                                        .owner = gateway };

    gateway->workers = memory_new(gateway->worker_count, sizeof(struct worker *));
    if (gateway->workers == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for workers");
    for (size_t i = 0; i < gateway->worker_count; i++)
        if (!worker_new(&settings, &gateway->workers[i], err))
            return false;
    return true;
}

/* Before any of them runs, so that a failure leaves nobody half served. */
static bool listen_all(struct gateway *gateway, struct gateway_profile *profile, struct error *err)
{
    struct gateway_change *change = gateway_change_make(gateway, profile, "", err);
    size_t count = profile->listener_count, i = 0;
    bool is_whole = true;

    if (change == NULL)
        return false;
    for (; is_whole && i < gateway->worker_count; i++)
        is_whole = worker_listen(gateway->workers[i], gateway_profile_hold(profile),
                                 &change->places[i * count], err);
    gateway_change_close_places(change, i * count, gateway->worker_count * count);
    gateway_change_free(change);
    gateway_change_use(gateway, profile);
    return is_whole;
}

static bool open_hosts(struct gateway *gateway, struct error *err)
{
    const struct host_memory_settings settings = { .loop = gateway->settings.loop,
                                                   .state_dir = gateway->settings.state_dir,
                                                   .clock = gateway->settings.clock,
                                                   .log = gateway->settings.log };

    return host_memory_open(&settings, &gateway->hosts, err);
}

static bool open_policies(struct gateway *gateway, struct error *err)
{
    const struct sts_keeper_settings settings = { .loop = gateway->settings.loop,
                                                  .state_dir = gateway->settings.state_dir,
                                                  .clock = gateway->settings.clock,
                                                  .log = gateway->settings.log };

    if (!https_open(gateway->settings.loop, &gateway->https, err) ||
        !sts_keeper_open(&settings, &gateway->policies, err))
        return false;
    gateway_change_policies(gateway);
    return true;
}

static bool open_history(struct gateway *gateway, struct error *err)
{
    const struct inbound_history_settings settings = { .loop = gateway->settings.loop,
                                                       .state_dir = gateway->settings.state_dir,
                                                       .clock = gateway->settings.clock,
                                                       .log = gateway->settings.log };

    return inbound_history_open(&settings, &gateway->history, err);
}

static void wake_for_reports(void *owner)
{
    struct gateway *gateway = owner;

    if (gateway->delivery != NULL)
        delivery_wake(gateway->delivery);
}

static bool open_reports(struct gateway *gateway, struct error *err)
{
    const struct tls_reports_settings settings = { .loop = gateway->settings.loop,
                                                   .state_dir = gateway->settings.state_dir,
                                                   .clock = gateway->settings.clock,
                                                   .log = gateway->settings.log,
                                                   .door = gateway->door,
                                                   .dns = gateway_resolver_dns(gateway->resolver),
                                                   .https = gateway->https,
                                                   .woken = wake_for_reports,
                                                   .owner = gateway };

    return tls_reports_open(&settings, gateway->profile, &gateway->reports, err);
}

static bool start_delivery(struct gateway *gateway, struct error *err)
{
    struct delivery_settings settings = { .loop = gateway->settings.loop,
                                          .door = gateway->door,
                                          .log = gateway->settings.log,
                                          .clock = gateway->settings.clock,
                                          .dns = gateway_resolver_dns(gateway->resolver),
                                          .history = gateway->history,
                                          .https = gateway->https,
                                          .sts_cache = sts_keeper_cache(gateway->policies),
                                          .hosts = gateway->hosts,
                                          .reports = gateway->reports };

    return delivery_open(&settings, gateway->profile, &gateway->delivery, err);
}

static void wake_for_control(void *owner)
{
    struct gateway *gateway = owner;

    delivery_wake(gateway->delivery);
}

static void retry_for_control(void *owner)
{
    struct gateway *gateway = owner;

    delivery_retry(gateway->delivery);
}

static bool start_control(struct gateway *gateway, struct error *err)
{
    const struct control_terms terms = gateway_change_terms(gateway->profile);
    char path[PATH_BYTES];
    struct control_settings settings = { .loop = gateway->settings.loop,
                                         .door = gateway->door,
                                         .log = gateway->settings.log,
                                         .clock = gateway->settings.clock,
                                         .path = path,
                                         .changed = wake_for_control,
                                         .retried = retry_for_control,
                                         .owner = gateway };

    if ((size_t)snprintf(path, sizeof path, "%s/control", gateway->settings.state_dir) >=
        sizeof path)
        return error_set(err, ERROR_USAGE, "state_dir is too long");
    return control_open(&settings, &terms, &gateway->control, err);
}

static bool start_workers(struct gateway *gateway, struct error *err)
{
    for (size_t i = 0; i < gateway->worker_count; i++)
        if (!worker_start(gateway->workers[i], err))
            return false;
    return true;
}

static bool open_parts(struct gateway *gateway, struct gateway_profile *profile, struct error *err)
{
    const struct gateway_settings *settings = &gateway->settings;

    gateway->worker_count = choose_worker_count(settings);
    return gateway_bindings_new(gateway->worker_count, settings->sockets, settings->socket_count,
                                &gateway->bindings, err) &&
           open_store(gateway, err) &&
           queue_door_open(gateway->store, settings->loop, &gateway->door, err) &&
           open_limits(gateway, profile, err) &&
           mailbox_open(settings->loop, 0, read_letters, gateway, &gateway->mailbox, err) &&
           open_timers(gateway, err) && open_history(gateway, err) && make_workers(gateway, err) &&
           gateway_resolver_open(settings->loop, &profile->dns, settings->log, &gateway->resolver,
                                 err) &&
           listen_all(gateway, profile, err) && open_hosts(gateway, err) &&
           open_policies(gateway, err) && open_reports(gateway, err) &&
           start_delivery(gateway, err) && start_control(gateway, err) &&
           start_workers(gateway, err);
}

static void log_start(struct gateway *gateway)
{
    const struct service_socket *unused;
    char text[NET_ADDRESS_TEXT];

    for (size_t i = 0; (unused = gateway_bindings_unused(gateway->bindings, i)) != NULL; i++)
        log_event(gateway->settings.log, LOG_WARN, "socket-unused",
                  "name=%s address=%s port=%u remedy=%s", unused->name,
                  net_address_text(&unused->address, text), unused->address.port,
                  "No listener of the settings has this address; nobody is served there");
    gateway_change_log_certificates(gateway);
    log_event(gateway->settings.log, LOG_NOTE, "started",
              "hostname=%s pid=%ld listeners=%zu workers=%zu", gateway->profile->hostname,
              (long)getpid(), gateway->profile->listener_count, gateway->worker_count);
}

static void stop_waiting(void *owner)
{
    struct gateway *gateway = owner;

    loop_stop(gateway->settings.loop);
}

/* Where the start failed after they were opened, their end is waited for. */
static void close_control(struct gateway *gateway)
{
    if (gateway->control != NULL && !gateway->has_answered) {
        control_drain(gateway->control, stop_waiting, gateway);
        loop_run(gateway->settings.loop);
    }
    control_close(&gateway->control);
}

static void close_delivery(struct gateway *gateway)
{
    if (gateway->delivery != NULL && !gateway->has_delivered) {
        delivery_drain(gateway->delivery, stop_waiting, gateway);
        loop_run(gateway->settings.loop);
    }
    delivery_close(&gateway->delivery);
}

static void close_policies(struct gateway *gateway)
{
    if (gateway->policies != NULL && !gateway->has_kept_policies) {
        sts_keeper_drain(gateway->policies, stop_waiting, gateway);
        loop_run(gateway->settings.loop);
    }
    sts_keeper_close(&gateway->policies);
    https_close(&gateway->https);
}

static void close_hosts(struct gateway *gateway)
{
    if (gateway->hosts != NULL && !gateway->has_remembered) {
        host_memory_drain(gateway->hosts, stop_waiting, gateway);
        loop_run(gateway->settings.loop);
    }
    host_memory_close(&gateway->hosts);
}

/* After the workers and delivery. */
static void close_history(struct gateway *gateway)
{
    if (gateway->history != NULL && !gateway->has_kept) {
        inbound_history_drain(gateway->history, stop_waiting, gateway);
        loop_run(gateway->settings.loop);
    }
    inbound_history_close(&gateway->history);
}

static void close_reports(struct gateway *gateway)
{
    if (gateway->reports != NULL && !gateway->has_reported) {
        tls_reports_drain(gateway->reports, stop_waiting, gateway);
        loop_run(gateway->settings.loop);
    }
    tls_reports_close(&gateway->reports);
}

static void close_gateway(struct gateway **gateway)
{
    struct gateway *closing = *gateway;

    *gateway = NULL;
    if (closing == NULL)
        return;
    for (size_t i = 0; closing->workers != NULL && i < closing->worker_count; i++)
        worker_free(&closing->workers[i]);
    memory_free(closing->workers);
    close_control(closing);
    close_delivery(closing);
    close_hosts(closing);
    close_history(closing);
    close_reports(closing);
    close_policies(closing);
    gateway_resolver_close(&closing->resolver);
    if (closing->mailbox != NULL)
        read_letters(closing); /* what they said at the last */
    assert(closing->changes == 0);
    mailbox_close(&closing->mailbox);
    loop_timer_close(&closing->look);
    loop_timer_close(&closing->patience);
    loop_timer_close(&closing->tell);
    gateway_bindings_free(&closing->bindings);
    queue_door_close(&closing->door);
    queue_store_close(&closing->store);
    gateway_shared_limits_free(&closing->limits);
    gateway_profile_release(&closing->profile);
    memory_free(closing);
}

bool gateway_start(const struct gateway_settings *settings, struct gateway_profile *profile,
                   struct gateway **gateway, struct error *err)
{
    AUTO(close_gateway) struct gateway *made = memory_new(1, sizeof *made);

    *gateway = NULL;
    if (made == NULL) {
        for (size_t i = 0; i < settings->socket_count; i++)
            close(settings->sockets[i].descriptor);
        return error_set(err, ERROR_MEMORY, "no memory for the gateway");
    }
    made->settings = *settings;
    if (!open_parts(made, profile, err))
        return false;
    log_start(made);
    made->judged_at_s = made->rotated_at_s = now_s(made);
    gateway_change_look_after(made);
    *gateway = TAKE(made);
    return true;
}

void gateway_stop(struct gateway **gateway)
{
    struct log *log;

    if (*gateway == NULL)
        return;
    assert((*gateway)->drained_count == (*gateway)->worker_count);
    log = (*gateway)->settings.log;
    close_gateway(gateway);
    log_event(log, LOG_NOTE, "stopped", "pid=%ld", (long)getpid());
}
