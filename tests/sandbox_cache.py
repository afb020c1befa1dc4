"""Build each sandbox account once per process; later sandboxes get a copy of it.

A seed and a size always give the same account, so a test that starts a sandbox need not build it.
"""

from __future__ import annotations

import pickle
from typing import Any

from integrations.greenhouse.sandbox import app
from integrations.greenhouse.sandbox.build import Size, build
from integrations.greenhouse.sandbox.cast import Player
from integrations.greenhouse.sandbox.world import World

_built: dict[tuple[Any, ...], bytes] = {}


def install() -> None:
    """Have every sandbox of this process use the cache."""
    app.build = _build_or_copy


def _build_or_copy(world: World, players: tuple[Player, ...], size: Size, seed: int) -> None:
    key = (world.account, world.domain, world.offset, players, size, seed)
    if key not in _built:
        build(world, players, size, seed)
        _built[key] = pickle.dumps((world.tables, world._next, world.version))
        return
    world.tables, world._next, world.version = pickle.loads(_built[key])  # noqa: S301  (our own)
    world._name_tables()
