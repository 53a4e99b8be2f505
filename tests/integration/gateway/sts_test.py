#!/usr/bin/python3
"""sts_test.py POSTERN [TEST...] - MTA-STS by real look-ups: what is published, obeyed and kept.

The 19 zones are `world` of ../shared/corpora/mtasts, after the tests of postfix-mta-sts-resolver: each with a record, a
policy host and what a resolver must say of them; where that folder is absent only the zones of this file are
tried. Where the corpus says nothing for a zone, its name does: "bad" and "overlength" are no policy, fast-expire is one
for a second. bad-cert1 shows the certificate of another name, bad-cert2 one of an authority that nobody trusts. Both the
command and the gateway look up by the code of delivery.
"""
import json
import os
import sys

import gateway
from counting import Counting
from destinations import must
from gateway import Client, Gateway, Listener, pki
from policy_world import TYPES, Dns, Page, PolicyHosts, expired, from_a_stranger

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "corpora"))
import corpora  # noqa: E402

PROGRAM = gateway.take_program()
SENDER = "from@here.test"
ADDRESSES = {"mail.loc": "127.0.92.1", "mail2.loc": "127.0.92.2"}  # nobody trusts the first one's certificate
RECORD = "v=STSv1;id=20180907T090909;"
ENFORCE = "version: STSv1\nmode: enforce\nmx: mail.loc\nmax_age: 86400\n"
LARGE = ENFORCE + "x" * 31 + ":" + "y" * 70_000 + "\n"

# What check says first of a zone where a policy does not count, or nothing.
FINDINGS = {"bad-record1.loc": "sts-record-invalid", "bad-record2.loc": None, "bad-record3.loc": "sts-record-invalid",
            "bad-policy1.loc": "sts-policy-invalid", "bad-policy2.loc": "sts-policy-invalid",
            "bad-policy3.loc": "sts-fetch-failed", "bad-policy4.loc": "sts-fetch-failed",
            "bad-policy5.loc": "sts-policy-invalid", "bad-policy6.loc": "sts-policy-invalid",
            "bad-policy7.loc": "sts-policy-invalid", "bad-policy8.loc": "sts-policy-invalid",
            "bad-cert1.loc": "sts-certificate-invalid", "bad-cert2.loc": "sts-certificate-invalid",
            "static-overlength.loc": "sts-fetch-failed", "chunked-overlength.loc": "sts-fetch-failed",
            "good.loc": None, "valid-none.loc": None, "testing.loc": None, "fast-expire.loc": None}
STATES = {"good.loc": "enforce", "fast-expire.loc": "enforce", "testing.loc": "testing"}

# Beside those: what is served, and the finding.
MORE = {"redirect.loc": (Page(status=301, Location="https://mta-sts.good.loc/.well-known/mta-sts.txt"), "sts-fetch-failed"),
        "large.loc": (Page(LARGE), "sts-policy-invalid"),
        "chunked.loc": (Page(LARGE, chunked=True), "sts-policy-invalid"),
        "expired.loc": (Page(ENFORCE), "sts-certificate-invalid"),
        "unnamed.loc": (None, "sts-fetch-failed"),  # its policy host has no address
        "absent.loc": (None, None)}


def corpus():
    """By zone the entry of the corpus; empty where it is absent."""
    folder = corpora.folder("mtasts")
    if folder is None:
        return {}
    with open(folder / "mtasts-tables.json", encoding="utf-8") as file:
        return json.load(file)["world"]


def expected_state(zone, entry):
    if "expect" in entry and not entry["expect"].startswith("OK secure"):
        must(STATES.get(zone, "none") != "enforce", f"{zone}: the corpus says {entry['expect']}")
    elif "expect" in entry:
        must(STATES.get(zone) == "enforce", f"{zone}: the corpus says {entry['expect']}")
    return STATES.get(zone, "none")


