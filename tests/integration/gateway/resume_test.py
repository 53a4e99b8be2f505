#!/usr/bin/python3
"""resume_test.py POSTERN [TEST...] - the gateway resumes TLS sessions, and a server that cannot bear it loses no mail.

The servers are those of `postern lab`, found by their MX in its zone. Each promise is a TAP test.
"""
import json
import os
import subprocess
import sys
import tempfile

import gateway
from gateway import Client, Failed, Gateway, Listener, wait_for

PROGRAM = gateway.take_program()
HEALTHY, DROPS, DISLIKES = "healthy", "healthy-drops-resumed", "healthy-dislikes-resuming"


def must(holds, what):
    if not holds:
        raise Failed(what)


class Lab:
    def __init__(self, *faults):
        self.folder = tempfile.TemporaryDirectory(prefix="postern-lab-")
        options = [word for fault in faults for word in ("--fault", fault)]
        self.child = subprocess.Popen(
            [*gateway.ENDS_WITH_US, os.path.abspath(PROGRAM), "lab", "--json", "--dns", "--directory", self.folder.name,
             *options], stdout=subprocess.PIPE, text=True)
        self.manifest = json.loads(self.child.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()
        self.child.stdout.close()
        self.folder.cleanup()


def sending(lab, level):
    """A gateway that finds the lab's servers as it finds any."""
    return Gateway(PROGRAM, listeners=[Listener("none")], domains=("here.test",), relay_from=("127.0.0.0/8",),
                   ca_file=lab.manifest["ca_file"],
                   settings='policy "default" { level = %s }\nclient { port = %d }\n'
                            'dns { resolver = "%s" trust_anchor = "%s" }\n'
                            % (level, lab.manifest["servers"][0]["port"], lab.manifest["dns"],
                               lab.manifest["trust_anchor"]))


def send(here, number, fault):
    """One message over a conversation of its own: those that rest end with a reload."""
    here.reload()
    with Client(here.port("none")) as client:
        client.expect("EHLO client.test", 250)
        client.envelope("from@sender.test", f"u{number}@{fault}.lab.test")
        answer = client.data(b"Subject: x\r\n\r\nhello\r\n")
        must(answer.code == 250, f"{answer}")
        client.quit()
    return here.wait_log("delivered", to=f"<u{number}@{fault}.lab.test>")


def told(here, number, fault):
    """The TLS of the session that carried the message, as its story has it."""
    def ask():
        stories = here.run("track", "-c", here.settings_file, "--json", "--to", f"u{number}@{fault}.lab.test",
                           status=(0, 1))  # 1: not written yet
        for line in stories.splitlines():
            for session in json.loads(line).get("sessions", {}).values() if line else ():
                return session
        return None
    return wait_for("the story of a message", ask)


def deliver(level, fault, times=3):
    """That many messages, each over a conversation of its own; whether each of these was resumed."""
    with Lab(fault) as lab, sending(lab, level) as here:
        resumed = []
        for number in range(times):
            line = send(here, number, fault)
            must(line["tls"] == f"{level}:TLSv1.3", f"{line}")
            session = told(here, number, fault)
            must(session["observation"]["tls"]["chain"], "the chain is not known")
            must(session["decision"] == "deliver" and not session.get("findings"), f"{session}")
            resumed.append(session["observation"]["tls"]["was_resumed"])
        must(not here.log("deferred"), f"{here.log('deferred')}")
        return resumed


def a_second_conversation_resumes_and_is_still_verified():
    must(deliver("verify", HEALTHY) == [False, True, True], "not resumed")


def a_second_conversation_resumes_at_may_as_well():
    must(deliver("may", HEALTHY) == [False, True, True], "not resumed")


def a_server_that_drops_resumed_sessions_gets_every_message():
    must(not any(deliver("verify", DROPS)), "it was resumed")


def nothing_leaves_in_clear_for_a_server_that_drops_resumed_sessions():
    must(not any(deliver("may", DROPS)), "it was resumed")


def a_server_that_dislikes_to_resume_gets_every_message():
    must(not any(deliver("verify", DISLIKES)), "it was resumed")


def what_is_wrong_with_a_certificate_is_looked_at_each_time():
    with Lab("self-signed") as lab, sending(lab, "may") as here:
        for number in range(2):
            send(here, number, "self-signed")
            session = told(here, number, "self-signed")
            must(not session["observation"]["tls"]["offered_session"], f"{session['tls']}")


TESTS = [a_second_conversation_resumes_and_is_still_verified, a_second_conversation_resumes_at_may_as_well,
         a_server_that_drops_resumed_sessions_gets_every_message,
         nothing_leaves_in_clear_for_a_server_that_drops_resumed_sessions,
         a_server_that_dislikes_to_resume_gets_every_message,
         what_is_wrong_with_a_certificate_is_looked_at_each_time]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
