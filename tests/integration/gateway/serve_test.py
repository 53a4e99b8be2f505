#!/usr/bin/python3
"""serve_test.py POSTERN [TEST...] - `postern serve` starts, reloads, drains and ends as it promises.

Its settings with all their faults, our own certificates as senders see them and as their files change, signals,
a second instance, and the service manager's protocols. Each promise is a TAP test.
"""
import fcntl
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading

import gateway
from gateway import Client, Failed, Gateway, Listener, open_client, trusting
from faults import pki
from faults.peer import HOST

PROGRAM = gateway.take_program()
SESSIONS = 40


def must(holds, what):
    if not holds:
        raise Failed(what)


def ran(*arguments):
    return subprocess.run([PROGRAM, "serve", *arguments], capture_output=True, text=True, check=False,
                          timeout=gateway.PATIENCE_S, stdin=subprocess.DEVNULL)


def settings_of(folder, text):
    path = os.path.join(folder, "postern.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


# --- settings ---

def every_fault_is_named_with_file_and_line():
    with tempfile.TemporaryDirectory() as folder:
        path = settings_of(folder, 'hostnam = "x"\nstate_dir = "here"\nlistener "127.0.0.1:0" { tls = may }\n'
                                   'store = "postgresql://db/queue"\n')
        for arguments in (["-c", path, "--check-config"], ["--config", path]):
            done = ran(*arguments)
            must(done.returncode == 2, f"exits {done.returncode}")
            for line, word in ((1, "did you mean"), (2, "begins with /"), (3, "needs a certificate"),
                               (4, "not in this release")):
                must(any(said.startswith(f"{path}:{line}: ") and word in said for said in done.stderr.splitlines()),
                     f"line {line} is not named: {done.stderr}")
        must(not os.path.exists("here"), "a folder was made")
        done = ran("-c", os.path.join(folder, "absent.conf"), "--check-config")
        must(done.returncode == 2 and "absent.conf: " in done.stderr, f"{done.returncode}: {done.stderr}")


def shown_on_a_terminal(*arguments):
    """All that one of 80 columns shows of stderr."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([PROGRAM, "serve", *arguments], stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # EIO: nobody has the other end any more
            pass
    os.close(ours)
    return running.returncode, shown.decode().replace("\r\n", "\n")


def faults_are_folded_for_a_terminal_and_for_no_program():
    with tempfile.TemporaryDirectory() as folder:
        path = settings_of(folder, 'hostname = "alone"\nlistener "127.0.0.1:0" { tls = may }\n'
                                   'store = "postgresql://db/queue"\n')
        status, shown = shown_on_a_terminal("-c", path, "--check-config")
        told = ran("-c", path, "--check-config").stderr
        must(status == 2 and max(map(len, shown.splitlines())) <= 80, f"{status}:\n{shown}")
        must(max(map(len, told.splitlines())) > 80, f"nothing was to be folded:\n{told}")
        must(shown.split() == told.split(), f"other words:\n{shown}\n{told}")
        path = settings_of(folder, 'hostname = "alone"\n')
        _, shown = shown_on_a_terminal("-c", path, "--check-config")
        must("has no domain" in " ".join(shown.split()) and max(map(len, shown.splitlines())) <= 80, shown)


def who_has_the_port_can_be_asked():
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = settings_of(folder, f'hostname = "mx.example.org"\nstate_dir = "{folder}/state"\n'
                                   f'listener "127.0.0.1:{port}" {{ tls = none }}\n')
        done = ran("-c", path)
        must(done.returncode == 3, f"{done.returncode}: {done.stderr}")
        for words in (f"listener of {path}:3: ", "Address already in use", f"ss -ltnp sport = :{port}"):
            must(words in done.stderr, f"{words!r} is missing: {done.stderr}")


def wrong_usage_is_one_line():
    for arguments in (["--nonsense"], ["-c"], ["file"]):
        done = ran(*arguments)
        must(done.returncode == 2 and done.stderr.count("\n") == 1, f"{arguments}: {done.returncode} {done.stderr}")


def a_name_without_a_domain_is_warned_of():
    with tempfile.TemporaryDirectory() as folder:
        path = settings_of(folder, 'hostname = "alone"\nlistener "127.0.0.1:0" { tls = none }\n')
        done = ran("-c", path, "--check-config")
        must(done.returncode == 0 and 'our name is "alone"' in done.stderr, f"{done.returncode}: {done.stderr}")


def settings_without_a_fault_are_said_to_be_so():
    with Gateway(PROGRAM) as one:
        done = ran("-c", one.settings_file, "--check-config")  # while another works on the queue
        must(done.returncode == 0, f"exits {done.returncode}: {done.stderr}")
        must(done.stdout == f"{one.settings_file}: no fault\n", done.stdout)


# --- our own certificate ---

def flawed(one):
    """Identities that a careful sender does not like, and the finding of each."""
    world = one.world
    return {
        "certificate-expired": world.leaf(start=-80, end=-3),
        "certificate-name-mismatch": world.leaf(common_name="other.example", names=("other.example",)),
        "certificate-chain-incomplete": pki.Identity(world.good().certificate, world.good().key),
    }


def shown_to_anybody(one):
    """The certificate that a client sees who believes everything."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Client(one.port("may")) as client:
        return client.starttls(context).socket.getpeercert(binary_form=True)


def a_flaw_of_our_certificate_is_a_warning_with_its_remedy():
    one = Gateway(PROGRAM)
    found = flawed(one)
    one.listeners = [Listener("may", [identity]) for identity in found.values()]
    with one:
        for listener, code in zip(one.listeners, found):
            line = one.log(code, listener=f"127.0.0.1:{listener.port}")
            must(len(line) == 1, f"{code} is not in the log:\n{one.said()}")
            must(line[0]["level"] == "warn" and line[0]["cause"] and line[0]["remedy"], f"{line[0]}")
            with Client(listener.port) as client:  # and TLS works all the same
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                client.starttls(context)
        done = ran("-c", one.settings_file, "--check-config")
        must(done.returncode == 0, f"exits {done.returncode}: {done.stderr}")
        must(all(f": {code}: " in done.stderr for code in found), done.stderr)


def a_reload_judges_what_it_shows_from_then_on():
    one = Gateway(PROGRAM, [Listener("may")])
    with one:
        before = open_client(one, "may")
        for code, identity in flawed(one).items():
            one.listeners[0].identities = [identity]
            must(one.reload()["event"] == "reloaded", f"{code} is no reason to refuse:\n{one.said()}")
            line = one.log(code)
            must(len(line) == 1 and line[0]["level"] == "warn" and line[0]["remedy"], f"{code}: {line}")
            must(shown_to_anybody(one) == identity.der, f"another than that of {code} is shown")
            before.expect("NOOP", 250)
        last, other = identity.der, one.world.files(one.world.leaf())[1]
        half = one.world.write("half.pem", identity.pem[: len(identity.pem) // 2])
        certificate = one.world.files(identity)[0]
        for files in ((half, other), (certificate, other), (one.world.write("empty.pem", b""), other),
                      (os.path.join(one.folder, "none.pem"), other)):
            one.world.files = lambda _, these=files: these
            line = one.reload()
            must(line["event"] == "reload-failed" and line["remedy"], f"{files}: {line}")
            del one.world.files
            must(shown_to_anybody(one) == last, f"{files}: the one that was there is not shown on")
            before.expect("NOOP", 250)
        one.listeners[0].identities = None
        must(one.reload()["event"] == "reloaded", "it does not recover")
        open_client(one, "may").quit()
        before.quit()


def a_sound_certificate_draws_no_warning():
    with Gateway(PROGRAM) as one:
        must(not [line for line in one.log() if line["event"].startswith("certificate")], one.said())


def a_key_of_another_certificate_keeps_it_from_starting():
    one = Gateway(PROGRAM)
    one.listeners = [Listener("may", [one.world.good().with_key(pki.new_key("p256"))])]
    try:
        one.write_settings()
        done = ran("-c", one.settings_file)
        must(done.returncode == 2, f"exits {done.returncode}")
        must("is not the key of this certificate" in done.stderr, done.stderr)
    finally:
        one.remove()


def our_certificate_for_servers_is_warned_of_and_keeps_nothing_from_starting():
    one = Gateway(PROGRAM)
    good, other = one.world.files(one.world.good()), one.world.files(one.world.good_rsa())
    expired = one.world.files(one.world.leaf(start=-80, end=-3))
    for (certificate, key), code in ((expired, "client-certificate-expired"),
                                     ((good[0], other[1]), "client-certificate-unusable"), (good, None)):
        one.more = f'client {{ certificate = "{certificate}" key = "{key}" }}'
        one.start()
        lines = [line for line in one.log() if line["event"].startswith("client-certificate")]
        one.stop()
        done = ran("-c", one.settings_file, "--check-config")
        must(done.returncode == 0, f"{code}: exits {done.returncode}: {done.stderr}")
        if code is None:
            must(not lines and "client" not in done.stderr, f"{lines} {done.stderr}")
            continue
        must([line["event"] for line in lines] == [code], f"{code} is not in the log:\n{one.said()}")
        must(lines[0]["level"] == "warn" and lines[0]["file"] == certificate and lines[0]["remedy"], f"{lines[0]}")
        must(f": warning: client: {code}: " in done.stderr, done.stderr)
        os.unlink(one.log_file)
    one.more = f'client {{ certificate = "{one.folder}/none.pem" }}'
    one.write_settings()
    done = ran("-c", one.settings_file, "--check-config")
    must(done.returncode == 2 and "none.pem" in done.stderr, f"{done.returncode}: {done.stderr}")
    one.remove()


def certificate_shown(one):
    with Client(one.port("may")) as client:
        return client.starttls(trusting(one, check_hostname=False)).socket.getpeercert(True)


def newer_certificate_files_are_taken_up_by_themselves():
    one = Gateway(PROGRAM, [Listener("may")])
    with one:
        certificate, key = files_in(one.settings_file)
        before = certificate_shown(one)
        session = open_client(one, "may")
        newer = one.world.leaf()
        put_files(certificate, key, newer)
        one.wait_log("certificates-renewed")
        must(certificate_shown(one) == newer.der != before, "the old one is shown")
        session.expect("NOOP", 250)
        with open(certificate, "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
        line = one.wait_log("certificate-unusable")
        must(certificate in line["cause"] and line["remedy"], f"{line}")
        must(certificate_shown(one) == newer.der, "it is not the last one that could be used")
        session.expect("NOOP", 250)
        session.quit()


def files_in(settings_file):
    """Certificate and key of the only listener."""
    with open(settings_file, encoding="utf-8") as file:
        return re.findall(r"(?:certificate|key) = \{ \"([^\"]*)\" \}", file.read())


def the_certificate_is_chosen_by_the_name_that_is_asked_for():
    one = Gateway(PROGRAM, relay_from=["127.0.0.0/8"])
    other = one.world.leaf(common_name="other.example", names=("other.example", "*.wild.example"))
    one.listeners = [Listener("may", [one.world.good(), other])]
    with one:
        must(not [line for line in one.log() if line["event"].startswith("certificate")], one.said())
        for name, identity in ((HOST, one.world.good()), ("other.example", other), ("a.wild.example", other),
                               ("a.b.wild.example", one.world.good()), ("nobody.example", one.world.good()),
                               (None, one.world.good())):
            with Client(one.port("may")) as client:
                client.starttls(trusting(one, check_hostname=False), name)
                must(client.socket.getpeercert(True) == identity.der, f"{name}: another certificate")


def a_tls_session_is_resumed_at_any_worker_and_after_a_reload():
    one = Gateway(PROGRAM, [Listener("may"), Listener("implicit")], settings="workers = 4")
    with one:
        context = trusting(one)
        with Client(one.port("may")) as client:
            session = client.starttls(context).socket.session
            client.quit()
        must(session is not None and session.has_ticket, "no ticket came")
        for number in range(8):
            if number == 4:
                one.reload()
            with Client(one.port("implicit"), greet=False) as client:
                client.secure(context, session=session)
                client.reply()
                must(client.socket.session_reused, f"the {number}. was not resumed")
                session = client.socket.session
                client.quit()


def showing(one, identity):
    """A client's TLS context that shows a certificate."""
    context = trusting(one)
    if identity:
        context.load_cert_chain(*one.world.files(identity))
    return context


def can_send(one, listener, context, session=None):
    """Does a client get through to the EHLO inside TLS?"""
    try:
        with Client(listener.port) as client:
            client.starttls(context, session=session)
            client.quit()
        return True
    except (ssl.SSLError, gateway.Closed, ConnectionError):
        return False


def a_certificate_of_a_client_holds_before_those_who_vouch_for_it():
    one = Gateway(PROGRAM)
    world = one.world
    ca = pki.authority("Ferry Clients CA")
    ca_file = world.write("clients-ca.pem", ca.pem)
    usages = (pki.CLIENT,)
    ours = pki.issue(ca, common_name="branch.example", names=("branch.example",), usages=usages)
    public = world.leaf(common_name="public.example", names=("public.example",), usages=usages)
    expired = pki.issue(ca, names=("late.example",), start=-20, end=-2, usages=usages)
    alone = pki.issue(None, names=("alone.example",), usages=usages)
    by_ca, by_roots, asked, asked_of_ca = one.listeners = [
        Listener("may", client_certificate="require", client_ca=ca_file),
        Listener("may", client_certificate="require"), Listener("may", client_certificate="request"),
        Listener("may", client_certificate="request", client_ca=ca_file)]
    everybody = {"ours", "public", "expired", "alone", "none"}
    takes = ((by_ca, {"ours"}), (by_roots, {"public"}), (asked, everybody), (asked_of_ca, everybody))
    with one:
        for listener, names in takes:
            for name, identity in (("ours", ours), ("public", public), ("expired", expired), ("alone", alone),
                                   ("none", None)):
                must(can_send(one, listener, showing(one, identity)) == (name in names),
                     f"listener {takes.index((listener, names))} and a client with {name}:\n{one.said()[-1500:]}")
        line = one.log("client-certificate")[0]
        must("branch.example" in line["subject"] and line["sha256"], f"{line}")
        findings = {line["finding"] for line in one.log("tls-failed")}
        must(findings == {"inbound-client-certificate-missing", "inbound-client-certificate-rejected"}, f"{findings}")


def a_ticket_does_not_stand_for_a_certificate():
    one = Gateway(PROGRAM)
    one.listeners = [Listener("may"), Listener("may", client_certificate="require")]
    with one:
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = trusting(one, maximum_version=version)
            with Client(one.listeners[0].port) as client:
                session = client.starttls(context).socket.session
                client.quit()
            must(session.has_ticket, "no ticket came")
            must(can_send(one, one.listeners[0], context, session), "it is not good where it was given")
            must(not can_send(one, one.listeners[1], context, session), "a ticket opened what asks for a certificate")


def a_ticket_of_who_was_only_asked_does_not_stand_for_a_certificate():
    one = Gateway(PROGRAM)
    ca_file = one.world.write("clients-ca.pem", pki.authority("Ferry Clients CA").pem)
    asked, required = one.listeners = [Listener("may", client_certificate=how, client_ca=ca_file)
                                       for how in ("request", "require")]
    with one:
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = trusting(one, maximum_version=version)
            with Client(asked.port) as client:
                session = client.starttls(context).socket.session
                client.quit()
            must(session.has_ticket, "no ticket came")
            must(can_send(one, asked, context, session), "it is not good where it was given")
            must(not can_send(one, required, context, session), "a ticket opened what requires a certificate")


def limits_of_a_reload_hold_for_all_workers():
    one = Gateway(PROGRAM, [Listener("none")], limits={"per_address": 1}, settings="workers = 2")
    with one:
        source = gateway.next_source()
        with Client(one.port("none"), source) as first:
            for per_address in (3, 1):
                one.limits["per_address"] = per_address
                must(one.reload()["event"] == "reloaded", one.said())
                more = [Client(one.port("none"), source) for _ in range(4)]
                codes = [client.greeting.code for client in more]
                must(codes == [220] * (per_address - 1) + [421] * (5 - per_address), f"{per_address}: {codes}")
                for client in more:
                    if client.greeting.code == 220:
                        client.quit()
            first.expect("NOOP", 250)


def put_files(certificate, key, identity):
    """As a renewal does: new files in the place of the old ones, the key some time behind."""
    for path, content in ((certificate, identity.pem + b"".join(other.pem for other in identity.chain)),
                          (key, identity.key_pem)):
        with open(path + ".new", "wb") as file:
            file.write(content)
        os.rename(path + ".new", path)


# --- reload ---

def size_of(client):
    answer = client.expect("EHLO client.test", 250)
    return next(int(line.split()[1]) for line in answer.lines if line.startswith("SIZE "))


def a_reload_is_for_those_who_come_after_it():
    one = Gateway(PROGRAM, [Listener("none")], limits={"message_size": "1M"})
    with one:
        before = Client(one.port("none"))
        must(size_of(before) == 1 << 20, "another size")
        one.limits["message_size"] = "2M"
        one.listeners.append(Listener("may"))
        line = one.reload()
        must(line["event"] == "reloaded", f"{line}")
        with Client(one.port("none")) as after:
            must(size_of(after) == 2 << 20, "the new settings are not in force")
        must(size_of(before) == 1 << 20, "a session changed while it was under way")
        open_client(one, "may").quit()
        gone = one.listeners.pop(0)
        must(one.reload()["event"] == "reloaded", "no second reload")
        before.expect("NOOP", 250)
        try:
            Client(gone.port)
        except ConnectionRefusedError:
            return
        raise Failed("a listener that is no longer in the settings listens")


def a_reload_that_fails_changes_nothing():
    one = Gateway(PROGRAM, [Listener("none")], limits={"message_size": "1M"})
    with one:
        one.limits.update({"message_size": "2M", "no_such_limit": 1})
        line = one.reload()
        must(line["event"] == "reload-failed" and line["remedy"], f"{line}")
        must(one.log("settings-fault")[0]["line"] > 0, one.said())
        del one.limits["no_such_limit"]
        with socket.create_server(("127.0.0.1", 0)) as taken:
            other = Listener("none")
            other.port = taken.getsockname()[1]
            one.listeners.append(other)
            must(one.reload()["event"] == "reload-failed", "an address that is taken was taken")
            one.listeners.pop()
        with Client(one.port("none")) as client:
            must(size_of(client) == 1 << 20, "half a reload")
        one.state += "-elsewhere"
        must(one.reload()["event"] == "reloaded", "it does not recover")
        must(one.log("restart-needed", key="state_dir"), one.said())


def send_some(one, how, count, taken, faults):
    """Sessions of two messages each, one after the other."""
    try:
        for _ in range(count):
            with open_client(one, how) as client:
                for number in range(2):
                    client.envelope("a@outside.test", f"user{number}@{gateway.LOCAL}")
                    answer = client.data(b"Subject: load\r\n\r\n" + b"x" * 500 + b"\r\n")
                    must(answer.code == 250, f"{answer}")
                    taken.append(number)
                client.quit()
    except (AssertionError, OSError, gateway.Closed) as fault:
        faults.append(f"{how}: {type(fault).__name__}: {fault}")


def nobody_is_dropped_by_reloads_and_newer_certificates():
    one = Gateway(PROGRAM, [Listener("may"), Listener("implicit")], settings="workers = 3")
    taken, faults = [], []
    with one:
        senders = [threading.Thread(target=send_some, args=(one, how, SESSIONS, taken, faults))
                   for how in ("clear", "may", "implicit", "may")]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            must(one.reload()["event"] == "reloaded", one.said())  # with certificate files of other names
        for sender in senders:
            sender.join()
        must(not faults, "\n".join(faults))
        for number in range(2):
            one.mail(f"user{number}", taken.count(number))
        must(len(taken) == 2 * SESSIONS * len(senders), f"{len(taken)} messages were taken")


# --- its threads ---

def workers_let_others_finish_their_turns():
    """Each says so when it begins, which may be after "started"."""
    with Gateway(PROGRAM, settings="workers = 3\n") as one:
        gateway.wait_for("three threads that let others", lambda: [
            os.sched_getscheduler(int(thread)) for thread in os.listdir(f"/proc/{one.child.pid}/task")
        ].count(os.SCHED_BATCH) == 3)


# --- the end ---

def a_message_that_is_under_way_is_taken_before_the_end():
    one = Gateway(PROGRAM, [Listener("may")])
    one.start()
    try:
        idle, sender = Client(one.port()), open_client(one, "clear")
        sender.envelope("a@outside.test", f"user@{gateway.LOCAL}")
        sender.expect("DATA", 354)
        one.child.send_signal(signal.SIGTERM)
        must(idle.reply().code == 421, "an idle session is not told")
        sender.send(b"Subject: late\r\n\r\nIn time.\r\n.\r\n")
        must(sender.reply().code == 250, "the message was not taken")
        must(sender.reply().code == 421, "the session was not told")
        must(one.child.wait(gateway.PATIENCE_S) == 0, f"ends with {one.child.returncode}")
        must([line["event"] for line in one.log()][-1] == "stopped", one.said())
        if not one.files("user"):  # it stopped before it delivered: then it is in the queue
            one.start()
        must(one.one("user").body == b"Subject: late\n\nIn time.\n", "the message is another")
    finally:
        one.remove()


def a_second_signal_ends_it_at_once():
    one = Gateway(PROGRAM, [Listener("may")])
    one.start()
    try:
        sender = open_client(one, "clear")
        sender.envelope("a@outside.test", f"user@{gateway.LOCAL}")
        sender.expect("DATA", 354)
        one.child.send_signal(signal.SIGINT)
        one.wait_log("draining")
        one.child.send_signal(signal.SIGTERM)
        must(one.child.wait(gateway.PATIENCE_S) == 0, f"ends with {one.child.returncode}")
        must(one.log("cutting"), one.said())
    finally:
        one.remove()


def signals_at_any_moment_do_it_no_harm():
    one = Gateway(PROGRAM, [Listener("none")])
    try:
        for _ in range(5):
            one.start()
            for number in [signal.SIGHUP, signal.SIGTERM, signal.SIGHUP] + [signal.SIGTERM, signal.SIGINT] * 20:
                one.child.send_signal(number)
            status = one.child.wait(gateway.PATIENCE_S)
            # The last of them may come when nothing is left to do, and have its usual effect.
            must(status in (0, -signal.SIGTERM, -signal.SIGINT), f"ends with {status}: {one.said()}")
            must([line["event"] for line in one.log()][-1] == "stopped", one.said())
    finally:
        one.remove()


def a_second_one_on_the_same_queue_is_refused():
    with Gateway(PROGRAM) as one:
        other = Gateway(PROGRAM, state=one.state)
        try:
            other.write_settings()
            done = ran("-c", other.settings_file)
            must(done.returncode == 3, f"exits {done.returncode}: {done.stderr}")
            must(f"process {one.pid} " in done.stderr, done.stderr)
        finally:
            other.remove()
        open_client(one, "may").quit()


def it_starts_again_after_a_crash():
    one = Gateway(PROGRAM)
    try:
        for _ in range(2):
            one.start()
            open_client(one, "implicit").quit()
            one.kill()
    finally:
        one.remove()


def it_serves_without_standard_descriptors_and_writes_its_log_into_no_file_of_its_own():
    one = Gateway(PROGRAM)
    try:
        one.write_settings()
        open(one.log_file, "wb").close()  # which it does not write
        one.child = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *gateway.ENDS_WITH_US, one.program,
                                      "serve", "-c", one.settings_file])

        def listens():
            must(one.child.poll() is None, f"exits {one.child.returncode}")
            try:
                return open_client(one, "may")
            except ConnectionRefusedError:
                return None

        client = gateway.wait_for("a gateway", listens)
        client.envelope("sender@outside.test", f"closed@{gateway.LOCAL}")
        must(client.data(b"Subject: x\r\n\r\nx\r\n").code == 250, "is not taken")
        client.quit()
        one.one("closed")
        one.stop()
        for folder, _, names in os.walk(one.state):
            for path in (os.path.join(folder, name) for name in names):
                with open(path, "rb") as file:
                    must(b'"event"' not in file.read(), f"{path} holds the log")
    finally:
        one.remove()


def it_takes_all_descriptors_that_it_may_have():
    one = Gateway(PROGRAM, wrapper=["prlimit", "--nofile=100:600"])
    with one:
        with open(f"/proc/{one.pid}/limits", encoding="ascii") as limits:
            line = next(line for line in limits if line.startswith("Max open files"))
        must(line.split()[3] == "600", line)
        line = one.log("descriptors-few")[0]
        must(line["have"] == 600 and 0 < line["connections"] < 600, f"{line}")


def silent_clients_leave_descriptors_for_our_own_work():
    one = Gateway(PROGRAM, [Listener("none")], limits={"per_address": 1000}, settings="workers = 2",
                  wrapper=["prlimit", "--nofile=100:100"])
    with one:
        clients = [socket.create_connection(("127.0.0.1", one.port("none"))) for _ in range(100)]
        one.wait_log("turned-away")
        one.run("queue", "-c", one.settings_file, "list")  # fails where the control socket does not answer
        for client in clients:
            client.close()


# --- the service manager ---

def heard(manager, begin):
    manager.settimeout(gateway.PATIENCE_S)
    text = manager.recv(1024).decode()
    must(text.startswith(begin) and "\nSTATUS=" in text, f"{text!r} and not {begin}")


# sd_listen_fds(3): the sockets are 3 and what follows, and meant for this process.
HAND_OVER = """
import fcntl, os, sys
copies = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, copy in enumerate(copies, 3):
    os.dup2(copy, number)
    os.close(copy)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="smtp:odd")
os.execvp(sys.argv[3], sys.argv[3:])
"""


def a_service_manager_hears_and_hands_over_its_sockets():
    one = Gateway(PROGRAM, [Listener("may"), Listener("none")])
    handed, odd = socket.create_server(("127.0.0.1", one.port("may"))), socket.create_server(("127.0.0.1", 0))
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = os.path.join(one.folder, "notify")
    manager.bind(address)
    try:
        one.wrapper = [sys.executable, "-c", HAND_OVER, str(handed.fileno()), str(odd.fileno())]
        one.environment["NOTIFY_SOCKET"] = address
        one.inherited = (handed.fileno(), odd.fileno())
        with one:
            heard(manager, "READY=1\n")
            must(one.log("socket-unused")[0]["name"] == "odd", one.said())
            open_client(one, "may").quit()
            one.reload()
            heard(manager, "RELOADING=1\n")
            heard(manager, "READY=1\n")
            one.limits["no_such_limit"] = 1  # a service that never says READY again is ended
            must(one.reload()["event"] == "reload-failed", one.said())
            heard(manager, "RELOADING=1\n")
            heard(manager, "READY=1\nSTATUS=serving by the settings as they were")
            del one.limits["no_such_limit"]
            one.stop()
            heard(manager, "STOPPING=1\n")
            socket.create_connection(("127.0.0.1", one.port("may"))).close()  # who comes now waits for the next
            one.start()
            open_client(one, "may").quit()
    finally:
        one.remove()
        for each in (handed, odd, manager):
            each.close()


TESTS = [
    every_fault_is_named_with_file_and_line,
    faults_are_folded_for_a_terminal_and_for_no_program,
    who_has_the_port_can_be_asked,
    wrong_usage_is_one_line,
    a_name_without_a_domain_is_warned_of,
    settings_without_a_fault_are_said_to_be_so,
    a_flaw_of_our_certificate_is_a_warning_with_its_remedy,
    a_reload_judges_what_it_shows_from_then_on,
    a_sound_certificate_draws_no_warning,
    a_key_of_another_certificate_keeps_it_from_starting,
    our_certificate_for_servers_is_warned_of_and_keeps_nothing_from_starting,
    newer_certificate_files_are_taken_up_by_themselves,
    a_certificate_of_a_client_holds_before_those_who_vouch_for_it,
    a_ticket_does_not_stand_for_a_certificate,
    a_ticket_of_who_was_only_asked_does_not_stand_for_a_certificate,
    limits_of_a_reload_hold_for_all_workers,
    the_certificate_is_chosen_by_the_name_that_is_asked_for,
    a_tls_session_is_resumed_at_any_worker_and_after_a_reload,
    a_reload_is_for_those_who_come_after_it,
    a_reload_that_fails_changes_nothing,
    nobody_is_dropped_by_reloads_and_newer_certificates,
    workers_let_others_finish_their_turns,
    a_message_that_is_under_way_is_taken_before_the_end,
    a_second_signal_ends_it_at_once,
    signals_at_any_moment_do_it_no_harm,
    a_second_one_on_the_same_queue_is_refused,
    it_starts_again_after_a_crash,
    it_serves_without_standard_descriptors_and_writes_its_log_into_no_file_of_its_own,
    it_takes_all_descriptors_that_it_may_have,
    silent_clients_leave_descriptors_for_our_own_work,
    a_service_manager_hears_and_hands_over_its_sockets,
]


if __name__ == "__main__":
    sys.exit(gateway.run_promises(TESTS))
