#!/usr/bin/python3
"""clients_test.py - real clients send awkward messages over STARTTLS and implicit TLS; what lies in the mailbox
then is compared octet by octet.

usage: clients_test.py POSTERN
"""
import functools
import json
import os
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import unittest

import messages
from gateway import (HOST, LOCAL, PATIENCE_S, Failed, Gateway, Listener, as_stored, next_source, take_program, trusting)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "peers"))
from peer import Absent, Room, Service, fetch, start_postfix, write  # noqa: E402

POSTERN = take_program()
WRAPPED = "tls." + LOCAL  # the domain to which Postfix speaks implicit TLS
SENDER = "sender@outside.test"

AWKWARD = {
    "leading dots": messages.DOTS,
    "lines of only dots": messages.ONLY_DOTS,
    "latin-1": messages.LATIN1,
    "lines of 998 octets": messages.LONG_LINES,
    "an empty body": messages.EMPTY_BODY,
    "blank lines": messages.BLANK_LINES,
    "commands and From lines": messages.FROM_LINES,
    "a thousand fields": messages.many_headers(1000),
    "every octet": messages.every_octet(),
    "10 MB": messages.large(10 << 20),
}


class Job:
    """One message to be sent, and how."""

    def __init__(self, gateway, how, content, user):
        self.gateway, self.how, self.port = gateway, how, gateway.port(how)
        self.content, self.recipient = content, f"{user}@{LOCAL}"
        self.root = gateway.world.root_file
        self.path = os.path.join(gateway.folder, "message")
        with open(self.path, "wb") as file:
            file.write(content)

    def in_lf(self):
        """The same message as programs on Unix have it, in another file."""
        with open(self.path + ".lf", "wb") as file:
            file.write(self.content.replace(b"\r\n", b"\n"))
        return self.path + ".lf"


def need(program):
    if not shutil.which(program):
        raise unittest.SkipTest(f"no {program} here")


def run(command, **options):
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]} exits {done.returncode}: {done.stdout[-1500:]!r} {done.stderr[-1500:]!r}")
    return done.stdout


# --- the clients: each is a function of a Job ---

def swaks(job):
    need("swaks")
    with open(job.path, "wb") as file:
        file.write(job.content.removesuffix(b"\r\n"))  # it ends the last line by itself
    tls = ["--tls-on-connect"] if job.how == "implicit" else ["--tls"]
    run(["swaks", "--server", "127.0.0.1", "--port", str(job.port), *tls, "--tls-verify", "--tls-ca-path", job.root,
         "--tls-sni", HOST, "--from", SENDER, "--to", job.recipient, "--data", "@" + job.path, "--ehlo", "client.test",
         "--no-strip-from", "--hide-all"])


def curl(job):
    need("curl")
    scheme = "smtps" if job.how == "implicit" else "smtp"
    run(["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", job.root, "--mail-from", SENDER, "--mail-rcpt",
         job.recipient, "--upload-file", job.path, "--connect-to", f"{HOST}:{job.port}:127.0.0.1:{job.port}",
         f"{scheme}://{HOST}:{job.port}/client.test"])


def msmtp(job):
    need("msmtp")
    with open(job.in_lf(), "rb") as text:
        run(["msmtp", "--host=127.0.0.1", f"--port={job.port}", "--tls=on", f"--tls-trust-file={job.root}",
             f"--tls-host-override={HOST}", f"--tls-starttls={'off' if job.how == 'implicit' else 'on'}",
             f"--from={SENDER}", "--domain=client.test", job.recipient], stdin=text)


def python(job):
    context = trusting(job.gateway)
    source = (next_source(), 0)
    if job.how == "implicit":
        server = ImplicitTls("127.0.0.1", job.port, "client.test", timeout=PATIENCE_S, source_address=source,
                             context=context)
    else:
        server = smtplib.SMTP("127.0.0.1", job.port, "client.test", PATIENCE_S, source_address=source)
        server._host = HOST  # smtplib verifies the name that it dialled
        server.starttls(context=context)
    with server:
        utf8 = [] if job.recipient.isascii() else ["SMTPUTF8"]
        server.sendmail(SENDER, [job.recipient], job.content, ["BODY=8BITMIME", *utf8])


