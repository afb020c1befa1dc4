"""Query the status of customers, for the customer list, the dashboard and each customer's page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
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

from integrations.ats.permissions import ProbeOutcome
from portal.accounts.models import Membership, Organization
from portal.applications.models import ApplicationAction
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.core.models import Transition
from portal.issues.models import Issue
from portal.support.customers.customer_status import (
    OUTDATED_AFTER,
    SETUP_STATES,
    STALLED_AFTER,
    CustomerStatus,
    State,
)
from portal.support.customers.unmatched_members import query_unmatched_members
from portal.sync.models import SyncRun
from portal.sync.service_level.report import get_shares

FAILED_STATUSES = (
    ApplicationAction.Status.FAILED,
    ApplicationAction.Status.REFUSED,
    ApplicationAction.Status.CONFLICT,
)


def annotate_attention(organizations: QuerySet[Organization]) -> QuerySet[Any]:
    """Annotate the values the customer list sorts and filters by; 3 is the most urgent."""
    states = Transition.objects.filter(
        subject="connections.connection", subject_id=OuterRef("connection__pk")
    ).order_by("-at")
    syncs = SyncRun.objects.filter(
        connection=OuterRef("connection__pk"),
        status__in=SyncRun.COMPLETED,
        finished_at__isnull=False,
    ).order_by("-finished_at")
    issues = list_open_issues().filter(organization=OuterRef("pk"))
    critical_issues = issues.filter(severity=Issue.Severity.CRITICAL)
    long_ago = timezone.now() - STALLED_AFTER
    is_current = Q(last_good__gte=timezone.now() - OUTDATED_AFTER)
    is_outdated = Q(state__in=Connection.LIVE_STATES) & (Q(last_good=None) | ~is_current)
    annotated = organizations.select_related("connection", "owner").annotate(
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


def list_open_issues() -> QuerySet[Issue]:
    not_snoozed = Q(snoozed_until=None) | Q(snoozed_until__lt=timezone.now())
    return Issue.objects.filter(not_snoozed, closed_at=None)


def get_customer_statuses(organizations: Iterable[Organization]) -> dict[int, CustomerStatus]:
    """Return statuses by primary key, with a fixed number of queries."""
    keys = [organization.pk for organization in organizations]
    rows = annotate_counts(annotate_attention(Organization.objects.filter(pk__in=keys)))
    statuses = {organization.pk: _build_status(organization) for organization in rows}
    connected = {status.connection.pk: status for status in statuses.values() if status.connection}
    for connection_id, share in get_shares(connected).items():
        connected[connection_id].freshness_share = share
    for issue in sorted(list_open_issues().filter(organization__in=keys), key=_rank_issue):
        statuses[issue.organization_id].issues.append(issue)
    return statuses


def _rank_issue(issue: Issue) -> tuple[int, bool]:
    """Most severe first; among those, what a fix link resolves for the customer."""
    is_permission = issue.cause == Issue.Cause.MISSING_PERMISSION
    return Issue.Severity.values.index(issue.severity), not is_permission


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
            query_unmatched_members().filter(organization=OuterRef("pk")), "organization"
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
