"""Recognize records that Greenhouse sends as they were, so that they are not prepared and written
again.

A row remembers a fingerprint of the record it was written from. It covers the fields that are read,
and everything else that decides what is stored: the code, the encryption key that contact digests
depend on, and what the step names as its context. Any other write of the row removes it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cache, cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import connection as database

import portal.core.names
import portal.sync.records
import portal.sync.writers
from integrations.greenhouse.provider import list_parser_files
from portal.connections.models import Connection
from portal.sync.engine.upsert import format_array, unpack_fingerprints
from portal.sync.models import SyncedRecord

# What turns a record into a row.
_WRITING_PACKAGES: tuple[Any, ...] = (portal.core.names, portal.sync.records, portal.sync.writers)
# The rows of a page that are not as the page has them.
_SELECT_CHANGED_SQL = """
    WITH incoming AS ({incoming})
    SELECT incoming.remote_id FROM incoming LEFT JOIN {table} existing
        ON existing.connection_id = %s AND existing.remote_id = incoming.remote_id
        AND existing.source_fingerprint = incoming.fingerprint AND existing.gone_at IS NULL
    WHERE existing.id IS NULL
"""
_HAS_FINGERPRINTS_SQL = (
    "SELECT 1 FROM {table} WHERE connection_id = %s AND source_fingerprint IS NOT NULL LIMIT 1"
)
_INCOMING_SQL = {
    "postgresql": "SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
    " AS rows(remote_id, fingerprint)",
    "sqlite": "SELECT ids.value AS remote_id, fingerprints.value AS fingerprint"
    " FROM json_each(%s) ids JOIN json_each(%s) fingerprints ON fingerprints.key = ids.key",
}


class UnchangedRecords:
    """`ChangeFilter` for one list of a connection.

    `is_whole`: a complete list is compared; of changes since the last sync, few would be known.
    """

    def __init__(
        self,
        connection: Connection,
        model: type[SyncedRecord],
        context: Iterable[str],
        *,
        credential_kind: str,
        is_whole: bool,
    ) -> None:
        self._connection_id, self._is_whole = connection.pk, is_whole
        self._table = database.ops.quote_name(model._meta.db_table)
        key = _derive_key(connection, credential_kind, model._meta.label, context)
        self._hash = partial(blake2b, digest_size=8, key=key)

    def compute_fingerprints(self, documents: Sequence[bytes]) -> Sequence[int]:
        compute = self._hash
        return unpack_fingerprints([compute(document).digest() for document in documents])

    def select_changed(self, fingerprints: Mapping[int, int]) -> Set[int]:
        if not self._is_whole or not self._has_fingerprints:
            return fingerprints.keys()
        statement = _SELECT_CHANGED_SQL.format(
            incoming=_INCOMING_SQL[database.vendor], table=self._table
        )
        remote_ids, values = format_array(fingerprints), format_array(fingerprints.values())
        with database.cursor() as cursor:
            cursor.execute(statement, [remote_ids, values, self._connection_id])
            return {remote_id for (remote_id,) in cursor.fetchall()}

    @cached_property
    def _has_fingerprints(self) -> bool:
        """Whether there is anything to compare with: not in a first sync."""
        with database.cursor() as cursor:
            cursor.execute(_HAS_FINGERPRINTS_SQL.format(table=self._table), [self._connection_id])
            return cursor.fetchone() is not None


def _derive_key(
    connection: Connection, credential_kind: str, label: str, context: Iterable[str]
) -> bytes:
    parts = (
        settings.FIELD_ENCRYPTION_KEY[0],
        str(connection.organization_id),
        credential_kind,
        label,
        _compute_code_version(),
        *context,
    )
    return blake2b(msgspec.json.encode(parts), digest_size=32).digest()


@cache
def _compute_code_version() -> str:
    digest = blake2b(unicodedata.unidata_version.encode(), digest_size=16)
    for path in (*list_parser_files(), *_list_writer_files()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _list_writer_files() -> list[Path]:
    folders = [Path(folder) for package in _WRITING_PACKAGES for folder in package.__path__]
    return sorted(path for folder in folders for path in folder.glob("*.py"))
