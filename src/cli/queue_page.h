/* cli/queue_page.h - a message of the queue for people: who, how far, when again, and why. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "diagnose/page.h"
#include "diagnose/report.h"
#include "queue/store.h"
#include "queue/tracking.h"

struct queue_page {
    struct page page;
    struct arena *arena; /* for the texts of one call; the caller clears it */
    int64_t now_s;
    bool with_utf8;
};

/* Counted over a list. */
struct queue_page_sum {
    int64_t messages, bytes, recipients[QUEUE_STATES];
};

/* The line above a list. */
void queue_page_heading(struct queue_page *page);
/* A message in a list: a line for it, and some for each recipient that is not done. */
void queue_page_entry(struct queue_page *page, const struct queue_message *message);
/* All that is known of one. */
void queue_page_message(struct queue_page *page, const struct queue_message *message,
                        const struct tracking_story *story);

/* The recipient's last attempt in the story, with its session; NULL: tracking does not have it, or not yet. */
const struct tracking_event *queue_page_last(const struct tracking_story *story,
                                             const struct queue_recipient *recipient);
/* The line below a list. */
void queue_page_sum(struct queue_page *page, const struct queue_page_sum *sum);

void queue_page_count(struct queue_page_sum *sum, const struct queue_message *message);

/* Bytes of anybody as they came, safe to show: base/text.h. */
const char *queue_page_text(struct queue_page *page, struct span text);
/* Words in which those of others have been made safe already: replies, findings, what is new of a host. */
const char *queue_page_words(struct queue_page *page, struct span words);
/* "4.7.5 certificate-expired: the words", and no code where the words have it. "" where all are empty. */
const char *queue_page_reason(struct queue_page *page, struct span code, struct span finding,
                              struct span words);
/* "192.0.2.1, HELO mx.example.org", "user alice of this host". */
const char *queue_page_client(struct queue_page *page, const struct queue_origin *origin);
/* What the message asks of TLS (RFC 8689); "" where it asks nothing. */
const char *queue_page_wish(const struct queue_envelope *envelope);
/* The same with ", over TLSv1.3 (TLS_AES_256_GCM_SHA384)" or ", in clear". */
const char *queue_page_origin(struct queue_page *page, const struct queue_origin *origin);
