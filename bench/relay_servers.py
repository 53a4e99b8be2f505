"""relay_servers.py - Postern and its peers as bench/deliver and bench/relay start them: mail goes on to many hosts.

Each takes mail on a free loopback port and sends it on over STARTTLS where that is offered ("may"), to the hosts of a
deliver-sink: domain d7.bench.example lives on the seventh address, as the settings of each say it; nobody asks DNS.
With `holds` it keeps what it takes until release(). pid is the process whose tree does all the work.
"""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import accept_servers
from accept_servers import NAME, House, Program, identity, write
from peer import greets
from ports import free_port

START_S = 20
SETTLE_S = 0.3
SLOW_EACH = 10  # every tenth host is slow, where some are
FILLERS = 8
FILL_SIZE = 4096
SINK_END_S = 20


def domain(number):
    return f"d{number}.bench.example"


class Hosts:
    """So many destinations; each has an address of its own. Of every ten one may be slow."""

    def __init__(self, count, port, has_slow=False, only_fast=False):
        self.port = port
        self.has_slow = has_slow
        numbers = range(count)
        if has_slow or only_fast:
            self.slow = {number for number in numbers if number % SLOW_EACH == SLOW_EACH - 1}
        else:
            self.slow = set()
        self.numbers = [number for number in numbers if not only_fast or number not in self.slow]
        if only_fast:
            self.slow = set()

    def address(self, number):
        net = 9 if number in self.slow else 8
        return f"127.{net}.{number // 250}.{number % 250 + 1}"

    def rows(self):
        """(domain, address)"""
        return [(domain(number), self.address(number)) for number in self.numbers]


# ---- what comes in -------------------------------------------------------------------------------


