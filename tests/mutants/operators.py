"""The mutation operators: Cosmic Ray's own that make plausible mistakes, and some more.

Cosmic Ray replaces each operator with every other one. Most of those mutants raise TypeError at
once and prove nothing, so only the replacement that is the closest mistake is used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword
from parso.tree import NodeOrLeaf

Position = tuple[tuple[int, int], tuple[int, int]]


class RemoveKeywordArgument(Operator):
    """Drops one keyword argument of a call: a condition of a filter, for example."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        for argument in _keyword_arguments(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        argument = _keyword_arguments(node)[index]
        if node.type == "trailer":  # the only argument of the call
            node.children = [node.children[0], node.children[-1]]
            return node
        place = node.children.index(argument)
        del node.children[place : place + 2]  # with the comma behind it, if there is one
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("f(a, b=1, c=2)", "f(a, c=2)"),
            Example("f(a, b=1, c=2)", "f(a, b=1,)", occurrence=1),
            Example("f(b=1)", "f()"),
        )


class RemoveCall(Operator):
    """Drops a call that is made only for what it does, as a statement of its own."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if _is_call_statement(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return Keyword("pass", node.start_pos, prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        code = "f(1)\nx.g()\n"
        return (Example(code, "pass\nx.g()\n"), Example(code, "f(1)\npass\n", occurrence=1))


class NegateMembership(Operator):
    """Swaps `in` and `not in`, which Cosmic Ray leaves alone."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if _is_membership(node):
            yield node.children[1].start_pos, node.children[1].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        negated = "in" if node.children[1].type == "comp_op" else "not in"
        node.children[1] = parso.parse(f" {negated}")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("a in b", "a not in b"), Example("a not in b", "a in b"))


class NegateCondition(Operator):
    """Negates a whole condition; Cosmic Ray's AddNot negates the first operand of `a or b`."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if (place := _condition_place(node)) is not None:
            condition = node.children[place]
            yield condition.start_pos, condition.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        place = _condition_place(node)
        assert place is not None
        code = node.children[place].get_code(include_prefix=False)
        node.children[place] = parso.parse(f" not ({code})")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("if a or b: pass", "if not (a or b): pass"),
            Example("x = a if b else c", "x = a if not (b) else c"),
        )


class DisableHandler(Operator):
    """Lets an exception pass that was handled."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type == "except_clause":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[1] = parso.parse(" ()")
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("try: f()\nexcept E as e: pass", "try: f()\nexcept () as e: pass"),)


def _keyword_arguments(node: Any) -> list[NodeOrLeaf]:
    if node.type == "trailer" and node.children[0].value == "(":
        arguments = node.children[1:-1]
    elif node.type == "arglist":
        arguments = node.children
    else:
        return []
    return [a for a in arguments if a.type == "argument" and a.children[1] == "="]


def _is_call_statement(node: Any) -> bool:
    return (
        node.type == "atom_expr"
        and node.parent.type == "simple_stmt"
        and node.children[-1].type == "trailer"
        and node.children[-1].children[0] == "("
    )


def _condition_place(node: Any) -> int | None:
    """Which child of an `if`, a `while` or a conditional expression is its condition."""
    if node.type in ("if_stmt", "while_stmt"):
        return 1
    return 2 if node.type == "test" else None


def _is_membership(node: Any) -> bool:
    return node.type == "comparison" and node.children[1].get_code().strip() in ("in", "not in")


_REPLACEMENTS = {
    "ReplaceBinaryOperator": (
        ("Add", "Sub"), ("Sub", "Add"), ("Mul", "Div"), ("Div", "Mul"), ("FloorDiv", "Mul"),
        ("Mod", "Mul"), ("BitOr", "BitAnd"), ("BitAnd", "BitOr"),
    ),
    "ReplaceComparisonOperator": (
        ("Eq", "NotEq"), ("NotEq", "Eq"), ("Lt", "LtE"), ("LtE", "Lt"), ("Gt", "GtE"),
        ("GtE", "Gt"), ("Is", "IsNot"), ("IsNot", "Is"),
    ),
}  # fmt: skip
_CORE = (
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "NumberReplacer",
    "RemoveDecorator",
    "ZeroIterationForLoop",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_Invert",
    "ReplaceUnaryOperator_USub_UAdd",
    *(f"{kind}_{old}_{new}" for kind, pairs in _REPLACEMENTS.items() for old, new in pairs),
)
OWN = (RemoveKeywordArgument, RemoveCall, NegateMembership, NegateCondition, DisableHandler)
OPERATORS: dict[str, type[Operator]] = {
    **{name: get_operator(f"core/{name}") for name in _CORE},
    **{operator.__name__: operator for operator in OWN},
}
