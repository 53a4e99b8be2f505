"""peer.py - one accepted connection, and the listener that hands each connection to a fault.

A fault is a function of one Peer. It may raise: whatever goes wrong on our side of a
connection (the checker hung up, say) ends that connection and nothing else.
"""

import socket
import ssl
import struct
import threading
import time

HOST = "mx.ferry.example"
PATIENCE_S = 120.0  # nobody waits longer than this for the checker


class Gone(Exception):
    """The checker closed the connection."""


class Peer:
    """Our end of one connection: lines and bytes, in the clear or inside TLS."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.tls = None  # anything with recv(n) and send(bytes)

    def send(self, data):
        if self.tls is not None:
            self.tls.send(data)
        else:
            self.socket.sendall(data)

    def dribble(self, data, pause_s):
        for i in range(len(data)):
            self.send(data[i : i + 1])
            time.sleep(pause_s)

    def take(self, size):
        """Some bytes, at most `size`; raises Gone at the end."""
        if self.pending:
            out, self.pending = self.pending[:size], self.pending[size:]
            return out
        data = self.tls.recv(size) if self.tls is not None else self.socket.recv(size)
        if not data:
            raise Gone()
        return data

    def take_exactly(self, size):
        out = b""
        while len(out) < size:
            out += self.take(size - len(out))
        return out

    def line(self):
        """One line without its end."""
        while b"\n" not in self.pending:
            data = self.tls.recv(4096) if self.tls is not None else self.socket.recv(4096)
            if not data:
                raise Gone()
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.rstrip(b"\r")

    def close(self):
        """FIN, then swallows what still comes, so that no RST follows it."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(65536):
                pass
        except OSError:
            pass
        raise Gone()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        raise Gone()

    def hold(self):
        """Says nothing more until the checker leaves."""
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass
        raise Gone()


class Listener:
    """Accepts on a free loopback port and gives every connection a thread of its own."""

    def __init__(self, fault, backlog=16):
        self.fault = fault
        self.complaints = []
        self.connections = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            self.fault(Peer(connection))
        except (Gone, OSError, ssl.SSLError):
            pass
        except Exception as problem:  # a fault that is itself broken must be seen
            self.complaints.append(repr(problem))
        finally:
            try:
                connection.close()
            except OSError:
                pass

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
