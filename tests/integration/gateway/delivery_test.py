#!/usr/bin/python3
"""delivery_test.py POSTERN [TEST...] - what is accepted arrives, whole, where its domain says.

Into Maildirs on disks that are full, forbidden or missing; to Dovecot's LMTP server, at its socket and over TLS;
and over crashes. Each promise is a TAP test.
"""
import json
import os
import random
import subprocess
import sys

import gateway
import dovecot
from gateway import LOCAL, Client, Failed, Gateway, Listener, as_stored, wait_for
from faults import pki

PROGRAM = gateway.take_program()
SENDER = "from@sender.test"
DOVECOT = dovecot.DOMAIN


def must(holds, what):
    if not holds:
        raise Failed(what)


def plain_gateway(settings="", **options):
    return Gateway(PROGRAM, listeners=[Listener("none")], settings=settings, **options)


def lmtp(server, over):
    """The settings of Dovecot's domain: over its "socket" or a "port"."""
    where = f"unix:{server.socket}" if over == "socket" else f"[127.0.0.1]:{server.port}"
    return f'domain "{DOVECOT}" {{ deliver = "lmtp:{where}" }}'


def send(one, content, *recipients, parameters=""):
    """Hands a message over; the id in its Received field, which the answer tells."""
    with Client(one.port("none")) as client:
        client.expect("EHLO client.test", 250)
        client.envelope(SENDER, *recipients, parameters=parameters)
        answer = client.data(content)
        must(answer.code == 250, f"{answer}")
        client.quit()


def message(name, body):
    return b"Subject: " + name.encode() + b"\r\nMessage-ID: <" + name.encode() + b"@test>\r\n\r\n" + body


MESSAGES = {
    "dots": b".\r\n..\r\n...first\r\n.last\r\n",
    "eight-bit": "grüße, привет, 你好\r\n".encode() + b"\xe9\xff\xfe\r\n",
    "longest-lines": (b"x" * 998 + b"\r\n") * 20,
    "nothing": b"",
    "blank-lines": b"\r\n\r\n\r\n",
    "megabytes": b"".join(b"%0*d\r\n" % (1 + i % 77, i) for i in range(60000)),
}


def check_all(server, one, wanted_tls):
    for name, body in MESSAGES.items():
        send(one, message(name, body), f"anna@{DOVECOT}", parameters=" BODY=8BITMIME")
    lines = wait_for("all deliveries", lambda: one.log("delivered") if len(one.log("delivered")) == len(MESSAGES)
                     else None)
    for line in lines:
        must((line["to"], line["code"], line["tls"]) == (f"<anna@{DOVECOT}>", "2.0.0", wanted_tls), f"{line}")
    held = server.mail("anna")
    must(len(held) == len(MESSAGES), f"{len(held)} messages are in the mailbox")
    for name, body in MESSAGES.items():
        content = as_stored(message(name, body))
        must(sum(mail.endswith(b"\n" + content) for mail in held) == 1, f"{name} is not as it was sent")


def dovecot_holds_every_byte_that_came_over_its_socket():
    with gateway_with_dovecot("socket") as (one, server):
        check_all(server, one, "none:local-socket")
        must(one.log("delivered")[0]["relay"] == f"lmtp:unix:{server.socket}", "another relay")


def dovecot_holds_every_byte_that_came_over_tls():
    with gateway_with_dovecot("port") as (one, server):
        check_all(server, one, "may:TLSv1.3")
        must(one.log("delivered")[0]["relay"] == f"lmtp:[127.0.0.1]:{server.port}", "another relay")


def each_recipient_is_settled_by_what_dovecot_says_of_it():
    with gateway_with_dovecot("socket") as (one, server):
        send(one, message("many", b"y" * 900 + b"\r\n"), f"anna@{DOVECOT}", f"nobody@{DOVECOT}", f"full@{DOVECOT}",
             f"bert@{DOVECOT}", f"here@{LOCAL}")
        for event, user, code in (("delivered", "anna", "2.0.0"), ("bounced", "nobody", "5.1.1"),
                                  ("deferred", "full", "4.2.2"), ("delivered", "bert", "2.0.0")):
            line = one.wait_log(event, to=f"<{user}@{DOVECOT}>")
            must((line["code"], line["status"]) == (code, event), f"{line}")
        one.mail("here")
        must((len(server.mail("anna")), len(server.mail("bert")), len(server.mail("full"))) == (1, 1, 0), "the mailboxes")
        must(server.room.said().count("Connect from") <= 2, "more than one transaction")


class gateway_with_dovecot:  # pylint: disable=invalid-name
    """Both, as long as a `with` lasts."""

    def __init__(self, over):
        self.over = over

    def __enter__(self):
        folder_of_keys = gateway.tempfile.mkdtemp(prefix="postern-keys-")
        try:
            self.server = dovecot.Dovecot(pki.World(folder_of_keys).good())
        finally:
            gateway.shutil.rmtree(folder_of_keys)
        try:
            self.one = plain_gateway(lmtp(self.server, self.over))
            self.one.__enter__()
        except BaseException:
            self.server.stop()
            raise
        return self.one, self.server

    def __exit__(self, *how):
        try:
            self.one.__exit__(*how)
        finally:
            self.server.stop()


# --- disks ---

def in_namespace(one, path):
    """What the gateway sees at a path, where it has mounts of its own."""
    return f"/proc/{one.pid}/root{path}"


