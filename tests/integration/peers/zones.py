"""zones.py - a signed root of our own and the zones below it, served by NSD or Knot on a free loopback port.

Zones, all below the one root whose key is the trust anchor: secure.example (right),
insecure.example (no DS), bogus.example (its DS is of another key), tampered.example (an
address changed after signing), expired.example (signatures ran out), servfail.example
(the server has no data), and under Knot online.example (signed by the server itself).
"""

import datetime
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from peer import START_S, Absent, free_ports, write

SOA = "@ 3600 IN SOA ns.example. hostmaster.example. 2026010101 3600 900 604800 60\n@ 3600 IN NS ns.example.\n"

SECURE = SOA + """
good 60 IN MX 10 mx
mx 60 IN A 127.0.0.1
null 60 IN MX 0 .
alias 60 IN MX 10 alias-mx
alias-mx 60 IN CNAME mx
address 60 IN MX 10 127.0.0.1.
noaddress 60 IN MX 10 wordy
wordy 60 IN TXT "no address here"
nohost 60 IN MX 10 missing
half 60 IN MX 10 wordy
half 60 IN MX 20 mx
nomx 60 IN A 127.0.0.1
nothing 60 IN TXT "no MX, no address"
www 60 IN CNAME good
tobogus 60 IN MX 10 mx.bogus.example.
toinsecure 60 IN MX 10 mx.insecure.example.
"""
ONE_HOST = SOA + "@ 60 IN MX 10 mx\nmx 60 IN A 127.0.0.1\n"


