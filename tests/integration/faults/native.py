"""native.py - real TLS servers by Python's ssl, at any version and security level."""

import ssl

from . import smtp, wire

TLS10, TLS11, TLS12, TLS13 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1,
                              ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def context(world, identity, low=TLS12, high=TLS13, ciphers="DEFAULT:@SECLEVEL=0", curve=None,
            dh_file=None, client_ca=None, ask_only=False, tickets=2):
    """A server context; `client_ca` is a PEM file and makes a client certificate compulsory."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = low, high
    made.set_ciphers(ciphers)
    made.num_tickets = tickets
    if tickets == 0:
        made.options |= ssl.OP_NO_TICKET
    if identity is not None:
        made.load_cert_chain(*world.files(identity))
    if curve:
        made.set_ecdh_curve(curve)
    if dh_file:
        made.load_dh_params(dh_file)
    if client_ca:
        made.load_verify_locations(client_ca)
        made.verify_mode = ssl.CERT_OPTIONAL if ask_only else ssl.CERT_REQUIRED
    return made


class NativeTls:
    """TLS over memory buffers, so that bytes can be put before, changed or withheld."""

    def __init__(self, peer, made, first=b"", change=None):
        self.peer = peer
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = made.wrap_bio(self.into, self.out, server_side=True)
        self.into.write(first)
        self.change = change  # change(flight number, bytes) -> bytes
        self.flights = 0

    def flush(self):
        data = self.out.read()
        if data:
            self.flights += 1
            self.peer.socket.sendall(self.change(self.flights, data) if self.change else data)

    def feed(self):
        data = self.peer.socket.recv(65536)
        if data:
            self.into.write(data)
        else:
            self.into.write_eof()

    def run(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()
            except ssl.SSLError:
                self.flush()  # the alert
                raise

    def handshake(self):
        try:
            self.run(self.object.do_handshake)
        except ssl.SSLError:
            self.peer.tls = None
            self.peer.close()  # the alert first, then FIN, never a RST

    def recv(self, size):
        try:
            return self.run(self.object.read, size)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def send(self, data):
        self.run(self.object.write, data)

    def end(self):
        try:
            self.object.unwrap()
        except ssl.SSLError:
            pass
        self.flush()


def start(peer, made, first=b"", change=None):
    tls = NativeTls(peer, made, first, change)
    tls.handshake()
    peer.tls = tls
    return tls


def tls(world, identity, before=None, then=smtp.after_tls, change=None, talk=None, **settings):
    """A server that gets through STARTTLS and serves mail, unless its certificate or settings say no.

    `before(peer)` may look at the ClientHello and returns its bytes; `then(peer)` is
    the conversation inside TLS; `talk` changes the plaintext part.
    """
    made = context(world, identity, **settings)

    def serve(peer):
        smtp.converse(peer, **(talk or {}))
        first = before(peer) if before else b""
        start(peer, made, first, change)
        then(peer)

    return serve


def unless(refuses, act):
    """A `before` that looks at each ClientHello and acts (alert, close) on the refused ones."""

    def before(peer):
        hello = wire.read_client_hello(peer)
        if refuses(hello):
            act(peer)
        return wire.replayed(hello)

    return before


def alerts(word, version=0x0303):
    """Sends a fatal alert and closes."""

    def act(peer):
        peer.socket.sendall(wire.alert(word, version=version))
        peer.close()

    return act
