#include "link/published.h"

void observed_published_init(struct observed_published *published)
{
    *published = (struct observed_published){
        .domain = "",
        .sts_lookup = { .name = "", .type = DNS_TYPE_TXT },
        .sts_text = "",
        .url = "",
        .host_lookup = { .name = "", .type = DNS_TYPE_A },
        .content_type = "",
        .location = "",
        .policy_text = "",
        .verdict = { .tlsa_detail = "" },
        .address = "",
        .sts = POLICY_STS_UNKNOWN,
        .report_lookup = { .name = "", .type = DNS_TYPE_TXT },
        .report_text = "",
    };
}

bool observed_published_fetch_failed(const struct observed_published *published)
{
    return published->sts_record == TXT_RECORD_VALID &&
           (published->fetch_failure != NULL || published->policy_flaw != NULL);
}

size_t observed_published_lookups(const struct observed_published *published,
                                  const struct observed_lookup *lookups[PUBLISHED_LOOKUPS_MOST])
{
    const struct observed_lookup *all[PUBLISHED_LOOKUPS_MOST] = { &published->sts_lookup,
                                                                  &published->host_lookup,
                                                                  &published->report_lookup };
    size_t count = 0;

    for (size_t i = 0; i < PUBLISHED_LOOKUPS_MOST; i++)
        if (all[i]->name[0] != '\0')
            lookups[count++] = all[i];
    return count;
}
