#include "cli/cert_line.h"

#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/text.h"
#include "diagnose/judge.h"
#include "trust/dane.h"

enum {
    ARENA_BYTES_MOST = 32 << 20,
    ROOT_SETS = 64, /* trust stores kept: lines that share their roots come together */
    TLSA_MOST = 64,
    LIST_MOST = 1024,
};

/* --- trust stores */

struct root_set {
    char *key; /* the base64 texts joined by blanks; owned */
    struct anchors *anchors;
};

struct cert_judge {
    struct cert_rules rules;
    struct root_set sets[ROOT_SETS];
    struct arena arena; /* of one line */
    struct findings findings;
};

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
    return hash;
}

static bool add_root(struct anchors *anchors, struct arena *arena, const char *base64,
                     size_t number, struct error *err)
{
    struct span der;

    if (!text_from_base64(arena, span_of(base64), &der))
        return error_set(err, ERROR_FORMAT, "\"roots\": number %zu is not base64", number);
    if (!anchors_add(anchors, der, err))
        return error_wrap(err, "\"roots\": number %zu", number);
    return true;
}

static void forget_set(struct root_set *set)
{
    memory_free(set->key);
    anchors_free(&set->anchors);
    *set = (struct root_set){ NULL, NULL };
}

static bool fill_set(struct cert_judge *judge, struct root_set *set, const json_t *roots,
                     const char *key, struct error *err)
{
    AUTO(anchors_free) struct anchors *anchors = anchors_new();
    size_t size = strlen(key) + 1;
    char *copy = memory_new(size, 1);

    forget_set(set);
    for (size_t i = 0; anchors != NULL && i < json_array_size(roots); i++)
        if (!add_root(anchors, &judge->arena, json_string_value(json_array_get(roots, i)), i + 1,
                      err)) {
            memory_free(copy);
            return false;
        }
    if (anchors == NULL || copy == NULL) {
        memory_free(copy);
        return error_set(err, ERROR_MEMORY, "no memory for another trust store");
    }
    memcpy(copy, key, size);
    *set = (struct root_set){ copy, TAKE(anchors) };
    return true;
}

/* Strings of an array, joined; NULL where it is no array of strings. */
static const char *join_texts(struct arena *arena, const json_t *array)
{
    size_t total = 1, at = 0;
    char *joined;

    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_string(json_array_get(array, i)))
            return NULL;
        total += json_string_length(json_array_get(array, i)) + 1;
    }
    joined = arena_new(arena, total, 1);
    for (size_t i = 0; joined != NULL && i < json_array_size(array); i++) {
        const json_t *text = json_array_get(array, i);

        memcpy(joined + at, json_string_value(text), json_string_length(text));
        at += json_string_length(text);
        joined[at++] = ' ';
    }
    return joined;
}

static bool find_roots(struct cert_judge *judge, const json_t *line, struct anchors **anchors,
                       struct error *err)
{
    const json_t *roots = json_object_get(line, "roots");
    const char *key;
    struct root_set *set;

    *anchors = judge->rules.anchors;
    if (roots == NULL)
        return true;
    key = json_is_array(roots) ? join_texts(&judge->arena, roots) : NULL;
    if (key == NULL)
        return error_set(err, ERROR_FORMAT, "\"roots\" is not an array of strings");
    set = &judge->sets[hash_text(key) % ROOT_SETS];
    if ((set->key == NULL || strcmp(set->key, key) != 0) && !fill_set(judge, set, roots, key, err))
        return false;
    *anchors = set->anchors;
    return true;
}

/* --- one line */

static bool read_ders(struct cert_judge *judge, const json_t *line, const char *member,
                      const struct span **ders, size_t *count, struct error *err)
{
    const json_t *array = json_object_get(line, member);
    struct span *spans;

    *count = json_array_size(array);
    if (array != NULL && (!json_is_array(array) || *count > LIST_MOST))
        return error_set(err, ERROR_FORMAT, "\"%s\" is not an array of at most %d strings", member,
                         LIST_MOST);
    spans = arena_new(&judge->arena, *count + 1, sizeof *spans);
    *ders = spans;
    for (size_t i = 0; spans != NULL && i < *count; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (text == NULL || !text_from_base64(&judge->arena, span_of(text), &spans[i]))
            return error_set(err, ERROR_FORMAT, "\"%s\": number %zu is not base64", member, i + 1);
    }
    return spans != NULL || error_set(err, ERROR_MEMORY, "no memory");
}

