#include "trust/mta_sts.h"

#include "base/text.h"

const struct txt_record_kind mta_sts_record_kind = { "v=STSv1", "stsv", "id" };

const char *mta_sts_mode_name(enum mta_sts_mode mode)
{
    static const char *const names[MTA_STS_MODE_COUNT] = {
        [MTA_STS_MODE_NONE] = "none",
        [MTA_STS_MODE_TESTING] = "testing",
        [MTA_STS_MODE_ENFORCE] = "enforce",
    };

    return mode < MTA_STS_MODE_COUNT ? names[mode] : NULL;
}

/* ---- the record ---- */

/* RFC 8461 section 3.1: sts-id */
static bool is_id(struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!text_is_letter_or_digit(value.data[i]))
            return false;
    return value.len > 0 && value.len <= MTA_STS_ID_MOST;
}

static bool read_id(struct span record, struct arena *arena, struct span *id, const char **flaw)
{
    struct span rest = txt_record_begin(&mta_sts_record_kind, record), name, value;

    *id = (struct span){ NULL, 0 };
    for (;;) {
        if (!txt_record_next(&mta_sts_record_kind, &rest, arena, &name, &value, flaw))
            return false;
        if (name.len == 0)
            break;
        if (span_equal(name, span_of("id")) && id->len == 0)
            *id = value;
    }
    if (id->len == 0)
        *flaw = "it has no id";
    else if (!is_id(*id))
        *flaw = arena_format(arena, "its id %s is not 1 to 32 letters and digits",
                             txt_record_quote(arena, *id));
    else
        return true;
    return false;
}

enum txt_record_status mta_sts_record_read(const struct span *texts, size_t count,
                                           struct arena *arena, const char **id, const char **flaw)
{
    struct span picked, value;
    size_t found = txt_record_choose(&mta_sts_record_kind, texts, count, arena, &picked, flaw);

    *id = NULL;
    if (found == 0)
        return *flaw == NULL ? TXT_RECORD_NONE : TXT_RECORD_INVALID;
    if (found > 1)
        return TXT_RECORD_SEVERAL;
    if (!read_id(picked, arena, &value, flaw))
        return TXT_RECORD_INVALID;
    *id = arena_copy(arena, value);
    return TXT_RECORD_VALID;
}

/* ---- the policy file ---- */

struct reading {
    struct arena *arena;
    struct mta_sts_policy *policy;
    const char **patterns;
    size_t line;
    bool has_version, has_mode, has_age;
    const char *flaw; /* without the line */
};

static bool refuse(struct reading *reading, const char *what, struct span value, const char *wanted)
{
    reading->flaw = arena_format(reading->arena, "%s %s %s", what,
                                 txt_record_quote(reading->arena, value), wanted);
    return false;
}

static bool read_version(struct reading *reading, struct span value)
{
    reading->has_version = true;
    return span_equal(value, span_of("STSv1")) ||
           refuse(reading, "the version is", value, "and not \"STSv1\"");
}

static bool read_mode(struct reading *reading, struct span value)
{
    reading->has_mode = true;
    for (unsigned mode = 0; mode < MTA_STS_MODE_COUNT; mode++)
        if (span_equal(value, span_of(mta_sts_mode_name((enum mta_sts_mode)mode)))) {
            reading->policy->mode = (enum mta_sts_mode)mode;
            return true;
        }
    return refuse(reading, "the mode is", value, "and not enforce, testing or none");
}

static bool read_age(struct reading *reading, struct span value)
{
    uint64_t seconds = 0;

    reading->has_age = true;
    if (value.len > 10 || !text_to_number(value, MTA_STS_AGE_MOST_S, &seconds))
        return refuse(reading, "max_age is", value, "and not a number of seconds up to 31557600");
    reading->policy->max_age_s = (int64_t)seconds;
    return true;
}

/* RFC 5321 section 4.1.2: a Domain of letters, digits and hyphens. */
static bool is_host_name(struct span name)
{
    if (name.len == 0 || name.len > 253)
        return false;
    while (name.data != NULL) {
        size_t dot = span_find(name, '.');
        struct span label = span_part(name, 0, dot);

        if (label.len == 0 || label.len > 63 || label.data[0] == '-' ||
            label.data[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!text_is_letter_or_digit(label.data[i]) && label.data[i] != '-')
                return false;
        name = dot == name.len ? (struct span){ NULL, 0 } : span_part(name, dot + 1, name.len);
    }
    return true;
}

static bool read_mx(struct reading *reading, struct span value)
{
    struct span name = span_starts_with(value, "*.") ? span_part(value, 2, value.len) : value;

    if (!is_host_name(name))
        return refuse(reading, "the mx", value, "is no host name, nor \"*.\" and one");
    if (reading->policy->mx_count == MTA_STS_MX_MOST) {
        reading->flaw = "there are more than 1024 lines of mx";
        return false;
    }
    reading->patterns[reading->policy->mx_count++] = text_lower_copy(reading->arena, value);
    return true;
}

/* RFC 8461 section 3.2: sts-policy-ext-value */
static bool read_unknown(struct reading *reading, struct span value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.data[i] < ' ' || value.data[i] == 0x7f)
            return refuse(reading, "the value", value, "has a control character");
    return text_is_utf8(value) || refuse(reading, "the value", value, "is not UTF-8");
}

