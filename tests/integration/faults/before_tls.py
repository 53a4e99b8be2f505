"""before_tls.py - what goes wrong from connect to STARTTLS."""

import socket
import time

from . import native, smtp, wire
from .case import fault
from .peer import PATIENCE_S
from .smtp import KEYWORDS, closes, holds, offer, plain, reply, resets, says_then

NOT_SUPPORTED = "starttls-not-supported"
FAILURE = "validation-failure"


def static(**parts):
    """A build that needs nothing of the world."""
    return lambda world: plain(**parts)


# connect

def full_backlog(world):
    """A listener that never accepts and whose queue is full, so that our SYN gets no answer."""
    return "full"


fault("connect-nobody-listens", "nothing listens on the port", lambda world: None, "connect-refused",
      ("server", "network"))
fault("connect-silent", "SYNs are dropped", full_backlog, "connect-timeout", ("server", "network"), stalls=True)
fault("connect-no-route", "the kernel knows no way there", lambda world: None, "connect-unreachable",
      ("network", "client", "server"), target="[192.0.2.25]:25", before=("unshare", "-rn"))
fault("connect-reset", "accepted, then RST before a byte", static(greeting=resets),
      ("connect-reset", "greeting-closed", "greeting-reset"), ("server", "network"))

# greeting

