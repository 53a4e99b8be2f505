"""policy_world.py - a DNS server and a web server of a test's own, for domains that publish MTA-STS policies.

The DNS server answers what it is told to, unsigned; its `trust_anchor` is of a zone that nobody asks for, so that all of it
is insecure. The web server shows each name a certificate of its own, and gives what `pages` has for that name.
"""
import os
import socket
import ssl
import struct
import threading

import ports
from faults import pki
from gateway import PATIENCE_S

TYPES = {"A": 1, "MX": 15, "TXT": 16}
PATH = "/.well-known/mta-sts.txt"


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"


def rdata(kind, value):
    """Of "192.0.2.1", "10 mx.loc" or a text."""
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack("!H", int(preference)) + wire_name(host)
    data = value.encode()
    return b"".join(bytes([len(part)]) + part for part in
                    (data[at:at + 255] for at in range(0, max(len(data), 1), 255)))


class Dns:
    """On a free port of loopback; `records` by (name, type) may change at any time."""

    def __init__(self, folder):
        self.records = {}
        self.port = ports.free_port()
        self.asked = []  # (name, type), in order
        self.trust_anchor = os.path.join(folder, "anchor")
        with open(self.trust_anchor, "w", encoding="ascii") as file:
            file.write("elsewhere.invalid. 3600 IN DS 1 13 2 " + "0" * 64 + "\n")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def add(self, name, kind, *values):
        self.records[name, TYPES[kind]] = [rdata(kind, value) for value in values]

    def drop(self, name, kind):
        self.records.pop((name, TYPES[kind]), None)

    def stop(self):
        ports.end(self.socket)

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
                if not query:
                    return
                self.socket.sendto(self.answer(query), client)
            except OSError:
                return

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
            at += 1 + query[at]
        question, name = query[12:at + 5], ".".join(labels)
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        found = self.records.get((name, kind), [])
        exists = any(known == name or known.endswith("." + name) for known, _ in list(self.records))
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | (0 if exists else 3), 1, len(found), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data for data in found)


class Page:
    """What the web server gives for one name: status, headers, body; `chunked`: without its length."""

    def __init__(self, body="", status=200, content_type="text/plain", chunked=False, **headers):
        self.body, self.status, self.chunked = body.encode(), status, chunked
        self.headers = {"Content-Type": content_type, **headers}

    def sent(self):
        head = f"HTTP/1.1 {self.status} Whatever\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        if not self.chunked:
            return (head + f"Content-Length: {len(self.body)}\r\n\r\n").encode() + self.body
        parts = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in
                         (self.body[at:at + 1000] for at in range(0, len(self.body), 1000)))
        return (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + parts + b"0\r\n\r\n"


class PolicyHosts:
    """Web servers for https://mta-sts.NAME, all at one address and port."""

    def __init__(self, world):
        self.world, self.pages, self.identities = world, {}, {}
        self.asked = []  # names, in order
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", ports.free_port()))
        self.port = self.listener.getsockname()[1]
        self.contexts = {}
        self.default = self.context(world.leaf(names=("nobody.invalid",)))
        self.default.sni_callback = self.choose
        threading.Thread(target=self.serve, daemon=True).start()

    def put(self, domain, page, identity=None):
        """`identity`: what it shows in place of a right certificate."""
        host = f"mta-sts.{domain}"
        self.pages[host] = page
        self.contexts[host] = self.context(identity or self.world.leaf(names=(host,)))

    def context(self, identity):
        files = self.world.files(identity)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        return context

    def choose(self, connection, name, _):
        connection.context = self.contexts.get(name, self.default)

    def stop(self):
        ports.end(self.listener)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            connection.settimeout(PATIENCE_S)
            with self.default.wrap_socket(connection, server_side=True) as secured:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = secured.recv(4096)
                    if not data:
                        return
                    head += data
                lines = head.decode("latin-1").split("\r\n")
                host = next((line[5:].strip().rsplit(":", 1)[0] for line in lines if line.lower().startswith("host:")), "")
                self.asked.append(host)
                page = self.pages.get(host) if lines[0] == f"GET {PATH} HTTP/1.1" else None
                secured.sendall((page or Page(status=404)).sent())
                secured.unwrap()
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            connection.close()


def expired(world, *names):
    return world.leaf(names=names, start=-80, end=-5)


def from_a_stranger(world, *names):
    return pki.issue(world.stranger, names=names).with_chain(world.stranger)
