"""handmade.py - a TLS 1.2 server written out message by message, so that each can be made wrong.

It speaks ECDHE or DHE with AES-128-GCM-SHA256 (RFC 5246, RFC 5288, RFC 8422). Recipes
override the pieces: certificates, parameters, signature, extensions, Finished.
"""

import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import smtp, wire
from .peer import Gone

ECDHE_RSA, ECDHE_ECDSA, DHE_RSA = 0xC02F, 0xC02B, 0x009E
SIGNATURES = {0x0401: hashes.SHA256, 0x0403: hashes.SHA256, 0x0201: hashes.SHA1, 0x0101: hashes.MD5}

OAKLEY_1 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879"
    "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620"
    "FFFFFFFFFFFFFFFF", 16)
OAKLEY_2 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A0879"
    "8E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B"
    "0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF", 16)


def prf(secret, label, seed, size):
    """RFC 5246 section 5, with SHA-256."""
    seed = label + seed
    out, a = b"", seed
    while len(out) < size:
        a = hmac.new(secret, a, hashlib.sha256).digest()
        out += hmac.new(secret, a + seed, hashlib.sha256).digest()
    return out[:size]


class Handmade:
    """One handshake and the stream after it; the recipe's fields say what to do wrong."""

    # What a subclass or a keyword may change:
    cipher = None  # by the key, unless set
    version = 0x0303
    signature = None  # code point of the scheme, by the key unless set
    signing_key = None  # the identity's own, unless set
    dh = None  # (p, g) makes it DHE_RSA
    legacy = False  # no renegotiation_info, RFC 5746
    certificates = None  # list of DER, the identity's unless set
    staple = None  # DER of an OCSP response
    ask = None  # list of DER names: asks for a client certificate
    spoil_signature = False
    spoil_finished = False
    stop_after = None  # ("server_hello" | "certificate" | "flight" | "client_finished", act)
    downgraded = False  # marks its random as one who was talked down from TLS 1.3, RFC 8446 section 4.1.3
    raw_certificate = None  # body of the Certificate message
    extra_flight = b""  # put in place of ServerKeyExchange
    on_client_certificate = None  # act(peer, list of DER)

    def __init__(self, peer, identity, **changes):
        self.peer = peer
        self.identity = identity
        for word, value in changes.items():
            if not hasattr(type(self), word):
                raise TypeError(word)
            setattr(self, word, value)
        self.transcript = b""
        self.buffer = b""
        self.read_key = self.write_key = None
        self.read_count = self.write_count = 0

    # records

    def say(self, kind, body):
        data = wire.message(kind, body)
        self.transcript += data
        for at in range(0, len(data), 16384):
            self.peer.socket.sendall(wire.record(wire.HANDSHAKE, data[at : at + 16384], self.version))

    def seal(self, kind, payload):
        sequence = struct.pack(">Q", self.write_count)
        head = sequence + struct.pack(">BHH", kind, 0x0303, len(payload))
        sealed = sequence + AESGCM(self.write_key).encrypt(self.write_iv + sequence, payload, head)
        self.write_count += 1
        self.peer.socket.sendall(wire.record(kind, sealed))

    def open(self, kind, payload):
        head = struct.pack(">QBHH", self.read_count, kind, 0x0303, len(payload) - 24)
        self.read_count += 1
        return AESGCM(self.read_key).decrypt(self.read_iv + payload[:8], payload[8:], head)

    def take_exactly(self, size):
        """Bytes off the wire, beneath TLS."""
        out = b""
        while len(out) < size:
            data = self.peer.socket.recv(size - len(out))
            if not data:
                raise Gone()
            out += data
        return out

    def next_record(self):
        peer_kind, _, payload = wire.read_record(self)
        if self.read_key and peer_kind != wire.CCS:
            payload = self.open(peer_kind, payload)
        if peer_kind == wire.ALERT:
            self.peer.tls = None
            self.peer.close()
        return peer_kind, payload

    def next_message(self):
        while len(self.buffer) < 4 or len(self.buffer) < 4 + int.from_bytes(self.buffer[1:4], "big"):
            kind, payload = self.next_record()
            if kind == wire.HANDSHAKE:
                self.buffer += payload
        size = 4 + int.from_bytes(self.buffer[1:4], "big")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data[0], data[4:], data

    def maybe_stop(self, where):
        if self.stop_after and self.stop_after[0] == where:
            self.stop_after[1](self.peer)

    # the handshake

    def handshake(self, hello=None):
        self.hello = hello = hello or wire.read_client_hello(self.peer)
        self.transcript = hello.raw
        self.random = os.urandom(24) + (b"DOWNGRD\x01" if self.downgraded else os.urandom(8))
        self.say(2, self.server_hello())
        self.maybe_stop("server_hello")
        self.say(11, self.certificate_body())
        self.maybe_stop("certificate")
        if self.staple:
            self.say(22, b"\x01" + len(self.staple).to_bytes(3, "big") + self.staple)
        self.say(12, self.key_exchange())
        if self.ask is not None:
            names = b"".join(struct.pack(">H", len(n)) + n for n in self.ask)
            self.say(13, b"\x02\x01\x40" + b"\x00\x06\x04\x01\x04\x03\x08\x04" + struct.pack(">H", len(names)) + names)
        self.say(14, b"")
        self.maybe_stop("flight")
        self.take_client_flight()
        self.maybe_stop("client_finished")
        self.finish()

    def server_hello(self):
        extensions = b""
        if not self.legacy and self.hello.secure_renegotiation:
            extensions += b"\xff\x01\x00\x01\x00"
        if self.staple:
            extensions += b"\x00\x05\x00\x00"
        cipher = self.chosen_cipher()
        if cipher >= 0xC000:
            extensions += b"\x00\x0b\x00\x02\x01\x00"
        body = struct.pack(">H", self.version) + self.random + b"\x00" + struct.pack(">H", cipher) + b"\x00"
        return body + (struct.pack(">H", len(extensions)) + extensions if extensions else b"")

    def is_rsa(self):
        return isinstance(self.signing_key or self.identity.key, rsa.RSAPrivateKey)

    def chosen_cipher(self):
        if self.cipher:
            return self.cipher
        if self.dh:
            return DHE_RSA
        return ECDHE_RSA if isinstance(self.identity.key, rsa.RSAPrivateKey) else ECDHE_ECDSA

    def certificate_body(self):
        if self.raw_certificate is not None:
            return self.raw_certificate
        chain = self.identity.sent() if self.certificates is None else self.certificates
        body = b"".join(len(der).to_bytes(3, "big") + der for der in chain)
        return len(body).to_bytes(3, "big") + body

    def key_exchange(self):
        if self.dh:
            p, g = self.dh
            size = (p.bit_length() + 7) // 8
            self.secret = int.from_bytes(os.urandom(size), "big") % p
            values = [p.to_bytes(size, "big"), bytes([g]), pow(g, self.secret, p).to_bytes(size, "big")]
            parameters = b"".join(struct.pack(">H", len(v)) + v for v in values)
        elif 29 in self.hello.groups:
            self.secret = x25519.X25519PrivateKey.generate()
            public = self.secret.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            parameters = b"\x03\x00\x1d" + bytes([len(public)]) + public
        else:
            self.secret = ec.generate_private_key(ec.SECP256R1())
            public = self.secret.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            parameters = b"\x03\x00\x17" + bytes([len(public)]) + public
        return parameters + self.signed(parameters)

    def signed(self, parameters):
        key = self.signing_key or self.identity.key
        scheme = self.signature or (0x0401 if self.is_rsa() else 0x0403)
        data = self.hello.random + self.random + parameters
        digest = SIGNATURES[scheme]()
        if self.is_rsa():
            value = key.sign(data, padding.PKCS1v15(), digest)
        else:
            value = key.sign(data, ec.ECDSA(digest))
        if self.spoil_signature:
            value = value[:-1] + bytes([value[-1] ^ 1])
        return struct.pack(">HH", scheme, len(value)) + value

    def take_client_flight(self):
        kind, body, data = self.next_message()
        if kind == 11:
            self.transcript += data
            if self.on_client_certificate:
                self.on_client_certificate(self.peer, split_certificates(body))
            kind, body, data = self.next_message()
        self.transcript += data  # ClientKeyExchange
        self.take_secret(body)
        while True:
            if not self.buffer:
                record_kind, payload = self.next_record()
                if record_kind == wire.CCS:
                    break
                self.buffer += payload
            kind, body, data = self.next_message()
            self.transcript += data  # CertificateVerify
        self.read_key, self.read_iv = self.keys[0], self.keys[2]
        _, _, data = self.next_message()
        self.transcript += data

    def take_secret(self, body):
        if self.dh:
            public = int.from_bytes(body[2:], "big")
            shared = pow(public, self.secret, self.dh[0])
            premaster = shared.to_bytes((shared.bit_length() + 7) // 8, "big")
        elif isinstance(self.secret, x25519.X25519PrivateKey):
            premaster = self.secret.exchange(x25519.X25519PublicKey.from_public_bytes(body[1:]))
        else:
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), body[1:])
            premaster = self.secret.exchange(ec.ECDH(), public)
        self.master = prf(premaster, b"master secret", self.hello.random + self.random, 48)
        block = prf(self.master, b"key expansion", self.random + self.hello.random, 40)
        self.keys = block[:16], block[16:32], block[32:36], block[36:40]

    def finish(self):
        self.peer.socket.sendall(wire.record(wire.CCS, b"\x01"))
        self.write_key, self.write_iv = self.keys[1], self.keys[3]
        check = prf(self.master, b"server finished", hashlib.sha256(self.transcript).digest(), 12)
        if self.spoil_finished:
            check = bytes(12)
        self.seal(wire.HANDSHAKE, wire.message(20, check))

    # the stream

    def recv(self, size):
        while not self.buffer:
            try:
                kind, payload = self.next_record()
            except (Gone, InvalidTag):
                return b""
            if kind == wire.DATA:
                self.buffer += payload
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def send(self, data):
        self.seal(wire.DATA, data)

    def end(self):
        self.seal(wire.ALERT, b"\x01\x00")


