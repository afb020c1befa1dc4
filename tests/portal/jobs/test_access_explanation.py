"""The page that explains why a person does not see a requisition."""

from __future__ import annotations

import pytest

from portal.sync.models import Job, SyncRun
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data

WHY_URL = "/requisitions/access/"


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


@pytest.fixture
def hidden(acme, sam, remy) -> Job:
    return synced_data.create_job(
        acme, "Takeover lawyer", confidential=True, requisition_id="REQ-900"
    )


def _get_page(client, job: object, **more: object) -> str:
    response = client.get(WHY_URL, {"job": job, **more})
    assert response.status_code == 200
    return response.content.decode()


def test_hidden_job_looks_like_missing_job(hidden: Job, personas: Personas, sign_in) -> None:
    for member in (personas.remy, personas.sam):
        client = sign_in(member)
        hidden_page = _get_page(client, hidden.remote_id).replace(str(hidden.remote_id), "#")
        missing_page = _get_page(client, hidden.remote_id + 5).replace(
            str(hidden.remote_id + 5), "#"
        )
        assert "Takeover" not in hidden_page
        assert _lines_without_token(hidden_page) == _lines_without_token(missing_page)


def _lines_without_token(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrf" not in line.lower()]


def test_recruiter_cannot_ask_about_others(hidden: Job, personas: Personas, sign_in) -> None:
    vic = synced_data.create_user(hidden.connection, "vic@acme.example")
    synced_data.create_grant(vic, hidden)
    page = _get_page(sign_in(personas.remy), hidden.remote_id, about=personas.vic.pk)
    assert "Takeover" not in page
    assert "vic@acme.example" not in page


def test_admin_asks_only_about_own_members(acme, sam, remy, personas: Personas, sign_in) -> None:
    job = synced_data.create_job(acme, "Nurse")
    ada = sign_in(personas.ada)
    page = _get_page(ada, "nurse", about=personas.remy.pk)
    assert "Not visible" in page
    assert "granted this account the requisition" in page
    assert "make the account a Job Admin" in page
    response = ada.get(WHY_URL, {"job": "nurse", "about": personas.zoe.pk})
    assert response.status_code == 422
    assert "zoe@other.example" not in response.content.decode()
    zoe = sign_in(personas.zoe)
    assert "Nurse" not in _get_page(zoe, job.remote_id)
    assert zoe.get(WHY_URL, {"job": "1", "about": personas.remy.pk}).status_code == 422


def test_explanation_shows_exact_times(acme, remy, personas: Personas, sign_in) -> None:
    grant = synced_data.create_grant(remy, synced_data.create_job(acme, "Nurse"))
    page = " ".join(_get_page(sign_in(personas.remy), "nurse").split())
    assert "Job Admin of this requisition. First seen here on <time" in page
    assert "People and access last synced on <time" in page
    for moment in (grant.first_seen_at, SyncRun.objects.get().started_at):
        assert f'datetime="{moment:%Y-%m-%dT%H:%M:%S}' in page


def test_unmatched_member_told_about_address(acme, personas: Personas, sign_in) -> None:
    page = _get_page(sign_in(personas.uma), "anything")
    assert "No Greenhouse account has the email uma@acme.example" in page
    assert "Add the email to the Greenhouse account" in page


def test_empty_query_is_field_error(acme, personas: Personas, sign_in) -> None:
    response = sign_in(personas.remy).get(WHY_URL, {"job": " "})
    assert response.status_code == 422
    assert "Enter a title, an ID or a link" in response.content.decode()


@pytest.mark.parametrize("person", ["uma", "dana", "zoe"])
def test_person_without_access_sees_own_steps(
    acme, personas: Personas, sign_in, person: str
) -> None:
    synced_data.create_user(acme, "dana@acme.example", deactivated=True)
    page = sign_in(getattr(personas, person)).get(WHY_URL).content.decode()
    assert "Your access" in page
    assert "How to fix it" in page
    assert "Who can fix it" in page
    assert ('name="job"' in page) is (person == "zoe")  # an admin asks about others, too
    assert 'class="stack" data-take-focus' not in page


def test_form_takes_no_focus_before_an_answer(hidden: Job, personas: Personas, sign_in) -> None:
    client = sign_in(personas.remy)
    page = client.get(WHY_URL).content.decode()
    assert "Your access" not in page
    assert 'id="answer" class="stack">' in page
    assert 'id="answer" class="stack" data-take-focus>' in _get_page(client, hidden.remote_id)
