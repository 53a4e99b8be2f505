#!/usr/bin/python3
"""crash_test.py - what the gateway answered with 250 is in its queue or in the mailbox, whole, whatever happens to it.

usage: crash_test.py POSTERN QUEUE-DUMP FAIL-FSYNC.so VOLATILE-DISK.so [--rounds N] [--seed N] [--senders N]

- kill -9 at random moments under load over STARTTLS, again and again on the same state;
- the same while half of it goes on to a server over STARTTLS, which counts what it took;
- the same while `postern send` brings in mail;
- the same, and what was not synced is gone too, as when the power is cut;
- a disk that is full and then is not: 452 meanwhile;
- the same, and it is full already when the gateway starts;
- fsync that fails and then works again: 451 meanwhile.

After each the gateway starts once more and delivers what is left. Each prints its counts. Exit status:
0 kept, 1 broken, 77 none of it can be tried here.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from counting import Counting  # noqa: E402
from gateway import LOCAL, PATIENCE_S, Gateway, Listener, pki, wait_for  # noqa: E402
from load import USERS, Load, Mailboxes, Tally, dump_queue  # noqa: E402
from volatile_disk import VolatileDisk  # noqa: E402  (in the folder above)

SANITIZED = bool(os.environ.get("POSTERN_SANITIZED"))
RETRY = "queue { retry = { 1s } }"
LOAD_S = 1.2  # how long a round may last
MORE = 6  # rounds, on a machine that has much else to do
FEW = 15
LOCAL_SENDERS = 3
ELSEWHERE = [f"user{number}@{name}.test" for name in ("one", "two", "three") for number in range(3)]
STEP_S = 0.02


class Skip(Exception):
    pass


def words_of(counts):
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def wait(gateway, is_so, what):
    """Until it is so, by a gateway that lives. `what`: that it is not so, or a function that says it."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        words = what() if callable(what) else what
        if gateway.child.poll() is not None and not is_so():
            raise AssertionError(f"{words}: the gateway ended with {gateway.child.returncode}:\n{gateway.said()[-2000:]}")
        if time.monotonic() > end:
            raise AssertionError(f"{words}, after {PATIENCE_S:.0f} s:\n{gateway.said()[-2000:]}")
        time.sleep(STEP_S)


