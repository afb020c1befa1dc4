"""Failures on the way to Greenhouse: which error each becomes, and what is retried."""

from __future__ import annotations

import gzip

import httpx
import pytest
import respx

from integrations.ats.client_context import Lane
from integrations.ats.errors import (
    ActingUserRefused,
    AtsError,
    AtsUnavailable,
    BadCredential,
    Conflict,
    InvalidValues,
    MissingPermission,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    UnreadableResponse,
)
from integrations.ats.types import SeenStage
from integrations.greenhouse.client.harvest_v1 import HarvestV1
from integrations.http.client import HttpClient
from tests.integrations.greenhouse.conftest import OpenBench
from tests.integrations.greenhouse.provider_bench import (
    SECRETS,
    V1,
    V3,
    ManualClock,
    ProviderBench,
    open_provider_bench,
)

API = "https://harvest.example"


def list_job_ids(bench: ProviderBench) -> list[int]:
    return [job.id for page in bench.provider.list_jobs() for job in page.records]


def api_path(kind: str, under: str) -> str:
    return f"/{'v1' if kind == V1 else 'v3'}/{under}"


def send_reject(bench: ProviderBench, application_id: int = 1) -> object:
    return bench.provider.reject_application(application_id, reason_id=1, acting_user_id=7)


# -- reads are retried -------------------------------------------------------------------------
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_read_is_retried_after_5xx(bench: ProviderBench, kind: str, status: int) -> None:
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), status=status, times=2)
    assert list_job_ids(bench)
    statuses = [call.status for call in bench.calls if call.path.endswith("/jobs")]
    assert statuses == [status, status, 200]
    assert [call.retries for call in bench.calls if call.path.endswith("/jobs")] == [0, 1, 2]
    assert 0 < sum(bench.clock.slept) < 2


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_read_is_retried_after_dropped_connection(
    bench: ProviderBench, kind: str, fault: str
) -> None:
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), kind=fault, times=1)
    assert list_job_ids(bench)
    assert [call.status for call in bench.calls if call.path.endswith("/jobs")] == [None, 200]


def test_read_gives_up_after_five_tries(bench: ProviderBench, kind: str) -> None:
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), status=500, times=None)
    with pytest.raises(AtsUnavailable) as caught:
        list_job_ids(bench)
    assert caught.value.evidence is not None
    assert caught.value.evidence.status == 500
    assert len([call for call in bench.calls if call.status == 500]) == 5


def test_429_retry_after_is_obeyed(bench: ProviderBench, kind: str) -> None:
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), status=429, retry_after=6, times=1)
    assert list_job_ids(bench)
    assert 6 <= sum(bench.clock.slept) <= 7


def test_429_beyond_deadline_says_until_when(open_bench: OpenBench, kind: str) -> None:
    bench = open_bench(kind, wired={"deadline_seconds": 5.0})
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), status=429, retry_after=30, times=1)
    with pytest.raises(RateLimited) as caught:
        list_job_ids(bench)
    assert caught.value.retry_at.timestamp() == pytest.approx(bench.clock.get_time() + 30, abs=1)
    assert bench.clock.slept == []
    with pytest.raises(RateLimited):  # without another request
        bench.provider.get_job(1)
    assert len([call for call in bench.calls if call.status == 429]) == 1


def test_endless_429s_stop_after_five_tries(open_bench: OpenBench, kind: str) -> None:
    bench = open_bench(kind, wired={"deadline_seconds": 600.0})
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), status=429, retry_after=1, times=None)
    with pytest.raises(RateLimited):
        list_job_ids(bench)
    assert len([call for call in bench.calls if call.status == 429]) == 5


# -- unreadable answers ------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["html", "truncated_json"])
def test_non_json_response_is_unreadable(bench: ProviderBench, kind: str, fault: str) -> None:
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), kind=fault, times=None)
    with pytest.raises(UnreadableResponse):
        list_job_ids(bench)


def test_html_from_proxy_is_unreadable(bench: ProviderBench, kind: str) -> None:
    bench.sandbox.faults.add_fault(api_path(kind, "jobs"), kind="html", status=400)
    with pytest.raises(UnreadableResponse) as caught:
        list_job_ids(bench)
    assert "<" not in repr(caught.value.evidence)


def test_oversized_response_is_unreadable() -> None:
    clock = ManualClock()
    with respx.mock(base_url=API) as wire:
        wire.get("/v1/jobs").respond(200, content=b"[" + b" " * 5000 + b"]")
        bench = open_provider_bench(V1, API, clock)
        provider = HarvestV1(SECRETS[V1], bench.context, HttpClient(max_body_bytes=1000))
        with pytest.raises(UnreadableResponse):
            next(provider.list_jobs())


