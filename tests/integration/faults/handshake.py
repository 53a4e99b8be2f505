"""handshake.py - what goes wrong between ClientHello and Finished."""

from cryptography.hazmat.primitives.asymmetric import dh

from . import handmade, native, pki, smtp, wire
from .case import fault
from .handmade import OAKLEY_1, OAKLEY_2, only_ciphers, tls12
from .native import TLS10, TLS11, TLS12, TLS13, alerts, unless
from .smtp import closes, holds, resets

FAILURE = "validation-failure"
BOTH = ("server", "network")


def on_hello(act):
    """Takes a whole ClientHello, then acts."""

    def build(world):
        def serve(peer):
            smtp.converse(peer)
            wire.read_client_hello(peer)
            act(peer)

        return serve

    return build


def hand(good="good", **changes):
    return lambda world: tls12(getattr(world, good)(), **changes)


def tls(**settings):
    return lambda world: native.tls(world, world.good_rsa(), **settings)


# cut off, at every place

fault("cut-closed-at-hello", "FIN at the ClientHello", on_hello(closes), "handshake-closed", BOTH, FAILURE)
fault("cut-reset-at-hello", "RST at the ClientHello", on_hello(resets), "handshake-reset", BOTH, FAILURE)
fault("cut-silent-at-hello", "silence after the ClientHello", on_hello(holds), "handshake-timeout", BOTH, FAILURE,
      stalls=True)
for place, words in (("server_hello", "ServerHello"), ("certificate", "Certificate"), ("flight", "ServerHelloDone"),
                     ("client_finished", "our Finished")):
    slug = place.replace("_", "-")
    # What follows a whole flight may also be a refused client certificate; here none is asked for.
    fault("cut-closed-after-" + slug, "FIN after " + words, hand(stop_after=(place, closes)), "handshake-closed",
          BOTH, FAILURE)
fault("cut-reset-after-certificate", "RST after Certificate", hand(stop_after=("certificate", resets)),
      "handshake-reset", BOTH, FAILURE)
fault("cut-reset-after-client-finished", "RST after our Finished", hand("good_rsa", stop_after=(
    "client_finished", resets)), "handshake-reset", BOTH, FAILURE)
fault("cut-silent-after-certificate", "silence after Certificate", hand(stop_after=("certificate", holds)),
      "handshake-timeout", BOTH, FAILURE, stalls=True)
fault("cut-silent-after-client-finished", "silence after our Finished", hand(stop_after=("client_finished", holds)),
      "handshake-timeout", BOTH, FAILURE, stalls=True)

# versions

NO_VERSION = "handshake-no-common-version"
fault("version-tls10-ecdhe", "TLS 1.0 only", tls(low=TLS10, high=TLS10), NO_VERSION, report=FAILURE, tells="1[.]0")
fault("version-tls11", "TLS 1.1 only", tls(low=TLS11, high=TLS11), NO_VERSION, report=FAILURE, tells="1[.]1")
fault("version-tls10-rsa-kex", "TLS 1.0 and RSA key exchange only", tls(
    low=TLS10, high=TLS10, ciphers="kRSA+AES:@SECLEVEL=0"), NO_VERSION, report=FAILURE)
fault("version-tls10-tls11", "TLS 1.0 and 1.1", tls(low=TLS10, high=TLS11), NO_VERSION, report=FAILURE)
fault("version-tls10-alert", "TLS 1.0 only, and says protocol_version at once to whoever offers more",
      lambda world: native.tls(world, world.good_rsa(), low=TLS10, high=TLS10, before=unless(
          lambda hello: hello.version > 0x0301, alerts("protocol_version", 0x0301))), NO_VERSION, report=FAILURE)


def sslv3(refusal):
    """Speaks SSLv3 only: answers with a ServerHello of 3.0, or refuses with an alert."""

    def build(world):
        if refusal:
            return on_hello(alerts(refusal, 0x0300))(world)
        return only_ciphers(world.good_rsa(), [0x0005, 0x000A, 0x002F, 0x0035], version=0x0300)

    return build


fault("version-sslv3", "SSLv3 only, RC4 and 3DES and AES", sslv3(None), NO_VERSION, report=FAILURE)
fault("version-sslv3-alert-70", "SSLv3 only, answers protocol_version in a 3.0 record", sslv3("protocol_version"),
      NO_VERSION, report=FAILURE)


