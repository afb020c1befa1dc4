"""Detect silent webhooks: once delivering, now quiet although syncs keep finding changes."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.ats.webhooks import WebhookEventType, WebhookSpec
from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.models import SyncStep
from portal.webhooks.endpoint import get_vendor
from portal.webhooks.models import Endpoint, Heartbeat

ISSUE_CAUSE = Issue.Cause.WEBHOOK_SILENT
# Greenhouse disables a webhook without notice when a ping fails. Silence alone means nothing, since
# there may be no changes: several syncs must have found changes that the webhook should deliver.
SILENT_AFTER = timedelta(hours=6)
MIN_SYNCS_WITH_CHANGES = 3
DELIVERY_DELAY = timedelta(minutes=10)  # a sync may read a change before its delivery arrives


def check_all_connections() -> None:
    active_states = (Connection.State.LIVE, Connection.State.DEGRADED)
    for endpoint in Endpoint.objects.filter(connection__state__in=active_states).select_related(
        "connection__organization"
    ):
        detect_silence(endpoint.connection)


def detect_silence(connection: Connection) -> None:
    """Open an issue per kind of change that is no longer delivered, and resolve the others."""
    vendor = get_vendor(connection)
    if vendor is None:
        return
    silent = []
    for change, (events, last_at) in _group_delivered_events(connection, vendor).items():
        syncs = _count_syncs_with_changes(connection, change, since=last_at + DELIVERY_DELAY)
        if timezone.now() - last_at >= SILENT_AFTER and syncs >= MIN_SYNCS_WITH_CHANGES:
            silent.append(change)
            _open_silence_issue(connection, vendor, change, events, last_at, syncs)
    service.resolve_issues(
        connection.organization,
        ISSUE_CAUSE,
        why="Greenhouse tells of it again",
        excluded_keys=silent,
    )


def _group_delivered_events(
    connection: Connection, vendor: WebhookSpec
) -> dict[str, tuple[list[WebhookEventType], datetime]]:
    last_delivered = {
        beat.action: beat.last_at for beat in Heartbeat.objects.filter(connection=connection)
    }
    groups: dict[str, list[WebhookEventType]] = defaultdict(list)
    for event in vendor.events:
        if event.replaces_polling_of and event.action in last_delivered:
            groups[event.replaces_polling_of].append(event)
    return {
        change: (events, max(last_delivered[e.action] for e in events))
        for change, events in groups.items()
    }


def _count_syncs_with_changes(connection: Connection, change: str, *, since: datetime) -> int:
    kind, counter = change.split(".")
    if not hasattr(SyncStep, counter):  # syncs don't count this kind of change
        return 0
    steps = SyncStep.objects.filter(
        run__connection=connection, kind=kind, started_at__gt=since, **{f"{counter}__gt": 0}
    )
    return steps.count()


def _open_silence_issue(
    connection: Connection,
    vendor: WebhookSpec,
    change: str,
    events: list[WebhookEventType],
    last_at: datetime,
    syncs: int,
) -> None:
    kind, _ = change.split(".")
    labels = ", ".join(f"“{event.label}”" for event in events)
    service.open_issue(
        connection.organization,
        ISSUE_CAUSE,
        key=change,
        title=f"Greenhouse no longer tells us of {kind} by web hook",
        description=(
            f"Nothing was heard of {labels} since {last_at:%-d %B, %H:%M} UTC, while {syncs} syncs "
            f"found what should have been told. {vendor.screen_path} Look whether these web hooks "
            "are disabled: Greenhouse does that by itself when a message fails. Enable them and "
            "save."
        ),
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Everything is still read by the regular syncs, only some minutes later.",
        details={"last_heard": last_at.isoformat(), "syncs": syncs},
    )
