"""certificates.py - what goes wrong with the server's certificate, and with what we hold it against."""

import hashlib
import ipaddress
import os
import shutil
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from . import native, pki
from .case import fault
from .handmade import tls12
from .native import TLS12
from .peer import HOST

EXPIRED, UNTRUSTED, MISMATCH = "certificate-expired", "certificate-not-trusted", "certificate-host-mismatch"
FAILURE = "validation-failure"


def shows(make, **settings):
    """A server whose only fault is the identity that make(world) gives."""
    return lambda world: native.tls(world, make(world), **settings)


def leaf(**more):
    return lambda world: world.leaf(**more)


# time

fault("expired-yesterday", "expired yesterday", shows(leaf(start=-90, end=-1)), EXPIRED, report=EXPIRED)
fault("expired-an-hour-ago", "expired an hour ago, TLS 1.2", shows(leaf(start=-90, end=-1 / 24), high=TLS12), EXPIRED,
      report=EXPIRED)
fault("expired-ten-years-ago", "expired ten years ago", shows(leaf(start=-4000, end=-3650)), EXPIRED, report=EXPIRED)
fault("not-yet-valid", "valid from the day after tomorrow", shows(leaf(start=2, end=90)), "certificate-not-yet-valid",
      report=EXPIRED)
fault("not-yet-valid-far", "valid in five years", shows(leaf(start=1800, end=2000)), "certificate-not-yet-valid",
      report=EXPIRED)
fault("expires-in-three-days", "expires in three days", shows(leaf(start=-87, end=3)), "certificate-expires-soon")
fault("expires-in-an-hour", "expires in an hour", shows(leaf(start=-90, end=1 / 24)), "certificate-expires-soon")


def old_intermediate(world):
    old = pki.authority("Ferry Issuing CA 0", world.root, start=-900, end=-20)
    return pki.issue(old).with_chain(old)


fault("intermediate-expired", "the intermediate expired", shows(old_intermediate), "certificate-intermediate-expired",
      report=EXPIRED)


def old_upper_intermediate(world):
    upper = pki.authority("Ferry Policy CA", world.root, start=-900, end=-2)
    lower = pki.authority("Ferry Issuing CA 7", upper)
    return pki.issue(lower).with_chain(lower, upper)


fault("intermediate-expired-upper", "the upper of two intermediates expired", shows(old_upper_intermediate),
      "certificate-intermediate-expired", report=EXPIRED, tells="Ferry Policy CA")


def old_root(world):
    return world.once("old-root", lambda: pki.authority("Ferry Root CA of Old", start=-4000, end=-30))


def old_root_chain(world):
    middle = pki.authority("Ferry Issuing CA 3", old_root(world))
    return pki.issue(middle).with_chain(middle)


fault("root-expired", "the root in our own store has expired", shows(old_root_chain),
      ("certificate-root-expired", "certificate-intermediate-expired", "certificate-issuer-untrusted"),
      ("server", "client"), (EXPIRED, UNTRUSTED), ca_file=lambda world: world.write("old.pem", old_root(world).pem),
      tells="(?i)expired")

# who signed it

fault("self-signed", "self-signed", shows(lambda world: pki.issue(None)), "certificate-self-signed", report=UNTRUSTED)
fault("self-signed-ca-true", "self-signed as `openssl req -x509` makes it, with CA:TRUE and no usages",
      shows(lambda world: pki.issue(None, ca=True, key_bits={
          "digital_signature": True, "key_cert_sign": True})), "certificate-self-signed",
      report=(UNTRUSTED, MISMATCH))
fault("self-signed-rsa-tls12", "self-signed, RSA, TLS 1.2", shows(lambda world: pki.issue(
    None, key=pki.shared_key("rsa2048")), high=TLS12), "certificate-self-signed", report=UNTRUSTED)
fault("self-signed-snakeoil", "self-signed for localhost, ten years",
      shows(lambda world: pki.issue(None, "localhost", ("localhost",), start=-300, end=3300)),
      ("certificate-self-signed", "certificate-name-mismatch"), report=(UNTRUSTED, MISMATCH))
fault("self-signed-expired", "self-signed and expired", shows(lambda world: pki.issue(None, start=-800, end=-70)),
      ("certificate-self-signed", "certificate-expired"), report=(UNTRUSTED, EXPIRED))


