#!/usr/bin/python3
"""judge_stacks.py - examines `postern check` against SMTP servers over TLS libraries other than OpenSSL.

usage: judge_stacks.py POSTERN STACK [PROGRAM] [--only GLOB]... [--wrong] [--show]      STACK may be "field"

Exit status: 0 every threshold is met, 1 one is missed, 2 wrong usage, 77 this stack cannot be had here.
"""

import concurrent.futures
import fnmatch
import os
import shutil
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from judge_faults import examine, is_enough, is_plain, parse, show_row, show_totals, totals  # noqa: E402
from judge_faults import what_openssl_sees  # noqa: E402

from cases import cases_of  # noqa: E402
from faults import World  # noqa: E402
from stacks import STACKS, Absent  # noqa: E402


def hold(stack, world, options):
    """The examination; gives the rows."""
    rows = []
    cases = [case for case in cases_of(stack)
             if not options.only or any(fnmatch.fnmatchcase(case.name, glob) for glob in options.only)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        if options.show:
            for line in pool.map(lambda case: what_openssl_sees(case, world), cases):
                print(line, flush=True)
            return None
        for row in pool.map(lambda case: examine(case, world, options.postern, options.timeout), cases):
            rows.append(row)
            if not options.wrong or not is_plain(row):
                show_row(row)
    return rows


def main(arguments):
    if len(arguments) < 2 or arguments[1] not in STACKS:
        print(__doc__)
        return 2
    program = arguments[2] if len(arguments) > 2 and not arguments[2].startswith("-") else None
    options = parse([arguments[0]] + arguments[3 if program else 2 :])
    folder, stack = tempfile.mkdtemp(prefix="postern-stacks-"), None
    try:
        stack = STACKS[arguments[1]](folder, program)
        rows = hold(stack, World(folder), options)
    except Absent as reason:
        print("skipped: %s" % reason)
        return 77
    finally:
        if stack:
            stack.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if rows is None:
        return 0
    sum_ = totals(rows)
    show_totals(sum_)
    return 0 if is_enough(sum_, options) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    sys.exit(main(sys.argv[1:]))
