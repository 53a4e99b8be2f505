/* net/https_query.c - one HTTPS request set up for libcurl, bounded while it runs, and told when it is done. */
#include "net/https_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { ARENA_MOST = 512 * 1024 }; /* a chain is 100 KB at most by OpenSSL's own bound */

static const char *const names[] = {
    [HTTPS_ANSWERED] = "answered",
    [HTTPS_NO_CONNECT] = "no-connect",
    [HTTPS_TIMEOUT] = "timeout",
    [HTTPS_UNTRUSTED] = "untrusted",
    [HTTPS_TLS_FAILED] = "tls-failed",
    [HTTPS_TOO_LARGE] = "too-large",
    [HTTPS_CUT] = "cut",
    [HTTPS_BROKEN] = "broken",
    [HTTPS_FAILED] = "failed",
};

const char *https_outcome_name(enum https_outcome outcome)
{
    return names[outcome];
}

static size_t take_header(char *bytes, size_t size, size_t count, void *owner)
{
    struct https_query *query = owner;
    struct span line = { bytes, size * count };

    if (query->body.len == 0) /* behind it come trailers */
        query->head_is_whole = span_equal(line, span_of("\r\n")) || span_equal(line, span_of("\n"));
    query->head_bytes += line.len;
    if (query->head_bytes <= HTTPS_HEAD_MOST)
        return line.len;
    query->is_too_large = true;
    return 0; /* libcurl gives up */
}

static size_t take_body(char *bytes, size_t size, size_t count, void *owner)
{
    struct https_query *query = owner;
    struct span came = { bytes, size * count };

    if (buffer_append(&query->body, came))
        return came.len;
    query->is_too_large = query->body.limit - query->body.len < came.len;
    return 0;
}

/* The handshake is done, and no octet of the request is sent. */
static int judge_peer(void *owner, char *address, char *local_address, int port, int local_port)
{
    struct https_query *query = owner;

    (void)address;
    (void)local_address;
    (void)port;
    (void)local_port;
    if (!https_tls_collect(query))
        return CURL_PREREQFUNC_ABORT;
    query->has_peer = true;
    query->is_refused = !query->judge(query->judge_owner, &query->peer);
    return query->is_refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for an HTTPS request");
}

static bool add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* "HOST:PORT:ADDRESS,[ADDRESS]": what libcurl takes in place of a look-up. */
static bool name_addresses(struct https_query *query, const struct https_request *request,
                           const struct https_url *url)
{
    char line[300 + HTTPS_ADDRESSES_MOST * (NET_ADDRESS_TEXT + 3)];
    int len = snprintf(line, sizeof line, "%s:%u:", url->host, url->port);

    for (size_t i = 0; i < request->address_count && i < HTTPS_ADDRESSES_MOST; i++) {
        char text[NET_ADDRESS_TEXT];
        bool is_ipv6 = request->addresses[i].is_ipv6;

        net_address_text(&request->addresses[i], text);
        len += snprintf(line + len, sizeof line - (size_t)len, "%s%s%s%s", i == 0 ? "" : ",",
                        is_ipv6 ? "[" : "", text, is_ipv6 ? "]" : "");
    }
    return add_line(&query->addresses, line);
}

static bool read_url(struct https_query *query, const struct https_request *request,
                     struct error *err)
{
    struct https_url url;
    const char *flaw;

    if (!https_url_read(request->url, &query->arena, &url, &flaw))
        return error_set(err, ERROR_USAGE, "the URL %s cannot be asked: %s", request->url, flaw);
    query->peer.host = url.host;
    query->url = curl_url();
    if (query->url == NULL ||
        curl_url_set(query->url, CURLUPART_URL, request->url, 0) != CURLUE_OK ||
        curl_url_set(query->url, CURLUPART_HOST, url.host, 0) != CURLUE_OK ||
        !name_addresses(query, request, &url))
        return no_memory(err);
    return true;
}

#define SET(option, value) (curl_easy_setopt(query->easy, option, value) == CURLE_OK)

