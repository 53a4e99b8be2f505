#!/usr/bin/python3
"""limbo_test.py POSTERN - 5314 chains of x509-limbo and bettertls through `postern cert --batch`."""

import sys

import corpora

AGREE_AT_LEAST, WRONGLY_ACCEPTED_AT_MOST = 5273, 32
PATHS = "bettertls::pathbuilding::"


def main(postern):
    path = corpora.folder("limbo")
    if path is None:
        return corpora.skip("limbo")
    cases = list(corpora.limbo(path))
    expected = {request["id"]: trusted for request, trusted in cases}
    requests = [request for request, _ in cases]
    baseline = corpora.limbo_baseline(path)
    strict = corpora.judge(postern, requests, "--profile", "strict")
    compatible = corpora.judge(postern, requests)

    trusted = {name: answer["trusted"] for name, answer in strict.items()}
    wrong = [name for name, answer in expected.items() if trusted[name] != answer]
    accepted = [name for name in wrong if trusted[name]]
    print(f"# agree {len(expected) - len(wrong)}, wrongly accepted {len(accepted)}")
    report = corpora.Report()
    report.check("every case is answered", sorted(set(expected) ^ set(strict)))
    report.check(f"at least {AGREE_AT_LEAST} of 5314 agree",
                 wrong if len(expected) - len(wrong) < AGREE_AT_LEAST else [])
    report.check(f"at most {WRONGLY_ACCEPTED_AT_MOST} are wrongly accepted",
                 accepted if len(accepted) > WRONGLY_ACCEPTED_AT_MOST else [])
    report.check("nothing that OpenSSL accepts is refused",
                 [name for name in expected if baseline[name] and not trusted[name]])
    report.check("what OpenSSL refuses is accepted only by a path that it misses",
                 [name for name in expected if trusted[name] and not baseline[name]
                  and not (strict[name].get("other_path") and expected[name])])
    report.check("every path that bettertls asks for is found",
                 [name for name in expected if name.startswith(PATHS) and trusted[name] != expected[name]])
    report.check("compatible accepts nothing that strict refuses without a warning",
                 [name for name in expected if compatible[name]["trusted"] and not trusted[name]
                  and "certificate-strictness" not in compatible[name]["findings"]])
    report.check("strict accepts nothing that compatible refuses",
                 [name for name in expected if trusted[name] and not compatible[name]["trusted"]])
    report.check("a refusal always has a finding",
                 [name for name, answer in {**strict, **compatible}.items()
                  if not answer["trusted"] and not answer["findings"]])
    return report.end()


sys.exit(main(sys.argv[1]))
