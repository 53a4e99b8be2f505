#include "trust/tls_report.h"

#include <jansson.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/text.h"

enum { NAME_MOST = 1024, TEXT_MOST = 8192, DEPTH_MOST = 16, WRITTEN_MOST = 64 << 20 };

static const char *const type_names[] = {
    [TLS_REPORT_TLSA] = "tlsa", [TLS_REPORT_STS] = "sts", [TLS_REPORT_NO_POLICY] = "no-policy-found"
};

const char *tls_report_policy_type_name(enum tls_report_policy_type type)
{
    return type_names[type];
}

/* ---- writing ---- */

static json_t *text_of(const char *text, struct arena *arena)
{
    struct span bytes = span_of(text == NULL ? "" : text);

    return json_string(text_is_utf8(bytes) ? text == NULL ? "" : text
                                           : text_printable(arena, bytes, false));
}

static bool put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0; /* takes the reference either way */
}

static bool put_text(json_t *object, const char *key, const char *text, struct arena *arena)
{
    return text == NULL || *text == '\0' || put(object, key, text_of(text, arena));
}

static bool put_texts(json_t *object, const char *key, const char *const *texts, size_t count,
                      struct arena *arena)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, text_of(texts[i], arena)) != 0) {
            json_decref(array);
            return false;
        }
    return put(object, key, array);
}

static json_t *failure_of(const struct tls_report_failure *failure, struct arena *arena)
{
    json_t *object = json_object();

    if (put(object, "result-type", text_of(failure->result_type, arena)) &&
        put_text(object, "sending-mta-ip", failure->sending_mta_ip, arena) &&
        put_text(object, "receiving-mx-hostname", failure->receiving_mx_hostname, arena) &&
        put_text(object, "receiving-mx-helo", failure->receiving_mx_helo, arena) &&
        put_text(object, "receiving-ip", failure->receiving_ip, arena) &&
        put(object, "failed-session-count", json_integer(failure->failed_sessions)) &&
        put_text(object, "additional-information", failure->additional_information, arena) &&
        put_text(object, "failure-reason-code", failure->failure_reason_code, arena))
        return object;
    json_decref(object);
    return NULL;
}

static bool put_policy(json_t *object, const struct tls_report_policy *policy, struct arena *arena)
{
    json_t *inner = json_object();
    bool is_made = put(inner, "policy-type", json_string(type_names[policy->type])) &&
                   (policy->string_count == 0 || put_texts(inner, "policy-string", policy->strings,
                                                           policy->string_count, arena)) &&
                   put(inner, "policy-domain", text_of(policy->domain, arena)) &&
                   (policy->mx_count == 0 ||
                    put_texts(inner, "mx-host", policy->mx_hosts, policy->mx_count, arena));

    return put(object, "policy", inner) && is_made;
}

static bool put_summary(json_t *object, const struct tls_report_policy *policy)
{
    json_t *inner = json_object();
    bool is_made = put(inner, "total-successful-session-count", json_integer(policy->successes)) &&
                   put(inner, "total-failure-session-count", json_integer(policy->failures));

    return put(object, "summary", inner) && is_made;
}

static bool put_details(json_t *object, const struct tls_report_policy *policy, struct arena *arena)
{
    json_t *array;

    if (policy->detail_count == 0)
        return true;
    array = json_array();
    for (size_t i = 0; i < policy->detail_count; i++)
        if (json_array_append_new(array, failure_of(&policy->details[i], arena)) != 0) {
            json_decref(array);
            return false;
        }
    return put(object, "failure-details", array);
}

static bool append_policy(json_t *array, const struct tls_report_policy *policy,
                          struct arena *arena)
{
    json_t *object = json_object();
    bool is_made = put_policy(object, policy, arena) && put_summary(object, policy) &&
                   put_details(object, policy, arena);

    return json_array_append_new(array, object) == 0 && is_made;
}

static bool put_head(json_t *object, const struct tls_report *report, struct arena *arena)
{
    json_t *range = json_object();
    bool is_made = put(range, "start-datetime", json_string(text_time(arena, report->start_s))) &&
                   put(range, "end-datetime", json_string(text_time(arena, report->end_s)));

    return put(object, "organization-name", text_of(report->organization, arena)) &&
           put(object, "date-range", range) && is_made &&
           put(object, "contact-info", text_of(report->contact, arena)) &&
           put(object, "report-id", text_of(report->id, arena));
}

static int append(const char *bytes, size_t len, void *owner)
{
    struct buffer *out = owner;

    return buffer_append(out, (struct span){ bytes, len }) ? 0 : -1;
}

