/* cli/story_page.h - what tracking knows of a message, for a reader who was woken up by it. */
#pragma once

#include <jansson.h>

#include "cli/queue_page.h"
#include "queue/tracking.h"

/* The message, its events in order of time, and how it ended. */
void story_page_message(struct queue_page *page, const struct tracking_story *story);
/* A session that was no message: who, why, what to do. */
void story_page_note(struct queue_page *page, const struct tracking_story *story);

/* The same for machines: the envelope (gateway/control_json.h) with "events" and, by their ids, "sessions". A new reference; NULL: no
 * memory. */
MUST_CHECK json_t *story_page_json(const struct tracking_story *story);
