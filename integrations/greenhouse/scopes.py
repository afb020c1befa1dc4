"""v3's scopes, and which of several causes a 403 has.

A 403 on a list has two causes that Greenhouse documents: the scope is not ticked, or the token's
user is no Site Admin. On a write: the scope, or the acting user's rights. The body's shape is
unknown, so the cause is told by what the token says of itself, by introspection, and by whether
another list was granted; the body's words come last, and where all fail, we say so.
"""

from __future__ import annotations

import re

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    Evidence,
    MissingPermission,
    NotSiteAdmin,
)
from integrations.greenhouse.ask import Ask
from integrations.greenhouse.endpoint import Claims
from integrations.greenhouse.refusals import Refusal

_OF_SCOPE = re.compile(r"\bscopes?\b|endpoint", re.IGNORECASE)
_OF_SITE_ADMIN = re.compile(r"site.?admin", re.IGNORECASE)


def scope_of(ask: Ask) -> str:
    """The scope that a request needs: `harvest:<resource>:<action>`."""
    parts = ask.template.split("/")
    resource = parts[2]
    if not ask.writes:
        return f"harvest:{resource}:list"
    return f"harvest:{resource}:{parts[4] if len(parts) > 4 else 'update'}"


class Knowledge:
    """What this provider has seen the credential do."""

    def __init__(self) -> None:
        self._granted: set[str] = set()
        self._shown = False

    def read(self, scope: str, *, shown: bool) -> None:
        """A list was answered: its scope is granted. Where it showed something, the reader is a
        Site Admin; others may be answered with an empty one.
        """
        self._granted.add(scope)
        self._shown = self._shown or shown

    def explain(
        self, ask: Ask, claims: Claims | None, refusal: Refusal, evidence: Evidence
    ) -> AtsError:
        """The error that a 403 stands for."""
        scope = scope_of(ask)
        ticked: bool | None = True if scope in self._granted else None
        if claims is not None and claims.scopes is not None:
            ticked = scope in claims.scopes
        if ask.writes:
            return _write_refused(ask, scope, ticked, refusal, evidence)
        site_admin = True if self._shown else (claims.site_admin if claims else None)
        return _list_refused(ask, scope, ticked, site_admin, refusal, evidence)


def _write_refused(
    ask: Ask, scope: str, ticked: bool | None, refusal: Refusal, evidence: Evidence
) -> AtsError:
    if ticked is False or (ticked is None and _OF_SCOPE.search(refusal.message)):
        return _missing(ask, scope, evidence)
    words = f" It says: {refusal.message}" if refusal.message else ""
    if ticked is None:
        return ActingUserRefused(
            "Greenhouse refuses this. Either your rights there do not allow it, or the credential "
            f"lacks the scope {scope}.{words}",
            evidence=evidence,
        )
    return ActingUserRefused(
        f"Greenhouse does not let you do this. Your rights there decide.{words}",
        evidence=evidence,
    )


def _list_refused(
    ask: Ask,
    scope: str,
    ticked: bool | None,
    site_admin: bool | None,
    refusal: Refusal,
    evidence: Evidence,
) -> AtsError:
    if ticked is True and site_admin is not True:
        return NotSiteAdmin(evidence=evidence)
    if ticked is not None or site_admin is True:  # ticked, and yet refused: removed just now
        return _missing(ask, scope, evidence)
    if _OF_SITE_ADMIN.search(refusal.message):
        return NotSiteAdmin(evidence=evidence)
    if _OF_SCOPE.search(refusal.message):
        return _missing(ask, scope, evidence)
    return MissingPermission(
        ask.permission,
        f"Greenhouse refuses this list and does not say why: the scope {scope} is not ticked for "
        "this credential, or the Greenhouse user behind it is not a Site Admin.",
        evidence=evidence,
    )


def _missing(ask: Ask, scope: str, evidence: Evidence) -> MissingPermission:
    return MissingPermission(
        ask.permission,
        f"The scope {scope} is not ticked for this credential in Greenhouse.",
        evidence=evidence,
    )