def sslv2_only(peer):
    """Knows the SSLv2 record header only, and gives up at ours with SSLv2's error 0."""
    smtp.converse(peer)
    peer.take(65536)
    peer.send(b"\x80\x03\x00\x00\x01")
    peer.close()


fault("version-sslv2", "SSLv2 only: answers with an SSLv2 error record", lambda world: sslv2_only,
      (NO_VERSION, "starttls-not-tls", "handshake-*"), report=FAILURE)
fault("alert-protocol-version-always", "protocol_version whatever is offered", on_hello(alerts("protocol_version")),
      NO_VERSION, report=FAILURE)

# intolerance: dislikes the newer half of what a modern ClientHello says


def speaks13(hello):
    return 0x0304 in hello.versions


NEWER = "1[.]3|supported_versions|newer"
INTOLERANT = ("handshake-version-intolerant", "handshake-*intoleran*", NO_VERSION)
for word, act, slugs, side in (
        ("closes", closes, ("handshake-closed",), BOTH), ("resets", resets, ("handshake-reset",), BOTH),
        ("silent", holds, ("handshake-timeout",), BOTH),
        ("alert-70", alerts("protocol_version"), ("handshake-alert",), "server"),
        ("alert-40", alerts("handshake_failure"), ("handshake-alert",), "server"),
        ("alert-47", alerts("illegal_parameter"), ("handshake-alert",), "server")):
    fault("intolerant-tls13-" + word, "fails when TLS 1.3 is offered, works when it is not",
          lambda world, act=act: native.tls(world, world.good(), high=TLS12, before=unless(speaks13, act)),
          INTOLERANT + slugs, side, FAILURE, tells=NEWER, stalls=word == "silent")
for size, act, word in ((255, resets, "resets"), (255, closes, "closes"), (240, holds, "drops")):
    fault("intolerant-size-%d-%s" % (size, word), "a ClientHello over %d bytes is lost" % size,
          lambda world, act=act, size=size: native.tls(world, world.good(), high=TLS12, before=unless(
              lambda hello: len(hello.raw) > size, act)),
          ("handshake-*large*", "handshake-*size*", "handshake-*intoleran*", "handshake-closed", "handshake-reset",
           "handshake-timeout", NO_VERSION), ("network", "server"), FAILURE, tells="(?i)bytes|size|large|small|1[.]3",
          stalls=act is holds)
fault("intolerant-sni", "hangs up on any SNI", lambda world: native.tls(world, world.good(), before=unless(
    lambda hello: hello.sni is not None, closes)), ("handshake-name-not-recognized", "handshake-*sni*",
                                                   "handshake-closed"), report=FAILURE, tells="SNI|server_name|server name")
fault("intolerant-sni-alert-40", "handshake_failure at any SNI", lambda world: native.tls(
    world, world.good(), before=unless(lambda hello: hello.sni is not None, alerts("handshake_failure"))),
    ("handshake-name-not-recognized", "handshake-*sni*", "handshake-alert"), report=FAILURE,
    tells="SNI|server_name|server name")
fault("intolerant-tickets", "hangs up on whoever offers session tickets", lambda world: native.tls(
    world, world.good(), before=unless(lambda hello: 35 in hello.extensions, closes)),
    ("handshake-*ticket*", "handshake-closed"), BOTH, FAILURE, tells="ticket")
fault("intolerant-tickets-reset", "RST at whoever offers session tickets, TLS 1.2 only", lambda world: native.tls(
    world, world.good(), high=TLS12, before=unless(lambda hello: 35 in hello.extensions, resets)),
    ("handshake-*ticket*", "handshake-reset"), BOTH, FAILURE, tells="ticket")

# alerts

for word in ("internal_error", "access_denied", "decode_error", "inappropriate_fallback", "unexpected_message",
             "illegal_parameter", "no_application_protocol", "user_canceled", "bad_record_mac"):
    fault("alert-" + word.replace("_", "-"), "%s whatever is offered" % word, on_hello(alerts(word)),
          "handshake-alert", report=FAILURE, tells="(?i)" + word.replace("_", "[_ ]"))
fault("alert-bad-certificate-at-once", "bad_certificate at the ClientHello, nobody's certificate was seen",
      on_hello(alerts("bad_certificate")), "handshake-alert", report=FAILURE)
