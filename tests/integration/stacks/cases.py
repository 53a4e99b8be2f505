"""cases.py - what every stack is asked, and what only some can show."""

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dh, ec

from faults import pki
from faults.case import FAULT, HEALTHY, WORKS, Case
from faults.handmade import OAKLEY_2
from faults.handshake import client_ca_file, ours_expired, ours_good, ours_self_signed, ours_stranger
from faults.peer import HOST

import field

FAILURE, UNTRUSTED = "validation-failure", "certificate-not-trusted"
RSA_BITS = {"digital_signature": True, "key_encipherment": True}
REQUIRED, REJECTED, OURS_EXPIRED = (
    "client-certificate-required", "client-certificate-rejected", "client-certificate-expired")
NO_VERSION, NO_CIPHER = "handshake-no-common-version", "handshake-no-common-cipher"
BOTH = ("server", "network")


def rsa(world, **more):
    """A leaf with the RSA key that all share."""
    return world.leaf(key=pki.shared_key("rsa2048"), key_bits=RSA_BITS, **more)


def with_curve(curve):
    """A leaf whose key is on a curve that no sender offers."""
    return lambda world: world.leaf(key=world.once(curve.name, lambda: ec.generate_private_key(curve)))


def self_signed(world):
    return pki.issue(None, key=pki.shared_key("rsa2048"), key_bits=RSA_BITS)


def stranger(world):
    return pki.issue(world.stranger, key=pki.shared_key("rsa2048"), key_bits=RSA_BITS).with_chain(world.stranger)


def long_chain(world):
    """Seven authorities between the leaf and the root."""
    above, chain = world.root, []
    for i in range(7):
        above = pki.authority("Ferry Tier %d CA" % i, above)
        chain.insert(0, above)
    return pki.issue(above, key=pki.shared_key("rsa2048"), key_bits=RSA_BITS).with_chain(*chain)


def large_chain(world):
    """The right chain and 12 certificates that nobody needs, of 4096 bits each."""
    key = pki.shared_key("rsa4096")
    more = [pki.authority("Ferry Spare CA %d" % i, key=key) for i in range(12)]
    return world.good_rsa().with_chain(world.intermediate, *more)


def small_dh(world):
    """PKCS #3 parameters of 1024 bits: the second Oakley group."""
    def make():
        numbers = dh.DHParameterNumbers(OAKLEY_2, 2)
        pem = numbers.parameters().parameter_bytes(serialization.Encoding.PEM, serialization.ParameterFormat.PKCS3)
        return world.write("dh1024.pem", pem)

    return world.once("dh1024", make)


def staple(world, revoked):
    return world.once("staple-%s" % revoked, lambda: world.write("staple.der", pki.ocsp_response(
        must_staple(world), world.intermediate, revoked)))


def must_staple(world):
    return world.once("must-staple", lambda: rsa(world, must_staple=True))


class Maker:
    """Collects the cases of one stack."""

    def __init__(self, stack):
        self.stack, self.cases = stack, []

    def build(self, identity, settings):
        def start(world):
            ready = {key: value(world) if callable(value) and key != "ca" else value
                     for key, value in settings.items()}
            made = identity(world) if identity else None
            return self.stack.server(self.stack.words(world, made, **ready))

        return start

    def add(self, kind, name, codes, side, report, identity, settings, tells, arguments, stalls=False):
        def words(value):
            return (value,) if isinstance(value, str) else tuple(value)

        self.cases.append(Case("%s-%s" % (self.stack.name, name), name.replace("-", " "),
                               self.build(identity, settings), words(codes), words(side), words(report), tells,
                               arguments, kind=kind, stalls=stalls))

    def fault(self, name, codes, side="server", report=FAILURE, identity=rsa, tells="", arguments=(), stalls=False,
              **settings):
        self.add(FAULT, name, codes, side, report, identity, settings, tells, arguments, stalls)

    def healthy(self, name, identity=rsa, arguments=(), kind=HEALTHY, **settings):
        self.add(kind, name, (), (), ("",), identity, settings, "", arguments)

    def works(self, name, **more):
        self.healthy(name, kind=WORKS, **more)


