#!/usr/bin/python3
"""What `postern publish` prints, pasted into a signed zone and looked at in each state: right, missing, stale, about to
break, MX elsewhere, unsigned.

usage: publish_test.py POSTERN nsd|knot [TEST...]

Exit status 77: the name server cannot be had here.
"""

import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "peers"))
try:
    import cryptography  # noqa: F401
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

from faults import pki  # noqa: E402
from peer import Absent, free_ports, write  # noqa: E402
from zones import SOA, Zones  # noqa: E402

POSTERN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "postern"
SERVER = sys.argv.pop(1) if len(sys.argv) > 1 else "nsd"
WIDTH = 80

ENFORCE = 'sts = enforce reports_to = "mailto:tlsrpt@example.org"'


def everything(lines):
    return lines


def nothing(_lines):
    return []


def only(*words):
    return lambda lines: [line for line in lines if any(word in line for word in words)]


def one_key(lines):
    """Without the last TLSA record, which is the next key's."""
    tlsa = [line for line in lines if " TLSA " in line]
    return [line for line in lines if line != tlsa[-1]]


def record_of(host, usage, selector, matching, data):
    return "_25._tcp.%s. 3600 IN TLSA %d %d %d %s\n" % (host, usage, selector, matching, data)


STRANGER = "ab" * 32


class Domain:
    """A domain of ours: what the settings say of it, whether they say the next key ("next", "kept"), which of the lines that
    are printed go live, and what else; its MX hosts; whose certificate we have; a policy in place of the one that is printed; whether reports are signed and read here."""

    def __init__(self, settings=ENFORCE, next_key="next", live=everything, besides="", mx=("mx",), zone="secure.example",
                 identity="trusted", policy=None, dkim=False):
        self.settings, self.next_key, self.live, self.besides = settings, next_key, live, besides
        self.mx, self.zone, self.identity, self.policy = mx, zone, identity, policy
        self.dkim = dkim


DOMAINS = {
    "right": Domain(),
    "alias": Domain(live=only("_mta-sts", "_smtp._tls"),
                    besides="_25._tcp.mx.alias.secure.example. 60 IN CNAME dane.alias.secure.example.\n"
                            "dane.alias.secure.example. 3600 IN TLSA 3 1 1 %s\n" % STRANGER),
    "missing": Domain(live=nothing),
    "stale": Domain(live=only("_mta-sts"),
                    besides=record_of("mx.stale.secure.example", 3, 1, 1, STRANGER) +
                    '_smtp._tls.stale.secure.example. 60 IN TXT "v=TLSRPTv1; rua=mailto:old@example.org"\n',
                    policy="version: STSv1\nmode: testing\nmx: old.example.org\nmax_age: 86400\n"),
    "renewal": Domain(live=one_key),
    "kept": Domain(next_key="kept"),
    "unknown": Domain(next_key=None),
    "leftover": Domain(besides=record_of("mx.leftover.secure.example", 3, 1, 1, STRANGER)),
    "unusable": Domain(live=only("_mta-sts", "_smtp._tls"),
                       besides=record_of("mx.unusable.secure.example", 1, 1, 1, STRANGER)),
    "elsewhere": Domain(settings="", live=nothing, mx=("mx.good.secure.example.",)),
    "unlisted": Domain(mx=("mx", "backup")),
    "listed": Domain(settings=ENFORCE + ' sts_mx = { "*.listed.secure.example" }', mx=("mx", "backup")),
    "selfsigned": Domain(identity="selfsigned"),
    "private": Domain(settings="", identity="selfsigned"),
    "testing": Domain(settings="sts = testing", identity="selfsigned"),
    "unexpected": Domain(settings="", besides='_mta-sts.unexpected.secure.example. 60 IN TXT "v=STSv1; id=1"\n',
                         policy="version: STSv1\nmode: testing\nmx: mx.unexpected.secure.example\nmax_age: 86400\n"),
    "id": Domain(live=only("TLSA", "_smtp._tls"),
                 besides='_mta-sts.id.secure.example. 60 IN TXT "v=STSv1; id=postern0123456789abcdef"\n'),
    "unsigned": Domain(zone="insecure.example"),
    "bare": Domain(zone="insecure.example", live=only("_mta-sts", "_smtp._tls")),
    "outside": Domain(zone="insecure.example", mx=("mx.outside.secure.example.",)),
    "twice": Domain(besides='_mta-sts.twice.secure.example. 3600 IN TXT "v=STSv1; id=2"\n'
                            '_smtp._tls.twice.secure.example. 3600 IN TXT "v=TLSRPTv1; rua=tlsrpt@example.org"\n'),
    "dated": Domain(live=only("TLSA"), besides='_mta-sts.dated.secure.example. 60 IN TXT "v=STSv1;id=20261121T0405"\n'
                    '_smtp._tls.dated.secure.example. 60 IN TXT "v=TLSRPTv1 ; rua=mailto:tlsrpt@example.org;"\n'),
    "unserved": Domain(policy="NONE"),
    "damaged": Domain(policy="version: STSv1\nmode: enforced\nmx: mx.damaged.secure.example\nmax_age: 86400\n"),
    "passedover": Domain(policy="version: STSv1\nmode: enforce\nmx: old.example.org\nmax_age: 604800\n"),
    "untrusted": Domain(),
    "signing": Domain(settings='sts = off', live=everything, dkim=True),
    "unsigning": Domain(settings='sts = off', live=only("TLSA", "_smtp._tls"), dkim=True),
    "resigned": Domain(settings='sts = off', live=only("TLSA", "_smtp._tls"), dkim=True,
                       besides='s1._domainkey.resigned.secure.example. 60 IN TXT "v=DKIM1; k=rsa; p=MIGfMA0"\n'),
    "bogus": Domain(zone="bogus.example"),
    "null": Domain(settings="", live=nothing, mx=(".",)),
}


