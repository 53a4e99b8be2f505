#!/usr/bin/python3
"""dane_postfix_test.py POSTERN [TEST...] - DANE between the gateway and Postfix, in both directions.

One root of zones by NSD. Postern at dane-only delivers to a Postfix whose certificate nothing but TLSA vouches for; a Postfix at
dane, with Unbound as its validating resolver, delivers to Postern, and decides as our own gateway does for each of the
domains of dane_zones_test.py. Each promise is a TAP test; skipped where Postfix or Unbound cannot be had.
"""
import os
import random
import re
import shutil
import smtplib
import socket
import sys

import gateway
import takers
from gateway import HOST, PATIENCE_S, Client, Failed, Gateway, Listener, wait_for
from takers import Absent, Room, fetch, kept_in, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from dane_zones import DaneZones  # noqa: E402
from dane_zones_test import CASES, NAMES, S  # noqa: E402
from peer import Service  # noqa: E402
from zones import Zones  # noqa: E402

PROGRAM = gateway.take_program()
SENDER = "from@here.test"
MESSAGE = b"From: <from@here.test>\r\nSubject: x\r\n\r\nhello\r\n"
# Behind an MX that is not signed Postfix takes the recipient's domain for a name of the host all the same; RFC 7672 section 3.2.2
# has the name of the host alone, and so have we.
ALIKE = [case for case in CASES if not case.get("port") and case["target"] != "hosted-issuer.insecure.example"]


class Unbound:
    """A validating resolver at port 53 of an address of its own, for a program that can ask no other port."""

    def __init__(self, zones):
        self.address = f"127.{random.randrange(100, 120)}.{random.randrange(1, 250)}.{random.randrange(1, 250)}"
        self.room = Room(fetch("unbound"), [])
        anchor = shutil.copy(zones.trust_anchor, os.path.join(self.room.folder, "anchor"))
        os.chmod(anchor, 0o644)
        config = write(self.room.folder, "unbound.conf", f"""
server:
    interface: {self.address}@53
    access-control: 127.0.0.0/8 allow
    do-ip6: no
    do-daemonize: no
    do-not-query-localhost: no
    username: ""
    chroot: ""
    directory: "{self.room.folder}"
    pidfile: ""
    use-syslog: no
    num-threads: 1
    trust-anchor-file: "{anchor}"
    module-config: "validator iterator"
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{zones.port}
remote-control:
    control-enable: no
""")
        self.room.start(["/usr/sbin/unbound", "-d", "-c", config])
        try:
            wait_for("Unbound", self.answers)
        except BaseException:
            self.stop()
            raise

    def answers(self):
        """Whether it says of a signed zone that it has validated it."""
        if self.room.child.poll() is not None:
            raise Absent(f"Unbound does not start: {self.room.said()[-400:]}")
        question = (b"\x12\x34\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01\x06secure\x07example\x00\x00\x06\x00\x01"
                    b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.5)
            try:
                probe.sendto(question, (self.address, 53))
                answer = probe.recv(4096)
            except OSError:
                return None
        return True if answer[3] & 0x2f == 0x20 and answer[6:8] != b"\0\0" else None

    def stop(self):
        self.room.stop()


