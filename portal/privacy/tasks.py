from __future__ import annotations

from portal.core.tenancy.scope import all_organizations
from portal.privacy import retention


@all_organizations("retention applies to every customer")
def delete_expired_data() -> None:
    retention.delete_expired_rows()


SCHEDULES = {delete_expired_data: 24 * 60}  # minutes
