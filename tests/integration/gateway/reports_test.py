#!/usr/bin/python3
"""reports_test.py POSTERN [TEST...] - no message is lost without a word: senders are told what became of it.

An LMTP server that says what the first letters of a recipient tell: "gone" 550, "later" 451, all else is taken.
Each report is read as a mail program reads it. Each promise is a TAP test.
"""
import email
import email.policy
import os
import quopri
import random
import re
import socketserver
import subprocess
import sys
import tempfile
import threading

import gateway
from gateway import LOCAL, REMOTE, Client, Failed, Gateway, Listener, as_stored, wait_for
from faults.peer import HOST

PROGRAM = gateway.take_program()
THERE = "there.test"  # the domain of the LMTP server
SENDER = f"from@{LOCAL}"
ANSWERS = {"gone": "550 5.1.1 <{}> is nobody here", "later": "451 4.3.2 Come back later"}
CONTENT = (b"Subject: first\r\n\tand second\r\nMessage-ID: <one@test>\r\nX-Odd:  gr\xc3\xbcn\r\n"
           b"To: someone\r\n\r\n.The text\r\n--=_of\r\nthe sender\r\n")
HEADER = CONTENT[:CONTENT.index(b"\r\n\r\n") + 2]


MANY = 14


class Absent(Exception):
    """What a test needs is not here."""


def must(holds, what):
    if not holds:
        raise Failed(what)


class Session(socketserver.StreamRequestHandler):
    """RFC 2033, as far as one client needs it."""

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def answer(self, address):
        if any(address.startswith(beginning) for beginning in self.server.gone):
            return ANSWERS["gone"].format(address)
        for beginning, line in ANSWERS.items():
            if address.startswith(beginning) and beginning not in self.server.mended:
                return line.format(address)
        return "250 2.1.5 Fine"

    def handle(self):
        self.say("220 lmtp.test LMTP")
        recipients = 0
        for line in self.rfile:
            command = line.decode().strip()
            verb = command[:4].upper()
            if verb == "LHLO":
                self.say("250-lmtp.test")
                for extension in self.server.extensions:
                    self.say(f"250-{extension}")
                self.say("250-8BITMIME\r\n250 PIPELINING")
            elif verb == "MAIL":
                recipients = 0
                self.say("250 2.1.0 Fine")
            elif verb == "RCPT":
                answer = self.answer(re.search("<(.*?)>", command).group(1))
                recipients += answer.startswith("250")
                self.say(answer)
            elif verb == "DATA" and recipients == 0:
                self.say("503 5.5.1 Nobody to take it")
            elif verb == "DATA":
                self.say("354 Go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                for _ in range(recipients):
                    self.say("250 2.0.0 Kept")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Fine")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class House:
    """A gateway and the LMTP server, as long as a `with` lasts."""

    def __init__(self, queue="", extensions=(), **options):
        self.folder = tempfile.mkdtemp(prefix="postern-lmtp-")
        self.path = os.path.join(self.folder, "lmtp")
        self.server = Server(self.path, Session)
        self.server.extensions, self.server.mended, self.server.gone = extensions, set(), set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        settings = f'domain "{THERE}" {{ deliver = "lmtp:unix:{self.path}" }}\nqueue {{ {queue} }}'
        self.one = Gateway(PROGRAM, listeners=[Listener("none")], settings=settings, relay_from=["127.0.0.0/8"], **options)

    def __enter__(self):
        try:
            self.one.__enter__()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *how):
        try:
            self.one.__exit__(*how)
        finally:
            self.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        gateway.shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, *recipients, sender=SENDER, content=CONTENT, mail="", rcpt=""):
        """Hands a message over; its id."""
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.expect(f"MAIL FROM:<{sender}> BODY=8BITMIME{mail}", 250)
            for recipient in recipients:
                client.expect(f"RCPT TO:<{recipient}>{rcpt}", 250)
            answer = client.data(content)
            must(answer.code == 250, f"{answer}")
            client.quit()
        return re.search(r"\b([0-9a-z]{13})\b", answer.text).group(1)

    def files(self, user="from"):
        return self.one.files(user)

    def reports(self, count=1, user="from"):
        """So many reports in a mailbox, and no more, as they came."""
        try:
            paths = wait_for("reports", lambda: self.files(user) if len(self.files(user)) >= count else None)
        except Failed as late:
            raise Failed(f"{late}\n{self.one.said()}") from None
        must(len(paths) == count, f"{len(paths)} reports and not {count}: {self.one.said()}")
        found = []
        for path in paths:
            with open(path, "rb") as file:
                found.append(Report(file.read()))
        return found

    def queued(self):
        return [line for line in self.one.run("queue", "list", "--json", "-c", self.one.settings_file).splitlines() if line]

    def empty(self):
        wait_for("an empty queue", lambda: True if not self.queued() else None)


