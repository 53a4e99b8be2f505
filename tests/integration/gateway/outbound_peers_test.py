#!/usr/bin/python3
"""outbound_peers_test.py POSTERN PEER [TEST...] - what real servers get through the gateway.

Each peer (postfix, opensmtpd, exim) has services that show a certificate of our CA, a stranger's and none, at every level.
chain: Postfix to a gateway, to another, to Postfix. Each promise is a TAP test.
Exit status: 0 all hold, 1 one does not, 77 this peer cannot be had here.
"""
import ipaddress
import os
import smtplib
import subprocess
import sys
import time

import gateway
import messages
import takers
from cryptography import x509
from gateway import HOST, PATIENCE_S, Client, Failed, Gateway, Listener, as_stored, pki, wait_for
from takers import Absent, kept_in, start_postfix
from peer import Service
from peers_test import handshakes

PROGRAM = gateway.take_program()
SENDER = "from@sender.test"
LEVELS = ("may", "encrypt", "verify", "secure")
CONTENTS = {
    "dots": messages.DOTS, "only.dots": messages.ONLY_DOTS, "latin1": messages.LATIN1, "long": messages.LONG_LINES,
    "empty": messages.EMPTY_BODY, "blanks": messages.BLANK_LINES, "from": messages.FROM_LINES,
    "fields": messages.many_headers(1000), "octets": messages.every_octet(), "large": messages.large(10 << 20),
}
SMALL = b"From: <from@sender.test>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <x@sender.test>\r\n\r\nhello\r\n"


def must(holds, what):
    if not holds:
        raise Failed(what)


def identities(world):
    """With RSA keys, which every peer can use."""
    more = {"key": pki.shared_key("rsa2048"), "key_bits": {"digital_signature": True, "key_encipherment": True},
            "subject_alternative": [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]}
    return world.leaf(**more), pki.issue(world.stranger, **more).with_chain(world.stranger)


def make_mailbox(one, name="kept"):
    path = os.path.join(one.folder, name)
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


class Pair:
    """A gateway that sends, and a server that keeps what it gets."""

    def __init__(self, name):
        self.one = Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",),
                           limits={"message_size": "60M"})
        self.mailbox = make_mailbox(self.one)
        good, strange = identities(self.one.world)
        self.services = [Service("good", good), Service("strange", strange), Service("clear", None)]
        self.room = takers.START[name](self.services, self.mailbox)
        try:
            self.fails_handshakes = not handshakes(self.services[0].port)
            self.one.more = self.settings()
            self.one.start()
        except BaseException:
            self.room.stop()
            raise

    def settings(self):
        lines = ["queue { retry = { 1s } in_the_clear_after = 1s }"]
        for service in self.services:
            for level in LEVELS:
                match = f" match = {{ \"{HOST}\" }}" if level == "secure" else ""
                lines.append(f'policy "{level}.{service.name}.test" '
                             f'{{ level = {level} next_hop = "[127.0.0.1]:{service.port}"{match} }}')
        return "\n".join(lines)

    def __enter__(self):
        return self

    def __exit__(self, *how):
        try:
            self.one.__exit__(*how)
        finally:
            self.room.stop()

    def send(self, recipient, content=SMALL, parameters=" BODY=8BITMIME"):
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope(SENDER, recipient, parameters=parameters)
            answer = client.data(content)
            must(answer.code == 250, f"{answer}")
            client.quit()

    def kept(self, recipient):
        return [mail for mail in kept_in(self.mailbox) if mail.recipient == recipient]

    def arrives(self, recipient, content=SMALL):
        """Once, as it was sent; the log line."""
        try:
            mail = wait_for(f"mail for {recipient}", lambda: self.kept(recipient) or None)
        except Failed as reason:
            raise Failed(f"{reason}\n{self.one.said()}\n{self.room.said()[-3000:]}") from None
        line = self.one.wait_log("delivered", to=f"<{recipient}>")
        must(len(mail) == 1, f"{len(mail)} copies for {recipient}")
        compare(recipient, mail[0], content)
        return line


def compare(name, mail, content):
    wanted, got = as_stored(content), mail.rest
    if got != wanted:
        at = next((i for i, (a, b) in enumerate(zip(wanted, got)) if a != b), min(len(wanted), len(got)))
        raise Failed(f"{name} differs at octet {at}: {got[max(0, at - 40):at + 60]!r}, not "
                     f"{wanted[max(0, at - 40):at + 60]!r}; {len(got)} octets, not {len(wanted)}")


