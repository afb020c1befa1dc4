from __future__ import annotations

from typing import Any

from django.core.management import CommandParser
from django.core.management.commands import migrate
from django.db import connection

from portal.core import outbox_fence
from portal.core.models import DatabaseIdentity
from portal.core.tenancy.scope import all_organizations

LOCK_TIMEOUT_SECONDS = 5


class Command(migrate.Command):
    """Gives up rather than wait long for a lock: all queries of that table would wait behind it."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout",
            type=int,
            default=LOCK_TIMEOUT_SECONDS,
            help="Seconds that a migration may wait for a lock on PostgreSQL; 0: without limit",
        )

    @all_organizations("migrations change every customer's rows")
    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{options['lock_timeout']}s'")
        super().handle(*args, **options)
        if DatabaseIdentity._meta.db_table in connection.introspection.table_names():
            outbox_fence.remember_identity()
