from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from portal.core.secrets import key_rotation


@register(Tags.database)
def check_encryption_keys(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """An error if no stored secret decrypts (wrong key), a warning if only some do not."""
    if not databases:
        return []
    try:
        usages = key_rotation.count_key_usage()
    except DatabaseError:  # not migrated yet: nothing is stored
        return []
    unreadable = sum(usage.unreadable for usage in usages)
    if not unreadable:
        return []
    if unreadable == sum(usage.total for usage in usages):
        return [
            Error(
                f"FIELD_ENCRYPTION_KEY opens none of the {unreadable} stored secrets.",
                hint="It is probably not the key of this database. Put the right one back.",
                id="portal.E001",
            )
        ]
    return [
        Warning(
            f"{unreadable} stored secrets are opened by no key in FIELD_ENCRYPTION_KEY.",
            hint="Put the missing key back, or ask the customers to enter their credential again.",
            id="portal.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_staff_one_time_codes(**_: Any) -> list[CheckMessage]:
    if settings.STAFF_ONE_TIME_CODES:
        return []
    return [
        Warning(
            "STAFF_ONE_TIME_CODES is off: our own staff's passwords alone open the admin.",
            hint="Set STAFF_ONE_TIME_CODES=true. Whoever has no code yet is led to switch it on.",
            id="portal.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_trusted_proxies(**_: Any) -> list[CheckMessage]:
    """Warn when every request would be redirected to HTTPS forever."""
    if settings.TRUSTED_PROXIES or not settings.SECURE_SSL_REDIRECT:
        return []
    return [
        Warning(
            "TRUSTED_PROXIES is 0, so the portal cannot tell that a request came in by HTTPS.",
            hint="Set TRUSTED_PROXIES to the number of your proxies in front of the portal.",
            id="portal.W003",
        )
    ]
