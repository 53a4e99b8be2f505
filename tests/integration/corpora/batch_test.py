#!/usr/bin/python3
"""batch_test.py POSTERN - hostile lines: each gets its answer, its number, and the next is judged."""

import base64
import json
import subprocess
import sys

import corpora


def run(postern, data):
    return subprocess.run([postern, "cert", "--batch"], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)


def ask_in_turn(postern, count):
    """Asks again only after the answer has come; whoever waits for more first would hang here."""
    with subprocess.Popen([postern, "cert", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as batch:
        answers = []
        for number in range(count):
            batch.stdin.write(good(number) + b"\n")
            batch.stdin.flush()
            answers.append(json.loads(batch.stdout.readline())["id"])
        batch.stdin.close()
    return answers


HOSTILE = [
    b"{", b"[]", b"null", b"\"x\"", b"{}", b"{\"id\":1}", b"{\"chain\":7}", b"{\"chain\":[7]}",
    b"{\"chain\":[\"%%%\"]}", b"{\"chain\":[\"A\"]}", b"{\"chain\":[],\"roots\":5}",
    b"{\"chain\":[],\"roots\":[\"AAAA\"]}", b"{\"chain\":[],\"name\":5}", b"{\"chain\":[],\"names\":\"x\"}",
    b"{\"chain\":[],\"at\":\"now\"}", b"{\"chain\":[],\"at\":1.5}", b"{\"chain\":[],\"max_depth\":-1}",
    b"{\"chain\":[],\"tlsa\":[\"3 1\"]}", b"{\"chain\":[],\"tlsa\":[3]}", b"{\"chain\":[],\"crls\":{}}",
    b"{\"chain\":[],\"chain\":[]}", b"\xff\xfe\x00", b"{\"id\":\"\x1b[2J\",\"chain\":[]}",
    b"{\"chain\":[\"" + b"A" * (5 << 20) + b"\"]}", b"[" * 100000, b"{\"chain\":[]}x",
]


def good(number):
    return json.dumps({"id": number, "chain": [base64.b64encode(b"0\x03\x02\x01\x05").decode()],
                       "roots": [], "name": "mx.example.org"}).encode()


def main(postern):
    report = corpora.Report()
    lines = []
    for number, line in enumerate(HOSTILE):
        lines += [line, good(number)]
    result = run(postern, b"\n".join(lines) + b"\n")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    told = result.stderr.decode().splitlines()
    report.check("it ends with 2", [] if result.returncode == 2 else [f"it ended with {result.returncode}"])
    report.check("each line has one answer",
                 [] if len(answers) == len(lines) else [f"{len(answers)} answers to {len(lines)} lines"])
    report.check("each bad line is answered with an error, each good one judged",
                 [str(answer) for i, answer in enumerate(answers)
                  if ("error" in answer) == (i % 2 == 1) or (i % 2 == 1 and answer["id"] != i // 2)])
    report.check("each bad line is told with its number",
                 [f"line {i + 1}" for i in range(0, len(lines), 2)
                  if not any(text.startswith(f"postern cert: line {i + 1}: ") for text in told)])
    report.check("nothing else is told", told[len(HOSTILE):])
    report.check("nothing that a terminal obeys is printed",
                 [line for line in told + result.stdout.decode().splitlines() if "\x1b" in line or "\0" in line])
    fine = run(postern, good(1) + b"\n\n" + good(2))
    report.check("good lines alone end with 0, the last without its line end too",
                 [] if fine.returncode == 0 and len(fine.stdout.splitlines()) == 2 else [fine.stderr.decode()])
    report.check("a question is answered before the next is waited for",
                 [] if ask_in_turn(postern, 3) == [0, 1, 2] else ["it is not"])
    many = run(postern, b"\n".join(good(number) for number in range(2000)))
    report.check("answers keep the order of the lines",
                 [] if [json.loads(line)["id"] for line in many.stdout.splitlines()] == list(range(2000)) else ["no"])
    empty = run(postern, b"")
    report.check("no line is no fault", [] if empty.returncode == 0 and not empty.stdout else ["it is"])
    return report.end()


sys.exit(main(sys.argv[1]))
