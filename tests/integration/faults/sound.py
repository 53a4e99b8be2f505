"""sound.py - servers with nothing wrong, each in a way that a hasty reader would misjudge."""

import datetime
import time

from cryptography.hazmat.primitives import hashes

from . import native, pki, smtp, wire
from .case import healthy, works
from .certificates import DANE, stapled, tlsa, two_intermediates
from .handmade import tls12
from .handshake import client_ca_file, ours_good, ours_expired
from .native import TLS10, TLS12, TLS13, alerts, unless
from .peer import HOST
from .smtp import KEYWORDS, offer, reply


def serves(make=None, **settings):
    return lambda world: native.tls(world, make(world) if make else world.good(), **settings)


def talks(**parts):
    return serves(talk=parts)


healthy("ok-tls13-ecdsa", "TLS 1.3, ECDSA", serves())
healthy("ok-tls12-rsa", "TLS 1.2, RSA", serves(lambda world: world.good_rsa(), high=TLS12))
healthy("ok-from-tls10", "TLS 1.0 to 1.3, every cipher", serves(low=TLS10, ciphers="ALL:@SECLEVEL=0"))
healthy("ok-no-tickets", "no session tickets", serves(tickets=0))
healthy("ok-hello-retry", "P-384 only: HelloRetryRequest", serves(curve="secp384r1"))
healthy("ok-handmade-tls12", "another TLS stack, TLS 1.2", lambda world: tls12(world.good()))
healthy("ok-lower-case", "legal lower-case starttls", talks(
    ehlo=b"250-mx.ferry.example hello\r\n250-pipelining\r\n250-size 1000000\r\n250-starttls\r\n250 8bitmime\r\n"))
healthy("ok-mixed-case", "StartTLS last", talks(ehlo=offer(b"8BITMIME", b"StartTLS")))
healthy("ok-greeting-many-lines", "a greeting of 30 lines", talks(greeting=reply(
    220, HOST.encode() + b" ESMTP", *[b"Use of this system is monitored, rule %d" % i for i in range(28)], b"welcome")))
healthy("ok-greeting-no-text", "220 and no text", talks(greeting=b"220\r\n"))
healthy("ok-byte-by-byte", "greeting and EHLO reply byte by byte", talks(
    greeting=lambda peer: peer.dribble(smtp.GREETING, 0.004), ehlo=lambda peer: peer.dribble(offer(*KEYWORDS), 0.004)))
healthy("ok-slow-banner", "the greeting takes 1.5 s, against bots", talks(
    greeting=lambda peer: (time.sleep(1.5), peer.send(smtp.GREETING))), stalls=True)
healthy("ok-starttls-many-lines", "220 to STARTTLS over two lines", talks(
    starttls=b"220-2.0.0 In the name of TLS\r\n220 2.0.0 go ahead\r\n"))
healthy("ok-starttls-220-bare", "220 to STARTTLS without text", talks(starttls=b"220\r\n"))
healthy("ok-many-keywords", "Exchange's keywords", talks(ehlo=offer(
    b"SIZE 37748736", b"PIPELINING", b"DSN", b"ENHANCEDSTATUSCODES", b"STARTTLS", b"X-ANONYMOUSTLS",
    b"AUTH NTLM", b"X-EXPS GSSAPI NTLM", b"8BITMIME", b"BINARYMIME", b"CHUNKING", b"XEXCH50", b"XRDST", b"XSHADOW")))
healthy("ok-keyword-like-name", "a host named as a keyword", talks(ehlo=offer(*KEYWORDS, first=b"size.ferry.example")))
healthy("ok-wildcard", "*.ferry.example", serves(lambda world: world.leaf(
    common_name="Ferry", names=("*.ferry.example", "ferry.example"))))
healthy("ok-upper-case-name", "the name in capitals", serves(lambda world: world.leaf(names=("MX.Ferry.EXAMPLE",))))
healthy("ok-sixty-names", "60 names, ours last", serves(lambda world: world.leaf(
    common_name=None, names=tuple("mx%d.hosting.example" % i for i in range(59)) + (HOST,))))
healthy("ok-cn-of-other", "CN is another host, subjectAltName is right", serves(lambda world: world.leaf(
    common_name="old.ferry.example")))


