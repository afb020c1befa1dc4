"""Permissions as a page shows them: what was found, where to tick, what it costs when missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from integrations.ats.permissions import Feature, Origin, Outcome, Permission
from portal.connections.models import CheckRun, Credential, PermissionCheck
from portal.connections.remedies import Remedy, remedy

NOT_ASKED = "not_asked"


@dataclass(frozen=True)
class Line:
    """One permission: what it is, what was found, what it costs when missing."""

    permission: Permission
    words: str
    result: PermissionCheck | None
    off: tuple[Feature, ...]
    remedy: Remedy

    @property
    def state(self) -> str:
        """granted, missing, unclear, waiting; not_asked when no check knew of it."""
        return self.result.outcome if self.result else NOT_ASKED

    @property
    def is_missing(self) -> bool:
        return self.state == Outcome.MISSING

    @property
    def is_extra(self) -> bool:
        return self.permission.origin != Origin.ARTICLE

    @property
    def is_optional(self) -> bool:
        return self.permission.origin == Origin.OPTIONAL


def lines(credential: Credential, check: CheckRun | None) -> list[Line]:
    """Every permission of this kind of credential, in the order of Greenhouse's screen."""
    results = {r.permission: r for r in check.results.all()} if check else {}
    kind, catalogue = credential.kind, credential.catalogue
    return [
        Line(
            permission=permission,
            words=credential.words_for(permission),
            result=results.get(permission.key),
            off=catalogue.features_off({permission.key}, kind),
            remedy=remedy(credential, permission),
        )
        for permission in sorted(catalogue.for_kind(kind), key=_screen_order(credential))
    ]


def _screen_order(credential: Credential) -> Callable[[Permission], int]:
    """Greenhouse's own order of groups, each group kept together."""
    asked = credential.catalogue.for_kind(credential.kind)
    groups = list(dict.fromkeys(p.group for p in asked))
    return lambda permission: groups.index(permission.group)


@dataclass
class Box:
    """A tick box of Greenhouse's screen, which may stand for several permissions, and its uses."""

    group: str
    words: str
    state: str
    optional: bool
    uses: list[str]


def boxes(shown: Iterable[Line], known: Mapping[str, PermissionCheck]) -> list[Box]:
    """Each tick box once, in the order of the screen.

    While one is tested again its state is that of `known`, the last results. Of several
    permissions behind one box, a missing one decides.
    """
    found: dict[tuple[str, str], Box] = {}
    for line in shown:
        group, before = line.permission.group, known.get(line.permission.key)
        state = before.outcome if line.state == PermissionCheck.WAITING and before else line.state
        box = found.setdefault((group, line.words), Box(group, line.words, state, True, []))
        box.uses.append(line.permission.use)
        box.optional = box.optional and line.is_optional
        if state == Outcome.MISSING:
            box.state = state
    return list(found.values())


def counts(shown: list[Line]) -> dict[str, int]:
    """How many are in which state, how many were tried, and all."""
    states = Counter(line.state for line in shown)
    return {
        "all": len(shown),
        "tried": len(shown) - states[PermissionCheck.WAITING],
        "granted": states[Outcome.GRANTED],
        "missing": states[Outcome.MISSING],
        "unclear": states[Outcome.UNCLEAR],
        "not_asked": states[NOT_ASKED],
    }
