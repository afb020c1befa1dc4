"""Leaving: the credential is destroyed at once, the mirror is emptied by a worker."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.accounts.models import User
from portal.connections.endings import end, end_all
from portal.connections.enter import destroy
from portal.connections.models import Connection, Credential
from portal.connections.verify import end_open
from portal.core import transitions
from portal.issues import book
from portal.issues.models import Issue

State = Connection.State
# What a connection can be in trouble with; without a connection none of it is to be mended.
_CAUSES = (
    Issue.Cause.BAD_CREDENTIAL,
    Issue.Cause.UNREADABLE_CREDENTIAL,
    Issue.Cause.CONSENT_ENDING,
    Issue.Cause.MISSING_PERMISSION,
    Issue.Cause.NO_SITE_ADMIN,
    Issue.Cause.GREENHOUSE_DOWN,
    Issue.Cause.SYNC_FAILING,
    Issue.Cause.UNMATCHED_PEOPLE,
    Issue.Cause.ACTING_USER_REFUSED,
    Issue.Cause.ACTIONS_FAILING,
    Issue.Cause.RATE_LIMIT,
    Issue.Cause.DRIFT,
    Issue.Cause.MOST_MISSING,
)


@transaction.atomic
def disconnect(connection: Connection, *, by: User) -> bool:
    """End the connection and mark its mirror for deletion. False when there is none to end."""
    if not transitions.won(
        connection,
        State.DISCONNECTED,
        why="disconnected",
        by=by,
        field="state",
        emptying=True,
        prepared=[],
        people_seen_at=None,
    ):
        return False
    for credential in connection.credentials.exclude(state=Credential.State.DESTROYED):
        destroy(credential, by=by, why="disconnected")
    end_all(connection, why="disconnected", by=by)
    end_open(connection, "Greenhouse was disconnected.")
    connection.fix_links.filter(done_at=None, revoked_at=None).update(revoked_at=timezone.now())
    for cause in _CAUSES:
        book.solved(connection.organization, cause, why="Greenhouse was disconnected")
    return True


@transaction.atomic
def change_account(connection: Connection, *, by: User) -> None:
    """The credential in use is another account's: what was mirrored goes before anything is read.

    Until then nobody sees anything, so that two accounts are never mixed.
    """
    for consent in connection.consents.filter(membership__isnull=False, state="living"):
        end(consent, why="another account was connected", by=by)
    end_open(connection, "Another Greenhouse account was connected.")
    Connection.objects.filter(pk=connection.pk).update(emptying=True, people_seen_at=None)
    transitions.won(
        connection, State.DISCONNECTED, why="another account was connected", by=by, field="state"
    )


def emptied(connection: Connection) -> None:
    """The mirror holds nothing any more."""
    Connection.objects.filter(pk=connection.pk).update(emptying=False)
    connection.emptying = False
