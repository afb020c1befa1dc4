"""One story per customer, merged from what every room keeps, without secrets or candidates.

Each source is asked once for its newest lines before a moment; they are merged and cut. What came
from Greenhouse in its own words is blotted once more on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from integrations.ats.permissions import Outcome
from integrations.http.redact import redact
from portal.accounts.models import Organization
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.models import CheckRun, Connection
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.mirror.models import SyncRun
from portal.notices.models import Notice
from portal.support import roles

PAGE = 40
LOOKED_BACK = (timedelta(days=7), timedelta(days=90))


@dataclass(frozen=True)
class Line:
    """Something that happened. `tone` is a colour by meaning; the words say it anyway."""

    at: datetime
    kind: str
    words: str
    more: str = ""
    tone: str = "off"


def lines(
    organization: Organization,
    *,
    kind: str = "",
    before: datetime | None = None,
    most: int = PAGE,
    people: bool = True,
) -> list[Line]:
    """The newest `most` lines before a moment, of one kind or of all; those that name people of
    the customer only with `people`.
    """
    until = before or timezone.now()
    known = kinds(people=people)
    chosen = [kind] if kind in known else known
    sources = [KINDS[key][1] if people else _NAMELESS.get(key, KINDS[key][1]) for key in chosen]
    found = (line for source in sources for line in source(organization, until, most))
    return nlargest(most, found, key=lambda line: line.at)


def kinds(*, people: bool = True) -> dict[str, str]:
    """What the timeline may be narrowed to, with its label."""
    return {key: label for key, (label, _) in KINDS.items() if people or key not in _NAMING}


def _states(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    connection: Connection | None = getattr(organization, "connection", None)
    if connection is None:
        return
    moved = Transition.objects.filter(
        subject="connections.connection", subject_id=connection.pk, at__lt=until
    ).order_by("-at")
    tones = {"live": "good", "degraded": "warn", "action_needed": "bad"}
    for one in moved[:most]:
        words = f"{_state(one.old)} → {_state(one.new)}"
        yield Line(one.at, "state", words, redact(one.why), tones.get(one.new, "info"))


def _state(value: str) -> str:
    return Connection.State(value).label if value in Connection.State else value


def _checks(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    """Each finished check with what changed since the one before."""
    runs = list(
        CheckRun.objects.filter(
            connection__organization=organization, finished_at__lt=until
        ).prefetch_related("results")[: most + 1]
    )
    missing = [
        {r.permission for r in run.results.all() if r.outcome == Outcome.MISSING} for run in runs
    ]
    for number, run in enumerate(runs[:most]):
        at = run.finished_at or run.queued_at
        if run.status == CheckRun.Status.FAILED:
            yield Line(at, "check", "A check of permissions failed", redact(run.failure), "bad")
            continue
        before = missing[number + 1] if number + 1 < len(runs) else set()
        lost, won = sorted(missing[number] - before), sorted(before - missing[number])
        changes = [f"missing now: {', '.join(lost)}"] if lost else []
        changes += [f"granted now: {', '.join(won)}"] if won else []
        words = f"Permissions checked, {len(missing[number])} missing"
        tone = "warn" if lost else "good"
        yield Line(at, "check", words, "; ".join(changes) or "nothing changed", tone)


def _syncs(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    runs = SyncRun.objects.filter(connection__organization=organization, finished_at__lt=until)
    tones = {
        SyncRun.Status.DONE: "good",
        SyncRun.Status.PARTIAL: "warn",
        SyncRun.Status.STOPPED: "off",
        SyncRun.Status.REPLACED: "off",
    }
    for run in runs.order_by("-finished_at")[:most]:
        seconds = round((run.finished_at - (run.started_at or run.queued_at)).total_seconds())  # type: ignore[operator]
        status = SyncRun.Status(run.status)
        words = f"Sync: {status.label.lower()}, after {seconds:,} s"
        yield Line(run.finished_at, "sync", words, redact(run.failure), tones.get(status, "bad"))  # type: ignore[arg-type]


def _actions(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    """Clicks as counts per hour: on whom is nobody's business here.

    To group them all would read years of them: only who did little is looked at further back.
    """
    for looked_back in (*LOOKED_BACK, None):
        since = until - looked_back if looked_back else None
        found = list(_hours(organization, since, until)[:most])
        if len(found) == most:
            break
    well = {ApplicationAction.Status.DONE, ApplicationAction.Status.QUEUED}
    for hour, kind, status, n in found:
        words = f"{n:,} × {ApplicationAction.Kind(kind).label}: " + (
            ApplicationAction.Status(status).label.lower()
        )
        yield Line(hour, "action", words, "within an hour", "good" if status in well else "warn")


def _hours(organization: Organization, since: datetime | None, until: datetime) -> QuerySet[Any]:
    """Hour, kind, status and how many, newest first; `since` is rounded down to its hour."""
    theirs = ApplicationAction.objects.filter(
        membership__organization=organization, queued_at__lt=until
    )
    if since:
        theirs = theirs.filter(queued_at__gte=since.replace(minute=0, second=0, microsecond=0))
    counted: QuerySet[Any] = (
        theirs.order_by()
        .annotate(hour=TruncHour("queued_at"))
        .values_list("hour", "kind", "status")
        .annotate(n=Count("pk"))
        .order_by("-hour", "kind", "status")
    )
    return counted


def _issues(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    return _told_of(Issue.objects.filter(organization=organization), until, most)


def _issues_of_things(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    issues = Issue.objects.filter(organization=organization)
    return _told_of(issues.exclude(cause__in=roles.NAMING), until, most)


def _told_of(of_them: QuerySet[Issue], until: datetime, most: int) -> Iterator[Line]:
    for issue in of_them.filter(first_seen_at__lt=until).order_by("-first_seen_at")[:most]:
        tone = "bad" if issue.severity == Issue.Severity.MUST_ACT else "warn"
        yield Line(issue.first_seen_at, "issue", f"Issue opened: {issue.title}", "", tone)
    for issue in of_them.filter(closed_at__lt=until).order_by("-closed_at")[:most]:
        words = f"Issue closed: {issue.title}"
        yield Line(issue.closed_at, "issue", words, issue.closed_why, "good")  # type: ignore[arg-type]


def _entries(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    """People's deeds, our own looks among them."""
    told = Entry.objects.filter(organization=organization, at__lt=until).with_who()
    for entry in told.order_by("-at")[:most]:
        who = entry.who.split(" <")[0]
        tone = "wait" if entry.verb.startswith(("look.", "support.")) else "info"
        yield Line(entry.at, "people", f"{who} {entry.words}", "", tone)


def _notices(organization: Organization, until: datetime, most: int) -> Iterator[Line]:
    told = Notice.objects.filter(organization=organization, created_at__lt=until)
    for notice in told.select_related("to").order_by("-created_at")[:most]:
        words = f"Told {notice.to}: {notice.subject}"
        yield Line(notice.created_at, "notice", words, notice.get_status_display().lower(), "info")


Source = Callable[[Organization, datetime, int], Iterator[Line]]
KINDS: dict[str, tuple[str, Source]] = {
    "state": ("State", _states),
    "check": ("Checks", _checks),
    "sync": ("Syncs", _syncs),
    "action": ("Actions", _actions),
    "issue": ("Issues", _issues),
    "people": ("People", _entries),
    "notice": ("Notices", _notices),
}
_NAMING = ("people", "notice")  # kinds whose lines name people of the customer
_NAMELESS: dict[str, Source] = {"issue": _issues_of_things}
