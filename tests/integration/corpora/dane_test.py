#!/usr/bin/python3
"""dane_test.py POSTERN DANE-LINK - 4639 TLSA cases after Postfix's own, by `postern cert --batch` and as a delivery judges."""

import json
import subprocess
import sys

import corpora


def decide(dane_link, requests):
    """What a delivery at dane-only would do with each, by id."""
    run = subprocess.run([dane_link], input="".join(json.dumps(request) + "\n" for request in requests), text=True,
                         stdout=subprocess.PIPE, check=True)
    return dict(line.split() for line in run.stdout.splitlines())


def main(postern, dane_link):
    path = corpora.folder("dane")
    if path is None:
        return corpora.skip("dane")
    cases = list(corpora.dane(path))
    requests = [request for request, _ in cases]
    report = corpora.Report()
    for profile in ("compatible", "strict"):
        answers = corpora.judge(postern, requests, "--profile", profile)
        report.check(f"all {len(cases)} agree under {profile}",
                     [f"{request['id']} {request['tlsa'][0][:5]} {answers[request['id']]['findings']}"
                      for request, trusted in cases if answers[request["id"]]["trusted"] != trusted])
        report.check(f"a mismatch is told by its finding under {profile}",
                     [request["id"] for request, trusted in cases
                      if not trusted and "tlsa-mismatch" not in answers[request["id"]]["findings"]])
    decisions = decide(dane_link, requests)
    report.check(f"a delivery at dane-only decides all {len(cases)} alike",
                 [f"{request['id']} {request['tlsa'][0][:5]} {decisions.get(request['id'])}" for request, trusted in cases
                  if decisions.get(request["id"]) != ("deliver" if trusted else "defer")])
    return report.end()


sys.exit(main(*sys.argv[1:3]))
