from __future__ import annotations

import pytest

from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def test_v1_ignores_unknown_parameters(api: ApiClient) -> None:
    assert len(api.v1("GET", "/jobs", params={"jobId": "1"}).json()) == 20


def test_v3_ignores_unknown_parameters(api: ApiClient) -> None:
    everyone = api.list_v3("/user_job_permissions")
    wrong = api.list_v3("/user_job_permissions", user_id=api.find_user_id("remy"))
    right = api.list_v3("/user_job_permissions", user_ids=api.find_user_id("remy"))
    assert wrong == everyone
    assert {row["user_id"] for row in right} == {api.find_user_id("remy")}


def test_v1_unknown_status_gives_empty_list(api: ApiClient) -> None:
    assert api.v1("GET", "/applications", params={"status": "in_process"}).json() == []


def test_v3_active_filter_returns_in_process(api: ApiClient) -> None:
    rows = api.list_v3("/applications", status="active")
    assert {row["status"] for row in rows} == {"in_process"}
    assert api.v3("GET", "/applications", params={"status": "in_process"}).status_code == 422


def test_v1_applications_ignore_updated_after(api: ApiClient) -> None:
    total = len(api.list_v1("/applications"))
    assert len(api.list_v1("/applications", updated_after="2026-11-01T00:00:00Z")) == total
    late = api.list_v1("/applications", last_activity_after="2026-11-01T00:00:00Z")
    assert 0 < len(late) < total
    assert all(row["last_activity_at"] >= "2026-11-01" for row in late)


@pytest.mark.parametrize(
    ("operator", "test"),
    [
        ("gte", lambda a, b: a >= b),
        ("gt", lambda a, b: a > b),
        ("lte", lambda a, b: a <= b),
        ("lt", lambda a, b: a < b),
    ],
)
def test_v3_timestamps_take_operators(api: ApiClient, operator: str, test: object) -> None:
    rows = api.list_v3("/applications")
    middle = sorted(row["updated_at"] for row in rows)[len(rows) // 2]
    ids = {row["id"] for row in api.list_v3("/applications", updated_at=f"{operator}|{middle}")}
    assert callable(test)
    assert ids == {row["id"] for row in rows if test(row["updated_at"], middle)}


def test_v3_timestamps_take_ranges(api: ApiClient) -> None:
    rows = api.list_v3("/jobs", created_at="gte|2026-01-01|lte|2026-06-01")
    assert rows
    assert all("2026-01-01" <= row["created_at"] <= "2026-06-02" for row in rows)
    assert api.v3("GET", "/jobs", params={"created_at": "2026-01-01"}).status_code == 422
    both = {"created_at": "gte|2026-01-01", "updated_at": "gte|2026-01-01"}
    assert api.v3("GET", "/jobs", params=both).status_code == 422


def test_v1_users_are_filtered_by_any_email(api: ApiClient) -> None:
    (mona,) = api.v1("GET", "/users", params={"email": "MONA@acme.example"}).json()
    assert mona["primary_email_address"] == "m.moss@acme.example"
    assert len(api.v1("GET", "/users", params={"email": "shared@acme.example"}).json()) == 2
    assert api.v1("GET", "/users", params={"email": "uma@acme.example"}).json() == []


def test_v3_users_are_filtered_by_primary_email(api: ApiClient) -> None:
    assert api.v3("GET", "/users", params={"primary_email": "mona@acme.example"}).json() == []
    (row,) = api.v3("GET", "/user_emails", params={"email": "mona@acme.example"}).json()
    assert row["user_id"] == api.find_user_id("mona")


def test_v3_hides_service_accounts_by_default(api: ApiClient) -> None:
    usual = api.list_v3("/users")
    every = api.list_v3("/users", show_service_accounts="true")
    hidden = {row["id"] for row in every} - {row["id"] for row in usual}
    assert len(hidden) == 3
    assert all(row["primary_email"] is None for row in every if row["id"] in hidden)
    assert len(usual) == api.sandbox.count_records()["users_without_service_accounts"]


def test_v1_candidates_of_job_exclude_prospects(api: ApiClient) -> None:
    job = api.find_application().job_id
    rows = api.v1("GET", "/candidates", params={"job_id": job}).json()
    assert rows
    assert all(
        any(not a["prospect"] and a["jobs"][0]["id"] == job for a in row["applications"])
        for row in rows
    )


def test_v1_openings_are_filtered_by_opened(api: ApiClient) -> None:
    job = next(job.id for job in api.sandbox.dataset().jobs if job.status == "open")
    rows = api.v1("GET", f"/jobs/{job}/openings", params={"status": "opened"}).json()
    assert {row["status"] for row in rows} == {"open"}


def test_default_rejection_reasons_are_optional(api: ApiClient) -> None:
    for ask in (api.v1, api.v3):
        assert len(ask("GET", "/rejection_reasons").json()) == 6
        answer = ask("GET", "/rejection_reasons", params={"include_defaults": "true"})
        assert len(answer.json()) == 8


def test_v3_fields_limits_columns(api: ApiClient) -> None:
    row = api.v3("GET", "/jobs", params={"fields": "name,status"}).json()[0]
    assert set(row) == {"id", "name", "status"}


def test_v3_application_stage_links_job_stage(api: ApiClient) -> None:
    row = api.find_application()
    params = {"application_ids": row.id, "current": "true"}
    (entry,) = api.v3("GET", "/application_stages", params=params).json()
    (application,) = api.v3("GET", "/applications", params={"ids": row.id}).json()
    assert application["stage_id"] == entry["id"] != entry["job_interview_stage_id"]
    assert application["job_interview_stage_id"] == entry["job_interview_stage_id"]