class ImplicitTls(smtplib.SMTP_SSL):
    """For which the server is called HOST, whatever address is dialled."""

    def _get_socket(self, host, port, timeout):
        plain = socket.create_connection((host, port), timeout, self.source_address)
        return self.context.wrap_socket(plain, server_hostname=HOST)


NODE = {**os.environ, "NODE_PATH": "/usr/share/nodejs:/usr/share/javascript"}


@functools.cache
def has_nodemailer():
    return shutil.which("node") and subprocess.run(["node", "-e", "require('nodemailer')"], env=NODE,
                                                   capture_output=True, check=False).returncode == 0


def nodemailer(job):
    if not has_nodemailer():
        raise unittest.SkipTest("no nodemailer here (node-nodemailer)")
    with open(job.root, encoding="ascii") as root:
        transport = {"host": "127.0.0.1", "port": job.port, "name": "client.test", "secure": job.how == "implicit",
                     "requireTLS": True, "localAddress": next_source(), "tls": {"ca": root.read(), "servername": HOST}}
    envelope = {"from": SENDER, "to": [job.recipient], "use8BitMime": True}
    run(["node", os.path.join(HERE, "send_by_nodemailer.js")], env=NODE,
        input=json.dumps({"transport": transport, "envelope": envelope, "file": job.path}).encode())


class Piped:
    """SMTP through the standard input and output of a program that does the TLS."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def reply(self, code):
        while True:
            line = self.child.stdout.readline()
            if not line:
                raise Failed(f"{self.child.args[0]} ends without {code}")
            if re.match(rb"[2-5]\d\d ", line):
                if not line.startswith(code):
                    raise Failed(f"{line!r} in place of {code}")
                return

    def say(self, data, code):
        self.child.stdin.write(data)
        self.child.stdin.flush()
        self.reply(code)

    def send(self, job, greets_inside):
        stuffed = re.sub(rb"(?m)^\.", b"..", job.content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        try:
            if greets_inside:
                self.reply(b"220")
            self.say(b"EHLO client.test\r\n", b"250")
            utf8 = b"" if job.recipient.isascii() else b" SMTPUTF8"
            self.say(b"MAIL FROM:<%s> BODY=8BITMIME%s\r\n" % (SENDER.encode(), utf8), b"250")
            self.say(b"RCPT TO:<%s>\r\n" % job.recipient.encode(), b"250")
            self.say(b"DATA\r\n", b"354")
            self.say(stuffed + b".\r\n", b"250")
            self.say(b"QUIT\r\n", b"221")
        finally:
            self.child.stdin.close()
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()


def openssl(job):
    need("openssl")
    starttls = [] if job.how == "implicit" else ["-starttls", "smtp"]
    Piped(["openssl", "s_client", "-quiet", *starttls, "-connect", f"127.0.0.1:{job.port}", "-CAfile", job.root,
           "-verify_return_error", "-verify_hostname", HOST, "-servername", HOST]).send(job, not starttls)


def gnutls(job):
    need("gnutls-cli")
    starttls = [] if job.how == "implicit" else ["--starttls-proto=smtp"]
    Piped(["gnutls-cli", *starttls, f"--port={job.port}", f"--x509cafile={job.root}", f"--sni-hostname={HOST}",
           f"--verify-hostname={HOST}", f"--logfile={job.path}.log", "127.0.0.1"]).send(job, not starttls)


CLIENTS = [swaks, curl, msmtp, python, nodemailer, openssl, gnutls]
KNOW_SMTPUTF8 = [curl, python, nodemailer, openssl, gnutls]
ADDS_A_LINE = {(swaks, "an empty body")}  # to a message that has none


class Delivering(unittest.TestCase):
    """A gateway, and what is true of all that it delivers."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN, [Listener("may"), Listener("implicit")], domains=(LOCAL, WRAPPED)).start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.gateway.stop()
        finally:
            cls.gateway.remove()

    def check_body(self, user, body, content):
        sent = as_stored(content)
        if body != sent:
            at = next((i for i, (a, b) in enumerate(zip(sent, body)) if a != b), min(len(sent), len(body)))
            self.fail(f"{user}: differs at octet {at}: {body[max(0, at - 40):at + 60]!r}, not "
                      f"{sent[max(0, at - 40):at + 60]!r}; {len(body)} octets, not {len(sent)}")

    def check_fields(self, mail, recipient, protocol="ESMTPS"):
        self.assertEqual(mail.return_path, f"<{SENDER}>")
        self.assertEqual(mail.delivered_to, recipient)
        self.assertEqual(mail.received["by"], HOST)
        self.assertEqual(mail.received["protocol"], protocol)
        self.assertRegex(mail.received["version"], r"^TLSv1\.[23]$")
        self.assertRegex(mail.received["cipher"], r"^(TLS|ECDHE)[-_][-_A-Z0-9]+$")
        self.assertRegex(mail.received["peer"], r"^\[127\.[0-9.]+\]$")
        delivered = self.gateway.wait_log("delivered", id=mail.received["id"])
        self.assertEqual(delivered["status"], "delivered")


