"""pki.py - keys and certificates, right and wrong in every way a fault asks for."""

import datetime
import os
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from .peer import HOST

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
NOW = datetime.datetime.utcnow().replace(microsecond=0)

_keys = {}
_lock = threading.Lock()


def new_key(kind):
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curve = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1, "p224": ec.SECP224R1}
    return ec.generate_private_key(curve[kind]())


def shared_key(kind, label=""):
    """The same key for the same question: RSA keys are dear."""
    with _lock:
        if (kind, label) not in _keys:
            _keys[kind, label] = new_key(kind)
        return _keys[kind, label]


def day(offset):
    return NOW + datetime.timedelta(days=offset)


class Identity:
    """A certificate with its key and the chain it is sent with."""

    def __init__(self, certificate, key, chain=()):
        self.certificate = certificate
        self.key = key
        self.chain = list(chain)  # other certificates to send, in order

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def spki_der(self):
        return self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sent(self):
        """Every certificate sent, DER, leaf first."""
        return [self.der] + [other.der for other in self.chain]

    def with_chain(self, *chain):
        return Identity(self.certificate, self.key, chain)

    def with_key(self, key):
        return Identity(self.certificate, key, self.chain)


def name_of(common_name, organisation="Ferry Mail"):
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    if common_name:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)


def key_usage(**on):
    every = "digital_signature content_commitment key_encipherment data_encipherment " \
        "key_agreement key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{word: on.get(word, False) for word in every.split()})


def issue(issuer, common_name=HOST, names=(HOST,), key=None, kind="p256", start=-10, end=80,
          ca=False, path_length=None, usages=(SERVER,), key_bits=None, digest=hashes.SHA256(),
          permitted=(), excluded=(), aia=None, must_staple=False, subject_alternative=None,
          authority_id=True, serial=None, organisation="Ferry Mail"):
    """One certificate signed by `issuer` (an Identity), or by itself when that is None."""
    key = key or new_key(kind)
    subject = name_of(common_name, organisation)
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(day(start))
        .not_valid_after(day(end))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    if issuer and authority_id:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    if key_bits is None:
        key_bits = {"key_cert_sign": True, "crl_sign": True} if ca else {"digital_signature": True}
    builder = builder.add_extension(key_usage(**key_bits), True)
    if usages and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    general = subject_alternative or [x509.DNSName(name) for name in names]
    if general and not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), False)
    if permitted or excluded:
        builder = builder.add_extension(x509.NameConstraints(
            [x509.DNSName(n) for n in permitted] or None, [x509.DNSName(n) for n in excluded] or None), True)
    if aia:
        builder = builder.add_extension(x509.AuthorityInformationAccess([x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(aia))]), False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), False)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        digest = None
    return Identity(builder.sign(signer, digest), key)


def authority(common_name, issuer=None, **more):
    more.setdefault("start", -1000)
    more.setdefault("end", 3000)
    return issue(issuer, common_name, ca=True, **more)


def ocsp_response(leaf, issuer, revoked):
    """An OCSP response for `leaf`, DER, signed by its issuer."""
    status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(leaf.certificate, issuer.certificate, hashes.SHA1(), status, day(-1), day(6),
                      day(-2) if revoked else None, x509.ReasonFlags.key_compromise if revoked else None)
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
        .sign(issuer.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


class World:
    """The authorities of one run, and the folder where files for OpenSSL and Postern go."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.lock = threading.RLock()
        self.made = {}
        self.root = authority("Ferry Root CA")
        self.intermediate = authority("Ferry Issuing CA 1", self.root, path_length=0)
        self.stranger_root = authority("Unheard-of Root CA")
        self.stranger = authority("Unheard-of Issuing CA", self.stranger_root)
        self.root_file = self.write("root.pem", self.root.pem)

    def write(self, name, data):
        with self.lock:
            self.count += 1
            path = os.path.join(self.folder, "%03d-%s" % (self.count, name))
        with open(path, "wb") as out:
            out.write(data)
        return path

    def once(self, label, make):
        """The thing called `label`, made at first need."""
        with self.lock:
            if label not in self.made:
                self.made[label] = make()
            return self.made[label]

    def leaf(self, **more):
        """A leaf of the known intermediate, sent with that intermediate."""
        return issue(self.intermediate, **more).with_chain(self.intermediate)

    def good(self):
        return self.once("good", self.leaf)

    def good_rsa(self):
        return self.once("good-rsa", lambda: self.leaf(
            key=shared_key("rsa2048"), key_bits={"digital_signature": True, "key_encipherment": True}))

    def files(self, identity):
        """Chain and key as PEM files, for those who want files."""
        chain = identity.pem + b"".join(other.pem for other in identity.chain)
        return self.write("chain.pem", chain), self.write("key.pem", identity.key_pem)
