#!/usr/bin/python3
"""`postern send`, `queue` and `track`, while the gateway runs and while it does not.

usage: control_test.py POSTERN
"""

import atexit
import email
import email.message
import email.policy
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gateway import LOCAL, NOWHERE, REMOTE, Gateway, Listener, wait_for  # noqa: E402


def where_everybody_may_run_it(program):
    """A copy, where other users cannot get at the program: it may be built in a home that is closed to them."""
    folders = pathlib.Path(program).parents
    if not os.path.isfile(program) or all(folder.stat().st_mode & 1 for folder in folders):
        return program
    room = tempfile.mkdtemp(prefix="postern-program-")
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    os.chmod(room, 0o755)
    return shutil.copy(program, room)


POSTERN = where_everybody_may_run_it(os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "postern")
UTF8 = {**os.environ, "LC_ALL": "C.UTF-8"}
EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = \
    0, 64, 65, 67, 69, 74, 75, 77, 78
HOST = "mx.example.org"


class House:
    """A state folder without a gateway."""

    def __init__(self, folder, more=""):
        self.folder = pathlib.Path(folder)
        self.settings = self.folder / "postern.conf"
        self.state = self.folder / "state"
        self.state.mkdir(mode=0o711)
        self.settings.write_text(f'hostname = "{HOST}"\nstate_dir = "{self.state}"\n{more}\n'
                                 f'policy "default" {{ next_hop = "{NOWHERE}" }}\n')
        os.chmod(folder, 0o755)

    def run(self, *words, stdin=b"", **options):
        return subprocess.run([POSTERN, words[0], "-c", str(self.settings), *words[1:]], input=stdin, env=UTF8,
                              capture_output=True, timeout=60, check=False, **options)

    def send(self, *words, stdin=b"Subject: x\n\nHello.\n", **options):
        return self.run("send", *words, stdin=stdin, **options)

    def list(self, *words):
        done = self.run("queue", "list", "--json", *words)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def content(self, message_id):
        """A message as it lies in the queue."""
        done = self.run("queue", "show", "--body", message_id)
        head, _, lines = done.stdout.decode().partition("\n\n")
        assert done.returncode == 0, done.stderr
        return head, "".join(line[4:] + "\n" for line in lines.splitlines())


def longest_addresses(count):
    """RFC 5321 section 4.5.3.1: 64 octets before the at sign, and a path of 256 with its brackets."""
    domain = ".".join(["d" * 63] * 2 + ["e" * 56, "test"])
    return [f"{number:05d}".ljust(64, "x") + "@" + domain for number in range(count)]


def to_everybody(addresses):
    return b"Subject: x\nTo: " + ",\n ".join(addresses).encode() + b"\n\nHello.\n"


