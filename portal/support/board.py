"""How customers stand, in words: for the board and for each customer's page.

`standings` asks a fixed number of questions for however many customers it is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.timesince import timesince

from integrations.ats.permissions import Outcome
from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.mirror.models import AtsUserEmail, SyncRun
from portal.mirror.schedule import CADENCE

State = Connection.State
STALLED_AFTER = timedelta(days=2)  # in one step of set-up
LATE_AFTER = 4 * CADENCE
SET_UP = (State.DRAFT, State.CHECKING, State.ACTION_NEEDED, State.SYNCING)
READING = (State.LIVE, State.DEGRADED)
ENDED_WELL = (SyncRun.Status.DONE, SyncRun.Status.PARTIAL)
FAILED = (
    ApplicationAction.Status.FAILED,
    ApplicationAction.Status.REFUSED,
    ApplicationAction.Status.CONFLICT,
)

_STEP = {
    State.DRAFT: "Credential",
    State.CHECKING: "Permissions",
    State.ACTION_NEEDED: "Permissions",
    State.SYNCING: "First sync",
}


@dataclass
class Standing:
    """One customer at a glance."""

    organization: Organization
    connection: Connection | None
    state: str
    since: datetime
    last_good: datetime | None = None
    issues: list[Issue] = field(default_factory=list)
    people: int = 0
    admins: int = 0
    unmatched: int = 0
    missing: int = 0
    failures: int = 0

    @property
    def state_words(self) -> str:
        return State(self.state).label

    @property
    def in_set_up(self) -> bool:
        return self.state in SET_UP

    @property
    def step(self) -> str:
        """Where set-up stands, "" once it is done. A live customer who must act is past it."""
        if self.last_good and self.state in {State.CHECKING, State.ACTION_NEEDED}:
            return ""
        return _STEP.get(State(self.state), "")

    @property
    def stalled(self) -> bool:
        return bool(self.step) and self.since < timezone.now() - STALLED_AFTER

    @property
    def late(self) -> bool:
        """Whether what is shown to recruiters is older than it should be."""
        old = timezone.now() - LATE_AFTER
        return self.state in READING and (self.last_good is None or self.last_good < old)

    @property
    def must_act(self) -> list[Issue]:
        return [issue for issue in self.issues if issue.severity == Issue.Severity.MUST_ACT]

    @property
    def tone(self) -> str:
        if self.must_act or self.state == State.ACTION_NEEDED:
            return "bad"
        if self.stalled or self.late or self.issues or self.state == State.DEGRADED:
            return "warn"
        return "good" if self.state == State.LIVE else "off"

    @property
    def health(self) -> str:
        """One sentence: the worst that is known."""
        if self.must_act:
            return _told(self.must_act[0])
        if self.stalled:
            return f"Set-up has stood still at “{self.step}” for {_long(self.since)}"
        if self.state == State.ACTION_NEEDED:
            return "Something essential is missing"
        if self.step:
            return f"Setting up, at “{self.step}” for {_long(self.since)}"
        if self.late:
            return f"Not read for {_long(self.last_good)}" if self.last_good else "Never read"
        if self.issues:
            return _told(self.issues[0])
        if self.state == State.DEGRADED:
            return f"Live, {self.missing} permission{'' if self.missing == 1 else 's'} missing"
        return {
            State.LIVE: "All is well",
            State.CHECKING: "Permissions are being checked",
        }.get(State(self.state), self.state_words)


def _told(issue: Issue) -> str:
    """An issue's title; where that names somebody, what kind of issue it is."""
    refused = issue.cause == Issue.Cause.ACTING_USER_REFUSED
    return str(issue.get_cause_display()) if refused else issue.title


def ago(at: datetime) -> str:
    """ "3 hours ago", or "just now"."""
    return f"{_long(at)} ago" if at < timezone.now() - timedelta(minutes=1) else "just now"


def _long(since: datetime) -> str:
    return timesince(since, depth=1).replace("\xa0", " ")


def with_attention(organizations: QuerySet[Organization]) -> QuerySet[Any]:
    """Annotated with what the board sorts and filters by; who needs somebody comes first."""
    states = Transition.objects.filter(
        subject="connections.connection", subject_id=OuterRef("connection__pk")
    ).order_by("-at")
    syncs = SyncRun.objects.filter(
        connection=OuterRef("connection__pk"), status__in=ENDED_WELL, finished_at__isnull=False
    ).order_by("-finished_at")
    issues = _open_issues().filter(organization=OuterRef("pk"))
    red = issues.filter(severity=Issue.Severity.MUST_ACT)
    long_ago = timezone.now() - STALLED_AFTER
    read = Q(last_good__gte=timezone.now() - LATE_AFTER)
    late = Q(state__in=READING) & (Q(last_good=None) | ~read)
    found = organizations.select_related("connection").annotate(
        state=Coalesce("connection__state", Value(State.DRAFT.value)),
        since=Coalesce(Subquery(states.values("at")[:1]), "connection__created_at", "created_at"),
        last_good=Subquery(syncs.values("finished_at")[:1]),
        open_issues=_count(issues, "organization"),
        red=Exists(red),
    )
    return found.annotate(
        stalled=Case(
            When(state__in=SET_UP, last_good=None, since__lt=long_ago, then=True),
            default=False,
            output_field=BooleanField(),
        ),
    ).annotate(
        attention=Case(
            When(red=True, then=3),
            When(state=State.ACTION_NEEDED, then=3),
            When(stalled=True, then=2),
            When(open_issues__gt=0, then=1),
            When(state=State.DEGRADED, then=1),
            When(late, then=1),
            default=0,
            output_field=IntegerField(),
        )
    )


