"""Naming the admins who can help a member."""

from __future__ import annotations

from portal.accounts.models import Membership

MAX_NAMED = 3


def name_admins(organization_id: int) -> str:
    """For example "Ada Adeyemi, Bo Berg or Cy Dean"."""
    memberships = Membership.objects.filter(
        organization=organization_id, role=Membership.Role.ADMIN, user__is_active=True
    )
    admins = memberships.select_related("user").order_by("user__name", "id")[:MAX_NAMED]
    *first, last = [str(membership.user) for membership in admins] or ["an admin"]
    return f"{', '.join(first)} or {last}" if first else last


def suggest_setup_fix(member: Membership) -> str:
    """For example "Ask Ada Adeyemi to fix it in Setup."."""
    if member.is_admin:
        return "Fix it in Setup."
    return f"Ask {name_admins(member.organization_id)} to fix it in Setup."
