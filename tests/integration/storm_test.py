#!/usr/bin/python3
"""storm_test.py - servers that send damaged bytes at every step: `postern check` must survive each.

usage: storm_test.py POSTERN [--seeds N] [--from SEED]

For each seed one server damages what a sound server says (cuts, repeats, swaps, flips, inserts),
before or inside TLS. Whatever comes: valid JSON, exit 0 or 1, no signal, no overrun, no more
than 64 MB, no control character in either form of the report.

Exit status: 0 all survived, 1 one did not (its seed is printed), 77 this cannot be held here.
"""

import argparse
import concurrent.futures
import json
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import cryptography  # noqa: F401
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

from faults import HOST, Listener, World, native, pki, smtp  # noqa: E402
from judge_faults import CONTROL, MEMORY_LIMIT_KB, OVERRUN_S, SANITIZED, run  # noqa: E402

TIMEOUT_S = 2


def damage(dice, data):
    """`data` with one to four things done to it."""
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.choice((1, 2, 5, 40)))
        kind = dice.randrange(6)
        if kind == 0:
            data = data[:at] + data[to:]
        elif kind == 1:
            data = data[:to] + data[at:to] * dice.choice((1, 3, 200)) + data[to:]
        elif kind == 2 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        elif kind == 3:
            data = data[:at] + dice.randbytes(dice.choice((1, 8, 300))) + data[at:]
        elif kind == 4:
            data = data[:at] + dice.choice((b"\r", b"\n", b"\0", b"\r\n", b"\x1b[31m", b"250-", b"421 ", b"\xff" * 9)) + data[at:]
        else:
            data = data[:at]
    return data


def storm(world, seed):
    """One server: the same seed damages in the same way, however often we are dialled."""
    place = random.Random(seed).choice(("greeting", "ehlo", "starttls", "flight1", "flight2", "inside"))
    high = random.Random(seed + 1).choice((native.TLS12, native.TLS13))
    made = native.context(world, world.good(), high=high)

    def harm(peer, data):
        dice = random.Random(seed)
        peer.send(damage(dice, data))
        dice.choice((smtp.closes, smtp.holds, lambda _: None))(peer)

    def change(number, data):
        return damage(random.Random(seed), data) if place == "flight%d" % number else data

    def serve(peer):
        parts = {"greeting": smtp.GREETING, "ehlo": smtp.offer(*smtp.KEYWORDS), "starttls": smtp.READY}
        if place in parts:
            text = parts[place]
            parts[place] = lambda peer: harm(peer, text)
        smtp.converse(peer, **parts)
        native.start(peer, made, change=change)
        smtp.after_tls(peer, ehlo=(lambda peer: harm(peer, smtp.offer(b"SIZE 1"))) if place == "inside" else None)

    return place, serve


def nasty(world):
    """Servers that try to speak to the reader's terminal, in everything that a report may show."""
    escape = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil"
    raw = escape.encode()
    names = ("\x1b[2Jevil.example", "a\nb.example", "mx.ferry.example\x07")

    def say(**parts):
        def serve(peer):
            smtp.converse(peer, **parts)
            peer.hold()

        return serve

    yield "greeting", say(greeting=b"554 " + raw + b"\r\n")
    yield "ehlo", say(ehlo=smtp.offer(b"X" + raw, b"SIZE " + raw))
    yield "starttls", say(starttls=b"454 4.7.0 " + raw + b"\r\n")
    yield "injected", say(starttls=smtp.READY + raw)
    yield "subject", native.tls(world, pki.issue(None, "mx" + escape[:30], names=("mx.evil.example",)))
    yield "names", native.tls(world, world.leaf(names=names))
    yield "issuer", native.tls(world, pki.issue(pki.authority("CA " + escape)))


def complaint(ran):
    """What is wrong with this run, in words; empty when nothing is."""
    if ran["exit"] not in (0, 1):
        return "exit status %d: %s" % (ran["exit"], ran["err"][-400:])
    if ran["seconds"] > TIMEOUT_S + OVERRUN_S:
        return "took %.1f s" % ran["seconds"]
    if ran["memory_kb"] > MEMORY_LIMIT_KB and not SANITIZED:
        return "used %d KB" % ran["memory_kb"]
    for text in (ran["out"], ran["err"]):
        found = CONTROL.search(text.replace("\n", ""))
        if found:
            return "printed %r" % text.replace("\n", " ")[max(0, found.start() - 60) : found.start() + 20]
    return ""


def examine(postern, world, name, serve):
    """Both forms of the report about one server."""
    listener = Listener(serve)
    try:
        for form in (["--json"], ["-v"]):
            ran = run([postern, "check", *form, "--timeout", str(TIMEOUT_S), "--ca-file", world.root_file, "--name",
                       HOST, "[127.0.0.1]:%d" % listener.port], TIMEOUT_S + 2 * OVERRUN_S)
            wrong = complaint(ran)
            if not wrong and form == ["--json"]:
                try:
                    json.loads(ran["out"])
                except ValueError as problem:
                    wrong = "no JSON: %s in %r" % (problem, ran["out"][-200:])
            if wrong:
                return "%s %s: %s" % (name, form[0], wrong)
    finally:
        listener.stop()
    return ""


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("postern")
    parser.add_argument("--seeds", type=int, default=120)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=6)
    options = parser.parse_args(arguments)
    folder = tempfile.mkdtemp(prefix="postern-storm-")
    try:
        world = World(folder)
        servers = [("nasty " + name, serve) for name, serve in nasty(world)]
        for seed in range(options.first, options.first + options.seeds):
            place, serve = storm(world, seed)
            servers.append(("seed %d (%s)" % (seed, place), serve))
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            wrong = [text for text in pool.map(
                lambda pair: examine(options.postern, world, *pair), servers) if text]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for text in wrong:
        print(text)
    print("%d servers, %d survived" % (len(servers), len(servers) - len(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
