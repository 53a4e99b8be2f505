#!/usr/bin/python3
"""crash_test.py - what the queue acknowledged is there after every crash, whole; nothing is half.

usage: crash_test.py QUEUE-LOAD FAIL-FSYNC.so VOLATILE-DISK.so [--rounds N] [--seed N]

- kill -9 at random moments under load, the same queue over all rounds;
- the same, and what was not synced is gone too, as when the power is cut;
- a disk that is full and then is not: a limit on the size of files, and a small file system;
- fsync that fails and then works again.

Each prints its counts. Exit status: 0 kept, 1 broken, 77 none of it can be tried here.
"""
import argparse
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from volatile_disk import VolatileDisk  # noqa: E402

LIMIT_S = 120
STEP_S = 0.02
CUTS = 8
ROUNDS_A_QUEUE = 4
SANITIZED = bool(os.environ.get("POSTERN_SANITIZED"))


class Skip(Exception):
    pass


class Tally:
    """What the load said, over all its runs on one queue."""

    def __init__(self):
        self.acknowledged, self.settling, self.done = {}, set(), set()
        self.refused, self.refused_ids = {}, set()
        self.started = False

    def take(self, line):
        word, first, second = line.split()
        if word == "started":
            self.started = True
        elif word == "ok":
            self.acknowledged[first] = second
        elif word == "refused":
            self.refused[first] = self.refused.get(first, 0) + 1
            self.refused_ids.add(second)
        else:
            {"settling": self.settling, "done": self.done}[word].add(first)


class Load:
    """queue-load at work; what it says is read all the time."""

    def __init__(self, tally, command, environment=None, prepare=None):
        self.tally = tally
        tally.started = False
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=prepare,
                                        env={**os.environ, **(environment or {})})
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            if line.endswith("\n"):  # the kill may have cut the last one
                self.tally.take(line)

    def wait_until(self, is_so, what):
        end = time.monotonic() + LIMIT_S
        while not is_so():
            if self.process.poll() is not None:
                raise AssertionError(f"the load ended with {self.process.returncode}")
            if time.monotonic() > end:
                raise AssertionError(f"in {LIMIT_S} s: {what}; refused so far: {self.tally.refused}")
            time.sleep(STEP_S)

    def wait_for_puts(self, count=20):
        goal = len(self.tally.acknowledged) + count
        self.wait_until(lambda: len(self.tally.acknowledged) >= goal, "no puts were acknowledged")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        if self.process.returncode != -signal.SIGKILL:
            raise AssertionError(f"the load ended by itself with {self.process.returncode}")


def words_of(counts):
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def verify(program, folder, tally):
    """Compares what is there with what was said; gives the counts."""
    answer = subprocess.run([program, "verify", folder], text=True, capture_output=True, check=False,
                            timeout=LIMIT_S)
    if answer.returncode != 0:
        raise AssertionError(f"the queue does not open: {answer.stderr.strip()}")
    present, broken = {}, []
    for line in answer.stdout.splitlines():
        words = line.split()
        if words[0] == "has":
            present[words[1]] = words[2]
            if words[3] != "whole":
                broken.append(words[1])
        elif words != ["leased", "0"]:
            raise AssertionError(f"leases were left: {line}")
    must = {name: size for name, size in tally.acknowledged.items() if name not in tally.settling}
    lost = [name for name, size in must.items() if present.get(name) != size]
    risen = [name for name in tally.done if name in present]
    kept = [name for name in tally.refused_ids if name in present]
    counts = {"acknowledged": len(tally.acknowledged), "delivered": len(tally.done), "present": len(present),
              "whole without an answer": len(set(present) - set(tally.acknowledged)), "lost": len(lost),
              "half": len(broken), "delivered and back": len(risen),
              "refused and kept": len(kept)}
    if lost or broken or risen or kept:
        raise AssertionError(f"{words_of(counts)}: {(lost + broken + risen + kept)[:5]}")
    return counts


def load_command(options, folder, seed):
    return [options.program, "load", folder, str(seed), "2", "4"]


def kill_and_look(options, folder, dice, rounds):
    """One queue that crashes again and again."""
    tally = Tally()
    for _ in range(rounds):
        load = Load(tally, load_command(options, folder, dice.randrange(1, 1 << 30)))
        load.wait_until(lambda: tally.started, "the load did not start")
        time.sleep(dice.uniform(0, 0.3))
        load.kill()
        counts = verify(options.program, folder, tally)
    if tally.refused:
        raise AssertionError(f"{counts}, refused {tally.refused}")
    return counts


def kill_at_random_moments(options, folder):
    dice, sums = random.Random(options.seed), {}
    for first in range(0, options.rounds, ROUNDS_A_QUEUE):
        counts = kill_and_look(options, f"{folder}/{first}", dice, min(ROUNDS_A_QUEUE, options.rounds - first))
        for word, number in counts.items():
            sums[word] = sums.get(word, 0) + number
    if not sums["delivered"] or not sums["acknowledged"]:
        raise AssertionError(f"the load was no load: {words_of(sums)}")
    return f"{options.rounds} rounds: {words_of(sums)}"