fault("alert-unknown-number", "an alert that no RFC knows", on_hello(alerts(233)), "handshake-alert", report=FAILURE,
      tells="233")
fault("alert-old-record", "internal_error in a record of TLS 1.0", on_hello(alerts("internal_error", 0x0301)),
      "handshake-alert", report=FAILURE)
fault("alert-handshake-failure-always", "handshake_failure whatever is offered",
      on_hello(alerts("handshake_failure")), ("handshake-alert", "handshake-no-common-cipher"), report=FAILURE)
fault("alert-insufficient-security", "insufficient_security whatever is offered",
      on_hello(alerts("insufficient_security")), ("handshake-no-common-cipher", "handshake-alert"), report=FAILURE)
fault("alert-unrecognized-name", "unrecognized_name, always", on_hello(alerts("unrecognized_name")),
      "handshake-name-not-recognized", report=FAILURE)
fault("alert-unrecognized-our-name", "unrecognized_name for our name; others and none are served",
      lambda world: native.tls(world, world.good(), before=unless(
          lambda hello: hello.sni == pki.HOST, alerts("unrecognized_name"))), "handshake-name-not-recognized",
      report=FAILURE)
fault("alert-after-certificate", "internal_error after Certificate", hand(stop_after=(
    "certificate", alerts("internal_error"))), "handshake-alert", report=FAILURE, tells="(?i)internal[_ ]error")
fault("alert-close-notify-at-hello", "close_notify in answer to the ClientHello", on_hello(
    lambda peer: (peer.send(wire.alert("close_notify", 1)), peer.close())), ("handshake-closed", "handshake-alert"),
    BOTH, FAILURE)
fault("alert-half", "an alert cut off after its first byte", on_hello(
    lambda peer: (peer.send(wire.alert("internal_error")[:6]), peer.close())), ("handshake-closed", "handshake-*"),
    BOTH, FAILURE)



def now_and_then(first, build, times=1):
    """The first connections meet `first`, all later ones the server that `build` makes."""

    def make(world):
        seen, later = [], build(world)

        def serve(peer):
            seen.append(1)
            (on_hello(first)(world) if len(seen) <= times else later)(peer)

        return serve

    return make


def busy(world):
    """Refuses whoever comes again too soon."""
    return smtp.plain(greeting=smtp.says_then(b"421 4.7.0 Too many connections, slow down\r\n", closes))


# One bad machine behind a balancer: nothing that we change makes the difference.
fault("alert-first-time-only", "handshake_failure once, then all is well", now_and_then(
    alerts("handshake_failure"), lambda world: native.tls(world, world.good())),
    ("handshake-alert", "handshake-unstable", "handshake-intermittent"), BOTH, FAILURE)
fault("cut-first-time-only", "FIN at the first ClientHello, then all is well", now_and_then(
    closes, lambda world: native.tls(world, world.good())),
    ("handshake-closed", "handshake-unstable", "handshake-intermittent"), BOTH, FAILURE)
fault("alert-then-busy", "internal_error, and 421 to whoever dials again", now_and_then(alerts("internal_error"), busy),
      "handshake-alert", report=FAILURE)
fault("cut-then-busy", "RST at the ClientHello, and 421 to whoever dials again", now_and_then(resets, busy),
      "handshake-reset", BOTH, FAILURE)
fault("version-tls10-then-busy", "TLS 1.0 only, and 421 to whoever dials again", now_and_then(
    alerts("protocol_version"), busy), NO_VERSION, report=FAILURE)

# ciphers, groups, signature schemes

NO_CIPHER = "handshake-no-common-cipher"
for word, codes, shown in (("rc4", (0x0005, 0x0004), "RC4"), ("3des", (0x000A,), "3DES|DES"),
                           ("export", (0x0003, 0x0008, 0x0006), "(?i)export|EXP|40"), ("des", (0x0009,), "DES")):
    fault("cipher-%s-only" % word, "%s and nothing else" % word.upper(),
          lambda world, codes=codes: only_ciphers(world.good_rsa(), codes), NO_CIPHER, report=FAILURE, tells=shown)
fault("cipher-rc4-tls10", "RC4 under TLS 1.0 only, as Windows 2003 speaks", lambda world: only_ciphers(
    world.good_rsa(), (0x0005, 0x0004), version=0x0301), (NO_CIPHER, NO_VERSION), report=FAILURE, tells="RC4|1[.]0")
