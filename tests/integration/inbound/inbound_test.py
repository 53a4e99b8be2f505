#!/usr/bin/python3
"""inbound_test.py - clients that fail against us, each in its own way, and what is found to be the cause.

usage: inbound_test.py INBOUND_SERVER

The clients are openssl s_client and gnutls-cli where installed, Python's ssl, and bytes by hand; old and
odd ones among them. Prints TAP. Exit 77 where the certificates cannot be made.
"""
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
try:
    from faults import pki
except ImportError as reason:
    print(f"1..0 # SKIP {reason}")
    sys.exit(77)

HOST = pki.HOST
SECONDS = 120
TLS12, TLS13 = 0x0303, 0x0304


class Skipped(Exception):
    """This client is not here, or cannot do what is asked of it."""


class Scene:
    """The certificates, and a server for one client at a time."""

    def __init__(self, program, folder):
        self.program = program
        self.world = pki.World(folder)

    def serve(self, client, identity=None, options=()):
        """What the server says after `client`(port) is through."""
        chain, key = self.world.files(identity or self.world.good())
        command = [self.program, chain, key, self.world.root_file, HOST, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                client(int(server.stdout.readline()))
                said = server.communicate(timeout=SECONDS)[0]
            except BaseException:
                server.kill()
                raise
        if server.returncode != 0:
            raise AssertionError(f"the server exits {server.returncode}")
        return json.loads(said)


def openssl(*arguments):
    def client(port):
        if not shutil.which("openssl"):
            raise Skipped("no openssl")
        subprocess.run(
            ["openssl", "s_client", "-quiet", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}", *arguments],
            input="EHLO inside.test\r\nQUIT\r\n", text=True, capture_output=True, timeout=SECONDS, check=False)
    return client


def gnutls(*arguments):
    def client(port):
        if not shutil.which("gnutls-cli"):
            raise Skipped("no gnutls-cli")
        subprocess.run(
            ["gnutls-cli", "--starttls-proto=smtp", "--port", str(port), *arguments, "127.0.0.1"],
            input="QUIT\r\n", text=True, capture_output=True, timeout=SECONDS, check=False)
    return client


def to_starttls(port, behind=b""):
    """A connection that has said STARTTLS, and `behind` in the same breath."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    peer.recv(1000)
    peer.sendall(b"EHLO client.test\r\n")
    peer.recv(1000)
    peer.sendall(b"STARTTLS\r\n" + behind)
    return peer


def by_hand(send, is_reset=False, reads=0):
    """Bytes where a ClientHello is due; reads so many octets of the answer, and hangs up."""
    def client(port):
        with to_starttls(port) as peer:
            peer.recv(1000)
            peer.sendall(send)
            while reads and peer.recv(reads):
                break
            if is_reset:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return client


def injecting(port):
    with to_starttls(port, b"RSET\r\nMAIL FROM:<a@b.test>\r\n") as peer:
        peer.recv(1000)


def silent(port):
    with to_starttls(port) as peer:
        while peer.recv(1000):
            pass


def at_once(send):
    """To a port that begins with TLS."""
    def client(port):
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as peer:
            if send:
                peer.sendall(send)
            try:
                while peer.recv(1000):
                    pass
            except ConnectionResetError:
                pass
    return client


def hello(**changes):
    """The ClientHello of Python's ssl, as bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, value in changes.items():
        setattr(context, name, value)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def old_hello(version):
    """A ClientHello as they were before extensions: RFC 2246 section 7.4.1.2."""
    body = struct.pack(">H", version) + bytes(32) + b"\0" + struct.pack(">HHH", 4, 0x002f, 0x000a) + b"\1\0"
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\3\0" + struct.pack(">H", len(message)) + message


def ssl2_hello(version):
    """The hello of SSL 2.0, which older clients of TLS used too: RFC 5246 appendix E.2."""
    body = b"\1" + struct.pack(">HHHH", version, 6, 0, 16) + b"\1\0\x80\0\0\x2f" + bytes(16)
    return struct.pack(">H", 0x8000 | len(body)) + body


def python_client(change=lambda context: None, name=HOST, quits=True):
    """smtplib's way: TLS by Python's ssl with its own checks."""
    def client(port):
        context = ssl.create_default_context(cafile=ROOT[0])
        change(context)
        with to_starttls(port) as peer:
            peer.recv(1000)
            try:
                with context.wrap_socket(peer, server_hostname=name) as inside:
                    if quits:
                        inside.sendall(b"EHLO inside.test\r\nQUIT\r\n")
                        inside.recv(1000)
            except (ssl.SSLError, OSError):
                pass
    return client


ROOT = [None]


def old_versions(most):
    def change(context):
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = most
        context.maximum_version = most
    return change


def cases(world):
    """(name, client, what the server has, code, fault, words of cause, remedy and evidence)."""
    root = ("-CAfile", world.root_file)
    verify = (*root, "-verify_return_error", "-verify_hostname", HOST, "-servername", HOST)
    rsa = {"identity": world.good_rsa()}
    expired = {"identity": world.leaf(start=-90, end=-3)}
    incomplete = {"identity": world.leaf().with_chain()}
    self_signed = {"identity": pki.issue(None)}
    other_name = {"identity": world.leaf(common_name="other.test", names=("other.test",))}
    implicit = {"options": ("implicit=1",)}
    client_ca = {"options": ("client_ca=" + world.root_file,)}
    stranger = world.files(pki.issue(world.stranger, common_name="client", usages=(pki.CLIENT,)))

    yield "a sound client of OpenSSL", openssl(*verify), {}, None
    yield "a sound client of Python", python_client(), {}, None
    yield ("a sound client of GnuTLS", gnutls("--x509cafile", world.root_file, "--sni-hostname", HOST,
                                              "--verify-hostname", HOST), {}, None)

    old = "inbound-no-common-version", "client"
    yield ("TLS 1.0 by OpenSSL", openssl("-tls1", "-cipher", "ALL:@SECLEVEL=0"), {}, *old,
           "nothing newer than TLSv1.0; we take TLSv1.3, TLSv1.2", "alert protocol_version (70) from us")
    yield ("TLS 1.1 by GnuTLS", gnutls("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.1", "--insecure"), {}, *old,
           "nothing newer than TLSv1.1")
    yield ("TLS 1.0 by Python", python_client(old_versions(ssl.TLSVersion.TLSv1)), {}, *old, "TLSv1.0")
    yield ("SSL 2.0 by hand", by_hand(ssl2_hello(2), reads=7), {}, *old, "nothing newer than an old version of TLS",
           "alert protocol_version (70)")
    yield ("TLS 1.0 in the hello of SSL 2.0", by_hand(ssl2_hello(0x0301), reads=7), {}, *old)
    yield "SSL 3.0 by hand", by_hand(old_hello(0x0300), reads=7), {}, *old, "nothing newer than SSLv3"
    yield ("TLS 1.2 where we take 1.3 alone", openssl("-tls1_2"), {"options": (f"minimum={TLS13}",)},
           "inbound-no-common-version", "server", "which is sound", "Allow TLS 1.2")
    yield ("TLS 1.3 alone where we take 1.2", openssl("-tls1_3"), {"options": (f"maximum={TLS12}",)},
           "inbound-no-common-version", "server", "TLSv1.3", "takes only TLSv1.2")
    yield ("a client that fell back", openssl("-tls1_2", "-fallback_scsv"), {},
           "inbound-no-common-version", "client", "says that it fell back")

    yield ("CBC with RSA key transport alone", openssl("-tls1_2", "-cipher", "AES128-SHA"),
           {**rsa, "options": ("ciphers=ECDHE+AESGCM",)}, "inbound-no-common-cipher", "client",
           "it knows TLS_RSA_WITH_AES_128_CBC_SHA", "our ciphers: ")
    yield ("ciphers for RSA keys alone", openssl("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), {},
           "inbound-no-common-cipher", "server", "no cipher for a certificate with our kind of key",
           "second certificate")
    yield ("a rare group, TLS 1.3", openssl("-groups", "P-521"), {"options": ("groups=X25519:P-256",)},
           "inbound-no-common-group", "client", "it knows secp521r1, we take X25519, secp256r1")
    yield ("a rare group, TLS 1.2", openssl("-tls1_2", "-groups", "P-521"),
           {"options": ("groups=X25519:P-256",)}, "inbound-no-common-group", "client", "secp521r1")
    yield ("a group that GnuTLS alone knows",
           gnutls("--priority", "NORMAL:-GROUP-ALL:+GROUP-FFDHE8192", "--insecure"),
           {"options": ("groups=X25519:P-256",)}, "inbound-no-common-group", "client", "ffdhe8192")
    yield ("signatures by RSA alone", openssl("-sigalgs", "RSA-PSS+SHA256"), {},
           "inbound-no-common-signature", "client", "our key (ECDSA P-256)", "rsa_pss_rsae_sha256")

    asks = ("-verify_return_error", "-servername", "www.other.test")
    yield ("a name that we do not have", openssl("-servername", "www.other.test"),
           {"options": ("only_sni=" + HOST,)}, "inbound-name-not-recognized", "server", "www.other.test",
           "dig MX www.other.test")

    rejected = "inbound-certificate-rejected"
    yield ("our certificate has expired", openssl(*verify), expired, rejected, "server",
           "rightly: ", "certificate_expired (45)", "because certificate-expired")
    yield ("our certificate has expired, by Python", python_client(), expired, rejected, "server",
           "because certificate-expired")
    yield ("our intermediate is missing", openssl(*verify), incomplete, rejected, "server",
           "because certificate-chain-incomplete", "unknown_ca (48)")
    yield ("our intermediate is missing, TLS 1.2", openssl("-tls1_2", *verify), incomplete, rejected,
           "server", "because certificate-chain-incomplete")
    yield ("we sign ourselves", python_client(), self_signed, rejected, "server",
           "because certificate-self-signed")
    yield "their roots are old", openssl(*asks[:1]), {}, rejected, "client", "unknown_ca (48)", "store of roots"
    yield ("our certificate names another", python_client(), other_name, rejected, "server",
           "because certificate-name-mismatch")
    yield ("they ask for another name", python_client(name="www.other.test"), {}, rejected, "server",
           "asks for www.other.test", "ours is for " + HOST)
    yield ("GnuTLS finds our certificate expired", gnutls("--x509cafile", world.root_file, "--verify-hostname",
                                                          HOST), expired, (rejected, "inbound-closed", "inbound-alert"),
           "server", "because certificate-expired")

    yield ("no certificate where one is required", openssl(), client_ca,
           "inbound-client-certificate-missing", "client", "requires one")
    yield ("a stranger's certificate", openssl("-cert", stranger[0], "-key", stranger[1]), client_ca,
           "inbound-client-certificate-rejected", "client", "does not hold")

    yield ("hangs up after our flight", by_hand(hello(), reads=1000), {},
           ("inbound-closed", "inbound-reset"), "client", "after our Certificate flight")
    yield ("hangs up after an expired certificate", by_hand(hello(), reads=4000), expired,
           "inbound-closed", "server", "most likely for our certificate", "because certificate-expired")
    yield ("resets after our flight", by_hand(hello(), is_reset=True, reads=1000), {}, "inbound-reset",
           "client", "after our Certificate flight")
    yield "hangs up in place of a hello", by_hand(b""), {}, "inbound-closed", "client", "before it has sent"
    yield ("hangs up in the middle of a hello", by_hand(hello()[:50]), {}, "inbound-closed", "client",
           "50 octets that are no whole ClientHello")
    yield ("hangs up when TLS stands", python_client(quits=False), {}, ("inbound-closed", "inbound-reset"), "client",
           "without a word inside")
    yield ("falls silent", silent, {"options": ("silence_ms=300",)}, "inbound-timeout", "client",
           "falls silent behind our 220")

    yield ("goes on in plaintext", by_hand(b"MAIL FROM:<a@b.test>\r\n"), {}, "inbound-plaintext", "client",
           "goes on in plaintext: MAIL FROM:<a@b.test>")
    yield ("speaks HTTP", by_hand(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), {}, "inbound-other-protocol",
           "client", "sends HTTP where")
    yield ("speaks HTTP to implicit TLS", at_once(b"GET / HTTP/1.0\r\n\r\n"), implicit,
           "inbound-other-protocol", "client", "sends HTTP where")
    yield ("speaks nothing known", by_hand(b"\x00\x01\x02\x03garbage"), {}, "inbound-other-protocol",
           "client", "neither TLS nor SMTP")
    yield ("speaks SMTP to implicit TLS", at_once(b"EHLO client.test\r\n"), implicit, "inbound-plaintext",
           "client", "port that begins with TLS: EHLO client.test")
    yield ("waits for a greeting of implicit TLS", at_once(b""),
           {"options": ("implicit=1", "silence_ms=300")}, "inbound-timeout", "client",
           "wait for a greeting in clear")
    yield ("injects commands behind STARTTLS", injecting, {}, "inbound-injected", "network",
           "28 octets in clear", "RSET\\r\\nMAIL FROM:<a@b.test>", "CVE-2011-0411")
    yield ("sends a message that a server sends", by_hand(b"\x16\3\1\0\4\2\0\0\0", reads=7), {},
           "inbound-alert", "client", "breaks the rules of TLS", "unexpected_message (10)")


def complaint(said, code, fault=None, *words):
    """What is wrong with the findings; None where all is well."""
    found = said["findings"]
    if code is None:
        return f"a sound client is blamed: {found}" if found else None
    codes = (code,) if isinstance(code, str) else code
    if [one["code"] for one in found] not in [[one] for one in codes]:
        return f"not {codes} but {found}; ending {said['observation']['ending']}"
    text = " ".join([found[0]["cause"], found[0]["remedy"], f"because {found[0]['because_of']}",
                     *found[0]["evidence"]])
    missing = [word for word in words if word not in text]
    if found[0]["fault"] != fault or missing or not found[0]["evidence"]:
        return f"not {fault}, or without {missing}: {found}"
    return None


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(sys.argv[1], folder)
        ROOT[0] = scene.world.root_file
        rows = list(cases(scene.world))
        print(f"1..{len(rows)}")
        for number, (name, client, served, *expected) in enumerate(rows, 1):
            try:
                wrong = complaint(scene.serve(client, **served), *expected)
            except Skipped as reason:
                print(f"ok {number} - {name} # SKIP {reason}")
                continue
            except AssertionError as reason:
                wrong = str(reason)
            print(f"{'not ok' if wrong else 'ok'} {number} - {name}", flush=True)
            if wrong:
                failed += 1
                print(f"# {wrong}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
