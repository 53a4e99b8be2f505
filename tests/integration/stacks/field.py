"""field.py - servers as they are met in the field: appliances, renewals gone wrong, private authorities."""

import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from faults import native, pki, smtp, wire
from faults.case import FAULT, HEALTHY, WORKS, Case
from faults.handmade import only_ciphers
from faults.handshake import client_ca_file, ours_good
from faults.native import TLS12, alerts, unless
from faults.peer import HOST
from faults.smtp import closes, holds, offer, reply, resets

FAILURE, UNTRUSTED, EXPIRED = "validation-failure", "certificate-not-trusted", "certificate-expired"
BOTH = ("server", "network")
CASES = []


def words(value):
    return (value,) if isinstance(value, str) else tuple(value)


def fault(name, story, build, codes, side="server", report="", **more):
    CASES.append(Case("field-" + name, story, build, words(codes), words(side), words(report), **more))


def healthy(name, story, build, kind=HEALTHY, **more):
    CASES.append(Case("field-" + name, story, build, kind=kind, **more))


def shows(make, **settings):
    return lambda world: native.tls(world, make(world), **settings)


# Certificates

healthy("six-days", "a certificate of six days, as Let's Encrypt's short-lived ones", shows(
    lambda world: world.leaf(start=-1, end=5.6)))
fault("ninety-days-five-left", "five days left of ninety", shows(lambda world: world.leaf(start=-85, end=5)),
      "certificate-expires-soon")
healthy("no-key-identifiers", "a private authority without key identifiers", shows(
    lambda world: pki.issue(world.intermediate, authority_id=False).with_chain(world.intermediate)), kind=WORKS)


def other_intermediate(world):
    """Renewed under the next authority, and still sent with the last one."""
    old = pki.authority("Ferry Issuing CA R3", world.root)
    new = pki.authority("Ferry Issuing CA R10", world.root)
    return pki.issue(new).with_chain(old)


fault("yesterdays-intermediate", "the leaf is of R10, the intermediate sent is R3", shows(other_intermediate),
      "certificate-chain-incomplete", report=UNTRUSTED, tells="R10")


def rekeyed_intermediate(world):
    """The authority has a new key under its old name; the old certificate is sent."""
    old = pki.authority("Ferry Issuing CA 5", world.root)
    new = pki.authority("Ferry Issuing CA 5", world.root)
    return pki.issue(new).with_chain(old)


fault("rekeyed-intermediate", "an intermediate of the right name and the wrong key", shows(rekeyed_intermediate),
      ("certificate-chain-incomplete", "certificate-bad-signature", "certificate-issuer-untrusted"), report=UNTRUSTED)


def dst_store(world):
    """A store of 2015: the root that expired, none of the new one."""
    return world.once("dst-file", lambda: world.write("dst.pem", dst(world).pem))


def dst(world):
    return world.once("dst", lambda: pki.authority("Dead Root X3", start=-4000, end=-400))


def dst_chain(world):
    new_root_key = pki.shared_key("p384", "isrg")
    cross = pki.authority("Newer Root X1", dst(world), key=new_root_key)
    issuing = pki.issue(None, "unused", key=new_root_key)
    signer = pki.Identity(cross.certificate, issuing.key)
    middle = pki.authority("Newer Issuing R3", signer)
    return pki.issue(middle).with_chain(middle, cross)


fault("old-store", "a good chain, and our store has only the root that expired", shows(dst_chain),
      ("certificate-root-expired", "certificate-intermediate-expired", "certificate-issuer-untrusted"),
      ("client", "server"), (EXPIRED, UNTRUSTED), ca_file=dst_store, tells="(?i)our (trust )?store|our newest root|our ")
fault("inspected", "a firewall puts its own certificate in place of the server's", shows(lambda world: pki.issue(
    pki.authority("FortiGate CA")).with_chain()), ("certificate-issuer-untrusted", "certificate-chain-incomplete"),
    ("server", "network"), UNTRUSTED)
healthy("leaf-twice", "the leaf is sent twice", shows(lambda world: world.good().with_chain(
    world.good(), world.intermediate)), kind=WORKS)
healthy("reversed-intermediates", "intermediates from the root down", shows(lambda world: reversed_chain(world)), kind=WORKS)


def reversed_chain(world):
    upper = pki.authority("Ferry Upper CA", world.root)
    lower = pki.authority("Ferry Lower CA", upper)
    return pki.issue(lower).with_chain(upper, lower)


def critical(world):
    """A leaf with a critical extension that nobody knows."""
    key = pki.new_key("p256")
    made = (x509.CertificateBuilder().subject_name(pki.name_of(HOST)).issuer_name(world.intermediate.certificate.subject)
            .public_key(key.public_key()).serial_number(7).not_valid_before(pki.day(-3)).not_valid_after(pki.day(60))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                world.intermediate.key.public_key()), False)
            .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)
            .sign(world.intermediate.key, hashes.SHA256()))
    return pki.Identity(made, key, [world.intermediate])


