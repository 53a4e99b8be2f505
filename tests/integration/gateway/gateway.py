"""gateway.py - `postern serve` on free loopback ports, with settings, certificates and Maildirs of its own.

All that a gateway leaves lies in one folder of the temporary files, and goes with it. It is ended by the
id of its process. Nothing here measures time: what is waited for comes, or PATIENCE_S later the test fails.
"""

import atexit
import concurrent.futures
import contextlib
import email.utils
import itertools
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
try:
    from faults import pki  # noqa: E402
    from faults.peer import HOST  # noqa: E402
    from ports import free_port  # noqa: E402
except ImportError as absent:
    print(f"skipped: {absent}")
    sys.exit(77)

PATIENCE_S = float(os.environ.get("POSTERN_PATIENCE_S", "240" if os.environ.get("POSTERN_SANITIZED") else "120"))
# A command_timeout that is waited for, and that a machine with more to do does not run into.
SHORT = "6s"
LOCAL = "inside.test"    # the domain whose mail ends at the gateway, unless a test names others
REMOTE = "outside.test"  # one that it does not know
NOWHERE = "[127.0.0.1]:1"  # nobody listens there
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is to be removed is removed
ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]  # where the test itself is killed

_sources = itertools.count(os.getpid() * 37 % 200 * 250)


def next_source():
    """A loopback address that no other session of this test has: limits and bans are by address."""
    number = next(_sources)
    return f"127.{10 + number // 62500 % 200}.{number // 250 % 250 + 1}.{number % 250 + 2}"


class Failed(AssertionError):
    """What was promised does not hold."""


def wait_for(what, ask):
    """The first answer of ask() that is neither None nor False."""
    end = time.monotonic() + PATIENCE_S
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > end:
            raise Failed(f"{what} did not come in {PATIENCE_S:.0f} s")
        time.sleep(0.01)


