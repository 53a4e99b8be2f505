/* net/address_internal.h - a net_address as the kernel's socket address and back. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "net/address.h"

/* Returns the length of what it filled. */
socklen_t net_address_to_socket(const struct net_address *address,
                                struct sockaddr_storage *storage);
/* ERROR_USAGE: the path is empty, or too long for a local socket. */
MUST_CHECK bool net_address_local(const char *path, struct sockaddr_un *local, struct error *err);
/* False: neither IPv4 nor IPv6. An IPv4 address mapped into IPv6 comes back as IPv4. */
MUST_CHECK bool net_address_from_socket(const struct sockaddr_storage *storage,
                                        struct net_address *address);
