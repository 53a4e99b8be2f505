#!/usr/bin/python3
"""dkim_test.py DKIM-SIGN - what gateway/dkim signs others verify: python3-dkim and OpenDKIM's own library.

Every message is signed with RSA and with Ed25519. What mail servers change on the way (blanks, folds, fields in
front) keeps the signature; what a reader would see changed breaks it. opendkim-testmsg asks the DNS, which is a
small server in a network of its own. Each promise is a TAP test.
"""
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

NETWORK = "postern-dkim-network"
DOMAIN = "reports.example.org"


def serve_names(records):
    """The TXT records to whoever asks on 127.0.0.1:53, in a network that is ours alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        print("ready", flush=True)
        while True:
            question, peer = server.recvfrom(4096)
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
                at += 1 + question[at]
            asked = question[12:at + 5]
            text = records.get(".".join(labels))
            answer = b""
            if text is not None and asked[-4:-2] == b"\x00\x10":
                strings = b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255].encode()
                                   for i in range(0, len(text), 255))
                answer = b"\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c" + len(strings).to_bytes(2, "big") + strings
            server.sendto(question[:2] + (b"\x85\x80" if text is not None else b"\x85\x83") + b"\x00\x01" +
                          (b"\x00\x01" if answer else b"\x00\x00") + b"\x00\x00\x00\x00" + asked + answer, peer)


def verify_by_opendkim(folder):
    """In a network and with a resolv.conf of its own: the verdict of opendkim-testmsg on each message."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open(os.path.join(folder, "resolv.conf"), "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:5 attempts:2\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    records = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".record"):
            with open(os.path.join(folder, name), encoding="ascii") as file:
                records[f"{name.removesuffix('.record')}._domainkey.{DOMAIN}"] = file.read().strip()
    server = os.fork()
    if server == 0:
        serve_names(records)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("127.0.0.1", 53))
            probe.settimeout(0.1)
            while True:  # until the server answers
                try:
                    probe.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\1x\0\0\x10\0\1")
                    probe.recv(512)
                    break
                except OSError:
                    time.sleep(0.01)
        for name in sorted(os.listdir(folder)):
            if name.endswith(".eml"):
                with open(os.path.join(folder, name), "rb") as file:
                    done = subprocess.run(["opendkim-testmsg", "-t", folder], stdin=file, capture_output=True, text=True,
                                          timeout=60, check=False)
                print(name, done.returncode, (done.stdout + done.stderr).strip().replace("\n", " "), flush=True)
    finally:
        os.kill(server, 9)
        os.waitpid(server, 0)


if len(sys.argv) == 3 and sys.argv[1] == NETWORK:
    verify_by_opendkim(sys.argv[2])
    sys.exit(0)

try:
    import dkim
except ImportError:
    print("1..0 # SKIP no python3-dkim here")
    sys.exit(0)
if len(sys.argv) < 2:
    sys.exit("usage: dkim_test.py DKIM-SIGN")
SIGN = os.path.abspath(sys.argv[1])
FOLDER = tempfile.mkdtemp(prefix="postern-dkim-")

HEAD = (b"From: TLS reports <reports@reports.example.org>\r\nTo: <tlsrpt@example.net>\r\n"
        b"Subject: Report Domain: example.net Submitter: example.org\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\n"
        b"Message-ID: <1@reports.example.org>\r\n")
DATE = b"Date: Sun, 22 Nov 2026 00:00:00 +0000\r\n"
REPORT = (HEAD + b"TLS-Report-Domain: example.net\r\nTLS-Report-Submitter: example.org\r\nTLS-Required: No\r\n"
          b"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=tlsrpt;\r\n\tboundary=\"=_b\"\r\n\r\n"
          b"--=_b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--=_b\r\nContent-Type: application/tlsrpt+gzip\r\n"
          b"Content-Transfer-Encoding: base64\r\n\r\nH4sIAAAA\r\n--=_b--\r\n")