class Account:
    """Compares what the senders were told with what is there."""

    def __init__(self, options, gateway, tally):
        self.options, self.gateway, self.tally = options, gateway, tally
        self.boxes = Mailboxes(gateway.mailboxes)
        self.twice = collections.Counter()  # (id, recipient) that a cut delivery may bring once more
        self.is_blind = False  # nobody looked between the crashes

    def look(self):
        """While the gateway is down: its state is copied, so that it meets the original as it was left."""
        copies = list(self.boxes.scan())
        with tempfile.TemporaryDirectory(prefix="postern-copy-") as folder:
            shutil.copytree(self.gateway.state, f"{folder}/state", ignore=shutil.ignore_patterns("control", "ballast"))
            queued = dump_queue(self.options.dump, f"{folder}/state")
        self.judge(copies, queued)
        delivered = {(copy.id, copy.recipient) for copy in copies}
        for message in queued:
            for recipient in message.open():
                if (message.id, recipient) in delivered:
                    self.twice[message.id, recipient] += 1
        return queued

    def forget(self):
        """Mailboxes are not what they were."""
        self.boxes = Mailboxes(self.gateway.mailboxes)

    def judge(self, copies, queued):
        """Nothing is half, nothing was invented, nothing is lost."""
        half = [copy.id for copy in copies if not copy.is_whole]
        half += [message.id for message in queued if not message.copy.is_whole]
        have, ids = set(), collections.defaultdict(set)
        for copy in copies:
            have.add((copy.token, copy.recipient))
            ids[copy.token].add(copy.id)
        for message in queued:
            ids[message.copy.token].add(message.id)
            have.update((message.copy.token, recipient) for recipient in message.open())
        messages = {message.token: message for message in self.tally.list()}
        must = {(message.token, recipient) for message in messages.values() if message.acknowledged
                for recipient in message.recipients}
        lost = must - have
        stray = {token: sorted(found) for token, found in ids.items()
                 if token not in messages or len(found) > messages[token].may_be_there()}
        if half or lost or stray:
            raise AssertionError(f"half {half[:5]}, lost {sorted(lost)[:5]}, never accepted {list(stray.items())[:5]}")

    def drain(self, load):
        """The senders send again what they do not know about, the gateway delivers all, and the end is counted."""
        gateway = self.gateway
        gateway.start()
        load.port, load.is_finishing = gateway.port(), True
        wait(gateway, load.is_ended, lambda: f"the senders do not come to an end, turned away {self.tally.turned}")
        if load.faults:
            raise AssertionError(f"a sender failed: {load.faults}")
        for _ in range(3):  # a stop does not wait for what is being dialled
            wait(gateway, self.is_all_delivered, "what was accepted is not delivered")
            wait(gateway, self.is_queue_empty, "what nobody was told of stays in the queue")
            gateway.stop()
            if not [message for message in self.look() if message.open()]:
                return self.close()
            gateway.start()
        raise AssertionError("the queue does not become empty")

    def is_all_delivered(self):
        have = {(copy.token, copy.recipient) for copy in self.boxes.scan()}
        return all((message.token, recipient) in have for message in self.tally.list() if message.acknowledged
                   for recipient in message.recipients)

    def is_queue_empty(self):
        done = subprocess.run([self.gateway.program, "queue", "list", "--json", "-c", self.gateway.settings_file],
                              capture_output=True, check=False)
        return done.returncode in (0, 1) and not done.stdout

    def close(self):
        copies = list(self.boxes.scan())
        of_id = collections.Counter((copy.id, copy.recipient) for copy in copies)
        of_token = collections.Counter((copy.token, copy.recipient) for copy in copies)
        unexplained = [key for key, count in of_id.items() if count > 1 + self.twice[key]]
        if unexplained and not self.is_blind:
            raise AssertionError(f"delivered twice without a crash: {unexplained[:5]}")
        messages = self.tally.list()
        return {
            "messages": len(messages), "acknowledged": sum(message.acknowledged > 0 for message in messages),
            "cut before the answer": sum(message.unanswered for message in messages),
            "copies due": sum(len(message.recipients) for message in messages if message.acknowledged),
            "copies there": len(copies), "lost": 0, "half": 0,
            "twice by a cut session": sum(of_token.values()) - len(of_token) - self.twins(of_id),
            "twice by a cut delivery": self.twins(of_id), "refused": sum(self.tally.refused().values()),
        }

    @staticmethod
    def twins(of_id):
        return sum(of_id.values()) - len(of_id)


class Scene:
    """A gateway, senders that want something of it, and the account of both."""

    def __init__(self, options, mailboxes=None, users=USERS, settings="", **more):
        self.options = options
        self.gateway = Gateway(options.program, [Listener("may")], settings=f"{RETRY}\n{settings}",
                               limits={"messages_per_minute": 0}, **more)
        self.gateway.mailboxes = mailboxes or self.gateway.mailboxes
        os.makedirs(f"{self.gateway.mailboxes}/{LOCAL}")
        self.tally = Tally(users)
        self.account = Account(options, self.gateway, self.tally)
        self.load = Load(self.tally, self.gateway.world.root_file, options.senders, options.seed)

    def __enter__(self):
        return self

    def __exit__(self, *fault):
        self.load.is_over = True
        self.gateway.remove()

    def start(self):
        self.gateway.start()
        self.load.port = self.gateway.port()

    def crash(self):
        """Ends it and looks; gives what is in the queue."""
        self.load.port = None
        self.gateway.kill()
        return self.account.look()

    def wait_for_more(self, count=FEW):
        goal = self.tally.acknowledged() + count
        wait(self.gateway, lambda: self.tally.acknowledged() >= goal, lambda: f"nothing is accepted, refused {self.tally.refused()}")

    def wait_for_refusals(self, code):
        goal = self.tally.refused().get(code, 0) + FEW
        wait(self.gateway, lambda: self.tally.refused().get(code, 0) >= goal,
                          lambda: f"no {code}, refused {self.tally.refused()}, turned away {self.tally.turned}")

    def fail_for_a_while(self, begin, stop, code, accepts_none=False):
        """Accepted, then refused with `code`, then accepted again by the same process."""
        self.start()
        self.wait_for_more()
        begin()
        self.wait_for_refusals(code)
        accepted = self.tally.acknowledged()
        self.wait_for_refusals(code)
        refused = self.tally.refused()
        if not self.gateway.log("queue-failed"):
            raise AssertionError("the log does not say why")
        if accepts_none and self.tally.acknowledged() > accepted + self.options.senders:
            raise AssertionError(f"{self.tally.acknowledged() - accepted} were accepted meanwhile")
        stop()
        self.wait_for_more()
        self.crash()
        counts = self.account.drain(self.load)
        if set(self.tally.refused()) != {code}:
            raise AssertionError(f"refused otherwise too: {self.tally.refused()}, {self.gateway.log('queue-failed')}")
        return f"{words_of(counts)}; refused meanwhile: {refused}"


