"""What only Harvest v3 has: tokens per user, scopes, Site Admins, two kinds of stage id."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest
import respx

from integrations.ats.client_context import MemoryStateStore
from integrations.ats.errors import (
    ActingUserRefused,
    BadCredential,
    Conflict,
    MissingPermission,
    NotFound,
    NotSiteAdmin,
)
from integrations.ats.permissions import ProbeOutcome
from integrations.ats.types import Application, SeenStage
from integrations.greenhouse.client.base import MAX_TOKEN_RENEWALS
from integrations.greenhouse.oauth.client import decode_jwt_claims
from integrations.greenhouse.permission_catalogue import CATALOGUE
from tests.integrations.greenhouse.conftest import OpenBench
from tests.integrations.greenhouse.provider_bench import (
    SECRETS,
    V3,
    ManualClock,
    ProviderBench,
    open_provider_bench,
)

API = "https://harvest.example"
KEYS = [permission.key for permission in CATALOGUE.list_permissions(V3)]


def count_token_requests(bench: ProviderBench) -> int:
    return sum(1 for call in bench.calls if call.path == "/token")


def find_ada(bench: ProviderBench) -> int:
    users = (user for page in bench.provider.list_users() for user in page.records)
    return next(user.id for user in users if user.name.startswith("Ada"))


def ada_id(bench: ProviderBench) -> int:
    user_id: int = bench.sandbox.dataset().find_user("ada").id
    return user_id


def find_movable(bench: ProviderBench) -> Application:
    applications = (a for page in bench.provider.list_applications() for a in page.records)
    return next(
        a
        for a in applications
        if a.status == "active" and a.job_id and a.stage_name == "Application Review"
    )


# -- tokens ------------------------------------------------------------------------------------
def test_token_is_reused_and_renewed_early(
    open_bench: OpenBench,
) -> None:
    bench = open_bench(V3, token_lifetime=600)
    bench.provider.verify_credential()
    bench.provider.verify_credential()
    assert count_token_requests(bench) == 1
    bench.clock.time += 600 - 61
    bench.provider.verify_credential()
    assert count_token_requests(bench) == 1
    bench.clock.time += 2
    bench.provider.verify_credential()
    assert count_token_requests(bench) == 2
    assert 401 not in {call.status for call in bench.calls}


@pytest.mark.parametrize("field", ["expires_at", "expires_in", "expires"])
def test_token_lifetime_is_read_from_any_field(open_bench: OpenBench, field: str) -> None:
    bench = open_bench(V3, token_field=field, token_lifetime=600)
    bench.provider.verify_credential()
    bench.clock.time += 545
    bench.provider.verify_credential()
    assert count_token_requests(bench) == 2


def test_rejected_token_is_renewed_few_times(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    bench.provider.verify_credential()
    bench.sandbox.app.tokens.expire_all()
    bench.provider.verify_credential()
    assert count_token_requests(bench) == 2
    bench.sandbox.faults.add_fault("/v3/jobs", kind="token_expired", times=None)
    with pytest.raises(BadCredential):
        bench.provider.verify_credential()
    assert count_token_requests(bench) == 2 + MAX_TOKEN_RENEWALS


def test_providers_of_connection_share_tokens(open_bench: OpenBench) -> None:
    tokens, state = MemoryStateStore(), MemoryStateStore()
    bench = open_bench(V3, wired={"token_cache": tokens, "state_store": state})
    bench.provider.verify_credential()
    other = open_provider_bench(
        V3, bench.context.api_url, bench.clock, token_cache=tokens, state_store=state
    )
    other.provider.verify_credential()
    assert count_token_requests(other) == 0


def test_threads_fetch_one_token(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    bench.sandbox.faults.add_fault("/token", latency_ms=50)
    bench.context.sleep = lambda _: time.sleep(0.01)
    threads = [threading.Thread(target=bench.provider.verify_credential) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count_token_requests(bench) == 1


def test_each_acting_user_has_own_token(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    users = [bench.sandbox.dataset().find_user(name).id for name in ("ada", "sam")]
    for number, user in enumerate(users, start=1):
        application = find_movable(bench)
        bench.provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=user
        )
        assert count_token_requests(bench) == 1 + number
    writes = [entry for entry in bench.sandbox.requests if entry.path.endswith("/move")]
    assert [entry.acting_user for entry in writes] == users


def test_new_secret_does_not_reuse_token(open_bench: OpenBench) -> None:
    tokens = MemoryStateStore()
    bench = open_bench(V3, wired={"token_cache": tokens})
    bench.provider.verify_credential()
    wrong = dict(SECRETS[V3]) | {"client_secret": "another-secret"}
    other = open_provider_bench(
        V3, bench.context.api_url, bench.clock, secrets=wrong, token_cache=tokens
    )
    with pytest.raises(BadCredential):
        other.provider.verify_credential()


def test_malformed_client_id_is_not_repeated(open_bench: OpenBench) -> None:
    bench = open_bench(V3, secrets={"client_id": "notaclient", "client_secret": "x" * 20})
    with pytest.raises(BadCredential) as caught:
        bench.provider.verify_credential()
    assert "notaclient" not in repr((caught.value, caught.value.evidence))


def test_credential_without_scopes_lacks_everything() -> None:
    with respx.mock(base_url=API) as wire:
        body = {"message": "Client application is not requesting any scopes"}
        wire.post("/token").respond(400, json=body)
        other = open_provider_bench(V3, API, ManualClock())
        other.provider.verify_credential()
        probes = list(other.provider.probe_permissions(KEYS))
        with pytest.raises(MissingPermission) as caught:
            list(other.provider.list_users())
    assert caught.value.permission == "users.list"
    assert {probe.outcome for probe in probes} == {ProbeOutcome.MISSING}


def test_token_claims_are_parsed_defensively() -> None:
    def token(body: Any) -> str:
        part = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
        return f"x.{part}.y"

    assert decode_jwt_claims(token({"scope": "a b"})).scopes == frozenset({"a", "b"})
    assert decode_jwt_claims(token({"scopes": ["a"]})).scopes == frozenset({"a"})
    assert decode_jwt_claims(token({"scp": "a,b"})).scopes == frozenset({"a", "b"})
    for odd in ("", "x", "x.y", "a.b.c", token([]), token({"scope": 5}), token({})):
        assert decode_jwt_claims(odd).scopes is None


# -- scopes, and Site Admins -------------------------------------------------------------------
SCOPE_SOURCES = [
    {"scope_claim": True, "introspection": False},
    {"scope_claim": False, "introspection": True},
]


@pytest.mark.parametrize("scope_source", SCOPE_SOURCES, ids=["claim", "introspection"])
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
def test_non_admin_differs_from_missing_scope(
    open_bench: OpenBench, scope_source: dict[str, bool], refusal: dict[str, str]
) -> None:
    bench = open_bench(V3, **refusal, **scope_source)
    bench = _reopen_as(bench, reader_is_site_admin=False)
    with pytest.raises(NotSiteAdmin):
        list(bench.provider.list_jobs())
    probes = {probe.permission: probe for probe in bench.provider.probe_permissions(KEYS)}
    assert probes["jobs.list"].outcome is ProbeOutcome.UNCLEAR
    assert probes["jobs.list"].cause == "NotSiteAdmin"
    assert probes["applications.reject"].outcome is ProbeOutcome.GRANTED


@pytest.mark.parametrize("not_site_admin", ["forbidden", "empty"])
def test_records_hidden_from_non_admin_are_not_gone(
    open_bench: OpenBench, not_site_admin: str
) -> None:
    bench = open_bench(V3, not_site_admin=not_site_admin)
    application = find_movable(bench)
    stages = bench.provider.list_stages_for_job(application.job_id)
    reader = bench.sandbox.credentials.find_credential(SECRETS[V3]["client_id"]).service_user_id
    bench.sandbox.run_mutation("set_site_admin", user=reader, site_admin=False)
    provider = open_provider_bench(V3, bench.context.api_url, bench.clock).provider
    for read in (
        lambda: provider.get_application(application.id),
        lambda: provider.get_candidate(application.candidate_id),
        lambda: provider.get_job(application.job_id),
        lambda: provider.get_user(ada_id(bench)),
        lambda: provider.get_stage(stages[0].id),
        lambda: provider.list_stages_for_job(application.job_id),
        lambda: list(provider.list_applications_for_job(application.job_id)),
        lambda: list(provider.list_users()),
        lambda: list(provider.list_applications()),
        lambda: list(provider.list_job_permissions(user_ids=[1])),
        lambda: list(provider.list_user_roles()),
    ):
        with pytest.raises(NotSiteAdmin, match="not a Site Admin"):
            read()


def test_gone_records_cost_one_extra_request(
    open_bench: OpenBench,
) -> None:
    bench = open_bench(V3)
    for turn in range(5):
        with pytest.raises(NotFound):
            bench.provider.get_candidate(987654321012 + turn)
    requests = [call.path for call in bench.calls if call.path.startswith("/v3/")]
    assert requests == ["/v3/candidates"] * 6


def test_empty_list_is_believed_when_users_show(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    for row in list(bench.sandbox.dataset().candidates):
        bench.sandbox.run_mutation("delete_candidate", candidate_id=row.id)
    with pytest.raises(NotFound):
        bench.provider.get_candidate(row.id)
    assert [page.records for page in bench.provider.list_candidates()] == [()]


def test_empty_list_is_believed_without_users_scope(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    for row in list(bench.sandbox.dataset().candidates):
        bench.sandbox.run_mutation("delete_candidate", candidate_id=row.id)
    other = _reopen_as(bench, without=["harvest:users:list"])
    assert [page.records for page in other.provider.list_candidates()] == [()]


@pytest.mark.parametrize("scope_source", SCOPE_SOURCES, ids=["claim", "introspection"])
def test_missing_scope_differs_from_non_admin(
    open_bench: OpenBench, scope_source: dict[str, bool]
) -> None:
    bench = _reopen_as(
        open_bench(V3, forbidden_body="empty", **scope_source), without=["harvest:jobs:list"]
    )
    with pytest.raises(MissingPermission) as caught:
        list(bench.provider.list_jobs())
    assert "harvest:jobs:list" in caught.value.sentence
    assert bench.provider.probe_permission("jobs.list").outcome is ProbeOutcome.MISSING


NO_SCOPE_SOURCE = {"scope_claim": False, "introspection": False, "forbidden_body": "empty"}


def test_unknown_scopes_are_inferred_from_other_list(open_bench: OpenBench) -> None:
    bench = _reopen_as(open_bench(V3, **NO_SCOPE_SOURCE), without=["harvest:jobs:list"])
    outcomes = {probe.permission: probe.outcome for probe in bench.provider.probe_permissions(KEYS)}
    assert outcomes["jobs.list"] is ProbeOutcome.MISSING
    assert outcomes["users.list"] is ProbeOutcome.GRANTED


def test_granted_list_of_earlier_probes_counts(open_bench: OpenBench) -> None:
    bench = _reopen_as(open_bench(V3, **NO_SCOPE_SOURCE), without=["harvest:jobs:list"])
    for granted, expected in (
        ([], ProbeOutcome.UNCLEAR),
        (["applications.move"], ProbeOutcome.UNCLEAR),
        (["users.list"], ProbeOutcome.MISSING),
    ):
        (probe,) = bench.provider.probe_permissions(["jobs.list"], granted=granted)
        assert probe.outcome is expected


def test_unknown_scopes_are_reported_as_unclear(open_bench: OpenBench) -> None:
    bench = _reopen_as(open_bench(V3, **NO_SCOPE_SOURCE), reader_is_site_admin=False)
    with pytest.raises(MissingPermission) as caught:
        list(bench.provider.list_jobs())
    assert "scope" in caught.value.sentence
    assert "Site Admin" in caught.value.sentence
    probes = {probe.permission: probe for probe in bench.provider.probe_permissions(KEYS)}
    assert probes["jobs.list"].outcome is ProbeOutcome.UNCLEAR


def test_write_probes_touch_no_record(open_bench: OpenBench) -> None:
    bench = open_bench(V3, **NO_SCOPE_SOURCE | {"forbidden_body": "message"})
    other = _reopen_as(bench, without=["harvest:applications:reject"])
    before = bench.sandbox.count_records()
    outcomes = {probe.permission: probe.outcome for probe in other.provider.probe_permissions(KEYS)}
    assert (
        outcomes["applications.reject"] is not ProbeOutcome.GRANTED
    )  # v3 refuses with a body of its own
    assert outcomes["applications.move"] is ProbeOutcome.GRANTED
    written = [entry.path for entry in bench.sandbox.requests if "/applications/" in entry.path]
    assert written
    assert all("/applications/0" in path for path in written)
    assert bench.sandbox.count_records() == before


def test_each_scope_is_probed_once(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    list(bench.provider.probe_permissions(KEYS))
    scopes = {permission.scope for permission in CATALOGUE.list_permissions(V3)}
    requests = [call.path for call in bench.calls]
    assert len(requests) <= len(scopes) + 2
    assert len(requests) == len(set(requests))


def test_lists_are_read_as_reader_id(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    user = find_ada(bench)
    client = bench.sandbox.credentials.create_client(reader_is_site_admin=False)
    secrets = {"client_id": client.client_id, "client_secret": client.client_secret}
    url = bench.context.api_url
    admin = open_provider_bench(V3, url, bench.clock, secrets=secrets | {"reader_id": str(user)})
    assert list(admin.provider.list_jobs())
    unknown = open_provider_bench(V3, url, bench.clock, secrets=secrets | {"reader_id": "424242"})
    with pytest.raises(BadCredential) as caught:
        list(unknown.provider.list_jobs())
    assert "user ID" in caught.value.sentence


def test_403_with_granted_scope_refuses_user(open_bench: OpenBench) -> None:
    bench = open_bench(V3, forbidden_body="empty")
    application = find_movable(bench)
    users = [user for page in bench.provider.list_users() for user in page.records]
    basil = next(user.id for user in users if user.name.startswith("Basil"))
    with pytest.raises(ActingUserRefused):
        bench.provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=basil
        )


def test_credential_revoked_midway_is_unclear(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    bench.sandbox.faults.add_fault("/v3/", kind="token_expired", times=None)
    probes = list(bench.provider.probe_permissions(KEYS))
    read = [probe for probe in probes if probe.permission.endswith(".list")]
    assert {probe.outcome for probe in read} == {ProbeOutcome.UNCLEAR}
    assert {probe.cause for probe in read} == {"BadCredential"}


def _reopen_as(bench: ProviderBench, **client: Any) -> ProviderBench:
    made = bench.sandbox.credentials.create_client(**client)
    secrets = {"client_id": made.client_id, "client_secret": made.client_secret}
    return open_provider_bench(V3, bench.context.api_url, bench.clock, secrets=secrets)


# -- two kinds of stage id ---------------------------------------------------------------------
@pytest.mark.parametrize("from_stage", ["entry", "job_stage", "either"])
def test_advance_learns_expected_stage_id(open_bench: OpenBench, from_stage: str) -> None:
    bench = open_bench(V3, from_stage=from_stage)
    user = find_ada(bench)
    for turn in range(2):
        application = find_movable(bench)
        before = len(bench.calls)
        receipt = bench.provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=user
        )
        assert receipt.application is not None
        assert receipt.application.stage_id != application.stage_id
        writes = [c for c in bench.calls[before:] if c.path.endswith("/move")]
        learned = turn == 1 or from_stage != "job_stage"
        assert [call.status for call in writes] == ([204] if learned else [422, 204])


@pytest.mark.parametrize("from_stage", ["entry", "job_stage"])
def test_stale_stage_is_not_retried_with_other_id(open_bench: OpenBench, from_stage: str) -> None:
    bench = open_bench(V3, from_stage=from_stage)
    user, application = find_ada(bench), find_movable(bench)
    bench.sandbox.run_mutation("move_application", application_id=application.id)
    before = len(bench.calls)
    with pytest.raises(Conflict):
        bench.provider.advance_application(
            application.id, seen=application.seen_stage, acting_user_id=user
        )
    assert len([c for c in bench.calls[before:] if c.path.endswith("/move")]) == 1


def test_advance_needs_only_stage_id(open_bench: OpenBench) -> None:
    bench = open_bench(V3, from_stage="entry")
    user, application = find_ada(bench), find_movable(bench)
    seen = SeenStage(stage_id=application.stage_id)
    assert bench.provider.advance_application(
        application.id, seen=seen, acting_user_id=user
    ).application


def test_learned_stage_id_is_shared(open_bench: OpenBench) -> None:
    state = MemoryStateStore()
    bench = open_bench(V3, from_stage="job_stage", wired={"state_store": state})
    user, application = find_ada(bench), find_movable(bench)
    bench.provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=user
    )
    other = open_provider_bench(V3, bench.context.api_url, bench.clock, state_store=state)
    application = find_movable(other)
    other.provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=user
    )
    assert 422 not in {call.status for call in other.calls}


# -- applications without the job's stage ------------------------------------------------------
@pytest.mark.parametrize("jobs", [6, 20])
def test_missing_stage_is_looked_up(open_bench: OpenBench, jobs: int) -> None:
    """Few stages are fetched by id, many through the list of all current stages."""
    old = open_bench(V3, jobs=jobs, job_interview_stage_id=False)
    new = open_bench(V3, jobs=jobs)
    assert _map_stages(old) == _map_stages(new)
    application = find_movable(old)
    assert old.provider.get_application(application.id).stage_id == application.stage_id
    requests = [call for call in old.calls if call.path == "/v3/application_stages"]
    assert len(requests) <= 8


def test_stages_without_permission_stay_unknown(open_bench: OpenBench) -> None:
    bench = open_bench(V3, job_interview_stage_id=False)
    other = _reopen_as(bench, without=["harvest:application_stages:list"])
    stages = _map_stages(other)
    assert set(stages.values()) == {None}
    application = find_movable(other)
    assert application.stage_entry_id is not None
    receipt = other.provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=find_ada(bench)
    )
    assert receipt.application is not None


def test_stage_history_is_ordered(open_bench: OpenBench) -> None:
    bench = open_bench(V3)
    user, application = find_ada(bench), find_movable(bench)
    bench.clock.time += 60
    bench.provider.advance_application(
        application.id, seen=application.seen_stage, acting_user_id=user
    )
    history = bench.provider.list_stage_history(application.id)
    assert [entry.current for entry in history][-1] is True
    assert len([entry for entry in history if entry.current]) == 1
    assert history[-2].stage_id == application.stage_id


def _map_stages(bench: ProviderBench) -> dict[int, int | None]:
    pages = bench.provider.list_applications()
    return {a.id: a.stage_id for page in pages for a in page.records}
