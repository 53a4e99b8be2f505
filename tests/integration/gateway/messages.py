"""messages.py - messages that have gone wrong in some mail server before, each whole and with CRLF."""

HEADER = (b"From: Sender <sender@outside.test>\r\nTo: Reader <reader@inside.test>\r\n"
          b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <awkward@outside.test>\r\nSubject: awkward\r\n")
UTF8_HEADER = HEADER.replace(b"awkward\r\n", "ungefähr, приблизительно, だいたい\r\n".encode())
END = b"The end\r\n"


def message(*lines, header=HEADER):
    return header + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + END


def every_octet():
    """Lines of every octet but NUL, CR and LF, in a few orders."""
    octets = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
    return message(octets, octets[::-1], b"%".join(octets[i:i + 16] for i in range(0, 250, 16)),
                   *[bytes([octet]) for octet in octets], header=HEADER + b"Content-Transfer-Encoding: 8bit\r\n")


def large(size):
    line = bytes(33 + number % 90 for number in range(76)) + b"\r\n"
    return HEADER + b"\r\n" + line * (size // len(line)) + b".\r\n..\r\n" + END


def many_headers(count):
    return HEADER + b"".join(b"X-Field-%d: value %d\r\n\tgoes on here\r\n" % (i,
                                                                              i) for i in range(count)) + b"\r\n" + END


DOTS = message(b".", b"..", b"...", b".a", b"..a", b"a.", b"", b".", b"", b". ", b" .", b".\t", b".", b".")
ONLY_DOTS = message(*[b"." * count for count in range(1, 90)], *[b"."] * 200)
LATIN1 = message("Übergrößenträger für 5 £".encode("latin-1"), b"\xa0" * 70, b".\xff", b"\xff.")
LONG_LINES = message(b"x" * 998, b"." * 998, b"." + b"y" * 997, b"." * 997, b"\xe9" * 998, b"z" * 998)
UTF8 = message("Grüße, приветы, ご挨拶, 🙂".encode(), header=UTF8_HEADER)
EMPTY_BODY = HEADER + b"\r\n"
HEADER_ALONE = HEADER
BLANK_LINES = message(*[b""] * 50, b"in between", *[b""] * 50)
FROM_LINES = message(b"From here on", b">From there", b"", b"From sender@outside.test Sat Nov 21 12:00:00 2026",
                     b"QUIT", b"RSET",
                     b"MAIL FROM:<a@b.test>", b"250 fine", b"BDAT 0 LAST", b"Return-Path: <x@y.test>", b"R", b"Q")
