"""Harvest v3 by consent: whose name a write carries, and a chain of tokens that must not break."""

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
from tests.integrations.greenhouse.hand import PARTNER, SECRETS, Bench, Consented

HOUR, DAY = 3600.0, 24 * 3600.0


@pytest.fixture
def bench(open_bench: Open) -> Bench:
    return open_bench(PARTNER)


def _people(bench: Bench) -> Consented:
    people = bench.wiring.chains
    assert isinstance(people, Consented)
    return people


def _chain(bench: Bench, user_id: int | None = None) -> MemoryChain:
    chain = _people(bench).of(user_id)
    assert isinstance(chain, MemoryChain)
    return chain


def _movable(bench: Bench) -> Application:
    return next(
        one
        for page in bench.provider.list_applications()
        for one in page.records
        if one.status == "active" and one.job_id and "Review" in (one.stage_name or "")
    )


def _renewals(bench: Bench) -> int:
    return sum(call.path == "/token" for call in bench.calls)


def _writers(bench: Bench) -> list[int | None]:
    return [e.acting_user for e in bench.sandbox.requests if e.path.endswith("/move")]


# -- who acts ----------------------------------------------------------------------------------
def test_a_write_goes_out_with_the_consent_of_the_person_who_acts(bench: Bench) -> None:
    one, ada = _movable(bench), bench.sandbox.world().user("ada").id
    bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=ada)
    assert _writers(bench) == [ada]


def test_without_their_consent_nothing_is_sent(bench: Bench) -> None:
    one, dana = _movable(bench), bench.sandbox.world().user("dana").id
    with pytest.raises(ActingUserRefused, match="not agreed"):
        bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=dana)
    assert _writers(bench) == []


def test_the_service_account_acts_only_where_that_is_asked_for(bench: Bench) -> None:
    one = _movable(bench)
    bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=SERVICE_ACCOUNT)
    (writer,) = _writers(bench)
    assert bench.sandbox.world().users[writer].service_account


def test_a_persons_consent_that_was_taken_back_is_theirs_to_mend(bench: Bench) -> None:
    one, ada = _movable(bench), bench.sandbox.world().user("ada").id
    _chain(bench, ada)
    bench.sandbox.withdraw(user="ada")
    with pytest.raises(ActingUserRefused, match="has ended"):
        bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=ada)
    assert _chain(bench, ada).ended
    bench.provider.try_credential()  # everything else goes on


@pytest.mark.parametrize("not_site_admin", ["forbidden", "empty"])
def test_a_consent_by_somebody_who_is_no_site_admin_reads_nothing(
    open_bench: Open, not_site_admin: str
) -> None:
    bench = open_bench(PARTNER, not_site_admin=not_site_admin)
    remy = bench.sandbox.world().user("remy").id
    _people(bench).chains[None] = _chain(bench, remy)
    with pytest.raises(NotSiteAdmin):
        list(bench.provider.list_jobs())


# -- asking for consent ------------------------------------------------------------------------
def test_the_address_carries_scopes_state_and_a_challenge(bench: Bench) -> None:
    partner = _people(bench).partner
    told = CONSENT.address(
        partner, "https://auth.test/", scopes={"b", "a"}, state="s", verifier="v"
    )
    parts = urlsplit(told)
    values = dict(parse_qsl(parts.query))
    assert (parts.netloc, parts.path) == ("auth.test", "/authorize")
    assert values["scope"] == "a b"
    assert values["state"] == "s"
    assert values["code_challenge_method"] == "S256"
    assert "v" not in values.values()
    plain = CONSENT.address(
        _without_pkce(bench), "https://auth.test", scopes={"a"}, state="s", verifier="v"
    )
    assert "challenge" not in plain


def _without_pkce(bench: Bench) -> Partner:
    return msgspec.structs.replace(_people(bench).partner, pkce=False)


def test_a_code_that_is_late_or_has_the_wrong_verifier_is_refused(bench: Bench) -> None:
    partner, wiring = _people(bench).partner, bench.wiring
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