def _open_issues() -> QuerySet[Issue]:
    """Open, and not put aside for now."""
    awake = Q(snoozed_until=None) | Q(snoozed_until__lt=timezone.now())
    return Issue.objects.filter(awake, closed_at=None)


def standings(organizations: Iterable[Organization]) -> dict[int, Standing]:
    """How each of them stands, by primary key."""
    keys = [organization.pk for organization in organizations]
    rows = with_counts(with_attention(Organization.objects.filter(pk__in=keys)))
    found = {organization.pk: _begun(organization) for organization in rows}
    by_weight = sorted(
        _open_issues().filter(organization__in=keys),
        key=lambda issue: ["must_act", "degraded", "fyi"].index(issue.severity),
    )
    for issue in by_weight:
        found[issue.organization_id].issues.append(issue)
    return found


def today() -> dict[str, object]:
    """The counts of the first page, and the few who need somebody first."""
    everybody = with_attention(Organization.objects.all())
    counts = everybody.aggregate(
        customers=Count("pk"),
        act=Count("pk", filter=Q(attention=3)),
        stalled_ones=Count("pk", filter=Q(stalled=True)),
    )
    first = list(everybody.filter(attention__gt=0).order_by("-attention", "since")[:8])
    found = standings(first)
    return {
        "customers": counts["customers"],
        "act": counts["act"],
        "stalled": counts["stalled_ones"],
        "issues": _open_issues().count(),
        "first": [found[organization.pk] for organization in first],
    }


def _begun(organization: Organization) -> Standing:
    known = vars(organization)
    return Standing(
        organization=organization,
        connection=getattr(organization, "connection", None),
        state=known["state"],
        since=known["since"],
        last_good=known["last_good"],
        people=known["people"],
        admins=known["admins"],
        unmatched=known["unmatched"],
        missing=known["missing"],
        failures=known["failures"],
    )


def unmatched(organizations: Iterable[int]) -> QuerySet[Membership]:
    """Whom no Greenhouse user's address fits, or that of several, which is no match either
    (portal.entitlements.people); where Greenhouse's people were read at all.
    """
    return _unmatched().filter(organization__in=organizations)


def _unmatched() -> QuerySet[Any]:
    known = AtsUserEmail.objects.filter(
        user__connection__organization=OuterRef("organization"), user__gone_at=None
    ).exclude(verified=False)
    fitting = known.filter(address=OuterRef("user__email")).order_by().values("address")
    found: QuerySet[Any] = (
        Membership.objects.filter(Exists(known))
        .exclude(Exists(fitting.annotate(n=Count("pk")).filter(n=1)))
        .order_by()
    )
    return found


def with_counts(organizations: QuerySet[Any]) -> QuerySet[Any]:
    """Annotated with the numbers of a row; the database counts them for the rows it shows."""
    newest = CheckRun.objects.filter(
        connection=OuterRef("connection__pk"),
        credential__state=Credential.State.IN_USE,
        status=CheckRun.Status.DONE,
    ).order_by("-pk")
    members = Membership.objects.filter(organization=OuterRef("pk"))
    found = organizations.annotate(newest_check=Subquery(newest.values("pk")[:1]))
    counted: QuerySet[Any] = found.annotate(
        people=_count(members, "organization"),
        admins=_count(members.filter(role=Membership.Role.ADMIN), "organization"),
        unmatched=_count(_unmatched().filter(organization=OuterRef("pk")), "organization"),
        missing=_count(
            PermissionCheck.objects.filter(run=OuterRef("newest_check"), outcome=Outcome.MISSING),
            "run",
        ),
        failures=_count(_failed_today(), "membership__organization"),
    )
    return counted


def _failed_today() -> QuerySet[ApplicationAction]:
    """What an organization's recruiters asked for within a day and did not get."""
    return ApplicationAction.objects.filter(
        membership__organization=OuterRef("pk"),
        queued_at__gte=timezone.now() - timedelta(days=1),
        status__in=FAILED,
    )


def _count(rows: QuerySet[Any], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
