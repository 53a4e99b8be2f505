#!/usr/bin/python3
"""tests/habits/sources.py ROOT - what every source file keeps to."""
import re

import tree as habits

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|strtok)\s*\(")
HEAP = re.compile(r"\b(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf)\s*\(")
LOCALE = re.compile(r"\b(setlocale|uselocale)\s*\(")
CASE = re.compile(r"\b(tolower|toupper|strcasecmp|strncasecmp|strcasestr)\s*\(")
CLOCK_OR_CHANCE = re.compile(
    r"\b(time|clock_gettime|gettimeofday|rand|random|getrandom|RAND_bytes|getenv|fopen|open|socket"
    r"|BIO_new_file|printf|fprintf|puts)\s*\(")
PURE = ("src/base/", "src/smtp/", "src/trust/", "src/diagnose/judge", "src/gateway/relay", "src/gateway/limits",
        "src/gateway/maildir_path")
NOT_PURE = {"src/base/clock.c", "src/base/folder.c", "src/base/log_sink.c"}
# Folders of one machine or one person; no file of the project names them.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users)/")
FILE_LINES_MOST = 700
FUNCTION_LINES_MOST = 80
LONG_CODE = "tests/habits/long-code.txt"
WITHOUT_TEST = "tests/habits/without-unit-test.txt"


def calls(tree, paths, pattern, words):
    for path in paths:
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            for name in pattern.findall(line):
                yield f"{path}:{number}: {words} {name}()"


def every_file_says_in_its_first_line_what_it_does(tree):
    for path in tree.files("src", "*.h", "*.c"):
        if path.endswith(".c") and tree.exists(path[:-1] + "h"):
            continue # its header says it
        name = path.removeprefix("src/")
        if not tree.text(path).startswith(f"/* {name} - "):
            yield f"{path} does not begin with '/* {name} - what it does. */'"
    for path in tree.files("tests", "*.h", "*.c") + tree.files("fuzz", "*.h", "*.c"):
        if not tree.text(path).startswith(f"/* {path} - "):
            yield f"{path} does not begin with '/* {path} - what it does. */'"


def no_call_that_cannot_know_its_bounds(tree):
    paths = [path for folder in ("src", "tests", "fuzz", "examples") for path in tree.files(folder, "*.[ch]")]
    yield from calls(tree, paths, BANNED, "calls")


def only_base_memory_calls_the_heap(tree):
    paths = [path for path in tree.files("src", "*.[ch]") if path != "src/base/memory.c"]
    yield from calls(tree, paths, HEAP, "calls")


def no_locale_is_put_in_force(tree):
    """A Turkish one has "PIPELINING" and "pipelining" be two words, and strcasecmp() and tolower() obey."""
    yield from calls(tree, tree.files("src", "*.[ch]"), LOCALE, "calls")


def letters_are_made_small_in_one_place(tree):
    """text_lower() and span_equal_nocase() know ASCII alone, whatever the locale of a process."""
    yield from calls(tree, tree.files("src", "*.[ch]"), CASE, "asks the locale:")


def pure_code_asks_no_clock_no_chance_and_no_file(tree):
    paths = [path for path in tree.files("src", "*.[ch]")
             if path.startswith(PURE) and path not in NOT_PURE]
    yield from calls(tree, paths, CLOCK_OR_CHANCE, "pure code calls")


def long_files_and_functions_give_their_reason(tree):
    reasons = tree.reasons(LONG_CODE)
    seen = set()
    for path in tree.files("src", "*.[ch]"):
        lengths = [(path, tree.text(path).count("\n"), FILE_LINES_MOST)]
        lengths += [(f"{path} {name}", lines, FUNCTION_LINES_MOST)
                    for name, _, lines in habits.functions_of(tree.code(path))]
        for key, lines, most in lengths:
            if lines > most:
                seen.add(key)
                if not reasons.get(key):
                    yield f"{key} has {lines} lines: split it by meaning, or say why in {LONG_CODE}"
    for key in sorted(set(reasons) - seen):
        yield f"{LONG_CODE}: {key} is not long (any more)"


def every_source_has_a_unit_test_or_a_reason(tree):
    reasons = tree.reasons(WITHOUT_TEST)
    for path in tree.files("src", "*.c"):
        name = path.removeprefix("src/")
        test = f"tests/unit/{name[:-2]}_test.c"
        if not reasons.get(name) and not tree.exists(test):
            yield f"{path} has no {test}, and no reason in {WITHOUT_TEST}"
    for name, reason in reasons.items():
        if not tree.exists(f"src/{name}"):
            yield f"{WITHOUT_TEST}: there is no src/{name}"
        elif tree.exists(f"tests/unit/{name[:-2]}_test.c"):
            yield f"{WITHOUT_TEST}: {name} has a test now, drop its line"
        for test in re.findall(r"tests/[\w./-]+", reason):
            if not tree.exists(test):
                yield f"{WITHOUT_TEST}: {name}: there is no {test}"


def no_file_names_a_folder_of_one_machine(tree):
    for path in tree.all_files():
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if MACHINE_PATH.search(line) and path != "tests/habits/sources.py":
                yield f"{path}:{number}: {line.strip()[:80]}"


HABITS = [
    every_file_says_in_its_first_line_what_it_does,
    no_call_that_cannot_know_its_bounds,
    only_base_memory_calls_the_heap,
    no_locale_is_put_in_force,
    letters_are_made_small_in_one_place,
    pure_code_asks_no_clock_no_chance_and_no_file,
    long_files_and_functions_give_their_reason,
    every_source_has_a_unit_test_or_a_reason,
    no_file_names_a_folder_of_one_machine,
]

if __name__ == "__main__":
    habits.main(HABITS)
