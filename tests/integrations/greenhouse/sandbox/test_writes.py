"""Writes in Harvest v1 and v3: what changes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from integrations.greenhouse.sandbox.dataset.records import Application
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


class V1:
    """Writes as Harvest v1 requests."""

    forbidden = 403
    unseen = 404

    def __init__(self, api: ApiClient) -> None:
        self.api = api

    def _post(self, row: Application, action: str, by: str, body: dict[str, Any]) -> httpx.Response:
        return self.api.v1("POST", f"/applications/{row.id}/{action}", by=by, json=body)

    def advance(
        self, row: Application, by: str = "ada", stage: int | None = None
    ) -> httpx.Response:
        return self._post(row, "advance", by, {"from_stage_id": stage or row.stage_id})

    def move(
        self, row: Application, to: int, by: str = "ada", stage: int | None = None
    ) -> httpx.Response:
        body = {"from_stage_id": stage or row.stage_id, "to_stage_id": to}
        return self._post(row, "move", by, body)

    def transfer(self, row: Application, job: int, by: str = "ada") -> httpx.Response:
        return self._post(row, "transfer_to_job", by, {"new_job_id": job})

    def reject(self, row: Application, by: str = "ada", **body: Any) -> httpx.Response:
        body.setdefault("rejection_reason_id", self.api.sandbox.dataset().rejection_reasons.ids[0])
        return self._post(row, "reject", by, body)

    def unreject(self, row: Application, by: str = "ada") -> httpx.Response:
        return self._post(row, "unreject", by, {})

    def update(self, row: Application, by: str = "ada", **body: Any) -> httpx.Response:
        return self.api.v1("PATCH", f"/applications/{row.id}", by=by, json=body)


class V3(V1):
    """Writes as Harvest v3 requests."""

    forbidden = 403
    unseen = 403

    def _post(self, row: Application, action: str, by: str, body: dict[str, Any]) -> httpx.Response:
        return self.api.v3("POST", f"/applications/{row.id}/{action}", by=by, json=body)

    def advance(
        self, row: Application, by: str = "ada", stage: int | None = None
    ) -> httpx.Response:
        return self._post(row, "move", by, {"from_stage_id": stage or row.stage_id})

    def transfer(self, row: Application, job: int, by: str = "ada") -> httpx.Response:
        body = {"from_stage_id": row.stage_id, "to_job_id": job}
        return self._post(row, "move", by, body)

    def update(self, row: Application, by: str = "ada", **body: Any) -> httpx.Response:
        return self.api.v3("PATCH", f"/applications/{row.id}", by=by, json=body)


@pytest.fixture(params=[V1, V3], ids=["v1", "v3"])
def harvest(request: pytest.FixtureRequest, api: ApiClient) -> V1:
    client: V1 = request.param(api)
    return client


def _stage(harvest: V1, row: Application) -> str:
    answer = harvest.api.v1("GET", f"/applications/{row.id}")
    return str(answer.json()["current_stage"]["name"])


def test_advance_moves_and_updates_record(harvest: V1) -> None:
    row = harvest.api.find_application()
    before = row.updated_at
    assert harvest.advance(row).status_code in (200, 204)
    assert _stage(harvest, row) == "Phone Screen"
    (after,) = harvest.api.v3("GET", "/applications", params={"ids": row.id}).json()
    assert after["updated_at"] == after["last_activity_at"] > before
    assert after["stage_name"] == "Phone Screen"
    (candidate,) = harvest.api.v3("GET", "/candidates", params={"ids": row.candidate_id}).json()
    assert candidate["last_activity_at"] == after["last_activity_at"]


def test_v1_returns_application_and_v3_nothing(api: ApiClient) -> None:
    row = api.find_application()
    full = V1(api).advance(row)
    assert full.json()["id"] == row.id
    empty = V3(api).advance(row)
    assert (empty.status_code, empty.content) == (204, b"")


def test_stage_history_is_recorded(harvest: V1) -> None:
    row = harvest.api.find_application()
    old = row.entry_id
    harvest.advance(row)
    params = {"application_ids": row.id}
    newest, first = harvest.api.v3("GET", "/application_stages", params=params).json()
    assert (first["id"], first["current"]) == (old, False)
    assert first["exited_at"] == newest["entered_at"]
    assert (newest["current"], newest["exited_at"]) == (True, None)


def test_advance_from_last_stage_is_refused(harvest: V1) -> None:
    assert harvest.advance(harvest.api.find_application(stage="Offer")).status_code == 422


def test_stale_stage_is_refused(harvest: V1) -> None:
    row = harvest.api.find_application()
    seen = int(row.stage_id or 0)
    harvest.api.sandbox.run_mutation("move_application", application_id=row.id)
    assert harvest.advance(row, stage=seen).status_code == 422
    assert harvest.move(row, int(row.stage_id or 0), stage=seen).status_code == 422
    assert _stage(harvest, row) == "Phone Screen"


def test_move_stays_within_job_stages(harvest: V1) -> None:
    row = harvest.api.find_application()
    world = harvest.api.sandbox.dataset()
    offer = next(s for s in world.list_job_stages(row.job_id) if s.name == "Offer")
    foreign = next(s for s in world.stages if s.job_id != row.job_id)
    assert harvest.move(row, foreign.id).status_code == 422
    assert harvest.move(row, offer.id).status_code in (200, 204)
    assert _stage(harvest, row) == "Offer"


def test_inactive_stage_is_skipped(harvest: V1) -> None:
    row = harvest.api.find_application()
    stages = harvest.api.sandbox.dataset().list_job_stages(row.job_id)
    harvest.api.sandbox.run_mutation("delete_stage", stage_id=stages[1].id)
    assert harvest.move(row, stages[1].id).status_code == 422
    harvest.advance(row)
    assert _stage(harvest, row) == "Face to Face"


def test_transfer_goes_to_first_stage(harvest: V1) -> None:
    row = harvest.api.find_application(stage="Phone Screen")
    other = harvest.api.sandbox.count_records()["visible_open_job_ids"]["ada"][-1]
    assert harvest.transfer(row, other).status_code in (200, 204)
    body = harvest.api.v1("GET", f"/applications/{row.id}").json()
    assert body["jobs"][0]["id"] == other
    assert body["current_stage"]["name"] == "Application Review"
    assert harvest.transfer(row, 0).status_code == 422


def test_prospects_cannot_be_transferred(harvest: V1) -> None:
    row = harvest.api.find_application(prospect=True, stage=None)
    world = harvest.api.sandbox.dataset()
    other = next(job.id for job in world.jobs)
    assert harvest.transfer(row, other).status_code == 422


def test_reject_and_unreject_application(harvest: V1) -> None:
    row = harvest.api.find_application()
    reason = harvest.api.sandbox.dataset().rejection_reasons.ids[1]
    assert harvest.reject(row, rejection_reason_id=reason, notes="Too far").status_code < 300
    body = harvest.api.v1("GET", f"/applications/{row.id}").json()
    assert (body["status"], body["rejection_reason"]["id"]) == ("rejected", reason)
    assert body["rejected_at"] == body["last_activity_at"]
    (detail,) = harvest.api.v3(
        "GET", "/rejection_details", params={"application_ids": row.id}
    ).json()
    assert detail["rejected_by_id"] == harvest.api.find_user_id("ada")

    assert harvest.reject(row).status_code == 422
    assert harvest.advance(row).status_code == 422

    assert harvest.unreject(row).status_code < 300
    body = harvest.api.v1("GET", f"/applications/{row.id}").json()
    assert (body["status"], body["rejection_reason"], body["rejected_at"]) == ("active", None, None)
    assert harvest.unreject(row).status_code == 422


def test_wrong_state_has_documented_message(api: ApiClient) -> None:
    row = api.find_application(status="hired", stage=None)
    message = "Application must be 'active', is currently 'hired'"
    assert V1(api).reject(row).json() == {"errors": [{"message": message}]}
    assert V3(api).reject(row).json() == {"message": "Unprocessable Content", "errors": [message]}


def test_rejection_reason_is_required_in_v3(api: ApiClient) -> None:
    row = api.find_application()
    assert V3(api).reject(row, rejection_reason_id=None).status_code == 422
    assert V1(api).reject(row, rejection_reason_id=None).status_code == 200


def test_unknown_rejection_reason_is_refused(harvest: V1) -> None:
    assert harvest.reject(harvest.api.find_application(), rejection_reason_id=1).status_code == 422


def test_rejection_email_needs_shared_template(harvest: V1) -> None:
    world = harvest.api.sandbox.dataset()
    row = harvest.api.find_application()
    personal = next(t.id for t in world.email_templates if t.user_id)
    shared = next(t.id for t in world.email_templates if not t.user_id)
    assert harvest.reject(row, rejection_email={"email_template_id": personal}).status_code == 422
    mail = {"email_template_id": shared, "send_email_at": "2026-12-01T09:00:00Z"}
    assert harvest.reject(row, rejection_email=mail).status_code < 300
    (sent,) = world.mails
    assert (sent.application_id, sent.on_behalf_of) == (row.id, harvest.api.find_user_id("ada"))


def test_update_changes_source(harvest: V1) -> None:
    row = harvest.api.find_application()
    source = harvest.api.sandbox.dataset().sources.ids[2]
    assert harvest.update(row, source_id=source).status_code < 300
    assert harvest.api.v1("GET", f"/applications/{row.id}").json()["source"]["id"] == source
    assert harvest.update(row, source_id=1).status_code == 422


def test_user_without_reject_right_can_advance(harvest: V1) -> None:
    row = harvest.api.find_application(job="vic")
    assert harvest.reject(row, by="vic").status_code == harvest.forbidden
    assert harvest.advance(row, by="vic").status_code < 300


def test_interviewer_cannot_reject_or_advance(harvest: V1) -> None:
    row = harvest.api.find_application(job="ivy")
    assert harvest.reject(row, by="ivy").status_code == harvest.forbidden
    assert harvest.advance(row, by="ivy").status_code == harvest.forbidden


def test_job_without_grant_is_refused(harvest: V1) -> None:
    world = harvest.api.sandbox.dataset()
    granted = harvest.api.get_granted_job_ids("remy")
    row = next(
        a
        for a in world.applications
        if a.status == "active" and not a.prospect and a.job_id not in granted
    )
    assert harvest.advance(row, by="remy").status_code == harvest.unseen
    assert harvest.advance(harvest.api.find_application(job="remy"), by="remy").status_code < 300


def test_confidential_job_is_closed_to_site_admin(harvest: V1) -> None:
    world = harvest.api.sandbox.dataset()
    granted = harvest.api.get_granted_job_ids("remy")
    row = next(
        a
        for a in world.applications
        if a.status == "active"
        and a.job_id in granted
        and world.jobs[a.job_id].confidential
        and world.stages[int(a.stage_id or 0)].name != "Offer"
    )
    assert harvest.advance(row, by="ada").status_code == harvest.unseen
    assert harvest.advance(row, by="remy").status_code < 300


def test_deactivated_user_is_refused(harvest: V1) -> None:
    row = harvest.api.find_application(job="dana")
    assert harvest.reject(row, by="dana").status_code == harvest.unseen


def test_v1_writes_need_acting_user(api: ApiClient) -> None:
    row = api.find_application()
    answer = api.v1("POST", f"/applications/{row.id}/unreject", json={})
    assert answer.status_code == 422


def test_v1_rejection_reason_can_be_changed(api: ApiClient) -> None:
    row = api.find_application(status="rejected", stage=None)
    reason = api.sandbox.dataset().rejection_reasons.ids[3]
    answer = api.v1(
        "PATCH", f"/applications/{row.id}/reject", by="ada", json={"rejection_reason_id": reason}
    )
    assert answer.json()["success"] is True
    assert api.v1("GET", f"/applications/{row.id}").json()["rejection_reason"]["id"] == reason


@pytest.mark.parametrize(
    ("mode", "entry", "job_stage"),
    [("either", 204, 204), ("entry", 204, 422), ("job_stage", 422, 204)],
)
def test_v3_from_stage_meaning_is_an_option(
    make_api: Callable[..., ApiClient], mode: str, entry: int, job_stage: int
) -> None:
    for number, wanted in ((0, entry), (1, job_stage)):
        api = make_api(from_stage=mode)
        row = api.find_application()
        given = (row.entry_id, row.stage_id)[number]
        answer = api.v3(
            "POST", f"/applications/{row.id}/move", by="ada", json={"from_stage_id": given}
        )
        assert answer.status_code == wanted


def test_v3_job_stage_field_is_an_option(make_api: Callable[..., ApiClient]) -> None:
    api = make_api(job_interview_stage_id=False)
    assert "job_interview_stage_id" not in api.v3("GET", "/applications").json()[0]


def test_writes_show_in_incremental_reads(harvest: V1) -> None:
    row = harvest.api.find_application()
    since = "2026-11-24T00:00:00Z"
    assert harvest.api.list_v1("/applications", last_activity_after=since) == []
    harvest.advance(row)
    (changed,) = harvest.api.list_v1("/applications", last_activity_after=since)
    assert changed["id"] == row.id
    (same,) = harvest.api.list_v3("/applications", updated_at=f"gte|{since}")
    assert same["id"] == row.id
