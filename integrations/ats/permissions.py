from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from integrations.ats.errors import Evidence


class ProbeOutcome(StrEnum):
    GRANTED = "granted"
    MISSING = "missing"
    UNCLEAR = "unclear"  # never blocks and never claims success


class PermissionOrigin(StrEnum):
    ARTICLE = "article"  # the setup article lists it
    ADDED = "added"  # not in the article, but the product needs it
    OPTIONAL = "optional"  # switches on something extra


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    label: str
    without_it: str  # what people miss while it is off


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    # In the order and wording of the ATS's own screen.
    key: str
    group: str
    label: str  # the checkbox, for API keys
    scope: str  # the OAuth scope
    origin: PermissionOrigin
    features: tuple[str, ...]
    purpose: str  # what we do with it, in one or two short sentences
    # Credential kinds that have this permission.
    kinds: tuple[str, ...] = ("harvest_key", "harvest_oauth", "harvest_partner")


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    permission: str
    outcome: ProbeOutcome
    evidence: Evidence | None
    sentence: str = ""
    # Class name of the AtsError behind it. A granted scope that is unusable because its user is no
    # Site Admin is UNCLEAR, caused by NotSiteAdmin.
    cause: str = ""


class PermissionCatalogue(msgspec.Struct, frozen=True, kw_only=True):
    permissions: tuple[Permission, ...]
    features: Mapping[str, Feature]
    screen_paths: Mapping[str, str]  # credential kind -> path to the vendor's screen
    scope_kinds: frozenset[str]  # credential kinds whose permissions are scopes; some share one

    def list_permissions(self, kind: str) -> tuple[Permission, ...]:
        return tuple(p for p in self.permissions if kind in p.kinds)

    def get(self, key: str, kind: str) -> Permission:
        """Raises KeyError if this kind of credential doesn't have the permission."""
        return {p.key: p for p in self.list_permissions(kind)}[key]

    def get_permission_label(self, permission: Permission, kind: str) -> str:
        return permission.scope if kind in self.scope_kinds else permission.label

    def list_checkboxes(self, permissions: Iterable[Permission], kind: str) -> list[str]:
        """Unique names of these permissions; with v3 several may share a scope."""
        if kind in self.scope_kinds:
            return list(dict.fromkeys(p.scope for p in permissions))
        return [f"{p.group} › {p.label}" for p in permissions]

    def list_scopes(self, kind: str) -> frozenset[str]:
        return frozenset(p.scope for p in self.list_permissions(kind))

    def get_disabled_features(self, missing: set[str], kind: str) -> tuple[Feature, ...]:
        keys = [f for p in self.list_permissions(kind) if p.key in missing for f in p.features]
        return tuple(self.features[key] for key in dict.fromkeys(keys))