def every_byte_arrives_at_the_highest_level_that_it_takes(pair):
    level = "may.clear" if pair.fails_handshakes else "secure.good"
    for name, content in CONTENTS.items():
        pair.send(f"{name}@{level}.test", content)
    for name, content in CONTENTS.items():
        line = pair.arrives(f"{name}@{level}.test", content)
        must(pair.fails_handshakes or line["tls"].startswith("secure:TLSv1."), f"{line}")


def a_good_certificate_passes_at_every_level(pair):
    for level in LEVELS:
        pair.send(f"user@{level}.good.test")
    for level in LEVELS if not pair.fails_handshakes else ():
        line = pair.arrives(f"user@{level}.good.test")
        must(line["tls"].startswith(f"{level}:TLSv1."), f"{line}")
    if pair.fails_handshakes:
        waits(pair, ["user@encrypt.good.test", "user@verify.good.test", "user@secure.good.test"], "handshake-alert")
        line = pair.arrives("user@may.good.test")
        must((line["tls"], line["finding"]) == ("none:tls-failed", "handshake-alert"), f"{line}")


def waits(pair, recipients, finding):
    """It is deferred for that reason, and nothing of it is there."""
    for recipient in recipients:
        line = pair.one.wait_log("deferred", to=f"<{recipient}>")
        must(line["finding"] == finding and line["code"].startswith("4.7."), f"{line}")
    must(not any(pair.kept(recipient) for recipient in recipients), "it was sent all the same")


def a_strangers_certificate_stops_what_is_to_be_verified(pair):
    if pair.fails_handshakes:
        raise Absent("its handshakes fail before that")
    for level in LEVELS:
        pair.send(f"user@{level}.strange.test")
    for level in ("may", "encrypt"):
        line = pair.arrives(f"user@{level}.strange.test")
        must(line["tls"].startswith(f"{level}:TLSv1."), f"{line}")
        finding = line["finding"]
        must(finding.startswith("certificate-"), f"{line}")
    waits(pair, ["user@verify.strange.test", "user@secure.strange.test"], finding)


def without_tls_only_may_is_served(pair):
    for level in LEVELS:
        pair.send(f"user@{level}.clear.test")
    line = pair.arrives("user@may.clear.test")
    must((line["tls"], line["finding"]) == ("none:not-offered", "starttls-not-offered"), f"{line}")
    waits(pair, [f"user@{level}.clear.test" for level in LEVELS[1:]], "starttls-not-offered")


def many_messages_in_a_row_arrive_once_and_without_delay(pair):
    level = "may.clear" if pair.fails_handshakes else "verify.good"
    for number in range(60):
        pair.send(f"many{number}@{level}.test")
    for number in range(60):
        pair.arrives(f"many{number}@{level}.test")
    late = [line for line in pair.one.log("deferred") if line["to"].startswith("<many")]
    must(not late, f"{late[:3]}")


TESTS = [every_byte_arrives_at_the_highest_level_that_it_takes, a_good_certificate_passes_at_every_level,
         a_strangers_certificate_stops_what_is_to_be_verified, without_tls_only_may_is_served,
         many_messages_in_a_row_arrive_once_and_without_delay]


# --- Postfix to a gateway, to another, to Postfix ---

class Chain:
    """Postfix, a gateway, another gateway, Postfix; each hop over STARTTLS, and verified."""

    def __init__(self):
        self.rooms, self.gateways = [], []
        try:
            self.build()
        except BaseException:
            self.close(None)
            raise

    def build(self):
        last = Gateway(PROGRAM, listeners=[Listener("may")], relay_from=("127.0.0.0/8",), limits={"message_size": "60M"})
        self.gateways.append(last)
        self.mailbox = make_mailbox(last)
        good, _ = identities(last.world)
        self.end = Service("end", good)
        self.rooms.append(takers.start_taking_postfix([self.end], self.mailbox))
        last.listeners[0].identities = [good]
        last.more = self.next_hop(self.end.port)
        last.start()
        first = Gateway(PROGRAM, listeners=[Listener("may", [good])], relay_from=("127.0.0.0/8",),
                        limits={"message_size": "60M"}, settings=self.next_hop(last.port("may")),
                        ca_file=last.world.root_file)
        self.gateways.append(first)
        first.start()
        self.inlet = Service("inlet", None)
        self.rooms.append(start_postfix([self.inlet], main=[
            f"default_transport = smtp:[127.0.0.1]:{first.port('may')}", "smtp_tls_security_level = secure",
            f"smtp_tls_secure_cert_match = {HOST}", f"smtp_tls_CAfile = {last.world.root_file}",
            "message_size_limit = 0", "mailbox_size_limit = 0"], master=["smtp unix - - n - - smtp"]))

    @staticmethod
    def next_hop(port):
        return f'policy "default" {{ level = secure next_hop = "[127.0.0.1]:{port}" match = {{ "{HOST}" }} }}'

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(kind is None)

    def close(self, ends_well):
        try:
            for one in self.gateways if ends_well else ():
                one.stop()
        finally:
            for one in self.gateways:
                one.remove()
            for room in self.rooms:
                room.stop()

    def send(self, recipient, content, mail=("BODY=8BITMIME",), rcpt=(), sender=SENDER):
        with smtplib.SMTP("127.0.0.1", self.inlet.port, "client.test", PATIENCE_S) as inlet:
            inlet.sendmail(sender, [recipient], content, list(mail), list(rcpt))

    def arrived(self, recipient, says=b""):
        def look():
            return next((mail for mail in kept_in(self.mailbox) if mail.recipient == recipient and says in mail.rest),
                        None)

        try:
            return wait_for(f"mail for {recipient}", look)
        except Failed as reason:
            said = "\n".join([one.said() for one in self.gateways] + [room.said()[-2000:] for room in self.rooms])
            raise Failed(f"{reason}\n{said}") from None


