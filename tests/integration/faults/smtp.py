"""smtp.py - the plaintext half of an SMTP server, every part of which can be made wrong."""

from .peer import HOST

GREETING = b"220 " + HOST.encode() + b" ESMTP Ferry\r\n"
KEYWORDS = (b"PIPELINING", b"SIZE 52428800", b"STARTTLS", b"8BITMIME", b"ENHANCEDSTATUSCODES")
READY = b"220 2.0.0 Ready to start TLS\r\n"


def reply(code, *lines):
    """A whole SMTP reply of one or more lines."""
    out = b""
    for i, text in enumerate(lines):
        out += b"%d%s%s\r\n" % (code, b" " if i == len(lines) - 1 else b"-", text)
    return out


def offer(*keywords, first=HOST.encode() + b" at your service"):
    """An EHLO reply."""
    return reply(250, first, *keywords)


def answer(peer, what):
    """Sends bytes, or lets a function do its worst."""
    if callable(what):
        what(peer)
    elif what is not None:
        peer.send(what)


def converse(peer, greeting=GREETING, ehlo=None, helo=None, starttls=READY, other=None):
    """Serves until STARTTLS was accepted with 220; returns so that TLS can start.

    Each part is bytes to send, or a function of the peer (which may raise Gone by
    closing, resetting or holding). A STARTTLS answer that is no 220 keeps the
    conversation going in the clear, as real servers do.
    """
    ehlo = offer(*KEYWORDS) if ehlo is None else ehlo
    helo = reply(250, HOST.encode()) if helo is None else helo
    answer(peer, greeting)
    while True:
        line = peer.line()
        verb = line.split(b" ")[0].upper()
        if verb == b"EHLO":
            answer(peer, ehlo)
        elif verb == b"HELO":
            answer(peer, helo)
        elif verb == b"STARTTLS":
            answer(peer, starttls)
            if callable(starttls) or starttls.startswith(b"220"):
                return
        elif verb == b"QUIT":
            peer.send(b"221 2.0.0 Bye\r\n")
            peer.close()
        elif other is not None:
            answer(peer, other)
        elif verb in (b"NOOP", b"RSET"):
            peer.send(b"250 2.0.0 OK\r\n")
        else:
            peer.send(b"502 5.5.2 Not understood\r\n")


def plain(**parts):
    """A fault that lies wholly in the plaintext part."""

    def serve(peer):
        converse(peer, **parts)
        peer.hold()

    return serve


def closes(peer):
    peer.close()


def resets(peer):
    peer.reset()


def holds(peer):
    peer.hold()


def says_then(data, then):
    """Sends `data`, then closes, resets or holds."""

    def act(peer):
        peer.send(data)
        then(peer)

    return act


def after_tls(peer, ehlo=None, quit_=None, greeting=None):
    """The encrypted half: EHLO, QUIT, and a close_notify at the end."""
    ehlo = offer(b"PIPELINING", b"SIZE 52428800", b"8BITMIME") if ehlo is None else ehlo
    answer(peer, greeting)
    while True:
        verb = peer.line().split(b" ")[0].upper()
        if verb in (b"EHLO", b"HELO"):
            answer(peer, ehlo)
        elif verb == b"QUIT":
            peer.send(b"221 2.0.0 Bye\r\n")
            if quit_ is not None:
                quit_(peer)
            end_tls(peer)
            return
        elif verb in (b"NOOP", b"RSET", b"MAIL", b"RCPT"):
            peer.send(b"250 2.0.0 OK\r\n")
        else:
            peer.send(b"502 5.5.2 Not understood\r\n")


def end_tls(peer):
    """close_notify and FIN, then waits for theirs."""
    peer.tls.end()
    peer.tls = None
    peer.close()
