"""scripted_dns.py - a resolver on loopback, by UDP and TCP, that answers each question as a test says, or worse.

Unsigned: who asks it needs an anchor of a zone that nobody asks about. What it says is not checked here.
"""
import socket
import struct
import threading

A, NS, CNAME, SOA, MX, TXT, AAAA, TLSA = 1, 2, 5, 6, 15, 16, 28, 52
SERVFAIL, NXDOMAIN = 2, 3
UDP_OCTETS = 1232


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".") if label) + b"\0"


def address(text):
    return A, socket.inet_aton(text)


def mx(preference, host):
    return MX, struct.pack(">H", preference) + name(host)


def alias(target):
    return CNAME, name(target)


def txt(*strings):
    """Each string up to 255 octets."""
    return TXT, b"".join(bytes([len(one)]) + one.encode() for one in strings)


class Silence:
    """No answer at all."""


class Drip:
    """TC by UDP; by TCP an octet at a time, and never the last."""


class Failure:
    def __init__(self, rcode=SERVFAIL):
        self.rcode = rcode


class Question:
    def __init__(self, message):
        self.id, self.flags = struct.unpack(">HH", message[:4])
        place, labels = 12, []
        while message[place]:
            labels.append(message[place + 1:place + 1 + message[place]].decode("latin-1").lower())
            place += 1 + message[place]
        self.name = ".".join(labels)
        self.type, = struct.unpack(">H", message[place + 1:place + 3])
        self.wire = message[12:place + 5]

    def reply(self, records=(), rcode=0, is_cut=False):
        """`records`: (type, rdata), or (owner, type, rdata)."""
        flags = 0x8180 | (0x0200 if is_cut else 0) | rcode
        answers = b""
        for record in records:
            owner, kind, rdata = record if len(record) == 3 else (self.name, *record)
            answers += name(owner) + struct.pack(">HHIH", kind, 1, 60, len(rdata)) + rdata
        return struct.pack(">HHHHHH", self.id, flags, 1, len(records), 0, 0) + self.wire + answers


class ScriptedDns:
    """`answer(name, type)`: records, a Failure, Silence, Drip, or whole octets as a function of the question. For the root
    itself it has always something to say, so that nobody takes it for dead."""

    def __init__(self, answer):
        self.answer = answer
        self.asked, self.lock = {}, threading.Lock()  # how often each (name, type)
        self.tcp = None
        while self.tcp is None:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.port = self.udp.getsockname()[1]
            try:
                self.tcp = socket.create_server(("127.0.0.1", self.port), backlog=128)
            except OSError:
                self.udp.close()
        self.is_over = threading.Event()
        for run in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))

    def names_asked(self, kind):
        with self.lock:
            return {one for one, asked in self.asked if asked == kind}

    def look_at(self, message):
        """(the question, what to do with it)"""
        question = Question(message)
        with self.lock:
            key = question.name, question.type
            self.asked[key] = self.asked.get(key, 0) + 1
        if not question.name:
            return question, []
        return question, self.answer(question.name, question.type)

    @staticmethod
    def whole(question, what):
        if isinstance(what, Failure):
            return question.reply(rcode=what.rcode)
        return what(question) if callable(what) else question.reply(what)

    def serve_udp(self):
        while True:
            message, peer = self.udp.recvfrom(65535)
            if self.is_over.is_set():
                self.udp.close()
                return
            question, what = self.look_at(message)
            if what is Silence:
                continue
            reply = question.reply(is_cut=True) if what is Drip else self.whole(question, what)
            if len(reply) > UDP_OCTETS:
                reply = question.reply(is_cut=True)
            self.udp.sendto(reply, peer)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_one, args=(connection,), daemon=True).start()

    def serve_one(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while len(prefix := stream.read(2)) == 2:
                    question, what = self.look_at(stream.read(struct.unpack(">H", prefix)[0]))
                    if what is Drip:
                        self.drip(connection)
                        return
                    if what is Silence:
                        continue
                    reply = self.whole(question, what)
                    connection.sendall(struct.pack(">H", len(reply)) + reply)
            except OSError:
                pass

    def drip(self, connection):
        connection.sendall(struct.pack(">H", 60000))
        while not self.is_over.wait(0.1):
            connection.sendall(b"x")
