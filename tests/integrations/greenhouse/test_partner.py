"""Harvest v3 by OAuth consent: whose token a write uses, and the rotation of refresh tokens."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from integrations.ats.consent import SERVICE_ACCOUNT, CodeRefused, MemoryChain, Partner
from integrations.ats.errors import ActingUserRefused, AtsDown, BadCredential, NotSiteAdmin
from integrations.ats.types import Application
from integrations.greenhouse.partner import CONSENT
from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID
from tests.consenting import agree
from tests.integrations.greenhouse.conftest import Open
from tests.integrations.greenhouse.hand import PARTNER, SECRETS, Bench, ConsentStore

HOUR, DAY = 3600.0, 24 * 3600.0


@pytest.fixture
def bench(open_bench: Open) -> Bench:
    return open_bench(PARTNER)


def _consents(bench: Bench) -> ConsentStore:
    store = bench.wiring.chains
    assert isinstance(store, ConsentStore)
    return store


def _chain(bench: Bench, user_id: int | None = None) -> MemoryChain:
    chain = _consents(bench).of(user_id)
    assert isinstance(chain, MemoryChain)
    return chain


def _find_movable(bench: Bench) -> Application:
    return next(
        application
        for page in bench.provider.list_applications()
        for application in page.records
        if application.status == "active"
        and application.job_id
        and "Review" in (application.stage_name or "")
    )


def _count_renewals(bench: Bench) -> int:
    return sum(call.path == "/token" for call in bench.calls)


def _list_writers(bench: Bench) -> list[int | None]:
    return [e.acting_user for e in bench.sandbox.requests if e.path.endswith("/move")]


# -- who acts ----------------------------------------------------------------------------------
def test_write_uses_acting_users_consent(bench: Bench) -> None:
    application, ada = _find_movable(bench), bench.sandbox.world().user("ada").id
    bench.provider.advance(application.id, seen=application.seen_stage, acting_user_id=ada)
    assert _list_writers(bench) == [ada]


def test_write_without_consent_is_not_sent(bench: Bench) -> None:
    application, dana = _find_movable(bench), bench.sandbox.world().user("dana").id
    with pytest.raises(ActingUserRefused, match="not agreed"):
        bench.provider.advance(application.id, seen=application.seen_stage, acting_user_id=dana)
    assert _list_writers(bench) == []


def test_service_account_acts_when_asked(bench: Bench) -> None:
    application = _find_movable(bench)
    bench.provider.advance(
        application.id, seen=application.seen_stage, acting_user_id=SERVICE_ACCOUNT
    )
    (writer,) = _list_writers(bench)
    assert bench.sandbox.world().users[writer].service_account


def test_withdrawn_user_consent_refuses_user_only(bench: Bench) -> None:
    application, ada = _find_movable(bench), bench.sandbox.world().user("ada").id
    _chain(bench, ada)
    bench.sandbox.withdraw(user="ada")
    with pytest.raises(ActingUserRefused, match="has ended"):
        bench.provider.advance(application.id, seen=application.seen_stage, acting_user_id=ada)
    assert _chain(bench, ada).ended
    bench.provider.try_credential()  # the account's own consent still works


@pytest.mark.parametrize("not_site_admin", ["forbidden", "empty"])
def test_non_admin_consent_reads_nothing(open_bench: Open, not_site_admin: str) -> None:
    bench = open_bench(PARTNER, not_site_admin=not_site_admin)
    remy = bench.sandbox.world().user("remy").id
    _consents(bench).chains[None] = _chain(bench, remy)
    with pytest.raises(NotSiteAdmin):
        list(bench.provider.list_jobs())


# -- asking for consent ------------------------------------------------------------------------
def test_authorize_url_has_scopes_state_challenge(bench: Bench) -> None:
    partner = _consents(bench).partner
    url = CONSENT.address(partner, "https://auth.test/", scopes={"b", "a"}, state="s", verifier="v")
    parts = urlsplit(url)
    values = dict(parse_qsl(parts.query))
    assert (parts.netloc, parts.path) == ("auth.test", "/authorize")
    assert values["scope"] == "a b"
    assert values["state"] == "s"
    assert values["code_challenge_method"] == "S256"
    assert "v" not in values.values()
    url_without_pkce = CONSENT.address(
        _partner_without_pkce(bench), "https://auth.test", scopes={"a"}, state="s", verifier="v"
    )
    assert "challenge" not in url_without_pkce


def _partner_without_pkce(bench: Bench) -> Partner:
    return msgspec.structs.replace(_consents(bench).partner, pkce=False)


def test_late_or_unverified_code_is_refused(bench: Bench) -> None:
    partner, wiring = _consents(bench).partner, bench.wiring
    address = CONSENT.address(
        partner, wiring.auth_url, scopes={"harvest:jobs:list"}, state="s", verifier="v" * 43
    )
    code = agree(address)
    with pytest.raises(CodeRefused):
        CONSENT.redeem(wiring, partner, code=code, verifier="w" * 43)
    late = agree(address)
    bench.clock.time += 61
    with pytest.raises(CodeRefused):
        CONSENT.redeem(wiring, partner, code=late, verifier="v" * 43)


def test_redeemed_code_reports_user_and_scopes(bench: Bench) -> None:
    partner, wiring = _consents(bench).partner, bench.wiring
    address = CONSENT.address(
        partner, wiring.auth_url, scopes={"harvest:jobs:list"}, state="s", verifier="v" * 43
    )
    ada = bench.sandbox.world().user("ada").id
    code = agree(address, user_id=ada)
    granted = CONSENT.redeem(wiring, partner, code=code, verifier="v" * 43)
    assert (granted.subject, granted.scopes) == (ada, frozenset({"harvest:jobs:list"}))
    assert "refresh." not in repr(granted)


# -- token rotation ----------------------------------------------------------------------------
def test_access_token_is_renewed_early(bench: Bench) -> None:
    for _ in range(30):
        bench.provider.try_credential()
        bench.clock.time += HOUR - 140
    assert _count_renewals(bench) == 29
    assert _chain(bench).pair.number == 30
    assert 401 not in {call.status for call in bench.calls}


def test_threads_renew_token_once(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add("/token", latency_ms=50)
    bench.wiring.sleep = lambda _: time.sleep(0.01)
    threads = [threading.Thread(target=bench.provider.try_credential) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count_renewals(bench) == 1
    bench.provider.try_credential()
    assert not _chain(bench).ended


def test_lost_renewal_is_retried_later(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add("/token", kind="drop_before")
    with pytest.raises(AtsDown):
        bench.provider.try_credential()
    assert _count_renewals(bench) == 1  # no second try while the first may still be answered
    bench.clock.time += 90
    bench.provider.try_credential()  # the first try never arrived, so the token is still unused
    assert (_count_renewals(bench), _chain(bench).ended) == (2, "")


def test_lost_renewal_of_used_token_ends_consent(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add("/token", kind="drop_after")
    with pytest.raises(AtsDown):
        bench.provider.try_credential()
    bench.clock.time += 90
    with pytest.raises(BadCredential, match="has ended"):
        bench.provider.try_credential()
    assert _chain(bench).ended


def test_valid_access_token_survives_outage(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR - 120
    bench.sandbox.faults.add("/token", status=503)
    bench.provider.try_credential()
    assert _count_renewals(bench) == 1


def test_consent_ends_after_unrenewed_day(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += DAY
    with pytest.raises(BadCredential, match="has ended"):
        bench.provider.try_credential()


def test_stolen_refresh_token_ends_family(bench: Bench) -> None:
    bench.provider.try_credential()
    stolen = MemoryChain(_chain(bench).pair)
    CONSENT.renew(bench.wiring, _consents(bench).partner, stolen, number=stolen.pair.number)
    with pytest.raises(BadCredential, match="has ended"):
        CONSENT.renew(
            bench.wiring, _consents(bench).partner, _chain(bench), number=_chain(bench).pair.number
        )
    assert _chain(bench).ended
    with pytest.raises(BadCredential, match="has ended"):
        CONSENT.renew(bench.wiring, _consents(bench).partner, stolen, number=stolen.pair.number)


def test_wrong_client_secret_ends_no_consent(bench: Bench) -> None:
    bench.provider.try_credential()
    wrong = {"client_id": SECRETS[PARTNER]["client_id"], "client_secret": "not-the-secret"}
    bench.clock.time += HOUR
    other = type(bench.provider)(wrong, bench.wiring)
    with pytest.raises(BadCredential, match="application"):
        other.try_credential()
    bench.provider.try_credential()
    assert not _chain(bench).ended


def test_removed_scope_is_missing_at_once(bench: Bench) -> None:
    partner = bench.sandbox.consents.partners[PARTNER_CLIENT_ID]
    assert bench.provider.probe("users.list").outcome == "granted"
    partner.remove(["harvest:users:list"])
    assert bench.provider.probe("users.list").outcome == "missing"


@pytest.mark.parametrize("revocation", [True, False])
def test_tokens_are_revoked_where_supported(open_bench: Open, revocation: bool) -> None:
    bench = open_bench(PARTNER, revocation=revocation)
    wiring = replace(bench.wiring)
    pair = _chain(bench).pair
    assert CONSENT.revoke(wiring, _consents(bench).partner, pair) is revocation
    assert bool(bench.sandbox.consents.rows[1].ended) is revocation
