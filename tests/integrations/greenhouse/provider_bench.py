"""A manual clock, and providers and sandboxes that run on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from integrations.ats.client_context import ApiCallRecord, ClientContext, Lane
from integrations.ats.oauth import OAuthApp
from integrations.ats.oauth_tokens import MemoryTokenStore, TokenPair, TokenStore
from integrations.greenhouse import sandbox as greenhouse
from integrations.greenhouse.oauth.authorization_flow import OAUTH_FLOW
from integrations.greenhouse.provider import HarvestPartner, HarvestV1, HarvestV3
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.auth.permissions import ALL_SCOPES
from tests.consent_page import obtain_code

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


class ManualClock:
    """A clock in epoch seconds that only `sleep` moves; `slept` records each sleep."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.time = start
        self.slept: list[float] = []

    def get_time(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def as_datetime(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)


@dataclass
class ProviderBench:
    """A sandbox, a provider on it, its clock and its request log."""

    provider: Any
    clock: ManualClock
    context: ClientContext
    calls: list[ApiCallRecord] = field(default_factory=list)
    sandbox: Any = None


def open_provider_bench(
    kind: str,
    url: str,
    clock: ManualClock,
    *,
    secrets: Mapping[str, str] | None = None,
    lane: Lane = Lane.SYNC,
    scopes: frozenset[str] | None = None,
    **wired: Any,
) -> ProviderBench:
    """Open a provider of this kind on `url`; `scopes` are those consented to, for a partner."""
    calls: list[ApiCallRecord] = []
    context = ClientContext(
        api_url=url,
        auth_url=url,
        lane=lane,
        log_call=calls.append,
        now=clock.get_time,
        sleep=clock.sleep,
        **wired,
    )
    if kind == PARTNER and context.token_stores is None:
        context.token_stores = ConsentStore(context, scopes=scopes)
        context.token_stores.get(None)
    return ProviderBench(_PROVIDERS[kind](secrets or SECRETS[kind], context), clock, context, calls)


class ConsentStore:
    """Consents that are given when first needed, by Ada for the account itself."""

    partner = OAuthApp(**SECRETS["harvest_partner"], redirect_uri="http://127.0.0.1:1/back/")

    def __init__(self, context: ClientContext, *, scopes: frozenset[str] | None = None) -> None:
        # Consenting is not the provider's work: its calls are logged apart.
        self._calls: list[ApiCallRecord] = []
        self._context = replace(context, log_call=self._calls.append)
        self._scopes = scopes or ALL_SCOPES
        self.token_stores: dict[int | None, MemoryTokenStore | None] = {}

    def get(self, acting_user_id: int | None) -> TokenStore | None:
        if acting_user_id not in self.token_stores:
            self.token_stores[acting_user_id] = self._give_consent(acting_user_id)
        return self.token_stores[acting_user_id]

    @property
    def request_count(self) -> int:
        """How many requests consenting took: to the consent page and to redeem codes."""
        return len(self._calls) + 2 * len(self.token_stores)

    def _give_consent(self, user_id: int | None) -> MemoryTokenStore | None:
        url, verifier = self._context.auth_url, "v" * 43
        address = OAUTH_FLOW.build_authorization_url(
            self.partner, url, scopes=self._scopes, state="s", verifier=verifier
        )
        code = obtain_code(address, user_id=user_id)
        if code is None:
            return None
        granted = OAUTH_FLOW.exchange_code(
            self._context, self.partner, code=code, verifier=verifier
        )
        assert user_id is None or granted.subject == user_id
        return MemoryTokenStore(granted.pair)


class UnknownConsents:
    """A consent that Greenhouse has never heard of."""

    def get(self, acting_user_id: int | None) -> TokenStore:
        tokens = {"access_token": "not-a-token", "refresh_token": "refresh.9.9.not-a-token"}
        return MemoryTokenStore(
            TokenPair(generation=1, access_expires_at=9e9, refresh_expires_at=9e9, **tokens)
        )


def create_sandbox(clock: ManualClock, **options: Any) -> Sandbox:
    """A sandbox on this clock, without rate limits unless given."""
    return Sandbox(
        clock=clock.as_datetime,
        **{"v1_limit": 0, "v3_limit": 0, "token_limit": 0, **options},
    )
