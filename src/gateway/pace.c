#include "gateway/pace.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void pace_init(struct pace *pace, const struct pace_settings *settings)
{
    *pace = (struct pace){ .settings = *settings, .most = settings->first };
}

void pace_take_success(struct pace *pace, int64_t now_ms, int64_t took_ms)
{
    pace->message_ms = took_ms < 1 ? 1 : took_ms;
    pace->failures = 0;
    pace->rests_until_ms = 0;
    if (++pace->taken < pace->most)
        return;
    pace->taken = 0;
    if (pace->distance_ms > 0) { /* first the distance goes, then connections come */
        pace->distance_ms /= 2;
        pace->next_at_ms = least(pace->next_at_ms, now_ms + pace->distance_ms);
        if (pace->distance_ms < PACE_DISTANCE_FIRST_MS / 2)
            pace->distance_ms = 0;
    } else if (pace->most < pace->settings.most) {
        pace->most++;
    }
}

void pace_take_throttle(struct pace *pace, int64_t now_ms)
{
    pace->taken = 0;
    if (pace->most > 1) {
        pace->most /= 2;
        return;
    }
    pace->distance_ms = pace->distance_ms == 0
                            ? PACE_DISTANCE_FIRST_MS
                            : least(pace->distance_ms * 2, PACE_DISTANCE_MOST_MS);
    pace->next_at_ms = now_ms + pace->distance_ms;
}

void pace_take_failure(struct pace *pace, int64_t now_ms, int64_t most_ms, uint32_t chance)
{
    int64_t rest_ms = PACE_REST_MOST_MS;

    if (pace->failures < 5)
        rest_ms = least(rest_ms, (int64_t)PACE_REST_FIRST_MS << pace->failures);
    rest_ms = least(rest_ms, most_ms);
    pace->failures++;
    pace->taken = 0;
    if (pace->settings.rests)
        pace->rests_until_ms = now_ms + rest_ms - rest_ms / 8 * (int64_t)(chance % 1024) / 1024;
}

void pace_forget(struct pace *pace)
{
    pace->rests_until_ms = 0;
    pace->next_at_ms = 0;
}

bool pace_rests(const struct pace *pace, int64_t now_ms)
{
    return now_ms < pace->rests_until_ms;
}

size_t pace_connections(const struct pace *pace)
{
    return pace->failures > 0 ? 1 : pace->most;
}

bool pace_wants_connection(const struct pace *pace, size_t waiting, size_t connections)
{
    if (connections >= pace_connections(pace))
        return false;
    if (pace->message_ms == 0)
        return waiting > connections * PACE_MESSAGES;
    return waiting > connections * PACE_WAIT_MS / (uint64_t)pace->message_ms;
}

int64_t pace_begin(struct pace *pace, int64_t now_ms)
{
    if (pace->distance_ms == 0)
        return 0;
    if (now_ms < pace->next_at_ms)
        return pace->next_at_ms - now_ms;
    pace->next_at_ms = now_ms + pace->distance_ms;
    return 0;
}
