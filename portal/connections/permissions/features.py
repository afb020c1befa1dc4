"""Features that are on or off, from the newest finished check of the credential in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db.models import Q, QuerySet

from integrations.ats.errors import NotSiteAdmin
from integrations.ats.permissions import Feature, Permission, PermissionOrigin, ProbeOutcome
from integrations.greenhouse.permission_catalogue import CATALOGUE
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.core.database.compiled_queries import compile_once

# Nothing can be shown without these.
ESSENTIAL_FEATURES = frozenset({"requisitions", "people"})
# Requested now so that admins need not be asked again; no page uses it yet.
UNUSED_FEATURES = frozenset({"future_access"})
# Results that switch a feature off.
_DISABLING_RESULTS = Q(outcome=ProbeOutcome.MISSING) | Q(cause=NotSiteAdmin.__name__)


@dataclass(frozen=True)
class Features:
    """`off` maps a feature's key to the feature and the permissions it lacks. `syncing` has the
    features whose permissions are granted, but whose lists were not read whole since.
    """

    off: Mapping[str, tuple[Feature, tuple[Permission, ...]]] = field(default_factory=dict)
    syncing: Mapping[str, Feature] = field(default_factory=dict)
    kind: str = ""  # of the credential
    checked: bool = False
    no_site_admin: bool = False  # Harvest v3 shows lists to Site Admins only

    @property
    def unavailable(self) -> Set[str]:
        return self.off.keys() | self.syncing.keys()

    def explain_missing(self, key: str) -> str:
        """Why the feature is off, as a clause; empty while it is on."""
        if key not in self.off:
            return ""
        feature, _ = self.off[key]
        names = ", ".join(f"“{name}”" for name in self.name_missing_permissions(key))
        return f"{feature.label} is off: the Greenhouse credential is missing {names}"

    def name_missing_permissions(self, key: str) -> list[str]:
        """The permissions that a feature lacks, as Greenhouse's screen names them."""
        _, missing = self.off[key]
        return CATALOGUE.list_checkboxes(missing, self.kind)

    def explain_off(self, key: str) -> str:
        """For everybody: names no permission, since only admins can grant one."""
        if key not in self.off:
            return ""
        feature, _ = self.off[key]
        return f"{feature.label} is off: the Greenhouse credential is missing a permission."

    def explain_syncing(self, key: str) -> str:
        """Why a feature that was granted isn't on yet; empty if it is."""
        if key not in self.syncing:
            return ""
        return f"{self.syncing[key].label}: syncing from Greenhouse. This turns on when it's done."

    def is_supported(self, key: str) -> bool:
        """Whether this kind of credential has any permission for the feature."""
        if not self.kind:
            return True
        return any(key in p.features for p in CATALOGUE.list_permissions(self.kind))

    @property
    def lacking(self) -> bool:
        """Whether a permission is missing that is not optional."""
        return any(
            p.origin != PermissionOrigin.OPTIONAL
            for _, missing in self.off.values()
            for p in missing
        )

    @property
    def blocked(self) -> bool:
        return self.no_site_admin or bool(ESSENTIAL_FEATURES & self.off.keys())


def load_features(connection: Connection) -> Features:
    """Features of a connection. Nothing is off before the first finished check; until that of a
    new credential, the results of the replaced one stay, so that nothing is taken away meanwhile.
    """
    current = _find_current_check(connection.pk)
    checks = current or _find_replaced_check(connection.pk)
    if not checks:
        return Features()
    [(run, kind, unread_lists)] = checks
    outcomes = frozenset(_find_disabling_results(run))
    unread_features = frozenset(chain.from_iterable(unread_lists.values()))
    features = _compute_features(kind, outcomes, unread_features)
    return features if current else replace(features, checked=False)


@compile_once
def _find_current_check(connection_id: int) -> QuerySet[CheckRun, tuple[Any, ...]]:
    return _list_finished_checks(connection_id).filter(credential__state=Credential.State.IN_USE)[
        :1
    ]


@compile_once
def _find_replaced_check(connection_id: int) -> QuerySet[CheckRun, tuple[Any, ...]]:
    return _list_finished_checks(connection_id).exclude(credential__state=Credential.State.PENDING)[
        :1
    ]


def _list_finished_checks(connection_id: int) -> QuerySet[CheckRun, tuple[Any, ...]]:
    checks = CheckRun.objects.filter(connection=connection_id, status=CheckRun.Status.DONE)
    return checks.values_list("pk", "credential__kind", "connection__unread_lists")


@compile_once
def _find_disabling_results(run_id: int) -> QuerySet[PermissionCheck, tuple[Any, ...]]:
    results = PermissionCheck.objects.filter(_DISABLING_RESULTS, run=run_id).order_by()
    return results.values_list("permission", "outcome", "cause")


def build_features(credential: Credential, results: Iterable[PermissionCheck]) -> Features:
    """Features that these results leave on. `unclear` switches nothing off."""
    outcomes = frozenset((r.permission, r.outcome, r.cause) for r in results)
    return _compute_features(credential.kind, outcomes)


@lru_cache(maxsize=512)  # every page and action asks, and the answer rarely changes
def _compute_features(
    kind: str,
    outcomes: frozenset[tuple[str, str, str]],
    unread_features: frozenset[str] = frozenset(),
) -> Features:
    missing = {permission for permission, outcome, _ in outcomes if outcome == ProbeOutcome.MISSING}
    catalogue = CATALOGUE
    permissions = catalogue.list_permissions(kind)
    off = {
        feature.key: (
            feature,
            tuple(p for p in permissions if p.key in missing and feature.key in p.features),
        )
        for feature in catalogue.get_disabled_features(missing, kind)
    }
    return Features(
        kind=kind,
        off=off,
        syncing={
            key: feature
            for key, feature in catalogue.features.items()
            if key in unread_features and key not in off
        },
        checked=True,
        no_site_admin=any(cause == NotSiteAdmin.__name__ for _, _, cause in outcomes),
    )
