"""What the commands that verify hash chains share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.models import Organization
from portal.audit.chain_checks import Anchor, parse_anchors
from portal.core.tenancy.scope import all_organizations


@dataclass(frozen=True)
class ChainKind:
    """Without an organization's ID, functions are about the chains of all."""

    noun: str  # of a chain's links
    anchor_purpose: bytes
    find_breaks: Callable[[int | None], Iterator[str]]
    list_ends: Callable[[int | None], Iterator[tuple[Anchor, int]]]  # with the number of links
    is_contradicted: Callable[[Anchor], bool]  # the anchored link is gone, or another one


class ChainCommand(BaseCommand):
    chains: ChainKind

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one's chain")
        parser.add_argument("--export", metavar="FILE", help="write the anchors of the chains here")
        parser.add_argument("--against", metavar="FILE", help="check anchors exported earlier")

    @all_organizations("every chain is verified")
    def handle(
        self,
        *args: Any,
        organization: str | None = None,
        export: str | None = None,
        against: str | None = None,
        **options: Any,
    ) -> None:
        organization_id = _find_organization_id(organization) if organization else None
        problems = list(self.find_problems(organization_id, options))
        if against:
            problems += self._list_contradictions(against, organization_id)
        if problems:
            raise CommandError("\n".join(problems))
        ends = list(self.chains.list_ends(organization_id))
        for anchor, count in ends:
            owner = f"organization {anchor.organization}"
            self.stdout.write(
                f"{owner if anchor.organization else 'the portal itself'}: "
                f"{count} {self.chains.noun}, the last sealed {anchor.seal[:16]}"
            )
        self.stdout.write("The record is whole.")
        if export:
            lines = (f"{json.dumps(asdict(anchor), sort_keys=True)}\n" for anchor, _ in ends)
            Path(export).write_text("".join(lines))

    def find_problems(self, organization_id: int | None, options: dict[str, Any]) -> Iterator[str]:
        return self.chains.find_breaks(organization_id)

    def _list_contradictions(self, path: str, organization_id: int | None) -> list[str]:
        try:
            lines = Path(path).read_text().splitlines()
            anchors = parse_anchors(lines, self.chains.anchor_purpose)
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            raise CommandError(f"{path} holds no anchors sealed with AUDIT_KEY.") from None
        return [
            f"The chain of organization {anchor.organization} had {anchor.number} "
            f"{self.chains.noun} when the anchors were exported; the last of them is gone or was "
            "changed."
            for anchor in anchors
            if organization_id in {None, anchor.organization}
            and self.chains.is_contradicted(anchor)
        ]


def _find_organization_id(slug: str) -> int:
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        raise CommandError(f"There is no organization “{slug}”.")
    return organization.pk
