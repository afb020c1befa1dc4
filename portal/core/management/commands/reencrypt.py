"""Move every stored secret to the newest key."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.core import rekey


class Command(BaseCommand):
    help = (
        "Re-encrypts every stored secret with the first key of FIELD_ENCRYPTION_KEY, so that the "
        "older keys can be taken away. Can be stopped and started again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell how they stand")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            for kept in rekey.all_kept():
                for counted in rekey.move(kept):
                    self.stdout.write(f"{kept.label}: {counted.all} looked at")
        found = rekey.tally()
        for counted in found:
            self.stdout.write(str(counted))
        if any(counted.unreadable for counted in found):
            self.stdout.write("What no key opens has to be entered again by the customer.")
        if any(counted.older for counted in found):
            self.stdout.write("Older keys are still needed.")
        else:
            self.stdout.write("Only the newest key is needed.")
