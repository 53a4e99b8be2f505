#!/usr/bin/python3
"""dane_zones_test.py - what `postern check --level dane` makes of TLSA records in real zones.

usage: dane_zones_test.py POSTERN nsd|knot

Exit status: 0 every answer is right, 1 one is wrong, 77 the name server cannot be had here.
"""

import json
import os
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import cryptography  # noqa: F401
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

from dane_zones import DaneZones, key_record  # noqa: E402
from faults import Listener, World, native  # noqa: E402
from judge_faults import findings_of, run  # noqa: E402
from peer import Absent  # noqa: E402
from zones import Zones  # noqa: E402

TIMEOUT_S = 60
D = "deliver"
NO = "defer"
S = ".secure.example"
# What the certificates name: every host but two, and of those one's domain.
NAMES = [name + S for name in (
    "mx-match", "mx-full", "mx-sha512", "mx-issuer", "mx-mismatch", "mx-mixed", "mx-rollover", "mx-renewed", "mx-outdone",
    "mx-unusable", "mx-none", "mx-dangling", "mx-shared", "mx-toinsecure-tlsa", "mx-expired-tlsa", "mx-servfail-tlsa",
    "mx-bogus-tlsa", "mx-tampered-tlsa", "named", "bare", "alias-end", "alias-own", "alias-out", "mx.tree")]
NAMES += ["mx.insecure.example", "hosted-issuer.insecure.example"]


def case(target, state, dane, only, findings, sts=None, **more):
    """State of TLSA; decisions at dane, dane-only and sts; codes above notice, the first first."""
    return dict(target=target, state=state, decisions={"dane": dane, "dane-only": only, "sts": sts or dane},
                findings=findings, **more)


CASES = [
    case("match" + S, "usable", D, D, [], matched=[0]),
    case("full" + S, "usable", D, D, [], matched=[0]),
    case("sha512" + S, "usable", D, D, [], matched=[0]),
    case("issuer" + S, "usable", D, D, [], matched=[0]),
    case("mismatch" + S, "usable", NO, NO, ["tlsa-mismatch"], matched=[], says="PKIX would pass"),
    case("mixed" + S, "usable", D, D, [], matched=[None], states=["matched", "no-match", "unusable", "unusable"]),
    case("rollover" + S, "usable", D, D, [], matched=[None], states=["matched", "no-match"]),
    case("rollover" + S, "usable", D, D, [], matched=[None], states=["matched", "no-match"], port=1),
    case("renewed" + S, "usable", NO, NO, ["tlsa-mismatch"], matched=[], port=1, says="renewed without a new record"),
    case("outdone" + S, "usable", NO, NO, ["tlsa-mismatch"], matched=[], states=["no-match", "outdone"]),
    case("unusable" + S, "unusable", D, NO, ["tlsa-unusable"], states=["unusable"] * 3),
    case("none" + S, "none", D, NO, []),
    case("dangling" + S, "none", D, NO, ["tlsa-dangling"], failure="an alias of nowhere" + S, says="Publish nowhere" + S),
    case("shared" + S, "usable", D, D, [], matched=[0]),
    case("toinsecure-tlsa" + S, "none", D, NO, ["tlsa-insecure"], failure="is not signed", says="Sign the zone of"),
    case("expired-tlsa" + S, "lookup-failed", NO, NO, ["tlsa-lookup-failed"], says="expired"),
    case("servfail-tlsa" + S, "lookup-failed", NO, NO, ["tlsa-lookup-failed"], tlsa_dnssec="indeterminate"),
    case("bogus-tlsa" + S, "lookup-failed", NO, NO, ["tlsa-lookup-failed"], tlsa_dnssec="bogus", says="bogus"),
    case("tampered-tlsa" + S, "lookup-failed", NO, NO, ["tlsa-lookup-failed"], tlsa_dnssec="bogus"),
    case("named" + S, "usable", D, D, ["certificate-name-mismatch"], matched=[0]),
    case("unnamed" + S, "usable", NO, NO, ["certificate-name-mismatch", "tlsa-mismatch"], matched=[]),
    case("bare" + S, "usable", D, D, [], matched=[0]),
    case("hosted.insecure.example", "usable", D, NO, [], matched=[0], mx="insecure", notice="dane-mx-insecure"),
    case("hosted-stale.insecure.example", "usable", NO, NO, ["tlsa-mismatch"], sts=D, matched=[], mx="insecure"),
    # behind an MX that is not signed the domain's own name stands for nothing
    case("hosted-issuer.insecure.example", "usable", NO, NO, ["certificate-name-mismatch", "tlsa-mismatch"],
         sts=D, matched=[], mx="insecure"),
    case("to-end" + S, "usable", D, D, ["dns-mx-is-alias"], matched=[0], sni="mx-match" + S),
    case("to-own" + S, "usable", D, D, ["dns-mx-is-alias"], matched=[0], sni="alias-own" + S),
    case("to-out" + S, "usable", D, D, ["dns-mx-is-alias"], matched=[0], sni="alias-out" + S, dnssec="insecure"),
    case("to-tree" + S, "usable", D, D, ["dns-mx-is-alias"], matched=[0], sni="mx.wood" + S),  # by a DNAME
    case("moved" + S, "usable", D, D, [], matched=[0]),
    case("insecure.example", "none", D, NO, [], dnssec="insecure", mx="insecure"),
]