def unknown_with_root(world):
    return pki.issue(world.stranger).with_chain(world.stranger, world.stranger_root)


def unknown_without_root(world):
    return pki.issue(world.stranger).with_chain(world.stranger)


def unknown_direct(world):
    return pki.issue(world.stranger_root).with_chain(world.stranger_root)


fault("root-unknown-sent", "a whole chain with its root, which we do not know", shows(unknown_with_root),
      "certificate-issuer-untrusted", report=UNTRUSTED, tells="Unheard-of Root CA")
fault("root-unknown-not-sent", "a chain up to an intermediate of a root that we do not know",
      shows(unknown_without_root), ("certificate-issuer-untrusted", "certificate-chain-incomplete"), report=UNTRUSTED,
      tells="Unheard-of Root CA")
fault("root-unknown-signs-leaf", "a leaf signed by an unknown root, which is sent", shows(unknown_direct),
      "certificate-issuer-untrusted", report=UNTRUSTED, tells="Unheard-of Root CA")


def same_name_root(world):
    """A root that bears our root's name, with another key."""
    false_root = pki.authority("Ferry Root CA")
    return pki.issue(false_root).with_chain(false_root)


fault("root-of-the-same-name", "an unknown root that bears the name of a known one", shows(same_name_root),
      ("certificate-issuer-untrusted", "certificate-*signature*", "certificate-chain-incomplete"), report=UNTRUSTED)

INCOMPLETE = "certificate-chain-incomplete"
fault("chain-leaf-only", "the intermediate is not sent", shows(lambda world: world.leaf().with_chain()), INCOMPLETE,
      report=UNTRUSTED, tells="Ferry Issuing CA 1")
fault("chain-leaf-only-rsa", "the intermediate is not sent, RSA and TLS 1.2", shows(
    lambda world: world.good_rsa().with_chain(), high=TLS12), INCOMPLETE, report=UNTRUSTED, tells="Ferry Issuing CA 1")
fault("chain-leaf-only-aia", "the intermediate is not sent, AIA says where it is", shows(
    lambda world: world.leaf(aia="http://127.0.0.1:9/ferry-issuing-1.crt").with_chain()), INCOMPLETE, report=UNTRUSTED,
    tells="Ferry Issuing CA 1")
fault("chain-leaf-and-root", "leaf and root are sent, the intermediate is not", shows(
    lambda world: world.leaf().with_chain(world.root)), INCOMPLETE, report=UNTRUSTED, tells="Ferry Issuing CA 1")
fault("chain-leaf-twice", "the leaf twice in place of leaf and intermediate", shows(
    lambda world: (lambda one: one.with_chain(one))(world.leaf())), INCOMPLETE, report=UNTRUSTED,
    tells="Ferry Issuing CA 1")
fault("chain-wrong-intermediate", "another intermediate of the same root is sent", shows(
    lambda world: world.leaf().with_chain(pki.authority("Ferry Issuing CA 2", world.root))), INCOMPLETE,
    report=UNTRUSTED, tells="Ferry Issuing CA 1")


def two_intermediates(world):
    upper = world.once("upper", lambda: pki.authority("Ferry Policy CA 5", world.root))
    lower = world.once("lower", lambda: pki.authority("Ferry Issuing CA 5", upper))
    return pki.issue(lower), lower, upper


def lower_missing(world):
    one, lower, upper = two_intermediates(world)
    return one.with_chain(upper)


def upper_missing(world):
    one, lower, upper = two_intermediates(world)
    return one.with_chain(lower)


def swapped(world):
    one, lower, upper = two_intermediates(world)
    return one.with_chain(upper, lower)


def root_first(world):
    one, lower, upper = two_intermediates(world)
    return one.with_chain(world.root, upper, lower)


fault("chain-lower-missing", "of two intermediates the lower is not sent", shows(lower_missing), INCOMPLETE,
      report=UNTRUSTED, tells="Ferry Issuing CA 5")
fault("chain-upper-missing", "of two intermediates the upper is not sent", shows(upper_missing),
      (INCOMPLETE, "certificate-issuer-untrusted"), report=UNTRUSTED, tells="Ferry Policy CA 5")
fault("chain-misordered", "the intermediates are sent the wrong way round", shows(swapped),
      "certificate-chain-misordered")
