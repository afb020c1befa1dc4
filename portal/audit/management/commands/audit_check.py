"""`manage.py audit_check`: whether anybody has tampered with the audit record."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.models import Organization
from portal.audit import chain
from portal.audit.models import Chain


class Command(BaseCommand):
    help = "Walk every chain of the audit record and tell the first break of each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one's chain")

    def handle(self, *args: Any, organization: str | None = None, **options: Any) -> None:
        only = None
        if organization:
            found = Organization.objects.filter(slug=organization).first()
            if found is None:
                raise CommandError(f"There is no organization “{organization}”.")
            only = found.pk
        broken = [str(one) for one in chain.breaks(only)]
        if broken:
            raise CommandError("\n".join(broken))
        chains = Chain.objects.all() if only is None else Chain.objects.filter(pk=only)
        for end in chains.order_by("pk"):
            whose = f"organization {end.pk}" if end.pk else "the portal itself"
            self.stdout.write(f"{whose}: {end.number} entries, the last sealed {end.seal[:16]}")
        self.stdout.write("The record is whole.")
