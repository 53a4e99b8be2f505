#include "smtp/content.h"

#include <assert.h>
#include <string.h>

/* The first five read content; the others follow a flaw, and only look for the end. */
enum {
    LINE_START,
    IN_LINE,
    AFTER_CR, /* is given out with its LF */
    AFTER_DOT,
    AFTER_DOT_CR,
    LOST_LINE_START,
    LOST_IN_LINE,
    LOST_AFTER_CR,
    LOST_AFTER_DOT,
    LOST_AFTER_DOT_CR,
};

void smtp_content_init(struct smtp_content *content, bool is_data, bool mends_bare_lf)
{
    *content = (struct smtp_content){ .is_data = is_data,
                                      .mends_bare_lf = mends_bare_lf,
                                      .state = LINE_START };
}

/* Sixteen octets at once; a comparison sets all bits of those for which it holds. */
typedef uint8_t lanes __attribute__((vector_size(16)));

enum { BLOCK_BYTES = 4 * sizeof(lanes) };

static lanes load(const char *bytes)
{
    lanes loaded;

    memcpy(&loaded, bytes, sizeof loaded);
    return loaded;
}

/* Is a block content as it stands: no NUL, each CR before an LF, and each LF but the first octet behind a
 * CR, none before `stuffed`? The octet behind the block is looked at, too. */
static bool is_plain(const char *block, char stuffed)
{
    const lanes cr = (lanes){ 0 } + '\r', lf = (lanes){ 0 } + '\n';
    const lanes dot = (lanes){ 0 } + (uint8_t)stuffed;
    lanes flaws = { 0 };
    uint64_t words[2];

    for (size_t i = 0; i < BLOCK_BYTES; i += sizeof flaws) {
        lanes octets = load(block + i), next = load(block + i + 1);

        flaws |= (lanes)(octets == 0);
        flaws |= (lanes)(octets == cr) ^ (lanes)(next == lf);
        flaws |= (lanes)(octets == lf) & (lanes)(next == dot);
    }
    memcpy(words, &flaws, sizeof words);
    return (words[0] | words[1]) == 0;
}

/* Length of a front that is content as it stands, and does not end between a CR and its LF: block by
 * block, without looking for the lines in it. Behind a line end `bytes` begin a line. */
static size_t plain_blocks_len(struct span bytes, bool is_line_start, bool is_stuffable)
{
    const char stuffed = is_stuffable ? '.' : '\n'; /* an LF behind an LF is a flaw in any case */
    size_t len = 0;

    if (bytes.len == 0 || bytes.data[0] == '\n' || (is_line_start && bytes.data[0] == stuffed))
        return 0;
    while (bytes.len - len > BLOCK_BYTES && is_plain(bytes.data + len, stuffed))
        len += BLOCK_BYTES;
    return len > 0 && bytes.data[len - 1] == '\r' ? len - 1 : len;
}

/* Length of the front that holds no line end and no NUL. The LF is looked for first, so that no byte is
 * looked at more than thrice. */
static size_t plain_len(struct span bytes)
{
    bytes.len = span_find(bytes, '\n');
    bytes.len = span_find(bytes, '\r');
    return span_find(bytes, '\0');
}

/* Gives the bytes that stand at the front of *input, behind those given already. */
static void give(struct span *input, size_t len, struct span *decoded)
{
    span_take_front(input, len);
    decoded->len += len;
}

static void give_static(struct smtp_content *content, struct span *input, const char *bytes,
                        struct span *decoded)
{
    span_take(input);
    *decoded = span_of(bytes);
    content->state = LINE_START;
}

static void spoil(struct smtp_content *content, enum smtp_content_flaw flaw)
{
    content->flaw = flaw;
    content->state = (uint8_t)(content->state + LOST_LINE_START - LINE_START);
}

/* A bare LF stands at the front of *input; `mended` is what it becomes. */
static void take_bare_lf(struct smtp_content *content, struct span *input, const char *mended,
                         struct span *decoded)
{
    if (!content->mends_bare_lf) {
        spoil(content, SMTP_CONTENT_BARE_LF);
        return;
    }
    if (decoded->len > 0)
        return; /* what stands before it goes first, for the two are not neighbours */
    give_static(content, input, mended, decoded);
    content->after_bare_end = true;
}

static void take_line(struct smtp_content *content, struct span *input, struct span *decoded)
{
    size_t len = plain_len(*input);

    content->state = len > 0 ? IN_LINE : content->state;
    give(input, len, decoded);
    if (input->len == 0)
        return;
    if (input->data[0] == '\0') {
        spoil(content, SMTP_CONTENT_NUL);
    } else if (input->data[0] == '\n') {
        take_bare_lf(content, input, "\r\n", decoded);
    } else if (input->len == 1) {
        span_take(input);
        content->state = AFTER_CR;
    } else if (input->data[1] == '\n') {
        give(input, 2, decoded);
        content->state = LINE_START;
        content->after_bare_end = false;
    } else {
        spoil(content, SMTP_CONTENT_BARE_CR);
    }
}

static void take_after_cr(struct smtp_content *content, struct span *input, struct span *decoded)
{
    if (input->data[0] != '\n') {
        spoil(content, SMTP_CONTENT_BARE_CR);
        return;
    }
    give_static(content, input, "\r\n", decoded);
    content->after_bare_end = false;
}