class WithoutGateway(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="postern-control-")
        self.house = House(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def check(self, done, status=0):
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    def one(self, *words, **options):
        """Sends, and gives what lies in the queue then: one message."""
        self.check(self.house.send(*words, **options))
        messages = self.house.list()
        self.assertEqual(len(messages), 1)
        return messages[0]

    def recipients(self, message):
        return [recipient["address"] for recipient in message["recipients"]]

    # --- send ---

    def test_a_message_goes_to_those_who_are_named(self):
        message = self.one("ann@a.example", "Bob <bob@b.example>, root")
        self.assertEqual(self.recipients(message), ["ann@a.example", "bob@b.example", f"root@{HOST}"])
        self.assertEqual({recipient["state"] for recipient in message["recipients"]}, {"waiting"})
        self.assertIn("user", message["origin"])

    def test_a_message_is_completed_and_its_lines_end_in_crlf(self):
        message = self.one("-f", "me@c.example", "-F", "Me, myself", "ann@a.example", stdin=b"Subject: x\n\na\rb\r\nc")
        _, text = self.house.content(message["id"])
        parsed = email.message_from_bytes(text.encode(), policy=email.policy.default)
        self.assertEqual(parsed["from"], '"Me, myself" <me@c.example>')
        self.assertIsNotNone(parsed["date"].datetime)
        self.assertEqual(parsed["message-id"], message["message_id"])
        self.assertTrue(parsed["received"].startswith(f"by {HOST} (from user "))
        self.assertIn("for <ann@a.example>;", parsed["received"])
        self.assertEqual(parsed.get_content(), "a b\nc\n")
        self.assertEqual(message["sender"], "me@c.example")

    def test_a_name_that_would_be_more_than_one_line_is_none(self):
        for name in ("Me\r\nBcc: you@y.example", "M\u00e9\r\nBcc: you@y.example", "M\u00e9"):
            self.check(self.house.send("-f", "me@c.example", "-F", name, "ann@a.example"))
        names = []
        for message in self.house.list():
            _, text = self.house.content(message["id"])
            parsed = email.message_from_bytes(text.encode(), policy=email.policy.default)
            names.append(parsed["from"].addresses[0].display_name)
        self.assertEqual(sorted(names), ["", "", "M\u00e9"])

    def test_with_t_recipients_are_those_of_the_header_and_bcc_is_gone(self):
        message = self.one("-t", "extra@e.example", stdin=b"To: Team: ann@a.example,\n (x) \"B, b\" <bob@b.example>;\n"
                           b"Cc: ann@a.example\nBcc: secret@s.example\nSubject: x\n\nBcc: stays\n")
        self.assertEqual(sorted(self.recipients(message)),
                         ["ann@a.example", "bob@b.example", "extra@e.example", "secret@s.example"])
        _, text = self.house.content(message["id"])
        self.assertNotIn("secret", text)
        self.assertIn("Bcc: stays", text)

    def test_a_dot_ends_the_message_unless_told_not_to(self):
        self.check(self.house.send("a@a.example", stdin=b"\none\n.\ntwo\n"))
        self.check(self.house.send("-i", "b@a.example", stdin=b"\none\n.\ntwo\n"))
        self.check(self.house.send("-oi", "c@a.example", stdin=b"\none\n.\ntwo\n"))
        texts = {self.recipients(message)[0]: self.house.content(message["id"])[1] for message in self.house.list()}
        self.assertNotIn("two", texts["a@a.example"])
        self.assertIn("\n.\ntwo\n", texts["b@a.example"])
        self.assertIn("\n.\ntwo\n", texts["c@a.example"])

    def test_what_a_report_needs_is_kept(self):
        message = self.one("-N", "success,delay", "-R", "hdrs", "-V", "order 7+1=8", "-B", "8BITMIME", "ann@a.example")
        self.assertEqual(message["recipients"][0]["notify"], 10)
        self.assertEqual((message["return"], message["envid"]), ("headers", "order+207+2B1+3D8"))
        self.assertTrue(message["eight_bit"])
        shown = self.house.run("queue", "show", message["id"]).stdout.decode()
        self.assertIn("reports: success delay", shown)

    def test_octets_beyond_ascii_are_noticed(self):
        message = self.one("jürgen@a.example", stdin="Subject: grün\n\ngrün\n".encode())
        self.assertTrue(message["eight_bit"] and message["smtputf8"])
        self.assertEqual(self.recipients(message), ["jürgen@a.example"])

    def test_nobody_may_be_the_sender(self):
        self.check(self.house.send("-f", "<>", "a@a.example"))
        self.check(self.house.send("-f", "", "a@a.example"))
        self.assertEqual([message["sender"] for message in self.house.list()], ["", ""])

    def test_each_mistake_has_its_exit_status(self):
        for status, words, stdin in (
                (EX_USAGE, [], b"\nx\n"),
                (EX_USAGE, ["-t"], b"Subject: x\n\nx\n"),
                (EX_USAGE, ["--wrong"], b""),
                (EX_USAGE, ["-N", "perhaps", "a@a.example"], b""),
                (EX_USAGE, ["-bd"], b""),
                (EX_USAGE, ["-bs", "a@a.example"], b""),
                (EX_USAGE, ["-f", "a@a.example, b@b.example", "a@a.example"], b""),
                (EX_USAGE, ["a@a.example", "-f", "b@b.example"], b""),
                (EX_NOUSER, ["a@a.example", "two words"], b""),
                (EX_NOUSER, ["a@-.example"], b""),
                (EX_DATAERR, ["a@a.example"], b"\na\0b\n"),
                (EX_DATAERR, ["-t"], b"To: a@a.example b@b.example\n\n"),
                (EX_DATAERR, ["a@a.example"], b"Received: x\n" * 100 + b"\n"),
        ):
            with self.subTest(words=words, status=status):
                done = self.house.send(*words, stdin=stdin)
                self.check(done, status)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertTrue(done.stderr.startswith(b"postern send: "))
        self.assertEqual(self.house.list(), [])

    def test_closed_descriptors_harm_neither_the_message_nor_the_queue(self):
        """Daemons call sendmail with whatever they have closed."""
        text = self.house.folder / "text"
        text.write_bytes(b"Subject: x\n\nHello.\n")
        wanted = 0
        for closed in (">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"):
            with self.subTest(closed=closed):
                done = subprocess.run(["sh", "-c", f'exec "$@" <"$TEXT" {closed}', "sh", POSTERN, "send", "-v", "-c",
                                       self.house.settings, "ann@a.example"], env={**UTF8, "TEXT": str(text)},
                                      capture_output=True, timeout=60)
                self.check(done, EX_IOERR if "<" in closed else EX_OK)
                wanted += "<" not in closed
                self.assertEqual(len(self.house.list()), wanted)
        for message in self.house.list():
            self.assertTrue(self.house.content(message["id"])[1].endswith("\n\nHello.\n"))
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", POSTERN, "queue", "list", "-c", self.house.settings],
                              capture_output=True, timeout=60)
        self.check(done, 3)

    def test_a_message_that_is_too_large_is_refused(self):
        self.house.settings.write_text(self.house.settings.read_text() + "limits { message_size = 100K }\n")
        self.check(self.house.send("a@a.example", stdin=b"\n" + b"x" * 98 * 1024))
        self.check(self.house.send("a@a.example", stdin=b"\n" + b"x" * 101 * 1024), EX_UNAVAILABLE)
        self.assertEqual(len(self.house.list()), 1)

    def test_a_message_has_as_many_recipients_as_the_settings_allow_however_long_they_are(self):
        self.house.settings.write_text(self.house.settings.read_text() + "limits { recipients = 10000 }\n")
        everybody = longest_addresses(10000)
        message = self.one("-t", stdin=to_everybody(everybody))
        self.assertEqual(self.recipients(message), everybody)
        done = self.house.send("-t", "one.more@a.example", stdin=to_everybody(everybody))
        self.check(done, EX_DATAERR)
        self.assertIn(b"10000", done.stderr)

    def test_settings_that_cannot_be_read_have_an_exit_status_too(self):
        self.house.settings.write_text("hostnme = 7\n")
        done = self.house.send("a@a.example")
        self.check(done, EX_CONFIG)
        self.assertIn(b"postern.conf:1:", done.stderr)
        self.house.settings.unlink()
        self.check(self.house.send("a@a.example"), EX_CONFIG)

    def test_a_queue_that_is_not_there_is_not_made(self):
        shutil.rmtree(self.house.state)
        self.check(self.house.send("a@a.example"), EX_TEMPFAIL)
        self.check(self.house.run("queue", "list"), 3)
        self.assertFalse(self.house.state.exists())

    def test_it_is_sendmail_when_it_is_called_so(self):
        for name in ("sendmail", "mailq", "newaliases"):
            os.symlink(POSTERN, self.house.folder / name)
        sendmail = str(self.house.folder / "sendmail")
        done = subprocess.run([sendmail, "-C", self.house.settings, "-oem", "-oi", "-bm", "-f", "me@c.example", "--",
                               "ann@a.example"], input=b"Subject: x\n\n.\n", capture_output=True, timeout=60)
        self.check(done)
        listed = subprocess.run([sendmail, "-bp", "-C", self.house.settings], capture_output=True, timeout=60)
        self.check(listed)
        self.assertIn(b"ann@a.example", listed.stdout)
        cron = [sendmail, "-C", self.house.settings, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root"]
        done = subprocess.run(cron, input="From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@x> grün\n\n1%\r2%\n".encode(),
                              capture_output=True, timeout=60)
        self.check(done)
        _, text = self.house.content(self.house.list()[-1]["id"])
        self.assertIn(f"From: root@{HOST} (Cron Daemon)\nTo: root@{HOST}\n", text)
        self.assertIn("\n1% 2%\n", text)
        mailq = [self.house.folder / "mailq", "-c", self.house.settings]
        listed = subprocess.run([*mailq, "--json"], capture_output=True, timeout=60)
        self.check(listed)
        self.assertEqual([json.loads(line)["id"] for line in listed.stdout.splitlines()],
                         [message["id"] for message in self.house.list()])
        self.check(subprocess.run([*mailq, "-Z"], capture_output=True, timeout=60), 2)
        with open("/dev/full", "wb") as full:
            done = subprocess.run(mailq, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (3, 1))
        self.check(subprocess.run([sendmail, "-bi"], capture_output=True, timeout=60))
        self.check(subprocess.run([self.house.folder / "newaliases"], capture_output=True, timeout=60))
        done = subprocess.run([sendmail, "-C", self.house.settings], input=b"", capture_output=True, timeout=60)
        self.check(done, EX_USAGE)
        self.assertTrue(done.stderr.startswith(b"sendmail: "))

    def test_what_programs_write_arrives_as_they_meant_it(self):
        """Python's email writes CRLF or LF, with an attachment and words beyond ASCII."""
        meant = email.message.EmailMessage()
        meant["From"], meant["To"], meant["Subject"] = "Ünal <u@c.example>", "Ann <ann@a.example>", "grün" * 30
        meant.set_content("Grüße\n.\n\nFrom here on\n")
        meant.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="octet-stream", filename="all")
        for policy in (email.policy.SMTP, email.policy.default):
            with self.subTest(policy=policy):
                self.check(self.house.send("-t", "-i", stdin=meant.as_bytes(policy=policy)))
                message = self.house.list()[-1]
                _, text = self.house.content(message["id"])
                parsed = email.message_from_bytes(text.encode(), policy=email.policy.default)
                self.assertEqual(parsed["subject"], meant["subject"])
                self.assertEqual(parsed.get_body().get_content(), meant.get_body().get_content())
                self.assertEqual(next(parsed.iter_attachments()).get_content(), bytes(range(256)) * 40)

    # --- send -bs ---

    def speak(self, text, *words, status=EX_OK):
        """The replies to a session that is said at once: greeting, then one for each command or message."""
        done = self.house.send("-bs", *words, stdin=text)
        self.check(done, status)
        lines = done.stdout.decode("ascii").split("\r\n")
        self.assertEqual(lines.pop(), "")
        return [line for line in lines if line[3] == " "]

    def test_a_session_on_a_pipe_takes_as_many_messages_as_are_said(self):
        replies = self.speak(
            b"EHLO here\r\nMAIL FROM:<me@c.example> RET=HDRS ENVID=7+2B1\r\n"
            b"RCPT TO:<ann@a.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ann@old.example\r\nRCPT TO:<nobody>\r\n"
            b"RCPT TO:<Postmaster>\r\nDATA\r\nSubject: one\r\nBcc: secret@s.example\r\n\r\n..dot\r\n.\r\n"
            b"RSET\r\nMAIL FROM:<>\r\nRCPT TO:<bob@b.example>\r\n"
            b"BDAT 10\r\nMessage-IDBDAT 24 LAST\r\n: <x@y.example>\r\n\r\ntwo\r\nQUIT\r\n")
        self.assertEqual([line[:3] for line in replies], "220 250 250 250 501 250 354 250 250 250 250 250 250 221".split())
        one, two = self.house.list()
        self.assertTrue(replies[7].endswith(f"Taken as {one['id']}"), replies)
        self.assertEqual((one["sender"], one["envid"], one["return"]), ("me@c.example", "7+2B1", "headers"))
        self.assertEqual(self.recipients(one), ["ann@a.example", f"postmaster@{HOST}"])
        self.assertEqual((one["recipients"][0]["orcpt"], one["recipients"][0]["notify"]), ("rfc822;ann@old.example", 10))
        _, text = self.house.content(one["id"])
        self.assertRegex(text, rf"\AReceived: by {HOST} \(from user \S+\)")
        self.assertTrue(text.endswith("\n\n.dot\n"))
        self.assertNotIn("secret", text)
        for field in ("From", "Date", "Message-ID"):
            self.assertEqual(text.count(f"\n{field}: "), 1, text)
        self.assertEqual((two["sender"], two["message_id"]), ("", "<x@y.example>"))

    def test_a_session_keeps_what_was_said_of_utf8_where_it_is_needed(self):
        plain, header = "Subject: x\r\n\r\nx", "Subject: grün\r\n\r\nx"
        for extension, parameter, text, wanted in ((" SMTPUTF8", "", header, True), (" SMTPUTF8", "", plain, False),
                                                   ("", "", header, False),
                                                   (" SMTPUTF8", " ORCPT=utf-8;jürgen@old.example", plain, True)):
            with self.subTest(extension=extension, parameter=parameter, text=text):
                replies = self.speak(f"EHLO here\r\nMAIL FROM:<me@c.example>{extension}\r\nRCPT TO:<ann@a.example>{parameter}"
                                     f"\r\nDATA\r\n{text}\r\n.\r\nQUIT\r\n".encode())
                self.assertEqual([line[:3] for line in replies], "220 250 250 250 354 250 221".split())
                message = self.house.list()[-1]
                self.assertEqual(message.get("smtputf8", False), wanted)
                self.assertEqual(message["recipients"][0].get("orcpt", ""), parameter.removeprefix(" ORCPT="))

    def test_what_a_session_does_not_take_is_told_and_leaves_nothing(self):
        self.house.settings.write_text(self.house.settings.read_text() + "limits { message_size = 64K recipients = 100 }\n")
        begin = b"EHLO here\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n"
        for said, code in (
                (begin + b"DATA\r\nSubject: x\r\n\r\na\0b\r\n.\r\n", "554"),
                (begin + b"DATA\r\nSubject: x\r\n\r\na\nb\r\n.\r\n", "554"),
                (begin + b"DATA\r\n" + b"Received: x\r\n" * 100 + b"\r\n.\r\n", "554"),
                (begin + b"DATA\r\n\r\n" + b"x" * 65536 + b"\r\n.\r\n", "552"),
                (begin + b"DATA\r\n\r\n" + b"x" * 65500 + b"\r\n.\r\n", "554"),  # our fields make it too large
                (begin + b"".join(b"RCPT TO:<c%d@b.example>\r\n" % number for number in range(100)), "452"),
                (begin + b"DATA\r\nSubject: cut\r\n\r\nhalf", "354"),
                (begin + b"BDAT 100 LAST\r\nhalf", "250"),
                (b"EHLO here\r\nSTARTTLS\r\n", "502"),
                (b"EHLO here\nNOOP\r\n", "421"),  # behind the 500: the session ends
                (b"EHLO here\r\n" + b"WHAT\r\n" * 200, "500"),
        ):
            with self.subTest(said=said[-60:]):
                self.assertEqual(self.speak(said)[-1][:3], code)
                self.assertEqual(self.house.list(), [])
        shutil.rmtree(self.house.state)
        self.assertEqual(self.speak(begin + b"DATA\r\n\r\nx\r\n.\r\nQUIT\r\n")[-2][:8], "451 4.3.")

    def test_a_session_may_ask_for_tls_on_the_whole_way(self):
        self.speak(b"HELO here\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n\r\nx\r\n.\r\n",
                   "--require-tls")
        self.assertTrue(self.house.list()[0]["requires_tls"])

    def test_a_session_whose_other_end_fails_has_an_exit_status(self):
        done = subprocess.run(["sh", "-c", '"$@" <&-', "sh", POSTERN, "send", "-bs", "-c", self.house.settings],
                              capture_output=True, timeout=60)
        self.check(done, EX_IOERR)
        with open("/dev/full", "wb") as full:
            child = subprocess.run([POSTERN, "send", "-bs", "-c", self.house.settings], stdin=subprocess.DEVNULL,
                                   stdout=full, timeout=60)
        self.assertEqual(child.returncode, EX_IOERR)

    def test_a_person_at_a_terminal_ends_lines_as_terminals_do(self):
        ours, theirs = pty.openpty()
        child = subprocess.Popen([POSTERN, "send", "-bs", "-c", self.house.settings], stdin=theirs,
                                 stdout=subprocess.PIPE)
        os.close(theirs)
        os.write(ours, b"HELO here\nMAIL FROM:<a@a.example>\nRCPT TO:<b@b.example>\nDATA\nSubject: x\n\ntyped\n.\nQUIT\n")
        said = child.stdout.read()
        child.stdout.close()
        self.assertEqual(child.wait(60), EX_OK)
        os.close(ours)
        self.assertTrue(said.endswith(b"Goodbye\r\n"), said)
        self.assertTrue(self.house.content(self.house.list()[0]["id"])[1].endswith("\n\ntyped\n"))

    def sendmail(self):
        """A command for programs that want to call sendmail."""
        script = self.house.folder / "call-sendmail"
        script.write_text(f"#!/bin/sh\nexec '{POSTERN}' send -c '{self.house.settings}' \"$@\"\n")
        script.chmod(0o755)
        return str(script)

    def check_call(self, words, text=b"", **options):
        environment = {**UTF8, "HOME": self.folder.name, "GIT_CONFIG_NOSYSTEM": "1",
                       "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@c.example",
                       "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@c.example"}
        self.check(subprocess.run(words, input=text, env=environment, capture_output=True, timeout=60, **options))

    @unittest.skipUnless(shutil.which("s-nail"), "no s-nail here")
    def test_s_nail_sends(self):
        self.check_call(["s-nail", "-:/", "-S", f"mta={self.sendmail()}", "-S", "sendwait", "-s", "Grüße", "-b",
                         "bcc@b.example", "-a", str(self.house.settings), "ann@a.example"], b"Hello.\n.\nmore\n")
        [message] = self.house.list()
        self.assertEqual(self.recipients(message), ["ann@a.example", "bcc@b.example"])
        _, text = self.house.content(message["id"])
        self.assertIn("\n.\nmore\n", text)
        self.assertNotIn("bcc@", text)

    @unittest.skipUnless(shutil.which("mutt"), "no mutt here")
    def test_mutt_sends(self):
        self.check_call(["mutt", "-n", "-F", "/dev/null", "-e", f'set sendmail="{self.sendmail()} -oem -oi"', "-e",
                         'set use_from; set from="me@c.example"; set copy=no; set dsn_notify="failure,delay"; '
                         "set dsn_return=hdrs", "-s", "hello", "-b", "bcc@b.example", "--", "ann@a.example"], b"Hello.\n")
        [message] = self.house.list()
        self.assertEqual(self.recipients(message), ["ann@a.example", "bcc@b.example"])
        self.assertEqual((message["return"], message["recipients"][0]["notify"]), ("headers", 12))
        self.assertNotIn("bcc@", self.house.content(message["id"])[1])

    def test_git_send_email_sends(self):
        patch = self.house.folder / "0001.patch"
        patch.write_text("From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                         "From: Ann <ann@c.example>\nDate: Sat, 21 Nov 2026 23:18:07 +0000\n"
                         "Subject: [PATCH] Mend it\n\nA body.\n---\n-- \n2.39.5\n")
        usable = ["perl", "-MMail::Address", "-e", "1"], ["git", "send-email", "--dump-aliases"]
        if not shutil.which("git") or any(subprocess.run(words, env=UTF8, timeout=60, stdin=subprocess.DEVNULL,
                                                         capture_output=True).returncode for words in usable):
            self.skipTest("no git send-email with Mail::Address here")
        self.check_call(["git", "send-email", f"--sendmail-cmd={self.sendmail()}", "--from=ann@c.example",
                         "--to=List <list@l.example>", "--cc=x@y.example", "--suppress-cc=author", "--confirm=never",
                         "--quiet", str(patch)], cwd=self.folder.name)
        [message] = self.house.list()
        self.assertEqual(self.recipients(message), ["list@l.example", "x@y.example"])
        self.assertIn("Subject: [PATCH] Mend it\n", self.house.content(message["id"])[1])

    def test_many_may_send_at_once(self):
        children = [subprocess.Popen([POSTERN, "send", "-c", self.house.settings, f"a{number}@a.example"],
                                     stdin=subprocess.PIPE) for number in range(12)]
        for child in children:
            child.stdin.write(b"Subject: x\n\nHello.\n")
            child.stdin.close()
        self.assertEqual([child.wait(60) for child in children], [0] * 12)
        self.assertEqual(len(self.house.list()), 12)

    def test_a_send_that_is_killed_leaves_all_or_nothing(self):
        body = b"".join(b"%06d\n" % number for number in range(60000))
        generator, taken = random.Random(), 0
        for number in range(20):
            with subprocess.Popen([POSTERN, "send", "-c", self.house.settings, f"a{number}@a.example"],
                                  stdin=subprocess.PIPE) as child:
                child.stdin.write(b"Subject: x\n\n" + body)
                child.stdin.close()
                time.sleep(generator.random() * 0.1)
                child.kill()
                taken += child.wait() == 0
        messages = self.house.list()
        self.assertGreaterEqual(len(messages), taken)
        for message in messages:
            _, text = self.house.content(message["id"])
            self.assertTrue(text.endswith("\n\n" + body.decode()))

    # --- who may ---

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_others_must_wait_for_a_gateway(self):
        done = self.house.send("a@a.example", user=65534, group=65534, extra_groups=[])
        self.check(done, EX_TEMPFAIL)
        self.assertIn(b"no gateway runs", done.stderr)
        self.check(self.house.run("queue", "list", user=65534, group=65534, extra_groups=[]), 3)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_root_leaves_no_file_that_the_owner_cannot_open(self):
        os.chown(self.house.state, 65534, 65534)
        self.check(self.house.send("a@a.example"))
        self.check(self.house.run("queue", "list"))
        self.check(self.house.run("track", "--to", "a@a.example"))
        files = [path for path in self.house.state.rglob("*")]
        self.assertIn(self.house.state / "queue.db", files)
        self.assertEqual({path.stat().st_uid for path in files}, {65534})
        self.assertEqual({path.stat().st_mode & 0o077 for path in files}, {0})
        self.assertEqual(self.house.list()[0]["origin"]["user"], "root")

    # --- queue ---

    def test_an_empty_queue_says_so(self):
        done = self.house.run("queue", "list")
        self.check(done)
        self.assertEqual(done.stdout, b"The queue is empty.\n")
        self.assertEqual(self.house.run("queue", "list", "--json").stdout, b"")

    def test_the_list_fits_eighty_columns_and_sums_up(self):
        self.check(self.house.send("-f", "a" * 60 + "@" + "b" * 60 + ".example", "c" * 60 + "@" + "d" * 60 + ".example",
                                   "bob@b.example"))
        done = self.house.run("queue", "list")
        self.check(done)
        text = done.stdout.decode()
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertIn("waiting   bob@b.example\n", text)
        self.assertRegex(text, r"\n1 message, \d+ bytes; 2 recipients: 2 waiting\n$")

    def test_a_long_queue_is_told_in_short(self):
        for number in range(3):
            self.check(self.house.send(f"ann{number}@A.example", f"bob{number}@b.example"))
        self.check(self.house.send("ann@a.example"))
        self.check(self.house.run("queue", "hold", "@a.example"))
        done = self.house.run("queue", "list", "--summary")
        self.check(done)
        self.assertRegex(done.stdout.decode(),
                         r"^a\.example\n    4 held; the oldest for \d+ \w+\nb\.example\n    3 waiting; .*\n4 messages, ")
        domains = [json.loads(line) for line in self.house.run("queue", "list", "--summary", "--json").stdout.splitlines()]
        self.assertEqual([(one["domain"], one["held"], one["waiting"]) for one in domains],
                         [("a.example", 4, 0), ("b.example", 0, 3)])
        for words, domain in ((["@B.example"], b"b.example"), (["--state", "held"], b"a.example")):
            [line] = self.house.run("queue", "list", "--summary", "--json", *words).stdout.splitlines()
            self.assertIn(b'{"domain":"%s"' % domain, line)

    def test_what_is_chosen_is_held_released_retried_and_deleted(self):
        self.check(self.house.send("ann@a.example", "bob@B.example"))
        self.check(self.house.send("carol@b.example"))
        first = self.house.list()[0]["id"]

        def states():
            return [[one["state"] for one in message["recipients"]] for message in self.house.list()]

        self.check(self.house.run("queue", "hold", "@b.EXAMPLE"))
        self.assertEqual(states(), [["waiting", "held"], ["held"]])
        self.assertEqual(len(self.house.list("--state", "waiting")), 1)
        self.check(self.house.run("queue", "hold", "@b.example"), 1)
        self.check(self.house.run("queue", "release", first))
        self.assertEqual(states(), [["waiting", "waiting"], ["held"]])
        done = self.house.run("queue", "retry", "all")
        self.check(done)
        self.assertEqual(done.stdout, b"all: 2 recipients due now\n")
        self.check(self.house.run("queue", "delete", "@a.example"))
        self.assertEqual(states(), [["waiting"], ["held"]])
        self.check(self.house.run("queue", "delete", "all"))
        self.assertEqual(states(), [])
        self.check(self.house.run("queue", "delete", "all"), 1)
        self.check(self.house.run("queue", "show", first), 1)
        self.check(self.house.run("queue", "list", "@a.example"), 1)

    def test_a_domain_is_the_same_with_its_final_dot(self):
        self.check(self.house.send("ann@a.example", "bob@b.example"))
        self.assertEqual(len(self.house.list("@A.example.")), 1)
        self.check(self.house.run("queue", "hold", "@a.example."))
        self.assertEqual([one["state"] for one in self.house.list()[0]["recipients"]], ["held", "waiting"])
        self.assertEqual(self.house.run("queue", "list", "--summary", "@a.example.").stdout.split()[0], b"a.example")
        self.check(self.house.run("queue", "list", "@."), 1)

    def test_a_line_with_a_wrong_word_changes_nothing(self):
        self.one("ann@a.example")
        for words in (["delete", "all", "extra"], ["hold", "@a.example", "ann@a.example"]):
            with self.subTest(words=words):
                done = self.house.run("queue", *words)
                self.check(done, 2)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertEqual(done.stdout, b"")
                self.assertEqual([one["state"] for one in self.house.list()[0]["recipients"]], ["waiting"])

    def test_wrong_usage_is_one_line(self):
        for words in (["queue"], ["queue", "dance"], ["queue", "delete"], ["queue", "hold", "x"], ["queue", "show"],
                      ["queue", "show", "@a.example"], ["queue", "list", "a", "b"], ["queue", "list", "--state", "lost"],
                      ["track", "more"], ["track", "a.example", "b.example"], ["track", "--finding", "certificate-expird"],
                      ["track", "--since", "soon"], ["track", "--id", "x"], ["track", "--most", "0"],
                      ["track", "--until", "later"], ["track", "--would", "dane"], ["track", "--would", "verify", "--failed"],
                      ["track", "--in-the-clear", "a.example", "b.example"], ["track", "--failed", "--from", "a@b.example"],
                      ["track", "--would", "verify", "--to", "a@b.example"]):
            with self.subTest(words=words):
                done = self.house.run(*words)
                self.check(done, 2)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_a_domain_alone_is_told_how_track_is_asked(self):
        done = self.house.run("track", "a.example")
        self.check(done, 2)
        self.assertIn(b"--destination", done.stderr)

    def test_the_body_is_shown_only_when_it_is_asked_for(self):
        message = self.one("ann@a.example", stdin=b"Subject: seen\n\n\x1b[31mhidden\n")
        shown = self.house.run("queue", "show", message["id"])
        self.check(shown)
        self.assertIn(b"Subject: seen", shown.stdout)
        self.assertNotIn(b"hidden", shown.stdout)
        whole = self.house.run("queue", "show", "--body", message["id"]).stdout
        self.assertIn(b"\\x1b[31mhidden", whole)

    def test_no_text_of_a_stranger_reaches_the_terminal(self):
        self.check(self.house.send("-f", "\"\\\x7f\"@c.example", "ann@a.example"), EX_USAGE)
        self.check(self.house.send("ann@a.example", stdin="Message-ID: <\u202e\x1b[2J@x>\n\nx\n".encode()))
        for words in (["queue", "list"], ["queue", "show", self.house.list()[0]["id"]], ["track"]):
            done = self.house.run(*words)
            self.assertNotRegex(done.stdout.decode(), "[\x00-\x09\x0b-\x1f\x7f\u202e]")

    # --- track ---

    def test_the_story_of_a_message_is_told(self):
        self.check(self.house.send("-f", "me@c.example", "ann@a.example", "bob@b.example",
                                   stdin=b"Message-ID: <one@c.example>\n\nx\n"))
        identifier = self.house.list()[0]["id"]
        self.check(self.house.run("queue", "hold", "@a.example"))
        self.check(self.house.run("queue", "delete", "@b.example"))
        for words in (["--id", identifier], ["--from", "ME@c.example"], ["--to", "<ann@a.example>"],
                      ["--message-id", "<one@c.example>"], ["--since", "1h"], ["--destination", "A.example"],
                      ["--destination", ".example", "--until", "2100-01-01"], []):
            with self.subTest(words=words):
                done = self.house.run("track", *words)
                self.check(done)
                text = done.stdout.decode()
                self.assertLessEqual(max(map(len, text.splitlines())), 80)
                self.assertIn(f"{identifier}  from me@c.example, ", text)
                self.assertRegex(text, r"Z  accepted from user \S+ of this host\n +for ann@a.example, bob@b.example\n")
                self.assertIn("held: ann@a.example\n", text)
                self.assertIn("deleted: bob@b.example\n", text)
                self.assertRegex(text, r"  now +1 still in the queue, 1 deleted\n")
        story = json.loads(self.house.run("track", "--json", "--id", identifier).stdout)
        self.assertEqual([event["event"] for event in story["events"]], ["accepted", "accepted", "held", "deleted"])
        for words in (["--from", "other@c.example"], ["--since", "2030-01-01"], ["--failed"], ["--id", "0000000000001"],
                      ["--until", "2020-01-01"], ["--destination", "c.example"], ["--finding", "certificate-expired"],
                      ["--in-the-clear"], ["--in-the-clear", "a.example"], ["--would", "verify"],
                      ["--would", "secure", "a.example", "--json"]):
            self.check(self.house.run("track", *words), 1)


class WithGateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN, listeners=[Listener("may")])
        cls.gateway.start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.__exit__(None, None, None)

    def run_postern(self, *words, stdin=b"", **options):
        return subprocess.run([POSTERN, words[0], "-c", self.gateway.settings_file, *words[1:]], input=stdin,
                              capture_output=True, timeout=60, check=False, **options)

    def check(self, done, status=0):
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)

    def arrived(self, user):
        """The one message in a mailbox."""
        [path] = wait_for(f"mail for {user}", lambda: self.gateway.files(user) or None)
        return pathlib.Path(path).read_bytes()

    def told(self, *words):
        """What track says, once it says something."""
        def tell():
            done = self.run_postern("track", *words)
            return done.stdout.decode() if done.returncode == 0 else None

        return wait_for("a story", tell)

    def test_a_message_arrives_and_its_story_is_told(self):
        done = self.run_postern("send", "-v", f"ann@{LOCAL}", stdin=b"Subject: hello\n\nHello.\n")
        self.check(done)
        identifier = re.match(rb"queued as (\w+), 1 recipient\n", done.stdout).group(1).decode()
        self.assertIn(b"\n\nHello.\n", self.arrived("ann"))
        def told():
            text = self.run_postern("track", "--id", identifier).stdout.decode()
            return text if "end " in text else None

        text = wait_for("the end of the story", told)
        self.assertIn(f"delivered to ann@{LOCAL}\n", text)
        self.assertRegex(text, r"  end +1 delivered\n")
        [line] = self.gateway.log("accepted", id=identifier)
        self.assertEqual((line["to"], line["nrcpt"]), (f"<ann@{LOCAL}>", 1))

    def test_the_queue_answers_while_the_gateway_runs(self):
        self.check(self.run_postern("send", f"bob@{REMOTE}", stdin=b"\nx\n"))

        def deferred():
            done = self.run_postern("queue", "list", "--json", f"@{REMOTE}", "--state", "deferred")
            return done.stdout if done.returncode == 0 else None

        wait_for("a deferred recipient", deferred)
        text = self.run_postern("queue", "list", f"@{REMOTE}").stdout.decode()
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertRegex(text, rf"deferred  bob@{REMOTE}\n +1 attempt, again in \d+ minutes\n +4\.4\.1")
        [line] = self.run_postern("queue", "list", "--summary", "--json", f"@{REMOTE}").stdout.splitlines()
        self.assertEqual([reason["code"] for reason in json.loads(line)["reasons"]], ["4.4.1"])
        self.check(self.run_postern("queue", "hold", f"@{REMOTE}"))
        self.check(self.run_postern("queue", "list", "--state", "held"))
        self.check(self.run_postern("queue", "delete", f"@{REMOTE}"))
        self.check(self.run_postern("queue", "list", f"@{REMOTE}"), 1)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_every_user_may_send_and_no_more(self):
        as_nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        self.check(self.run_postern("send", f"carol@{LOCAL}", stdin=b"\nx\n", **as_nobody))
        self.assertIn(b"(from user nobody)", self.arrived("carol"))
        self.check(self.run_postern("queue", "list", **as_nobody), 3)
        self.check(self.run_postern("queue", "delete", "all", **as_nobody), 3)

    def test_what_the_gateway_does_not_take_has_an_exit_status(self):
        with Gateway(POSTERN, listeners=[Listener("none")], limits={"message_size": "64K"}) as gateway:
            gateway.limits["message_size"] = "1M"  # in the file that the sender reads; the gateway has not
            gateway.write_settings()
            words = [POSTERN, "send", "-c", gateway.settings_file, f"kim@{LOCAL}"]
            done = subprocess.run(words, input=b"\n" + b"x" * 100000, capture_output=True, timeout=60)
            self.check(done, EX_DATAERR)
            self.assertIn(b"larger than this gateway takes", done.stderr)
            if os.geteuid() == 0:
                os.chmod(gateway.state, 0o700)
                done = subprocess.run(words, input=b"\nx\n", capture_output=True, timeout=60, user=65534, group=65534,
                                      extra_groups=[])
                self.check(done, EX_NOPERM)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_every_user_may_speak_smtp_on_a_pipe(self):
        done = self.run_postern("send", "-bs", stdin=b"EHLO here\r\nMAIL FROM:<me@c.example>\r\n"
                                b"RCPT TO:<judy@%s>\r\nDATA\r\nSubject: x\r\n\r\nHello.\r\n.\r\nQUIT\r\n" % LOCAL.encode(),
                                user=65534, group=65534, extra_groups=[])
        self.check(done)
        self.assertIn(b"(from user nobody)", self.arrived("judy"))

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_many_of_one_user_may_send_at_once(self):
        """As the workers of a web server do: more than the gateway takes of one user at a time."""
        children = [subprocess.Popen([POSTERN, "send", "-c", self.gateway.settings_file, f"erin@{LOCAL}"],
                                     stdin=subprocess.PIPE, user=65534, group=65534, extra_groups=[])
                    for _ in range(40)]
        for child in children:
            child.stdin.write(b"Subject: x\n\nHello.\n")
            child.stdin.close()
        self.assertEqual([child.wait(60) for child in children], [0] * 40)
        self.assertEqual(len(wait_for("all mail", lambda: len(self.gateway.files("erin")) == 40 or None) and
                             self.gateway.files("erin")), 40)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_every_user_may_send_to_all_whom_the_settings_allow_and_several_at_once(self):
        everybody = longest_addresses(10000)
        with Gateway(POSTERN, listeners=[Listener("none")], limits={"recipients": 10000}) as gateway:
            message = pathlib.Path(gateway.folder, "message")
            message.write_bytes(to_everybody(everybody))
            children = []
            for _ in range(6):
                with message.open("rb") as octets:
                    children.append(subprocess.Popen([POSTERN, "send", "-t", "-c", gateway.settings_file], stdin=octets,
                                                     user=65534, group=65534, extra_groups=[]))
            self.assertEqual([child.wait(60) for child in children], [0] * 6)
            self.assertEqual([line["nrcpt"] for line in gateway.log("accepted")], [10000] * 6)

    def ask(self, octets, cut=False):
        """Says that to the control socket; what came back."""
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(os.path.join(self.gateway.state, "control"))
            asker.settimeout(60)
            try:
                asker.sendall(octets)
                if cut:
                    return b""
                asker.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: asker.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError):
                return b""

    def test_nothing_that_is_said_to_the_socket_harms_the_gateway(self):
        put = b'{"do":"put","size":%d,"envelope":{"sender":"a@b.example"},"recipients":[{"address":"c@d.example"}]}\n'
        generator = random.Random(7)
        for number, octets in enumerate((
                b"", b"\n", b"\0" * 100 + b"\n", b"[" * 100000 + b"\n", b"{" * 3000000, b"x" * 2000000,
                b'{"do":"stats"}\n' * 5000, b'{"do":"list"}' * 3, put % 10, put % 10 + b"a", put % 0 + put % 0,
                put % 70000 + b"x" * 61440, put % 70000 + b"x" * 70000 * 2, put % 10 ** 18, put % 5 + b"ab\ncd",
                *(generator.randbytes(generator.randrange(4000)) for _ in range(40)))):
            with self.subTest(number=number):
                self.ask(octets, cut=number % 2 == 1)
                self.ask(octets, cut=number % 2 == 0)
        self.check(self.run_postern("queue", "list"))
        self.check(self.run_postern("queue", "list", "@none.example"), 1)
        self.assertIsNone(self.gateway.child.poll())

    @unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
    def test_who_finds_too_many_others_comes_again(self):
        os.seteuid(65534)
        try:
            others = [socket.socket(socket.AF_UNIX) for _ in range(16)]
            for other in others:
                other.connect(os.path.join(self.gateway.state, "control"))
        finally:
            os.seteuid(0)
        child = subprocess.Popen([POSTERN, "send", "-c", self.gateway.settings_file, f"frank@{LOCAL}"],
                                 stdin=subprocess.PIPE, user=65534, group=65534, extra_groups=[])
        child.stdin.write(b"Subject: x\n\nHello.\n")
        child.stdin.close()
        time.sleep(0.5)  # it finds no place now, or later none that is taken: either is well
        for other in others:
            other.close()
        self.assertEqual(child.wait(60), 0)

    def test_the_story_says_over_which_tls_it_came(self):
        for name, over in (("clear", r"in clear"), ("tls", r"over\s+TLSv1\.3\s+\(TLS_\w+\)")):
            with smtplib.SMTP("127.0.0.1", self.gateway.port(), "client.example") as client:
                if name == "tls":
                    client.starttls(context=ssl._create_unverified_context())
                client.sendmail(f"{name}@c.example", [f"dave@{LOCAL}", f"{name}@{LOCAL}"], "Subject: x\r\n\r\nx\r\n")
            text = self.told("--from", f"{name}@c.example")
            self.assertLessEqual(max(map(len, text.splitlines())), 80)
            self.assertRegex(text, r"accepted from 127\.0\.0\.1, HELO client\.example,\s+" + over)

    def test_a_session_that_failed_is_told_with_its_finding(self):
        with socket.create_connection(("127.0.0.1", self.gateway.port())) as client:
            lines = client.makefile("rb")
            lines.readline()
            client.sendall(b"EHLO evil.example\r\n")
            while not lines.readline().startswith(b"250 "):
                pass
            client.sendall(b"STARTTLS\r\n")
            self.assertTrue(lines.readline().startswith(b"220 "))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            lines.read()
        text = self.told("--failed")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertRegex(text, r"Z  127\.0\.0\.1, HELO evil\.example, to\s+\S+\n +inbound-")
        self.assertIn("(postern explain inbound-", re.sub(r"\s+", " ", text))
        note = json.loads(self.told("--failed", "--json").splitlines()[0])
        self.assertTrue(note["events"][0]["finding"].startswith("inbound-"))
        self.assertEqual(note["origin"]["helo"], "evil.example")


