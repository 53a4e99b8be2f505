"""ports.py - ports that are free and stay so until they are used.

The kernel hands out ports of its own range to whoever asks for any, other tests among them; a port
below that range is taken by nobody by chance.
"""

import random
import socket


def free_port(*addresses):
    """A port where nothing listens, over TCP or UDP: at any of these addresses of IPv4, or at 127.0.0.1."""
    while True:
        port = random.randrange(10240, 32000)
        try:
            for address in addresses or ("127.0.0.1",):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind((address, port))
            return port
        except OSError:
            continue


def free_ports(count):
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def free_port_range(count, address="127.0.0.1"):
    """The first of so many ports in a row where nothing listens over TCP."""
    while True:
        first = random.randrange(10240, 32000 - count)
        try:
            for port in range(first, first + count):
                with socket.socket() as stream:
                    stream.bind((address, port))
            return first
        except OSError:
            continue
