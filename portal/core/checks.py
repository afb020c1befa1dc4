"""What must hold before the portal serves: checked by `manage.py check --database default`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from portal.core import rekey


@register(Tags.database)
def keys_open_what_is_stored(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """An error when no secret at all opens (the wrong key); a warning when only some do not."""
    if not databases:
        return []
    try:
        found = rekey.tally()
    except DatabaseError:  # not migrated yet: nothing is stored
        return []
    unreadable = sum(counted.unreadable for counted in found)
    if not unreadable:
        return []
    if unreadable == sum(counted.all for counted in found):
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
def staff_need_a_code(**_: Any) -> list[CheckMessage]:
    """A warning where the admin, with its wide view, opens with a password alone."""
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
def https_needs_a_trusted_proxy(**_: Any) -> list[CheckMessage]:
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
