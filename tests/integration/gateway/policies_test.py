#!/usr/bin/python3
"""policies_test.py POSTERN [TEST...] - what postern.conf says of servers elsewhere is what delivery does.

Titles, `match` and next hops, our client certificate, the resolver, and all of it changed by a reload; and what
`postern policy` says of each is what was done. Each promise is a TAP test.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import gateway
from faults import pki
from gateway import ENDS_WITH_US, Client, Failed, Gateway, Listener, wait_for

PROGRAM = gateway.take_program()
SENDER = "from@sender.test"
RETRY = "queue { retry = { 1h } }\n"  # nothing comes back by itself


def must(holds, what):
    if not holds:
        raise Failed(what)


def rules(**titles):
    return "".join(f'policy "{title.replace("_", ".")}" {{ {lines} }}\n' for title, lines in titles.items())


def sending(settings):
    return Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",),
                   settings=settings or RETRY)


def receiving(*identities, domains=("there.test",), **options):
    return Gateway(PROGRAM, listeners=[Listener("may", list(identities), **options)], domains=domains)


def hop(one, host="[127.0.0.1]"):
    return f'next_hop = "{host}:{one.port("may")}"'


def send(one, *recipients):
    with Client(one.port("none")) as client:
        client.expect("EHLO client.test", 250)
        client.envelope(SENDER, *recipients)
        must(client.data(b"Subject: x\r\n\r\nhello\r\n").code == 250, "the message is not taken")
        client.quit()


def fate(one, recipient, since=0):
    """The log line of its first attempt since then."""
    def ask():
        lines = [line for event in ("delivered", "deferred", "bounced")
                 for line in one.log(event, since, to=f"<{recipient}>")]
        return lines[0] if lines else None
    return wait_for(f"an attempt for {recipient}", ask)


def told(one, domain):
    return json.loads(one.run("policy", "--offline", "-c", one.settings_file, "--json", domain))["policy"]


def expect(one, recipient, level, finding=None, since=0):
    """Delivered over verified TLS, or put off for that finding, at the level that `postern policy` tells."""
    line = fate(one, recipient, since)
    policy = told(one, recipient.split("@")[1])
    must(policy["level"] == level, f"{policy}")
    if finding:
        must((line["event"], line["finding"]) == ("deferred", finding) and line["code"].startswith("4.7."), f"{line}")
    else:
        must(line["event"] == "delivered" and line["tls"].startswith(f"{level}:TLSv1."), f"{line}")


class Lab:
    """`postern lab` with one sound server and its signed zone, as long as a `with` lasts."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="postern-policies-")
        self.process = subprocess.Popen(
            [*ENDS_WITH_US, PROGRAM, "lab", "--json", "--dns", "--fault", "healthy", "--directory", self.folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.manifest = json.loads(self.process.stdout.readline())
        self.server = self.manifest["servers"][0]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def dns(self, resolver=None):
        return (f'dns {{ resolver = "{resolver or self.manifest["dns"]}" '
                f'trust_anchor = "{self.manifest["trust_anchor"]}" }}\n')

    def trusted_by(self, one):
        with open(self.manifest["ca_file"], encoding="ascii") as roots, \
                open(one.world.root_file, "a", encoding="ascii") as trusted:
            trusted.write(roots.read())


def match_lists_the_names_that_a_certificate_may_carry():
    here = sending("")
    there = receiving(here.world.leaf(common_name="mx.provider.test", names=("mx.provider.test",)),
                      domains=("partner.test", "other.test", "below.test"))
    with there:
        here.more = rules(
            partner_test='level = secure match = { "other.example", "mx.provider.test" } ' + hop(there),
            below_test='level = secure match = { ".provider.test" } ' + hop(there),
            other_test="level = secure " + hop(there)) + RETRY
        with here:
            send(here, "a@partner.test", "b@below.test", "c@other.test")
            expect(here, "a@partner.test", "secure")
            expect(here, "b@below.test", "secure")
            expect(here, "c@other.test", "secure", "certificate-name-mismatch")


def a_title_with_a_dot_is_for_what_is_below_it_alone():
    here = sending("")
    there = receiving(here.world.leaf(), domains=("a.there.test", "there.test"))
    with there:
        here.more = rules(_there_test="level = encrypt " + hop(there), default="level = verify " + hop(there)) + RETRY
        with here:
            send(here, "x@a.there.test", "y@there.test")
            expect(here, "x@a.there.test", "encrypt")
            expect(here, "y@there.test", "verify", "certificate-name-mismatch")


def the_name_of_a_smart_host_is_the_one_that_its_certificate_has():
    with Lab() as lab:
        here = sending("")
        lab.trusted_by(here)
        door = f'next_hop = "{lab.server["host"]}:{lab.server["port"]}"'
        here.more = lab.dns() + rules(
            default="level = secure " + door,
            other_test='level = secure match = { "other.test" } ' + door,
            one_test="level = secure " + door) + RETRY
        with here:
            send(here, "a@far.test", "b@other.test", "c@one.test")
            expect(here, "a@far.test", "secure")
            expect(here, "b@other.test", "secure", "certificate-name-mismatch")
            expect(here, "c@one.test", "secure")
            host = lab.server["host"]
            must(told(here, "far.test")["names"] == [host, "." + host], f"{told(here, 'far.test')}")
            must(told(here, "one.test")["names"] == [host, "." + host, "one.test", ".one.test"],
                 f"{told(here, 'one.test')}")


def a_reload_changes_the_level_and_mail_goes_at_the_next_try():
    here = sending("")
    there = receiving(here.world.leaf())
    with there:
        here.more = rules(there_test="level = verify " + hop(there)) + RETRY
        with here:
            send(here, "a@there.test")
            expect(here, "a@there.test", "verify", "certificate-name-mismatch")
            since = os.path.getsize(here.log_file)
            here.more = rules(there_test="level = encrypt " + hop(there)) + RETRY
            must(here.reload()["event"] == "reloaded", here.said())
            here.run("queue", "retry", "-c", here.settings_file, "@there.test")
            expect(here, "a@there.test", "encrypt", since=since)


def our_certificate_is_shown_to_those_who_ask_and_its_flaws_are_found():
    here = sending("")
    ours = here.world.leaf(common_name="client.test", usages=(pki.CLIENT,))
    expired = here.world.leaf(common_name="client.test", usages=(pki.CLIENT,), start=-80, end=-3)
    files = []
    there = receiving(here.world.leaf(), client_certificate="require", client_ca=here.world.root_file)

    def with_certificate(identity):
        files[:] = certificate, key = here.world.files(identity)
        return (f'client {{ certificate = "{certificate}" key = "{key}" }}\n' +
                rules(there_test="level = encrypt " + hop(there)) + RETRY)

    with there:
        here.more = with_certificate(ours)
        with here:
            send(here, "a@there.test")
            expect(here, "a@there.test", "encrypt")
            since = os.path.getsize(here.log_file)
            here.more = with_certificate(expired)
            must(here.reload()["event"] == "reloaded", here.said())
            must(here.log("client-certificate-expired", since), here.said())
            send(here, "b@there.test")
            line = fate(here, "b@there.test", since)
            must((line["event"], line["finding"]) == ("deferred", "client-certificate-expired"), f"{line}")
            since = os.path.getsize(here.log_file)
            here.more = with_certificate(here.world.leaf(common_name="client.test"))  # that of a server
            must(here.reload()["event"] == "reloaded", here.said())
            send(here, "c@there.test")
            line = fate(here, "c@there.test", since)
            must((line["event"], line["finding"]) == ("deferred", "client-certificate-rejected"), f"{line}")
            since = os.path.getsize(here.log_file)
            for new, old in zip(here.world.files(ours), files):  # without a reload
                shutil.copy(new, old)
            wait_for("the newer certificate", lambda: here.log("certificates-renewed", since) or None)
            here.run("queue", "retry", "-c", here.settings_file, "all")
            expect(here, "c@there.test", "encrypt", since=since)


def another_resolver_counts_from_a_reload_on():
    with Lab() as lab, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        common = f'client {{ port = {lab.server["port"]} }}\n{rules(default="level = may")}{RETRY}'
        with sending("") as here:
            here.more = lab.dns(f"127.0.0.1:{deaf.getsockname()[1]}") + common
            must(here.reload()["event"] == "reloaded", here.said())
            recipient = f"a@{lab.server['domain']}"
            send(here, recipient)
            line = fate(here, recipient)
            must((line["event"], line["finding"]) == ("deferred", "dns-timeout"), f"{line}")
            since = os.path.getsize(here.log_file)
            here.more = lab.dns() + common
            must(here.reload()["event"] == "reloaded", here.said())
            must(here.log("resolver-changed", since, resolver=lab.manifest["dns"]), here.said())
            here.run("queue", "retry", "-c", here.settings_file, "all")
            expect(here, recipient, "may", since=since)
            since = os.path.getsize(here.log_file)
            here.more = 'dns { resolver = "nowhere" }\n' + common
            must(here.reload()["event"] == "reload-failed", here.said())
            send(here, "b@" + lab.server["domain"])
            line = fate(here, "b@" + lab.server["domain"], since)
            must(line["event"] == "delivered", f"{line}")


TESTS = [
    match_lists_the_names_that_a_certificate_may_carry,
    a_title_with_a_dot_is_for_what_is_below_it_alone,
    the_name_of_a_smart_host_is_the_one_that_its_certificate_has,
    a_reload_changes_the_level_and_mail_goes_at_the_next_try,
    our_certificate_is_shown_to_those_who_ask_and_its_flaws_are_found,
    another_resolver_counts_from_a_reload_on,
]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
