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
from portal.support.access.roles import CSM
from tests import tables
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory

ADMIN, RECRUITER = Membership.Role.ADMIN, Membership.Role.RECRUITER


@dataclass
class Personas:
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


_saved_rows: dict[str, tables.Table] = {}
"""What `_make` left in the database the first time; put back instead of made again."""


def create_personas() -> Personas:
    """Make everybody."""
    if _saved_rows:
        tables.insert_rows(_saved_rows)
        return _load_personas()
    was_empty = not tables.list_added_tables()
    personas = _insert_personas()
    if was_empty:
        _saved_rows.update(tables.read_tables(tables.list_added_tables()))
    return personas


def _load_personas() -> Personas:
    memberships = Membership.objects.select_related("user", "organization")
    people: dict[str, Any] = {m.user.email.split("@")[0]: m for m in memberships}
    people |= {u.email.split("@")[0]: u for u in User.objects.filter(is_staff=True)}
    return Personas(**people)


def _insert_personas() -> Personas:
    acme = OrganizationFactory(name="Acme")
    other = OrganizationFactory(name="Other Inc")

    def create_member(name: str, role: str = RECRUITER) -> Membership:
        return MembershipFactory(
            user__email=f"{name}@acme.example",
            user__name=name.title(),
            organization=acme,
            role=role,
        )

    cas = UserFactory(email="cas@portal.example", name="Cas", is_staff=True)
    cas.groups.add(Group.objects.get(name=CSM))
    return Personas(
        ada=create_member("ada", ADMIN),
        sam=create_member("sam"),
        remy=create_member("remy"),
        vic=create_member("vic"),
        uma=create_member("uma"),
        dana=create_member("dana"),
        ivy=create_member("ivy"),
        zoe=MembershipFactory(
            user__email="zoe@other.example", user__name="Zoe", organization=other, role=ADMIN
        ),
        cas=cas,
        ola=UserFactory(email="ola@portal.example", name="Ola", is_staff=True, is_superuser=True),
    )
