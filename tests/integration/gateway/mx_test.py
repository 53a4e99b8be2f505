#!/usr/bin/python3
"""mx_test.py POSTERN nsd|knot [TEST...] - mail goes where the MX records of signed zones say, and the worse host in turn.

Every host has an address of loopback of its own, and the same port. Each promise is a TAP test.
"""
import os
import subprocess
import sys

import gateway
from counting import Counting
from gateway import HOST, Client, Failed, Gateway, Listener, pki, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from peer import Absent  # noqa: E402
from zones import ONE_HOST, SECURE, SOA, Zones  # noqa: E402

PROGRAM = gateway.take_program()
ZONE = "secure.example"
SENDER = "from@here.test"
FLEET = 20  # hosts of one preference, of which one is up
SPREAD = 12  # domains with the same three hosts
ADDRESSES = {"a": "127.0.91.1", "b": "127.0.91.2", "c": "127.0.91.3", "strange": "127.0.91.4", "busy": "127.0.91.5",
             "down": "127.0.91.9"}


def records():
    lines = [SECURE]
    lines += [f"{name} 60 IN A {address}" for name, address in ADDRESSES.items()]
    lines += ["preference 60 IN MX 20 b", "preference 60 IN MX 5 c", "preference 60 IN MX 10 a",
              "second 60 IN MX 10 down", "second 60 IN MX 20 b",
              f"loop 60 IN MX 10 {HOST}.", "loop 60 IN MX 20 b",
              "backup 60 IN MX 10 a", f"backup 60 IN MX 20 {HOST}.", "backup 60 IN MX 30 b",
              "backupdown 60 IN MX 10 down", f"backupdown 60 IN MX 20 {HOST}.", "backupdown 60 IN MX 30 b",
              "twofold 60 IN AAAA ::1", "twofold 60 IN A 127.0.91.1", "six 60 IN MX 10 twofold",
              "several 60 IN A 127.0.91.9", "several 60 IN A 127.0.91.2", "several 60 IN A 127.0.91.8",
              "addresses 60 IN MX 10 several", "plain 60 IN A 127.0.91.3", "viaalias 60 IN CNAME preference",
              "aliashost 60 IN CNAME a", "toalias 60 IN MX 10 aliashost",
              "wordless 60 IN TXT \"no address\"", "halfway 60 IN MX 10 wordless", "halfway 60 IN MX 20 b",
              "@ 60 IN MX 10 a", "tostrange 60 IN MX 10 strange", "tostrange 60 IN MX 20 b",
              "onlystrange 60 IN MX 10 strange", "tobusy 60 IN MX 10 busy", "tobusy 60 IN MX 20 b"]
    for number in range(FLEET):
        lines += [f"fleet 60 IN MX 10 ship{number}",
                  f"ship{number} 60 IN A 127.0.91.{2 if number == 7 else 100 + number}"]
    for number in range(SPREAD):
        lines += [f"spread{number} 60 IN MX 10 {host}" for host in "abc"]
    return "\n".join(lines) + "\n"


class MxZones(Zones):
    def child_zone(self, zone, text, **dates):
        super().child_zone(zone, records() if zone == f"{ZONE}." else text, **dates)

    def make(self):
        self.child_zone(HOST.split(".", 1)[1] + ".", ONE_HOST)
        super().make()


