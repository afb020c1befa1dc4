"""Documented: an added scope needs a new consent; one removed from the partner application is lost
at once, whatever was consented to.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.ats.permissions import Permission
from portal.connections.models import Credential
from portal.connections.oauth import partner_app
from portal.issues.models import Issue

Fixer = Issue.Fixer


@dataclass(frozen=True)
class PermissionFix:
    """`connect_again`: authorizing again is what helps."""

    text: str
    fixer: Issue.Fixer
    connect_again: bool = False


_AUTHORIZE_AGAIN = PermissionFix(
    "The authorization in Greenhouse doesn't include it. Connect again and agree to it. "
    "Synced data is kept.",
    Fixer.ADMIN,
    connect_again=True,
)
_REMOVED_FROM_APP = PermissionFix(
    "Greenhouse removed it from Inbound Talent's application after you agreed to it. "
    "Our team can have it restored.",
    Fixer.OPERATOR,
)
_NOT_REQUESTED = PermissionFix(
    "Inbound Talent's application in Greenhouse isn't registered for it. Our team can change that.",
    Fixer.OPERATOR,
)


def get_permission_fix(credential: Credential, permission: Permission) -> PermissionFix:
    if not credential.is_consent:
        label = credential.get_permission_label(permission)
        return PermissionFix(f"Select “{label}” under {credential.place}.", Fixer.GREENHOUSE_ADMIN)
    if permission.scope not in partner_app.list_requested_scopes():
        return _NOT_REQUESTED
    return _REMOVED_FROM_APP if permission.scope in credential.consent.scopes else _AUTHORIZE_AGAIN
