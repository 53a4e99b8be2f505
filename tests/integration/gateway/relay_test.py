#!/usr/bin/python3
"""relay_test.py - no way of writing an address makes an open relay, and those who may relay can.

usage: relay_test.py POSTERN
"""
import os
import unittest

from gateway import LOCAL, REMOTE, Client, Gateway, Listener, take_program, trusting

POSTERN = take_program()
FRIEND, STRANGER = "127.0.0.1", "127.0.0.2"
TRICKS = [
    f"user@{REMOTE}", f"user%{REMOTE}@", f"user@{REMOTE}@{LOCAL}x", f"@{LOCAL}:user@{REMOTE}",
    f"@{LOCAL},@{REMOTE}:user@{REMOTE}",
    f"@{REMOTE}:user@{REMOTE}", f"{REMOTE}!user", f"{LOCAL}!{REMOTE}!user", f"user@[127.0.0.1]", "user@[IPv6:::1]",
    "user@[IPv6:::ffff:127.0.0.1]", "user@[192.0.2.1]", "user@localhost", "user@127.0.0.1", "user",
    f"user@{LOCAL}.{REMOTE}",
    f"user@x{LOCAL}", f"user@sub.{LOCAL}", f"user@.{LOCAL}", f"user@{LOCAL}..", f"user@{LOCAL}/{REMOTE}",
    f"user@{REMOTE}\\@{LOCAL}",
    f'"user@{LOCAL}"@{REMOTE}', f'"user@{LOCAL}', f'"user"@{REMOTE}', f'"user@{REMOTE}"', f'user@{LOCAL}"@{REMOTE}',
    f"user@{LOCAL}%{REMOTE}",
    f"user@{LOCAL}(@{REMOTE})", f"user@(comment){REMOTE}", f"user@{REMOTE}(@{LOCAL})", f"user@{LOCAL},user@{REMOTE}",
    f"user@{LOCAL};user@{REMOTE}",
    f"user@{REMOTE} {LOCAL}", f"user@{LOCAL}\t@{REMOTE}", f"user@{REMOTE}#{LOCAL}", f"user@{REMOTE}\\0@{LOCAL}",
    f"user@{LOCAL}:25@{REMOTE}",
    f"user@inside%2etest", "user@inside.test\u3002", f"user@ｉｎｓｉｄｅ.test.{REMOTE}", "|/bin/sh", "/etc/passwd", "user@",
    "@", f"@{LOCAL}",
    f"user@{LOCAL}>,<user@{REMOTE}", f"user@{REMOTE}> ORCPT=rfc822;user@{LOCAL}", f"postmaster@{REMOTE}", "abuse",
    "root@",
]
# To us, and to nobody else, whatever their local parts look like.
NOT_ROUTES = {
    f"user%{REMOTE}@{LOCAL}": f"user%{REMOTE}", f"{REMOTE}!user@{LOCAL}": f"{REMOTE}!user",
    f'"user@{REMOTE}"@{LOCAL}': f"user@{REMOTE}",
    f'"@{REMOTE}:user"@{LOCAL}': f"@{REMOTE}:user", f"user+{REMOTE}@{LOCAL}": f"user+{REMOTE}", f'"a b"@{LOCAL}': "a b",
}
SAME = [f"same@{LOCAL}", f"SAME@{LOCAL.upper()}", f'"same"@{LOCAL}', f"Same@Inside.Test"]