class Place(gateway.Place):
    """The zones, the hosts and a gateway that finds them."""

    def __init__(self, server):
        super().__init__(Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",)))
        world = self.one.world
        self.hosts = {}
        with self.closed_on_failure():
            self.zones = self.keep(MxZones(server))
            names = {"names": (f"*.{ZONE}",)}
            strange = pki.issue(world.stranger, **names).with_chain(world.stranger)
            self.port = gateway.free_port(*ADDRESSES.values())
            for name in ("a", "b", "c", "strange", "busy"):
                self.hosts[name] = self.host(ADDRESSES[name], strange if name == "strange" else world.leaf(**names))
            self.hosts["busy"].greeting = "421 4.3.2 Too busy"
            self.one.more = f"""dns {{ resolver = "127.0.0.1:{self.zones.port}" trust_anchor = "{self.zones.trust_anchor}" }}
client {{ port = {self.port} }}
queue {{ retry = {{ 1s }} }}
policy "default" {{ level = may }}
policy "tostrange.{ZONE}" {{ level = verify }}
policy "onlystrange.{ZONE}" {{ level = verify }}
policy "preference.{ZONE}" {{ level = verify }}
policy "{ZONE}" {{ level = secure }}
policy "byhost.test" {{ level = verify next_hop = "b.{ZONE}:{self.port}" }}
policy "nowhere.test" {{ level = may next_hop = "missing.{ZONE}:{self.port}" }}
"""
            self.one.start()

    def host(self, address, identity=None):
        return self.keep(Counting(self.one.world, trouble=0, slowness_s=0, identity=identity, address=(address, self.port)))

    def send(self, *recipients):
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope(SENDER, *recipients)
            answer = client.data(b"Subject: x\r\n\r\nhello\r\n")
            must(answer.code == 250, f"{answer}")
            client.quit()

    def went_to(self, recipient):
        """The hosts that took it."""
        return sorted(name for name, host in self.hosts.items()
                      if any(copy.recipient == recipient for copy in host.taken()))

    def delivered(self, recipient, host, relay=None):
        self.send(recipient)
        line = self.one.wait_log("delivered", to=f"<{recipient}>")
        must(self.went_to(recipient) == [host], f"{recipient} went to {self.went_to(recipient)}, not {host}")
        must(relay is None or line["relay"] == f"{relay}:{self.port}", f"{line}")
        must(not self.one.log("deferred", to=f"<{recipient}>"), "deferred first")
        return line

    def ends(self, recipient, event, code, finding=""):
        self.send(recipient)
        line = self.one.wait_log(event, to=f"<{recipient}>")
        must((line["code"], line["finding"]) == (code, finding), f"{line}")
        must(self.went_to(recipient) == [], f"it went to {self.went_to(recipient)}")
        return line


def must(holds, what):
    if not holds:
        raise Failed(what)


def the_host_of_the_best_preference_gets_the_mail(place):
    line = place.delivered(f"user@preference.{ZONE}", "c", f"c.{ZONE}[127.0.91.3]")
    must(line["tls"].startswith("verify:TLSv1.3"), f"{line}")


def the_domains_own_certificate_is_asked_for_at_secure(place):
    line = place.delivered(f"user@{ZONE}", "a", f"a.{ZONE}[127.0.91.1]")
    must(line["tls"].startswith("secure:TLSv1.3"), f"{line}")


def a_domain_without_mx_is_its_own_host(place):
    place.delivered(f"user@plain.{ZONE}", "c", f"plain.{ZONE}[127.0.91.3]")


def where_the_first_host_is_down_the_second_gets_it(place):
    place.delivered(f"user@second.{ZONE}", "b", f"b.{ZONE}[127.0.91.2]")


def where_the_first_host_is_too_busy_the_second_gets_it(place):
    place.delivered(f"user@tobusy.{ZONE}", "b", f"b.{ZONE}[127.0.91.2]")


def where_the_first_host_is_not_to_be_trusted_the_second_gets_it(place):
    line = place.delivered(f"user@tostrange.{ZONE}", "b", f"b.{ZONE}[127.0.91.2]")
    must(line["tls"].startswith("verify:TLSv1.3"), f"{line}")
    line = place.ends(f"user@onlystrange.{ZONE}", "deferred", "4.7.5", "certificate-issuer-untrusted")
    must(line["relay"].startswith(f"strange.{ZONE}["), f"{line}")


def where_one_address_is_down_the_next_gets_it(place):
    place.delivered(f"user@addresses.{ZONE}", "b", f"several.{ZONE}[127.0.91.2]")


def one_of_many_hosts_of_the_same_preference_is_found(place):
    place.delivered(f"user@fleet.{ZONE}", "b", f"ship7.{ZONE}[127.0.91.2]")


def hosts_of_the_same_preference_share_the_mail(place):
    recipients = [f"user@spread{number}.{ZONE}" for number in range(SPREAD)]
    place.send(*recipients)
    for recipient in recipients:
        place.one.wait_log("delivered", to=f"<{recipient}>")
    used = {tuple(place.went_to(recipient)) for recipient in recipients}
    must(len(used) > 1 and all(len(hosts) == 1 for hosts in used), f"{used}")


def aliases_are_followed(place):
    place.delivered(f"user@viaalias.{ZONE}", "c")
    place.delivered(f"user@toalias.{ZONE}", "a")


def where_ipv6_is_down_ipv4_gets_it(place):
    place.delivered(f"first@six.{ZONE}", "a", f"twofold.{ZONE}[127.0.91.1]")


def ipv6_is_dialled(place):
    """After the test before, the address that was down stands behind the other until that fails."""
    try:
        place.hosts["::1"] = place.host("::1")
    except OSError as reason:
        raise Absent(f"no IPv6 here: {reason}") from None
    place.hosts.pop("a").stop()
    place.delivered(f"second@six.{ZONE}", "::1", f"twofold.{ZONE}[::1]")
    place.hosts["a"] = place.host(ADDRESSES["a"], place.one.world.leaf(names=(f"*.{ZONE}",)))


def a_host_without_an_address_costs_nothing(place):
    place.delivered(f"user@halfway.{ZONE}", "b", f"b.{ZONE}[127.0.91.2]")


def a_domain_that_takes_no_mail_is_told_to_the_sender(place):
    place.ends(f"user@null.{ZONE}", "bounced", "5.1.10", "dns-null-mx")
    report = wait_for("a report", lambda: (place.one.files("from", "here.test") or [None])[0])
    with open(report, "rb") as file:
        text = file.read()
    must(b"Status: 5.1.10" in text and b"null.secure.example" in text, text.decode())


def a_domain_that_is_not_there_is_told_to_the_sender(place):
    place.ends(f"user@nobody.{ZONE}", "bounced", "5.1.2", "dns-nxdomain")


def a_domain_without_hosts_is_told_to_the_sender(place):
    place.ends(f"user@nothing.{ZONE}", "bounced", "5.4.4", "dns-no-address")
    place.ends(f"user@noaddress.{ZONE}", "bounced", "5.4.4", "dns-no-address")
    place.ends(f"user@nohost.{ZONE}", "bounced", "5.4.4", "dns-no-address")


def mail_that_would_come_back_to_us_is_told_to_the_sender(place):
    line = place.ends(f"user@loop.{ZONE}", "bounced", "5.4.6")
    must(HOST in line["reply"], f"{line}")


def a_backup_host_hands_on_to_better_hosts_alone(place):
    place.delivered(f"user@backup.{ZONE}", "a", f"a.{ZONE}[127.0.91.1]")
    place.ends(f"user@backupdown.{ZONE}", "deferred", "4.4.1", "connect-refused")


def what_dns_does_not_prove_makes_mail_wait(place):
    for domain in ("bogus.example", "tampered.example", "expired.example", f"tobogus.{ZONE}"):
        place.send(f"user@{domain}")
        line = place.one.wait_log("deferred", to=f"<user@{domain}>")
        must((line["code"], line["finding"]) == ("4.4.3", "dns-bogus"), f"{line}")
    place.ends("user@servfail.example", "deferred", "4.4.3", "dns-servfail")


def a_next_hop_is_looked_up_in_the_dns(place):
    place.delivered("user@byhost.test", "b", f"b.{ZONE}[127.0.91.2]")


def a_next_hop_that_is_not_there_makes_mail_wait(place):
    """It is our own settings that are wrong: no mail is lost for it."""
    line = place.ends("user@nowhere.test", "deferred", "4.3.5", "dns-nxdomain")
    must(f"missing.{ZONE}" in line["reply"], f"{line}")


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__" and not isinstance(value, type)
         and name not in ("must", "records")]


def main():
    server = sys.argv.pop(1)
    chosen = [test for test in TESTS if test.__name__ in sys.argv[1:] or len(sys.argv) == 1]
    failed = 0
    try:
        with Place(server) as place:
            print(f"1..{len(chosen)}")
            for number, test in enumerate(chosen, 1):
                try:
                    test(place)
                    print(f"ok {number} - {test.__name__}", flush=True)
                except Absent as reason:
                    print(f"ok {number} - {test.__name__} # SKIP {reason}", flush=True)
                except (AssertionError, OSError, subprocess.TimeoutExpired, gateway.Closed) as fault:
                    failed += 1
                    words = f"{type(fault).__name__}: {fault}".replace("\n", "\n# ")
                    print(f"not ok {number} - {test.__name__}\n# {words}", flush=True)
    except Absent as reason:
        print(f"1..0 # SKIP {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
