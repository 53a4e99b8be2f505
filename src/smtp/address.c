#include "smtp/address.h"

#include "base/compiler.h"
#include "base/text.h"

enum { LOCAL_PART_MOST = 64, DOMAIN_MOST = 255, LABEL_MOST = 63, PATH_MOST = 256 };

static bool reject(struct smtp_address_flaw *flaw, const char *text, size_t at)
{
    *flaw = (struct smtp_address_flaw){ text, at };
    return false;
}

static bool accept(struct smtp_address_flaw *flaw)
{
    *flaw = (struct smtp_address_flaw){ NULL, 0 };
    return true;
}

static bool is_8bit(char c)
{
    return (unsigned char)c >= 0x80;
}

/* RFC 5322 section 3.2.3, widened by RFC 6531 section 3.3 */
static bool is_atext(char c)
{
    return text_is_letter_or_digit(c) || is_8bit(c) ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; leaves *at behind the closing quote. */
static bool take_quoted(struct span text, size_t *at, struct smtp_address_flaw *flaw)
{
    size_t i = *at + 1;

    for (; i < text.len && text.data[i] != '"'; i++) {
        bool is_pair = text.data[i] == '\\';

        if (is_pair && ++i == text.len)
            break;
        if (!is_8bit(text.data[i]) && (text.data[i] < ' ' || text.data[i] == '\x7f'))
            return reject(flaw, "a control character stands in the quoted local part", i);
        if (is_pair && is_8bit(text.data[i]))
            return reject(flaw, "a backslash stands before a character beyond ASCII", i);
    }
    if (i >= text.len)
        return reject(flaw, "the quoted local part does not end", text.len);
    *at = i + 1;
    return true;
}

/* Dot-string = Atom *("." Atom); leaves *at behind it. */
static bool take_dot_string(struct span text, size_t *at, struct smtp_address_flaw *flaw)
{
    bool wants_atom = true;

    for (; *at < text.len && text.data[*at] != '@'; ++*at) {
        char c = text.data[*at];

        if (c == '.' && wants_atom)
            return reject(flaw, "a dot stands at the start of the local part or behind another dot",
                          *at);
        if (c != '.' && !is_atext(c))
            return reject(flaw, "the local part holds a character that only quotes allow", *at);
        wants_atom = c == '.';
    }
    if (*at == 0)
        return reject(flaw, "there is no local part", 0);
    if (wants_atom)
        return reject(flaw, "the local part ends in a dot", *at - 1);
    return true;
}

/* sub-domain = Let-dig [Ldh-str], or a U-label (RFC 6531 section 3.3) */
static bool take_label(struct span text, size_t start, size_t end, struct smtp_address_flaw *flaw)
{
    if (start == end)
        return reject(flaw, "a label of the domain is empty", start);
    if (end - start > LABEL_MOST)
        return reject(flaw, "a label of the domain is longer than 63 octets", start + LABEL_MOST);
    for (size_t i = start; i < end; i++)
        if (text.data[i] != '-' && !text_is_letter_or_digit(text.data[i]) && !is_8bit(text.data[i]))
            return reject(flaw, "the domain holds a character other than letters, digits, hyphens",
                          i);
    if (text.data[start] == '-')
        return reject(flaw, "a label of the domain begins with a hyphen", start);
    if (text.data[end - 1] == '-')
        return reject(flaw, "a label of the domain ends in a hyphen", end - 1);
    return true;
}

/* Snum = 1*3DIGIT, 0 to 255 */
static bool is_ipv4(struct span text)
{
    for (int part = 0; part < 4; part++) {
        size_t at = span_find(text, '.');
        struct span digits = span_part(text, 0, at);
        uint64_t number;

        if ((part < 3) != (at < text.len) || digits.len > 3 ||
            !text_to_number(digits, 255, &number))
            return false;
        span_take_front(&text, at + 1);
    }
    return true;
}

static bool is_ipv6_group(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\0' || strchr("0123456789abcdefABCDEF", text.data[i]) == NULL)
            return false;
    return text.len >= 1 && text.len <= 4;
}

/* Groups between colons; *count is in groups of 16 bits, and an IPv4 address at the very end
 * stands for two. An empty text has none. */
static bool count_ipv6_groups(struct span text, bool may_end_in_ipv4, size_t *count)
{
    *count = 0;
    while (text.len > 0) {
        size_t at = span_find(text, ':');
        struct span group = span_part(text, 0, at);
        bool is_last = at == text.len;

        if (at + 1 == text.len)
            return false;
        if (is_last && may_end_in_ipv4 && is_ipv4(group))
            *count += 2;
        else if (is_ipv6_group(group))
            *count += 1;
        else
            return false;
        span_take_front(&text, at + 1);
    }
    return true;
}

/* IPv6-full, IPv6-comp, IPv6v4-full, IPv6v4-comp: "::" stands for two groups at least. */
static bool is_ipv6(struct span text)
{
    size_t before, after, at = 0;

    while (at < text.len && !span_starts_with(span_part(text, at, 2), "::"))
        at++;
    if (at == text.len)
        return count_ipv6_groups(text, true, &before) && before == 8;
    return count_ipv6_groups(span_part(text, 0, at), false, &before) &&
           count_ipv6_groups(span_part(text, at + 2, text.len), true, &after) &&
           before + after <= 6;
}

/* RFC 5321 section 4.1.3. "IPv6" is the only tag that is registered for a general literal. */
static bool take_literal(struct span text, struct smtp_address_flaw *flaw)
{
    struct span inner = span_part(text, 1, text.len);

    if (inner.len == 0 || inner.data[inner.len - 1] != ']')
        return reject(flaw, "the address literal does not end in a bracket", text.len);
    inner.len--;
    if (span_starts_with_nocase(inner, "IPv6:") ? !is_ipv6(span_part(inner, 5, inner.len))
                                                : !is_ipv4(inner))
        return reject(flaw, "the literal is neither an IPv4 address nor IPv6: and an IPv6 address",
                      1);
    return accept(flaw);
}

bool smtp_domain_parse(struct span text, struct smtp_address_flaw *flaw)
{
    if (text.len == 0)
        return reject(flaw, "there is no domain", 0);
    if (text.len > DOMAIN_MOST)
        return reject(flaw, "the domain is longer than 255 octets", DOMAIN_MOST);
    if (!text_is_utf8(text))
        return reject(flaw, "the domain is not valid UTF-8", 0);
    if (text.data[0] == '[')
        return take_literal(text, flaw);
    for (size_t start = 0; start <= text.len;) {
        size_t end = start + span_find(span_part(text, start, text.len), '.');

        if (!take_label(text, start, end, flaw))
            return false;
        start = end + 1;
    }
    return accept(flaw);
}

static bool has_8bit(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (is_8bit(text.data[i]))
            return true;
    return false;
}

bool smtp_address_parse(struct span text, struct smtp_address *address,
                        struct smtp_address_flaw *flaw)
{
    bool is_quoted = text.len > 0 && text.data[0] == '"';
    size_t at = 0;

    if (!(is_quoted ? take_quoted(text, &at, flaw) : take_dot_string(text, &at, flaw)))
        return false;
    if (at > LOCAL_PART_MOST)
        return reject(flaw, "the local part is longer than 64 octets", LOCAL_PART_MOST);
    if (at == text.len || text.data[at] != '@')
        return reject(flaw, "an @ is missing behind the local part", at);
    *address = (struct smtp_address){ .local_part = span_part(text, 0, at),
                                      .domain = span_part(text, at + 1, text.len),
                                      .is_quoted = is_quoted,
                                      .is_utf8 = has_8bit(text) };
    if (!text_is_utf8(address->local_part))
        return reject(flaw, "the local part is not valid UTF-8", 0);
    if (!smtp_domain_parse(address->domain, flaw)) {
        flaw->at += at + 1;
        return false;
    }
    if (text.len + strlen("<>") > PATH_MOST)
        return reject(flaw, "the address is longer than 254 octets", PATH_MOST - 2);
    address->is_literal = address->domain.data[0] == '[';
    return accept(flaw);
}
