"""Setup gone through once for each situation, and put in place where the same would happen again.

The first test of a process that connects does it as a person would: pasted, checked, everything
read over HTTP. What that added and changed is kept. Where a later test stands at the same point
(the same rows, the same credential, a sandbox in the same state without faults), it is given that
instead, with the times of the setup moved to now. Tokens and the rate budget are not kept, as if
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
from integrations.greenhouse.sandbox.http_server.request_log import LoggedRequest
from tests import tables
from tests.tables import Table

_EXCLUDED_TABLES = {"django_session", "core_sharedstate"}  # as if forgotten since
_FIXED_TIME_TABLES = {"audit_entry"}  # a time that moved would break the seal
_RANDOM_COLUMNS = {"password"}  # columns that differ each time though nothing does
_TIME_PATTERN = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?")


class ChangedRow(NamedTuple):
    """A row that was there before: its key, and what its columns are now."""

    table: str
    key: tuple[str, Any]
    values: dict[str, Any]


@dataclass
class RecordedSetup:
    """What a setup left behind.

    `greenhouse_times` are not moved. `sandbox_parts` are the parts of the sandbox's state that the
    setup changed. `time_cells` lists, by table, the cells (row, column) of `added` that hold a time
    to be moved: found once, not at each use.
    """

    started_at: datetime
    ended_at: datetime
    greenhouse_times: set[datetime]
    added: dict[str, Table]
    changed: list[ChangedRow]
    emails: list[EmailMessage]
    requests: list[LoggedRequest]
    sandbox_parts: dict[str, Any] = field(default_factory=dict)
    time_cells: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shift = _TimeShifter(self, timedelta(days=1))
        for name, (_, rows) in self.added.items():
            if name not in _FIXED_TIME_TABLES:
                self.time_cells[name] = [
                    (row, column)
                    for row, values in enumerate(rows)
                    for column, value in enumerate(values)
                    if shift(value) != value
                ]


_recorded: dict[str, RecordedSetup] = {}


def run_or_replay(
    set_up: Callable[[], None], credential: Mapping[str, str], sandbox: Sandbox
) -> None:
    """Do `set_up`, or what it did when the same was so once before in this process."""
    if sandbox.faults.to_dicts():
        set_up()
        return
    state_hash = _hash_state(credential, sandbox)
    if state_hash in _recorded:
        _replay_setup(_recorded[state_hash], sandbox)
        return
    rows_before, sandbox_before = _read_rows(), sandbox.app.take_snapshot()
    started_at, email_count, request_count = (
        datetime.now(UTC),
        len(mail.outbox),
        len(sandbox.requests),
    )
    set_up()
    added, changed = _compare_rows(rows_before, _read_rows())
    sandbox_after = sandbox.app.take_snapshot()
    _recorded[state_hash] = RecordedSetup(
        started_at,
        datetime.now(UTC),
        set(map(_parse_utc, _TIME_PATTERN.findall(sandbox_after.decode()))),
        added,
        changed,
        mail.outbox[email_count:],
        list(sandbox.requests)[request_count:],
        _compare_states(sandbox_before, sandbox_after),
    )


def _read_rows() -> dict[str, Table]:
    return tables.read_tables(set(tables.list_tables()) - _EXCLUDED_TABLES)


def _hash_state(credential: Mapping[str, str], sandbox: Sandbox) -> str:
    """Hash all that a setup's outcome depends on: rows that tests add, sandbox and credential."""
    rows = tables.read_tables(set(tables.list_added_tables()) - _EXCLUDED_TABLES)
    digest = hashlib.sha256(sandbox.app.take_snapshot())
    is_portal_pointed_here = (
        settings.GREENHOUSE_API_URL == settings.GREENHOUSE_AUTH_URL == sandbox.url
    )
    digest.update(repr((is_portal_pointed_here, sandbox.settings, credential)).encode())
    for name in sorted(rows):
        columns, values = rows[name]
        for row in values:
            comparable_values = [
                None if column in _RANDOM_COLUMNS or isinstance(value, datetime) else value
                for column, value in zip(columns, row, strict=True)
            ]
            digest.update(repr((name, comparable_values)).encode())
    return digest.hexdigest()


def _compare_rows(
    before: dict[str, Table], after: dict[str, Table]
) -> tuple[dict[str, Table], list[ChangedRow]]:
    """The rows that came, and those that changed."""
    added, changed = {}, []
    for name, (columns, rows) in after.items():
        old_rows = {row[0]: row for row in before[name].rows}
        if new := [row for row in rows if row[0] not in old_rows]:
            added[name] = Table(columns, new)
        for row in rows:
            old = old_rows.get(row[0], row)
            new_values = {c: v for c, v, w in zip(columns, row, old, strict=True) if v != w}
            if new_values:
                changed.append(ChangedRow(name, (columns[0], row[0]), new_values))
    return added, changed


def _replay_setup(recorded: RecordedSetup, sandbox: Sandbox) -> None:
    offset = datetime.now(UTC) - recorded.ended_at
    shift = _TimeShifter(recorded, offset)
    added = {}
    for name, (columns, rows) in recorded.added.items():
        moved = [list(row) for row in rows]
        for row, column in recorded.time_cells.get(name, ()):
            value = moved[row][column]
            moved[row][column] = value + offset if isinstance(value, datetime) else shift(value)
        added[name] = Table(columns, moved)
    with transaction.atomic(), connection.cursor() as cursor:
        tables.insert_rows(added)
        for table, (key, row), values in recorded.changed:
            sets = ", ".join(f'"{column}" = %s' for column in values)
            update = f'UPDATE "{table}" SET {sets} WHERE "{key}" = %s'  # noqa: S608  (our own tables)
            cursor.execute(update, [*map(shift, values.values()), row])
    _restore_sandbox(sandbox, recorded.sandbox_parts)
    mail.outbox.extend(recorded.emails)
    sandbox.requests.entries.extend(recorded.requests)


def _compare_states(before: bytes, after: bytes) -> dict[str, Any]:
    """The parts of the sandbox's state that changed."""
    old, new = msgspec.json.decode(before), msgspec.json.decode(after)
    return {name: part for name, part in new.items() if part != old[name]}


def _restore_sandbox(sandbox: Sandbox, parts: dict[str, Any]) -> None:
    """Most setups only have tokens issued; to load all records for that would take longer."""
    if parts.keys() == {"tokens"}:
        sandbox.app.tokens.serial, sandbox.app.tokens.expired_up_to = parts["tokens"]
    elif parts:
        state = msgspec.json.decode(sandbox.app.take_snapshot())
        sandbox.app.restore_state(state | parts)


class _TimeShifter:
    """Moves times of a setup, alone or within a text; all other values stay as they are."""

    def __init__(self, recorded: RecordedSetup, offset: timedelta) -> None:
        self._recorded = recorded
        self._offset = offset
        self._shifted: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, datetime):
            text = self._shift_time(value.replace(tzinfo=None).isoformat())
            return datetime.fromisoformat(text).replace(tzinfo=value.tzinfo)
        if isinstance(value, str) and "-" in value:
            return _TIME_PATTERN.sub(lambda match: self._shift_time(match[0]), value)
        return value

    def _shift_time(self, text: str) -> str:
        """Move one time; many rows carry the same, so each is worked out once."""
        if text not in self._shifted:
            time = _parse_utc(text)
            is_fixed = time < self._recorded.started_at or time in self._recorded.greenhouse_times
            shifted = (time + self._offset).replace(tzinfo=None)
            self._shifted[text] = text if is_fixed else shifted.isoformat(text[10], "microseconds")
        return self._shifted[text]


def _parse_utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
