#!/usr/bin/python3
"""tests/integration/exam_test.py POSTERN - the lab's exam says what senders did, and whether it was right.

Three senders of our own, made with Python's smtplib, deliver to servers of `postern lab --judge`: one that
never uses TLS, one that takes any certificate, one that verifies. Prints TAP.
"""
import json
import signal
import smtplib
import ssl
import subprocess
import sys
import tempfile

LIMIT_S = 120  # more is a hang
FAULTS = ("healthy", "expired", "no-starttls", "wrong-name")
# For each sender what it does with each server, and the marks at may, encrypt and verify.
LAX, STRICT = "TOO LAX", "too strict"
SENDERS = {
    "never uses TLS": {fault: ("in the clear", LAX, LAX, LAX) for fault in FAULTS}
                      | {"no-starttls": ("in the clear", "right", LAX, LAX)},
    "takes any certificate": {fault: ("TLSv1.3", "right", "right", LAX) for fault in FAULTS}
                             | {"healthy": ("TLSv1.3", "right", "right", "right"),
                                "no-starttls": ("refused", STRICT, "right", "right")},
    "verifies": {fault: ("refused", STRICT, STRICT, "right") for fault in FAULTS}
                | {"healthy": ("TLSv1.3", "right", "right", "right"),
                   "no-starttls": ("refused", STRICT, "right", "right")},
}


def context_of(sender, ca_file):
    context = ssl.create_default_context(cafile=ca_file)
    if sender == "takes any certificate":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def deliver(sender, server, ca_file):
    try:
        with smtplib.SMTP(server["address"], server["port"], local_hostname="client.test",
                          timeout=LIMIT_S) as smtp:
            smtp._host = server["host"]  # the name that the certificate is held to
            if sender != "never uses TLS":
                smtp.starttls(context=context_of(sender, ca_file))
            smtp.sendmail("a@client.test", ["b@" + server["domain"]], "Subject: exam\r\n\r\n.\r\nend\r\n")
    except (OSError, smtplib.SMTPException):
        pass  # refused: the exam will say so


def sit_exam(postern, sender):
    """The lines of the exam by fault: what was done, and three marks."""
    with tempfile.TemporaryDirectory(prefix="postern-exam-test-") as directory:
        command = [postern, "lab", "--json", "--judge", "--directory", directory]
        for fault in FAULTS:
            command += ["--fault", fault]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lab:
            manifest = json.loads(lab.stdout.readline())
            for server in manifest["servers"]:
                deliver(sender, server, manifest["ca_file"])
            lab.send_signal(signal.SIGTERM)
            table = lab.communicate(timeout=LIMIT_S)[0].splitlines()[1:]
    columns = (0, 35, 48, 59, 70, None)
    rows = [[line[a:b].strip() for a, b in zip(columns, columns[1:])] for line in table]
    return {row[0]: tuple(row[1:]) for row in rows}


def main():
    failed = 0
    print(f"1..{len(SENDERS)}", flush=True)
    for number, (sender, wanted) in enumerate(SENDERS.items(), 1):
        got = sit_exam(sys.argv[1], sender)
        failed += got != wanted
        print(f"{'ok' if got == wanted else 'not ok'} {number} - the exam of a sender that {sender}")
        for fault in FAULTS:
            if got.get(fault) != wanted[fault]:
                print(f"# {fault}: {got.get(fault)}, should be {wanted[fault]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
