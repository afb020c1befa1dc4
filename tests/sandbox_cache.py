"""Build each sandbox account once per process; later sandboxes get a copy of it.

A seed and a size always give the same account, so a test that starts a sandbox need not build it.
"""

from __future__ import annotations

import pickle
from typing import Any

from integrations.greenhouse.sandbox import state
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation.account import DatasetSize, generate_account
from integrations.greenhouse.sandbox.dataset.generation.personas import Persona

_built: dict[tuple[Any, ...], bytes] = {}


def install_cache() -> None:
    """Have every sandbox of this process use the cache."""
    state.generate_account = _build_or_copy


def _build_or_copy(
    dataset: Dataset, personas: tuple[Persona, ...], size: DatasetSize, seed: int
) -> None:
    key = (dataset.account, dataset.domain, dataset.offset, personas, size, seed)
    if key not in _built:
        generate_account(dataset, personas, size, seed)
        _built[key] = pickle.dumps((dataset.tables, dataset._next, dataset.version))
        return
    dataset.tables, dataset._next, dataset.version = pickle.loads(_built[key])  # noqa: S301  (our own)
    dataset._name_tables()
