"""wire.py - TLS records, alerts and ClientHellos, read and written by hand."""

import struct

ALERT, HANDSHAKE, CCS, DATA = 21, 22, 20, 23

ALERTS = {
    "close_notify": 0, "unexpected_message": 10, "bad_record_mac": 20, "record_overflow": 22,
    "handshake_failure": 40, "bad_certificate": 42, "unsupported_certificate": 43,
    "certificate_revoked": 44, "certificate_expired": 45, "certificate_unknown": 46,
    "illegal_parameter": 47, "unknown_ca": 48, "access_denied": 49, "decode_error": 50,
    "decrypt_error": 51, "protocol_version": 70, "insufficient_security": 71,
    "internal_error": 80, "inappropriate_fallback": 86, "user_canceled": 90,
    "missing_extension": 109, "unsupported_extension": 110, "unrecognized_name": 112,
    "certificate_required": 116, "no_application_protocol": 120,
}


def record(kind, payload, version=0x0303):
    return struct.pack(">BHH", kind, version, len(payload)) + payload


def alert(word, level=2, version=0x0303):
    number = ALERTS[word] if isinstance(word, str) else word
    return record(ALERT, bytes([level, number]), version)


def message(kind, body):
    """A handshake message, without its record."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def read_record(peer):
    head = peer.take_exactly(5)
    kind, version, size = struct.unpack(">BHH", head)
    return kind, version, peer.take_exactly(size)


class ClientHello:
    """What the checker offers."""

    def __init__(self, raw, record_version):
        self.raw = raw  # the handshake message with its header
        self.record_version = record_version
        at = 4
        self.version = int.from_bytes(raw[at : at + 2], "big")
        self.random = raw[at + 2 : at + 34]
        at += 34
        self.session_id = raw[at + 1 : at + 1 + raw[at]]
        at += 1 + raw[at]
        size = int.from_bytes(raw[at : at + 2], "big")
        self.ciphers = [int.from_bytes(raw[i : i + 2], "big") for i in range(at + 2, at + 2 + size, 2)]
        at += 2 + size
        at += 1 + raw[at]
        self.extensions = {}
        if at < len(raw):
            end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
            at += 2
            while at + 4 <= end:
                kind, size = struct.unpack(">HH", raw[at : at + 4])
                self.extensions[kind] = raw[at + 4 : at + 4 + size]
                at += 4 + size

    def words(self, extension, skip):
        body = self.extensions.get(extension, b"")[skip:]
        return [int.from_bytes(body[i : i + 2], "big") for i in range(0, len(body) - 1, 2)]

    @property
    def sni(self):
        body = self.extensions.get(0)
        return body[5:].decode("latin-1") if body else None

    @property
    def groups(self):
        return self.words(10, 2)

    @property
    def signatures(self):
        return self.words(13, 2)

    @property
    def versions(self):
        """Every version it takes, by extension 43 or by the old field."""
        if 43 in self.extensions:
            return self.words(43, 1)
        return [v for v in (0x0300, 0x0301, 0x0302, 0x0303) if v <= self.version]

    @property
    def secure_renegotiation(self):
        return 0xFF01 in self.extensions or 0x00FF in self.ciphers


def read_client_hello(peer):
    raw = b""
    while len(raw) < 4 or len(raw) < 4 + int.from_bytes(raw[1:4], "big"):
        kind, version, payload = read_record(peer)
        if kind != HANDSHAKE:
            raise ValueError("a ClientHello was due, record type %d came" % kind)
        raw += payload
    return ClientHello(raw, version)


def replayed(hello):
    """The bytes of a ClientHello as they came, to be given to another TLS stack."""
    return record(HANDSHAKE, hello.raw, hello.record_version)