fault("chain-misordered-root-first", "root, upper, lower in place of lower, upper", shows(root_first),
      "certificate-chain-misordered")
fault("chain-superfluous", "a certificate that has nothing to do with the chain", shows(
    lambda world: world.leaf().with_chain(world.intermediate, world.stranger)), "certificate-chain-superfluous")
fault("chain-superfluous-leaf", "an old leaf follows the chain", shows(lambda world: world.leaf().with_chain(
    world.intermediate, world.leaf(start=-300, end=-200))), "certificate-chain-superfluous")
fault("chain-duplicate", "the intermediate three times", shows(lambda world: world.leaf().with_chain(
    world.intermediate, world.intermediate, world.intermediate)), "certificate-chain-superfluous")

# names

NAME = "certificate-name-mismatch"
for word, names in (
        ("other-host", ("smtp.ferry.example",)), ("domain", ("ferry.example", "www.ferry.example")),
        ("many", tuple("customer%d.hosting.example" % i for i in range(40))),
        ("wildcard-above", ("*.example",)), ("wildcard-below", ("*.mx.ferry.example",)),
        ("wildcard-beside", ("*.mail.ferry.example",)), ("wildcard-partial", ("m*.ferry.example",)),
        ("wildcard-inside", ("mx.*.example",)), ("wildcard-alone", ("*",)), ("prefix", ("mx.ferry.example.net",)),
        ("suffix", ("amx.ferry.example",)), ("nul", ("mx.ferry.example\0.evil.example",))):
    fault("name-" + word, "names: %s" % ", ".join(names[:3]).replace("\0", "\\0"), shows(
        lambda world, names=names: world.leaf(common_name="Ferry", names=names)), NAME, report=MISMATCH,
        tells="" if "\0" in names[0] else names[0].replace(".", "[.]").replace("*", "[*]"))
fault("name-address-only", "only an IP address in subjectAltName", shows(leaf(
    common_name="Ferry", subject_alternative=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])), NAME,
    report=MISMATCH)
fault("name-mail-and-uri-only", "only an rfc822Name and a URI, which hold our host", shows(leaf(
    common_name="Ferry", subject_alternative=[
        x509.RFC822Name("postmaster@" + HOST), x509.UniformResourceIdentifier("https://%s/" % HOST)])), NAME,
    report=MISMATCH)
fault("name-none", "no name at all", shows(leaf(common_name=None, names=())), NAME, report=MISMATCH)
fault("name-cn-only", "the name stands in CN only, no subjectAltName", shows(leaf(names=())),
      "certificate-name-only-in-cn", report=MISMATCH)
fault("name-cn-only-wildcard", "a wildcard in CN only", shows(leaf(common_name="*.ferry.example", names=())),
      ("certificate-name-only-in-cn", NAME), report=MISMATCH)
fault("name-cn-beside-other-names", "the name in CN, another one in subjectAltName", shows(
    leaf(names=("smtp.ferry.example",))), ("certificate-name-only-in-cn", NAME), report=MISMATCH)
fault("name-cn-beside-address", "the name in CN, an address in subjectAltName", shows(leaf(
    subject_alternative=[x509.IPAddress(ipaddress.ip_address("192.0.2.7"))])),
    ("certificate-name-only-in-cn", NAME), report=MISMATCH)
fault("name-by-sni-default", "without our SNI it would do; for our SNI it shows a wrong name", shows(
    leaf(common_name="default.hosting.example", names=("default.hosting.example",)), high=TLS12), NAME,
    report=MISMATCH)

fault("name-by-connect", "found by --connect, verified as the target", shows(leaf()), NAME, report=MISMATCH,
      name_flag=False, target="other.example", arguments=("--connect", "127.0.0.1:{port}"), tells="other[.]example")

# purpose

PURPOSE = "certificate-wrong-purpose"
fault("purpose-client-only", "extended usage: client only", shows(leaf(usages=(pki.CLIENT,))), PURPOSE, report=UNTRUSTED)
fault("purpose-code-signing", "extended usage: code signing", shows(leaf(usages=(pki.CODE_SIGNING,))), PURPOSE,
      report=UNTRUSTED)
fault("purpose-email", "extended usage: S/MIME", shows(leaf(usages=(pki.EMAIL,))), PURPOSE, report=UNTRUSTED)
fault("purpose-key-usage", "key usage: sign certificates only", shows(leaf(key_bits={"key_cert_sign": True})), PURPOSE,
      report=UNTRUSTED)


