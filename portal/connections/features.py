"""What is on and what is off, by the newest finished check of the active credential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from django.db.models import Q

from integrations.ats import registry
from integrations.ats.errors import NotSiteAdmin
from integrations.ats.permissions import Feature, Origin, Outcome, Permission
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck

# Without these nothing can be shown to anybody.
ESSENTIAL = frozenset({"requisitions", "people"})
# Asked for so that nobody is asked again later; no page of the portal uses it so far.
NOT_YET = frozenset({"future_access"})
# The results that switch something off.
_TELLING = Q(outcome=Outcome.MISSING) | Q(cause=NotSiteAdmin.__name__)


@dataclass(frozen=True)
class Features:
    """`off` maps a feature's key to it and the permissions it misses."""

    off: Mapping[str, tuple[Feature, tuple[Permission, ...]]] = field(default_factory=dict)
    checked: bool = False
    no_site_admin: bool = False  # Harvest v3 shows its lists to nobody else

    def lacks(self, key: str) -> str:
        """What keeps the feature off, as a clause; "" while it is on."""
        if key not in self.off:
            return ""
        feature, missing = self.off[key]
        names = ", ".join(f"“{p.group} · {p.label}”" for p in missing)
        return f"{feature.label} is off: the Greenhouse credential lacks {names}"

    def why_off(self, key: str) -> str:
        """Sentences for the person who misses the feature; "" while it is on."""
        lacks = self.lacks(key)
        return lacks and f"{lacks}. An admin of your organization can mend that in Set-up."

    @property
    def lacking(self) -> bool:
        """Whether something is missing that is more than optional."""
        return any(p.origin != Origin.OPTIONAL for _, missing in self.off.values() for p in missing)

    @property
    def blocked(self) -> bool:
        """Whether something is missing without which nothing works."""
        return self.no_site_admin or bool(ESSENTIAL & self.off.keys())


def features(connection: Connection) -> Features:
    """The features of a connection. Before the first finished check: nothing is known to be off."""
    check = (
        connection.checks.filter(
            status=CheckRun.Status.DONE, credential__state=Credential.State.IN_USE
        )
        .values_list("pk", "credential__kind")
        .first()
    )
    if check is None:
        return Features()
    run, kind = check
    told = PermissionCheck.objects.filter(_TELLING, run=run).order_by()
    return _left_on(kind, frozenset(told.values_list("permission", "outcome", "cause")))


def of_results(credential: Credential, results: Iterable[PermissionCheck]) -> Features:
    """The features that these results leave on. `unclear` switches nothing off."""
    told = frozenset((r.permission, r.outcome, r.cause) for r in results)
    return _left_on(credential.kind, told)


@lru_cache(maxsize=512)  # asked for by every page and every click, and seldom another answer
def _left_on(kind: str, told: frozenset[tuple[str, str, str]]) -> Features:
    """The features that a check leaves on: `told` are permissions with outcome and cause."""
    missing = {permission for permission, outcome, _ in told if outcome == Outcome.MISSING}
    catalogue = registry.catalogue(kind)
    asked = catalogue.for_kind(kind)
    return Features(
        off={
            feature.key: (
                feature,
                tuple(p for p in asked if p.key in missing and feature.key in p.features),
            )
            for feature in catalogue.features_off(missing, kind)
        },
        checked=True,
        no_site_admin=any(cause == NotSiteAdmin.__name__ for _, _, cause in told),
    )
