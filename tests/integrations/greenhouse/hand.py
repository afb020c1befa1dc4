"""A clock that only moves when somebody sleeps, and providers that live by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from integrations.ats.consent import Chain, MemoryChain, Pair, Partner
from integrations.ats.wiring import Call, Lane, Wiring
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.partner import CONSENT
from integrations.greenhouse.provider import HarvestPartner, HarvestV1, HarvestV3
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.permissions import ALL_SCOPES
from tests.consenting import agree

V1, V3, PARTNER = "harvest_key", "harvest_oauth", "harvest_partner"

SECRETS: Mapping[str, Mapping[str, str]] = {
    V1: {"api_key": greenhouse.ACME_V1_KEY},
    V3: {
        "client_id": greenhouse.ACME_V3_CLIENT_ID,
        "client_secret": greenhouse.ACME_V3_CLIENT_SECRET,
    },
    PARTNER: {
        "client_id": greenhouse.PARTNER_CLIENT_ID,
        "client_secret": greenhouse.PARTNER_CLIENT_SECRET,
    },
}
_MADE: Mapping[str, Any] = {V1: HarvestV1, V3: HarvestV3, PARTNER: HarvestPartner}


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

    provider: Any
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
    scopes: frozenset[str] | None = None,
    **wired: Any,
) -> Bench:
    """A provider of this kind that talks to `url`. Close `bench.provider` when done.

    `scopes`: what is agreed to, where the credential is a consent.
    """
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
    if kind == PARTNER and wiring.chains is None:
        wiring.chains = Consented(wiring, scopes=scopes)
        wiring.chains.of(None)
    return Bench(_MADE[kind](secrets or SECRETS[kind], wiring), clock, wiring, calls)


class Consented:
    """Everybody whom the sandbox lets in agrees as soon as it is needed; Ada for the account."""

    partner = Partner(**SECRETS["harvest_partner"], redirect_uri="http://127.0.0.1:1/back/")

    def __init__(self, wiring: Wiring, *, scopes: frozenset[str] | None = None) -> None:
        self._asked: list[Call] = []
        # Agreeing is not the provider's: it leaves no line in its log.
        self._wiring = replace(wiring, log=self._asked.append)
        self._scopes = scopes or ALL_SCOPES
        self.chains: dict[int | None, MemoryChain | None] = {}

    def of(self, acting_user_id: int | None) -> Chain | None:
        if acting_user_id not in self.chains:
            self.chains[acting_user_id] = self._agreed(acting_user_id)
        return self.chains[acting_user_id]

    @property
    def requests(self) -> int:
        """How many requests agreeing took: those to the page, and those to change codes."""
        return len(self._asked) + 2 * len(self.chains)

    def _agreed(self, user_id: int | None) -> MemoryChain | None:
        url, verifier = self._wiring.auth_url, "v" * 43
        address = CONSENT.address(
            self.partner, url, scopes=self._scopes, state="s", verifier=verifier
        )
        code = agree(address, user_id=user_id)
        if code is None:
            return None
        told = CONSENT.redeem(self._wiring, self.partner, code=code, verifier=verifier)
        assert user_id is None or told.subject == user_id
        return MemoryChain(told.pair)


class Strange:
    """A consent that Greenhouse has never heard of."""

    def of(self, acting_user_id: int | None) -> Chain:
        nothing = {"access_token": "not-a-token", "refresh_token": "refresh.9.9.not-a-token"}
        return MemoryChain(Pair(number=1, access_until=9e9, refresh_until=9e9, **nothing))


def sandbox_on(clock: HandClock, **options: Any) -> Sandbox:
    """A sandbox that lives by the same clock, without limits unless they are given."""
    return Sandbox(
        clock=clock.as_datetime,
        **{"v1_limit": 0, "v3_limit": 0, "token_limit": 0, **options},
    )