def ask(postern, world, port, zones, target):
    ran = run([postern, "check", "--json", "--level", "dane", "--no-experiments", "--timeout", str(TIMEOUT_S), "--ca-file",
               world.root_file, "--resolver", "127.0.0.1:%d" % zones.port, "--trust-anchor", zones.trust_anchor, "--port",
               str(port), target], TIMEOUT_S + 10)
    try:
        return ran, json.loads(ran["out"])
    except ValueError:
        return ran, None


def lookup_of(answer, kind):
    return [lookup["dnssec"] for lookup in answer["lookups"] if lookup["type"] == kind]


def faults_of(wanted, ran, answer):
    """What is wrong with this answer, one sentence each."""
    if answer is None or not answer.get("hosts"):
        yield "no host: status %d, %s" % (ran["exit"], (ran["err"] or ran["out"])[-300:])
        return
    host = answer["hosts"][0]
    dane, findings = host["dane"], findings_of(answer)
    loud = [finding["code"] for finding in findings if finding["severity"] != "notice"]
    if dane["state"] != wanted["state"]:
        yield "TLSA is %s (%s)" % (dane["state"], dane["failure"])
    for level, decision in wanted["decisions"].items():
        if host["decisions"][level] != decision:
            yield "at %s it would %s" % (level, host["decisions"][level])
    if loud != wanted["findings"]:
        yield "findings %s" % loud
    if ran["exit"] != (1 if any(f["severity"] in ("fatal", "untrusted") for f in findings) else 0):
        yield "exit status %d" % ran["exit"]
    states = [record["state"] for record in dane["records"]]
    if "matched" in wanted and (states.count("matched") != len(wanted["matched"])):
        yield "records %s" % states
    if wanted.get("matched") == [0] and states != ["matched"]:
        yield "records %s" % states
    if "states" in wanted and sorted(states) != wanted["states"]:
        yield "records %s" % states
    if host["dnssec"] != wanted.get("dnssec", "secure"):
        yield "its addresses are %s" % host["dnssec"]
    if dane["mx"] != wanted.get("mx", "secure"):
        yield "its MX is %s" % dane["mx"]
    if "tlsa_dnssec" in wanted and lookup_of(answer, "TLSA") != [wanted["tlsa_dnssec"]]:
        yield "TLSA look-ups are %s" % lookup_of(answer, "TLSA")
    if "sni" in wanted and host["tls"]["sni"] != wanted["sni"]:
        yield "SNI was %s" % host["tls"]["sni"]
    if wanted.get("failure", "") not in (dane["failure"] or ""):
        yield "what is published: %s" % dane["failure"]
    if "notice" in wanted and wanted["notice"] not in [finding["code"] for finding in findings]:
        yield "no notice %s" % wanted["notice"]
    if "says" in wanted and wanted["says"] not in json.dumps(findings):
        yield "nothing says %r: %s" % (wanted["says"], findings[0]["cause"] if findings else "")


def names_the_record_to_publish(answer, identity):
    """The finding's own record, published, would match."""
    return any(key_record(identity) in finding["remedy"] for finding in answer["hosts"][0]["findings"])


def examine(postern, world, zones, ports, identities):
    wrong = 0
    for wanted in CASES:
        at = wanted.get("port", 0)
        ran, answer = ask(postern, world, ports[at], zones, wanted["target"])
        faults = list(faults_of(wanted, ran, answer))
        if not faults and wanted["findings"] == ["tlsa-mismatch"] and \
                not names_the_record_to_publish(answer, identities[at]):
            faults.append("the remedy does not have the record that would match")
        wrong += bool(faults)
        print("%-5s %-32s %-14s %6.2fs %s" % (zones.server, wanted["target"], wanted["state"], ran["seconds"],
                                              "; ".join(faults) or "right"), flush=True)
    ran, answer = ask(postern, world, ports[0], zones, "two" + S)
    decisions = [host["decisions"]["dane"] for host in answer["hosts"]] if answer else []
    if decisions != [NO, D]:
        print("two hosts, of which the worse one fits: %s" % decisions)
        wrong += 1
    return wrong


def main(arguments):
    if len(arguments) < 2:
        print(__doc__)
        return 2
    folder = tempfile.mkdtemp(prefix="postern-dane-zones-test-")
    zones, servers = None, []
    try:
        world = World(folder)
        identities = [world.leaf(common_name="now", names=NAMES, start=-200, end=90),
                      world.leaf(common_name="next", names=NAMES, start=-2)]
        servers = [Listener(native.tls(world, identity)) for identity in identities]
        ports = [server.port for server in servers]
        content = DaneZones(world, identities[0], identities[1], ports)
        zones = Zones(arguments[1], content.more, content.spoil)
        return 1 if examine(arguments[0], world, zones, ports, identities) else 0
    except Absent as reason:
        print("skipped: %s" % reason)
        return 77
    finally:
        if zones:
            zones.stop()
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    sys.exit(main(sys.argv[1:]))
