#!/usr/bin/python3
"""again_test.py - a saved observation, judged again without its server, gives the same findings word for word.

usage: again_test.py POSTERN [--only GLOB]...

Runs over the servers of judge_faults.py that do not stall. A sound server is dialled once, too.

Exit status: 0 all the same, 1 a difference (printed), 77 this cannot be held here.
"""

import concurrent.futures
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judge_faults as judge  # noqa: E402 (which exits 77 where cryptography is lacking)
from faults import FAULT, World  # noqa: E402

LIMIT_S = judge.PATIENT_S + 2 * judge.OVERRUN_S


def findings(ran):
    return [(one["code"], one["severity"], one["fault"], one["cause"], one["evidence"])
            for one in judge.findings_of(json.loads(ran["out"]))]


def difference(case, world, postern):
    """What differs for this server, in words; empty when nothing does."""
    listener, port = judge.start(case, world)
    saved = os.path.join(world.folder, case.name + ".json")
    command = judge.command_for(case, world, postern, port, judge.PATIENT_S)
    at = command.index("check") + 1
    try:
        first = judge.run(command[:at] + ["--observation", saved] + command[at:], LIMIT_S)
        dialled = listener.connections if listener else 0
    finally:
        if listener:
            listener.stop()
    ca_file = command[command.index("--ca-file") + 1]
    again = judge.run([postern, "check", "--json", "--ca-file", ca_file, "--from-observation", saved], LIMIT_S)
    try:
        before, after = findings(first), findings(again)
    except ValueError:
        return "no JSON: %d %s; again %d %s" % (first["exit"], first["err"], again["exit"], again["err"])
    if before != after or first["exit"] != again["exit"]:
        return "first %d %s\n    again %d %s" % (first["exit"], before, again["exit"], after)
    if case.kind == judge.HEALTHY and dialled != 1:
        return "a sound server was dialled %d times" % dialled
    return ""


def main(arguments):
    options = judge.parse(arguments)
    cases = [case for case in judge.chosen(options)
             if not any(callable(word) for word in case.before) and not (case.stalls and case.kind == FAULT)]
    folder = tempfile.mkdtemp(prefix="postern-again-")
    try:
        world = World(folder)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            said = list(pool.map(lambda case: difference(case, world, options.postern), cases))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for case, text in zip(cases, said):
        if text:
            print("%s: %s" % (case.name, text))
    print("%d servers, %d judged the same again" % (len(cases), said.count("")))
    return 1 if any(said) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