class Place(gateway.Place):
    """Domains that publish, two mail hosts, and a gateway at level sts that is not started yet."""

    def __init__(self):
        super().__init__(Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",)))
        self.hosts = {}
        with self.closed_on_failure():
            self.world = self.one.world
            self.dns, self.web = self.keep(Dns(self.one.folder)), self.keep(PolicyHosts(self.world))
            self.port = gateway.free_port(*ADDRESSES.values())
            for name, address in ADDRESSES.items():
                self.dns.add(name, "A", address)
                self.hosts[name] = self.keep(Counting(
                    self.world, trouble=0, slowness_s=0, address=(address, self.port),
                    identity=from_a_stranger(self.world, name) if name == "mail.loc" else self.world.leaf(names=(name,))))
            self.one.more = f"""dns {{ resolver = "127.0.0.1:{self.dns.port}" trust_anchor = "{self.dns.trust_anchor}" }}
client {{ port = {self.port} sts_port = {self.web.port} private_addresses = yes }}
queue {{ retry = {{ 1h }} }}
policy "default" {{ level = sts }}
"""

    def publish(self, domain, record=RECORD, page=None, identity=None, hosts=("10 mail.loc",)):
        self.dns.add(domain, "MX", *hosts)
        if record is not None:
            self.dns.add(f"_mta-sts.{domain}", "TXT", record)
        if page is not None:
            self.dns.add(f"mta-sts.{domain}", "A", "127.0.0.1")
            self.web.put(domain, page, identity)

    def publish_all(self):
        """The zones of the corpus and those of this file; by zone the state and finding that are right."""
        wanted = {}
        for zone, entry in corpus().items():
            page = None
            if "http" in entry:
                page = Page(entry["body"], entry["http"], entry.get("content_type", "text/plain"))
            identity = {"bad-cert1.loc": self.world.leaf(names=("mta-sts.other.loc",)),
                        "bad-cert2.loc": from_a_stranger(self.world, "mta-sts.bad-cert2.loc")}.get(zone)
            self.publish(zone, entry.get("txt"), page, identity)
            wanted[zone] = (expected_state(zone, entry), FINDINGS[zone])
        for zone, (page, finding) in MORE.items():
            identity = expired(self.world, f"mta-sts.{zone}") if zone == "expired.loc" else None
            self.publish(zone, None if zone == "absent.loc" else RECORD, page, identity)
            wanted[zone] = ("none", finding)
        return wanted

    def check(self, *zones, status=(0, 1), more=("--private-addresses",)):
        """By zone what `postern check` says."""
        text = self.one.run("check", "--json", "--no-experiments", "--ca-file", self.one.ca_file, "--resolver",
                            f"127.0.0.1:{self.dns.port}", "--trust-anchor", self.dns.trust_anchor, "--port", str(self.port),
                            "--sts-port", str(self.web.port), *more, *zones, status=status)
        told = {told["target"]: told for told in map(json.loads, text.splitlines()) if told["target"]}
        must(set(told) == set(zones), f"nothing is said of {set(zones) - set(told)}")
        return told

    def send(self, *recipients):
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            for recipient in recipients:
                client.envelope(SENDER, recipient)
                answer = client.data(b"Subject: x\r\n\r\nhello\r\n")
                must(answer.code == 250, f"{answer}")
            client.quit()

    def deferred(self, domain, finding=None):
        line = self.one.wait_log("deferred", to=f"<user@{domain}>")
        must(not self.went_to(domain), f"{domain}: went to {self.went_to(domain)}")
        must(finding is None or line["finding"] == finding, f"{domain}: {line}")
        return line

    def delivered(self, domain, host="mail.loc"):
        line = self.one.wait_log("delivered", to=f"<user@{domain}>")
        must(self.went_to(domain) == [host], f"{domain}: went to {self.went_to(domain)}")
        return line

    def went_to(self, domain):
        return sorted(name for name, host in self.hosts.items()
                      if any(copy.recipient == f"user@{domain}" for copy in host.taken()))


def check_says_of_each_zone_what_it_must():
    with Place() as place:
        wanted = place.publish_all()
        told = place.check(*wanted)
        wrong = []
        for zone, (state, finding) in wanted.items():
            codes = [found["code"] for found in told[zone]["findings"]]
            if told[zone]["mta_sts"]["state"] != state or codes != [finding] * (finding is not None):
                wrong.append(f"{zone}: wanted {state} {finding}, not {told[zone]['mta_sts']} {codes}")
        must(not wrong, "\n".join(wrong))
        if "good.loc" in told:
            must(told["good.loc"]["mta_sts"]["policy"]["mx"] == ["mail.loc"], f"{told['good.loc']['mta_sts']}")
        print(f"# {len(corpus())} zones of the corpus and {len(MORE)} more")


def a_delivery_obeys_each_zone_as_it_must():
    with Place() as place:
        wanted = place.publish_all()
        place.one.start()
        place.send(*(f"user@{zone}" for zone in wanted))
        for zone, (state, _) in wanted.items():
            if state == "enforce":
                place.deferred(zone, "certificate-issuer-untrusted")
            else:
                place.delivered(zone)


def a_host_that_the_policy_does_not_list_is_passed_over():
    page = Page(ENFORCE.replace("mx: mail.loc", "mx: mail2.loc"))
    with Place() as place:
        place.publish("listed.test", page=page, hosts=("10 mail.loc", "20 mail2.loc"))
        place.publish("unlisted.test", page=page)
        told = place.check("listed.test")["listed.test"]
        codes = {host["host"]: [found["code"] for found in host["findings"]] for host in told["hosts"]}
        must([host for host in codes if "sts-host-not-listed" in codes[host]] == ["mail.loc"], f"{codes}")
        place.one.start()
        place.send("user@listed.test", "user@unlisted.test")
        line = place.delivered("listed.test", "mail2.loc")
        must(line["tls"].startswith("sts:"), f"{line}")
        place.deferred("unlisted.test", "sts-host-not-listed")


def a_policy_counts_over_a_restart_when_its_domain_publishes_nothing_more():
    with Place() as place:
        place.publish("kept.test", page=Page(ENFORCE))
        place.one.start()
        place.send("user@kept.test")
        place.deferred("kept.test")
        place.one.stop()
        place.dns.drop("_mta-sts.kept.test", "TXT")
        place.dns.drop("mta-sts.kept.test", "A")
        asked = len(place.web.asked)
        place.one.start()
        place.send("other@kept.test")
        place.one.wait_log("deferred", to="<other@kept.test>")
        must(not place.went_to("kept.test") and len(place.web.asked) == asked, f"{place.web.asked}")


def a_policy_is_fetched_once_while_its_id_stays():
    """A gateway that was started again looks for the record at once, and knows the policy."""
    with Place() as place:
        page = Page(ENFORCE.replace("mx: mail.loc", "mx: mail2.loc"))
        place.publish("once.test", page=page, hosts=("10 mail2.loc",))
        fetched = []
        for user, record in (("user", RECORD), ("next", RECORD), ("last", RECORD.replace("2018", "2019"))):
            place.dns.add("_mta-sts.once.test", "TXT", record)
            looked = place.dns.asked.count(("_mta-sts.once.test", TYPES["TXT"]))
            place.one.start()
            place.send(f"{user}@once.test")
            place.one.wait_log("delivered", to=f"<{user}@once.test>")
            place.one.stop()
            must(place.dns.asked.count(("_mta-sts.once.test", TYPES["TXT"])) > looked, f"{place.dns.asked}")
            fetched.append(len(place.web.asked))
        must(fetched == [1, 1, 2], f"{fetched} {place.web.asked}")


def a_saved_checkup_is_judged_the_same_without_any_network():
    with Place() as place:
        place.publish("saved.test", page=Page("version: STSv1\nmode: doubt\n"))
        place.dns.add("_smtp._tls.saved.test", "TXT", "v=TLSRPTv1; rua=tls@saved.test")
        place.publish("stranger.test", page=Page(ENFORCE), identity=from_a_stranger(place.world, "mta-sts.stranger.test"))
        saved = os.path.join(place.one.folder, "saved.json")
        arguments = ("--no-experiments", "--ca-file", place.one.ca_file, "--resolver", f"127.0.0.1:{place.dns.port}",
                     "--trust-anchor", place.dns.trust_anchor, "--port", str(place.port), "--sts-port", str(place.web.port),
                     "--private-addresses")
        for domain, found in (("stranger.test", ["sts-certificate-invalid"]),
                              ("saved.test", ["sts-policy-invalid", "tlsrpt-record-invalid"])):
            first = place.one.run("check", *arguments, "--observation", saved, domain, status=(1,))
            again = place.one.run("check", "--from-observation", saved, status=(1,))
            must(first == again, f"{first}\n---\n{again}")
            must(all(code in first for code in found), first)
            must(all(len(line) <= 80 for line in first.splitlines()), first)


def nobodys_dns_leads_to_a_policy_host_inside():
    """The policy is sound, and its host is at 127.0.0.1: without the setting nobody connects there."""
    with Place() as place:
        place.publish("inside.test", page=Page(ENFORCE))
        told = place.check("inside.test", more=(), status=(1,))["inside.test"]
        first = next(finding for finding in told["findings"] if finding["code"] == "sts-fetch-failed")
        must("mta-sts.inside.test has no address that everybody reaches: 127.0.0.1 is loopback" in first["cause"], f"{first}")
        place.one.more = place.one.more.replace(" private_addresses = yes", "")
        place.one.start()
        place.send("user@inside.test")
        place.delivered("inside.test", "mail.loc")  # which the policy would not let by
        must(place.web.connections == 0, f"{place.web.connections} connections to the policy host")
        place.one.more = place.one.more.replace("sts_port", "private_addresses = yes sts_port")
        place.publish("inside2.test", page=Page(ENFORCE))
        place.one.reload()
        place.send("user@inside2.test")
        place.deferred("inside2.test")
        must(place.web.asked == ["mta-sts.inside2.test"], f"{place.web.asked}")


TESTS = [nobodys_dns_leads_to_a_policy_host_inside,
         check_says_of_each_zone_what_it_must, a_delivery_obeys_each_zone_as_it_must,
         a_host_that_the_policy_does_not_list_is_passed_over,
         a_policy_counts_over_a_restart_when_its_domain_publishes_nothing_more,
         a_policy_is_fetched_once_while_its_id_stays, a_saved_checkup_is_judged_the_same_without_any_network]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