class Place:
    def __init__(self):
        self.close_all = []
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def keep(self, thing, close):
        self.close_all.append(close)
        return thing

    def build(self):
        self.targets = [case["target"] for case in ALIKE]
        self.inbound = Gateway(PROGRAM, listeners=[Listener("may")], domains=tuple(self.targets))
        self.keep(self.inbound, self.inbound.remove)
        world = self.inbound.world
        now, after = world.leaf(common_name="now", names=NAMES), world.leaf(common_name="next", names=NAMES)
        self.inbound.listeners[0].identities = [now]
        self.mailbox = os.path.join(self.inbound.folder, "kept")
        os.mkdir(self.mailbox)
        os.chmod(self.mailbox, 0o777)
        port = self.inbound.port("may")
        ways = ", ".join(f"{{ {target} = smtp:{target}:{port} }}" for target in self.targets)
        self.taking, self.inlet = Service("taking", now), Service("inlet", None)
        taking = takers.start_taking_postfix([self.taking], self.mailbox)
        self.keep(taking, taking.stop)
        self.sending = takers.start_postfix([self.inlet], main=[
            f"transport_maps = inline:{{ {ways} }}", "smtp_tls_security_level = dane", "smtp_dns_support_level = dnssec",
            "smtp_host_lookup = dns", "smtp_tls_loglevel = 1", "smtp_tls_CAfile =", "smtp_connect_timeout = 10s"],
            master=["smtp unix - - n - - smtp", "trace unix - - n - 0 bounce"])
        self.keep(self.sending, self.sending.stop)
        content = DaneZones(world, now, after, [port, self.taking.port])
        self.zones = Zones("nsd", content.more, content.spoil)
        self.keep(self.zones, self.zones.stop)
        self.unbound = Unbound(self.zones)
        self.keep(self.unbound, self.unbound.stop)
        # The room has this file mounted: what is in it changes, not the file.
        with open(os.path.join(self.sending.folder, "resolv.conf"), "w", encoding="ascii") as file:
            file.write(f"nameserver {self.unbound.address}\noptions trust-ad edns0 timeout:5 attempts:1\n")
        self.inbound.start()
        self.outbound = Gateway(
            PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",),
            settings=f"""dns {{ resolver = "127.0.0.1:{self.zones.port}" trust_anchor = "{self.zones.trust_anchor}" }}
client {{ port = {self.taking.port} }}
queue {{ retry = {{ 1h }} }}
policy "default" {{ level = dane-only }}
""")
        self.keep(self.outbound, self.outbound.remove)
        self.outbound.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.inbound.stop()
                self.outbound.stop()
        finally:
            self.close()

    def close(self):
        for close in reversed(self.close_all):
            close()

    # from the gateway to Postfix

    def send(self, recipient):
        with Client(self.outbound.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope(SENDER, recipient)
            answer = client.data(MESSAGE)
            must(answer.code == 250, f"{answer}")
            client.quit()
        return wait_for(f"an attempt at {recipient}", lambda: next(
            (line for line in self.outbound.log(to=f"<{recipient}>") if line["event"] in ("delivered", "deferred")), None))

    # from Postfix to the gateway

    def status(self, recipient):
        """What Postfix says became of it, once it does."""
        def ask():
            found = re.search(rf"to=<{re.escape(recipient)}>.* status=(\w+)", self.sending.said())
            return found and found.group(1)

        try:
            return wait_for(f"Postfix's word on {recipient}", ask)
        except Failed as late:
            raise Failed(f"{late}\n{self.sending.said()[-3000:]}") from None


def must(holds, what):
    if not holds:
        raise Failed(what)


def postern_delivers_to_a_postfix_that_only_tlsa_vouches_for(place):
    for name in ("match", "sha512", "mixed", "issuer", "to-end", "bare"):
        recipient = f"user@{name}{S}"
        line = place.send(recipient)
        must(line["event"] == "delivered" and line["tls"].startswith("dane-only:TLSv1.3"), f"{line}")
        wait_for(f"mail for {recipient}", lambda wanted=recipient: [
            mail for mail in kept_in(place.mailbox) if mail.recipient == wanted] or None)


def postern_defers_what_no_record_vouches_for(place):
    for name, finding in (("mismatch", "tlsa-mismatch"), ("none", "dane-required"), ("expired-tlsa", "tlsa-lookup-failed")):
        line = place.send(f"user@{name}{S}")
        must((line["event"], line["finding"]) == ("deferred", finding), f"{line}")
    must(not [mail for mail in kept_in(place.mailbox) if "mismatch" in mail.recipient], "it was sent all the same")


def postfix_at_dane_decides_for_postern_as_postern_would(place):
    with smtplib.SMTP("127.0.0.1", place.inlet.port, "client.test", PATIENCE_S) as inlet:
        for target in place.targets:
            inlet.sendmail(SENDER, [f"user@{target}"], MESSAGE)
    wrong = []
    for case in ALIKE:
        target = case["target"]
        wanted = {"deliver": "sent", "defer": "deferred"}[case["decisions"]["dane"]]
        status = place.status(f"user@{target}")
        if status != wanted:
            wrong.append(f"{target}: {status}, and by Postern {wanted}")
        if status == "sent":
            place.inbound.one("user", target)
        elif place.inbound.files("user", target):
            wrong.append(f"{target}: {status}, and it is here")
    must(not wrong, "\n".join(wrong) + "\n" + place.sending.said()[-2000:])
    verified = place.sending.said().count("Verified TLS connection established")
    must(verified >= 10, f"{verified} verified sessions")
    mail = place.inbound.one("user", f"match{S}")
    must(mail.received["version"] == "TLSv1.3" and mail.received["by"] == HOST, f"{mail.received}")


TESTS = [postern_delivers_to_a_postfix_that_only_tlsa_vouches_for, postern_defers_what_no_record_vouches_for,
         postfix_at_dane_decides_for_postern_as_postern_would]


def in_place(test, place):
    def run():
        test(place)

    run.__name__ = test.__name__
    return run


def main():
    try:
        with Place() as place:
            return gateway.run_promises([in_place(test, place) for test in TESTS])
    except Absent as reason:
        print(f"1..0 # SKIP {reason}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
