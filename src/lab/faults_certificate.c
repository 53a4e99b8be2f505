/* lab/faults_certificate.c - sessions that come up, with certificates that do not verify. */
#include "base/compiler.h"
#include "lab/fault_row.h"

#define NOT_TRUSTED "certificate-not-trusted"
#define MISMATCH    "certificate-host-mismatch"

static const struct fault_row rows[] = {
    {
        .name = "expired",
        .summary = "the certificate has expired",
        .expect = { "certificate-expired", "server", "certificate-expired" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_EXPIRED },
    },
    {
        .name = "not-yet-valid",
        .summary = "the certificate is not valid yet",
        .expect = { "certificate-not-yet-valid", "server", "certificate-expired" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_NOT_YET_VALID },
    },
    {
        .name = "expires-soon",
        .summary = "the certificate expires in three days",
        .expect = { "certificate-expires-soon", "server", NULL },
        .tls = { .certificate = CERTIFICATE_EXPIRES_SOON },
    },
    {
        .name = "intermediate-expired",
        .summary = "the intermediate has expired",
        .expect = { "certificate-intermediate-expired", "server", "certificate-expired" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_INTERMEDIATE_EXPIRED },
    },
    {
        .name = "self-signed",
        .summary = "the certificate is its own issuer",
        .expect = { "certificate-self-signed", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_SELF_SIGNED },
    },
    {
        .name = "untrusted-root",
        .summary = "a whole chain to a root that nobody trusts",
        .expect = { "certificate-issuer-untrusted", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_UNTRUSTED_ROOT },
    },
    {
        .name = "untrusted-root-sent",
        .summary = "the same, and the root is sent along",
        .expect = { "certificate-issuer-untrusted", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_UNTRUSTED_ROOT_SENT },
    },
    {
        .name = "leaf-only",
        .summary = "the intermediate is not sent",
        .expect = { "certificate-chain-incomplete", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_LEAF_ONLY },
    },
    {
        .name = "leaf-only-of-plain-name",
        .summary = "the intermediate is not sent, and its name is that of any authority",
        .expect = { "certificate-chain-incomplete", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_LEAF_ONLY_OF_PLAIN_NAME },
    },
    {
        .name = "private-root",
        .summary = "a private root signed the certificate, and is not sent",
        .expect = { "certificate-issuer-untrusted", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_LEAF_ONLY_OF_FOREIGN_ROOT },
    },
    {
        .name = "leaf-only-without-aia",
        .summary = "the intermediate is not sent, and nothing says where it is",
        .expect = { "certificate-chain-incomplete", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_LEAF_ONLY_WITHOUT_AIA },
    },
    {
        .name = "upper-intermediate-missing",
        .summary = "of two intermediates the upper one is not sent",
        .expect = { "certificate-chain-incomplete", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_TWO_INTERMEDIATES_MISSING_ONE },
        .client = { .knows_intermediates = true }, /* the chain alone could be a foreign root's */
    },
    {
        .name = "misordered",
        .summary = "two intermediates are sent in the wrong order",
        .expect = { "certificate-chain-misordered", "server", NULL },
        .tls = { .certificate = CERTIFICATE_MISORDERED },
    },
    {
        .name = "superfluous",
        .summary = "the chain holds a certificate that belongs to no path",
        .expect = { "certificate-chain-superfluous", "server", NULL },
        .tls = { .certificate = CERTIFICATE_SUPERFLUOUS },
    },
    {
        .name = "wrong-name",
        .summary = "the certificate names other hosts",
        .expect = { "certificate-name-mismatch", "server", MISMATCH },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_WRONG_NAME },
    },
    {
        .name = "cn-only",
        .summary = "the name stands in the common name alone",
        .expect = { "certificate-name-only-in-cn", "server", MISMATCH },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_NAME_ONLY_IN_CN },
    },
    {
        .name = "wrong-purpose",
        .summary = "the certificate is for clients alone",
        .expect = { "certificate-wrong-purpose", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_WRONG_PURPOSE },
    },
    {
        .name = "not-a-ca",
        .summary = "the issuer is not a certificate authority",
        .expect = { "certificate-not-a-ca", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_NOT_A_CA },
    },
    {
        .name = "name-constraint",
        .summary = "the issuer may not sign for this name",
        .expect = { "certificate-name-constraint", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_NAME_CONSTRAINT },
    },
    {
        .name = "weak-key",
        .summary = "an RSA key of 1024 bits",
        .expect = { "certificate-weak-key", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_WEAK_KEY, .is_lax = true },
    },
    {
        .name = "weak-signature",
        .summary = "the certificate is signed with SHA-1",
        .expect = { "certificate-weak-signature", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_WEAK_SIGNATURE, .is_lax = true },
    },
    {
        .name = "revoked",
        .summary = "the stapled OCSP response says that it is revoked",
        .expect = { "certificate-revoked", "server", "validation-failure" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .staple = FAULT_STAPLE_REVOKED },
    },
    {
        .name = "staple-missing",
        .summary = "must-staple, and nothing is stapled",
        .expect = { "certificate-staple-missing", "server", "validation-failure" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_MUST_STAPLE },
    },
    {
        .name = "staple-expired",
        .summary = "must-staple, and the stapled OCSP response is out of date",
        .expect = { "certificate-staple-invalid", "server", "validation-failure" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_MUST_STAPLE, .staple = FAULT_STAPLE_EXPIRED },
    },
    {
        .name = "bad-signature",
        .summary = "the signature on the certificate is not the issuer's",
        .expect = { "certificate-bad-signature", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_BAD_SIGNATURE },
    },
    {
        .name = "renewed-issuer",
        .summary = "the intermediate that is sent has the issuer's name and another key",
        .expect = { "certificate-chain-incomplete", "server", NOT_TRUSTED },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_ISSUER_WITH_OTHER_KEY },
    },
    {
        .name = "pinned-otherwise",
        .summary = "a healthy server, and a client that has pinned another certificate",
        .expect = { "fingerprint-mismatch", "policy", "validation-failure" },
        .client = { .level = "fingerprint",
                    .fingerprint = "000102030405060708090a0b0c0d0e0f"
                                   "101112131415161718191a1b1c1d1e1f" },
    },
    {
        .name = "no-roots",
        .summary = "a healthy server, and a client whose trust store is empty",
        .expect = { "trust-store-empty", "client", NOT_TRUSTED },
        .client = { .roots = FAULT_ROOTS_EMPTY },
    },
    {
        .name = "clock-behind",
        .summary = "a root, an intermediate and a certificate all made after our clock's time",
        .expect = { "clock-wrong", "client", "certificate-expired" },
        .safety = FAULT_UNTRUSTED,
        .tls = { .certificate = CERTIFICATE_FUTURE },
        .client = { .roots = FAULT_ROOTS_FUTURE },
    },
};

const struct fault_part faults_certificate = { rows, ARRAY_SIZE(rows) };
