"""Coming into an organization on the word of its own sign-in service."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from portal.accounts.models import Membership, Organization, User

Accepts = Callable[[User, Organization, str], "Membership | None"]
_invited: list[Accepts] = []


class TakenOut(Exception):
    """Their place was ended here: only somebody who may invite lets them in again."""


def by_invitation(accepts: Accepts) -> None:
    """Have this asked before anybody joins: it accepts an invitation of theirs, if one is open."""
    _invited.append(accepts)


@transaction.atomic
def join(user: User, organization: Organization, address: str) -> Membership | None:
    """The membership that begins now, None where there is one. An invitation gives the role, to the
    account's address or to `address`, for which the service vouches.

    The service knows who works there, not whom an admin has taken out: such a place is ended
    until somebody invites them. Raises TakenOut.
    """
    places = Membership._base_manager.filter(user=user, organization=organization)
    if places.filter(ended_at=None).exists():
        return None
    for accepts in _invited:
        if invited := accepts(user, organization, address):
            return invited
    if places.exists():
        raise TakenOut
    role = Membership.Role.RECRUITER
    return Membership.objects.begin(user, organization, role=role)[0]
