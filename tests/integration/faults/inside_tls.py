"""inside_tls.py - what goes wrong once TLS stands."""

import time

from . import native, smtp, wire
from .case import fault
from .native import TLS12
from .smtp import closes, holds, offer, reply, resets, says_then

AFTER = "after-tls-"


def then(act, **settings):
    """A good server until the handshake is over."""
    return lambda world: native.tls(world, world.good(), then=act, **settings)


def after(**parts):
    return lambda peer: smtp.after_tls(peer, **parts)


for word, answer in (("550", reply(550, b"5.7.1 Go away")), ("503", reply(503, b"5.5.1 Bad sequence of commands")),
                     ("454", reply(454, b"4.7.0 TLS required"))):
    fault("inside-ehlo-" + word, "EHLO inside TLS gets " + word, then(after(ehlo=answer)), AFTER + "ehlo-rejected")
fault("inside-ehlo-421", "EHLO inside TLS gets 421 and a close", then(after(ehlo=says_then(
    b"421 4.7.0 Too many TLS sessions\r\n", lambda peer: smtp.end_tls(peer)))), AFTER + "ehlo-rejected")
fault("inside-ehlo-421-tls12", "421 and a close, TLS 1.2", then(after(ehlo=says_then(
    b"421 4.7.0 Too many TLS sessions\r\n", lambda peer: smtp.end_tls(peer))), high=TLS12), AFTER + "ehlo-rejected")
fault("inside-second-greeting", "a second 220 greeting inside TLS", then(after(greeting=smtp.GREETING)),
      AFTER + "second-greeting")
fault("inside-second-greeting-many-lines", "a second greeting of two lines, TLS 1.2", then(after(
    greeting=b"220-mx.ferry.example\r\n220 ESMTP (TLS)\r\n"), high=TLS12), AFTER + "second-greeting")
fault("inside-closed-at-once", "close_notify and FIN right after the handshake", then(smtp.end_tls), AFTER + "closed")
fault("inside-closed-at-once-tls12", "FIN right after the handshake, TLS 1.2", then(closes, high=TLS12),
      AFTER + "closed")
fault("inside-reset", "RST right after EHLO", then(after(ehlo=resets)), (AFTER + "closed", AFTER + "reset"),
      ("server", "network"))
fault("inside-closed-at-ehlo", "close_notify at EHLO", then(after(ehlo=smtp.end_tls)), AFTER + "closed")
fault("inside-closed-at-ehlo-tls12", "FIN at EHLO, TLS 1.2", then(after(ehlo=closes), high=TLS12), AFTER + "closed")
fault("inside-alert", "internal_error inside TLS at EHLO, in the clear", then(after(ehlo=lambda peer: (
    peer.socket.sendall(wire.alert("internal_error")), peer.close()))), (AFTER + "closed", AFTER + "*", "handshake-*"),
    report=("", "validation-failure"))
fault("inside-plaintext", "the reply to EHLO comes in the clear", then(after(ehlo=lambda peer: (
    peer.socket.sendall(b"250 mx.ferry.example\r\n"), peer.hold()))), (AFTER + "plaintext", AFTER + "*"),
    ("server", "network"), ("", "validation-failure"))
fault("inside-silence", "no reply to EHLO inside TLS", then(after(ehlo=holds)), (AFTER + "timeout", AFTER + "*"),
      ("server", "network"), stalls=True)
fault("inside-rubbish", "a reply to EHLO that is none", then(after(ehlo=b"hello there\r\n")),
      (AFTER + "malformed", AFTER + "ehlo-rejected", "ehlo-malformed", AFTER + "*"))


def leaves(act):
    """QUIT is answered; then no close_notify."""
    return after(quit_=act)


for word, act, settings in (("fin", closes, {}), ("fin-tls12", closes, {"high": TLS12}), ("reset", resets, {})):
    fault("close-notify-missing-" + word, "221 and then no close_notify", then(leaves(act), **settings),
          "close-notify-missing")
