/* gateway/delivery_diagnosis.c - what is known of a host beside what one session showed: what it showed before, and why
 * it fails.
 *
 * LMTP servers are of our own house and are left out, and so is an address that is dialled again without TLS: what
 * that shows is our doing.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/delivery_destination.h"
#include "gateway/diagnosis.h"
#include "gateway/host_memory.h"

static const struct delivery_address *address_of(const struct delivery_conversation *conversation)
{
    return &conversation->way->addresses[conversation->at];
}

static bool is_left_out(const struct delivery_conversation *conversation)
{
    enum policy_reason reason = conversation->verdict.reason;

    return delivery_is_lmtp(conversation->destination) || conversation->in_clear ||
           conversation->findings == NULL || reason == POLICY_REASON_REQUIRETLS ||
           reason == POLICY_REASON_HOST_INSECURE; /* it is the message that wants more */
}

/* The records of the host say all of why it does not fit: nothing that another dial shows would change it. */
static bool is_told_by_records(const struct delivery_conversation *conversation)
{
    return conversation->verdict.reason == POLICY_REASON_TLSA_MISMATCH;
}

/* ---- what it showed before ---- */

/* One line of the log for each of the words' lines. */
static void log_changes(struct delivery_conversation *conversation)
{
    const struct log *log = conversation->delivery->settings.log;
    struct span rest = span_of(conversation->changes);

    while (log != NULL && rest.len > 0) {
        struct span line = span_take_until(&rest, '\n');

        log_event(conversation->delivery->settings.log,
                  span_starts_with(line, HOST_MEMORY_OURS) ? LOG_WARN : LOG_NOTE, "host-changed",
                  "relay=%s destination=%s what=%-.*s",
                  delivery_relay_name(conversation->destination, address_of(conversation),
                                      &conversation->arena),
                  conversation->destination->domain, (int)line.len, line.data);
    }
}

void delivery_diagnosis_compare(struct delivery_conversation *conversation, bool was_success)
{
    struct host_memory *hosts = conversation->delivery->settings.hosts;

    conversation->changes = NULL;
    if (hosts == NULL || is_left_out(conversation))
        return;
    conversation->changes =
        host_memory_take(hosts, conversation->destination->domain, &conversation->observation,
                         conversation->findings, was_success, &conversation->arena);
    if (conversation->changes != NULL)
        log_changes(conversation);
}

/* ---- why it fails ---- */

void delivery_diagnosis_explain(struct delivery_conversation *conversation)
{
    const struct diagnosis *diagnosis = conversation->delivery->diagnosis;
    struct findings *explained;

    conversation->explained = NULL;
    if (diagnosis == NULL || is_left_out(conversation) || is_told_by_records(conversation))
        return;
    explained = arena_new(&conversation->arena, 1, sizeof *explained);
    if (explained == NULL ||
        !diagnosis_find(diagnosis, address_of(conversation)->name,
                        &address_of(conversation)->address, &conversation->observation,
                        &conversation->arena, explained))
        return; /* what the session itself told is good enough */
    delivery_published_judge(conversation, explained);
    conversation->explained = explained;
}

void delivery_diagnosis_ask(struct delivery_conversation *conversation)
{
    const struct gateway_policy *policy = conversation->destination->policy;
    const struct diagnosis_question question = {
        .profile = conversation->plan->profile,
        .link = &conversation->asked,
        .seen = &conversation->observation,
        .outcome = conversation->verdict,
        .rule = policy == NULL ? NULL : policy->name,
        .session = conversation->session,
    };

    if (conversation->delivery->diagnosis == NULL || conversation->delivery->is_draining ||
        is_left_out(conversation) || is_told_by_records(conversation) ||
        conversation->without_certificate)
        return;
    diagnosis_ask(conversation->delivery->diagnosis, &question);
}

/* It joins the story of each message that met the session. */
static void take_answer(void *owner, const struct diagnosis_answer *answer)
{
    struct delivery *delivery = owner;
    const struct checkup_host *host = answer->checkup->hosts[0];
    char relay[512], address[NET_ADDRESS_TEXT];
    const struct session_facts facts = {
        .seen = &host->observation,
        .findings = answer->findings,
        .level = answer->link->level,
        .rule = answer->rule,
        .destination = answer->link->domain,
        .relay = relay,
        .outcome = answer->outcome,
        .of_session = answer->session,
    };

    net_address_text(&answer->link->address, address);
    snprintf(relay, sizeof relay, "%.400s[%s]:%u",
             strcmp(answer->link->host, address) == 0 ? "" : answer->link->host, address,
             answer->link->address.port);
    if (answer->session != 0)
        (void)delivery_tell_session(delivery, &facts);
}

bool delivery_diagnosis_open(struct delivery *delivery, struct error *err)
{
    const struct diagnosis_settings settings = { .loop = delivery->settings.loop,
                                                 .clock = delivery->settings.clock,
                                                 .log = delivery->settings.log };

    return diagnosis_open(&settings, take_answer, delivery, &delivery->diagnosis, err);
}
