"""The page that explains why a person does not see a requisition."""

from __future__ import annotations

import pytest

from portal.mirror.models import Job, SyncRun
from tests.cast import Cast, gather
from tests.portal.entitlements import world

WHY_URL = "/requisitions/why/"


@pytest.fixture
def cast(db: None) -> Cast:
    return gather()


@pytest.fixture
def hidden(acme, sam, remy) -> Job:
    return world.job(acme, "Takeover lawyer", confidential=True, requisition_id="REQ-900")


def _get_page(client, job: object, **more: object) -> str:
    response = client.get(WHY_URL, {"job": job, **more})
    assert response.status_code == 200
    return response.content.decode()


def test_hidden_job_looks_like_missing_job(hidden: Job, cast: Cast, sign_in) -> None:
    for member in (cast.remy, cast.sam):
        client = sign_in(member)
        hidden_page = _get_page(client, hidden.remote_id).replace(str(hidden.remote_id), "#")
        missing_page = _get_page(client, hidden.remote_id + 5).replace(
            str(hidden.remote_id + 5), "#"
        )
        assert "Takeover" not in hidden_page
        assert _lines_without_token(hidden_page) == _lines_without_token(missing_page)


def _lines_without_token(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrf" not in line.lower()]


def test_recruiter_cannot_ask_about_others(hidden: Job, cast: Cast, sign_in) -> None:
    vic = world.user(hidden.connection, "vic@acme.example")
    world.grant(vic, hidden)
    page = _get_page(sign_in(cast.remy), hidden.remote_id, about=cast.vic.pk)
    assert "Takeover" not in page
    assert "vic@acme.example" not in page


def test_admin_asks_only_about_own_members(acme, sam, remy, cast: Cast, sign_in) -> None:
    job = world.job(acme, "Nurse")
    ada = sign_in(cast.ada)
    page = _get_page(ada, "nurse", about=cast.remy.pk)
    assert "Not seen" in page
    assert "no grant of this requisition" in page
    assert "Make the account a Job Admin" in page
    response = ada.get(WHY_URL, {"job": "nurse", "about": cast.zoe.pk})
    assert response.status_code == 422
    assert "zoe@other.example" not in response.content.decode()
    zoe = sign_in(cast.zoe)
    assert "Nurse" not in _get_page(zoe, job.remote_id)
    assert zoe.get(WHY_URL, {"job": "1", "about": cast.remy.pk}).status_code == 422


def test_explanation_shows_exact_times(acme, remy, cast: Cast, sign_in) -> None:
    grant = world.grant(remy, world.job(acme, "Nurse"))
    page = " ".join(_get_page(sign_in(cast.remy), "nurse").split())
    assert "as Job Admin. First seen here on <time" in page
    assert "People and their access were last read from Greenhouse on <time" in page
    for moment in (grant.first_seen_at, SyncRun.objects.get().started_at):
        assert f'datetime="{moment:%Y-%m-%dT%H:%M:%S}' in page


def test_unmatched_member_told_about_address(acme, cast: Cast, sign_in) -> None:
    page = _get_page(sign_in(cast.uma), "anything")
    assert "Nobody in Greenhouse has the address uma@acme.example" in page
    assert "Use one address in both places" in page


def test_empty_query_is_field_error(acme, cast: Cast, sign_in) -> None:
    response = sign_in(cast.remy).get(WHY_URL, {"job": " "})
    assert response.status_code == 422
    assert "Paste an ID, a link or a title" in response.content.decode()
