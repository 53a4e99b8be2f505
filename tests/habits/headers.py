#!/usr/bin/python3
"""tests/habits/headers.py ROOT COMPILER... - every header compiles alone, included twice."""
import concurrent.futures
import subprocess
import sys

import tree as habits

OPTIONS = ["-std=gnu17", "-D_GNU_SOURCE", "-Isrc", "-Iinclude", "-Wall", "-Wextra", "-Werror",
           "-fsyntax-only", "-x", "c", "-"]


def complaint_about(tree, compiler, path):
    """What the compiler says of a file that includes only `path`; None where all is well."""
    name = path.removeprefix("src/").removeprefix("include/")
    done = subprocess.run([*compiler, *OPTIONS], input=f'#include "{name}"\n#include "{name}"\n',
                          cwd=tree.root, text=True, capture_output=True, check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
    return f"{path}: {lines[0] if lines else 'the compiler failed'}"


def complaints_of(tree, compiler):
    paths = tree.files("src", "*.h") + tree.files("include", "*.h")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda path: complaint_about(tree, compiler, path), paths)
        return [complaint for complaint in found if complaint]


def every_header_compiles_alone(tree):
    return complaints_of(tree, sys.argv[2:] or ["cc"])


if __name__ == "__main__":
    habits.main([every_header_compiles_alone])
