"""A customer's timeline, merged from several sources, without secrets or candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from integrations.ats.permissions import ProbeOutcome
from integrations.http.redaction import redact_text
from portal.accounts.models import Organization, User
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.models import CheckRun, Connection
from portal.core.date_formats import format_datetime
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.notifications.models import Notification, OutgoingEmail
from portal.support.access import roles
from portal.sync.models import SyncRun

PAGE_SIZE = 40
LOOKBACK_PERIODS = (timedelta(days=7), timedelta(days=90))


@dataclass(frozen=True)
class TimelineEvent:
    """`tone` is a color by meaning; the text repeats it."""

    at: datetime
    kind: str
    text: str
    details: str = ""
    tone: str = "off"


def list_events(
    organization: Organization,
    *,
    kind: str = "",
    before: datetime | None = None,
    limit: int = PAGE_SIZE,
    include_people: bool = True,
) -> list[TimelineEvent]:
    """Return the newest events before a time; `include_people` adds those that name members."""
    until = before or timezone.now()
    available_kinds = list_kinds(include_people=include_people)
    chosen = [kind] if kind in available_kinds else available_kinds
    sources = [
        EVENT_KINDS[key][1] if include_people else _IMPERSONAL_SOURCES.get(key, EVENT_KINDS[key][1])
        for key in chosen
    ]
    events = (event for source in sources for event in source(organization, until, limit))
    return nlargest(limit, events, key=lambda event: event.at)


def list_kinds(*, include_people: bool = True) -> dict[str, str]:
    return {
        key: label
        for key, (label, _) in EVENT_KINDS.items()
        if include_people or key not in _PERSONAL_KINDS
    }


def _list_state_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    connection: Connection | None = getattr(organization, "connection", None)
    if connection is None:
        return
    transitions = Transition.objects.filter(
        subject="connections.connection", subject_id=connection.pk, at__lt=until
    ).order_by("-at")
    tones = {"live": "good", "degraded": "warn", "action_needed": "bad"}
    for transition in transitions[:limit]:
        text = f"{_get_state_label(transition.old)} → {_get_state_label(transition.new)}"
        yield TimelineEvent(
            transition.at,
            "state",
            text,
            redact_text(transition.reason),
            tones.get(transition.new, "info"),
        )


def _get_state_label(value: str) -> str:
    return Connection.State(value).label if value in Connection.State else value


def _list_check_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    runs = list(
        CheckRun.objects.filter(connection__organization=organization, finished_at__lt=until)
        .select_related("credential")
        .prefetch_related("results")[: limit + 1]
    )
    missing = [
        {r.permission for r in run.results.all() if r.outcome == ProbeOutcome.MISSING}
        for run in runs
    ]
    for index, run in enumerate(runs[:limit]):
        at = run.finished_at or run.queued_at
        if run.status == CheckRun.Status.FAILED:
            yield TimelineEvent(
                at, "check", "Permission check failed", redact_text(run.failure), "bad"
            )
            continue
        before = missing[index + 1] if index + 1 < len(runs) else set()
        newly_missing, newly_granted = (
            _name_permissions(run, missing[index] - before),
            _name_permissions(run, before - missing[index]),
        )
        changes = [f"now missing: {', '.join(newly_missing)}"] if newly_missing else []
        changes += [f"now granted: {', '.join(newly_granted)}"] if newly_granted else []
        text = f"Permissions checked, {len(_name_permissions(run, missing[index]))} missing"
        tone = "warn" if newly_missing else "good"
        yield TimelineEvent(at, "check", text, "; ".join(changes) or "nothing changed", tone)


def _name_permissions(run: CheckRun, keys: set[str]) -> list[str]:
    """The names on Greenhouse's screen: scopes for v3, checkboxes for v1."""
    credential = run.credential
    permissions = credential.catalogue.list_permissions(credential.kind)
    return sorted(credential.list_checkboxes(p for p in permissions if p.key in keys))


def _list_sync_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    runs = SyncRun.objects.filter(connection__organization=organization, finished_at__lt=until)
    tones = {
        SyncRun.Status.DONE: "good",
        SyncRun.Status.PARTIAL: "warn",
        SyncRun.Status.STOPPED: "off",
        SyncRun.Status.REPLACED: "off",
    }
    for run in runs.order_by("-finished_at")[:limit]:
        seconds = round((run.finished_at - (run.started_at or run.queued_at)).total_seconds())  # type: ignore[operator]
        status = SyncRun.Status(run.status)
        text = f"Sync: {status.label.lower()}, {format_seconds(seconds)}"
        yield TimelineEvent(
            run.finished_at,  # type: ignore[arg-type]  # only finished runs are listed
            "sync",
            text,
            redact_text(run.failure),
            tones.get(status, "bad"),
        )


def format_seconds(seconds: int) -> str:
    return f"took {seconds:,} s" if seconds else "took less than 1 s"