static const char *dump(const json_t *object, struct arena *arena)
{
    AUTO(buffer_clear) struct buffer out;
    const char *text = NULL;

    buffer_init(&out, WRITTEN_MOST);
    if (json_dump_callback(object, append, &out, JSON_COMPACT) == 0)
        text = arena_copy(arena, buffer_span(&out));
    return arena->exhausted ? NULL : text;
}

const char *tls_report_write(const struct tls_report *report, struct arena *arena)
{
    json_t *object = json_object(), *policies = json_array();
    bool is_made = put_head(object, report, arena);
    const char *text = NULL;

    for (size_t i = 0; is_made && i < report->policy_count; i++)
        is_made = append_policy(policies, &report->policies[i], arena);
    if (put(object, "policies", policies) && is_made)
        text = dump(object, arena);
    json_decref(object);
    return text;
}

/* ---- reading ---- */

/* Where we are, in the words of an error: "policies[2].summary". */
struct reading {
    struct arena *arena;
    struct error *err;
    size_t policy, failure; /* counted from 0 */
    bool in_policy, in_failure;
};

static bool refuse(const struct reading *reading, const char *member, const char *flaw)
{
    char place[64] = "", detail[64] = "";

    if (reading->in_policy)
        snprintf(place, sizeof place, "policies[%zu].", reading->policy);
    if (reading->in_failure)
        snprintf(detail, sizeof detail, "failure-details[%zu].", reading->failure);
    return error_set(reading->err, ERROR_FORMAT, "%s%s%s %s", place, detail, member, flaw);
}

static bool is_absent(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

/* What is not there is "". */
static bool read_text(const struct reading *reading, const json_t *object, const char *key,
                      const char **text)
{
    const json_t *value = json_object_get(object, key);

    *text = "";
    if (is_absent(value))
        return true;
    if (!json_is_string(value))
        return refuse(reading, key, "is not a text");
    if (json_string_length(value) > NAME_MOST)
        return refuse(reading, key, "is too long");
    *text = arena_copy(reading->arena, span_of(json_string_value(value)));
    return true;
}

static bool read_count(const struct reading *reading, const json_t *object, const char *key,
                       int64_t *count)
{
    const json_t *value = json_object_get(object, key);

    *count = 0;
    if (is_absent(value))
        return refuse(reading, key, "is missing");
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(reading, key, "is not a number of sessions");
    *count = json_integer_value(value);
    return true;
}

/* ---- times: RFC 3339 section 5.6 ---- */

static bool take_pair(struct span *rest, uint64_t most, int64_t *value)
{
    uint64_t number;

    if (!text_to_number(span_take_front(rest, 2), most, &number))
        return false;
    *value = (int64_t)number;
    return true;
}

/* "Z", "+02:00"; what is written there is ahead of UTC by *ahead_s. */
static bool read_offset(struct span rest, int64_t *ahead_s)
{
    int64_t hours, minutes;
    bool is_behind;

    *ahead_s = 0;
    if (span_equal_nocase(rest, span_of("Z")))
        return true;
    if (rest.len != 6 || (rest.data[0] != '+' && rest.data[0] != '-') || rest.data[3] != ':')
        return false;
    is_behind = span_take(&rest) == '-';
    if (!take_pair(&rest, 23, &hours))
        return false;
    span_take(&rest);
    if (!take_pair(&rest, 59, &minutes))
        return false;
    *ahead_s = (hours * 3600 + minutes * 60) * (is_behind ? -1 : 1);
    return true;
}

static struct span skip_fraction(struct span rest)
{
    if (rest.len < 2 || rest.data[0] != '.' || rest.data[1] < '0' || rest.data[1] > '9')
        return rest;
    span_take(&rest);
    while (rest.len > 0 && rest.data[0] >= '0' && rest.data[0] <= '9')
        span_take(&rest);
    return rest;
}

static bool parse_time(struct span text, int64_t *seconds)
{
    enum { UP_TO_SECONDS = 19 }; /* "2016-04-01T00:00:00" */
    char plain[UP_TO_SECONDS + 2];
    int64_t ahead_s;

    if (text.len <= UP_TO_SECONDS ||
        !read_offset(skip_fraction(span_part(text, UP_TO_SECONDS, SIZE_MAX)), &ahead_s))
        return false;
    memcpy(plain, text.data, UP_TO_SECONDS);
    plain[10] = plain[10] == 't' || plain[10] == ' ' ? 'T' : plain[10];
    plain[UP_TO_SECONDS] = 'Z';
    plain[UP_TO_SECONDS + 1] = '\0';
    if (!text_to_time(span_of(plain), seconds))
        return false;
    *seconds -= ahead_s;
    return true;
}

static bool read_time(const struct reading *reading, const json_t *range, const char *key,
                      int64_t *seconds)
{
    const json_t *value = json_object_get(range, key);

    if (is_absent(value))
        return refuse(reading, key, "is missing");
    if (!json_is_string(value) || !parse_time(span_of(json_string_value(value)), seconds))
        return refuse(reading, key, "is not a time");
    return true;
}

static bool read_range(const struct reading *reading, const json_t *root, struct tls_report *report)
{
    const json_t *range = json_object_get(root, "date-range");

    if (!json_is_object(range))
        return refuse(reading, "date-range", "is not an object");
    return read_time(reading, range, "start-datetime", &report->start_s) &&
           read_time(reading, range, "end-datetime", &report->end_s) &&
           (report->start_s <= report->end_s ||
            refuse(reading, "date-range", "ends before it starts"));
}

/* ---- policies ---- */

static bool copy_texts(const struct reading *reading, const json_t *value, const char *key,
                       const char **texts)
{
    size_t used = 0;

    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);

        if (!json_is_string(item))
            return refuse(reading, key, "holds something that is not a text");
        used += json_string_length(item);
        if (json_string_length(item) > TEXT_MOST || used > TEXT_MOST * 8)
            return refuse(reading, key, "is too long");
        texts[i] = arena_copy(reading->arena, span_of(json_string_value(item)));
    }
    return true;
}