class Clients(Delivering):
    """Those that send when they are called."""

    def send(self, client, how, content, user, protocol="ESMTPS"):
        job = Job(self.gateway, how, content, user)
        client(job)
        mail = self.gateway.one(user)
        self.check_body(user, mail.body, content)
        self.check_fields(mail, job.recipient, protocol)

    def send_all(self, client, how):
        for name, content in AWKWARD.items():
            if (client, name) not in ADDS_A_LINE:
                user = f"{client.__name__}-{how}-{name}".replace(" ", "-").lower()
                self.send(client, how, content, user)


def promise(client, how):
    def deliver_all(self):
        self.send_all(client, how)

    def deliver_utf8(self):
        self.send(client, how, messages.UTF8, f"grüße.{client.__name__}.{how}", "UTF8SMTPS")

    name, words = client.__name__, "inside_implicit_tls" if how == "implicit" else "behind_starttls"
    setattr(Clients, f"test_{name}_delivers_every_awkward_message_{words}", deliver_all)
    if client in KNOW_SMTPUTF8:
        setattr(Clients, f"test_{name}_delivers_to_an_address_in_utf8_{words}", deliver_utf8)


for one_client in CLIENTS:
    for one_how in ("may", "implicit"):
        promise(one_client, one_how)


class Servers(Delivering):
    """Mail servers, which get mail in clear at an inlet and hand it on: STARTTLS for LOCAL, implicit TLS for WRAPPED.
    Each puts a Received field of its own in front."""

    @classmethod
    def start(cls, inlet, starttls, wrapped):
        """A peer.Room that serves the inlet, and hands on to these ports."""
        raise unittest.SkipTest("no server of its own")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.inlet = Service("inlet", None)
        try:
            cls.room = cls.start(cls.inlet, cls.gateway.port("may"), cls.gateway.port("implicit"))
        except BaseException as reason:
            cls.gateway.remove()
            if isinstance(reason, Absent):
                raise unittest.SkipTest(str(reason)) from None
            raise

    @classmethod
    def tearDownClass(cls):
        cls.room.stop()
        super().tearDownClass()

    def deliver(self, domain, wanted, protocol="ESMTPS"):
        """All go in at once, then each is looked for."""
        with smtplib.SMTP("127.0.0.1", self.inlet.port, "client.test", PATIENCE_S) as inlet:
            for user, content in wanted.items():
                utf8 = [] if user.isascii() else ["SMTPUTF8"]
                inlet.sendmail(SENDER, [f"{user}@{domain}"], content, ["BODY=8BITMIME", *utf8])
        for user, content in wanted.items():
            try:
                mail = self.gateway.one(user, domain)
            except Failed as reason:
                raise Failed(f"{reason}\n{self.room.said()[-3000:]}") from None
            own, body = mail.take("Received", mail.body)
            self.assertIn("with " + protocol.removesuffix("S").lower(), own.lower())
            self.check_body(user, body, content)
            self.check_fields(mail, f"{user}@{domain}", protocol)

    def deliver_all(self, domain):
        self.deliver(domain, {name.replace(" ", "-").lower(): content for name, content in AWKWARD.items()})


