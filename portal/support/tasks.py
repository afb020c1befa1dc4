from __future__ import annotations

from portal.core.tenancy.scope import all_organizations
from portal.support.impersonation import sessions
from portal.support.monitoring import monitors


@all_organizations("monitors compare customers")
def run_periodic_checks() -> None:
    sessions.end_expired_impersonations()
    monitors.run_monitors()


SCHEDULES = {run_periodic_checks: 5}  # minutes