def via(world, **more):
    """A leaf of a further authority, which is made as `more` says."""
    middle = pki.issue(world.root, "Ferry Odd CA", **{"ca": True, "start": -900, "end": 900, **more})
    return pki.issue(middle).with_chain(middle)


NOT_CA = "certificate-not-a-ca"
fault("ca-false", "the intermediate says CA:FALSE", shows(lambda world: via(
    world, ca=False, names=(), key_bits={"key_cert_sign": True})), NOT_CA, report=UNTRUSTED, tells="Ferry Odd CA")
fault("ca-without-constraints", "the intermediate has no basicConstraints", shows(lambda world: via(
    world, ca=None, names=(), usages=(), key_bits={"key_cert_sign": True})), NOT_CA, report=UNTRUSTED)
fault("ca-without-cert-sign", "the intermediate may not sign certificates", shows(lambda world: via(
    world, key_bits={"crl_sign": True})), (NOT_CA, PURPOSE), report=UNTRUSTED)
fault("ca-is-a-leaf", "another host's leaf signed it", shows(lambda world: (
    lambda other: pki.issue(other).with_chain(other, world.intermediate))(world.leaf(
        common_name="www.ferry.example", names=("www.ferry.example",)))), NOT_CA, report=UNTRUSTED)


def below_path_length(world):
    lower = pki.authority("Ferry Sub CA", world.intermediate)
    return pki.issue(lower).with_chain(lower, world.intermediate)


fault("path-length-exceeded", "an authority below one of path length 0", shows(below_path_length),
      ("certificate-*path*", NOT_CA, "certificate-name-constraint", PURPOSE), report=UNTRUSTED, tells="(?i)path")
CONSTRAINT = "certificate-name-constraint"
fault("name-constraint-permits-others", "the authority may only sign for other.example", shows(lambda world: via(
    world, permitted=("other.example",))), CONSTRAINT, report=UNTRUSTED)
fault("name-constraint-excludes", "the authority may not sign for ferry.example", shows(lambda world: via(
    world, excluded=("ferry.example",))), CONSTRAINT, report=UNTRUSTED)

# strength

KEY, SIGNATURE = "certificate-weak-key", "certificate-weak-signature"
fault("key-rsa-1024", "RSA of 1024 bits", shows(lambda world: world.leaf(key=pki.shared_key("rsa1024"))), KEY,
      report=UNTRUSTED, tells="1024")
fault("key-rsa-1024-tls12-kex", "RSA of 1024 bits, TLS 1.2, RSA key exchange", shows(lambda world: world.leaf(
    key=pki.shared_key("rsa1024"), key_bits={"digital_signature": True, "key_encipherment": True}), high=TLS12,
    ciphers="AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0"), KEY, report=UNTRUSTED, tells="1024")
fault("key-rsa-512", "RSA of 512 bits", lambda world: tls12(world.leaf(key=pki.shared_key("rsa512"))), KEY,
      report=(UNTRUSTED, FAILURE), tells="512")


def weak_intermediate(world):
    middle = pki.authority("Ferry Issuing CA of 2003", world.root, key=pki.shared_key("rsa1024", "intermediate"))
    return pki.issue(middle).with_chain(middle)


fault("key-intermediate-rsa-1024", "an intermediate of 1024 bits", shows(weak_intermediate), KEY, report=UNTRUSTED,
      tells="Ferry Issuing CA of 2003|1024")
fault("signature-sha1-leaf", "the leaf is signed with SHA-1", shows(leaf(digest=hashes.SHA1())), SIGNATURE,
      report=UNTRUSTED, tells="(?i)SHA-?1")


def rsa_signed(digest, on_intermediate=False):
    def make(world):
        root = world.once("rsa-root", lambda: pki.authority("Ferry RSA Root", key=pki.shared_key("rsa2048", "root")))
        middle = pki.authority("Ferry RSA Issuing CA", root, key=pki.shared_key("rsa2048", "middle"),
                               digest=digest if on_intermediate else hashes.SHA256())
        return pki.issue(middle, digest=hashes.SHA256() if on_intermediate else digest).with_chain(middle)

    return make


def rsa_root_file(world):
    rsa_signed(hashes.SHA256())(world)
    return world.write("rsa-root.pem", world.once("rsa-root", None).pem)


