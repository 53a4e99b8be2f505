/* net/tls_server_internal.h - a server's SSL for one connection, for the stream. */
#pragma once

#include <openssl/ssl.h>

#include "net/tls_server.h"

MUST_CHECK bool tls_server_ssl_new(struct tls_server_context *context, SSL **ssl,
                                   struct error *err);
