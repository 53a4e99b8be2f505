"""ports.py - ports that are free and stay so until they are used.

The kernel hands out ports of its own range to whoever asks for any, other tests among them; a port
below that range is taken by nobody by chance.
"""

import errno
import random
import socket

FIRST, END = 10240, 32000
_claims = []  # of this process, for as long as it runs


def claim(port):
    """Whether it is this process's own from now on. What is free may be nobody's yet, or be meant for a server that
    another test is about to start: so each has a name for its port that only one can have, and that goes with it."""
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0postern-test-port-{port}")
    except OSError as reason:
        mark.close()
        if reason.errno != errno.EADDRINUSE:
            raise
        return False
    _claims.append(mark)
    return True


def is_free(port, addresses, kinds):
    try:
        for address in addresses:
            for kind in kinds:
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((address, port))
    except OSError:
        return False
    return True


def free_port(*addresses):
    """A port where nothing listens, over TCP or UDP: at any of these addresses of IPv4, or at 127.0.0.1."""
    while True:
        port = random.randrange(FIRST, END)
        if claim(port) and is_free(port, addresses or ("127.0.0.1",), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return port


def end(listening):
    """Closes a socket where a thread waits for others, which closing alone leaves there, and them welcome."""
    try:
        listening.shutdown(socket.SHUT_RDWR)
    except OSError:  # over UDP it says so, and wakes it up all the same
        pass
    listening.close()


def free_ports(count):
    return [free_port() for _ in range(count)]


def free_port_range(count, address="127.0.0.1"):
    """The first of so many ports in a row where nothing listens over TCP."""
    while True:
        first = random.randrange(FIRST, END - count)
        if all(claim(port) and is_free(port, (address,), (socket.SOCK_STREAM,)) for port in range(first, first + count)):
            return first
