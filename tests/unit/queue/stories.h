/* tests/unit/queue/stories.h - a tracking in a folder of its own, told one event after the other. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "queue/id.h"
#include "queue/tracking.h"
#include "queue/tracking_days.h"

enum { NOW_S = 1795219200 /* 2026-11-21 */, DAY_S = 86400 };

static char folder[64];
static struct tracking *tracking;
static struct arena arena;

static int open_stories(void **state)
{
    struct error err = { 0 };

    (void)state;
    snprintf(folder, sizeof folder, "/tmp/postern-stories-XXXXXX");
    assert_non_null(mkdtemp(folder));
    arena_init(&arena, 16 * 1024 * 1024);
    assert_true(tracking_open(folder, 30, &tracking, &err));
    return 0;
}

static int close_stories(void **state)
{
    (void)state;
    tracking_close(&tracking);
    assert_true(tracking_days_expire(folder, INT64_MAX / DAY_S, NULL));
    arena_clear(&arena);
    return rmdir(folder);
}

/* Of that second; `lane` tells those of one second apart. */
static int64_t make_id(int64_t now_s, unsigned lane)
{
    struct queue_id_maker maker;

    queue_id_init(&maker, lane, 0);
    return queue_id_next(&maker, now_s);
}

static void begin_stories(int64_t now_s)
{
    struct error err = { 0 };

    if (!tracking_begin(tracking, now_s, &err))
        fail_msg("%s", err.text);
}

static void end_stories(void)
{
    assert_true(tracking_commit(tracking, NULL));
}

static void tell_session(int64_t now_s, struct queue_session session)
{
    begin_stories(now_s);
    session.at_s = now_s;
    assert_true(tracking_add_session(tracking, &session, NULL));
    end_stories();
}

static void expect_text(struct span text, const char *expected)
{
    assert_string_equal(arena_copy(&arena, text), expected);
}
