"""corpora.py - cases of others as the JSON lines of `postern cert --batch`, and what they expect."""

import datetime
import gzip
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]


def folder(name):
    """The corpus, or None where it is absent."""
    corpora = os.environ.get("POSTERN_CORPORA") or ROOT.parent / "shared" / "corpora"
    path = pathlib.Path(corpora) / name
    return path if path.is_dir() else None


def read(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def strip_pem(text):
    return "".join(line for line in text.splitlines() if line and not line.startswith("-----"))


def limbo_request(case, certificates):
    request = {
        "id": case["id"],
        "chain": [certificates[i] for i in [case["leaf"], *case["chain"]]],
        "roots": [certificates[i] for i in case["trust"]],
        "name": case["name"],
    }
    if case["time"] is not None:
        request["at"] = int(datetime.datetime.fromisoformat(case["time"]).timestamp())
    if case.get("crls"):
        request["crls"] = [strip_pem(text) for text in case["crls"]]
    if case.get("max_chain_depth") is not None:
        request["max_depth"] = case["max_chain_depth"]
    return request


def limbo(path):
    """Yields (request, is it to be trusted)."""
    data = read(path / "limbo-server.json.gz")
    for case in data["cases"]:
        yield limbo_request(case, data["certs"]), case["expect"] == "SUCCESS"


def limbo_baseline(path):
    """What OpenSSL accepts at its most careful: id to bool."""
    verdicts = {}
    with gzip.open(path / "baseline-openssl-3.0.19.tsv.gz", "rt", encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                verdicts[fields[0]] = fields[5] == "SUCCESS"
    return verdicts


def dane(path):
    data = read(path / "dane-chain.json.gz")
    for case in data["cases"]:
        usage, selector, matching, digest = case["tlsa"]
        yield {
            "id": case["id"],
            "chain": [data["certs"][i] for i in case["chain"]],
            "roots": [data["certs"][i] for i in case["ca"]],
            "names": case["names"],
            "tlsa": [f"{usage} {selector} {matching} {digest}"],
        }, case["expect"] == "pass"


def judge(postern, requests, *options):
    """All answers, by id; fails where postern does."""
    text = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run([postern, "cert", "--batch", *options], input=text, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if run.returncode != 0:
        raise SystemExit(f"postern cert --batch ended with {run.returncode}: {run.stderr[:2000]}")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return {answer["id"]: answer for answer in answers}


def skip(name):
    print(f"1..0 # SKIP ../shared/corpora/{name} is not here")
    return 0


class Report:
    """TAP: each promise with what breaks it."""

    def __init__(self):
        self.count = self.failed = 0

    def check(self, promise, broken):
        self.count += 1
        print(f"{'not ok' if broken else 'ok'} {self.count} - {promise}")
        for line in broken[:20]:
            print(f"# {line}")
        self.failed += bool(broken)

    def end(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0