MESSAGES = {
    "report": REPORT,
    "no-body": HEAD + b"\r\n",
    "only-empty-lines": HEAD + b"\r\n\r\n\r\n\r\n",
    "only-blanks": HEAD + b"\r\n \t \r\n\t\r\n",
    "no-last-line-end": HEAD + b"\r\nno line end",
    "many-last-lines": HEAD + b"\r\ntext\r\n\r\n\r\n \r\n\t\r\n",
    "blanks": HEAD + b"\r\n a  b\tc \t d \r\n\te\r\n  \r\nf\r\n",
    "dots": HEAD + b"\r\n.\r\n..\r\n.text\r\n",
    "eight-bit": HEAD + "\r\nGrüße, \u00a0 日本\r\n".encode(),
    "not-utf8": HEAD + b"\r\n\xff\xfe \x80\x00\x01\x7f\r\n",
    "long-line": HEAD + b"\r\n" + b"x" * 5000 + b" \t" * 500 + b"y\r\n",
    "large": HEAD + b"\r\n" + b"".join(b"line %d  of many \r\n" % n for n in range(60000)),
    "folded": DATE + b"From:\r\n reports@reports.example.org\r\n\t(a  comment)\r\nSubject: \t one\r\n   two\t\tthree  \r\n"
              b"To:x@example.net\r\n\r\ntext\r\n",
    "odd-names": DATE + b"FROM:reports@reports.example.org\r\nsubject:x\r\nX-Other:\r\n\r\ntext\r\n",
    "empty-fields": DATE + b"From: reports@reports.example.org\r\nSubject:\r\nTo: \r\nCc:\t\r\n \r\n\r\ntext\r\n",
    "several": DATE + b"Received: one\r\nFrom: reports@reports.example.org\r\nList-Id: a\r\nReceived: two\r\nList-Id: b\r\n"
               b"Resent-From: c@example.org\r\nResent-From: d@example.org\r\nSubject: s\r\nTo: a\r\n\r\ntext\r\n",
    "many-fields": b"".join(b"X-Field-%d: v\r\n" % n for n in range(900)) + HEAD + b"\r\ntext\r\n",
    "long-value": HEAD + b"References:" + b"".join(b"\r\n <%d@example.org>" % n for n in range(900)) + b"\r\n\r\ntext\r\n",
    "utf8-header": DATE + "From: reports@reports.example.org\r\nSubject: Grüße  an\r\n alle\r\n\r\ntext\r\n".encode(),
    "signed-before": b"DKIM-Signature: v=1; a=rsa-sha256; d=else.example; s=x; h=from; bh=YQ==; b=YQ==\r\n" + HEAD +
                     b"\r\ntext\r\n",
    "semicolons": DATE + b"From: \"a;b=c\" <reports@reports.example.org>\r\nSubject: b=; h=x:y\r\n\r\ntext\r\n",
    "no-separator": DATE + b"From: reports@reports.example.org\r\nSubject: no body at all\r\n",
}
KEYS = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
        "ed25519": ["-algorithm", "ED25519"]}


class Failed(AssertionError):
    """What was promised does not hold."""


class Absent(Exception):
    """What a test needs is not here."""


def must(holds, what):
    if not holds:
        raise Failed(what)


def key_file(kind):
    path = os.path.join(FOLDER, kind + ".pem")
    if not os.path.exists(path):
        subprocess.run(["openssl", "genpkey", *KEYS[kind], "-out", path], check=True, capture_output=True)
    return path


def sign(kind, message):
    done = subprocess.run([SIGN, key_file(kind), DOMAIN, kind], input=message, capture_output=True, check=False)
    must(done.returncode == 0, f"{kind}: {done.stderr.decode()}")
    must(done.stdout.endswith(message), "the message is not as it was")
    return done.stdout


def record_of(kind):
    return subprocess.run([SIGN, key_file(kind), DOMAIN, kind, "record"], capture_output=True, check=True).stdout.strip()


def verifies(message):
    def answer(name, timeout=5):
        del timeout
        kind = name.decode().partition(".")[0]
        return record_of(kind) if name.decode().rstrip(".") == f"{kind}._domainkey.{DOMAIN}" else None

    try:
        return dkim.verify(message, dnsfunc=answer, minkey=1024)
    except dkim.DKIMException as refused:
        return f"refused: {refused}"


def python_dkim_verifies_every_message():
    for kind in KEYS:
        for name, message in MESSAGES.items():
            must(verifies(sign(kind, message)) is True, f"{name} signed with {kind}: {verifies(sign(kind, message))}")


def lines_of_the_field_are_short():
    for kind in KEYS:
        for name, message in MESSAGES.items():
            field = sign(kind, message)[:-len(message) or None]
            must(max(map(len, field.split(b"\r\n"))) <= 78 and field.endswith(b"\r\n"), f"{name}: {field}")
            must(re.search(rb"[;\s]l=", field) is None, f"{name} has l=")


def random_messages_verify():
    dice = random.Random(6376)
    bits = [b" ", b"\t", b"\r\n", b"  ", b"a", b"bc", b"=", b";", b".", b"\r\n\r\n", "ü".encode(), b"\x80", b"--"]
    for number in range(120):
        header = HEAD + b"".join(
            b"%s:%s\r\n" % (dice.choice([b"Cc", b"Reply-To", b"X-A", b"In-Reply-To", b"List-Id"]),
                            b"".join(dice.choice([b" ", b"\t", b"a", b"b c", b"\r\n ", b"\r\n\t", b";"])
                                     for _ in range(dice.randrange(12))) + b"x") for _ in range(dice.randrange(5)))
        message = header + b"\r\n" + b"".join(dice.choice(bits) for _ in range(dice.randrange(200))) + b"\r\n"
        kind = "ed25519" if number % 4 else "rsa"
        must(verifies(sign(kind, message)) is True, f"{number}: {message!r}")


