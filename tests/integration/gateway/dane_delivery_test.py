#!/usr/bin/python3
"""dane_delivery_test.py POSTERN nsd|knot [TEST...] - what a gateway delivers by the TLSA records of real zones.

The zones are those that `postern check` is asked about in dane_zones_test.py, and so is what is expected. One server takes
all mail, and a gateway each at dane, dane-only and sts brings it. Each promise is a TAP test.
"""
import json
import os
import ssl
import sys

import gateway
from counting import Counting
from gateway import Client, Failed, Gateway, Listener, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from dane_zones import DaneZones  # noqa: E402
from dane_zones_test import CASES, NAMES, S  # noqa: E402
from peer import Absent  # noqa: E402
from zones import Zones  # noqa: E402

PROGRAM = gateway.take_program()
SENDER = "from@here.test"
WORLD_CASES = [case for case in CASES if not case.get("port")]


class Place(gateway.Place):
    """The zones, the server and a gateway at one level."""

    def __init__(self, server, level):
        self.level = level
        super().__init__(Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",)))
        world = self.one.world
        self.now = world.leaf(common_name="now", names=NAMES, start=-200)
        self.after = world.leaf(common_name="next", names=NAMES)
        self.host = self.keep(Counting(world, trouble=0, slowness_s=0, identity=self.now, address=("127.0.0.1", 0)))
        with self.closed_on_failure():
            content = DaneZones(world, self.now, self.after, [self.host.port])
            self.zones = self.keep(Zones(server, content.more, content.spoil))
            self.one.more = f"""dns {{ resolver = "127.0.0.1:{self.zones.port}" trust_anchor = "{self.zones.trust_anchor}" }}
client {{ port = {self.host.port} }}
queue {{ retry = {{ 1h }} }}
policy "default" {{ level = {level} }}
policy "byhost.test" {{ level = {level} next_hop = "mx-match{S}:{self.host.port}" }}
policy "byauthority.test" {{ level = {level} next_hop = "mx-issuer{S}:{self.host.port}" }}
policy "byalias.test" {{ level = {level} next_hop = "alias-own{S}:{self.host.port}" }}
policy "bystale.test" {{ level = {level} next_hop = "mx-mismatch{S}:{self.host.port}" }}
policy "byfailing.test" {{ level = {level} next_hop = "mx-bogus-tlsa{S}:{self.host.port}" }}
"""
            self.one.start()

    def show(self, identity):
        """From the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.one.world.files(identity))
        self.host.context = context
        self.host.cut_all()

    def send(self, *recipients):
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            for recipient in recipients:
                client.envelope(SENDER, recipient)
                answer = client.data(b"Subject: x\r\n\r\nhello\r\n")
                must(answer.code == 250, f"{answer}")
            client.quit()

    def ended(self, recipient):
        """The first line of the log that tells what became of it."""
        return wait_for(f"an attempt at {recipient}", lambda: next(
            (line for line in self.one.log(to=f"<{recipient}>") if line["event"] in ("delivered", "deferred", "bounced")), None))

    def story(self, recipient):
        def ask():
            text = self.one.run("track", "--json", "--to", recipient, "-c", self.one.settings_file, status=(0, 1))
            return text if '"tlsa-' in text else None

        return wait_for(f"the story of {recipient}", ask)


def must(holds, what):
    if not holds:
        raise Failed(what)


FINDINGS = {"none": ("dane-required",), "unusable": ("tlsa-unusable", "dane-required"),
            "lookup-failed": ("tlsa-lookup-failed",), "usable": ("tlsa-mismatch", "dane-required", "dane-mx-insecure")}


# Records were meant to be there: who asks for DANE hears why none counts.
WORTHLESS = {f"dangling{S}": "tlsa-dangling", f"toinsecure-tlsa{S}": "tlsa-insecure"}


def faults_of(place, case, line, taken):
    wanted = case["decisions"][place.level]
    if wanted == "deliver":
        if line["event"] != "delivered" or not taken:
            yield f"{line}"
        elif not line["tls"].startswith(f"{place.level}:TLSv1.3"):
            yield f"tls is {line['tls']}"
        elif place.level != "sts" and case["target"] in WORTHLESS and line["finding"] != WORTHLESS[case["target"]]:
            yield f"delivered, and of the records that count for nothing is said {line['finding']}"
    elif line["event"] != "deferred" or taken:
        yield f"{line}"
    elif line["finding"] not in (*FINDINGS[case["state"]], *case["findings"]) or not line["code"].startswith("4.7."):
        yield f"deferred for {line['finding']} with {line['code']}"
    elif line["finding"] != WORTHLESS.get(case["target"], line["finding"]):
        yield f"deferred for {line['finding']}, which only follows from {WORTHLESS[case['target']]}"


def what_check_says_is_what_delivery_does(place):
    recipients = {f"user@{case['target']}": case for case in WORLD_CASES}
    place.send(*recipients)
    wrong = []
    for recipient, case in recipients.items():
        line = place.ended(recipient)
        taken = any(copy.recipient == recipient for copy in place.host.taken())
        wrong += [f"{recipient}: {fault}" for fault in faults_of(place, case, line, taken)]
    must(not wrong, "\n".join(wrong))
    must(not place.host.faults, f"{place.host.faults}")


def the_records_of_a_next_hop_count(place):
    """RFC 7672 section 2.2: a host of our settings is looked up without MX."""
    for domain, event, finding in (("byhost", "delivered", ""), ("byauthority", "delivered", ""), ("byalias", "delivered", ""),
                                   ("bystale", "deferred", "tlsa-mismatch"), ("byfailing", "deferred", "tlsa-lookup-failed")):
        place.send(f"user@{domain}.test")
        line = place.ended(f"user@{domain}.test")
        must((line["event"], line["finding"]) == (event, finding), f"{line}")


def where_the_better_host_does_not_match_the_next_gets_it(place):
    place.send(f"user@two{S}")
    line = place.ended(f"user@two{S}")
    must(line["event"] == "delivered" and line["relay"].startswith(f"mx-match{S}["), f"{line}")


def a_key_that_was_changed_without_a_record_is_told_as_such(place):
    """The gateway knows the key of before, by which mail went."""
    place.send(f"before@renewed{S}", f"before@rollover{S}")
    for domain in ("renewed", "rollover"):
        line = place.ended(f"before@{domain}{S}")
        must(line["event"] == "delivered", f"{line}")
    place.show(place.after)
    try:
        place.send(f"after@renewed{S}", f"after@rollover{S}")
        line = place.ended(f"after@renewed{S}")
        must((line["event"], line["finding"]) == ("deferred", "tlsa-mismatch"), f"{line}")
        must("has had a new key since" in place.story(f"after@renewed{S}"), place.story(f"after@renewed{S}"))
        line = place.ended(f"after@rollover{S}")  # which was published before
        must(line["event"] == "delivered", f"{line}")
    finally:
        place.show(place.now)


def the_report_to_a_domain_says_how_its_records_fared(place):
    """RFC 8460: sessions by the policy that they met."""
    place.show(place.after)
    try:
        place.send(f"told@renewed{S}")
        place.ended(f"told@renewed{S}")
    finally:
        place.show(place.now)

    def ask():
        lines = place.one.run("report", "-c", place.one.settings_file, "--json", f"renewed{S}", status=(0, 1, 3)).splitlines()
        return next((entry for line in lines for entry in json.loads(line)["policies"]
                     for failure in entry.get("failure-details", []) if failure["result-type"] == "tlsa-invalid"), None)

    entry = wait_for("the session in a report", ask)
    must(entry["policy"]["policy-type"] == "tlsa" and entry["policy"]["policy-string"], f"{entry}")
    must(entry["policy"]["policy-domain"] == entry["policy"]["mx-host"][0], f"{entry}")
    must(entry["failure-details"][0]["failure-reason-code"] == "tlsa-mismatch", f"{entry}")


TESTS = [what_check_says_is_what_delivery_does, the_records_of_a_next_hop_count,
         where_the_better_host_does_not_match_the_next_gets_it,
         a_key_that_was_changed_without_a_record_is_told_as_such,
         the_report_to_a_domain_says_how_its_records_fared]


def at(level, test, place):
    def run():
        test(place)

    run.__name__ = f"at_{level.replace('-', '_')}_{test.__name__}"
    return run


def main():
    server = sys.argv.pop(1)
    try:
        with Place(server, "dane") as dane, Place(server, "dane-only") as only, Place(server, "sts") as sts:
            return gateway.run_promises([at(place.level, test, place) for place in (dane, only, sts) for test in TESTS])
    except Absent as reason:
        print(f"1..0 # SKIP {reason}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
