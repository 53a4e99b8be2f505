#!/usr/bin/python3
"""track_test.py POSTERN [TEST...] - what was sent is told again: stories, the ledger, other levels, and the reports.

The log, tracking and the report of one failure name the same finding. Each promise is a TAP test.
"""
import email
import email.policy
import json
import re
import sys
import time

import gateway
from gateway import Client, wait_for
from outbound_test import Scripted, hop, must, receiving, send, sending

QUICK = "queue { retry = { 1s } lifetime = 3s warn_after = 2s }\n"
SENDER = "from@here.test"


def put(one, *recipients, sender=SENDER):
    with Client(one.port("none")) as client:
        client.expect("EHLO client.test", 250)
        client.envelope(sender, *recipients)
        answer = client.data(b"Message-ID: <one@here.test>\r\nSubject: hello\r\n\r\nhello\r\n")
        must(answer.code == 250, f"{answer}")
        client.quit()


def track(one, *words, status=(0,)):
    """The page, which fits its reader."""
    page = one.run("track", "-c", one.settings_file, *words, status=status)
    must(max(map(len, page.splitlines()), default=0) <= 80, f"a line is too long:\n{page}")
    must(re.fullmatch(r"[ -~\n]*", page), f"not for a terminal: {page!r}")
    return page


def track_json(one, *words):
    return [json.loads(line) for line in one.run("track", "-c", one.settings_file, "--json", *words,
                                                 status=(0, 1)).splitlines()]


def told(one, *words, enough=lambda stories: stories):
    """The stories, once there are enough: they are written some moments after the log."""
    return wait_for(f"track {words}", lambda: (lambda found: found if enough(found) else None)(track_json(one, *words)))


def flat(page):
    return " ".join(page.split())


def has(page, *all_words):
    for words in all_words:
        must(words in flat(page), f"{words!r} is missing from:\n{page}")


def ended(story):
    return {event["recipient"] for event in story["events"] if event["event"] in ("done", "bounced")}


def sessions_of(story, recipient):
    return [story["sessions"].get(event["session"]) for event in story["events"]
            if event.get("recipient") == recipient and "session" in event]


def a_delivery_is_told_with_host_tls_level_rule_and_what_was_wrong_all_the_same():
    with receiving() as there, sending({"default": "level = may " + hop(there.port("may"))}) as here:
        put(here, "user@there.test")
        story = told(here, "--to", "user@there.test", enough=lambda found: found and ended(found[0]))[0]
        session = sessions_of(story, "user@there.test")[-1]
        must(session["level"] == "may" and session["rule"] == "default" and session["decision"] == "deliver", session)
        must(session["tls"].startswith("TLSv1.3 "), session["tls"])
        must(session["destination"] == f"[127.0.0.1]:{there.port('may')}", session["destination"])
        must("certificate-issuer-untrusted" in [finding["code"] for finding in session["findings"]], session["findings"])
        must(session["would_refuse"]["verify"] == "certificate-issuer-untrusted", session["would_refuse"])
        must("encrypt" not in session["would_refuse"], session["would_refuse"])
        must(session["observation"]["tls"]["version"] == "TLSv1.3", "the observation")
        page = track(here, "--to", "user@there.test")
        has(page, "delivered to user@there.test", session["tls"], "level may, by policy default",
            "certificate-issuer-untrusted: ", " proof ", " remedy ", "1 delivered")


def log_tracking_and_report_name_the_same_finding():
    with Scripted(keywords=["STARTTLS"]) as broken, Scripted() as bare, receiving() as there, sending(
            {"broken.test": "level = encrypt " + hop(broken.port), "bare.test": "level = verify " + hop(bare.port),
             "bad.test": "level = secure " + hop(there.port("may"))}, settings=QUICK) as here:
        expected = {"a@broken.test": "starttls-closed", "b@bare.test": "starttls-not-offered",
                    "c@bad.test": "certificate-issuer-untrusted"}
        put(here, *expected)
        codes = {}
        for recipient, finding in expected.items():
            line = here.wait_log("bounced", to=f"<{recipient}>")
            codes[recipient] = line["code"]
            must(line["finding"] == finding and line["code"].startswith("4.7."), f"{line}")
        story = told(here, "--from", SENDER, enough=lambda found: found and len(ended(found[0])) == 3)[0]
        for recipient, finding in expected.items():
            events = [event for event in story["events"] if event.get("recipient") == recipient and "relay" in event]
            must(len(events) > 1 and {event["finding"] for event in events} == {finding}, f"{events}")
            for session in sessions_of(story, recipient):
                must(session["findings"][0]["code"] == finding, session["findings"])
                must(session["decision"] == "defer", session["decision"])
        page = track(here, "--finding", "starttls-closed")
        has(page, "put off: a@broken.test", "4.7.5 starttls-closed: ", "starttls-closed, as above",
            "given up: a@broken.test", "3 given up")
        reports(here, expected, codes)


