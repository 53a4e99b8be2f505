#!/usr/bin/python3
"""outbound_extensions_test.py POSTERN [TEST...] - what a server offers is used, and what it does not is not asked of it.

SIZE, 8BITMIME, SMTPUTF8, DSN and plain HELO, seen on the wire by a scripted server. Each promise is a TAP test.
"""
import sys

import gateway
from gateway import Client, wait_for
from outbound_test import Scripted, hop, must, sending

PLAIN = b"Subject: x\r\n\r\nhello\r\n"
EIGHT_BIT = "Subject: x\r\n\r\ngrüße\r\n".encode()
UTF8 = "Subject: größe\r\n\r\nhello\r\n".encode()


class Way:
    """A gateway, and a server that offers these; all mail goes there."""

    def __init__(self, *keywords, reply=lambda verb, line: None):
        self.server = Scripted(reply, keywords)
        self.one = sending({"default": "level = may " + hop(self.server.port)})

    def __enter__(self):
        self.one.__enter__()
        return self

    def __exit__(self, *how):
        try:
            self.one.__exit__(*how)
        finally:
            self.server.__exit__()

    def send(self, content=PLAIN, mail="", rcpt="", recipient="user@there.test", sender="from@here.test"):
        with Client(self.one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.expect(f"MAIL FROM:<{sender}>{mail}", 250)
            client.expect(f"RCPT TO:<{recipient}>{rcpt}", 250)
            answer = client.data(content)
            must(answer.code == 250, f"{answer}")
            client.quit()

    def said(self, verb):
        """The one line with this verb, once it is there."""
        lines = wait_for(verb, lambda: self.server.said(verb) or None)
        must(len(lines) == 1, f"{lines}")
        return lines[0]

    def ends(self, event, **fields):
        return self.one.wait_log(event, **fields)

    def report(self):
        def look():
            return next(iter(self.one.files("from", "here.test")), None)

        with open(wait_for("a report", look), "rb") as file:
            return file.read()

    def has_no_report(self):
        """The queue is empty, and nobody was told."""
        wait_for("an empty queue", lambda: True if "is empty" in self.one.run(
            "queue", "list", "-c", self.one.settings_file) else None)
        must(not self.one.files("from", "here.test"), "a report came")


DSN_MAIL, DSN_RCPT = " RET=HDRS ENVID=QQ+2B314159", " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;First+2BName@there.test"


def parameters_of_reports_pass_on_as_they_came():
    with Way("DSN") as way:
        way.send(mail=DSN_MAIL, rcpt=DSN_RCPT)
        must({"RET=HDRS", "ENVID=QQ+2B314159"} <= set(way.said("MAIL").split(" ")), way.said("MAIL"))
        words = way.said("RCPT").split(" ")
        must("ORCPT=rfc822;First+2BName@there.test" in words, f"{words}")
        notify = next(word for word in words if word.startswith("NOTIFY="))
        must(set(notify[7:].split(",")) == {"SUCCESS", "FAILURE", "DELAY"}, notify)
        way.ends("delivered", to="<user@there.test>")
        way.has_no_report()


def where_reports_are_unknown_the_gateway_tells_that_it_relayed():
    """RFC 3461 section 5.2.2."""
    with Way() as way:
        way.send(mail=DSN_MAIL, rcpt=DSN_RCPT)
        must("RET" not in way.said("MAIL") and "ENVID" not in way.said("MAIL"), way.said("MAIL"))
        must("NOTIFY" not in way.said("RCPT") and "ORCPT" not in way.said("RCPT"), way.said("RCPT"))
        report = way.report()
        for words in (b"Action: relayed", b"Original-Envelope-Id: QQ+314159", b"has been passed on for",
                      b"Original-Recipient: rfc822; First+Name@there.test"):
            must(words in report, f"no {words} in {report.decode()}")


def never_is_never_also_when_it_is_refused():
    refuse = {"RCPT": "550 5.1.1 Nobody"}
    with Way("DSN", reply=lambda verb, _: refuse.get(verb)) as way:
        way.send(rcpt=" NOTIFY=NEVER")
        must("NOTIFY=NEVER" in way.said("RCPT"), way.said("RCPT"))
        way.ends("bounced", to="<user@there.test>", code="5.1.1")
        way.has_no_report()


def the_size_is_said_where_it_is_asked_for():
    for keyword in ("SIZE", "SIZE 0", "SIZE 100000"):
        with Way(keyword) as way:
            way.send()
            size = next(word for word in way.said("MAIL").split(" ") if word.startswith("SIZE="))
            must(len(PLAIN) < int(size[5:]) < len(PLAIN) + 1000, f"{keyword}: {size}")
            way.ends("delivered", to="<user@there.test>")
    with Way() as way:
        way.send()
        must("SIZE" not in way.said("MAIL"), way.said("MAIL"))


def a_message_that_is_too_large_is_not_sent_there():
    with Way("SIZE 1000") as way:
        way.send(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 1000)
        way.ends("bounced", to="<user@there.test>", code="5.3.4")
        must(not way.server.said("MAIL"), f"{way.server.said('MAIL')}")
        must(b"Status: 5.3.4" in way.report(), "the report")


def eight_bits_are_announced_where_they_are():
    with Way("8BITMIME") as way:
        way.send(EIGHT_BIT, mail=" BODY=8BITMIME")
        must("BODY=8BITMIME" in way.said("MAIL"), way.said("MAIL"))
        way.ends("delivered", to="<user@there.test>")


def a_server_of_seven_bits_gets_what_has_no_more():
    """What is declared out of habit costs nothing; what is there would be broken: RFC 6152 section 3."""
    with Way() as way:
        way.send(PLAIN, mail=" BODY=8BITMIME")
        way.ends("delivered", to="<user@there.test>")
        must("BODY" not in way.said("MAIL"), way.said("MAIL"))
        way.send(EIGHT_BIT, mail=" BODY=8BITMIME", recipient="eight@there.test")
        way.ends("bounced", to="<eight@there.test>", code="5.6.3")
        must(b"Status: 5.6.3" in way.report(), "the report")
        must(len(way.server.said("MAIL")) == 1, f"{way.server.said('MAIL')}")


def utf8_is_announced_where_it_is():
    with Way("SMTPUTF8", "8BITMIME") as way:
        way.send(UTF8, mail=" SMTPUTF8 BODY=8BITMIME", recipient="grüße@there.test")
        must("SMTPUTF8" in way.said("MAIL"), way.said("MAIL"))
        must("grüße@there.test" in way.said("RCPT").encode("latin-1").decode(), way.said("RCPT"))
        way.ends("delivered", to="<grüße@there.test>")


def a_server_without_utf8_gets_what_has_none():
    """RFC 6531 section 3.4."""
    with Way("8BITMIME") as way:
        way.send(PLAIN, mail=" SMTPUTF8")
        way.ends("delivered", to="<user@there.test>")
        must("SMTPUTF8" not in way.said("MAIL"), way.said("MAIL"))
        way.send(UTF8, mail=" SMTPUTF8 BODY=8BITMIME", recipient="header@there.test")
        way.ends("bounced", to="<header@there.test>", code="5.6.7")
        way.send(PLAIN, mail=" SMTPUTF8", recipient="grüße@there.test")
        way.ends("bounced", to="<grüße@there.test>", code="5.6.7")
        must(len(way.server.said("MAIL")) == 1, f"{way.server.said('MAIL')}")


def a_server_that_knows_no_ehlo_is_greeted_with_helo():
    with Way(reply=lambda verb, _: "502 5.5.1 What" if verb == "EHLO" else None) as way:
        way.send(mail=DSN_MAIL)
        must(way.said("MAIL") == "MAIL FROM:<from@here.test>", way.said("MAIL"))
        line = way.ends("delivered", to="<user@there.test>")
        must(line["tls"] == "none:not-offered", f"{line}")


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__" and not isinstance(value, type)]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
