"""Checks of hash chains, whatever they hold: every link in its place, and earlier ends kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from portal.audit.seals import is_signed, sign


class End(Protocol):
    number: int
    seal: str


@dataclass(frozen=True)
class Anchor:
    """The end of a chain, sealed, to be kept outside the database: a database that was set back as
    a whole looks intact.
    """

    organization: int  # 0: no organization
    number: int
    seal: str
    head_seal: str


def build_anchor(organization_id: int, end: End, purpose: bytes) -> Anchor:
    content = f"{organization_id}:{end.number}:{end.seal}"
    return Anchor(organization_id, end.number, end.seal, sign(content, purpose))


def is_sealed(anchor: Anchor, purpose: bytes) -> bool:
    content = f"{anchor.organization}:{anchor.number}:{anchor.seal}"
    return is_signed(content, anchor.head_seal, purpose)


def parse_anchors(lines: Iterable[str], purpose: bytes) -> list[Anchor]:
    """Raises ValueError, TypeError, AttributeError or RecursionError if one was changed."""
    anchors = [Anchor(**json.loads(line)) for line in lines if line.strip()]
    if not anchors or not all(is_sealed(anchor, purpose) for anchor in anchors):
        raise ValueError
    return anchors


def find_first_break(
    links: Iterable[Any],
    end: End,
    is_genuine: Callable[[Any, str], bool],
    *,
    number: int = 0,
    seal: str = "",
) -> tuple[int, str] | None:
    """The place of the first break, and what is wrong there. The chain begins after `number` and
    `seal`; `is_genuine` is given a link and the seal before it.
    """
    last_pk = 0
    for link in links:
        number += 1
        if link.number > number:
            return number, f"it is missing; the next one there is {link.number}"
        if link.number < number:
            return link.number, "it is there twice"
        if not is_genuine(link, seal):
            return number, "it was changed, or is not from this portal"
        if link.pk <= last_pk:  # pages list links by their id
            return number, "it was moved before an older one"
        seal, last_pk = link.seal, link.pk
    if number < end.number:
        return number + 1, f"the last {end.number - number} are missing"
    if (number, seal) != (end.number, end.seal):
        return number, "the chain's end does not know it"
    return None


def describe_break(organization_id: int, place: str, problem: str) -> str:
    owner = f"organization {organization_id}" if organization_id else "the portal"
    return f"The chain of {owner} is broken{place and f' at {place}'}: {problem}."
