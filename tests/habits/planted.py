#!/usr/bin/python3
"""tests/habits/planted.py ROOT - each habit of the sources complains of what is planted, and of nothing else."""
import pathlib
import tempfile

import headers
import layers
import rfc
import sources
import tree as habits

CLEAN = {
    "src/base/text.h": '/* base/text.h - text. */\n#pragma once\nint text_len(const char *text);\n',
    "src/base/text.c": '#include "base/text.h"\n\nint text_len(const char *text)\n{\n'
                       '    return *text; /* not strcpy( nor free( */\n}\n',
    "tests/unit/base/text_test.c": "/* tests/unit/base/text_test.c - promises of base/text.h */\n",
    "src/cli/main.c": '/* cli/main.c - starts. */\n#include "base/text.h"\n',
    "tests/unit/cli/main_test.c": "/* tests/unit/cli/main_test.c - promises of main */\n",
    "doc/architecture.md": "    base  <  cli\n",
    "doc/rfc.md": "# RFCs\n",
}


def complaints_about(habit, changes):
    """What the habit says of the clean tree with `changes` made."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**CLEAN, **changes}.items():
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return list(habit(habits.Tree(folder)))


def planted(habit, changes):
    """A habit that looks whether `habit` sees the planted fault."""

    def sees(_tree):
        clean, found = complaints_about(habit, {}), complaints_about(habit, changes)
        if clean:
            yield f"complains of a clean tree: {clean}"
        if not found:
            yield "does not see what was planted"

    sees.__name__ = f"a_fault_is_seen_by_{habit.__name__}"
    return sees


BODY = "int f(void)\n{\n%s}\n"
CASES = [
    (layers.includes_point_only_down_the_list, {"src/base/up.c": '#include "cli/commands.h"\n'}),
    (layers.includes_point_only_down_the_list, {"src/smtp/side.c": '#include "trust/names.h"\n'}),
    (layers.includes_point_only_down_the_list, {"src/trust/clock.c": "#include <time.h>\n"}),
    (layers.includes_point_only_down_the_list, {"src/link/wait.c": "# include <uv.h>\n"}),
    (layers.includes_point_only_down_the_list, {"src/extra/x.c": "int x;\n"}),
    (layers.the_list_is_the_one_of_the_architecture_page, {"src/net/loop.c": "int x;\n"}),
    (headers.every_header_compiles_alone, {"src/base/alone.h": "size_t length(void);\n"}),
    (sources.every_file_says_in_its_first_line_what_it_does, {"src/base/dumb.h": "#pragma once\n"}),
    (sources.every_file_says_in_its_first_line_what_it_does, {"src/base/dumb.c": "int x;\n"}),
    (sources.no_call_that_cannot_know_its_bounds, {"src/base/x.c": BODY % "    strcpy(a, b);\n"}),
    (sources.only_base_memory_calls_the_heap, {"src/net/x.c": BODY % "    free(a);\n"}),
    (sources.no_locale_is_put_in_force, {"src/cli/x.c": BODY % '    setlocale(LC_ALL, "");\n'}),
    (sources.letters_are_made_small_in_one_place, {"src/net/x.c": BODY % "    return tolower(a);\n"}),
    (sources.letters_are_made_small_in_one_place, {"src/net/x.c": BODY % "    return strcasestr(a, b);\n"}),
    (sources.pure_code_asks_no_clock_no_chance_and_no_file,
     {"src/trust/x.c": BODY % "    return time(NULL);\n"}),
    (sources.long_files_and_functions_give_their_reason, {"src/net/x.c": "int x;\n" * 701}),
    (sources.long_files_and_functions_give_their_reason, {"src/net/x.c": BODY % ("    g();\n" * 80)}),
    (sources.long_files_and_functions_give_their_reason,
     {"tests/habits/long-code.txt": "src/base/text.c: a table\n"}),
    (sources.every_source_has_a_unit_test_or_a_reason, {"src/net/x.c": "int x;\n"}),
    (sources.every_source_has_a_unit_test_or_a_reason,
     {"tests/habits/without-unit-test.txt": "base/text.c: none needed\n"}),
    (sources.no_file_names_a_folder_of_one_machine, {"doc/x.md": "see /" + "home/someone/mail\n"}),
    (rfc.every_section_cited_is_on_the_page, {"src/base/text.c": "/* RFC 5321 section 4.2 */\n"}),
    (rfc.every_section_on_the_page_is_cited,
     {"doc/rfc.md": "## RFC 5321, mail\n\n| section | says | where |\n|---|---|---|\n| 9.9 | no | x |\n"}),
]

if __name__ == "__main__":
    habits.main([planted(habit, changes) for habit, changes in CASES])
