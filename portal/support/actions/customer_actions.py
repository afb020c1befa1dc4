"""Actions staff can take on a customer's behalf, each recorded in the customer's log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model
from django.http import HttpRequest

from portal.accounts.models import Organization, User
from portal.audit.entries import record_entry
from portal.connections import connection_state
from portal.connections.models import Connection, FixLink
from portal.connections.permissions import fix_links
from portal.members import invitations
from portal.members.models import Invitation
from portal.onboarding import setup_flow
from portal.sync.models import Job, RefreshRequest
from portal.sync.records import refresh_requests

HELP_PERMISSION = "support.help_customer"
State = Connection.State


@dataclass(frozen=True)
class CustomerAction:
    """`question` is the confirmation text; `log_text` completes "Cas …" in the customer's log."""

    key: str
    verb: str  # of the log entry
    label: str
    question: str
    log_text: str
    success_message: str
    run: Callable[[Connection, User], object]  # False: not applied
    allowed_states: frozenset[str]


class ActionNotApplied(Exception):
    """The connection changed concurrently."""


_SYNCING_STATES = Connection.LIVE_STATES | {State.SYNCING}
_CONNECTED_STATES = frozenset(set(State) - {State.DRAFT, State.DISCONNECTED, State.PAUSED})


def _resume_connection(connection: Connection, by: User) -> bool:
    if not connection_state.resume_connection(connection, by=by):
        return False
    setup_flow.request_check(connection, by=by)
    return True


CUSTOMER_ACTIONS = {
    action.key: action
    for action in (
        CustomerAction(
            "check",
            "support.check_requested",
            "Check permissions",
            "Tests every permission of the credential. Nothing changes in Greenhouse. It takes "
            "about a minute.",
            "requested a permission check",
            "Checking permissions.",
            lambda connection, by: setup_flow.request_check(connection, by=by),
            _CONNECTED_STATES,
        ),
        CustomerAction(
            "sync",
            "support.sync_requested",
            "Sync now",
            "Syncs everything from Greenhouse in the background. If a sync is already running, no "
            "second one starts.",
            "requested a sync",
            "Sync queued.",
            lambda connection, by: setup_flow.request_sync(connection, by=by),
            _SYNCING_STATES,
        ),
        CustomerAction(
            "pause",
            "support.connection_paused",
            "Pause",
            "Syncs and actions stop until someone resumes the connection. A running sync is "
            "canceled, and pending actions aren't sent. Until then, recruiters see no "
            "requisitions. No data is deleted.",
            "paused the connection",
            "Paused. Syncs and actions stop until you resume.",
            lambda connection, by: setup_flow.pause_connection(connection, by=by),
            _CONNECTED_STATES,
        ),
        CustomerAction(
            "resume",
            "support.connection_resumed",
            "Resume",
            "Checks all permissions, then syncs with Greenhouse. After that, people can work as "
            "before.",
            "resumed the connection",
            "Resumed. Checking permissions.",
            _resume_connection,
            frozenset({State.PAUSED}),
        ),
    )
}


def list_available_actions(connection: Connection | None) -> list[tuple[CustomerAction, str]]:
    """Return the actions relevant now, each with a reason if unavailable."""
    is_paused = connection is not None and connection.state == State.PAUSED
    hidden_key = "pause" if is_paused else "resume"
    return [
        (action, why_unavailable(action, connection))
        for key, action in CUSTOMER_ACTIONS.items()
        if key != hidden_key
    ]


def why_unavailable(action: CustomerAction, connection: Connection | None) -> str:
    """Return a reason, or "" if the action is available."""
    if connection is None or connection.credential is None:
        return "No credential yet."
    if connection.state not in action.allowed_states:
        return f"Not available while the connection is “{connection.get_state_display()}”."
    return ""


def run_action(
    action: CustomerAction, connection: Connection, *, by: User, request: HttpRequest
) -> None:
    """Run the action as this user. Raises ActionNotApplied."""
    if action.run(connection, by) is False:
        raise ActionNotApplied
    _record_action(action.verb, action.log_text, connection, connection.organization, by, request)


def assign_owner(
    organization: Organization, owner: User | None, *, by: User, request: HttpRequest
) -> None:
    """Make this staff member the customer's owner, or remove the owner."""
    Organization.objects.filter(pk=organization.pk).update(owner=owner)
    log_text = f"assigned the customer to {owner}" if owner else "removed the customer's owner"
    _record_action("support.owner_assigned", log_text, organization, organization, by, request)


def refresh_job(job: Job, *, by: User, request: HttpRequest) -> None:
    """Request a refresh of one job and its applications; the log names it by number only."""
    refresh_requests.request_refresh(job.connection, RefreshRequest.Kind.JOB, job.remote_id)
    log_text = f"requested a refresh of requisition {job.remote_id}"
    _record_action(
        "support.refresh_requested", log_text, job, job.connection.organization, by, request
    )


def create_fix_link(
    connection: Connection, *, by: User, request: HttpRequest, send_to: str = ""
) -> tuple[FixLink, str]:
    """Create a link for all missing permissions and return its token; `send_to` gets it by email.

    Raises fix_links.LimitReached, or ActionNotApplied if nothing is missing.
    """
    credential = connection.credential
    missing_permissions = fix_links.list_permissions_to_request(credential) if credential else []
    if not missing_permissions:
        raise ActionNotApplied
    keys = [permission.key for permission in missing_permissions]
    link, token = fix_links.create_link(connection, keys, by=by, send_to=send_to)
    log_text = "created a fix link"
    log_text += f" and sent it to {send_to}" if send_to else " to copy"
    _record_action("support.fix_link_created", log_text, link, connection.organization, by, request)
    return link, token


def revoke_fix_link(link: FixLink, *, by: User, request: HttpRequest) -> None:
    """Raises ActionNotApplied if it had ended."""
    if not fix_links.revoke_link(link):
        raise ActionNotApplied
    log_text = "revoked a fix link"
    _record_action(
        "support.fix_link_revoked", log_text, link, link.connection.organization, by, request
    )


def resend_invitation(invitation: Invitation, *, by: User, request: HttpRequest) -> None:
    """Raises InvitationRefused."""
    invitations.resend_invitation(invitation, by=by)
    log_text = f"resent the invitation to {invitation.email}"
    _record_action(
        "support.invitation_resent", log_text, invitation, invitation.organization, by, request
    )


def _record_action(
    verb: str,
    log_text: str,
    subject: Model,
    organization: Organization,
    by: User,
    request: HttpRequest,
) -> None:
    record_entry(
        verb,
        log_text,
        organization=organization,
        by=by,
        subject=subject,
        request=request,
    )