def a_full_disk_makes_mail_wait_and_leaves_nothing_half():
    one = plain_gateway()
    one.wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                   f'mount -t tmpfs -o size=400k none {one.mailboxes} && exec "$@"', "sh"]
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        raise dovecot.Absent("no mount namespace here")
    with one:
        send(one, message("large", (b"z" * 70 + b"\r\n") * 12000), f"full@{LOCAL}")
        line = one.wait_log("deferred", to=f"<full@{LOCAL}>")
        must(line["code"] == "4.3.1" and line["relay"].startswith("maildir:/"), f"{line}")
        mailbox = in_namespace(one, f"{one.mailboxes}/{LOCAL}/full")
        must(os.listdir(f"{mailbox}/tmp") == [] and os.listdir(f"{mailbox}/new") == [], "a rest lies about")
        send(one, message("small", b"a\r\n"), f"full@{LOCAL}")
        one.wait_log("delivered", to=f"<full@{LOCAL}>")
        must(len(os.listdir(f"{mailbox}/new")) == 1, "the small one is not there")


def a_forbidden_folder_makes_mail_wait():
    one = plain_gateway()
    one.wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]
    if subprocess.run([*one.wrapper, "true"], check=False, capture_output=True).returncode != 0:
        raise dovecot.Absent("no capabilities to drop")
    os.makedirs(os.path.join(one.mailboxes, LOCAL, "closed"))
    os.chmod(os.path.join(one.mailboxes, LOCAL, "closed"), 0o500)
    with one:
        send(one, message("one", b"a\r\n"), f"closed@{LOCAL}", f"open@{LOCAL}")
        line = one.wait_log("deferred", to=f"<closed@{LOCAL}>")
        must(line["code"] == "4.3.5" and "Permission denied" in line["reply"], f"{line}")
        one.mail("open")


def a_disk_that_is_not_mounted_makes_mail_wait_until_somebody_asks_for_another_try():
    one = plain_gateway()
    os.rmdir(one.mailboxes)
    with one:
        send(one, message("one", b"a\r\n"), f"user@{LOCAL}")
        line = one.wait_log("deferred", to=f"<user@{LOCAL}>")
        must(line["code"] == "4.3.5" and not os.path.exists(one.mailboxes), f"{line}")
        os.mkdir(one.mailboxes)
        one.run("queue", "retry", "--config", one.settings_file, line["id"])
        must(one.one("user").body == as_stored(message("one", b"a\r\n")), "another message")
        one.wait_log("delivered", id=line["id"])
        story = wait_for("its story", lambda: complete_story(one, line["id"]))
        must([event["event"] for event in story] == ["accepted", "deferred", "retried", "done"],
             f"{story}")
        must(story[1]["code"] == "4.3.5" and story[3]["relay"] == f"maildir:{one.mailboxes}/{LOCAL}/user", f"{story}")


def complete_story(one, message_id):
    """Its events, once the last of them is there: stories are written after the answer."""
    told = one.run("track", "--config", one.settings_file, "--id", message_id, "--json", status=(0, 1))
    events = json.loads(told)["events"] if told else [{"event": "nothing yet"}]
    return events if events[-1]["event"] == "done" else None


# --- crashes ---

def numbered(number):
    return message(f"n{number}", (b"%d " % number) * (200 + number % 7 * 3000) + b"\r\n")


def all_are_whole(one, server, wanted):
    """How often each number is in the mailboxes; whatever is there is as it was sent."""
    contents = {as_stored(numbered(number)): number for number in wanted}
    counts = {}
    files = [open(path, "rb").read() for path in one.files("user")]  # pylint: disable=consider-using-with
    for where, held in (("maildir", files), ("dovecot", server.mail("anna"))):
        for mail in held:
            number = contents.get(mail[mail.index(b"\nSubject: ") + 1:])
            must(number is not None, f"{where} holds what was never sent, or half of it: {mail[:300]!r}")
            counts[where, number] = counts.get((where, number), 0) + 1
    return counts


def no_crash_loses_or_halves_what_is_being_delivered():
    rounds, each = 6, 25
    dice = random.Random(17)
    with gateway_with_dovecot("socket") as (one, server):
        for turn in range(rounds):
            before = len(one.log("delivered"))
            for number in range(turn * each, turn * each + each):
                send(one, numbered(number), f"user@{LOCAL}", f"anna@{DOVECOT}")
            goal = before + dice.randrange(each)
            wait_for("some deliveries", lambda: len(one.log("delivered")) >= goal or None)  # pylint: disable=cell-var-from-loop
            one.kill()
            one.start()
        wanted = range(rounds * each)
        wait_for("all of it", lambda: len(all_are_whole(one, server, wanted)) == 2 * len(wanted) or None)
        counts = all_are_whole(one, server, wanted)
        print(f"# {len(counts)} deliveries over {rounds} crashes, {sum(counts.values()) - len(counts)} of them again")


TESTS = [
    dovecot_holds_every_byte_that_came_over_its_socket,
    dovecot_holds_every_byte_that_came_over_tls,
    each_recipient_is_settled_by_what_dovecot_says_of_it,
    a_full_disk_makes_mail_wait_and_leaves_nothing_half,
    a_forbidden_folder_makes_mail_wait,
    a_disk_that_is_not_mounted_makes_mail_wait_until_somebody_asks_for_another_try,
    no_crash_loses_or_halves_what_is_being_delivered,
]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS, dovecot.Absent))