def rounds_of(wanted, was_enough, words):
    """How long each may last: so many, and where a slow machine does little in them some more, each twice as long."""
    for _ in range(wanted):
        yield LOAD_S
    for number in range(1, MORE + 1):
        if was_enough():
            return
        yield LOAD_S * 2 ** number
    if not was_enough():
        raise AssertionError(f"the load was no load: {words()}")


def kill_at_random_moments(options, _):
    dice, rounds, left = random.Random(options.seed), 0, 0
    with Scene(options) as scene:
        tally = scene.tally

        def was_enough():
            return tally.acknowledged() >= options.rounds and tally.unanswered()

        for most_s in rounds_of(options.rounds, was_enough, tally.words):
            scene.start()
            time.sleep(dice.uniform(0, most_s))
            left += len(scene.crash())
            rounds += 1
        counts = scene.account.drain(scene.load)
        if tally.refused():
            raise AssertionError(f"refused: {tally.refused()}")
    return f"{rounds} rounds: {words_of(counts)}; in the queue at a kill: {left} in all"


class Everywhere:
    """Copies in the mailboxes and at the server."""

    def __init__(self, boxes, server):
        self.boxes, self.server = boxes, server

    def scan(self):
        return [*self.boxes.scan(), *self.server.taken()]


def kill_under_accept_and_deliver(options, folder):
    """A copy that the server took twice is one that it had said 250 to, or was about to, when the kill came
    before our commit: it is in the queue that the kill left. Nothing else may come twice."""
    dice, rounds, left = random.Random(options.seed), 0, 0
    with Counting(pki.World(folder), options.seed) as server:
        settings = f'policy "default" {{ level = encrypt next_hop = "[127.0.0.1]:{server.port}" }}'
        with Scene(options, users=USERS[:3] + ELSEWHERE, settings=settings, relay_from=("127.0.0.0/8",)) as scene:
            scene.account.boxes = Everywhere(scene.account.boxes, server)
            def was_enough():
                return scene.tally.unanswered() and options.rounds <= len(
                    {(copy.id, copy.recipient) for copy in server.taken()})

            for most_s in rounds_of(options.rounds, was_enough, scene.tally.words):
                scene.start()
                time.sleep(dice.uniform(0, most_s))
                scene.load.port = None
                scene.gateway.kill()
                wait_for("the end of the server's sessions", lambda: server.is_quiet() or None)
                left += len(scene.account.look())
                rounds += 1
            counts = scene.account.drain(scene.load)
            cut = sum(scene.account.twice.values())
        of_id = collections.Counter((copy.id, copy.recipient) for copy in server.taken())
        unheard = sum(not copy.is_acknowledged for copy in server.taken())
        if server.faults:
            raise AssertionError(f"the server saw {server.faults[:3]}")
    return (f"{rounds} rounds: {words_of(counts)}; in the queue at a kill: {left} in all; the server took "
            f"{sum(of_id.values())} copies in {server.sessions} sessions: lost 0, twice {scene.account.twins(of_id)}, "
            f"of {cut} that a kill left taken and not settled; it could not say the 250 of {unheard}")


def send_from_here(scene, dice, ends):
    """`postern send` until it says that the message is taken, and then the next."""
    gateway = scene.gateway
    command = [gateway.program, "send", "-c", gateway.settings_file, "-i", "-f", "load@sender.example", "--"]
    while not ends.is_set():
        message = scene.tally.take(dice, False)
        while not message.acknowledged:
            message.unanswered += 1
            done = subprocess.run(command + message.recipients, input=message.content.replace(b"\r\n", b"\n"),
                                  capture_output=True, check=False)
            if done.returncode == 0:
                message.unanswered -= 1
                message.acknowledged += 1
            elif done.returncode != os.EX_TEMPFAIL:
                raise AssertionError(f"postern send exits {done.returncode}: {done.stderr.decode()}")


