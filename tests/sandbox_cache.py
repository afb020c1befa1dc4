"""Build each sandbox account once per process; later sandboxes get a copy of it.

A seed and a size always give the same account, so a test that starts a sandbox need not build it.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from integrations.greenhouse.sandbox import state
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation.account import DatasetSize, generate_account
from integrations.greenhouse.sandbox.dataset.generation.personas import Persona
from integrations.greenhouse.sandbox.dataset.tables import Table
from integrations.greenhouse.sandbox.state_file import encode_state

_built: dict[tuple[Any, ...], Dataset] = {}
_hashes: dict[tuple[Any, ...], str] = {}


def install_cache() -> None:
    """Have every sandbox of this process use the cache."""
    state.generate_account = _build_or_copy


def _build_or_copy(
    dataset: Dataset, personas: tuple[Persona, ...], size: DatasetSize, seed: int
) -> None:
    key = (dataset.account, dataset.domain, dataset.offset, personas, size, seed)
    if key not in _built:
        _built[key] = Dataset(dataset.account, dataset.domain, dataset.clock, dataset.offset)
        generate_account(_built[key], personas, size, seed)
        _hashes[key] = _hash_records(_built[key])
    _copy_records(_built[key], dataset)


def list_altered_accounts() -> list[tuple[Any, ...]]:
    """Accounts that are no longer as they were built, because a test changed what copies share."""
    return [key for key, dataset in _built.items() if _hash_records(dataset) != _hashes[key]]


def _hash_records(dataset: Dataset) -> str:
    return hashlib.sha256(encode_state(dataset.to_state())).hexdigest()


def _copy_records(source: Dataset, target: Dataset) -> None:
    target.tables = {kind: _copy_table(table) for kind, table in source.tables.items()}
    target._next = dict(source._next)
    target.version = source.version
    target._name_tables()


def _copy_table(source: Table[Any]) -> Table[Any]:
    """Copy the records. Lists in their fields are shared, since changes only ever replace them."""
    target: Table[Any] = Table(source.kind)
    target.rows = {number: copy.copy(row) for number, row in source.rows.items()}
    target.ids = list(source.ids)
    target._indices = {
        field: {value: list(ids) for value, ids in index.items()}
        for field, index in source._indices.items()
    }
    return target
