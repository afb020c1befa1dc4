from __future__ import annotations

from portal.core.tenancy.scope import all_organizations
from portal.members import invitations
from portal.members.models import Invitation


def send_invitation(invitation_id: int) -> None:
    invitations.send_invitation(
        Invitation.objects.select_related("organization", "invited_by").get(pk=invitation_id)
    )


@all_organizations("sweeps all customers")
def recover_lost_invitations() -> None:
    invitations.MESSAGES.recover_lost()


SCHEDULES = {recover_lost_invitations: 1}  # minutes
