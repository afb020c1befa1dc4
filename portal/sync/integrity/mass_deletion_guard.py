"""Guard against mass deletion: a list must lack most stored rows for a day before they are gone."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from integrations.ats.errors import AtsError
from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.engine.steps import StepDefinition

# Usually the credential's user lost rights in Greenhouse, which then returns fewer records. Access,
# names and notes would not come back with the rights, while a day's delay is harmless: single
# deletions arrive by webhook, and disconnecting deletes everything at once.
MIN_RECORDS = 10  # of fewer, a normal clean-up may delete most, though not all
CONFIRM_AFTER = timedelta(hours=24)
MAX_READ_GAP = timedelta(hours=6)  # a failing list is retried at least every hour
ISSUE_CAUSE = Issue.Cause.MASS_DELETION


class MassDeletionSuspected(AtsError):
    """A complete list lacks most stored rows; none were marked gone."""


def _describe_missing(definition: StepDefinition, missing: int, stored_count: int) -> str:
    return (
        f"{definition.label}: {missing} of {stored_count} are no longer in Greenhouse's list. "
        "Nothing was removed here. Check that the credential's user is a Site Admin. "
        "A Greenhouse sandbox that resets nightly loses its test data, which is normal. "
        "Records still missing after a day are removed."
    )


def check_missing_share(
    connection: Connection, definition: StepDefinition, missing: int, *, stored_count: int
) -> None:
    """Raise MassDeletionSuspected if a complete list lacks most rows and has not for a day."""
    issue_filter = {
        "organization": connection.organization,
        "cause": ISSUE_CAUSE,
        "key": definition.kind,
    }
    if not _exceeds_threshold(missing, stored_count):
        why = "the list is complete again"
    else:
        now = timezone.now()
        confirmed = Issue.objects.filter(
            **issue_filter,
            closed_at=None,
            first_seen_at__lte=now - CONFIRM_AFTER,
            last_seen_at__gte=now - MAX_READ_GAP,
        )
        if not confirmed.exists():
            raise MassDeletionSuspected(_describe_missing(definition, missing, stored_count))
        why = "the records were missing for a day, so they were removed"
    service.resolve_issues(connection.organization, ISSUE_CAUSE, key=definition.kind, why=why)


def _exceeds_threshold(missing: int, stored_count: int) -> bool:
    return 0 < stored_count <= missing or (
        stored_count >= MIN_RECORDS and 2 * missing > stored_count
    )


def raise_alert(
    connection: Connection, definition: StepDefinition, error: MassDeletionSuspected
) -> None:
    """Open the alert or confirm it by another read; after a gap in reads the day starts again."""
    cutoff = timezone.now() - MAX_READ_GAP
    open_issues = Issue.objects.filter(
        organization=connection.organization_id,
        cause=ISSUE_CAUSE,
        key=definition.kind,
        closed_at=None,
    )
    if open_issues.filter(last_seen_at__lt=cutoff).exists():
        why = "the list was not read for hours: the day starts again"
        service.resolve_issues(connection.organization, ISSUE_CAUSE, key=definition.kind, why=why)
    service.open_issue(
        connection.organization,
        ISSUE_CAUSE,
        key=definition.kind,
        title=f"{definition.label}: most are missing from Greenhouse",
        description=error.sentence,
        severity=Issue.Severity.CRITICAL,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Synced data stays visible.",
        details={"kind": definition.kind},
    )


def close_alert(connection: Connection, definition: StepDefinition) -> None:
    if definition.guarded:
        why = "the list is no longer read"
        service.resolve_issues(connection.organization, ISSUE_CAUSE, key=definition.kind, why=why)