def fail_for_a_while(options, folder, tally, load, begin, stop):
    """Acknowledged, then refused, then acknowledged again, by the same process."""
    load.wait_for_puts()
    begin()
    load.wait_until(lambda: sum(tally.refused.values()) >= 20, "no put was refused")
    refused = dict(tally.refused)
    stop()
    load.wait_for_puts()
    load.kill()
    return f"{words_of(verify(options.program, folder, tally))}; refused meanwhile: {refused}"


def power_is_cut(options, folder):
    """One queue; what the disk was not told to keep is lost each time, all of it or some."""
    if SANITIZED:
        raise Skip("nothing may be loaded before the sanitizer")
    dice, tally, unsynced, lost = random.Random(options.seed), Tally(), 0, 0
    os.mkdir(f"{folder}/disk")
    disk = VolatileDisk(options.volatile, f"{folder}/disk", f"{folder}/room")
    for _ in range(CUTS):
        load = Load(tally, load_command(options, f"{folder}/disk/queue", dice.randrange(1, 1 << 30)), disk.environment)
        load.wait_until(lambda: tally.started, "the load did not start")
        time.sleep(dice.uniform(0, 0.3))
        load.kill()
        changes = disk.cut(dice)
        unsynced, lost = unsynced + changes[0], lost + changes[1]
        counts = verify(options.program, f"{folder}/disk/queue", tally)
    if not lost or tally.refused:
        raise AssertionError(f"{lost} changes were lost, refused {tally.refused}")
    return f"{CUTS} cuts, {lost} of {unsynced} changes that were not synced were lost: {words_of(counts)}"


def files_may_not_grow(options, folder):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    tally = Tally()
    load = Load(tally, load_command(options, folder, options.seed), prepare=limit)
    pid = load.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    counts = fail_for_a_while(
        options, folder, tally, load,
        begin=lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (64 * 1024, hard)),
        stop=lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard)))
    if "full" not in tally.refused:
        raise AssertionError(f"nothing was refused as full: {tally.refused}")
    return counts


def disk_is_full(options, folder):
    if os.geteuid() != 0 or not shutil.which("mount"):
        raise Skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "postern-test", folder],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        raise Skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    ballast = pathlib.Path(folder, "ballast")

    def fill():
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 65536):
                    pass
            except OSError:
                pass

    tally = Tally()
    load = None
    try:
        load = Load(tally, load_command(options, f"{folder}/queue", options.seed))
        counts = fail_for_a_while(options, f"{folder}/queue", tally, load, begin=fill, stop=ballast.unlink)
        if "full" not in tally.refused:
            raise AssertionError(f"nothing was refused as full: {tally.refused}")
        return counts
    finally:
        if load and load.process.poll() is None:
            load.process.kill()
            load.process.wait()
        subprocess.run(["umount", "-l", folder], check=False)


def fsync_fails(options, folder):
    if SANITIZED:
        raise Skip("nothing may be loaded before the sanitizer")
    marker = pathlib.Path(folder, "fsync-fails")
    tally = Tally()
    load = Load(tally, load_command(options, f"{folder}/queue", options.seed),
                {"LD_PRELOAD": options.shim, "POSTERN_FSYNC_FAILS_WHILE": str(marker)})

    def begin():
        marker.touch()
        load.wait_until(lambda: tally.refused, "no put was refused")
        before = len(tally.acknowledged)
        time.sleep(0.3)
        if len(tally.acknowledged) > before + 8:  # what was said before the first refusal may be read after it
            raise AssertionError("puts were acknowledged though fsync failed")

    counts = fail_for_a_while(options, f"{folder}/queue", tally, load, begin=begin, stop=marker.unlink)
    if "failed" not in tally.refused:
        raise AssertionError(f"nothing was refused as failed: {tally.refused}")
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("shim")
    parser.add_argument("volatile")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 30))
    options = parser.parse_args()
    for name in ("program", "shim", "volatile"):
        setattr(options, name, os.path.abspath(getattr(options, name)))

    cases = [kill_at_random_moments, power_is_cut, files_may_not_grow, disk_is_full, fsync_fails]
    print(f"1..{len(cases)}")
    print(f"# seed {options.seed}", flush=True)
    failed = 0
    for number, case in enumerate(cases, 1):
        with tempfile.TemporaryDirectory(prefix="postern-crash-") as folder:
            begun = time.monotonic()
            try:
                counts = case(options, folder)
                print(f"ok {number} - {case.__name__}\n# {counts} ({time.monotonic() - begun:.1f} s)", flush=True)
            except Skip as reason:
                print(f"ok {number} - {case.__name__} # SKIP {reason}", flush=True)
            except AssertionError as fault:
                failed += 1
                print(f"not ok {number} - {case.__name__}\n# {fault}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
