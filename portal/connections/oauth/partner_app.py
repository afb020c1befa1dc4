"""This deployment's OAuth application at Greenhouse (partner OAuth)."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from integrations.ats.oauth import OAuthApp
from integrations.greenhouse.permission_catalogue import CATALOGUE

KIND = "harvest_partner"


def get_oauth_app() -> OAuthApp | None:
    if not is_configured():
        return None
    return OAuthApp(
        client_id=settings.GREENHOUSE_PARTNER_CLIENT_ID,
        client_secret=settings.GREENHOUSE_PARTNER_CLIENT_SECRET,
        redirect_uri=settings.GREENHOUSE_PARTNER_REDIRECT_URI,
        pkce=settings.GREENHOUSE_PARTNER_PKCE,
    )


def is_configured() -> bool:
    return bool(settings.GREENHOUSE_PARTNER_CLIENT_ID)


def list_requested_scopes() -> frozenset[str]:
    # Greenhouse refuses the whole request if the application lacks one of its scopes [inferred].
    return frozenset(settings.GREENHOUSE_PARTNER_SCOPES) or list_usable_scopes()


def list_usable_scopes() -> frozenset[str]:
    """Every scope the portal can use; a consent cannot be extended by hand later."""
    return CATALOGUE.list_scopes(KIND)


def list_personal_scopes() -> frozenset[str]:
    """Scopes of a personal consent: actions, but no endpoints that read lists."""
    return frozenset(scope for scope in list_requested_scopes() if not scope.endswith(":list"))


def get_authorization_origin() -> str:
    parts = urlsplit(settings.GREENHOUSE_AUTH_URL)
    return f"{parts.scheme}://{parts.netloc}"
