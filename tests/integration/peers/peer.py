"""peer.py - starts Postfix, OpenSMTPD, Exim, openssl s_server and gnutls-serv on free loopback ports.

Each is started once with one port a service; a service is a certificate and what else it
insists on. All of them end with the object that started them, by the id of their process.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults import smtp  # noqa: E402
from faults.peer import HOST, Gone, Listener  # noqa: E402
from ports import free_ports  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
START_S = 120  # the longest that a mail server may take to greet


class Absent(Exception):
    """This peer cannot be had here; the reason is the text."""


def cache_folder():
    return os.environ.get("POSTERN_CACHE") or os.path.join(
        os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "build", "peers")


def fetch(name):
    """The tree of an unpacked peer; Absent where it cannot be had."""
    if os.geteuid() != 0:
        raise Absent("only root may make mount namespaces")
    tree = os.path.join(cache_folder(), name)
    if not os.path.exists(os.path.join(tree, ".whole")):
        try:
            done = subprocess.run([os.path.join(HERE, "fetch_peers"), cache_folder()], capture_output=True,
                                  text=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise Absent("%s could not be fetched in time" % name)
        if done.returncode != 0:
            raise Absent("%s could not be fetched: %s" % (name, done.stderr.strip().splitlines()[-1:]))
    return tree


class Service:
    """One port: the identity to show (None: no STARTTLS) and what to insist on."""

    def __init__(self, name, identity, tls10=False, client_ca=None):
        self.name, self.identity, self.tls10, self.client_ca = name, identity, tls10, client_ca
        self.port = None


def write(folder, name, text, mode=0o644):
    path = os.path.join(folder, name)
    with open(path, "wb") as out:
        out.write(text.encode() if isinstance(text, str) else text)
    os.chmod(path, mode)
    return path


def greets(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as probe:
            probe.settimeout(5)
            return probe.recv(3) == b"220"
    except OSError:
        return False


class Room:
    """A mail server in namespaces of its own, ended as a whole."""

    def __init__(self, tree, services):
        self.tree = tree
        self.services = services
        self.folder = tempfile.mkdtemp(prefix="postern-peer-")
        os.chmod(self.folder, 0o755)
        self.child = None
        for service, port in zip(services, free_ports(len(services))):
            service.port = port
            if service.identity is None:
                continue
            chain = service.identity.pem + b"".join(other.pem for other in service.identity.chain)
            service.chain_file = write(self.folder, service.name + ".chain.pem", chain)
            service.key_file = write(self.folder, service.name + ".key.pem", service.identity.key_pem, 0o600)
            if service.client_ca:
                service.client_ca_file = write(self.folder, service.name + ".ca.pem", service.client_ca.pem)

    def start(self, command):
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.child = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
             os.path.join(HERE, "room"), self.tree, self.folder] + command,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    def wait(self):
        """Until every service greets."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.child.poll() is None:
            if all(greets(service.port) for service in self.services):
                return
            time.sleep(0.2)
        said = self.said()
        if said.startswith("unshare:") or "mount" in said and ("denied" in said or "failed" in said):
            raise Absent("no mount namespace with overlays here: %s" % said[-300:])
        raise RuntimeError("the peer did not start:\n" + said)

    def first_processes(self):
        """The one child of unshare, while it has not been waited for."""
        try:
            with open("/proc/%d/task/%d/children" % (self.child.pid, self.child.pid)) as children:
                return [int(word) for word in children.read().split()]
        except OSError:
            return []

    def said(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as log:
            return log.read()

    def stop(self):
        if self.child is not None:
            # The first process of a namespace takes all others with it. --kill-child alone does not do:
            # a server that changes its user has its parent-death signal taken away.
            for first in self.first_processes():
                os.kill(first, signal.SIGKILL)
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            self.log.close()
            self.child = None
        shutil.rmtree(self.folder, ignore_errors=True)


def start_postfix(services, main=(), master=()):
    """`main` and `master`: more lines of main.cf and master.cf; what main.cf says last holds."""
    room = Room(fetch("postfix"), services)
    master = [
        *master, "postlog unix-dgram n - n - 1 postlogd", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
        "rewrite unix - - n - - trivial-rewrite", "tlsmgr unix - - n 1000? 1 tlsmgr", "bounce unix - - n - 0 bounce",
        "defer unix - - n - 0 bounce", "error unix - - n - - error", "anvil unix - - n - 1 anvil",
        "proxymap unix - - n - - proxymap", "pickup unix n - n 60 1 pickup", "showq unix n - n - - showq",
    ]
    for service in services:
        if service.identity is None:
            words = ["-o", "smtpd_tls_security_level=none"]
        else:
            words = ["-o", "smtpd_tls_chain_files=%s,%s" % (service.key_file, service.chain_file)]
        if service.tls10:
            words += ["-o", "smtpd_tls_protocols=TLSv1", "-o", "smtpd_tls_mandatory_protocols=TLSv1"]
        if service.client_ca:
            words += ["-o", "smtpd_tls_security_level=encrypt", "-o", "smtpd_tls_req_ccert=yes",
                      "-o", "smtpd_tls_CAfile=" + service.client_ca_file]
        master.append("127.0.0.1:%d inet n - n - - smtpd %s" % (service.port, " ".join(words)))
    write(room.folder, "master.cf", "\n".join(master) + "\n")
    write(room.folder, "main.cf", """
compatibility_level = 3.6
myhostname = %s
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_tls_security_level = may
tls_medium_cipherlist = ALL:@SECLEVEL=0
smtpd_tls_ciphers = medium
smtpd_tls_mandatory_ciphers = medium
smtpd_tls_loglevel = 1
smtpd_client_connection_count_limit = 0
anvil_status_update_time = 3600s
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
%s
""" % (HOST, "\n".join(main)))
    script = write(room.folder, "go", """#!/bin/sh
set -e
cp {0}/main.cf {0}/master.cf /etc/postfix/
cp -n /usr/share/postfix/postfix-files /usr/share/postfix/*.cf.dist /etc/postfix/ 2>/dev/null || :
[ -e /etc/postfix/postfix-files ] || cp /etc/postfix/postfix-files.d/* /etc/postfix/ 2>/dev/null || :
mkdir -p /var/spool/postfix /var/lib/postfix
cd /var/spool/postfix
mkdir -p active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public pid etc lib usr dev
chown postfix active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public /var/lib/postfix
chgrp postdrop maildrop public
chmod 1730 maildrop
chmod 0710 public
chmod 0700 active bounce corrupt defer deferred flush hold incoming private saved trace
exec /usr/lib/postfix/sbin/master -c /etc/postfix -i
""".format(room.folder), 0o755)
    room.start(["/bin/sh", script])
    return room


def start_opensmtpd(services, rules='action "local" maildir\nmatch for local action "local"\n'):
    """6.8 cannot be held to TLS 1.0. With OpenSSL 3 it fails handshakes: see peers_test.py. `rules`: what it does
    with mail."""
    room = Room(fetch("opensmtpd"), services)
    lines = []
    for service in services:
        if service.identity is None:
            lines.append("listen on 127.0.0.1 port %d hostname %s" % (service.port, HOST))
            continue
        lines += ['pki %s cert "%s"' % (service.name, service.chain_file),
                  'pki %s key "%s"' % (service.name, service.key_file)]
        more = ""
        if service.client_ca:
            lines.append('ca %s cert "%s"' % (service.name, service.client_ca_file))
            more = " ca %s" % service.name
        demand = "tls-require verify" if service.client_ca else "tls"
        lines.append("listen on 127.0.0.1 port %d %s pki %s%s hostname %s" % (
            service.port, demand, service.name, more, HOST))
    write(room.folder, "smtpd.conf", "\n".join(lines) + "\n" + rules)
    script = write(room.folder, "go", """#!/bin/sh
set -e
cp {0}/smtpd.conf /etc/smtpd.conf
mkdir -p /var/spool/smtpd /var/lib/opensmtpd/empty /run
chmod 711 /var/spool/smtpd /var/lib/opensmtpd/empty
sed -i 's|^\\(opensmtp[dq]:.*\\):/var/empty:|\\1:/var/lib/opensmtpd/empty:|' /etc/passwd
mount -t tmpfs none /run
exec /usr/sbin/smtpd -F -f /etc/smtpd.conf
""".format(room.folder), 0o755)
    room.start(["/bin/sh", script])
    return room


def start_exim(services, main=()):
    """Debian's Exim speaks TLS by GnuTLS. `main`: more lines of its main section."""
    room = Room(fetch("exim"), services)

    def by_port(values, otherwise=""):
        text = otherwise
        for port, value in values:
            text = "${if eq{$received_port}{%d}{%s}{%s}}" % (port, value, text)
        return text

    write(room.folder, "exim.conf", """
primary_hostname = %s
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = <; %s
daemon_smtp_ports = %d
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = %s
tls_certificate = %s
tls_privatekey = %s
tls_require_ciphers = %s
tls_verify_hosts = %s
tls_verify_certificates = %s
smtp_accept_max = 100
smtp_accept_max_per_host =
log_file_path = /var/log/exim/%%slog
spool_directory = /var/spool/exim
acl_smtp_rcpt = deny
%s
begin acl
deny:
  deny
begin routers
begin transports
begin retry
begin rewrite
begin authenticators
""" % (HOST, " ; ".join("[127.0.0.1]:%d" % s.port for s in services), services[0].port,
       by_port(((s.port, "") for s in services if not s.identity), "*"),
       by_port((s.port, s.chain_file) for s in services if s.identity),
       by_port((s.port, s.key_file) for s in services if s.identity),
       by_port(((s.port, "NORMAL:-VERS-ALL:+VERS-TLS1.0:+SHA1:+SIGN-ALL") for s in services if s.tls10), "NORMAL"),
       by_port((s.port, "*") for s in services if s.client_ca),
       by_port(((s.port, s.client_ca_file) for s in services if s.client_ca), "system"), "\n".join(main)))
    script = write(room.folder, "go", """#!/bin/sh
set -e
for f in {0}/*.key.pem; do chown Debian-exim "$f"; done
mkdir -p /var/spool/exim /var/log/exim
chown Debian-exim:Debian-exim /var/spool/exim /var/log/exim
exec /usr/sbin/exim4 -C {0}/exim.conf -bdf
""".format(room.folder), 0o755)
    room.start(["/bin/sh", script])
    return room


def splice(one, other):
    """Copies bytes until the end of `one`."""
    try:
        while True:
            data = one.recv(65536)
            if not data:
                break
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Front:
    """A plaintext SMTP front before a TLS server that knows nothing of SMTP."""

    def __init__(self, back_port):
        self.back_port = back_port
        self.listener = Listener(self.serve)
        self.port = self.listener.port

    def serve(self, peer):
        smtp.converse(peer)
        with socket.create_connection(("127.0.0.1", self.back_port), START_S) as back:
            there = threading.Thread(target=splice, args=(peer.socket, back), daemon=True)
            there.start()
            splice(back, peer.socket)
            there.join(START_S)
        raise Gone()

    def stop(self):
        self.listener.stop()


class Program:
    """A TLS server program behind a Front, spoken to by its standard input and output."""

    def __init__(self, command_at):
        """`command_at(port)` is the command that listens there."""
        for port in free_ports(5):  # another test may be quicker to take one
            self.child = subprocess.Popen(command_at(port), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL)
            while self.child.poll() is None and not listens(self.child.pid, port):
                time.sleep(0.02)
            if self.child.poll() is None:
                break
        self.front = Front(port)
        self.port = self.front.port
        threading.Thread(target=self.speak, daemon=True).start()

    def speak(self):
        """The SMTP inside TLS, one connection after another."""
        for line in self.child.stdout:
            verb = line.strip().split(b" ")[0].upper()
            answer = {b"EHLO": smtp.offer(b"PIPELINING", b"8BITMIME"), b"QUIT": b"221 2.0.0 Bye\r\n"}.get(verb)
            if answer:
                try:
                    self.child.stdin.write(answer)
                    self.child.stdin.flush()
                except OSError:
                    return

    def stop(self):
        self.front.stop()
        self.child.kill()
        self.child.wait()


def listens(pid, port):
    """Whether this process has a socket that listens there, without connecting to it."""
    rows = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:
            rows += [row.split() for row in file.readlines()[1:]]
    inodes = {"socket:[%s]" % row[9] for row in rows if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port}
    try:
        folder = "/proc/%d/fd" % pid
        return any(os.readlink(os.path.join(folder, name)) in inodes for name in os.listdir(folder))
    except OSError:  # it has ended, or closed one
        return False


class Programs:
    """Several programs with one end."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postern-peer-")
        self.programs = []

    def stop(self):
        for program in self.programs:
            program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_openssl(services):
    if shutil.which("openssl") is None:
        raise Absent("no openssl command")
    all_ = Programs()
    for service in services:
        one = service.identity
        leaf = write(all_.folder, service.name + ".pem", one.pem)
        key = write(all_.folder, service.name + ".key", one.key_pem, 0o600)
        rest = write(all_.folder, service.name + ".rest", b"".join(other.pem for other in one.chain))
        command = ["openssl", "s_server", "-quiet", "-cert", leaf, "-key", key]
        command += ["-cert_chain", rest] if one.chain else []
        if service.tls10:
            command += ["-tls1", "-cipher", "ALL:@SECLEVEL=0"]
        if service.client_ca:
            ca = write(all_.folder, service.name + ".ca", service.client_ca.pem)
            command += ["-Verify", "2", "-CAfile", ca, "-verify_return_error"]
        all_.programs.append(Program(lambda port, command=command: [*command, "-accept", "127.0.0.1:%d" % port]))
        service.port = all_.programs[-1].port
    return all_


def start_gnutls(services, priorities):
    """gnutls-serv echoes what is said inside TLS, so only what fails before can be asked of it."""
    if shutil.which("gnutls-serv") is None:
        raise Absent("no gnutls-serv command")
    all_ = Programs()
    for service in services:
        one = service.identity
        chain = write(all_.folder, service.name + ".pem", one.pem + b"".join(other.pem for other in one.chain))
        key = write(all_.folder, service.name + ".key", one.key_pem, 0o600)
        command = ["gnutls-serv", "--quiet", "--echo", "--x509certfile", chain,
                   "--x509keyfile", key]
        if service.name in priorities:
            command += ["--priority", priorities[service.name]]
        if service.client_ca:
            ca = write(all_.folder, service.name + ".ca", service.client_ca.pem)
            command += ["--x509cafile", ca, "--require-client-cert", "--verify-client-cert"]
        else:
            command += ["--disable-client-cert"]
        if service.name == "names-another":
            command += ["--sni-hostname", "other.ferry.example", "--sni-hostname-fatal"]
        all_.programs.append(Program(lambda port, command=command: [*command, "--port", str(port)]))
        service.port = all_.programs[-1].port
    return all_
