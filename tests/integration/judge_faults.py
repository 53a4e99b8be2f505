#!/usr/bin/python3
"""judge_faults.py - examines `postern check` against servers made apart from Postern's own lab.

usage: judge_faults.py POSTERN [--only GLOB]... [--list] [--json] [--jobs N] [--timeout S]
                       [--at-least-cause F] [--at-least-side F] [--at-least-report F] [--at-most-false-alarms N]
       judge_faults.py --show [--only GLOB]...   what `openssl s_client` sees of each server

Exit status: 0 every threshold is met, 1 one is missed, 2 wrong usage, 77 the examination cannot be held here.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings

warnings.simplefilter("ignore")  # that SHA-1 and MD5 are deprecated is the point of signing with them
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import cryptography  # noqa: F401
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

from ports import free_port  # noqa: E402
from faults import CASES, can_run, FAULT, HEALTHY, HOST, Listener, World  # noqa: E402

SEVERITIES = ["notice", "warning", "untrusted", "fatal"]
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\udc80-\udcff]")  # also bytes that are no UTF-8
MEMORY_LIMIT_KB = 64 * 1024
PATIENT_S = 60  # the --timeout where nobody stalls: no machine is so busy that it is reached
OVERRUN_S = 10  # more than that beyond --timeout, and something does not heed it
SANITIZED = bool(os.environ.get("POSTERN_SANITIZED"))  # then memory is not ours alone


class FullQueue:
    """A listener that never accepts, with a full queue."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.port = self.socket.getsockname()[1]
        self.complaints, self.connections = [], 0
        self.waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", self.port))
            self.waiting.append(one)

    def stop(self):
        for one in self.waiting + [self.socket]:
            one.close()


def start(case, world):
    server = case.build(world)
    if server is None:
        return None, free_port()
    if hasattr(server, "port"):  # it listens already
        return server, server.port
    listener = FullQueue() if server == "full" else Listener(server, case.backlog)
    return listener, listener.port


def resolve(world, words):
    """Strings stay; functions of the world are asked."""
    out = []
    for word in words:
        value = word(world) if callable(word) else word
        out += value if isinstance(value, list) else [value]
    return out


def command_for(case, world, postern, port, timeout):
    ca_file = case.ca_file(world) if case.ca_file else world.root_file
    command = resolve(world, case.before) + [postern, "check", "--json", "--timeout", str(timeout), "--ca-file", ca_file]
    if case.name_flag:
        command += ["--name", HOST]
    return [word.replace("{port}", str(port)) for word in command + resolve(world, case.arguments) + [case.target]]