class Postfix(Servers):
    @classmethod
    def start(cls, inlet, starttls, wrapped):
        return start_postfix(
            [inlet],
            main=[f"transport_maps = inline:{{ {LOCAL}=smtp:[127.0.0.1]:{starttls}, "
                  f"{WRAPPED}=wrapped:[127.0.0.1]:{wrapped} }}",
                  "smtp_tls_security_level = secure", f"smtp_tls_secure_cert_match = {HOST}",
                  f"smtp_tls_CAfile = {cls.gateway.world.root_file}", f"smtp_tls_servername = {HOST}",
                  "message_size_limit = 0", "mailbox_size_limit = 0"],
            master=["smtp unix - - n - - smtp", "wrapped unix - - n - - smtp -o smtp_tls_wrappermode=yes"])

    def test_postfix_delivers_every_awkward_message_behind_starttls(self):
        self.deliver_all(LOCAL)

    def test_postfix_delivers_every_awkward_message_inside_implicit_tls(self):
        self.deliver_all(WRAPPED)

    def test_postfix_delivers_to_an_address_in_utf8(self):
        self.deliver(LOCAL, {"grüße.postfix": messages.UTF8}, "UTF8SMTPS")


EXIM = """
primary_hostname = exim.test
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = 127.0.0.1
daemon_smtp_ports = {inlet}
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
message_size_limit = 0
log_file_path = /var/log/exim/%slog
spool_directory = /var/spool/exim
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin acl
accept:
  accept
begin routers
starttls:
  driver = manualroute
  domains = {LOCAL}
  route_list = * 127.0.0.1
  self = send
  transport = starttls
wrapped:
  driver = manualroute
  domains = {WRAPPED}
  route_list = * 127.0.0.1
  self = send
  transport = wrapped
begin transports
starttls:
  driver = smtp
  port = {starttls}
  hosts_require_tls = *
  hosts_try_chunking = *
  tls_sni = {HOST}
  tls_verify_hosts = *
  tls_verify_certificates = {root}
  tls_verify_cert_hostnames =
wrapped:
  driver = smtp
  protocol = smtps
  port = {wrapped}
  hosts_try_chunking = *
  tls_sni = {HOST}
  tls_verify_hosts = *
  tls_verify_certificates = {root}
  tls_verify_cert_hostnames =
begin retry
begin rewrite
begin authenticators
"""


class Exim(Servers):
    """It sends by BDAT."""

    @classmethod
    def start(cls, inlet, starttls, wrapped):
        room = Room(fetch("exim"), [inlet])
        write(room.folder, "exim.conf", EXIM.format(inlet=inlet.port, starttls=starttls, wrapped=wrapped, LOCAL=LOCAL,
                                                    WRAPPED=WRAPPED, HOST=HOST, root=cls.gateway.world.root_file))
        script = write(room.folder, "go", f"""#!/bin/sh
set -e
mkdir -p /etc/exim4 /var/spool/exim /var/log/exim
chown Debian-exim:Debian-exim /var/spool/exim /var/log/exim
cp {room.folder}/exim.conf /etc/exim4/exim4.conf
exec /usr/sbin/exim4 -bdf
""", 0o755)
        room.start(["/bin/sh", script])
        return room

    def test_exim_delivers_every_awkward_message_behind_starttls(self):
        self.deliver_all(LOCAL)

    def test_exim_delivers_every_awkward_message_inside_implicit_tls(self):
        self.deliver_all(WRAPPED)


if __name__ == "__main__":
    unittest.main()
