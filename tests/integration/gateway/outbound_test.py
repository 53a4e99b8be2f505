#!/usr/bin/python3
"""outbound_test.py POSTERN [TEST...] - what is accepted for others leaves for their servers, as the rules say.

The servers are gateways of our own, and scripted ones where a server is to misbehave. Each promise is a TAP test.
"""
import itertools
import os
import signal
import socket
import ssl
import sys
import tempfile
import threading

import gateway
import ports
from gateway import Client, Failed, Gateway, Listener, as_stored, quote, wait_for
from faults import pki

PROGRAM = gateway.take_program()
SENDER = "from@sender.test"


def must(holds, what):
    if not holds:
        raise Failed(what)


def sending(policies, settings="", **options):
    """A gateway that sends anywhere for this machine; policies: title to its lines."""
    rules = "".join(f'policy "{title}" {{ {lines} }}\n' for title, lines in policies.items())
    return Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",),
                   settings=rules + settings, **options)


def receiving(*domains, tls="may", **options):
    return Gateway(PROGRAM, listeners=[Listener(tls)], domains=domains or ("there.test",), **options)


def hop(port, address="127.0.0.1"):
    return f'next_hop = "[{address}]:{port}"'


def send(one, *recipients, content=b"Subject: x\r\n\r\nhello\r\n"):
    with Client(one.port("none")) as client:
        client.expect("EHLO client.test", 250)
        client.envelope(SENDER, *recipients)
        answer = client.data(content)
        must(answer.code == 250, f"{answer}")
        client.quit()