def run(command, limit_s):
    """Runs to the end or the limit; gives status, output, errors, seconds, memory and CPU of that process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        watchdog = threading.Timer(limit_s, child.kill)
        watchdog.start()
        _, status, usage = os.wait4(child.pid, 0)
        watchdog.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        return {"exit": child.returncode, "out": out.read().decode("utf-8", "surrogateescape"),
                "err": err.read().decode("utf-8", "replace"), "seconds": seconds, "memory_kb": usage.ru_maxrss,
                "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1000}


def findings_of(answer):
    """Every finding of the one target, the host's before the domain's."""
    found = []
    for host in answer.get("hosts") or []:
        found += host.get("findings") or []
    return found + (answer.get("findings") or [])


def text_of(finding):
    return " ".join(json.dumps(finding.get(word), ensure_ascii=False) for word in ("cause", "evidence", "remedy"))


def complaints_about(row, ran, findings, timeout):
    """What no case may show, whatever its fault."""
    wrong = []
    if ran["exit"] < 0 or "Sanitizer" in ran["err"]:
        wrong.append("crash (status %d): %s" % (ran["exit"], ran["err"].strip()[-200:]))
    if ran["seconds"] > timeout + OVERRUN_S:
        wrong.append("took %.1f s of --timeout %g" % (ran["seconds"], timeout))
    if ran["memory_kb"] > MEMORY_LIMIT_KB and not SANITIZED:
        wrong.append("used %d MB" % (ran["memory_kb"] // 1024))
    if CONTROL.search(ran["out"].replace("\n", "")) or CONTROL.search(ran["err"].replace("\n", "")):
        wrong.append("printed control characters")
    for finding in findings:
        if not finding.get("evidence"):
            wrong.append("%s has no evidence" % finding.get("code"))
    bad = any(finding.get("severity") in ("untrusted", "fatal") for finding in findings)
    if not row["answered"]:
        wrong.append("no JSON, exit status %d" % ran["exit"])
    elif ran["exit"] != (1 if bad else 0):
        wrong.append("exit status %d with findings %s" % (
            ran["exit"], ["%s/%s" % (f.get("code"), f.get("severity")) for f in findings]))
    return wrong


def timeout_for(case, short):
    """Seconds: short where the fault is to be seen by waiting."""
    return short if case.stalls and case.kind == FAULT else PATIENT_S


def examine(case, world, postern, short):
    """One row of the table."""
    timeout = timeout_for(case, short)
    listener, port = start(case, world)
    try:
        ran = run(command_for(case, world, postern, port, timeout), timeout + 2 * OVERRUN_S)
    finally:
        if listener:
            listener.stop()
    try:
        answer = json.loads(ran["out"])
        findings, answered = findings_of(answer), True
    except (ValueError, AttributeError):
        findings, answered = [], False
    first = findings[0] if findings else {}
    row = {"case": case.name, "kind": case.kind, "story": case.story, "wanted": list(case.codes),
           "wanted_side": list(case.side), "wanted_report": list(case.report), "answered": answered,
           "got": first.get("code"), "side": first.get("fault"), "report": first.get("tls_report") or "",
           "cause": first.get("cause"), "severity": first.get("severity"),
           "all": [f.get("code") for f in findings], "severities": [f.get("severity") for f in findings],
           "seconds": round(ran["seconds"], 3), "cpu_ms": round(ran["cpu_ms"], 1), "memory_kb": ran["memory_kb"],
           "exit": ran["exit"], "stalls": case.stalls, "connections": listener.connections if listener else 0,
           "server_complaints": listener.complaints if listener else [],
           "error": "" if answered else (ran["err"].strip() or ran["out"].strip())[-300:]}
    if case.kind == FAULT:
        named = any(fnmatch.fnmatchcase(first.get("code") or "", pattern) for pattern in case.codes)
        told = not case.tells or (bool(first) and re.search(case.tells, text_of(first)) is not None)
        row["cause_right"], row["told"] = named and told, told
        row["best"] = bool(first) and fnmatch.fnmatchcase(first["code"], case.codes[0])
        row["side_right"] = first.get("fault") in case.side
        row["report_right"] = bool(first) and row["report"] in case.report
    else:
        allowed = SEVERITIES.index("notice" if case.kind == HEALTHY else "warning")
        row["sound"] = answered and ran["exit"] == 0 and all(
            severity in SEVERITIES and SEVERITIES.index(severity) <= allowed for severity in row["severities"])
    row["wrong"] = complaints_about(row, ran, findings, timeout)
    return row


def show_row(row):
    if row["kind"] == FAULT:
        verdict = "right" if row["cause_right"] else "WRONG"
        if row["cause_right"] and not (row["side_right"] and row["report_right"]):
            verdict = "side" if not row["side_right"] else "report"
        wanted = row["wanted"][0]
    else:
        verdict, wanted = "right" if row["sound"] else "ALARM", "(%s)" % row["kind"]
    print("%-36s %-34s %-34s %-8s %-24s %6.2fs %2d %s" % (
        row["case"], wanted, row["got"] or "-", row["side"] or "-", row["report"] or "-", row["seconds"],
        row["connections"], verdict))
    if verdict != "right":
        if row["kind"] == FAULT:
            print("      wanted %s; %s; %s" % (" | ".join(row["wanted"]), " | ".join(row["wanted_side"]),
                                              " | ".join(word or "none" for word in row["wanted_report"])))
            if not row["told"]:
                print("      its words do not tell what they should")
        print("      all: %s  exit %d" % (
            ", ".join("%s/%s" % pair for pair in zip(row["all"], row["severities"])) or "nothing", row["exit"]))
        print("      says: %s" % (row["cause"] or row["error"]))
    for word in row["wrong"]:
        print("      !! " + word)
    for word in row["server_complaints"]:
        print("      ?? the server itself: " + word)


def totals(rows):
    faults = [row for row in rows if row["kind"] == FAULT]
    others = [row for row in rows if row["kind"] != FAULT]
    quick = [row for row in rows if not row["stalls"]]
    slowest = max(quick, key=lambda row: row["seconds"], default=None)
    return {
        "faults": len(faults), "others": len(others),
        "cause": sum(row["cause_right"] for row in faults), "best": sum(row["best"] for row in faults),
        "side": sum(row["side_right"] for row in faults), "report": sum(row["report_right"] for row in faults),
        "false_alarms": sum(not row["sound"] for row in others), "broken_rules": sum(bool(row["wrong"]) for row in rows),
        "slowest": (slowest["case"], slowest["seconds"]) if slowest else None,
        "over_a_second": sum(row["seconds"] > 1 for row in quick),
        "most_memory_kb": max((row["memory_kb"] for row in rows), default=0),
        "most_connections": max((row["connections"] for row in rows), default=0),
        "most_cpu_ms_healthy": max((row["cpu_ms"] for row in others), default=0),
        "most_connections_healthy": max((row["connections"] for row in others), default=0),
    }


def show_totals(sum_):
    print()
    print("cause named             %d of %d (best word %d)" % (sum_["cause"], sum_["faults"], sum_["best"]))
    print("right side              %d of %d" % (sum_["side"], sum_["faults"]))
    print("RFC 8460 type           %d of %d" % (sum_["report"], sum_["faults"]))
    print("false alarms            %d of %d sound servers" % (sum_["false_alarms"], sum_["others"]))
    print("rules broken            %d (crash, overrun, memory, control characters, no evidence, exit status)" %
          sum_["broken_rules"])
    if sum_["slowest"]:
        print("slowest non-stalling    %s, %.2f s; %d over a second" % (*sum_["slowest"], sum_["over_a_second"]))
    print("most memory             %d KB" % sum_["most_memory_kb"])
    print("most connections        %d; to a sound server %d" % (
        sum_["most_connections"], sum_["most_connections_healthy"]))
    print("most CPU, sound server  %.0f ms" % sum_["most_cpu_ms_healthy"])


def is_enough(sum_, options):
    def share(word):
        return sum_[word] / sum_["faults"] if sum_["faults"] else 1.0

    return (share("cause") >= options.at_least_cause and share("side") >= options.at_least_side
            and share("report") >= options.at_least_report and sum_["false_alarms"] <= options.at_most_false_alarms
            and sum_["broken_rules"] <= options.at_most_broken_rules)


def what_openssl_sees(case, world):
    """For whoever writes a fault: does it really show?"""
    listener, port = start(case, world)
    try:
        words = resolve(world, case.arguments)
        more = []
        if "--client-cert" in words:
            at = words.index("--client-cert")
            more = ["-cert", words[at + 1], "-key", words[at + 3]]
        ran = run(["timeout", "5", "openssl", "s_client", "-starttls", "smtp", "-connect", "127.0.0.1:%d" % port, "-servername",
                   HOST, "-verify_hostname", HOST, "-CAfile", world.root_file, "-crlf", "-status", *more], 8)
    finally:
        if listener:
            listener.stop()
    seen = [line.strip() for line in (ran["out"] + ran["err"]).splitlines()
            if re.search(r"error|Verify return|Cipher is|errno|Didn't|unexpected|alert", line)]
    seen = list(dict.fromkeys(re.sub(r"^[0-9A-F]{12,}:error:[0-9A-F]*:|:\.\./.*$", "", line) for line in seen))
    return "%-36s %s %s" % (case.name, seen, listener.complaints if listener else "")


def chosen(options):
    cases = [case for case in CASES if not (SANITIZED and any(callable(word) for word in case.before))]
    cases = [case for case in cases
             if not options.only or any(fnmatch.fnmatchcase(case.name, glob) for glob in options.only)]
    for case in [case for case in cases if not can_run(case)]:
        print(f"left out: {case.name}: {' '.join(case.before)} is not allowed here", file=sys.stderr)
        cases.remove(case)
    return cases


def parse(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("postern", nargs="?")
    parser.add_argument("--only", action="append", metavar="GLOB")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wrong", action="store_true", help="print only rows that are not right")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--timeout", type=int, default=6, help="for servers that stall")
    parser.add_argument("--at-least-cause", type=float, default=0.0)
    parser.add_argument("--at-least-side", type=float, default=0.0)
    parser.add_argument("--at-least-report", type=float, default=0.0)
    parser.add_argument("--at-most-false-alarms", type=int, default=10**6)
    parser.add_argument("--at-most-broken-rules", type=int, default=10**6)
    options = parser.parse_args(arguments)
    if not options.postern and not options.list and not options.show:
        parser.error("which postern? give its path")
    return options


def is_plain(row):
    """Nothing to say about this row."""
    good = row["cause_right"] and row["side_right"] and row["report_right"] if row["kind"] == FAULT else row["sound"]
    return good and not row["wrong"] and not row["server_complaints"]


def main(arguments):
    options = parse(arguments)
    cases = chosen(options)
    if options.list:
        for case in cases:
            print("%-36s %-10s %-34s %s" % (case.name, case.kind, " | ".join(case.codes[:2]) or "-", case.story))
        return 0
    if shutil.which("openssl") is None:
        print("skipped: no openssl command")
        return 77
    folder = tempfile.mkdtemp(prefix="postern-faults-")
    rows = []
    try:
        world = World(folder)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            if options.show:
                for line in pool.map(lambda case: what_openssl_sees(case, world), cases):
                    print(line, flush=True)
                return 0
            for row in pool.map(lambda case: examine(case, world, options.postern, options.timeout), cases):
                rows.append(row)
                if not options.json and not (options.wrong and is_plain(row)):
                    show_row(row)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sum_ = totals(rows)
    if options.json:
        print(json.dumps({"rows": rows, "totals": sum_}, indent=1))
    else:
        show_totals(sum_)
    return 0 if is_enough(sum_, options) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
