from __future__ import annotations

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_jobs


def get_job_titles(
    member: Membership, remote_ids: set[int], *, rights: Rights | None = None
) -> dict[int, str]:
    """Titles by Greenhouse ID, open or closed, without jobs the member may not see."""
    visible = visible_jobs(member, member_rights=rights, closed=True).filter(
        remote_id__in=remote_ids
    )
    return dict(visible.order_by().values_list("remote_id", "name"))