static bool read_one_text(const struct reading *reading, const json_t *value, const char *key,
                          const char **texts, size_t *count)
{
    if (json_string_length(value) > TEXT_MOST)
        return refuse(reading, key, "is too long");
    if (json_string_length(value) == 0)
        return true;
    texts[0] = arena_copy(reading->arena, span_of(json_string_value(value)));
    *count = 1;
    return true;
}

static bool read_texts(const struct reading *reading, const json_t *object, const char *key,
                       const char *const **texts, size_t *count)
{
    const json_t *value = json_object_get(object, key);
    size_t most = json_is_array(value) ? json_array_size(value) : 1;
    const char **copies;

    *texts = NULL;
    *count = 0;
    if (is_absent(value))
        return true;
    if (!json_is_array(value) && !json_is_string(value))
        return refuse(reading, key, "is neither a list nor a text");
    if (most > TLS_REPORT_STRINGS_MOST)
        return refuse(reading, key, "has too many lines");
    copies = arena_new(reading->arena, most + 1, sizeof *copies);
    if (copies == NULL)
        return refuse(reading, key, "has no room");
    *texts = copies;
    if (json_is_string(value))
        return read_one_text(reading, value, key, copies, count);
    *count = most;
    return copy_texts(reading, value, key, copies);
}

static bool read_type(const struct reading *reading, const json_t *object,
                      enum tls_report_policy_type *type)
{
    const char *name;

    if (!read_text(reading, object, "policy-type", &name))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
        if (span_equal_nocase(span_of(name), span_of(type_names[i]))) {
            *type = (enum tls_report_policy_type)i;
            return true;
        }
    return refuse(reading, "policy-type", "is not tlsa, sts or no-policy-found");
}

static bool read_policy_head(const struct reading *reading, const json_t *object,
                             struct tls_report_policy *policy)
{
    const json_t *inner = json_object_get(object, "policy");

    if (!json_is_object(inner))
        return refuse(reading, "policy", "is not an object");
    return read_type(reading, inner, &policy->type) &&
           read_text(reading, inner, "policy-domain", &policy->domain) &&
           read_texts(reading, inner, "policy-string", &policy->strings, &policy->string_count) &&
           read_texts(reading, inner, "mx-host", &policy->mx_hosts, &policy->mx_count);
}

static bool read_summary(const struct reading *reading, const json_t *object,
                         struct tls_report_policy *policy)
{
    const json_t *inner = json_object_get(object, "summary");

    if (!json_is_object(inner))
        return refuse(reading, "summary", "is not an object");
    return read_count(reading, inner, "total-successful-session-count", &policy->successes) &&
           read_count(reading, inner, "total-failure-session-count", &policy->failures);
}

