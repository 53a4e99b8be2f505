#!/usr/bin/python3
"""tls_reports_test.py POSTERN [TEST...] - what sessions showed is counted, shown and told to the domains that ask (RFC 8460).

A gateway delivers to hosts that DNS names, at what they publish; its reports go to another gateway as mail, and to a server
of this test by HTTPS POST. Days do not pass here: what was counted is moved to yesterday in the file while no gateway
runs. Each promise is a TAP test.
"""
import datetime
import email
import email.policy
import gzip
import ipaddress
import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading

import gateway
import ports
from destinations import must
from gateway import Gateway, Listener, wait_for
from policy_world import Page
from sts_test import ENFORCE, PROGRAM, Place

REPORT = "report.test"
BOX = f"box@{REPORT}"
RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted",
           "validation-failure", "tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error",
           "sts-policy-invalid", "sts-webpki-invalid"}  # RFC 8460 section 4.3
DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


# ---- the grammar of RFC 8460 section 4.4 ----

def members(thing, needed, optional=()):
    must(isinstance(thing, dict), f"not an object: {thing}")
    must(set(needed) <= set(thing) <= set(needed) | set(optional), f"members {sorted(thing)}")


def whole_number(value):
    must(isinstance(value, int) and not isinstance(value, bool) and value >= 0, f"not a count: {value!r}")
    return value


def texts(values):
    must(isinstance(values, list) and all(isinstance(value, str) and value for value in values), f"{values!r}")


def check_failure(failure):
    members(failure, ["result-type", "failed-session-count"],
            ["sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip", "additional-information",
             "failure-reason-code"])
    must(failure["result-type"] in RESULTS, f"{failure}")
    for key in ("sending-mta-ip", "receiving-ip"):
        if key in failure:
            ipaddress.ip_address(failure[key])
    return whole_number(failure["failed-session-count"])


def check_policy(entry):
    members(entry, ["policy", "summary"], ["failure-details"])
    policy, summary = entry["policy"], entry["summary"]
    members(policy, ["policy-type", "policy-domain"], ["policy-string", "mx-host"])
    must(policy["policy-type"] in ("tlsa", "sts", "no-policy-found"), f"{policy}")
    must(DOMAIN.fullmatch(policy["policy-domain"]), f"{policy}")
    texts(policy.get("policy-string", []))
    texts(policy.get("mx-host", []))
    members(summary, ["total-successful-session-count", "total-failure-session-count"])
    whole_number(summary["total-successful-session-count"])
    failed = whole_number(summary["total-failure-session-count"])
    counted = [check_failure(failure) for failure in entry.get("failure-details", [])]
    must(failed <= sum(counted) and all(count <= failed for count in counted), f"{entry}")


def check_report(report):
    members(report, ["organization-name", "date-range", "contact-info", "report-id", "policies"])
    members(report["date-range"], ["start-datetime", "end-datetime"])
    start, end = (datetime.datetime.strptime(report["date-range"][key], "%Y-%m-%dT%H:%M:%SZ")
                  for key in ("start-datetime", "end-datetime"))
    must(end - start == datetime.timedelta(seconds=86399) and start.time() == datetime.time(), f"{start} {end}")
    must(report["organization-name"] and "@" in report["contact-info"] and report["report-id"], f"{report}")
    must(isinstance(report["policies"], list) and report["policies"], "no policies")
    for entry in report["policies"]:
        check_policy(entry)
    return report


# ---- who takes them ----

