"""What every template knows about the reader."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portal.accounts.access import membership_of


def membership(request: HttpRequest) -> dict[str, Any]:
    """`membership` and `organization` of the signed-in person, None for everybody else.

    `by_consent`: whether this deployment lets people agree in Greenhouse.
    """
    member = membership_of(request)
    return {
        "membership": member,
        "organization": member.organization if member else None,
        "by_consent": bool(settings.GREENHOUSE_PARTNER_CLIENT_ID),
        "look": getattr(request, "look", None),  # support.looking: staff looks as this person
    }