class Report:
    """A multipart/report as RFC 6522 has it; everything that must be there is asked for here."""

    def __init__(self, content):
        self.content = content
        self.mail = email.message_from_bytes(content, policy=email.policy.default)
        mail = self.mail
        must(mail["Return-Path"] == "<>", f"the return path is {mail['Return-Path']}")
        must(mail.get_content_type() == "multipart/report", mail.get_content_type())
        must(mail["Content-Type"].params["report-type"] == "delivery-status", "another type of report")
        must(mail["Auto-Submitted"] == "auto-replied" and mail["MIME-Version"] == "1.0", "RFC 3834")
        must(mail["From"].addresses[0].addr_spec == f"MAILER-DAEMON@{HOST}", str(mail["From"]))
        must(mail["Date"].datetime is not None and mail["Message-ID"].endswith(f"@{HOST}>"), "Date or Message-ID")
        parts = mail.get_payload()
        must(len(parts) == 3, f"{len(parts)} parts")
        for part in mail.walk():
            must(not part.defects, f"{part.get_content_type()}: {part.defects}")
        must(parts[0].get_content_type() == "text/plain", parts[0].get_content_type())
        must(parts[1].get_content_type() == "message/delivery-status", parts[1].get_content_type())
        self.words = parts[0].get_content()
        must(all(len(line) <= 80 for line in self.words.splitlines()), self.words)
        blocks = parts[1].get_payload()
        self.about, self.recipients = blocks[0], blocks[1:]
        must(self.about["Reporting-MTA"] == f"dns; {HOST}", "Reporting-MTA")
        must(all(not block.defects for block in blocks), "fields")
        self.returned_type = parts[2].get_content_type()
        boundary = mail.get_boundary().encode()
        self.returned = content.split(b"--" + boundary)[-2].split(b"\n\n", 1)[1][:-1]
        if parts[2]["Content-Transfer-Encoding"] == "quoted-printable":
            self.returned = quopri.decodestring(self.returned)

    def of(self, address):
        found = [block for block in self.recipients if block["Final-Recipient"] == f"rfc822; {address}"]
        must(len(found) == 1, f"{len(found)} blocks for {address}")
        return found[0]


# --- failures ---

def a_sender_hears_of_who_is_gone_and_not_of_who_comes_later():
    with House() as house:
        house.send(f"gone@{THERE}", f"later@{THERE}", f"fine@{THERE}", f"gone2@{THERE}")
        report = house.reports()[0]
        must(len(report.recipients) == 2, report.content.decode())
        for user in ("gone", "gone2"):
            block = report.of(f"{user}@{THERE}")
            must((block["Action"], block["Status"]) == ("failed", "5.1.1"), f"{block}")
            must(block["Diagnostic-Code"] == f"smtp; 550 5.1.1 <{user}@{THERE}> is nobody here", f"{block}")
            must(block["Remote-MTA"] is None and block["Will-Retry-Until"] is None, f"{block}")
        must("There is no such mailbox" in report.words and house.path not in report.words, report.words)
        must(report.mail["In-Reply-To"] == "<one@test>", "another thread")
        house.one.wait_log("bounced", to=f"<gone@{THERE}>", level="warn")
        house.one.wait_log("delivered", to=f"<fine@{THERE}>")
        house.one.wait_log("deferred", to=f"<later@{THERE}>")
        line = house.one.wait_log("reported", to=f"<{SENDER}>")
        must((line["action"], line["recipients"]) == ("failed", 2), f"{line}")


def what_comes_back_is_byte_for_byte_what_ret_asks_for():
    with House() as house:
        for number, (mail, returned, kind) in enumerate((
                ("", HEADER, "text/rfc822-headers"), (" RET=HDRS", HEADER, "text/rfc822-headers"),
                (" RET=FULL", CONTENT, "message/global")), 1):
            house.send(f"gone@{THERE}", mail=mail, sender=f"user{number}@{LOCAL}")
            report = house.reports(user=f"user{number}")[0]
            must(report.returned_type == kind, report.returned_type)
            must(report.returned.endswith(as_stored(returned)), f"{report.returned!r}")
            must(report.returned.startswith(b"Received: "), f"{report.returned!r}")
            must((b"The text" in report.content) == ("FULL" in mail), "the text")


