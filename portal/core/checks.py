"""What must hold before the portal serves: checked by `manage.py check --database default`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
