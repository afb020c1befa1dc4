from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.core.secrets import key_rotation
from portal.core.tenancy.scope import all_organizations


class Command(BaseCommand):
    help = (
        "Re-encrypts every stored secret with the first key of FIELD_ENCRYPTION_KEY, so that the "
        "older keys can be taken away. Can be stopped and started again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell how they stand")

    @all_organizations("keys are shared by all customers")
    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            for store in key_rotation.iterate_secret_stores():
                for usage in key_rotation.reencrypt_store(store):
                    self.stdout.write(f"{store.label}: {usage.total} looked at")
        usages = key_rotation.count_key_usage()
        for usage in usages:
            self.stdout.write(str(usage))
        if any(usage.unreadable for usage in usages):
            self.stdout.write("What no key opens has to be entered again by the customer.")
        if any(usage.older for usage in usages):
            self.stdout.write("Older keys are still needed.")
        else:
            self.stdout.write("Only the newest key is needed.")
