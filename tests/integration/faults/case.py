"""case.py - one row of the exam: a server, how Postern is pointed at it, and what it must say."""

import subprocess
from dataclasses import dataclass
from typing import Callable

CASES = []

# What a case counts as.
FAULT = "fault"  # the first finding must be one of `codes`
HEALTHY = "healthy"  # no finding above notice
WORKS = "works"  # TLS works and verifies; a warning is welcome, nothing worse is


@dataclass
class Case:
    name: str
    story: str
    build: Callable  # build(world) -> fault, a function of a Peer; or None where nothing listens
    codes: tuple = ()  # accepted slugs, the best first; may be fnmatch patterns
    side: tuple = ()  # accepted values of `fault`, the best first
    report: tuple = ("",)  # accepted values of `tls_report`; "" is none at all
    tells: str = ""  # what cause, evidence and remedy together must mention (regular expression)
    arguments: tuple = ()  # strings, or functions of the world that give a string or a list
    ca_file: Callable = None  # function of the world; the known root unless set
    kind: str = FAULT
    stalls: bool = False  # may last until --timeout
    name_flag: bool = True
    backlog: int = 16
    target: str = "[127.0.0.1]:{port}"
    before: tuple = ()  # a command put in front, such as unshare


def can_run(case):
    """False: what stands in front of postern is not allowed here, as namespaces in some containers."""
    if not case.before or any(callable(word) for word in case.before):
        return True
    try:
        return subprocess.run([*case.before, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def tuple_of(value):
    return (value,) if isinstance(value, str) else tuple(value)


def fault(name, story, build, codes, side="server", report="", **more):
    CASES.append(Case(name, story, build, tuple_of(codes), tuple_of(side), tuple_of(report), **more))


def healthy(name, story, build, kind=HEALTHY, **more):
    CASES.append(Case(name, story, build, kind=kind, **more))


def works(name, story, build, **more):
    healthy(name, story, build, kind=WORKS, **more)
