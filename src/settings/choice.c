/* settings/choice.c - which policy is for a domain (pure). */
#include "settings/settings.h"

static int lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Like strcmp with a text in lower case; the name may hold any bytes, a NUL too. */
static int compare(struct span name, const char *text)
{
    for (size_t i = 0; i < name.len; i++)
        if (text[i] == '\0' || lower(name.data[i]) != (unsigned char)text[i])
            return text[i] == '\0' ? 1 : lower(name.data[i]) - (unsigned char)text[i];
    return text[name.len] == '\0' ? 0 : -1;
}

static struct span without_final_dot(struct span name)
{
    if (name.len > 1 && name.data[name.len - 1] == '.')
        name.len--;
    return name;
}

static const struct settings_pattern *find_pattern(const struct settings *settings,
                                                   struct span name)
{
    size_t low = 0, high = settings->pattern_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(name, settings->patterns[middle].text);

        if (order == 0)
            return &settings->patterns[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct settings_choice settings_policy_for(const struct settings *settings, struct span domain)
{
    struct span name = without_final_dot(domain);
    const struct settings_pattern *found = name.len == 0 ? NULL : find_pattern(settings, name);

    if (found != NULL)
        return (struct settings_choice){ found->policy, SETTINGS_RULE_EXACT, found->text };
    for (size_t i = 1; i < name.len; i++) {
        if (name.data[i] != '.')
            continue;
        found = find_pattern(settings, span_part(name, i, name.len));
        if (found != NULL)
            return (struct settings_choice){ found->policy, SETTINGS_RULE_PARENT, found->text };
    }
    return (struct settings_choice){ settings->default_policy, SETTINGS_RULE_DEFAULT, "default" };
}
