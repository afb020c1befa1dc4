"""Tests may query all organizations; what they call as a request, task or command may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.base import BaseCommand

from portal.core.tenancy.scope import ScopeRequired, all_organizations, start_without_scope

_execute = BaseCommand.execute


def _execute_without_scope(self: BaseCommand, *args: Any, **options: Any) -> Any:
    with start_without_scope():
        return _execute(self, *args, **options)


def pytest_configure() -> None:
    BaseCommand.execute = _execute_without_scope  # type: ignore[method-assign]


def pytest_unconfigure() -> None:
    BaseCommand.execute = _execute  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _fail_on_refused_query(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Also where the code under test went on after the error."""
    refusals: list[str] = []
    monkeypatch.setattr(ScopeRequired, "__init__", lambda _, message: refusals.append(message))
    yield
    if refusals and not request.node.get_closest_marker("refused_queries"):
        pytest.fail(refusals[0])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[Any]:
    with all_organizations("tests set up and check every organization"):
        return (yield)