fault("signature-md5-leaf", "the leaf is signed with MD5", shows(rsa_signed(hashes.MD5())), SIGNATURE,
      report=UNTRUSTED, ca_file=rsa_root_file, tells="MD5")
fault("signature-sha1-rsa-leaf", "the leaf is signed with SHA-1 and RSA, TLS 1.2", shows(
    rsa_signed(hashes.SHA1()), high=TLS12), SIGNATURE, report=UNTRUSTED, ca_file=rsa_root_file)
fault("signature-sha1-intermediate", "the intermediate is signed with SHA-1", shows(rsa_signed(hashes.SHA1(), True)),
      SIGNATURE, report=UNTRUSTED, ca_file=rsa_root_file)


def spoilt(world):
    """A leaf whose signature does not verify."""
    one = world.leaf()
    der = bytearray(one.der)
    der[-3] ^= 1
    return tls12(one, certificates=[bytes(der), world.intermediate.der])


fault("signature-spoilt-in-certificate", "the leaf's signature is wrong", spoilt,
      ("certificate-*signature*", "certificate-issuer-untrusted", INCOMPLETE), report=(UNTRUSTED, FAILURE),
      tells="(?i)signature")

# revocation

fault("must-staple-without-staple", "must-staple, and no staple", shows(leaf(must_staple=True)),
      "certificate-staple-missing", report=FAILURE)


def stapled(revoked, **more):
    def build(world):
        one = world.leaf(**more)
        staple = pki.ocsp_response(one, world.intermediate, revoked)

        def serve(peer):
            # A staple may only be sent to whoever asked for one, RFC 6066 section 8.
            from . import smtp, wire
            from .handmade import Handmade

            smtp.converse(peer)
            hello = wire.read_client_hello(peer)
            tls = Handmade(peer, one, staple=staple if 5 in hello.extensions else None)
            tls.handshake(hello)
            peer.tls = tls
            smtp.after_tls(peer)

        return serve

    return build


fault("revoked-by-staple", "the staple says revoked", stapled(True), "certificate-revoked", report=FAILURE)

# certificates that are none

NONE = ("certificate-missing", "certificate-malformed", "handshake-malformed", "certificate-*", "handshake-*")
fault("certificate-list-empty", "an empty Certificate message", lambda world: tls12(
    world.good(), raw_certificate=b"\0\0\0"), NONE, report=(FAILURE, UNTRUSTED), tells="(?i)certificate")
fault("certificate-of-rubbish", "a certificate that is no DER", lambda world: tls12(
    world.good(), certificates=[bytes(range(200))]), NONE, report=(FAILURE, UNTRUSTED), tells="(?i)certificate")
fault("certificate-lengths-lie", "a Certificate message whose lengths lie", lambda world: tls12(
    world.good(), raw_certificate=b"\0\xff\xff\0\x10\0" + bytes(300)), NONE, report=(FAILURE, UNTRUSTED),
    tells="(?i)certificate|length|decode|malformed")
fault("certificate-trailing-bytes", "a leaf with bytes after its end", lambda world: tls12(
    world.good(), certificates=[world.good().der + b"rubbish", world.intermediate.der]), NONE,
    report=(FAILURE, UNTRUSTED))

fault("certificate-of-150-kb", "a certificate of 5000 names, larger than OpenSSL takes", lambda world: tls12(
    world.good(), raw_certificate=big_certificate(world)), NONE, report=(FAILURE, UNTRUSTED),
    tells="(?i)certificate|large|size|bytes")


def big_certificate(world):
    one = world.leaf(common_name=None, names=tuple("customer%d.mail.hosting.example" % i for i in range(5000)))
    body = len(one.der).to_bytes(3, "big") + one.der
    return len(body).to_bytes(3, "big") + body


# our own side

fault("trust-store-empty", "our file of roots is empty", shows(leaf()), "trust-store-empty", "client", ("", UNTRUSTED),
      ca_file=lambda world: world.write("empty.pem", b""))
fault("trust-store-of-comments", "our file of roots holds only words", shows(leaf()), "trust-store-empty", "client",
      ("", UNTRUSTED), ca_file=lambda world: world.write("words.pem", b"# to be filled in\n"))

