/* lab/fault_session.h - one client's conversation with a fault server. For fault_server.c alone. */
#pragma once

#include "base/compiler.h"
#include "base/error.h"
#include "lab/fault_server.h"
#include "net/tls_server.h"

struct fault_session;

/* What all conversations of one server share. */
struct fault_stage {
    struct loop *loop;
    const struct fault_row *row;
    const char *host;
    struct tls_server_context *context; /* NULL where the row never shakes hands */
    struct fault_tally tally;
    struct fault_session *sessions;
};

/* Takes over the socket. A failure of our own ends this one conversation. */
void fault_session_start(struct fault_stage *stage, int socket);
void fault_sessions_close(struct fault_stage *stage);
