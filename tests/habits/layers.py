#!/usr/bin/python3
"""tests/habits/layers.py ROOT - the house is built as doc/architecture.md draws it."""
import re

import tree as habits

TOOL = habits.load_tool("check-layers")


def includes_point_only_down_the_list(tree):
    return TOOL.faults_in(tree.root)


def the_list_is_the_one_of_the_architecture_page(tree):
    drawn = re.search(r"^    (base +<.*)$", tree.text("doc/architecture.md"), re.MULTILINE)
    if not drawn:
        return ["doc/architecture.md has no line 'base < ...'"]
    lines = [set(re.findall(r"\w+", part)) for part in drawn.group(1).split("<")]
    here = {path.split("/")[1] for path in tree.files("src", "*.[ch]")}
    known = [set(line.split()) & here for line in TOOL.LINES]
    if lines != [line for line in known if line]:
        return [f"doc/architecture.md draws {lines}", f"tools/check-layers has {known}"]
    return []


HABITS = [includes_point_only_down_the_list, the_list_is_the_one_of_the_architecture_page]

if __name__ == "__main__":
    habits.main(HABITS)
