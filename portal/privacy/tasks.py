from __future__ import annotations

from portal.privacy import retention


def delete_expired_data() -> None:
    retention.delete_expired_rows()


SCHEDULES = {delete_expired_data: 24 * 60}  # minutes
