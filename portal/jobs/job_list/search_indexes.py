"""Trigram indexes for search. Without PostgreSQL and `pg_trgm` it works, but slowly."""

from __future__ import annotations

from enum import StrEnum

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# Exactly the expressions that are compared, so that the planner uses the indexes: `icontains`
# compares UPPER, search keys (`SearchNameField`) are compared as they are.
TRIGRAM_INDEXES = {
    "job_name_trigrams": ("sync_job", "UPPER(name::text)"),
    "job_requisition_id_trigrams": ("sync_job", "UPPER(requisition_id::text)"),
    "job_search_name_trigrams": ("sync_job", "search_name"),
    "ats_user_search_name_trigrams": ("sync_atsuser", "search_name"),
    "candidate_search_name_trigrams": ("sync_candidate", "search_name"),
}


class IndexResult(StrEnum):
    CREATED = "The search indexes are in place."
    UNSUPPORTED = "Trigram indexes need PostgreSQL. Search works without them, only slower."
    NO_EXTENSION = (
        "The extension pg_trgm is missing, and this database user can't create it. Have someone "
        "run CREATE EXTENSION pg_trgm in a schema of the search path, then run this again. Until "
        "then, search is slower."
    )
    NOT_ALLOWED = (
        "Couldn't create the indexes: the tables belong to another database user, or pg_trgm is in "
        "a schema outside the search path. Search works without them, only slower."
    )


def create_indexes(database: BaseDatabaseWrapper) -> IndexResult:
    """Create the indexes if possible. Never fails and can be repeated."""
    if database.vendor != "postgresql":
        return IndexResult.UNSUPPORTED
    if not _try_execute(database, "CREATE EXTENSION IF NOT EXISTS pg_trgm"):
        return IndexResult.NO_EXTENSION
    results = [
        _try_execute(
            database,
            f'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" '
            f"USING gin ({expression} gin_trgm_ops)",
        )
        for name, (table, expression) in TRIGRAM_INDEXES.items()
    ]
    return IndexResult.CREATED if all(results) else IndexResult.NOT_ALLOWED


def drop_indexes(database: BaseDatabaseWrapper) -> None:
    if database.vendor == "postgresql":
        for name in TRIGRAM_INDEXES:
            _try_execute(database, f'DROP INDEX IF EXISTS "{name}"')


def _try_execute(database: BaseDatabaseWrapper, statement: str) -> bool:
    try:
        with transaction.atomic(using=database.alias), database.cursor() as cursor:
            cursor.execute(statement)
    except Error:
        return False
    return True
