#!/usr/bin/python3
"""idle_test.py - what a client that is inside TLS and says nothing costs the gateway.

usage: idle_test.py POSTERN ACCEPT-LOAD [--connections N]

Opens so many clients that say EHLO, STARTTLS, EHLO and no more, and reads from /proc by how much the memory
that is the gateway's own has grown for each: 16 KB at most. Who was at rest among them is answered still,
somebody else's message is taken and delivered, and a drain does not wait for them. Prints TAP and the figures.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from gateway import LOCAL, Failed, Gateway, Listener, open_client, wait_for  # noqa: E402

SANITIZED = bool(os.environ.get("POSTERN_SANITIZED"))
MOST_BYTES = 16 * 1024
WINDOW_MS = 300_000
WARM = 200   # clients that come first, so that what is needed once is there
SPARE = 200  # descriptors that are no clients
SETTLE_S = 0.5
WATCHED = 20  # clients of our own among the others


class Clients:
    """bench/accept_load.c, whose clients are idle."""

    def __init__(self, program, port, count):
        self.process = subprocess.Popen([program, "--idle", "--at-once", str(count), "--window", str(WINDOW_MS),
                                         str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != f"idle {count}\n":
            raise Failed(f"not all of {count} clients are idle: {line}{self.end()}")

    def end(self):
        """What it says at the end."""
        return json.loads(self.process.communicate()[0])


def memory_of(pid):
    """Bytes that are the process's own, once they no longer change."""
    before = -1
    while True:
        fields = dict(re.findall(r"(?m)^(\w+): +(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()))
        now = (int(fields["Private_Dirty"]) + int(fields.get("Swap", 0))) * 1024
        if now == before:
            return now
        before = now
        time.sleep(SETTLE_S)


def allowed(wanted):
    """As many as the hard limit of descriptors has room for, in the gateway and in the clients' process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE)


def sessions(gateway):
    """The sockets that it has; files come and go besides."""
    count = 0
    for name in os.listdir(f"/proc/{gateway.pid}/fd"):
        try:
            count += os.readlink(f"/proc/{gateway.pid}/fd/{name}").startswith("socket:")
        except OSError:  # closed by now
            pass
    return count


def measure(options):
    count = allowed(options.connections)
    limits = {"connections": 2 * count, "per_address": 2 * count, "messages_per_minute": 0, "command_timeout": "1h"}
    gateway = Gateway(options.program, [Listener("may")], limits=limits)
    idle = None
    try:
        gateway.start()
        alone = sessions(gateway)
        Clients(options.load, gateway.port(), WARM).end()
        wait_for("the end of the first clients", lambda: sessions(gateway) <= alone or None)
        before = memory_of(gateway.pid)
        idle = Clients(options.load, gateway.port(), count)
        watched = [open_client(gateway, "may") for _ in range(WATCHED)]
        each = (memory_of(gateway.pid) - before) / (count + WATCHED)
        for client in watched:
            client.expect("NOOP", 250)
        client = open_client(gateway, "may")
        client.envelope("a@sender.test", f"anna@{LOCAL}")
        if client.data(b"Subject: beside the idle\r\n\r\n").code != 250:
            raise Failed("a message was refused meanwhile")
        client.quit()
        gateway.one("anna")
        if sessions(gateway) < count + WATCHED:
            raise Failed(f"{sessions(gateway)} sockets: they are not all there")
        gateway.stop()
        for client in watched:
            if client.rest()[:4] != b"421 ":
                raise Failed(f"the drain ends a session by {client.pending!r}")
        said = idle.end()
        if said["lost"] != count:
            raise Failed(f"after the drain: {said}")
    finally:
        gateway.kill()
        if idle and idle.process.poll() is None:
            idle.process.kill()
            idle.process.wait()
        gateway.remove()
    words = f"{count} idle connections inside TLS: {each / 1024:.2f} KB each; {before / 1048576:.1f} MB before"
    if count < options.connections:
        words += f"; the limit of descriptors does not allow {options.connections}"
    if each > MOST_BYTES and not SANITIZED:
        raise Failed(f"{words}; at most {MOST_BYTES / 1024:.0f} KB were promised")
    return words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("load")
    parser.add_argument("--connections", type=int, default=2000)
    options = parser.parse_args()
    print("1..1", flush=True)
    try:
        print(f"ok 1 - idle connections are cheap\n# {measure(options)}")
    except Failed as fault:
        words = str(fault).replace("\n", "\n# ")
        print(f"not ok 1 - idle connections are cheap\n# {words}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
