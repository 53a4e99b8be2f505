#!/usr/bin/python3
"""tests/integration/lab_test.py POSTERN [--dns] [FAULT...] - each server of the lab, asked by postern check.

Starts `postern lab`, runs `postern check --json` as its manifest says, and compares the first finding
with what the fault is there to show. Prints TAP: one line a fault.
"""
import concurrent.futures
import json
import signal
import subprocess
import sys
import tempfile

WORKERS = 4        # most checks only wait
LIMIT_S = 120      # a check that hangs fails its test, and the others still run
NOT_BROKEN = {"notice"}


class Lab:
    """The lab while it runs; its certificates live in a directory that goes with it."""

    def __init__(self, postern, options):
        self.directory = tempfile.TemporaryDirectory(prefix="postern-lab-test-")
        self.process = subprocess.Popen(
            [postern, "lab", "--json", "--directory", self.directory.name, *options],
            stdout=subprocess.PIPE, text=True)
        self.manifest = json.loads(self.process.stdout.readline() or "null")

    def __enter__(self):
        if self.manifest is None:
            sys.exit("Bail out! postern lab did not start")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        self.directory.cleanup()


def run_check(postern, server):
    """(the JSON object of the target, exit status), or a sentence where there is none."""
    try:
        done = subprocess.run([postern, "check", "--json", *server["arguments"]], text=True,
                              capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"it still ran after {LIMIT_S} s"
    try:
        return json.loads(done.stdout), done.returncode
    except json.JSONDecodeError:
        return f"exit {done.returncode}, no JSON: {done.stdout[:200]!r} {done.stderr[:300]!r}"


def findings_of(report):
    """Root causes first: those of the hosts, or of the domain where it has no host."""
    found = [finding for host in report.get("hosts", []) for finding in host["findings"]]
    seen = {finding["code"] for finding in found}
    return [f for f in report.get("findings", []) if f["code"] not in seen] + found


def complaint_about(server, result):
    """What is wrong with the answer; None where all is right."""
    if isinstance(result, str):
        return result
    report, status = result
    found = findings_of(report)
    codes = [f"{f['code']}/{f['fault']}/{f['severity']}" for f in found]
    expect = server["expect"]
    if expect["code"] is None:
        worse = [f for f in found if f["severity"] not in NOT_BROKEN]
        return f"false alarm: {codes}" if worse or status != 0 else None
    if not found:
        return f"no finding, exit {status}"
    first = found[0]
    got = {"code": first["code"], "fault": first["fault"], "tls_report": first.get("tls_report")}
    if got != expect:
        return f"says {got}, should say {expect}; all: {codes}"
    stops = first["severity"] in ("fatal", "untrusted")
    if status != (1 if stops else 0):
        return f"exit status {status} with severity {first['severity']}"
    if not first["evidence"] or not first["remedy"]:
        return "no evidence or no remedy"
    return None


def main():
    arguments = sys.argv[1:]
    options = [word for word in arguments if word.startswith("--")]
    postern, *faults = [word for word in arguments if not word.startswith("--")]
    for fault in faults:
        options += ["--fault", fault]
    failed = 0
    with Lab(postern, options) as lab, concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        servers = lab.manifest["servers"]
        print(f"1..{len(servers) + 1}", flush=True)
        results = pool.map(lambda server: run_check(postern, server), servers)
        for number, (server, result) in enumerate(zip(servers, results), 1):
            complaint = complaint_about(server, result)
            names = server["expect"]["code"] or "no fault"
            failed += complaint is not None
            print(f"{'not ok' if complaint else 'ok'} {number} - fault {server['fault']} names {names}")
            if complaint:
                print(f"# {complaint}", flush=True)
    failed += lab.status != 0
    print(f"{'ok' if lab.status == 0 else 'not ok'} {len(servers) + 1} - the lab ends when it is told to")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
