"""accept_servers.py - starts each server of bench/accept: it accepts, keeps, and delivers nothing.

Each is as it is shipped but for limits that would turn the load away, and for delivery: Postfix holds what it
accepts, Exim queues only, OpenSMTPD's transfer agent is paused, and Postern's next hop takes the connection and
says nothing. So what is measured is the acceptance, with each one's own care for the disk. Spools and queues
are in one folder, so on one file system.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration", "peers"))
sys.dont_write_bytecode = True

from faults import pki  # noqa: E402
from peer import Room, Service, fetch, greets, write  # noqa: E402
from ports import free_port  # noqa: E402
from side_by_side import Broken  # noqa: E402

NAME = "mx.bench.test"
RECIPIENT = "someone@kept.example"
START_S = 20
TICKS = os.sysconf("SC_CLK_TCK")


def identity(kind):
    """A self-signed certificate; clients of the benchmark verify nothing."""
    return pki.issue(None, NAME, (NAME,), kind=kind,
                     key_bits={"digital_signature": True, "key_encipherment": True})


def processes():
    """{pid: (parent, ticks of its own and of its children that ended)}"""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as stat:
                words = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        found[int(name)] = (int(words[1]), sum(int(word) for word in words[11:15]))
    return found


def tree_of(root):
    """{pid: ticks} of a process and of all that it started."""
    everyone = processes()
    tree = {}
    todo = [root]
    while todo:
        pid = todo.pop()
        if pid in everyone:
            tree[pid] = everyone[pid][1]
            todo += [child for child, (parent, _) in everyone.items() if parent == pid]
    return tree


def processor_s(root):
    return sum(tree_of(root).values()) / TICKS


def memory_kb(root):
    """The proportional share of all its processes."""
    total = 0
    for pid in tree_of(root):
        try:
            with open("/proc/%d/smaps_rollup" % pid) as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            pass
    return total


class Program:
    """A server that is one process of ours, with a folder that goes with it."""

    def __init__(self, prefix, kind):
        self.folder = tempfile.mkdtemp(prefix="postern-bench-" + prefix)
        one = identity(kind)
        self.chain = write(self.folder, "chain.pem", one.pem)
        self.key = write(self.folder, "key.pem", one.key_pem, 0o600)
        self.child = None
        self.silent = None  # a next hop that never speaks

    def start(self, command):
        """Gives the first lines on its standard output, which is to be a pipe."""
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                      text=True)
        self.pid = self.child.pid

    def said(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as log:
            return log.read()

    def stop(self):
        """It is ended by us: one that has ended before fell over, and what was measured of it counts for nothing."""
        status = self.child.poll() if self.child else None
        words = self.said() if status is not None else ""
        if self.child:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            self.child.stdout.close()
            self.log.close()
        if self.silent:
            self.silent.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if status is not None:
            raise Broken(f"the server ended by itself, with status {status}: {words}")


def start_sink(programs, kind="p256", file="spool"):
    sink = Program("sink-", kind)
    try:
        sink.start([programs["accept-sink"], sink.chain, sink.key, os.path.join(sink.folder, file) if file else "-"])
        sink.port = int(sink.child.stdout.readline().split()[1])
    except BaseException:
        sink.stop()
        raise
    return sink


POSTERN = """
hostname = "%(name)s"
state_dir = "%(folder)s/state"
relay_from = { "127.0.0.0/8" }
listener "127.0.0.1:%(port)d" {
    certificate = "%(chain)s"
    key = "%(key)s"
}
domain "%(domain)s" { deliver = "lmtp:[127.0.0.1]:%(silent)d" }
limits { connections = 20000 per_address = 20000 }
"""


def start_postern(programs, kind="p256"):
    postern = Program("postern-", kind)
    postern.silent = socket.create_server(("127.0.0.1", 0), backlog=1024)
    try:
        postern.port = free_port()
        settings = write(postern.folder, "postern.conf", POSTERN % {
            "name": NAME, "folder": postern.folder, "port": postern.port, "chain": postern.chain,
            "key": postern.key, "domain": RECIPIENT.partition("@")[2],
            "silent": postern.silent.getsockname()[1]})
        postern.start([programs["postern"], "serve", "-c", settings])
        end = time.monotonic() + START_S
        while not greets(postern.port):
            if postern.child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("postern serve did not start:\n" + postern.said())
            time.sleep(0.05)
    except BaseException:
        postern.stop()
        raise
    return postern


class House:
    """One of the peers, in namespaces of its own, with its spool in the folder of all."""

    def __init__(self, name, kind, files, script, more=()):
        self.service = Service("bench", identity(kind))
        self.room = Room(fetch(name), [self.service])
        os.mkdir(os.path.join(self.room.folder, "spool"))
        self.port = self.service.port
        words = {"folder": self.room.folder, "name": NAME, "port": self.port,
                 "chain": self.service.chain_file, "key": self.service.key_file}
        try:
            for file, text in files.items():
                write(self.room.folder, file, text % words)
            for file in more:
                shutil.copy(file, self.room.folder)
            self.room.start(["/bin/sh", write(self.room.folder, "go", script % words, 0o755)])
        except BaseException:
            self.room.stop()
            raise
        self.pid = self.room.child.pid

    def stop(self):
        self.room.stop()


POSTFIX = {
    "main.cf": """
