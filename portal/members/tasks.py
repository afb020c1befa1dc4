"""What workers do with invitations."""

from __future__ import annotations

from portal.members import invite
from portal.members.models import Invitation


def send(invitation_id: int) -> None:
    invite.send(
        Invitation.objects.select_related("organization", "invited_by").get(pk=invitation_id)
    )


def sweep() -> None:
    invite.sweep()
