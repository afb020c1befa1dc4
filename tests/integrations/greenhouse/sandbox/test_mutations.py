"""What the API returns after changes made in Greenhouse itself."""

from __future__ import annotations

import pytest

from tests.integrations.greenhouse.sandbox.api_client import ApiClient


def _run_mutation(api: ApiClient, action: str, **values: object) -> None:
    answer = api.http.post("/__mutate", json={"action": action, **values})
    assert answer.status_code == 200, answer.text


def test_deleted_job_takes_its_applications(api: ApiClient) -> None:
    row = api.find_application()
    job = row.job_id
    _run_mutation(api, "delete_job", job_id=job)
    assert api.v1("GET", f"/jobs/{job}").status_code == 404
    assert api.v1("GET", f"/jobs/{job}/stages").status_code == 404
    assert api.v1("GET", f"/applications/{row.id}").status_code == 404
    assert api.v3("GET", "/jobs", params={"ids": job}).json() == []
    assert api.v3("GET", "/user_job_permissions", params={"job_ids": job}).json() == []
    assert api.v1("GET", f"/candidates/{row.candidate_id}").status_code == 200


def test_closed_job_can_be_reopened(api: ApiClient) -> None:
    job = api.find_application().job_id
    _run_mutation(api, "close_job", job_id=job)
    body = api.v1("GET", f"/jobs/{job}").json()
    assert body["status"] == "closed"
    assert {opening["status"] for opening in body["openings"]} == {"closed"}
    assert job not in api.sandbox.count_records()["visible_open_job_ids"]["ada"]
    _run_mutation(api, "reopen_job", job_id=job)
    body = api.v1("GET", f"/jobs/{job}").json()
    assert (body["status"], body["closed_at"]) == ("open", None)


def test_renamed_job_shows_everywhere(api: ApiClient) -> None:
    row = api.find_application()
    api.v1("GET", "/applications")
    _run_mutation(api, "rename_job", job_id=row.job_id, name="Night Nurse")
    assert api.v1("GET", f"/applications/{row.id}").json()["jobs"][0]["name"] == "Night Nurse"
    (job,) = api.v3("GET", "/jobs", params={"ids": row.job_id}).json()
    assert job["name"] == "Night Nurse"


def test_merged_candidate_moves_applications(api: ApiClient) -> None:
    row = api.find_application()
    merged = row.candidate_id
    remaining = next(i for i in api.sandbox.dataset().candidates.ids if i != merged)
    api.v1("GET", "/candidates")
    _run_mutation(api, "merge_candidate", candidate_id=merged, into_id=remaining)
    assert api.v1("GET", f"/candidates/{merged}").status_code == 404
    assert row.id in api.v1("GET", f"/candidates/{remaining}").json()["application_ids"]
    assert api.v1("GET", f"/applications/{row.id}").json()["candidate_id"] == remaining


def test_deleted_candidate_takes_applications(api: ApiClient) -> None:
    row = api.find_application()
    _run_mutation(api, "delete_candidate", candidate_id=row.candidate_id)
    assert api.v1("GET", f"/candidates/{row.candidate_id}").status_code == 404
    assert api.v3("GET", "/applications", params={"ids": row.id}).json() == []
    params = {"application_ids": row.id}
    assert api.v3("GET", "/application_stages", params=params).json() == []


def test_anonymized_candidate_loses_personal_data(api: ApiClient) -> None:
    row = api.find_application()
    _run_mutation(api, "anonymize_candidate", candidate_id=row.candidate_id)
    body = api.v1("GET", f"/candidates/{row.candidate_id}").json()
    assert (body["first_name"], body["last_name"], body["email_addresses"]) == (None, None, [])
    assert body["applications"][0]["answers"] == []


def test_visible_jobs_follow_grants_and_roles(api: ApiClient) -> None:
    job = api.sandbox.count_records()["visible_open_job_ids"]["ada"][-1]
    _run_mutation(api, "add_grant", user="basil", job_id=job, role="Private")
    visible = api.sandbox.count_records()["visible_open_job_ids"]
    assert visible["basil"] == [job]
    _run_mutation(api, "remove_grant", user="basil", job_id=job)
    assert api.sandbox.count_records()["visible_open_job_ids"]["basil"] == []
    _run_mutation(api, "set_site_admin", user="basil")
    assert len(api.sandbox.count_records()["visible_open_job_ids"]["basil"]) == len(visible["ada"])
    _run_mutation(api, "deactivate_user", user="basil")
    assert api.sandbox.count_records()["visible_open_job_ids"]["basil"] == []
    (row,) = api.v3("GET", "/users", params={"ids": api.find_user_id("basil")}).json()
    assert (row["deactivated"], row["site_admin"]) == (True, True)


def test_changed_email_becomes_primary(api: ApiClient) -> None:
    number = api.find_user_id("remy")
    _run_mutation(api, "change_email", user="remy", email="remy@new.example")
    body = api.v1("GET", f"/users/{number}").json()
    assert body["primary_email_address"] == "remy@new.example"


def test_new_application_can_be_hired(api: ApiClient) -> None:
    job = api.find_application().job_id
    _run_mutation(api, "new_application", job_id=job, first_name="Nia")
    newest = api.v3("GET", "/applications", params={"per_page": 1}).json()[0]
    assert (newest["job_id"], newest["stage_name"]) == (job, "Application Review")
    _run_mutation(api, "hire_application", application_id=newest["id"])
    body = api.v1("GET", f"/applications/{newest['id']}").json()
    assert (body["status"], body["current_stage"]) == ("hired", None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "close_job", "job_id": 1}, 422),
        ({"action": "paint_job", "job_id": 1}, 422),
        ({"action": "close_job"}, 422),
        ({"action": "add_grant", "user": "uma", "job_id": 1}, 422),
    ],
)
def test_impossible_change_is_explained(
    api: ApiClient, body: dict[str, object], status: int
) -> None:
    answer = api.http.post("/__mutate", json=body)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_email_filter_ignores_ascii_case_only(api: ApiClient) -> None:
    _run_mutation(api, "change_email", user="remy", email="kim@new.example")
    for email, expected_count in (("KIM@new.example", 1), ("\u212aim@new.example", 0)):
        assert len(api.v1("GET", "/users", params={"email": email}).json()) == expected_count
        assert (
            len(api.v3("GET", "/users", params={"primary_email": email}).json()) == expected_count
        )
        assert len(api.v3("GET", "/user_emails", params={"email": email}).json()) == expected_count