def certificates(one):
    """What is the same whatever the library."""
    one.healthy("good")
    one.healthy("good-ecdsa", identity=lambda world: world.good())
    one.healthy("good-tls12", high="1.2")
    one.healthy("long-chain", identity=long_chain)
    one.healthy("no-close-notify", notify="no")
    one.fault("expired", "certificate-expired", report="certificate-expired",
              identity=lambda world: rsa(world, start=-90, end=-2))
    one.fault("not-yet-valid", "certificate-not-yet-valid", report="certificate-expired",
              identity=lambda world: rsa(world, start=3, end=90))
    one.fault("self-signed", "certificate-self-signed", report=UNTRUSTED, identity=self_signed)
    one.fault("leaf-only", "certificate-chain-incomplete", report=UNTRUSTED,
              identity=lambda world: rsa(world).with_chain())
    one.fault("wrong-name", "certificate-name-mismatch", report="certificate-host-mismatch",
              identity=lambda world: rsa(world, common_name="Ferry", names=("smtp.ferry.example",)))
    one.fault("untrusted-root", ("certificate-issuer-untrusted", "certificate-chain-incomplete"), report=UNTRUSTED,
              identity=stranger)
    one.fault("no-certificate", (NO_CIPHER, "handshake-alert", "handshake-closed", "handshake-name-not-recognized"),
              identity=None, tells="(?i)certificate")


def wrong_certificates(one):
    """What a library that checks its own files does not start with."""
    one.fault("sha1-signature", "certificate-weak-signature", report=UNTRUSTED,
              identity=lambda world: rsa(world, digest=hashes.SHA1()))
    one.fault("key-mismatch", ("certificate-key-mismatch", "handshake-*"), identity=rsa,
              key_of=lambda world: world.leaf(key=pki.shared_key("rsa2048", "other")), tells="(?i)key|signature")


def client_certificates(one, versions):
    """Asked for and demanded, with none, a good and three bad ones of ours."""
    for version in versions:
        settings = {"client": "require", "ca": client_ca_file, "low": version, "high": version}
        word = "client-cert-%s-tls%s" % ("%s", version.replace(".", ""))
        one.fault(word % "none", REQUIRED, "client", **settings)
        one.healthy(word % "given", arguments=(ours_good,), **settings)
        one.fault(word % "expired", OURS_EXPIRED, "client", arguments=(ours_expired,), **settings)
        one.fault(word % "stranger", REJECTED, "client", arguments=(ours_stranger,), **settings)
        one.fault(word % "self-signed", REJECTED, "client", arguments=(ours_self_signed,), **settings)
        one.healthy(word % "optional", **dict(settings, client="request"))


def old_versions(one, versions):
    for version in versions:
        one.fault("tls%s-only" % version.replace(".", ""), NO_VERSION, low=version, high=version,
                  tells=version.replace(".", "[.]"))


def names(one, codes="handshake-name-not-recognized", **more):
    one.healthy("sni-known", sni=HOST)
    one.fault("sni-unknown", codes, sni="other.ferry.example", **more)


