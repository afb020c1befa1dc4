"""The partner's application of this deployment: whether there is one, and what it asks for."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from integrations.ats import registry
from integrations.ats.consent import ConsentDoor, Partner

KIND = "harvest_partner"


def partner() -> Partner | None:
    """The application, None where the deployment has none: then nothing of it is to be seen."""
    if not is_on():
        return None
    return Partner(
        client_id=settings.GREENHOUSE_PARTNER_CLIENT_ID,
        client_secret=settings.GREENHOUSE_PARTNER_CLIENT_SECRET,
        redirect_uri=settings.GREENHOUSE_PARTNER_REDIRECT_URI,
        pkce=settings.GREENHOUSE_PARTNER_PKCE,
    )


def is_on() -> bool:
    """Whether the deployment has an application."""
    return bool(settings.GREENHOUSE_PARTNER_CLIENT_ID)


def door() -> ConsentDoor:
    """How consents are asked for."""
    return registry.consent_door(KIND)


def scopes() -> frozenset[str]:
    """What a consent is asked for: all that the portal uses, or what the deployment names.

    Greenhouse refuses a request as a whole when the application lacks one of its scopes [inferred].
    """
    return frozenset(settings.GREENHOUSE_PARTNER_SCOPES) or used_scopes()


def used_scopes() -> frozenset[str]:
    """All that the portal can use. By consent nothing can be ticked besides, so it asks for all."""
    catalogue = registry.catalogue(KIND)
    return catalogue.scopes(KIND) | catalogue.also_used


def own_scopes() -> frozenset[str]:
    """What a person's own consent is asked for: to act, and nothing that reads lists."""
    return frozenset(scope for scope in scopes() if not scope.endswith(":list"))


def origin() -> str:
    """Where the consent page is, for the browser's rule about where forms may lead."""
    parts = urlsplit(settings.GREENHOUSE_AUTH_URL)
    return f"{parts.scheme}://{parts.netloc}"
