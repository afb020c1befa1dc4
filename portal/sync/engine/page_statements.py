"""The statements that every page and every list of a sync runs, as SQL of our own: compiling them
took longer than running them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection as database

from portal.sync.models import SeenPage, SyncRun, SyncStep

_RUNS, _STEPS, _SEEN_PAGES = (
    f'"{model._meta.db_table}"' for model in (SyncRun, SyncStep, SeenPage)
)
_COUNTS = (
    *("read_count", "created", "changed", "gone", "unchanged", "unreadable_count"),
    *("requests", "milliseconds"),
)
# What other statements change of a step while it runs.
_STATE = (*_COUNTS, "has_unidentified_records", "restarted")
_LEASED_SQL = f"id = %s AND status = '{SyncRun.Status.RUNNING.value}' AND lease_token = %s"
_RENEW_LEASE_SQL = f"UPDATE {_RUNS} SET heartbeat_at = %s WHERE {_LEASED_SQL}"  # noqa: S608  # our own tables
# A written page is progress.
_RENEW_AFTER_PROGRESS_SQL = (
    f"UPDATE {_RUNS} SET heartbeat_at = %s, claim_count = 0 WHERE {_LEASED_SQL}"  # noqa: S608
)
_CHECKPOINT_SQL = (
    f'UPDATE {_STEPS} SET pages = %s, "cursor" = %s, at_end = %s'  # noqa: S608
    f"{''.join(f', {name} = {_STEPS}.{name} + %s' for name in _COUNTS)}"
)
_SAVE_CHECKPOINT_SQL = f"{_CHECKPOINT_SQL} WHERE id = %s"
_STORE_KEYS_SQL = f"INSERT INTO {_SEEN_PAGES} (step_id, keys) VALUES (%s, %s)"  # noqa: S608
# These two are PostgreSQL's only: SQLite allows no writes in a WITH.
_SAVE_PAGE_SQL = f"WITH listed AS ({_STORE_KEYS_SQL}) {_SAVE_CHECKPOINT_SQL}"
_SAVE_UNCHANGED_PAGE_SQL = f"""
    WITH leased AS ({_RENEW_AFTER_PROGRESS_SQL} RETURNING id),
    listed AS (INSERT INTO {_SEEN_PAGES} (step_id, keys) SELECT %s, %s FROM leased WHERE %s)
    {_CHECKPOINT_SQL} FROM leased WHERE {_STEPS}.id = %s
"""  # noqa: S608
_BEGIN_STEP_SQL = f"UPDATE {_STEPS} SET status = %s, started_at = %s WHERE id = %s"  # noqa: S608
_FINISH_STEP_SQL = (
    f"UPDATE {_STEPS} SET status = %s, gone = %s, unchanged = %s, user_ids = NULL,"  # noqa: S608
    " finished_at = %s WHERE id = %s"
)
_SELECT_STATE_SQL = f"SELECT {', '.join(_STATE)} FROM {_STEPS} WHERE id = %s"  # noqa: S608
_SELECT_KEYS_SQL = f"SELECT keys FROM {_SEEN_PAGES} WHERE step_id = %s"  # noqa: S608
_DELETE_KEYS_SQL = f"DELETE FROM {_SEEN_PAGES} WHERE step_id = %s"  # noqa: S608


def renew_lease(run: SyncRun, now: datetime, *, has_progressed: bool = False) -> bool:
    """Send a heartbeat. Returns False if another worker holds the run."""
    statement = _RENEW_AFTER_PROGRESS_SQL if has_progressed else _RENEW_LEASE_SQL
    return _execute(statement, _build_lease_params(run, now)) == 1


def save_page(
    step: SyncStep, *, keys: bytes, pages: int, cursor: str | None, added: Mapping[str, int]
) -> None:
    """Store the page's keys, if any, and the checkpoint after it. Call within a transaction."""
    params = [*_build_checkpoint_params(pages, cursor, added), step.pk]
    if keys and database.vendor == "postgresql":
        _execute(_SAVE_PAGE_SQL, [step.pk, keys, *params])
        return
    store_listed_keys(step, keys)
    _execute(_SAVE_CHECKPOINT_SQL, params)


def store_listed_keys(step: SyncStep, keys: bytes) -> None:
    if keys:
        _execute(_STORE_KEYS_SQL, [step.pk, keys])


def save_unchanged_page(
    run: SyncRun,
    step: SyncStep,
    now: datetime,
    *,
    keys: bytes,
    pages: int,
    cursor: str | None,
    added: Mapping[str, int],
) -> bool:
    """As `renew_lease` and `save_page`, in one round trip where the database can. Call within a
    transaction elsewhere. Returns False if another worker holds the run: nothing was saved.
    """
    if database.vendor == "postgresql":
        params = [*_build_lease_params(run, now), step.pk, keys, bool(keys)]
        params += [*_build_checkpoint_params(pages, cursor, added), step.pk]
        return _execute(_SAVE_UNCHANGED_PAGE_SQL, params) == 1
    if not renew_lease(run, now, has_progressed=True):
        return False
    save_page(step, keys=keys, pages=pages, cursor=cursor, added=added)
    return True


def begin_step(step: SyncStep, now: datetime) -> None:
    step.status, step.started_at = SyncStep.Status.RUNNING, step.started_at or now
    started_at = database.ops.adapt_datetimefield_value(step.started_at)
    _execute(_BEGIN_STEP_SQL, [step.status.value, started_at, step.pk])


def reload_step(step: SyncStep) -> None:
    """Read what the pages have changed of the step."""
    with database.cursor() as cursor:
        cursor.execute(_SELECT_STATE_SQL, [step.pk])
        row = cursor.fetchone()
    if row is None:
        raise SyncStep.DoesNotExist
    for name, value in zip(_STATE, row, strict=True):
        is_flag = name not in _COUNTS  # SQLite has no booleans
        setattr(step, name, bool(value) if is_flag else value)


def finish_step(step: SyncStep, now: datetime) -> None:
    step.status, step.finished_at, step.user_ids = SyncStep.Status.DONE, now, None
    finished_at = database.ops.adapt_datetimefield_value(now)
    counts = [step.gone, step.unchanged]
    _execute(_FINISH_STEP_SQL, [step.status.value, *counts, finished_at, step.pk])


def load_listed_keys(step: SyncStep) -> list[bytes]:
    with database.cursor() as cursor:
        cursor.execute(_SELECT_KEYS_SQL, [step.pk])
        return [bytes(keys) for (keys,) in cursor.fetchall()]


def delete_listed_keys(step: SyncStep) -> None:
    _execute(_DELETE_KEYS_SQL, [step.pk])


def _build_lease_params(run: SyncRun, now: datetime) -> list[Any]:
    return [database.ops.adapt_datetimefield_value(now), run.pk, run.lease_token]


def _build_checkpoint_params(pages: int, cursor: str | None, added: Mapping[str, int]) -> list[Any]:
    return [pages, cursor or "", cursor is None, *(added[name] for name in _COUNTS)]


def _execute(statement: str, params: list[Any]) -> int:
    with database.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)
