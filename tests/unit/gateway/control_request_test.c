/* tests/unit/gateway/control_request_test.c - promises of gateway/control_request.h */
#include "../test.h"

#include <string.h>

#include "gateway/control_request.h"

enum { RECIPIENTS = 3 };

static bool parse(const char *line, struct arena *arena, struct control_request *request,
                  struct error *err)
{
    arena_init(arena, 1 << 20);
    return control_request_parse(span_of(line), RECIPIENTS, arena, request, err);
}

static void check_text(struct span span, const char *text)
{
    assert_int_equal(span.len, strlen(text));
    assert_memory_equal(span.data, text, span.len);
}

static void reads_what_may_be_asked(void **state)
{
    struct control_request request;
    struct error err = { 0 };
    struct arena arena;

    (void)state;
    assert_true(parse("{\"do\":\"list\"}", &arena, &request, &err));
    assert_int_equal(request.kind, CONTROL_LIST);
    assert_false(request.by_state);
    arena_clear(&arena);
    assert_true(parse("{\"do\":\"list\",\"domain\":\"b.example\",\"state\":\"held\"}", &arena,
                      &request, &err));
    check_text(request.selection.domain, "b.example");
    assert_true(request.by_state && request.state == QUEUE_HELD);
    arena_clear(&arena);
    assert_true(
        parse("{\"do\":\"read\",\"id\":\"0000000000001\",\"part\":7}", &arena, &request, &err));
    assert_int_equal(request.id, 1);
    assert_int_equal(request.part, 7);
    arena_clear(&arena);
    assert_true(parse("{\"do\":\"delete\",\"all\":true}", &arena, &request, &err));
    assert_true(request.kind == CONTROL_CHANGE && request.change == QUEUE_DELETE);
    arena_clear(&arena);
    assert_true(
        parse("{\"do\":\"put\",\"size\":12,\"envelope\":{\"sender\":\"\",\"return\":\"full\","
              "\"smtputf8\":true},\"recipients\":[{\"address\":\"a@b.example\",\"notify\":6}]}",
              &arena, &request, &err));
    assert_int_equal(request.size_bytes, 12);
    assert_int_equal(request.recipient_count, 1);
    check_text(request.recipients[0].address, "a@b.example");
    assert_int_equal(request.recipients[0].notify, 6);
    assert_true(request.envelope.returns == QUEUE_RETURN_FULL && request.envelope.is_smtputf8);
    arena_clear(&arena);
}

#define PUT(recipients) "{\"do\":\"put\",\"size\":1,\"envelope\":{},\"recipients\":" recipients "}"
#define TO(address)     "{\"address\":\"" address "\"}"

static void refuses_what_makes_no_sense(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "[]",
        "7",
        "{}",
        "{\"do\":7}",
        "{\"do\":\"dance\"}",
        "{\"do\":\"list\",\"do\":\"list\"}",
        "{\"do\":\"list\"} x",
        "{\"do\":\"list\",\"id\":\"short\"}",
        "{\"do\":\"list\",\"id\":12}",
        "{\"do\":\"list\",\"domain\":true}",
        "{\"do\":\"list\",\"state\":\"lost\"}",
        "{\"do\":\"read\"}",
        "{\"do\":\"read\",\"id\":\"0000000000001\",\"part\":-1}",
        "{\"do\":\"read\",\"id\":\"0000000000001\",\"part\":1.5}",
        "{\"do\":\"delete\"}",
        "{\"do\":\"delete\",\"all\":false}",
        "{\"do\":\"delete\",\"all\":1}",
        "{\"do\":\"delete\",\"all\":true,\"domain\":\"b.example\"}",
        "{\"do\":\"put\",\"size\":-1,\"envelope\":{},\"recipients\":[" TO("a@b.example") "]}",
        "{\"do\":\"put\",\"size\":1,\"recipients\":[" TO("a@b.example") "]}",
        "{\"do\":\"put\",\"size\":1,\"envelope\":{\"sender\":\"no address\"},\"recipients\":[" TO(
            "a@b.example") "]}",
        "{\"do\":\"put\",\"size\":1,\"envelope\":{\"envid\":\"a b\"},\"recipients\":[" TO(
            "a@b.example") "]}",
        "{\"do\":\"put\",\"size\":1,\"envelope\":{\"return\":\"half\"},\"recipients\":[" TO(
            "a@b.example") "]}",
        PUT("[]"),
        PUT("{}"),
        PUT("[7]"),
        PUT("[{}]"),
        PUT("[" TO("root") "]"),
        PUT("[" TO("a@b.example\\r\\nRCPT TO:<c@d>") "]"),
        PUT("[" TO("a@b") "," TO("a@b") "," TO("a@b") "," TO("a@b") "]"),
        PUT("[{\"address\":\"a@b.example\",\"notify\":3}]"),
        PUT("[{\"address\":\"a@b.example\",\"notify\":16}]"),
        PUT("[{\"address\":\"a@b.example\",\"orcpt\":\"a b\"}]"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct control_request request;
        struct error err = { 0 };
        struct arena arena;

        if (parse(lines[i], &arena, &request, &err))
            fail_msg("%s was taken", lines[i]);
        assert_int_equal(err.kind, ERROR_FORMAT);
        assert_int_not_equal(err.text[0], '\0');
        arena_clear(&arena);
    }
}