def a_large_message_comes_back_whole_or_as_its_header():
    large = b"Subject: large\r\n\r\n" + b"%070d\r\n" % 7 * 5000
    with House() as house:
        for number, content in enumerate((large, large * 2), 1):
            house.send(f"gone@{THERE}", mail=" RET=FULL", sender=f"user{number}@{LOCAL}", content=content)
        whole, header = house.reports(user="user1")[0], house.reports(user="user2")[0]
        must(whole.returned_type == "message/rfc822" and whole.returned.endswith(as_stored(large)), "not whole")
        must(header.returned_type == "text/rfc822-headers", header.returned_type)
        must(header.returned.endswith(b"\nSubject: large\n") and len(header.content) < 10000, "not the header alone")


def the_words_of_the_sender_come_back():
    with House() as house:
        house.send(f"gone@{THERE}", mail=" ENVID=my+2Bid", rcpt=f" ORCPT=rfc822;old+2Bname@{REMOTE}")
        report = house.reports()[0]
        must(report.about["Original-Envelope-Id"] == "my+id", f"{report.about}")
        must(report.of(f"gone@{THERE}")["Original-Recipient"] == f"rfc822; old+name@{REMOTE}", "ORCPT")


def an_international_sender_hears_of_an_international_recipient():
    with House() as house:
        house.send(f"gone-grün@{THERE}", sender=f"почта@{LOCAL}", mail=" SMTPUTF8")
        report = house.reports(user="почта")[0]
        must(report.recipients[0]["Final-Recipient"] == f"utf-8; gone-gr\\x{{FC}}n@{THERE}", f"{report.recipients[0]}")
        must(f"gone-grün@{THERE}" in report.words, report.words)


# --- who hears nothing ---

def nobody_hears_of_a_report_that_is_lost_but_the_log():
    with House() as house:
        number = house.send(f"gone@{THERE}", sender="")
        line = house.one.wait_log("bounced", id=number)
        must(line["level"] == "error", f"{line}")
        house.empty()
        must(not house.one.log("reported"), "a report of a report")
        house.send(f"gone@{THERE}", sender=f"gone-too@{THERE}")  # whose report cannot be delivered either
        must(house.one.wait_log("bounced", to=f"<gone-too@{THERE}>")["level"] == "error", "not an error")
        house.empty()
        must(len(house.one.log("reported")) == 1, "a report of a report")


def notify_is_respected():
    with House() as house:
        for notify, wanted in (("NEVER", 0), ("DELAY", 0), ("SUCCESS", 0), ("FAILURE", 1), ("SUCCESS,FAILURE", 1)):
            user = notify.replace(",", "-").lower()
            number = house.send(f"gone@{THERE}", sender=f"{user}@{LOCAL}", rcpt=f" NOTIFY={notify}")
            house.one.wait_log("bounced", id=number)
            must(len(house.one.log("reported", id=number)) == wanted, notify)
            if wanted:
                house.reports(user=user)
        house.empty()


# --- delays and success ---

def a_delay_is_told_once():
    with House("retry = { 1s } warn_after = 1s lifetime = 1h") as house:
        house.send(f"later@{THERE}", f"later2@{THERE}")
        report = house.reports()[0]
        must(len(report.recipients) == 2, f"{report.content}")
        block = report.of(f"later@{THERE}")
        must((block["Action"], block["Status"]) == ("delayed", "4.3.2") and block["Will-Retry-Until"], f"{block}")
        must(report.returned_type == "text/rfc822-headers", report.returned_type)
        before = len(house.one.log("deferred"))
        wait_for("more attempts", lambda: len(house.one.log("deferred")) >= before + 4 or None)
        house.server.mended.add("later")
        house.one.wait_log("delivered", to=f"<later@{THERE}>")
        house.empty()
        house.reports(1)


def success_is_told_where_it_is_asked_for():
    with House() as house:
        house.send(f"fine@{THERE}", f"user@{LOCAL}", rcpt=" NOTIFY=SUCCESS")
        for report in house.reports(2):
            must([(block["Action"], block["Status"]) for block in report.recipients] == [("delivered", "2.0.0")],
                 f"{report.content}")
        house.empty()


