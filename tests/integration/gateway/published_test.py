#!/usr/bin/python3
"""published_test.py POSTERN [TEST...] - mail goes as its destination publishes: TLSA records and MTA-STS policies.

Domains of a signed zone under NSD, hosts at loopback addresses of their own, and a web server for the policies. Each
promise is a TAP test.
"""
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading

import gateway
from counting import Counting
from gateway import HOST, Client, Gateway, Listener, Failed, pki, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from peer import Absent  # noqa: E402
from zones import ONE_HOST, SECURE, Zones  # noqa: E402

PROGRAM = gateway.take_program()
ZONE = "secure.example"
SENDER = "from@here.test"
WEB = "127.0.92.20"
HOSTS = {"sound": "127.0.92.1", "strange": "127.0.92.2", "plain": "127.0.92.3", "second": "127.0.92.4"}
# Names of these hosts, each with TLSA records of its own.
NAMES = {"matched": "strange", "mismatched": "sound", "unusable": "strange", "unusable-plain": "plain", "unasked": "sound",
         "mixed": "strange"}
OTHER = "3 1 1 " + "00" * 32

# Domain to its MX hosts; to its record and policy file.
DOMAINS = {
    "dane-matched": ["matched"], "dane-mismatched": ["mismatched"], "dane-unusable": ["unusable"],
    "dane-unusable-plain": ["unusable-plain"], "dane-unasked": ["unasked"], "dane-mixed": ["mixed"], "dane-none": ["plain"],
    "only-matched": ["matched"], "only-none": ["sound"], "only-second": ["sound", "matched"],
    "enforced": ["sound"], "untrusted": ["strange"], "clear": ["plain"], "unlisted": ["sound"],
    "partly": ["strange", "sound"], "testing": ["strange"], "testing-clear": ["plain"], "withdrawn": ["plain"],
    "unfetched": ["plain"], "flawed": ["plain"], "overridden": ["mismatched"], "alone": ["matched"],
    "unusable-enforced": ["unusable"], "unusable-testing": ["unusable"], "slow": ["sound"], "quick": ["sound"],
    "nothing": ["plain"], "byhop": ["sound"], "kept": ["second"],
}
POLICIES = {
    "enforced": ("enforce", ["*." + ZONE]), "untrusted": ("enforce", ["strange." + ZONE]),
    "clear": ("enforce", ["plain." + ZONE]), "unlisted": ("enforce", ["mx.elsewhere.example"]),
    "partly": ("enforce", ["sound." + ZONE]), "testing": ("testing", ["mx.elsewhere.example"]),
    "testing-clear": ("testing", ["plain." + ZONE]), "withdrawn": ("none", []), "unfetched": None,
    "flawed": ("doubt", ["plain." + ZONE]), "overridden": ("enforce", ["*." + ZONE]),
    "alone": ("enforce", ["mx.elsewhere.example"]), "unusable-enforced": ("enforce", ["*." + ZONE]),
    "unusable-testing": ("testing", ["*." + ZONE]), "slow": ("enforce", ["sound." + ZONE]),
    "byhop": ("enforce", ["sound." + ZONE]), "kept": ("enforce", ["mx.elsewhere.example"]),
}
RULES = {"dane": [name for name in DOMAINS if name.startswith("dane-")],
         "dane-only": [name for name in DOMAINS if name.startswith("only-")]}


def must(holds, what):
    if not holds:
        raise Failed(what)


def file_of(policy):
    mode, hosts = policy
    return "".join(f"{line}\r\n" for line in ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts),
                                              "max_age: 86400"]).encode()


def tlsa_of(identity):
    return "3 1 1 " + hashlib.sha256(identity.spki_der).hexdigest()


