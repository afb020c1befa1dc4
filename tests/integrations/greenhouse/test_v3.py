"""What only v3 has: tokens per user, scopes and Site Admins, two kinds of stage id."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest
import respx

from integrations.ats.errors import (
    ActingUserRefused,
    BadCredential,
    Conflict,
    MissingPermission,
    NotFound,
    NotSiteAdmin,
)
from integrations.ats.permissions import Outcome
from integrations.ats.types import Application, SeenStage
from integrations.ats.wiring import MemoryStore
from integrations.greenhouse.catalogue import CATALOGUE
from integrations.greenhouse.endpoint import claims_of
from tests.integrations.greenhouse.conftest import Open
from tests.integrations.greenhouse.hand import SECRETS, V3, Bench, HandClock, open_on

API = "https://harvest.example"
KEYS = [permission.key for permission in CATALOGUE.for_kind(V3)]


def tokens_asked(bench: Bench) -> int:
    return sum(1 for call in bench.calls if call.path == "/token")


def ada(bench: Bench) -> int:
    users = (user for page in bench.provider.list_users() for user in page.records)
    return next(user.id for user in users if user.name.startswith("Ada"))


def ada_of(bench: Bench) -> int:
    found: int = bench.sandbox.world().user("ada").id
    return found


def movable(bench: Bench) -> Application:
    applications = (a for page in bench.provider.list_applications() for a in page.records)
    return next(
        a
        for a in applications
        if a.status == "active" and a.job_id and a.stage_name == "Application Review"
    )


# -- tokens ------------------------------------------------------------------------------------
def test_one_token_serves_all_reads_and_is_renewed_a_minute_before_it_ends(
    open_bench: Open,
) -> None:
    bench = open_bench(V3, token_lifetime=600)
    bench.provider.try_credential()
    bench.provider.try_credential()
    assert tokens_asked(bench) == 1
    bench.clock.time += 600 - 61
    bench.provider.try_credential()
    assert tokens_asked(bench) == 1
    bench.clock.time += 2
    bench.provider.try_credential()
    assert tokens_asked(bench) == 2
    assert 401 not in {call.status for call in bench.calls}


@pytest.mark.parametrize("field", ["expires_at", "expires_in", "expires"])
def test_the_life_of_a_token_is_read_under_each_of_its_names(open_bench: Open, field: str) -> None:
    bench = open_bench(V3, token_field=field, token_lifetime=600)
    bench.provider.try_credential()
    bench.clock.time += 545
    bench.provider.try_credential()
    assert tokens_asked(bench) == 2


def test_a_token_that_ended_early_is_renewed_once(open_bench: Open) -> None:
    bench = open_bench(V3)
    bench.provider.try_credential()
    bench.sandbox.expire_tokens()
    bench.provider.try_credential()
    assert tokens_asked(bench) == 2
    bench.sandbox.faults.add("/v3/jobs", kind="token_expired", times=None)
    with pytest.raises(BadCredential):
        bench.provider.try_credential()
    assert tokens_asked(bench) == 3


def test_providers_of_one_connection_share_tokens(open_bench: Open) -> None:
    tokens, state = MemoryStore(), MemoryStore()
    bench = open_bench(V3, wired={"tokens": tokens, "state": state})
    bench.provider.try_credential()
    other = open_on(V3, bench.wiring.api_url, bench.clock, tokens=tokens, state=state)
    other.provider.try_credential()
    assert tokens_asked(other) == 0


def test_many_at_once_fetch_one_token(open_bench: Open) -> None:
    bench = open_bench(V3)
    bench.sandbox.faults.add("/token", latency_ms=50)
    bench.wiring.sleep = lambda _: time.sleep(0.01)
    threads = [threading.Thread(target=bench.provider.try_credential) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens_asked(bench) == 1


def test_each_acting_user_has_a_token_of_their_own(open_bench: Open) -> None:
    bench = open_bench(V3)
    user, one = ada(bench), movable(bench)
    bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=user)
    assert tokens_asked(bench) == 2
    written = [entry for entry in bench.sandbox.requests if entry.path.endswith("/move")]
    assert [entry.acting_user for entry in written] == [user]


def test_a_new_secret_does_not_use_the_old_one_s_token(open_bench: Open) -> None:
    tokens = MemoryStore()
    bench = open_bench(V3, wired={"tokens": tokens})
    bench.provider.try_credential()
    wrong = dict(SECRETS[V3]) | {"client_secret": "another-secret"}
    other = open_on(V3, bench.wiring.api_url, bench.clock, secrets=wrong, tokens=tokens)
    with pytest.raises(BadCredential):
        other.provider.try_credential()


def test_a_malformed_client_id_is_told_without_repeating_it(open_bench: Open) -> None:
    bench = open_bench(V3, secrets={"client_id": "notaclient", "client_secret": "x" * 20})
    with pytest.raises(BadCredential) as caught:
        bench.provider.try_credential()
    assert "notaclient" not in repr((caught.value, caught.value.evidence))


def test_a_credential_without_any_scope_works_and_lacks_everything(open_bench: Open) -> None:
    bench = open_bench(V3)
    with respx.mock(base_url=API) as wire:
        told = {"message": "Client application is not requesting any scopes"}
        wire.post("/token").respond(400, json=told)
        other = open_on(V3, API, HandClock())
        other.provider.try_credential()
        found = list(other.provider.probe_all(KEYS))
        with pytest.raises(MissingPermission) as caught:
            list(other.provider.list_users())
    assert caught.value.permission == "users.list"
    assert {probe.outcome for probe in found} == {Outcome.MISSING}
    assert bench.calls == []


def test_claims_are_read_defensively() -> None:
    def token(body: Any) -> str:
        part = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
        return f"x.{part}.y"

    assert claims_of(token({"scope": "a b"})).scopes == frozenset({"a", "b"})
    assert claims_of(token({"scopes": ["a"]})).scopes == frozenset({"a"})
    assert claims_of(token({"scp": "a,b"})).scopes == frozenset({"a", "b"})
    for odd in ("", "x", "x.y", "a.b.c", token([]), token({"scope": 5}), token({})):
        assert claims_of(odd).scopes is None


# -- scopes, and Site Admins -------------------------------------------------------------------
WAYS = [
    {"scope_claim": True, "introspection": False},
    {"scope_claim": False, "introspection": True},
]


@pytest.mark.parametrize("way", WAYS, ids=["claim", "introspection"])
@pytest.mark.parametrize(
    "refusal",
    [
        {"forbidden_body": "message"},
        {"forbidden_body": "empty"},
        {"forbidden_body": "html"},
        {"not_site_admin": "empty"},
    ],
    ids=["message", "empty", "html", "nothing"],
)
def test_no_site_admin_is_told_apart_from_a_missing_scope(
    open_bench: Open, way: dict[str, bool], refusal: dict[str, str]
) -> None:
    bench = open_bench(V3, **refusal, **way)
    bench = _as(bench, reader_is_site_admin=False)
    with pytest.raises(NotSiteAdmin):
        list(bench.provider.list_jobs())
    found = {probe.permission: probe for probe in bench.provider.probe_all(KEYS)}
    assert found["jobs.list"].outcome is Outcome.UNCLEAR
    assert found["jobs.list"].cause == "NotSiteAdmin"
    assert found["applications.reject"].outcome is Outcome.GRANTED


@pytest.mark.parametrize("not_site_admin", ["forbidden", "empty"])
def test_what_a_reader_who_is_no_site_admin_is_not_shown_is_not_gone(
    open_bench: Open, not_site_admin: str
) -> None:
    bench = open_bench(V3, not_site_admin=not_site_admin)
    one = movable(bench)
    stages = bench.provider.stages_of_job(one.job_id)
    reader = bench.sandbox.credentials.find(SECRETS[V3]["client_id"]).service_user_id
    bench.sandbox.mutate("set_site_admin", user=reader, site_admin=False)
    blind = open_on(V3, bench.wiring.api_url, bench.clock).provider
    for read in (
        lambda: blind.get_application(one.id),
        lambda: blind.get_candidate(one.candidate_id),
        lambda: blind.get_job(one.job_id),
        lambda: blind.get_user(ada_of(bench)),
        lambda: blind.get_stage(stages[0].id),
        lambda: blind.stages_of_job(one.job_id),
        lambda: list(blind.applications_of_job(one.job_id)),
        lambda: list(blind.list_users()),
        lambda: list(blind.list_applications()),
        lambda: list(blind.job_permissions(user_ids=[1])),
        lambda: list(blind.list_user_roles()),
    ):
        with pytest.raises(NotSiteAdmin, match="not a Site Admin"):
            read()


def test_a_record_that_is_gone_costs_one_look_at_others_however_many_are_gone(
    open_bench: Open,
) -> None:
    bench = open_bench(V3)
    for turn in range(5):
        with pytest.raises(NotFound):
            bench.provider.get_candidate(987654321012 + turn)
    asked = [call.path for call in bench.calls if call.path.startswith("/v3/")]
    assert asked == ["/v3/candidates"] * 6


def test_the_last_of_a_list_is_gone_where_users_are_shown(open_bench: Open) -> None:
    bench = open_bench(V3)
    for row in list(bench.sandbox.world().candidates):
        bench.sandbox.mutate("delete_candidate", candidate_id=row.id)
    with pytest.raises(NotFound):
        bench.provider.get_candidate(row.id)
    assert [page.records for page in bench.provider.list_candidates()] == [()]


def test_a_credential_that_may_not_read_users_is_believed(open_bench: Open) -> None:
    bench = open_bench(V3)
    for row in list(bench.sandbox.world().candidates):
        bench.sandbox.mutate("delete_candidate", candidate_id=row.id)
    other = _as(bench, without=["harvest:users:list"])
    assert [page.records for page in other.provider.list_candidates()] == [()]


@pytest.mark.parametrize("way", WAYS, ids=["claim", "introspection"])
def test_a_missing_scope_is_told_apart_from_no_site_admin(
    open_bench: Open, way: dict[str, bool]
) -> None:
    bench = _as(open_bench(V3, forbidden_body="empty", **way), without=["harvest:jobs:list"])
    with pytest.raises(MissingPermission) as caught:
        list(bench.provider.list_jobs())
    assert "harvest:jobs:list" in caught.value.sentence
    assert bench.provider.probe("jobs.list").outcome is Outcome.MISSING


BLIND = {"scope_claim": False, "introspection": False, "forbidden_body": "empty"}


def test_where_nothing_tells_another_granted_list_does(open_bench: Open) -> None:
    bench = _as(open_bench(V3, **BLIND), without=["harvest:jobs:list"])
    found = {probe.permission: probe.outcome for probe in bench.provider.probe_all(KEYS)}
    assert found["jobs.list"] is Outcome.MISSING
    assert found["users.list"] is Outcome.GRANTED


def test_where_nothing_tells_we_say_so(open_bench: Open) -> None:
    bench = _as(open_bench(V3, **BLIND), reader_is_site_admin=False)
    with pytest.raises(MissingPermission) as caught:
        list(bench.provider.list_jobs())
    assert "scope" in caught.value.sentence
    assert "Site Admin" in caught.value.sentence
    found = {probe.permission: probe for probe in bench.provider.probe_all(KEYS)}
    assert found["jobs.list"].outcome is Outcome.UNCLEAR


def test_writes_are_proven_on_no_record_where_scopes_cannot_be_learnt(open_bench: Open) -> None:
    bench = open_bench(V3, **BLIND | {"forbidden_body": "message"})
    other = _as(bench, without=["harvest:applications:reject"])
    before = bench.sandbox.stats()
    found = {probe.permission: probe.outcome for probe in other.provider.probe_all(KEYS)}
    assert found["applications.reject"] is not Outcome.GRANTED  # v3 says no by an unknown body
    assert found["applications.move"] is Outcome.GRANTED
    written = [entry.path for entry in bench.sandbox.requests if "/applications/" in entry.path]
    assert written
    assert all("/applications/0" in path for path in written)
    assert bench.sandbox.stats() == before


def test_scopes_are_asked_for_once_each(open_bench: Open) -> None:
    bench = open_bench(V3)
    list(bench.provider.probe_all(KEYS))
    scopes = {permission.scope for permission in CATALOGUE.for_kind(V3)}
    asked = [call.path for call in bench.calls]
    assert len(asked) <= len(scopes) + 2
    assert len(asked) == len(set(asked))


def test_a_reader_s_id_is_who_lists_are_read_as(open_bench: Open) -> None:
    bench = open_bench(V3)
    user = ada(bench)
    client = bench.sandbox.credentials.create_client(reader_is_site_admin=False)
    secrets = {"client_id": client.client_id, "client_secret": client.client_secret}
    url = bench.wiring.api_url
    admin = open_on(V3, url, bench.clock, secrets=secrets | {"reader_id": str(user)})
    assert list(admin.provider.list_jobs())
    nobody = open_on(V3, url, bench.clock, secrets=secrets | {"reader_id": "424242"})
    with pytest.raises(BadCredential) as caught:
        list(nobody.provider.list_jobs())
    assert "user ID" in caught.value.sentence


def test_a_403_on_a_write_of_a_granted_scope_is_about_the_person(open_bench: Open) -> None:
    bench = open_bench(V3, forbidden_body="empty")
    one = movable(bench)
    users = [user for page in bench.provider.list_users() for user in page.records]
    basil = next(user.id for user in users if user.name.startswith("Basil"))
    with pytest.raises(ActingUserRefused):
        bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=basil)


def test_a_credential_revoked_in_the_middle_leaves_the_rest_unclear(open_bench: Open) -> None:
    bench = open_bench(V3)
    bench.sandbox.faults.add("/v3/", kind="token_expired", times=None)
    found = list(bench.provider.probe_all(KEYS))
    read = [probe for probe in found if probe.permission.endswith(".list")]
    assert {probe.outcome for probe in read} == {Outcome.UNCLEAR}
    assert {probe.cause for probe in read} == {"BadCredential"}


def _as(bench: Bench, **client: Any) -> Bench:
    made = bench.sandbox.credentials.create_client(**client)
    secrets = {"client_id": made.client_id, "client_secret": made.client_secret}
    return open_on(V3, bench.wiring.api_url, bench.clock, secrets=secrets)


# -- two kinds of stage id ---------------------------------------------------------------------
@pytest.mark.parametrize("from_stage", ["entry", "job_stage", "either"])
def test_whichever_id_greenhouse_wants_it_gets(open_bench: Open, from_stage: str) -> None:
    bench = open_bench(V3, from_stage=from_stage)
    user = ada(bench)
    for turn in range(2):
        one = movable(bench)
        before = len(bench.calls)
        receipt = bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=user)
        assert receipt.application is not None
        assert receipt.application.stage_id != one.stage_id
        writes = [c for c in bench.calls[before:] if c.path.endswith("/move")]
        learnt = turn == 1 or from_stage != "job_stage"
        assert [call.status for call in writes] == ([204] if learnt else [422, 204])


@pytest.mark.parametrize("from_stage", ["entry", "job_stage"])
def test_a_stale_stage_is_not_tried_with_the_other_id(open_bench: Open, from_stage: str) -> None:
    bench = open_bench(V3, from_stage=from_stage)
    user, one = ada(bench), movable(bench)
    bench.sandbox.mutate("move_application", application_id=one.id)
    before = len(bench.calls)
    with pytest.raises(Conflict):
        bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=user)
    assert len([c for c in bench.calls[before:] if c.path.endswith("/move")]) == 1


def test_half_of_what_was_seen_is_enough(open_bench: Open) -> None:
    bench = open_bench(V3, from_stage="entry")
    user, one = ada(bench), movable(bench)
    seen = SeenStage(stage_id=one.stage_id)
    assert bench.provider.advance(one.id, seen=seen, acting_user_id=user).application


def test_what_was_learnt_is_shared_by_the_connection(open_bench: Open) -> None:
    state = MemoryStore()
    bench = open_bench(V3, from_stage="job_stage", wired={"state": state})
    user, one = ada(bench), movable(bench)
    bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=user)
    other = open_on(V3, bench.wiring.api_url, bench.clock, state=state)
    one = movable(other)
    other.provider.advance(one.id, seen=one.seen_stage, acting_user_id=user)
    assert 422 not in {call.status for call in other.calls}


# -- applications without the job's stage ------------------------------------------------------
@pytest.mark.parametrize("jobs", [6, 20])
def test_a_missing_stage_is_looked_up(open_bench: Open, jobs: int) -> None:
    """Few are asked for by their ids, many by the list of all present stages."""
    old = open_bench(V3, jobs=jobs, job_interview_stage_id=False)
    new = open_bench(V3, jobs=jobs)
    assert _stages(old) == _stages(new)
    one = movable(old)
    assert old.provider.get_application(one.id).stage_id == one.stage_id
    asked = [call for call in old.calls if call.path == "/v3/application_stages"]
    assert len(asked) <= 8


def test_where_stages_may_not_be_read_they_stay_unknown(open_bench: Open) -> None:
    bench = open_bench(V3, job_interview_stage_id=False)
    other = _as(bench, without=["harvest:application_stages:list"])
    found = _stages(other)
    assert set(found.values()) == {None}
    one = movable(other)
    assert one.stage_entry_id is not None
    receipt = other.provider.advance(one.id, seen=one.seen_stage, acting_user_id=ada(bench))
    assert receipt.application is not None


def test_the_history_of_stages_is_told_in_order(open_bench: Open) -> None:
    bench = open_bench(V3)
    user, one = ada(bench), movable(bench)
    bench.clock.time += 60
    bench.provider.advance(one.id, seen=one.seen_stage, acting_user_id=user)
    history = bench.provider.stage_history(one.id)
    assert [entry.current for entry in history][-1] is True
    assert len([entry for entry in history if entry.current]) == 1
    assert history[-2].stage_id == one.stage_id


def _stages(bench: Bench) -> dict[int, int | None]:
    pages = bench.provider.list_applications()
    return {a.id: a.stage_id for page in pages for a in page.records}