def content(size):
    head = ("From: <sender@bench.test>\r\nTo: <someone@bench.example>\r\nSubject: bench\r\n"
            "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@bench.test>\r\n\r\n")
    line = "x" * 70 + "\r\n"
    return (head + line * max(1, (size - len(head)) // len(line)) + ".\r\n").encode()


def read_reply(lines, wanted):
    while True:
        line = lines.readline()
        if not line.startswith(wanted):
            raise RuntimeError(f"refused: {line!r}, not {wanted!r}")
        if line[3:4] != b"-":
            return


def fill_some(port, recipients, size, faults):
    """In the clear, a hundred messages in each session."""
    body = content(size)
    try:
        while recipients:
            some, recipients = recipients[:100], recipients[100:]
            with socket.create_connection(("127.0.0.1", port), 60) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                lines = client.makefile("rb")
                read_reply(lines, b"220")
                client.sendall(b"EHLO bench.test\r\n")
                read_reply(lines, b"250")
                for recipient in some:
                    for line, wanted in (("MAIL FROM:<sender@bench.test>", b"250"), (f"RCPT TO:<{recipient}>", b"250"),
                                         ("DATA", b"354")):
                        client.sendall(f"{line}\r\n".encode())
                        read_reply(lines, wanted)
                    client.sendall(body)
                    read_reply(lines, b"250")
                client.sendall(b"QUIT\r\n")
                lines.close()
    except (OSError, RuntimeError) as fault:
        faults.append(fault)


def fill(port, recipients, size=FILL_SIZE):
    faults = []
    threads = [threading.Thread(target=fill_some, args=(port, recipients[first::FILLERS], size, faults))
               for first in range(FILLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise RuntimeError(f"the queue could not be filled: {faults[0]}")


def recipients(count, hosts):
    """One after the other to each of the hosts."""
    return [f"someone@{domain(hosts.numbers[index % len(hosts.numbers)])}" for index in range(count)]


# ---- the sink ------------------------------------------------------------------------------------


class Sink:
    """All the hosts."""

    def __init__(self, programs, slow_ms=5000):
        self.program = Program("sink-", "p256")
        try:
            self.child = subprocess.Popen([programs["deliver-sink"], self.program.chain, self.program.key, str(slow_ms)],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.port = int(self.child.stdout.readline().split()[1])
        except BaseException:
            self.program.stop()
            raise
        self.said = None

    def say(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def await_(self, count):
        """From now on; result() then gives what it told."""
        self.said = None
        self.say(f"await {count}")
        line = self.child.stdout.readline()
        if line != f"awaiting {count}\n":
            raise RuntimeError(f"the sink does not await {count} messages: {line!r}")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        line = self.child.stdout.readline()
        self.said = json.loads(line) if line else None

    def result(self, limit_s):
        """None: it took longer."""
        self.reader.join(limit_s)
        if self.said is None:
            self.say("count")
            self.reader.join(5)
            return None
        return self.said

    def count(self):
        self.say("count")
        return json.loads(self.child.stdout.readline())

    def stop(self):
        """It ends with its standard input, and well: a sink that fell over has counted nothing."""
        try:
            with contextlib.suppress(BrokenPipeError):
                self.child.stdin.close()
            status = self.child.wait(SINK_END_S)
        finally:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()
            self.program.stop()
        if status != 0:
            raise RuntimeError(f"the sink ended with status {status}")


# ---- Postern -------------------------------------------------------------------------------------

POSTERN = """
hostname = "%(name)s"
state_dir = "%(folder)s/state"
relay_from = { "127.0.0.0/8" }
listener "127.0.0.1:%(port)d" {
    certificate = "%(chain)s"
    key = "%(key)s"
}
policy "default" { level = may }
limits { connections = 20000 per_address = 20000 messages_per_minute = 0 }
"""


class Postern(Program):
    """What is to be kept is refused by every host at first; then it is started again, and told to retry."""

    def __init__(self, programs, hosts, holds, **_):
        super().__init__("postern-", "p256")
        self.postern = programs["postern"]
        self.hosts = hosts
        self.port = free_port()
        try:
            self.write_settings(free_port() if holds else hosts.port)
            self.serve()
        except BaseException:
            self.stop()
            raise

    def write_settings(self, port):
        text = POSTERN % {"name": NAME, "folder": self.folder, "port": self.port, "chain": self.chain, "key": self.key}
        text += "".join('policy "%s" { level = may next_hop = "[%s]:%d" }\n' % (name, address, port)
                        for name, address in self.hosts.rows())
        self.settings = write(self.folder, "postern.conf", text)

    def serve(self):
        self.start([self.postern, "serve", "-c", self.settings])
        end = time.monotonic() + START_S
        while not greets(self.port):
            if self.child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("postern serve did not start:\n" + self.said())
            time.sleep(0.05)

    def ask(self, *words):
        return subprocess.run([self.postern, "queue", words[0], "-c", self.settings, *words[1:]], check=False,
                              capture_output=True, text=True)

    def pids(self):
        return [self.pid]

    def deferred(self):
        return self.said().count(" status=deferred ")

    def filled(self, count):
        end = time.monotonic() + START_S
        while self.deferred() < count:
            if time.monotonic() > end:
                raise RuntimeError(f"of {count} messages {self.deferred()} were deferred:\n" + self.said()[-2000:])
            time.sleep(0.1)
        self.child.terminate()
        self.child.wait()
        self.child.stdout.close()
        self.log.close()
        self.write_settings(self.hosts.port)
        self.serve()

    def release(self):
        done = self.ask("retry", "all")
        if done.returncode != 0:
            raise RuntimeError("postern queue retry: " + done.stderr)


# ---- the others ----------------------------------------------------------------------------------


class Peer(House):
    """A House that can be asked things in its namespaces."""

    def __init__(self, name, files, script, kind="p256", more=(), tables=None):
        super().__init__(name, kind, files, script, more)

    def inside(self, *command, wait=True):
        first = self.room.first_processes()[0]
        command = ["nsenter", "--mount", "--pid", "--target", str(first), *command]
        if not wait:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)

    def filled(self, count):
        pass

    def pids(self):
        return [self.pid]

    def said(self):
        return self.room.said()


def safe(text):
    """For a text that House lays out by %."""
    return text.replace("%", "%%")


POSTFIX_OUT = """
transport_maps = texthash:%(folder)s/transport
smtp_tls_security_level = may
"""

POSTFIX_OUT_MASTER = """
smtp unix - - n - - smtp
relay unix - - n - - smtp
retry unix - - n - - error
trace unix - - n - 0 bounce
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
"""


class Postfix(Peer):
    """Holds what comes in; released, it is in the deferred queue, which is flushed."""

    def __init__(self, programs, hosts, holds, reuse=False):
        main, master = accept_servers.POSTFIX["main.cf"], accept_servers.POSTFIX["master.cf"]
        if not holds:
            main = main.replace("smtpd_client_restrictions = check_client_access static:HOLD\n", "")
        main += POSTFIX_OUT + ("smtp_tls_connection_reuse = yes\n" if reuse else "")
        transport = "".join(f"{name} smtp:[{address}]:{hosts.port}\n" for name, address in hosts.rows())
        super().__init__("postfix", {"main.cf": main, "master.cf": master + POSTFIX_OUT_MASTER,
                                     "transport": safe(transport)}, accept_servers.POSTFIX_GO)

    def filled(self, count):
        self.inside("postsuper", "-H", "ALL")

    def release(self):
        self.inside("postqueue", "-f")


class Opensmtpd(Peer):
    def __init__(self, programs, hosts, holds):
        rows = hosts.rows()
        lines = ['pki bench cert "%(chain)s"', 'pki bench key "%(key)s"',
                 "listen on 127.0.0.1 port %(port)d tls pki bench hostname %(name)s"]
        for name, address in rows:
            lines.append(f'action "{name}" relay host "smtp://{address}:{hosts.port}"')
        for name, _ in rows:
            lines.append(f'match from any for domain "{name}" action "{name}"')
        script = "".join(line for line in accept_servers.OPENSMTPD_GO.splitlines(True) if "smtpctl" not in line)
        # It reads all roots anew for every connection, which takes 25 ms where they are those of the system.
        script = script.replace("exec ", "cp %(chain)s /etc/ssl/certs/ca-certificates.crt\nexec ", 1)
        super().__init__("opensmtpd", {"smtpd.conf": "\n".join(lines) + "\n"}, script, "rsa2048",
                         [programs["opensmtpd-key.so"]])
        if holds:
            self.control("pause")

    def control(self, word):
        """smtpctl wants the group that its unpacked file does not give it."""
        self.inside("setpriv", "--egid", "opensmtpq", "--keep-groups", "smtpctl", word, "mta")

    def release(self):
        self.control("resume")


EXIM_OUT = """
remote_max_parallel = 1
begin routers
out:
  driver = manualroute
  domains = *
  route_data = ${lookup{$domain}lsearch{%(folder)s/hosts}}
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = %(sink)d
begin retry
* * F,2h,15m
"""

EXIM_RUNNERS = 5  # its queue_run_max


class Exim(Peer):
    """Released, as many queue runners go through its queue as it lets be."""

    def __init__(self, programs, hosts, holds):
        conf = accept_servers.EXIM["exim.conf"]
        out = EXIM_OUT.replace("%(sink)d", str(hosts.port))
        options, _, out = out.partition("begin routers\n")
        conf = conf.replace("begin acl\n", options + "begin acl\n")
        conf = conf.replace("begin routers\nbegin transports\nbegin retry\n", "begin routers\n" + out)
        if not holds:
            conf = conf.replace("queue_only = true\n", "")
        table = "".join(f"{name}: {address}\n" for name, address in hosts.rows())
        super().__init__("exim", {"exim.conf": conf, "hosts": safe(table)}, accept_servers.EXIM_GO)
        self.runners = []

    def release(self):
        first = self.room.first_processes()[0]
        command = ["/usr/sbin/exim4", "-C", f"{self.room.folder}/exim.conf", "-qff"]
        self.runners = [self.inside(*command, wait=False) for _ in range(EXIM_RUNNERS)]

    def pids(self):
        return [self.pid, *(runner.pid for runner in self.runners)]

    def stop(self):
        super().stop()
        for runner in self.runners:
            runner.kill()
            runner.wait()


STARTERS = {
    "postern": Postern,
    "postfix": Postfix,
    "postfix-reuse": lambda programs, hosts, holds: Postfix(programs, hosts, holds, reuse=True),
    "opensmtpd": Opensmtpd,
    "exim": Exim,
}


def programs_of(build):
    programs = {name: str(build / "bench" / name) for name in ("accept-load", "deliver-sink", "opensmtpd-key.so")}
    programs["postern"] = str(build / "postern")
    return programs


def timed(sink, server, count, start, limit_s):
    """Until the fast hosts have so many: what they say, the rate, and the server's CPU seconds; None: not in time."""
    before = sum(accept_servers.processor_s(pid) for pid in server.pids())
    sink.await_(count)
    start()
    said = sink.result(limit_s)
    time.sleep(SETTLE_S)  # until the queue knows, too
    if said is None:
        return None
    after = sum(accept_servers.processor_s(pid) for pid in server.pids())
    more = sink.count()["messages"] - count
    if more:
        raise RuntimeError(f"{more} messages came twice")
    return {**said, "rate": count * 1000 / said["all_ms"], "cpu_s_per_1000": (after - before) * 1000 / count}