GREETINGS = [
    ("554-one-line", "554 mx.ferry.example No SMTP service here\r\n", "greeting-rejected"),
    ("554-many-lines", "554-5.7.1 Your address 127.0.0.1\r\n554-5.7.1 is on a block list\r\n554 5.7.1 go away\r\n",
     "greeting-rejected"),
    ("521", "521 mx.ferry.example does not accept mail\r\n", "greeting-rejected"),
    ("550", "550 5.7.1 No reverse DNS, no mail\r\n", "greeting-rejected"),
    ("http", "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n<html></html>\r\n",
     "greeting-malformed"),
    ("imap", "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] Dovecot ready.\r\n", "greeting-malformed"),
    ("pop3", "+OK POP3 ready <1896.697170952@mx.ferry.example>\r\n", "greeting-malformed"),
    ("ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "greeting-malformed"),
    ("mysql", b"\x4a\x00\x00\x00\x0a5.7.40-log\x00\x0b\x00\x00\x00abcdefgh\x00\xff\xf7\x08\x02\x00\r\n",
     "greeting-malformed"),
    ("no-code", "mx.ferry.example ESMTP ready\r\n", "greeting-malformed"),
    ("endless-line", b"220 " + b"x" * 200000, "greeting-malformed"),
    ("endless-lines", b"220-still getting ready\r\n" * 20000, "greeting-malformed"),
    ("nul-bytes", b"\0" * 64 + b"\r\n", "greeting-malformed"),
]
for word, text, code in GREETINGS:
    data = text if isinstance(text, bytes) else text.encode()
    fault("greeting-" + word, "the greeting: %r" % data[:50], static(greeting=says_then(data, closes)), code)

fault("greeting-421-closed", "421 and closed", static(greeting=says_then(
    b"421 4.7.0 mx.ferry.example Too many connections from you\r\n", closes)), "greeting-rejected")
fault("greeting-450-stays", "450 and then waits for QUIT", static(
    greeting=b"450 4.3.2 Try again later\r\n", ehlo=reply(450, b"4.3.2 Later"), helo=reply(450, b"4.3.2 Later"),
    other=reply(450, b"4.3.2 Later")), "greeting-rejected")
fault("greeting-silence", "accepts and says nothing", static(greeting=holds), "greeting-timeout", stalls=True)
fault("greeting-half-then-silence", "half a greeting, then nothing", static(
    greeting=says_then(b"220-mx.ferry.example is\r\n220", holds)), "greeting-timeout", stalls=True)
fault("greeting-half-then-closed", "half a greeting, then closed", static(
    greeting=says_then(b"220-mx.ferry", closes)), ("greeting-closed", "greeting-malformed"))
fault("greeting-closed", "accepts and closes", static(greeting=closes), "greeting-closed")
fault("greeting-closed-late", "closes after 400 ms, as tcp wrappers do", static(
    greeting=lambda peer: (time.sleep(0.4), closes(peer))), "greeting-closed")

def but(**parts):
    """A server whose only fault is the given words; TLS follows and is sound."""
    return lambda world: native.tls(world, world.good(), talk=parts)


fault("greeting-code-changes", "220- and then 250 in the greeting; all else is well", but(
    greeting=b"220-mx.ferry.example\r\n250 ready\r\n"), "greeting-malformed")
fault("greeting-250-for-220", "250 in place of 220; all else is well", but(
    greeting=b"250 mx.ferry.example ready\r\n"), ("greeting-malformed", "greeting-rejected"))
fault("greeting-bare-lf", "every line in the clear ends in a bare LF; all else is well", but(
    greeting=b"220 mx.ferry.example ESMTP\n", ehlo=offer(*KEYWORDS).replace(b"\r\n", b"\n"),
    starttls=b"220 go\n"), ("greeting-malformed", "greeting-bare-lf", "ehlo-bare-lf"))
fault("greeting-bare-lf-only", "the greeting alone ends in a bare LF; all else is well", but(
    greeting=b"220 mx.ferry.example ESMTP\n"), ("greeting-malformed", "greeting-bare-lf", "ehlo-bare-lf"))


def implicit(world):
    made = native.context(world, world.good())

    def serve(peer):
        native.start(peer, made)
        peer.tls.send(smtp.GREETING)
        smtp.after_tls(peer)

    return serve


def implicit_impatient(world):
    """An implicit-TLS port whose server gives up on a silent client after a second."""
    made = native.context(world, world.good())

    def serve(peer):
        peer.socket.settimeout(1.0)
        try:
            first = peer.socket.recv(65536)
        except socket.timeout:
            closes(peer)
        peer.socket.settimeout(PATIENCE_S)
        native.start(peer, made, first)
        peer.tls.send(smtp.GREETING)
        smtp.after_tls(peer)

    return serve


def implicit_alerting(world):
    """As before, but says so with a TLS alert."""

    def serve(peer):
        time.sleep(0.3)
        peer.send(wire.alert("unexpected_message", version=0x0301))
        peer.close()

    return serve


fault("greeting-implicit-tls", "port 465: waits for a ClientHello", implicit, "greeting-expects-tls", "client",
      stalls=True)
fault("greeting-implicit-tls-impatient", "port 465 that gives up on us after a second", implicit_impatient,
      "greeting-expects-tls", "client", stalls=True)
fault("greeting-implicit-tls-alert", "port 465 that greets with a TLS alert", implicit_alerting,
      "greeting-expects-tls", "client")

# EHLO

for code, text in ((500, b"5.5.1 Command unrecognized"), (502, b"5.5.2 Error: command not recognized"),
                   (504, b"Command parameter not implemented"), (550, b"5.7.1 ESMTP not for you")):
    fault("ehlo-%d-helo-works" % code, "EHLO gets %d, HELO works" % code, static(ehlo=reply(code, text)),
          "ehlo-rejected", report=NOT_SUPPORTED)
fault("ehlo-554-helo-554", "both EHLO and HELO are refused", static(
    ehlo=reply(554, b"5.7.1 Client host rejected"), helo=reply(554, b"5.7.1 Client host rejected")),
    ("ehlo-rejected", "session-rejected"), report=(NOT_SUPPORTED, ""))
fault("ehlo-450", "EHLO is refused for now", static(
    ehlo=reply(450, b"4.7.1 Greylisted"), helo=reply(450, b"4.7.1 Greylisted")), ("ehlo-rejected", "session-rejected"),
    report=(NOT_SUPPORTED, ""))
fault("ehlo-421", "421 to EHLO, then closed", static(ehlo=says_then(
    b"421 4.3.2 mx.ferry.example shutting down\r\n", closes)), ("ehlo-rejected", "session-rejected"), report=(NOT_SUPPORTED, ""))
fault("ehlo-ftp", "an FTP server greets with 220 too", static(
    greeting=b"220 ProFTPD Server (Ferry) [127.0.0.1]\r\n", ehlo=reply(500, b"EHLO not understood"),
    helo=reply(500, b"HELO not understood"), other=reply(500, b"not understood")),
    ("ehlo-rejected", "greeting-malformed", "session-rejected"), report=(NOT_SUPPORTED, ""))
fault("ehlo-closed-helo-works", "hangs up on EHLO; a second connection may say HELO", static(ehlo=closes),
      ("ehlo-rejected", "ehlo-closed", "ehlo-*"), report=(NOT_SUPPORTED, "", FAILURE))
fault("ehlo-reset", "RST on EHLO", static(ehlo=resets), ("ehlo-closed", "ehlo-reset", "ehlo-*"),
      ("server", "network"), report=(NOT_SUPPORTED, "", FAILURE))
fault("ehlo-silence", "no answer to EHLO", static(ehlo=holds), ("ehlo-timeout", "ehlo-*"), ("server", "network"),
      report=(NOT_SUPPORTED, "", FAILURE), stalls=True)
fault("ehlo-cut-short", "closed in the middle of the EHLO reply", static(ehlo=says_then(
    b"250-mx.ferry.example\r\n250-PIPELI", closes)), ("ehlo-closed", "ehlo-malformed", "ehlo-*"),
    report=(NOT_SUPPORTED, "", FAILURE))
fault("ehlo-keyword-first", "the reply begins with 250-STARTTLS", static(
    ehlo=offer(b"PIPELINING", b"8BITMIME", first=b"STARTTLS")), "ehlo-keyword-before-greeting",
    report=NOT_SUPPORTED)
fault("ehlo-keyword-only", "the whole reply is 250 STARTTLS", static(ehlo=b"250 STARTTLS\r\n"),
      "ehlo-keyword-before-greeting", report=NOT_SUPPORTED)
fault("ehlo-keyword-first-greeting-last", "keywords first, the greeting line last", static(
    ehlo=reply(250, b"STARTTLS", b"SIZE 20971520", b"mx.ferry.example Hello")), "ehlo-keyword-before-greeting",
    report=NOT_SUPPORTED)
fault("ehlo-line-without-code", "a line of the reply has no code", static(
    ehlo=b"250-mx.ferry.example\r\nPIPELINING\r\nSTARTTLS\r\n250 8BITMIME\r\n"), "ehlo-malformed",
    report=("", NOT_SUPPORTED))
fault("ehlo-code-changes", "250- then 220- then 250; all else is well", but(
    ehlo=b"250-mx.ferry.example\r\n220-STARTTLS\r\n250 8BITMIME\r\n"), "ehlo-malformed", report=("", NOT_SUPPORTED))
fault("ehlo-wrong-separator", "250_ in place of 250-", static(
    ehlo=b"250_mx.ferry.example\r\n250_STARTTLS\r\n250 8BITMIME\r\n"), "ehlo-malformed", report=("", NOT_SUPPORTED))
fault("ehlo-never-last", "the last line says 250- too", static(
    ehlo=b"250-mx.ferry.example\r\n250-STARTTLS\r\n250-8BITMIME\r\n"), ("ehlo-malformed", "ehlo-timeout", "ehlo-*"),
    report=("", NOT_SUPPORTED, FAILURE), stalls=True)
fault("ehlo-endless", "thousands of keywords", static(
    ehlo=b"250-mx.ferry.example\r\n" + b"".join(b"250-XKEY%d\r\n" % i for i in range(60000)) + b"250 STARTTLS\r\n"),
    "ehlo-malformed", report=("", NOT_SUPPORTED))
fault("ehlo-binary", "an EHLO reply of rubbish", static(
    ehlo=bytes(range(128, 256)) + b"\r\n"), "ehlo-malformed", report=("", NOT_SUPPORTED))
fault("ehlo-bare-lf", "the EHLO reply ends its lines in bare LF", but(
    ehlo=offer(*KEYWORDS).replace(b"\r\n", b"\n")),
    "ehlo-bare-lf", report=("", NOT_SUPPORTED))
fault("ehlo-one-bare-lf", "one line of the EHLO reply ends in a bare LF", but(
    ehlo=offer(*KEYWORDS).replace(b"SIZE 52428800\r\n", b"SIZE 52428800\n")),
    "ehlo-bare-lf", report=("", NOT_SUPPORTED))

MASKS = (b"XXXXXXXA", b"XXXXXXXX", b"********", b"XXXXXXXB")
for i, mask in enumerate(MASKS):
    fault("starttls-masked-%d" % (i + 1), "STARTTLS overwritten as %s" % mask.decode(), static(
        ehlo=offer(b"SIZE 10485760", mask, b"ENHANCEDSTATUSCODES")), "starttls-masked", "network", NOT_SUPPORTED)
fault("starttls-masked-fixup", "a PIX that stars the banner out and masks every keyword", static(
    greeting=b"220 ****************************0******0***\r\n",
    ehlo=offer(b"XXXXXXXXXX", b"XXXX 10485760", b"XXXXXXXA"), starttls=reply(500, b"5.5.1 Unrecognized: \"XXXXXXXX\"")),
    "starttls-masked", "network", NOT_SUPPORTED)
for word, keywords in (
        ("bare", ()), ("plain", (b"PIPELINING", b"SIZE 1000000", b"8BITMIME")),
        ("auth-parameter", (b"AUTH PLAIN LOGIN STARTTLS", b"8BITMIME")), ("misspelt", (b"START-TLS", b"SIZE 100")),
        ("tls-keyword", (b"TLS", b"HELP")), ("help-text", (b"HELP See also STARTTLS", b"SIZE 100"))):
    fault("starttls-absent-" + word, "keywords: %s" % b", ".join(keywords).decode(), static(
        ehlo=offer(*keywords), starttls=reply(502, b"5.5.1 Not implemented"),
        other=reply(214, b"2.0.0 HELO EHLO STARTTLS RCPT DATA", b"2.0.0 End of HELP info")),
        "starttls-not-offered", report=NOT_SUPPORTED)
fault("starttls-absent-in-banner", "STARTTLS stands only in the banner", static(
    greeting=b"220 mx.ferry.example ESMTP STARTTLS ready\r\n", ehlo=offer(b"PIPELINING", b"8BITMIME")),
    "starttls-not-offered", report=NOT_SUPPORTED)

fault("ehlo-421-behind-greeting", "220 and 421 in one segment, then closed", static(greeting=says_then(
    smtp.GREETING + b"421 4.4.5 Too many connections from your address\r\n", closes)),
    ("session-rejected", "ehlo-rejected", "greeting-rejected", "ehlo-closed", "ehlo-*"), report=(NOT_SUPPORTED, ""))
fault("greeting-four-digits", "a greeting code of four digits", static(greeting=b"2200 mx.ferry.example\r\n",
      ehlo=holds), "greeting-malformed", stalls=True)
fault("starttls-absent-after-helo-hint", "the greeting says ESMTP, EHLO gets one bare line", static(
    ehlo=b"250 mx.ferry.example\r\n"), "starttls-not-offered", report=NOT_SUPPORTED)

# STARTTLS

for code, text, slug in (
        (454, b"4.7.0 TLS not available due to local problem", "starttls-refused-temporarily"),
        (451, b"4.3.0 Internal error", "starttls-refused-temporarily"),
        (500, b"5.5.1 Command unrecognized", "starttls-refused"),
        (501, b"5.5.4 Syntax error (no parameters allowed)", "starttls-refused"),
        (502, b"5.5.1 TLS not available", "starttls-refused"),
        (503, b"5.5.1 Bad sequence of commands", "starttls-refused"),
        (530, b"5.7.0 Must authenticate first", "starttls-refused"),
        (550, b"5.7.1 TLS denied for your network", "starttls-refused"),
        (554, b"5.7.3 Unable to initialize security subsystem", "starttls-refused")):
    fault("starttls-%d" % code, "STARTTLS offered, then %d" % code, static(starttls=reply(code, text)), slug,
          report=NOT_SUPPORTED)
fault("starttls-454-many-lines", "454 over two lines", static(
    starttls=reply(454, b"4.3.0 TLS currently", b"4.3.0 unavailable")), "starttls-refused-temporarily",
    report=NOT_SUPPORTED)
fault("starttls-421", "421 to STARTTLS, then closed", static(starttls=says_then(
    b"421 4.7.0 Service not available\r\n", closes)),
    ("starttls-refused-temporarily", "starttls-closed", "starttls-refused"), report=(NOT_SUPPORTED, FAILURE))
fault("starttls-closed", "closed in place of a reply", static(starttls=closes), "starttls-closed", report=FAILURE)
fault("starttls-reset", "RST in place of a reply", static(starttls=resets), ("starttls-closed", "starttls-reset"),
      ("server", "network"), report=FAILURE)
fault("starttls-closed-after-220", "closed right after 220", static(starttls=says_then(smtp.READY, closes)),
      ("starttls-closed", "handshake-closed"), report=FAILURE)
fault("starttls-reset-after-220", "RST right after 220", static(starttls=says_then(smtp.READY, resets)),
      ("starttls-closed", "starttls-reset", "handshake-reset", "handshake-closed"), ("server", "network"), report=FAILURE)
fault("starttls-no-reply", "no answer to STARTTLS", static(starttls=holds), ("starttls-timeout", "starttls-*"),
      ("server", "network"), report=FAILURE, stalls=True)
fault("starttls-rubbish-reply", "STARTTLS is answered with rubbish", static(starttls=says_then(
    b"OK go ahead\r\n", holds)), ("starttls-malformed", "starttls-*"), report=(FAILURE, NOT_SUPPORTED), stalls=True)


def inject(data, pause_s=None):
    """220, then plaintext (in the same segment or later), then a real TLS server."""

    def build(world):
        def ready(peer):
            if pause_s is None:
                peer.send(smtp.READY + data)
            else:
                peer.send(smtp.READY)
                time.sleep(pause_s)
                peer.send(data)

        return native.tls(world, world.good(), talk={"starttls": ready})

    return build


fault("starttls-injected-250", "220 and an EHLO reply in one segment, then TLS", inject(
    offer(b"AUTH PLAIN")), "starttls-injected", "network", FAILURE)
fault("starttls-injected-second-220", "220 twice in one segment, then TLS", inject(
    b"220 Go ahead, really\r\n"), "starttls-injected", ("network", "server"), FAILURE)
fault("starttls-injected-one-byte", "220 and one stray byte, then TLS", inject(b"\n"), "starttls-injected",
      ("network", "server"), FAILURE)
fault("starttls-injected-later", "plaintext in a segment of its own before ServerHello", inject(
    b"250 2.1.0 OK\r\n", 0.05), ("starttls-injected", "starttls-not-tls"), ("network", "server"), FAILURE)


def plaintext_answer(data, then):
    """After 220 the first thing that comes is answered in plaintext."""

    def build(world):
        def serve(peer):
            smtp.converse(peer)
            peer.take(65536)
            peer.send(data)
            then(peer)

        return serve

    return build


fault("starttls-not-tls-500", "after 220 the ClientHello is taken for a command", plaintext_answer(
    b"500 5.5.1 Command unrecognized: \"\\026\\003\\001\"\r\n", holds), "starttls-not-tls", report=FAILURE)
fault("starttls-not-tls-many", "after 220 many 500s, then closed", plaintext_answer(
    b"500 5.5.2 Error: bad syntax\r\n" * 5 + b"421 4.7.0 Error: too many errors\r\n", closes), "starttls-not-tls",
    report=FAILURE)
fault("starttls-not-tls-454", "after 220 it finds out that it has no certificate", plaintext_answer(
    b"454 4.3.0 TLS not available: missing certificate\r\n", holds), "starttls-not-tls", report=FAILURE)
