#!/usr/bin/python3
"""abuse_test.py - clients that break every rule do no harm to those beside them, and nothing is left of them.

usage: abuse_test.py POSTERN QUEUE-DUMP [--seconds N] [--abusers N] [--seed N] [--keep]

Resets, silence, half handshakes, garbage, floods and slow bytes, from many addresses at once and on the control
socket, while others send mail over STARTTLS and the settings are read again and again. Then: every message that
got a 250 was delivered whole and once, nothing was refused that was due, every connection is gone, and the
gateway ends well (a build with sanitizers also says there what leaked). Prints TAP and how often each was done.
"""
import argparse
import collections
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import types

sys.dont_write_bytecode = True
from crash_test import Account, wait, words_of  # noqa: E402
from gateway import HOST, LOCAL, Client, Closed, Failed, Gateway, Listener, next_source  # noqa: E402
from load import Load, Tally  # noqa: E402

ABUSERS = 6
SENDERS = 3
STALL_S = 1.0
REQUESTS = [b'{"do": "list"}\n', b'{"do": "stats"}\n', b'{"do": "retry", "all": true}\n',
            b'{"do": "read", "id": "0000000000001", "part": 0}\n']
PUT = (b'{"do": "put", "size": 100, "envelope": {"sender": "a@sender.test"}, "recipients": [{"address": "local@' +
       LOCAL.encode() + b'"}]}\n')
ABUSES = []


def abuse(function):
    ABUSES.append(function)
    return function


class Scene:
    """What one who abuses needs."""

    def __init__(self, gateway, dice):
        self.gateway, self.dice = gateway, dice
        self.context = ssl.create_default_context(cafile=gateway.world.root_file)
        self.addresses = [next_source() for _ in range(4)]

    def source(self):
        """Often a new address, for those that did wrong are kept out for a while."""
        return self.dice.choice(self.addresses) if self.dice.random() < 0.2 else next_source()

    def dial(self):
        stream = socket.create_connection(("127.0.0.1", self.gateway.port()), 10, (self.source(), 0))
        stream.settimeout(10)
        return stream

    def client(self):
        return Client(self.gateway.port(), self.source())

    def secured(self):
        return self.client().starttls(self.context)

    def octets(self, most):
        return self.dice.randbytes(self.dice.randrange(1, most))


def reset(stream):
    """Closes by a RST."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def leave(stream, dice):
    """One of the ways to go."""
    way = dice.randrange(3)
    if way == 0:
        reset(stream)
    elif way == 1:
        stream.close()
    else:
        stream.shutdown(socket.SHUT_WR)
        read_away(stream)


def read_away(stream):
    """All that still comes, until it is closed."""
    try:
        while stream.recv(65536):
            pass
    except (OSError, ValueError):
        pass
    stream.close()


def hello(scene):
    """A ClientHello, as octets."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = scene.context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def to_starttls(scene):
    client = scene.client()
    client.expect("EHLO abuse.test", 250)
    client.expect("STARTTLS", 220)
    return client.socket


@abuse
def connects_and_goes(scene):
    leave(scene.dial(), scene.dice)


@abuse
def comes_in_crowds(scene):
    crowd = [scene.dial() for _ in range(60)]
    for stream in crowd:
        reset(stream)


@abuse
def says_anything(scene):
    stream = scene.dial()
    for _ in range(scene.dice.randrange(1, 20)):
        stream.sendall(scene.octets(3000))
    leave(stream, scene.dice)


@abuse
def speaks_http(scene):
    stream = scene.dial()
    stream.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\n")
    read_away(stream)


@abuse
def speaks_slowly(scene):
    stream = scene.dial()
    for octet in b"EHLO slow.test\r\nMAIL F":
        stream.sendall(bytes([octet]))
        time.sleep(STALL_S / 20)
    leave(stream, scene.dice)


@abuse
def never_ends_a_line(scene):
    stream = scene.dial()
    for _ in range(50):
        stream.sendall(b"x" * 8192)
    leave(stream, scene.dice)


@abuse
def begins_a_handshake(scene):
    stream, greeting = to_starttls(scene), hello(scene)
    stream.sendall(greeting[:scene.dice.randrange(len(greeting))])
    if scene.dice.random() < 0.3:
        time.sleep(STALL_S)
    leave(stream, scene.dice)