class BetweenTheTwo(unittest.TestCase):
    def test_what_was_sent_while_no_gateway_ran_is_delivered_once_it_runs(self):
        with Gateway(POSTERN, listeners=[Listener("may")]) as gateway:
            def run(*words, stdin=b""):
                done = subprocess.run([POSTERN, words[0], "-c", gateway.settings_file, *words[1:]], input=stdin,
                                      capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                return done.stdout

            gateway.kill()  # its socket stays behind
            self.assertTrue(os.path.exists(os.path.join(gateway.state, "control")))
            run("send", f"grace@{LOCAL}", stdin=b"Subject: x\n\nHello.\n")
            self.assertIn(b"grace@", run("queue", "list"))
            gateway.start()
            wait_for("the mail", lambda: gateway.files("grace") or None)
            wait_for("an empty queue", lambda: run("queue", "list") == b"The queue is empty.\n" or None)
            run("send", f"heidi@{LOCAL}", stdin=b"Subject: x\n\nHello.\n")
            wait_for("the mail", lambda: gateway.files("heidi") or None)
            gateway.stop()
            self.assertFalse(os.path.exists(os.path.join(gateway.state, "control")))
            self.assertEqual(run("queue", "list"), b"The queue is empty.\n")
            gateway.start()

    def test_who_finds_the_queue_held_for_a_moment_waits(self):
        with Gateway(POSTERN, listeners=[Listener("may")]) as gateway:
            gateway.stop()
            for what in (gateway.start, lambda: gateway.run("send", "-c", gateway.settings_file, f"ivan@{LOCAL}")):
                held = open(os.path.join(gateway.state, "queue.lock"), "rb")
                fcntl.flock(held, fcntl.LOCK_EX)
                threading.Timer(0.5, held.close).start()
                what()
                if gateway.child.poll() is None:
                    gateway.stop()
            gateway.start()


if __name__ == "__main__":
    unittest.main(verbosity=1)