static bool read_names(struct cert_judge *judge, const json_t *line, struct chain_request *request,
                       struct error *err)
{
    const json_t *one = json_object_get(line, "name"), *many = json_object_get(line, "names");
    size_t count = many == NULL ? one != NULL : json_array_size(many);
    const char **names = arena_new(&judge->arena, count + 1, sizeof *names);

    if (many != NULL && !json_is_array(many))
        return error_set(err, ERROR_FORMAT, "\"names\" is not an array of strings");
    for (size_t i = 0; names != NULL && i < count; i++) {
        names[i] = json_string_value(many == NULL ? one : json_array_get(many, i));
        if (names[i] == NULL)
            return error_set(err, ERROR_FORMAT, "a name is not a string");
    }
    request->names = names;
    request->name_count = names == NULL ? 0 : count;
    return names != NULL || error_set(err, ERROR_MEMORY, "no memory");
}

static bool read_tlsa(struct cert_judge *judge, const json_t *line, struct chain_request *request,
                      struct error *err)
{
    const json_t *array = json_object_get(line, "tlsa");
    size_t count = json_array_size(array);
    struct dane_record *records;

    if (array == NULL)
        return true;
    if (!json_is_array(array) || count > TLSA_MOST)
        return error_set(err, ERROR_FORMAT, "\"tlsa\" is not an array of at most %d strings",
                         TLSA_MOST);
    records = arena_new(&judge->arena, count + 1, sizeof *records);
    for (size_t i = 0; records != NULL && i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (text == NULL)
            return error_set(err, ERROR_FORMAT, "\"tlsa\": number %zu is not a string", i + 1);
        if (!dane_parse(&judge->arena, span_of(text), &records[i], err))
            return error_wrap(err, "\"tlsa\": number %zu", i + 1);
    }
    request->tlsa = records;
    request->tlsa_count = count;
    return records != NULL || error_set(err, ERROR_MEMORY, "no memory");
}

static bool read_numbers(const json_t *line, struct chain_request *request, struct error *err)
{
    const json_t *at = json_object_get(line, "at"), *depth = json_object_get(line, "max_depth");

    if ((at != NULL && !json_is_integer(at)) ||
        (depth != NULL && (!json_is_integer(depth) || json_integer_value(depth) < 0 ||
                           json_integer_value(depth) > LIST_MOST)))
        return error_set(err, ERROR_FORMAT,
                         "\"at\" is not a number of seconds or \"max_depth\" not 0 to %d",
                         LIST_MOST);
    if (at != NULL)
        request->now_s = json_integer_value(at);
    if (depth != NULL) /* 0 means none here, and OpenSSL's default there */
        request->max_depth = json_integer_value(depth) == 0 ? -1 : (int)json_integer_value(depth);
    return true;
}

static bool read_request(struct cert_judge *judge, const json_t *line,
                         struct chain_request *request, struct error *err)
{
    *request = (struct chain_request){ .now_s = judge->rules.now_s,
                                       .profile = judge->rules.profile,
                                       .intermediates = judge->rules.intermediates };
    if (!json_is_object(line))
        return error_set(err, ERROR_FORMAT, "this is not a JSON object");
    if (json_object_get(line, "chain") == NULL)
        return error_set(err, ERROR_FORMAT, "there is no \"chain\"");
    return read_ders(judge, line, "chain", &request->certificates, &request->certificate_count,
                     err) &&
           read_ders(judge, line, "crls", &request->crls, &request->crl_count, err) &&
           find_roots(judge, line, &request->anchors, err) &&
           read_names(judge, line, request, err) && read_tlsa(judge, line, request, err) &&
           read_numbers(line, request, err);
}

