"""A manual clock, and providers and sandboxes that run on it."""

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
_PROVIDERS: Mapping[str, Any] = {V1: HarvestV1, V3: HarvestV3, PARTNER: HarvestPartner}


class HandClock:
    """A clock in epoch seconds that only `sleep` moves; `slept` records each sleep."""

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
    """Open a provider of this kind on `url`; `scopes` are those consented to, for a partner."""
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
        wiring.chains = ConsentStore(wiring, scopes=scopes)
        wiring.chains.of(None)
    return Bench(_PROVIDERS[kind](secrets or SECRETS[kind], wiring), clock, wiring, calls)


class ConsentStore:
    """Consents that are given when first needed, by Ada for the account itself."""

    partner = Partner(**SECRETS["harvest_partner"], redirect_uri="http://127.0.0.1:1/back/")

    def __init__(self, wiring: Wiring, *, scopes: frozenset[str] | None = None) -> None:
        # Consenting is not the provider's work: its calls are logged apart.
        self._calls: list[Call] = []
        self._wiring = replace(wiring, log=self._calls.append)
        self._scopes = scopes or ALL_SCOPES
        self.chains: dict[int | None, MemoryChain | None] = {}

    def of(self, acting_user_id: int | None) -> Chain | None:
        if acting_user_id not in self.chains:
            self.chains[acting_user_id] = self._give_consent(acting_user_id)
        return self.chains[acting_user_id]

    @property
    def requests(self) -> int:
        """How many requests consenting took: to the consent page and to redeem codes."""
        return len(self._calls) + 2 * len(self.chains)

    def _give_consent(self, user_id: int | None) -> MemoryChain | None:
        url, verifier = self._wiring.auth_url, "v" * 43
        address = CONSENT.address(
            self.partner, url, scopes=self._scopes, state="s", verifier=verifier
        )
        code = agree(address, user_id=user_id)
        if code is None:
            return None
        granted = CONSENT.redeem(self._wiring, self.partner, code=code, verifier=verifier)
        assert user_id is None or granted.subject == user_id
        return MemoryChain(granted.pair)


class UnknownConsents:
    """A consent that Greenhouse has never heard of."""

    def of(self, acting_user_id: int | None) -> Chain:
        tokens = {"access_token": "not-a-token", "refresh_token": "refresh.9.9.not-a-token"}
        return MemoryChain(Pair(number=1, access_until=9e9, refresh_until=9e9, **tokens))


def sandbox_on(clock: HandClock, **options: Any) -> Sandbox:
    """A sandbox on this clock, without rate limits unless given."""
    return Sandbox(
        clock=clock.as_datetime,
        **{"v1_limit": 0, "v3_limit": 0, "token_limit": 0, **options},
    )
