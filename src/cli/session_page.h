/* cli/session_page.h - what the session behind an attempt showed: level, cause, proof, remedy, what is new, diagnosis.
 */
#pragma once

#include <jansson.h>

#include "cli/queue_page.h"
#include "queue/tracking.h"

enum { SESSION_PAGE_CAUSES = 16 };

/* What a story has told already, so that it is not told again: causes of findings, and changes. */
struct session_page {
    const char *causes[SESSION_PAGE_CAUSES];
    size_t count;
    const struct tracking_event *last;
};

/* Behind the heading of an attempt, from column `hang` on. */
void session_page_attempt(struct queue_page *page, struct session_page *told,
                          const struct tracking_event *event, size_t hang);

/* The findings of the session but that one, each in short. */
void session_page_others(struct queue_page *page, const struct queue_session *session,
                         struct span finding, size_t hang);

/* Why a session was in the clear, in words: "the server does not offer STARTTLS". */
const char *session_page_why(struct queue_page *page, struct span why_clear);
/* "level may, by policy default"; "" where it is not known. */
const char *session_page_level(struct queue_page *page, const struct queue_session *session);

/* A new reference; NULL: no memory. */
MUST_CHECK json_t *session_page_json(const struct queue_session *session);
