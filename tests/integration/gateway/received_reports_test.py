#!/usr/bin/python3
"""received_reports_test.py POSTERN [TEST...] - what others report about us is read, kept, and held against what we saw.

Reports come as mail to the address of `reports { read }`, and as files of every form to `postern report --read`.
Each promise is a TAP test.
"""
import base64
import gzip
import json
import os
import ssl
import sys
import time

import gateway
from gateway import HOST, LOCAL, Client, Gateway, Listener, as_stored, open_client, wait_for

PROGRAM = gateway.take_program()
BOX = "tlsrpt"
SETTINGS = f'reports {{ read = "{BOX}@{LOCAL}" }}'
DAY_S = 86400


def must(holds, what):
    if not holds:
        raise gateway.Failed(what)


def stamp(second):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def report(identity="one", failures=(), organization="Sender Inc.", successes=100, domain=LOCAL):
    """RFC 8460 section 4.4, about today (and what is left of the day before, where it has just begun)."""
    today = int(time.time()) // DAY_S * DAY_S
    return {
        "organization-name": organization,
        "date-range": {"start-datetime": stamp(today - DAY_S), "end-datetime": stamp(today + DAY_S - 1)},
        "contact-info": "tls-reports@sender.example",
        "report-id": identity,
        "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": domain, "mx-host": [HOST],
                       "policy-string": ["version: STSv1", "mode: enforce", f"mx: {HOST}", "max_age: 86400"]},
            "summary": {"total-successful-session-count": successes,
                        "total-failure-session-count": sum(one["failed-session-count"] for one in failures)},
            "failure-details": list(failures),
        }],
    }


def failure(result="certificate-expired", address="192.0.2.1", count=12):
    return {"result-type": result, "sending-mta-ip": address, "receiving-mx-hostname": HOST,
            "receiving-ip": "127.0.0.1", "failed-session-count": count}


def lines_of(data):
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def mail(data, kind="application/tlsrpt+gzip"):
    """RFC 8460 section 5.3."""
    return (b"From: tls-reports@sender.example\r\nTo: <%s@%s>\r\nSubject: Report Domain: %s Submitter: sender.example\r\n"
            b"TLS-Report-Domain: %s\r\nTLS-Report-Submitter: sender.example\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/report; report-type="tlsrpt";\r\n boundary="----=_b_1"\r\n\r\n'
            b"This is a report.\r\n------=_b_1\r\nContent-Type: text/plain\r\n\r\nA report.\r\n\r\n------=_b_1\r\n"
            b"Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
            b' filename="sender.example!%s!1!2!001.json.gz"\r\n\r\n%s\r\n------=_b_1--\r\n'
            % (BOX.encode(), LOCAL.encode(), LOCAL.encode(), LOCAL.encode(), kind.encode(), LOCAL.encode(),
               lines_of(data)))


def packed(what):
    return gzip.compress(json.dumps(what).encode())


def post(here, content, *recipients):
    with open_client(here, "none") as client:
        client.envelope("tls-reports@sender.example", *(recipients or [f"{BOX}@{LOCAL}"]))
        must(client.data(content).code == 250, "the message is not taken")
        client.quit()


def gateway_that_reads(**settings):
    return Gateway(PROGRAM, listeners=[Listener("none"), Listener("may")], settings=SETTINGS, **settings)


# --- mail ---

def a_report_by_mail_is_read_and_still_delivered():
    with gateway_that_reads() as here:
        content = mail(packed(report(failures=[failure()])))
        post(here, content)
        line = here.wait_log("tls-report-received", report="one")
        must(line["organization"] == "Sender Inc." and line["failed"] == 12 and line["succeeded"] == 100 and
             line["known"] == "no" and line["level"] == "warn", line)
        must(here.one(BOX).body == as_stored(content), "what is delivered is not what came")


def a_report_that_comes_twice_counts_once():
    with gateway_that_reads() as here:
        for _ in range(2):
            post(here, mail(packed(report("twice"))))
        lines = wait_for("both", lambda: (lambda found: found if len(found) == 2 else None)(
            here.log("tls-report-received", report="twice")))
        must(sorted(line["known"] for line in lines) == ["no", "yes"], lines)
        here.mail(BOX, 2)
        here.stop()
        here.start()
        post(here, mail(packed(report("twice"))))
        wait_for("the third", lambda: len(here.log("tls-report-received", report="twice")) == 3 or None)
        must(here.log("tls-report-received", report="twice")[-1]["known"] == "yes", here.said())
        here.mail(BOX, 3)


