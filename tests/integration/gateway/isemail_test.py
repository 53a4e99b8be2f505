#!/usr/bin/python3
"""isemail_test.py - the 164 addresses of is_email, each as RCPT of a gateway that relays for us.

usage: isemail_test.py POSTERN

Those with CR, LF or NUL cannot be put on a line. No message is sent. Skips where the corpus is not there:
$POSTERN_CORPORA/isemail, or ../shared/corpora/isemail beside the repository.
"""
import collections
import os
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from gateway import Gateway, open_client, take_program

POSTERN = take_program()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
CORPORA = os.environ.get("POSTERN_CORPORA") or os.path.join(os.path.dirname(ROOT), "shared", "corpora")
CORPUS = os.path.join(CORPORA, "isemail", "isemail-tests.xml")

MAILBOXES = {"ISEMAIL_VALID_CATEGORY": 14, "ISEMAIL_DNSWARN": 8, "ISEMAIL_RFC5321": 13}  # and how many to take at least
SENDABLE, RIGHT_AT_LEAST, A_SESSION = 134, 101, 12


def addresses():
    """(address, category) of those that fit on a line."""
    for test in ElementTree.parse(CORPUS).getroot().findall("test"):
        address = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2421 else c for c in test.findtext("address") or "")
        if not set(address) & set("\r\n\0"):
            yield address, test.findtext("category")


class IsEmail(unittest.TestCase):
    def test_mailboxes_of_rfc_5321_are_taken_and_the_rest_is_not(self):
        rows = list(addresses())
        self.assertEqual(len(rows), SENDABLE)
        right, differs = collections.Counter(), []
        with Gateway(POSTERN, relay_from=("127.0.0.0/8",)) as gateway:
            for start in range(0, len(rows), A_SESSION):
                with open_client(gateway, "may") as client:
                    client.expect("MAIL FROM:<>", 250)
                    for address, category in rows[start:start + A_SESSION]:
                        answer = client.command(b"RCPT TO:<" + address.encode() + b">")
                        self.assertIn(answer.code // 100, (2, 5))
                        if (answer.code // 100 == 2) == (category in MAILBOXES):
                            right[category] += 1
                        else:
                            differs.append(f"{category} {address[:60]!r}: {answer}")
        print(f"right {right.total()} of {len(rows)}: {dict(right)}", *differs, sep="\n", file=sys.stderr)
        for category, least in MAILBOXES.items():
            self.assertGreaterEqual(right[category], least, category)
        self.assertGreaterEqual(right.total(), RIGHT_AT_LEAST)


if __name__ == "__main__":
    if not os.path.exists(CORPUS):
        print(f"skipped: no {CORPUS}")
        sys.exit(77)
    unittest.main()
