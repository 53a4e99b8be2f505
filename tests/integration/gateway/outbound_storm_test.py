#!/usr/bin/python3
"""outbound_storm_test.py POSTERN [--rounds N] [--seed N] - mail goes out while servers fall over and the gateway is called.

Senders bring mail for others without a pause. Meanwhile sessions with servers are cut wherever they are, servers
stop and come back, say what is no SMTP, and the gateway is reloaded with other rules, told to retry, drained and
started again. In the end each message is at a server, none was lost, and none is there twice but where a server was
cut off over its 250. To be run with sanitizers too. A TAP test.
"""
import argparse
import collections
import os
import random
import sys
import time

from counting import Counting
from gateway import Failed, Gateway, Listener, wait_for
from load import Load, Tally

DOMAINS = ["one.test", "two.test", "three.test", "four.test"]
USERS = [f"user{number}@{domain}" for domain in DOMAINS for number in range(3)]
STEP_S = 0.3
WILDNESS = 0.02


class Storm:
    def __init__(self, options):
        self.dice = random.Random(options.seed)
        self.gateway = Gateway(options.program, [Listener("may")], relay_from=("127.0.0.0/8",),
                               limits={"messages_per_minute": 0})
        world = self.gateway.world
        self.servers = [Counting(world, options.seed + number) for number in range(3)]
        self.gone = []  # servers that were stopped; what they took counts
        self.world, self.done = world, collections.Counter()
        self.tally = Tally(USERS)
        self.load = Load(self.tally, world.root_file, options.senders, options.seed)

    def write_rules(self):
        """Each domain to some server, at some level; two may share one."""
        rules = ["queue { retry = { 1s } }"]
        for domain in DOMAINS:
            port = self.dice.choice(self.servers).port
            rules.append(f'policy "{domain}" {{ level = {self.dice.choice(["may", "encrypt"])} next_hop = "[127.0.0.1]:{port}" }}')
        self.gateway.more = "\n".join(rules)

    def start(self):
        self.gateway.start()
        self.load.port = self.gateway.port()

    # --- what may happen ---

    def reload(self):
        self.write_rules()
        line = self.gateway.reload()
        if line["event"] != "reloaded":
            raise Failed(f"{line}")

    def drain(self):
        self.load.port = None
        self.gateway.stop()
        self.write_rules()
        self.start()

    def cut(self):
        self.dice.choice(self.servers).cut_all()

    def restart(self):
        """It goes in the middle of its conversations, and is there again on the same port."""
        number = self.dice.randrange(len(self.servers))
        old = self.servers[number]
        old.stop()
        self.gone.append(old)
        time.sleep(self.dice.uniform(0, STEP_S))
        self.servers[number] = Counting(self.world, self.dice.randrange(1 << 30), address=("127.0.0.1", old.port))

    def run_wild(self):
        self.dice.choice(self.servers).wildness = WILDNESS

    def calm(self):
        for server in self.servers:
            server.wildness = 0

    def retry(self):
        self.gateway.run("queue", "retry", "all", "-c", self.gateway.settings_file, status=(0, 1))  # 1: there is none

    # --- the account ---

    def copies(self):
        return [copy for server in self.servers + self.gone for copy in server.taken()]

    def missing(self):
        have = {(copy.token, copy.recipient) for copy in self.copies()}
        return [(message.token, recipient) for message in self.tally.list() if message.acknowledged
                for recipient in message.recipients if (message.token, recipient) not in have]

    def settle(self):
        """All that was begun comes to its end."""
        self.calm()
        for server in self.servers:
            server.trouble = 0
        self.load.is_finishing = True

        def all_arrived():
            if self.gateway.child.poll() is not None:
                raise Failed(f"the gateway ended:\n{self.gateway.said()}")
            return True if self.load.is_ended() and not self.missing() else None

        try:
            wait_for("the last message", all_arrived)
        except Failed as reason:
            raise Failed(f"{reason}; {len(self.missing())} are missing: {self.missing()[:5]}\n{self.gateway.said()}") from None
        wait_for("an empty queue", lambda: True if "is empty" in self.gateway.run(
            "queue", "list", "-c", self.gateway.settings_file) else None)
        self.gateway.stop()

    def check(self):
        if self.load.faults:
            raise Failed(f"a sender failed: {self.load.faults}")
        faults = [fault for server in self.servers + self.gone for fault in server.faults]
        with open(self.gateway.log_file, "rb") as file:
            log = file.read()
        for word in (b"Sanitizer", b"runtime error:", b"Assertion"):
            if word in log:
                raise Failed(log[max(0, log.index(word) - 300):][:6000].decode(errors="replace"))
        if self.gateway.log("bounced"):
            raise Failed(f"given up: {self.gateway.log('bounced')[:2]}")
        times, excuses = collections.Counter(), collections.Counter()
        for copy in self.copies():
            if not copy.is_whole:
                faults.append(f"half a message: {copy.token}")
            times[copy.id, copy.recipient] += 1
            excuses[copy.id, copy.recipient] += not copy.is_acknowledged
        faults += [f"twice: {key}" for key, count in times.items() if count > 1 + excuses[key]]
        if faults:
            raise Failed(f"{len(faults)}: {faults[:5]}")
        twice = sum(times.values()) - len(times)
        return (f"{len(self.tally.list())} messages, {len(times)} copies, lost 0, twice {twice}, all where a 250 was cut; "
                f"{sum(server.sessions for server in self.servers + self.gone)} sessions, "
                f"{len(self.gateway.log('deferred'))} deferrals; {dict(self.done)}")

    def run(self, rounds):
        self.write_rules()
        self.start()
        happenings = [self.reload, self.drain, self.cut, self.cut, self.restart, self.run_wild, self.calm, self.retry]
        for _ in range(rounds):
            time.sleep(self.dice.uniform(0, STEP_S))
            happening = self.dice.choice(happenings)
            happening()
            self.done[happening.__name__] += 1
        self.settle()
        return self.check()

    def close(self):
        self.load.is_over = True
        self.gateway.remove()
        for server in self.servers:
            server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 30))
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    print(f"1..1\n# seed {options.seed}", flush=True)
    storm = Storm(options)
    try:
        words = storm.run(options.rounds)
        print(f"ok 1 - mail_survives_whatever_its_servers_and_operators_do\n# {words}")
        return 0
    except AssertionError as fault:
        words = str(fault).replace("\n", "\n# ")
        print(f"not ok 1 - mail_survives_whatever_its_servers_and_operators_do\n# {words}")
        return 1
    finally:
        storm.close()


if __name__ == "__main__":
    sys.exit(main())
