#!/usr/bin/python3
"""awkward_test.py - messages that only a client of our own can send, and how the gateway answers on the wire.

usage: awkward_test.py POSTERN
"""
import os
import re
import socket
import ssl
import unittest

import messages
from gateway import (HOST, LOCAL, REMOTE, Client, Failed, Gateway, Listener, as_stored, next_source, open_client, pki,
                     take_program, trusting)

POSTERN = take_program()
SENDER = "sender@outside.test"
SIZE = 12 << 20


class Wire(unittest.TestCase):
    relay_from = ()

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN, limits={"message_size": SIZE}, relay_from=cls.relay_from)
        cls.addClassCleanup(cls.gateway.remove)
        cls.prepare(cls.gateway)
        cls.gateway.start()

    @classmethod
    def prepare(cls, gateway):
        """What else the settings say."""

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def open(self, how, source=None):
        client = open_client(self.gateway, how, source)
        self.addCleanup(client.close)
        return client


WAYS = ("none", "may", "implicit")
CONTENTS = {
    "dots": messages.DOTS, "only.dots": messages.ONLY_DOTS, "latin1": messages.LATIN1, "long": messages.LONG_LINES,
    "empty": messages.EMPTY_BODY, "alone": messages.HEADER_ALONE, "nothing": b"", "blank": b"\r\n",
    "blanks": b"\r\n" * 1000,
    "one.dot": b".\r\n", "fields": messages.many_headers(3000), "octets": messages.every_octet(),
    "from": messages.FROM_LINES, "no.header": b"no field here\r\n\r\n.\r\n", "very.long.line": b"a" * 500000 + b"\r\n",
}
UNENDED = {
    "no.end": b"Subject: x\r\n\r\nno end of line", "dot": b"Subject: x\r\n\r\n.",
    "crlf.dot": b"Subject: x\r\n\r\nx\r\n.",
    "one.octet": b"x", "false.end": b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n.\r\n..",
}


