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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection, transaction

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.request_log import Entry
from tests import tables
from tests.tables import Table

_FORGOTTEN = {"django_session", "core_sharedstate"}  # as if forgotten since
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
    """What a set-up left behind.

    `theirs` are times that Greenhouse gave, which are not moved. `sandbox` is the sandbox's state
    where the set-up changed it. `movable` lists, by table, the cells (row, column) of `added` that
    hold a time to be moved: found once, not at each use.
    """

    begun: datetime
    ended: datetime
    theirs: set[datetime]
    added: dict[str, Table]
    changed: list[Change]
    mails: list[EmailMessage]
    requests: list[Entry]
    sandbox: bytes | None = None
    movable: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        move = _Mover(self, timedelta(days=1))
        for name, (_, rows) in self.added.items():
            if name not in _SEALED:
                self.movable[name] = [
                    (row, column)
                    for row, values in enumerate(rows)
                    for column, value in enumerate(values)
                    if move(value) != value
                ]


_done: dict[str, SetUp] = {}


def as_if(set_up: Callable[[], None], credential: Mapping[str, str], sandbox: Sandbox) -> None:
    """Do `set_up`, or what it did when the same was so once before in this process."""
    if sandbox.faults.plain():
        set_up()
        return
    here = _situation(credential, sandbox)
    if here in _done:
        _put_in_place(_done[here], sandbox)
        return
    before, sandbox_before = _rows(), sandbox.app.snapshot()
    begun, sent, asked = datetime.now(UTC), len(mail.outbox), len(sandbox.requests)
    set_up()
    added, changed = _difference(before, _rows())
    sandbox_after = sandbox.app.snapshot()
    _done[here] = SetUp(
        begun,
        datetime.now(UTC),
        set(map(_utc, _TIME.findall(sandbox_after.decode()))),
        added,
        changed,
        mail.outbox[sent:],
        list(sandbox.requests)[asked:],
        sandbox_after if sandbox_after != sandbox_before else None,
    )


def _rows() -> dict[str, Table]:
    return tables.read(set(tables.names()) - _FORGOTTEN)


def _situation(credential: Mapping[str, str], sandbox: Sandbox) -> str:
    """Hash all that a set-up's outcome depends on: rows that tests add, sandbox and credential."""
    rows = tables.read(set(tables.added()) - _FORGOTTEN)
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
    move = _Mover(done, datetime.now(UTC) - done.ended)
    added = {}
    for name, (columns, rows) in done.added.items():
        moved = [list(row) for row in rows]
        for row, column in done.movable.get(name, ()):
            moved[row][column] = move(moved[row][column])
        added[name] = Table(columns, moved)
    with transaction.atomic(), connection.cursor() as cursor:
        tables.write(added)
        for table, (key, row), values in done.changed:
            sets = ", ".join(f'"{column}" = %s' for column in values)
            update = f'UPDATE "{table}" SET {sets} WHERE "{key}" = %s'  # noqa: S608  (our own tables)
            cursor.execute(update, [*map(move, values.values()), row])
    if done.sandbox:
        sandbox.app.restore(msgspec.json.decode(done.sandbox))
    mail.outbox.extend(done.mails)
    sandbox.requests.extend(done.requests)


class _Mover:
    """Moves times of a set-up, alone or within a text; all other values stay as they are."""

    def __init__(self, done: SetUp, passed: timedelta) -> None:
        self._done = done
        self._passed = passed
        self._texts: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, datetime):
            text = self._move(value.replace(tzinfo=None).isoformat())
            return datetime.fromisoformat(text).replace(tzinfo=value.tzinfo)
        if isinstance(value, str) and "-" in value:
            return _TIME.sub(lambda match: self._move(match[0]), value)
        return value

    def _move(self, text: str) -> str:
        """Move one time; many rows carry the same, so each is worked out once."""
        if text not in self._texts:
            then = _utc(text)
            stays = then < self._done.begun or then in self._done.theirs
            moved = (then + self._passed).replace(tzinfo=None)
            self._texts[text] = text if stays else moved.isoformat(text[10], "microseconds")
        return self._texts[text]


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