def mail_that_cannot_be_read_is_delivered_and_said_why():
    whole = mail(packed(report()))
    damaged = {
        "no report": (b"From: a@sender.example\r\nSubject: hello\r\n\r\nHello.\r\n", "has no TLS report, but text/plain"),
        "cut off": (whole[:whole.index(b"base64") + 150] + b"\r\n", "cut off"),
        "a bomb": (mail(gzip.compress(bytes(50 << 20), 9)), "a bomb, not text"),
        "too large": (mail(os.urandom(7 << 20)), "too large for one"),
        "other json": (mail(gzip.compress(b'{"hello": 1}')), "date-range is not an object"),
        "damaged": (whole.replace(b"H4sI", b"H4s!", 1), "does not belong there"),
    }
    with gateway_that_reads() as here:
        for name, (content, why) in damaged.items():
            before = len(here.log("tls-report-unreadable"))
            post(here, content)
            line = wait_for(name, lambda: (here.log("tls-report-unreadable")[before:] or [None])[0])
            must(why in line["reason"], f"{name}: {line}")
        bodies = [one.body for one in here.mail(BOX, len(damaged))]
        must(sorted(bodies) == sorted(as_stored(content) for content, _ in damaged.values()), "not as they came")
        must(not here.log("tls-report-received"), here.said())


def other_recipients_and_other_mail_do_not_mind():
    with gateway_that_reads() as here:
        content = mail(packed(report("shared")))
        post(here, content, f"{BOX}@{LOCAL}", f"someone@{LOCAL}")
        here.wait_log("tls-report-received", report="shared")
        for user in (BOX, "someone"):
            must(here.mail(user, 1)[0].body == as_stored(content), user)
        post(here, mail(packed(report("not for it"))), f"someone@{LOCAL}")
        here.mail("someone", 2)
        must(not here.log("tls-report-received", report="not for it"), "mail for somebody else was read")
        post(here, mail(packed(report("shouted"))), f"{BOX.upper()}@{LOCAL.title()}")
        here.wait_log("tls-report-received", report="shouted")


def without_the_setting_nothing_is_read():
    with Gateway(PROGRAM, listeners=[Listener("none")]) as here:
        post(here, mail(packed(report())))
        here.one(BOX)
        must(not here.log("tls-report-received"), here.said())


# --- beside what we saw ---

def fail_to_trust(here, *sources):
    """Clients that find our certificate expired, and say so by an alert."""
    for source in sources:
        client = Client(here.port("required"), source)
        client.expect("EHLO mail-7.sender.example", 250)
        client.expect("STARTTLS", 220)
        try:
            client.secure(gateway.trusting(here))
            raise gateway.Failed("an expired certificate was taken")
        except ssl.SSLCertVerificationError:
            client.close()
        here.wait_log("tls-failed", client=source)


