/* net/https_url.c - which URLs are asked: a domain name by HTTPS, and nothing that could mean another host. */
#include "net/https.h"

#include <stdlib.h>

#include <curl/curl.h>

#include "base/text.h"

static void free_text(char **text)
{
    curl_free(*text);
    *text = NULL;
}

static void free_url(CURLU **url)
{
    curl_url_cleanup(*url);
    *url = NULL;
}

/* RFC 3986 has no octet beyond ASCII in a URL, and none that does not print. */
static bool is_plain(const char *url)
{
    size_t len = 0;

    for (; url[len] != '\0'; len++)
        if (url[len] <= ' ' || url[len] > '~' || len >= HTTPS_URL_MOST)
            return false;
    return len > 0;
}

/* Letters, digits, hyphens and underscores between single dots, and the last label is no number: libcurl
 * tells what it takes for an address only where no octet of it is encoded (RFC 3986 section 3.2.2). No host
 * has a hyphen in front (RFC 1123 section 2.1), by which libcurl's list of addresses says "forget this one". */
static bool is_domain_name(const char *host, size_t len)
{
    size_t start = 0; /* of the label */

    if (len == 0 || len > 253 || host[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = host[i];

        if (c == '.') {
            if (i == start)
                return false;
            start = i + 1;
            continue;
        }
        if (!text_is_letter_or_digit(c) && c != '-' && c != '_')
            return false;
        if (i - start == 63)
            return false;
    }
    return start < len && !text_is_number_in_host((struct span){ host + start, len - start });
}

static bool take_host(CURLU *parsed, struct arena *arena, struct https_url *read, const char **flaw)
{
    AUTO(free_text) char *host = NULL;
    size_t len;

    if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        *flaw = "it names no host";
        return false;
    }
    len = strlen(host);
    if (!is_domain_name(host, len)) {
        *flaw = "its host is not a domain name";
        return false;
    }
    read->host = text_lower_copy(arena, (struct span){ host, len });
    if (read->host[0] == '\0')
        *flaw = "no memory for it";
    return read->host[0] != '\0';
}

static bool take_port(CURLU *parsed, struct https_url *read, const char **flaw)
{
    AUTO(free_text) char *port = NULL;
    unsigned long number = 0;

    if (curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        number = strtoul(port, NULL, 10);
    if (number == 0 || number > UINT16_MAX) {
        *flaw = "its port is none";
        return false;
    }
    read->port = (uint16_t)number;
    return true;
}

static bool has_part(CURLU *parsed, CURLUPart part)
{
    AUTO(free_text) char *text = NULL;

    return curl_url_get(parsed, part, &text, 0) == CURLUE_OK;
}

bool https_url_read(const char *url, struct arena *arena, struct https_url *read, const char **flaw)
{
    AUTO(free_url) CURLU *parsed = curl_url();

    *read = (struct https_url){ .host = "" };
    *flaw = "";
    if (parsed == NULL)
        *flaw = "no memory for it";
    else if (!is_plain(url))
        *flaw = "it is empty, too long, or not printable ASCII";
    else if (!span_starts_with_nocase(span_of(url), "https://"))
        *flaw = "it does not begin with https://";
    else if (strchr("/?#:", url[strlen("https://")]) != NULL) /* which libcurl would mend */
        *flaw = "it names no host";
    else if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK)
        *flaw = "it is no URL, or names a user";
    else if (has_part(parsed, CURLUPART_USER) || has_part(parsed, CURLUPART_PASSWORD))
        *flaw = "it names a user";
    else
        return take_host(parsed, arena, read, flaw) && take_port(parsed, read, flaw);
    return false;
}