def test_what_was_agreed_to_is_told(bench: Bench) -> None:
    partner, wiring = _people(bench).partner, bench.wiring
    address = CONSENT.address(
        partner, wiring.auth_url, scopes={"harvest:jobs:list"}, state="s", verifier="v" * 43
    )
    ada = bench.sandbox.world().user("ada").id
    code = agree(address, user_id=ada)
    told = CONSENT.redeem(wiring, partner, code=code, verifier="v" * 43)
    assert (told.subject, told.scopes) == (ada, frozenset({"harvest:jobs:list"}))
    assert "refresh." not in repr(told)


# -- the chain ---------------------------------------------------------------------------------
def test_an_access_token_is_renewed_before_it_ends_and_the_chain_goes_on(bench: Bench) -> None:
    for _ in range(30):
        bench.provider.try_credential()
        bench.clock.time += HOUR - 140
    assert _renewals(bench) == 29
    assert _chain(bench).pair.number == 30
    assert 401 not in {call.status for call in bench.calls}


def test_threads_that_renew_at_once_use_one_refresh_token_once(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add("/token", latency_ms=50)
    bench.wiring.sleep = lambda _: time.sleep(0.01)
    threads = [threading.Thread(target=bench.provider.try_credential) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _renewals(bench) == 1
    bench.provider.try_credential()
    assert not _chain(bench).ended


def test_a_lost_answer_keeps_the_turn_and_is_tried_once_more(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add("/token", kind="drop_before")
    with pytest.raises(AtsDown):
        bench.provider.try_credential()
    assert _renewals(bench) == 1  # nobody tries again while its turn may still be answered
    bench.clock.time += 90
    bench.provider.try_credential()  # it had not arrived: it is still good
    assert (_renewals(bench), _chain(bench).ended) == (2, "")


def test_a_lost_answer_to_a_used_token_is_told_as_the_end(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR
    bench.sandbox.faults.add("/token", kind="drop_after")
    with pytest.raises(AtsDown):
        bench.provider.try_credential()
    bench.clock.time += 90
    with pytest.raises(BadCredential, match="has ended"):
        bench.provider.try_credential()
    assert _chain(bench).ended


def test_while_greenhouse_is_down_the_living_access_token_goes_on(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += HOUR - 120
    bench.sandbox.faults.add("/token", status=503)
    bench.provider.try_credential()
    assert _renewals(bench) == 1


def test_after_a_day_without_renewal_the_consent_is_over(bench: Bench) -> None:
    bench.provider.try_credential()
    bench.clock.time += DAY
    with pytest.raises(BadCredential, match="has ended"):
        bench.provider.try_credential()


def test_a_stolen_refresh_token_ends_the_family_and_that_is_seen(bench: Bench) -> None:
    bench.provider.try_credential()
    stolen = MemoryChain(_chain(bench).pair)
    CONSENT.renew(bench.wiring, _people(bench).partner, stolen, number=stolen.pair.number)
    with pytest.raises(BadCredential, match="has ended"):
        CONSENT.renew(
            bench.wiring, _people(bench).partner, _chain(bench), number=_chain(bench).pair.number
        )


def test_an_application_that_greenhouse_does_not_know_ends_no_consent(bench: Bench) -> None:
    bench.provider.try_credential()
    wrong = {"client_id": SECRETS[PARTNER]["client_id"], "client_secret": "not-the-secret"}
    bench.clock.time += HOUR
    other = type(bench.provider)(wrong, bench.wiring)
    with pytest.raises(BadCredential, match="application"):
        other.try_credential()
    bench.provider.try_credential()
    assert not _chain(bench).ended


def test_a_removed_scope_is_missing_at_once(bench: Bench) -> None:
    partner = bench.sandbox.consents.partners[PARTNER_CLIENT_ID]
    assert bench.provider.probe("users.list").outcome == "granted"
    partner.remove(["harvest:users:list"])
    assert bench.provider.probe("users.list").outcome == "missing"


@pytest.mark.parametrize("revocation", [True, False])
def test_tokens_are_given_up_where_greenhouse_takes_that(
    open_bench: Open, revocation: bool
) -> None:
    bench = open_bench(PARTNER, revocation=revocation)
    wiring = replace(bench.wiring)
    pair = _chain(bench).pair
    assert CONSENT.revoke(wiring, _people(bench).partner, pair) is revocation
    assert bool(bench.sandbox.consents.rows[1].ended) is revocation
