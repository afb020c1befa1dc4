from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.urls import Resolver404, resolve

from portal.connections.oauth import partner_app
from portal.core import links


@register
def check_partner_settings(**_: Any) -> list[CheckMessage]:
    """Check that the redirect URI is our HTTPS callback and that every scope is used."""
    if not partner_app.is_configured():
        return []
    return [*_check_redirect_uri(), *_check_scopes()]


def _check_redirect_uri() -> list[CheckMessage]:
    redirect_uri = settings.GREENHOUSE_PARTNER_REDIRECT_URI
    parts = urlsplit(redirect_uri)
    errors: list[CheckMessage] = []
    if parts.scheme != "https" and not settings.INSECURE_COOKIES:
        errors.append(
            Error(
                f"GREENHOUSE_PARTNER_REDIRECT_URI is not an https address: {redirect_uri}",
                hint="Codes come back by it. Set PORTAL_URL, or name the whole address.",
                id="portal.E002",
            )
        )
    try:
        is_portal_url = resolve(parts.path).view_name == links.OAUTH_CALLBACK
    except Resolver404:
        is_portal_url = False
    if not is_portal_url:
        errors.append(
            Error(
                f"GREENHOUSE_PARTNER_REDIRECT_URI leads to no page of the portal: {redirect_uri}",
                hint="It ends in /setup/authorize/callback/.",
                id="portal.E003",
            )
        )
    return errors


def _check_scopes() -> list[CheckMessage]:
    unknown = sorted(set(settings.GREENHOUSE_PARTNER_SCOPES) - partner_app.list_usable_scopes())
    if not unknown:
        return []
    return [
        Error(
            f"GREENHOUSE_PARTNER_SCOPES names what the portal never uses: {', '.join(unknown)}",
            hint="Remove them, or remove the setting to request everything that is used.",
            id="portal.E004",
        )
    ]
