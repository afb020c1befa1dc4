from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.models import Organization
from portal.audit import hash_chain
from portal.audit.models import ChainHead
from portal.core.tenancy.scope import all_organizations


class Command(BaseCommand):
    help = "Walk every chain of the audit record and tell the first break of each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one's chain")

    @all_organizations("every chain is verified")
    def handle(self, *args: Any, organization: str | None = None, **options: Any) -> None:
        organization_id = None
        if organization:
            selected = Organization.objects.filter(slug=organization).first()
            if selected is None:
                raise CommandError(f"There is no organization “{organization}”.")
            organization_id = selected.pk
        chain_breaks = [str(chain_break) for chain_break in hash_chain.find_breaks(organization_id)]
        if chain_breaks:
            raise CommandError("\n".join(chain_breaks))
        chains = (
            ChainHead.objects.all()
            if organization_id is None
            else ChainHead.objects.filter(pk=organization_id)
        )
        for head in chains.order_by("pk"):
            owner = f"organization {head.pk}" if head.pk else "the portal itself"
            self.stdout.write(f"{owner}: {head.number} entries, the last sealed {head.seal[:16]}")
        self.stdout.write("The record is whole.")