def gnutls(one):
    certificates(one)
    wrong_certificates(one)
    one.works("large-chain", identity=large_chain)
    client_certificates(one, ("1.2", "1.3"))
    old_versions(one, ("1.0", "1.1"))
    names(one)
    names_quiet = ("handshake-name-not-recognized", "handshake-closed", "handshake-reset")
    one.fault("sni-unknown-quiet", names_quiet, BOTH, sni="other.ferry.example", quiet="yes")
    one.healthy("tls13-only", low="1.3")
    one.healthy("tls12-secure256", high="1.2", ciphers="+SECURE256")
    one.healthy("ed25519", identity=lambda world: world.leaf(kind="ed25519"))
    one.healthy("renegotiates", high="1.2", renegotiate="yes")
    one.healthy("updates-its-keys", low="1.3", renegotiate="yes")
    one.healthy("small-records", records="512")
    for word, cipher in (("rc4", "-CIPHER-ALL:+ARCFOUR-128:+RSA"), ("3des", "-CIPHER-ALL:+3DES-CBC:+RSA"),
                         ("null", "-CIPHER-ALL:+NULL:-MAC-ALL:+SHA1:+RSA")):
        for how, more in (("", {}), ("-quiet", {"quiet": "yes"}), ("-reset", {"quiet": "yes", "hangup": "reset"})):
            one.fault("cipher-%s%s" % (word, how), NO_CIPHER, BOTH[:1], high="1.2", ciphers=cipher, **more)
    one.healthy("cipher-camellia-too", high="1.2", ciphers="+CAMELLIA-128-GCM:+CAMELLIA-256-CBC")
    one.fault("cipher-camellia-only", NO_CIPHER, high="1.2", ciphers="-CIPHER-ALL:+CAMELLIA-128-GCM")
    one.fault("anonymous-only", NO_CIPHER, identity=None, high="1.2", anonymous="yes",
              ciphers="-KX-ALL:+ANON-ECDH:+ANON-DH")
    one.fault("group-secp192", NO_CIPHER, low="1.2", high="1.2", ciphers="-GROUP-ALL:+GROUP-SECP192R1:-DHE-RSA:-RSA",
              tells="(?i)group|curve")
    one.fault("group-gost-tls13", (NO_CIPHER, "handshake-*"), low="1.3", ciphers="-GROUP-ALL:+GROUP-SECP192R1",
              tells="(?i)group|curve")
    one.fault("dh-1024", "handshake-weak-dh", high="1.2", ciphers="-KX-ALL:+DHE-RSA:-GROUP-FFDHE2048:-GROUP-FFDHE3072:"
              "-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192", dh=small_dh, tells="1024")
    one.healthy("dhe-only", high="1.2", ciphers="-KX-ALL:+DHE-RSA")
    one.fault("rsa-for-ecdsa", NO_CIPHER, low="1.2", high="1.2", ciphers="-KX-ALL:+ECDHE-ECDSA")
    one.fault("signs-sha1-only", (NO_CIPHER, "handshake-alert"), low="1.2", high="1.2", ciphers=
              "-SIGN-ALL:+SIGN-RSA-SHA1:-KX-ALL:+ECDHE-RSA", tells="(?i)sign")
    one.healthy("signs-pss-only", high="1.2", ciphers="-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:-KX-ALL:+ECDHE-RSA")
    one.healthy("no-tickets", ciphers="%NO_TICKETS")
    one.healthy("no-extensions", high="1.2", ciphers="%NO_EXTENSIONS")
    one.fault("no-safe-renegotiation", "handshake-legacy-renegotiation", high="1.2",
              ciphers="%DISABLE_SAFE_RENEGOTIATION")
    # The same without a word, as asyncio (aiosmtpd) and Windows part.
    quiet = {"quiet": "yes", "high": "1.2"}
    one.fault("quiet-signs-sha1-only", NO_CIPHER, ciphers="-SIGN-ALL:+SIGN-RSA-SHA1:-KX-ALL:+ECDHE-RSA",
              tells="(?i)sign", **quiet)
    one.fault("quiet-group-secp192", NO_CIPHER, ciphers="-GROUP-ALL:+GROUP-SECP192R1:-DHE-RSA:-RSA",
              tells="(?i)group|curve", **quiet)
    one.fault("quiet-dh-1024", "handshake-weak-dh", dh=small_dh, tells="1024", ciphers="-KX-ALL:+DHE-RSA:"
              "-GROUP-FFDHE2048:-GROUP-FFDHE3072:-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192", **quiet)
    one.fault("quiet-anonymous-only", NO_CIPHER, identity=None, anonymous="yes", ciphers="-KX-ALL:+ANON-ECDH:+ANON-DH",
              **quiet)
    one.fault("quiet-rsa-for-ecdsa", ("handshake-closed", "handshake-reset", NO_CIPHER), BOTH, tells="(?i)certificate",
              ciphers="-KX-ALL:+ECDHE-ECDSA", **quiet)
    one.fault("quiet-no-certificate", ("handshake-closed", "handshake-reset", NO_CIPHER), BOTH, identity=None,
              tells="(?i)certificate", **quiet)
    one.fault("quiet-tls10", NO_VERSION, low="1.0", quiet="yes", high="1.0")
    one.fault("quiet-alpn-required", ("handshake-closed", "handshake-reset"), BOTH, alpn="smtp", quiet="yes")
    one.fault("alpn-required", "handshake-alert", alpn="smtp", tells="(?i)application.protocol|ALPN")
    one.fault("dies-at-hello", ("handshake-closed", "handshake-reset"), BOTH, die="hello")
    one.fault("resets-at-hello", "handshake-reset", BOTH, die="hello", hangup="reset")
    for version in ("1.2", "1.3"):
        settings = {"client": "require", "ca": client_ca_file, "low": version, "high": version, "quiet": "yes"}
        for how in ("close", "drain", "reset"):
            word = "tls%s-%s" % (version.replace(".", ""), how)
            one.fault("client-cert-none-quiet-" + word, REQUIRED, "client", hangup=how, **settings)
            one.fault("client-cert-expired-quiet-" + word, OURS_EXPIRED, "client", arguments=(ours_expired,),
                      hangup=how, **settings)
    one.healthy("stapled", identity=must_staple, staple=lambda world: staple(world, False))
    one.fault("staple-revoked", "certificate-revoked", identity=must_staple, staple=lambda world: staple(world, True))
    one.fault("staple-missing", "certificate-staple-missing", identity=must_staple)