def what_servers_change_keeps_the_signature():
    for kind in ("rsa", "ed25519"):
        signed = sign(kind, REPORT)
        changes = {
            "trace in front": b"Received: from a by b;\r\n\tSun, 22 Nov 2026 00:00:00 +0000\r\n" + signed,
            "a field at the end of the header": signed.replace(b"\r\n\r\n", b"\r\nX-Spam: no\r\n\r\n", 1),
            "folds": signed.replace(b"Report Domain: example.net Submitter", b"Report\r\n Domain: example.net\r\n\tSubmitter"),
            "blanks": signed.replace(b"A report.", b"A \t report. \t"),
            "empty lines at the end": signed + b"\r\n\r\n",
        }
        for what, changed in changes.items():
            must(changed != signed, what)
            must(verifies(changed) is True, f"{what}, {kind}")


def what_a_reader_would_see_breaks_it():
    for kind in ("rsa", "ed25519"):
        signed = sign(kind, REPORT)
        changes = {
            "another sender": signed.replace(b"\r\nFrom: TLS reports", b"\r\nFrom: TLS report"),
            "another subject": signed.replace(b"Report Domain: example.net", b"Report Domain: example.com"),
            "a second From": signed.replace(b"\r\nFrom: ", b"\r\nFrom: other@example.com\r\nFrom: ", 1),
            "a second Subject": signed.replace(b"\r\nSubject: ", b"\r\nSubject: other\r\nSubject: ", 1),
            "a second Content-Type": signed.replace(b"\r\nMIME-Version", b"\r\nContent-Type: text/html\r\nMIME-Version", 1),
            "another body": signed.replace(b"A report.", b"Another."),
            "more body": signed + b"more\r\n",
            "no TLS-Report-Domain": signed.replace(b"TLS-Report-Domain: example.net\r\n", b""),
            "another boundary": signed.replace(b'boundary="=_b"', b'boundary="=_c"'),
        }
        for what, changed in changes.items():
            must(changed != signed, what)
            must(verifies(changed) is not True, f"{what}, {kind}")


def opendkim_verifies_every_message():
    for program in ("opendkim-testmsg", "unshare", "ip", "mount"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise Absent(f"no {program} here")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    own = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode != 0:
        raise Absent("no name spaces here")
    folder = os.path.join(FOLDER, "opendkim")
    os.mkdir(folder)
    expected = {}
    kinds = ["rsa", "rsa1024"]
    if b"ed25519" in open_library():
        kinds.append("ed25519")
    for kind in kinds:
        with open(os.path.join(folder, kind + ".record"), "wb") as file:
            file.write(record_of(kind))
        for name, message in MESSAGES.items():
            if name in ("not-utf8", "no-separator", "signed-before"):  # a NUL; no end of the header; all are to hold
                continue
            signed = sign(kind, message)
            for label, what, status in (("good", signed, True),
                                        ("bad", signed.replace(b"\r\n\r\n", b"\r\n\r\nchanged ", 1), False)):
                file_name = f"{kind}-{name}-{label}.eml"
                expected[file_name] = status
                with open(os.path.join(folder, file_name), "wb") as file:
                    file.write(what)
    done = subprocess.run([*own, sys.executable, __file__, NETWORK, folder], capture_output=True, text=True,
                          timeout=240, check=False)
    if done.returncode != 0 and "mount" in done.stderr:
        raise Absent("nothing can be mounted here")
    must(done.returncode == 0, done.stderr)
    told = {line.split()[0]: line.split(None, 2)[1:] for line in done.stdout.splitlines() if ".eml " in line}
    must(set(told) == set(expected), set(told) ^ set(expected))
    wrong = [(name, told[name]) for name in expected if (told[name][0] == "0" and len(told[name]) == 1) != expected[name]]
    must(not wrong, wrong[:5])
    print(f"# {len(told)} messages, half of them changed, with {', '.join(kinds)}")


def open_library():
    """The text of OpenDKIM's library, to see what it can."""
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"):
        path = os.path.join(folder, "libopendkim.so.11")
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    return b""


TESTS = [
    python_dkim_verifies_every_message,
    lines_of_the_field_are_short,
    random_messages_verify,
    what_servers_change_keeps_the_signature,
    what_a_reader_would_see_breaks_it,
    opendkim_verifies_every_message,
]


def main():
    chosen = [test for test in TESTS if not sys.argv[2:] or test.__name__ in sys.argv[2:]]
    failed = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, test in enumerate(chosen, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__}", flush=True)
        except Absent as reason:
            print(f"ok {number} - {test.__name__} # SKIP {reason}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as fault:
            failed += 1
            print(f"not ok {number} - {test.__name__}\n# {type(fault).__name__}: {fault}", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
