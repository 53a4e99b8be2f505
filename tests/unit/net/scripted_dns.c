/* tests/unit/net/scripted_dns.c - answers of the DNS as a test has them. */
#include "scripted_dns.h"

#include <stdio.h>

#include "../test.h"
#include "base/memory.h"

struct scripted_dns scripted_dns;

struct dns_query {
    struct loop_timer *timer;
    char name[300];
    enum dns_type type;
    void (*answered)(void *owner, const struct dns_answer *answer);
    void *owner;
};

void scripted_dns_begin(struct loop *loop, void (*answer)(const char *name, enum dns_type type,
                                                          struct dns_answer *told))
{
    scripted_dns = (struct scripted_dns){ .loop = loop, .answer = answer };
}

static void free_query(struct dns_query *query)
{
    loop_timer_close(&query->timer);
    memory_free(query);
}

static void answer(void *owner)
{
    struct dns_query *query = owner;
    struct dns_answer told = { .outcome = DNS_NO_DATA };

    scripted_dns.answer(query->name, query->type, &told);
    query->answered(query->owner, &told);
    free_query(query);
}

bool dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
              void (*answered)(void *owner, const struct dns_answer *answer), void *owner,
              struct dns_query **query, struct error *err)
{
    struct dns_query *made;

    (void)dns;
    assert_true(timeout_ms > 0);
    scripted_dns.asked++;
    *query = NULL;
    if (scripted_dns.cannot_ask)
        return error_set(err, ERROR_MEMORY, "no memory for a question");
    made = memory_new(1, sizeof *made);
    assert_non_null(made);
    *made = (struct dns_query){ .type = type, .answered = answered, .owner = owner };
    assert_true(snprintf(made->name, sizeof made->name, "%s", name) < (int)sizeof made->name);
    assert_true(loop_timer_open(scripted_dns.loop, answer, made, &made->timer, NULL));
    loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void dns_cancel(struct dns_query **query)
{
    scripted_dns.cancelled++;
    free_query(*query);
    *query = NULL;
}
