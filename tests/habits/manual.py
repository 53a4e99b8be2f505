#!/usr/bin/python3
"""tests/habits/manual.py ROOT POSTERN PAGE... - the manual says what the program does."""
import pathlib
import re
import shutil
import subprocess
import sys

import tree as habits

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])")
EXIT_STATUSES = "0123"


def program():
    return sys.argv[2]


def pages():
    return [pathlib.Path(page) for page in sys.argv[3:]]


def help_of(*command):
    done = subprocess.run([program(), *command, "--help"], text=True, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL)
    return done.stdout if done.returncode == 0 else ""


def subcommands():
    return re.findall(r"^ {2,4}(\w+) ", help_of(), re.MULTILINE)


def source_of(tree, name):
    return tree.text(f"doc/man/{name}.1.scd")


def options_of(page):
    """What the page explains under OPTIONS, each at the left edge."""
    section = re.search(r"^# OPTIONS\n(.*?)(?=^# |\Z)", page, re.MULTILINE | re.DOTALL)
    lines = [line for line in (section.group(1) if section else "").split("\n") if re.match(r"\*-", line)]
    return {option for line in lines for option in OPTION.findall(line.replace("*", " "))}


def every_page_passes_mandoc(_tree):
    if not shutil.which("mandoc"):
        return [habits.SKIP + "no mandoc here"]
    return [line for page in pages() for line in subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(page)],
        text=True, capture_output=True, check=False).stdout.splitlines()]


def every_subcommand_is_in_postern_1_and_has_a_page(tree):
    if not subcommands():
        yield "postern --help lists no subcommand"
    for name in subcommands():
        if f"*postern {name}*" not in source_of(tree, "postern"):
            yield f"postern(1) does not have postern {name}"
        if not source_of(tree, f"postern-{name}"):
            yield f"there is no doc/man/postern-{name}.1.scd"


def every_option_of_a_subcommand_is_in_its_page(tree):
    for name in subcommands():
        there = set(OPTION.findall(help_of(name))) - {"--help", "-h"}
        if not help_of(name):
            yield f"postern {name} --help fails"
        for option in sorted(there - options_of(source_of(tree, f"postern-{name}"))):
            yield f"postern-{name}(1) does not have {option}"


def every_option_in_a_page_exists(tree):
    for name in subcommands():
        there = set(OPTION.findall(help_of(name))) | {"--help", "-h"}
        for option in sorted(options_of(source_of(tree, f"postern-{name}")) - there):
            yield f"postern {name} --help does not have {option}"


# Who makes the JSON of which command.
JSON_MAKERS = {
    "check": ("src/diagnose/report_json.c", "src/diagnose/report_published.c"),
    "cert": ("src/cli/cmd_cert.c", "src/cli/cert_line.c"),
    "lab": ("src/lab/lab.c",),
    "policy": ("src/cli/policy_page.c", "src/cli/policy_hosts.c"),
    "publish": ("src/cli/publish_page.c",),
    "queue": ("src/cli/queue_summary.c",),
    "report": ("src/cli/received_report_page.c",),
    "track": ("src/cli/session_page.c", "src/cli/ledger_page.c"),
}
MEMBER = re.compile(r'\b(?:put|json_object_set\w*)\(\s*\w+,\s*"([a-z_0-9]+)"')
PACKED = re.compile(r"\bjson_pack\((.*?)\);", re.DOTALL)


def members_made_by(text):
    packed = " ".join(PACKED.findall(text))
    return set(MEMBER.findall(text)) | set(re.findall(r',\s*"([a-z_0-9]+)",', packed))


def every_member_of_a_json_object_is_in_the_page(tree):
    for name, sources in JSON_MAKERS.items():
        page = source_of(tree, f"postern-{name}")
        for source in sources:
            members = members_made_by(tree.text(source))
            if not members:
                yield f"{source} makes no JSON any more; take it out of tests/habits/manual.py"
            for member in sorted(members):
                if not re.search(rf"[*_]{member}[*_]", page):
                    yield f"postern-{name}(1) does not have the member {member} of {source}"


def every_exit_status_is_in_the_pages(tree):
    for name in ("postern", "postern-check", "postern-cert"):
        section = source_of(tree, name).partition("# EXIT STATUS")[2].partition("\n# ")[0]
        for status in EXIT_STATUSES:
            if f"*{status}*" not in section:
                yield f"{name}(1) does not have exit status {status}"


def no_page_refers_to_one_that_is_missing(tree):
    names = {page.name for page in pages()}
    for path in tree.files("doc/man", "*.scd"):
        for name, section in re.findall(r"\*(postern[a-z-]*)\*\((\d)\)", tree.text(path)):
            if f"{name}.{section}" not in names:
                yield f"{path} refers to {name}({section})"


def every_finding_is_in_postern_findings_7(tree):
    page = "".join(page.read_text(encoding="utf-8") for page in pages() if page.name == "postern-findings.7")
    listed = subprocess.run([program(), "explain", "--list"], text=True, capture_output=True, check=False)
    codes = [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]
    if not codes:
        yield "postern explain --list prints nothing"
    for code in codes:
        if f"\\fB{code}\\fR" not in page:
            yield f"postern-findings(7) does not have {code}"


HABITS = [
    every_page_passes_mandoc,
    every_subcommand_is_in_postern_1_and_has_a_page,
    every_option_of_a_subcommand_is_in_its_page,
    every_option_in_a_page_exists,
    every_member_of_a_json_object_is_in_the_page,
    every_exit_status_is_in_the_pages,
    no_page_refers_to_one_that_is_missing,
    every_finding_is_in_postern_findings_7,
]

if __name__ == "__main__":
    habits.main(HABITS)
