#!/usr/bin/python3
"""scarce_test.py POSTERN [TEST...] - a gateway that may write no more, has no descriptor left or whose log nobody reads, goes on as far as it can.

What it lacks is taken away, and given back, by its resource limits, while it runs. Each promise is a TAP test.
"""
import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading

import gateway
from gateway import LOCAL, Client, Failed, Gateway, Listener, open_client, wait_for

PROGRAM = gateway.take_program()
SENDER = "sender@outside.test"
LARGE = b"Subject: large\r\n\r\n" + b"x" * 70 * 1000 + b"\r\n"  # parts of it are in the queue before it ends


def must(holds, what):
    if not holds:
        raise Failed(what)


class Limited:
    """A process whose limit is another meanwhile."""

    def __init__(self, pid, which, soft):
        self.pid, self.which, self.soft = pid, which, soft

    def __enter__(self):
        self.before = resource.prlimit(self.pid, self.which, (self.soft, resource.prlimit(self.pid, self.which)[1]))

    def __exit__(self, *_):
        resource.prlimit(self.pid, self.which, self.before)


def must_take(client, user, message=b"Subject: x\r\n\r\nx\r\n"):
    client.envelope(SENDER, f"{user}@{LOCAL}")
    answer = client.data(message)
    must(answer.code == 250, f"{user}: {answer}")


def must_not_take(client, user, message):
    """For now; and the session goes on."""
    client.envelope(SENDER, f"{user}@{LOCAL}")
    answer = client.data(message)
    must((answer.code, answer.enhanced) == (452, "4.3.1"), f"{user}: {answer}")
    client.expect("NOOP", 250)


def size_of(one):
    with Client(one.port("none")) as client:
        answer = client.expect("EHLO client.test", 250)
        client.quit()
    return next(int(line.split()[1]) for line in answer.lines if line.startswith("SIZE "))


def reload_unseen(one, mebibytes):
    """Until its log line is written, or is not: what is asked of the main thread behind it is answered."""
    one.limits["message_size"] = f"{mebibytes}M"
    one.write_settings()
    one.child.send_signal(signal.SIGHUP)
    wait_for("the new size", lambda: size_of(one) == mebibytes << 20)
    one.run("queue", "-c", one.settings_file, "list")


def where_no_file_may_grow_it_says_452_and_goes_on():
    with Gateway(PROGRAM, [Listener("none")]) as one:
        with open_client(one, "none") as client, Limited(one.pid, resource.RLIMIT_FSIZE, 0):
            for user in ("large", "other"):
                must_not_take(client, user, LARGE)
            reload_unseen(one, 3)
            with open_client(one, "none") as other:  # it takes sessions still
                must_not_take(other, "large", LARGE)
                other.quit()
            client.expect("NOOP", 250)
            must(one.child.poll() is None, f"ends with {one.child.returncode}")
        with open_client(one, "none") as client:
            must_take(client, "large", LARGE)
            must_take(client, "small")
            client.quit()
        must(one.one("large").body == gateway.as_stored(LARGE), "the message is another")
        one.one("small")
        must(not one.files("other"), "what was refused came")
        must(any(line.get("lost") for line in one.log()), f"lines were lost, and none says so: {one.said()}")


FILE_MOST = 4 << 20  # octets of every file that it writes
TAKEN = 240  # LARGE ones: four such files full of them


def take_or_refuse_once(client, number):
    """A message until it is taken, which is at once or at the second attempt; how often it was refused."""
    message = LARGE.replace(b"large", b"%d" % number, 1)
    client.envelope(SENDER, f"large@{LOCAL}")
    answer = client.data(message)
    if answer.code == 250:
        return 0
    must((answer.code, answer.enhanced) == (452, "4.3.1"), f"{number}: {answer}")
    must_take(client, "large", message)
    return 1


