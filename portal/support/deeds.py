"""What our staff does for a customer: the customer's own verbs, with a name under each.

Those that need nothing but a "yes" stand in DEEDS; the others are functions below them. Each leaves
an entry in the customer's own log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model
from django.http import HttpRequest

from portal.accounts.models import Organization, User
from portal.audit.record import record
from portal.connections import fix_links, standing
from portal.connections.models import Connection, FixLink
from portal.members import invite
from portal.members.models import Invitation
from portal.mirror import single
from portal.mirror.models import Job, SingleRead
from portal.onboarding import journey

MAY = "support.help_customer"
State = Connection.State


@dataclass(frozen=True)
class Deed:
    """`question` is what is confirmed; `words` complete "Cas …" in the customer's log."""

    key: str
    label: str
    question: str
    words: str
    said: str
    do: Callable[[Connection, User], object]  # False: it was not done
    states: frozenset[str]


class NotDone(Exception):
    """The connection changed meanwhile: look again."""


_READING = frozenset({State.LIVE, State.DEGRADED, State.SYNCING})
_CONNECTED = frozenset(set(State) - {State.DRAFT, State.DISCONNECTED, State.PAUSED})


def _resume(connection: Connection, by: User) -> bool:
    if not standing.resume(connection, by=by):
        return False
    journey.request_check(connection, by=by)
    return True


DEEDS = {
    deed.key: deed
    for deed in (
        Deed(
            "check",
            "Check permissions",
            "Every permission of the credential is tried again, without changing anything in "
            "Greenhouse. It takes about a minute.",
            "asked for a check of all permissions",
            "The permissions are being checked.",
            lambda connection, by: journey.request_check(connection, by=by),
            _CONNECTED,
        ),
        Deed(
            "sync",
            "Sync now",
            "Everything is read from Greenhouse again, behind what people do. A sync that already "
            "runs is joined.",
            "asked for a sync",
            "The sync waits for a worker.",
            lambda connection, by: journey.request_sync(connection, by=by),
            _READING,
        ),
        Deed(
            "pause",
            "Pause",
            "Nothing is read from Greenhouse and nothing is done there until somebody ends the "
            "pause; a sync that runs is ended. Recruiters see nothing meanwhile, and what waits "
            "to be sent is not. Nothing is deleted.",
            "paused the connection",
            "Paused. Nothing is read or done until the pause is ended.",
            lambda connection, by: journey.pause(connection, by=by),
            _CONNECTED,
        ),
        Deed(
            "resume",
            "End the pause",
            "All permissions are checked first. Then Greenhouse is read again, and people see "
            "and do as before.",
            "ended the pause",
            "The pause is over. The permissions are being checked.",
            _resume,
            frozenset({State.PAUSED}),
        ),
    )
}


def fitting(connection: Connection | None) -> list[tuple[Deed, str]]:
    """The deeds that make sense now, each with why it cannot be done, "" where it can."""
    paused = connection is not None and connection.state == State.PAUSED
    senseless = "pause" if paused else "resume"
    return [(d, why_not(d, connection)) for key, d in DEEDS.items() if key != senseless]


def why_not(deed: Deed, connection: Connection | None) -> str:
    """Why this cannot be done for the customer now; "" when it can."""
    if connection is None or connection.credential is None:
        return "No credential was entered yet."
    if connection.state not in deed.states:
        return f"Not while the connection is “{connection.get_state_display()}”."
    return ""


def do(deed: Deed, connection: Connection, *, by: User, request: HttpRequest) -> None:
    """Do it in this person's name; it stands in the customer's log. Raises NotDone."""
    if deed.do(connection, by) is False:
        raise NotDone
    _noted(deed.key, deed.words, connection, connection.organization, by, request)


def refresh(job: Job, *, by: User, request: HttpRequest) -> None:
    """Have one requisition read again, with its applications. The log names it by number only."""
    single.ask(job.connection, SingleRead.Kind.JOB, job.remote_id)
    words = f"asked for the requisition {job.remote_id} to be read again"
    _noted("refresh", words, job, job.connection.organization, by, request)


def make_link(
    connection: Connection, *, by: User, request: HttpRequest, send_to: str = ""
) -> tuple[FixLink, str]:
    """A link about all that is missing now, and its token; with `send_to` it goes there by mail.

    Raises fix_links.Enough, and NotDone where nothing is missing any more.
    """
    credential = connection.credential
    wanted = fix_links.to_ask_for(credential) if credential else []
    if not wanted:
        raise NotDone
    keys = [permission.key for permission in wanted]
    link, token = fix_links.make(connection, keys, by=by, send_to=send_to)
    words = "made a link for who manages Greenhouse"
    words += f" and sent it to {send_to}" if send_to else ", to hand it over"
    _noted("fix_link", words, link, connection.organization, by, request)
    return link, token


def revoke_link(link: FixLink, *, by: User, request: HttpRequest) -> None:
    """Take a link back. Raises NotDone where it had ended."""
    if not fix_links.revoke(link):
        raise NotDone
    words = "took back a link for who manages Greenhouse"
    _noted("fix_link_revoked", words, link, link.connection.organization, by, request)


def resend(invitation: Invitation, *, by: User, request: HttpRequest) -> None:
    """Send an invitation once more, with another link. Raises invite.Refused."""
    invite.resend(invitation, by=by)
    words = f"sent the invitation of {invitation.email} again"
    _noted("invitation", words, invitation, invitation.organization, by, request)


def _noted(
    key: str,
    words: str,
    subject: Model,
    organization: Organization,
    by: User,
    request: HttpRequest,
) -> None:
    record(
        f"support.{key}",
        words,
        organization=organization,
        by=by,
        subject=subject,
        request=request,
    )
