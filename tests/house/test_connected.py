"""A set-up put in place is the set-up itself, and a test's traces are gone with it."""

from __future__ import annotations

from typing import Any

from django.core import mail

from tests import connected, tables


def _held() -> dict[str, list[Any]]:
    """What the tables hold, without times and what differs by chance."""
    return {
        name: [
            [
                connected._TIME.sub("then", str(value))
                for column, value in zip(columns, row, strict=True)
                if column not in {"password", "secret", "client_id", "milliseconds"}
            ]
            for row in rows
        ]
        for name, (columns, rows) in connected._rows().items()
    }


def test_what_is_put_in_place_is_what_a_set_up_leaves_behind(
    connect, kind: str, monkeypatch, cast, sandbox
) -> None:
    people = tables.read(name for name in tables.filled(tables.names()) if "account" in name)
    monkeypatch.setattr(connected, "_done", {})
    connect(kind)
    really, asked = _held(), [(entry.method, entry.path) for entry in sandbox.requests]
    mails = [message.subject for message in mail.outbox]
    tables.put_back()
    tables.write(people)

    sandbox.reset()
    mail.outbox.clear()
    connect(kind)
    assert len(connected._done) == 1, "it went through set-up a second time"
    assert _held() == really
    assert [(entry.method, entry.path) for entry in sandbox.requests] == asked
    assert [message.subject for message in mail.outbox] == mails


def test_after_a_test_the_database_is_as_migrated(connect) -> None:
    connect()
    held = tables.filled(tables.names())
    tables.put_back()
    assert tables.read(tables.filled(tables.names())) == tables._migrated
    assert set(held) > set(tables._migrated)
