"""A click's statements are planned once on a connection, a list's anew for its own values."""

from __future__ import annotations

import pytest
from django.db import NotSupportedError, connection
from pytest_django import Settings

from portal.accounts.models import User
from portal.core.planned import planned_once

pytestmark = pytest.mark.django_db


def _asked(name: str) -> None:
    """Ask three times what nothing else asks."""
    for _ in range(3):
        User.objects.filter(name=name).exclude(name=f"not {name}").exists()


def _planned() -> int:
    """How many statements like it the database remembers for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%NOT%'")
        return int(cursor.fetchone()[0])


@pytest.mark.postgres
def test_what_a_click_asks_again_is_planned_already() -> None:
    before = _planned()
    _asked("outside")
    assert _planned() == before
    with planned_once(), planned_once():
        _asked("within")
    assert _planned() == before + 1


@pytest.mark.postgres
def test_it_ends_with_the_click_even_where_that_fails() -> None:
    with pytest.raises(ZeroDivisionError), planned_once():
        raise ZeroDivisionError
    before = _planned()
    _asked("afterwards")
    assert _planned() == before


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_changed_column_costs_one_click_not_every_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing (told varchar(10))")
    try:
        with planned_once():
            _looked_up()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE changing ALTER told TYPE varchar(20)")
        with pytest.raises(NotSupportedError), planned_once():
            _looked_up()
        with planned_once():
            _looked_up()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE changing")


def _looked_up() -> None:
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute("SELECT told FROM changing WHERE told = %s", ["a"])


@pytest.mark.postgres
def test_it_can_be_switched_off_for_a_pooler(settings: Settings) -> None:
    settings.PREPARED_STATEMENTS = False
    before = _planned()
    with planned_once():
        _asked("pooled")
    assert _planned() == before


def test_elsewhere_it_changes_nothing() -> None:
    with planned_once():
        _asked("anywhere")
