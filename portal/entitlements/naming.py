"""The titles of requisitions, for whoever may see them."""

from __future__ import annotations

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_jobs


def titles(
    member: Membership, remote_ids: set[int], *, held: Rights | None = None
) -> dict[int, str]:
    """By Greenhouse's id, open or closed; without those that the member may not see."""
    seen = visible_jobs(member, held=held, closed=True).filter(remote_id__in=remote_ids)
    return dict(seen.order_by().values_list("remote_id", "name"))
