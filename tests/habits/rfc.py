#!/usr/bin/python3
"""tests/habits/rfc.py ROOT - doc/rfc.md says what the code takes from which RFC, and no more."""
import tree as habits

TOOL = habits.load_tool("make-rfc-page")


def every_section_cited_is_on_the_page(tree):
    _, rows = TOOL.read_page(tree.root)
    for key, files in sorted(TOOL.cited_in(tree.root).items(), key=lambda item: TOOL.order_of(item[0])):
        if key not in rows:
            yield f"RFC {key[0]} section {key[1]} ({files[0]}): run tools/make-rfc-page"


def every_section_on_the_page_is_cited(tree):
    _, rows = TOOL.read_page(tree.root)
    cited = TOOL.cited_in(tree.root)
    for key in sorted(set(rows) - set(cited), key=TOOL.order_of):
        yield f"RFC {key[0]} section {key[1]}: nothing in src cites it; run tools/make-rfc-page"


def every_row_names_the_files_that_cite_it(tree):
    _, rows = TOOL.read_page(tree.root)
    cited = TOOL.cited_in(tree.root)
    for key in sorted(set(rows) & set(cited), key=TOOL.order_of):
        if rows[key][1] != TOOL.where_of(cited[key]):
            yield f"RFC {key[0]} section {key[1]}: run tools/make-rfc-page"


def every_rfc_has_its_title_and_every_section_its_sentence(tree):
    titles, rows = TOOL.read_page(tree.root)
    for number, title in titles.items():
        if not title:
            yield f"doc/rfc.md: RFC {number} has no title"
    for (number, place), (sentence, _) in rows.items():
        if not sentence:
            yield f"doc/rfc.md: RFC {number} section {place} has no sentence"


HABITS = [
    every_section_cited_is_on_the_page,
    every_section_on_the_page_is_cited,
    every_row_names_the_files_that_cite_it,
    every_rfc_has_its_title_and_every_section_its_sentence,
]

if __name__ == "__main__":
    habits.main(HABITS)
