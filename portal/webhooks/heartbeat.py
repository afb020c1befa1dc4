"""Detect silent webhooks: once delivering, now quiet although syncs keep finding changes."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache

from django.db.models import Max, Q
from django.utils import timezone

from integrations.ats.webhooks import WebhookEventType, WebhookSpec
from integrations.greenhouse.webhooks import WEBHOOK_SPEC
from portal.connections.models import Connection, Credential
from portal.core.date_formats import format_datetime
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.models import SyncStep
from portal.webhooks.endpoint import get_vendor
from portal.webhooks.models import Heartbeat

ISSUE_CAUSE = Issue.Cause.WEBHOOK_SILENT
# Greenhouse disables a webhook without notice when a ping fails. Silence alone means nothing, since
# there may be no changes: several syncs must have found changes that the webhook should deliver.
SILENT_AFTER = timedelta(hours=6)
MIN_SYNCS_WITH_CHANGES = 3
SUSPICION_WINDOW = timedelta(days=1)  # a connection without changes since is not examined again
DELIVERY_DELAY = timedelta(minutes=10)  # a sync may read a change before its delivery arrives

_COUNTERS = ("created", "changed", "gone")


def check_all_connections() -> None:
    """Examine the connections that may be silent. Healthy ones cost no queries of their own."""
    connections = Connection.objects.filter(
        pk__in=_list_suspected_ids() | _list_reported_ids(), state__in=Connection.LIVE_STATES
    )
    for connection in connections.select_related("organization"):
        detect_silence(connection)


def _list_reported_ids() -> set[int]:
    issues = Issue.objects.filter(
        cause=ISSUE_CAUSE,
        closed_at=None,
        organization__connection__webhook_endpoint__isnull=False,
    )
    return set(issues.values_list("organization__connection", flat=True))


def _list_suspected_ids() -> set[int]:
    """Return connections that lately found changes by sync of a kind no longer delivered."""
    silent = _list_silent_changes()
    if not silent:
        return set()
    has_changes = Q()
    for counter in _COUNTERS:
        has_changes |= Q(**{f"{counter}__gt": 0})
    steps = SyncStep.objects.filter(
        has_changes,
        run__connection__in={connection_id for connection_id, _ in silent},
        run__queued_at__gt=timezone.now() - SUSPICION_WINDOW,
        started_at__isnull=False,
    ).order_by()
    rows = steps.values_list("run__connection", "kind").annotate(
        **{f"max_{counter}": Max(counter) for counter in _COUNTERS}
    )
    return {
        connection_id
        for connection_id, kind, *counts in rows
        for counter, count in zip(_COUNTERS, counts, strict=True)
        if count and (connection_id, f"{kind}.{counter}") in silent
    }


def _list_silent_changes() -> set[tuple[int, str]]:
    """Return connections with a change that webhooks used to deliver, but not lately."""
    heartbeats = Heartbeat.objects.filter(
        connection__state__in=Connection.LIVE_STATES,
        connection__webhook_endpoint__isnull=False,
        connection__credentials__state=Credential.State.IN_USE,
    ).order_by()
    last_delivered: dict[tuple[int, str], datetime] = {}
    for connection_id, kind, action, last_at in heartbeats.values_list(
        "connection", "connection__credentials__kind", "action", "last_at"
    ):
        if change := _map_actions_to_changes(kind).get(action):
            key = connection_id, change
            last_delivered[key] = max(last_at, last_delivered.get(key, last_at))
    silent_since = timezone.now() - SILENT_AFTER
    return {key for key, last_at in last_delivered.items() if last_at <= silent_since}


@cache
def _map_actions_to_changes(credential_kind: str) -> dict[str, str]:
    events = WEBHOOK_SPEC.events
    return {e.action: e.replaces_polling_of for e in events if e.replaces_polling_of}


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
        title=f"No more webhooks for {kind}",
        description=(
            f"No webhook for {labels} since {format_datetime(last_at)} UTC, but {syncs} syncs "
            f"found such changes. {vendor.screen_path} Greenhouse disables a webhook when a "
            "delivery fails: check whether these are disabled, enable them and save."
        ),
        severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Syncs still pick up changes, a few minutes later.",
        details={"last_heard": last_at.isoformat(), "syncs": syncs},
    )
