"""A clock that only moves when somebody sleeps, and providers that live by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.ats.wiring import Call, Lane, Wiring
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.provider import HarvestV1, HarvestV3
from integrations.greenhouse.sandbox import Sandbox

REFERENCE = Path(__file__).resolve().parents[4] / "shared" / "greenhouse"
V1, V3 = "harvest_key", "harvest_oauth"

SECRETS: Mapping[str, Mapping[str, str]] = {
    V1: {"api_key": greenhouse.ACME_V1_KEY},
    V3: {
        "client_id": greenhouse.ACME_V3_CLIENT_ID,
        "client_secret": greenhouse.ACME_V3_CLIENT_SECRET,
    },
}


class HandClock:
    """Seconds since the epoch; `sleep` moves them and is remembered."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def as_datetime(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)


@dataclass
class Bench:
    """A sandbox, a provider on it, its clock and its request log."""

    provider: HarvestV1 | HarvestV3
    clock: HandClock
    wiring: Wiring
    calls: list[Call] = field(default_factory=list)
    sandbox: Any = None


def open_on(
    kind: str,
    url: str,
    clock: HandClock,
    *,
    secrets: Mapping[str, str] | None = None,
    lane: Lane = Lane.SYNC,
    **wired: Any,
) -> Bench:
    """A provider of this kind that talks to `url`. Close `bench.provider` when done."""
    calls: list[Call] = []
    wiring = Wiring(
        api_url=url,
        auth_url=url,
        lane=lane,
        log=calls.append,
        now=clock.now,
        sleep=clock.sleep,
        **wired,
    )
    made = HarvestV1 if kind == V1 else HarvestV3
    return Bench(made(secrets or SECRETS[kind], wiring), clock, wiring, calls)


def sandbox_on(clock: HandClock, **options: Any) -> Sandbox:
    """A sandbox that lives by the same clock, without limits unless they are given."""
    return Sandbox(
        clock=clock.as_datetime,
        **{"v1_limit": 0, "v3_limit": 0, "token_limit": 0, **options},
    )


def reference(folder: str) -> list[Path]:
    """The reference files of a folder; a test without them is skipped with this reason."""
    return sorted((REFERENCE / folder).glob("*.json"))


needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(),
    reason="Greenhouse's public examples are not beside this checkout (../shared/greenhouse)",
)