def where_a_file_may_not_grow_on_another_takes_what_follows():
    with Gateway(PROGRAM, [Listener("none")]) as one:
        with Limited(one.pid, resource.RLIMIT_FSIZE, FILE_MOST):
            with open_client(one, "none") as client, open_client(one, "none") as slow:
                slow.envelope(SENDER, f"slow@{LOCAL}")
                slow.send(b"BDAT %d\r\n" % len(LARGE * 2) + LARGE * 2)  # a part of it is in the queue all the time
                must(slow.reply().code == 250, f"{slow.transcript}")
                refused = sum(take_or_refuse_once(client, number) for number in range(TAKEN))
                slow.expect("BDAT 0 LAST", 250)
                client.quit()
                slow.quit()
            mail = one.mail("large", TAKEN)
            one.one("slow")
        subjects = {one.body.splitlines()[0] for one in mail}
        must(len(subjects) == TAKEN, f"some came twice, others not: {sorted(subjects)}")
        must(refused > 0, "no file came to its end")


NO_MORE = 3  # descriptors: so many are open in every process, and new ones have the lowest free number


def must_wait(client):
    must(not select.select([client.socket], [], [], 0)[0], "somebody was let in without a descriptor, or sent away")


def without_a_descriptor_those_who_are_in_are_served_and_others_wait():
    with Gateway(PROGRAM, [Listener("none")], settings="workers = 1") as one:
        with open_client(one, "none") as inside:
            must_take(inside, "before")
            one.one("before")
            with Limited(one.pid, resource.RLIMIT_NOFILE, NO_MORE):
                waiting = [Client(one.port("none"), greet=False) for _ in range(3)]
                for _ in range(50):
                    inside.expect("NOOP", 250)
                inside.envelope(SENDER, f"meanwhile@{LOCAL}")
                answer = inside.data(b"Subject: x\r\n\r\nx\r\n")
                must(answer.code in (250, 452), f"the session does not go on: {answer}")
                if answer.code == 250:
                    one.wait_log("deferred", to=f"<meanwhile@{LOCAL}>")
                for client in waiting:
                    must_wait(client)
            for client in waiting:
                client.greeting = client.reply()
                must(client.greeting.code == 220, f"{client.greeting}")
                client.expect("EHLO client.test", 250)
                must_take(client, "after")
                client.quit()
            must_take(inside, "after")
            inside.quit()
        one.mail("after", 4)
        if answer.code == 250:
            one.run("queue", "-c", one.settings_file, "retry", "all")
            one.one("meanwhile")


def a_log_that_nobody_reads_keeps_no_mail_waiting():
    one = Gateway(PROGRAM, [Listener("none")])
    ours, theirs = os.pipe()
    room = fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    lines = []
    try:
        one.write_settings()
        one.child = subprocess.Popen([*gateway.ENDS_WITH_US, one.program, "serve", "-c", one.settings_file],
                                     stdin=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        lines += os.read(ours, room).splitlines()  # that it listens, or why it does not
        with wait_for("a gateway", lambda: open_if_it_listens(one)) as client:
            for _ in range(50):  # lines of more octets than the pipe has room for
                must_take(client, "unread")
            client.quit()
        one.mail("unread", 50)
        reader = threading.Thread(target=lambda: lines.extend(open(ours, "rb", closefd=False)))
        reader.start()
        with open_client(one, "none") as client:
            must_take(client, "read")
            client.quit()
        one.one("read")
        one.stop()
        reader.join()
    finally:
        one.remove()
        os.close(ours)
    told = [json.loads(line) for line in lines]
    must(told[-1]["event"] == "stopped", f"{told[-1]}")
    must(sum(line.get("lost", 0) for line in told) > 0, f"lines are missing, and none says so: {told}")
    must(any("<read@" in line.get("to", "") for line in told), "it is not told what came once somebody read")


def open_if_it_listens(one):
    try:
        return open_client(one, "none")
    except ConnectionRefusedError:
        must(one.child.poll() is None, f"ends with {one.child.returncode}")
        return None


TESTS = [
    where_no_file_may_grow_it_says_452_and_goes_on,
    where_a_file_may_not_grow_on_another_takes_what_follows,
    without_a_descriptor_those_who_are_in_are_served_and_others_wait,
    a_log_that_nobody_reads_keeps_no_mail_waiting,
]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