def _list_action_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    """Events are counts per hour, since staff need not know the candidates."""
    # Grouping the full history is slow: widen the period only for inactive customers.
    for lookback in (*LOOKBACK_PERIODS, None):
        since = until - lookback if lookback else None
        hourly_counts = list(_count_actions_by_hour(organization, since, until)[:limit])
        if len(hourly_counts) == limit:
            break
    successful_statuses = {ApplicationAction.Status.DONE, ApplicationAction.Status.QUEUED}
    for hour, kind, status, count in hourly_counts:
        text = f"{count:,} × {ApplicationAction.Kind(kind).label}: " + (
            ApplicationAction.Status(status).label.lower()
        )
        yield TimelineEvent(
            hour,
            "action",
            text,
            "within an hour",
            "good" if status in successful_statuses else "warn",
        )


def _count_actions_by_hour(
    organization: Organization, since: datetime | None, until: datetime
) -> QuerySet[Any]:
    """Return hour, kind, status and count; `since` is rounded down to its hour."""
    actions = ApplicationAction.objects.filter(
        membership__organization=organization, queued_at__lt=until
    )
    if since:
        actions = actions.filter(queued_at__gte=since.replace(minute=0, second=0, microsecond=0))
    counted: QuerySet[Any] = (
        actions.order_by()
        .annotate(hour=TruncHour("queued_at"))
        .values_list("hour", "kind", "status")
        .annotate(n=Count("pk"))
        .order_by("-hour", "kind", "status")
    )
    return counted


def _list_issue_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    return _build_issue_events(Issue.objects.filter(organization=organization), until, limit)


def _list_impersonal_issue_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    issues = Issue.objects.filter(organization=organization)
    return _build_issue_events(issues.exclude(cause__in=roles.PERSONAL_CAUSES), until, limit)


def _build_issue_events(
    issues: QuerySet[Issue], until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    for issue in issues.filter(first_seen_at__lt=until).order_by("-first_seen_at")[:limit]:
        tone = "bad" if issue.severity == Issue.Severity.CRITICAL else "warn"
        yield TimelineEvent(issue.first_seen_at, "issue", f"Issue opened: {issue.title}", "", tone)
    for issue in issues.filter(closed_at__lt=until).order_by("-closed_at")[:limit]:
        text = f"Issue closed: {issue.title}"
        yield TimelineEvent(issue.closed_at, "issue", text, issue.resolution, "good")  # type: ignore[arg-type]


def _list_log_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    entries = Entry.objects.filter(organization=organization, at__lt=until).with_redaction()
    for entry in entries.order_by("-at")[:limit]:
        actor_name = entry.actor_name.split(" <")[0]
        tone = "wait" if entry.verb.startswith(("impersonation.", "support.")) else "info"
        yield TimelineEvent(entry.at, "people", f"{actor_name} {entry.description}", "", tone)


def _list_notification_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    notifications = Notification.objects.filter(organization=organization, created_at__lt=until)
    for notice in notifications.select_related("recipient").order_by("-created_at")[:limit]:
        text = f"Notified {notice.recipient}: {notice.subject}"
        yield TimelineEvent(notice.created_at, "notice", text, _describe_delivery(notice), "info")
    yield from _list_unsent_email_events(organization, until, limit)


def _list_unsent_email_events(
    organization: Organization, until: datetime, limit: int
) -> Iterator[TimelineEvent]:
    unsent = OutgoingEmail.objects.filter(
        recipient__in=User.objects.filter(memberships__organization=organization),
        created_at__lt=until,
        attempts__gt=0,
        status__in=(OutgoingEmail.Status.QUEUED, OutgoingEmail.Status.FAILED),
    )
    for email in unsent.select_related("recipient").order_by("-created_at")[:limit]:
        text = f"Email to {email.recipient} not sent: {email.kind_label.lower()}"
        yield TimelineEvent(email.created_at, "notice", text, _describe_delivery(email), "warn")


def _describe_delivery(email: Notification | OutgoingEmail) -> str:
    label = email.get_status_display().lower()
    if email.status == "queued" and email.attempts:
        return f"{label}; next try {format_datetime(email.due_at)} UTC"
    return label


EventSource = Callable[[Organization, datetime, int], Iterator[TimelineEvent]]
EVENT_KINDS: dict[str, tuple[str, EventSource]] = {
    "state": ("State", _list_state_events),
    "check": ("Checks", _list_check_events),
    "sync": ("Syncs", _list_sync_events),
    "action": ("Actions", _list_action_events),
    "issue": ("Issues", _list_issue_events),
    "people": ("People", _list_log_events),
    "notice": ("Notifications", _list_notification_events),
}
_PERSONAL_KINDS = ("people", "notice")  # name the customer's members
_IMPERSONAL_SOURCES: dict[str, EventSource] = {"issue": _list_impersonal_issue_events}
