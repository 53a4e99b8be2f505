#!/usr/bin/python3
"""syslog_test.py POSTERN [TEST...] - what a gateway promises whose log goes to syslog. Each promise is a TAP test."""
import subprocess
import sys

import gateway
from gateway import LOCAL, Client, Failed, Gateway, Listener, wait_for
from syslog_daemon import SyslogDaemon

PROGRAM = gateway.take_program()
SENDER = "somebody@client.test"
MESSAGES = 5


def must(holds, what):
    if not holds:
        raise Failed(what)


def send(one, user):
    with Client(one.port("none")) as client:
        client.expect("EHLO client.test", 250)
        client.envelope(SENDER, f"{user}@{LOCAL}")
        answer = client.data(b"Subject: one\r\n\r\none\r\n")
        must(answer.code == 250, f"{answer}")
        client.quit()


def lost(one):
    """Lines of which the log says that they were lost."""
    return sum(line.get("lost", 0) for line in one.log())


class Place:
    """A gateway and its daemon."""

    def __init__(self):
        self.gateway = Gateway(PROGRAM, [Listener("none")])
        self.daemon = SyslogDaemon(self.gateway)

    def __enter__(self):
        self.gateway.__enter__()
        return self.gateway, self.daemon

    def __exit__(self, kind, *more):
        self.gateway.__exit__(kind, *more)
        self.daemon.stop()
        must(kind or not self.daemon.wrong, f"{self.daemon.wrong[:1]}")


def a_line_has_facility_mail_its_level_and_our_number():
    with Place() as (one, daemon):
        send(one, "first")
        one.wait_log("delivered", to=f"<first@{LOCAL}>")
        must(daemon.pids == {one.pid}, f"{daemon.pids} and not {one.pid}")


def mail_goes_on_while_the_daemon_hangs_and_what_was_lost_is_told():
    with Place() as (one, daemon):
        daemon.hang()
        daemon.fill()
        for number in range(MESSAGES):
            send(one, f"user{number}")
            one.mail(f"user{number}")
        daemon.go_on()
        send(one, "last")
        wait_for("a line that tells of the others", lambda: lost(one) >= MESSAGES)
        one.mail("last")


def mail_goes_on_without_a_daemon_and_one_that_comes_is_found():
    with Place() as (one, daemon):
        daemon.stop()
        for number in range(MESSAGES):
            send(one, f"user{number}")
            one.mail(f"user{number}")
        daemon.start()
        send(one, "last")
        wait_for("a line that tells of the others", lambda: lost(one) >= MESSAGES)
        one.wait_log("delivered", to=f"<last@{LOCAL}>")


def who_starts_it_without_a_daemon_is_told_so_and_why_it_does_not_start():
    one = Gateway(PROGRAM, [Listener("none")])
    socket = f"{one.folder}/nobody"
    try:
        one.more += f"log_to = syslog\nsyslog_socket = {gateway.quote(socket)}\n"
        one.state = f"{one.folder}/none/state"  # the folder above is not there
        one.write_settings()
        done = subprocess.run([one.program, "serve", "-c", one.settings_file], capture_output=True, text=True,
                              check=False, timeout=gateway.PATIENCE_S)
    finally:
        one.remove()
    must(done.returncode == 3, f"exits {done.returncode}: {done.stderr}")
    must(socket in done.stderr and "log_to = stderr" in done.stderr, f"the socket is not named: {done.stderr}")
    must(one.state in done.stderr, f"it is not said why: {done.stderr}")


def a_reload_says_that_another_socket_needs_a_restart():
    with Place() as (one, daemon):
        one.more = one.more.replace(daemon.path, daemon.path + ".other")
        must(one.reload()["event"] == "reloaded", one.said())
        must(one.log("restart-needed", key="syslog_socket"), one.said())


TESTS = [
    a_line_has_facility_mail_its_level_and_our_number,
    mail_goes_on_while_the_daemon_hangs_and_what_was_lost_is_told,
    mail_goes_on_without_a_daemon_and_one_that_comes_is_found,
    who_starts_it_without_a_daemon_is_told_so_and_why_it_does_not_start,
    a_reload_says_that_another_socket_needs_a_restart,
]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