class Post:
    """An HTTPS server for reports: `taken` has (media type, report), `status` is what it says."""

    def __init__(self, world, name):
        self.status, self.taken = 201, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*world.files(world.leaf(names=(name,))))
        self.listener = socket.create_server(("127.0.0.1", gateway.free_port()))
        self.url = f"https://{name}:{self.listener.getsockname()[1]}/tls/reports"
        threading.Thread(target=self.serve, daemon=True).start()

    def stop(self):
        ports.end(self.listener)

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        try:
            connection.settimeout(gateway.PATIENCE_S)
            with self.context.wrap_socket(connection, server_side=True) as secured, secured.makefile("rb") as lines:
                request = lines.readline().decode()
                fields = {}
                while (line := lines.readline().decode().strip()):
                    name, value = line.split(":", 1)
                    fields[name.lower()] = value.strip()
                if fields.get("expect", "").lower() == "100-continue":
                    secured.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = lines.read(int(fields["content-length"]))
                if request.split()[:2] == ["POST", "/tls/reports"]:
                    self.taken.append((fields["content-type"], json.loads(gzip.decompress(body))))
                secured.sendall(f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                secured.unwrap()
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            connection.close()


class Reporting(Place):
    """As Place, with a server for posted reports and another gateway whose mailbox takes those by mail."""

    def __init__(self, send="yes"):
        super().__init__()
        self.post = Post(self.world, "reports.loc")
        self.other = Gateway(PROGRAM, listeners=[Listener("may")], domains=(REPORT,),
                             settings=f'reports {{ read = "{BOX}" }}')
        self.dns.add("reports.loc", "A", "127.0.0.1")
        self.key = os.path.join(self.one.folder, "dkim.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key],
                       check=True, capture_output=True)
        self.one.more += f"""policy "{REPORT}" {{ level = may next_hop = "[127.0.0.1]:{self.other.port("may")}" }}
reports {{ send = {send} organization = "Here & There" contact = "tls@here.test" from = "noreply@here.test"
    dkim_key = "{self.key}" dkim_selector = s1 }}
"""

    def close(self):
        super().close()
        if hasattr(self, "post"):
            self.post.stop()
        if hasattr(self, "other"):
            self.other.remove()

    def ask_for_reports(self, domain, *uris):
        self.dns.add(f"_smtp._tls.{domain}", "TXT", "v=TLSRPTv1; rua=" + ",".join(uris))

    def report(self, *arguments, status=(0, 1)):
        return self.one.run("report", "-c", self.one.settings_file, *arguments, status=status)

    def counted(self, domain, sessions):
        """The reports about the domain, once they hold that many sessions."""
        def ask():
            try:
                reports = [check_report(json.loads(line)) for line in self.report("--json", domain).splitlines()]
            except gateway.Failed as failed:
                if "is not there" in str(failed):
                    return None
                raise
            return reports if sum(sessions_of(report) for report in reports) >= sessions else None
        return wait_for(f"{sessions} sessions with {domain}", ask)

    def let_the_day_pass(self):
        """The gateway must not run; what it counted is of yesterday, and waits to be sent."""
        with sqlite3.connect(os.path.join(self.one.state, "reports.db")) as file:
            for table in ("policy", "report", "copy", "day"):
                file.execute(f"UPDATE {table} SET day = day - 1")
            file.execute("UPDATE report SET next_at_s = next_at_s + 86400")  # not by itself while this test runs
        file.close()

    def settled(self, domain, *words):
        def ask():
            page = self.report(domain)
            return page if all(word in " ".join(page.split()) for word in words) else None
        return wait_for(f"{words} of {domain}", ask)


def sessions_of(report):
    return sum(sum(entry["summary"].values()) for entry in report["policies"])


def file_in(mail):
    """The report in a mail, as RFC 8460 section 5.3 has it."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    must(message.get_content_type() == "multipart/report" and message["Content-Type"].params["report-type"] == "tlsrpt",
         f"{message['Content-Type']}")
    words, part = message.iter_parts()
    must(words.get_content_type() == "text/plain" and part.get_content_type() == "application/tlsrpt+gzip", "its parts")
    return message, part.get_filename(), check_report(json.loads(gzip.decompress(part.get_payload(decode=True))))


# ---- promises ----

def what_sessions_showed_is_shown_before_it_is_sent():
    with Reporting() as place:
        place.publish("fine.test", page=Page(ENFORCE.replace("mail.loc", "mail2.loc")), hosts=("10 mail2.loc",))
        place.publish("bad.test", page=Page(ENFORCE))
        place.publish("plain.test", record=None, hosts=("10 mail2.loc",))
        place.one.start()
        place.send("user@fine.test", "user@bad.test", "user@plain.test")
        place.delivered("fine.test", "mail2.loc")
        place.delivered("plain.test", "mail2.loc")
        place.deferred("bad.test", "certificate-issuer-untrusted")
        report, = place.counted("bad.test", 1)
        must(report["organization-name"] == "Here & There" and report["contact-info"] == "tls@here.test", f"{report}")
        entry, = report["policies"]
        must(entry["policy"] == {"policy-type": "sts", "policy-string": ENFORCE.splitlines(), "policy-domain": "bad.test",
                                 "mx-host": ["mail.loc"]}, f"{entry}")
        failure, = entry["failure-details"]
        must((failure["result-type"], failure["failure-reason-code"]) ==
             ("certificate-not-trusted", "certificate-issuer-untrusted"), f"{failure}")
        must((failure["receiving-mx-hostname"], failure["receiving-ip"]) == ("mail.loc", "127.0.92.1"), f"{failure}")
        must(failure["sending-mta-ip"].startswith("127."), f"{failure}")
        entry, = place.counted("fine.test", 1)[0]["policies"]
        must(entry["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}, f"{entry}")
        entry, = place.counted("plain.test", 1)[0]["policies"]
        must(entry["policy"] == {"policy-type": "no-policy-found", "policy-domain": "plain.test"}, f"{entry}")
        page = place.report("bad.test", status=(1,))
        must("certificate-issuer-untrusted" in page and "The day is not over" in page, page)
        must(all(len(line) <= 80 for line in page.splitlines()), page)
        day = report["date-range"]["start-datetime"][:10]
        must({json.loads(line)["policies"][0]["policy"]["policy-domain"]
              for line in place.report("--json", "--day", day).splitlines()} >= {"bad.test"}, "by day")
        must(not place.post.taken, "it was sent")


def each_host_that_was_tried_is_a_session():
    """Also one that came less far than another before it."""
    with Reporting() as place:
        place.hosts["mail2.loc"].offers_tls = False
        place.publish("two.test", page=Page(ENFORCE + "mx: mail2.loc\n"), hosts=("10 mail.loc", "20 mail2.loc"))
        place.one.start()
        place.send("user@two.test")
        place.deferred("two.test", "certificate-issuer-untrusted")
        entry, = place.counted("two.test", 2)[0]["policies"]
        must({(failure["receiving-mx-hostname"], failure["result-type"]) for failure in entry["failure-details"]} ==
             {("mail.loc", "certificate-not-trusted"), ("mail2.loc", "starttls-not-supported")}, f"{entry}")
        must(sum(entry["summary"].values()) == 2, f"{entry}")


def a_report_goes_by_mail_and_by_post_and_never_twice():
    with Reporting() as place, place.other:
        place.publish("bad.test", page=Page(ENFORCE))
        place.ask_for_reports("bad.test", f"mailto:{BOX}", place.post.url)
        place.one.start()
        place.send("user@bad.test")
        place.deferred("bad.test")
        place.counted("bad.test", 1)
        place.one.stop()
        place.let_the_day_pass()
        shown, = place.counted("bad.test", 1)
        place.one.start()
        place.report("--send", "bad.test")
        kind, posted = wait_for("a POST", lambda: next(iter(place.post.taken), None))
        must(kind == "application/tlsrpt+gzip", kind)
        must(check_report(posted) == shown, f"posted {posted}\nshown {shown}")
        mail = place.other.mail("box", 1, REPORT)[0]
        message, name, mailed = file_in(mail.content)
        must(mailed == shown, f"mailed {mailed}\nshown {shown}")
        must(re.fullmatch(r"here\.test!bad\.test!\d+!\d+![0-9a-f]+\.json\.gz", name), name)
        must(message["TLS-Report-Domain"] == "bad.test" and message["TLS-Report-Submitter"] == "here.test", "fields")
        must(message["TLS-Required"] == "No" and message["From"].addresses[0].addr_spec == "noreply@here.test", "fields")
        must(message["Subject"].split() == ["Report", "Domain:", "bad.test", "Submitter:", "here.test", "Report-ID:",
                                            f"<{shown['report-id']}@here.test>"], message["Subject"])
        must("d=here.test" in message["DKIM-Signature"] and "s=s1" in message["DKIM-Signature"], "no signature")
        page = place.settled("bad.test", "The report: sent.", "HTTP status 201", "in the queue as")
        kept = wait_for("it to be read", lambda: place.other.run(
            "report", "-c", place.other.settings_file, "--received", "--json", status=(0, 1)).strip() or None)
        must(json.loads(kept)["id"] == shown["report-id"], kept)
        place.one.stop()
        place.one.start()
        place.report("--send", "bad.test")  # nothing waits
        must(place.report("bad.test") == page, "it was sent again")
        must(len(place.post.taken) == 1 and len(place.other.mail("box", 1, REPORT)) == 1, "it was sent twice")


def sessions_that_carried_reports_are_not_reported():
    with Reporting() as place, place.other:
        place.publish("bad.test", page=Page(ENFORCE))
        place.ask_for_reports("bad.test", f"mailto:{BOX}")
        place.one.start()
        place.send("user@bad.test")
        place.counted("bad.test", 1)
        place.one.stop()
        place.let_the_day_pass()
        place.one.start()
        place.report("--send", "bad.test")
        place.other.mail("box", 1, REPORT)
        place.one.wait_log("delivered", to=f"<{BOX}>")
        place.one.stop()  # all is written
        must("No session" in place.report(REPORT), place.report(REPORT))


def a_post_that_is_refused_waits_and_is_tried_again():
    with Reporting() as place:
        place.post.status = 503
        place.publish("bad.test", page=Page(ENFORCE))
        place.ask_for_reports("bad.test", place.post.url)
        place.one.start()
        place.send("user@bad.test")
        place.counted("bad.test", 1)
        place.one.stop()
        place.let_the_day_pass()
        place.one.start()
        place.report("--send", "bad.test")
        place.settled("bad.test", "Not sent yet: HTTP status 503", "The next attempt is at")
        place.post.status = 200
        place.report("--send", "bad.test")
        place.settled("bad.test", "The report: sent.", "HTTP status 200")
        must(len(place.post.taken) == 2, f"{len(place.post.taken)} attempts")


def who_asks_for_nothing_gets_nothing_and_it_is_said():
    with Reporting() as place:
        place.publish("bad.test", page=Page(ENFORCE))
        place.one.start()
        place.send("user@bad.test")
        place.counted("bad.test", 1)
        place.one.stop()
        place.let_the_day_pass()
        place.one.start()
        place.report("--send", "bad.test")
        place.settled("bad.test", "The report: the domain asks for no reports.")


def without_send_nothing_is_sent_and_all_is_counted():
    with Reporting(send="no") as place:
        place.publish("bad.test", page=Page(ENFORCE))
        place.ask_for_reports("bad.test", place.post.url)
        place.one.start()
        place.send("user@bad.test")
        place.counted("bad.test", 1)
        place.report("--send", "bad.test", status=(3,))
        page = place.report("bad.test")
        must("Not sent: send of the section reports is no." in page, page)


def the_command_says_what_is_wrong_with_it():
    with Reporting() as place:
        place.one.write_settings()
        for arguments, status in ((("report",), 2), (("report", "a.test", "b.test"), 2),
                                  (("report", "--day", "today"), 2), (("report", "--read", "--send", "x"), 2),
                                  (("report", "-c", place.one.settings_file, "a.test"), 3),
                                  (("report", "-c", place.one.settings_file, "a b"), 3)):
            place.one.run(*arguments, status=(status,))


TESTS = [what_sessions_showed_is_shown_before_it_is_sent, each_host_that_was_tried_is_a_session,
         a_report_goes_by_mail_and_by_post_and_never_twice,
         sessions_that_carried_reports_are_not_reported, a_post_that_is_refused_waits_and_is_tried_again,
         who_asks_for_nothing_gets_nothing_and_it_is_said, without_send_nothing_is_sent_and_all_is_counted,
         the_command_says_what_is_wrong_with_it]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
