/* gateway/shared_limits.h - gateway/limits for all workers at once: one table behind one lock.
 *
 * A client's connections are spread over the workers by the kernel, and what it may do it may do in all:
 * so the workers share the table, and this lock (doc/decisions/0014). It is held for a few memory
 * accesses, never over anything that waits. The functions are those of gateway/limits.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "gateway/limits.h"

struct gateway_shared_limits;

MUST_CHECK bool gateway_shared_limits_new(const struct gateway_limits_settings *settings,
                                          const uint8_t secret[GATEWAY_LIMITS_SECRET_BYTES],
                                          struct gateway_shared_limits **limits, struct error *err);
void gateway_shared_limits_free(struct gateway_shared_limits **limits);
void gateway_shared_limits_set(struct gateway_shared_limits *limits,
                               const struct gateway_limits_settings *settings);

MUST_CHECK bool gateway_shared_limits_open(struct gateway_shared_limits *limits,
                                           const struct net_address *client, int64_t now_ms,
                                           struct gateway_limits_session *session,
                                           struct smtp_answer *answer);
MUST_CHECK bool gateway_shared_limits_take_connection(struct gateway_shared_limits *limits,
                                                      const struct gateway_limits_session *session,
                                                      int64_t now_ms, struct smtp_answer *answer);
MUST_CHECK bool gateway_shared_limits_may_tell(struct gateway_shared_limits *limits,
                                               const struct net_address *client, int64_t now_ms,
                                               uint32_t *untold);
MUST_CHECK bool gateway_shared_limits_take_error(struct gateway_shared_limits *limits,
                                                 struct gateway_limits_session *session,
                                                 int64_t now_ms, struct smtp_answer *answer);
MUST_CHECK bool gateway_shared_limits_take_message(struct gateway_shared_limits *limits,
                                                   const struct gateway_limits_session *session,
                                                   int64_t now_ms, struct smtp_answer *answer);
MUST_CHECK bool gateway_shared_limits_take_failure(struct gateway_shared_limits *limits,
                                                   const struct gateway_limits_session *session,
                                                   int64_t now_ms);
void gateway_shared_limits_close(struct gateway_shared_limits *limits,
                                 const struct gateway_limits_session *session);
uint32_t gateway_shared_limits_connections(struct gateway_shared_limits *limits);
