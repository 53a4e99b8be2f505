#!/usr/bin/python3
"""The promises of the command line: usage, exit statuses, --json, saved observations.

usage: command_line_test.py POSTERN
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

POSTERN = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "postern"


def postern(*arguments, **options):
    return subprocess.run([POSTERN, *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, **options)


class Scripted:
    """An SMTP server in clear that says its lines, one for each line that it is sent."""

    def __init__(self, *replies):
        self.replies = replies
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                try:
                    self.talk(client)
                except OSError:
                    pass

    def talk(self, client):
        lines = client.makefile("rb")
        for reply in self.replies:
            client.sendall(reply)
            if not lines.readline():
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    @property
    def target(self):
        return f"127.0.0.1:{self.port}"


PLAIN = (b"220 mx.example.org ESMTP\r\n", b"250-mx.example.org\r\n250 SIZE 1000\r\n", b"221 bye\r\n")


class Policy(unittest.TestCase):
    SETTINGS = ('listener "127.0.0.1:0" { tls = none }\n'
                'policy ".bank.example" { level = dane-only }\n'
                'policy "partner.example" {\n'
                '    level = secure\n'
                '    match = { ".provider.example" } }\n'
                'client { certificate = "/nowhere/client.pem" }\n')  # which is not ours to read here

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "postern.conf")
        self.write(self.SETTINGS)

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)

    def test_each_domain_is_told_with_the_lines_of_its_policy(self):
        done = postern("policy", "--offline", "-c", self.file, "partner.example", "x@a.bank.example")
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = done.stdout.split("\n\n")
        flat = " ".join(first.split())
        self.assertTrue(flat.startswith("partner.example: secure"), flat)
        self.assertIn(f"level secure ({self.file}:4)", flat)
        self.assertIn(f"names .provider.example ({self.file}:5)", flat)
        self.assertIn("level dane-only", " ".join(second.split()))
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)

    def test_programs_get_a_line_for_each_domain(self):
        done = postern("policy", "--offline", "--config", self.file, "--json", "partner.example", "a.bank.example", "other.example")
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([answer["policy"]["level"] for answer in answers], ["secure", "dane-only", "sts"])
        self.assertEqual([answer["policy"]["rule"] for answer in answers], ["exact", "parent", "default"])
        self.assertEqual(answers[0]["policy"]["lines"]["match"], 5)

    def test_wrong_use_faults_and_a_missing_file_are_told_apart(self):
        for arguments in ([], ["a b"], ["--nonsense", "a.example"]):
            done = postern("policy", "-c", self.file, *arguments)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), f"{arguments}: {done.stderr}")
        self.write("policy a.example { level = verify\nmatch = { b.example } }")
        done = postern("policy", "-c", self.file, "a.example")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{self.file}:2: match is for level = secure", done.stderr)
        done = postern("policy", "-c", self.file + ".not", "a.example")
        self.assertEqual(done.returncode, 3)


class Usage(unittest.TestCase):
    def test_every_wrong_use_is_told_in_one_line_and_exits_2(self):
        for arguments in ([], ["chekc", "x"], ["check"], ["check", "--level", "strict", "a.example"],
                          ["check", "--port", "0", "a.example"], ["check", "--port", "70000", "a.example"],
                          ["check", "--timeout", "soon", "a.example"], ["check", "--timeout", "0", "a.example"],
                          ["check", "--tlsa", "3 1 1 zz", "a.example"], ["check", "--tlsa", "3 1", "a.example"],
                          ["check", "--fingerprint", "abcd", "a.example"],
                          ["check", "--level", "fingerprint", "a.example"],
                          ["check", "--client-key", "k.pem", "a.example"], ["check", "--nonsense", "a.example"],
                          ["check", "--connect", "nowhere", "a.example"], ["check", "--name"],
                          ["check", "--name", "a b", "--connect", "127.0.0.1:1", "a.example"],
                          ["check", "--hostname", "", "--connect", "127.0.0.1:1", "a.example"],
                          ["check", "--hostname", "a b", "--connect", "127.0.0.1:1", "a.example"],
                          ["check", "--connect", "127.0.0.1", "a.example", "b.example"],
                          ["check", "--as-others", "--no-experiments", "a.example"],
                          ["check", "[127.0.0.1:25"], ["check", "a..example"], ["check", "a.example:x"],
                          ["check", "--resolver", "not-an-address", "a.example"],
                          ["check", "--from-observation", "/nonexistent"],
                          ["explain"], ["explain", "certificate-expird"], ["cert"]):
            with self.subTest(arguments=arguments):
                run = postern(*arguments)
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertEqual(run.stdout, "")
                if arguments:
                    self.assertEqual(run.stderr.count("\n"), 1, run.stderr)

    def test_a_dumb_terminal_gets_no_control_characters(self):
        for kind, wanted in (("dumb", False), ("xterm", True)):
            ours, theirs = os.openpty()
            with subprocess.Popen([POSTERN, "check", "--connect", "127.0.0.1:1", "a.example"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": kind}) as running:
                os.close(theirs)
                shown = b""
                try:
                    while piece := os.read(ours, 4096):
                        shown += piece
                except OSError:  # EIO: nobody has the other end any more
                    pass
            os.close(ours)
            self.assertEqual(running.returncode, 1)
            self.assertEqual(b"\x1b" in shown, wanted, shown)

    def test_a_wrong_code_of_explain_is_answered_with_the_nearest(self):
        self.assertIn("certificate-expired", postern("explain", "certificate-expird").stderr)

    def test_help_fits_80_columns_and_exits_0(self):
        commands = re.findall(r"^  (\w+) ", postern("--help").stdout, re.MULTILINE)
        self.assertGreater(len(commands), 10)
        for arguments in (["--help"], ["--version"], *([command, "--help"] for command in commands)):
            with self.subTest(arguments=arguments):
                run = postern(*arguments)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertLessEqual(max(map(len, run.stdout.splitlines())), 80)

    def test_help_is_an_option_like_others_and_needs_no_settings(self):
        for command in ("send", "serve", "queue", "track", "policy", "publish", "report"):
            with self.subTest(command=command):
                run = postern(command, "-c", "/nowhere/postern.conf", "--help")
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertEqual(run.stdout, postern(command, "--help").stdout)

    def test_a_verb_of_queue_without_an_id_is_wrong_use_whatever_the_settings_are(self):
        for verb in ("show", "retry", "hold", "release", "delete"):
            run = postern("queue", "-c", "/nowhere/postern.conf", verb)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (2, 1), run.stderr)
            self.assertIn("Give", run.stderr)

    def test_settings_that_are_a_folder_are_told_to_be_one(self):
        for command in (["policy", "a.example"], ["queue", "list"], ["track"], ["publish", "a.example"]):
            run = postern(command[0], "-c", "/", *command[1:])
            self.assertEqual(run.returncode, 3)
            self.assertIn("Is a directory", run.stderr)

    def test_explain_has_a_page_for_every_code_it_lists(self):
        codes = [line.split()[0] for line in postern("explain", "--list").stdout.splitlines()]
        self.assertGreater(len(codes), 70)
        for code in codes:
            with self.subTest(code=code):
                run = postern("explain", code)
                self.assertEqual(run.returncode, 0)
                self.assertIn(code, run.stdout)


class StandardDescriptors(unittest.TestCase):
    def run_with(self, redirection, *arguments):
        return subprocess.run(["/bin/sh", "-c", f'"$0" "$@" {redirection}', POSTERN, *arguments],
                              capture_output=True, text=True, check=False, timeout=60)

    def test_what_cannot_be_written_was_not_told(self):
        for arguments in (["--help"], ["explain", "--list"], ["lab", "--list"],
                          ["check", f"127.0.0.1:{free_port()}"]):
            with self.subTest(arguments=arguments):
                run = self.run_with(">/dev/full", *arguments)
                self.assertEqual((run.returncode, run.stderr.count("\n")), (3, 1), run.stderr)
                self.assertIn("No space left", run.stderr)

    def test_a_reader_who_leaves_early_is_no_failure(self):
        reads, writes = os.pipe()
        os.close(reads)
        run = subprocess.run([POSTERN, "explain", "--list"], stdout=writes, stderr=subprocess.PIPE, check=False, timeout=60)
        os.close(writes)
        self.assertEqual((run.returncode, run.stderr), (0, b""))

    def test_descriptors_that_are_closed_are_taken_by_no_socket(self):
        target = f"127.0.0.1:{free_port()}"
        self.assertEqual(self.run_with(">&-", "check", target).returncode, 3)
        self.assertEqual(self.run_with("<&- 2>&-", "check", target).returncode, 1)


class ExitStatus(unittest.TestCase):
    def test_a_server_without_starttls_exits_1_and_is_asked_once(self):
        with Scripted(*PLAIN) as server:
            run = postern("check", "--json", server.target)
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertEqual(server.connections, 1)
        host = json.loads(run.stdout)["hosts"][0]
        self.assertEqual(host["findings"][0]["code"], "starttls-not-offered")
        self.assertEqual(host["findings"][0]["tls_report"], "starttls-not-supported")
        self.assertEqual(host["decisions"]["may"], "deliver-in-clear")
        self.assertEqual(host["decisions"]["encrypt"], "defer")
        self.assertIsNone(host["tls"])

    def test_a_closed_port_exits_1(self):
        run = postern("check", "--json", f"127.0.0.1:{free_port()}")
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertEqual(json.loads(run.stdout)["hosts"][0]["findings"][0]["code"], "connect-refused")

    def test_a_client_certificate_that_is_missing_exits_3_and_names_the_file(self):
        run = postern("check", "--client-cert", "/nonexistent.pem", "127.0.0.1:1")
        self.assertEqual(run.returncode, 3)
        self.assertIn("/nonexistent.pem", run.stderr)


class Output(unittest.TestCase):
    def test_what_a_server_says_cannot_drive_the_terminal(self):
        evil = b"220 \x1b]0;owned\x07\x1b[2J\xc2\x9b31m mx ESMTP\r\n"
        with Scripted(evil, b"250 \x1b[31mred\r\n", b"221 \x1b[0m\r\n") as server:
            for extra in ([], ["-v"], ["--json"]):
                out = postern("check", *extra, server.target).stdout
                self.assertNotIn("\x1b", out)
                self.assertNotIn("\x07", out)
                self.assertNotIn("\x9b", out)

    def test_human_output_fits_80_columns(self):
        with Scripted(*PLAIN) as server:
            out = postern("check", "-v", server.target).stdout
        self.assertLessEqual(max(map(len, out.splitlines())), 80)

    def test_several_targets_are_answered_in_order(self):
        with Scripted(*PLAIN) as first, Scripted(b"554 no\r\n") as second:
            out = postern("check", "--json", first.target, second.target).stdout
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([a["target"] for a in answers if a["target"]], [first.target, second.target])

    def test_a_saved_observation_is_judged_alike_without_the_network(self):
        with tempfile.TemporaryDirectory() as folder, Scripted(*PLAIN) as server:
            saved = os.path.join(folder, "seen.json")
            live = postern("check", "--json", "--observation", saved, server.target)
            again = postern("check", "--json", "--from-observation", saved)
        self.assertEqual(again.returncode, live.returncode, again.stderr)
        self.assertEqual(json.loads(again.stdout)["hosts"][0]["findings"],
                         json.loads(live.stdout)["hosts"][0]["findings"])

    def test_a_damaged_observation_file_is_named_and_exits_2(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "seen.json")
            for content in ("", "{", "[]", '{"schema": 1}', '{"schema": 1, "checkups": [{}]}'):
                with self.subTest(content=content):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(content)
                    run = postern("check", "--from-observation", path)
                    self.assertEqual(run.returncode, 2, run.stdout)
                    self.assertIn(path, run.stderr)


class AsOthers(unittest.TestCase):
    def codes(self, *arguments):
        answer = json.loads(postern("check", "--json", *arguments).stdout)
        return [finding["code"] for finding in answer["hosts"][0]["findings"]]

    def test_tells_who_cannot_reach_a_server_that_is_sound_for_us(self):
        with tempfile.TemporaryDirectory() as folder:
            command = [POSTERN, "lab", "--json", "--fault", "healthy", "--fault", "healthy-tls13-only",
                       "--directory", folder]
            lab = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                healthy, tls13_only = json.loads(lab.stdout.readline())["servers"]
                self.assertEqual(self.codes("--as-others", *healthy["arguments"]), [])
                self.assertEqual(self.codes(*tls13_only["arguments"]), [])
                self.assertEqual(self.codes("--as-others", *tls13_only["arguments"]), ["server-tls13-only"])
            finally:
                lab.terminate()
                lab.communicate()


if __name__ == "__main__":
    unittest.main()