def full_name(name):
    return "%s.%s" % (name, DOMAINS[name].zone)


def host_of(name):
    return "mx.outside.secure.example" if name == "outside" else "mx.%s" % full_name(name)


class OurZones(Zones):
    """The zones of all domains, signed but for insecure.example; bogus.example has the DS of another key."""

    def __init__(self, server, texts):
        self.texts = texts
        super().__init__(server)

    def make(self):
        self.child_zone("secure.example.", SOA + "mx.good 60 IN A 127.0.0.1\n" + self.texts["secure.example"])
        self.zones["insecure.example."] = write(
            self.folder, "insecure.zone", "$ORIGIN insecure.example.\n$TTL 60\n" + SOA + self.texts["insecure.example"])
        self.sign("bogus.example.", SOA + self.texts["bogus.example"], self.key("bogus.example."))
        self.delegations.append(self.ds(self.key("bogus.example.")))
        key = self.key(".")
        cuts = "".join("%s 60 IN NS ns.example.\n" % name for name in self.zones)
        self.sign(".", SOA + cuts + "ns.example. 60 IN A 127.0.0.1\n" + "\n".join(self.delegations) + "\n", key)
        self.trust_anchor = os.path.join(self.folder, key + ".ds")
        write(self.folder, key + ".ds", self.ds(key) + "\n")

    def knot_conf(self):
        os.makedirs(os.path.join(self.folder, "db"), exist_ok=True)
        return super().knot_conf()


