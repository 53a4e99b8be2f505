/* fuzz/bounce.c - whatever was said of a message, its report is lines of mail, and its fields are our own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/bounce.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MOST = 998 };

static void insist(bool claim)
{
    if (!claim)
        abort();
}

/* The next text of the input; the store holds none that is longer. */
static struct span take(struct span *input, size_t most)
{
    return span_part(span_take_until(input, '\0'), 0, most);
}

/* Texts of a finding end in NUL; that is part of them. */
static const char *take_text(struct arena *arena, struct span *input)
{
    return arena_copy(arena, take(input, QUEUE_FACT_BYTES));
}

/* Of a row of the catalogue, or of none, in words that anybody may have said. */
static void take_finding(struct arena *arena, struct span *input, struct finding *finding)
{
    static const char *const codes[] = { "certificate-expired", "trust-store-empty",
                                         "connect-refused", "dns-timeout" };
    uint8_t which = input->len == 0 ? 0 : (uint8_t)span_take(input);

    *finding = (struct finding){
        .code = which < 4 ? codes[which] : take_text(arena, input),
        .step = (enum step)(which % STEP_COUNT),
        .fault = (enum fault)(which % (FAULT_POLICY + 1)),
        .severity = (enum severity)(which % (SEVERITY_FATAL + 1)),
        .cause = take_text(arena, input),
        .remedy = take_text(arena, input),
    };
    while (finding->evidence_count < which % (FINDING_EVIDENCE_MOST + 1))
        finding->evidence[finding->evidence_count++] = take_text(arena, input);
}

static void check_lines(struct span text)
{
    while (text.len > 0) {
        struct span line = span_take_until(&text, '\n');

        insist(line.len > 0 && line.len <= LINE_MOST + 1 && line.data[line.len - 1] == '\r');
        insist(memchr(line.data, '\r', line.len - 1) == NULL);
    }
}

/* Its parts begin and end where we say, and what tells programs is ASCII. */
static void check_parts(struct span text)
{
    static const char begin[] = "\r\n--boundary\r\n";
    static const char status[] = "\r\n--boundary\r\nContent-Type: message/delivery-status\r\n";
    const char *at = text.data, *end = text.data + text.len, *fields;
    unsigned parts = 0, blocks = 0;

    while ((at = memmem(at, (size_t)(end - at), begin, strlen(begin))) != NULL) {
        parts++;
        at++;
    }
    insist(parts == 3);
    fields = memmem(text.data, text.len, status, strlen(status));
    insist(fields != NULL);
    fields += strlen(status);
    end = memmem(fields, (size_t)(end - fields), begin, strlen(begin));
    for (at = fields; at < end; at++) {
        insist((unsigned char)*at < 0x80 && (*at >= ' ' || *at == '\r' || *at == '\n'));
        blocks += end - at > 4 && memcmp(at, "\r\n\r\n", 4) == 0;
    }
    insist(blocks == 2); /* behind the header of the part, and before the recipient */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = { (const char *)data, size };
    uint8_t kind = size == 0 ? 0 : (uint8_t)span_take(&input);
    struct queue_envelope envelope = {
        .id = 1,
        .sender = take(&input, QUEUE_ADDRESS_BYTES),
        .envid = take(&input, QUEUE_ADDRESS_BYTES),
        .message_id = take(&input, QUEUE_FACT_BYTES),
        .returns = QUEUE_RETURN_HEADERS,
        .is_smtputf8 = kind & 4,
    };
    struct queue_recipient recipient = { .address = take(&input, QUEUE_ADDRESS_BYTES),
                                         .orcpt = take(&input, QUEUE_ADDRESS_BYTES) };
    struct queue_attempt attempt = { .relay = take(&input, QUEUE_FACT_BYTES),
                                     .code = take(&input, QUEUE_FACT_BYTES),
                                     .reply = take(&input, QUEUE_FACT_BYTES),
                                     .finding = take(&input, QUEUE_FACT_BYTES) };
    struct bounce_recipient one = { &recipient, &attempt,
                                    kind & 8 ? attempt.reply : (struct span){ NULL, 0 }, NULL };
    struct finding finding;
    struct arena arena;
    struct bounce bounce = {
        .action = (enum bounce_action)(kind & 3),
        .envelope = &envelope,
        .recipients = &one,
        .count = 1,
        .hostname = "mx.example.org",
        .id = "id",
        .boundary = "boundary",
    };
    struct bounce_form form;
    struct buffer out;

    arena_init(&arena, 1 << 20);
    if (kind & 64) {
        take_finding(&arena, &input, &finding);
        one.finding = &finding;
    }
    if (kind & 16) { /* what comes back may hold anything: that it is taken at all is the claim */
        envelope.returns = kind & 32 ? QUEUE_RETURN_FULL : QUEUE_RETURN_UNSAID;
        envelope.size_bytes = (int64_t)input.len;
        bounce.message = input;
    }
    buffer_init(&out, BOUNCE_BYTES_MOST);
    if (bounce_compose(&bounce, &out, &form) && !(kind & 16)) {
        check_lines(buffer_span(&out));
        check_parts(buffer_span(&out));
    }
    buffer_clear(&out);
    arena_clear(&arena);
    return 0;
}