class Content(Wire):
    """What lies in the mailbox is what was sent."""

    def check(self, user, content):
        mail = self.gateway.one(user)
        self.assertEqual(mail.body, as_stored(content))
        self.assertEqual((mail.return_path, mail.delivered_to), (f"<{SENDER}>", f"{user}@{LOCAL}"))
        return mail

    def test_data_is_stored_as_it_was_sent(self):
        for how in WAYS:
            client = self.open(how)
            for name, content in CONTENTS.items():
                client.envelope(SENDER, f"{name}.data.{how}@{LOCAL}", parameters=" BODY=8BITMIME")
                self.assertEqual(client.data(content).code, 250, name)
            client.quit()
        for how in WAYS:
            for name, content in CONTENTS.items():
                with self.subTest(name=name, how=how):
                    self.check(f"{name}.data.{how}", content)

    def test_chunks_are_stored_as_they_were_sent_wherever_they_are_cut(self):
        for how in WAYS:
            client = self.open(how)
            for name, content in {**CONTENTS, **UNENDED}.items():
                for step in {len(content) or 1, max(1, len(content) // 3), max(7, len(content) // 40)}:
                    client.envelope(SENDER, f"{name}.bdat.{how}.{step}@{LOCAL}", parameters=" BODY=8BITMIME")
                    chunks = [content[i:i + step] for i in range(0, len(content), step)]
                    client.send(b"".join(b"BDAT %d\r\n" % len(chunk) + chunk for chunk in chunks) + b"BDAT 0 LAST\r\n")
                    for _ in chunks:
                        self.assertEqual(client.reply().code, 250)
                    self.assertEqual(client.reply().code, 250)
            client.quit()
        for how in WAYS:
            for name, content in {**CONTENTS, **UNENDED}.items():
                with self.subTest(name=name, how=how):
                    self.check(f"{name}.bdat.{how}.{len(content) or 1}", content)

    def test_a_chunk_may_be_the_last_of_itself(self):
        client = self.open("may")
        client.envelope(SENDER, f"last@{LOCAL}")
        content = b"Subject: x\r\n\r\nlast"
        client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        self.assertEqual(client.reply().code, 250)
        self.check("last", content)

    def test_ten_megabytes_come_through_by_data_and_by_chunks(self):
        content = messages.large(10 << 20)
        client = self.open("may")
        client.envelope(SENDER, f"large.data@{LOCAL}", parameters=f" SIZE={len(content)}")
        self.assertEqual(client.data(content).code, 250)
        client.envelope(SENDER, f"large.bdat@{LOCAL}")
        client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        self.assertEqual(client.reply().code, 250)
        self.check("large.data", content)
        self.check("large.bdat", content)

    def test_nul_is_refused_in_data_and_in_chunks(self):
        for how in ("none", "may"):
            client = self.open(how)
            client.envelope(SENDER, f"nul@{LOCAL}")
            self.assertEqual(client.data(b"Subject: x\r\n\r\na\0b\r\n").code, 554)
            client.envelope(SENDER, f"nul@{LOCAL}")
            client.send(b"BDAT 3 LAST\r\na\0b")
            self.assertEqual(client.reply().code, 554)
            client.quit()
        self.assertEqual(self.gateway.files("nul"), [])

    def test_received_tells_version_cipher_client_and_id(self):
        ciphers = {ssl.TLSVersion.TLSv1_2: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ssl.TLSVersion.TLSv1_3: None}
        for version, cipher in ciphers.items():
            source, user = next_source(), f"received.{version.name.lower()}"
            context = trusting(self.gateway, minimum_version=version, maximum_version=version)
            context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
            client = Client(self.gateway.port("may"), source)
            client.starttls(context)
            used, cipher = client.socket.version(), cipher or client.socket.cipher()[0]
            client.envelope(SENDER, f"{user}@{LOCAL}")
            answer = client.data(b"Subject: x\r\n\r\n")
            received = self.check(user, b"Subject: x\r\n\r\n").received
            self.assertEqual((received["version"], received["cipher"]), (used, cipher))
            self.assertEqual((received["client"], received["peer"]), ("client.test", f"[{source}]"))
            self.assertEqual((received["by"], received["protocol"]), (HOST, "ESMTPS"))
            self.assertEqual(received["recipient"], f"{user}@{LOCAL}")
            self.assertIn(received["id"], answer.text)
            client.quit()

    def test_received_says_no_tls_where_there_was_none(self):
        with Client(self.gateway.port("may")) as client:
            client.expect("HELO client.test", 250)
            client.envelope(SENDER, f"clear@{LOCAL}")
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        received = self.gateway.one("clear").received
        self.assertEqual((received["version"], received["protocol"]), (None, "SMTP"))

    def test_each_of_many_recipients_gets_a_copy_that_names_nobody_else(self):
        client = self.open("may")
        users = [f"many.{number}" for number in range(100)]
        client.envelope(SENDER, *[f"{user}@{LOCAL}" for user in users])
        self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        for user in users:
            self.assertIsNone(self.check(user, b"Subject: x\r\n\r\n").received["recipient"])

    def test_the_null_sender_comes_through(self):
        client = self.open("may")
        client.envelope("", f"null@{LOCAL}")
        self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        self.assertEqual(self.gateway.one("null").return_path, "<>")

    def test_addresses_and_fields_in_utf8_come_through(self):
        client = self.open("may")
        client.expect(f"MAIL FROM:<отправитель@outside.test> SMTPUTF8 BODY=8BITMIME".encode(), 250)
        client.expect(f"RCPT TO:<получатель@{LOCAL}>".encode(), 250)
        self.assertEqual(client.data(messages.UTF8).code, 250)
        mail = self.gateway.one("получатель")
        self.assertEqual(mail.body, as_stored(messages.UTF8))
        self.assertEqual((mail.return_path, mail.received["protocol"]), ("<отправитель@outside.test>", "UTF8SMTPS"))

    def test_utf8_without_smtputf8_is_refused(self):
        client = self.open("may")
        self.assertEqual(client.command("MAIL FROM:<отправитель@outside.test>").code, 553)
        client.expect(f"MAIL FROM:<{SENDER}>", 250)
        self.assertEqual(client.command(f"RCPT TO:<получатель@{LOCAL}>").code, 553)


class Commands(Wire):
    relay_from = ("127.88.0.0/16",)

    def test_ehlo_offers_what_is_spoken(self):
        for how in WAYS:
            lines = self.open(how).expect("EHLO client.test", 250).lines
            self.assertEqual(lines[0].split()[0], HOST)
            for keyword in ("PIPELINING", f"SIZE {SIZE}", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
                            "CHUNKING"):
                self.assertIn(keyword, lines, how)
            self.assertTrue(any(re.fullmatch(r"LIMITS( [A-Z]+=\d+)+", line) for line in lines), lines)
            self.assertNotIn("STARTTLS", lines)
        with Client(self.gateway.port("may")) as client:
            self.assertIn("STARTTLS", client.expect("EHLO client.test", 250).lines)
        with Client(self.gateway.port("none")) as client:
            self.assertEqual(len(client.expect("HELO client.test", 250).lines), 1)

    def test_every_reply_has_an_enhanced_code_of_its_class(self):
        refusals = (
                ("NOOP", 250), ("NOOP word", 250), ("RSET", 250), ("HELP", 214), ("VRFY postmaster", 252),
                ("EXPN list", 5),
                ("WHAT", 500), ("", 500), ("MAIL", 501), ("MAIL FROM:", 501), ("MAIL FROM:<a", 501),
                ("MAIL FROM:<a@b> X=y", 555),
                ("MAIL FROM:<a@b.test> SIZE=x", 501), ("MAIL FROM:<a@b.test> BODY=9BIT", 501),
                ("RCPT TO:<a@b.test>", 503),
                ("DATA", 503), ("BDAT 0 LAST", 5), ("AUTH PLAIN", 5), ("ETRN x", 5), ("HELO", 501), ("STARTTLS", 503))
        envelope = (
                (f"MAIL FROM:<{SENDER}>", 250), (f"MAIL FROM:<{SENDER}>", 503), ("DATA", 554), (f"RCPT TO:<>", 5),
                (f"RCPT TO:<x@{LOCAL}>", 250), (f"RCPT TO:<x@{LOCAL}> NOTIFY=NEVER,DELAY", 501), ("DATA x", 501),
                ("DATA", 354))
        for rows in (refusals, envelope):
            client = self.open("may")
            for line, code in rows:
                answer = client.command(line)
                with self.subTest(line=line, answer=answer):
                    self.assertEqual(answer.code if code > 99 else answer.code // 100, code)
                    if code == 354:
                        self.assertIsNone(answer.enhanced)
                    else:
                        self.assertEqual((answer.enhanced or "none")[0], str(answer.code)[0])
        client.send(b"Subject: x\r\n\r\n.\r\n")
        self.assertEqual(client.reply().enhanced, "2.0.0")
        self.assertEqual(client.command("QUIT").enhanced[:2], "2.")

    def test_replies_to_a_burst_come_in_the_order_of_its_commands(self):
        for how in WAYS:
            client = self.open(how)
            users = [f"burst.{how}.{number}@{LOCAL}" for number in range(50)]
            client.send(b"".join([b"RSET\r\nMAIL FROM:<sender@outside.test>\r\n",
                                  *[f"RCPT TO:<{user}>\r\n".encode() for user in users],
                                  b"RCPT TO:<nobody@outside.test>\r\n", b"DATA\r\n"]))
            self.assertEqual([client.reply().code for _ in range(len(users) + 4)],
                             [250] * (len(users) + 2) + [550, 354])
            client.send(b"Subject: x\r\n\r\n.\r\nMAIL FROM:<sender@outside.test>\r\nRCPT TO:<burst.%s.0@inside.test>\r\nBDAT 2\r\n\r\nBDAT 3 LAST\r\n"
                        b"abcNOOP\r\nQUIT\r\n" % how.encode())
            self.assertEqual([client.reply().code for _ in range(7)], [250, 250, 250, 250, 250, 250, 221])
            self.assertEqual(client.rest(), b"")
            self.assertEqual([mail.body for mail in sorted(self.gateway.mail(f"burst.{how}.0", 2),
                                                           key=lambda mail: len(mail.body))],
                             [b"\nabc", b"Subject: x\n\n"])

    def test_a_session_octet_by_octet_is_the_same(self):
        for how in ("none", "may"):
            client = self.open(how)
            wire = (f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<octets.{how}@{LOCAL}>\r\nDATA\r\n".encode(),
                    b"Subject: x\r\n\r\n..x\r\n.\r\nQUIT\r\n")
            client.send(wire[0], range(len(wire[0])))
            self.assertEqual([client.reply().code for _ in range(3)], [250, 250, 354])
            client.send(wire[1], range(len(wire[1])))
            self.assertEqual([client.reply().code for _ in range(2)], [250, 221])
            self.assertEqual(self.gateway.one(f"octets.{how}").body, b"Subject: x\n\n.x\n")

    def test_parameters_of_delivery_reports_are_taken(self):
        client = self.open("may", "127.88.2.1")
        client.expect(f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=QQ+2B314159", 250)
        client.expect(f"RCPT TO:<anna@{REMOTE}> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Anna+40{REMOTE}", 250)
        client.expect(f"RCPT TO:<bert@{REMOTE}> NOTIFY=NEVER", 250)
        answer = client.data(b"Subject: x\r\n\r\n")
        self.assertEqual(answer.code, 250)
        shown = self.gateway.run("queue", "show", "-c", self.gateway.settings_file, answer.text.split()[-1])
        for words in ("QQ+2B314159", f"anna@{REMOTE}", f"bert@{REMOTE}"):
            self.assertIn(words, shown)

    def test_a_client_that_has_said_all_and_closes_its_side_hears_the_answer(self):
        for how in ("clear", "may", "implicit"):
            for number in range(10):
                user = f"half.{how}.{number}"
                with self.subTest(user=user), self.open(how) as client:
                    client.envelope("sender@outside.test", f"{user}@{LOCAL}")
                    client.expect("DATA", 354)
                    client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                    below = socket.socket(fileno=os.dup(client.socket.fileno()))  # TLS is told nothing
                    below.shutdown(socket.SHUT_WR)
                    below.close()
                    self.assertEqual(client.reply().code, 250)
                    self.assertEqual(client.rest(), b"")
                    self.assertEqual(self.gateway.one(user).body, b"Subject: x\n\nx\n")

    def test_a_message_is_dropped_by_rset_ehlo_and_hanging_up(self):
        for number, drop in enumerate((b"RSET\r\n", b"EHLO client.test\r\n", b"HELO client.test\r\n", None)):
            client = self.open("may")
            client.envelope(SENDER, f"dropped@{LOCAL}")
            if drop:
                client.send(drop)
                self.assertEqual(client.reply().code, 250, number)
                client.expect("DATA", 503)
            else:
                client.expect("DATA", 354)
                client.send(b"Subject: half\r\n\r\nhalf")
                client.close()
        client = self.open("may")
        client.envelope(SENDER, f"after@{LOCAL}")
        self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
        self.gateway.one("after")
        self.assertEqual(self.gateway.files("dropped"), [])


class Required(Wire):
    @classmethod
    def prepare(cls, gateway):
        gateway.listeners = [Listener("required")]

    def test_nothing_is_taken_before_starttls(self):
        with Client(self.gateway.port("required")) as client:
            self.assertIn("STARTTLS", client.expect("EHLO client.test", 250).lines)
            for line in (f"MAIL FROM:<{SENDER}>", "RCPT TO:<a@b.test>", "DATA", "VRFY a"):
                answer = client.expect(line, 530)
                self.assertEqual(answer.enhanced, "5.7.0")
            client.expect("NOOP", 250)
            client.expect("STARTTLS", 220)
            client.secure(trusting(self.gateway)).expect("EHLO client.test", 250)
            client.envelope(SENDER, f"required@{LOCAL}")
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
            client.quit()
        self.assertEqual(self.gateway.one("required").received["protocol"], "ESMTPS")


class WithIPv6(Wire):
    @classmethod
    def setUpClass(cls):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as reason:
            raise unittest.SkipTest(f"no IPv6 here: {reason}") from None
        super().setUpClass()


class OverIPv6(WithIPv6):
    @classmethod
    def prepare(cls, gateway):
        gateway.listeners = [Listener("may", address="::1")]

    def test_the_client_is_named_as_rfc_5321_has_it(self):
        with Client(self.gateway.port("may"), "::1", address="::1") as client:
            client.starttls(trusting(self.gateway))
            client.envelope(SENDER, f"six@{LOCAL}")
            self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
            client.expect(f"MAIL FROM:<{SENDER}>", 250)
            client.expect(f"RCPT TO:<six@{REMOTE}>", 550)
            client.quit()
        self.assertEqual(self.gateway.one("six").received["peer"], "[IPv6:::1]")


class EveryAddress(WithIPv6):
    @classmethod
    def prepare(cls, gateway):
        gateway.listeners = [Listener("may", address="0.0.0.0"), Listener("may", address="::")]
        gateway.listeners[1].port = gateway.listeners[0].port

    def test_both_listeners_on_one_port_take_mail_each_of_its_own_family(self):
        for user, address, peer in (("four", "127.0.0.1", "[127.0.0.1]"), ("six", "::1", "[IPv6:::1]")):
            with Client(self.gateway.port("may"), address, address=address) as client:
                client.starttls(trusting(self.gateway))
                client.envelope(SENDER, f"{user}@{LOCAL}")
                self.assertEqual(client.data(b"Subject: x\r\n\r\n").code, 250)
                client.quit()
            self.assertEqual(self.gateway.one(user).received["peer"], peer)


class Sessions(Wire):
    """Tickets."""

    @classmethod
    def prepare(cls, gateway):
        gateway.more = "workers = 4"

    def resume(self, context, session):
        client = Client(self.gateway.port("may"))
        client.starttls(context, session=session)
        reused, session = client.socket.session_reused, client.socket.session
        client.quit()
        return reused, session

    def test_a_session_is_resumed_by_every_worker_and_after_a_reload(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(self.gateway, minimum_version=version, maximum_version=version)
            reused, session = self.resume(context, None)
            self.assertFalse(reused)
            for _ in range(16): # the kernel gives each connection to some worker
                reused, session = self.resume(context, session)
                self.assertTrue(reused, version)
            self.assertEqual(self.gateway.reload()["event"], "reloaded")
            for _ in range(8):
                reused, session = self.resume(context, session)
                self.assertTrue(reused, f"{version} after a reload")


class Names(Wire):
    """Several certificates on one listener."""

    @classmethod
    def prepare(cls, gateway):
        world = gateway.world
        rsa = {"key": pki.shared_key("rsa2048"), "key_bits": {"digital_signature": True, "key_encipherment": True}}
        one, two = ("one.test", "mail.one.test"), ("*.two.test",)
        cls.wanted = {HOST: world.good(), "one.test": world.leaf(common_name="one", names=one),
                       "mx.two.test": world.leaf(common_name="two", names=two)}
        cls.rsa_one = world.leaf(common_name="one by RSA", names=one, **rsa)
        gateway.listeners = [Listener("may", [*cls.wanted.values(), cls.rsa_one])]

    def shown(self, name, **settings):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if "ciphers" in settings:
            context.set_ciphers(settings.pop("ciphers"))
        for key, value in settings.items():
            setattr(context, key, value)
        with Client(self.gateway.port("may")) as client:
            client.starttls(context, name)
            return client.socket.getpeercert(binary_form=True)

    def test_the_certificate_is_the_one_of_the_name_that_was_asked_for(self):
        first, one, two = self.wanted.values()
        for name, identity in ((HOST, first), ("one.test", one), ("MAIL.One.test", one), ("mx.two.test", two),
                               ("any.two.test", two),
                               ("a.b.two.test", first), ("two.test", first), ("nobody.test", first), (None, first)):
            with self.subTest(name=name):
                self.assertEqual(self.shown(name), identity.der)

    def test_a_client_that_knows_rsa_alone_gets_the_rsa_certificate(self):
        self.assertEqual(self.shown("one.test", maximum_version=ssl.TLSVersion.TLSv1_2,
                                    ciphers="ECDHE-RSA-AES128-GCM-SHA256"),
                         self.rsa_one.der)


class ClientCertificates(Wire):
    @classmethod
    def prepare(cls, gateway):
        gateway.listeners = [Listener("may", client_certificate="request"),
                             Listener("implicit", client_certificate="require")]

    def context(self, identity):
        context = trusting(self.gateway)
        if identity:
            context.load_cert_chain(*self.gateway.world.files(identity))
        return context

    def one_of_a_client(self):
        return pki.issue(self.gateway.world.intermediate, common_name="client", names=("client.test",),
                         usages=(pki.CLIENT,)).with_chain(self.gateway.world.intermediate)

    def test_one_that_is_asked_for_may_be_missing_or_strange(self):
        world = self.gateway.world
        for identity in (None, self.one_of_a_client(), pki.issue(world.stranger, common_name="client",
                                                                 usages=(pki.CLIENT,))):
            with Client(self.gateway.port("may")) as client:
                client.starttls(self.context(identity)).quit()

    def test_one_that_is_required_must_be_there(self):
        def speak(identity, source):
            with Client(self.gateway.port("implicit"), source, greet=False) as client:
                client.secure(self.context(identity))
                client.greeting = client.reply()
                client.expect("EHLO client.test", 250)
                client.quit()

        speak(self.one_of_a_client(), "127.66.1.1")
        with self.assertRaises(Exception) as raised:
            speak(None, "127.66.1.2")
        self.assertNotIsInstance(raised.exception, Failed)
        self.assertEqual(self.gateway.failure("127.66.1.2")["finding"], "inbound-client-certificate-missing")
        self.assertEqual(self.gateway.log("tls-failed", client="127.66.1.1"), [])


if __name__ == "__main__":
    unittest.main()
