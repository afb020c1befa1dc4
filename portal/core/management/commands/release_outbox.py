from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.core import outbox_fence
from portal.core.tenancy.scope import all_organizations


class Command(BaseCommand):
    help = (
        "After a restored backup: compare what was waiting to be sent with Greenhouse, send none of"
        " it, and let workers continue. --raise stops them instead."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--raise", action="store_true", help="Raise the fence by hand")

    @all_organizations("a backup holds every customer's rows")
    def handle(self, *args: Any, **options: Any) -> None:
        if options["raise"]:
            outbox_fence.raise_fence()
            self.stdout.write("Workers take no tasks until you run release_outbox.")
        elif not outbox_fence.is_fenced():
            raise CommandError("The outbox is not fenced.")
        else:
            for line in outbox_fence.release_fence():
                self.stdout.write(line)
            self.stdout.write("Workers continue.")
