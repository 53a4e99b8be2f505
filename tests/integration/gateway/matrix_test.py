#!/usr/bin/python3
"""matrix_test.py POSTERN [TEST...] - the decision matrix: each server of the lab as a destination, at each level.

KINDS says what a level makes of a kind of server, and SERVERS which kind each is of; a server that stands in
neither fails. A message is sent to each, over the lab's own zone. Beside what became of it stand the exam of the
lab (what really came, in the clear or not) and the finding, which the log, the queue, tracking and the report to
the sender have to name alike.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import time

import destinations
import gateway
from destinations import Lab, must
from gateway import LOCAL, Failed, Gateway, Listener

PROGRAM = gateway.take_program()
LONG_ENOUGH = "5m"  # a timeout that nobody runs into; gateway.SHORT is one that is waited for

CLEAR, TLS, WAIT, BACK = "in the clear", "over TLS", "deferred", "bounced"
COLUMNS = ("none", "may", "may-later", "encrypt", "fingerprint", "verify", "secure", "dane", "dane-only", "sts")
KINDS = {
    # what a server is  none   may    later  encrypt fingerprint verify secure dane  dane-only sts
    "sound":           (CLEAR, TLS,   TLS,   TLS,   TLS,   TLS,   TLS,   TLS,   WAIT,  TLS),
    "untrusted":       (CLEAR, TLS,   TLS,   TLS,   TLS,   WAIT,  WAIT,  TLS,   WAIT,  TLS),
    "not the pinned":  (CLEAR, TLS,   TLS,   TLS,   WAIT,  TLS,   TLS,   TLS,   WAIT,  TLS),
    "without TLS":     (CLEAR, CLEAR, CLEAR, WAIT,  WAIT,  WAIT,  WAIT,  CLEAR, WAIT,  CLEAR),
    "broken in TLS":   (CLEAR, WAIT,  CLEAR, WAIT,  WAIT,  WAIT,  WAIT,  CLEAR, WAIT,  CLEAR),
    "spoken for":      (CLEAR, WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT),
    "dead":            (WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT,  WAIT),
    "no destination":  (BACK,  BACK,  BACK,  BACK,  BACK,  BACK,  BACK,  BACK,  BACK,  BACK),
}
# Those that publish something, where that makes a difference.
PUBLISHED = {
    **dict.fromkeys(("healthy-dane", "healthy-dane-ta", "healthy-dane-mixed", "healthy-dane-rollover", "dane-alias"),
                    {"dane-only": TLS}),
    **dict.fromkeys(("tlsa-mismatch", "tlsa-wrong-head", "tlsa-issuer-expired", "tlsa-servfail", "tlsa-bogus",
                     "tlsa-signature-expired"), {"dane": WAIT, "sts": WAIT}),
    "sts-host-not-listed": {"sts": WAIT},
}
# Web servers that keep us waiting for a minute: stalls_test.py tells what that delays.
TOO_SLOW = {"sts": ("sts-fetch-stalls-in-tls", "sts-fetch-silent", "sts-fetch-drips", "sts-policy-huge")}
SERVERS = {
    "sound": """healthy healthy-rsa healthy-tls13-only healthy-no-tickets healthy-lower-case healthy-wildcard
        healthy-slow healthy-long-greeting healthy-asks-client-certificate healthy-takes-client-certificate
        healthy-stapled healthy-dane healthy-dane-ta healthy-dane-mixed healthy-dane-rollover healthy-insecure-zone healthy-no-mx
        healthy-drops-resumed healthy-dislikes-resuming bare-lf greets-twice
        no-close-notify needs-sni expires-soon misordered superfluous tlsa-mismatch tlsa-unusable tlsa-servfail
        tlsa-wrong-head tlsa-bogus tlsa-signature-expired tlsa-dangling tlsa-insecure mx-insecure mx-insecure-dane-only dane-alias
        no-tlsa mx-alias mixed-codes dh-1024 staple-missing staple-expired
        healthy-requiretls no-requiretls requiretls-insecure
        healthy-sts healthy-sts-none sts-record-without-id sts-two-records sts-record-servfail sts-policy-without-max-age
        sts-policy-unknown-mode sts-policy-huge sts-fetch-html sts-fetch-404 sts-fetch-redirect sts-fetch-refused
        sts-fetch-no-address sts-fetch-servfail sts-fetch-not-tls sts-fetch-tls11-only sts-fetch-stalls-in-tls
        sts-fetch-silent sts-fetch-drips sts-fetch-cut sts-fetch-not-http sts-certificate-expired
        sts-certificate-wrong-name sts-certificate-self-signed sts-certificate-leaf-only sts-host-not-listed
        sts-host-not-listed-testing sts-pattern-unused tlsrpt-without-rua tlsrpt-two-records""",
    "untrusted": """expired tlsa-issuer-expired not-yet-valid intermediate-expired self-signed untrusted-root untrusted-root-sent
        leaf-only leaf-only-of-plain-name private-root leaf-only-without-aia upper-intermediate-missing wrong-name
        cn-only wrong-purpose not-a-ca name-constraint weak-key weak-signature revoked bad-signature renewed-issuer clock-behind""",
    "kept out by our settings": "no-roots",  # a gateway does not start without any root
    "not the pinned": "pinned-otherwise",
    "without TLS": "helo-only keyword-first masked no-starttls tls-unavailable starttls-502",
    "broken in TLS": """silent-at-starttls babbles-at-starttls closes-at-starttls closes-after-220 plaintext
        rejects-ehlo-in-tls closes-in-tls resets-in-tls silent-in-tls closes-in-handshake cut-short
        resets-in-handshake stalls-in-handshake drops-large-hello resets-large-hello dislikes-tickets
        alerts-on-tls13 dislikes-tls13 dislikes-sni tls10-only tls11-only ssl3-only rc4-only 3des-only export-only
        null-only anonymous-only dh-768 legacy-renegotiation unknown-name internal-error access-denied
        needs-client-certificate needs-client-certificate-tls12 rejects-client-certificate
        rejects-client-certificate-tls12 expired-client-certificate wrong-client-key""",
    "spoken for": "injected",
    "dead": """refused unanswered unreachable resets silent hangs-up half-greeting speaks-ssh speaks-http rejects
        too-busy implicit-tls turns-away-at-ehlo silent-at-ehlo closes-at-ehlo no-codes servfail
        dns-silent bogus signature-expired""",
    "no destination": "nxdomain null-mx no-address mx-address",
}
KIND_OF = {fault: kind for kind, faults in SERVERS.items() for fault in faults.split()}

# What one session can say, where the lab's finding takes experiments (which follow in the background).
AT_FIRST = {"implicit-tls": "greeting-timeout", "rc4-only": "handshake-alert", "3des-only": "handshake-alert",
            "export-only": "handshake-alert", "null-only": "handshake-alert", "anonymous-only": "handshake-alert"}


# Nobody knows where they are.
NOT_FOUND = ("servfail", "dns-silent", "bogus", "signature-expired")

# TLSA records are there, or meant to be, and the finding says why none counts.
RECORD_IS_WORTHLESS = ("tlsa-unusable", "tlsa-dangling", "tlsa-insecure")

# Where the exam is of another mind: a reply without codes may be read as one by a lenient sender, and only some demand
# the staple that a certificate asks for.
OTHERWISE_MARKED = {("no-codes", "too strict"), ("sts-host-not-listed", "TOO LAX"), ("staple-missing", "TOO LAX"), ("staple-expired", "TOO LAX")}


def client_of(server):
    """What of `trust` and `client` the server is to be met with."""
    words = server["arguments"]
    given = dict(zip(words, words[1:]))
    return tuple(os.path.basename(given.get(word, "")) for word in ("--ca-file", "--client-cert"))


def stalls(server):
    """Whether its fault shows by waiting."""
    code = AT_FIRST.get(server["fault"]) or server["expect"]["code"] or ""
    return code.endswith("-timeout") and code != "dns-timeout"


def domain_of(fault):
    return f"{fault}.lab.test"


class Column:
    """A lab and, for each way in which a client is to be set up, a gateway, and one more for those of its servers
    that stall; all at one level."""

    def __init__(self, name, level, queue):
        self.name, self.level, self.queue = name, level, queue
        self.wrong = []
        self.stories = {}  # by recipient

    def complain(self, fault, what):
        self.wrong.append(f"{fault} at {self.name}: {what}")

    def run(self):
        with Lab(PROGRAM) as self.lab:
            missing = set(self.lab.servers) ^ set(KIND_OF)
            must(not missing, f"servers without a row, or rows without a server: {sorted(missing)}")
            self.pins = pins_of(self.lab) if self.level == "fingerprint" else {}
            groups = {}
            for fault, server in self.lab.servers.items():
                if fault in TOO_SLOW.get(self.level, ()):
                    continue
                groups.setdefault((client_of(server), gateway.SHORT if stalls(server) else LONG_ENOUGH), []).append(fault)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda item: self.run_group(*item[0], item[1]), groups.items()))
            self.check_exam(self.lab.exam())
        must(not self.wrong, "\n".join(self.wrong[:60]))

    def settings(self, client, timeout, faults, queue):
        certificate = client[1] and f'certificate = "{self.lab.file(client[1])}"'
        lines = [self.lab.settings(timeout) + certificate + " }", f"queue {{ {queue} }}"]
        if self.level != "fingerprint":
            return "\n".join(lines + [f'policy "default" {{ level = {self.level} }}'])
        return "\n".join(lines + [f'policy "{domain_of(fault)}" {{ level = fingerprint fingerprint = "{self.pin(fault)}" }}'
                                  for fault in faults])

    def pin(self, fault):
        return self.pins.get(fault, "00" * 32) if KIND_OF[fault] != "not the pinned" else "01" * 32

    def run_group(self, client, timeout, faults):
        one = Gateway(PROGRAM, listeners=[Listener("none")], relay_from=["127.0.0.0/8"],
                      settings=self.settings(client, timeout, faults, self.queue), ca_file=self.lab.file(client[0]))
        recipients = {f"user@{domain_of(fault)}": fault for fault in faults}
        if client[0] == "empty-ca.pem":
            one.write_settings()
            one.run("serve", "--check-config", "-c", one.settings_file, status=(2,))
            return
        with one:
            began = time.monotonic()
            ids = destinations.send_all(one, recipients)
            first = destinations.wait_for_attempts(one, ids, bool)
            for recipient, fault in recipients.items():
                self.check_first(fault, first[recipient][0])
            self.check_waiting(one, recipients, first)
            one.more = self.settings(client, timeout, faults,
                                     self.queue.replace("{ 1h } lifetime = 1d", "{ 1s } lifetime = 2s"))
            must(one.reload()["event"] == "reloaded", one.said())
            time.sleep(max(0, 3 - (time.monotonic() - began)))  # so that all of it is older than that
            one.run("queue", "retry", "all", "-c", one.settings_file, status=(0, 1))
            told = destinations.wait_for_attempts(one, ids, destinations.has_ended)
            self.check_stories(one, ids, recipients, told)
            self.check_sessions(recipients, told)
            self.check_ledger(one, recipients, told)
            self.check_reports(one, recipients, told)

    # --- what became of it ---

    def wanted(self, fault):
        return PUBLISHED.get(fault, {}).get(self.name) or KINDS[KIND_OF[fault]][COLUMNS.index(self.name)]

    def code_of(self, fault):
        """At dane-only nobody is dialled who has no record, and what else is wrong there is not seen."""
        tells_itself = "dane" in PUBLISHED.get(fault, ()) or fault in NOT_FOUND or fault in RECORD_IS_WORTHLESS
        if self.level == "dane-only" and self.wanted(fault) == WAIT and not tells_itself:
            return "dane-mx-insecure" if fault.startswith("mx-insecure") else "dane-required"
        return AT_FIRST.get(fault) or self.lab.servers[fault]["expect"]["code"]

    def check_first(self, fault, line):
        event, tls = line["event"], line.get("tls", "")
        got = {"deferred": WAIT, "bounced": BACK}.get(event) or (CLEAR if tls.startswith("none") else TLS)
        if got != self.wanted(fault):
            self.complain(fault, f"{got}, and not {self.wanted(fault)}: {line}")
        elif got == TLS and not tls.startswith(f"{self.level}:TLSv1."):
            self.complain(fault, f"over TLS, and the log says {tls}")
        elif got == CLEAR and len(tls) <= len("none:"):
            self.complain(fault, f"in the clear, and the log does not say why: {tls}")
        must_be_named = got in (WAIT, BACK) or (self.level in ("may", "encrypt") and KIND_OF[fault] != "sound"
                                                and KIND_OF[fault] != "not the pinned")
        if must_be_named and line.get("finding") != self.code_of(fault):
            self.complain(fault, f"finding {line.get('finding')} and not {self.code_of(fault)}: {line.get('reply')}")

    def check_exam(self, exam):
        for fault, (deed, *marks) in exam.items():
            mark = dict(zip(("may-later", "encrypt", "verify"), marks)).get(self.name, "right")
            if mark not in ("right", "-") and (fault, mark) not in OTHERWISE_MARKED:
                self.complain(fault, f"the exam of the lab says: {mark}")
            if KIND_OF[fault] == "kept out by our settings" or fault in TOO_SLOW.get(self.level, ()):
                continue
            wanted = self.wanted(fault)
            seen = CLEAR if deed == CLEAR else TLS if deed.startswith("TLS") else WAIT
            if seen != (WAIT if wanted == BACK else wanted):
                self.complain(fault, f"the server says: {deed}; and we are to be {wanted}")

    # --- the finding, wherever it is told ---

    def check_waiting(self, one, recipients, told):
        deferred = [recipient for recipient in recipients if told[recipient][0]["event"] == "deferred"]
        waiting = destinations.waiting(one, deferred)
        for recipient in deferred:
            fault, line, shown = recipients[recipient], told[recipient][0], waiting[recipient]
            for key in ("code", "finding", "reply"):
                if shown.get(key) != line.get(key):
                    self.complain(fault, f"the queue says {key} {shown.get(key)} and the log {line.get(key)}")

    def check_stories(self, one, ids, recipients, told):
        kinds = {"done": "delivered", "deferred": "deferred", "bounced": "bounced"}

        def attempts_of(story):
            return [event for event in story["events"] if event["event"] in kinds]

        stories = destinations.stories(one, ids, lambda recipient, story:
                                       len(attempts_of(story)) >= len(told[recipient]))
        self.stories = {**self.stories, **stories}
        for recipient, fault in recipients.items():
            events = attempts_of(stories[recipient])
            if len(events) != len(told[recipient]):
                self.complain(fault, f"{len(events)} attempts in tracking, {len(told[recipient])} in the log")
            for event, line in zip(events, told[recipient]):
                if kinds[event["event"]] != line["event"]:
                    self.complain(fault, f"tracking says {event['event']}, the log {line['event']}")
                for key in ("code", "finding", "reply", "relay"):
                    if (event.get(key) or "none") != (line.get(key) or "none"):
                        self.complain(fault, f"tracking says {key} {event.get(key)} and the log {line.get(key)}")

    def check_sessions(self, recipients, told):
        """What its sessions showed: the cause in the words of the case, and what stricter levels had made of it."""
        for recipient, fault in recipients.items():
            story = self.stories[recipient]
            events = [event for event in story["events"] if event["event"] in ("done", "deferred", "bounced")]
            for event in events:
                if event.get("session") is None:
                    continue
                session = story["sessions"][event["session"]]
                codes = [finding["code"] for finding in session.get("findings", ())]
                if session.get("why_clear") == "tls-failed":
                    continue  # the finding is of the session before, which failed
                if event.get("finding") and event["finding"] not in codes:
                    self.complain(fault, f"its session shows {codes}, and the attempt {event['finding']}")
                if session["level"] != self.level and not told[recipient][0]["tls"].startswith("none:"):
                    self.complain(fault, f"a session at level {session['level']}")
            self.check_shadow(fault, story, events[0])

    def check_ledger(self, one, recipients, told):
        """What left in the clear, with its reason, and nothing else."""
        text = one.run("track", "--in-the-clear", "--json", "-c", one.settings_file, "--most", "100000", status=(0, 1))
        listed = {event["recipient"]: story["sessions"][event["session"]].get("why_clear")
                  for story in map(json.loads, filter(None, text.splitlines()))
                  for event in story["events"] if event["event"] == "done"}
        for recipient, fault in recipients.items():
            line = told[recipient][-1]
            left = line["event"] == "delivered" and line["tls"].startswith("none:")
            if left != (recipient in listed) or left and f"none:{listed[recipient]}" != line["tls"]:
                self.complain(fault, f"the log says {line.get('tls')}, the ledger {listed.get(recipient)}")

    def check_shadow(self, fault, story, event):
        """At every level all is verified: what would have been refused is told by the kind of server."""
        if event.get("session") is None or self.level == "none" or KIND_OF[fault] in ("dead", "no destination"):
            return
        session = story["sessions"][event["session"]]
        if event.get("finding") in ("dane-required", "dane-mx-insecure", "tlsa-lookup-failed", "tlsa-dangling",
                                    "tlsa-insecure", "sts-host-not-listed"):
            return  # nobody was dialled
        if session.get("why_clear") == "tls-failed" or session["decision"].startswith("redial"):
            return  # one of two sessions; the other one tells
        would = session.get("would_refuse", {})
        for level in ("encrypt", "verify", "secure"):
            refuses = KINDS[KIND_OF[fault]][COLUMNS.index(level)] != TLS
            if (level in would) != refuses:
                self.complain(fault, f"would be refused: {would}")

    def check_reports(self, one, recipients, told):
        for recipient, fault in recipients.items():
            last = told[recipient][-1]
            if last["event"] != "bounced":
                if one.files(destinations.sender_to(recipient).partition("@")[0]):
                    self.complain(fault, "a report on what was delivered")
                continue
            report = destinations.report_to(one, recipient)
            if not last.get("finding") or last["finding"] not in report.words:
                self.complain(fault, f"the report does not name {last.get('finding')}: {report.words}")
            cause = self.cause_of(recipient, last)
            if cause and cause not in report.words:
                self.complain(fault, f"the report does not tell the cause, {cause}: {report.words}")
            if report.about["Status"] != last["code"]:
                self.complain(fault, f"the report says {report.about['Status']} and the log {last['code']}")


    def cause_of(self, recipient, line):
        """As the last session tells it; None: there was none."""
        story = self.stories[recipient]
        session = story.get("sessions", {}).get(story["events"][-1].get("session"))
        return next((" ".join(finding["cause"].split()) for finding in (session or {}).get("findings", ())
                     if finding["code"] == line.get("finding")), None)


def pin_of(server):
    """The SHA-256 of the certificate that it shows to `postern check`; None: it shows none."""
    done = subprocess.run([PROGRAM, "check", "--json", "--no-experiments", *server["arguments"]], capture_output=True,
                          text=True, timeout=gateway.PATIENCE_S, check=False)
    chain = json.loads(done.stdout)["hosts"][0]["chain"]
    return chain[0]["sha256"] if chain else None


def pins_of(lab):
    servers = {fault: server for fault, server in lab.servers.items()
               if server["port"] and KIND_OF[fault] in ("sound", "untrusted")}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        pins = dict(zip(servers, pool.map(pin_of, servers.values())))
    must(all(pins.values()), f"servers that show no certificate: {[fault for fault, pin in pins.items() if not pin]}")
    return pins


LONG = "retry = { 1h } lifetime = 1d warn_after = 0"


def at_none_all_that_can_take_mail_gets_it_in_the_clear():
    Column("none", "none", LONG).run()


def at_may_only_what_offers_no_tls_gets_mail_in_the_clear_at_once():
    Column("may", "may", LONG).run()


def at_may_what_is_broken_in_tls_gets_mail_in_the_clear_once_it_has_waited():
    Column("may-later", "may", LONG + " in_the_clear_after = 0").run()


def at_encrypt_mail_goes_over_tls_or_waits():
    Column("encrypt", "encrypt", LONG + " in_the_clear_after = 0").run()


def at_fingerprint_mail_goes_to_the_pinned_certificate_or_waits():
    Column("fingerprint", "fingerprint", LONG + " in_the_clear_after = 0").run()


def at_verify_mail_goes_to_a_trusted_host_or_waits():
    Column("verify", "verify", LONG + " in_the_clear_after = 0").run()


def at_secure_mail_goes_to_the_trusted_domain_or_waits():
    Column("secure", "secure", LONG + " in_the_clear_after = 0").run()


def at_dane_the_records_decide_where_there_are_some():
    Column("dane", "dane", LONG + " in_the_clear_after = 0").run()


def at_sts_the_records_decide_and_then_the_policy():
    Column("sts", "sts", LONG + " in_the_clear_after = 0").run()


def at_dane_only_nobody_is_dialled_who_has_no_record():
    Column("dane-only", "dane-only", LONG + " in_the_clear_after = 0").run()


def a_version_below_the_minimum_of_the_rule_is_no_tls_for_it():
    """healthy-rsa speaks TLS 1.2 at most."""
    wanted = {"may": "delivered", "encrypt": "deferred", "verify": "deferred"}
    with Lab(PROGRAM, "--fault", "healthy-rsa") as lab:
        server = lab.servers["healthy-rsa"]
        policies = "\n".join(f'policy "{level}.test" {{ level = {level} minimum_tls = "1.3" '
                             f'next_hop = "{server["host"]}:{server["port"]}" }}' for level in wanted)
        with Gateway(PROGRAM, listeners=[Listener("none")], relay_from=["127.0.0.0/8"], ca_file=lab.file("ca.pem"),
                     settings=f"{lab.settings()} }}\nqueue {{ {LONG} in_the_clear_after = 0 }}\n{policies}") as one:
            ids = destinations.send_all(one, [f"user@{level}.test" for level in wanted])
            for recipient, lines in destinations.wait_for_attempts(one, ids, bool).items():
                level = recipient.partition("@")[2].partition(".")[0]
                must((lines[0]["event"], lines[0]["finding"]) == (wanted[level], "version-below-minimum"), f"{lines[0]}")
                must(not lines[0]["tls"].startswith("none:n"), f"{lines[0]}")
        must(lab.exam()["healthy-rsa"][0] == "TLSv1.2", "it left in the clear")


def levels_do_not_borrow_each_others_conversations():
    """One server, one next hop, every level at once and again: what may be sent in the clear opens no way for more."""
    levels = ("none", "may", "encrypt", "verify", "secure")
    wanted = {"no-starttls": {"none": CLEAR, "may": CLEAR}, "expired": {"none": CLEAR, "may": TLS, "encrypt": TLS}}
    with Lab(PROGRAM, "--fault", "no-starttls", "--fault", "expired") as lab:
        recipients, policies = {}, []
        for fault in wanted:
            server = lab.servers[fault]
            for level in levels:
                domain = f"{level}-{fault}.test"
                policies.append(f'policy "{domain}" {{ level = {level} next_hop = "{server["host"]}:{server["port"]}" }}')
                recipients.update({f"user{number}@{domain}": (fault, level) for number in range(8)})
        with Gateway(PROGRAM, listeners=[Listener("none")], relay_from=["127.0.0.0/8"], ca_file=lab.file("ca.pem"),
                     settings="\n".join([f"{lab.settings()} }}", f"queue {{ {LONG} in_the_clear_after = 0 }}", *policies])
                     ) as one:
            mixed = sorted(recipients)  # by number, so that the levels take turns
            told = destinations.wait_for_attempts(one, destinations.send_all(one, mixed), bool)
        for recipient, (fault, level) in recipients.items():
            line = told[recipient][0]
            got = WAIT if line["event"] == "deferred" else CLEAR if line["tls"].startswith("none") else TLS
            must(got == wanted[fault].get(level, WAIT), f"{recipient}: {line}")


TESTS = [
    at_none_all_that_can_take_mail_gets_it_in_the_clear,
    at_may_only_what_offers_no_tls_gets_mail_in_the_clear_at_once,
    at_may_what_is_broken_in_tls_gets_mail_in_the_clear_once_it_has_waited,
    at_encrypt_mail_goes_over_tls_or_waits,
    at_fingerprint_mail_goes_to_the_pinned_certificate_or_waits,
    at_verify_mail_goes_to_a_trusted_host_or_waits,
    at_secure_mail_goes_to_the_trusted_domain_or_waits,
    at_dane_the_records_decide_where_there_are_some,
    at_dane_only_nobody_is_dialled_who_has_no_record,
    at_sts_the_records_decide_and_then_the_policy,
    a_version_below_the_minimum_of_the_rule_is_no_tls_for_it,
    levels_do_not_borrow_each_others_conversations,
]

# A sanitizer sees all of the code in these, and takes six times as long.
if os.environ.get("POSTERN_SANITIZED"):
    TESTS = [at_may_what_is_broken_in_tls_gets_mail_in_the_clear_once_it_has_waited,
             at_dane_the_records_decide_where_there_are_some, at_sts_the_records_decide_and_then_the_policy,
             a_version_below_the_minimum_of_the_rule_is_no_tls_for_it, levels_do_not_borrow_each_others_conversations]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS, at_once=3))
