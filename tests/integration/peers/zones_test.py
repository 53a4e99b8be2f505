#!/usr/bin/python3
"""zones_test.py - what `postern check DOMAIN` says of names in signed, unsigned and broken zones.

usage: zones_test.py POSTERN nsd|knot [--show]

Exit status: 0 every answer is right, 1 one is wrong, 77 the name server cannot be had here.
"""

import os
import shutil
import signal
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import cryptography  # noqa: F401
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

import json  # noqa: E402

from faults import Listener, World, native  # noqa: E402
from judge_faults import findings_of, run  # noqa: E402
from peer import Absent  # noqa: E402
from zones import Zones, tool  # noqa: E402

TIMEOUT_S = 60
SILENCE_S = 8  # for the resolver that never answers

# target, code of the first finding (None: nothing above notice), tls_report, DNSSEC state of the first host
CASES = [
    ("good.secure.example", None, "", "secure"),
    ("nomx.secure.example", None, "", "secure"),
    ("www.secure.example", None, "", "secure"),
    ("insecure.example", None, "", "insecure"),
    ("toinsecure.secure.example", None, "", "insecure"),
    ("null.secure.example", "dns-null-mx", "", None),
    ("alias.secure.example", "dns-mx-is-alias", "", None),
    ("address.secure.example", "dns-mx-is-address", "", None),
    ("noaddress.secure.example", "dns-no-address", "", None),
    ("nohost.secure.example", "dns-no-address", "", None),
    ("nothing.secure.example", "dns-no-address", "", None),
    ("half.secure.example", "dns-no-address", "", None),
    ("nowhere.secure.example", "dns-nxdomain", "", None),
    ("nowhere.example", "dns-nxdomain", "", None),
    ("bogus.example", "dns-bogus", "dnssec-invalid", None),
    ("tampered.example", "dns-bogus", "dnssec-invalid", None),
    ("expired.example", "dns-bogus", "dnssec-invalid", None),
    ("tobogus.secure.example", "dns-bogus", "dnssec-invalid", None),
    ("servfail.example", "dns-servfail", "", None),
]
# What the validator's reason must speak of, somewhere in the finding.
REASONS = {"expired.example": "expired", "bogus.example": "DS|DNSKEY|key"}


def ask(postern, world, port, resolver, anchor, target, timeout=TIMEOUT_S):
    ran = run([postern, "check", "--json", "--timeout", str(timeout), "--ca-file", world.root_file, "--resolver",
               resolver, "--trust-anchor", anchor, "--port", str(port), target], TIMEOUT_S + 10)
    try:
        return ran, json.loads(ran["out"])
    except ValueError:
        return ran, None


def fault_of(case, ran, answer):
    """What is wrong with this answer, in words; empty when nothing is."""
    import re

    target, code, report, dnssec = case
    if answer is None:
        return "no JSON: status %d, %s" % (ran["exit"], (ran["err"] or ran["out"])[-300:])
    findings = findings_of(answer)
    if code is None:
        loud = ["%s (%s): %s" % (f["code"], f["severity"], f["cause"]) for f in findings if f["severity"] != "notice"]
        hosts = answer.get("hosts") or []
        if loud or ran["exit"] != 0:
            return "; ".join(loud) or "exit status %d" % ran["exit"]
        if not hosts or not hosts[0].get("tls"):
            return "no host was reached over TLS"
        if dnssec and hosts[0].get("dnssec") != dnssec:
            return "dnssec is %r, not %s" % (hosts[0].get("dnssec"), dnssec)
        return ""
    found = [f for f in findings if f["code"] == code]
    if not found or findings[0]["code"] != code:
        return "got %s: %s" % ([f["code"] for f in findings], findings[0]["cause"] if findings else "")
    side, status = ("client", 3) if code == "dns-timeout" else ("dns", ran["exit"])  # nobody answers us at all
    if ran["exit"] != status:
        return "exit status %d" % ran["exit"]
    if found[0]["fault"] != side or (found[0].get("tls_report") or "") != report:
        return "side %s, report %s" % (found[0]["fault"], found[0].get("tls_report"))
    words = json.dumps([found[0]["cause"], found[0]["evidence"]])
    if not re.search(REASONS.get(target, ""), words):
        return "its words do not give the validator's reason: " + words
    return ""


def silent_resolver():
    """A resolver that never answers."""
    quiet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    quiet.bind(("127.0.0.1", 0))
    return quiet


def examine(postern, world, zones, port):
    wrong = 0
    quiet = silent_resolver()
    cases = [(case, "127.0.0.1:%d" % zones.port) for case in CASES]
    if zones.server == "knot":
        cases.append((("online.example", None, "", "secure"), "127.0.0.1:%d" % zones.port))
    cases.append((("good.secure.example", "dns-timeout", "", None), "127.0.0.1:%d" % quiet.getsockname()[1]))
    for case, resolver in cases:
        ran, answer = ask(postern, world, port, resolver, zones.trust_anchor, case[0],
                          SILENCE_S if case[1] == "dns-timeout" else TIMEOUT_S)
        fault = fault_of(case, ran, answer)
        wrong += bool(fault)
        print("%-5s %-28s %-20s %6.2fs %s" % (zones.server, case[0], case[1] or "(healthy)", ran["seconds"],
                                              fault or "right"), flush=True)
    quiet.close()
    return wrong


def show(zones):
    """What drill makes of the zones, for whoever changes them."""
    for target, *_ in CASES:
        for kind in ("MX", "A"):
            ran = run([tool("drill"), "-D", "-p", str(zones.port), target, kind, "@127.0.0.1"], 5)
            print(target, kind, [line for line in ran["out"].splitlines()
                                 if "rcode" in line or (line and line[0] != ";" and "RRSIG" not in line)])


def main(arguments):
    if len(arguments) < 2:
        print(__doc__)
        return 2
    folder = tempfile.mkdtemp(prefix="postern-zones-test-")
    zones = server = None
    try:
        world = World(folder)
        names = ["mx.secure.example", "alias-mx.secure.example", "mx.insecure.example", "mx.online.example",
                 "nomx.secure.example"]
        server = Listener(native.tls(world, world.leaf(common_name=names[0], names=names)))
        zones = Zones(arguments[1])
        if "--show" in arguments:
            show(zones)
            return 0
        return 1 if examine(arguments[0], world, zones, server.port) else 0
    except Absent as reason:
        print("skipped: %s" % reason)
        return 77
    finally:
        if zones:
            zones.stop()
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    sys.exit(main(sys.argv[1:]))