def quote(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Listener:
    """One listener of the settings; `identities` are its certificates (pki.Identity), None: HOST's."""

    def __init__(self, tls="may", identities=None, client_certificate=None, address="127.0.0.1", client_ca=None):
        self.client_ca = client_ca
        self.tls, self.identities, self.client_certificate = tls, identities, client_certificate
        self.is_ipv6 = ":" in address
        self.address = address
        self.port = free_port() if self.is_ipv6 else free_port(address)

    def settings(self, gateway):
        address = f"[{self.address}]" if self.is_ipv6 else self.address
        lines = [f'listener "{address}:{self.port}" {{', f"    tls = {self.tls}"]
        if self.tls != "none":
            files = [gateway.world.files(one) for one in self.identities or [gateway.world.good()]]
            for word, paths in zip(("certificate", "key"), zip(*files)):
                lines.append("    %s = { %s }" % (word, ", ".join(map(quote, paths))))
        if self.client_certificate:
            lines.append(f"    client_certificate = {self.client_certificate}")
        if self.client_ca:
            lines.append(f"    client_ca = {quote(self.client_ca)}")
        return lines + ["}"]


class Gateway:
    """A gateway, which may be killed and started again on the same state; or a context manager.

    listeners:  of class Listener; STARTTLS, implicit TLS and none where nothing is said.
    settings:   more lines of postern.conf.
    wrapper:    a command in front of `postern serve` that ends in an exec.
    ca_file:    the roots that it trusts; those of its own world where none is given.
    """

    def __init__(self, program, listeners=None, domains=(LOCAL,), relay_from=(), limits=None, settings="",
                 environment=None, wrapper=(), state=None, ca_file=None):
        self.program = os.path.abspath(program)
        self.folder = tempfile.mkdtemp(prefix="postern-gateway-")
        os.chmod(self.folder, 0o755)
        self.world = pki.World(self.folder)
        self.ca_file = ca_file or self.world.root_file
        self.listeners = listeners or [Listener("may"), Listener("implicit"), Listener("none")]
        self.domains, self.relay_from, self.limits = domains, relay_from, limits or {}
        self.more = settings
        self.environment, self.wrapper = {**os.environ, **(environment or {})}, list(wrapper)
        self.state = state or os.path.join(self.folder, "state")
        self.mailboxes = os.path.join(self.folder, "mail")
        self.settings_file = os.path.join(self.folder, "postern.conf")
        self.log_file = os.path.join(self.folder, "log")
        os.mkdir(self.mailboxes)
        atexit.register(self.remove)  # whatever ends the test
        self.inherited = ()  # descriptors that it is to have
        self.child = None

    # --- settings, start and stop ---

    def write_settings(self):
        lines = [f"hostname = {quote(HOST)}", f"state_dir = {quote(self.state)}", "log = json", self.more]
        if 'policy "default"' not in self.more:  # no test looks outside of this machine
            lines.append(f'policy "default" {{ next_hop = "{NOWHERE}" }}')
        if self.relay_from:
            lines.append("relay_from = { %s }" % ", ".join(map(quote, self.relay_from)))
        for listener in self.listeners:
            lines += listener.settings(self)
        for domain in self.domains:
            lines.append(f'domain "{domain}" {{ deliver = "maildir:{self.mailboxes}/{{domain}}/{{user}}" }}')
        lines.append(f"trust {{ ca_file = {quote(self.ca_file)} }}")
        if self.limits:
            lines.append("limits { %s }" % " ".join(f"{key} = {value}" for key, value in self.limits.items()))
        with open(self.settings_file + ".new", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        os.replace(file.name, self.settings_file)  # whoever reads it meanwhile reads all of it

    def start(self):
        self.write_settings()
        with open(self.log_file, "ab") as log:
            before = log.tell()
            self.child = subprocess.Popen(
                [*ENDS_WITH_US, *self.wrapper, self.program, "serve", "-c", self.settings_file],
                stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=self.environment, start_new_session=True,
                pass_fds=self.inherited)

        def all_listen():
            if self.child.poll() is not None:
                raise Failed(f"postern serve exits {self.child.returncode}:\n{self.said()}")
            return self.log("listening", since=before) if self.log("started", since=before) else None

        try:
            lines = wait_for("a gateway", all_listen)
            if len(lines) != len(self.listeners):
                raise Failed(f"{len(lines)} of {len(self.listeners)} listeners:\n{self.said()}")
            for listener, line in zip(self.listeners, lines):
                if (int(line["port"]), line["tls"]) != (listener.port, listener.tls):
                    raise Failed(f"not the listener of the settings, in their order: {line}")
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self):
        """Drains; fails where the gateway does not end well."""
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"does not end at SIGTERM:\n{self.said()}") from None
        if self.child.returncode != 0:
            raise Failed(f"ends with {self.child.returncode}:\n{self.said()}")

    @property
    def pid(self):
        return self.child.pid

    def kill(self):
        """As a crash does; fails where a sanitizer had spoken by then, which no exit status tells any more."""
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
            with open(self.log_file, errors="replace") as log:
                report = re.search(r"(?s)[^\n]*Sanitizer: .{,4000}", log.read())
            if report:
                raise Failed(f"killed, and before that:\n{report[0]}")

    def remove(self):
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.remove()

    def reload(self):
        """Writes the settings anew and has them read; the log line that says how that went."""
        before = os.path.getsize(self.log_file)
        self.write_settings()
        self.child.send_signal(signal.SIGHUP)
        return wait_for("a reload", lambda: next(
            (line for line in self.log(since=before) if line["event"] in ("reloaded", "reload-failed")), None))

    # --- what it does ---

    def port(self, tls="may"):
        return next(listener.port for listener in self.listeners if listener.tls == tls)

    def said(self):
        with open(self.log_file, errors="replace") as log:
            return log.read()[-4000:]

    def log(self, event=None, since=0, **fields):
        """The lines of the log, of an event and with these fields where they are given."""
        with open(self.log_file, "rb") as log:
            log.seek(since)
            whole = log.read().rpartition(b"\n")[0]
        lines = []
        for text in whole.split(b"\n"):
            if text.startswith(b"{"):
                line = json.loads(text)
                if event in (None, line["event"]) and all(line.get(key) == value for key, value in fields.items()):
                    lines.append(line)
        return lines

    def wait_log(self, event, **fields):
        return self.wait_for(f"a log line {event} {fields}", lambda: next(iter(self.log(event, **fields)), None))

    def wait_for(self, what, ask):
        """As wait_for; the log tells what came instead."""
        try:
            return wait_for(what, ask)
        except Failed as late:
            raise Failed(f"{late}\n{self.said()}") from None

    def failure(self, client):
        """The one log line on why TLS with a client failed."""
        line = self.wait_log("tls-failed", client=client)
        if len(self.log("tls-failed", client=client)) != 1:
            raise Failed(f"more than one finding for one failure: {self.log('tls-failed', client=client)}")
        return line

    def run(self, *arguments, status=(0,), **options):
        """What another subcommand prints; it ends with one of these exit statuses."""
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
                              env=self.environment, check=False, **{"stdin": subprocess.DEVNULL, **options})
        if done.returncode not in status:
            raise Failed(f"postern {' '.join(arguments)} exits {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    # --- mailboxes ---

    def files(self, user, domain=LOCAL):
        folder = os.path.join(self.mailboxes, domain, user, "new")
        try:
            return sorted(os.path.join(folder, name) for name in os.listdir(folder))
        except FileNotFoundError:
            return []

    def mailboxes_of(self, domain=LOCAL):
        folder = os.path.join(self.mailboxes, domain)
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def mail(self, user, count=1, domain=LOCAL):
        """The mail in a mailbox, once so many have come; more is a failure."""
        def enough():
            return self.files(user, domain) if len(self.files(user, domain)) >= count else None

        paths = self.wait_for(f"mail for {user}@{domain}", enough)
        if len(paths) != count:
            raise Failed(f"{user}@{domain} has {len(paths)} messages and not {count}")
        mail = []
        for path in paths:
            with open(path, "rb") as file:
                mail.append(Mail(file.read()))
        return mail

    def one(self, user, domain=LOCAL):
        return self.mail(user, 1, domain)[0]


class Place:
    """A gateway, `one`, and the servers around it, as long as a `with` lasts: then it drains, and all of them stop."""

    def __init__(self, one):
        self.one, self.servers = one, []

    def keep(self, server):
        """The server; it is stopped with the place, and may have been before."""
        self.servers.append(server)
        return server

    @contextlib.contextmanager
    def closed_on_failure(self):
        """Around what is set up."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self):
        self.one.remove()
        for server in self.servers:
            server.stop()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.one.child is not None:
                self.one.stop()
        finally:
            self.close()


RECEIVED = re.compile(
    r"from (?P<client>\S+) \((?P<peer>[^)]*)\)(?: \(it said (?P<said>[^)]*)\))?"
    r"(?:\n\t\(using (?P<version>\S+)(?: with cipher (?P<cipher>\S+))?\))?"
    r"\n\tby (?P<by>\S+) with (?P<protocol>\S+) id (?P<id>\S+?)(?:\n\tfor <(?P<recipient>.*)>)?;\n\t(?P<date>[^\n]*)")


class Mail:
    """A file of a Maildir: the three fields that delivery puts in front, and all behind them."""

    def __init__(self, content):
        if b"\r\n" in content:
            raise Failed("a CRLF in a Maildir: doc/decisions/0012")
        self.content = content
        self.return_path, rest = self.take("Return-Path", content)
        self.delivered_to, rest = self.take("Delivered-To", rest)
        received, self.body = self.take("Received", rest)
        found = RECEIVED.fullmatch(received)
        if not found:
            raise Failed(f"no Received field as RFC 5321 has it: {received!r}")
        self.received = found.groupdict()
        if email.utils.parsedate_to_datetime(self.received["date"]).tzinfo is None:
            raise Failed(f"no date of RFC 5322: {self.received['date']!r}")

    @staticmethod
    def take(name, content):
        """The value of the field that stands first, and what is behind it."""
        found = re.match(rb"%s: ((?:[^\n]|\n[ \t])*)\n" % name.encode(), content)
        if not found:
            raise Failed(f"no {name} where it is due: {content[:200]!r}")
        return found.group(1).decode(), content[found.end():]


def as_stored(message):
    """What a Maildir holds of a message that was sent: LF for CRLF and nothing else changed."""
    return message.replace(b"\r\n", b"\n")


# --- a client of our own, octet by octet ---

class Reply:
    def __init__(self, lines):
        self.lines = [line[4:] for line in lines]
        self.code = int(lines[-1][:3])
        self.text = "\n".join(self.lines)
        if any(line[:3] != lines[0][:3] for line in lines):
            raise Failed(f"a reply of several codes: {lines}")

    @property
    def enhanced(self):
        found = re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= )", self.lines[0])
        return found.group() if found else None

    def __repr__(self):
        return f"{self.code} {self.text!r}"


class Closed(Exception):
    """The gateway has closed the connection."""


def trusting(gateway, **settings):
    """A TLS client context that trusts the gateway's root; attributes by keyword."""
    context = ssl.create_default_context(cafile=gateway.world.root_file)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


class Client:
    """One SMTP connection. Nothing is checked that a test might want to get wrong."""

    def __init__(self, port, source=None, greet=True, address="127.0.0.1"):
        self.socket = socket.create_connection((address, port), PATIENCE_S, (source or next_source(), 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.transcript = []
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data, pieces=None):
        """All at once, or in pieces that end at these offsets."""
        start = 0
        for end in [*(pieces or ()), len(data)]:
            if end > start:
                self.socket.sendall(data[start:end])
                start = end

    def more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError, BrokenPipeError):
            data = b""
        except TimeoutError:
            raise Failed(f"no answer in {PATIENCE_S:.0f} s; before: {self.transcript[-8:]}") from None
        if not data:
            raise Closed(f"closed; before: {self.transcript[-8:]}")
        self.pending += data

    def reply(self):
        lines = []
        while not lines or lines[-1][3:4] == "-":
            while b"\r\n" not in self.pending:
                self.more()
            line, self.pending = self.pending.split(b"\r\n", 1)
            if not re.fullmatch(rb"[2-5][0-9][0-9](?:[ -][^\r\n]*)?", line) or len(line) > 510:
                raise Failed(f"not a line of a reply: {line!r}")
            lines.append(line.decode("utf-8"))
        answer = Reply(lines)
        self.transcript.append(answer)
        return answer

    def command(self, line):
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def expect(self, line, code):
        answer = self.command(line)
        if answer.code != code:
            raise Failed(f"{line!r}: {answer}, not {code}")
        return answer

    def rest(self):
        """All that still comes, until the connection is closed."""
        try:
            while True:
                self.more()
        except Closed:
            return self.pending

    def secure(self, context, name=HOST, session=None):
        """TLS now."""
        if self.pending:
            raise Failed(f"bytes in clear before TLS: {self.pending!r}")
        self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session,
                                          suppress_ragged_eofs=False)
        return self

    def starttls(self, context, name=HOST, session=None):
        self.expect("EHLO client.test", 250)
        self.expect("STARTTLS", 220)
        self.secure(context, name, session)
        self.expect("EHLO client.test", 250)
        return self

    def envelope(self, sender, *recipients, parameters=""):
        self.expect(f"MAIL FROM:<{sender}>{parameters}", 250)
        for recipient in recipients:
            self.expect(f"RCPT TO:<{recipient}>", 250)

    def data(self, content):
        """The answer to a message sent by DATA: `content` ends in CRLF, or is empty."""
        self.expect("DATA", 354)
        self.send(re.sub(rb"(?m)^\.", b"..", content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n") + b".\r\n")
        return self.reply()

    def quit(self):
        self.expect("QUIT", 221)
        if self.rest():
            raise Failed(f"said behind 221: {self.pending!r}")
        self.close()


def open_client(gateway, how, source=None):
    """A client that has said EHLO: "none" in clear, "may" after STARTTLS, "implicit" inside TLS at once."""
    if how == "implicit":
        client = Client(gateway.port(how), source, greet=False)
        client.secure(trusting(gateway))
        client.greeting = client.reply()
        client.expect("EHLO client.test", 250)
        return client
    client = Client(gateway.port("may" if how == "clear" else how), source)
    if how == "may":
        return client.starttls(trusting(gateway))
    client.expect("EHLO client.test", 250)
    return client


def try_promise(test, absent):
    """(whether it is kept, what TAP has to say of it)"""
    begun, is_kept, more = time.monotonic(), True, ""
    try:
        test()
    except absent as reason:
        more = f" # SKIP {reason}"
    except (AssertionError, OSError, LookupError, subprocess.SubprocessError, Closed) as fault:
        is_kept = False
        more = "".join(f"\n# {line}" for line in f"{type(fault).__name__}: {fault}".splitlines())
    return is_kept, f"{test.__name__}{more}\n# {time.monotonic() - begun:.1f} s"


def run_promises(tests, absent=(), at_once=1):
    """Prints TAP of the tests that the command line names, or of all; the exit status. `absent`: exceptions that say
    that a test cannot be tried here. `at_once`: of those that mostly wait so many may run together."""
    names = set(sys.argv[1:])
    chosen = [test for test in tests if not names or test.__name__ in names]
    failed = 0
    if names - {test.__name__ for test in chosen}:
        print(f"Bail out! no such test: {' '.join(sorted(names - {test.__name__ for test in chosen}))}")
        return 2
    print(f"1..{len(chosen)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        do = map if at_once == 1 else pool.map
        for number, (is_kept, words) in enumerate(do(lambda test: try_promise(test, absent), chosen), 1):
            failed += not is_kept
            print(f"{'ok' if is_kept else 'not ok'} {number} - {words}", flush=True)
    return 1 if failed else 0


def take_program():
    """The path of postern, off the front of the command line."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(f"usage: {os.path.basename(sys.argv[0])} POSTERN [TEST...]", file=sys.stderr)
        sys.exit(2)
    return os.path.abspath(sys.argv.pop(1))