def every_byte_passes_four_servers(chain):
    for name, content in CONTENTS.items():
        chain.send(f"{name}@there.test", content)
    for name, content in CONTENTS.items():
        mail = chain.arrived(f"{name}@there.test")
        compare(name, mail, content)
        must(len(mail.received()) == 4, f"{mail.received()}")
        must(sum("TLSv1.3" in hop for hop in mail.received()) >= 2, f"{mail.received()}")
    for one in chain.gateways:
        lines = one.log("delivered")
        must(len(lines) == len(CONTENTS) and all(line["tls"].startswith("secure:TLSv1.") for line in lines), f"{lines}")
        must(not one.log("deferred"), f"{one.log('deferred')}")


def addresses_and_headers_in_utf8_pass(chain):
    chain.send("grüße@there.test", messages.UTF8, ("BODY=8BITMIME", "SMTPUTF8"))
    compare("UTF-8", chain.arrived("grüße@there.test"), messages.UTF8)


def the_last_server_reports_to_the_first_sender(chain):
    """DSN parameters pass all hops: RFC 3461 section 5.2.1. The report comes to the same mailbox."""
    chain.send("told@there.test", SMALL, ("RET=HDRS", "ENVID=QQ+2B314159"),
               ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;First+2BName@there.test"), "told.sender@there.test")
    chain.send("silent@there.test", SMALL, ("RET=FULL", "ENVID=silent"), ("NOTIFY=NEVER",), "silent.sender@there.test")
    chain.arrived("silent@there.test")
    report = chain.arrived("told.sender@there.test", b"Action: delivered").rest.decode()
    for words in ("Original-Envelope-Id: QQ+314159", "Original-Recipient: rfc822;First+Name@there.test",
                  "text/rfc822-headers"):
        must(words in report, f"no {words} in\n{report}")
    must("hello" not in report.split("text/rfc822-headers")[1], "RET=HDRS was forgotten")
    must(not [mail for mail in kept_in(chain.mailbox) if mail.recipient == "silent.sender@there.test"], "NEVER told")
    for one in chain.gateways:
        must(not one.log("reported"), "a gateway reported what the last server reports")


CHAIN = [every_byte_passes_four_servers, addresses_and_headers_in_utf8_pass, the_last_server_reports_to_the_first_sender]


def run_all(make, tests):
    failed = 0
    chosen = [test for test in tests if test.__name__ in sys.argv[2:] or len(sys.argv) == 2]
    with make() as place:
        print(f"1..{len(chosen)}")
        for number, test in enumerate(chosen, 1):
            begun = time.monotonic()
            try:
                test(place)
                print(f"ok {number} - {test.__name__}\n# {time.monotonic() - begun:.1f} s", flush=True)
            except Absent as reason:
                print(f"ok {number} - {test.__name__} # SKIP {reason}", flush=True)
            except (AssertionError, OSError, subprocess.TimeoutExpired, gateway.Closed) as fault:
                failed += 1
                words = f"{type(fault).__name__}: {fault}".replace("\n", "\n# ")
                print(f"not ok {number} - {test.__name__}\n# {words}", flush=True)
    return 1 if failed else 0


def main():
    name = sys.argv[1]
    try:
        return run_all(Chain, CHAIN) if name == "chain" else run_all(lambda: Pair(name), TESTS)
    except Absent as reason:
        print(f"1..0 # SKIP {reason}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
