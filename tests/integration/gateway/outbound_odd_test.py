#!/usr/bin/python3
"""outbound_odd_test.py POSTERN [TEST...] - servers that speak SMTP, and yet not as one expects.

A scripted server answers each line as the test says. Each promise is a TAP test.
"""
import socket
import sys
import threading
import time

import gateway
from gateway import Client, wait_for
from outbound_test import Scripted, hop, must, send, sending

SMALL = b"Subject: x\r\n\r\nhello\r\n"
LARGE = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 100_000
TIMEOUT = f'client {{ timeout = {gateway.SHORT} }}\n'


class Raw(Scripted):
    """What follows 354 is the function's: of the connection, and the lines read from it."""

    def __init__(self, body, keywords=(), reply=lambda verb, line: None):
        self.body, self.bodies = body, 0
        super().__init__(reply, keywords)

    def serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 raw.test ESMTP\r\n")
            for line in lines:
                verb = line.decode("latin-1").split()[0].upper()
                with self.lock:
                    self.lines.append(line.decode("latin-1").strip())
                    self.sessions += verb == "EHLO"
                connection.sendall((self.reply(verb, line) or self.usual(verb)).encode() + b"\r\n")
                if verb == "DATA":
                    self.bodies += 1
                    if not self.body(connection, lines, self.bodies):
                        return
                if verb == "QUIT":
                    return


def read_body(lines):
    for line in lines:
        if line == b".\r\n":
            return True
    return False


def with_raw(body, level="may", settings="", **options):
    server = Raw(body, **options)
    return server, sending({"default": f"level = {level} " + hop(server.port)},
                           settings="queue { retry = { 1s } }\n" + settings)


def a_refusal_in_the_middle_of_the_body_is_heard():
    """The server says so and leaves, while we still send."""
    def refuse(connection, lines, _):
        lines.read1(20_000)
        connection.sendall(replies[0])
        connection.shutdown(socket.SHUT_WR)
        while lines.read1(65536):
            pass
        return False

    replies = [b"452 4.3.1 No room for that now\r\n"]
    server, one = with_raw(refuse)
    with server, one:
        send(one, "large@there.test", content=LARGE)
        line = one.wait_log("deferred", to="<large@there.test>")
        must(line["code"] == "4.3.1" and "No room for that now" in line["reply"], f"{line}")
        replies[0] = b"552 5.3.4 Larger than we like\r\n"
        line = one.wait_log("bounced", to="<large@there.test>")
        must(line["code"] == "5.3.4" and "Larger than we like" in line["reply"], f"{line}")


