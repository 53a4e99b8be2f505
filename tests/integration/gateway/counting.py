"""counting.py - an SMTP server over STARTTLS that takes down what it took, for those who count.

A message is taken when its last line is here, just before the 250 is said: whoever is cut off after that
may send it once more. Some sessions end before anything was taken, and some recipients are to come later,
as the dice say.
"""
import random
import re
import socket
import ssl
import threading
import time

from gateway import PATIENCE_S
from load import Copy

READS = 65536
WILD = [  # what a server may say in place of a reply before it leaves: never a reply that means something else
    lambda dice, text: text.encode()[:dice.randrange(len(text))],
    lambda dice, text: bytes(dice.randrange(256) for _ in range(dice.randrange(2000))),
    lambda dice, text: b"250-" + b"x" * dice.randrange(200_000),
    lambda dice, text: b"450-later\r\n" * dice.randrange(20_000),
    lambda dice, text: b"4\r\n50 \r\n\r\n",
    lambda dice, text: b"\0" * 70_000,
]


class Left(Exception):
    """The session is over."""


class Session:
    def __init__(self, server, connection, dice):
        self.server, self.socket, self.dice = server, connection, dice
        self.pending = b""
        self.recipients = []
        self.taken = []  # copies whose 250 may be on its way

    def line(self):
        while b"\r\n" not in self.pending:
            self.more()
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line.decode("latin-1")

    def more(self):
        data = self.socket.recv(READS)
        if not data:
            raise Left
        self.pending += data

    def say(self, text):
        if self.dice.random() < self.server.wildness:
            self.socket.sendall(self.dice.choice(WILD)(self.dice, text))
            raise Left
        self.socket.sendall(text.encode() + b"\r\n")

    def content(self):
        """All up to the line of one dot, as it was before dots were doubled."""
        self.pending = b"\r\n" + self.pending
        while b"\r\n.\r\n" not in self.pending:
            self.more()
        data, self.pending = self.pending.split(b"\r\n.\r\n", 1)
        return re.sub(rb"\r\n\.", b"\r\n", data + b"\r\n")[2:]

    def chance(self, share):
        return self.dice.random() < share * self.server.trouble

    def hold(self):
        if self.dice.random() < 0.3:
            time.sleep(self.dice.uniform(0, self.server.slowness_s))

    def run(self):
        self.say(self.server.greeting)
        while self.server.greeting.startswith("220"):
            line = self.line()
            verb = line.split(" ")[0].upper()
            answer = getattr(self, "take_" + verb.lower(), None)
            if answer:
                answer(line)
            else:
                self.say("250 2.0.0 Fine")

    def take_ehlo(self, _):
        has_offer = self.server.offers_tls and not isinstance(self.socket, ssl.SSLSocket)
        offer = ["STARTTLS"] if has_offer else []
        self.say("\r\n".join(f"250-{word}" for word in ["counting.test", *offer, "8BITMIME", "SMTPUTF8"])
                 + "\r\n250 PIPELINING")

    def take_starttls(self, _):
        if self.pending:
            self.server.faults.append(f"bytes behind STARTTLS: {self.pending!r}")
            raise Left
        self.say("220 2.0.0 Go on")
        self.socket = self.server.context.wrap_socket(self.socket, server_side=True)

    def take_mail(self, line):
        if self.server.offers_tls and not isinstance(self.socket, ssl.SSLSocket):
            self.server.faults.append(f"in the clear: {line}")
        if self.chance(0.01):
            raise Left
        self.recipients = []
        self.say("250 2.1.0 Fine")

    def take_rcpt(self, line):
        if self.chance(0.02):
            self.say("450 4.2.0 Later")
            return
        self.recipients.append(re.search("<(.*)>", line)[1])
        self.say("250 2.1.5 Fine")

    def take_rset(self, _):
        self.recipients = []
        self.say("250 2.0.0 Fine")

    def take_data(self, _):
        if not self.recipients:
            self.say("554 5.5.1 Nobody to take it")
            return
        self.say("354 Go on")
        content = self.content()
        if self.chance(0.01):
            raise Left  # it was not taken
        self.hold()
        self.taken = self.server.take(content, self.recipients)
        self.hold()
        self.say("250 2.0.0 Taken")
        for copy in self.taken:
            copy.is_acknowledged = True

    def take_quit(self, _):
        self.say("221 2.0.0 Bye")
        raise Left


class Counting:
    """trouble: 0 for a server that is never unwell; slowness_s: how long an answer may take; wildness: the share of
    replies that are none."""

    wildness = 0
    offers_tls = True
    sessions_are = Session

    def __init__(self, world, seed=1, trouble=1.0, slowness_s=0.02, identity=None, address=("127.0.0.1", 0)):
        self.trouble, self.slowness_s, self.greeting = trouble, slowness_s, "220 counting.test ESMTP"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*world.files(identity or world.good()))
        self.dice = random.Random(seed)
        self.lock = threading.Lock()
        self.copies, self.faults = [], []  # what was taken, a copy a recipient; what must not be
        self.open, self.sessions = set(), 0
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.create_server(address, family=family, backlog=512)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # it waits in accept
        except OSError:
            pass
        self.socket.close()
        self.cut_all()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            session = self.sessions_are(self, connection, random.Random(self.dice.random()))
            with self.lock:
                self.sessions += 1
                self.open.add(session)
            threading.Thread(target=self.serve, args=(session, connection), daemon=True).start()

    def serve(self, session, connection):
        try:
            connection.settimeout(PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session.run()
        except (Left, OSError):
            pass
        finally:
            session.socket.close()
            with self.lock:
                self.open.discard(session)

    def take(self, content, recipients):
        copies = [Copy(content) for _ in recipients]
        for copy, recipient in zip(copies, recipients):
            copy.recipient, copy.is_acknowledged = recipient, False
        with self.lock:
            self.copies += copies
        return copies

    def taken(self):
        with self.lock:
            return list(self.copies)

    def cut_all(self):
        """Every session, wherever it is."""
        with self.lock:
            sessions = list(self.open)
        for session in sessions:
            for copy in session.taken:
                copy.is_acknowledged = False  # what was said last may not get there
            try:
                socket.socket.shutdown(session.socket, socket.SHUT_RDWR)  # with no goodbye of TLS
            except OSError:
                pass  # it has just ended

    def is_quiet(self):
        with self.lock:
            return not self.open
