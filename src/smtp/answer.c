#include "smtp/answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

size_t smtp_answer_format(char *out, struct smtp_answer answer)
{
    const char *enhanced = answer.enhanced == NULL ? "" : answer.enhanced;
    size_t room = SMTP_ANSWER_BYTES - strlen("\r\n");
    int len = snprintf(out, room, "%u %s%s%s", (unsigned)answer.code, enhanced,
                       enhanced[0] == '\0' ? "" : " ", answer.text == NULL ? "" : answer.text);
    size_t used = (size_t)len < room ? (size_t)len : room - 1;

    assert(answer.code >= 200 && answer.code <= 599 && len > 0);
    for (size_t i = 0; i < used; i++)
        if (out[i] < ' ' || out[i] > '~')
            out[i] = '?';
    out[used++] = '\r';
    out[used++] = '\n';
    return used;
}