def reports(here, expected, codes):
    """A warning and a report for each of them, with cause, proof and remedy of the case and the finding's status."""
    wait_for("six reports", lambda: len(here.files("from", "here.test")) >= 6 or None)
    seen = {"delayed": {}, "failed": {}}
    for name in here.files("from", "here.test"):
        with open(name, "rb") as file:
            message = email.message_from_bytes(file.read(), policy=email.policy.default)
        words, status, _ = message.iter_parts()
        for fields in status.get_payload()[1:]:
            address = fields["Final-Recipient"].split(";")[1].strip()
            seen[fields["Action"]][address] = (words.get_content(), fields["Status"])
    for action, of_address in seen.items():
        must(set(of_address) == set(expected), f"{action}: {set(of_address)}")
        for address, (text, status) in of_address.items():
            must(status == codes[address], f"{address}: {status}")
            plain, postmaster = text.split("==== For your postmaster ====")
            must(expected[address] not in plain, f"a slug is no plain word:\n{plain}")
            has(plain, "No protected connection" if address != "c@bad.test" else "could not prove that it is the right one")
            has(postmaster, f"({expected[address]}; a matter of the receiving side)", " Proof ", " Remedy ")
            must(max(map(len, text.splitlines())) <= 76, text)


def the_ledger_has_every_recipient_that_left_in_the_clear_and_no_other():
    queue = "queue { retry = { 1s } in_the_clear_after = 1s }\n"
    with Scripted() as bare, Scripted(keywords=["STARTTLS"]) as broken, receiving("there.test", "none.test") as there, sending(
            {"bare.test": "level = may " + hop(bare.port), "none.test": "level = none " + hop(there.port("may")),
             "broken.test": "level = may " + hop(broken.port), "there.test": "level = may " + hop(there.port("may"))},
            settings=queue) as here:
        put(here, "a@bare.test", "b@bare.test", "c@none.test", "d@broken.test", "e@there.test", "home@here.test")
        here.wait_log("delivered", to="<d@broken.test>")
        ledger = told(here, "--in-the-clear", enough=lambda found: len(found) >= 4)
        found = {story["events"][0]["recipient"]: story for story in ledger}
        must(set(found) == {"a@bare.test", "b@bare.test", "c@none.test", "d@broken.test"}, f"{set(found)}")
        for recipient, (why, level) in {"a@bare.test": ("not-offered", "may"), "c@none.test": ("level-none", "none"),
                                        "d@broken.test": ("tls-failed", "may")}.items():
            story = found[recipient]
            session = story["sessions"][story["events"][0]["session"]]
            must((session["why_clear"], session["level"], session["rule"]) == (why, level, recipient.split("@")[1]), session)
            must(story["sender"] == SENDER, f"{story['sender']}")
        page = track(here, "--in-the-clear")
        has(page, "the server does not offer STARTTLS", "level none, by policy none.test",
            "4 recipients, for whom mail left in the clear: 2 the server does not offer STARTTLS")
        must(len(track_json(here, "--in-the-clear", "bare.test")) == 2, "the ledger of a domain")
        track(here, "--in-the-clear", "there.test", status=(1,))


