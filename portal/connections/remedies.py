"""What helps where a permission is missing: a tick box, another consent, or whoever runs this.

Documented: a scope that was added needs another consent; one that was removed from the partner's
application is gone at once, whatever was agreed to.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.ats.permissions import Permission
from portal.connections import partner
from portal.connections.models import Credential
from portal.issues.models import Issue

Fixer = Issue.Fixer


@dataclass(frozen=True)
class Remedy:
    """`words` say what to do; `connect_again`: the one button that helps is that one."""

    words: str
    fixer: Issue.Fixer
    connect_again: bool = False


_AGREE = Remedy(
    "The consent does not include it: the portal asks for more than was agreed to then. "
    "Connect again and agree to it; everything that was read stays.",
    Fixer.ADMIN,
    connect_again=True,
)
_TAKEN = Remedy(
    "It was agreed to, and Greenhouse has taken it from this portal's application since; that "
    "takes effect at once. Whoever runs the portal can have it given back.",
    Fixer.OPERATOR,
)
_NOT_ASKED = Remedy(
    "This portal does not ask for it, since its application in Greenhouse is not registered for "
    "it. Whoever runs the portal can change that.",
    Fixer.OPERATOR,
)


def remedy(credential: Credential, permission: Permission) -> Remedy:
    """What helps where this credential lacks this permission."""
    if not credential.is_consent:
        words = credential.words_for(permission)
        return Remedy(f"Tick “{words}” under {credential.place}.", Fixer.GREENHOUSE_ADMIN)
    if permission.scope not in partner.scopes():
        return _NOT_ASKED
    return _TAKEN if permission.scope in credential.consent.scopes else _AGREE
