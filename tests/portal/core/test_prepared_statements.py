"""Prepared statements within a request, on PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import NotSupportedError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from portal.accounts.models import User
from portal.core.database.prepared_statements import use_prepared_statements

pytestmark = pytest.mark.django_db


def _run_query(name: str) -> None:
    """Run a query three times that nothing else runs."""
    for _ in range(3):
        User.objects.filter(name=name).exclude(name=f"not {name}").exists()


def _count_prepared() -> int:
    """Prepared statements like it on this database connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%NOT%'")
        return int(cursor.fetchone()[0])


@pytest.mark.postgres
def test_repeated_query_is_prepared_once() -> None:
    before = _count_prepared()
    _run_query("outside")
    assert _count_prepared() == before
    with use_prepared_statements(), use_prepared_statements():
        _run_query("within")
    assert _count_prepared() == before + 1


@pytest.mark.postgres
def test_preparing_ends_after_exception() -> None:
    with pytest.raises(ZeroDivisionError), use_prepared_statements():
        raise ZeroDivisionError
    before = _count_prepared()
    _run_query("afterwards")
    assert _count_prepared() == before


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_changed_column_fails_one_request_only() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing (label varchar(10))")
    try:
        with use_prepared_statements():
            _select_from_table()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE changing ALTER label TYPE varchar(20)")
        with pytest.raises(NotSupportedError), use_prepared_statements():
            _select_from_table()
        with use_prepared_statements():
            _select_from_table()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE changing")


def _select_from_table() -> None:
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute("SELECT label FROM changing WHERE label = %s", ["a"])


@pytest.mark.postgres
def test_preparing_can_be_disabled_for_pooler(settings: Settings) -> None:
    settings.PREPARED_STATEMENTS = False
    before = _count_prepared()
    with use_prepared_statements():
        _run_query("pooled")
    assert _count_prepared() == before


@pytest.mark.sqlite
def test_preparing_changes_nothing_on_sqlite() -> None:
    with CaptureQueriesContext(connection) as plain:
        _run_query("anywhere")
    with use_prepared_statements(), CaptureQueriesContext(connection) as prepared:
        _run_query("anywhere")
    statements = [query["sql"] for query in plain]
    assert statements == [query["sql"] for query in prepared]
    assert len(statements) == 3
