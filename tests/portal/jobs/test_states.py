"""Whatever stands in the way of the list, the page says what, why, who can mend it and how."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.connections.models import Connection
from portal.mirror.models import SyncRun, SyncStep
from tests.cast import Cast, gather
from tests.factories import ConnectionFactory
from tests.portal.entitlements import world

LIST = "/requisitions/"


@pytest.fixture
def cast(db: None) -> Cast:
    return gather()


def _words(client, address: str = LIST, **headers: str) -> str:
    return " ".join(client.get(address, **headers).content.decode().split())


@pytest.fixture
def at_first(cast: Cast, db: None) -> Connection:
    """Connected, and nothing is read yet."""
    made = ConnectionFactory(organization=cast.ada.organization, state="syncing")
    world.user(made, "remy@acme.example", name="Remy Laurent")
    return made


@pytest.mark.parametrize("state", [None, "draft"])
def test_before_greenhouse_is_connected_each_reads_what_they_can_do(
    cast: Cast, sign_in, state: str | None
) -> None:
    if state:
        ConnectionFactory(organization=cast.ada.organization, state=state)
    assert "Connect Greenhouse</a>" in _words(sign_in(cast.ada))
    for_remy = _words(sign_in(cast.remy))
    assert "Greenhouse is not connected yet" in for_remy
    assert "An admin of your organization does that in Set-up" in for_remy
    assert "Connect Greenhouse</a>" not in for_remy


def test_a_first_sync_under_way_shows_how_far_it_is_and_looks_again_by_itself(
    at_first: Connection, cast: Cast, sign_in
) -> None:
    remy = sign_in(cast.remy)
    run = SyncRun.objects.create(connection=at_first)
    assert "Waiting to start" in _words(remy)
    run.status = "running"
    run.save()
    now = timezone.now()
    SyncStep.objects.create(run=run, kind="users", status="done", finished_at=now)
    SyncStep.objects.create(run=run, kind="jobs", status="running")
    page = _words(remy)
    assert "Requisitions are on their way" in page
    assert "You can close this page" in page
    assert 'max="2" value="1"' in page
    assert 'hx-trigger="every 4s"' in page
    part = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "first-sync"}
    assert "<html" not in _words(remy, **part)
    run.status, run.finished_at, run.started_at = "done", now, now
    run.save()
    assert remy.get(LIST, **part)["HX-Refresh"] == "true"
    assert "No open requisition is yours to see" in _words(remy)


def test_a_first_sync_that_failed_says_why_and_who_starts_it_again(
    at_first: Connection, cast: Cast, sign_in
) -> None:
    SyncRun.objects.create(connection=at_first, status="failed", failure="Greenhouse is down.")
    for_remy, for_ada = _words(sign_in(cast.remy)), _words(sign_in(cast.ada))
    for page in (for_remy, for_ada):
        assert "The first sync could not be finished" in page
        assert "Greenhouse is down." in page
    assert "An admin of your organization can start it again" in for_remy
    assert "Open Set-up</a>" in for_ada


def test_nothing_matched_and_nothing_granted_are_told_apart(acme, remy, cast: Cast, sign_in):
    nothing = _words(sign_in(cast.remy))
    assert "No open requisition is yours to see" in nothing
    assert "neither a Site Admin there nor a Job Admin of one" in nothing
    assert "can add you to a job" in nothing
    unmatched = _words(sign_in(cast.uma))
    assert "Nobody in Greenhouse has your address, uma@acme.example" in unmatched
    assert 'href="/requisitions/why/">See each step' in unmatched


def test_a_filter_that_is_too_narrow_leads_back_to_all(acme, sam, cast: Cast, sign_in) -> None:
    world.job(acme, "Nurse")
    page = _words(sign_in(cast.sam), f"{LIST}?q=nurse&mine=1")
    assert "Nothing fits" in page
    assert 'href="?status=open">Show all' in page
    assert "Why can’t I see one?" in page
    assert "No open requisition is yours" not in page
    closed = _words(sign_in(cast.sam), f"{LIST}?status=closed")
    assert "No closed requisition is yours to see" in closed


def _aged(connection: Connection, **ago: int) -> None:
    at = timezone.now() - timedelta(**ago)
    connection.syncs.update(started_at=at, finished_at=at)


def test_old_data_is_said_to_be_old_and_is_shown_with_its_time(
    acme, sam, cast: Cast, sign_in
) -> None:
    world.job(acme, "Nurse")
    sam = sign_in(cast.sam)
    assert "This list is out of date" not in _words(sam)
    _aged(acme, days=2)
    page = _words(sam)
    assert "This list is out of date" in page
    assert "Out of date: from Greenhouse <time" in page
    assert "Nurse" in page


def test_while_greenhouse_is_down_what_was_read_before_is_shown_and_said_so(
    acme, sam, cast: Cast, sign_in
) -> None:
    job = world.job(acme, "Nurse")
    _aged(acme, hours=2)
    acme.state = "degraded"
    acme.save()
    SyncRun.objects.create(connection=acme, status="failed", failure="Greenhouse did not answer.")
    # People are read beside it, and were read a moment ago: that hides nothing.
    SyncRun.objects.create(connection=acme, scope="people", status="done")
    sam = sign_in(cast.sam)
    page = _words(sam)
    for words in (
        "Greenhouse could not be read lately",
        "Greenhouse did not answer.",
        "It is tried again by itself",
        "Nurse",
    ):
        assert words in page
    # Opening one has it read again as soon as that works.
    of_job = _words(sam, f"{LIST}{job.pk}/")
    assert "Being read again from Greenhouse…" in of_job
    assert "What you see is from <time" in of_job


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("paused", "The connection to Greenhouse is paused"),
        ("disconnected", "Greenhouse is disconnected"),
    ],
)
def test_while_the_connection_is_off_no_requisition_is_shown(
    acme, sam, cast: Cast, sign_in, state: str, said: str
) -> None:
    world.job(acme, "Nurse")
    acme.state = state
    acme.save()
    world.user(acme, "ada@acme.example", site_admin=True)
    for_sam, for_ada = _words(sign_in(cast.sam)), _words(sign_in(cast.ada))
    for page in (for_sam, for_ada):
        assert said in page
        assert "Nurse" not in page
    assert "An admin of your organization can" in for_sam
    assert "in Set-up: Ada." in for_sam
    assert "Open Set-up</a>" in for_ada
    why = _words(sign_in(cast.sam), f"{LIST}why/?job=nurse")
    assert f"The connection to Greenhouse is {acme.get_state_display().lower()}" in why


@pytest.mark.parametrize("who", ["sam", "uma", "zoe"])
def test_who_sees_no_requisition_at_all_reads_why_at_its_own_address_too(
    acme, sam, cast: Cast, sign_in, who: str
) -> None:
    """And learns nothing of it: the page is the same for one that does not exist."""
    job = world.job(acme, "Nurse")
    application = world.application(job, world.candidate(acme, "Nora Naylor"))
    if who == "sam":
        acme.state = "paused"
        acme.save()
    said = {
        "sam": "The connection to Greenhouse is paused",
        "uma": "Nobody in Greenhouse has your address",
        "zoe": "Greenhouse is not connected yet",
    }[who]
    client = sign_in(getattr(cast, who))
    for there, nowhere in (
        (f"{LIST}{job.pk}/", f"{LIST}987654/"),
        (f"{LIST}{job.pk}/closed/", f"{LIST}987654/closed/"),
        (f"/applications/{application.pk}/history/", "/applications/987654/history/"),
    ):
        found, missing = client.get(there), client.get(nowhere)
        assert found.status_code == missing.status_code == 404
        assert said in found.content.decode()
        assert _but_for_tokens(found) == _but_for_tokens(missing)
    assert said not in client.get("/no-such-page/").content.decode()


def _but_for_tokens(page) -> str:
    return re.sub(r'(csrfmiddlewaretoken" value="|CSRFToken": ")[^"]+', "", page.content.decode())


def test_who_sees_others_is_shown_how_to_ask_about_one_that_is_missing(
    acme, sam, cast: Cast, sign_in
) -> None:
    hidden = world.job(acme, "Spy", confidential=True)
    page = sign_in(cast.sam).get(f"{LIST}{hidden.pk}/")
    assert page.status_code == 404
    assert 'href="/requisitions/why/"' in page.content.decode()


def test_where_grants_may_not_be_read_the_list_says_that_it_is_narrower(
    acme, remy, cast: Cast, sign_in
) -> None:
    world.checked(acme, missing=(world.GRANTS,))
    world.place(remy, world.job(acme, "Nurse"))
    page = _words(sign_in(cast.remy))
    assert "Shown by hiring team" in page
    assert "perhaps fewer than in Greenhouse" in page
    assert "Nurse" in page