fault("critical-extension", "a critical extension that nobody knows", shows(critical), "certificate-*",
      report=(UNTRUSTED, FAILURE), tells="(?i)critical")


def plain_self_signed(world):
    """As `openssl req -x509` of long ago and routers make it: no extension at all."""
    key = pki.new_key("rsa2048")
    made = (x509.CertificateBuilder().subject_name(pki.name_of(HOST)).issuer_name(pki.name_of(HOST))
            .public_key(key.public_key()).serial_number(1).not_valid_before(pki.day(-3000))
            .not_valid_after(pki.day(3000)).sign(key, hashes.SHA256()))
    return pki.Identity(made, key)


fault("self-signed-no-extensions", "self-signed, without extensions", shows(plain_self_signed),
      "certificate-self-signed", report=UNTRUSTED)
fault("appliance-default", "an appliance's own: expired, self-signed, for its serial number", shows(
    lambda world: pki.issue(None, "FG100E4Q17000000", ("FG100E4Q17000000",), start=-4000, end=-300)),
    ("certificate-self-signed", EXPIRED, "certificate-name-mismatch"), report=(UNTRUSTED, EXPIRED, "certificate-host-mismatch"))
healthy("wildcard-and-base", "a wildcard for the zone above", shows(lambda world: world.leaf(
    names=("ferry.example", "*.ferry.example"))))
fault("domain-not-host", "named for the domain, not for the host", shows(lambda world: world.leaf(
    common_name="ferry.example", names=("ferry.example", "www.ferry.example"))), "certificate-name-mismatch",
    report="certificate-host-mismatch", tells="www[.]ferry[.]example")

# Handshakes

NO_CIPHER = "handshake-no-common-cipher"


def schannel(codes, act):
    """Windows: serves these ciphers, and breaks the connection without a word where none is offered."""
    def build(world):
        served = only_ciphers(world.good_rsa(), codes)

        def serve(peer):
            try:
                served(Mute(peer))
            except Refused:
                act(peer)

        return serve

    return build


class Refused(Exception):
    """It would send an alert here."""


class Mute:
    """A peer whose alerts are never sent."""

    def __init__(self, peer):
        self.peer, self.socket = peer, self

    def __getattr__(self, word):
        return getattr(self.peer, word)

    def recv(self, size):
        return self.peer.socket.recv(size)

    def sendall(self, data):
        if data[:1] == b"\x15":
            raise Refused()
        self.peer.socket.sendall(data)


fault("schannel-rc4", "Windows with RC4 alone: RST at any other offer", schannel((0x0005, 0x0004), resets), NO_CIPHER,
      report=FAILURE, tells="RC4")
fault("schannel-3des", "Windows with 3DES alone: FIN at any other offer", schannel((0x000A,), closes), NO_CIPHER,
      report=FAILURE, tells="3DES")


def no_private_key(world):
    """IIS and Exchange whose service may not read the key: RST at the ClientHello, whatever it says."""
    def serve(peer):
        smtp.converse(peer)
        wire.read_client_hello(peer)
        resets(peer)

    return serve


fault("schannel-no-key", "Exchange whose service may not read the private key", lambda world: no_private_key(world),
      ("handshake-reset",), BOTH, FAILURE, tells="(?i)log|key|certificate")
fault("rustls-no-certificate", "Stalwart (rustls) without a certificate for the name: access_denied", lambda world:
      native.tls(world, world.good(), before=unless(lambda hello: True, alerts("access_denied"))), "handshake-alert",
      report=FAILURE, tells="(?i)access_denied")


def black_hole(world):
    """A path that loses full-sized segments: the ServerHello comes, the certificates never."""
    made = native.context(world, world.good_rsa(), high=TLS12)

    def change(number, data):
        return data[:400] if number == 1 else b""

    def serve(peer):
        smtp.converse(peer)
        native.start(peer, made, b"", change)
        holds(peer)

    return serve


fault("mtu-black-hole", "large segments are lost on the way", black_hole, "handshake-timeout", BOTH, FAILURE,
      tells="(?i)MTU", stalls=True)


def slow_hello(world):
    made = native.context(world, world.good())

    def serve(peer):
        smtp.converse(peer)
        hello = wire.read_client_hello(peer)
        time.sleep(1.2)
        native.start(peer, made, wire.replayed(hello))
        smtp.after_tls(peer)

    return serve


def warns_of_the_name(version):
    """Older Java, older Apache: a warning about the name in SNI, and on with the handshake."""
    def change(number, data):
        return wire.alert("unrecognized_name", 1) + data if number == 1 else data

    return lambda world: native.tls(world, world.good_rsa(), low=TLS12, high=version, change=change)


healthy("warns-of-the-name-tls12", "a warning unrecognized_name, then TLS 1.2", warns_of_the_name(TLS12), kind=WORKS)
healthy("warns-of-the-name-tls13", "a warning unrecognized_name, then TLS 1.3", warns_of_the_name(native.TLS13),
        kind=WORKS)
