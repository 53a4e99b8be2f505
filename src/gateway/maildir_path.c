#include "gateway/maildir_path.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "smtp/address.h"
#include "trust/names.h"

enum {
    SCRATCH_BYTES = 1024,
    USER_MOST = 64,  /* RFC 5321 section 4.5.3.1.1 */
    PART_MOST = 255, /* of a name in a folder */
};

#define DOMAIN "{domain}"
#define USER   "{user}"

static const char *part_flaw(struct span part)
{
    if (part.len == 0)
        return "a part between two slashes is empty, or a slash stands at the end";
    if (span_equal(part, span_of(".")) || span_equal(part, span_of("..")))
        return "\".\" and \"..\" have no place in it";
    while (part.len > 0) {
        if (span_starts_with(part, DOMAIN))
            span_take_front(&part, strlen(DOMAIN));
        else if (span_starts_with(part, USER))
            span_take_front(&part, strlen(USER));
        else if (part.data[0] == '{' || part.data[0] == '}')
            return "braces hold \"domain\" or \"user\" and nothing else";
        else
            span_take_front(&part, 1);
    }
    return NULL;
}

const char *gateway_maildir_path_flaw(const char *pattern)
{
    struct span rest = span_of(pattern);
    const char *flaw = NULL;

    if (rest.len == 0 || rest.data[0] != '/')
        return "it does not begin with a slash";
    if (rest.len > GATEWAY_MAILDIR_PATH_BYTES / 2)
        return "it is too long";
    if (rest.data[rest.len - 1] == '/')
        return part_flaw((struct span){ NULL, 0 });
    span_take_front(&rest, 1);
    while (flaw == NULL && rest.len > 0)
        flaw = part_flaw(span_take_until(&rest, '/'));
    return flaw;
}

/* The local part as its user means it: "\"j.\\doe\"" is j.doe (RFC 5321 section 4.1.2). */
static struct span unquote(const struct smtp_address *address, char user[USER_MOST])
{
    struct span text = address->local_part;
    size_t len = 0;

    if (address->is_quoted)
        text = span_part(text, 1, text.len - 2);
    while (text.len > 0) {
        char c = span_take(&text);

        if (address->is_quoted && c == '\\')
            c = span_take(&text);
        user[len++] = text_lower(c);
    }
    return (struct span){ user, len };
}

static const char *user_flaw(struct span user)
{
    if (user.len == 0)
        return "the local part is empty";
    if (user.data[0] == '.')
        return "the local part begins with a dot";
    if (span_find(user, '/') < user.len || text_holds_control(user))
        return "the local part holds a slash or a control character";
    return NULL;
}

static bool append(struct gateway_maildir_path *path, size_t *len, struct span bytes)
{
    if (bytes.len >= sizeof path->text - *len)
        return false;
    memcpy(path->text + *len, bytes.data, bytes.len);
    *len += bytes.len;
    return true;
}

static bool fill_in(struct span pattern, struct span domain, struct span user,
                    struct gateway_maildir_path *path)
{
    size_t len = 0;
    bool fits = true;

    while (fits && pattern.len > 0) {
        if (span_starts_with(pattern, DOMAIN)) {
            span_take_front(&pattern, strlen(DOMAIN));
            fits = append(path, &len, domain);
        } else if (span_starts_with(pattern, USER)) {
            span_take_front(&pattern, strlen(USER));
            fits = append(path, &len, user);
        } else {
            fits = append(path, &len, span_take_front(&pattern, 1));
        }
    }
    path->text[len] = '\0';
    return fits;
}

static bool parts_fit(const struct gateway_maildir_path *path)
{
    struct span rest = span_of(path->text);

    while (rest.len > 0)
        if (span_take_until(&rest, '/').len > PART_MOST)
            return false;
    return true;
}

/* Everything in front of the part that is the first to differ, or of the last part. */
static size_t fixed_len_of(const char *pattern)
{
    size_t len = strcspn(pattern, "{");

    if (pattern[len] == '\0')
        len--;
    while (pattern[len] != '/')
        len--;
    return len == 0 ? 1 : len; /* "/" itself */
}

struct span gateway_maildir_path_fixed(const char *pattern)
{
    return (struct span){ pattern, fixed_len_of(pattern) };
}

bool gateway_maildir_path_format(const char *pattern, struct span recipient,
                                 struct gateway_maildir_path *path, const char **flaw)
{
    AUTO(arena_clear) struct arena arena = { .limit = SCRATCH_BYTES };
    struct smtp_address_flaw address_flaw;
    struct smtp_address address;
    char storage[USER_MOST];
    const char *domain;
    struct span user;

    assert(gateway_maildir_path_flaw(pattern) == NULL);
    if (!smtp_address_parse(recipient, &address, &address_flaw)) {
        *flaw = address_flaw.text;
        return false;
    }
    domain = address.is_literal ? NULL : names_normalize(&arena, address.domain);
    user = unquote(&address, storage);
    *flaw = domain == NULL ? "what follows the @ is no domain name" : user_flaw(user);
    if (arena.exhausted)
        *flaw = NULL;
    if (*flaw != NULL || arena.exhausted)
        return false;
    path->fixed_len = fixed_len_of(pattern);
    if (fill_in(span_of(pattern), span_of(domain), user, path) && parts_fit(path))
        return true;
    *flaw = "the name of the mailbox is too long";
    return false;
}