fault("cipher-3des-insufficient", "3DES only, and says insufficient_security", lambda world: only_ciphers(
    world.good_rsa(), (0x000A,), refusal="insufficient_security"), NO_CIPHER, report=FAILURE)
fault("cipher-null-only", "NULL encryption only", tls(high=TLS12, ciphers="NULL-SHA256:NULL-SHA:@SECLEVEL=0"),
      NO_CIPHER, report=FAILURE)
fault("cipher-anonymous-only", "anonymous (EC)DH only, no certificate", lambda world: native.tls(
    world, None, high=TLS12, ciphers="aNULL:@SECLEVEL=0"), NO_CIPHER, report=FAILURE)
fault("cipher-aria-only", "ARIA only", tls(high=TLS12, ciphers="ECDHE-ARIA128-GCM-SHA256:@SECLEVEL=0"), NO_CIPHER,
      report=FAILURE)
fault("cipher-gost-only", "GOST suites only", lambda world: only_ciphers(world.good_rsa(), (0x0081, 0xC100)),
      (NO_CIPHER, "handshake-alert"), report=FAILURE)
fault("group-not-common", "one group only, brainpoolP256r1", tls(
    high=TLS12, ciphers="ECDHE+AESGCM:@SECLEVEL=0", curve="brainpoolP256r1"),
    ("handshake-no-common-group", NO_CIPHER, "handshake-alert"), report=FAILURE, tells="(?i)group|curve")


def sha1_or_nothing(hello, peer):
    if 0x0201 not in hello.signatures:
        alerts("handshake_failure")(peer)


fault("signature-sha1-or-nothing", "signs with SHA-1 only and says handshake_failure where that is not offered",
      lambda world: tls12(world.good_rsa(), before=sha1_or_nothing, signature=0x0201),
      ("handshake-no-common-signature", NO_CIPHER, "handshake-alert"), report=FAILURE)
fault("signature-sha1-unasked", "signs its key exchange with SHA-1 though we did not offer it", hand(
    "good_rsa", signature=0x0201), ("handshake-no-common-signature", "handshake-*"), report=FAILURE,
    tells="(?i)signature|SHA-?1")
fault("signature-md5-unasked", "signs its key exchange with MD5", hand("good_rsa", signature=0x0101),
      ("handshake-no-common-signature", "handshake-*"), report=FAILURE, tells="(?i)signature|MD5")

# key exchange

for bits, prime in ((768, OAKLEY_1), (1024, OAKLEY_2)):
    fault("dh-%d" % bits, "Diffie-Hellman of %d bits only" % bits, hand("good_rsa", dh=(prime, 2)),
          "handshake-weak-dh", report=FAILURE, tells="%d" % bits)


def dh512(world):
    """A 512-bit safe prime of our own; OpenSSL as a server refuses so short a one."""
    prime = world.once("dh512", lambda: dh.generate_parameters(2, 512).parameter_numbers().p)
    return tls12(world.good_rsa(), dh=(prime, 2))


fault("dh-512", "Diffie-Hellman of 512 bits only", dh512, "handshake-weak-dh", report=FAILURE,
      tells="512")
fault("legacy-renegotiation", "no RFC 5746", hand("good_rsa", legacy=True), "handshake-legacy-renegotiation",
      report=FAILURE)
fault("legacy-renegotiation-ecdsa", "no RFC 5746, ECDSA", hand("good", legacy=True),
      "handshake-legacy-renegotiation", report=FAILURE)

# bytes that are wrong

MALFORMED = ("handshake-malformed", "handshake-*")
fault("key-does-not-match-ec", "signs with another key than its certificate's", lambda world: tls12(
    world.good(), signing_key=pki.new_key("p256")), ("certificate-key-mismatch", "handshake-*key*", "handshake-*"),
    report=FAILURE, tells="(?i)signature|private key|key")
fault("key-does-not-match-rsa", "signs with another RSA key than its certificate's", lambda world: tls12(
    world.good_rsa(), signing_key=pki.shared_key("rsa2048", "other")),
    ("certificate-key-mismatch", "handshake-*key*", "handshake-*"), report=FAILURE,
    tells="(?i)signature|private key|key")
fault("signature-spoilt", "one bit of the key exchange's signature is wrong", hand(spoil_signature=True),
      ("certificate-key-mismatch", "handshake-*"), BOTH, FAILURE, tells="(?i)signature")
