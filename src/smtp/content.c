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

/* Length of the front that holds no line end. The LF is looked for first, so that no byte is looked
 * at more than twice. */
static size_t plain_len(struct span bytes)
{
    bytes.len = span_find(bytes, '\n');
    return span_find(bytes, '\r');
}

/* Of lines that end in CRLF, those before the first that has another CR. */
static size_t len_before_bare_cr(struct span lines)
{
    size_t len = 0, cr;

    while ((cr = span_find(span_part(lines, len, lines.len), '\r')) + 1 < lines.len - len &&
           lines.data[len + cr + 1] == '\n')
        len += cr + 2;
    return len;
}

/* Length of the front that is lines that end in CRLF, and need nothing else; a line begins there. */
static size_t sound_lines_len(struct span bytes, bool is_stuffable)
{
    const char *line = bytes.data, *end = bytes.data + bytes.len, *lf;
    size_t lines = 0;

    while (line < end && !(is_stuffable && *line == '.')) {
        lf = memchr(line, '\n', (size_t)(end - line));
        if (lf == NULL || lf == line || lf[-1] != '\r')
            break;
        line = lf + 1;
        lines++;
    }
    bytes.len = (size_t)(line - bytes.data);
    return span_count(bytes, '\r') == lines ? bytes.len : len_before_bare_cr(bytes);
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
    if (input->data[0] == '\n') {
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
    } else if (input->data[0] == '\0') {
        spoil(content, SMTP_CONTENT_NUL);
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

/* As far as the decoded bytes are neighbours: to a stuffed dot, a mended line end, or a CR whose
 * LF has not come. */
static bool take_run(struct smtp_content *content, struct span *input, struct span *decoded)
{
    bool is_stuffable = content->is_data;

    switch (content->state) {
    case AFTER_CR: take_after_cr(content, input, decoded); return false;
    case AFTER_DOT: take_after_dot(content, input, decoded); return false;
    case AFTER_DOT_CR: return take_after_dot_cr(content, input, decoded);
    default: break;
    }
    while (input->len > 0 && content->flaw == SMTP_CONTENT_FINE) {
        if (content->state == LINE_START && !content->after_bare_end)
            give(input, sound_lines_len(*input, is_stuffable), decoded);
        if (input->len == 0 || content->state == AFTER_CR ||
            (content->state == LINE_START && is_stuffable && input->data[0] == '.'))
            break;
        size_t before = input->len;

        take_line(content, input, decoded);
        if (input->len == before || content->after_bare_end)
            break;
    }
    if (decoded->len == 0 && content->state == LINE_START && input->len > 0 && is_stuffable &&
        input->data[0] == '.') {
        span_take(input);
        content->state = AFTER_DOT;
    }
    return false;
}

/* A run is searched for a NUL as a whole, not line by line. Where it has one, it is taken again up to
 * there, from where it was `before`. */
static bool take_run_without_nul(struct smtp_content *content, struct span *input,
                                 struct span *decoded)
{
    struct smtp_content before = *content;
    struct span whole = *input;
    bool is_over = take_run(content, input, decoded);
    size_t nul = span_find(*decoded, '\0');

    if (nul == decoded->len)
        return is_over;
    *content = before;
    nul += (size_t)(decoded->data - whole.data);
    *input = span_part(whole, 0, nul);
    *decoded = (struct span){ whole.data, 0 };
    if (nul > 0)
        (void)take_run(content, input, decoded);
    *input = span_part(whole, nul, whole.len);
    spoil(content, SMTP_CONTENT_NUL);
    return false;
}

enum smtp_content_status smtp_content_feed(struct smtp_content *content, struct span *input,
                                           struct span *decoded)
{
    bool is_over = false;

    assert(input->len > 0);
    *decoded = (struct span){ input->data, 0 };
    if (content->flaw == SMTP_CONTENT_FINE)
        is_over = take_run_without_nul(content, input, decoded);
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
