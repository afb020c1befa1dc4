"""Customers for journeys, made by the portal's own code in the demo's database."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.core.tenancy.scope import all_organizations
from portal.demo.people import ACME
from portal.issues.models import Issue
from portal.sync.models import SyncRun

CUSTOMERS = 200
STALLED_DRAFTS = 20  # nobody has begun their setup for weeks
WITH_WARNING = 30
STUCK_CUSTOMER = "Customer 187"  # a required permission has been missing for three days
State = Connection.State


@all_organizations("prepares a journey")
def remove_acme() -> None:
    """Acme isn't a customer yet, and its people have no accounts."""
    Organization.objects.get(name=ACME).delete()
    User.objects.filter(email__endswith="@acme.example").delete()


@all_organizations("prepares a journey")
@transaction.atomic
def create_customers() -> None:
    """A CSM's customers: most are live, some never began, some have warnings, and one is stuck."""
    now = timezone.now()
    organizations = Organization.objects.bulk_create(
        Organization(name=f"Customer {n}", slug=f"customer-{n}") for n in range(1, CUSTOMERS + 1)
    )
    users = User.objects.bulk_create(
        User(email=f"admin@customer-{n}.example", name=f"Admin {n}", password="!")
        for n in range(1, CUSTOMERS + 1)
    )
    Membership.objects.bulk_create(
        Membership(user=user, organization=organization, role=Membership.Role.ADMIN)
        for user, organization in zip(users, organizations, strict=True)
    )
    drafts, connected = organizations[:STALLED_DRAFTS], organizations[STALLED_DRAFTS:]
    Connection.objects.bulk_create(
        Connection(organization=organization, created_at=now - timedelta(days=5 + number))
        for number, organization in enumerate(drafts)
    )
    live = Connection.objects.bulk_create(
        Connection(organization=organization, state=State.LIVE)
        for organization in connected
        if organization.name != STUCK_CUSTOMER
    )
    SyncRun.objects.bulk_create(
        SyncRun(connection=connection, status=SyncRun.Status.DONE, finished_at=now)
        for connection in live
    )
    Issue.objects.bulk_create(
        Issue(
            organization=organization,
            cause=Issue.Cause.UNMATCHED_PEOPLE,
            severity=Issue.Severity.WARNING,
            fixer=Issue.Fixer.ADMIN,
            title="2 people have no match in Greenhouse",
            description="They see no requisitions until their email is in Greenhouse.",
            first_seen_at=now - timedelta(days=30),
        )
        for organization in connected[:WITH_WARNING]
    )
    [stuck] = [row for row in connected if row.name == STUCK_CUSTOMER]
    _create_stuck_setup(stuck)


def _create_stuck_setup(organization: Organization) -> None:
    since = timezone.now() - timedelta(days=3)
    connection = Connection.objects.create(
        organization=organization, state=State.ACTION_NEEDED, created_at=since
    )
    credential = Credential.objects.create(
        connection=connection, kind="harvest_oauth", secret="", last_four="1234", fingerprint="none"
    )
    check = CheckRun.objects.create(
        connection=connection,
        credential=credential,
        status=CheckRun.Status.DONE,
        finished_at=timezone.now(),
    )
    PermissionCheck.objects.bulk_create(
        PermissionCheck(
            run=check,
            permission=permission.key,
            outcome="missing" if permission.scope == "harvest:jobs:list" else "granted",
        )
        for permission in credential.catalogue.list_permissions(credential.kind)
    )
    Issue.objects.create(
        organization=organization,
        cause=Issue.Cause.MISSING_PERMISSION,
        key="harvest:jobs:list",
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        title="Greenhouse permission missing: Jobs: harvest:jobs:list",
        description="No requisitions can be shown. Select it under Manage Scopes.",
        first_seen_at=since,
    )
