"""Indexes of trigrams for the search, on PostgreSQL with its extension `pg_trgm`.

Without them, and on SQLite, the same search reads the names one by one: right, only slower.
"""

from __future__ import annotations

from enum import StrEnum

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# The very expressions that `icontains` compares, so that the planner finds them.
INDEXES = {
    "job_name_trigrams": ("mirror_job", "name"),
    "job_requisition_id_trigrams": ("mirror_job", "requisition_id"),
    "ats_user_name_trigrams": ("mirror_atsuser", "name"),
    "candidate_name_trigrams": ("mirror_candidate", "(first_name || ' ' || last_name)"),
}


class Made(StrEnum):
    """What became of it: a sentence for an operator."""

    THERE = "The search has its indexes."
    NOT_HERE = "Only PostgreSQL has indexes of trigrams. The search works, only slower."
    NO_EXTENSION = (
        "The extension pg_trgm is not there, and this database user may not make it. The search "
        "works, only slower. Let somebody who may run CREATE EXTENSION pg_trgm in this database, "
        "in a schema of its search path, and then run this once more."
    )
    NOT_ALLOWED = (
        "The indexes could not be made: the tables are another database user's, or pg_trgm stands "
        "in a schema that is not in the search path. The search works, only slower."
    )


def make(database: BaseDatabaseWrapper) -> Made:
    """Make the indexes where they can be made. Never fails, and may be run at any time."""
    if database.vendor != "postgresql":
        return Made.NOT_HERE
    if not _done(database, "CREATE EXTENSION IF NOT EXISTS pg_trgm"):
        return Made.NO_EXTENSION
    made = [
        _done(
            database,
            f'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" '
            f"USING gin (UPPER({expression}::text) gin_trgm_ops)",
        )
        for name, (table, expression) in INDEXES.items()
    ]
    return Made.THERE if all(made) else Made.NOT_ALLOWED


def drop(database: BaseDatabaseWrapper) -> None:
    if database.vendor == "postgresql":
        for name in INDEXES:
            _done(database, f'DROP INDEX IF EXISTS "{name}"')


def _done(database: BaseDatabaseWrapper, statement: str) -> bool:
    try:
        with transaction.atomic(using=database.alias), database.cursor() as cursor:
            cursor.execute(statement)
    except Error:
        return False
    return True
