#!/usr/bin/python3
"""smuggling_test.py - no false end of data ends data, no byte in clear lives on inside TLS, no line holds two commands.

usage: smuggling_test.py POSTERN

A message carries a second one behind something that looks like an end of data. Every pair of separators before
and after the dot is tried, in clear and inside TLS, cut at every place that matters. Pairs that are the end of
data give two messages, so that the test itself is known to see the second.
"""
import collections
import itertools
import unittest

from gateway import (LOCAL, Client, Closed, Gateway, as_stored, open_client, take_program, trusting)

POSTERN = take_program()

SEPARATORS = {
    "nothing": b"", "LF": b"\n", "CR": b"\r", "CRLF": b"\r\n", "LF CR": b"\n\r", "CR CRLF": b"\r\r\n",
    "CRLF LF": b"\r\n\n", "LF CRLF": b"\n\r\n", "CRLF CR": b"\r\n\r", "NUL": b"\0", "CR NUL LF": b"\r\0\n",
    "NUL CRLF": b"\0\r\n", "CRLF NUL": b"\r\n\0", "VT": b"\v", "NEL": b"\xc2\x85", "SUB": b"\x1a",
}
VICTIM, SECOND = f"victim@{LOCAL}", f"smuggled@{LOCAL}"
SECOND_CONTENT = b"Subject: smuggled\r\n\r\nsmuggled\r\n"
SMUGGLED = b"MAIL FROM:<admin@inside.test>\r\nRCPT TO:<%s>\r\nDATA\r\n%s" % (SECOND.encode(), SECOND_CONTENT)
END = b"\r\n.\r\n"
MENDED_FROM = "127.9.0.0/16"  # a network whose bare LF is mended


def mended_sources():
    for number in itertools.count(1):
        yield f"127.9.{number // 250}.{number % 250 + 1}"


def pieces_of(start, before, after):
    """Where to cut: nowhere, around the dot, and everywhere in the separators."""
    dot = start + len(before)
    yield ()
    yield (dot, dot + 1)
    yield tuple(range(start, dot + len(after) + 2))


def stored(wire):
    """What a mailbox holds of content as it was on the wire: a dot in front of more is taken off."""
    return b"\n".join(line[1:] if line[:1] == b"." and line[1:] else line for line in as_stored(wire).split(b"\n"))


def codes_until_closed(client):
    codes = []
    try:
        while True:
            codes.append(client.reply().code)
    except Closed:
        return codes


