"""load.py - senders over STARTTLS that take down what they were told about each message, and the count of it all.

A message carries its name (X-Token) and the SHA-256 of its body (X-Digest), so that any copy of it can be
judged alone. A message whose fate is not known is sent again under the same name, as mail servers do.
"""
import hashlib
import pathlib
import random
import re
import socket
import ssl
import subprocess
import threading
import time

from gateway import HOST, LOCAL, PATIENCE_S, next_source

USERS = [f"user{number}@{LOCAL}" for number in range(8)]
PAUSE_S = 0.05
PIECE = 16384
BIG_EVERY = 12  # one message in so many is large
BIG_MOST = 400_000
SMALL_MOST = 6_000


class Gone(Exception):
    """The connection ended, or was ended."""


class Stuck(Exception):
    """Nothing comes, and nothing ends: that must never be."""


class Turned(Exception):
    """A reply that is not the wanted one."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


# ---- messages -------------------------------------------------------------------------------


def make_pool():
    """Lines to cut bodies from: all octets but CR, LF and NUL, dots in front, up to 998 long."""
    dice, lines = random.Random(1), []
    octets = bytes(number for number in range(1, 256) if number not in (10, 13))
    for _ in range(12_000):
        front = dice.choice([b"", b".", b"..", b"From "]) if dice.random() < 0.3 else b""
        length = 0 if dice.random() < 0.05 else 998 - len(front) if dice.random() < 0.02 else dice.randrange(1, 78)
        lines.append(front + bytes(dice.choices(octets, k=length)))
    return lines


POOL = make_pool()


def digest_of(body):
    """Of a body whatever its line ends are, CRLF on the wire and LF in a Maildir."""
    return hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()


class Message:
    """One message, and what became of each attempt to send it."""

    def __init__(self, token, dice, users=USERS):
        self.token = token
        self.recipients = sorted(dice.sample(users, dice.choice([1, 1, 2, 3])))
        size = dice.randrange(BIG_MOST) if dice.randrange(BIG_EVERY) == 0 else dice.randrange(SMALL_MOST)
        at, lines, total = dice.randrange(len(POOL)), [], 0
        while total < size:
            lines.append(POOL[at % len(POOL)])
            total += len(lines[-1]) + 2
            at += 1
        body = b"".join(line + b"\r\n" for line in lines)
        self.content = (f"From: <load@sender.example>\r\nX-Token: {token}\r\nX-Digest: {digest_of(body)}\r\n"
                        "Subject: load\r\n\r\n").encode() + body
        self.acknowledged = 0  # a 250 came
        self.unanswered = 0    # all was sent, and nothing came
        self.refused = []      # codes that came in answer to the end of the data

    def may_be_there(self):
        return self.acknowledged + self.unanswered


# ---- one connection -------------------------------------------------------------------------


class Client:
    """SMTP by hand, so that what was sent before a cut is known."""

    def __init__(self, port, context, source, session=None, name="sender.example"):
        self.buffer = b""
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (source, 0))
        except OSError as reason:
            raise Gone(str(reason)) from reason
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.want(2)
            self.ask("EHLO " + name, 2)
            self.ask("STARTTLS", 2)
            self.socket = context.wrap_socket(self.socket, server_hostname=HOST, session=session)
            self.ask("EHLO " + name, 2)
        except OSError as reason:
            self.socket.close()
            raise Gone(str(reason)) from reason
        except BaseException:
            self.socket.close()
            raise

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as reason:
            raise Gone(str(reason)) from reason

    def reply(self):
        """(code, last line)."""
        while True:
            found = re.match(rb"(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n", self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                return int(found[1]), found[0].rstrip().split(b"\n")[-1].decode("utf-8", "replace")
            try:
                data = self.socket.recv(65536)
            except TimeoutError as reason:
                raise Stuck(f"no answer in {PATIENCE_S:.0f} s at {self.socket.getsockname()}") from reason
            except OSError as reason:
                raise Gone(str(reason)) from reason
            if not data:
                raise Gone("closed")
            self.buffer += data

    def want(self, kind):
        code, text = self.reply()
        if code == 421:
            raise Gone(text)
        if code // 100 != kind:
            raise Turned(code, text)
        return text

    def ask(self, line, kind):
        self.send(line.encode() + b"\r\n")
        return self.want(kind)

    def envelope(self, message, pipelined):
        lines = ["MAIL FROM:<load@sender.example> BODY=8BITMIME"]
        lines += [f"RCPT TO:<{recipient}>" for recipient in message.recipients]
        if not pipelined:
            for line in lines:
                self.ask(line, 2)
            return
        self.send("".join(line + "\r\n" for line in lines).encode())
        turned = None
        for _ in lines:
            try:
                self.want(2)
            except Turned as reason:
                turned = turned or reason
        if turned:
            raise turned

    def by_data(self, message, pause_s):
        self.ask("DATA", 3)
        stuffed = re.sub(rb"(?m)^\.", b"..", message.content)
        for at in range(0, len(stuffed), PIECE):
            self.send(stuffed[at:at + PIECE])
            if pause_s:
                time.sleep(pause_s)
        message.unanswered += 1  # from here on it may be taken
        self.send(b".\r\n")
        self.take_answer(message)

    def by_bdat(self, message, pause_s, dice):
        content = message.content
        cuts = sorted({dice.randrange(len(content) + 1) for _ in range(dice.randrange(4))} | {0, len(content)})
        chunks = [content[one:other] for one, other in zip(cuts, cuts[1:])]
        for chunk in chunks[:-1]:
            self.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            self.want(2)
            if pause_s:
                time.sleep(pause_s)
        message.unanswered += 1
        self.send(b"BDAT %d LAST\r\n" % len(chunks[-1]) + chunks[-1])
        self.take_answer(message)

    def take_answer(self, message):
        code, text = self.reply()
        message.unanswered -= 1
        if code != 250:
            message.refused.append(code)
            raise Gone(text) if code == 421 else Turned(code, text)
        message.acknowledged += 1

    def close(self):
        self.socket.close()


# ---- many -----------------------------------------------------------------------------------


class Tally:
    """All messages, for some of `users`, and what senders were told that is no answer to a message."""

    def __init__(self, users=USERS):
        self.users = users
        self.lock = threading.Lock()
        self.messages = {}
        self.again = []   # of unknown fate, or refused for now
        self.turned = {}  # codes before the end of data

    def take(self, dice, only_again):
        """A message to send: one that is to be sent again, or a new one; None: there is none."""
        with self.lock:
            if self.again and (only_again or dice.random() < 0.5):
                return self.again.pop()
            if only_again:
                return None
            token = f"m{len(self.messages)}"
            self.messages[token] = None
        message = Message(token, dice, self.users)
        with self.lock:
            self.messages[token] = message
        return message

    def give_back(self, message, turned=None):
        with self.lock:
            self.again.append(message)
            if turned:
                self.turned[turned] = self.turned.get(turned, 0) + 1

    def list(self):
        with self.lock:
            return [message for message in self.messages.values() if message]

    def acknowledged(self):
        return sum(message.acknowledged > 0 for message in self.list())

    def unanswered(self):
        return sum(message.unanswered > 0 for message in self.list())

    def words(self):
        return f"{self.acknowledged()} acknowledged, {self.unanswered()} cut before the answer"

    def refused(self):
        """How often each code came in answer to a message."""
        counts = {}
        for message in self.list():
            for code in list(message.refused):
                counts[code] = counts.get(code, 0) + 1
        return counts


class Load:
    """Senders at work on whatever port the gateway has now."""

    def __init__(self, tally, ca_file, senders, seed):
        self.tally, self.port, self.session = tally, None, None
        self.is_over, self.is_finishing = False, False
        self.faults = []
        self.context = ssl.create_default_context(cafile=ca_file)
        self.context.check_hostname = True
        dice = random.Random(seed)
        self.threads = [threading.Thread(target=self.work, args=(random.Random(dice.random()),), daemon=True)
                        for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def work(self, dice):
        source = next_source()
        try:
            while not self.is_over and not (self.is_finishing and not self.tally.again):
                if self.port is None or not self.converse(dice, source):
                    time.sleep(PAUSE_S)
        except BaseException as fault:  # noqa: B036: whatever it is, the test is to tell it
            self.faults.append(repr(fault))
            raise

    def converse(self, dice, source):
        """One connection and its messages. False: there is nobody."""
        try:
            client = Client(self.port, self.context, source, self.session if dice.random() < 0.5 else None)
            self.session = client.socket.session  # of whichever sender was last
        except (Gone, Turned):
            return False
        try:
            for _ in range(dice.choice([1, 1, 3, 10])):
                if self.is_over or not self.send_one(client, dice):
                    return True
            client.send(b"QUIT\r\n")
            client.reply()
        except Gone:
            pass
        finally:
            client.close()
        return True

    def send_one(self, client, dice):
        """False: the connection is no more."""
        message = self.tally.take(dice, self.is_finishing)
        if not message:
            return False
        pause_s = 0.02 if dice.random() < 0.1 else 0
        try:
            client.envelope(message, pipelined=dice.random() < 0.5)
            if dice.random() < 0.4:
                client.by_bdat(message, pause_s, dice)
            else:
                client.by_data(message, pause_s)
        except Gone:
            self.tally.give_back(message)
            return False
        except Turned as reason:
            self.tally.give_back(message, reason.code)
            time.sleep(PAUSE_S)
            try:
                client.ask("RSET", 2)  # refused before the data, the transaction may be open
            except (Gone, Turned):
                return False
        return True

    def is_ended(self):
        return not any(thread.is_alive() for thread in self.threads)


# ---- what is there --------------------------------------------------------------------------


class Copy:
    """What is known of one copy of a message, from its own bytes."""

    def __init__(self, content):
        head, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
        self.token = self.field(head, "X-Token")
        digest = self.field(head, "X-Digest")
        self.is_whole = digest is not None and digest == digest_of(body)
        found = re.search(rb"\n?Received:(?:[^\n]|\n(?=[ \t]))*?\sid (\S+?)[;\s]", b"\n" + head)
        self.id = found[1].decode() if found else None
        self.recipient = self.field(head, "Delivered-To")

    @staticmethod
    def field(head, name):
        found = re.search(rb"(?m)^" + name.encode() + rb": *(\S+)", head)
        return found[1].decode("latin-1") if found else None


class Mailboxes:
    """The copies in new/ of all USERS, below a folder; each file is read once."""

    def __init__(self, folder):
        self.folder, self.copies = pathlib.Path(folder), {}

    def scan(self):
        for user in USERS:
            name, domain = user.split("@")
            for file in (self.folder / domain / name).glob("new/*"):
                if file not in self.copies:
                    self.copies[file] = Copy(file.read_bytes())
        return self.copies.values()


class Queued:
    """One message in the queue."""

    def __init__(self, name, copy):
        self.id, self.copy, self.states = name, copy, {}

    def open(self):
        return [address for address, state in self.states.items() if state not in ("done", "bounced")]


def dump_queue(program, folder):
    """All that is in the queue of `folder`."""
    answer = subprocess.run([program, folder], capture_output=True, check=False, timeout=PATIENCE_S)
    if answer.returncode != 0:
        raise AssertionError(f"the queue does not open: {answer.stderr.decode()}")
    output, at, messages, queued, states = answer.stdout, 0, [], None, {}
    while at < len(output):
        end = output.index(b"\n", at)
        words = output[at:end].decode().split(" ", 2)
        at = end + 1
        if words[0] == "message":
            name, states = words[1], {}
        elif words[0] == "to":
            states[words[2]] = words[1]
        else:
            queued = Queued(name, Copy(output[at:at + int(words[1])]))
            queued.states = states
            messages.append(queued)
            at += int(words[1]) + 1
    return messages
