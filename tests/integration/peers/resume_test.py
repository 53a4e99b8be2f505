#!/usr/bin/python3
"""resume_test.py - TLS sessions of real mail servers are resumed, and still known for what they are.

usage: resume_test.py DIAL_AGAIN postfix|exim|openssl

Exit status: 0 every answer is right, 1 one is wrong, 77 this peer cannot be had here.
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

from faults import World, pki  # noqa: E402
from faults.peer import HOST  # noqa: E402
from judge_faults import run  # noqa: E402
from peer import Absent, Service, start_exim, start_openssl, start_postfix  # noqa: E402

TIMES = 4

# Postfix gives one ticket with each full handshake and none with a resumed one. In TLS 1.3 a ticket is used
# once (RFC 8446 appendix C.4), so that every other conversation is a full handshake.
RESUMED = {"postfix": [False, True, False, True], "exim": [False, True, True, True],
           "openssl": [False, True, True, True]}
KEY_BITS = {"digital_signature": True, "key_encipherment": True}


def services_for(world):
    key = pki.shared_key("rsa2048")
    partner = world.once("client-ca", lambda: pki.authority("Ferry Partner CA"))
    return [Service("good", world.leaf(key=key, key_bits=KEY_BITS)),
            Service("self-signed", pki.issue(None, key=key, key_bits=KEY_BITS)),
            Service("client-cert", world.leaf(key=key, key_bits=KEY_BITS), client_ca=partner)]


def start(name, services):
    if name == "exim":
        return start_exim(services, main=["tls_resumption_hosts = *"])
    return {"postfix": start_postfix, "openssl": start_openssl}[name](services)


def dial(program, world, service):
    """The conversations, one after the other."""
    more = []
    if service.client_ca:
        mine = pki.issue(service.client_ca, "gateway.sender.example", ("gateway.sender.example",), usages=(pki.CLIENT,))
        more = list(world.files(mine))
    ran = run([program, HOST, str(service.port), world.root_file, str(TIMES), *more], 60)
    return [json.loads(line) for line in ran["out"].splitlines()]


def faults_of(name, service, seen):
    """What is wrong with these conversations, in words; empty when nothing is."""
    is_good = service.name != "self-signed"
    if len(seen) != TIMES:
        return "%d conversations" % len(seen)
    for number, one in enumerate(seen):
        resumed = is_good and RESUMED[name][number]  # what is wrong with a certificate is to be seen each time
        wanted = {"reached": "after-tls", "ending": "quit", "offered": resumed, "resumed": resumed, "trusted": is_good,
                  "sent_certificate": bool(service.client_ca), "broke_resuming": False}
        wrong = ["%s is %s" % (key, one[key]) for key, value in wanted.items() if one[key] != value]
        if wrong or one["chain"] != seen[0]["chain"]:
            return "conversation %d: %s" % (number + 1, ", ".join(wrong) or "another chain")
    return ""


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    folder = tempfile.mkdtemp(prefix="postern-resume-")
    peer = None
    try:
        world = World(folder)
        services = services_for(world)
        peer = start(arguments[1], services)
        wrong = 0
        for service in services:
            seen = dial(arguments[0], world, service)
            fault = faults_of(arguments[1], service, seen)
            wrong += bool(fault)
            print("%-8s %-12s %s %s" % (arguments[1], service.name, seen[-1]["version"] if seen else "-",
                                        fault or "right"), flush=True)
            if fault:
                print("\n".join(map(str, seen)))
        return 1 if wrong else 0
    except Absent as reason:
        print("skipped: %s" % reason)
        return 77
    finally:
        if peer:
            peer.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    sys.exit(main(sys.argv[1:]))