static bool set_up_post(struct https_query *query, const struct https_request *request)
{
    char line[256];

    snprintf(line, sizeof line, "Content-Type: %s", request->upload_type);
    return add_line(&query->headers, line) && add_line(&query->headers, "Expect:") &&
           SET(CURLOPT_POST, 1L) &&
           SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->upload.len) &&
           SET(CURLOPT_COPYPOSTFIELDS, request->upload.len == 0 ? "" : request->upload.data) &&
           SET(CURLOPT_HTTPHEADER, query->headers);
}

static bool set_up_request(struct https_query *query, const struct https_request *request)
{
    return SET(CURLOPT_CURLU, query->url) && SET(CURLOPT_RESOLVE, query->addresses) &&
           SET(CURLOPT_SHARE, query->names) && SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) &&
           SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->body_most) &&
           (request->upload_type == NULL || set_up_post(query, request));
}

static bool set_up_bounds(struct https_query *query)
{
    return SET(CURLOPT_PRIVATE, query) && SET(CURLOPT_ERRORBUFFER, query->failure) &&
           SET(CURLOPT_HEADERFUNCTION, take_header) && SET(CURLOPT_HEADERDATA, query) &&
           SET(CURLOPT_WRITEFUNCTION, take_body) && SET(CURLOPT_WRITEDATA, query) &&
           SET(CURLOPT_PROTOCOLS_STR, "https") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_PROXY, "") && /* nor by the environment */
           SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_FRESH_CONNECT, 1L) && SET(CURLOPT_FORBID_REUSE, 1L) &&
           SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_USERAGENT, "Postern");
}

static bool set_up_tls(struct https_query *query)
{
    return SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           SET(CURLOPT_SSL_SESSIONID_CACHE, 0L) &&
           SET(CURLOPT_CAINFO, NULL) && /* no file is read: the judge has the roots */
           SET(CURLOPT_CAPATH, NULL) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(CURLOPT_SSL_VERIFYHOST, 0L) && SET(CURLOPT_SSL_CTX_FUNCTION, https_tls_prepare) &&
           SET(CURLOPT_SSL_CTX_DATA, query) && SET(CURLOPT_PREREQFUNCTION, judge_peer) &&
           SET(CURLOPT_PREREQDATA, query);
}
#undef SET

bool https_query_new(const struct https_request *request, struct https_query **query,
                     struct error *err)
{
    AUTO(https_query_free) struct https_query *made = NULL;

    *query = NULL;
    if (request->address_count == 0 || request->judge == NULL || request->timeout_ms <= 0)
        return error_set(err, ERROR_USAGE, "an HTTPS request needs addresses, a judge and a time");
    made = memory_new(1, sizeof *made);
    if (made == NULL)
        return no_memory(err);
    arena_init(&made->arena, ARENA_MOST);
    buffer_init(&made->body, request->body_most);
    made->judge = request->judge;
    made->judge_owner = request->judge_owner;
    made->timeout_ms = request->timeout_ms;
    if (!read_url(made, request, err))
        return false;
    made->easy = curl_easy_init();
    made->names = curl_share_init();
    if (made->easy == NULL || made->names == NULL ||
        curl_share_setopt(made->names, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK)
        return no_memory(err);
    if (!set_up_bounds(made) || !set_up_tls(made) || !set_up_request(made, request))
        return error_set(err, ERROR_CRYPTO, "this libcurl lacks what an HTTPS request needs");
    *query = TAKE(made);
    return true;
}

void https_query_free(struct https_query **query)
{
    struct https_query *freed = *query;

    *query = NULL;
    if (freed == NULL)
        return;
    curl_easy_cleanup(freed->easy);
    curl_share_cleanup(freed->names);
    curl_url_cleanup(freed->url);
    curl_slist_free_all(freed->addresses);
    curl_slist_free_all(freed->headers);
    buffer_clear(&freed->body);
    arena_clear(&freed->arena);
    memory_free(freed);
}
