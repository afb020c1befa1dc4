from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from portal.core.tenancy.scope import all_organizations


class Command(migrate.Command):
    @all_organizations("migrations change every customer's rows")
    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
