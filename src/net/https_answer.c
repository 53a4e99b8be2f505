/* net/https_answer.c - what a request of libcurl's came to, in our outcomes and words. */
#include "net/https_internal.h"

#include <errno.h>
#include <string.h>

static bool is_our_shortage(long number)
{
    return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS;
}

/* libcurl has one code for a connection that broke and for chunks that make no sense. */
static bool is_about_chunks(const struct https_query *query)
{
    return strstr(query->failure, "chunk") != NULL;
}

/* A list of codings, each with parameters perhaps: RFC 9112 section 6.1. */
static bool is_chunked(struct span codings)
{
    while (codings.len > 0) {
        struct span coding = span_take_until(&codings, ',');

        if (span_equal_nocase(span_trim(span_take_until(&coding, ';')), span_of("chunked")))
            return true;
    }
    return false;
}

/* Is the end of the body told by the end of the connection alone? (RFC 9112 section 6.3) */
static bool ends_with_connection(CURL *easy, long status)
{
    struct curl_header *header;
    curl_off_t length = -1;

    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status == 204 || status == 304 || length >= 0)
        return false;
    return curl_easy_header(easy, "Transfer-Encoding", 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
           !is_chunked(span_of(header->value));
}

/* For libcurl it is, wherever the connection ends; somebody between could have cut it: RFC 9112
 * sections 8 and 9.8. */
static bool is_whole(const struct https_query *query)
{
    long status = 0;

    curl_easy_getinfo(query->easy, CURLINFO_RESPONSE_CODE, &status);
    return query->head_is_whole && status >= 200 &&
           (query->close_notify_received || !ends_with_connection(query->easy, status));
}

static enum https_outcome outcome_of(const struct https_query *query, CURLcode result, long number)
{
    if (query->is_refused)
        return HTTPS_UNTRUSTED;
    if (query->is_too_large)
        return HTTPS_TOO_LARGE;
    switch ((int)result) {
    case CURLE_OK: return is_whole(query) ? HTTPS_ANSWERED : HTTPS_CUT;
    case CURLE_OPERATION_TIMEDOUT: return HTTPS_TIMEOUT;
    case CURLE_COULDNT_CONNECT: return is_our_shortage(number) ? HTTPS_FAILED : HTTPS_NO_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: /* a handshake without any certificate */
        return HTTPS_TLS_FAILED;
    case CURLE_FILESIZE_EXCEEDED: return HTTPS_TOO_LARGE;
    case CURLE_OUT_OF_MEMORY: /* libcurl says so of one header line that is beyond its bound, too */
        return query->has_peer && query->body.len == 0 ? HTTPS_TOO_LARGE : HTTPS_FAILED;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR: return HTTPS_CUT;
    case CURLE_RECV_ERROR: return is_about_chunks(query) ? HTTPS_BROKEN : HTTPS_CUT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9: no status line */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return HTTPS_BROKEN;
    default: return HTTPS_FAILED;
    }
}

static struct net_address address_of(CURL *easy)
{
    struct net_address address = { .port = 0 };
    const char *text = NULL;
    long port = 0;

    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &text) == CURLE_OK && text != NULL &&
        net_address_parse(span_of(text), &address) &&
        curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK)
        address.port = (uint16_t)port;
    return address;
}

/* The library's own reason is what stands behind the last colons: "error:0A000102:SSL
 * routines::unsupported protocol". */
static const char *library_reason(const struct https_query *query)
{
    const char *reason = query->failure;

    for (const char *next = reason; (next = strstr(next, "::")) != NULL; next += 2)
        reason = next + 2;
    return reason[0] == '\0' ? "by no word of the server's" : reason;
}

/* Where the time was spent. */
static const char *step_of(const struct https_query *query, int status)
{
    if (query->body.len > 0)
        return "the body is not whole";
    if (status >= 200)
        return "the answer is not whole";
    if (query->has_peer)
        return "the server does not answer the request";
    if (query->is_connected)
        return "the TLS handshake does not end";
    return "the connection is not taken";
}

static const char *words_of(struct https_query *query, enum https_outcome outcome, int status,
                            CURLcode result, long number)
{
    struct arena *arena = &query->arena;

    switch (outcome) {
    case HTTPS_ANSWERED: return "";
    case HTTPS_NO_CONNECT:
        return arena_format(arena, "no connection: %s",
                            number == 0 ? curl_easy_strerror(result) : strerror((int)number));
    case HTTPS_TIMEOUT:
        return arena_format(arena, "after %lld ms %s", (long long)query->timeout_ms,
                            step_of(query, status));
    case HTTPS_UNTRUSTED: return "the server's certificate does not count for its name";
    case HTTPS_TLS_FAILED:
        return arena_format(arena, "no TLS handshake: %s", library_reason(query));
    case HTTPS_TOO_LARGE:
        if (query->head_bytes > HTTPS_HEAD_MOST || result == CURLE_OUT_OF_MEMORY)
            return arena_format(arena, "the headers are longer than %d octets", HTTPS_HEAD_MOST);
        return arena_format(arena, "the body is longer than %zu octets", query->body.limit);
    case HTTPS_CUT:
        return arena_format(arena, "the connection ended before the answer did: %s",
                            library_reason(query));
    case HTTPS_BROKEN: return arena_format(arena, "what came is not HTTP: %s", query->failure);
    case HTTPS_FAILED: break;
    }
    return arena_format(arena, "our own side failed: %s",
                        query->failure[0] == '\0' ? curl_easy_strerror(result) : query->failure);
}

static struct span content_type_of(CURL *easy)
{
    const char *text = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &text) != CURLE_OK)
        text = NULL;
    return span_of(text);
}

static struct span location_of(CURL *easy)
{
    struct curl_header *header;

    if (curl_easy_header(easy, "Location", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return span_of(NULL);
    return span_of(header->value);
}

void https_query_answer(struct https_query *query, CURLcode result)
{
    struct https_answer answer = { .outcome = HTTPS_FAILED };
    long status = 0, number = 0;

    curl_easy_getinfo(query->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(query->easy, CURLINFO_OS_ERRNO, &number);
    answer.outcome = outcome_of(query, result, number);
    answer.status = (int)status;
    answer.content_type = content_type_of(query->easy);
    answer.location = location_of(query->easy);
    answer.body = buffer_span(&query->body);
    answer.failure = words_of(query, answer.outcome, answer.status, result, number);
    answer.peer = query->has_peer ? &query->peer : NULL;
    answer.address = address_of(query->easy);
    https_query_leave(query);
    query->answered(query->owner, &answer);
    https_query_free(&query);
}
