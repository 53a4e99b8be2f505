"""dane_zones.py - signed, unsigned and broken zones with TLSA records in every state, for one server and its keys.

All mail hosts are one server on loopback. It shows the certificate `now`, and at a second port the one that
comes `next`; records are at both ports.
"""

import hashlib

from faults.pki import issue

HOST = "mx.secure.example"  # what the certificates name, unless a case says otherwise


def digest(data, matching=1):
    return hashlib.new({1: "sha256", 2: "sha512"}[matching], data).hexdigest()


def key_record(identity):
    return "3 1 1 " + digest(identity.spki_der)


def authority_record(world):
    return "2 0 1 " + digest(world.intermediate.der)


class DaneZones:
    """What goes into the zones; `more` and `spoil` are for Zones."""

    def __init__(self, world, now, after, ports):
        self.world, self.ports = world, ports
        self.now, self.after = now, after
        self.other = issue(None, common_name="nobody.example", names=("nobody.example",))
        self.secure, self.insecure, self.expired, self.tampered = [], [], [], []
        self.spoilt = []
        self.fill()
        self.more = {"secure.example.": "\n".join(self.secure) + "\n",
                     "insecure.example.": "\n".join(self.insecure) + "\n",
                     "expired.example.": "\n".join(self.expired) + "\n",
                     "tampered.example.": "\n".join(self.tampered) + "\n"}
        self.spoil = {"secure.example.": self.spoilt[:1], "tampered.example.": self.spoilt[1:]}

    def tlsa(self, host, *records):
        return ["_%d._tcp.%s 60 IN TLSA %s" % (port, host, record) for port in self.ports for record in records]

    def tlsa_alias(self, host, target):
        return ["_%d._tcp.%s 60 IN CNAME %s" % (port, host, target) for port in self.ports]

    def domain(self, name, *records, alias=None):
        """A domain with a host of its own: "NAME MX 10 mx-NAME"."""
        self.secure += ["%s 60 IN MX 10 mx-%s" % (name, name), "mx-%s 60 IN A 127.0.0.1" % name]
        self.secure += self.tlsa("mx-" + name, *records)
        if alias:
            self.secure += self.tlsa_alias("mx-" + name, alias)

    def fill(self):
        fits, stale, authority = key_record(self.now), key_record(self.other), authority_record(self.world)
        self.domain("match", fits)
        self.domain("full", "3 0 0 " + self.now.der.hex(), )
        self.domain("sha512", "3 0 2 " + digest(self.now.der, 2))
        self.domain("issuer", authority)
        self.domain("mismatch", stale)
        self.domain("mixed", "1 1 1 " + digest(self.now.spki_der), "3 1 9 00ff", stale, fits)
        self.domain("rollover", fits, key_record(self.after))
        self.domain("renewed", fits)  # asked at the port of the next key
        self.domain("outdone", fits, "3 1 2 " + digest(self.other.spki_der, 2))
        self.domain("unusable", "1 1 1 " + digest(self.now.spki_der), "3 1 1 00ff", "3 7 1 " + digest(b""))
        self.domain("none")
        self.domain("dangling", alias="nowhere")
        self.domain("shared", alias="_dane")
        self.secure.append("_dane 60 IN TLSA " + fits)
        self.domain("toinsecure-tlsa", alias="_dane.insecure.example.")
        self.insecure.append("_dane 60 IN TLSA " + fits)
        self.domain("expired-tlsa", alias="_dane.expired.example.")
        self.expired.append("_dane 60 IN TLSA " + fits)
        self.domain("servfail-tlsa", alias="_dane.servfail.example.")
        spoilt = [digest(b"before"), digest(b"before, elsewhere")]
        self.domain("bogus-tlsa", "3 1 1 " + spoilt[0])
        self.domain("tampered-tlsa", alias="_dane.tampered.example.")
        self.tampered.append("_dane 60 IN TLSA 3 1 1 " + spoilt[1])
        self.spoilt = [(hexes, digest(self.now.spki_der)) for hexes in spoilt]
        # names below an authority: the host, the domain, neither
        self.domain("named", authority)
        self.domain("unnamed", authority)
        # without MX; by an MX that is not signed; hosts that are aliases
        self.secure += ["bare 60 IN A 127.0.0.1"] + self.tlsa("bare", fits)
        self.insecure += ["hosted 60 IN MX 10 mx-match.secure.example.", "hosted-stale 60 IN MX 10 mx-mismatch.secure.example.",
                          "hosted-issuer 60 IN MX 10 mx-hosted.secure.example."]
        self.secure += ["mx-hosted 60 IN A 127.0.0.1"] + self.tlsa("mx-hosted", authority)
        self.secure += ["to-end 60 IN MX 10 alias-end", "alias-end 60 IN CNAME mx-match"]
        self.secure += ["to-own 60 IN MX 10 alias-own", "alias-own 60 IN CNAME mx-none"] + self.tlsa("alias-own", fits)
        self.secure += ["to-out 60 IN MX 10 alias-out", "alias-out 60 IN CNAME mx.insecure.example."]
        self.secure += self.tlsa("alias-out", fits)
        self.secure += ["moved 60 IN CNAME issuer"]
        self.secure += ["to-tree 60 IN MX 10 mx.tree", "tree 60 IN DNAME wood", "mx.wood 60 IN A 127.0.0.1"]
        self.secure += self.tlsa("mx.wood", fits)
        # two hosts, the better one without a record that fits
        self.secure += ["two 60 IN MX 10 mx-mismatch", "two 60 IN MX 20 mx-match"]
