"""What is on and what is off, by the newest finished check of the active credential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from integrations.ats.errors import NotSiteAdmin
from integrations.ats.permissions import Feature, Origin, Outcome, Permission
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck

# Without these nothing can be shown to anybody.
ESSENTIAL = frozenset({"requisitions", "people"})
# What the portal's pages use so far; the check asks for more, so that later nobody is asked again.
IN_USE = frozenset(
    {
        "requisitions",
        "people",
        "verified_emails",
        "job_admins",
        "hiring_team",
        "stages",
        "applications",
        "candidates",
        "advance",
        "reject",
        "move",
        "unreject",
        "transfer",
        "update",
        "rejection_mail",
        "stage_history",
    }
)


@dataclass(frozen=True)
class Features:
    """`off` maps a feature's key to it and the permissions it misses."""

    off: Mapping[str, tuple[Feature, tuple[Permission, ...]]] = field(default_factory=dict)
    checked: bool = False
    no_site_admin: bool = False  # Harvest v3 shows its lists to nobody else

    def why_off(self, key: str) -> str:
        """A sentence for the person who misses the feature; "" while it is on."""
        if key not in self.off:
            return ""
        feature, missing = self.off[key]
        names = ", ".join(f"“{p.group} · {p.label}”" for p in missing)
        return (
            f"{feature.label} is off: the Greenhouse credential lacks {names}. An admin of your "
            "organization can mend that in Set-up."
        )

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
        .select_related("credential")
        .first()
    )
    if check is None:
        return Features()
    return of_results(check.credential, check.results.all())


def of_results(credential: Credential, results: Iterable[PermissionCheck]) -> Features:
    """The features that these results leave on. `unclear` switches nothing off."""
    results = list(results)
    missing = {r.permission for r in results if r.outcome == Outcome.MISSING}
    catalogue = credential.catalogue
    asked = catalogue.for_kind(credential.kind)
    return Features(
        off={
            feature.key: (
                feature,
                tuple(p for p in asked if p.key in missing and feature.key in p.features),
            )
            for feature in catalogue.features_off(missing, credential.kind)
        },
        checked=True,
        no_site_admin=any(r.cause == NotSiteAdmin.__name__ for r in results),
    )
