"""Listing every mutation of a module, and drawing some of them by a seed."""

from __future__ import annotations

import ast
import difflib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import OPERATORS
from tests.mutants.targets import Target

# Elsewhere `*` stands for arguments, not for a product.
_ARITHMETIC = {"arith_expr", "term", "expr", "and_expr", "xor_expr", "shift_expr", "power"}


@dataclass(frozen=True)
class Mutation:
    """The `occurrence`-th change that an operator can make in a module.

    `lines`: a test that runs none of them cannot notice it. `constants`: the names that the changed
    statement assigns at module level, where it is such a statement.
    """

    module: str
    operator: str
    occurrence: int
    position: tuple[int, int]
    lines: tuple[int, ...]
    constants: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return module_path(self.module)

    def source(self) -> str:
        """The module's source with this mutation."""
        return _mutate(self.path, self.operator, self.occurrence)

    def diff(self) -> str:
        """The changed lines, old ones first."""
        before, after = self.path.read_text().splitlines(), self.source().splitlines()
        changes = difflib.unified_diff(before, after, n=0, lineterm="")
        return "\n".join(line for line in changes if not line.startswith(("---", "+++", "@@")))


@cache  # taken over by forked processes
def _mutate(path: Path, operator: str, occurrence: int) -> str:
    mutated = mutate_code(path.read_text(), OPERATORS[operator](), occurrence)
    assert mutated is not None
    return str(mutated)


def module_path(module: str) -> Path:
    return Path(*module.split(".")).with_suffix(".py")


def list_mutations(target: Target, *, with_redis: bool) -> Iterator[Mutation]:
    """Every mutation that changes what the module does when it runs."""
    source = module_path(target.module).read_text()
    tree = ast.parse(source)
    skipped = list(_inert_ranges(tree))
    if not with_redis:
        skipped += _class_ranges(tree, target.needs_redis)
    statements = _statements(tree)
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator_class in OPERATORS.items():
        operator = operator_class()
        positions = [(node, p) for node in nodes for p in operator.mutation_positions(node)]
        for occurrence, (node, (start, _)) in enumerate(positions):
            if name.startswith("ReplaceBinaryOperator") and node.parent.type not in _ARITHMETIC:
                continue
            if not any(first <= start < last for first, last in skipped):
                statement = statements[start[0]]
                constants = tuple(statement.constants)
                lines = tuple(sorted(_noticing_lines(statement, statements)))
                yield Mutation(target.module, name, occurrence, start, lines, constants)


def draw_mutations(
    targets: Sequence[Target], count: int, seed: int, *, with_redis: bool
) -> list[Mutation]:
    """So many mutations, at most one of each operator at one place."""
    places: dict[tuple[str, str, tuple[int, int]], list[Mutation]] = defaultdict(list)
    for target in targets:
        for mutation in list_mutations(target, with_redis=with_redis):
            places[target.module, mutation.operator, mutation.position].append(mutation)
    chance = random.Random(seed)
    order = sorted(places)
    chance.shuffle(order)
    drawn = (chance.choice(places[place]) for place in order)
    return list(islice(filter(_compiles, drawn), count))


def _compiles(mutation: Mutation) -> bool:
    try:
        compile(mutation.source(), str(mutation.path), "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


Range = tuple[tuple[int, int], tuple[int, int]]


def _inert_ranges(tree: ast.Module) -> Iterator[Range]:
    """Annotations, TYPE_CHECKING blocks and arguments of @dataclass: for the type checker alone."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(returns=annotation) | ast.arg(annotation=annotation) if annotation:
                yield _range(annotation)
            case ast.AnnAssign(annotation=annotation):
                yield _range(annotation)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield _range(node)
            case ast.ClassDef(decorator_list=decorators):
                calls = (d for d in decorators if isinstance(d, ast.Call))
                yield from (_range(d) for d in calls if getattr(d.func, "id", "") == "dataclass")


def _class_ranges(tree: ast.Module, names: tuple[str, ...]) -> list[Range]:
    return [_range(n) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name in names]


def _range(node: ast.stmt | ast.expr) -> Range:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


@dataclass(frozen=True)
class _Statement:
    """`lines` are without its body."""

    node: ast.stmt | ast.ExceptHandler
    lines: range
    in_function: bool
    at_top: bool

    @property
    def constants(self) -> list[str]:
        if not self.at_top or not isinstance(self.node, ast.Assign | ast.AnnAssign):
            return []
        targets = self.node.targets if isinstance(self.node, ast.Assign) else [self.node.target]
        return [target.id for target in targets if isinstance(target, ast.Name)]

    def uses(self, names: list[str]) -> bool:
        used = (n.id for n in ast.walk(self.node) if isinstance(n, ast.Name))
        return not set(names).isdisjoint(used)


def _statements(tree: ast.Module) -> dict[int, _Statement]:
    """The innermost statement on each line."""
    by_line: dict[int, _Statement] = {}

    def visit(node: ast.AST, in_function: bool) -> None:
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            lines = range(first, max(end, node.lineno) + 1)
            statement = _Statement(node, lines, in_function, at_top=node in tree.body)
            by_line.update(dict.fromkeys(lines, statement))
        inside = in_function or isinstance(node, ast.FunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(tree, in_function=False)
    return by_line


def _noticing_lines(statement: _Statement, statements: dict[int, _Statement]) -> set[int]:
    if statement.in_function:
        return set(statement.lines)
    if isinstance(statement.node, ast.FunctionDef):  # a decorator or a default
        assert statement.node.end_lineno is not None
        return set(range(statement.lines.start, statement.node.end_lineno + 1))
    if names := statement.constants:
        users = (s for s in statements.values() if s.in_function and s.uses(names))
        return {line for user in users for line in user.lines}
    return {line for s in statements.values() if s.in_function for line in s.lines}