@abuse
def ends_in_the_handshake(scene):
    stream = to_starttls(scene)
    stream.sendall(hello(scene))
    stream.recv(scene.dice.randrange(1, 4000))
    leave(stream, scene.dice)


@abuse
def breaks_the_handshake(scene):
    stream, greeting = to_starttls(scene), bytearray(hello(scene))
    for _ in range(scene.dice.randrange(1, 6)):
        greeting[scene.dice.randrange(len(greeting))] = scene.dice.randrange(256)
    stream.sendall(greeting)
    stream.shutdown(socket.SHUT_WR)
    read_away(stream)


@abuse
def sends_records_of_nothing(scene):
    stream = to_starttls(scene)
    for _ in range(30):
        kind = scene.dice.choice([20, 21, 22, 23, 24, 255])
        body = scene.octets(300)
        stream.sendall(struct.pack(">BHH", kind, 0x0303, len(body)) + body)
    leave(stream, scene.dice)


@abuse
def injects_behind_starttls(scene):
    client = scene.client()
    client.expect("EHLO abuse.test", 250)
    client.send(b"STARTTLS\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<user1@" + LOCAL.encode() + b">\r\n")
    read_away(client.socket)


@abuse
def distrusts_us(scene):
    stream = to_starttls(scene)
    try:
        ssl.create_default_context().wrap_socket(stream, server_hostname=HOST)
    except ssl.SSLError:
        stream.close()


@abuse
def resets_amid_data(scene):
    client = scene.secured()
    client.envelope("a@sender.test", f"user1@{LOCAL}", f"user2@{LOCAL}")
    client.expect("DATA", 354)
    for _ in range(scene.dice.randrange(20)):
        client.send(b"half of a message\r\n" * scene.dice.randrange(1, 500))
    leave(client.socket, scene.dice)


@abuse
def resets_amid_chunks(scene):
    client = scene.secured()
    client.envelope("a@sender.test", f"user1@{LOCAL}")
    for _ in range(scene.dice.randrange(4)):
        client.expect(b"BDAT 10000\r\n" + b"0123456\r\n" * 1111 + b"x", 250)
    client.send(b"BDAT 40000000\r\n" + b"y" * scene.dice.randrange(200_000))
    leave(client.socket, scene.dice)


@abuse
def never_reads(scene):
    client = scene.secured()
    client.socket.settimeout(STALL_S)
    try:
        while True:
            client.send(b"EHLO deaf.test\r\n" * 2000)
    except OSError:
        pass
    reset(client.socket)


@abuse
def errs_without_end(scene):
    client = scene.client()
    try:
        while True:
            client.command("XYZZY")
    except Closed:
        client.close()


@abuse
def asks_for_anybody(scene):
    client = scene.secured()
    client.send(b"MAIL FROM:<a@sender.test>\r\n" + b"".join(
        b"RCPT TO:<nobody%d@elsewhere.test>\r\n" % number for number in range(1200)))
    leave(client.socket, scene.dice)


