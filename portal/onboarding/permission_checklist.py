"""Permissions as setup pages show them: result, label, fix and consequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


@dataclass(frozen=True)
class Checkbox:
    """A checkbox on Greenhouse's screen, which may stand for several permissions."""

    items: tuple[PermissionItem, ...]
    state: str

    @property
    def key(self) -> str:
        """The key of one of its permissions; they are tested together."""
        return self.items[0].permission.key

    @property
    def group(self) -> str:
        return self.items[0].permission.group

    @property
    def label(self) -> str:
        return self.items[0].label

    @property
    def optional(self) -> bool:
        return all(item.is_optional for item in self.items)

    @property
    def is_missing_in_article(self) -> bool:
        """Required, but the setup article doesn't list it."""
        return any(item.permission.origin == PermissionOrigin.ADDED for item in self.items)

    @property
    def uses(self) -> list[str]:
        """What it is for, main uses first."""
        uses = dict.fromkeys(item.permission.purpose for item in self.items)
        return sorted(uses, key=lambda use: use.startswith("Refreshes"))

    @property
    def off(self) -> list[Feature]:
        """Features that are off without it."""
        return list(dict.fromkeys(feature for item in self.items for feature in item.off))

    @property
    def fix(self) -> PermissionFix:
        return self.items[0].fix

    @property
    def message(self) -> str:
        """Greenhouse's answer to the last test, if it was unclear."""
        return next((i.result.message for i in self.items if i.result and i.result.message), "")


# The state of a checkbox is the first of these that one of its permissions is in.
_STATE_PRECEDENCE = (
    ProbeOutcome.MISSING,
    PermissionCheck.WAITING,
    ProbeOutcome.UNCLEAR,
    NOT_ASKED,
    ProbeOutcome.GRANTED,
)


def group_by_checkbox(
    items: Iterable[PermissionItem],
    previous_results: Mapping[str, PermissionCheck] = MappingProxyType({}),
) -> list[Checkbox]:
    """Checkboxes in the order of the screen.

    While a permission is being tested again, its result in `previous_results` counts.
    """
    checkboxes: dict[tuple[str, str], list[PermissionItem]] = {}
    for item in items:
        checkboxes.setdefault((item.permission.group, item.label), []).append(item)
    return [
        Checkbox(tuple(grouped), _get_worst_state(grouped, previous_results))
        for grouped in checkboxes.values()
    ]


def _get_worst_state(
    items: Iterable[PermissionItem], previous_results: Mapping[str, PermissionCheck]
) -> str:
    states = set()
    for item in items:
        previous = previous_results.get(item.permission.key)
        is_waiting = item.state == PermissionCheck.WAITING
        states.add(previous.outcome if is_waiting and previous else item.state)
    return next(state for state in _STATE_PRECEDENCE if state in states)


def list_checkboxes_to_tick(kind: str) -> list[Checkbox]:
    """Every checkbox for a new credential: scopes by name, the others in the screen's order."""
    credential = Credential(kind=kind)
    checkboxes = group_by_checkbox(build_checklist(credential, None))
    return sorted(checkboxes, key=lambda box: box.label) if credential.by_scope else checkboxes


def count_states(checkboxes: list[Checkbox]) -> dict[str, int]:
    states = Counter(checkbox.state for checkbox in checkboxes)
    return {
        "all": len(checkboxes),
        "tried": len(checkboxes) - states[PermissionCheck.WAITING],
        "granted": states[ProbeOutcome.GRANTED],
        "missing": states[ProbeOutcome.MISSING],
        "unclear": states[ProbeOutcome.UNCLEAR],
        "not_asked": states[NOT_ASKED],
    }
