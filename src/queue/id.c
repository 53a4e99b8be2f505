#include "queue/id.h"

#include "base/text.h"

#include <assert.h>

enum { COUNT_BITS = 21, LANE_BITS = 9, DIGIT_BITS = 5 };

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const int64_t last_second = (INT64_C(1) << 33) - 1;

void queue_id_init(struct queue_id_maker *maker, unsigned lane, int64_t newest)
{
    assert(lane < QUEUE_ID_LANES && newest >= 0);
    *maker = (struct queue_id_maker){ (uint64_t)newest >> LANE_BITS, lane };
}

static uint64_t first_of(int64_t second)
{
    if (second < 0)
        second = 0;
    return (uint64_t)(second > last_second ? last_second : second) << COUNT_BITS;
}

void queue_id_pass(struct queue_id_maker *maker, int64_t newest)
{
    if (maker->newest < (uint64_t)newest >> LANE_BITS)
        maker->newest = (uint64_t)newest >> LANE_BITS;
}

int64_t queue_id_next(struct queue_id_maker *maker, int64_t now_s)
{
    uint64_t first = first_of(now_s);

    maker->newest = first > maker->newest ? first : maker->newest + 1;
    return (int64_t)(maker->newest << LANE_BITS | maker->lane);
}

int64_t queue_id_time_s(int64_t id)
{
    return id >> (COUNT_BITS + LANE_BITS);
}

void queue_id_format(int64_t id, char text[QUEUE_ID_TEXT + 1])
{
    uint64_t rest = (uint64_t)id;

    for (int i = QUEUE_ID_TEXT - 1; i >= 0; i--, rest >>= DIGIT_BITS)
        text[i] = digits[rest & 31];
    text[QUEUE_ID_TEXT] = '\0';
}

/* 32 where the character is no digit. */
static uint64_t value_of(char c)
{
    uint64_t value = 0;

    c = text_lower(c);
    while (value < 32 && digits[value] != c)
        value++;
    return value;
}

bool queue_id_parse(struct span text, int64_t *id)
{
    uint64_t sum = 0;

    *id = 0;
    if (text.len != QUEUE_ID_TEXT)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t value = value_of(text.data[i]);

        if (value >= 32 || (i == 0 && value > 7)) /* 13 digits are 65 bits; an id has 63 */
            return false;
        sum = sum << DIGIT_BITS | value;
    }
    *id = (int64_t)sum;
    return true;
}
