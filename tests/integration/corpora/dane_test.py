#!/usr/bin/python3
"""dane_test.py POSTERN - 4639 TLSA cases after Postfix's own through `postern cert --batch`."""

import sys

import corpora


def main(postern):
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
    return report.end()


sys.exit(main(sys.argv[1]))