class PolicyHost:
    """A web server with the policy of each domain."""

    def __init__(self, identity, folder):
        self.policies = {}
        policies = self.policies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].partition(":")[0]
                text = policies.get(host.removeprefix("mta-sts.")) if self.path == "/.well-known/mta-sts.txt" else None
                text = None if text == "NONE" else text
                body = (text or "").encode()
                self.send_response(200 if text else 404)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(write(folder, "web.pem", identity.pem.decode()),
                                write(folder, "web.key", identity.key_pem.decode()))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def postern(*arguments, **options):
    return subprocess.run([POSTERN, *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)


class World:
    """Certificates, settings, zones and the web server, made once."""

    def __init__(self):
        self.room = tempfile.TemporaryDirectory(prefix="postern-publish-")
        self.folder = self.room.name
        self.root = pki.issue(None, "Our Root", (), ca=True, start=-400, end=400)
        self.root_file = write(self.folder, "root.pem", self.root.pem.decode())
        web = pki.issue(self.root, "web", ["mta-sts.%s" % full_name(name) for name in DOMAINS if name != "untrusted"])
        self.web = PolicyHost(web, self.folder)
        self.address = "127.%d.%d.%d" % (64 + os.urandom(1)[0] % 64, os.urandom(1)[0], 1 + os.urandom(1)[0] % 250)
        self.resolver, self.trust_anchor = "127.0.0.1:9", self.root_file
        for name in DOMAINS:
            self.make_files(name)
        self.texts = {"secure.example": "", "insecure.example": "", "bogus.example": ""}
        for name in DOMAINS:
            self.make_zone(name)
        # Where a host of insecure.example is in secure.example.
        self.zones = OurZones(SERVER, self.texts)
        self.resolver, self.trust_anchor = "127.0.0.1:%d" % self.zones.port, self.zones.trust_anchor
        for name in DOMAINS:
            self.write_settings(name)

    def path(self, name, kind):
        return os.path.join(self.folder, "%s.%s" % (name, kind))

    def make_files(self, name):
        domain = DOMAINS[name]
        issuer = None if domain.identity == "selfsigned" else self.root
        identity = pki.issue(issuer, host_of(name), (host_of(name),))
        write(self.folder, name + ".pem", identity.pem.decode())
        write(self.folder, name + ".key", identity.key_pem.decode())
        write(self.folder, name + ".dkim", pki.issue(None, "", (), key=pki.shared_key("rsa2048")).key_pem.decode())
        following = pki.issue(issuer, host_of(name), (host_of(name),))
        write(self.folder, name + ".next.pem", following.pem.decode())
        write(self.folder, name + ".next.key", following.key_pem.decode())
        self.write_settings(name)

    def write_settings(self, name, **changes):
        domain = DOMAINS[name]
        key = {"next": self.path(name, "next.key"), "kept": self.path(name, "key"), None: None}[domain.next_key]
        text = """
hostname = "%s"
listener "127.0.0.1:2525" { certificate = "%s" key = "%s" %s }
domain "%s" { deliver = "maildir:/var/mail/{user}" %s }
trust { ca_file = "%s" }
client { sts_port = %d private_addresses = yes }
dns { resolver = "%s" trust_anchor = "%s" }
%s
""" % (host_of(name), changes.get("certificate", self.path(name, "pem")), self.path(name, "key"),
            'next_key = "%s"' % key if key else "", full_name(name), domain.settings, self.root_file, self.web.port,
            changes.get("resolver", self.resolver), self.trust_anchor, self.reports(name))
        return write(self.folder, name + ".conf", text)

    def reports(self, name):
        if not DOMAINS[name].dkim:
            return ""
        return 'reports { from = "tls@%s" dkim_key = "%s" dkim_selector = s1 read = "read@%s" }' % (
            full_name(name), self.path(name, "dkim"), full_name(name))

    def make_zone(self, name):
        """What is called for, as it is printed, goes into the zone."""
        domain = DOMAINS[name]
        answer = self.ask(name, "--offline")
        lines = domain.live(answer["zone"])
        text = "".join("%s 60 IN MX 10 %s\n" % (full_name(name) + ".",
                                               host if host.endswith(".") else "%s.%s." % (host, full_name(name)))
                       for host in domain.mx)
        addresses = [host_of(name), "mta-sts." + full_name(name)]
        if "backup" in domain.mx:
            addresses.append("backup." + full_name(name))
        where = {host_of("right"): self.address}
        for line in [text] + ["%s. 60 IN A %s\n" % (address, where.get(address, "127.0.0.1")) for address in addresses] + \
                lines + [domain.besides]:
            owner = line.split(" ", 1)[0].rstrip(".")
            zone = next((zone for zone in self.texts if owner.endswith("." + zone)), domain.zone)
            self.texts[zone] += line
        if answer["sts"] or domain.policy:
            self.web.policies[full_name(name)] = domain.policy or answer["sts"]["policy"]

    def run(self, name, *arguments):
        return postern("publish", "-c", self.path(name, "conf"), *arguments, full_name(name))

    def ask(self, name, *arguments):
        ran = self.run(name, "--json", *arguments)
        if not ran.stdout:
            raise AssertionError("%s: %s" % (name, ran.stderr))
        return json.loads(ran.stdout)

    def stop(self):
        self.zones.stop()
        self.web.stop()
        self.room.cleanup()


WORLD = None


def setUpModule():
    global WORLD
    WORLD = World()


def tearDownModule():
    WORLD.stop()


class Findings(unittest.TestCase):
    """Each state of a zone has its findings, and no others."""

    def expect(self, name, *codes, status=0):
        ran = WORLD.run(name, "--json")
        answer = json.loads(ran.stdout)
        self.assertEqual([finding["code"] for finding in answer["findings"]], list(codes), ran.stdout)
        self.assertEqual(ran.returncode, status, ran.stderr)
        for finding in answer["findings"]:
            self.assertTrue(finding["evidence"])
        return answer

    def test_all_that_is_called_for_is_live(self):
        answer = self.expect("right")
        self.assertEqual(answer["dnssec"], "secure")
        host = answer["hosts"][0]
        self.assertEqual([record["live"] for record in host["tlsa"]], ["yes", "yes"])
        self.assertEqual([record["key"] for record in host["tlsa"]], ["present", "next"])
        self.assertEqual(sorted(record["use"] for record in host["tlsa_live"]), ["next", "present"])
        self.assertEqual((answer["sts"]["record_live"], answer["sts"]["policy_live"], answer["reports"]["live"]),
                         ("yes", "yes", "yes"))

    def test_nothing_is_live(self):
        answer = self.expect("missing", "publish-tlsa-missing", "publish-sts-missing", "publish-reports-missing")
        self.assertEqual([record["live"] for record in answer["hosts"][0]["tlsa"]], ["no", "no"])

    def test_what_is_live_is_of_yesterday(self):
        answer = self.expect("stale", "publish-tlsa-stale", "publish-sts-policy-stale", "publish-reports-stale", status=1)
        self.assertEqual([record["use"] for record in answer["hosts"][0]["tlsa_live"]], ["stale"])
        self.assertEqual(answer["sts"]["policy_live"], "other")

    def test_records_behind_an_alias_go_where_it_leads(self):
        answer = self.expect("alias", "publish-tlsa-stale", status=1)
        self.assertTrue(answer["zone"][0].startswith("dane.alias.secure.example. "), answer["zone"])

    def test_the_next_renewal_would_break(self):
        answer = self.expect("renewal", "publish-tlsa-breaks-at-renewal")
        following = [record["record"] for record in answer["hosts"][0]["tlsa"] if record["key"] == "next"][0]
        self.assertIn(following, answer["findings"][0]["remedy"])

    def test_a_key_that_is_kept_has_one_record(self):
        answer = self.expect("kept")
        self.assertEqual(len(answer["hosts"][0]["tlsa"]), 1)

    def test_a_next_key_that_nobody_named(self):
        self.expect("unknown", "publish-next-key-unknown")

    def test_a_record_is_left_over(self):
        self.expect("leftover", "publish-tlsa-leftover")

    def test_a_record_of_a_usage_that_does_not_count(self):
        self.expect("unusable", "publish-tlsa-missing")

    def test_mx_leads_elsewhere(self):
        answer = self.expect("elsewhere", "publish-mx-elsewhere")
        self.assertEqual([(host["host"], host["mail_host"], host["ours"]) for host in answer["hosts"]],
                         [("mx.good.secure.example", True, False), ("mx.elsewhere.secure.example", False, True)])

    def test_an_mx_host_that_the_policy_does_not_list(self):
        self.expect("unlisted", "publish-sts-mx-unlisted", status=1)
        self.expect("listed")

    def test_our_certificate_is_judged_as_that_of_a_peer(self):
        answer = self.expect("selfsigned", "publish-sts-certificate", status=1)
        self.assertIn("certificate-self-signed", answer["findings"][0]["evidence"][0])
        self.expect("testing", "publish-sts-certificate")
        self.expect("private")

    def test_a_policy_that_the_settings_do_not_know(self):
        self.expect("unexpected", "publish-sts-unexpected")

    def test_the_same_in_other_words_is_as_good(self):
        answer = self.expect("dated")
        self.assertEqual((answer["sts"]["record_live"], answer["reports"]["live"]), ("yes", "yes"))

    def test_an_id_that_is_of_another_policy(self):
        self.expect("id", "publish-sts-id-stale")

    def test_what_others_cannot_read_or_fetch(self):
        answer = self.expect("twice", "sts-record-invalid", "tlsrpt-record-invalid", status=1)
        self.assertEqual((answer["sts"]["record_live"], answer["reports"]["live"]), ("other", "other"))
        answer = self.expect("unserved", "sts-fetch-failed", status=1)
        self.assertEqual((answer["sts"]["record_live"], answer["sts"]["policy_live"]), ("yes", "unknown"))
        self.expect("damaged", "sts-policy-invalid", status=1)
        answer = self.expect("untrusted", "sts-certificate-invalid", status=1)
        self.assertIn("mta-sts.untrusted.secure.example", answer["findings"][0]["cause"])

    def test_a_live_policy_without_our_host_keeps_mail_away_now(self):
        self.expect("passedover", "publish-sts-policy-stale", status=1)

    def test_the_key_that_signs_our_reports(self):
        answer = self.expect("signing")
        self.assertEqual((answer["dkim"]["name"], answer["dkim"]["live"]),
                         ("s1._domainkey.signing.secure.example", "yes"))
        self.expect("unsigning", "publish-dkim-missing")
        self.expect("resigned", "publish-dkim-stale")

    def test_reports_go_to_the_mailbox_that_is_read(self):
        self.assertEqual(WORLD.ask("signing", "--offline")["reports"]["record"],
                         "v=TLSRPTv1; rua=mailto:read@signing.secure.example")

    def test_in_an_unsigned_zone_tlsa_is_useless(self):
        answer = self.expect("unsigned", "publish-zone-unsigned")
        self.assertEqual(answer["findings"][0]["severity"], "warning")
        self.assertEqual(answer["hosts"][0]["dnssec"], "insecure")
        answer = self.expect("bare", "publish-zone-unsigned")
        self.assertEqual(answer["findings"][0]["severity"], "notice")

    def test_a_signed_host_behind_unsigned_mx_records(self):
        answer = self.expect("outside", "publish-zone-unsigned")
        self.assertIn("The zone of outside.insecure.example is not signed", answer["findings"][0]["cause"])

    def test_a_zone_that_does_not_validate(self):
        answer = json.loads(WORLD.run("bogus", "--json").stdout)
        self.assertEqual(answer["findings"][0]["code"], "dns-bogus")

    def test_a_domain_that_takes_no_mail(self):
        answer = json.loads(WORLD.run("null", "--json").stdout)
        self.assertEqual(answer["findings"][0]["code"], "dns-null-mx")


class Pages(unittest.TestCase):
    """What people read, paste and serve."""

    def test_every_line_fits_a_terminal(self):
        for name in DOMAINS:
            ran = WORLD.run(name)
            for line in ran.stdout.splitlines():
                self.assertLessEqual(len(line), WIDTH, ran.stdout)
            self.assertNotIn("\033", ran.stdout)

    def test_the_help_fits_a_terminal(self):
        for line in postern("publish", "--help").stdout.splitlines():
            self.assertLessEqual(len(line), WIDTH)

    def test_the_zone_lines_are_what_the_json_has(self):
        for name in ("right", "stale", "unsigned"):
            page = WORLD.run(name).stdout
            for line in WORLD.ask(name)["zone"]:
                self.assertIn("\n" + line, page)

    def test_the_first_record_is_of_the_key_in_the_file(self):
        with open(WORLD.path("right", "pem"), "rb") as file:
            from cryptography import x509
            from cryptography.hazmat.primitives import serialization
            key = x509.load_pem_x509_certificate(file.read()).public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.assertEqual(WORLD.ask("right")["hosts"][0]["tlsa"][0]["record"],
                         "3 1 1 " + hashlib.sha256(key).hexdigest())

    def test_a_key_of_which_only_the_public_half_can_be_read_will_do(self):
        before = WORLD.ask("right", "--offline")["zone"]
        private = text_of(WORLD.path("right", "next.key"))
        write(WORLD.folder, "right.next.key", text_of(WORLD.path("right", "next.pem")))
        try:
            self.assertEqual(WORLD.ask("right", "--offline")["zone"], before)
        finally:
            write(WORLD.folder, "right.next.key", private)

    def test_the_policy_file_is_written_whole(self):
        path = os.path.join(WORLD.folder, "mta-sts.txt")
        ran = WORLD.run("right", "--offline", "--policy-file", path)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(text_of(path), WORLD.ask("right", "--offline")["sts"]["policy"])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        self.assertFalse(os.path.exists(path + ".new"))

    def test_nothing_is_looked_up_offline(self):
        WORLD.write_settings("right", resolver="127.0.0.1:%d" % free_ports(1)[0])
        try:
            ran = WORLD.run("right", "--offline")
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertIn("nothing was looked up", ran.stdout)
            answer = WORLD.ask("right", "--offline")
            self.assertEqual((answer["looked_up"], answer["hosts"][0]["tlsa"][0]["live"]), (False, None))
        finally:
            WORLD.write_settings("right")

    def test_a_resolver_that_is_silent_is_no_missing_record(self):
        WORLD.write_settings("right", resolver="127.0.0.1:%d" % free_ports(1)[0])
        try:
            ran = WORLD.run("right", "--json")
            self.assertEqual(ran.returncode, 3, ran.stdout)
            self.assertFalse([finding for finding in json.loads(ran.stdout)["findings"]
                              if finding["code"].startswith("publish-")])
        finally:
            WORLD.write_settings("right")


class Usage(unittest.TestCase):
    """What cannot be told, and what was asked wrongly."""

    def test_a_domain_of_somebody_else(self):
        ran = postern("publish", "-c", WORLD.path("right", "conf"), "example.com")
        self.assertEqual(ran.returncode, 2)
        self.assertIn('domain "example.com"', ran.stderr)

    def test_a_policy_file_for_two_domains(self):
        ran = postern("publish", "-c", WORLD.path("right", "conf"), "--policy-file", "/nowhere/x", "a.example", "b.example")
        self.assertEqual(ran.returncode, 2)

    def test_a_policy_file_where_there_is_no_policy(self):
        ran = WORLD.run("private", "--offline", "--policy-file", os.path.join(WORLD.folder, "none.txt"))
        self.assertEqual(ran.returncode, 2)
        self.assertIn("sts = off", ran.stderr)

    def test_a_policy_file_that_cannot_be_written(self):
        ran = WORLD.run("right", "--offline", "--policy-file", "/nowhere/at/all/x")
        self.assertEqual(ran.returncode, 3)
        self.assertIn("/nowhere/at/all/x", ran.stderr)

    def test_a_certificate_that_cannot_be_read(self):
        WORLD.write_settings("right", certificate=os.path.join(WORLD.folder, "absent.pem"))
        try:
            ran = WORLD.run("right", "--offline")
            self.assertEqual(ran.returncode, 3)
            self.assertIn("absent.pem", ran.stderr)
        finally:
            WORLD.write_settings("right")

    def test_several_domains_end_with_the_worst(self):
        text = text_of(WORLD.path("right", "conf"))
        for name in ("stale", "private"):
            text += 'domain "%s" { deliver = "maildir:/var/mail/{user}" }\n' % full_name(name)
        write(WORLD.folder, "several.conf", text)
        names = [full_name(name) for name in ("right", "stale", "private")]
        ran = postern("publish", "-c", WORLD.path("several", "conf"), "--json", *names)
        answers = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual([answer["domain"] for answer in answers], names)
        # The host of the second and third is not that of these settings.
        self.assertEqual([answer["findings"][0]["code"] if answer["findings"] else None for answer in answers],
                         [None, "publish-mx-elsewhere", "publish-mx-elsewhere"])
        self.assertEqual(ran.returncode, 0)
        ran = postern("publish", "-c", WORLD.path("several", "conf"), *names, "example.com")
        self.assertEqual(ran.returncode, 2)

    def test_no_domain_and_settings_that_are_not_there(self):
        self.assertEqual(postern("publish").returncode, 2)
        self.assertEqual(postern("publish", "-c", "/nowhere.conf", "example.org").returncode, 3)


class Rollover(unittest.TestCase):
    """A key is changed in the order that is printed, and DANE holds at every step."""

    def use(self, certificate, following):
        text = text_of(WORLD.path("right", "conf"))
        text = re.sub(r'certificate = "[^"]*"', 'certificate = "%s"' % certificate, text)
        text = re.sub(r'next_key = "[^"]*"', 'next_key = "%s"' % following, text)
        write(WORLD.folder, "rollover.conf", text)
        ran = postern("publish", "-c", WORLD.path("rollover", "conf"), "--json", full_name("right"))
        return json.loads(ran.stdout), ran.returncode

    def test_before_and_after_the_renewal(self):
        _, status = self.use(WORLD.path("right", "pem"), WORLD.path("right", "next.key"))
        self.assertEqual(status, 0)
        # Renewed, the key is kept for the time being: the record of the key before is left over.
        answer, status = self.use(WORLD.path("right", "next.pem"), WORLD.path("right", "next.pem"))
        self.assertEqual(status, 0)
        self.assertEqual([finding["code"] for finding in answer["findings"]], ["publish-tlsa-leftover"])
        # A third key is announced before it has a record.
        answer, status = self.use(WORLD.path("right", "next.pem"), WORLD.path("missing", "next.key"))
        self.assertEqual(status, 0)
        self.assertEqual([finding["code"] for finding in answer["findings"]],
                         ["publish-tlsa-breaks-at-renewal", "publish-tlsa-leftover"])
        # And used without: that is what stops mail.
        answer, status = self.use(WORLD.path("missing", "pem"), WORLD.path("missing", "next.key"))
        self.assertEqual(status, 1)
        self.assertIn("publish-tlsa-stale", [finding["code"] for finding in answer["findings"]])


def may_bind(address):
    with socket.socket() as probe:
        try:
            probe.bind((address, 25))
        except OSError as error:
            return str(error)
    return None


class AsOthersSee(unittest.TestCase):
    """A gateway with those files, on port 25 of an address that is ours alone, looked at as a sender does."""

    def serve(self, certificate, key):
        text = text_of(WORLD.path("right", "conf")).replace("127.0.0.1:2525", WORLD.address + ":25")
        text = re.sub(r'certificate = "[^"]*"', 'certificate = "%s"' % certificate, text)
        text = re.sub(r' key = "[^"]*"', ' key = "%s"' % key, text, count=1)
        text += 'state_dir = "%s"\n' % os.path.join(WORLD.folder, "state")
        child = subprocess.Popen([POSTERN, "serve", "-c", write(WORLD.folder, "serving.conf", text)],
                                 stderr=subprocess.PIPE, text=True)
        for line in child.stderr:
            if " started " in line:
                return child
        self.fail("postern serve ended: %s" % child.wait())

    def check(self):
        ran = postern("check", "--json", "--resolver", WORLD.resolver, "--trust-anchor", WORLD.trust_anchor, "--ca-file",
                      WORLD.root_file, "--sts-port", str(WORLD.web.port), "--private-addresses", "--timeout", "40", full_name("right"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return json.loads(ran.stdout)

    def look(self, certificate, key):
        child = self.serve(certificate, key)
        try:
            return self.check()
        finally:
            child.terminate()
            child.communicate()

    def test_dane_and_mta_sts_hold_before_and_after_the_renewal(self):
        why_not = may_bind(WORLD.address)
        if why_not:
            self.skipTest("port 25: " + why_not)
        matched = []
        for kind in ("", "next."):
            answer = self.look(WORLD.path("right", kind + "pem"), WORLD.path("right", kind + "key"))
            host = answer["hosts"][0]
            self.assertEqual((host["decisions"]["dane-only"], host["decisions"]["sts"]), ("deliver", "deliver"))
            self.assertEqual((answer["findings"], host["findings"]), ([], []))
            self.assertEqual(answer["mta_sts"]["state"], "enforce")
            self.assertEqual(answer["tls_reports"]["uris"], ["mailto:tlsrpt@example.org"])
            matched += [record["record"] for record in host["dane"]["records"] if record["state"] == "matched"]
        self.assertEqual(matched, [record["record"] for record in WORLD.ask("right")["hosts"][0]["tlsa"]])


if __name__ == "__main__":
    try:
        from zones import tool
        tool("ldns-signzone")
        tool("nsd" if SERVER == "nsd" else "knotd")
    except Absent as absent:
        print("skipped: %s" % absent)
        sys.exit(77)
    unittest.main()