def split_certificates(body):
    out, at = [], 3
    while at < len(body):
        size = int.from_bytes(body[at : at + 3], "big")
        out.append(body[at + 3 : at + 3 + size])
        at += 3 + size
    return out


def tls12(identity, then=smtp.after_tls, before=None, talk=None, **changes):
    """A server that does TLS 1.2 by hand. `before(hello, peer)` may refuse a ClientHello."""

    def serve(peer):
        smtp.converse(peer, **(talk or {}))
        hello = wire.read_client_hello(peer)
        if before:
            before(hello, peer)
        if 0x0303 not in hello.versions:
            peer.socket.sendall(wire.alert("protocol_version"))
            peer.close()
        tls = Handmade(peer, identity, **changes)
        tls.handshake(hello)
        peer.tls = tls
        then(peer)

    return serve


def only_ciphers(identity, codes, version=0x0303, refusal="handshake_failure"):
    """A server that knows only ciphers of its own; picks one where offered, else sends an alert.

    All of them use RSA key exchange: ServerHello, Certificate, ServerHelloDone is the
    whole flight, and whoever offered such a cipher learns from it that it is spoken.
    """

    def serve(peer):
        smtp.converse(peer)
        hello = wire.read_client_hello(peer)
        chosen = next((c for c in codes if c in hello.ciphers), None)
        if chosen is None or version > hello.version:
            peer.socket.sendall(wire.alert(refusal, version=version))
            peer.close()
        tls = Handmade(peer, identity, cipher=chosen, version=version)
        tls.hello, tls.random = hello, os.urandom(32)
        tls.say(2, tls.server_hello())
        tls.say(11, tls.certificate_body())
        tls.say(14, b"")
        peer.hold()

    return serve
