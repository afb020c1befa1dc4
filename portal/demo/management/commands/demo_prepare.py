"""Bring the demo's static files and database up to date, in one process because that is faster."""

from __future__ import annotations

import gc
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from portal.demo.home import STATIC_FILES_READY


class Command(BaseCommand):
    help = "Collects static files, migrates, and creates the demo's people."
    requires_system_checks = ()  # the web server runs them when it starts

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("collectstatic", interactive=False, verbosity=1)
        self.stdout.write(STATIC_FILES_READY)
        # Migrating renders thousands of short-lived model classes. Collecting them would take a
        # quarter of the time, here and once more when the process exits.
        gc.disable()
        try:
            call_command("migrate", interactive=False, verbosity=1)
            call_command("demo_people")
        finally:
            gc.freeze()
            gc.enable()
