#!/usr/bin/python3
"""limits_test.py - what one client may ask of us, and that those who ask too much harm no other.

usage: limits_test.py POSTERN
"""
import select
import socket
import unittest

from gateway import LOCAL, SHORT, Client, Closed, Gateway, next_source, open_client, take_program, trusting, wait_for

POSTERN = take_program()
ONE, FRIEND = "127.44.0.1", "127.44.0.2"  # one client, and one who may relay


class Limits(unittest.TestCase):
    limits, settings = {}, ""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN, limits=cls.limits, settings=cls.settings)
        cls.addClassCleanup(cls.gateway.remove)
        cls.gateway.start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def connect(self, source=None, greet=True, tls="none"):
        client = Client(self.gateway.port(tls), source, greet)
        self.addCleanup(client.close)
        return client

    def a_message_gets_through(self, user, how="may"):
        with open_client(self.gateway, how) as client:
            client.envelope("sender@outside.test", f"{user}@{LOCAL}")
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
            client.quit()
        self.gateway.one(user)


class Connections(Limits):
    limits = {"connections": 12, "per_address": 4}

    def test_one_client_has_so_many_connections_and_others_theirs(self):
        mine = [self.connect(ONE) for _ in range(4)]
        self.assertEqual([client.greeting.code for client in mine], [220] * 4)
        over = self.connect(ONE)
        self.assertEqual((over.greeting.code, over.greeting.enhanced[0]), (421, "4"))
        self.assertEqual(over.rest(), b"")
        self.a_message_gets_through("beside")
        mine[0].quit()
        again = wait_for("a free place", lambda: (lambda c: c if c.greeting.code == 220 else None)(self.connect(ONE)))
        again.expect("EHLO client.test", 250)
        for client in (*mine[1:], again):
            client.quit()

    def test_all_together_have_so_many_connections(self):
        crowd = [self.connect() for _ in range(12)]
        self.assertEqual([client.greeting.code for client in crowd], [220] * 12)
        over = self.connect()
        self.assertEqual(over.greeting.code, 421)
        self.assertEqual(over.rest(), b"")
        crowd[5].expect("EHLO client.test", 250)  # those who are in stay in
        for client in crowd:
            client.quit()
        wait_for("a free place", lambda: True if self.connect().greeting.code == 220 else None)


class SilentConnections(Limits):
    """Where TLS comes first. One worker takes who comes in the order in which they came: who is greeted knows that
    those before are counted."""

    limits, settings = {"per_address": 4}, "workers = 1\n"

    def setUp(self):
        self.source = next_source()

    def silent(self, count):
        return [self.connect(self.source, greet=False, tls="implicit") for _ in range(count)]

    def told(self, client):
        """What it hears that begins with TLS; None: it is closed without a word."""
        try:
            return client.secure(trusting(self.gateway)).reply().code
        except (OSError, Closed):
            return None

    def test_who_never_begins_with_tls_is_counted_all_the_same(self):
        *silent, greeted = self.silent(4)
        self.assertEqual(self.told(greeted), 220)
        self.assertEqual(self.connect(self.source).greeting.code, 421)
        for client in (*silent, greeted):
            client.close()
        wait_for("a free place", lambda: True if self.connect(self.source).greeting.code == 220 else None)
        self.a_message_gets_through("inside", "implicit")

    def test_one_over_the_limit_hears_so_and_most_of_a_crowd_are_closed_at_once(self):
        *within, greeted = self.silent(4)
        self.assertEqual(self.told(greeted), 220)
        over, = self.silent(1)
        self.assertEqual(self.told(over), 421)
        self.assertEqual(over.rest(), b"")
        crowd = self.silent(40)
        sockets = [client.socket for client in crowd]
        gone = wait_for("most of them closed", lambda: (lambda some: some if len(some) > len(crowd) // 2 else None)(
            select.select(sockets, [], [], 0)[0]))
        self.assertEqual([socket.recv(1) for socket in gone], [b""] * len(gone))
        self.assertIn(421, [self.told(client) for client in crowd if client.socket not in gone])
        for client in (*within, greeted, *crowd):
            client.close()
        wait_for("a free place", lambda: True if self.connect(self.source).greeting.code == 220 else None)


