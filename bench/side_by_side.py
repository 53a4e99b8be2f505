"""side_by_side.py - interleaved rounds, their medians, and the tables of README.md, for the scripts of this folder.

Every round has each server once a row. Each round begins with another server, and every other one goes backwards, so
that noise meets all alike, and so does what the server before has left behind (a disk that is busy with a spool deleted).
"""

import argparse
import json
import os
import pathlib
import platform
import signal
import statistics
import sys
import tempfile

from peer import Absent

README = pathlib.Path(__file__).resolve().parent / "README.md"


class Broken(Exception):
    """This measurement failed; the text says how."""


def tell(text):
    print(text, file=sys.stderr, flush=True)


def order_of(names, number):
    """In the round of that number."""
    first = number % len(names)
    order = [*names[first:], *names[:first]]
    return order[::-1] if number % 2 else order


def measure_all(rows, names, rounds, measure, words_of):
    """{row: {server: [result of each round]}}, {server: why it is left out}, and how many measurements failed.

    measure(name, row) gives a result, None where this server has nothing to do with that row.
    """
    results = {row: {name: [] for name in names} for row in rows}
    absent, failed = {}, 0
    for number in range(rounds):
        for row in rows:
            for name in order_of(names, number):
                if name in absent:
                    continue
                try:
                    result = measure(name, row)
                    if result is not None:
                        results[row][name].append(result)
                except Absent as reason:
                    absent[name] = str(reason)
                except Broken as reason:
                    failed += 1
                    tell(f"{name}, {words_of(row)}: {reason}")
        tell(f"round {number + 1} of {rounds}")
    return results, absent, failed


def medians_of(rounds):
    """The median of each number, and the lowest and highest rate."""
    numbers = {key for result in rounds for key, value in result.items() if isinstance(value, (int, float))}
    median = {key: statistics.median(result[key] for result in rounds) for key in numbers}
    if "rate" in median:
        rates = [result["rate"] for result in rounds]
        median["lowest"], median["highest"] = min(rates), max(rates)
    return median


def ratio(value, base):
    return f"{value / base:.2f}" if base else "-"


def machine_words():
    release = platform.release().partition("-")[0]
    return f"{os.cpu_count()} processors, {platform.machine()}, Linux {release}"


def left_out(absent):
    return "".join(f" Left out: {name}, {reason}." for name, reason in absent.items())


def table_lines(names, rows, words_of, cell):
    """A table of Markdown: a row for each of rows, a column for each of names."""
    yield "| | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for row in rows:
        yield f"| {words_of(row)} | " + " | ".join(cell(row, name) for name in names) + " |"


def write_table(script, words, lines):
    """Between the marks of that script in README.md."""
    mark = f"<!-- the table below is written by {script} --write -->"
    end_mark = f"<!-- end of the table of {script} -->"
    head, _, rest = README.read_text(encoding="utf-8").partition(mark)
    tail = rest.partition(end_mark)[2]
    README.write_text(f"{head}{mark}\n\n{words}\n\n" + "\n".join(lines) + f"\n\n{end_mark}{tail}", encoding="utf-8")


# ---- a script whose results are rates and processor seconds --------------------------------------


def arguments(parser, rows, servers):
    """What bench/deliver and bench/relay have in common."""
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", default=",".join(rows))
    parser.add_argument("--servers", default=",".join(servers))
    parser.add_argument("--json")
    parser.add_argument("--folder")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.rows, options.servers = options.rows.split(","), options.servers.split(",")
    for word in [*(set(options.rows) - set(rows)), *(set(options.servers) - set(servers))]:
        parser.error(f"there is no {word}")
    tempfile.tempdir = options.folder and os.path.abspath(options.folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    return options


def usage_parser(doc):
    return argparse.ArgumentParser(usage="\n".join(doc.split("\n")[2:4]).removeprefix("usage: "))


def rate_lines(row, words, by_server):
    medians = {name: medians_of(rounds) for name, rounds in by_server.items() if rounds}
    base = medians.get("postfix", {})
    yield words
    yield f"{'':20}/s  {'from-to':12}  x Pf   CPU s  x Pf  sessions"
    for name, median in medians.items():
        spread = f"{median['lowest']:.0f}-{median['highest']:.0f}"
        yield (f"  {name:14}{median['rate']:6.0f}  {spread:12}{ratio(median['rate'], base.get('rate')):>6}"
               f"{median['cpu_s_per_1000']:8.2f}{ratio(median['cpu_s_per_1000'], base.get('cpu_s_per_1000')):>6}"
               f"{median['connections']:10.0f}")


def rate_cell(by_server, name):
    if not by_server.get(name):
        return "-"
    median = medians_of(by_server[name])
    base = medians_of(by_server["postfix"]) if by_server.get("postfix") else {}
    return f"{ratio(median['rate'], base.get('rate'))} ({median['cpu_s_per_1000']:.2f})"


def present(script, options, measured, words_of, lines_of, cell):
    """Prints what was measured, and keeps it where it is to be kept. Gives the exit status."""
    results, absent, failed = measured
    words = f"Medians of {options.rounds} rounds, {machine_words()}.{left_out(absent)}"
    print(words)
    for row in options.rows:
        print("", *lines_of(row, results[row]), sep="\n")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"words": words, "rows": results}, indent=1) + "\n")
    if options.write:
        names = [name for name in options.servers if name not in absent]
        write_table(script, words, table_lines(names, options.rows, words_of,
                                               lambda row, name: cell(row, results[row], name)))
    return 1 if failed else 0