def a_connection_that_is_reset_in_the_body_makes_mail_wait():
    def reset(connection, lines, count):
        if count > 1:
            read_body(lines)
            connection.sendall(b"250 2.0.0 Taken\r\n")
            return True
        lines.read1(20_000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return False

    server, one = with_raw(reset)
    with server, one:
        send(one, "large@there.test", content=LARGE)
        line = one.wait_log("deferred", to="<large@there.test>")
        must(line["code"].startswith("4."), f"{line}")
        one.wait_log("delivered", to="<large@there.test>")
        must(server.bodies == 2, f"{server.bodies} bodies")


def a_server_that_says_nothing_to_the_body_is_asked_again_later():
    def silent(connection, lines, count):
        read_body(lines)
        if count > 1:
            connection.sendall(b"250 2.0.0 Taken\r\n")
            return True
        while lines.read1(65536):
            pass
        return False

    server, one = with_raw(silent, settings=TIMEOUT)
    with server, one:
        send(one, "user@there.test")
        line = one.wait_log("deferred", to="<user@there.test>")
        must(line["code"].startswith("4.4."), f"{line}")
        one.wait_log("delivered", to="<user@there.test>")


def a_server_that_reads_nothing_is_left():
    """Its window is full, and stays so."""
    def deaf(connection, lines, count):
        if count > 1:
            read_body(lines)
            connection.sendall(b"250 2.0.0 Taken\r\n")
            return True
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        left.wait(gateway.PATIENCE_S)
        return False

    left = threading.Event()
    server, one = with_raw(deaf, settings=TIMEOUT)
    try:
        with server, one:
            send(one, "large@there.test", content=LARGE)
            line = one.wait_log("deferred", to="<large@there.test>")
            must(line["code"].startswith("4.4."), f"{line}")
            one.wait_log("delivered", to="<large@there.test>")
    finally:
        left.set()


def a_server_that_leaves_an_open_connection_with_421_costs_no_delay():
    gone = threading.Event()

    def once(connection, lines, count):
        read_body(lines)
        connection.sendall(b"250 2.0.0 Taken\r\n")
        if count > 1:
            return True
        time.sleep(0.2)  # it is at rest then
        connection.sendall(b"421 4.4.2 Idle for too long\r\n")
        gone.set()
        return False

    server, one = with_raw(once)
    with server, one:
        send(one, "first@there.test")
        one.wait_log("delivered", to="<first@there.test>")
        gone.wait(gateway.PATIENCE_S)
        send(one, "second@there.test")
        one.wait_log("delivered", to="<second@there.test>")
        must(not one.log("deferred"), f"{one.log('deferred')}")


def what_data_is_refused_with_is_each_recipients_end():
    server, one = with_raw(None, reply=lambda verb, _: "554 5.7.1 Not from you" if verb == "DATA" else None)
    server.body = lambda connection, lines, count: True
    with server, one:
        send(one, "a@there.test", "b@there.test")
        for user in "ab":
            one.wait_log("bounced", to=f"<{user}@there.test>", code="5.7.1")
        must(server.said("MAIL").count("MAIL FROM:<from@sender.test>") == 1, f"{server.said('MAIL')}")


def a_354_where_nobody_was_taken_gets_no_message():
    """RFC 2920 section 3.1: the client ends it with an empty one."""
    got = []

    def empty(connection, lines, _):
        got.append(lines.readline())
        connection.sendall(b"554 5.5.1 No valid recipients\r\n")
        return True

    server, one = with_raw(empty, reply=lambda verb, _: "550 5.1.1 Nobody" if verb == "RCPT" else None)
    with server, one:
        send(one, "a@there.test", "b@there.test")
        for user in "ab":
            one.wait_log("bounced", to=f"<{user}@there.test>", code="5.1.1")
        must(all(line == b".\r\n" for line in got), f"{got}")  # the report to the sender may have come to that, too


def a_250_that_comes_before_the_message_takes_no_message():
    """Behind the 354, in one piece with it: it cannot be the answer to what has not been said."""
    taken = []

    def take(connection, lines, _):
        taken.append(read_body(lines))
        connection.sendall(b"250 2.0.0 Taken\r\n")
        return True

    replies = ["354 Go on\r\n250 2.0.0 Taken already"]
    server, one = with_raw(take, reply=lambda verb, _: replies[0] if verb == "DATA" else None)
    with server, one:
        send(one, "a@there.test")
        one.wait_log("deferred", to="<a@there.test>")
        must(not one.log("delivered") and not any(taken), f"a message that nobody has: {one.log('delivered')}")
        replies[0] = "354 Go on"
        one.wait_log("delivered", to="<a@there.test>")
        must(taken[-1] and taken.count(True) == 1, f"{taken}")


def a_thousand_recipients_are_each_settled_as_the_server_says():
    def reply(verb, line):
        number = int(line.decode().split("<u")[1].split("@")[0]) if verb == "RCPT" else 0
        return None if number % 3 == 0 else "550 5.1.1 Nobody" if number % 3 == 1 else "450 4.2.1 Not now"

    def take(connection, lines, _):
        read_body(lines)
        connection.sendall(b"250 2.0.0 Taken\r\n")
        return True

    server, one = with_raw(take, reply=reply)
    with server, one:
        with Client(one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope("from@here.test", *(f"u{number}@there.test" for number in range(999)))
            answer = client.data(SMALL)
            must(answer.code == 250, f"{answer}")
        for event in ("delivered", "bounced", "deferred"):
            wait_for(f"333 {event}", lambda event=event: True if len(
                {line["to"] for line in one.log(event) if line["to"].startswith("<u")}) == 333 else None)
        must(sum(line["to"].startswith("<u") for line in one.log("delivered")) == 333, "delivered twice")


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__" and not isinstance(value, type)
         and name not in ("read_body", "with_raw")]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