def long_chain(world):
    one, lower, upper = two_intermediates(world)
    return one.with_chain(lower, upper)


healthy("ok-two-intermediates", "two intermediates", serves(long_chain))
healthy("ok-must-staple", "must-staple with a good staple", stapled(False, must_staple=True))
healthy("ok-staple", "a good staple", stapled(False))
healthy("ok-client-cert-optional", "asks for a client certificate, needs none", lambda world: native.tls(
    world, world.good(), client_ca=client_ca_file(world), ask_only=True))
healthy("ok-client-cert-given", "needs a client certificate, gets ours (TLS 1.3)", lambda world: native.tls(
    world, world.good(), client_ca=client_ca_file(world)), arguments=(ours_good,))
healthy("ok-client-cert-given-tls12", "needs a client certificate, gets ours (TLS 1.2)", lambda world: native.tls(
    world, world.good(), client_ca=client_ca_file(world), high=TLS12), arguments=(ours_good,))
works("ok-client-cert-expired-unasked", "ours has expired, but nobody asks", serves(), arguments=(ours_expired,))


def dribbles(world):
    """Every byte of the server's TLS flights in a segment of its own."""
    made = native.context(world, world.good())

    def serve(peer):
        smtp.converse(peer)
        real = peer.socket.sendall

        class Slow:
            def __getattr__(self, word):
                return getattr(peer_socket, word)

            def sendall(self, data):
                for i in range(0, len(data), 7):
                    real(data[i : i + 7])

        peer_socket = peer.socket
        peer.socket = Slow()
        native.start(peer, made)
        smtp.after_tls(peer)

    return serve


healthy("ok-fragmented-tls", "TLS in segments of seven bytes", dribbles)
healthy("ok-dane-311", "3 1 1 fits", serves(), arguments=DANE + (tlsa(3, 1, 1, lambda world: world.good().spki_der),))
healthy("ok-dane-201", "2 0 1 fits", serves(), arguments=DANE + (tlsa(2, 0, 1, lambda world: world.intermediate.der),))
healthy("ok-dane-rollover", "two 3 1 1, the second fits", serves(), arguments=DANE + (
    tlsa(3, 1, 1, lambda world: world.stranger.spki_der), tlsa(3, 1, 1, lambda world: world.good().spki_der)))


def forgotten(world):
    """Self-signed, expired and misnamed: no matter under DANE-EE, RFC 7672 section 3.1.1."""
    return world.once("forgotten", lambda: pki.issue(None, "old", ("old.invalid",), start=-900, end=-500))


works("ok-dane-311-forgotten", "3 1 1 fits a self-signed, expired, misnamed certificate", serves(forgotten),
      arguments=DANE + (tlsa(3, 1, 1, lambda world: forgotten(world).spki_der),))


def cross_signed(world):
    """Our root, cross-signed by one that expired: what Let's Encrypt sent in 2021."""
    dead = pki.authority("Dead Root X3", start=-4000, end=-40)
    cross = pki.authority("Ferry Root CA", dead, key=world.root.key)
    return world.leaf().with_chain(world.intermediate, cross)


works("ok-cross-signed", "the known root is also sent, cross-signed by an expired one", serves(cross_signed))


def second_life(world):
    """An authority renewed under the same key: the expired certificate is sent before the valid one."""
    key = pki.new_key("p256")
    old = pki.authority("Ferry Issuing CA 9", world.root, key=key, start=-900, end=-50)
    new = pki.authority("Ferry Issuing CA 9", world.root, key=key)
    return pki.issue(new).with_chain(old, new)


works("ok-renewed-authority", "the authority's expired certificate is sent beside its valid one", serves(second_life))
works("ok-root-sent", "the root is sent as well", serves(lambda world: world.leaf().with_chain(
    world.intermediate, world.root)))
works("ok-cbc", "TLS 1.2, CBC only", serves(lambda world: world.good_rsa(), high=TLS12,
                                           ciphers="ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:@SECLEVEL=0"))
