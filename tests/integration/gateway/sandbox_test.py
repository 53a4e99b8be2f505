#!/usr/bin/python3
"""sandbox_test.py POSTERN [TEST...] - what the gateway gives up before it serves, and that it works all the same.

Each promise is a TAP test. Those of another user need root and the user nobody.
"""
import ctypes
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import gateway
from gateway import LOCAL, Failed, Gateway, Listener, as_stored, open_client
from syslog_daemon import SyslogDaemon

PROGRAM = gateway.take_program()
USER = "nobody"
ELSEWHERE = "elsewhere.test"  # mail for it goes over a local socket
SENDER = "somebody@client.test"
MESSAGE = b"Subject: one\r\n\r\none\r\n"
NET_BIND_SERVICE = 1 << 10


class Absent(Exception):
    """It cannot be tried here."""


def must(holds, what):
    if not holds:
        raise Failed(what)


def nobody():
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        raise Absent(f"there is no user {USER}") from None
    if os.geteuid() != 0:
        raise Absent("only root can become another user")
    return found


def landlock_abi():
    libc = ctypes.CDLL(None, use_errno=True)
    return max(libc.syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1)), 0)


def needs_landlock():
    if landlock_abi() < 2:
        raise Absent("this kernel has no landlock that lets files be moved")


def gateway_of(user=USER, **options):
    """A gateway that becomes `user`, may read its key and write its Maildirs."""
    found = nobody()
    one = Gateway(PROGRAM, [Listener("may"), Listener("none")], settings=f'user = "{user}"\n' + options.pop("settings", ""),
                  **options)
    one.pair = one.world.files(one.world.good())  # the same at each reload
    one.world.files = lambda _: one.pair
    os.chown(one.pair[1], -1, found.pw_gid)
    os.chmod(one.pair[1], 0o640)
    os.chown(one.mailboxes, found.pw_uid, found.pw_gid)
    os.mkdir(one.state)
    os.chown(one.state, found.pw_uid, found.pw_gid)
    return one


def as_nobody():
    """In front of a command: setpriv finds the program by the rights of root, wherever it was built."""
    return ["setpriv", "--reuid", USER, "--regid", str(nobody().pw_gid), "--clear-groups", "--"]


def ran(one, *more, wrapper=()):
    """`postern serve` that is to end by itself."""
    return subprocess.run([*wrapper, PROGRAM, "serve", "-c", one.settings_file, *more], capture_output=True, text=True,
                          check=False, timeout=gateway.PATIENCE_S, stdin=subprocess.DEVNULL)


def send(one, *recipients, how="may"):
    client = open_client(one, how)
    client.envelope(SENDER, *recipients)
    answer = client.data(MESSAGE)
    must(answer.code == 250, f"{answer}")
    client.quit()


