from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.models import Organization
from portal.audit import chain_anchors, hash_chain
from portal.audit.models import ChainHead
from portal.core.tenancy.scope import all_organizations


class Command(BaseCommand):
    help = "Walk every chain of the audit record and tell the first break of each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one's chain")
        parser.add_argument("--export", metavar="FILE", help="write the anchors of all chains here")
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
        organization_id = self._find_organization_id(organization)
        chain_breaks = [str(chain_break) for chain_break in hash_chain.find_breaks(organization_id)]
        chain_breaks += _list_contradictions(against, organization_id) if against else []
        if chain_breaks:
            raise CommandError("\n".join(chain_breaks))
        self._print_chains(organization_id)
        if export:
            Path(export).write_text("".join(f"{line}\n" for line in chain_anchors.export_anchors()))

    def _find_organization_id(self, organization: str | None) -> int | None:
        organization_id = None
        if organization:
            selected = Organization.objects.filter(slug=organization).first()
            if selected is None:
                raise CommandError(f"There is no organization “{organization}”.")
            organization_id = selected.pk
        return organization_id

    def _print_chains(self, organization_id: int | None) -> None:
        chains = (
            chain_anchors.list_chains()
            if organization_id is None
            else ChainHead.objects.filter(pk=organization_id)
        )
        for head in chains.order_by("pk"):
            owner = f"organization {head.pk}" if head.pk else "the portal itself"
            self.stdout.write(f"{owner}: {head.number} entries, the last sealed {head.seal[:16]}")
        self.stdout.write("The record is whole.")


def _list_contradictions(path: str, organization_id: int | None) -> list[str]:
    try:
        anchors = chain_anchors.parse_anchors(Path(path).read_text().splitlines())
    except (OSError, ValueError, chain_anchors.UnreadableAnchors):
        raise CommandError(f"{path} holds no anchors sealed with AUDIT_KEY.") from None
    return [
        f"The chain of organization {anchor.organization} had {anchor.number} entries when the "
        "anchors were exported; the last of them is gone or was changed."
        for anchor in anchors
        if organization_id in {None, anchor.organization} and chain_anchors.is_contradicted(anchor)
    ]
