from portal.support.admin import (
    accounts,
    applications,
    audit,
    connections,
    issues,
    memberships,
    notifications,
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
    "signin",
    "sync",
    "webhooks",
]