healthy("slow-server-hello", "thinks for a second before its ServerHello", slow_hello, stalls=True)
healthy("quit-without-221", "FIN in place of 221", lambda world: native.tls(
    world, world.good(), then=lambda peer: until_quit(peer, closes)))
healthy("quit-close-notify-only", "close_notify in place of 221", lambda world: native.tls(
    world, world.good(), then=lambda peer: until_quit(peer, smtp.end_tls)))


def until_quit(peer, act):
    while peer.line().split(b" ")[0].upper() != b"QUIT":
        peer.send(offer(b"PIPELINING"))
    act(peer)


# The conversation

fault("exchange-no-starttls", "Exchange without a certificate for its connector's name", lambda world:
      smtp.plain(ehlo=offer(b"SIZE 37748736", b"PIPELINING", b"DSN", b"X-ANONYMOUSTLS", b"AUTH NTLM", b"X-EXPS NTLM")),
      "starttls-not-offered", report="starttls-not-supported", tells="(?i)Exchange")
fault("tarpit", "the greeting drips for ever, a line every second", lambda world: smtp.plain(
    greeting=lambda peer: [(peer.send(b"220-%d please wait\r\n" % i), time.sleep(1)) for i in range(60)]),
    ("greeting-timeout", "greeting-*"), BOTH, stalls=True)
fault("ehlo-greylisted", "451 to EHLO until the sender comes again", lambda world: smtp.plain(
    ehlo=reply(451, b"4.7.1 Greylisted, come again later"), helo=reply(451, b"4.7.1 Greylisted, come again later")),
    ("session-rejected", "ehlo-rejected"), report=("starttls-not-supported", ""))
fault("blocked-by-list", "554 with the list's name", lambda world: smtp.plain(
    greeting=b"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org\r\n"),
    "greeting-rejected", ("server", "client"), tells="spamhaus")
fault("proxy-without-backend", "a balancer that takes the connection and has nobody behind", lambda world: closes,
      "greeting-closed", BOTH)
fault("tls-required-at-helo", "530 to EHLO", lambda world: smtp.plain(
    ehlo=reply(530, b"5.7.0 Must issue a STARTTLS command first"),
    helo=reply(530, b"5.7.0 Must issue a STARTTLS command first")), ("ehlo-rejected", "session-rejected"),
    report=("starttls-not-supported", ""))
fault("client-cert-by-smtp", "Office 365's connector: 550 5.7.51 inside TLS where no certificate came", lambda world:
      native.tls(world, world.good(), client_ca=client_ca_file(world), ask_only=True, then=lambda peer: smtp.after_tls(
          peer, ehlo=reply(550, b"5.7.51 TLS client certificate missing; access denied"))),
      "client-certificate-required", "client", FAILURE)


def asks_and_then(act, **settings):
    """As Exchange and Office 365 do: asks everybody for a certificate, and needs none."""
    return lambda world: native.tls(world, world.good(), client_ca=client_ca_file(world), ask_only=True, then=act,
                                    **settings)


BUSY = smtp.says_then(b"421 4.3.2 Service not available\r\n", smtp.end_tls)
for word, high in (("tls12", TLS12), ("tls13", native.TLS13)):
    for whose, more in (("none", ()), ("ours", (ours_good,))):
        fault("asks-and-is-busy-%s-%s" % (word, whose), "asks for a certificate; 421 at EHLO inside TLS", asks_and_then(
            lambda peer: smtp.after_tls(peer, ehlo=BUSY), high=high), "after-tls-ehlo-rejected", arguments=more)
        fault("asks-and-refuses-%s-%s" % (word, whose), "asks for a certificate; 554 at EHLO inside TLS", asks_and_then(
            lambda peer: smtp.after_tls(peer, ehlo=reply(554, b"5.7.1 Access denied")), high=high),
            "after-tls-ehlo-rejected", arguments=more)
        fault("asks-and-greets-%s-%s" % (word, whose), "asks for a certificate; greets again inside TLS", asks_and_then(
            lambda peer: smtp.after_tls(peer, greeting=smtp.GREETING), high=high), "after-tls-second-greeting",
            arguments=more)
        healthy("asks-%s-%s" % (word, whose), "asks for a certificate, and needs none", asks_and_then(
            smtp.after_tls, high=high), arguments=more)
fault("asks-and-tls13-broken", "asks for a certificate, needs none, and its TLS 1.3 dies at EHLO", lambda world:
      broken_above(world), ("after-tls-closed",), ("server", "network"), tells="TLS 1.3")


def broken_above(world):
    def then(peer):
        if peer.tls.object.version() == "TLSv1.3":
            peer.tls = None
            closes(peer)
        smtp.after_tls(peer)

    return native.tls(world, world.good(), client_ca=client_ca_file(world), ask_only=True, then=then)
