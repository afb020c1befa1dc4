"""The restored setup of tests/setup_cache.py equals a real one, and tests leave no rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from portal.accounts.models import Membership
from tests import setup_cache, tables


def _read_rows() -> dict[str, list[Any]]:
    """Return all rows, without times and random values."""
    return {
        name: [
            [
                setup_cache._TIME_PATTERN.sub("time", str(value))
                for column, value in zip(columns, row, strict=True)
                if column not in {"password", "secret", "client_id", "milliseconds"}
            ]
            for row in rows
        ]
        for name, (columns, rows) in setup_cache._read_rows().items()
    }


def test_restored_setup_equals_real_one(connect, kind: str, monkeypatch, personas, sandbox) -> None:
    people = tables.read_tables(
        name for name in tables.list_filled_tables(tables.list_tables()) if "account" in name
    )
    monkeypatch.setattr(setup_cache, "_recorded", {})
    connect(kind)
    rows, requests = _read_rows(), [(entry.method, entry.path) for entry in sandbox.requests]
    mails = [message.subject for message in mail.outbox]
    sandbox_state = sandbox.app.take_snapshot()
    tables.restore_migrated_tables()
    tables.insert_rows(people)

    sandbox.reset_state()
    mail.outbox.clear()
    connect(kind)
    assert len(setup_cache._recorded) == 1, "setup ran a second time"
    assert _read_rows() == rows
    assert [(entry.method, entry.path) for entry in sandbox.requests] == requests
    assert [message.subject for message in mail.outbox] == mails
    assert sandbox.app.take_snapshot() == sandbox_state


@transaction.atomic
def _insert_orphan_after_restored_rows() -> None:
    tables.insert_rows({})
    Membership.objects.bulk_create([Membership(user_id=1, organization_id=1)])


def test_foreign_keys_checked_after_restored_rows(transactional_db) -> None:
    with pytest.raises(IntegrityError):
        _insert_orphan_after_restored_rows()


def test_database_is_restored_after_test(connect) -> None:
    connect()
    filled = tables.list_filled_tables(tables.list_tables())
    tables.restore_migrated_tables()
    assert tables.read_tables(tables.list_filled_tables(tables.list_tables())) == tables._migrated
    assert set(filled) > set(tables._migrated)


def test_restored_setup_restores_sandbox(personas, sandbox, monkeypatch) -> None:
    monkeypatch.setattr(setup_cache, "_recorded", {})
    calls, states = [], [sandbox.app.take_snapshot()]

    def set_up() -> None:
        calls.append(sandbox.run_mutation("reactivate_user", user="dana"))

    for _ in range(2):
        sandbox.reset_state()
        setup_cache.run_or_replay(set_up, {}, sandbox)
        states.append(sandbox.app.take_snapshot())
    assert len(calls) == 1, "setup ran a second time"
    assert states[0] != states[1] == states[2]
