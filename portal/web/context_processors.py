from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portal import __version__
from portal.accounts.access import (
    get_membership,
    list_blocked_organizations,
    list_memberships,
)


def membership_context(request: HttpRequest) -> dict[str, Any]:
    membership = get_membership(request)
    user = getattr(request, "user", None)  # none if a middleware before has refused the request
    return {
        "membership": membership,
        "organization": membership.organization if membership else None,
        "other_organizations": [
            other.organization for other in list_memberships(request) if other != membership
        ],
        "blocked_organizations": list_blocked_organizations(request),
        "portal_version": __version__,
        "can_authorize_in_greenhouse": bool(settings.GREENHOUSE_PARTNER_CLIENT_ID),
        "session_seconds_left": getattr(request.session, "seconds_left", None)
        if user and user.is_authenticated
        else None,
        "impersonation": getattr(request, "impersonation", None),  # set by portal.support
    }