/* RFC 8461 section 3.2: of a field that is not mx only the first counts. */
static bool read_value(struct reading *reading, struct span name, struct span value)
{
    if (span_equal(name, span_of("mx")))
        return read_mx(reading, value);
    if (span_equal(name, span_of("version")) && !reading->has_version)
        return read_version(reading, value);
    if (span_equal(name, span_of("mode")) && !reading->has_mode)
        return read_mode(reading, value);
    if (span_equal(name, span_of("max_age")) && !reading->has_age)
        return read_age(reading, value);
    return read_unknown(reading, value);
}

static bool read_line(struct reading *reading, struct span line)
{
    size_t colon = span_find(line, ':');
    struct span name = span_part(line, 0, colon);
    struct span value = span_trim(span_part(line, colon + 1, line.len));

    if (line.len == 0)
        reading->flaw = "it is empty";
    else if (span_starts_with(line, "\xef\xbb\xbf"))
        reading->flaw = "it begins with a byte order mark";
    else if (colon == line.len)
        return refuse(reading, "it is", line, "and not of the form name: value");
    else if (!txt_record_is_name(name))
        return refuse(reading, "there is", name, "where the name of a field should be");
    else if (value.len == 0)
        return refuse(reading, "the field", name, "has no value");
    else
        return read_value(reading, name, value);
    return false;
}

/* A line ends with LF or CRLF: RFC 8461 section 3.2, sts-policy-term. */
static struct span take_line(struct span *body)
{
    size_t end = span_find(*body, '\n');
    struct span line = span_part(*body, 0, end);

    *body = span_part(*body, end + 1, body->len);
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static struct span without_empty_end(struct span body)
{
    while (body.len > 0 && strchr(" \t\r\n", body.data[body.len - 1]) != NULL &&
           body.data[body.len - 1] != '\0')
        body.len--;
    return body;
}

/* As many patterns may come, or as are taken. */
static size_t count_lines(struct span body)
{
    size_t lines = 1;

    for (size_t i = 0; i < body.len && lines < MTA_STS_MX_MOST; i++)
        lines += body.data[i] == '\n';
    return lines;
}

static const char *what_is_missing(const struct reading *reading)
{
    if (!reading->has_version)
        return "it has no line \"version: STSv1\"";
    if (!reading->has_mode)
        return "it has no line with the mode";
    if (!reading->has_age)
        return "it has no line with max_age";
    if (reading->policy->mode != MTA_STS_MODE_NONE && reading->policy->mx_count == 0)
        return "it has no line with an mx";
    return NULL;
}

bool mta_sts_policy_read(struct span body, struct arena *arena, struct mta_sts_policy *policy,
                         const char **flaw)
{
    struct reading reading = { .arena = arena, .policy = policy };

    *policy = (struct mta_sts_policy){ .mode = MTA_STS_MODE_NONE };
    *flaw = NULL;
    body = without_empty_end(body);
    if (body.len == 0)
        *flaw = "it is empty";
    else if (body.len > MTA_STS_BODY_MOST)
        *flaw = "it is larger than 64 KB";
    if (*flaw != NULL)
        return false;
    reading.patterns = arena_new(arena, count_lines(body), sizeof *reading.patterns);
    if (reading.patterns == NULL) {
        *flaw = "there is no memory to read it";
        return false;
    }
    policy->mx = reading.patterns;
    while (body.len > 0) {
        reading.line++;
        if (!read_line(&reading, take_line(&body))) {
            *flaw = arena_format(arena, "line %zu: %s", reading.line, reading.flaw);
            return false;
        }
    }
    *flaw = what_is_missing(&reading);
    return *flaw == NULL;
}

bool mta_sts_is_plain_text(struct span content_type)
{
    struct span type = span_part(content_type, 0, span_find(content_type, ';'));

    return span_equal_nocase(span_trim(type), span_of("text/plain"));
}

/* ---- hosts ---- */

bool mta_sts_match(const char *pattern, const char *host)
{
    struct span wanted = span_without_final_dot(span_of(pattern)),
                name = span_without_final_dot(span_of(host));

    if (span_starts_with(wanted, "*.")) {
        size_t label = span_find(name, '.');

        if (label == 0)
            return false;
        wanted = span_part(wanted, 1, wanted.len);
        name = span_part(name, label, name.len);
    }
    return wanted.len > 0 && span_equal_nocase(wanted, name);
}

bool mta_sts_policy_lists(const struct mta_sts_policy *policy, const char *host)
{
    for (size_t i = 0; i < policy->mx_count; i++)
        if (mta_sts_match(policy->mx[i], host))
            return true;
    return false;
}
