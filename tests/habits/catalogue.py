#!/usr/bin/python3
"""tests/habits/catalogue.py ROOT CATALOGUE.json - a finding is a row, a page and a server that shows it."""
import json
import re
import sys

import tree as habits

PUBLISHED = "tests/habits/published-codes.txt"
SEVERITIES = {"notice", "warning", "untrusted", "fatal"}
LEFT_OPEN = "FILL-IN"  # what tools/new-finding leaves to say
PAGE_COLUMNS = 80  # postern explain prints it as it is
PAGE_BYTES_LEAST = 300  # shorter explains nothing


def catalogue():
    with open(sys.argv[2], encoding="utf-8") as file:
        return json.load(file)


def rows():
    return {row["code"]: row for row in catalogue()["findings"]}


def faults():
    return {fault["name"]: fault for fault in catalogue()["faults"]}


def every_row_has_all_its_words(_tree):
    if len(rows()) != len(catalogue()["findings"]):
        yield "two rows have one code"
    for code, row in rows().items():
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code):
            yield f"{code} is not lower-case words and hyphens"
        for word in ("title", "cause", "remedy", "source"):
            if not row[word]:
                yield f"{code} has no {word}"
        if row["severity"] not in SEVERITIES:
            yield f"{code}: severity {row['severity']}"


def words_in_braces_are_closed_and_lower_case(_tree):
    for code, row in rows().items():
        for word in ("cause", "remedy"):
            rest = re.sub(r"\{[a-z0-9_]+\}", "", row[word] or "")
            if "{" in rest or "}" in rest:
                yield f"{code}: {word} has a brace that is no {{name}}: {row[word]}"


def every_finding_has_its_page(tree):
    for code in rows():
        page = tree.text(f"doc/findings/{code}.md")
        if len(page) < PAGE_BYTES_LEAST:
            yield f"doc/findings/{code}.md is missing or says next to nothing"
        elif code not in page.split("\n", 1)[0]:
            yield f"doc/findings/{code}.md does not begin with its code"
        elif max(map(len, page.splitlines())) > PAGE_COLUMNS:
            yield f"doc/findings/{code}.md has a line that a terminal of {PAGE_COLUMNS} columns breaks"


def every_page_is_of_a_finding(tree):
    for path in tree.files("doc/findings", "*.md"):
        code = path.removeprefix("doc/findings/").removesuffix(".md")
        if code not in rows() and code != "README":
            yield f"{path}: there is no such finding"


def is_notice_of_the_healthy(row):
    return row["severity"] == "notice" and faults()[row["lab"]]["code"] is None


def every_finding_has_a_server_that_shows_it_or_a_reason(_tree):
    for code, row in rows().items():
        if bool(row["lab"]) == bool(row["lab_reason"]):
            yield f"{code} needs a lab fault, or a lab_reason why there is none"
        elif row["lab"] and row["lab"] not in faults():
            yield f"{code}: the lab has no fault {row['lab']}"
        elif row["lab"] and faults()[row["lab"]]["code"] != code and not is_notice_of_the_healthy(row):
            yield f"{code}: lab fault {row['lab']} is to show {faults()[row['lab']]['code']}"


def every_fault_expects_what_the_catalogue_says(_tree):
    for name, fault in faults().items():
        row = rows().get(fault["code"])
        if fault["code"] and not row:
            yield f"lab fault {name}: there is no finding {fault['code']}"
        elif row and fault["tls_report"] != row["tls_report"]:
            yield f"lab fault {name} expects {fault['tls_report']}, {fault['code']} has {row['tls_report']}"


def is_of_a_domain(code, row):
    """What its records or its policy show, and no session with a host of it."""
    return row["fault"] == "dns" or code.startswith(("sts-", "tlsrpt-"))


def every_finding_of_a_session_has_a_saved_observation(tree):
    for code, row in rows().items():
        path = f"tests/observations/{row['lab']}.json"
        if row["lab"] and not is_of_a_domain(code, row) and not tree.exists(path):
            yield f"{code}: {path} is missing (tools/save-observations makes it)"


def nothing_is_left_to_fill_in(tree):
    for path in tree.files("src", "*.[ch]") + tree.files("doc") + tree.files("tests/observations"):
        if LEFT_OPEN in tree.text(path):
            yield f"{path} has a {LEFT_OPEN}"


def no_code_once_published_is_gone(tree):
    codes = [line for line in tree.text(PUBLISHED).splitlines() if line and not line.startswith("#")]
    if not codes:
        yield f"{PUBLISHED} is empty"
    for code in codes:
        if code not in rows():
            yield f"{code} was published, and is gone"
    for code in sorted(set(rows()) - set(codes)):
        yield f"{code} is new: add it to {PUBLISHED}"


HABITS = [
    every_row_has_all_its_words,
    words_in_braces_are_closed_and_lower_case,
    every_finding_has_its_page,
    every_page_is_of_a_finding,
    every_finding_has_a_server_that_shows_it_or_a_reason,
    every_fault_expects_what_the_catalogue_says,
    every_finding_of_a_session_has_a_saved_observation,
    nothing_is_left_to_fill_in,
    no_code_once_published_is_gone,
]

if __name__ == "__main__":
    habits.main(HABITS)
