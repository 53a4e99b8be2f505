/* tests/unit/link/scripted_answers.c - answers of the DNS and of an HTTPS server as a test has them. */
#include "scripted_answers.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "base/memory.h"
#include "trust/mta_sts.h"

struct scripted scripted;

struct https_query {
    struct loop_timer *timer;
    void (*answered)(void *owner, const struct https_answer *answer);
    void *owner;
};

static struct span wire_of(const struct scripted_answer *chosen, const char *text)
{
    struct span rest = span_of(text);
    struct net_address address = { .port = 0 };
    char wire[1024];
    size_t len = 0;

    if (chosen->type != DNS_TYPE_TXT) {
        assert_true(net_address_parse(rest, &address));
        return arena_copy_bytes(scripted.arena,
                                (struct span){ (char *)address.bytes, address.is_ipv6 ? 16 : 4 });
    }
    do {
        struct span part = span_take_until(&rest, '|');

        wire[len++] = (char)part.len;
        memcpy(wire + len, part.data, part.len);
        len += part.len;
    } while (rest.len > 0);
    return arena_copy_bytes(scripted.arena, (struct span){ wire, len });
}

static void answer_dns(const char *name, enum dns_type type, struct dns_answer *told)
{
    static struct span records[SCRIPTED_RECORDS_MOST];
    const struct scripted_answer *chosen = NULL;

    for (size_t i = 0; i < scripted.answer_count; i++)
        if (scripted.answers[i].type == type && strcmp(scripted.answers[i].name, name) == 0)
            chosen = &scripted.answers[i];
    *told = (struct dns_answer){ .outcome = DNS_NXDOMAIN, .rcode = 3 };
    if (chosen == NULL)
        return;
    told->outcome = chosen->outcome;
    told->why_bogus = chosen->outcome == DNS_BOGUS ? "signature expired" : NULL;
    told->records = records;
    for (;
         told->record_count < SCRIPTED_RECORDS_MOST && chosen->records[told->record_count] != NULL;
         told->record_count++)
        records[told->record_count] = wire_of(chosen, chosen->records[told->record_count]);
}

void scripted_begin(struct loop *loop, struct arena *arena, const char *file)
{
    scripted_dns_begin(loop, answer_dns);
    scripted = (struct scripted){ .loop = loop,
                                  .arena = arena,
                                  .https = { .outcome = HTTPS_ANSWERED,
                                             .status = 200,
                                             .content_type = span_of("text/plain; charset=utf-8"),
                                             .body = span_of(file),
                                             .failure = "" } };
}

static void answer_https(void *owner)
{
    struct https_query *query = owner;

    query->answered(query->owner, &scripted.https);
    loop_timer_close(&query->timer);
    memory_free(query);
}

bool https_send(struct https *https, const struct https_request *request,
                void (*answered)(void *owner, const struct https_answer *answer), void *owner,
                struct https_query **query, struct error *err)
{
    struct https_query *made = memory_new(1, sizeof *made);

    (void)https;
    assert_non_null(made);
    assert_int_equal(request->body_most, MTA_STS_BODY_MOST);
    assert_null(request->upload_type);
    scripted.sent++;
    snprintf(scripted.url, sizeof scripted.url, "%s", request->url);
    scripted.first = request->addresses[0];
    scripted.address_count = request->address_count;
    if (scripted.cannot_send) {
        memory_free(made);
        return error_set(err, ERROR_SYSTEM, "no descriptor is left");
    }
    if (scripted.is_judged)
        (void)request->judge(request->judge_owner,
                             &(struct https_peer){ .host = "mta-sts.example.org" });
    *made = (struct https_query){ .answered = answered, .owner = owner };
    assert_true(loop_timer_open(scripted.loop, answer_https, made, &made->timer, NULL));
    loop_timer_start(made->timer, 0);
    *query = made;
    return true;
}

void https_cancel(struct https_query **query)
{
    if (*query == NULL)
        return;
    scripted.cancelled++;
    loop_timer_close(&(*query)->timer);
    memory_free(*query);
    *query = NULL;
}