fault("finished-spoilt", "a wrong Finished", hand(spoil_finished=True), MALFORMED, BOTH, FAILURE,
      tells="(?i)finished|digest|verify_data|MAC|decrypt")


def flip(flight, offset):
    """Flips a bit of one flight of a TLS 1.3 server, counted from its end."""

    def change(number, data):
        if number != flight:
            return data
        return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]

    return change


fault("tls13-record-spoilt", "a bit of the encrypted flight is flipped on the way", lambda world: native.tls(
    world, world.good(), low=TLS13, change=flip(1, -1)), MALFORMED, BOTH, FAILURE,
    tells="(?i)mac|decrypt|record|corrupt|alter|damaged")


def rubbish(data, then=closes):
    return on_hello(lambda peer: (peer.send(data), then(peer)))


fault("rubbish-in-handshake", "a handshake record full of zeros", rubbish(wire.record(22, bytes(80))), MALFORMED, BOTH,
      FAILURE)
fault("rubbish-type", "a handshake message of unknown type 200", rubbish(wire.record(22, wire.message(200, bytes(40)))),
      MALFORMED, BOTH, FAILURE)
fault("rubbish-server-hello", "a ServerHello cut off in its random", rubbish(
    wire.record(22, wire.message(2, b"\x03\x03" + bytes(10)))), MALFORMED, BOTH, FAILURE)
fault("rubbish-application-data", "application data before the handshake", rubbish(wire.record(23, bytes(40))),
      MALFORMED, BOTH, FAILURE)
fault("record-cut-short", "a record shorter than it says, then closed", rubbish(
    b"\x16\x03\x03\x02\x00" + wire.message(2, bytes(70))), ("handshake-closed", "handshake-*"), BOTH, FAILURE)
fault("record-too-large", "a record of 20,000 bytes", rubbish(b"\x16\x03\x03\x4e\x20" + bytes(20000)), MALFORMED, BOTH,
      FAILURE)
fault("record-wrong-version", "a record of version 9.9", rubbish(b"\x16\x09\x09\x00\x04\x0e\x00\x00\x00"),
      MALFORMED + ("starttls-not-tls",), BOTH, FAILURE)


def echo(peer):
    smtp.converse(peer)
    while True:
        peer.send(peer.take(65536))


fault("echo", "our ClientHello comes back", lambda world: echo, MALFORMED, BOTH, FAILURE)
fault("server-picks-unoffered-cipher", "ServerHello with a cipher that nobody offered", lambda world: tls12(
    world.good_rsa(), cipher=0x0005), ("handshake-no-common-cipher", "handshake-*"), report=FAILURE,
    tells="(?i)cipher|RC4")

fault("downgrade-marked", "TLS 1.2 with the mark of one who speaks TLS 1.3: somebody talked us down", hand(
    downgraded=True), ("handshake-downgrade*", "handshake-*"), ("network", "server"), FAILURE, tells="(?i)downgrad|1[.]3")

# our certificate


def client_ca(world):
    return world.once("client-ca", lambda: pki.authority("Ferry Partner CA"))


def client_ca_file(world):
    return world.once("client-ca-file", lambda: world.write("client-ca.pem", client_ca(world).pem))


def ours(world, **more):
    """A client certificate of ours, as the arguments that name it."""
    issuer = more.pop("issuer", client_ca(world))
    key = more.pop("wrong_key", None)
    identity = pki.issue(issuer, "gateway.sender.example", ("gateway.sender.example",),
                         usages=(pki.CLIENT, pki.SERVER), **more)
    chain, key_file = world.files(identity.with_key(key) if key else identity)
    return ["--client-cert", chain, "--client-key", key_file]


def ours_good(world):
    return ours(world)


def ours_expired(world):
    return ours(world, start=-400, end=-3)


def ours_stranger(world):
    return ours(world, issuer=world.once("rogue", lambda: pki.authority("Rogue Partner CA")))


def ours_self_signed(world):
    return ours(world, issuer=None)


def demands(**settings):
    return lambda world: native.tls(world, world.good(), client_ca=client_ca_file(world), **settings)


def names_of(world):
    return [client_ca(world).certificate.subject.public_bytes()]


def refuses_ours(word, wants_one=True):
    """TLS 1.2 by hand: looks at our certificate and answers with that alert (or act)."""
    act = word if callable(word) else alerts(word)

    def build(world):
        def look(peer, certificates):
            if not certificates or not wants_one:
                act(peer)

        return tls12(world.good(), ask=names_of(world), on_client_certificate=look)

    return build


