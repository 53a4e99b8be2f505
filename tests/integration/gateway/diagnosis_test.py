#!/usr/bin/python3
"""diagnosis_test.py POSTERN nsd|knot [TEST...] - what is dialled in the background is what the delivery had dialled.

Hosts in signed and unsigned zones, with TLSA records and MTA-STS policies in force, whose TLS fails for what a delivery
sends them under these: the TLSA base domain as SNI, or no version below the policy's. Who dials otherwise finds another cause,
which is none. Each promise is a TAP test.
"""
import os
import socket
import ssl
import sys
import warnings

import destinations
import gateway
from counting import Counting, Left, Session
from destinations import must
from gateway import Gateway, Listener
from policy_world import Page, PolicyHosts

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from dane_zones import key_record  # noqa: E402
from peer import Absent  # noqa: E402
from zones import Zones  # noqa: E402

PROGRAM = gateway.take_program()
SIGNED, UNSIGNED = ".secure.example", ".insecure.example"
DISLIKED = ("real-dane", "real-sts", "mx-shared")  # names that the server ends the handshake for, by an alert that names none
OLD = "mx-old" + UNSIGNED
SUPPORTED_VERSIONS, TLS_1_0 = 43, b"\x03\x01"
INTERNAL_ERROR = b"\x15\x03\x01\0\2\2\x50"  # an alert


def extensions(hello):
    """Of a whole record with a ClientHello, by type."""
    at = 9 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at:at + 2], "big")
    at += 1 + hello[at]
    at += 2
    found = {}
    while at + 4 <= len(hello):
        kind, size = (int.from_bytes(hello[at + k:at + k + 2], "big") for k in (0, 2))
        found[kind] = hello[at + 4:at + 4 + size]
        at += 4 + size
    return found


class OldSession(Session):
    """Knows nothing newer than TLS 1.0, and has a bad word for whoever offers something newer alone."""

    def look(self):
        """The ClientHello, which is not taken."""
        size = 5
        while True:
            seen = self.socket.recv(size, socket.MSG_PEEK | socket.MSG_WAITALL)
            if len(seen) < size:
                raise Left
            if size > 5:
                return seen
            size = 5 + int.from_bytes(seen[3:5], "big")

    def take_starttls(self, _):
        self.say("220 2.0.0 Go on")
        versions = extensions(self.look()).get(SUPPORTED_VERSIONS, b"\2" + TLS_1_0)[1:]
        if TLS_1_0 not in [versions[at:at + 2] for at in range(0, len(versions), 2)]:
            self.socket.sendall(INTERNAL_ERROR)
            raise Left
        self.socket = self.server.context.wrap_socket(self.socket, server_side=True)


class OldHost(Counting):
    sessions_are = OldSession

    def __init__(self, world, port):
        super().__init__(world, trouble=0, slowness_s=0, identity=world.leaf(names=(OLD,)), address=("127.0.0.2", port))
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it is what this server is for
            self.context.minimum_version = self.context.maximum_version = ssl.TLSVersion.TLSv1


def refuse_names(_, name, __):
    return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if name and name.split(".")[0] in DISLIKED else None


def hosts(world, identity):
    """One that dislikes names, and an old one at the same port."""
    while True:
        picky = Counting(world, trouble=0, slowness_s=0, identity=identity)
        picky.context.sni_callback = refuse_names
        try:
            return picky, OldHost(world, picky.port)
        except OSError:
            picky.stop()  # that port is taken there


