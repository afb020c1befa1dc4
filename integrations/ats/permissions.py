"""Permissions and features: what a credential may do, and what that switches on.

The table itself belongs to a vendor (for Greenhouse: `integrations.greenhouse.catalogue`); these
are the words it is written in.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from integrations.ats.errors import Evidence


class Outcome(StrEnum):
    """What a probe found. `unclear` never blocks and never claims success."""

    GRANTED = "granted"
    MISSING = "missing"
    UNCLEAR = "unclear"


class Origin(StrEnum):
    """Why the portal asks for a permission."""

    ARTICLE = "article"  # the set-up article lists it
    ADDED = "added"  # not in the article, but the product needs it
    OPTIONAL = "optional"  # switches on something extra


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """Something the portal does. It is off while a permission it needs is missing."""

    key: str
    label: str
    off: str  # what a person misses while it is off


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """One tick box in the ATS, in the order and words of its own screen.

    `label` is the tick box (API key), `scope` the OAuth scope; `place` says where to find each.
    `kinds` are the credential kinds that know the permission.
    """

    key: str
    group: str
    label: str
    scope: str
    origin: Origin
    features: tuple[str, ...]
    use: str  # what the portal does with it, for somebody who does not know the portal
    why: str = ""  # for added and optional ones
    kinds: tuple[str, ...] = ("harvest_key", "harvest_oauth", "harvest_partner")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one permission, with what was seen.

    `cause` is the class name of the AtsError that explains it ("" = none): a granted scope that
    cannot be used because its user is no Site Admin is `unclear`, caused by `NotSiteAdmin`.
    """

    permission: str
    outcome: Outcome
    evidence: Evidence | None
    sentence: str = ""
    cause: str = ""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the portal may ask of a vendor's credential."""

    permissions: tuple[Permission, ...]
    features: Mapping[str, Feature]
    places: Mapping[str, str]  # credential kind -> where to tick, in the vendor's own words
    by_scope: frozenset[str]  # credential kinds whose permissions are scopes; some share one
    also_used: frozenset[str] = frozenset()  # scopes used where they are ticked, asked of nobody

    def for_kind(self, kind: str) -> tuple[Permission, ...]:
        """The permissions that a credential of this kind can hold, in screen order."""
        return tuple(p for p in self.permissions if kind in p.kinds)

    def get(self, key: str, kind: str) -> Permission:
        """The permission with this key for this kind. Raises KeyError where there is none."""
        return {p.key: p for p in self.for_kind(kind)}[key]

    def words_for(self, permission: Permission, kind: str) -> str:
        """What the tick box is called on the screen for this kind of credential."""
        return permission.scope if kind in self.by_scope else permission.label

    def scopes(self, kind: str) -> frozenset[str]:
        """Every scope that a credential of this kind is asked to carry."""
        return frozenset(p.scope for p in self.for_kind(kind))

    def features_off(self, missing: set[str], kind: str) -> tuple[Feature, ...]:
        """The features that cannot work while these permissions are missing."""
        keys = [f for p in self.for_kind(kind) if p.key in missing for f in p.features]
        return tuple(self.features[key] for key in dict.fromkeys(keys))