def test_twice_compressed_response_is_unreadable() -> None:
    body = gzip.compress(gzip.compress(b"[]"))
    with respx.mock(base_url=API) as wire:
        wire.get("/v1/jobs").respond(200, content=body, headers={"Content-Encoding": "gzip, gzip"})
        bench = open_provider_bench(V1, API, ManualClock())
        with pytest.raises(UnreadableResponse):
            next(bench.provider.list_jobs())


def test_redirect_is_not_followed() -> None:
    with respx.mock(base_url=API) as wire:
        wire.get("/v1/jobs").respond(302, headers={"Location": "https://evil.example/"})
        bench = open_provider_bench(V1, API, ManualClock())
        with pytest.raises(UnreadableResponse):
            list_job_ids(bench)


# -- writes are not retried --------------------------------------------------------------------
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json={"message": "Internal Server Error"}),
        httpx.Response(503),
        httpx.Response(200, html="<html>Maintenance</html>"),
        httpx.Response(302, headers={"Location": "/"}),
        httpx.Response(408),
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("closed"),
    ],
    ids=lambda answer: str(getattr(answer, "status_code", type(answer).__name__)),
)
def test_write_with_lost_response_is_sent_once(
    kind: str, answer: httpx.Response | Exception
) -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        route = wire.post(api_path(kind, "applications/1/reject"))
        route.side_effect = [answer]
        bench = open_provider_bench(kind, API, ManualClock())
        with pytest.raises(OutcomeUnknown):
            send_reject(bench)
        assert route.call_count == 1
        assert bench.calls[-1].error == "OutcomeUnknown"


@pytest.mark.parametrize("fault", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_unsent_write_is_retried(kind: str, fault: type[Exception]) -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.get("/v3/applications").respond(200, json=[{"id": 2, "candidate_id": 2}])
        route = wire.post(api_path(kind, "applications/1/reject"))
        done = httpx.Response(200, json={"id": 1, "candidate_id": 2}) if kind == V1 else None
        route.side_effect = [fault("no way"), done or httpx.Response(204)]
        bench = open_provider_bench(kind, API, ManualClock())
        send_reject(bench)
        assert route.call_count == 2


def test_undelivered_write_is_reported_as_down(kind: str) -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.post(api_path(kind, "applications/1/reject")).mock(side_effect=httpx.ConnectError("x"))
        bench = open_provider_bench(kind, API, ManualClock())
        with pytest.raises(AtsUnavailable):
            send_reject(bench)


def test_write_with_dropped_response_took_effect(bench: ProviderBench, kind: str) -> None:
    provider = bench.provider
    ada = next(u.id for p in provider.list_users() for u in p.records if u.name.startswith("Ada"))
    reason = next(r.id for p in provider.list_rejection_reasons() for r in p.records)
    application = next(
        a
        for p in provider.list_applications()
        for a in p.records
        if a.status == "active" and a.job_id
    )
    bench.sandbox.faults.add_fault(api_path(kind, "applications"), method="POST", kind="drop_after")
    with pytest.raises(OutcomeUnknown):
        provider.reject_application(application.id, reason_id=reason, acting_user_id=ada)
    assert provider.get_application(application.id).status == "rejected"


def test_token_failure_before_write_is_down() -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(500)
        route = wire.post("/v3/applications/1/reject")
        bench = open_provider_bench(V3, API, ManualClock())
        with pytest.raises(AtsUnavailable):
            send_reject(bench)
        assert not route.called


def test_write_succeeds_without_read_back() -> None:
    with respx.mock(base_url=API) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.post("/v3/applications/1/reject").respond(204)
        wire.get("/v3/applications").respond(500)
        bench = open_provider_bench(V3, API, ManualClock())
        receipt = bench.provider.reject_application(1, reason_id=1, acting_user_id=7)
        assert receipt.application is None


# -- error classification ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"message": "Invalid Basic Auth credentials"}, BadCredential),
        (
            403,
            {"message": "This API Key does not have permission for this endpoint"},
            MissingPermission,
        ),
        (403, {"message": "Forbidden"}, MissingPermission),
        (404, {"message": "Resource not found"}, BadCredential),
        (410, {"message": "Gone"}, BadCredential),
        (
            422,
            {"message": "Validation error", "errors": [{"message": "no", "field": "page"}]},
            InvalidValues,
        ),
        (422, {"errors": [{"message": "no", "field": "page"}]}, InvalidValues),
    ],
)
def test_v1_list_errors_are_classified(
    status: int, body: dict[str, object], error: type[AtsError]
) -> None:
    with respx.mock(base_url=API) as wire:
        wire.get("/v1/jobs").respond(status, json=body)
        bench = open_provider_bench(V1, API, ManualClock())
        with pytest.raises(error) as caught:
            list_job_ids(bench)
    assert caught.value.evidence is not None
    assert caught.value.evidence.status == status
    if isinstance(caught.value, InvalidValues):
        assert caught.value.fields == {"page": "no"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            403,
            {"message": "This API Key does not have permission for this endpoint"},
            MissingPermission,
        ),
        (403, {"errors": [{"message": "Access Denied"}]}, ActingUserRefused),
        (404, {"errors": [{"message": "Not found"}]}, ActingUserRefused),
        (
            422,
            {"errors": [{"message": "Application must be 'rejected', is currently 'active'"}]},
            Conflict,
        ),
        (
            400,
            {"errors": [{"message": "Application must be 'active', is currently 'hired'"}]},
            Conflict,
        ),
        (422, {"errors": [{"message": "Missing", "field": "rejection_reason_id"}]}, InvalidValues),
    ],
)
def test_v1_write_errors_are_classified(
    status: int, body: dict[str, object], error: type[AtsError]
) -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        route = wire.post("/v1/applications/1/reject")
        route.respond(status, json=body)
        wire.get("/v1/applications/1").respond(404)
        bench = open_provider_bench(V1, API, ManualClock())
        with pytest.raises(error):
            send_reject(bench)
        assert route.calls[0].request.headers["On-Behalf-Of"] == "7"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, Conflict),  # already rejected: v3's body was never seen
        ({"message": "Unprocessable Content"}, Conflict),
        (
            {"message": "Unprocessable Content", "errors": ["Application is already rejected"]},
            Conflict,
        ),
        (
            {"message": "Unprocessable Content", "errors": [{"rejection_reason_id": "unknown"}]},
            InvalidValues,
        ),
    ],
)
def test_v3_vague_422_is_resolved_by_reading(
    body: dict[str, object] | None, error: type[AtsError]
) -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.post("/v3/applications/1/reject").respond(422, json=body)
        wire.get("/v3/applications").respond(
            200, json=[{"id": 1, "candidate_id": 2, "status": "rejected"}]
        )
        bench = open_provider_bench(V3, API, ManualClock())
        with pytest.raises(error):
            send_reject(bench)


