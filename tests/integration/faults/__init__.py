"""Broken and sound SMTP servers, made apart from Postern's own lab, to judge `postern check`."""

from . import before_tls, handshake, certificates, inside_tls, sound  # noqa: F401 (they fill CASES)
from .case import CASES, FAULT, HEALTHY, WORKS, Case, can_run
from .peer import HOST, Listener
from .pki import World

__all__ = ["CASES", "FAULT", "HEALTHY", "WORKS", "Case", "can_run", "HOST", "Listener", "World"]
