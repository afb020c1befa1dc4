"""The page that tells why somebody does not see a requisition."""

from __future__ import annotations

import pytest

from portal.mirror.models import Job, SyncRun
from tests.cast import Cast, gather
from tests.portal.entitlements import world

WHY = "/requisitions/why/"


@pytest.fixture
def cast(db: None) -> Cast:
    return gather()


@pytest.fixture
def hidden(acme, sam, remy) -> Job:
    return world.job(acme, "Takeover lawyer", confidential=True, requisition_id="REQ-900")


def _page(client, job: object, **more: object) -> str:
    answer = client.get(WHY, {"job": job, **more})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_recruiter_reads_the_same_of_a_hidden_and_of_a_missing_one(
    hidden: Job, cast: Cast, sign_in
) -> None:
    for who in (cast.remy, cast.sam):
        client = sign_in(who)
        seen = _page(client, hidden.remote_id).replace(str(hidden.remote_id), "#")
        missing = _page(client, hidden.remote_id + 5).replace(str(hidden.remote_id + 5), "#")
        assert "Takeover" not in seen
        assert _without_token(seen) == _without_token(missing)


def _without_token(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrf" not in line.lower()]


def test_a_recruiter_asks_about_nobody_else(hidden: Job, cast: Cast, sign_in) -> None:
    remy = world.user(hidden.connection, "vic@acme.example")
    world.grant(remy, hidden)
    page = _page(sign_in(cast.remy), hidden.remote_id, about=cast.vic.pk)
    assert "Takeover" not in page
    assert "vic@acme.example" not in page


def test_an_admin_asks_about_their_people_and_about_nobody_else(
    acme, sam, remy, cast: Cast, sign_in
) -> None:
    job = world.job(acme, "Nurse")
    ada = sign_in(cast.ada)
    page = _page(ada, "nurse", about=cast.remy.pk)
    assert "Not seen" in page
    assert "no grant of this requisition" in page
    assert "Make the account a Job Admin" in page
    answer = ada.get(WHY, {"job": "nurse", "about": cast.zoe.pk})
    assert answer.status_code == 422
    assert "zoe@other.example" not in answer.content.decode()
    zoe = sign_in(cast.zoe)
    assert "Nurse" not in _page(zoe, job.remote_id)
    assert zoe.get(WHY, {"job": "1", "about": cast.remy.pk}).status_code == 422


def test_the_page_tells_since_when_and_as_of_with_the_exact_time(
    acme, remy, cast: Cast, sign_in
) -> None:
    grant = world.grant(remy, world.job(acme, "Nurse"))
    page = " ".join(_page(sign_in(cast.remy), "nurse").split())
    assert "as Job Admin. First seen here on <time" in page
    assert "People and their access were last read from Greenhouse on <time" in page
    for at in (grant.first_seen_at, SyncRun.objects.get().started_at):
        assert f'datetime="{at:%Y-%m-%dT%H:%M:%S}' in page


def test_who_is_not_matched_reads_that_first(acme, cast: Cast, sign_in) -> None:
    page = _page(sign_in(cast.uma), "anything")
    assert "Nobody in Greenhouse has the address uma@acme.example" in page
    assert "Use one address in both places" in page


def test_nothing_pasted_is_an_error_next_to_the_field(acme, cast: Cast, sign_in) -> None:
    answer = sign_in(cast.remy).get(WHY, {"job": " "})
    assert answer.status_code == 422
    assert "Paste an ID, a link or a title" in answer.content.decode()
