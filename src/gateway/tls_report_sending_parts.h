/* gateway/tls_report_sending_parts.h - one report on its way; what the files of gateway/tls_report_sending share. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "gateway/tls_reports_parts.h"
#include "link/https_judge.h"
#include "link/policy_lookup.h"
#include "net/https.h"

enum { TLS_REPORT_ADDRESSES = 16 };

struct tls_report_sending {
    struct tls_reports_work work; /* first, so that work is its sending */
    struct tls_report_sending *next;
    struct tls_reports *reports;
    struct gateway_profile *profile;
    struct arena arena;
    struct tls_file_entry entry; /* texts in the arena */
    struct policy_lookup *lookup;
    const struct observed_published *published; /* NULL: the look-up could not begin */
    const char *obstacle;                       /* why nothing can be handed over now; NULL */
    bool ends;                                  /* nothing will ever be */

    struct tls_report report;
    const char *instance;
    struct buffer packed;
    size_t at; /* of entry.copies, the one that is being handed over */

    /* as mail */
    struct queue_put put;
    struct queue_envelope envelope;
    struct queue_recipient recipient;
    struct buffer text;
    struct span rest; /* of the text */
    enum queue_status failure;

    /* by HTTPS POST */
    struct https_url url;
    struct dns_query *ipv4, *ipv6;
    struct net_address addresses[TLS_REPORT_ADDRESSES];
    size_t address_count;
    const char *no_address; /* why there is none */
    struct https_query *query;
    struct https_judge judge;
    bool is_stopping;
};

/* The copy that is being handed over is done with; goes on with the next. */
void tls_report_sending_note(struct tls_report_sending *sending, enum tls_copy_state state,
                             const char *said);

/* Hands the copy over; each ends with tls_report_sending_note, which may be called within. */
void tls_report_hand_mail(struct tls_report_sending *sending, const char *mailbox);
void tls_report_hand_post(struct tls_report_sending *sending);

/* Calls a POST off that is under way, or is about to be. */
void tls_report_hand_stop(struct tls_report_sending *sending);