def test_evidence_hides_ids_and_emails(kind: str) -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.post("/introspect").respond(404)
        body = {"errors": [{"message": "mona@acme.example may not touch 169200000001"}]}
        wire.post(api_path(kind, "applications/169200000001/reject")).respond(403, json=body)
        bench = open_provider_bench(kind, API, ManualClock())
        with pytest.raises(AtsError) as caught:
            send_reject(bench, 169200000001)
    assert caught.value.evidence is not None
    text = repr((caught.value.evidence, caught.value.sentence, bench.calls))
    assert "169200000001" not in text
    assert "mona" not in text


# -- paging ------------------------------------------------------------------------------------
def _read_pages(kind: str, links: list[str]) -> tuple[int, AtsError | None]:
    """Read a list with these `Link` headers; return the pages read and the error that ended it."""
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        answers = [httpx.Response(200, json=[], headers={"Link": link}) for link in links]
        wire.get(api_path(kind, "jobs")).side_effect = answers
        bench = open_provider_bench(kind, API, ManualClock())
        count = 0
        try:
            for _ in bench.provider.list_jobs():
                count += 1
        except AtsError as error:
            return count, error
    return count, None


def test_circular_pages_are_refused(kind: str) -> None:
    link = f'<{API}{api_path(kind, "jobs")}?cursor=a>; rel="next"'
    count, error = _read_pages(kind, [link] * 5)
    assert count == 1
    assert isinstance(error, UnreadableResponse)


@pytest.mark.parametrize("place", ["https://evil.example/v3/jobs", f"{API}/v3/candidates"])
def test_next_page_elsewhere_is_refused(kind: str, place: str) -> None:
    _, error = _read_pages(kind, [f'<{place}?cursor=a>; rel="next"'] * 5)
    assert isinstance(error, UnreadableResponse)


def test_v3_cursor_is_only_parameter() -> None:
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.get("/v3/users").respond(200, json=[{"id": 1}])
        route = wire.get("/v3/jobs")
        link = f'<{API}/v3/jobs?cursor=a%3D%3D>; rel="next"'
        route.side_effect = [
            httpx.Response(200, json=[], headers={"Link": link}),
            httpx.Response(200, json=[]),
        ]
        bench = open_provider_bench(V3, API, ManualClock())
        list(bench.provider.list_jobs())
        first, second = (dict(call.request.url.params) for call in route.calls)
        assert sorted(first) == ["fields", "per_page"]
        assert second == {"cursor": "a=="}


