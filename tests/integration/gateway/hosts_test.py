#!/usr/bin/python3
"""hosts_test.py POSTERN [TEST...] - what the gateway knows of the servers that it delivers to, beside one session.

A server that fails for a reason which one session cannot tell is diagnosed in the background, and what that finds
is in tracking and in the next deferral; a server that shows something else than before is told of, over restarts.
"""
import os
import socket
import ssl
import sys
import threading

import destinations
import gateway
import ports
from destinations import Lab, must
from faults import pki
from gateway import Gateway, Listener, wait_for

PROGRAM = gateway.take_program()
QUEUE = "retry = { 1s } lifetime = 1d warn_after = 0"


def settings_for(lab, level, **timeout):
    return f'{lab.settings(**timeout)} }}\nqueue {{ {QUEUE} }}\npolicy "default" {{ level = {level} }}'


def gateway_for(lab, level, **timeout):
    return Gateway(PROGRAM, listeners=[Listener("none")], relay_from=["127.0.0.0/8"], ca_file=lab.file("ca.pem"),
                   settings=settings_for(lab, level, **timeout))


def recipient_at(fault):
    return f"user@{fault}.lab.test"


def page_of(one, number):
    """The story of a message, as people read it, in one line."""
    return " ".join(one.run("track", "--id", number, "-c", one.settings_file, status=(0, 1)).split())


CAUSES = {"dislikes-tickets": "session ticket", "alerts-on-tls13": "TLS 1.3", "rc4-only": "RC4", "dislikes-sni": "SNI"}


def check_story(one, ids, fault, words):
    """The diagnosis stands with the session that it explains."""
    def explained(_, story):
        return any(event["event"] == "deferred" and words in event["reply"] for event in story["events"])

    recipient = recipient_at(fault)
    story = destinations.stories(one, {recipient: ids[recipient]}, explained)[recipient]
    first = next(event for event in story["events"] if event["event"] == "deferred")
    diagnoses = [told for told in story["sessions"].values() if told.get("diagnosis_of") == first["session"]]
    must(len(diagnoses) == 1 and words in diagnoses[0]["findings"][0]["cause"], f"{story}")
    must(len(diagnoses[0]["findings"][0]["evidence"]) > 1, f"{diagnoses}")
    page = page_of(one, ids[recipient])
    must("diagnosis of " in page and words in page, page)


def what_one_session_cannot_tell_is_found_in_the_background_and_told():
    with Lab(PROGRAM, *(word for fault in CAUSES for word in ("--fault", fault))) as lab, \
            gateway_for(lab, "encrypt") as one:
        ids = destinations.send_all(one, [recipient_at(fault) for fault in CAUSES])
        first = destinations.wait_for_attempts(one, ids, bool)
        for fault, words in CAUSES.items():
            server = lab.servers[fault]
            line = first[recipient_at(fault)][0]
            must(words not in line["reply"], f"one session tells it: {line}")
            told = one.wait_log("diagnosed", destination=f"{fault}.lab.test")
            must(told["finding"] == server["expect"]["code"] and words in told["cause"], f"{fault}: {told}")
            must(told["relay"] == f"{server['host']}[{server['address']}]:{server['port']}", f"{told}")
            must(0 < int(told["experiments"]) <= 5, f"{told}")
            again = wait_for(f"a deferral of {fault} that tells it", lambda: next(
                (line for line in one.log("deferred", to=f"<{recipient_at(fault)}>") if words in line["reply"]), None))
            must(again["finding"] == told["finding"], f"{fault}: {again}")
            check_story(one, ids, fault, words)
        must(len(one.log("diagnosed")) == len(CAUSES), f"{one.log('diagnosed')}")
        exam = lab.exam()
        must(all(not exam[fault][0].startswith(("in the clear", "TLS")) for fault in CAUSES), f"{exam}")


def the_report_to_the_sender_says_what_was_found():
    with Lab(PROGRAM, "--fault", "dislikes-sni") as lab, gateway_for(lab, "encrypt") as one:
        to = recipient_at("dislikes-sni")
        ids = destinations.send_all(one, [to])
        one.wait_log("diagnosed", destination="dislikes-sni.lab.test")
        one.more = settings_for(lab, "encrypt").replace("lifetime = 1d", "lifetime = 2s")
        must(one.reload()["event"] == "reloaded", one.said())
        last = destinations.wait_for_attempts(one, ids, destinations.has_ended)[to][-1]
        must(last["event"] == "bounced" and "SNI" in last["reply"], f"{last}")
        report = destinations.report_to(one, to)
        must("where the ClientHello carries SNI" in report.words, report.words)
        must("dialled again in the background at 2" in report.words, report.words)
        must(report.about["Status"] == last["code"], f"{report.about} {last}")