/* The dot is dropped where anything stands behind it in its line. */
static void take_after_dot(struct smtp_content *content, struct span *input, struct span *decoded)
{
    if (input->data[0] == '\r') {
        span_take(input);
        content->state = AFTER_DOT_CR;
    } else if (input->data[0] == '\n') {
        take_bare_lf(content, input, ".\r\n", decoded);
    } else {
        content->state = IN_LINE;
        *decoded = (struct span){ input->data, 0 };
        take_line(content, input, decoded);
    }
}

/* Only behind a CRLF does the line of one dot end the data. */
static bool take_after_dot_cr(struct smtp_content *content, struct span *input,
                              struct span *decoded)
{
    if (input->data[0] != '\n') {
        spoil(content, SMTP_CONTENT_BARE_CR);
        return false;
    }
    if (content->after_bare_end) {
        give_static(content, input, ".\r\n", decoded);
        content->after_bare_end = false;
        return false;
    }
    span_take(input);
    return true;
}

/* One line end of any kind, behind a flaw. */
static enum smtp_content_status end_lost_line(struct smtp_content *content, bool is_crlf)
{
    bool is_dot = content->state == LOST_AFTER_DOT || content->state == LOST_AFTER_DOT_CR;
    bool is_true = is_crlf && !content->after_bare_end;

    content->state = LOST_LINE_START;
    content->after_bare_end = !is_crlf;
    if (!is_dot)
        return SMTP_CONTENT_MORE;
    return is_true ? SMTP_CONTENT_ENDED : SMTP_CONTENT_FALSE_END;
}

static enum smtp_content_status take_lost(struct smtp_content *content, struct span *input)
{
    bool after_cr = content->state == LOST_AFTER_CR || content->state == LOST_AFTER_DOT_CR;
    char c = input->data[0];

    if (after_cr && c != '\n') /* the CR was a line end to some; c begins the next line */
        return end_lost_line(content, false);
    span_take(input);
    if (c == '\n')
        return end_lost_line(content, after_cr);
    if (c == '\r')
        content->state = content->state == LOST_AFTER_DOT ? LOST_AFTER_DOT_CR : LOST_AFTER_CR;
    else
        content->state =
            c == '.' && content->state == LOST_LINE_START ? LOST_AFTER_DOT : LOST_IN_LINE;
    return SMTP_CONTENT_MORE;
}

static enum smtp_content_status search_end(struct smtp_content *content, struct span *input)
{
    enum smtp_content_status status = SMTP_CONTENT_MORE;

    if (!content->is_data) { /* a chunk has a length, and needs no end */
        span_take_front(input, input->len);
        return SMTP_CONTENT_MORE;
    }
    while (input->len > 0 && status == SMTP_CONTENT_MORE)
        status = take_lost(content, input);
    return status;
}

/* Most content, at the speed of the memory; what stands behind it is taken line by line. */
static void take_blocks(struct smtp_content *content, struct span *input, struct span *decoded)
{
    size_t len = plain_blocks_len(*input, content->state == LINE_START, content->is_data);

    if (len == 0)
        return;
    give(input, len, decoded);
    content->state = decoded->data[decoded->len - 1] == '\n' ? LINE_START : IN_LINE;
}

static bool is_before_stuffed_dot(const struct smtp_content *content, struct span input)
{
    return content->state == LINE_START && content->is_data && input.len > 0 &&
           input.data[0] == '.';
}

/* As far as the decoded bytes are neighbours: to a stuffed dot, a mended line end, or a CR whose
 * LF has not come. */
static bool take_run(struct smtp_content *content, struct span *input, struct span *decoded)
{
    switch (content->state) {
    case AFTER_CR: take_after_cr(content, input, decoded); return false;
    case AFTER_DOT: take_after_dot(content, input, decoded); return false;
    case AFTER_DOT_CR: return take_after_dot_cr(content, input, decoded);
    default: break;
    }
    while (input->len > 0 && content->state != AFTER_CR && content->flaw == SMTP_CONTENT_FINE &&
           !is_before_stuffed_dot(content, *input)) {
        size_t before = input->len;

        if (!content->after_bare_end)
            take_blocks(content, input, decoded);
        if (!is_before_stuffed_dot(content, *input))
            take_line(content, input, decoded);
        if (input->len == before || content->after_bare_end)
            break;
    }
    if (decoded->len == 0 && is_before_stuffed_dot(content, *input)) {
        span_take(input);
        content->state = AFTER_DOT;
    }
    return false;
}

enum smtp_content_status smtp_content_feed(struct smtp_content *content, struct span *input,
                                           struct span *decoded)
{
    bool is_over = false;

    assert(input->len > 0);
    *decoded = (struct span){ input->data, 0 };
    if (content->flaw == SMTP_CONTENT_FINE)
        is_over = take_run(content, input, decoded);
    content->octets += decoded->len;
    if (content->flaw != SMTP_CONTENT_FINE)
        return search_end(content, input);
    return is_over ? SMTP_CONTENT_ENDED : SMTP_CONTENT_MORE;
}

void smtp_content_finish(struct smtp_content *content)
{
    if (content->state == AFTER_CR)
        spoil(content, SMTP_CONTENT_BARE_CR);
}
