from portal.support.admin import (
    accounts,
    applications,
    audit,
    connections,
    issues,
    memberships,
    notifications,
    queue,
    signin,
    sync,
    webhooks,
)

__all__ = [
    "accounts",
    "applications",
    "audit",
    "connections",
    "issues",
    "memberships",
    "notifications",
    "queue",
    "signin",
    "sync",
    "webhooks",
]
