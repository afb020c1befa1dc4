"""Permissions as setup pages show them: result, label, fix and consequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from integrations.ats.permissions import Feature, Permission, PermissionOrigin, ProbeOutcome
from portal.connections.models import CheckRun, Credential, PermissionCheck
from portal.connections.permissions.fixes import PermissionFix, get_permission_fix

NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class PermissionItem:
    permission: Permission
    label: str
    result: PermissionCheck | None
    off: tuple[Feature, ...]
    fix: PermissionFix

    @property
    def state(self) -> str:
        """granted, missing, unclear or waiting; not_asked if no check included it."""
        return self.result.outcome if self.result else NOT_ASKED

    @property
    def is_missing(self) -> bool:
        return self.state == ProbeOutcome.MISSING

    @property
    def is_extra(self) -> bool:
        return self.permission.origin != PermissionOrigin.ARTICLE

    @property
    def is_optional(self) -> bool:
        return self.permission.origin == PermissionOrigin.OPTIONAL


def build_checklist(credential: Credential, check: CheckRun | None) -> list[PermissionItem]:
    """Every permission of this kind of credential, in the order of Greenhouse's screen."""
    results = {r.permission: r for r in check.results.all()} if check else {}
    kind, catalogue = credential.kind, credential.catalogue
    return [
        PermissionItem(
            permission=permission,
            label=credential.get_permission_label(permission),
            result=results.get(permission.key),
            off=catalogue.get_disabled_features({permission.key}, kind),
            fix=get_permission_fix(credential, permission),
        )
        for permission in sorted(
            catalogue.list_permissions(kind), key=_get_screen_order(credential)
        )
    ]


def _get_screen_order(credential: Credential) -> Callable[[Permission], int]:
    permissions = credential.catalogue.list_permissions(credential.kind)
    groups = list(dict.fromkeys(p.group for p in permissions))
    return lambda permission: groups.index(permission.group)


@dataclass
class Checkbox:
    """A checkbox on Greenhouse's screen, which may stand for several permissions."""

    group: str
    label: str
    state: str
    optional: bool
    uses: list[str]


def group_by_checkbox(
    items: Iterable[PermissionItem], previous_results: Mapping[str, PermissionCheck]
) -> list[Checkbox]:
    """Checkboxes in the order of the screen; one missing permission makes its checkbox missing.

    While a permission is being tested again, its previous result counts.
    """
    checkboxes: dict[tuple[str, str], Checkbox] = {}
    for item in items:
        group, previous = item.permission.group, previous_results.get(item.permission.key)
        state = (
            previous.outcome if item.state == PermissionCheck.WAITING and previous else item.state
        )
        checkbox = checkboxes.setdefault(
            (group, item.label), Checkbox(group, item.label, state, True, [])
        )
        checkbox.uses.append(item.permission.purpose)
        checkbox.optional = checkbox.optional and item.is_optional
        if state == ProbeOutcome.MISSING:
            checkbox.state = state
    return list(checkboxes.values())


def count_states(items: list[PermissionItem]) -> dict[str, int]:
    states = Counter(item.state for item in items)
    return {
        "all": len(items),
        "tried": len(items) - states[PermissionCheck.WAITING],
        "granted": states[ProbeOutcome.GRANTED],
        "missing": states[ProbeOutcome.MISSING],
        "unclear": states[ProbeOutcome.UNCLEAR],
        "not_asked": states[NOT_ASKED],
    }
