"""Whether everybody's access is read as often as promised, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts.activity import build_active_filter
from portal.accounts.models import ActivityPeriod
from portal.connections.models import Connection
from portal.connections.permissions.features import Features, load_features
from portal.sync import schedule
from portal.sync.engine.plan import load_newest_runs
from portal.sync.models import SyncRun

MARGIN = timedelta(minutes=2)  # to start a due sync and finish it
_PER_PERSON_API = "harvest_key"  # Harvest v1 lists grants person by person


@dataclass(frozen=True)
class AccessPromise:
    """`sentence` says how often access is read; with the reason if that is too rarely."""

    is_kept: bool
    sentence: str
    read_at: datetime | None


def get_access_promise(
    connection: Connection,
    *,
    features: Features | None = None,
    newest_runs: Mapping[str, SyncRun] | None = None,
) -> AccessPromise:
    """`features` and `newest_runs` (by scope) are read unless the caller has them."""
    if newest_runs is None:
        newest_runs = load_newest_runs(connection)
    read_at = _get_read_at(newest_runs)
    if connection.state not in Connection.LIVE_STATES:
        return AccessPromise(True, "Access isn't being synced at the moment.", read_at)
    broken = "" if read_at is None else _explain_delay(connection, read_at, newest_runs, features)
    return AccessPromise(not broken, broken or _describe_schedule(), read_at)


def _describe_schedule() -> str:
    busy, quiet = map(_format_minutes, (schedule.PEOPLE_INTERVAL, schedule.QUIET_PEOPLE_INTERVAL))
    return (
        f"Access is synced every {busy} while someone is using the portal, "
        f"and every {quiet} otherwise."
    )


def _get_read_at(newest_runs: Mapping[str, SyncRun]) -> datetime | None:
    runs = [newest_runs.get(scope) for scope in (SyncRun.Scope.FULL, SyncRun.Scope.PEOPLE)]
    newest = max((run for run in runs if run), key=lambda run: run.pk, default=None)
    return newest.started_at if newest else None


def _explain_delay(
    connection: Connection,
    read_at: datetime,
    newest_runs: Mapping[str, SyncRun],
    features: Features | None,
) -> str:
    age = timezone.now() - read_at
    if age > _get_allowed_age(connection):
        runs = connection.syncs.filter(scope=SyncRun.Scope.PEOPLE)
        return f"Access was last synced {_format_minutes(age)} ago because {_explain_age(runs)}"
    last = newest_runs.get(SyncRun.Scope.PEOPLE)
    return (_explain_slow_read(last) if last else "") or _explain_stand_in(
        features or load_features(connection)
    )


def _get_allowed_age(connection: Connection) -> timedelta:
    busy, quiet = schedule.PEOPLE_INTERVAL + MARGIN, schedule.QUIET_PEOPLE_INTERVAL + MARGIN
    in_use = ActivityPeriod.objects.filter(
        build_active_filter(),
        organization=connection.organization_id,
        began_at__lte=timezone.now() - busy,
    )
    return busy if in_use.exists() else quiet


def _explain_age(runs: QuerySet[SyncRun]) -> str:
    newest = runs.first()
    if newest is not None and newest.status == SyncRun.Status.FAILED:
        return f"the last sync failed: {newest.failure}"
    if newest is None or not newest.is_open:
        return "no newer sync has started."
    if newest.is_waiting:
        return f"the next sync has to wait: {newest.get_wait_cause_display()}."
    if newest.started_at is None:
        return "the next sync waits for a free worker."
    return "the next sync is still running."


def _explain_slow_read(run: SyncRun) -> str:
    if run.started_at is None or run.finished_at is None:
        return ""
    duration = run.finished_at - run.started_at
    interval = schedule.PEOPLE_TIME_DIVISOR * duration
    if interval <= schedule.PEOPLE_INTERVAL + MARGIN:
        return ""
    requests = sum(run.steps.values_list("requests", flat=True))
    kind = run.credential.kind if run.credential else ""
    why = f"syncing it took {_format_minutes(duration)} and {requests:,} requests"
    if kind == _PER_PERSON_API:
        why += ": Harvest v1 lists it for each member separately"
    return f"Access is synced every {_format_minutes(interval)} because {why}."


def _explain_stand_in(features: Features) -> str:
    if features.kind != _PER_PERSON_API or "job_admins" not in features.unavailable:
        return ""
    interval = _format_minutes(schedule.RECENT_INTERVAL)
    return (
        f"Access is synced every {interval} because it follows hiring teams, which Harvest v1 "
        "lists with the requisitions."
    )


def _format_minutes(duration: timedelta) -> str:
    minutes = max(1, round(duration / timedelta(minutes=1)))
    return f"{minutes:,} minute{'s' * (minutes > 1)}"
