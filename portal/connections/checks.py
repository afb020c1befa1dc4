"""What must hold of the partner's settings before the portal serves."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.urls import Resolver404, resolve

from portal.connections import partner


@register
def partner_settings_fit(**_: Any) -> list[CheckMessage]:
    """The way back leads to our own page over HTTPS, and every scope is one that we know of."""
    if not partner.is_on():
        return []
    return [*_way_back(), *_scopes()]


def _way_back() -> list[CheckMessage]:
    told = settings.GREENHOUSE_PARTNER_REDIRECT_URI
    parts = urlsplit(told)
    found: list[CheckMessage] = []
    if parts.scheme != "https" and not settings.INSECURE_COOKIES:
        found.append(
            Error(
                f"GREENHOUSE_PARTNER_REDIRECT_URI is not an https address: {told}",
                hint="Codes come back by it. Set PORTAL_URL, or name the whole address.",
                id="portal.E002",
            )
        )
    try:
        ours = resolve(parts.path).view_name == "onboarding:consent_back"
    except Resolver404:
        ours = False
    if not ours:
        found.append(
            Error(
                f"GREENHOUSE_PARTNER_REDIRECT_URI leads to no page of the portal: {told}",
                hint="It ends in /set-up/consent/back/.",
                id="portal.E003",
            )
        )
    return found


def _scopes() -> list[CheckMessage]:
    strange = sorted(set(settings.GREENHOUSE_PARTNER_SCOPES) - partner.used_scopes())
    if not strange:
        return []
    return [
        Error(
            f"GREENHOUSE_PARTNER_SCOPES names what the portal never uses: {', '.join(strange)}",
            hint="Take them out, or leave the setting away to ask for all that is used.",
            id="portal.E004",
        )
    ]
