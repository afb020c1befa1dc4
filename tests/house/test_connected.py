"""The restored set-up of tests/connected.py equals a real one, and tests leave no rows."""

from __future__ import annotations

from typing import Any

from django.core import mail

from tests import connected, tables


def _read_rows() -> dict[str, list[Any]]:
    """Return all rows, without times and random values."""
    return {
        name: [
            [
                connected._TIME.sub("time", str(value))
                for column, value in zip(columns, row, strict=True)
                if column not in {"password", "secret", "client_id", "milliseconds"}
            ]
            for row in rows
        ]
        for name, (columns, rows) in connected._rows().items()
    }


def test_restored_setup_equals_real_one(connect, kind: str, monkeypatch, cast, sandbox) -> None:
    people = tables.read(name for name in tables.filled(tables.names()) if "account" in name)
    monkeypatch.setattr(connected, "_done", {})
    connect(kind)
    rows, requests = _read_rows(), [(entry.method, entry.path) for entry in sandbox.requests]
    mails = [message.subject for message in mail.outbox]
    tables.put_back()
    tables.write(people)

    sandbox.reset()
    mail.outbox.clear()
    connect(kind)
    assert len(connected._done) == 1, "set-up ran a second time"
    assert _read_rows() == rows
    assert [(entry.method, entry.path) for entry in sandbox.requests] == requests
    assert [message.subject for message in mail.outbox] == mails


def test_database_is_restored_after_test(connect) -> None:
    connect()
    filled = tables.filled(tables.names())
    tables.put_back()
    assert tables.read(tables.filled(tables.names())) == tables._migrated
    assert set(filled) > set(tables._migrated)


def test_restored_setup_restores_sandbox(cast, sandbox, monkeypatch) -> None:
    monkeypatch.setattr(connected, "_done", {})
    calls, states = [], [sandbox.app.snapshot()]

    def set_up() -> None:
        calls.append(sandbox.mutate("reactivate_user", user="dana"))

    for _ in range(2):
        sandbox.reset()
        connected.as_if(set_up, {}, sandbox)
        states.append(sandbox.app.snapshot())
    assert len(calls) == 1, "set-up ran a second time"
    assert states[0] != states[1] == states[2]