def what_a_server_shows_now_and_did_not_before_is_told():
    port, dns_port = ports.free_port(), ports.free_port()
    where = ["--fault", "healthy", "--port", str(port), "--dns-port", str(dns_port)]
    to = recipient_at("healthy")
    with Lab(PROGRAM, *where) as lab:
        one = gateway_for(lab, "may")
        one.start()
        destinations.wait_for_attempts(one, destinations.send_all(one, [to]), destinations.has_ended)
        must(not one.log("host-changed"), f"{one.log('host-changed')}")
        one.stop()
        with open(lab.file("ca.pem"), "rb") as file:
            roots = file.read()
    with open(os.path.join(one.folder, "old-ca.pem"), "wb") as file:
        file.write(roots)
    one.ca_file = file.name
    with Lab(PROGRAM, *where) as lab:  # the same server, with a certificate of an authority that nobody knows
        one.more = settings_for(lab, "may")
        one.start()
        destinations.wait_for_attempts(one, destinations.send_all(one, [to]), destinations.has_ended)
        told = [line["what"] for line in one.log("host-changed", destination="healthy.lab.test")]
        must(any(" the key's SHA-256 is " in words for words in told), f"{told}")
        must(any(" the findings are " in words and words.endswith("; before, none") for words in told), f"{told}")
        must(any(words.startswith("the last delivery before that: ") for words in told), f"{told}")
        one.stop()
        one.start()  # for another session
        destinations.wait_for_attempts(one, destinations.send_all(one, [to]), destinations.has_ended)
        must(len(one.log("host-changed")) == len(told), "what is as it was is told again")
        pages = " ".join(one.run("track", "--to", to, "-c", one.settings_file).split())
        must(pages.count("the key's SHA-256 is") == 1, pages)
        one.stop()
    one.remove()


class Server:
    """An SMTP server that takes a message over STARTTLS and then hangs up; its certificate may be changed."""

    def __init__(self, address):
        self.address, self.context = address, None
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ports.end(self.socket)

    def show(self, issuer, folder):
        leaf = pki.issue(issuer, common_name=self.address, names=(f"mx{self.port}.test",))
        path = os.path.join(folder, f"{self.address}.pem")
        with open(path, "wb") as file:
            file.write(leaf.key_pem + leaf.pem + issuer.pem)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
                with connection:
                    connection.settimeout(gateway.PATIENCE_S)
                    self.talk(connection, f"220 mx{self.port}.test ESMTP", "250-mx\r\n250 STARTTLS")
                    with self.context.wrap_socket(connection, server_side=True) as secured:
                        self.talk(secured, None, "250 mx")
            except OSError:
                if self.socket.fileno() < 0:
                    return

    @staticmethod
    def talk(connection, greeting, hello):
        answers = {"EHLO": hello, "STARTTLS": "220 go", "DATA": "354 go", ".": "250 2.0.0 taken"}
        if greeting:
            connection.sendall(greeting.encode() + b"\r\n")
        in_content = False
        for line in connection.makefile("r", encoding="latin-1", newline="\r\n", buffering=1):
            verb = line.split()[0].upper() if line.strip() else ""
            if in_content and verb != ".":
                continue
            connection.sendall((answers.get(verb, "250 2.0.0 ok") + "\r\n").encode())
            in_content = verb == "DATA"
            if verb in ("STARTTLS", ".", "QUIT"):
                return


def authority(name, organisation):
    return pki.issue(None, common_name=name, ca=True, organisation=organisation)


def a_firewall_of_ours_is_told_from_what_servers_do():
    """Four servers that have nothing to do with each other change to one authority that nobody trusts."""
    with Server("127.0.1.1") as one, Server("127.0.2.2") as two, Server("127.0.3.3") as three, \
            Server("127.0.4.4") as four:
        servers = {f"user@{name}.test": server for name, server in
                   zip(("first", "second", "third", "fourth"), (one, two, three, four))}
        rules = "".join(f'policy "{recipient.partition("@")[2]}" '
                        f'{{ level = may next_hop = "[{server.address}]:{server.port}" }}\n'
                        for recipient, server in servers.items())
        with Gateway(PROGRAM, listeners=[Listener("none")], relay_from=["127.0.0.0/8"], settings=rules) as here:
            for name, issuer in (("before", authority("R11", "Some Authority")),
                                 ("after", authority("FGT60F", "Fortinet"))):
                for recipient, server in servers.items():
                    server.show(issuer, here.folder)
                    ids = destinations.send_all(here, [recipient])
                    told = destinations.wait_for_attempts(here, ids, destinations.has_ended)[recipient]
                    must(told[-1]["event"] == "delivered" and told[-1]["tls"] == "may:TLSv1.3", f"{name}: {told}")
            changes = {recipient: [line["what"] for line in here.log("host-changed", destination=recipient[5:])]
                       for recipient in servers}
            for recipient, number in zip(servers, (0, 0, 3, 4)):
                words = " ".join(changes[recipient])
                must("the issuer is FGT60F (Fortinet); before, R11 (Some Authority)" in words, words)
                must(("our own firewall" in words) == (number > 0), f"{recipient}: {words}")
                must(len(here.log("host-changed", destination=recipient[5:], level="warn")) == (number > 0), words)
                must(f"so at {number} destinations within a day" in words or number == 0, words)


def a_gateway_ends_at_once_though_it_diagnoses():
    """The server falls silent at each dial; the gateway waits for nothing of it."""
    with Lab(PROGRAM, "--fault", "stalls-in-handshake") as lab, gateway_for(lab, "encrypt", timeout="6s") as one:
        to = recipient_at("stalls-in-handshake")
        destinations.wait_for_attempts(one, destinations.send_all(one, [to]), bool)
        one.stop()
        must(not one.log("diagnosed") and not one.log("diagnosis-failed"), one.said())
        one.start()


TESTS = [
    what_one_session_cannot_tell_is_found_in_the_background_and_told,
    the_report_to_the_sender_says_what_was_found,
    what_a_server_shows_now_and_did_not_before_is_told,
    a_firewall_of_ours_is_told_from_what_servers_do,
    a_gateway_ends_at_once_though_it_diagnoses,
]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