static bool read_failure(const struct reading *reading, const json_t *object,
                         struct tls_report_failure *failure)
{
    if (!json_is_object(object))
        return refuse(reading, "it", "is not an object");
    if (!read_text(reading, object, "result-type", &failure->result_type) ||
        !read_text(reading, object, "sending-mta-ip", &failure->sending_mta_ip) ||
        !read_text(reading, object, "receiving-mx-hostname", &failure->receiving_mx_hostname) ||
        !read_text(reading, object, "receiving-mx-helo", &failure->receiving_mx_helo) ||
        !read_text(reading, object, "receiving-ip", &failure->receiving_ip) ||
        !read_text(reading, object, "additional-information", &failure->additional_information) ||
        !read_text(reading, object, "failure-reason-code", &failure->failure_reason_code) ||
        !read_count(reading, object, "failed-session-count", &failure->failed_sessions))
        return false;
    return *failure->result_type != '\0' || refuse(reading, "result-type", "is missing");
}

static bool read_details(struct reading *reading, const json_t *object,
                         struct tls_report_policy *policy)
{
    const json_t *array = json_object_get(object, "failure-details");
    struct tls_report_failure *details;
    size_t count = json_array_size(array);

    if (is_absent(array))
        return true;
    if (!json_is_array(array))
        return refuse(reading, "failure-details", "is not a list");
    if (count > TLS_REPORT_FAILURES_MOST)
        return refuse(reading, "failure-details", "has too many entries");
    details = arena_new(reading->arena, count + 1, sizeof *details);
    if (details == NULL)
        return refuse(reading, "failure-details", "has no room");
    policy->details = details;
    policy->detail_count = count;
    reading->in_failure = true;
    for (reading->failure = 0; reading->failure < count; reading->failure++)
        if (!read_failure(reading, json_array_get(array, reading->failure),
                          &details[reading->failure]))
            return false;
    reading->in_failure = false;
    return true;
}

static bool read_policies(struct reading *reading, const json_t *root, struct tls_report *report)
{
    const json_t *array = json_object_get(root, "policies");
    struct tls_report_policy *policies;
    size_t count = json_array_size(array);

    if (!json_is_array(array))
        return refuse(reading, "policies", "is not a list");
    if (count > TLS_REPORT_POLICIES_MOST)
        return refuse(reading, "policies", "has too many entries");
    policies = arena_new(reading->arena, count + 1, sizeof *policies);
    if (policies == NULL)
        return refuse(reading, "policies", "has no room");
    report->policies = policies;
    report->policy_count = count;
    reading->in_policy = true;
    for (reading->policy = 0; reading->policy < count; reading->policy++) {
        const json_t *object = json_array_get(array, reading->policy);
        struct tls_report_policy *policy = &policies[reading->policy];

        if (!json_is_object(object))
            return refuse(reading, "it", "is not an object");
        if (!read_policy_head(reading, object, policy) || !read_summary(reading, object, policy) ||
            !read_details(reading, object, policy))
            return false;
    }
    reading->in_policy = false;
    return true;
}

static bool read_root(struct reading *reading, const json_t *root, struct tls_report *report)
{
    if (!json_is_object(root))
        return error_set(reading->err, ERROR_FORMAT, "the report is not an object");
    if (!read_text(reading, root, "organization-name", &report->organization) ||
        !read_text(reading, root, "contact-info", &report->contact) ||
        !read_text(reading, root, "report-id", &report->id) || !read_range(reading, root, report) ||
        !read_policies(reading, root, report))
        return false;
    return !reading->arena->exhausted ||
           error_set(reading->err, ERROR_MEMORY, "no memory for the report");
}

/* jansson goes 2048 deep by itself; a report needs five, and more is somebody's trick. */
static bool is_too_deep(struct span json)
{
    size_t depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < json.len; i++) {
        char c = json.data[i];

        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '['))
            depth++;
        else if (!in_text && (c == '}' || c == ']') && depth > 0)
            depth--;
        if (depth > DEPTH_MOST)
            return true;
    }
    return false;
}

bool tls_report_read(struct span json, struct arena *arena, struct tls_report *report,
                     struct error *err)
{
    struct reading reading = { .arena = arena, .err = err };
    json_error_t flaw;
    json_t *root;
    bool is_read;

    *report = (struct tls_report){ .organization = "", .contact = "", .id = "" };
    if (json.len > TLS_REPORT_BYTES_MOST)
        return error_set(err, ERROR_FORMAT, "the report is longer than %d octets",
                         TLS_REPORT_BYTES_MOST);
    if (is_too_deep(json))
        return error_set(err, ERROR_FORMAT, "the report is nested too deeply");
    root = json_loadb(json.len > 0 ? json.data : "", json.len, JSON_REJECT_DUPLICATES, &flaw);
    if (root == NULL)
        return error_set(err, ERROR_FORMAT, "no JSON: %s (line %d, column %d)", flaw.text,
                         flaw.line, flaw.column);
    is_read = read_root(&reading, root, report);
    json_decref(root);
    return is_read;
}