class Messages(Limits):
    limits = {"message_size": 65536, "recipients": 100}

    def test_a_size_that_is_declared_too_large_is_refused_at_once(self):
        client = open_client(self.gateway, "may")
        self.addCleanup(client.close)
        client.expect("MAIL FROM:<a@b.test> SIZE=65536", 250)
        client.expect("RSET", 250)
        self.assertEqual(client.expect("MAIL FROM:<a@b.test> SIZE=65537", 552).enhanced, "5.3.4")
        client.expect("MAIL FROM:<a@b.test> SIZE=9999999999999999999", 552)
        client.quit()

    def test_a_message_may_have_its_size_and_not_an_octet_more(self):
        exact = b"Subject: x\r\n\r\n" + b"x" * (65536 - 16) + b"\r\n"
        self.assertEqual(len(exact), 65536)
        for how in ("none", "may"):
            client = open_client(self.gateway, how)
            self.addCleanup(client.close)
            client.envelope("a@b.test", f"exact.{how}@{LOCAL}")
            self.assertEqual(client.data(exact).code, 250)
            client.envelope("a@b.test", f"more.{how}@{LOCAL}")
            self.assertEqual(client.data(b"x" + exact).code, 552)
            client.envelope("a@b.test", f"chunk.{how}@{LOCAL}")
            client.send(b"BDAT 65536 LAST\r\n" + exact)
            self.assertEqual(client.reply().code, 250)
            client.envelope("a@b.test", f"more.{how}@{LOCAL}")
            client.send(b"BDAT 65537 LAST\r\nx" + exact)
            self.assertEqual(client.reply().code, 552)
            client.quit()
            self.assertEqual(len(self.gateway.one(f"exact.{how}").body), 65536 - exact.count(b"\r\n"))
            self.gateway.one(f"chunk.{how}")
            self.assertEqual(self.gateway.files(f"more.{how}"), [])

    def test_a_message_without_end_is_cut_off_or_refused(self):
        with open_client(self.gateway, "may") as client:
            client.envelope("a@b.test", f"endless@{LOCAL}")
            client.expect("DATA", 354)
            line = b"x" * 8190 + b"\r\n"
            for _ in range(400):
                client.send(line)
            client.send(b".\r\n")
            self.assertEqual(client.reply().code, 552)
            client.quit()
        self.assertEqual(self.gateway.files("endless"), [])

    def test_recipients_over_the_limit_wait_for_another_message(self):
        client = open_client(self.gateway, "may")
        self.addCleanup(client.close)
        client.envelope("a@b.test", *[f"r{number}@{LOCAL}" for number in range(100)])
        self.assertEqual(client.expect(f"RCPT TO:<r100@{LOCAL}>", 452).enhanced, "4.5.3")
        self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        client.envelope("a@b.test", f"r100@{LOCAL}")
        self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        client.quit()
        for number in (0, 99, 100):
            self.gateway.one(f"r{number}")

    def test_a_thousand_recipients_too_many_in_one_go_spoil_no_message(self):
        client = open_client(self.gateway, "may")
        self.addCleanup(client.close)
        client.expect("MAIL FROM:<a@b.test>", 250)
        client.send(f"RCPT TO:<batch@{LOCAL}>\r\n".encode() * 1100 + b"DATA\r\n")
        codes = [client.reply().code for _ in range(1100)]
        self.assertEqual(codes, [250] * 100 + [452] * 1000)
        self.assertEqual(client.reply().code, 354)
        client.send(b"Subject: x\r\n\r\n.\r\n")
        self.assertEqual(client.reply().code, 250)
        client.quit()

    def test_who_names_recipients_too_many_without_end_is_sent_away(self):
        client = open_client(self.gateway, "may")
        self.addCleanup(client.close)
        client.expect("MAIL FROM:<a@b.test>", 250)
        client.send(f"RCPT TO:<endless@{LOCAL}>\r\n".encode() * 1200)
        codes = [client.reply().code for _ in range(1102)]
        self.assertEqual(codes, [250] * 100 + [452] * 1001 + [421])
        self.a_message_gets_through("after.the.endless", "none")

    def test_who_errs_too_often_is_sent_away_and_not_taken_for_a_while(self):
        with Client(self.gateway.port("none"), ONE) as client:
            codes = []
            try:
                while len(codes) < 100:
                    codes.append(client.command("WHAT").code)
            except Closed:
                pass
            self.assertEqual(set(codes[:-1]), {500})
            self.assertEqual(codes[-1], 421)
        with Client(self.gateway.port("none"), ONE) as client:
            self.assertEqual(client.greeting.code, 421)
        self.a_message_gets_through("not.banned")

    def test_who_only_makes_noise_is_sent_away(self):
        with Client(self.gateway.port("none")) as client:
            client.send(b"NOOP\r\n" * 1000)
            answers = []
            try:
                while True:
                    answers.append(client.reply().code)
            except Closed:
                pass
            self.assertEqual(answers[-1], 421)
            self.assertLess(len(answers), 1000)

    def test_a_line_without_end_is_not_kept(self):
        with Client(self.gateway.port("none")) as client:
            try:
                for _ in range(100):
                    client.send(b"MAIL FROM:<" + b"a" * 65536)
            except OSError:
                pass
            self.assertIn(client.rest()[:3], (b"500", b"421", b""))
        self.a_message_gets_through("after.long.line")


class ConnectionRates(Limits):
    limits = {"connections_per_minute": 1}
    settings = f'relay_from = {{ "{FRIEND}" }}'

    def test_who_comes_too_often_waits_and_others_do_not(self):
        source = next_source()
        self.assertEqual(self.connect(source).greeting.code, 220)
        self.assertEqual([self.connect(source).greeting.code for _ in range(5)], [421] * 5)
        self.gateway.wait_log("turned-away", client=source, reply=421)
        self.assertEqual(len(self.gateway.log("turned-away", client=source)), 1)
        self.assertEqual([self.connect(FRIEND).greeting.code for _ in range(5)], [220] * 5)
        self.assertEqual(self.connect(next_source()).greeting.code, 220)


