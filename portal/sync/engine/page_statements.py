"""The statements that every page of a sync runs, as SQL of our own: compiling them took longer than
running them.
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
_RENEW_LEASE_SQL = (
    f"UPDATE {_RUNS} SET heartbeat_at = %s, claim_count = 0"  # noqa: S608  # our own tables
    f" WHERE id = %s AND status = '{SyncRun.Status.RUNNING.value}' AND lease_token = %s"
)
_SAVE_CHECKPOINT_SQL = (
    f'UPDATE {_STEPS} SET pages = %s, "cursor" = %s, at_end = %s'  # noqa: S608
    f"{''.join(f', {name} = {name} + %s' for name in _COUNTS)} WHERE id = %s"
)
_STORE_KEYS_SQL = f"INSERT INTO {_SEEN_PAGES} (step_id, keys) VALUES (%s, %s)"  # noqa: S608


def renew_lease(run: SyncRun, now: datetime) -> bool:
    """Send a heartbeat. Returns False if another worker holds the run."""
    moment = database.ops.adapt_datetimefield_value(now)
    return _execute(_RENEW_LEASE_SQL, [moment, run.pk, run.lease_token]) == 1


def save_checkpoint(
    step: SyncStep, *, pages: int, cursor: str | None, added: Mapping[str, int]
) -> None:
    counts = [added[name] for name in _COUNTS]
    _execute(_SAVE_CHECKPOINT_SQL, [pages, cursor or "", cursor is None, *counts, step.pk])


def store_listed_keys(step: SyncStep, keys: bytes) -> None:
    _execute(_STORE_KEYS_SQL, [step.pk, keys])


def _execute(statement: str, params: list[Any]) -> int:
    with database.cursor() as cursor:
        cursor.execute(statement, params)
        return int(cursor.rowcount)