REQUIRED = "client-certificate-required"
REJECTED = "client-certificate-rejected"
fault("client-cert-required-tls13", "TLS 1.3: certificate_required", demands(), REQUIRED, "client", FAILURE)
fault("client-cert-required-tls12", "TLS 1.2: handshake_failure", demands(high=TLS12), REQUIRED, "client", FAILURE)
fault("client-cert-required-bad-certificate", "TLS 1.2: bad_certificate", refuses_ours("bad_certificate"), REQUIRED,
      "client", FAILURE)
fault("client-cert-required-no-certificate", "TLS 1.2: certificate_unknown", refuses_ours("certificate_unknown"),
      REQUIRED, "client", FAILURE)
fault("client-cert-required-closes", "TLS 1.2: asks, gets none, hangs up without a word", refuses_ours(closes),
      REQUIRED, "client", FAILURE)
fault("client-cert-required-resets", "TLS 1.2: asks, gets none, RST", refuses_ours(resets), REQUIRED, "client",
      FAILURE)


def closes_without_certificate(world):
    """TLS 1.3: asks for a certificate; where none came, hangs up when the handshake is over."""

    def then(peer):
        if not peer.tls.object.getpeercert(True):
            peer.tls = None
            peer.close()
        smtp.after_tls(peer)

    return native.tls(world, world.good(), client_ca=client_ca_file(world), ask_only=True, then=then)


def says_so_in_smtp(world):
    def then(peer):
        if not peer.tls.object.getpeercert(True):
            smtp.after_tls(peer, ehlo=smtp.reply(550, b"5.7.1 Client certificate required"))
        smtp.after_tls(peer)

    return native.tls(world, world.good(), client_ca=client_ca_file(world), ask_only=True, then=then)


fault("client-cert-required-closes-tls13", "TLS 1.3: asks, gets none, hangs up after the handshake",
      closes_without_certificate, (REQUIRED, "after-tls-closed"), ("client", "server"), (FAILURE, ""))
fault("client-cert-required-by-smtp", "asks, gets none, and refuses EHLO inside TLS with 550", says_so_in_smtp,
      ("after-tls-ehlo-rejected", REQUIRED), ("server", "client"), ("", FAILURE))

for version, high in (("tls12", TLS12), ("tls13", TLS13)):
    fault("client-cert-unknown-ca-" + version, "ours comes from a CA it does not know", demands(high=high), REJECTED,
          "client", FAILURE, arguments=(ours_stranger,))
    fault("client-cert-expired-" + version, "ours has expired and is refused", demands(high=high),
          "client-certificate-expired", "client", FAILURE, arguments=(ours_expired,))
fault("client-cert-self-signed", "ours is self-signed", demands(), REJECTED, "client", FAILURE,
      arguments=(ours_self_signed,))
for word in ("bad_certificate", "unsupported_certificate", "certificate_revoked", "certificate_unknown",
             "access_denied"):
    fault("client-cert-refused-" + word.replace("_", "-"), "ours is good, the answer is " + word,
          refuses_ours(word, wants_one=False), REJECTED, "client", FAILURE, arguments=(ours_good,))
fault("client-cert-called-expired", "ours is good, it says certificate_expired", refuses_ours(
    "certificate_expired", wants_one=False), REJECTED, "client", FAILURE, arguments=(ours_good,))
fault("client-cert-refused-closes", "ours is good, it hangs up at it", refuses_ours(closes, wants_one=False),
      REJECTED, "client", FAILURE, arguments=(ours_good,))
fault("client-cert-expired-closes", "ours has expired, it hangs up at it", refuses_ours(closes, wants_one=False),
      "client-certificate-expired", "client", FAILURE, arguments=(ours_expired,))
fault("client-cert-wrong-key", "our certificate and our key do not belong together", demands(),
      ("client-certificate-key-mismatch", "client-certificate-*"), "client", FAILURE, tells="(?i)key",
      arguments=(lambda world: ours(world, wrong_key=pki.new_key("p256")),))
fault("client-cert-required-and-self-signed", "needs a client certificate, and its own is self-signed",
      lambda world: native.tls(world, pki.issue(None), client_ca=client_ca_file(world)), REQUIRED, "client", FAILURE)