def local_mail_survives(options, _):
    """`postern send` goes by the gateway or, between a kill and the next start, into the queue itself."""
    dice, ends = random.Random(options.seed), threading.Event()
    with Scene(options) as scene, concurrent.futures.ThreadPoolExecutor(LOCAL_SENDERS) as pool:
        scene.start()
        scene.load.port = None
        scene.account.is_blind = True  # the queue is never still enough to be copied
        senders = [pool.submit(send_from_here, scene, random.Random(dice.random()), ends) for _ in range(LOCAL_SENDERS)]
        try:
            for _ in range(options.rounds // 2):
                time.sleep(dice.uniform(0, LOAD_S / 4))
                scene.gateway.kill()
                time.sleep(dice.uniform(0, LOAD_S / 8))
                scene.gateway.start()
        finally:
            ends.set()
        for sender in senders:
            sender.result()
        scene.gateway.kill()
        return f"{options.rounds // 2} kills: {words_of(scene.account.drain(scene.load))}"


def power_is_cut(options, folder):
    """Worse than a kill: what was not synced is lost, all of it or some."""
    if SANITIZED:
        raise Skip("nothing may be loaded before the sanitizer")
    dice, cuts, unsynced, lost = random.Random(options.seed), 0, 0, 0
    with Scene(options) as scene:
        disk = VolatileDisk(options.volatile, scene.gateway.folder, folder)
        scene.gateway.environment.update(disk.environment)
        for most_s in rounds_of((options.rounds + 1) // 2, lambda: lost, scene.tally.words):
            scene.start()
            time.sleep(dice.uniform(0, most_s))
            scene.load.port = None
            scene.gateway.kill()
            open_now, lost_now = disk.cut(dice)
            cuts, unsynced, lost = cuts + 1, unsynced + open_now, lost + lost_now
            scene.account.forget()
            scene.account.look()
        counts = scene.account.drain(scene.load)
    return f"{cuts} cuts: {words_of(counts)}; {lost} of {unsynced} changes that were not synced were lost"


def fill(file):
    """With as much as its disk takes."""
    try:
        while file.write(b"x" * 65536):
            pass
    except OSError:
        pass


def fill_disk(ballast):
    with open(ballast, "wb", buffering=0) as file:
        fill(file)


class Filler:
    """Somebody else, who takes what room there is and comes to be, until the end."""

    def __init__(self, ballast):
        self.ballast, self.ends = ballast, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with open(self.ballast, "ab", buffering=0) as file:
            while not self.ends.wait(STEP_S):
                fill(file)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *fault):
        self.ends.set()
        self.thread.join()
        self.ballast.unlink()


def mount(folder, size):
    """A small file system in this process's own mount namespace."""
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "postern-test", folder], check=True)
    return pathlib.Path(folder)


def disk_of_the_queue_is_full(options, folder):
    disk = mount(f"{folder}/disk", "24m")
    ballast = disk / "ballast"

    def begin():
        """Nothing leaves the queue, so that room that is free in its file comes to an end."""
        os.rename(scene.gateway.mailboxes, f"{folder}/away")
        fill_disk(ballast)

    def stop():
        ballast.unlink()
        os.rename(f"{folder}/away", scene.gateway.mailboxes)

    with Scene(options, state=f"{disk}/state") as scene:
        return scene.fail_for_a_while(begin, stop, 452)


def disk_is_full_at_the_start(options, folder):
    """By somebody else, to the last octet, while no gateway ran: after a kill, and after a stop."""
    disk = mount(f"{folder}/disk", "24m")
    ballast = disk / "ballast"
    with Scene(options, state=f"{disk}/state") as scene:
        for end in (scene.gateway.kill, scene.gateway.stop):
            scene.start()
            scene.wait_for_more()
            os.rename(scene.gateway.mailboxes, f"{folder}/away")  # so that mail is in the queue
            scene.wait_for_more()
            scene.load.port = None
            end()
            fill_disk(ballast)
            os.rename(f"{folder}/away", scene.gateway.mailboxes)
            with Filler(ballast):  # what is delivered from now on makes room
                scene.start()
                scene.wait_for_refusals(452)
            scene.wait_for_more()
            scene.crash()
        counts = scene.account.drain(scene.load)
        if set(scene.tally.refused()) != {452}:
            raise AssertionError(f"refused otherwise too: {scene.tally.refused()}, {scene.gateway.log('queue-failed')}")
        return f"{words_of(counts)}; refused meanwhile: {scene.tally.refused()}"