bool cert_is_trusted(const struct chain_verdict *verdict)
{
    if (verdict->tlsa == CHAIN_TLSA_MATCHED || verdict->tlsa == CHAIN_TLSA_MISMATCH)
        return verdict->tlsa == CHAIN_TLSA_MATCHED;
    return verdict->is_trusted && verdict->name_matched;
}

static json_t *answer_verdict(struct cert_judge *judge, const struct chain_request *request,
                              const struct chain_verdict *verdict)
{
    json_t *answer = json_object(), *codes = json_array();
    const char *host = request->name_count == 0 ? NULL : request->names[0];

    judge_verdict(verdict, host, request->now_s, &judge->arena, &judge->findings);
    for (size_t i = 0; i < judge->findings.count; i++)
        json_array_append_new(codes, json_string(judge->findings.items[i].code));
    json_object_set_new(answer, "trusted", json_boolean(cert_is_trusted(verdict)));
    json_object_set_new(answer, "findings", codes);
    if (verdict->needed_other_path)
        json_object_set_new(answer, "other_path", json_true());
    return answer;
}

static json_t *answer_line(struct cert_judge *judge, const json_t *line, struct error *err)
{
    struct chain_request request;
    struct chain_verdict verdict;

    if (!read_request(judge, line, &request, err) ||
        !chain_verify(&request, &judge->arena, &verdict, err))
        return NULL;
    return answer_verdict(judge, &request, &verdict);
}

/* --- from text to text */

static int append_text(const char *text, size_t len, void *answer)
{
    return buffer_append(answer, (struct span){ text, len }) ? 0 : -1;
}

static bool write_answer(struct buffer *out, const json_t *id, json_t *answer)
{
    json_t *whole = json_object();
    bool is_written;

    json_object_set_new(whole, "id", id == NULL ? json_null() : json_deep_copy(id));
    json_object_update(whole, answer);
    is_written =
        json_dump_callback(whole, append_text, out, JSON_COMPACT | JSON_ENSURE_ASCII) == 0 &&
        buffer_append_text(out, "\n");
    json_decref(whole);
    json_decref(answer);
    return is_written;
}

static json_t *error_answer(const struct error *err)
{
    json_t *answer = json_pack("{s:s}", "error", err->text);

    return answer != NULL ? answer : json_pack("{s:s}", "error", "this line could not be judged");
}

bool cert_line_judge(struct cert_judge *judge, struct span text, struct buffer *out,
                     struct error *err)
{
    json_error_t why;
    json_t *line = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &why);
    json_t *answer = NULL;
    bool is_judged;

    *err = (struct error){ ERROR_NONE, "" };
    arena_init(&judge->arena, ARENA_BYTES_MOST);
    if (line == NULL)
        error_set(err, ERROR_FORMAT, "bad JSON at column %d: %s", why.column,
                  text_printable(&judge->arena, span_of(why.text), true));
    else
        answer = answer_line(judge, line, err);
    is_judged = answer != NULL;
    if (!write_answer(out, json_object_get(line, "id"), is_judged ? answer : error_answer(err)))
        is_judged = error_set(err, ERROR_MEMORY, "no memory for the answer");
    arena_clear(&judge->arena);
    json_decref(line);
    return is_judged;
}

bool cert_line_refuse(const char *why, struct buffer *out)
{
    return write_answer(out, NULL, json_pack("{s:s}", "error", why));
}

struct cert_judge *cert_judge_new(const struct cert_rules *rules)
{
    struct cert_judge *judge = memory_new(1, sizeof *judge);

    if (judge == NULL)
        return NULL;
    judge->rules = *rules;
    judge->rules.anchors = anchors_copy(rules->anchors);
    judge->rules.intermediates = anchors_copy(rules->intermediates);
    if (judge->rules.anchors == NULL || judge->rules.intermediates == NULL)
        cert_judge_free(&judge);
    return judge;
}

void cert_judge_free(struct cert_judge **judge)
{
    if (*judge == NULL)
        return;
    for (size_t i = 0; i < ROOT_SETS; i++)
        forget_set(&(*judge)->sets[i]);
    anchors_free(&(*judge)->rules.anchors);
    anchors_free(&(*judge)->rules.intermediates);
    memory_free(*judge);
    *judge = NULL;
}
