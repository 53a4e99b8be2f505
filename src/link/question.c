#include "link/question.h"

#include <string.h>

enum { NAME_MOST = 253 };

static void take_answer(void *owner, const struct dns_answer *answer)
{
    struct question *question = owner;

    question->query = NULL;
    question->is_answered = true;
    observed_lookup_note(&question->seen, answer, question->arena);
    question->answered(question->owner, answer);
}

void question_start(struct question *question, struct dns *dns, const char *name,
                    enum dns_type type, int64_t timeout_ms)
{
    struct dns_answer none = { .outcome = DNS_NXDOMAIN };
    struct error err;

    question->seen = (struct observed_lookup){ .name = name, .type = type };
    if (strlen(name) <= NAME_MOST) {
        if (dns_find(dns, name, type, timeout_ms, take_answer, question, &question->query, &err))
            return;
        none.outcome = DNS_TIMEOUT;
        *question->failure = arena_copy(question->arena, span_of(err.text));
    }
    take_answer(question, &none);
}

void question_stop(struct question *question)
{
    if (question->query != NULL)
        dns_cancel(&question->query);
}