def mbedtls(one):
    certificates(one)
    wrong_certificates(one)
    one.fault("large-chain", "handshake-closed", BOTH, identity=large_chain)  # larger than it can send
    client_certificates(one, ("1.2",))
    old_versions(one, ("1.0", "1.1"))
    names(one)
    one.healthy("renegotiates", renegotiate="yes")
    for word, suite in (("3des", "TLS-RSA-WITH-3DES-EDE-CBC-SHA"), ("rc4", "TLS-RSA-WITH-RC4-128-SHA")):
        one.fault("cipher-" + word, NO_CIPHER, ciphers=suite)
    one.fault("cipher-camellia", NO_CIPHER, ciphers="TLS-ECDHE-RSA-WITH-CAMELLIA-128-GCM-SHA256")
    # Its own mistake: it chooses ECDHE first and finds no group when its certificate is sent.
    one.fault("group-brainpool", (NO_CIPHER, "handshake-closed"), BOTH, group="brainpoolP256r1",
              ciphers="TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", tells="(?i)group|curve")
    one.fault("rsa-for-ecdsa", NO_CIPHER, ciphers="TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256")
    one.fault("key-on-brainpool", NO_CIPHER, identity=with_curve(ec.BrainpoolP256R1()))
    one.fault("key-on-secp256k1", NO_CIPHER, identity=with_curve(ec.SECP256K1()))
    one.fault("dh-1024", "handshake-weak-dh", ciphers="TLS-DHE-RSA-WITH-AES-128-GCM-SHA256", dh=small_dh, tells="1024")
    one.healthy("rsa-key-exchange", ciphers="TLS-RSA-WITH-AES-128-GCM-SHA256")


