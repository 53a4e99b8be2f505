#!/usr/bin/python3
"""failed_handshakes_test.py - real clients that fail against us: one line in the log with the right cause, and
an entry in `postern track --failed`.

usage: failed_handshakes_test.py POSTERN

tests/integration/inbound judges many more kinds of failure; here it is shown that each way into the gateway
comes to the log and to tracking.
"""
import json
import shutil
import socket
import ssl
import struct
import subprocess
import unittest
import warnings

from gateway import (HOST, LOCAL, PATIENCE_S, SHORT, Client, Gateway, Listener, open_client, take_program, trusting,
                     wait_for)

POSTERN = take_program()


def reset(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class FailedHandshakes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(POSTERN, limits={"command_timeout": SHORT})
        cls.addClassCleanup(cls.gateway.remove)
        world = cls.gateway.world
        cls.gateway.listeners = [Listener("may"), Listener("implicit"),
                                 Listener("required", [world.leaf(start=-90, end=-2)])]
        cls.gateway.start()

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def expect(self, source, finding, *words, side="client"):
        """The one line of the log, and the one note of tracking, of a client."""
        line = self.gateway.failure(source)
        self.assertEqual((line["finding"], line["side"]), (finding, side), line)
        told = " ".join(str(value) for value in line.values())
        for word in words:
            self.assertIn(word, told)
        self.assertTrue(line["cause"] and line["remedy"])

        def noted():
            lines = self.gateway.run("track", "-c", self.gateway.settings_file, "--failed", "--json", status=(0, 1))
            return [note for note in map(json.loads, lines.splitlines()) if note["origin"]["address"] == source] or None

        notes = wait_for(f"a note of {source}", noted)
        self.assertEqual([event["finding"] for note in notes for event in note["events"]], [finding])

    def by_program(self, command):
        if not shutil.which(command[0]):
            self.skipTest(f"no {command[0]} here")
        subprocess.run(command, input=b"EHLO a.test\r\nQUIT\r\n", capture_output=True, timeout=PATIENCE_S, check=False)

    def openssl(self, source, *arguments, how="may"):
        starttls = [] if how == "implicit" else ["-starttls", "smtp"]
        self.by_program(["openssl", "s_client", "-quiet", *starttls, "-connect", f"127.0.0.1:{self.gateway.port(how)}",
                         "-bind", f"{source}:0", *arguments])

    def to_starttls(self, source, how="may"):
        client = Client(self.gateway.port(how), source)
        self.addCleanup(client.close)
        client.expect("EHLO client.test", 250)
        client.expect("STARTTLS", 220)
        return client

    def hello(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            trusting(self.gateway).wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def test_a_client_that_knows_old_versions_alone(self):
        self.openssl("127.31.0.1", "-tls1", "-cipher", "ALL:@SECLEVEL=0")
        self.expect("127.31.0.1", "inbound-no-common-version", "TLSv1.0", "protocol_version (70)")
        self.openssl("127.31.0.2", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", how="implicit")
        self.expect("127.31.0.2", "inbound-no-common-version", "TLSv1.1")

    def test_a_client_that_knows_old_versions_alone_by_python(self):
        context = trusting(self.gateway)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
        with self.assertRaises(OSError):
            self.to_starttls("127.31.1.1").secure(context)
        self.expect("127.31.1.1", "inbound-no-common-version", "TLSv1.0")

    def test_a_client_without_a_cipher_for_our_key(self):
        self.openssl("127.31.2.1", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
        self.expect("127.31.2.1", "inbound-no-common-cipher", side="server")

    def test_a_client_without_a_group_of_ours(self):
        self.openssl("127.31.2.2", "-tls1_3", "-groups", "brainpoolP512r1tls13:ffdhe8192")
        line = self.gateway.log("tls-failed", client="127.31.2.2")
        if not line:
            self.openssl("127.31.2.3", "-tls1_2", "-curves", "brainpoolP256r1")
            self.expect("127.31.2.3", "inbound-no-common-group")
        else:
            self.expect("127.31.2.2", "inbound-no-common-group")

    def test_a_client_that_does_not_trust_our_root(self):
        self.openssl("127.31.3.1", "-verify_return_error", "-CAfile",
                     self.gateway.world.write("other.pem", self.gateway.world.stranger_root.pem))
        self.expect("127.31.3.1", "inbound-certificate-rejected", "unknown_ca (48)")
        context = ssl.create_default_context(cadata=self.gateway.world.stranger_root.pem.decode())
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.to_starttls("127.31.3.2").secure(context)
        self.expect("127.31.3.2", "inbound-certificate-rejected", "unknown_ca (48)")

    def test_a_client_that_finds_our_certificate_expired(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.to_starttls("127.31.4.1", "required").secure(trusting(self.gateway))
        self.expect("127.31.4.1", "inbound-certificate-rejected", "certificate_expired (45)", side="server")

    def test_curl_that_does_not_trust_our_root(self):
        port = self.gateway.port("may")
        self.by_program(["curl", "--silent", "--ssl-reqd", "--interface", "127.31.5.1", "--cacert",
                         self.gateway.world.write("other.pem", self.gateway.world.stranger_root.pem), "--mail-from",
                         "a@b.test",
                         "--mail-rcpt", f"x@{LOCAL}", "--upload-file", "-", f"smtp://127.0.0.1:{port}/"])
        self.expect("127.31.5.1", "inbound-certificate-rejected", "unknown_ca (48)")

    def test_a_client_that_closes_after_our_certificate(self):
        client = self.to_starttls("127.31.6.1")
        client.send(self.hello())
        client.more()
        client.close()
        self.expect("127.31.6.1", "inbound-closed")

    def test_a_client_that_resets_after_our_certificate(self):
        client = self.to_starttls("127.31.6.2")
        client.send(self.hello())
        client.more()
        reset(client)
        self.expect("127.31.6.2", "inbound-reset")

    def test_a_client_that_closes_in_place_of_its_hello(self):
        self.to_starttls("127.31.6.3").close()
        self.expect("127.31.6.3", "inbound-closed")

    def test_a_client_that_goes_on_in_plaintext(self):
        client = self.to_starttls("127.31.7.1")
        client.send(b"MAIL FROM:<a@b.test>\r\n")
        client.rest()
        line = self.gateway.failure("127.31.7.1")
        self.assertIn(line["finding"], ("inbound-plaintext", "inbound-injected"))
        with Client(self.gateway.port("implicit"), "127.31.7.2", greet=False) as client:
            client.send(b"EHLO client.test\r\n")
            client.rest()
        self.expect("127.31.7.2", "inbound-plaintext", "EHLO client.test")

    def test_a_client_that_does_not_wait_for_our_220(self):
        client = Client(self.gateway.port("may"), "127.31.7.3")
        self.addCleanup(client.close)
        client.expect("EHLO client.test", 250)
        client.send(b"STARTTLS\r\n" + self.hello())
        self.assertEqual(client.reply().code, 554)
        self.expect("127.31.7.3", "inbound-injected", "does not wait for our 220")
        self.assertIn(r'"\x16', self.gateway.failure("127.31.7.3")["proof"])

    def test_a_client_that_speaks_something_else(self):
        with Client(self.gateway.port("implicit"), "127.31.8.1", greet=False) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.rest()
        self.expect("127.31.8.1", "inbound-other-protocol", "HTTP")
        self.assertIn(r"GET / HTTP/1.1\r\nHost", self.gateway.failure("127.31.8.1")["proof"])

    def test_a_client_that_falls_silent(self):
        self.assertEqual(self.to_starttls("127.31.9.1").rest(), b"")
        self.expect("127.31.9.1", "inbound-timeout")

    def test_a_sound_client_is_not_in_the_log(self):
        for source, how in (("127.31.10.1", "may"), ("127.31.10.2", "implicit"), ("127.31.10.3", "none")):
            if how != "none":
                open_client(self.gateway, how, source).quit()
        self.openssl("127.31.10.4", "-CAfile", self.gateway.world.root_file, "-verify_return_error")
        self.openssl("127.31.10.5", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        self.gateway.failure("127.31.10.5")  # and by now the others would be there
        for number in range(1, 5):
            self.assertEqual(self.gateway.log("tls-failed", client=f"127.31.10.{number}"), [])


if __name__ == "__main__":
    unittest.main()