def other_levels_are_counted_over_the_sessions_that_were():
    with Scripted() as bare, receiving("there.test", "well.test") as there, sending(
            {"bare.test": "level = may " + hop(bare.port), "there.test": "level = may " + hop(there.port("may"))}) as here:
        send(here, "a@bare.test")
        send(here, "b@there.test")
        for recipient in ("a@bare.test", "b@there.test"):
            here.wait_log("delivered", to=f"<{recipient}>")
        enough = lambda found: found and found[0]["sessions"] == 2  # noqa: E731
        encrypt = told(here, "--would", "encrypt", enough=enough)[0]
        must(encrypt["findings"] == {"starttls-not-offered": 1} and encrypt["would_fail"] == 1, f"{encrypt}")
        must([one["destination"] for one in encrypt["destinations"]] == ["bare.test"], f"{encrypt}")
        verify = told(here, "--would", "verify", enough=enough)[0]
        must(verify["findings"] == {"starttls-not-offered": 1, "certificate-issuer-untrusted": 1}, f"{verify}")
        has(track(here, "--would", "encrypt"), "Had you required encrypt everywhere, 1 of 2 sessions since",
            "1 starttls-not-offered", "1 of 1 bare.test: 1 starttls-not-offered", "With 1 other every session would have passed.")
        has(track(here, "--would", "encrypt", "there.test"), "Had you required encrypt for there.test, 0 of 1 session")
        track(here, "--would", "encrypt", "well.test", status=(1,))


def who_asks_for_it_hears_that_mail_was_passed_on_unless_the_next_server_tells():
    def put_asking(here, recipient):
        with Client(here.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.expect(f"MAIL FROM:<{SENDER}> ENVID=e1", 250)
            client.expect(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS", 250)
            client.data(b"Subject: x\r\n\r\nhello\r\n")
            client.quit()
        here.wait_log("delivered", to=f"<{recipient}>")

    with Scripted() as plain, Scripted(keywords=["DSN"]) as telling, sending(
            {"plain.test": "level = may " + hop(plain.port), "telling.test": "level = may " + hop(telling.port)}) as here:
        put_asking(here, "a@telling.test")
        must("NOTIFY=SUCCESS" in telling.said("RCPT")[0] and "ENVID=e1" in telling.said("MAIL")[0], f"{telling.lines}")
        put_asking(here, "b@plain.test")
        must("NOTIFY" not in plain.said("RCPT")[0], f"{plain.lines}")
        (name,) = wait_for("a report", lambda: here.files("from", "here.test") or None)
        with open(name, encoding="utf-8", newline="") as file:
            mail = file.read().replace("\r\n", "\n")
        for words in ("Action: relayed\n", "Final-Recipient: rfc822; b@plain.test\n", "Original-Envelope-Id: e1\n",
                      "will not tell whether it"):
            must(words in mail, f"{words!r} is missing from:\n{mail}")


def a_session_that_fails_has_its_time():
    def reply(verb, line):
        time.sleep(0.05 if verb == "EHLO" else 0)

    with Scripted(reply, keywords=["STARTTLS"]) as slow, sending(
            {"slow.test": "level = encrypt " + hop(slow.port)}, settings=QUICK) as here:
        put(here, "a@slow.test")
        line = here.wait_log("deferred", to="<a@slow.test>")
        must(line["finding"] == "starttls-closed" and line["milliseconds"] >= 40, f"{line}")  # it waited for the EHLO


def the_queue_shows_every_finding_of_the_last_attempt():
    with receiving() as there, sending({"bad.test": "level = secure " + hop(there.port("may"))}) as here:
        put(here, "a@bad.test", "b@bad.test")
        for recipient in ("a@bad.test", "b@bad.test"):
            here.wait_log("deferred", to=f"<{recipient}>")
        (story,) = told(here, "--to", "b@bad.test", enough=lambda found: found and "sessions" in found[0])
        words = ("-c", here.settings_file, story["id"])
        page = here.run("queue", "show", *words)
        must(max(map(len, page.splitlines())) <= 80, page)
        must(flat(page).count("also certificate-name-mismatch: The certificate does not name bad.test") == 2, page)
        for recipient in json.loads(here.run("queue", "show", "--json", *words))["recipients"]:
            must(recipient["finding"] == "certificate-issuer-untrusted", f"{recipient}")
            must(recipient["findings"] == ["certificate-issuer-untrusted", "certificate-name-mismatch"], f"{recipient}")


TESTS = [
    a_delivery_is_told_with_host_tls_level_rule_and_what_was_wrong_all_the_same,
    log_tracking_and_report_name_the_same_finding,
    the_ledger_has_every_recipient_that_left_in_the_clear_and_no_other,
    other_levels_are_counted_over_the_sessions_that_were,
    who_asks_for_it_hears_that_mail_was_passed_on_unless_the_next_server_tells,
    a_session_that_fails_has_its_time,
    the_queue_shows_every_finding_of_the_last_attempt,
]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