works("ok-tls13-only", "TLS 1.3 only", serves(low=TLS13))
works("ok-ed25519", "an Ed25519 key", serves(lambda world: world.leaf(kind="ed25519")))
works("ok-p521", "a P-521 key", serves(lambda world: world.leaf(kind="p521")))
works("ok-rsa4096", "an RSA key of 4096 bits", serves(lambda world: world.leaf(key=pki.shared_key("rsa4096"))))
works("ok-twenty-authorities", "20 intermediates", serves(lambda world: deep(world)))
works("ok-thousand-names", "1000 names", serves(lambda world: world.leaf(
    common_name=None, names=tuple("customer%d.mail.hosting.example" % i for i in range(999)) + (HOST,))))
works("ok-needs-sni-alert", "unrecognized_name without SNI; we send it", serves(before=unless(
    lambda hello: hello.sni != HOST, alerts("unrecognized_name"))))
works("ok-starttls-again", "still offers STARTTLS inside TLS", serves(then=lambda peer: smtp.after_tls(
    peer, ehlo=offer(*KEYWORDS))))


def deep(world):
    chain, above = [], world.root
    for i in range(20):
        above = pki.authority("Ferry CA of Depth %d" % i, above)
        chain.insert(0, above)
    return pki.issue(above).with_chain(*chain)


def default_certificate(world):
    """The right certificate for our SNI, another without."""
    right = native.context(world, world.good())
    wrong = native.context(world, pki.issue(None, "default.invalid", ("default.invalid",)))

    def serve(peer):
        smtp.converse(peer)
        hello = wire.read_client_hello(peer)
        native.start(peer, right if hello.sni == HOST else wrong, wire.replayed(hello))
        smtp.after_tls(peer)

    return serve


works("ok-needs-sni-default", "a default certificate without SNI; the right one with", default_certificate)


def sha1_root(world):
    return world.once("sha1-root", lambda: pki.authority("Ferry Root of 2005", digest=hashes.SHA1()))


def below_sha1_root(world):
    middle = pki.authority("Ferry Issuing CA of Today", sha1_root(world))
    return pki.issue(middle).with_chain(middle)


healthy("ok-root-signed-with-sha1", "the known root signed itself with SHA-1, which nobody need check",
        serves(below_sha1_root), ca_file=lambda world: world.write("sha1-root.pem", sha1_root(world).pem))
healthy("ok-root-signs-leaf", "the known root signed the leaf itself", serves(
    lambda world: pki.issue(world.root)))
healthy("ok-no-end", "valid to the end of 9999", serves(lambda world: world.leaf(
    end=(datetime.datetime(9999, 12, 31) - pki.NOW).days)))
healthy("ok-no-usages", "no extended usages", serves(lambda world: world.leaf(usages=())))
healthy("ok-idn", "a name beyond ASCII", serves(lambda world: world.leaf(names=("mx.xn--bcher-kva.example",))),
        name_flag=False, arguments=("--name", "mx.b\u00fccher.example"))
healthy("ok-name-with-dot", "our name is given with its final dot", serves(), name_flag=False,
        arguments=("--name", HOST + "."))
healthy("ok-connect", "found by --connect, verified as the target", serves(), name_flag=False, target=HOST,
        arguments=("--connect", "127.0.0.1:{port}"))
healthy("ok-trailing-space", "a space behind STARTTLS", talks(ehlo=offer(b"PIPELINING", b"STARTTLS ", b"8BITMIME")))
works("ok-utf8-greeting", "a greeting in UTF-8, which RFC 5321 does not allow and everybody takes", talks(
    greeting="220 mx.ferry.example Gr\u00fc\u00df Gott\r\n".encode()))
healthy("ok-reset-after-close", "RST right behind close_notify", serves(then=lambda peer: smtp.after_tls(
    peer, quit_=lambda peer: (peer.tls.end(), peer.reset()))))
healthy("ok-at-level-verify", "a good server at level verify", serves(), arguments=("--level", "verify"))
healthy("ok-at-level-secure", "a good server at level secure", serves(), arguments=("--level", "secure"))
works("ok-unused-sha1", "an unused certificate signed with SHA-1 is sent as well", serves(lambda world: world.leaf(
    ).with_chain(world.intermediate, pki.authority("Ferry CA of 2005", world.root, digest=hashes.SHA1()))))
