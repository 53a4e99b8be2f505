"""syslog_daemon.py - a syslog daemon of one gateway, which may hang, end and come again.

What it reads goes into the file that gateway.Gateway takes for the log; so all that asks for log lines works as ever.
"""
import contextlib
import os
import re
import select
import socket
import threading

from gateway import PATIENCE_S, Failed, quote

LINE = re.compile(rb"<(\d+)>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 1-3]\d \d\d:\d\d:\d\d "
                  rb"postern\[(\d+)\]: (\{.*\})", re.DOTALL)
MAIL = 2  # the facility
SEVERITIES = {"error": 3, "warn": 4, "note": 6, "detail": 7}  # RFC 5424 section 6.2.1
FILLER = b"<22>Nov 21 20:05:00 another: "
FILLERS_MOST = 1000
LAST = FILLER + b"last"


class SyslogDaemon:
    """Reads from its start on. `wrong`: what it was sent and no daemon would understand."""

    def __init__(self, one):
        self.path = os.path.join(one.folder, "syslog")
        self.log_file, self.wrong = one.log_file, []
        self.pids, self.socket, self.thread, self.end = set(), None, None, None
        self.has_read = threading.Event()
        one.more += f"log_to = syslog\nsyslog_socket = {quote(self.path)}\n"
        self.start()

    def start(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.go_on()

    def stop(self):
        self.hang()
        self.socket.close()
        with contextlib.suppress(FileNotFoundError):  # it went with the gateway's folder
            os.unlink(self.path)

    def go_on(self):
        """When this is over all is read that was there."""
        self.has_read.clear()
        self.end = os.pipe()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.sendto(LAST, self.path)
        if not self.has_read.wait(PATIENCE_S):
            raise Failed("the daemon does not read")

    def hang(self):
        """When this is over nothing is read any more."""
        if self.end is None:
            return
        os.close(self.end[1])
        self.thread.join()
        os.close(self.end[0])
        self.end = None

    def fill(self):
        """By others, until it takes not one line more from anybody."""
        for _ in range(FILLERS_MOST):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                other.setblocking(False)
                sent = 0
                try:
                    while True:
                        other.sendto(FILLER, self.path)
                        sent += 1
                except BlockingIOError:
                    if sent == 0:
                        return
        raise Failed("a socket that nobody reads takes more and more")

    def read(self):
        with open(self.log_file, "ab", buffering=0) as log:
            while True:
                ready = select.select([self.socket, self.end[0]], [], [])[0]
                if self.end[0] in ready:
                    return
                line = self.socket.recv(65536)
                if line == LAST:
                    self.has_read.set()
                elif line != FILLER:
                    self.take(line, log)

    def take(self, line, log):
        found = LINE.fullmatch(line)
        if not found:
            self.wrong.append(line)
            return
        level = re.search(rb'"level":"(\w+)"', found.group(3)).group(1).decode()
        if int(found.group(1)) != MAIL << 3 | SEVERITIES[level]:
            self.wrong.append(line)
        self.pids.add(int(found.group(2)))
        log.write(found.group(3) + b"\n")
