"""The statements that every page and every list of a sync runs, as SQL of our own: compiling them
took longer than running them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection as database
from django.db import transaction

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
_RENEW_LEASE_SQL, _RENEW_AFTER_PROGRESS_SQL = (  # a written page is progress
    f"UPDATE {_RUNS} SET heartbeat_at = %s{progress} WHERE id = %s"  # noqa: S608  # our own tables
    f" AND status = '{SyncRun.Status.RUNNING.value}' AND lease_token = %s"
    for progress in ("", ", claim_count = 0")
)
_BEGIN_SQL = "status = %s, started_at = %s"
_CHECKPOINT_SQL = 'pages = %s, "cursor" = %s, at_end = %s' + "".join(
    f", {name} = {_STEPS}.{name} + %s" for name in _COUNTS
)
_FINISH_SQL = (
    f"UPDATE {_STEPS} SET status = %s, gone = %s, unchanged = %s, user_ids = NULL,"  # noqa: S608
    " finished_at = %s WHERE id = %s"
)
_STORE_KEYS_SQL = f"INSERT INTO {_SEEN_PAGES} (step_id, keys) VALUES (%s, %s)"  # noqa: S608
_STORE_LEASED_KEYS_SQL = f"INSERT INTO {_SEEN_PAGES} (step_id, keys) SELECT %s, %s FROM leased"  # noqa: S608
_SELECT_STATE_SQL = f"SELECT {', '.join(_STATE)} FROM {_STEPS} WHERE id = %s"  # noqa: S608
_SELECT_KEYS_SQL = f"SELECT keys FROM {_SEEN_PAGES} WHERE step_id = %s"  # noqa: S608
_DELETE_KEYS_SQL = f"DELETE FROM {_SEEN_PAGES} WHERE step_id = %s"  # noqa: S608


def renew_lease(run: SyncRun, now: datetime) -> bool:
    """Send a heartbeat. Returns False if another worker holds the run."""
    return _execute(_RENEW_LEASE_SQL, _build_lease_params(run, now)) == 1


def begin_step(run: SyncRun, step: SyncStep, now: datetime) -> bool:
    """As `renew_lease`, too."""
    step.status, step.started_at = SyncStep.Status.RUNNING, step.started_at or now
    values = [step.status.value, database.ops.adapt_datetimefield_value(step.started_at)]
    return _update_leased_step(run, step, now, _BEGIN_SQL, values)


def save_page(
    run: SyncRun,
    step: SyncStep,
    now: datetime,
    *,
    keys: bytes,
    pages: int,
    cursor: str | None,
    added: Mapping[str, int],
) -> bool:
    """Store the page's keys, if any, and the checkpoint after it; as `renew_lease`, too. What was
    written of the page has to be rolled back if it returns False.
    """
    values = [pages, cursor or "", cursor is None, *(added[name] for name in _COUNTS)]
    return _update_leased_step(
        run, step, now, _CHECKPOINT_SQL, values, keys=keys, renew=_RENEW_AFTER_PROGRESS_SQL
    )


def finish_step(step: SyncStep, now: datetime) -> None:
    step.status, step.finished_at, step.user_ids = SyncStep.Status.DONE, now, None
    finished_at = database.ops.adapt_datetimefield_value(now)
    _execute(_FINISH_SQL, [step.status.value, step.gone, step.unchanged, finished_at, step.pk])


def store_listed_keys(step: SyncStep, keys: bytes) -> None:
    _execute(_STORE_KEYS_SQL, [step.pk, keys])


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


def load_listed_keys(step: SyncStep) -> list[bytes]:
    with database.cursor() as cursor:
        cursor.execute(_SELECT_KEYS_SQL, [step.pk])
        return [bytes(keys) for (keys,) in cursor.fetchall()]


def delete_listed_keys(step: SyncStep) -> None:
    _execute(_DELETE_KEYS_SQL, [step.pk])


def _build_lease_params(run: SyncRun, now: datetime) -> list[Any]:
    return [database.ops.adapt_datetimefield_value(now), run.pk, run.lease_token]


def _update_leased_step(
    run: SyncRun,
    step: SyncStep,
    now: datetime,
    assignments: str,
    values: list[Any],
    *,
    keys: bytes = b"",
    renew: str = _RENEW_LEASE_SQL,
) -> bool:
    """In one round trip where the database allows writes in a WITH."""
    lease_params = _build_lease_params(run, now)
    update = f"UPDATE {_STEPS} SET {assignments}"  # noqa: S608
    if database.vendor == "postgresql":
        listed = f", listed AS ({_STORE_LEASED_KEYS_SQL})" if keys else ""
        statement = (
            f"WITH leased AS ({renew} RETURNING id){listed}"
            f" {update} FROM leased WHERE {_STEPS}.id = %s"
        )
        key_params = [step.pk, keys] if keys else []
        return _execute(statement, [*lease_params, *key_params, *values, step.pk]) == 1
    with transaction.atomic():
        if _execute(renew, lease_params) != 1:
            return False
        if keys:
            store_listed_keys(step, keys)
        return _execute(f"{update} WHERE id = %s", [*values, step.pk]) == 1


def _execute(statement: str, params: list[Any]) -> int:
    with database.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)