def statuses(pid):
    """What the kernel says of each thread."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


class Mailbox:
    """An LMTP server at a local socket that takes one message a session."""

    def __init__(self, path):
        self.taken, self.has_one = [], threading.Event()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(path)
        os.chmod(path, 0o666)
        self.listening.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                session, _ = self.listening.accept()
            except OSError:
                return
            with session, session.makefile("rwb") as stream:
                self.converse(stream)

    def converse(self, stream):
        def say(text):
            stream.write(text)
            stream.flush()

        say(b"220 lmtp.test\r\n")
        for line in stream:
            word = line[:4].upper()
            if word == b"DATA":
                say(b"354 go on\r\n")
                lines = []
                for part in stream:
                    if part == b".\r\n":
                        break
                    lines.append(part)
                self.taken.append(b"".join(lines))
                self.has_one.set()
            say(b"221 bye\r\n" if word == b"QUIT" else b"250 2.0.0 yes\r\n")
            if word == b"QUIT":
                return

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


# --- another user ---

def every_thread_is_of_that_user_and_may_bind_ports_and_nothing_else():
    found = nobody()
    with gateway_of() as one:
        send(one, f"first@{LOCAL}")
        one.mail("first")
        seen = list(statuses(one.pid))
        must(len(seen) > 1, "there is one thread alone")
        for status in seen:
            must(status["Uid"].split() == [str(found.pw_uid)] * 4, f"{status['Name']}: {status['Uid']}")
            must(status["Gid"].split() == [str(found.pw_gid)] * 4, f"{status['Name']}: {status['Gid']}")
            must(set(status["Groups"].split()) == {str(group) for group in os.getgrouplist(USER, found.pw_gid)},
                 f"{status['Name']}: {status['Groups']}")
            for kind in ("CapPrm", "CapEff"):
                must(int(status[kind], 16) == NET_BIND_SERVICE, f"{status['Name']}: {kind} {status[kind]}")
            for kind in ("CapInh", "CapAmb"):
                must(int(status[kind], 16) == 0, f"{status['Name']}: {kind} {status[kind]}")
        must(one.log("sandbox", user=USER, seccomp="yes"), one.said())
        must(not one.log("running-as-root"), one.said())


def all_that_it_makes_is_of_that_user():
    found = nobody()
    one = gateway_of()
    os.rmdir(one.state)  # root makes it for that user
    with one:
        send(one, f"first@{LOCAL}")
        one.mail("first")
        count = 0
        for folder, folders, files in os.walk(one.state):
            for name in [".", *folders, *files]:
                status = os.lstat(os.path.join(folder, name))
                count += 1
                must((status.st_uid, status.st_gid) == (found.pw_uid, found.pw_gid), f"{folder}/{name}: {status}")
        must(count > 3, "nothing is there")
        must(os.stat(one.state).st_mode & 0o777 == 0o711, f"{os.stat(one.state)}")
        must(os.stat(one.files("first")[0]).st_uid == found.pw_uid, "the mail is another's")


def mail_is_taken_and_goes_to_a_maildir_and_over_a_local_socket():
    one = gateway_of()
    path = os.path.join(one.folder, "lmtp")
    one.more += f'domain "{ELSEWHERE}" {{ deliver = "lmtp:unix:{path}" }}\n'
    server = Mailbox(path)
    try:
        with one:
            send(one, f"first@{LOCAL}", f"second@{ELSEWHERE}")
            must(one.one("first").body == as_stored(MESSAGE), "another message")
            one.wait_log("delivered", to=f"<second@{ELSEWHERE}>")
            must(server.has_one.is_set() and server.taken[0].endswith(MESSAGE), f"{server.taken}")
    finally:
        server.close()


def a_syslog_daemon_that_was_started_again_is_found_by_that_user():
    one = gateway_of()
    daemon = SyslogDaemon(one)
    try:
        with one:
            must(one.log("sandbox", user=USER, seccomp="yes"), one.said())
            daemon.stop()
            send(one, f"first@{LOCAL}")
            one.mail("first")
            daemon.start()
            send(one, f"second@{LOCAL}")
            one.wait_log("delivered", to=f"<second@{LOCAL}>")
            must(any("lost" in line for line in one.log()), one.said())
    finally:
        daemon.stop()


def a_port_below_1024_can_be_bound_by_a_reload():
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="utf-8") as file:
        if int(file.read()) <= 1:
            raise Absent("anybody may bind any port here")
    with gateway_of() as one:
        for port in (987, 881, 793, 619):
            try:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            listener = Listener("none")
            listener.port = port
            one.listeners = [*one.listeners, listener]
            must(one.reload()["event"] == "reloaded", one.said())
            with gateway.Client(port) as client:
                client.quit()
            return
        raise Absent("all of these ports are taken")


def a_key_that_the_user_cannot_read_is_named_with_the_user_and_a_remedy():
    one = gateway_of()
    key = one.pair[1]
    os.chmod(key, 0o600)
    one.write_settings()
    try:
        for more in ([], ["--check-config"]):
            done = ran(one, *more)
            must(done.returncode == 2, f"exits {done.returncode}: {done.stderr}")
            said = [line for line in done.stderr.splitlines() if key in line and line.startswith(one.settings_file + ":")]
            must(said and f"user {USER}" in said[0] and f"chmod g+r {key}" in said[0], done.stderr)
        os.chmod(key, 0o640)
        with one:
            os.chmod(key, 0o600)
            line = one.reload()
            must(line["event"] == "reload-failed", f"{line}")
            must(any(f"user {USER}" in fault["text"] for fault in one.log("settings-fault")), one.said())
            send(one, f"first@{LOCAL}")
            one.mail("first")
    finally:
        one.remove()


def a_folder_that_the_user_cannot_pass_is_the_one_that_is_named():
    one = gateway_of()
    folder = os.path.join(one.folder, "closed")
    os.mkdir(folder, 0o700)
    one.pair = [shutil.copy(path, folder) for path in one.pair]
    one.write_settings()
    try:
        done = ran(one, "--check-config")
        must(done.returncode == 2 and f"chmod g+x {folder}" in done.stderr, f"{done.returncode}: {done.stderr}")
    finally:
        one.remove()


def a_queue_that_belongs_to_root_is_named_with_a_remedy():
    one = gateway_of()
    one.more, ours = "", one.more
    with one:
        send(one, f"first@{LOCAL}")
        one.mail("first")
        one.stop()
        one.more = ours
        one.write_settings()
        done = ran(one)
        must(done.returncode == 3 and "start-failed" in done.stderr and f"chown -R {USER}: {one.state}" in done.stderr,
             f"{done.returncode}: {done.stderr}")
        subprocess.run(["chown", "-R", f"{USER}:", one.state, one.mailboxes], check=True)
        one.start()
        send(one, f"second@{LOCAL}")
        one.mail("second")


def who_is_not_root_becomes_nobody_else():
    one = gateway_of(user="daemon")
    one.write_settings()
    try:
        done = ran(one, wrapper=as_nobody())
        must(done.returncode == 2 and "only root can become another user" in done.stderr
             and 'user = "daemon"' in done.stderr, f"{done.returncode}: {done.stderr}")
    finally:
        one.remove()


def that_user_may_start_it_too():
    one = gateway_of()
    one.wrapper = as_nobody()
    os.chmod(one.folder, 0o777)
    with one:
        send(one, f"first@{LOCAL}")
        one.mail("first")
        must(all(int(status["CapPrm"], 16) == 0 for status in statuses(one.pid)), "it has a right of root")


def an_unknown_user_and_root_are_faults_with_their_line():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "postern.conf")
        for user, said in (("no-such-user", 'there is no user "no-such-user" here'), ("root", "is root")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f'listener "127.0.0.1:0" {{ tls = none }}\nuser = "{user}"\nsandbox = maybe\n')
            done = subprocess.run([PROGRAM, "serve", "-c", path, "--check-config"], capture_output=True, text=True,
                                  check=False, timeout=gateway.PATIENCE_S)
            must(done.returncode == 2 and f"{path}:2: user: " in done.stderr and said in done.stderr, done.stderr)
            must(f"{path}:3: sandbox: " in done.stderr, done.stderr)


def root_without_a_user_is_warned_and_told_what_to_write():
    if os.geteuid() != 0:
        raise Absent("we are not root")
    with Gateway(PROGRAM, [Listener("none")]) as one:
        line = one.log("running-as-root")
        must(len(line) == 1 and line[0]["level"] == "warn" and 'user = "postern"' in line[0]["remedy"], one.said())


# --- files and system calls ---

def every_thread_has_given_up_system_calls_and_new_rights():
    with Gateway(PROGRAM, [Listener("none")]) as one:
        send(one, f"first@{LOCAL}", how="none")
        one.mail("first")
        must(one.log("sandbox", landlock=landlock_abi() if landlock_abi() > 1 else 0, seccomp="yes"), one.said())
        for status in statuses(one.pid):
            must(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", f"{status}")


def sandbox_no_gives_up_nothing_of_it():
    with Gateway(PROGRAM, [Listener("none")], settings="sandbox = no\n") as one:
        must(one.log("sandbox", landlock=0, seccomp="no"), one.said())
        must(all(status["Seccomp"] == "0" for status in statuses(one.pid)), "it has a filter")


def with_domain(one, folder, domain=ELSEWHERE):
    one.more = f'domain "{domain}" {{ deliver = "maildir:{folder}/{{user}}" }}\n'


def a_reload_that_names_a_maildir_elsewhere_is_refused_and_the_settings_stay():
    needs_landlock()
    with Gateway(PROGRAM, [Listener("none")]) as one:
        elsewhere = os.path.join(one.folder, "elsewhere")
        os.mkdir(elsewhere)
        with_domain(one, elsewhere)
        line = one.reload()
        must(line["event"] == "reload-failed" and "needs a restart" in line["reason"], f"{line}")
        must(elsewhere in line["reason"] and ELSEWHERE in line["reason"], f"{line}")
        with gateway.Client(one.port("none")) as client:
            client.expect("EHLO client.test", 250)
            client.expect(f"MAIL FROM:<{SENDER}>", 250)
            client.expect(f"RCPT TO:<first@{ELSEWHERE}>", 550)
        send(one, f"first@{LOCAL}", how="none")
        one.mail("first")
        one.stop()
        one.start()
        send(one, f"first@{ELSEWHERE}", how="none")
        one.wait_log("delivered", to=f"<first@{ELSEWHERE}>")


def a_reload_may_name_another_maildir_below_what_was_named():
    with Gateway(PROGRAM, [Listener("none")]) as one:
        os.mkdir(os.path.join(one.mailboxes, "more"))
        os.symlink(os.path.join(one.mailboxes, "more"), os.path.join(one.folder, "link"))
        with_domain(one, os.path.join(one.folder, "link"))
        must(one.reload()["event"] == "reloaded", one.said())
        send(one, f"first@{ELSEWHERE}", how="none")
        one.wait_log("delivered", to=f"<first@{ELSEWHERE}>")


def a_folder_that_is_another_by_now_hinders_no_reload_and_is_told_of():
    needs_landlock()
    with Gateway(PROGRAM, [Listener("none")]) as one:
        os.rename(one.mailboxes, one.mailboxes + ".old")
        os.mkdir(one.mailboxes)  # of the same name, and landlock knows it by another
        must(one.reload()["event"] == "reloaded", one.said())
        must(one.log("restart-needed", key="deliver", folder=one.mailboxes), one.said())
        send(one, f"first@{LOCAL}", how="none")
        line = one.wait_log("deferred", to=f"<first@{LOCAL}>")
        must("Permission denied" in line["reply"], f"{line}")


TESTS = [
    every_thread_is_of_that_user_and_may_bind_ports_and_nothing_else,
    all_that_it_makes_is_of_that_user,
    mail_is_taken_and_goes_to_a_maildir_and_over_a_local_socket,
    a_syslog_daemon_that_was_started_again_is_found_by_that_user,
    a_port_below_1024_can_be_bound_by_a_reload,
    a_key_that_the_user_cannot_read_is_named_with_the_user_and_a_remedy,
    a_folder_that_the_user_cannot_pass_is_the_one_that_is_named,
    a_queue_that_belongs_to_root_is_named_with_a_remedy,
    who_is_not_root_becomes_nobody_else,
    that_user_may_start_it_too,
    an_unknown_user_and_root_are_faults_with_their_line,
    root_without_a_user_is_warned_and_told_what_to_write,
    every_thread_has_given_up_system_calls_and_new_rights,
    sandbox_no_gives_up_nothing_of_it,
    a_reload_that_names_a_maildir_elsewhere_is_refused_and_the_settings_stay,
    a_reload_may_name_another_maildir_below_what_was_named,
    a_folder_that_is_another_by_now_hinders_no_reload_and_is_told_of,
]

if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS, (Absent,)))
