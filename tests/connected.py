"""Set-up gone through once for each situation, and put in place where the same would happen again.

The first test of a process that connects does it as a person would: pasted, checked, everything
read over HTTP. What that added and changed is kept. Where a later test stands at the same point
(the same rows, the same credential, a sandbox in the same state without faults), it is given that
instead, with the times of the set-up moved to now. Tokens and the rate budget are not kept, as if
they had been forgotten since.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection, transaction

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.request_log import Entry
from tests import tables
from tests.tables import Table

_FORGOTTEN = {"django_session", "core_sharedstate"}
_SEALED = {"audit_entry"}  # a time that moved would break the seal
_CHANCE = {"password"}  # columns that differ each time though nothing does
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?")


class Change(NamedTuple):
    """A row that was there before: its key, and what its columns are now."""

    table: str
    key: tuple[str, Any]
    values: dict[str, Any]


@dataclass
class SetUp:
    """What a set-up left behind. `theirs`: times that Greenhouse told, not to be moved."""

    begun: datetime
    ended: datetime
    theirs: set[datetime]
    added: dict[str, Table]
    changed: list[Change]
    mails: list[EmailMessage]
    requests: list[Entry]


_done: dict[str, SetUp] = {}


def as_if(set_up: Callable[[], None], credential: Mapping[str, str], sandbox: Sandbox) -> None:
    """Do `set_up`, or what it did when the same was so once before in this process."""
    if sandbox.faults.plain():
        set_up()
        return
    before = _rows()
    here = _situation(before, credential, sandbox)
    if here in _done:
        _put_in_place(_done[here], sandbox)
        return
    begun, sent, asked = datetime.now(UTC), len(mail.outbox), len(sandbox.requests)
    set_up()
    added, changed = _difference(before, _rows())
    _done[here] = SetUp(
        begun,
        datetime.now(UTC),
        set(map(_utc, _TIME.findall(sandbox.app.snapshot().decode()))),
        added,
        changed,
        mail.outbox[sent:],
        list(sandbox.requests)[asked:],
    )


def _rows() -> dict[str, Table]:
    return tables.read(set(tables.names()) - _FORGOTTEN)


def _situation(rows: dict[str, Table], credential: Mapping[str, str], sandbox: Sandbox) -> str:
    """All that a set-up's outcome depends on, in short."""
    seen = hashlib.sha256(sandbox.app.snapshot())
    where = settings.GREENHOUSE_API_URL == settings.GREENHOUSE_AUTH_URL == sandbox.url
    seen.update(repr((where, sandbox.settings, credential)).encode())
    for name in sorted(rows):
        columns, values = rows[name]
        for row in values:
            told = [
                None if column in _CHANCE or isinstance(value, datetime) else value
                for column, value in zip(columns, row, strict=True)
            ]
            seen.update(repr((name, told)).encode())
    return seen.hexdigest()


def _difference(
    before: dict[str, Table], after: dict[str, Table]
) -> tuple[dict[str, Table], list[Change]]:
    """The rows that came, and those that changed."""
    added, changed = {}, []
    for name, (columns, rows) in after.items():
        were = {row[0]: row for row in before[name].rows}
        if new := [row for row in rows if row[0] not in were]:
            added[name] = Table(columns, new)
        for row in rows:
            old = were.get(row[0], row)
            now = {c: v for c, v, w in zip(columns, row, old, strict=True) if v != w}
            if now:
                changed.append(Change(name, (columns[0], row[0]), now))
    return added, changed


def _put_in_place(done: SetUp, sandbox: Sandbox) -> None:
    now = partial(_as_now, done, datetime.now(UTC) - done.ended)
    added = {
        name: Table(columns, [row if name in _SEALED else tuple(map(now, row)) for row in rows])
        for name, (columns, rows) in done.added.items()
    }
    with transaction.atomic(), connection.cursor() as cursor:
        tables.write(added)
        for table, (key, row), values in done.changed:
            sets = ", ".join(f'"{column}" = %s' for column in values)
            update = f'UPDATE "{table}" SET {sets} WHERE "{key}" = %s'  # noqa: S608  (our own tables)
            cursor.execute(update, [*map(now, values.values()), row])
    mail.outbox.extend(done.mails)
    sandbox.requests.extend(done.requests)


def _as_now(done: SetUp, passed: timedelta, value: Any) -> Any:
    """A time of the set-up, alone or in a text, as if it had just happened; all else as it is."""

    def moved(text: str) -> str:
        then = _utc(text)
        if then < done.begun or then in done.theirs:
            return text
        return (then + passed).replace(tzinfo=None).isoformat(text[10], "microseconds")

    if isinstance(value, datetime):
        text = moved(value.replace(tzinfo=None).isoformat())
        return datetime.fromisoformat(text).replace(tzinfo=value.tzinfo)
    if isinstance(value, str) and "-" in value:
        return _TIME.sub(lambda found: moved(found[0]), value)
    return value


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
