"""What customer success sees: watch everything, help by the same verbs, never meet a secret."""

from portal.support.admin import (
    accounts,
    applications,
    audit,
    connections,
    issues,
    memberships,
    mirror,
    notices,
    signin,
    webhooks,
)

__all__ = [
    "accounts",
    "applications",
    "audit",
    "connections",
    "issues",
    "memberships",
    "mirror",
    "notices",
    "signin",
    "webhooks",
]
