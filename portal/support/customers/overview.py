"""Customer status for the customer list and each customer's page."""

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

from integrations.ats.permissions import ProbeOutcome
from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.sync.models import AtsUserEmail, SyncRun
from portal.sync.schedule import RECENT_INTERVAL

State = Connection.State
STALLED_AFTER = timedelta(days=2)  # in one setup step
OUTDATED_AFTER = 4 * RECENT_INTERVAL
SETUP_STATES = (State.DRAFT, State.CHECKING, State.ACTION_NEEDED, State.SYNCING)
LIVE_STATES = (State.LIVE, State.DEGRADED)
SUCCESSFUL_RUN_STATUSES = (SyncRun.Status.DONE, SyncRun.Status.PARTIAL)
FAILED_STATUSES = (
    ApplicationAction.Status.FAILED,
    ApplicationAction.Status.REFUSED,
    ApplicationAction.Status.CONFLICT,
)

_SETUP_STEP_LABELS = {
    State.DRAFT: "Credential",
    State.CHECKING: "Permissions",
    State.ACTION_NEEDED: "Permissions",
    State.SYNCING: "First sync",
}


@dataclass
class CustomerStatus:
    organization: Organization
    connection: Connection | None
    state: str
    since: datetime
    last_synced_at: datetime | None = None
    issues: list[Issue] = field(default_factory=list)
    people_count: int = 0
    admin_count: int = 0
    unmatched_count: int = 0
    missing_count: int = 0
    failure_count: int = 0

    @property
    def state_label(self) -> str:
        return State(self.state).label

    @property
    def is_in_setup(self) -> bool:
        return self.state in SETUP_STATES

    @property
    def setup_step(self) -> str:
        """The current setup step, empty once setup is done."""
        # A live customer that needs action has finished setup.
        if self.last_synced_at and self.state in {State.CHECKING, State.ACTION_NEEDED}:
            return ""
        return _SETUP_STEP_LABELS.get(State(self.state), "")

    @property
    def is_stalled(self) -> bool:
        return bool(self.setup_step) and self.since < timezone.now() - STALLED_AFTER

    @property
    def is_outdated(self) -> bool:
        oldest_allowed = timezone.now() - OUTDATED_AFTER
        return self.state in LIVE_STATES and (
            self.last_synced_at is None or self.last_synced_at < oldest_allowed
        )

    @property
    def must_act_issues(self) -> list[Issue]:
        return [issue for issue in self.issues if issue.severity == Issue.Severity.CRITICAL]

    @property
    def tone(self) -> str:
        if self.must_act_issues or self.state == State.ACTION_NEEDED:
            return "bad"
        if self.is_stalled or self.is_outdated or self.issues or self.state == State.DEGRADED:
            return "warn"
        return "good" if self.state == State.LIVE else "off"

    @property
    def health(self) -> str:
        if self.must_act_issues:
            return _describe_issue(self.must_act_issues[0])
        if self.is_stalled:
            return (
                f"Set-up has stood still at “{self.setup_step}” for {_format_duration(self.since)}"
            )
        if self.state == State.ACTION_NEEDED:
            return "Something essential is missing"
        if self.setup_step:
            return f"Setting up, at “{self.setup_step}” for {_format_duration(self.since)}"
        if self.is_outdated:
            return (
                f"Not read for {_format_duration(self.last_synced_at)}"
                if self.last_synced_at
                else "Never read"
            )
        if self.issues:
            return _describe_issue(self.issues[0])
        if self.state == State.DEGRADED:
            plural = "" if self.missing_count == 1 else "s"
            return f"Live, {self.missing_count} permission{plural} missing"
        return {
            State.LIVE: "All is well",
            State.CHECKING: "Permissions are being checked",
        }.get(State(self.state), self.state_label)


def _describe_issue(issue: Issue) -> str:
    # Titles of refusal issues name a person.
    is_refusal = issue.cause == Issue.Cause.ACTING_USER_REFUSED
    return str(issue.get_cause_display()) if is_refusal else issue.title


def format_time_ago(at: datetime) -> str:
    return (
        f"{_format_duration(at)} ago" if at < timezone.now() - timedelta(minutes=1) else "just now"
    )


def _format_duration(since: datetime) -> str:
    return timesince(since, depth=1).replace("\xa0", " ")


def annotate_attention(organizations: QuerySet[Organization]) -> QuerySet[Any]:
    """Annotate the values the customer list sorts and filters by; 3 is the most urgent."""
    states = Transition.objects.filter(
        subject="connections.connection", subject_id=OuterRef("connection__pk")
    ).order_by("-at")
    syncs = SyncRun.objects.filter(
        connection=OuterRef("connection__pk"),
        status__in=SUCCESSFUL_RUN_STATUSES,
        finished_at__isnull=False,
    ).order_by("-finished_at")
    issues = _list_open_issues().filter(organization=OuterRef("pk"))
    critical_issues = issues.filter(severity=Issue.Severity.CRITICAL)
    long_ago = timezone.now() - STALLED_AFTER
    is_current = Q(last_good__gte=timezone.now() - OUTDATED_AFTER)
    is_outdated = Q(state__in=LIVE_STATES) & (Q(last_good=None) | ~is_current)
    annotated = organizations.select_related("connection").annotate(
        state=Coalesce("connection__state", Value(State.DRAFT.value)),
        since=Coalesce(Subquery(states.values("at")[:1]), "connection__created_at", "created_at"),
        last_good=Subquery(syncs.values("finished_at")[:1]),
        open_issues=_build_count_subquery(issues, "organization"),
        has_critical=Exists(critical_issues),
    )
    return annotated.annotate(
        stalled=Case(
            When(state__in=SETUP_STATES, last_good=None, since__lt=long_ago, then=True),
            default=False,
            output_field=BooleanField(),
        ),
    ).annotate(
        attention=Case(
            When(has_critical=True, then=3),
            When(state=State.ACTION_NEEDED, then=3),
            When(stalled=True, then=2),
            When(open_issues__gt=0, then=1),
            When(state=State.DEGRADED, then=1),
            When(is_outdated, then=1),
            default=0,
            output_field=IntegerField(),
        )
    )