def tool(name):
    """Path of a tool, also where PATH has no sbin."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise Absent("no %s command" % name)
    return path


def run(folder, *command):
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def stamp(days):
    return (datetime.datetime.utcnow() + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%S")


class Zones:
    """Zone files, keys and the server."""

    def __init__(self, server, more=None, spoil=None):
        """`more`: lines by zone that come beside its own; `spoil`: by zone, text that is replaced after signing."""
        self.server = server
        self.more = more or {}
        self.spoil = spoil or {}
        self.folder = tempfile.mkdtemp(prefix="postern-zones-")
        os.chmod(self.folder, 0o755)
        self.child = None
        self.port = free_ports(1)[0]
        self.zones = {}  # name -> signed file
        self.delegations = []
        try:
            self.make()
            self.start()
        except BaseException:
            self.stop()
            raise

    # files

    def key(self, zone):
        return run(self.folder, tool("ldns-keygen"), "-a", "ECDSAP256SHA256", "-k", zone)

    def ds(self, key):
        return run(self.folder, tool("ldns-key2ds"), "-n", "-2", key + ".key")

    def sign(self, zone, text, key, start=-2, end=20):
        name = (zone.rstrip(".") or "root") + ".zone"
        write(self.folder, name, "$ORIGIN %s\n$TTL 60\n%s%s" % (zone, text, self.more.get(zone, "")))
        run(self.folder, tool("ldns-signzone"), "-i", stamp(start), "-e", stamp(end), "-o", zone, "-f", name + ".signed",
            name, key)
        self.zones[zone] = os.path.join(self.folder, name + ".signed")
        for old, new in self.spoil.get(zone, []):
            self.replace(zone, old, new)

    def replace(self, zone, old, new):
        """Changes a signed file, so that a signature in it is of something else."""
        path = self.zones[zone]
        with open(path) as signed:
            text = signed.read()
        assert old in text, "%s is not in %s" % (old, zone)
        write(self.folder, os.path.basename(path), text.replace(old, new))

    def child_zone(self, zone, text, **dates):
        key = self.key(zone)
        self.sign(zone, text, key, **dates)
        self.delegations.append(self.ds(key))

    def make(self):
        self.child_zone("secure.example.", SECURE)
        self.child_zone("expired.example.", ONE_HOST, start=-40, end=-10)
        self.child_zone("tampered.example.", ONE_HOST)
        self.replace("tampered.example.", "127.0.0.1", "127.0.0.2")
        self.sign("bogus.example.", ONE_HOST, self.key("bogus.example."))
        self.delegations.append(self.ds(self.key("bogus.example.")))  # of a key that the zone has not
        self.zones["insecure.example."] = write(
            self.folder, "insecure.zone", "$ORIGIN insecure.example.\n$TTL 60\n" + ONE_HOST + self.more.get("insecure.example.", ""))
        self.zones["servfail.example."] = os.path.join(self.folder, "there-is-no-such.zone")
        names = list(self.zones)
        if self.server == "knot":
            names.append("online.example.")
            self.make_online()
        key = self.key(".")
        cuts = "".join("%s 60 IN NS ns.example.\n" % name for name in names)
        self.sign(".", SOA + cuts + "ns.example. 60 IN A 127.0.0.1\n" + "\n".join(self.delegations) + "\n", key)
        self.trust_anchor = os.path.join(self.folder, key + ".ds")
        write(self.folder, key + ".ds", self.ds(key) + "\n")

    def make_online(self):
        """Knot's own keys for online.example, made before it starts, so that the root can hold their DS."""
        zone_file = write(self.folder, "online.zone", "$ORIGIN online.example.\n$TTL 60\n" + ONE_HOST)
        self.zones["online.example."] = zone_file
        os.makedirs(os.path.join(self.folder, "db"), exist_ok=True)
        self.knot_conf()
        run(self.folder, tool("keymgr"), "-c", "knot.conf", "online.example.", "generate",
            "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes")
        lines = run(self.folder, tool("keymgr"), "-c", "knot.conf", "online.example.", "ds").splitlines()
        self.delegations.append(next(line for line in lines if line.split()[4] == "2"))

    # servers

    def knot_conf(self):
        zones = "".join("""
  - domain: %s
    file: %s
""" % (zone, path) + ("    dnssec-signing: on\n    dnssec-policy: own\n    journal-content: none\n    zonefile-sync: -1\n"
                      if zone == "online.example." else "    journal-content: none\n    zonefile-sync: -1\n")
            for zone, path in self.zones.items())
        return write(self.folder, "knot.conf", """
server:
    listen: 127.0.0.1@%d
    rundir: %s
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: %s/db
    journal-db-max-size: 10M
    kasp-db-max-size: 10M
    timer-db-max-size: 10M
policy:
  - id: own
    manual: on
    single-type-signing: on
zone:%s
""" % (self.port, self.folder, self.folder, zones))

    def nsd_conf(self):
        zones = "".join("zone:\n    name: %s\n    zonefile: %s\n" % pair for pair in self.zones.items())
        return write(self.folder, "nsd.conf", """
server:
    ip-address: 127.0.0.1@{0}
    server-count: 1
    username: ""
    zonesdir: {1}
    database: ""
    pidfile: {1}/nsd.pid
    logfile: {1}/log
    xfrdfile: {1}/xfrd.state
    zonelistfile: {1}/zone.list
    xfrdir: {1}
remote-control:
    control-enable: no
{2}""".format(self.port, self.folder, zones))

    def start(self):
        if self.server == "nsd":
            command = [tool("nsd"), "-d", "-c", self.nsd_conf()]
        else:
            os.makedirs(os.path.join(self.folder, "db"), exist_ok=True)
            command = [tool("knotd"), "-c", self.knot_conf()]
        self.log = open(os.path.join(self.folder, "out"), "wb")
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                      start_new_session=True)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.child.poll() is None:
            if self.answers("secure.example."):
                return
            time.sleep(0.1)
        with open(os.path.join(self.folder, "out"), errors="replace") as out:
            raise RuntimeError("%s did not start: %s" % (self.server, out.read()))

    def answers(self, name):
        """Whether a question for its SOA is answered with one."""
        question = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"".join(
            bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".")) + b"\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.5)
            try:
                probe.sendto(question, ("127.0.0.1", self.port))
                answer = probe.recv(4096)
            except OSError:
                return False
        return answer[3] & 15 == 0 and answer[6:8] != b"\0\0"

    def stop(self):
        if self.child is not None:
            # NSD's children are in its process group, which is this child's own session.
            os.killpg(self.child.pid, signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
            self.log.close()
            self.child = None
        shutil.rmtree(self.folder, ignore_errors=True)
