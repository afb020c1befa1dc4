"""Required v3 scopes, and finding out why Greenhouse answered 403."""

# Documented causes: a missing scope or, for a list, a token user who is not a Site Admin and, for
# a write, the acting user's rights. The body's shape is unknown, so the cause is derived from the
# token's scopes and from lists that were readable; the body's text is the last resort.

from __future__ import annotations

import re

from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    Evidence,
    MissingPermission,
    NotSiteAdmin,
)
from integrations.greenhouse.oauth.client import TokenClaims
from integrations.greenhouse.transport.error_body import ErrorBody
from integrations.greenhouse.transport.request import HarvestRequest

_SCOPE_PATTERN = re.compile(r"\bscopes?\b|endpoint", re.IGNORECASE)
_SITE_ADMIN_PATTERN = re.compile(r"site.?admin", re.IGNORECASE)


def get_required_scope(request: HarvestRequest) -> str:
    """The scope the request needs, as `harvest:<resource>:<action>`."""
    parts = request.template.split("/")
    resource = parts[2]
    if not request.is_write:
        return f"harvest:{resource}:list"
    if len(parts) == 3:
        return f"harvest:{resource}:create"
    return f"harvest:{resource}:{parts[4] if len(parts) > 4 else 'update'}"


class ObservedAccess:
    """Access that successful requests have proven."""

    def __init__(self) -> None:
        self._granted: set[str] = set()
        self._has_seen_records = False

    def record_read(self, scope: str, *, has_records: bool) -> None:
        self._granted.add(scope)
        # Only records prove that the reader is a Site Admin: others may get an empty list.
        self._has_seen_records = self._has_seen_records or has_records

    def explain_forbidden(
        self,
        request: HarvestRequest,
        claims: TokenClaims | None,
        error_body: ErrorBody,
        evidence: Evidence,
    ) -> AtsError:
        """The error for a 403, as specific as the evidence allows."""
        scope = get_required_scope(request)
        is_granted: bool | None = True if scope in self._granted else None
        if claims is not None and claims.scopes is not None:
            is_granted = scope in claims.scopes
        if request.is_write:
            return _explain_refused_write(request, scope, is_granted, error_body, evidence)
        site_admin = True if self._has_seen_records else (claims.site_admin if claims else None)
        return _explain_refused_list(request, scope, is_granted, site_admin, error_body, evidence)


def _explain_refused_write(
    request: HarvestRequest,
    scope: str,
    is_granted: bool | None,
    error_body: ErrorBody,
    evidence: Evidence,
) -> AtsError:
    if is_granted is False or (is_granted is None and _SCOPE_PATTERN.search(error_body.message)):
        return _build_missing_scope_error(request, scope, evidence)
    if is_granted is None:
        return ActingUserRefused(
            "You don't have permission to do this in Greenhouse, or the credential is missing one.",
            evidence=evidence,
        )
    return ActingUserRefused(evidence=evidence)


def _explain_refused_list(
    request: HarvestRequest,
    scope: str,
    is_granted: bool | None,
    site_admin: bool | None,
    error_body: ErrorBody,
    evidence: Evidence,
) -> AtsError:
    if is_granted is True and site_admin is not True:
        return NotSiteAdmin(evidence=evidence)
    if is_granted is not None or site_admin is True:  # True: was just removed
        return _build_missing_scope_error(request, scope, evidence)
    if _SITE_ADMIN_PATTERN.search(error_body.message):
        return NotSiteAdmin(evidence=evidence)
    if _SCOPE_PATTERN.search(error_body.message):
        return _build_missing_scope_error(request, scope, evidence)
    return MissingPermission(
        request.permission,
        f"Greenhouse denied this list. Either the credential is missing the scope {scope}, or its "
        "Greenhouse user isn't a Site Admin.",
        evidence=evidence,
    )


def _build_missing_scope_error(
    request: HarvestRequest, scope: str, evidence: Evidence
) -> MissingPermission:
    return MissingPermission(
        request.permission,
        f"The credential is missing the scope {scope} in Greenhouse.",
        evidence=evidence,
    )