class Relay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN, [Listener("may"), Listener("none"), Listener("implicit", address="127.0.0.3")],
                              relay_from=(FRIEND + "/32",))
        cls.addClassCleanup(cls.gateway.remove)
        cls.gateway.start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def queued(self):
        return self.gateway.run("queue", "list", "-c", self.gateway.settings_file)

    def ask(self, recipient, source, number):
        """A session for each, as errors add up."""
        with Client(self.gateway.port("none"), source or f"127.55.{number // 250}.{number % 250 + 1}") as client:
            client.expect("EHLO client.test", 250)
            client.expect("MAIL FROM:<sender@inside.test> SMTPUTF8", 250)
            return client.command(f"RCPT TO:<{recipient}>")

    def test_no_stranger_sends_to_a_domain_that_is_not_ours(self):
        for number, recipient in enumerate(TRICKS):
            with self.subTest(recipient=recipient):
                answer = self.ask(recipient, None, number)
                self.assertEqual(answer.code // 100, 5, answer)
                self.assertEqual(answer.enhanced[0], "5")
        self.assertEqual(self.ask(f"user@{REMOTE}", STRANGER, 0).enhanced, "5.7.1")

    def test_a_sender_of_ours_makes_no_friend(self):
        for number, sender in enumerate((f"user@{LOCAL}", "", "postmaster", f"postmaster@{LOCAL}", "user@[127.0.0.1]",
                                         "user@localhost")):
            with Client(self.gateway.port("none"), f"127.56.0.{number + 1}") as client:
                client.expect(f"EHLO {LOCAL}", 250)
                client.command(f"MAIL FROM:<{sender}>")
                self.assertEqual(client.command(f"RCPT TO:<user@{REMOTE}>").code // 100, 5, sender)

    def test_tls_makes_no_friend(self):
        with Client(self.gateway.port("may"), "127.57.0.1") as client:
            client.starttls(trusting(self.gateway))
            client.expect("MAIL FROM:<user@inside.test>", 250)
            client.expect(f"RCPT TO:<user@{REMOTE}>", 550)

    def test_a_route_in_a_local_part_is_a_name_and_no_route(self):
        for number, (recipient, user) in enumerate(NOT_ROUTES.items()):
            with self.subTest(recipient=recipient), Client(self.gateway.port("none"),
                                                           f"127.58.0.{number + 1}") as client:
                client.expect("EHLO client.test", 250)
                client.envelope("sender@outside.test", recipient)
                self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
                self.assertEqual(self.gateway.one(user).body, b"Subject: x\n\n")
        known = (f"@{REMOTE}>", f"sender@{REMOTE}")  # the sender, and reports to them
        lines = [line for line in self.queued().splitlines() if not line.rstrip().endswith(known)]
        self.assertNotIn(REMOTE, "\n".join(lines))

    def test_a_source_route_is_declined_even_to_us(self):
        """RFC 5321 section 3.6.1 lets us."""
        answer = self.ask(f"@{REMOTE},@b.test:routed@{LOCAL}", "127.59.0.1", 0)
        self.assertEqual((answer.code, answer.enhanced), (553, "5.1.3"))

    def test_our_domain_is_ours_however_it_is_written(self):
        for number, recipient in enumerate(SAME):
            with Client(self.gateway.port("none"), f"127.60.0.{number + 1}") as client:
                client.expect("EHLO client.test", 250)
                client.envelope("sender@outside.test", recipient)
                self.assertEqual(client.data(b"Subject: %d\r\n\r\n" % number).code, 250)
        self.gateway.mail("same", len(SAME))

    def test_postmaster_without_a_domain_is_ours(self):
        with Client(self.gateway.port("none"), "127.61.0.1") as client:
            client.expect("EHLO client.test", 250)
            client.envelope("", "PostMaster")
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        self.gateway.one("postmaster")

    def test_a_name_of_a_mailbox_leads_out_of_no_folder(self):
        names = ("..", ".", "../up", "a/b", "/etc/passwd", "..\\x", "~root", ".hidden", "a\\/b", "a" * 65)
        for number, name in enumerate(names):
            with self.subTest(name=name), Client(self.gateway.port("none"), f"127.62.0.{number + 1}") as client:
                client.expect("EHLO client.test", 250)
                client.expect("MAIL FROM:<sender@outside.test>", 250)
                if client.command(f'RCPT TO:<"{name}"@{LOCAL}>').code == 250:
                    client.data(b"Subject: x\r\n\r\n")
        with Client(self.gateway.port("none"), "127.63.0.1") as client:
            client.expect("EHLO client.test", 250)
            client.envelope("", f"after@{LOCAL}")
            client.data(b"Subject: x\r\n\r\n")
        self.gateway.one("after")
        self.assertEqual(os.listdir(self.gateway.mailboxes), [LOCAL])
        for folder, _, files in os.walk(self.gateway.mailboxes):
            self.assertTrue(not files or os.path.basename(folder) in ("new", "tmp"), (folder, files))
            self.assertFalse(os.path.basename(folder).startswith("."), folder)

    def test_who_is_in_relay_from_sends_anywhere_and_it_waits_in_the_queue(self):
        with Client(self.gateway.port("none"), FRIEND) as client:
            client.expect("EHLO client.test", 250)
            client.envelope("sender@inside.test", f"friend@{REMOTE}", "user@[192.0.2.1]")
            answer = client.data(b"Subject: x\r\n\r\n")
            self.assertEqual(answer.code, 250)
        number = answer.text.split()[-1]
        self.gateway.wait_log("deferred", id=number)
        self.assertIn(number, self.queued())
        shown = self.gateway.run("queue", "show", "-c", self.gateway.settings_file, number)
        self.assertIn(f"friend@{REMOTE}", shown)
        self.gateway.run("queue", "delete", "-c", self.gateway.settings_file, number)
        self.assertNotIn(number, self.queued())


if __name__ == "__main__":
    unittest.main()
