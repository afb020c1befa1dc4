"""The standing cast. The sandbox knows the people of acme.example by the same addresses.

Ada admin of Acme and Site Admin in Greenhouse · Sam recruiter, Site Admin · Remy recruiter, Job
Admin of some · Vic may advance but not reject · Uma unknown to Greenhouse · Dana deactivated there
· Ivy interviewer only · Zoe admin of another organization, who must see nothing of Acme's · Cas
customer success · Ola operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group

from portal.accounts.models import Membership, User
from portal.support.roles import CSM
from tests import tables
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

ADMIN, RECRUITER = Membership.Role.ADMIN, Membership.Role.RECRUITER


@dataclass
class Cast:
    ada: Membership
    sam: Membership
    remy: Membership
    vic: Membership
    uma: Membership
    dana: Membership
    ivy: Membership
    zoe: Membership
    cas: User
    ola: User


_rows: dict[str, tables.Table] = {}
"""What `_make` left in the database the first time; put back instead of made again."""


def gather() -> Cast:
    """Make everybody."""
    if _rows:
        tables.write(_rows)
        return _fetch()
    was_empty = not tables.added()
    cast = _make()
    if was_empty:
        _rows.update(tables.read(tables.added()))
    return cast


def _fetch() -> Cast:
    memberships = Membership.objects.select_related("user", "organization")
    people: dict[str, Any] = {m.user.email.split("@")[0]: m for m in memberships}
    people |= {u.email.split("@")[0]: u for u in User.objects.filter(is_staff=True)}
    return Cast(**people)


def _make() -> Cast:
    acme = OrganizationFactory(name="Acme")
    other = OrganizationFactory(name="Other Inc")

    def member(name: str, role: str = RECRUITER) -> Membership:
        return MembershipFactory(
            user__email=f"{name}@acme.example",
            user__name=name.title(),
            organization=acme,
            role=role,
        )

    cas = UserFactory(email="cas@portal.example", name="Cas", is_staff=True)
    cas.groups.add(Group.objects.get(name=CSM))
    return Cast(
        ada=member("ada", ADMIN),
        sam=member("sam"),
        remy=member("remy"),
        vic=member("vic"),
        uma=member("uma"),
        dana=member("dana"),
        ivy=member("ivy"),
        zoe=MembershipFactory(
            user__email="zoe@other.example", user__name="Zoe", organization=other, role=ADMIN
        ),
        cas=cas,
        ola=UserFactory(email="ola@portal.example", name="Ola", is_staff=True, is_superuser=True),
    )
