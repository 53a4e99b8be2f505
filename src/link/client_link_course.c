/* link/client_link_course.c - the course of a link: its step, its phase, and how it came to its end. */
#include "link/client_link_parts.h"

int64_t client_link_now(const struct client_link *link)
{
    return loop_now_ms(link->loop);
}

void client_link_enter_step(struct client_link *link, enum step step)
{
    int64_t *step_ms = link->observation->step_ms;

    if (step_ms[link->step] < 0)
        step_ms[link->step] = 0;
    step_ms[link->step] += client_link_now(link) - link->step_began_ms;
    if (step_ms[step] < 0)
        step_ms[step] = 0;
    link->step = step;
    link->step_began_ms = client_link_now(link);
}

void client_link_settle(struct client_link *link, enum ending ending)
{
    if (link->is_settled)
        return;
    link->is_settled = true;
    link->observation->ending = ending;
    link->observation->reached = link->step;
    if (ending == ENDING_TIMEOUT || ending == ENDING_NO_CONNECT)
        link->observation->timeout_ms =
            client_link_now(link) -
            (link->phase == LINK_TALKING ? link->last_sent_ms : link->phase_began_ms);
    if (link->transcript != NULL)
        transcript_note(link->transcript, client_link_now(link), "ended at %s: %s",
                        step_name(link->step), ending_name(ending));
}

void client_link_settle_failure(struct client_link *link, const char *text)
{
    if (!link->is_settled)
        link->observation->failure = arena_copy(link->arena, span_of(text));
    client_link_settle(link, ENDING_FAILED);
}

void client_link_enter_phase(struct client_link *link, enum link_phase phase, int64_t most_ms)
{
    link->phase = phase;
    link->phase_began_ms = client_link_now(link);
    link->phase_deadline_ms = most_ms == INT64_MAX ? INT64_MAX : client_link_now(link) + most_ms;
}

void client_link_conclude(struct client_link *link, int64_t linger_ms)
{
    if (link->phase != LINK_OVER)
        client_link_enter_phase(link, LINK_LINGERING, linger_ms);
}

enum ending client_link_ending_of(enum stream_end end)
{
    switch (end) {
    case STREAM_REFUSED: return ENDING_REFUSED;
    case STREAM_UNREACHABLE: return ENDING_UNREACHABLE;
    case STREAM_CONNECT_TIMEOUT: return ENDING_NO_CONNECT;
    case STREAM_RESET: return ENDING_RESET;
    case STREAM_TLS_FAILED: return ENDING_TLS;
    case STREAM_NOT_TLS: return ENDING_NOT_TLS;
    case STREAM_FAILED: return ENDING_FAILED;
    case STREAM_STILL_OPEN:
    case STREAM_CLOSED: break;
    }
    return ENDING_CLOSED;
}

bool client_link_is_tls_from_first_byte(const struct client_link *link)
{
    return link->settings.is_implicit_tls || link->settings.dial == DIAL_PLAIN_TLS;
}
