#!/usr/bin/python3
"""peers_test.py - what `postern check` says of real mail servers with good and broken certificates.

usage: peers_test.py POSTERN postfix|opensmtpd|exim|openssl|gnutls [--show]

Exit status: 0 every answer is right, 1 one is wrong, 77 this peer cannot be had here.
"""

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

import json  # noqa: E402

from faults import World, pki  # noqa: E402
from faults.peer import HOST  # noqa: E402
from judge_faults import findings_of, run  # noqa: E402
from peer import (Absent, Service, start_exim, start_gnutls, start_openssl, start_opensmtpd,  # noqa: E402
                  start_postfix)

TIMEOUT_S = 60
KEY_BITS = {"digital_signature": True, "key_encipherment": True}


def services_for(world):
    """The same for every peer, all with RSA keys, which every one of them can use."""
    key = pki.shared_key("rsa2048")

    def leaf(**more):
        return world.leaf(key=key, key_bits=KEY_BITS, **more)

    partner = world.once("client-ca", lambda: pki.authority("Ferry Partner CA"))
    return [
        Service("good", leaf()),
        Service("expired", leaf(start=-90, end=-2)),
        Service("wrong-name", leaf(common_name="Ferry", names=("smtp.ferry.example",))),
        Service("leaf-only", leaf().with_chain()),
        Service("self-signed", pki.issue(None, key=key, key_bits=KEY_BITS)),
        Service("tls10", leaf(), tls10=True),
        Service("client-cert", leaf(), client_ca=partner),
        Service("no-tls", None),
    ]


WANTED = {
    "good": (None, None, ""),
    "expired": ("certificate-expired", "server", "certificate-expired"),
    "wrong-name": ("certificate-name-mismatch", "server", "certificate-host-mismatch"),
    "leaf-only": ("certificate-chain-incomplete", "server", "certificate-not-trusted"),
    "self-signed": ("certificate-self-signed", "server", "certificate-not-trusted"),
    "tls10": ("handshake-no-common-version", "server", "validation-failure"),
    "client-cert": ("client-certificate-required", "client", "validation-failure"),
    "no-tls": ("starttls-not-offered", "server", "starttls-not-supported"),
    "rc4": ("handshake-no-common-cipher", "server", "validation-failure"),
    "names-another": ("handshake-name-not-recognized", "server", "validation-failure"),
}

# Debian 12's OpenSMTPD 6.8 loses its private key where OpenSSL 3 is new enough (its issue 1171):
# every handshake ends with this alert. Such a server is a peer too, and this is its cause.
BROKEN_HANDSHAKE = ("handshake-alert", "server", "validation-failure")


def handshakes(port):
    """Whether a TLS handshake with it succeeds at all, by another client."""
    ran = run(["timeout", "60", "openssl", "s_client", "-starttls", "smtp", "-tls1_2", "-connect",
               "127.0.0.1:%d" % port], 70)
    return "alert internal error" not in ran["err"] + ran["out"]


def start(name, world):
    """Starts the peer; gives what to stop and its services."""
    services = services_for(world)
    if name == "opensmtpd":
        # smtpd.conf has no word for protocol versions in 6.8.
        services = [one for one in services if not one.tls10]
        return start_opensmtpd(services), services
    if name == "gnutls":
        key = pki.shared_key("rsa2048")
        identity = world.leaf(key=key, key_bits=KEY_BITS)
        services = [one for one in services if one.tls10 or one.client_ca]
        services += [Service("rc4", identity), Service("names-another", identity)]
        priorities = {"tls10": "NORMAL:-VERS-ALL:+VERS-TLS1.0:+SIGN-ALL",
                      "rc4": "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+ARCFOUR-128:+RSA:+SIGN-ALL"}
        return start_gnutls(services, priorities), services
    if name == "openssl":
        services = [one for one in services if one.identity]
    return {"postfix": start_postfix, "exim": start_exim, "openssl": start_openssl}[name](services), services


def check(postern, world, port, *more):
    """One run; gives it with its findings."""
    ran = run([postern, "check", "--json", "--timeout", str(TIMEOUT_S), "--ca-file", world.root_file, "--name", HOST,
               *more, "[127.0.0.1]:%d" % port], TIMEOUT_S + 10)
    try:
        return ran, findings_of(json.loads(ran["out"]))
    except ValueError:
        return ran, None


def faults_of(wanted, ran, findings):
    """What is wrong with this answer, in words; empty when nothing is."""
    if findings is None:
        return "no JSON: status %d, %s" % (ran["exit"], (ran["err"] or ran["out"])[-300:])
    code, side, report = wanted
    if code is None:
        loud = ["%s (%s): %s" % (f["code"], f["severity"], f["cause"]) for f in findings if f["severity"] != "notice"]
        return "; ".join(loud) or ("" if ran["exit"] == 0 else "exit status %d" % ran["exit"])
    first = findings[0] if findings else {}
    got = (first.get("code"), first.get("fault"), first.get("tls_report") or "")
    if got != (code, side, report):
        return "got %s of %s: %s" % (got, [f["code"] for f in findings], first.get("cause"))
    return "" if ran["exit"] == 1 else "exit status %d" % ran["exit"]


def client_certificate(world):
    """A certificate that the peers accept, as arguments."""
    mine = pki.issue(world.once("client-ca", None), "gateway.sender.example", ("gateway.sender.example",),
                     usages=(pki.CLIENT,))
    chain, key = world.files(mine)
    return ["--client-cert", chain, "--client-key", key]


def examine(postern, name, world, services):
    wrong = 0
    broken = name == "opensmtpd" and not handshakes(services[0].port)
    rows = [(one.name, one.port, BROKEN_HANDSHAKE if broken and one.identity else WANTED[one.name], [])
            for one in services]
    for one in services:
        if one.client_ca and not broken and name != "gnutls":
            rows.append(("client-cert given", one.port, WANTED["good"], client_certificate(world)))
    for word, port, wanted, more in rows:
        ran, findings = check(postern, world, port, *more)
        fault = faults_of(wanted, ran, findings)
        wrong += bool(fault)
        print("%-10s %-18s %-34s %6.2fs %s" % (
            name, word, findings[0]["code"] if findings else "-", ran["seconds"], fault or "right"), flush=True)
    return wrong


def show(world, services):
    """What openssl s_client sees, for whoever changes this test."""
    for one in services:
        ran = run(["timeout", "60", "openssl", "s_client", "-starttls", "smtp", "-crlf", "-servername", HOST,
                   "-verify_hostname", HOST, "-CAfile", world.root_file, "-connect", "127.0.0.1:%d" % one.port], 10)
        words = [line.strip() for line in (ran["out"] + ran["err"]).splitlines()
                 if "error" in line or "Verify return" in line or "Cipher is" in line]
        print(one.name, list(dict.fromkeys(words)))


def main(arguments):
    if len(arguments) < 2:
        print(__doc__)
        return 2
    folder = tempfile.mkdtemp(prefix="postern-peers-")
    peer = None
    try:
        world = World(folder)
        peer, services = start(arguments[1], world)
        if "--show" in arguments:
            show(world, services)
            return 0
        wrong = examine(arguments[0], arguments[1], world, services)
        if wrong and hasattr(peer, "said"):
            print("the peer said:\n" + peer.said()[-3000:])
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