class Rates(Limits):
    limits = {"messages_per_minute": 3, "session_errors": 4, "ban": "1s"}
    settings = f'relay_from = {{ "{FRIEND}" }}'

    def test_who_sends_too_many_messages_waits_and_others_do_not(self):
        for _ in range(2):
            with open_client(self.gateway, "may", ONE) as client:
                codes = []
                for _ in range(3):
                    answer = client.command("MAIL FROM:<a@b.test>")
                    codes.append(answer.code)
                    client.expect("RSET", 250)
                client.quit()
        self.assertEqual((codes[-1], answer.enhanced[:2]), (452, "4."))
        self.a_message_gets_through("meanwhile")

    def test_a_ban_ends(self):
        source = "127.44.0.3"
        with Client(self.gateway.port("none"), source) as client:
            for _ in range(4):
                client.expect("WHAT", 500)
            self.assertEqual(client.rest()[:4], b"421 ")
        self.gateway.wait_log("turned-away", client=source, reply=421)

        def taken_again():
            with Client(self.gateway.port("none"), source) as client:
                return client if client.greeting.code == 220 else None

        wait_for("the end of a ban", taken_again)

    def test_who_may_relay_is_not_banned_and_may_send_more(self):
        for _ in range(2):
            with open_client(self.gateway, "may", FRIEND) as client:
                for _ in range(5):
                    client.expect("MAIL FROM:<a@b.test>", 250)
                    client.expect("RSET", 250)
                for _ in range(4):
                    client.expect("WHAT", 500)
                self.assertEqual(client.rest()[:4], b"421 ")


class Slow(Limits):
    limits = {"command_timeout": SHORT}

    def codes(self, client):
        codes = []
        try:
            while True:
                codes.append(client.reply().code)
        except Closed:
            return codes

    def test_the_silent_are_cut_off_wherever_they_fall_silent(self):
        greeted = self.connect()
        amid_ehlo = self.connect()
        amid_ehlo.send(b"EHLO cli")
        amid_envelope, amid_data, amid_chunk = [open_client(self.gateway, how) for how in ("none", "may", "implicit")]
        for client in (amid_envelope, amid_data, amid_chunk):
            self.addCleanup(client.close)
            client.envelope("a@b.test", f"silent@{LOCAL}")
        amid_data.expect("DATA", 354)
        amid_data.send(b"Subject: x\r\n\r\nhalf")
        amid_chunk.send(b"BDAT 1000 LAST\r\nhalf")
        amid_tls = self.connect(tls="may")
        amid_tls.expect("EHLO client.test", 250)
        amid_tls.expect("STARTTLS", 220)
        amid_hello = self.connect(tls="may")
        amid_hello.expect("EHLO client.test", 250)
        amid_hello.expect("STARTTLS", 220)
        amid_hello.send(b"\x16\x03\x01\x02\x00\x01")
        nothing = self.connect(greet=False, tls="implicit")
        for client in (greeted, amid_ehlo, amid_envelope, amid_data, amid_chunk):
            self.assertEqual(self.codes(client), [421])
        for client in (amid_tls, amid_hello, nothing):
            self.assertEqual(client.rest(), b"")
        for client, during in ((greeted, "hello"), (amid_envelope, "rcpt"), (amid_data, "data"), (amid_chunk, "chunk")):
            self.gateway.wait_log("timed-out", client=client.socket.getsockname()[0], during=during)
        self.a_message_gets_through("after.the.silent")
        self.assertEqual(self.gateway.files("silent"), [])

    def test_who_sends_an_octet_now_and_then_is_cut_off_too(self):
        client = self.connect()
        client.socket.settimeout(0.2)
        for _ in range(400):
            try:
                client.send(b"x")
                if client.socket.recv(4) in (b"421 ", b""):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
        self.fail("an octet each 0.2 s keeps a connection open")

    def test_who_does_not_read_does_no_harm(self):
        """Replies pile up for a client that never reads them."""
        deaf = socket.create_connection(("127.0.0.1", self.gateway.port("none")), 5, (next_source(), 0))
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.2)
        try:
            for _ in range(2000):
                deaf.sendall(b"EHLO client.test\r\n" * 500)
        except OSError:
            pass
        self.a_message_gets_through("beside.the.deaf")

    def test_a_flood_of_connections_harms_no_other(self):
        flood = []
        for number in range(300):
            client = socket.create_connection(("127.0.0.1", self.gateway.port("may")), 10,
                                              (f"127.45.0.{number % 5 + 1}", 0))
            self.addCleanup(client.close)
            flood.append(client)
            if number % 3 == 0:
                client.sendall(b"\x16\x03\x01" + b"\xff" * 2000)
            elif number % 3 == 1:
                client.sendall(b"EHLO a\r\nSTARTTLS\r\n")
        self.a_message_gets_through("beside.the.flood")


if __name__ == "__main__":
    unittest.main()
