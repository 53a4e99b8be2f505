#!/usr/bin/python3
"""nostarttls_test.py POSTERN [TEST...] - 65 servers that lie, as destinations: one message to each, at three levels.

The servers of the NO STARTTLS paper, as the corpus nostarttls plays them: what they may be sent, and whether
what we call delivered was taken, is judged there, not here. Skipped where the corpus is absent.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import destinations
import gateway
from destinations import must
from gateway import ENDS_WITH_US, PATIENCE_S, Gateway, Listener

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "corpora"))
import corpora  # noqa: E402  pylint: disable=wrong-import-position
from ports import free_port_range  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM = gateway.take_program()
CORPUS = corpora.folder("nostarttls")
CASES_FILE = CORPUS and str(CORPUS / "nostarttls-smtp.json")
TIMEOUT = "8s"  # some of them fall silent; they all are one process, and on a busy machine the others are slow


def badpeer(*arguments):
    return [sys.executable, str(CORPUS / "badpeer.py"), *arguments]


class Liars:
    """All 65, as long as a `with` lasts, with what they saw."""

    def __init__(self):
        with open(CASES_FILE, encoding="utf-8") as file:
            self.cases = [case["id"] for case in json.load(file)["cases"]]
        self.folder = tempfile.mkdtemp(prefix="postern-nostarttls-")
        self.events = os.path.join(self.folder, "events")
        self.process = None

    def __enter__(self):
        try:
            subprocess.run(badpeer("certs", self.folder), check=True, timeout=PATIENCE_S, capture_output=True)
            self.base = free_port_range(len(self.cases))
            self.process = subprocess.Popen(
                [*ENDS_WITH_US, *badpeer("serve", CASES_FILE, self.folder, self.events, "--base", str(self.base))],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            must(self.process.stdout.readline() == "ready\n", "the servers do not start")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        self.process = None

    def recipients(self):
        """One for each, in a domain of its own."""
        return {f"user@case{number}.test": case for number, case in enumerate(self.cases)}

    def policies(self, level):
        return "\n".join(f'policy "case{number}.test" {{ level = {level} next_hop = "[127.0.0.1]:{self.base + number}" }}'
                         for number in range(len(self.cases)))

    def judge(self, level, said):
        """(the line of totals, what was broken) where `said` tells by case what became of its message."""
        self.stop()
        outcome = os.path.join(self.folder, "outcome")
        with open(outcome, "w", encoding="utf-8") as file:
            file.writelines(f"{case}\t{word}\n" for case, word in said.items())
        done = subprocess.run(badpeer("judge", CASES_FILE, self.events, "--level", level, "--outcome", outcome),
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        totals, *broken = done.stdout.splitlines() or [done.stderr]
        must((done.returncode == 0) == (not broken), f"the judge ends with {done.returncode}: {done.stderr}")
        return totals, broken


SAID = {"delivered": "sent", "deferred": "deferred", "bounced": "bounced"}


def deliver_to_all(level, queue):
    """The lines of the log by case, after one attempt at each, when the judge found nothing broken."""
    with Liars() as liars:
        settings = f"client {{ timeout = {TIMEOUT} }}\nqueue {{ {queue} }}\n{liars.policies(level)}"
        with Gateway(PROGRAM, listeners=[Listener("none")], settings=settings, relay_from=["127.0.0.0/8"],
                     ca_file=os.path.join(liars.folder, "ca.pem")) as one:
            cases = liars.recipients()
            ids = destinations.send_all(one, cases)
            told = destinations.wait_for_attempts(one, ids, bool)
            lines = {cases[recipient]: attempts[0] for recipient, attempts in told.items()}
        totals, broken = liars.judge(level, {case: SAID[line["event"]] for case, line in lines.items()})
        print(f"# {totals}")
        must(not broken, "\n".join([totals, *broken]))
        must(f"'kept': {len(liars.cases)}" in totals and len(liars.cases) == 65, totals)
    for case, line in lines.items():
        must(line["event"] == "delivered" or line.get("finding"), f"{case}: put off without a finding: {line}")
        must(line["event"] != "delivered" or line["tls"].startswith(level + ":TLSv1") or level == "may",
             f"{case}: {line}")
    return lines


def in_the_clear(lines):
    return {case: line["tls"] for case, line in lines.items()
            if line["event"] == "delivered" and line["tls"].startswith("none")}


def at_may_all_is_as_it_should_be_and_each_in_the_clear_says_why():
    lines = deliver_to_all("may", "in_the_clear_after = 0")
    clear = in_the_clear(lines)
    must(clear and all(tls.startswith("none:") and len(tls) > 5 for tls in clear.values()), f"{clear}")


def at_may_nothing_broken_is_gone_round_before_the_message_has_waited():
    """Postfix waits five minutes, too; the corpus wants one of these, O_4, delivered at last, not at once."""
    with Liars() as liars:
        settings = f"client {{ timeout = {TIMEOUT} }}\n{liars.policies('may')}"
        with Gateway(PROGRAM, listeners=[Listener("none")], settings=settings, relay_from=["127.0.0.0/8"],
                     ca_file=os.path.join(liars.folder, "ca.pem")) as one:
            ids = destinations.send_all(one, liars.recipients())
            told = destinations.wait_for_attempts(one, ids, bool)
        clear = {line[0]["tls"] for line in told.values() if line[0]["event"] == "delivered"
                 and line[0]["tls"].startswith("none")}
    must(clear <= {"none:not-offered", "none:refused"}, f"{clear}")


def at_encrypt_nothing_leaves_in_the_clear():
    must(not in_the_clear(deliver_to_all("encrypt", "in_the_clear_after = 0")), "in the clear")


def at_verify_nothing_goes_to_a_bad_certificate():
    lines = deliver_to_all("verify", "in_the_clear_after = 0")
    must(not in_the_clear(lines), "in the clear")
    bad = {case: line["event"] for case, line in lines.items() if case.startswith("certs/")}
    must(len(bad) == 4 and set(bad.values()) == {"deferred"}, f"{bad}")


TESTS = [
    at_may_all_is_as_it_should_be_and_each_in_the_clear_says_why,
    at_may_nothing_broken_is_gone_round_before_the_message_has_waited,
    at_encrypt_nothing_leaves_in_the_clear,
    at_verify_nothing_goes_to_a_bad_certificate,
]

if __name__ == "__main__":
    sys.exit(corpora.skip("nostarttls") if CORPUS is None else gateway.run_promises(TESTS))