static void check_round_trip(const struct control_request *request, const char *line)
{
    struct control_request back;
    struct error err = { 0 };
    struct buffer out;
    struct arena arena;

    buffer_init(&out, 4096);
    assert_true(control_request_format(request, &out, &err));
    assert_int_equal(out.len, strlen(line) + 1);
    assert_memory_equal(out.data, line, strlen(line));
    assert_int_equal(out.data[out.len - 1], '\n');
    assert_true(parse(line, &arena, &back, &err));
    assert_int_equal(back.kind, request->kind);
    assert_int_equal(back.change, request->change);
    arena_clear(&arena);
    buffer_clear(&out);
}

static void writes_what_it_reads(void **state)
{
    struct queue_recipient recipient = { .address = span_of("a@b.example"),
                                         .notify = QUEUE_NOTIFY_NEVER };

    (void)state;
    check_round_trip(&(struct control_request){ .kind = CONTROL_STATS }, "{\"do\":\"stats\"}");
    check_round_trip(&(struct control_request){ .kind = CONTROL_LIST, .selection.id = 1 },
                     "{\"do\":\"list\",\"id\":\"0000000000001\"}");
    check_round_trip(&(struct control_request){ .kind = CONTROL_CHANGE, .change = QUEUE_RETRY },
                     "{\"do\":\"retry\",\"all\":true}");
    check_round_trip(&(struct control_request){ .kind = CONTROL_CHANGE,
                                                .change = QUEUE_HOLD,
                                                .selection.domain = span_of("b.example") },
                     "{\"do\":\"hold\",\"domain\":\"b.example\"}");
    check_round_trip(&(struct control_request){ .kind = CONTROL_READ, .id = 1, .part = 2 },
                     "{\"do\":\"read\",\"id\":\"0000000000001\",\"part\":2}");
    check_round_trip(
        &(struct control_request){ .kind = CONTROL_PUT,
                                   .size_bytes = 3,
                                   .envelope.sender = span_of("c@d.example"),
                                   .recipients = &recipient,
                                   .recipient_count = 1 },
        "{\"do\":\"put\",\"size\":3,\"envelope\":{\"sender\":\"c@d.example\",\"received\":0,"
        "\"size\":0,\"origin\":{}},\"recipients\":[{\"address\":\"a@b.example\",\"state\":"
        "\"waiting\",\"due\":0,\"attempts\":0,\"notify\":1}]}");
}

static void does_not_write_what_is_no_utf8(void **state)
{
    struct control_request request = { .kind = CONTROL_LIST,
                                       .selection.domain = span_of("\xff.example") };
    struct error err = { 0 };
    struct buffer out;

    (void)state;
    buffer_init(&out, 4096);
    assert_false(control_request_format(&request, &out, &err));
    assert_int_equal(err.kind, ERROR_FORMAT);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_may_be_asked),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(does_not_write_what_is_no_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
