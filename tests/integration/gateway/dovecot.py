"""dovecot.py - Dovecot's LMTP server, unpacked from Debian's packages and run in namespaces of its own.

It listens on a port of loopback, with STARTTLS, and at a local socket. `anna` and `bert` are users of DOMAIN,
the mailbox of `full` takes next to nothing, for now; nobody else lives there.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))

import peer  # noqa: E402
from peer import Absent  # noqa: E402, F401 - for those who use this

DOMAIN = "dovecot.test"
USERS = {"anna": "", "bert": "", "full": "userdb_quota_rule=*:bytes=600"}


class Dovecot:
    def __init__(self, identity):
        self.room = peer.Room(peer.fetch("dovecot"), [peer.Service("lmtp", identity)])
        self.service = self.room.services[0]
        self.socket = os.path.join(self.room.folder, "socket")
        try:
            self.room.start(["/bin/sh", self.write_settings()])
        except BaseException:
            self.room.stop()
            raise

    def write_settings(self):
        folder = self.room.folder
        os.mkdir(os.path.join(folder, "mail"))
        os.chmod(os.path.join(folder, "mail"), 0o777)
        peer.write(folder, "users", "".join(
            f"{user}@{DOMAIN}::897:897::{folder}/mail/{user}::{extra}\n" for user, extra in USERS.items()))
        peer.write(folder, "dovecot.conf", f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = lmtp
ssl = yes
ssl_cert = <{self.service.chain_file}
ssl_key = <{self.service.key_file}
auth_mechanisms = plain
mail_location = maildir:~/Maildir
mail_plugins = quota
quota_full_tempfail = yes
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
plugin {{
  quota = maildir:User
}}
service lmtp {{
  unix_listener {self.socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.service.port}
  }}
}}
""")
        return peer.write(folder, "go", f"""#!/bin/sh
set -eu
exec dovecot -F -c {folder}/dovecot.conf
""", 0o755)

    @property
    def port(self):
        return self.service.port

    def mail(self, user):
        """The content of each mail in a mailbox."""
        folder = os.path.join(self.room.folder, "mail", user, "Maildir", "new")
        if not os.path.isdir(folder):
            return []
        mail = []
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                mail.append(file.read())
        return mail

    def stop(self):
        self.room.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
