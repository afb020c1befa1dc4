"""Hooks: how a package lets a higher one take part without importing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Hook(Generic[P, R]):
    """A list of callbacks, like a Django signal with typed arguments. Only `portal.wiring`
    registers callbacks. They run in order, in the caller's transaction; errors propagate.
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[P, R]] = []

    def register(self, callback: Callable[P, R]) -> None:
        self._callbacks.append(callback)

    def run(self, *args: P.args, **kwargs: P.kwargs) -> list[R]:
        return [callback(*args, **kwargs) for callback in self._callbacks]