def wolfssl(one):
    certificates(one)
    wrong_certificates(one)
    one.works("large-chain", identity=large_chain)
    client_certificates(one, ("1.2", "1.3"))
    names(one)
    one.healthy("tls13-only", low="1.3")
    one.healthy("dhe-only", high="1.2", ciphers="DHE-RSA-AES128-GCM-SHA256")
    # It reads no ClientHello of over 150 ciphers, so nothing shows that another one would do.
    one.fault("rsa-for-ecdsa", (NO_CIPHER, "handshake-alert"), high="1.2", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")


def go(one):
    certificates(one)
    wrong_certificates(one)
    one.works("large-chain", identity=large_chain)
    client_certificates(one, ("1.2", "1.3"))
    old_versions(one, ("1.0", "1.1"))
    names(one, ("handshake-alert", "handshake-name-not-recognized"))
    one.healthy("tls13-only", low="1.3")
    for word, suite in (("rc4", "TLS_RSA_WITH_RC4_128_SHA"), ("3des", "TLS_RSA_WITH_3DES_EDE_CBC_SHA")):
        one.fault("cipher-" + word, NO_CIPHER, low="1.2", high="1.2", ciphers=suite)
    one.fault("rsa-for-ecdsa", NO_CIPHER, high="1.2", ciphers="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")


def node(one):
    certificates(one)
    one.works("large-chain", identity=large_chain)
    client_certificates(one, ("1.2", "1.3"))
    old = "DEFAULT:@SECLEVEL=0"
    for version in ("1.0", "1.1"):
        one.fault("tls%s-only" % version.replace(".", ""), NO_VERSION, low=version, high=version, ciphers=old)
    names(one, ("handshake-name-not-recognized", "handshake-closed", "handshake-reset", "handshake-alert"), side=BOTH)
    one.healthy("tls13-only", low="1.3")
    one.healthy("alpn-offered", alpn="smtp")
    one.fault("dh-1024", "handshake-weak-dh", high="1.2", ciphers="DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", dh=small_dh)
    one.fault("key-on-brainpool", NO_CIPHER, identity=with_curve(ec.BrainpoolP256R1()))
    one.fault("key-on-secp256k1", NO_CIPHER, identity=with_curve(ec.SECP256K1()))
    one.fault("key-on-brainpool-tls12", NO_CIPHER, high="1.2", identity=with_curve(ec.BrainpoolP384R1()))
    one.fault("group-brainpool", NO_CIPHER, high="1.2", group="brainpoolP256r1", ciphers="ECDHE+AESGCM",
              tells="(?i)group|curve")


def java(one):
    certificates(one)
    wrong_certificates(one)
    one.works("large-chain", identity=large_chain)
    client_certificates(one, ("1.2", "1.3"))
    old_versions(one, ("1.0", "1.1"))
    names(one)
    one.healthy("tls13-only", low="1.3")
    one.healthy("renegotiates", high="1.2", renegotiate="yes")
    for word, suite in (("3des", "SSL_RSA_WITH_3DES_EDE_CBC_SHA"), ("rc4", "SSL_RSA_WITH_RC4_128_SHA"),
                        ("null", "TLS_RSA_WITH_NULL_SHA256"), ("des", "SSL_RSA_WITH_DES_CBC_SHA"),
                        ("export", "SSL_RSA_EXPORT_WITH_DES40_CBC_SHA")):
        version = "1.0" if word in ("des", "export") else "1.2"
        one.fault("cipher-" + word, (NO_CIPHER, NO_VERSION), low=version, high="1.2", ciphers=suite)
    one.fault("anonymous-only", NO_CIPHER, high="1.2", ciphers="TLS_ECDH_anon_WITH_AES_128_CBC_SHA")
    one.fault("rsa-for-ecdsa", NO_CIPHER, high="1.2", ciphers="TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    one.fault("dh-1024", "handshake-weak-dh", high="1.2", ciphers="TLS_DHE_RSA_WITH_AES_128_GCM_SHA256")
    one.healthy("alpn-selector", alpn="smtp")


def cases_of(stack):
    if stack.name == "field":
        return field.CASES
    one = Maker(stack)
    {"gnutls": gnutls, "mbedtls": mbedtls, "wolfssl": wolfssl, "go": go, "node": node, "java": java}[stack.name](one)
    return one.cases
