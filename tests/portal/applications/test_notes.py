"""Notes on an application: under one's own name, never twice, read by whom they are for."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.dataset.generation.sample_values import NOTE as SAMPLE_NOTE
from integrations.greenhouse.sandbox.dataset.records import Note
from portal.applications.actions import outbox
from portal.applications.actions.handlers.note import UNCHECKED_MESSAGE
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.connections.models import CheckRun, PermissionCheck
from portal.sync.models import Application, AtsUser, JobGrant
from portal.sync.records.candidate_erasure import erase_candidates
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    fetch_row,
    find_application,
    get_latest_action,
    reject_application,
    submit_action,
)

Status = ApplicationAction.Status
TEXT = "Strong on Postgres.\nAsk about <b>remote</b> work."
NOTES = r"/notes"


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@pytest.fixture
def sam(remy: Client, personas: Personas, sign_in) -> Client:
    return sign_in(personas.sam)


def _add_note(client: Client, application: Application, text: str = TEXT, **values: object):
    return submit_action(
        client, "note", application, **{"notes": text, "visibility": "admin_only", **values}
    )


def _read_page(client: Client, application: Application) -> str:
    page: str = client.get(build_action_url("applicant", application.pk)).content.decode()
    return page.replace("&#x27;", "'")


def _list_notes(sandbox: Sandbox) -> list[Note]:
    return [note for note in sandbox.dataset().notes if note.body != SAMPLE_NOTE]


def _settle(advance_clock, run_tasks, seconds: float = 40) -> ApplicationAction:
    advance_clock(seconds)
    outbox.release_due_actions()
    run_tasks()
    return get_latest_action()


def test_note_is_added_under_own_name(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, kind: str
) -> None:
    application = find_application()
    response = _add_note(remy, application, visibility="public")
    assert response.status_code == 200
    assert "Strong on Postgres." in response.content.decode()
    assert _list_notes(sandbox) == []  # it can still be undone
    _settle(advance_clock, run_tasks, 11)
    (note,) = _list_notes(sandbox)
    author = AtsUser.objects.get(primary_email="remy@acme.example")
    assert (note.body, note.user_id) == (TEXT, author.remote_id)
    assert (note.candidate_id, note.visibility) == (
        application.candidate.remote_id,
        "publicly_visible",
    )
    assert note.application_id == (None if kind == "harvest_key" else application.remote_id)
    page = _read_page(remy, application)
    assert "Ask about &lt;b&gt;remote&lt;/b&gt; work." in page
    assert get_latest_action().outcome == "Note added."
    entry = Entry.objects.get(verb="application.note_added")
    assert f"added a note to application {application.remote_id}" in entry.description
    assert "Postgres" not in entry.description


@any_generation
def test_note_undone_before_it_is_sent(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    _add_note(remy, application)
    action = get_latest_action()
    assert f'id="undo-activity-{action.pk}"' in _read_page(remy, application)
    remy.post(build_action_url("cancel_action", action.pk), {"origin": "applicant"})
    _settle(advance_clock, run_tasks, 11)
    assert get_latest_action().status == Status.CANCELED
    assert _list_notes(sandbox) == []


@any_generation
def test_double_submit_adds_one_note(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    key = "2a0a33ad-3e4b-4a5b-9e38-2c6f43c8f9b0"
    for _ in range(2):
        assert _add_note(remy, application, key=key).status_code == 200
    assert _add_note(remy, application, "Another one").status_code == 409
    _settle(advance_clock, run_tasks, 11)
    assert [note.body for note in _list_notes(sandbox)] == [TEXT]


@any_generation
@pytest.mark.parametrize(
    ("fault", "status", "count"),
    [("drop_after", Status.DONE, 1), ("drop_before", Status.FAILED, 0)],
)
def test_lost_answer_settled_by_reading(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, fault: str, status: str, count: int
) -> None:
    application = find_application()
    sandbox.faults.add_fault(regex=NOTES, method="POST", kind=fault, times=1)
    _add_note(remy, application)
    _settle(advance_clock, run_tasks, 11)
    action = _settle(advance_clock, run_tasks)
    assert (action.status, len(_list_notes(sandbox))) == (status, count)


@any_generation
def test_equal_earlier_note_is_no_proof(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    """The same words were added a minute before; the second time nothing arrived."""
    application = find_application()
    _add_note(remy, application)
    assert _settle(advance_clock, run_tasks, 11).status == Status.DONE
    sandbox.faults.add_fault(regex=NOTES, method="POST", kind="drop_before", times=1)
    _add_note(remy, application)
    _settle(advance_clock, run_tasks, 11)
    action = _settle(advance_clock, run_tasks)
    assert (action.status, action.notes) == (Status.FAILED, TEXT)
    assert "nothing changed" in action.outcome


@pytest.mark.parametrize("kind", ["harvest_key"])
def test_unprovable_note_says_so(remy: Client, sandbox: Sandbox, run_tasks, advance_clock) -> None:
    """v1 has no list of notes: nothing claims that it was or was not added."""
    application = find_application()
    page = _read_page(remy, application)
    assert "we can't check whether the note was added" in page
    assert "adds notes to the candidate, not to one application" in page
    sandbox.faults.add_fault(regex=NOTES, method="POST", kind="drop_after", times=1)
    _add_note(remy, application)
    _settle(advance_clock, run_tasks, 11)
    action = _settle(advance_clock, run_tasks)
    assert (action.status, action.outcome) == (Status.FAILED, UNCHECKED_MESSAGE)
    page = _read_page(remy, application)
    assert UNCHECKED_MESSAGE in page
    assert "Not confirmed" in page
    assert "Not added" not in page


@any_generation
def test_note_leaves_decisions_undoable(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    reject_application(remy, application)
    _add_note(remy, application)  # while the rejection is held
    assert "Reject" in fetch_row(remy, application)
    _settle(advance_clock, run_tasks, 11)
    assert len(_list_notes(sandbox)) == 1
    row = fetch_row(remy, application)
    assert "Note added" not in row
    assert ">Undo<" in row


def test_refusal_is_told_in_words(remy: Client, sandbox: Sandbox, run_tasks, advance_clock) -> None:
    application = find_application()
    _add_note(remy, application)
    sandbox.run_mutation("remove_grant", user="remy", job_id=application.job.remote_id)
    action = _settle(advance_clock, run_tasks, 11)
    assert action.status == Status.REFUSED
    assert "permission" in action.outcome or "access" in action.outcome
    assert _list_notes(sandbox) == []


@any_generation
def test_form_off_without_permission(remy: Client) -> None:
    run = CheckRun.objects.filter(status=CheckRun.Status.DONE).latest("pk")
    PermissionCheck.objects.filter(run=run, permission="notes.create").update(outcome="missing")
    application = find_application()
    page = _read_page(remy, application)
    assert "Notes is off" in page
    assert 'name="notes"' not in page
    assert _add_note(remy, application).status_code == 403


@any_generation
@pytest.mark.parametrize(
    ("visibility", "readable"), [("public", True), ("admin_only", True), ("private", False)]
)
def test_others_read_what_greenhouse_shows_them(
    remy: Client, sam: Client, run_tasks, advance_clock, visibility: str, readable: bool
) -> None:
    application = find_application()
    _add_note(remy, application, visibility=visibility)
    _settle(advance_clock, run_tasks, 11)
    history = sam.get(build_action_url("history", application.pk)).content.decode()
    for page in (_read_page(sam, application), history):
        assert ("visible to" in page) is readable, "not even that there is a note"
        assert ("Strong on Postgres." in page) is readable
    assert "Strong on Postgres." in _read_page(remy, application)


@any_generation
def test_note_of_hidden_application_is_not_found(remy: Client) -> None:
    application = find_application()
    JobGrant.objects.filter(job=application.job).update(gone_at=timezone.now())
    assert _add_note(remy, application).status_code == 404
    assert remy.get(build_action_url("applicant_activity", application.pk)).status_code == 404


@any_generation
def test_empty_note_is_explained(remy: Client) -> None:
    response = _add_note(remy, find_application(), " ")
    assert response.status_code == 422
    assert "Enter a note." in response.content.decode()
    assert not ApplicationAction.objects.exists()


@any_generation
def test_erased_candidate_gets_no_note(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    _add_note(remy, application)
    erase_candidates(application.connection, [application.candidate.remote_id])
    action = _settle(advance_clock, run_tasks, 11)
    assert (action.notes, _list_notes(sandbox)) == ("", [])
    assert action.status != Status.DONE


@any_generation
def test_open_note_is_polled(remy: Client, run_tasks, advance_clock) -> None:
    application = find_application()
    url = build_action_url("applicant_activity", application.pk)
    _add_note(remy, application)
    card = remy.get(url, **HTMX).content.decode()
    assert f'hx-get="{url}"' in card
    assert "Adding note" in card or "Scheduled" in card
    _settle(advance_clock, run_tasks, 11)
    assert f'hx-get="{url}"' not in remy.get(url, **HTMX).content.decode()


@any_generation
def test_key_of_note_does_not_answer_a_rejection(remy: Client) -> None:
    """Whoever rejects must not read that it was done."""
    application = find_application()
    key = "2a0a33ad-3e4b-4a5b-9e38-2c6f43c8f9b0"
    _add_note(remy, application, key=key)
    assert reject_application(remy, application, key=key).status_code == 409
    assert ApplicationAction.objects.get().kind == "note"