def test_expired_cursor_restarts_list_once() -> None:
    expired = httpx.Response(422, json={"errors": ["Cursor has expired"]})
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        route = wire.get("/v3/jobs")
        route.side_effect = [expired, httpx.Response(200, json=[{"id": 4}])]
        bench = open_provider_bench(V3, API, ManualClock())
        (page,) = bench.provider.list_jobs(cursor="/v3/jobs?cursor=old")
        assert [job.id for job in page.records] == [4]
        route.side_effect = [expired, expired, expired]  # with the cursor, with and without fields
        with pytest.raises(InvalidValues):
            list(bench.provider.list_jobs(cursor="/v3/jobs?cursor=old"))


def test_v1_list_parameters() -> None:
    with respx.mock(base_url=API) as wire:
        route = wire.get("/v1/applications").respond(200, json=[])
        clock = ManualClock()
        bench = open_provider_bench(V1, API, clock, lane=Lane.PEOPLE)
        list(bench.provider.list_applications(changed_after=clock.as_datetime()))
        parameters = dict(route.calls[0].request.url.params)
        assert parameters == {
            "per_page": "500",
            "skip_count": "true",
            "last_activity_after": "2027-01-15T08:00:00.000Z",
        }


def test_record_with_other_id_is_not_found() -> None:
    with respx.mock(base_url=API) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.get("/v3/jobs").respond(200, json=[{"id": 5}, {"id": 6}])
        bench = open_provider_bench(V3, API, ManualClock())
        with pytest.raises(NotFound):
            bench.provider.get_job(7)


def test_malformed_record_is_unreadable_not_gone() -> None:
    with respx.mock(base_url=API) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.get("/v3/jobs").respond(200, json=[{"id": 7, "confidential": "perhaps"}])
        bench = open_provider_bench(V3, API, ManualClock())
        with pytest.raises(UnreadableResponse):
            bench.provider.get_job(7)


@pytest.mark.parametrize("ends", [401, 403, 404, 410])
@pytest.mark.parametrize(
    "call", ["get_candidate", "get_application", "get_job", "list_attachments"]
)
def test_404_after_v1_retired_is_not_gone(call: str, ends: int) -> None:
    with respx.mock(base_url=API) as wire:
        wire.get(path__regex="^/v1/[a-z]+/7$").respond(404, json={"message": "Resource not found"})
        wire.get("/v1/jobs").respond(ends, json={"message": "Gone"})
        bench = open_provider_bench(V1, API, ManualClock())
        with pytest.raises(BadCredential, match="v1"):
            getattr(bench.provider, call)(7)


def test_v1_liveness_is_checked_once_for_many() -> None:
    forbidden = {"message": "This API Key does not have permission for this endpoint"}
    with respx.mock(base_url=API) as wire:
        wire.get(path__regex="^/v1/candidates/").respond(404)
        liveness = wire.get("/v1/jobs").respond(403, json=forbidden)  # an answer, so v1 is alive
        bench = open_provider_bench(V1, API, ManualClock())
        for turn in range(1, 6):
            with pytest.raises(NotFound):
                bench.provider.get_candidate(turn)
        assert liveness.call_count == 1
        bench.clock.time += 11
        liveness.respond(404)
        with pytest.raises(BadCredential):
            bench.provider.get_candidate(7)


def test_v1_liveness_check_may_fail() -> None:
    with respx.mock(base_url=API) as wire:
        wire.get("/v1/candidates/7").respond(404)
        wire.get("/v1/jobs").respond(503)
        bench = open_provider_bench(V1, API, ManualClock())
        with pytest.raises(AtsUnavailable):
            bench.provider.get_candidate(7)


@pytest.mark.parametrize(
    ("kind", "path"), [(V1, "/v1/jobs/7/stages"), (V3, "/v3/job_interview_stages")]
)
def test_malformed_job_stages_are_set_aside(kind: str, path: str) -> None:
    rows = [
        {"id": 2, "job_id": 7, "priority": 1, "sort_order": 1},
        {"id": 3, "job_id": 7, "name": {"odd": 1}},
        {"id": 1, "job_id": 7, "priority": 0, "sort_order": 0},
        {"job_id": 7},
    ]
    with respx.mock(base_url=API, assert_all_called=False) as wire:
        wire.post("/token").respond(200, json={"access_token": "t", "expires_in": 3600})
        wire.get(path).respond(200, json=rows)
        stages = open_provider_bench(kind, API, ManualClock()).provider.list_stages_for_job(7)
    assert [stage.id for stage in stages] == [1, 2]
    assert [record.remote_id for record in stages.set_aside] == [3, None]


def test_v1_advance_sends_seen_stage() -> None:
    with respx.mock(base_url=API) as wire:
        route = wire.post("/v1/applications/1/advance").respond(
            200, json={"id": 1, "candidate_id": 2}
        )
        bench = open_provider_bench(V1, API, ManualClock())
        bench.provider.advance_application(1, seen=SeenStage(stage_id=44), acting_user_id=7)
        assert route.calls[0].request.content == b'{"from_stage_id":44}'
