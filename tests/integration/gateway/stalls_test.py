#!/usr/bin/python3
"""stalls_test.py POSTERN [TEST...] - whatever the names or the policy of some domains do, mail for others goes meanwhile.

"Meanwhile" is before the first of those domains has failed: each of them is given its time, which is seconds, and within it
goes mail for many others, or for one at least where the machine is busy. Each promise is a TAP test.
"""
import json
import os
import socket
import ssl
import sys
import threading

import gateway
import scripted_dns
from gateway import Client, Failed, Gateway, Listener, quote, wait_for
from scripted_dns import A, MX, TXT, Drip, ScriptedDns, Silence

PROGRAM = gateway.take_program()
GOOD = [f"good{number}.test" for number in range(20)]
FOREIGN = "nobody.example. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
SENDER = "from@here.test"


def must(holds, what):
    if not holds:
        raise Failed(what)


def usual(name, kind):
    """Every name is a domain and a host here."""
    if kind == MX:
        return [scripted_dns.mx(10, "mx." + name)]
    return [scripted_dns.address("127.0.0.1")] if kind == A else []


class PolicyHost:
    """Where all policies are asked for. Silent once connected to; inside TLS, where it has an identity, it says `head` and then
    `more` over and over, `pause_s` apart."""

    def __init__(self, address):
        self.socket = socket.create_server((address, 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.context, self.head, self.more, self.pause_s = None, b"", b"x", 0.0
        self.is_over, self.taken = threading.Event(), []
        threading.Thread(target=self.accept, daemon=True).start()

    def identify(self, files):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*files)

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.taken.append(connection)
            if self.context:
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with self.context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(8192)
                secured.sendall(self.head)
                while not self.is_over.wait(self.pause_s):
                    secured.sendall(self.more)
        except OSError:
            pass

    def stop(self):
        self.is_over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.taken:
            connection.close()


class Place:
    """A gateway, whoever answers for names, and the server of all domains. `bad(name, kind)`: None for what is usual."""

    def __init__(self, bad, level="may", client=""):
        self.dns = ScriptedDns(lambda name, kind: self.answer(bad, name, kind))
        self.there = Gateway(PROGRAM, listeners=[Listener("may")], domains=GOOD, limits={"per_address": 1000})
        anchor = os.path.join(self.there.folder, "anchor")
        with open(anchor, "w", encoding="ascii") as file:
            file.write(FOREIGN)
        self.here = Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",),
                            settings=f'dns {{ resolver = "127.0.0.1:{self.dns.port}" trust_anchor = {quote(anchor)} }}\n'
                                     f'client {{ port = {self.there.port("may")} {client} }}\n'
                                     f'policy "default" {{ level = {level} }}\n')

    @staticmethod
    def answer(bad, name, kind):
        what = bad(name, kind)
        return usual(name, kind) if what is None else what

    def __enter__(self):
        try:
            self.there.start()
            self.here.start()
        except BaseException:
            self.__exit__(Failed)
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.here.stop()
                self.there.stop()
        finally:
            self.here.remove()
            self.there.remove()
            self.dns.__exit__()

    def send(self, *domains):
        with Client(self.here.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope(SENDER, *(f"user@{domain}" for domain in domains))
            answer = client.data(b"Subject: x\r\n\r\nhello\r\n")
            must(answer.code == 250, f"{answer}")
            client.quit()

    def send_to_many(self, domains):
        for start in range(0, len(domains), 100):
            self.send(*domains[start:start + 100])

    def all_are_asked(self, names, kind):
        wait_for(f"questions for {len(names)} names",
                 lambda: True if self.dns.names_asked(kind) >= set(names) else None)

    def others_go_meanwhile(self):
        for domain in GOOD:
            self.send(domain)
            self.here.wait_log("delivered", to=f"<user@{domain}>")
            if self.here.log("deferred"):
                break  # this machine has much to do: the next would show nothing
        events = [line["event"] for line in self.here.log() if line["event"] in ("delivered", "deferred")]
        must(events[0] == "delivered", "one of those domains had failed before any other mail went")


def thousand():
    return [f"d{number}.bad.test" for number in range(1000)]


def bad_ones(what, *kinds):
    return lambda name, kind: what if ".bad.test" in name and (not kinds or kind in kinds) else None


def a_thousand_domains_whose_names_nobody_answers_for():
    with Place(bad_ones(Silence)) as place:
        place.send_to_many(thousand())
        place.all_are_asked(thousand(), MX)
        place.others_go_meanwhile()


def hosts_whose_addresses_nobody_answers_for():
    with Place(bad_ones(Silence, A, scripted_dns.AAAA)) as place:
        place.send_to_many(thousand()[:300])
        place.all_are_asked([f"mx.{name}" for name in thousand()[:300]], A)
        place.others_go_meanwhile()


def answers_that_come_an_octet_at_a_time():
    with Place(bad_ones(Drip)) as place:
        place.send_to_many(thousand()[:100])
        place.all_are_asked(thousand()[:100], MX)
        place.others_go_meanwhile()


def answers_of_sixty_thousand_octets():
    """They are read, and then there are more hosts than anybody would try."""
    hosts = [scripted_dns.mx(10, f"h{number}.silent.bad.test") for number in range(1000)]

    def bad(name, kind):
        if "silent.bad.test" in name:
            return Silence
        return hosts if ".bad.test" in name and kind == MX else None

    with Place(bad) as place:
        place.send_to_many(thousand()[:50])
        place.all_are_asked(thousand()[:50], MX)
        place.others_go_meanwhile()


def aliases_without_end():
    with Place(lambda name, kind: [scripted_dns.alias("x" + name)] if ".bad.test" in name else None) as place:
        place.send_to_many(thousand()[:100])
        place.all_are_asked(thousand()[:100], MX)
        for domain in GOOD:
            place.send(domain)
            place.here.wait_log("delivered", to=f"<user@{domain}>")


def publishing(name, kind):
    """Domains of bad.test have a record of MTA-STS, and the same server for their policies."""
    if ".bad.test" not in name or kind != TXT or not name.startswith("_mta-sts."):
        return None
    return [scripted_dns.txt("v=STSv1; id=1;")]


class Published:
    """A place at level sts, and the policy host of its bad domains."""

    def __init__(self, count, **answers):
        self.domains = thousand()[:count]
        self.host = PolicyHost("127.0.0.1")
        try:
            self.place = Place(publishing, level="sts", client=f"sts_port = {self.host.port} private_addresses = yes")
            if answers:
                world = self.place.here.world
                names = tuple(f"mta-sts.{domain}" for domain in self.domains)
                self.host.identify(world.files(world.leaf(names=names)))
                for word, value in answers.items():
                    setattr(self.host, word, value)
        except BaseException:
            self.host.stop()
            raise

    def others_go_meanwhile(self):
        try:
            with self.place as place:
                place.send_to_many(self.domains)
                wait_for("the policies to be asked for",
                         lambda: True if len(self.host.taken) >= len(self.domains) else None)
                place.others_go_meanwhile()
        finally:
            self.host.stop()


def policy_hosts_that_say_nothing():
    Published(300).others_go_meanwhile()


def policies_that_come_an_octet_at_a_time():
    Published(50, head=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", pause_s=0.2).others_go_meanwhile()


def policies_without_end():
    Published(50, head=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
              more=b"x" * 65536).others_go_meanwhile()


def waiting(here):
    """Recipients in the queue."""
    lines = here.run("queue", "list", "--json", "-c", here.settings_file).splitlines()
    return sum(len(json.loads(line)["recipients"]) for line in lines)


def a_reload_and_an_end_while_all_is_looked_up_lose_nothing():
    """Names of half of them are not answered for, and policies of the others."""
    def bad(name, kind):
        return Silence if ".names.bad.test" in name and kind == A else publishing(name, kind)

    domains = [f"d{number}.{kind}.bad.test" for number in range(20) for kind in ("names", "policies")]
    host = PolicyHost("127.0.0.1")
    try:
        with Place(bad, level="sts", client=f"sts_port = {host.port} private_addresses = yes") as place:
            place.send_to_many(domains)
            for times in (1, 2):  # what waits is leased anew by a profile that has just come
                wait_for("policies to be asked for", lambda times=times: len(host.taken) >= 20 * times)
                must(place.here.reload()["event"] == "reloaded", place.here.said())
                place.send(GOOD[times])
                place.here.wait_log("delivered", to=f"<user@{GOOD[times]}>")
            place.here.stop()
            place.here.start()
            must(waiting(place.here) == len(domains), f"{waiting(place.here)} wait")
            must(not place.here.log("bounced"), f"{place.here.log('bounced')[:1]}")
    finally:
        host.stop()


TESTS = [a_thousand_domains_whose_names_nobody_answers_for, hosts_whose_addresses_nobody_answers_for,
         answers_that_come_an_octet_at_a_time, answers_of_sixty_thousand_octets, aliases_without_end,
         policy_hosts_that_say_nothing, policies_that_come_an_octet_at_a_time, policies_without_end,
         a_reload_and_an_end_while_all_is_looked_up_lose_nothing]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