def write(here, name, data):
    path = os.path.join(here.folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def read(here, *arguments, status=(1,), **options):
    return here.run("report", "-c", here.settings_file, *arguments, status=status, **options)


def expired_gateway():
    here = Gateway(PROGRAM, settings=SETTINGS)
    here.listeners = [Listener("none"), Listener("required", [here.world.leaf(start=-90, end=-2)])]
    return here


def a_report_is_told_beside_what_failed_here():
    with expired_gateway() as here:
        fail_to_trust(here, "127.44.0.1", "127.44.0.1", "127.44.0.2", "127.44.0.3")
        here.stop()
        path = write(here, "report.json", json.dumps(report(failures=[
            failure(address="127.44.0.1", count=2), failure(address="127.44.0.2", count=1),
            failure("validation-failure", "192.0.2.77", 5)])).encode())
        page = read(here, "--read", path)
        for words in ("Sender Inc. reports: 8 sessions failed",
                      f"{LOCAL}, by its MTA-STS policy: 100 sessions came through, 8 failed",
                      f"3 failures: certificate-expired at {HOST}", "the host's certificate had expired",
                      "From 127.44.0.1, 127.44.0.2 to 127.0.0.1", "We saw 3 handshakes from those addresses fail, ",
                      "3 inbound-certificate-rejected: mail-7.sender.example [127.44.0.", "certificate_expired (45)",
                      f"5 failures: validation-failure at {HOST}"):
            must(words in " ".join(page.split()) , f"no {words!r} in:\n{page}")
        must(max(map(len, page.splitlines())) <= 80, page)
        told = json.loads(read(here, "--json", "--read", path))
        first, second = told["policies"][0]["failures"]
        must([one["result_type"] for one in (second, first)] == ["certificate-expired", "validation-failure"], told)
        must(second["seen"]["by"] == "address" and second["seen"]["failed"] == 3, told)
        must([(one["finding"], one["count"]) for one in second["seen"]["findings"]] ==
             [("inbound-certificate-rejected", 3)], told)
        here.start()


def a_sender_that_names_no_address_is_known_by_its_name():
    with expired_gateway() as here:
        fail_to_trust(here, "127.44.1.1", "127.44.1.2")
        here.stop()
        nameless = failure(count=2)
        del nameless["sending-mta-ip"]
        path = write(here, "report.json.gz", packed(report(failures=[nameless])))
        page = " ".join(read(here, "--read", path).split())
        must("We saw 2 handshakes from servers that call themselves below sender.example fail" in page, page)
        other = report(failures=[nameless])
        other["contact-info"] = "someone@other.example"
        path = write(here, "report.eml", mail(packed(other)))
        page = " ".join(read(here, "--read", path).split())
        must("We saw no handshake from that sender fail" in page, page)
        here.start()


def reports_are_kept_and_listed():
    with expired_gateway() as here:
        post(here, mail(packed(report("by mail", [failure(address="127.44.2.1")]))))
        here.wait_log("tls-report-received", report="by mail")
        path = write(here, "file", packed(report("by hand", domain="other.test")))
        read(here, "--read", path, path, status=(0,))
        listed = [json.loads(line) for line in read(here, "--received", "--json").splitlines()]
        must(sorted(one["id"] for one in listed) == ["by hand", "by mail"], listed)
        must([json.loads(line)["id"] for line in read(here, "--received", "--json", LOCAL).splitlines()] == ["by mail"],
             "not by domain")
        must("No report like that" in read(here, "--received", "--day", "2020-01-01", status=(0,)), "not by day")
        post(here, mail(packed(report("by hand", domain="other.test"))))
        must(here.wait_log("tls-report-received", report="by hand")["known"] == "yes", here.said())
        here.stop()
        must(len(read(here, "--received", "--json").splitlines()) == 2, "kept over the end of the gateway")
        here.start()


def files_that_are_no_reports_are_named():
    with Gateway(PROGRAM, listeners=[Listener("none")]) as here:
        whole = mail(packed(report()))
        damaged = {
            "cut.eml": (whole[:whole.index(b"base64") + 150], "part 2 (application/tlsrpt+gzip): its "),
            "bomb.gz": (gzip.compress(bytes(200 << 20), 9), "a bomb, not text"),
            "large.gz": (gzip.compress(os.urandom(9 << 20)), "larger than 8 MiB"),
            "much.json.gz": (gzip.compress(b'{"x": "' + os.urandom(2 << 20).hex().encode()), "the 2097152 octets"),
            "deep.json": (b'{"a":' * 100000, ""),
            "nested.eml": (b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n)
                                    for n in range(1000)), "more than 8 deep"),
            "empty": (b"", "it is empty"),
            "text": (b"hello\n", "neither JSON, nor gzip data, nor a message"),
        }
        paths = [write(here, name, content) for name, (content, _) in damaged.items()]
        good = write(here, "good", packed(report("good")))
        done = gateway.subprocess.run([PROGRAM, "report", "-c", here.settings_file, "--json", "--read", *paths, good, "-"],
                                      input=json.dumps(report("from stdin")).encode(), capture_output=True, check=False)
        must(done.returncode == 3, done)
        must([json.loads(line)["id"] for line in done.stdout.splitlines()] == ["good", "from stdin"], done.stdout)
        lines = done.stderr.decode().splitlines()
        for path, line, (_, why) in zip(paths, lines, damaged.values()):
            must(line.startswith(f"postern report: {path}: ") and why in line, line)
        must(len(lines) == len(paths), lines)


TESTS = [
    a_report_by_mail_is_read_and_still_delivered,
    a_report_that_comes_twice_counts_once,
    mail_that_cannot_be_read_is_delivered_and_said_why,
    other_recipients_and_other_mail_do_not_mind,
    without_the_setting_nothing_is_read,
    a_report_is_told_beside_what_failed_here,
    a_sender_that_names_no_address_is_known_by_its_name,
    reports_are_kept_and_listed,
    files_that_are_no_reports_are_named,
]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
