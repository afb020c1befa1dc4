from __future__ import annotations

from portal.support.impersonation import sessions
from portal.support.monitoring import monitors


def run_periodic_checks() -> None:
    sessions.end_expired_impersonations()
    monitors.run_monitors()


SCHEDULES = {run_periodic_checks: 5}  # minutes
