"""Harvest v3 by OAuth consent: whose token a write uses, and the rotation of refresh tokens."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from integrations.ats.errors import ActingUserRefused, AtsUnavailable, BadCredential, NotSiteAdmin
from integrations.ats.oauth import AuthorizationCodeRejected, OAuthApp
from integrations.ats.oauth_tokens import SERVICE_ACCOUNT_USER_ID, MemoryTokenStore
from integrations.ats.types import Application
from integrations.greenhouse.oauth.authorization_flow import OAUTH_FLOW
from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID
from tests.consent_page import obtain_code
from tests.integrations.greenhouse.conftest import OpenBench
from tests.integrations.greenhouse.provider_bench import (
    PARTNER,
    SECRETS,
    ConsentStore,
    ProviderBench,
)

HOUR, DAY = 3600.0, 24 * 3600.0


@pytest.fixture
def bench(open_bench: OpenBench) -> ProviderBench:
    return open_bench(PARTNER)


def _get_consent_store(bench: ProviderBench) -> ConsentStore:
    store = bench.context.token_stores
    assert isinstance(store, ConsentStore)
    return store


def _get_token_store(bench: ProviderBench, user_id: int | None = None) -> MemoryTokenStore:
    chain = _get_consent_store(bench).get(user_id)
    assert isinstance(chain, MemoryTokenStore)
    return chain


def _find_movable(bench: ProviderBench) -> Application:
    return next(
        application
        for page in bench.provider.list_applications()
        for application in page.records
        if application.status == "active"
        and application.job_id
        and "Review" in (application.stage_name or "")
    )


def _count_renewals(bench: ProviderBench) -> int:
    return sum(call.path == "/token" for call in bench.calls)


def _list_writers(bench: ProviderBench) -> list[int | None]:
    return [e.acting_user for e in bench.sandbox.requests if e.path.endswith("/move")]


# -- who acts ----------------------------------------------------------------------------------
def test_write_uses_acting_users_consent(bench: ProviderBench) -> None:
    application, ada = _find_movable(bench), bench.sandbox.dataset().find_user("ada").id
    bench.provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=ada
    )
    assert _list_writers(bench) == [ada]


def test_write_without_consent_is_not_sent(bench: ProviderBench) -> None:
    application, dana = _find_movable(bench), bench.sandbox.dataset().find_user("dana").id
    with pytest.raises(ActingUserRefused, match="haven't authorized"):
        bench.provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=dana
        )
    assert _list_writers(bench) == []


def test_service_account_acts_when_asked(bench: ProviderBench) -> None:
    application = _find_movable(bench)
    bench.provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=SERVICE_ACCOUNT_USER_ID
    )
    (writer,) = _list_writers(bench)
    assert bench.sandbox.dataset().users[writer].service_account


def test_withdrawn_user_consent_refuses_user_only(bench: ProviderBench) -> None:
    application, ada = _find_movable(bench), bench.sandbox.dataset().find_user("ada").id
    _get_token_store(bench, ada)
    bench.sandbox.withdraw_consents(user="ada")
    with pytest.raises(ActingUserRefused, match="has ended"):
        bench.provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=ada
        )
    assert _get_token_store(bench, ada).ended_reason
    bench.provider.verify_credential()  # the account's own consent still works


@pytest.mark.parametrize("not_site_admin", ["forbidden", "empty"])
def test_non_admin_consent_reads_nothing(open_bench: OpenBench, not_site_admin: str) -> None:
    bench = open_bench(PARTNER, not_site_admin=not_site_admin)
    remy = bench.sandbox.dataset().find_user("remy").id
    _get_consent_store(bench).token_stores[None] = _get_token_store(bench, remy)
    with pytest.raises(NotSiteAdmin):
        list(bench.provider.list_jobs())


# -- asking for consent ------------------------------------------------------------------------
def test_authorize_url_has_scopes_state_challenge(bench: ProviderBench) -> None:
    partner = _get_consent_store(bench).partner
    url = OAUTH_FLOW.build_authorization_url(
        partner, "https://auth.test/", scopes={"b", "a"}, state="s", verifier="v"
    )
    parts = urlsplit(url)
    values = dict(parse_qsl(parts.query))
    assert (parts.netloc, parts.path) == ("auth.test", "/authorize")
    assert values["scope"] == "a b"
    assert values["state"] == "s"
    assert values["code_challenge_method"] == "S256"
    assert "v" not in values.values()
    url_without_pkce = OAUTH_FLOW.build_authorization_url(
        _partner_without_pkce(bench), "https://auth.test", scopes={"a"}, state="s", verifier="v"
    )
    assert "challenge" not in url_without_pkce


def _partner_without_pkce(bench: ProviderBench) -> OAuthApp:
    return msgspec.structs.replace(_get_consent_store(bench).partner, pkce=False)


def test_late_or_unverified_code_is_refused(bench: ProviderBench) -> None:
    partner, wiring = _get_consent_store(bench).partner, bench.context
    address = OAUTH_FLOW.build_authorization_url(
        partner, wiring.auth_url, scopes={"harvest:jobs:list"}, state="s", verifier="v" * 43
    )
    code = obtain_code(address)
    with pytest.raises(AuthorizationCodeRejected):
        OAUTH_FLOW.exchange_code(wiring, partner, code=code, verifier="w" * 43)
    late = obtain_code(address)
    bench.clock.time += 61
    with pytest.raises(AuthorizationCodeRejected):
        OAUTH_FLOW.exchange_code(wiring, partner, code=late, verifier="v" * 43)


def test_redeemed_code_reports_user_and_scopes(bench: ProviderBench) -> None:
    partner, wiring = _get_consent_store(bench).partner, bench.context
    address = OAUTH_FLOW.build_authorization_url(
        partner, wiring.auth_url, scopes={"harvest:jobs:list"}, state="s", verifier="v" * 43
    )
    ada = bench.sandbox.dataset().find_user("ada").id
    code = obtain_code(address, user_id=ada)
    granted = OAUTH_FLOW.exchange_code(wiring, partner, code=code, verifier="v" * 43)
    assert (granted.subject, granted.scopes) == (ada, frozenset({"harvest:jobs:list"}))
    assert "refresh." not in repr(granted)


# -- token rotation ----------------------------------------------------------------------------
def test_access_token_is_renewed_early(bench: ProviderBench) -> None:
    for _ in range(30):
        bench.provider.verify_credential()
        bench.clock.time += HOUR - 140
    assert _count_renewals(bench) == 29
    assert _get_token_store(bench).pair.generation == 30
    assert 401 not in {call.status for call in bench.calls}


def test_threads_renew_token_once(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add_fault("/token", latency_ms=50)
    bench.context.sleep = lambda _: time.sleep(0.01)
    threads = [threading.Thread(target=bench.provider.verify_credential) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count_renewals(bench) == 1
    bench.provider.verify_credential()
    assert not _get_token_store(bench).ended_reason


def test_lost_renewal_is_retried_later(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add_fault("/token", kind="drop_before")
    with pytest.raises(AtsUnavailable):
        bench.provider.verify_credential()
    assert _count_renewals(bench) == 1  # no second try while the first may still be answered
    bench.clock.time += 90
    bench.provider.verify_credential()  # the first try never arrived, so the token is still unused
    assert (_count_renewals(bench), _get_token_store(bench).ended_reason) == (2, "")


def test_lost_renewal_of_used_token_ends_consent(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add_fault("/token", kind="drop_after")
    with pytest.raises(AtsUnavailable):
        bench.provider.verify_credential()
    bench.clock.time += 90
    with pytest.raises(BadCredential, match="has ended"):
        bench.provider.verify_credential()
    assert _get_token_store(bench).ended_reason


def test_valid_access_token_survives_outage(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    bench.clock.time += HOUR - 120
    bench.sandbox.faults.add_fault("/token", status=503)
    bench.provider.verify_credential()
    assert _count_renewals(bench) == 1


def test_consent_ends_after_unrenewed_day(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    bench.clock.time += DAY
    with pytest.raises(BadCredential, match="has ended"):
        bench.provider.verify_credential()


def test_stolen_refresh_token_ends_family(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    stolen = MemoryTokenStore(_get_token_store(bench).pair)
    OAUTH_FLOW.refresh_tokens(
        bench.context, _get_consent_store(bench).partner, stolen, number=stolen.pair.generation
    )
    with pytest.raises(BadCredential, match="has ended"):
        OAUTH_FLOW.refresh_tokens(
            bench.context,
            _get_consent_store(bench).partner,
            _get_token_store(bench),
            number=_get_token_store(bench).pair.generation,
        )
    assert _get_token_store(bench).ended_reason
    with pytest.raises(BadCredential, match="has ended"):
        OAUTH_FLOW.refresh_tokens(
            bench.context, _get_consent_store(bench).partner, stolen, number=stolen.pair.generation
        )


def test_wrong_client_secret_ends_no_consent(bench: ProviderBench) -> None:
    bench.provider.verify_credential()
    wrong = {"client_id": SECRETS[PARTNER]["client_id"], "client_secret": "not-the-secret"}
    bench.clock.time += HOUR
    other = type(bench.provider)(wrong, bench.context)
    with pytest.raises(BadCredential, match="application"):
        other.verify_credential()
    bench.provider.verify_credential()
    assert not _get_token_store(bench).ended_reason


def test_removed_scope_is_missing_at_once(bench: ProviderBench) -> None:
    partner = bench.sandbox.consents.partners[PARTNER_CLIENT_ID]
    assert bench.provider.probe_permission("users.list").outcome == "granted"
    partner.remove_permissions(["harvest:users:list"])
    assert bench.provider.probe_permission("users.list").outcome == "missing"


@pytest.mark.parametrize("revocation", [True, False])
def test_tokens_are_revoked_where_supported(open_bench: OpenBench, revocation: bool) -> None:
    bench = open_bench(PARTNER, revocation=revocation)
    wiring = replace(bench.context)
    token, partner = _get_token_store(bench).pair.refresh_token, _get_consent_store(bench).partner
    assert OAUTH_FLOW.revoke_token(wiring, partner, token) is revocation
    assert bool(bench.sandbox.consents.rows[1].ended_reason) is revocation
