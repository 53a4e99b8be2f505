"""tests/habits/tree.py - the source tree as the habits read it, and how they report.

A habit is a function that takes a Tree and gives back what breaks it, one sentence each; its name is the
promise. Each is a TAP test of its own.
"""
import importlib.machinery
import importlib.util
import pathlib
import re
import sys

FOLDERS = ("src", "include", "tests", "fuzz", "tools", "doc", "bench", "examples", "systemd", ".ci")
TOP_FILES = ("*.md", "Makefile", "meson.build", "meson_options.txt")
COMMENT_OR_LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


SKIP = "skip: "  # begins the only sentence of a habit that cannot be looked at here
TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


def load_tool(name):
    """tools/NAME as a module: a tool and its habit share one set of rules."""
    sys.dont_write_bytecode = True  # tools/ holds no __pycache__
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(TOOLS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def keep_lines(match):
    """What stands for a comment or a literal: quotes and line ends, nothing else."""
    text = match.group(0)
    edge = text[0] if text[0] in "\"'" else " "
    return edge + "\n" * text.count("\n") + edge


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.texts = {}

    def text(self, path):
        """The file's text, "" where there is none."""
        if path not in self.texts:
            try:
                self.texts[path] = (self.root / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                self.texts[path] = ""
        return self.texts[path]

    def code(self, path):
        """C without comments and literals, its lines where they were."""
        return COMMENT_OR_LITERAL.sub(keep_lines, self.text(path))

    def exists(self, path):
        return (self.root / path).is_file()

    def files(self, folder, *patterns):
        """Paths below `folder` relative to the root, sorted."""
        found = set()
        for pattern in patterns or ("*",):
            for file in (self.root / folder).rglob(pattern):
                if file.is_file() and "__pycache__" not in file.parts:
                    found.add(file.relative_to(self.root).as_posix())
        return sorted(found)

    def all_files(self):
        top = [file.name for pattern in TOP_FILES for file in self.root.glob(pattern)]
        return sorted(top) + [path for folder in FOLDERS for path in self.files(folder)]

    def reasons(self, path):
        """Lines `KEY: reason` of a list of exceptions, as a dictionary."""
        lines = [line for line in self.text(path).splitlines() if line and not line.startswith("#")]
        return {key.strip(): reason.strip() for key, _, reason in (line.partition(": ") for line in lines)}


def functions_of(code):
    """(name, first line, lines) of each function; their braces stand alone at the left edge."""
    lines = code.split("\n")
    opening = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            opening = number
        elif line.startswith("}") and opening is not None:
            before = "\n".join(lines[max(0, opening - 8):opening - 1])
            names = re.findall(r"^\w[^\n;{}=]*?(\w+)\(", before, re.MULTILINE)
            if names and not line.startswith("};"):
                yield names[-1], opening, number - opening + 1
            opening = None


def report(habits, tree):
    """Prints TAP for each habit; the exit status of the program."""
    print(f"1..{len(habits)}")
    failed = 0
    for number, habit in enumerate(habits, 1):
        complaints = list(habit(tree))
        if complaints and complaints[0].startswith(SKIP):
            print(f"ok {number} - {habit.__name__} # SKIP {complaints[0].removeprefix(SKIP)}", flush=True)
            continue
        print(f"{'not ok' if complaints else 'ok'} {number} - {habit.__name__}", flush=True)
        for complaint in complaints:
            print(f"# {complaint}", flush=True)
        failed += bool(complaints)
    return 1 if failed else 0


def main(habits):
    """`HABIT.py ROOT`."""
    sys.exit(report(habits, Tree(sys.argv[1])))
