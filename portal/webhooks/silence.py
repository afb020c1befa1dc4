"""Hooks that fell silent: once heard, now quiet, while syncs keep finding what they should tell.

Greenhouse disables a web hook by itself when a ping fails, and tells nobody here. Quiet alone means
nothing, for there may be nothing to tell; so it takes several syncs that found changes of the same
kind. One delivery of that kind closes the issue.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.ats.webhooks import Event, WebHooks
from portal.connections.models import Connection
from portal.issues import book
from portal.issues.models import Issue
from portal.mirror.models import SyncStep
from portal.webhooks.address import vendor_of
from portal.webhooks.models import Address, Heartbeat

CAUSE = Issue.Cause.WEBHOOK_SILENT
QUIET_FOR = timedelta(hours=6)
SYNCS = 3  # that found something the hooks should have told
ON_THE_WAY = timedelta(minutes=10)  # a change may be read before its delivery comes


def judge_all() -> None:
    """Judge every connection that is at work and has an address."""
    at_work = (Connection.State.LIVE, Connection.State.DEGRADED)
    for address in Address.objects.filter(connection__state__in=at_work).select_related(
        "connection__organization"
    ):
        judge(address.connection)


def judge(connection: Connection) -> None:
    """Open an issue for each kind of change that is no longer told; close what is told again."""
    vendor = vendor_of(connection)
    if vendor is None:
        return
    silent = []
    for tells, (events, last_at) in _set_up(connection, vendor).items():
        found = _found_by_syncs(connection, tells, since=last_at + ON_THE_WAY)
        if timezone.now() - last_at >= QUIET_FOR and found >= SYNCS:
            silent.append(tells)
            _say(connection, vendor, tells, events, last_at, found)
    book.solved(connection.organization, CAUSE, why="Greenhouse tells of it again", but=silent)


def _set_up(connection: Connection, vendor: WebHooks) -> dict[str, tuple[list[Event], datetime]]:
    """By what they tell: the hooks that were ever heard, and when the last of them was."""
    heard = {beat.action: beat.last_at for beat in Heartbeat.objects.filter(connection=connection)}
    groups: dict[str, list[Event]] = defaultdict(list)
    for event in vendor.events:
        if event.tells and event.action in heard:
            groups[event.tells].append(event)
    return {tells: (of, max(heard[e.action] for e in of)) for tells, of in groups.items()}


def _found_by_syncs(connection: Connection, tells: str, *, since: datetime) -> int:
    """How many syncs begun since then found something of this kind."""
    kind, what = tells.split(".")
    if not hasattr(SyncStep, what):  # what syncs do not count cannot be missed by them
        return 0
    found = SyncStep.objects.filter(
        run__connection=connection, kind=kind, started_at__gt=since, **{f"{what}__gt": 0}
    )
    return found.count()


def _say(
    connection: Connection,
    vendor: WebHooks,
    tells: str,
    events: list[Event],
    last_at: datetime,
    found: int,
) -> None:
    kind, _ = tells.split(".")
    labels = ", ".join(f"“{event.label}”" for event in events)
    book.seen(
        connection.organization,
        CAUSE,
        key=tells,
        title=f"Greenhouse no longer tells us of {kind} by web hook",
        words=(
            f"Nothing was heard of {labels} since {last_at:%-d %B, %H:%M} UTC, while {found} syncs "
            f"found what should have been told. {vendor.place} Look whether these web hooks are "
            "disabled: Greenhouse does that by itself when a message fails. Enable them and save."
        ),
        severity=Issue.Severity.DEGRADED,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Everything is still read by the regular syncs, only some minutes later.",
        facts={"last_heard": last_at.isoformat(), "syncs": found},
    )
