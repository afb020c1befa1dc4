"""Adding notes in Harvest v1 and v3: what is kept, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.greenhouse.sandbox.dataset.records import Application
from tests.integrations.greenhouse.sandbox.api_client import ApiClient


@pytest.fixture
def application(api: ApiClient) -> Application:
    rows = api.sandbox.dataset().applications
    noted = {note.application_id for note in api.sandbox.dataset().notes}
    return next(row for row in rows if row.job_id and row.id not in noted)


def _post_v3(api: ApiClient, application: Application, **body: Any):
    values = {
        "candidate_id": application.candidate_id,
        "application_id": application.id,
        "body": "Hello",
    }
    return api.v3("POST", "/notes", by="ada", json=values | body)


def test_v3_note_is_listed_with_application(api: ApiClient, application: Application) -> None:
    response = _post_v3(api, application, visibility="private")
    assert response.status_code == 201
    (note,) = api.v3("GET", f"/notes?application_ids={application.id}").json()
    assert note["id"] == response.json()["id"]
    author = api.sandbox.dataset().find_user("ada").id
    assert (note["body"], note["user_id"], note["type"]) == ("Hello", author, "NOTE")
    assert note["visibility"] == "privately_visible"
    assert api.v3("GET", "/notes?application_ids=1").json() == []


def test_v3_note_defaults_to_admins(api: ApiClient, application: Application) -> None:
    _post_v3(api, application)
    (note,) = api.v3("GET", f"/notes?application_ids={application.id}").json()
    assert note["visibility"] == "admin_only_visible"


@pytest.mark.parametrize(
    "values",
    [
        {"visibility": "publicly_visible"},  # as reads spell it
        {"note_type": "INTERVIEW"},
        {"body": " "},
        {"candidate_id": None},
        {"application_id": 1},
    ],
)
def test_v3_refuses_wrong_values(
    api: ApiClient, application: Application, values: dict[str, Any]
) -> None:
    count = len(api.sandbox.dataset().notes)
    assert _post_v3(api, application, **values).status_code == 422
    assert len(api.sandbox.dataset().notes) == count


def test_v1_note_is_of_the_candidate(api: ApiClient, application: Application) -> None:
    author = api.sandbox.dataset().find_user("ada").id
    path = f"/candidates/{application.candidate_id}/activity_feed/notes"
    body = {"user_id": str(author), "body": "Hello", "visibility": "public"}
    answer = api.v1("POST", path, by="ada", json=body).json()
    *_, note = api.sandbox.dataset().notes
    assert (answer["id"], answer["user"]["id"], answer["visibility"]) == (note.id, author, "public")
    assert (note.candidate_id, note.application_id) == (application.candidate_id, None)
    assert api.v1("POST", path, by="ada", json={"user_id": author}).status_code == 422
    unknown = "/candidates/1/activity_feed/notes"
    assert api.v1("POST", unknown, by="ada", json=body).status_code == 404