@abuse
def goes_without_a_word(scene):
    """Inside TLS: no close_notify, or nothing but that."""
    client = scene.secured()
    if scene.dice.random() < 0.5:
        client.send(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<us")
        leave(client.socket, scene.dice)
    else:
        client.socket.unwrap().close()


@abuse
def talks_before_the_greeting(scene):
    stream = scene.dial()
    stream.sendall(b"EHLO early.test\r\nSTARTTLS\r\n" + hello(scene))
    read_away(stream)


@abuse
def holds_on(scene):
    """To sessions in which it says nothing."""
    held = []
    try:
        for _ in range(20):
            held.append(scene.secured().socket)
        time.sleep(STALL_S)
    finally:
        for stream in held:
            leave(stream, scene.dice)


def control_of(scene):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(10)
    stream.connect(os.path.join(scene.gateway.state, "control"))
    return stream


@abuse
def says_anything_to_the_control_socket(scene):
    stream = control_of(scene)
    stream.sendall(scene.dice.choice([
        scene.octets(3000), b"{" * 5000 + b"\n", REQUESTS[0][:9], b"x" * 300_000, b"{}\n[]\n1\n\n",
        PUT + b"half", PUT + scene.octets(300), b'{"request": "' + b"0" * 70_000 + b'"}\n', *REQUESTS]))
    leave(stream, scene.dice)


@abuse
def asks_and_does_not_listen(scene):
    stream = control_of(scene)
    for _ in range(50):
        stream.sendall(b"".join(REQUESTS))
    leave(stream, scene.dice)


@abuse
def lists_the_queue(scene):
    scene.gateway.run("queue", "list", "-c", scene.gateway.settings_file)


@abuse
def sends_from_here(scene):
    """To somebody whom the account does not know."""
    scene.gateway.run("send", "-c", scene.gateway.settings_file, "-f", "local@sender.test", f"local@{LOCAL}",
                      stdin=None, input="Subject: from here\n\nhello\n")


class Abusers:
    def __init__(self, gateway, seed, count):
        self.counts, self.faults, self.is_over = collections.Counter(), [], False
        dice = random.Random(seed)
        self.threads = [threading.Thread(target=self.work, args=(Scene(gateway, random.Random(dice.random())),),
                                         daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, scene):
        while not self.is_over:
            way = scene.dice.choice(ABUSES)
            try:
                way(scene)
            except (OSError, Closed, Failed):
                pass  # cut off, or turned away: what it deserves
            except BaseException as fault:  # noqa: B036
                self.faults.append(f"{way.__name__}: {fault!r}")
                raise
            self.counts[way.__name__] += 1

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(120)
        if self.faults or any(thread.is_alive() for thread in self.threads):
            raise Failed(f"the abuse itself failed: {self.faults}")


def sockets_of(pid):
    count = 0
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(entry).startswith("socket:")
        except FileNotFoundError:
            pass
    return count


def measure(options):
    limits = {"messages_per_minute": 0, "command_timeout": "5s", "ban": "1s", "connections": 500}
    gateway = Gateway(options.program, [Listener("may")], limits=limits, settings="queue { retry = { 1s } }")
    os.makedirs(f"{gateway.mailboxes}/{LOCAL}")
    tally = Tally()
    account = Account(types.SimpleNamespace(dump=options.dump), gateway, tally)
    try:
        gateway.start()
        quiet = sockets_of(gateway.pid)
        load = Load(tally, gateway.world.root_file, SENDERS, options.seed)
        load.port = gateway.port()
        abusers = Abusers(gateway, options.seed, options.abusers)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end and gateway.child.poll() is None:
            time.sleep(1)
            gateway.child.send_signal(signal.SIGHUP)
        wait(gateway, lambda: tally.acknowledged() >= 20, "nothing is accepted")
        abusers.end()
        load.is_finishing = True
        wait(gateway, load.is_ended, lambda: f"the senders do not come to an end, turned away {tally.turned}")
        wait(gateway, lambda: sockets_of(gateway.pid) <= quiet,
             lambda: f"{sockets_of(gateway.pid)} sockets are open, {quiet} were before")
        wait(gateway, account.is_all_delivered, "what was accepted is not delivered")
        gateway.stop()
        if [message for message in account.look() if message.open()]:
            raise Failed("the queue is not empty")
        counts = account.close()
        reloads = len(gateway.log("reloaded"))
        text = pathlib.Path(gateway.log_file).read_text("utf-8", "replace")
        complaints = re.findall(r"(?m)^.*(?:runtime error|Sanitizer|Assertion).*$", text)
        if complaints:
            raise Failed(f"it complains of itself: {complaints[:3]}")
    finally:
        gateway.kill()
        if options.keep:
            print(f"# kept: {gateway.folder}")
        else:
            gateway.remove()
    if tally.refused() or load.faults:
        raise Failed(f"refused {tally.refused()}, senders {load.faults}")
    return f"{words_of(counts)}; {reloads} reloads; {sum(abusers.counts.values())} abuses: {words_of(abusers.counts)}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("dump")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 30))
    parser.add_argument("--abusers", type=int, default=ABUSERS)
    parser.add_argument("--keep", action="store_true", help="the folder with log and mailboxes")
    options = parser.parse_args()
    options.dump = os.path.abspath(options.dump)
    print(f"1..1\n# seed {options.seed}", flush=True)
    try:
        print(f"ok 1 - those who break rules do no harm\n# {measure(options)}")
    except AssertionError as fault:
        words = str(fault).replace("\n", "\n# ")
        print(f"not ok 1 - those who break rules do no harm\n# {words}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
