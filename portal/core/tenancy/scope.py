"""Which organization's rows the running code may query: none at first, one, or explicitly all.

In a context variable: a new thread starts without a scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class ScopeRequired(Exception):
    """A query on customers' tables where no organization is active: a bug in our code."""


class OtherOrganization(Exception):
    """Code that works for one organization turned to another's rows: a bug in our code."""


class Scope:
    """One organization, or all of them for a reason."""

    __slots__ = ("organization_id", "owner_ids", "reason")

    def __init__(self, organization_id: int | None, reason: str = "") -> None:
        self.organization_id = organization_id
        self.reason = reason
        # IDs of rows that an organization has one of, by model; filters need no join to them.
        self.owner_ids: dict[Any, int] = {}


_scope: ContextVar[Scope | None] = ContextVar("organization_scope", default=None)


def get_scope() -> Scope | None:
    return _scope.get()


@contextmanager
def organization_scope(organization_id: int) -> Iterator[None]:
    """Query this organization's rows. Raises OtherOrganization inside another's scope."""
    scope = _build_scope(organization_id)
    with resume_scope(scope):
        yield


def enter_organization(organization_id: int) -> None:
    """Turn the rest of the request to this organization."""
    _scope.set(Scope(organization_id))


def enter_all_organizations(reason: str) -> None:
    """Let the rest of the request, its template included, query every organization."""
    _scope.set(Scope(None, reason))


@contextmanager
def all_organizations(reason: str) -> Iterator[None]:
    """Query the rows of every organization; the reason is for the reader."""
    with resume_scope(Scope(None, reason)):
        yield


@contextmanager
def start_without_scope() -> Iterator[None]:
    """Start a request or task: what was active before is not inherited."""
    with resume_scope(None):
        yield


@contextmanager
def resume_scope(scope: Scope | None) -> Iterator[None]:
    """Continue for the code that handed over its scope, such as another thread."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def iterate_in_scope(items: Iterable[Any], scope: Scope | None) -> Iterator[Any]:
    """Compute each item in this scope, whoever asks for it."""
    iterator = iter(items)
    while True:
        with resume_scope(scope):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


def _build_scope(organization_id: int) -> Scope:
    current = _scope.get()
    if current is None or current.organization_id is None:
        return Scope(organization_id)
    if current.organization_id != organization_id:
        raise OtherOrganization(f"{organization_id} inside {current.organization_id}")
    return current