def _list_open_issues() -> QuerySet[Issue]:
    not_snoozed = Q(snoozed_until=None) | Q(snoozed_until__lt=timezone.now())
    return Issue.objects.filter(not_snoozed, closed_at=None)


def get_customer_statuses(organizations: Iterable[Organization]) -> dict[int, CustomerStatus]:
    """Return statuses by primary key, with a fixed number of queries."""
    keys = [organization.pk for organization in organizations]
    rows = annotate_counts(annotate_attention(Organization.objects.filter(pk__in=keys)))
    statuses = {organization.pk: _build_status(organization) for organization in rows}
    issues_by_severity = sorted(
        _list_open_issues().filter(organization__in=keys),
        key=lambda issue: Issue.Severity.values.index(issue.severity),
    )
    for issue in issues_by_severity:
        statuses[issue.organization_id].issues.append(issue)
    return statuses


def build_dashboard() -> dict[str, object]:
    annotated = annotate_attention(Organization.objects.all())
    counts = annotated.aggregate(
        customers=Count("pk"),
        must_act=Count("pk", filter=Q(attention=3)),
        stalled_count=Count("pk", filter=Q(stalled=True)),
    )
    most_urgent = list(annotated.filter(attention__gt=0).order_by("-attention", "since")[:8])
    statuses = get_customer_statuses(most_urgent)
    return {
        "customer_count": counts["customers"],
        "must_act_count": counts["must_act"],
        "stalled_count": counts["stalled_count"],
        "issue_count": _list_open_issues().count(),
        "most_urgent": [statuses[organization.pk] for organization in most_urgent],
    }


def _build_status(organization: Organization) -> CustomerStatus:
    columns = vars(organization)
    return CustomerStatus(
        organization=organization,
        connection=getattr(organization, "connection", None),
        state=columns["state"],
        since=columns["since"],
        last_synced_at=columns["last_good"],
        people_count=columns["people"],
        admin_count=columns["admins"],
        unmatched_count=columns["unmatched"],
        missing_count=columns["missing"],
        failure_count=columns["failures"],
    )


def list_unmatched_members(organizations: Iterable[int]) -> QuerySet[Membership]:
    """Return members without a unique Greenhouse user, where users were synced at all."""
    return _query_unmatched_members().filter(organization__in=organizations)


def _query_unmatched_members() -> QuerySet[Any]:
    # An address of several Greenhouse users is no match (portal.entitlements.user_matching).
    known_emails = AtsUserEmail.objects.filter(
        user__connection__organization=OuterRef("organization"), user__gone_at=None
    ).exclude(verified=False)
    matching_emails = (
        known_emails.filter(address=OuterRef("user__email")).order_by().values("address")
    )
    unmatched_members: QuerySet[Any] = (
        Membership.objects.filter(Exists(known_emails))
        .exclude(Exists(matching_emails.annotate(n=Count("pk")).filter(n=1)))
        .order_by()
    )
    return unmatched_members


def annotate_counts(organizations: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate the counts of a row; computed only for the rows shown."""
    latest_checks = CheckRun.objects.filter(
        connection=OuterRef("connection__pk"),
        credential__state=Credential.State.IN_USE,
        status=CheckRun.Status.DONE,
    ).order_by("-pk")
    members = Membership.objects.filter(organization=OuterRef("pk"))
    with_check = organizations.annotate(newest_check=Subquery(latest_checks.values("pk")[:1]))
    counted: QuerySet[Any] = with_check.annotate(
        people=_build_count_subquery(members, "organization"),
        admins=_build_count_subquery(members.filter(role=Membership.Role.ADMIN), "organization"),
        unmatched=_build_count_subquery(
            _query_unmatched_members().filter(organization=OuterRef("pk")), "organization"
        ),
        missing=_build_count_subquery(
            PermissionCheck.objects.filter(
                run=OuterRef("newest_check"), outcome=ProbeOutcome.MISSING
            ),
            "run",
        ),
        failures=_build_count_subquery(_list_recent_failures(), "membership__organization"),
    )
    return counted


def _list_recent_failures() -> QuerySet[ApplicationAction]:
    return ApplicationAction.objects.filter(
        membership__organization=OuterRef("pk"),
        queued_at__gte=timezone.now() - timedelta(days=1),
        status__in=FAILED_STATUSES,
    )


def _build_count_subquery(rows: QuerySet[Any], by: str) -> Coalesce:
    counted = rows.order_by().values(by).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