compatibility_level = 3.6
myhostname = %(name)s
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = %(key)s, %(chain)s
smtpd_client_restrictions = check_client_access static:HOLD
smtpd_client_connection_count_limit = 0
default_process_limit = 200
smtp_dns_support_level = disabled
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
alias_maps =
alias_database =
""",
    "master.cf": """
127.0.0.1:%(port)d inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
pickup unix n - n 60 1 pickup
showq unix n - n - - showq
"""}

POSTFIX_GO = """#!/bin/sh
set -e
cp %(folder)s/main.cf %(folder)s/master.cf /etc/postfix/
cp -n /usr/share/postfix/postfix-files /usr/share/postfix/*.cf.dist /etc/postfix/ 2>/dev/null || :
mkdir -p /var/spool/postfix /var/lib/postfix
mount --bind %(folder)s/spool /var/spool/postfix
cd /var/spool/postfix
mkdir -p active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public pid
chown postfix active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public /var/lib/postfix
chgrp postdrop maildrop public
chmod 1730 maildrop
chmod 0710 public
chmod 0700 active bounce corrupt defer deferred flush hold incoming private saved trace
exec /usr/lib/postfix/sbin/master -c /etc/postfix -i
"""

OPENSMTPD = {
    "smtpd.conf": """
pki bench cert "%(chain)s"
pki bench key "%(key)s"
listen on 127.0.0.1 port %(port)d tls pki bench hostname %(name)s
action "relay" relay
match from local for any action "relay"
"""}

OPENSMTPD_GO = """#!/bin/sh
set -e
cp %(folder)s/smtpd.conf /etc/smtpd.conf
mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty /run
mount --bind %(folder)s/spool /var/spool/smtpd
chmod 711 /var/spool/smtpd /var/lib/opensmtpd/empty
sed -i 's|^\\(opensmtp[dq]:.*\\):/var/empty:|\\1:/var/lib/opensmtpd/empty:|' /etc/passwd
mount -t tmpfs none /run
echo %(folder)s/opensmtpd-key.so >/etc/ld.so.preload
# smtpctl wants the group that its unpacked file does not give it.
(until setpriv --egid opensmtpq --keep-groups smtpctl pause mta; do sleep 0.2; done) >/dev/null 2>&1 &
exec /usr/sbin/smtpd -F -f /etc/smtpd.conf
"""

EXIM = {
    "exim.conf": """
primary_hostname = %(name)s
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = 127.0.0.1
daemon_smtp_ports = %(port)d
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = %(chain)s
tls_privatekey = %(key)s
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 200
queue_only = true
log_file_path = /var/log/exim/%%slog
spool_directory = /var/spool/exim
acl_smtp_rcpt = anything
acl_smtp_data = anything
begin acl
anything:
  accept
begin routers
begin transports
begin retry
begin rewrite
begin authenticators
"""}

EXIM_GO = """#!/bin/sh
set -e
chown Debian-exim %(key)s
mkdir -p /var/spool/exim /var/log/exim
mount --bind %(folder)s/spool /var/spool/exim
chown Debian-exim:Debian-exim /var/spool/exim /var/log/exim
exec /usr/sbin/exim4 -C %(folder)s/exim.conf -bdf
"""


def start_postfix(_programs, kind="p256"):
    return House("postfix", kind, POSTFIX, POSTFIX_GO)


def start_opensmtpd(programs, kind="rsa2048"):
    """With an RSA key, and help to find it: opensmtpd_key.c says why."""
    return House("opensmtpd", kind, OPENSMTPD, OPENSMTPD_GO, [programs["opensmtpd-key.so"]])


def start_exim(_programs, kind="p256"):
    return House("exim", kind, EXIM, EXIM_GO)


def start_floor(programs, kind="p256"):
    """A sink that keeps nothing and answers at once."""
    return start_sink(programs, kind, file=None)


STARTERS = {"postern": start_postern, "postfix": start_postfix, "opensmtpd": start_opensmtpd, "exim": start_exim,
            "sink": start_sink, "floor": start_floor}
