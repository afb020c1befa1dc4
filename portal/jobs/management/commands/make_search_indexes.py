"""`manage.py make_search_indexes`: make the search quick, where a migration was not allowed to."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from portal.jobs import search_indexes
from portal.jobs.search_indexes import Made


class Command(BaseCommand):
    help = "Make PostgreSQL's indexes for the search, once the extension pg_trgm may be used."

    def handle(self, *args: Any, **options: Any) -> None:
        made = search_indexes.make(connection)
        if made in (Made.NO_EXTENSION, Made.NOT_ALLOWED):
            raise CommandError(made)
        self.stdout.write(made)