def has_been_heard(connection):
    """The other side's system has the end that was said: FIN_WAIT2, by tcp(7)."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 5


def waits(pid):
    """Its main thread sleeps: it has done with what came, and watches its sockets again."""
    with open(f"/proc/{pid}/task/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


class Scripted:
    """An SMTP server in clear that answers as `reply(verb, line)` says; None: as any server does. Without a
    context it has no TLS: where it is asked to begin it closes in place of an answer."""

    def __init__(self, reply=lambda verb, line: None, keywords=(), context=None):
        self.reply, self.keywords, self.context = reply, keywords, context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.sessions, self.lines, self.lock = 0, [], threading.Lock()
        self.open, self.mine = [], threading.local()  # connections; that of a thread, and how much it took
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ports.end(self.socket)

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with self.lock:
                self.sessions += 1
                self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def end_all_at_once(self, pid):
        """The process sleeps while they end, the connection of this thread first, and hears of all in one turn of its loop."""
        wait_for("it to wait", lambda: waits(pid) or None)
        os.kill(pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            with self.lock:
                connections = sorted(self.open, key=lambda one: one is not self.mine.connection)
            for connection in connections:
                connection.shutdown(socket.SHUT_WR)
                wait_for("its end to be there", lambda: has_been_heard(connection) or None)
        finally:
            os.kill(pid, signal.SIGCONT)

    def said(self, verb):
        with self.lock:
            return [line for line in self.lines if line.upper().startswith(verb)]

    def usual(self, verb):
        return {"EHLO": "".join(f"250-{keyword}\r\n" for keyword in ["scripted.test", *self.keywords]) + "250 PIPELINING",
                "DATA": "354 go", "QUIT": "221 bye",
                "STARTTLS": "220 go" if self.context else "close"}.get(verb, "250 2.0.0 ok")

    def serve(self, connection):
        self.mine.connection, self.mine.taken = connection, 0
        try:
            self.converse(connection)
        except OSError:
            pass  # the other end was faster
        finally:
            with self.lock:
                self.open.remove(connection)
            connection.close()

    def converse(self, connection):
        connection.sendall(((self.reply("GREETING", "") or "220 scripted.test ESMTP") + "\r\n").encode())
        if self.talk(connection) == "STARTTLS" and self.context:
            try:
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    self.talk(secured)
            except OSError:
                pass

    def talk(self, connection):
        with connection.makefile("rb", buffering=0 if self.context else -1) as lines:
            for raw in lines:
                line = raw.decode("latin-1").strip()
                verb = line.split(" ")[0].upper()
                with self.lock:
                    self.lines.append(line)
                answer = self.reply(verb, line) or self.usual(verb)
                if answer == "close":
                    return verb
                connection.sendall(answer.encode() + b"\r\n")
                if answer.startswith("354"):
                    while next(lines, b".\r\n") != b".\r\n":
                        pass
                    connection.sendall(((self.reply("BODY", "") or "250 2.0.0 taken") + "\r\n").encode())
                    self.mine.taken += 1
                if verb in ("QUIT", "STARTTLS"):
                    return verb
        return None


def a_next_hop_gets_each_message_whole_over_starttls():
    content = b"Subject: bytes\r\n\r\n.dot\r\n..\r\n" + bytes(range(128, 256)) + b"\r\n" + b"x" * 998 + b"\r\n"
    with receiving() as there, sending({"default": "level = encrypt " + hop(there.port("may"))}) as here:
        send(here, "user@there.test", content=content)
        mail = there.one("user", "there.test")
        must(mail.content.endswith(as_stored(content)), f"{mail.content!r}")
        line = here.wait_log("delivered", to="<user@there.test>")
        must(line["tls"].startswith("encrypt:TLSv1.3"), f"{line}")
        must(line["relay"] == f"[127.0.0.1]:{there.port('may')}", f"{line}")


def one_rule_leads_each_domain_to_its_own_door():
    with receiving("a.test") as a, receiving("b.test") as b, sending(
            {"a.test": "level = may " + hop(a.port("may")), ".b.test": "level = may " + hop(b.port("may")),
             "b.test": "level = may " + hop(b.port("may"))}) as here:
        send(here, "one@a.test", "two@b.test")
        a.one("one", "a.test")
        b.one("two", "b.test")


def many_messages_share_connections():
    with Scripted() as server, sending({"default": "level = may " + hop(server.port)}) as here:
        for number in range(30):
            send(here, f"u{number}@there.test")
        wait_for("30 messages", lambda: here.log("delivered") if len(here.log("delivered")) == 30 else None)
        must(server.sessions < 15, f"{server.sessions} sessions for 30 messages")


def all_recipients_of_a_message_at_a_server_are_one_transaction():
    with Scripted() as server, sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, *(f"u{number}@there.test" for number in range(20)))
        wait_for("20 recipients", lambda: here.log("delivered") if len(here.log("delivered")) == 20 else None)
        must(len(server.said("MAIL")) == 1, f"{server.said('MAIL')}")


def a_server_is_given_no_more_recipients_than_it_takes():
    with Scripted(keywords=["LIMITS RCPTMAX=4"]) as server, \
            sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, *(f"u{number}@there.test" for number in range(10)))
        wait_for("10 recipients", lambda: here.log("delivered") if len(here.log("delivered")) == 10 else None)
        must(len(server.said("MAIL")) == 3, f"{server.said('MAIL')}")


def recipients_that_were_not_asked_about_share_no_refusal():
    def reply(verb, line):
        return "550 5.1.1 nobody" if verb == "RCPT" and ("u0@" in line or "u1@" in line) else None

    with Scripted(reply, keywords=["LIMITS RCPTMAX=2"]) as server, \
            sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, *(f"u{number}@there.test" for number in range(6)))
        wait_for("4 recipients", lambda: here.log("delivered") if len(here.log("delivered")) == 4 else None)
        refused = wait_for("2 bounces", lambda: here.log("bounced") if len(here.log("bounced")) >= 2 else None)
        refused = [line["to"] for line in refused]
        must(sorted(refused) == ["<u0@there.test>", "<u1@there.test>"], f"{refused}")


def a_session_names_one_domain_where_the_server_bounds_them():
    sessions, lock = [], threading.Lock()
    mine = threading.local()

    def reply(verb, line):
        if verb == "GREETING":
            mine.domains = set()
            with lock:
                sessions.append(mine.domains)
        if verb == "RCPT":
            mine.domains.add(line.rpartition("@")[2].rstrip(">").lower())
        return None

    with Scripted(reply, keywords=["LIMITS RCPTDOMAINMAX=1"]) as server, \
            sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, "a@one.test", "b@two.test", "c@ONE.test", "d@three.test", "e@two.test")
        send(here, "f@two.test", "g@three.test")
        wait_for("7 recipients", lambda: here.log("delivered") if len(here.log("delivered")) == 7 else None)
        must(not here.log("deferred"), f"{here.log('deferred')}")
        must(all(len(domains) <= 1 for domains in sessions), f"{sessions}")
        must(len(server.said("MAIL")) == 5, f"{server.said('MAIL')}")


def too_many_recipients_go_with_the_next_transaction():
    taken = []

    def reply(verb, line):
        if verb == "MAIL":
            taken.clear()
        if verb == "RCPT":
            taken.append(line)
            return "452 4.5.3 Too many recipients" if len(taken) > 3 else None
        return None

    with Scripted(reply) as server, sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, *(f"u{number}@there.test" for number in range(8)))
        wait_for("8 recipients", lambda: here.log("delivered") if len(here.log("delivered")) == 8 else None)
        must(not here.log("deferred"), f"{here.log('deferred')}")


def what_leaves_in_the_clear_says_why():
    with Scripted() as server, sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, "user@there.test")
        line = here.wait_log("delivered", to="<user@there.test>")
        must((line["tls"], line["finding"]) == ("none:not-offered", "starttls-not-offered"), f"{line}")


def nothing_leaves_in_the_clear_where_the_rule_wants_tls():
    with Scripted() as server, sending({"default": "level = encrypt " + hop(server.port)}) as here:
        send(here, "user@there.test")
        line = here.wait_log("deferred", to="<user@there.test>")
        must(line["finding"] == "starttls-not-offered" and line["code"].startswith("4.7."), f"{line}")
        must(not server.said("MAIL"), f"{server.lines}")


def where_tls_fails_mail_waits_and_then_goes_without():
    queue = 'queue { retry = { 1s } in_the_clear_after = 3s }\n'
    with Scripted(keywords=["STARTTLS"]) as server, \
            sending({"default": "level = may " + hop(server.port)}, settings=queue) as here:
        send(here, "user@there.test")
        first = here.wait_log("deferred", to="<user@there.test>")
        must(first["finding"].startswith(("handshake-", "starttls-")), f"{first}")
        line = here.wait_log("delivered", to="<user@there.test>")
        must(line["tls"] == "none:tls-failed" and line["finding"].startswith(("handshake-", "starttls-")), f"{line}")
        send(here, "next@there.test")  # at once: it has to wait for TLS as well
        here.wait_log("deferred", to="<next@there.test>")
        line = here.wait_log("delivered", to="<next@there.test>")
        must(line["tls"] == "none:tls-failed", f"{line}")


def a_server_that_refuses_our_certificate_gets_the_mail_without_it():
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/ours")
        theirs, ours = pki.World(folder), pki.World(folder + "/ours")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*theirs.files(theirs.good()))
        context.load_verify_locations(theirs.root_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        certificate, key = ours.files(ours.good())
        with Scripted(keywords=["STARTTLS"], context=context) as server, sending(
                {"default": "level = encrypt " + hop(server.port)},
                settings=f"client {{ certificate = {quote(certificate)} key = {quote(key)} }}\n") as here:
            send(here, "user@there.test")
            line = here.wait_log("delivered", to="<user@there.test>")
            must(line["tls"].startswith("encrypt:") and line["finding"].startswith("c"), f"{line}")
            must(len(server.said("MAIL")) == 1, f"{server.lines}")


def connections_that_end_in_one_turn_cost_no_message():
    """The end of the one with a message would have those that rest carry it, and they have ended too."""
    all_rest, ended = threading.Event(), []

    def reply(verb, _):
        if verb == "BODY" and server.sessions < 2:
            wait_for("another connection", lambda: True if server.sessions >= 2 else None)
        if verb == "MAIL" and all_rest.is_set() and not ended and server.mine.taken and len(server.open) > 1:
            ended.append(len(server.open))
            server.end_all_at_once(here.pid)
            return "close"
        return None

    with Scripted(reply) as server, sending({"default": "level = may " + hop(server.port)}) as here:
        for number in range(21):
            send(here, f"u{number}@there.test")
        wait_for("21 messages", lambda: True if len(here.log("delivered")) == 21 else None)
        all_rest.set()
        for number in itertools.takewhile(lambda _: not ended, range(21, 200)):
            send(here, f"u{number}@there.test")
            here.wait_log("delivered", to=f"<u{number}@there.test>")
        must(ended and not here.log("deferred"), f"{ended} {here.log('deferred')}")


def a_server_that_is_not_there_delays_nobody_else_and_is_tried_when_somebody_asks():
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else gets the port
    port = closed.getsockname()[1]
    with closed, Scripted() as server, sending({"down.test": "level = may " + hop(port),
                                        "up.test": "level = may " + hop(server.port)}) as here:
        send(here, "a@down.test")
        line = here.wait_log("deferred", to="<a@down.test>")
        must(line["finding"] == "connect-refused", f"{line}")
        send(here, "b@down.test", "c@up.test")
        here.wait_log("delivered", to="<c@up.test>")
        here.wait_log("deferred", to="<b@down.test>")
        with receiving("down.test", tls="none") as there:
            here.more = here.more.replace(f":{port}\"", f':{there.port("none")}"')
            here.reload()
            here.run("queue", "retry", "@down.test", "-c", here.settings_file)
            there.one("a", "down.test")
            there.one("b", "down.test")


def queue_retry_dials_a_server_that_is_being_left_alone():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with sending({"down.test": "level = may " + hop(port)}) as here:
        send(here, "a@down.test")
        here.wait_log("deferred", to="<a@down.test>")
        listener.listen()
        here.run("queue", "retry", "@down.test", "-c", here.settings_file)
        listener.settimeout(gateway.PATIENCE_S)
        listener.accept()[0].close()
    listener.close()


def refusals_are_each_recipients_own_and_the_sender_hears_of_them():
    def reply(verb, line):
        if verb == "RCPT" and "gone" in line:
            return "550 5.1.1 Nobody of that name"
        return "450 4.2.0 Later" if verb == "RCPT" and "later" in line else None

    with Scripted(reply) as server, sending({"there.test": "level = may " + hop(server.port)}) as here:
        with Client(here.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope("from@here.test", "gone@there.test", "later@there.test", "fine@there.test")
            client.data(b"Subject: x\r\n\r\nhello\r\n")
        for line in (here.wait_log("bounced", to="<gone@there.test>", code="5.1.1"),
                     here.wait_log("deferred", to="<later@there.test>", code="4.2.0")):
            must(not line["finding"], f"TLS has no part in this: {line}")
        here.wait_log("delivered", to="<fine@there.test>")
        report = wait_for("a report", lambda: (here.files("from", "here.test") or [None])[0])
        with open(report, "rb") as file:
            must(b"550 5.1.1 Nobody of that name" in file.read(), "the report")


def a_lost_connection_costs_no_more_than_another_one():
    count = [0]

    def reply(verb, _):
        if verb == "MAIL":
            count[0] += 1
            return "close" if count[0] == 2 else None
        return None

    with Scripted(reply) as server, sending({"default": "level = may " + hop(server.port)}) as here:
        send(here, "a@there.test")
        here.wait_log("delivered", to="<a@there.test>")
        send(here, "b@there.test")
        here.wait_log("delivered", to="<b@there.test>")
        must(not here.log("deferred"), f"{here.log('deferred')}")


def an_address_literal_is_dialled_as_it_stands():
    with Scripted() as server, sending({"default": "level = may"}, settings=f"client {{ port = {server.port} }}\n") as here:
        send(here, "user@[127.0.0.1]")
        here.wait_log("delivered", to="<user@[127.0.0.1]>")


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__" and not isinstance(value, type)
         and name not in ("must", "sending", "receiving", "hop", "send", "has_been_heard", "waits")]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
