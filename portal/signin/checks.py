from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register
def check_local_addresses(**_: Any) -> list[CheckMessage]:
    """Outside the demo, a customer could name services of our own machine."""
    if settings.SINGLE_SIGN_ON_LOCAL_ADDRESSES and not settings.INSECURE_COOKIES:
        return [
            Error(
                "SINGLE_SIGN_ON_LOCAL_ADDRESSES is for the demo only.",
                hint="Remove it: customers could reach services of this machine.",
                id="portal.E005",
            )
        ]
    return []