class Place(gateway.Place):
    """The zones, two servers that all hosts are, and a gateway that has a level for each domain."""

    def __init__(self, server):
        super().__init__(Gateway(PROGRAM, listeners=[Listener("none")], relay_from=("127.0.0.0/8",)))
        with self.closed_on_failure():
            world = self.one.world
            identity = world.leaf(names=[name + SIGNED for name in ("alias-dane", "alias-sts", "mx-shared")])
            self.host, self.old = map(self.keep, hosts(world, identity))
            self.web = self.keep(PolicyHosts(world))
            self.web.put("old" + UNSIGNED, Page(f"version: STSv1\nmode: enforce\nmx: {OLD}\nmax_age: 86400\n"))
            self.zones = self.keep(Zones(server, self.zone_lines(key_record(identity))))
            self.one.more = self.settings()
            self.one.start()

    def zone_lines(self, record):
        """A host that is an alias: its records, and so the name that is sent to it, are where that leads."""
        signed = [f"_{self.host.port}._tcp.{name} 60 IN TLSA {record}" for name in ("real-dane", "real-sts", "mx-shared")]
        for level in ("dane", "sts"):
            signed += [f"by-{level} 60 IN MX 10 alias-{level}", f"alias-{level} 60 IN CNAME real-{level}",
                       f"real-{level} 60 IN A 127.0.0.1"]
        signed += ["mx-shared 60 IN A 127.0.0.1", "tenant 60 IN MX 10 mx-shared"]
        unsigned = ["landlord 60 IN MX 10 mx-shared.secure.example.",
                    "old 60 IN MX 10 mx-old", "mx-old 60 IN A 127.0.0.2", "mta-sts.old 60 IN A 127.0.0.1",
                    '_mta-sts.old 60 IN TXT "v=STSv1; id=1;"',
                    "broken 60 IN MX 10 mx-shared.secure.example.", '_mta-sts.broken 60 IN TXT "v=STSv1; id=?;"']
        return {"secure.example.": "\n".join(signed) + "\n", "insecure.example.": "\n".join(unsigned) + "\n"}

    def settings(self):
        return f"""dns {{ resolver = "127.0.0.1:{self.zones.port}" trust_anchor = "{self.zones.trust_anchor}" }}
client {{ port = {self.host.port} sts_port = {self.web.port} private_addresses = yes }}
queue {{ retry = {{ 1s }} lifetime = 1d warn_after = 0 }}
policy "default" {{ level = encrypt }}
policy "by-dane{SIGNED}" {{ level = dane }}
policy "landlord{UNSIGNED}" {{ level = dane }}
policy "by-sts{SIGNED}" {{ level = sts }}
policy "old{UNSIGNED}" {{ level = sts minimum_tls = "1.0" }}
policy "broken{UNSIGNED}" {{ level = sts }}
"""

    def send(self, domain):
        return destinations.send_all(self.one, [f"user@{domain}"])

    def diagnosed(self, domain):
        return self.one.wait_log("diagnosed", destination=domain)

    def told(self, ids, words):
        """The first session of a message that a diagnosis explains."""
        def is_explained(session):
            return "diagnosis_of" not in session and any(words in finding["cause"] for finding in session["findings"])

        def sessions(story):
            return list(filter(is_explained, story.get("sessions", {}).values()))

        story, = destinations.stories(self.one, ids, lambda _, story: sessions(story)).values()
        return sessions(story)[0]


def check(place, domain, code, words, level):
    """What the diagnosis found is what the next session is deferred for."""
    ids = place.send(domain)
    found = place.diagnosed(domain)
    must((found["finding"], found["fault"]) == (code, "server") and words in found["cause"], f"{found}")
    told = place.told(ids, words)
    must(told["findings"][0]["code"] == code and told["level"] == level, f"{told}")
    for host in (place.host, place.old):
        must(not host.taken() and not host.faults, f"{host.taken()} {host.faults}")


def a_host_with_records_is_diagnosed_by_the_name_that_it_is_sent(place):
    """RFC 7672 section 8.1: the TLSA base domain. With another name in SNI, the same server takes us at once."""
    for level in ("dane", "sts"):
        check(place, f"by-{level}{SIGNED}", "handshake-alert", f"SNI (real-{level}{SIGNED}), though it accepts one without", level)


def a_policy_that_allows_no_old_version_allows_none_to_an_experiment(place):
    """The rule would take TLS 1.0, and MTA-STS does not: RFC 8461 section 5. Nothing but the version is amiss."""
    check(place, f"old{UNSIGNED}", "handshake-no-common-version", "nothing newer than TLSv1.0", "sts")


def what_is_found_for_one_domain_is_told_to_another_in_its_own_words(place):
    """Both have one host. That the first one's MX is not signed is nothing to the second."""
    place.send(f"landlord{UNSIGNED}")
    must(place.diagnosed(f"landlord{UNSIGNED}")["finding"] == "handshake-alert", place.one.said())
    told = place.told(place.send(f"tenant{SIGNED}"), "where the ClientHello carries SNI")
    must([finding["code"] for finding in told["findings"]] == ["handshake-alert"], f"{told['findings']}")
    must(f"landlord{UNSIGNED}" not in f"{told}", f"{told}")


def what_a_domain_publishes_is_told_beside_what_was_found(place):
    """Its host was diagnosed for others."""
    told = place.told(place.send(f"broken{UNSIGNED}"), "where the ClientHello carries SNI")
    codes = [finding["code"] for finding in told["findings"]]
    must(codes[0] == "handshake-alert" and "sts-record-invalid" in codes, f"{codes}")


TESTS = [a_host_with_records_is_diagnosed_by_the_name_that_it_is_sent,
         a_policy_that_allows_no_old_version_allows_none_to_an_experiment,
         what_is_found_for_one_domain_is_told_to_another_in_its_own_words,
         what_a_domain_publishes_is_told_beside_what_was_found]


def of(place, test):
    def run():
        test(place)

    run.__name__ = test.__name__
    return run


def main():
    server = sys.argv.pop(1)
    try:
        with Place(server) as place:
            return gateway.run_promises([of(place, test) for test in TESTS])
    except Absent as reason:
        print(f"1..0 # SKIP {reason}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
