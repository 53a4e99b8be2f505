#!/usr/bin/python3
"""The promises of `postern cert FILE` and of `check --save`: what is read, judged and written.

usage: certificate_files_test.py POSTERN
"""
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults import pki  # noqa: E402
from faults.peer import HOST  # noqa: E402

POSTERN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "postern"


def postern(*arguments, text=None):
    return subprocess.run([POSTERN, *arguments], capture_output=True, text=True, timeout=60, input=text or "",
                          check=False)


def revocation_list(issuer, *serials):
    now = datetime.datetime.utcnow()
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(now - datetime.timedelta(1)).next_update(now + datetime.timedelta(7))
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False)
    builder = builder.add_extension(x509.CRLNumber(1), False)
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class CertificateFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="postern-cert-")
        cls.world = pki.World(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def chain(self, *identities):
        return self.world.write("chain.pem", b"".join(identity.pem for identity in identities))

    def good_chain(self):
        return self.chain(self.world.good(), self.world.intermediate)

    def cert(self, *arguments, **more):
        return postern("cert", "--ca-file", self.world.root_file, *arguments, **more)

    def codes(self, *arguments):
        ran = self.cert("--json", *arguments)
        return [finding["code"] for finding in json.loads(ran.stdout)["findings"]], ran.returncode

    def test_a_good_chain_is_trusted_and_exits_0(self):
        ran = self.cert("--name", HOST, self.good_chain())
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("trusted, and names " + HOST, ran.stdout)

    def test_json_names_the_chain_and_the_path(self):
        ran = self.cert("--json", "--name", HOST, self.good_chain())
        whole = json.loads(ran.stdout)
        self.assertEqual((whole["trusted"], whole["schema"], len(whole["chain"])), (True, 1, 2))
        self.assertEqual(len(whole["path"]), 3)
        self.assertEqual(whole["chain"][0]["sha256"].replace(":", "").lower(),
                         hashlib.sha256(self.world.good().der).hexdigest())

    def test_a_chain_may_come_from_standard_input_and_in_der(self):
        text = self.world.good().pem + self.world.intermediate.pem
        self.assertEqual(self.cert("-", text=text.decode()).returncode, 0)
        alone = self.world.write("leaf.der", self.world.root.der)
        self.assertIn("CN=Ferry Root CA", self.cert(alone).stdout)

    def test_another_name_is_a_mismatch_and_exits_1(self):
        codes, status = self.codes("--name", "other.example.org", self.good_chain())
        self.assertEqual((codes[0], status), ("certificate-name-mismatch", 1))

    def test_what_is_no_name_of_a_host_is_wrong_use(self):
        for name in ("", "a b", "a..example", ".example.org"):
            ran = self.cert("--name", name, self.good_chain())
            self.assertEqual((ran.returncode, ran.stdout, ran.stderr.count("\n")), (2, "", 1), ran.stderr)
        self.assertEqual(self.cert("--name", HOST.upper() + ".", self.good_chain()).returncode, 0)

    def test_a_missing_intermediate_is_told_from_an_unknown_root(self):
        codes, status = self.codes("--name", HOST, self.chain(self.world.good()))
        self.assertEqual((codes[0], status), ("certificate-chain-incomplete", 1))
        leaf = pki.issue(self.world.stranger)
        codes, status = self.codes("--name", HOST,
                                   self.chain(leaf, self.world.stranger, self.world.stranger_root))
        self.assertEqual((codes[0], status), ("certificate-issuer-untrusted", 1))

    def test_the_time_asked_about_decides(self):
        later = (datetime.datetime.utcnow() + datetime.timedelta(100)).strftime("%Y-%m-%dT%H:%M:%SZ")
        codes, status = self.codes("--at", later, self.good_chain())
        self.assertEqual((codes[0], status), ("certificate-expired", 1))

    def test_a_tlsa_record_decides_alone(self):
        key = hashlib.sha256(self.world.good().spki_der).hexdigest()
        stranger = self.chain(pki.issue(self.world.stranger, key=self.world.good().key))
        self.assertEqual(self.codes("--tlsa", "3 1 1 " + key, stranger)[1], 0)
        codes, status = self.codes("--tlsa", "3 1 1 " + "00" * 32, self.good_chain())
        self.assertEqual((codes[0], status), ("tlsa-mismatch", 1))

    def test_a_revoked_certificate_is_told_by_the_list_given(self):
        serial = self.world.good().certificate.serial_number
        upper = revocation_list(self.world.root)
        revoked = self.world.write("crl.pem", revocation_list(self.world.intermediate, serial) + upper)
        codes, status = self.codes("--crl", revoked, self.good_chain())
        self.assertEqual((codes[0], status), ("certificate-revoked", 1))
        fine = self.world.write("crl.pem", revocation_list(self.world.intermediate) + upper)
        codes, status = self.codes("--crl", fine, self.good_chain())
        self.assertEqual((codes, status), ([], 0))

    def test_a_certificate_that_no_list_speaks_for_is_told(self):
        alone = self.world.write("crl.pem", revocation_list(self.world.intermediate))
        codes, status = self.codes("--crl", alone, self.good_chain())
        self.assertEqual((codes, status), (["certificate-revocation-unknown"], 1))

    def test_what_only_strict_refuses_is_a_warning_of_compatible(self):
        chain = self.chain(pki.issue(self.world.intermediate, authority_id=False), self.world.intermediate)
        codes, status = self.codes("--profile", "strict", chain)
        self.assertEqual(status, 1, codes)
        codes, status = self.codes(chain)
        self.assertEqual((codes, status), (["certificate-strictness"], 0))

    def test_a_file_without_a_certificate_exits_2_and_is_named(self):
        for content in (b"", b"hello\n", self.world.good().key_pem):
            path = self.world.write("none.pem", content)
            ran = self.cert(path)
            self.assertEqual((ran.returncode, ran.stdout), (2, ""))
            self.assertIn(path, ran.stderr)

    def test_a_file_that_is_not_there_is_named(self):
        ran = self.cert("/nonexistent/chain.pem")
        self.assertIn(ran.returncode, (2, 3))
        self.assertIn("/nonexistent/chain.pem", ran.stderr)

    def test_a_damaged_certificate_never_ends_it_otherwise(self):
        der = self.world.good().der
        for at in range(0, len(der), 3):
            path = os.path.join(self.folder, "damaged.der")
            with open(path, "wb") as out:
                out.write(der[:at] + bytes([der[at] ^ 0x81]) + der[at + 1:])
            ran = self.cert("--name", HOST, path)
            self.assertIn(ran.returncode, (1, 2), f"byte {at}: {ran.stderr}")


class SavedChain(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postern-save-")
        self.lab = subprocess.Popen([POSTERN, "lab", "--json", "--directory", self.folder, "--fault", "healthy"],
                                    stdout=subprocess.PIPE, text=True)
        self.server = json.loads(self.lab.stdout.readline())["servers"][0]

    def tearDown(self):
        self.lab.terminate()
        self.lab.wait()
        self.lab.stdout.close()
        shutil.rmtree(self.folder)

    def test_each_certificate_is_written_as_pem_that_cert_reads(self):
        saved = os.path.join(self.folder, "saved")
        ran = postern("check", "--save", saved, "--json", *self.server["arguments"])
        self.assertEqual(ran.returncode, 0, ran.stderr)
        chain = json.loads(ran.stdout)["hosts"][0]["chain"]
        files = [os.path.join(saved, name) for name in sorted(os.listdir(saved))]
        self.assertEqual(len(files), len(chain))
        for path, told in zip(files, chain):
            with open(path, "rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read())
            self.assertEqual(certificate.fingerprint(hashes.SHA256()).hex(),
                             re.sub("[^0-9a-f]", "", told["sha256"].lower()))
        whole = "".join(pathlib.Path(path).read_text(encoding="ascii") for path in files)
        ran = postern("cert", "--ca-file", os.path.join(self.folder, "ca.pem"), "--name", self.server["host"], "-",
                      text=whole)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_a_folder_that_cannot_be_made_exits_3_and_is_named(self):
        ran = postern("check", "--save", "/proc/none/saved", *self.server["arguments"])
        self.assertEqual(ran.returncode, 3)
        self.assertIn("/proc/none/saved", ran.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=0)