def a_server_that_reports_by_itself_is_left_to_it():
    with House(extensions=("DSN",)) as house:
        house.send(f"fine@{THERE}", rcpt=" NOTIFY=SUCCESS")
        house.send(f"gone@{THERE}", rcpt=" NOTIFY=SUCCESS,FAILURE")
        must(house.reports()[0].recipients[0]["Action"] == "failed", "a second report")
        house.empty()


def a_report_for_elsewhere_waits_like_all_mail():
    with House() as house:
        house.send(f"gone@{THERE}", sender=f"from@{REMOTE}")
        line = house.one.wait_log("deferred", to=f"<from@{REMOTE}>")
        must(line["from"] == "<>" and line["finding"] == "connect-refused", f"{line}")


# --- crashes and full disks ---

def no_crash_keeps_a_sender_from_hearing():
    """Killed at any moment: each sender hears at least once, and is never lost."""
    rounds, each, dice = 6, 20, random.Random(5)
    with House() as house:
        for turn in range(rounds):
            before = len(house.one.log("reported"))
            for number in range(turn * each, turn * each + each):
                house.send(f"gone@{THERE}", sender=f"u{number}@{LOCAL}")
            goal = before + dice.randrange(each)
            wait_for("some reports", lambda: len(house.one.log("reported")) >= goal or None)  # pylint: disable=cell-var-from-loop
            house.one.kill()
            house.one.start()
        house.empty()
        counts = [len(house.files(f"u{number}")) for number in range(rounds * each)]
        must(min(counts) >= 1, f"{counts.count(0)} of {len(counts)} senders hear nothing")
        for number in range(0, rounds * each, 7):
            house.reports(counts[number], f"u{number}")
        print(f"# {len(counts)} senders over {rounds} crashes, {sum(counts) - len(counts)} reports came again")


def fill(ballast):
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65536):
                pass
        except OSError:
            pass


def a_full_disk_puts_a_report_off_and_loses_nothing():
    """The disk of the queue has no room when the recipients turn out to be gone: for no report, for a few, or not
    even for a lease."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        raise Absent("no mount namespace here")
    house = House("retry = { 1s }")
    disk = os.path.join(house.folder, "disk")
    large = b"Subject: large\r\n\r\n" + b"%070d\r\n" % 7 * 6500
    os.mkdir(disk)
    house.one.state = os.path.join(disk, "state")
    house.one.wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                         f'mount -t tmpfs -o size=64m none {disk} && exec "$@"', "sh"]
    with house:
        for number in range(MANY):
            house.send(f"later{number}@{THERE}", sender=f"u{number}@{LOCAL}", mail=" RET=FULL", content=large)
        ballast = f"/proc/{house.one.pid}/root{disk}/ballast"
        fill(ballast)
        house.server.gone.add("later")
        wait_for("no room", lambda: any(map(house.one.log, ("report-deferred", "leasing-failed", "settling-failed"))) or None)
        bounced = house.one.log("bounced")  # where there was still some room
        reported = {line["id"] for line in house.one.log("reported")}
        must(all(line["id"] in reported for line in bounced), "given up without a report")
        os.unlink(ballast)
        for number in range(MANY):
            wait_for("a report", lambda: house.files(f"u{number}") or None)  # pylint: disable=cell-var-from-loop
            house.reports(1, f"u{number}")
        wait_for("the end", lambda: len(house.one.log("bounced")) == MANY or None)


TESTS = [
    a_sender_hears_of_who_is_gone_and_not_of_who_comes_later,
    what_comes_back_is_byte_for_byte_what_ret_asks_for,
    a_large_message_comes_back_whole_or_as_its_header,
    the_words_of_the_sender_come_back,
    an_international_sender_hears_of_an_international_recipient,
    nobody_hears_of_a_report_that_is_lost_but_the_log,
    notify_is_respected,
    a_delay_is_told_once,
    success_is_told_where_it_is_asked_for,
    a_server_that_reports_by_itself_is_left_to_it,
    a_report_for_elsewhere_waits_like_all_mail,
    no_crash_keeps_a_sender_from_hearing,
    a_full_disk_puts_a_report_off_and_loses_nothing,
]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS, Absent))
