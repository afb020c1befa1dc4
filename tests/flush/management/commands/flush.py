from __future__ import annotations

from typing import Any

from django.core.management.commands import flush

from portal.core.tenancy.scope import all_organizations
from tests import tables


class Command(flush.Command):
    """Put the tables back as migrated, touching only those that a test wrote to."""

    @all_organizations("a test ends")
    def handle(self, **options: Any) -> None:
        tables.restore_migrated_tables()
