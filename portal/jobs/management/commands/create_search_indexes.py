"""Create the search indexes if the migration was not allowed to."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from portal.core.tenancy.scope import all_organizations
from portal.jobs.job_list import search_indexes
from portal.jobs.job_list.search_indexes import IndexResult


class Command(BaseCommand):
    help = "Make PostgreSQL's indexes for the search, once the extension pg_trgm may be used."

    @all_organizations("indexes serve all customers")
    def handle(self, *args: Any, **options: Any) -> None:
        result = search_indexes.create_indexes(connection)
        if result in (IndexResult.NO_EXTENSION, IndexResult.NOT_ALLOWED):
            raise CommandError(result)
        self.stdout.write(result)