class Web:
    """The HTTPS server of all policies; `slow` is answered once it is let go."""

    def __init__(self, world, port):
        self.asked, self.may_go = [], threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*world.files(world.leaf(names=[f"mta-sts.{name}.{ZONE}" for name in POLICIES])))
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.headers["Host"].split(".")[1]
                web.asked.append(name)
                if name == "slow":
                    web.may_go.wait(gateway.PATIENCE_S)
                if self.path != "/.well-known/mta-sts.txt" or not POLICIES[name]:
                    self.send_error(404)
                    return
                body = file_of(POLICIES[name])
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((WEB, port), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server is None:
            return
        self.may_go.set()
        self.server.shutdown()
        self.server.server_close()
        self.server = None


class PublishedZones(Zones):
    def __init__(self, identities, port):
        self.identities, self.mx_port = identities, port
        super().__init__("nsd")

    def records(self):
        tlsa = {"matched": [tlsa_of(self.identities["strange"])], "mismatched": [OTHER], "unusable": ["1" + OTHER[1:]],
                "unusable-plain": ["1" + OTHER[1:]], "mixed": ["1" + OTHER[1:], OTHER, tlsa_of(self.identities["strange"])]}
        lines = [SECURE] + [f"{name} 60 IN A {address}" for name, address in HOSTS.items()]
        lines += [f"{name} 60 IN A {HOSTS[host]}" for name, host in NAMES.items()]
        lines += [f"_{self.mx_port}._tcp.{name} 60 IN TLSA {record}" for name, records in tlsa.items() for record in records]
        lines += ["_tcp.unasked 60 IN NS ns.example."]  # which has no data of it
        for name, hosts in DOMAINS.items():
            lines += [f"{name} 60 IN MX {10 + 10 * place} {host}" for place, host in enumerate(hosts)]
        for name in POLICIES:
            lines += [f'_mta-sts.{name} 60 IN TXT "v=STSv1; id=1;"', f"mta-sts.{name} 60 IN A {WEB}"]
        return "\n".join(lines) + "\n"

    def child_zone(self, zone, text, **dates):
        super().child_zone(zone, self.records() if zone == f"{ZONE}." else text, **dates)

    def make(self):
        self.child_zone(HOST.split(".", 1)[1] + ".", ONE_HOST)
        super().make()
        self.zones[f"_tcp.unasked.{ZONE}."] = os.path.join(self.folder, "there-is-no-such.zone")


class Place(gateway.Place):
    """The zones, the hosts, the policies and a gateway that finds them."""

    def __init__(self):
        super().__init__(Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",)))
        self.world = self.one.world
        self.port, self.sts_port = gateway.free_port(), gateway.free_port()
        names = {"names": [f"{name}.{ZONE}" for name in (*HOSTS, *NAMES)]}
        trusted, stranger = self.world.leaf(**names), pki.issue(self.world.stranger, **names).with_chain(self.world.stranger)
        self.identities = {name: stranger if name == "strange" else trusted for name in HOSTS}
        self.hosts = {}
        with self.closed_on_failure():
            self.zones = self.keep(PublishedZones(self.identities, self.port))
            for name, address in HOSTS.items():
                self.hosts[name] = self.keep(Counting(self.world, trouble=0, slowness_s=0, identity=self.identities[name],
                                                      address=(address, self.port)))
            self.hosts["plain"].offers_tls = False
            self.web = self.keep(Web(self.world, self.sts_port))
            self.one.more = self.settings()
            self.one.start()

    def settings(self):
        rules = "".join(f'policy "{name}.{ZONE}" {{ level = {level} }}\n' for level, names in RULES.items() for name in names)
        return f"""dns {{ resolver = "127.0.0.1:{self.zones.port}" trust_anchor = "{self.zones.trust_anchor}" }}
client {{ port = {self.port} sts_port = {self.sts_port} private_addresses = yes }}
queue {{ retry = {{ 1h }} in_the_clear_after = 0 }}
policy "default" {{ level = sts }}
policy "byhop.{ZONE}" {{ level = sts next_hop = "strange.{ZONE}:{self.port}" }}
policy "hop.test" {{ level = dane-only next_hop = "matched.{ZONE}:{self.port}" }}
policy "wronghop.test" {{ level = sts next_hop = "mismatched.{ZONE}:{self.port}" }}
{rules}"""

    def send(self, recipient):
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.envelope(SENDER, recipient)
            answer = client.data(b"Subject: x\r\n\r\nhello\r\n")
            must(answer.code == 250, f"{answer}")
            client.quit()

    def went_to(self, recipient):
        return sorted(name for name, host in self.hosts.items()
                      if any(copy.recipient == recipient for copy in host.taken()))

    def fate(self, recipient):
        def ask():
            return next((line for line in self.one.log(to=f"<{recipient}>")
                         if line["event"] in ("delivered", "deferred", "bounced")), None)
        return wait_for(f"an attempt for {recipient}", ask)

    def delivered(self, name, host, tls):
        """Over TLS as `tls` says ("sts:TLSv1.3"), or for what reason without."""
        recipient = name if "@" in name else f"user@{name}.{ZONE}"
        self.send(recipient)
        line = self.fate(recipient)
        must(line["event"] == "delivered" and line["tls"].startswith(tls), f"{line}")
        must(self.went_to(recipient) == [host], f"{recipient} went to {self.went_to(recipient)}, not {host}")
        return line

    def waits(self, name, finding, code="4.7."):
        recipient = name if "@" in name else f"user@{name}.{ZONE}"
        self.send(recipient)
        line = self.fate(recipient)
        must((line["event"], line["finding"]) == ("deferred", finding) and line["code"].startswith(code), f"{line}")
        must(not self.went_to(recipient), f"it went to {self.went_to(recipient)}")
        return line

    def passed_over(self, name, host, finding):
        lines = self.one.log("host-passed-over", destination=f"{name}.{ZONE}")
        must(len(lines) == 1 and lines[0]["relay"].startswith(f"{host}.{ZONE}[") and lines[0]["finding"] == finding,
             f"{lines}")

    def story(self, recipient):
        def ask():
            text = self.one.run("track", "--to", recipient, "--json", "-c", self.one.settings_file, status=(0, 1))
            stories = [json.loads(line) for line in text.splitlines() if line]
            return stories[0] if stories and any(event["event"] in ("done", "deferred") for event in stories[0]["events"]) \
                else None
        return wait_for("its story", ask)


# ---- DANE


def a_record_that_matches_authenticates_whom_nobody_else_trusts(place):
    place.delivered("dane-matched", "strange", "dane:TLSv1.3")


def one_record_that_matches_among_others_is_enough(place):
    place.delivered("dane-mixed", "strange", "dane:TLSv1.3")


def a_record_that_does_not_match_makes_mail_wait_and_tells_the_one_that_would(place):
    line = place.waits("dane-mismatched", "tlsa-mismatch")
    must(tlsa_of(place.identities["sound"])[:20] in json.dumps(place.story(f"user@dane-mismatched.{ZONE}")), f"{line}")


def records_that_cannot_be_used_ask_for_tls_and_no_more(place):
    place.delivered("dane-unusable", "strange", "dane:TLSv1.3")
    place.waits("dane-unusable-plain", "starttls-not-offered")


def a_look_up_that_fails_is_no_missing_record(place):
    before = place.hosts["sound"].sessions
    place.waits("dane-unasked", "tlsa-lookup-failed")
    place.passed_over("dane-unasked", "unasked", "tlsa-lookup-failed")
    must(place.hosts["sound"].sessions == before, "it was dialled")


def without_records_level_dane_is_as_may(place):
    place.delivered("dane-none", "plain", "none:not-offered")


def at_dane_only_there_have_to_be_records(place):
    place.delivered("only-matched", "strange", "dane-only:TLSv1.3")
    place.waits("only-none", "dane-required")
    place.passed_over("only-none", "sound", "dane-required")


def a_host_without_records_is_passed_over_for_one_that_has_some(place):
    line = place.delivered("only-second", "strange", "dane-only:TLSv1.3")
    must(line["relay"].startswith(f"matched.{ZONE}["), f"{line}")
    place.passed_over("only-second", "sound", "dane-required")


def the_records_of_a_next_hop_count(place):
    place.delivered("user@hop.test", "strange", "dane-only:TLSv1.3")
    place.waits("user@wronghop.test", "tlsa-mismatch")


# ---- MTA-STS


def a_policy_in_force_lets_mail_go_to_its_hosts(place):
    place.delivered("enforced", "sound", "sts:TLSv1.3")


def a_policy_in_force_keeps_mail_from_whom_nobody_trusts(place):
    place.waits("untrusted", "certificate-issuer-untrusted")


def a_policy_in_force_keeps_mail_from_going_in_the_clear(place):
    place.waits("clear", "starttls-not-offered")


def a_host_that_the_policy_does_not_list_is_not_dialled(place):
    line = place.waits("unlisted", "sts-host-not-listed")
    must(line["relay"].startswith(f"sound.{ZONE}["), f"{line}")
    place.passed_over("unlisted", "sound", "sts-host-not-listed")
    story = json.dumps(place.story(f"user@unlisted.{ZONE}"))
    must('"barred"' in story and "sts-host-not-listed" in story, story)


def mail_goes_to_a_worse_host_that_is_listed(place):
    place.delivered("partly", "sound", "sts:TLSv1.3")
    place.passed_over("partly", "strange", "sts-host-not-listed")


def a_policy_that_is_being_tested_keeps_no_mail(place):
    line = place.delivered("testing", "strange", "sts:TLSv1.3")
    must(not place.one.log("host-passed-over", destination=f"testing.{ZONE}"), f"{line}")
    place.delivered("testing-clear", "plain", "none:not-offered")


def without_a_policy_level_sts_is_as_may(place):
    place.delivered("nothing", "plain", "none:not-offered")
    place.delivered("withdrawn", "plain", "none:not-offered")
    for name, finding in (("unfetched", "sts-fetch-failed"), ("flawed", "sts-policy-invalid")):
        place.delivered(name, "plain", "none:not-offered")
        must(finding in json.dumps(place.story(f"user@{name}.{ZONE}")), f"{finding} is not told")


def a_policy_does_not_apply_to_a_next_hop(place):
    place.delivered("byhop", "strange", "sts:TLSv1.3")
    must("byhop" not in place.web.asked, "it was fetched")


# ---- both


def dane_that_fails_is_not_made_good_by_a_policy(place):
    place.waits("overridden", "tlsa-mismatch")


def a_record_that_matches_decides_alone(place):
    place.delivered("alone", "strange", "sts:TLSv1.3")


def where_no_record_can_be_used_the_policy_decides(place):
    place.waits("unusable-enforced", "certificate-issuer-untrusted")
    place.delivered("unusable-testing", "strange", "sts:TLSv1.3")


def a_web_server_that_does_not_answer_delays_its_own_domain_alone(place):
    place.send(f"user@slow.{ZONE}")
    wait_for("the question", lambda: "slow" in place.web.asked)
    place.delivered("quick", "sound", "sts:TLSv1.3")
    must(not place.went_to(f"user@slow.{ZONE}"), "it was not waited for")
    place.web.may_go.set()
    line = place.fate(f"user@slow.{ZONE}")
    must(line["event"] == "delivered" and line["tls"].startswith("sts:TLSv1.3"), f"{line}")


def policy_of(place, name, *options):
    text = place.one.run("policy", *options, "-c", place.one.settings_file, f"{name}.{ZONE}")
    must(max(map(len, text.splitlines())) <= 80, text)
    told = json.loads(place.one.run("policy", *options, "--json", "-c", place.one.settings_file, f"{name}.{ZONE}"))
    return " ".join(text.split()), told["published"]


def host_of(published, number=0):
    host = published["hosts"][number]
    return host["demand"], host["source"], host["passed_over"], host["sts_listed"], host["dane"]["state"]


def postern_policy_tells_what_is_published_and_what_each_host_has_to_show(place):
    text, told = policy_of(place, "partly")
    must(told["mta_sts"]["policy"]["mode"] == "enforce" and told["mx"]["dnssec"] == "secure", f"{told}")
    must(host_of(told) == ("listed-host", "sts", "sts-host-not-listed", False, "none"), f"{told}")
    must(host_of(told, 1) == ("listed-host", "sts", None, True, "none"), f"{told}")
    must("MTA-STS enforce, id 1, until" in text and f"lists sound.{ZONE}" in text, text)
    must("passed over: the policy of the domain does not list it" in text, text)
    must(f"must show a trusted certificate that names sound.{ZONE} (by MTA-STS)" in text, text)
    text, told = policy_of(place, "alone")
    must(host_of(told) == ("tlsa", "dane", None, False, "usable"), f"{told}")
    must("must show a certificate that one of its TLSA records matches (by DANE)" in text, text)
    must(told["hosts"][0]["dane"]["records"] == [tlsa_of(place.identities["strange"])], f"{told}")
    text, told = policy_of(place, "dane-unasked")
    must(host_of(told) == ("valid-tlsa", "dane", "tlsa-lookup-failed", None, "lookup-failed"), f"{told}")
    text, told = policy_of(place, "unfetched")
    must(told["mta_sts"]["policy"] is None and "none that counts" in text and "404" in text, text)
    must(host_of(told) == ("nothing", "none", None, None, "none"), f"{told}")
    text, told = policy_of(place, "nothing")
    must("MTA-STS none is published" in text and "(nothing that counts is published)" in text, text)
    text, told = policy_of(place, "byhop")
    must(told["mx"] is None and told["mta_sts"] is None and host_of(told)[0] == "nothing", text)


def offline_postern_policy_tells_what_the_gateway_keeps(place):
    """After the restart, so that it is written; nobody is there to be asked."""
    text, told = policy_of(place, "kept", "--offline")
    must(not told["asked"] and told["mta_sts"]["policy"]["cached"] and told["hosts"] == [], f"{told}")
    must("kept by the gateway" in text, text)
    text, told = policy_of(place, "nothing", "--offline")
    must(told["mta_sts"] is None and "nobody was asked, and nothing is kept" in text, text)
    text, told = policy_of(place, "kept")
    must(host_of(told) == ("listed-host", "sts", "sts-host-not-listed", False, "none"), f"{told}")


def a_policy_that_was_fetched_outlives_a_restart_and_its_web_server(place):
    place.waits("kept", "sts-host-not-listed")
    place.one.stop()
    place.web.stop()
    place.one.start()
    asked = place.web.asked.count("kept")
    place.waits(f"again@kept.{ZONE}", "sts-host-not-listed")
    place.delivered(f"again@unfetched.{ZONE}", "plain", "none:not-offered")
    must(place.web.asked.count("kept") == asked == 1, f"{place.web.asked}")


TESTS = [
    a_record_that_matches_authenticates_whom_nobody_else_trusts,
    one_record_that_matches_among_others_is_enough,
    a_record_that_does_not_match_makes_mail_wait_and_tells_the_one_that_would,
    records_that_cannot_be_used_ask_for_tls_and_no_more,
    a_look_up_that_fails_is_no_missing_record,
    without_records_level_dane_is_as_may,
    at_dane_only_there_have_to_be_records,
    a_host_without_records_is_passed_over_for_one_that_has_some,
    the_records_of_a_next_hop_count,
    a_policy_in_force_lets_mail_go_to_its_hosts,
    a_policy_in_force_keeps_mail_from_whom_nobody_trusts,
    a_policy_in_force_keeps_mail_from_going_in_the_clear,
    a_host_that_the_policy_does_not_list_is_not_dialled,
    mail_goes_to_a_worse_host_that_is_listed,
    a_policy_that_is_being_tested_keeps_no_mail,
    without_a_policy_level_sts_is_as_may,
    a_policy_does_not_apply_to_a_next_hop,
    dane_that_fails_is_not_made_good_by_a_policy,
    a_record_that_matches_decides_alone,
    where_no_record_can_be_used_the_policy_decides,
    a_web_server_that_does_not_answer_delays_its_own_domain_alone,
    postern_policy_tells_what_is_published_and_what_each_host_has_to_show,
    a_policy_that_was_fetched_outlives_a_restart_and_its_web_server,
    offline_postern_policy_tells_what_the_gateway_keeps,
]


def main():
    try:
        with Place() as place:
            def bind(test):
                def run():
                    test(place)
                run.__name__ = test.__name__
                return run
            return gateway.run_promises([bind(test) for test in TESTS], absent=(Absent,))
    except Absent as reason:
        print(f"1..0 # SKIP {reason}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
