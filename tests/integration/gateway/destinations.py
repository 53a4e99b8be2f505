"""destinations.py - servers for a gateway to deliver to, many messages at once, and all that is told of each.

A lab (`postern lab --dns --judge`) with its own zone; what the log, the queue, tracking and the reports to the
sender say of a message, side by side.
"""

import email
import email.policy
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from gateway import ENDS_WITH_US, LOCAL, PATIENCE_S, Client, Failed, wait_for

TRIED = ("delivered", "deferred", "bounced")  # the events of an attempt


def must(holds, what):
    if not holds:
        raise Failed(what)


class Lab:
    """`postern lab` with its zone, as long as a `with` lasts; all servers at one port, each at its own address."""

    def __init__(self, program, *options):
        self.folder = tempfile.mkdtemp(prefix="postern-destinations-")
        self.process = subprocess.Popen(
            [*ENDS_WITH_US, program, "lab", "--json", "--judge", "--dns", "--directory", self.folder, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.manifest = json.loads(self.process.stdout.readline() or "null")
        if self.manifest is None:
            self.close()
            raise Failed("postern lab does not start")
        self.servers = {server["fault"]: server for server in self.manifest["servers"]}
        self.port = next(server["port"] for server in self.servers.values() if server["port"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, name):
        return os.path.join(self.folder, name)

    def exam(self):
        """By fault: what was done with it, and the marks at may, encrypt and verify. Ends the lab."""
        self.process.send_signal(signal.SIGTERM)
        table = self.process.communicate(timeout=PATIENCE_S)[0].splitlines()[1:]
        columns = (0, 35, 48, 59, 70, None)
        rows = [[line[a:b].strip() for a, b in zip(columns, columns[1:])] for line in table]
        return {row[0]: tuple(row[1:]) for row in rows}

    def settings(self, timeout="5m"):
        """Those of a gateway that delivers there, but for `trust` and policies; its `client` is left open."""
        policies = f"sts_port = {self.manifest['sts_port']} private_addresses = yes " if self.manifest.get("sts_port") else ""
        return (f'dns {{ resolver = "{self.manifest["dns"]}" trust_anchor = "{self.manifest["trust_anchor"]}" }}\n'
                f"client {{ port = {self.port} {policies}timeout = {timeout} ")


CONTENT = b"Subject: one of many\r\nMessage-ID: <%s@test>\r\n\r\nThe text.\r\n"


def send_all(one, recipients):
    """A message to each recipient, over one connection, each from a sender of its own; the ids by recipient."""
    ids = {}
    with Client(one.port("none")) as client:
        client.expect("EHLO client.test", 250)
        for recipient in recipients:
            client.envelope(sender_to(recipient), recipient)
            answer = client.data(CONTENT % recipient.encode())
            must(answer.code == 250, f"{recipient}: {answer}")
            ids[recipient] = re.search(r"\b([0-9a-z]{13})\b", answer.text).group(1)
        client.quit()
    return ids


def sender_to(recipient):
    """Who hears what became of it: a mailbox of its own."""
    return f"{recipient.rpartition('@')[2]}@{LOCAL}"


def attempts(one):
    """What the log says of each message, in order, by id."""
    by_id = {}
    for line in one.log():
        if line["event"] in TRIED:
            by_id.setdefault(line["id"], []).append(line)
    return by_id


def wait_for_attempts(one, ids, is_enough):
    """By recipient the lines of the log, once is_enough(lines) holds for each."""
    def ask():
        told = attempts(one)
        found = {recipient: told.get(number, []) for recipient, number in ids.items()}
        return found if all(map(is_enough, found.values())) else None

    try:
        return wait_for("an attempt at each", ask)
    except Failed as late:
        told = attempts(one)
        missing = {recipient: told.get(number, []) for recipient, number in ids.items()
                   if not is_enough(told.get(number, []))}
        raise Failed(f"{late}: {json.dumps(missing)[:2000]}") from None


def has_ended(lines):
    return bool(lines) and lines[-1]["event"] in ("delivered", "bounced")


def stories(one, ids, is_whole):
    """By recipient what `postern track` tells, once it tells of all: it is written a moment later."""
    found = {}

    def ask():
        text = one.run("track", "--json", "-c", one.settings_file, "--most", "100000", status=(0, 1))
        told = {story["id"]: story for story in map(json.loads, filter(None, text.splitlines())) if "id" in story}
        found.update({recipient: told.get(number) for recipient, number in ids.items()})
        return found if not missing() else None

    def missing():
        return {recipient: story for recipient, story in found.items() if not story or not is_whole(recipient, story)}

    try:
        return wait_for("a story", ask)
    except Failed as late:
        raise Failed(f"{late}; {len(missing())} are not whole: {json.dumps(missing())[:2000]}") from None


def waiting(one, tried):
    """By address what `postern queue list` tells of a recipient, once an attempt at each of these has been taken down."""
    def ask():
        text = one.run("queue", "list", "--json", "-c", one.settings_file)
        found = {recipient["address"]: recipient for line in filter(None, text.splitlines())
                 for recipient in json.loads(line)["recipients"]}
        return found if all(found.get(address, {}).get("code") for address in tried) else None

    return wait_for("what was deferred, in the queue", ask)


class Report:
    """What the sender reads of one recipient: words for people, and the fields beside them."""

    def __init__(self, path):
        with open(path, "rb") as file:
            mail = email.message_from_bytes(file.read(), policy=email.policy.default)
        must(mail.get_content_type() == "multipart/report", f"{path}: {mail.get_content_type()}")
        words, fields, _ = mail.get_payload()
        self.words = " ".join(words.get_content().split())
        blocks = fields.get_payload()
        must(len(blocks) == 2, f"{len(blocks) - 1} recipients in one report")
        self.about = blocks[1]


def report_to(one, recipient):
    """The one report on it."""
    user = sender_to(recipient).partition("@")[0]
    paths = wait_for(f"a report on {recipient}", lambda: one.files(user) or None)
    must(len(paths) == 1, f"{len(paths)} reports on {recipient}")
    return Report(paths[0])
