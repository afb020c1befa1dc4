"""Check how the code reads: names, docstrings, test names and sizes. The bars are in BARS.

Not counted as one-word names: properties, dunders and names that a framework requires. Leading
underscores are ignored, and padding (`do_`, `handle_`, `_it`, `_one`) does not make a second word.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FOLDERS = ("portal", "integrations", "tests")
DENIED = {
    "deed", "deeds", "found", "goes_on", "graver", "held", "here", "kept", "known", "meanwhile",
    "one", "sitting", "sittings", "so_far", "there", "told", "whoever", "whose", "wish", "words",
}  # fmt: skip
FRAMEWORK_NAMES = {
    "allow", "backwards", "choices", "clean", "close", "create", "decode", "delete", "dispatch",
    "emit", "encode", "expected", "filter", "format", "forwards", "get", "get_queryset", "handle",
    "items", "keys", "main", "patch", "post", "process", "put", "read", "ready", "render", "save",
    "send", "update", "values", "write",
}  # fmt: skip
PROPERTIES = {"property", "cached_property", "setter"}
PADDING = re.compile(r"^(do|handle|process|perform)_|_(it|one)$")
MAX_TEST_NAME = 60
SMALLEST_FILE = 3  # lines; shorter files are not counted
WORST_SHOWN = 10

BARS = {
    "one-word function names, in %": 25,
    "docstring lines per 1,000 lines": 40,
    "denied names": 0,
    "words in a test name, median": 5,
    f"test names over {MAX_TEST_NAME} characters": 0,
    "lines of a function, 95th percentile": 30,
    "lines of a file, 95th percentile": 300,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Measure:
    """One figure beside its bar; `offenders` are places with their weight."""

    name: str
    figure: float
    offenders: list[tuple[float, str]] = field(default_factory=list)

    @property
    def bar(self) -> int:
        return BARS[self.name]

    @property
    def is_met(self) -> bool:
        return self.figure <= self.bar

    def list_worst(self) -> list[str]:
        heaviest = sorted(self.offenders, key=lambda offender: -offender[0])
        return [place for _, place in heaviest[:WORST_SHOWN]]


@dataclass
class Source:
    path: str
    lines: int
    nodes: list[ast.AST]

    @property
    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, Function)]

    def get_place(self, node: ast.AST, text: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {text}"


def list_sources(root: Path) -> Iterator[Source]:
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if "migrations" not in path.relative_to(root).parts[:-1]:
                text = path.read_text(errors="replace")
                nodes = list(ast.walk(ast.parse(text)))
                yield Source(path.relative_to(root).as_posix(), text.count("\n"), nodes)


def measure_tree(root: Path) -> list[Measure]:
    sources = list(list_sources(root))
    tests = [source for source in sources if source.path.startswith("tests/")]
    code = [source for source in sources if not source.path.startswith("tests/")]
    figures = [
        measure_names(code),
        measure_docstrings(code),
        measure_denied(code),
        *measure_test_names(tests),
        measure_functions(code),
        measure_files(code),
    ]
    return [
        Measure(name, figure, offenders)
        for name, (figure, offenders) in zip(BARS, figures, strict=True)
    ]


Figure = tuple[float, list[tuple[float, str]]]


def measure_names(code: list[Source]) -> Figure:
    counted = [
        (source, function)
        for source in code
        for function in source.functions
        if is_name_counted(function)
    ]
    single = [(s, f) for s, f in counted if "_" not in PADDING.sub("", f.name.strip("_"))]
    offenders = [(0.0, source.get_place(function, function.name)) for source, function in single]
    return percent(len(single), len(counted)), offenders


def is_name_counted(function: Function) -> bool:
    marks = {getattr(d, "id", getattr(d, "attr", "")) for d in function.decorator_list}
    return not (
        function.name.startswith("__")
        or marks & PROPERTIES
        or function.name.strip("_") in FRAMEWORK_NAMES
    )


def measure_docstrings(code: list[Source]) -> Figure:
    offenders = []
    for source in code:
        for node in source.nodes:
            if isinstance(node, ast.Module | ast.ClassDef | Function):
                docstring = ast.get_docstring(node)
                if docstring:
                    size = docstring.count("\n") + 1
                    place = source.get_place(node, f"{size} lines of docstring")
                    offenders.append((float(size), place))
    total = sum(size for size, _ in offenders)
    return round(1000 * total / max(sum(source.lines for source in code), 1)), offenders


def measure_denied(code: list[Source]) -> Figure:
    offenders = [
        (0.0, source.get_place(node, name))
        for source in code
        for node in source.nodes
        if (name := get_new_name(node)) in DENIED
    ]
    return len(offenders), offenders


def get_new_name(node: ast.AST) -> str:
    """The name that this node gives to something; empty if none."""
    match node:
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Name(id=name, ctx=ast.Store()):
            return name
    return ""


def measure_test_names(tests: list[Source]) -> tuple[Figure, Figure]:
    named = [
        (source, function)
        for source in tests
        for function in source.functions
        if function.name.startswith("test_")
    ]
    words = [(len(f.name.split("_")) - 1, s.get_place(f, f.name)) for s, f in named]
    long = [
        (float(len(f.name)), s.get_place(f, f.name))
        for s, f in named
        if len(f.name) > MAX_TEST_NAME
    ]
    median = statistics.median(count for count, _ in words) if words else 0
    return (median, [(float(count), place) for count, place in words]), (len(long), long)


def measure_functions(code: list[Source]) -> Figure:
    sizes = [
        ((f.end_lineno or f.lineno) - f.lineno + 1, source.get_place(f, f.name))
        for source in code
        for f in source.functions
    ]
    return get_percentile(sizes), [(float(size), f"{place}, {size} lines") for size, place in sizes]


def measure_files(code: list[Source]) -> Figure:
    sizes = [(source.lines, source.path) for source in code if source.lines >= SMALLEST_FILE]
    offenders = [(float(size), f"{path}:1: {size} lines") for size, path in sizes]
    return get_percentile(sizes), offenders


def get_percentile(sizes: list[tuple[int, str]]) -> int:
    """The 95th percentile; 0 without sizes."""
    ordered = sorted(size for size, _ in sizes)
    return ordered[int(0.95 * len(ordered))] if ordered else 0


def percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


def main(root: Path = PROJECT) -> int:
    measures = measure_tree(root)
    for measure in measures:
        print(f"{measure.figure:>6g}  at most {measure.bar:>3}  {measure.name}")
    missed = [measure for measure in measures if not measure.is_met]
    for measure in missed:
        print(f"\nMissed: {measure.name}. The worst:")
        print("\n".join(measure.list_worst()))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