def disk_of_the_mailboxes_is_full(options, folder):
    """Senders do not notice; what is deferred arrives when there is room."""
    disk = mount(f"{folder}/disk", "64m")
    ballast = disk / "ballast"
    with Scene(options, mailboxes=f"{disk}/mail") as scene:
        scene.start()
        scene.wait_for_more()
        fill_disk(ballast)
        wait(scene.gateway, lambda: len(scene.gateway.log("deferred")) >= FEW, "nothing is deferred")
        scene.wait_for_more()
        scene.crash()
        scene.start()
        scene.wait_for_more()
        ballast.unlink()
        scene.crash()
        counts = scene.account.drain(scene.load)
        if scene.tally.refused():
            raise AssertionError(f"refused: {scene.tally.refused()}")
    return words_of(counts)


def fsync_fails(options, folder):
    if SANITIZED:
        raise Skip("nothing may be loaded before the sanitizer")
    marker = pathlib.Path(folder, "fsync-fails")
    shim = {"LD_PRELOAD": options.shim, "POSTERN_FSYNC_FAILS_WHILE": str(marker)}
    with Scene(options, environment=shim) as scene:
        return scene.fail_for_a_while(marker.touch, marker.unlink, 451, accepts_none=True)


CASES = [kill_at_random_moments, kill_under_accept_and_deliver, local_mail_survives, power_is_cut, disk_of_the_queue_is_full,
         disk_is_full_at_the_start, disk_of_the_mailboxes_is_full, fsync_fails]
NEED_MOUNTS = [disk_of_the_queue_is_full, disk_is_full_at_the_start, disk_of_the_mailboxes_is_full]


def can_mount(folder):
    """The command that gives a mount namespace of its own, or a Skip."""
    share = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--propagation", "private"]
    if not shutil.which("unshare") or not shutil.which("mount"):
        raise Skip("there is no unshare or no mount")
    tried = subprocess.run([*share, "mount", "-t", "tmpfs", "postern-test", folder], capture_output=True, text=True,
                           check=False)
    if tried.returncode != 0:
        raise Skip(f"a small file system cannot be mounted here: {tried.stderr.strip()}")
    return share


def run_apart(case, options, folder):
    """This program once more, in a mount namespace that goes when it ends."""
    command = [*can_mount(folder), sys.executable, *sys.argv, "--seed", str(options.seed), "--inside", case.__name__]
    run = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=False)
    if run.returncode != 0:
        raise AssertionError(run.stdout.strip())
    return run.stdout.strip()


def run_inside(options):
    case = next(case for case in CASES if case.__name__ == options.inside)
    with tempfile.TemporaryDirectory(prefix="postern-crash-") as folder:
        try:
            print(case(options, folder))
            return 0
        except AssertionError as fault:
            print(fault)
            return 1
        finally:
            subprocess.run(["umount", "-l", f"{folder}/disk"], check=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("dump")
    parser.add_argument("shim")
    parser.add_argument("volatile")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--senders", type=int, default=6)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 30))
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("program", "dump", "shim", "volatile"):
        setattr(options, name, os.path.abspath(getattr(options, name)))

    if options.inside:
        return run_inside(options)
    cases = [case for case in CASES if options.only in case.__name__]
    print(f"1..{len(cases)}")
    print(f"# seed {options.seed}", flush=True)
    failed = 0
    for number, case in enumerate(cases, 1):
        with tempfile.TemporaryDirectory(prefix="postern-crash-") as folder:
            begun = time.monotonic()
            try:
                counts = run_apart(case, options, folder) if case in NEED_MOUNTS else case(options, folder)
                print(f"ok {number} - {case.__name__}\n# {counts} ({time.monotonic() - begun:.1f} s)", flush=True)
            except Skip as reason:
                print(f"ok {number} - {case.__name__} # SKIP {reason}", flush=True)
            except AssertionError as fault:
                failed += 1
                words = str(fault).replace("\n", "\n# ")
                print(f"not ok {number} - {case.__name__}\n# {words}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
