"""Empty and error states of the requisition list, with reason and next step."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync.models import SyncRun, SyncStep
from tests.factories import ConnectionFactory
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data
from tests.stable_page import read_stable_page

LIST = "/requisitions/"


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


def _get_text(client, address: str = LIST, **headers: str) -> str:
    return " ".join(client.get(address, **headers).content.decode().split())


@pytest.fixture
def new_connection(personas: Personas, db: None) -> Connection:
    """A connection that has not synced yet."""
    connection = ConnectionFactory(organization=personas.ada.organization, state="syncing")
    synced_data.create_user(connection, "remy@acme.example", name="Remy Laurent")
    return connection


@pytest.mark.parametrize("state", [None, "draft"])
def test_unconnected_state_depends_on_role(personas: Personas, sign_in, state: str | None) -> None:
    if state:
        ConnectionFactory(organization=personas.ada.organization, state=state)
    assert "Connect Greenhouse</a>" in _get_text(sign_in(personas.ada))
    for_remy = _get_text(sign_in(personas.remy))
    assert "Greenhouse isn't connected yet" in for_remy
    assert "Ask Ada to connect it in Setup." in for_remy
    assert "Connect Greenhouse</a>" not in for_remy


def test_first_sync_shows_progress_and_polls(
    new_connection: Connection, personas: Personas, sign_in
) -> None:
    remy = sign_in(personas.remy)
    run = SyncRun.objects.create(connection=new_connection)
    assert "Waiting to start" in _get_text(remy)
    run.status = "running"
    run.save()
    now = timezone.now()
    SyncStep.objects.create(run=run, kind="users", status="done", finished_at=now)
    SyncStep.objects.create(run=run, kind="jobs", status="running")
    page = _get_text(remy)
    assert "Importing your requisitions" in page
    assert "You can close this page" in page
    assert 'max="2" value="1"' in page
    assert 'hx-trigger="every 4s"' in page
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "first-sync"}
    assert "<html" not in _get_text(remy, **headers)
    run.status, run.finished_at, run.started_at = "done", now, now
    run.save()
    assert remy.get(LIST, **headers)["HX-Refresh"] == "true"
    assert "You don't have access to any open requisitions" in _get_text(remy)


def test_failed_first_sync_shows_reason_and_next_step(
    new_connection: Connection, personas: Personas, sign_in
) -> None:
    SyncRun.objects.create(
        connection=new_connection, status="failed", failure="Greenhouse is down."
    )
    for_remy, for_ada = _get_text(sign_in(personas.remy)), _get_text(sign_in(personas.ada))
    for page in (for_remy, for_ada):
        assert "The first sync failed" in page
        assert "Greenhouse is down." in page
    assert "Ask Ada to start it again in Setup." in for_remy
    assert "Open Setup</a>" in for_ada


def test_unmatched_and_ungranted_states_differ(acme, remy, personas: Personas, sign_in):
    ungranted = _get_text(sign_in(personas.remy))
    assert "You don't have access to any open requisitions" in ungranted
    assert "not a Site Admin or a Job Admin of any open job" in ungranted
    assert "to add you to a job" in ungranted
    unmatched = _get_text(sign_in(personas.uma))
    assert "No Greenhouse user has your email, uma@acme.example" in unmatched
    assert 'href="/requisitions/access/">See why' in unmatched


def test_no_match_links_to_all_jobs(acme, sam, personas: Personas, sign_in) -> None:
    synced_data.create_job(acme, "Nurse")
    page = _get_text(sign_in(personas.sam), f"{LIST}?q=nurse&mine=1")
    assert "No matches" in page
    assert 'href="?status=open">Show all' in page
    assert "Missing a requisition?" in page
    assert "You don't have access to any open" not in page
    closed = _get_text(sign_in(personas.sam), f"{LIST}?status=closed")
    assert "No closed requisitions yet" in closed


def _age_syncs(connection: Connection, **ago: int) -> None:
    moment = timezone.now() - timedelta(**ago)
    connection.syncs.update(started_at=moment, finished_at=moment)


def test_outdated_list_is_marked_with_time(acme, sam, personas: Personas, sign_in) -> None:
    synced_data.create_job(acme, "Nurse")
    sam = sign_in(personas.sam)
    assert "This list is out of date" not in _get_text(sam)
    _age_syncs(acme, days=2)
    page = _get_text(sam)
    assert "This list is out of date" in page
    assert "Out of date: synced <time" in page
    assert "Nurse" in page


def test_outage_keeps_list_with_notice(acme, sam, personas: Personas, sign_in) -> None:
    job = synced_data.create_job(acme, "Nurse")
    _age_syncs(acme, hours=2)
    acme.state = "degraded"
    acme.save()
    SyncRun.objects.create(connection=acme, status="failed", failure="Greenhouse did not answer.")
    # A recent sync of people does not hide the notice.
    SyncRun.objects.create(connection=acme, scope="people", status="done")
    sam = sign_in(personas.sam)
    page = _get_text(sam)
    for text in (
        "Couldn't sync with Greenhouse",
        "Greenhouse did not answer.",
        "We'll keep trying.",
        "Nurse",
    ):
        assert text in page
    # Opening a job requests a refresh.
    job_page = _get_text(sam, f"{LIST}{job.pk}/")
    assert "Refreshing…" in job_page
    assert "Synced <time" in job_page


@pytest.mark.parametrize(
    ("state", "notice"),
    [
        ("paused", "The connection to Greenhouse is paused"),
        ("disconnected", "Greenhouse is disconnected"),
    ],
)
def test_inactive_connection_hides_jobs(
    acme, sam, personas: Personas, sign_in, state: str, notice: str
) -> None:
    synced_data.create_job(acme, "Nurse")
    acme.state = state
    acme.save()
    synced_data.create_user(acme, "ada@acme.example", site_admin=True)
    for_sam, for_ada = _get_text(sign_in(personas.sam)), _get_text(sign_in(personas.ada))
    for page in (for_sam, for_ada):
        assert notice in page
        assert "Nurse" not in page
    assert "Ask Ada to" in for_sam
    assert "Open Setup</a>" in for_ada
    explanation = _get_text(sign_in(personas.sam), f"{LIST}access/?job=nurse")
    assert f"The connection to Greenhouse is {acme.get_state_display().lower()}" in explanation


@pytest.mark.parametrize("name", ["sam", "uma", "zoe"])
def test_job_url_explains_why_nothing_is_visible(
    acme, sam, personas: Personas, sign_in, name: str
) -> None:
    """The page is the same whether or not the job exists."""
    job = synced_data.create_job(acme, "Nurse")
    application = synced_data.create_application(
        job, synced_data.create_candidate(acme, "Nora Naylor")
    )
    if name == "sam":
        acme.state = "paused"
        acme.save()
    reason = {
        "sam": "The connection to Greenhouse is paused",
        "uma": "No Greenhouse user has your email",
        "zoe": "Greenhouse isn't connected yet",
    }[name]
    client = sign_in(getattr(personas, name))
    for existing_url, missing_url in (
        (f"{LIST}{job.pk}/", f"{LIST}987654/"),
        (f"{LIST}{job.pk}/export.csv", f"{LIST}987654/export.csv"),
        (f"/applications/{application.pk}/history/", "/applications/987654/history/"),
    ):
        existing, missing = client.get(existing_url), client.get(missing_url)
        assert existing.status_code == missing.status_code == 404
        assert reason in existing.content.decode()
        assert read_stable_page(existing) == read_stable_page(missing)
    assert reason not in client.get("/no-such-page/").content.decode()


def test_hidden_job_404_links_to_explanation(acme, sam, personas: Personas, sign_in) -> None:
    hidden = synced_data.create_job(acme, "Spy", confidential=True)
    page = sign_in(personas.sam).get(f"{LIST}{hidden.pk}/")
    assert page.status_code == 404
    assert 'href="/requisitions/access/"' in page.content.decode()


def test_list_notes_hiring_team_fallback(acme, remy, personas: Personas, sign_in) -> None:
    synced_data.record_check(acme, missing=(synced_data.GRANTS,))
    synced_data.create_team_member(remy, synced_data.create_job(acme, "Nurse"))
    page = _get_text(sign_in(personas.remy))
    assert "Showing requisitions by hiring team" in page
    assert "Greenhouse may show you more" in page
    assert "Nurse" in page
