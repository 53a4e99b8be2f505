"""takers.py - Postfix, OpenSMTPD and Exim as servers that keep whatever they are sent, in one Maildir each.

The Maildir is a folder that everybody may write to.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from peer import Absent, Room, fetch, start_opensmtpd, start_postfix, write  # noqa: E402, F401

# What servers put in front of a message.
THEIRS = {b"return-path", b"delivered-to", b"x-original-to", b"envelope-to", b"delivery-date", b"received"}
EXIM = """
primary_hostname = exim.test
exim_user = Debian-exim
exim_group = Debian-exim
local_interfaces = <; {interfaces}
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = {tls}
tls_certificate = {chain}
tls_privatekey = {key}
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
message_size_limit = 0
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
log_file_path = /var/log/exim/%slog
spool_directory = /var/spool/exim
acl_smtp_rcpt = accept
acl_smtp_data = accept
begin acl
accept:
  accept
begin routers
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {mailbox}
  maildir_format
  create_directory
  user = Debian-exim
  group = Debian-exim
  envelope_to_add
  return_path_add
begin retry
begin rewrite
begin authenticators
"""


def start_taking_postfix(services, mailbox, main=(), master=()):
    """`main` and `master`: more lines of main.cf and master.cf."""
    base, name = os.path.split(mailbox)
    return start_postfix(services, [
        "virtual_mailbox_domains = static:all", f"virtual_mailbox_base = {base}", f"virtual_mailbox_maps = static:{name}/",
        "virtual_uid_maps = static:897", "virtual_gid_maps = static:897", "message_size_limit = 0",
        "virtual_mailbox_limit = 0", "mailbox_size_limit = 0", *main],
        ["virtual unix - n n - - virtual", "trace unix - - n - 0 bounce", *master])


def start_taking_opensmtpd(services, mailbox):
    return start_opensmtpd(services, f"""smtp max-message-size 60M
action "keep" maildir "{mailbox}" virtual {{ "@" = vmail }}
match from any for any action "keep"
""")


def start_taking_exim(services, mailbox):
    room = Room(fetch("exim"), services)

    def by_port(values, otherwise=""):
        text = otherwise
        for port, value in values:
            text = "${if eq{$received_port}{%d}{%s}{%s}}" % (port, value, text)
        return text

    write(room.folder, "exim.conf", EXIM.format(
        interfaces=" ; ".join(f"[127.0.0.1]:{one.port}" for one in services), port=services[0].port,
        tls=by_port(((one.port, "") for one in services if not one.identity), "*"),
        chain=by_port((one.port, one.chain_file) for one in services if one.identity),
        key=by_port((one.port, one.key_file) for one in services if one.identity), mailbox=mailbox))
    room.start(["/bin/sh", write(room.folder, "go", f"""#!/bin/sh
set -e
for file in {room.folder}/*.key.pem; do chown Debian-exim "$file"; done
mkdir -p /etc/exim4 /var/spool/exim /var/log/exim
chown Debian-exim:Debian-exim /var/spool/exim /var/log/exim
cp {room.folder}/exim.conf /etc/exim4/exim4.conf
exec /usr/sbin/exim4 -bdf
""", 0o755)])
    return room


START = {"postfix": start_taking_postfix, "opensmtpd": start_taking_opensmtpd, "exim": start_taking_exim}


class Kept:
    """One message of a Maildir: what servers put in front, and all behind it."""

    def __init__(self, data):
        self.data, self.front = data, []
        at = 0
        while found := re.compile(rb"([!-9;-~]+):((?:[^\n]|\n[ \t])*)\n").match(data, at):
            if found[1].lower() not in THEIRS:
                break
            self.front.append((found[1].decode().lower(), found[2].strip().decode()))
            at = found.end()
        self.rest = data[at:]
        self.recipient = next((value for name, value in self.front if name in ("delivered-to", "envelope-to")), None)

    def received(self):
        """The first words of each Received field, the last hop first."""
        return [value for name, value in self.front if name == "received"]


def kept_in(mailbox):
    folder = os.path.join(mailbox, "new")
    kept = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            kept.append(Kept(file.read()))
    return kept