CLOCK = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long back(void) { return %dL * 86400; }
time_t time(time_t *out)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec - back();
    return now.tv_sec - back();
}
int clock_gettime(clockid_t id, struct timespec *out)
{
    int failed = (int)syscall(SYS_clock_gettime, id, out);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) out->tv_sec -= back();
    return failed;
}
int gettimeofday(struct timeval *out, void *zone)
{
    struct timespec now;
    (void)zone;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec - back();
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def clock_of_ours(days_back):
    """LD_PRELOAD of a library that moves the checker's clock."""

    def arguments(world):
        source = world.write("clock.c", (CLOCK % days_back).encode())
        library = source[:-2] + ".so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True, capture_output=True)
        return ["env", "LD_PRELOAD=" + library]

    return arguments


if shutil.which("cc"):
    fault("clock-in-2000", "our clock stands a quarter of a century back", shows(leaf()),
          ("clock-wrong", "certificate-not-yet-valid"), ("client", "server"), ("", EXPIRED), before=(clock_of_ours(9500),))
    fault("clock-far-ahead", "our clock stands thirty years ahead", shows(leaf()),
          ("clock-wrong", "certificate-expired"), ("client", "server"), ("", EXPIRED), before=(clock_of_ours(-11000),))

# TLSA


def tlsa(usage, selector, matching, of):
    def arguments(world):
        data = of(world)
        if matching:
            data = {1: hashlib.sha256, 2: hashlib.sha512}[matching](data).digest()
        return ["--tlsa", "%d %d %d %s" % (usage, selector, matching, data.hex().upper())]

    return arguments


def other(world):
    return world.once("tlsa-other", lambda: pki.issue(None)).spki_der


DANE = ("--level", "dane")
fault("tlsa-mismatch-311", "3 1 1 of another key", shows(leaf()), "tlsa-mismatch", "policy", "tlsa-invalid",
      arguments=DANE + (tlsa(3, 1, 1, other),))
fault("tlsa-mismatch-301", "3 0 1 of last year's certificate", shows(leaf()), "tlsa-mismatch", "policy",
      "tlsa-invalid", arguments=DANE + (tlsa(3, 0, 1, lambda world: pki.issue(None).der),))
fault("tlsa-mismatch-two", "two 3 1 1 records, neither fits", shows(leaf()), "tlsa-mismatch", "policy",
      "tlsa-invalid", arguments=DANE + (tlsa(3, 1, 1, other), tlsa(3, 1, 2, other)))
fault("tlsa-mismatch-201", "2 0 1 of another authority", shows(leaf()), "tlsa-mismatch", "policy", "tlsa-invalid",
      arguments=DANE + (tlsa(2, 0, 1, lambda world: world.stranger.der),))
fault("tlsa-mismatch-self-signed", "3 1 1 of another key, and self-signed", shows(lambda world: pki.issue(None)),
      "tlsa-mismatch", "policy", "tlsa-invalid", arguments=DANE + (tlsa(3, 1, 1, other),))
fault("tlsa-anchor-not-sent", "2 0 1 of the root, which is not sent", shows(leaf()), "tlsa-mismatch", "policy",
      "tlsa-invalid", arguments=DANE + (tlsa(2, 0, 1, lambda world: world.root.der),),
      ca_file=lambda world: world.write("stranger.pem", world.stranger_root.pem))
fault("tlsa-anchor-wrong-name", "2 0 1 fits, the name does not", shows(leaf(
    common_name="Ferry", names=("smtp.ferry.example",))), "certificate-name-mismatch", report=MISMATCH,
    arguments=DANE + (tlsa(2, 0, 1, lambda world: world.intermediate.der),))
fault("tlsa-unusable-usage-1", "1 1 1 only, which SMTP does not use", shows(leaf()), "tlsa-unusable", "policy",
      "tlsa-invalid", arguments=DANE + (tlsa(1, 1, 1, lambda world: world.good().spki_der),))
fault("tlsa-unusable-matching", "3 1 9: an unknown matching type", shows(leaf()), "tlsa-unusable", "policy",
      "tlsa-invalid", arguments=DANE + (lambda world: ["--tlsa", "3 1 9 " + "AB" * 32],))
fault("dane-only-without-tlsa", "dane-only, and no TLSA record", shows(leaf()), "dane-required", "policy",
      "dane-required", arguments=("--level", "dane-only"))
