#include "gateway/policies.h"

#include "base/text.h"

static const struct gateway_policy built_in = { .name = "default", .level = POLICY_STS };

static int lower(char c)
{
    return (unsigned char)text_lower(c);
}

/* Like strcmp with a text in lower case; the name may hold any bytes, a NUL too. */
static int compare(struct span name, const char *text)
{
    for (size_t i = 0; i < name.len; i++)
        if (text[i] == '\0' || lower(name.data[i]) != (unsigned char)text[i])
            return text[i] == '\0' ? 1 : lower(name.data[i]) - (unsigned char)text[i];
    return text[name.len] == '\0' ? 0 : -1;
}

static const struct gateway_policy_pattern *find_pattern(const struct gateway_policies *policies,
                                                         struct span name)
{
    size_t low = 0, high = policies->pattern_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, policies->patterns[middle].text);

        if (order == 0)
            return &policies->patterns[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct gateway_policy_choice gateway_policies_find(const struct gateway_policies *policies,
                                                   struct span domain)
{
    struct span name = span_without_final_dot(domain);
    const struct gateway_policy_pattern *found =
        name.len == 0 ? NULL : find_pattern(policies, name);

    if (found != NULL)
        return (struct gateway_policy_choice){ found->policy, GATEWAY_POLICY_EXACT, found->text };
    for (size_t i = 1; i < name.len; i++) {
        if (name.data[i] != '.')
            continue;
        found = find_pattern(policies, span_part(name, i, name.len));
        if (found != NULL)
            return (struct gateway_policy_choice){ found->policy, GATEWAY_POLICY_PARENT,
                                                   found->text };
    }
    return (struct gateway_policy_choice){ policies->fallback != NULL ? policies->fallback
                                                                      : &built_in,
                                           GATEWAY_POLICY_DEFAULT, "default" };
}
