"""Disconnecting: destroys the credentials at once and leaves synced data for a worker to delete."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.connections.credentials.store import destroy_credential
from portal.connections.models import Connection, Credential
from portal.connections.oauth.revocation import revoke_all_consents, revoke_consent
from portal.connections.permissions.check_runs import interrupt_open_runs
from portal.core import transitions
from portal.issues import service
from portal.issues.models import Issue

State = Connection.State
# Issues that cannot be fixed without a connection.
_CONNECTION_CAUSES = (
    Issue.Cause.BAD_CREDENTIAL,
    Issue.Cause.UNREADABLE_CREDENTIAL,
    Issue.Cause.CONSENT_EXPIRING,
    Issue.Cause.MISSING_PERMISSION,
    Issue.Cause.NO_SITE_ADMIN,
    Issue.Cause.GREENHOUSE_DOWN,
    Issue.Cause.SYNC_FAILING,
    Issue.Cause.UNMATCHED_PEOPLE,
    Issue.Cause.ACTING_USER_REFUSED,
    Issue.Cause.ACTIONS_FAILING,
    Issue.Cause.RATE_LIMIT,
    Issue.Cause.DRIFT,
    Issue.Cause.MASS_DELETION,
)


@transaction.atomic
def end_connection(connection: Connection, *, by: User) -> bool:
    """Disconnect and mark the synced data for deletion. Returns False if already disconnected."""
    if not transitions.try_move(
        connection,
        State.DISCONNECTED,
        why="disconnected",
        by=by,
        field="state",
        data_deletion_pending=True,
        confirmed_requirements=[],
        people_reviewed_at=None,
    ):
        return False
    for credential in connection.credentials.exclude(state=Credential.State.DELETED):
        destroy_credential(credential, by=by, why="disconnected")
    connection.credential_tests.all().delete()
    revoke_all_consents(connection, why="disconnected", by=by)
    interrupt_open_runs(connection, "Greenhouse was disconnected.")
    connection.fix_links.filter(completed_at=None, revoked_at=None).update(
        revoked_at=timezone.now()
    )
    for cause in _CONNECTION_CAUSES:
        service.resolve_issues(connection.organization, cause, why="Greenhouse was disconnected")
    return True


@transaction.atomic
def mark_account_changed(connection: Connection, *, by: User) -> None:
    """Hide and delete the old account's data first, so that two accounts are never mixed."""
    Connection.objects.filter(pk=connection.pk).update(
        data_deletion_pending=True, people_reviewed_at=None
    )
    for consent in connection.consents.filter(membership__isnull=False, state="active"):
        revoke_consent(consent, why="another account was connected", by=by)
    interrupt_open_runs(connection, "Another Greenhouse account was connected.")
    transitions.try_move(
        connection, State.DISCONNECTED, why="another account was connected", by=by, field="state"
    )


def finish_data_deletion(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(data_deletion_pending=False)
    connection.data_deletion_pending = False