class Smuggling(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(POSTERN, settings='bare_lf_from = { "%s" }' % MENDED_FROM)
        self.addCleanup(self.gateway.remove)
        self.gateway.start()
        self.bodies = {VICTIM: collections.Counter(), SECOND: collections.Counter()}

    def tearDown(self):
        """No mailbox holds anything but what a 250 was given for."""
        for address, wanted in self.bodies.items():
            user = address.split("@")[0]
            found = collections.Counter(mail.body for mail in self.gateway.mail(user, sum(wanted.values())))
            self.assertEqual(found, wanted)
        self.assertLessEqual(set(self.gateway.mailboxes_of()), {"victim", "smuggled"})
        self.gateway.stop()

    def send(self, client, wire, pieces):
        """The replies to content on the wire with QUIT behind it."""
        client.envelope("sender@outside.test", VICTIM)
        client.expect("DATA", 354)
        client.send(wire, pieces)
        client.send(b"QUIT\r\n")
        codes = codes_until_closed(client)
        end = wire.index(END) + 2
        if codes[0] == 250:
            self.bodies[VICTIM][stored(wire[:end])] += 1
        if 354 in codes[1:] and codes[codes.index(354) + 1] == 250:
            self.assertLess(end + 3, len(wire))
            self.bodies[SECOND][stored(SECOND_CONTENT)] += 1
        return codes

    def try_all(self, how, sources=itertools.repeat(None)):
        start = b"Subject: first\r\n\r\nfirst"
        smuggled = 0
        for (first, before), (second, after) in itertools.product(SEPARATORS.items(), repeat=2):
            wire = start + before + b"." + after + SMUGGLED + b".\r\n"
            is_end = wire.index(END) + len(END) < len(wire)
            for pieces in pieces_of(len(start), before, after):
                with open_client(self.gateway, how, next(sources)) as client:
                    codes = self.send(client, wire, pieces)
                with self.subTest(before=first, after=second, pieces=pieces):
                    if not is_end:
                        self.assertIn(codes, ([250, 221], [554, 221], [554, 421]))
                    elif (first, second) == ("CRLF", "CRLF"):
                        self.assertEqual(codes, [250, 250, 250, 354, 250, 221])
                        smuggled += 1
                    else:
                        self.assertIn(codes[0], (250, 554))
        self.assertEqual(smuggled, 3, "two messages are not seen as two")

    def test_no_false_end_of_data_gives_a_second_message_in_clear(self):
        self.try_all("none")

    def test_no_false_end_of_data_gives_a_second_message_inside_tls(self):
        self.try_all("may")

    def test_no_false_end_of_data_gives_a_second_message_where_bare_lf_is_mended(self):
        self.try_all("none", mended_sources())


class Chunks(unittest.TestCase):
    """BDAT: octets are counted, whatever they look like."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN)
        cls.addClassCleanup(cls.gateway.remove)
        cls.gateway.start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def test_a_chunk_that_holds_a_whole_session_is_one_message(self):
        content = b"Subject: first\r\n\r\nfirst" + END + SMUGGLED + b".\r\nBDAT 4 LAST\r\nabc\r\n..\r\n."
        for how in ("none", "may"):
            with open_client(self.gateway, how) as client:
                client.envelope("sender@outside.test", f"chunk.{how}@{LOCAL}")
                client.send(b"BDAT %d LAST\r\n" % len(content) + content)
                self.assertEqual(client.reply().code, 250)
                client.quit()
            self.assertEqual(self.gateway.one(f"chunk.{how}").body, as_stored(content))
        self.assertEqual(self.gateway.files("smuggled"), [])

    def test_behind_a_length_that_is_none_nothing_is_taken(self):
        for length in (b"", b"-1", b"+5", b"0x10", b"1e3", b"5,", b"18446744073709551617", b"5 LAST x", b"5 LAS",
                       b"5LAST",
                       b"99999999999999999999999999 LAST", b"LAST", b"LAST 5", b"5;", b"\xb2"):
            with self.subTest(length=length), open_client(self.gateway, "none") as client:
                client.envelope("sender@outside.test", f"chunk@{LOCAL}")
                client.send(b"BDAT " + length + b"\r\n" + SMUGGLED + b".\r\nQUIT\r\n")
                refusal, *rest = codes_until_closed(client)
                self.assertEqual((refusal // 100, rest), (5, [421]))
        self.assertEqual(self.gateway.files("chunk") + self.gateway.files("smuggled"), [])

    def test_octets_of_a_refused_chunk_are_not_commands(self):
        content = SMUGGLED + b".\r\nRSET\r\n"
        with open_client(self.gateway, "none") as client:
            client.send(b"BDAT %d LAST\r\n" % len(content) + content + b"NOOP\r\n")  # no MAIL, no RCPT
            self.assertEqual(client.reply().code // 100, 5)
            self.assertEqual(client.reply().code, 250)
            client.quit()
        self.assertEqual(self.gateway.files("smuggled"), [])


class Injection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN)
        cls.addClassCleanup(cls.gateway.remove)
        cls.gateway.start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def start(self, source=None):
        client = Client(self.gateway.port("may"), source)
        client.expect("EHLO client.test", 250)
        return client

    def found(self, source, *findings):
        self.assertIn(self.gateway.failure(source)["finding"], findings or ("inbound-injected",))

    def test_commands_in_the_segment_of_starttls_end_the_session(self):
        for number, behind in enumerate((b"NOOP\r\n", b"\r\n", b"x", SMUGGLED + b".\r\n", b"STARTTLS\r\n",
                                         b"EHLO a.test\r\n")):
            source = f"127.77.1.{number + 1}"
            with self.subTest(behind=behind), self.start(source) as client:
                client.send(b"STARTTLS\r\n" + behind)
                answers = codes_until_closed(client)
                self.assertIn(answers, ([554, 421], []))
                self.found(source)

    def test_commands_in_clear_behind_the_220_end_the_session(self):
        for number, behind in enumerate((b"NOOP\r\n", b"RSET\r\nMAIL FROM:<a@b.test>\r\n", b"\r\n", b" ")):
            source = f"127.77.2.{number + 1}"
            with self.subTest(behind=behind), self.start(source) as client:
                client.expect("STARTTLS", 220)
                client.send(behind)
                self.assertEqual(codes_until_closed(client), [])
                self.found(source, "inbound-plaintext", "inbound-other-protocol")

    def test_commands_in_front_of_the_client_hello_never_reach_the_session_inside(self):
        source = "127.77.3.1"
        with self.start(source) as client:
            client.expect("STARTTLS", 220)
            client.send(b"EHLO injected.test\r\n")
            with self.assertRaises(OSError):
                client.secure(trusting(self.gateway))
            self.found(source, "inbound-plaintext")

    def test_what_was_said_in_clear_is_forgotten_inside(self):
        with Client(self.gateway.port("may")) as client:
            client.expect("EHLO outside.invalid", 250)
            client.envelope("attacker@outside.test", f"forgotten@{LOCAL}")
            client.expect("STARTTLS", 503)  # amid a message
            client.expect("RSET", 250)
            client.expect("STARTTLS", 220)
            client.secure(trusting(self.gateway))
            client.expect(f"RCPT TO:<other@{LOCAL}>", 503)
            client.expect("DATA", 503)
            client.expect("MAIL FROM:<a@b.test>", 503)  # no EHLO yet
            client.expect("EHLO inside.client.test", 250)
            client.expect(f"RCPT TO:<other@{LOCAL}>", 503)
            client.envelope("sender@outside.test", f"inside@{LOCAL}")
            self.assertEqual(client.data(b"Subject: inside\r\n\r\n").code, 250)
            client.quit()
        mail = self.gateway.one("inside")
        self.assertEqual(mail.return_path, "<sender@outside.test>")
        self.assertEqual(mail.received["client"], "inside.client.test")
        self.assertEqual(self.gateway.files("forgotten") + self.gateway.files("other"), [])

    def test_a_second_starttls_is_refused_and_not_offered(self):
        with open_client(self.gateway, "may") as client:
            self.assertNotIn("STARTTLS", client.expect("EHLO client.test", 250).lines)
            client.expect("STARTTLS", 503)
            client.expect("NOOP", 250)
            client.quit()
        with open_client(self.gateway, "implicit") as client:
            self.assertNotIn("STARTTLS", client.expect("EHLO client.test", 250).lines)
            client.expect("STARTTLS", 503)
            client.quit()

    def test_a_line_end_within_a_command_ends_the_session(self):
        lines = (b"NOOP\nMAIL FROM:<a@b.test>", b"NOOP\rMAIL FROM:<a@b.test>",
                 b"MAIL FROM:<a@b.test>\nRCPT TO:<%s>" % SECOND.encode(),
                 b"EHLO a\rb", b"MAIL FROM:<\"a\nb\"@c.test>", b"\nQUIT", b"\rQUIT")
        for how in ("none", "may"):
            for line in lines:
                with self.subTest(line=line, how=how), open_client(self.gateway, how) as client:
                    client.send(line + b"\r\nNOOP\r\n")
                    refusal, *rest = codes_until_closed(client)
                    self.assertEqual((refusal // 100, rest), (5, [421]))

    def test_a_nul_within_a_command_is_refused(self):
        for line in (b"MAIL FROM:<a\0@b.test>", b"RSET\0", b"\0", b"EHLO a\0b"):
            with self.subTest(line=line), open_client(self.gateway, "may") as client:
                self.assertIn(client.command(line).code, (500, 501))
                client.quit()

    def test_a_name_in_ehlo_cannot_write_into_the_message(self):
        names = ("a)(b", "a\\", "a b", "[127.0.0.1]", "[IPv6:::1]", "x" * 400, "ünicode.test", "a;b", "<a>",
                 "=?utf-8?q?x?=", "\x7f", "\t")
        for number, name in enumerate(names):
            with self.subTest(name=name), Client(self.gateway.port("none")) as client:
                if client.command(f"EHLO {name}").code == 250:
                    client.envelope("sender@outside.test", f"named.{number}@{LOCAL}")
                    self.assertEqual(client.data(b"Subject: x\r\n\r\nbody\r\n").code, 250)
                    self.assertEqual(self.gateway.one(f"named.{number}").body, b"Subject: x\n\nbody\n")

    def test_a_request_of_a_browser_carries_no_mail(self):
        body = b"EHLO a.test\r\n" + SMUGGLED + b".\r\nQUIT\r\n"
        for verb in (b"POST", b"GET", b"PUT"):
            with self.subTest(verb=verb), Client(self.gateway.port("none")) as client:
                client.send(verb + b" / HTTP/1.1\r\nHost: mx\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                self.assertNotIn(354, codes_until_closed(client))
        self.assertEqual(self.gateway.files("smuggled"), [])


if __name__ == "__main__":
    unittest.main()
