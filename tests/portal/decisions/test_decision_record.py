"""A requisition's decision record says who decided what, and what was known at the time."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.applications.actions import outbox
from portal.applications.batches import runner
from portal.applications.models import ActionKind, ApplicationAction, ReviewPreferences
from portal.decisions.models import Decision
from portal.decisions.recorder import record_decisions
from portal.sync.models import Application, EmailTemplate, Source
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    find_application,
    get_latest_action,
    get_review_origin,
    reject_application,
    submit_action,
)
from tests.portal.applications.action_matrix import WRITE, perform_action
from tests.portal.applications.batch_helpers import (
    confirm_batch,
    first_reason_pk,
    open_bulk_page,
    pick_from_one_job,
)
from tests.portal.applications.conftest import pick_fresh_application as pick_fresh_application
from tests.portal.applications.resume_helpers import find_with_resume
from tests.portal.decisions.record_helpers import (
    fetch_csv,
    fetch_print,
    fetch_record,
    read_csv,
    verify_record,
)

INJECTED_NOTE = '=HYPERLINK("http://evil.example")'


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (ActionKind.ADVANCE, "Advance"),
        (ActionKind.MOVE, "Move to a stage"),
        (ActionKind.REJECT, "Reject"),
        (ActionKind.UNREJECT, "Unreject"),
        (ActionKind.TRANSFER, "Transfer to another requisition"),
        (ActionKind.UPDATE, "Update"),
    ],
)
def test_each_kind_is_recorded(
    kind: str, title: str, remy: Client, run_tasks, pick_fresh_application, sign_in, personas
) -> None:
    sam = sign_in(personas.sam)
    state = "rejected" if kind == ActionKind.UNREJECT else "active"
    application = pick_fresh_application(state)
    job, stage = application.job, application.stage_name
    perform_action(sam, kind, application)
    run_tasks()
    application.refresh_from_db()
    (line,) = read_csv(sam, job)
    assert (line["Decision"], line["Result"]) == (title, "Done")
    assert line["Decided by"] == str(personas.sam.user)
    assert line["Candidate"] == str(application.candidate)
    assert line["Greenhouse application ID"] == str(application.remote_id)
    assert line["From stage"] == stage
    assert line["Automated"] == "no"
    assert line["Seal check"] == "unchanged"
    target = {
        ActionKind.ADVANCE: application.stage_name,
        ActionKind.MOVE: application.stage_name,
        ActionKind.UNREJECT: application.stage_name,
        ActionKind.TRANSFER: application.job.name,
    }
    assert line["To"] == target.get(ActionKind(kind), "")
    assert line["Changed fields"] == ("recruiter" if kind == ActionKind.UPDATE else "")
    assert line["Email"] == ("No email" if kind == ActionKind.REJECT else "")
    assert "decisions, " in verify_record()


def test_rejection_has_reason_note_and_email(remy: Client, run_tasks) -> None:
    application = find_application()
    application.candidate.__class__.objects.update(can_email=True)
    template = EmailTemplate.objects.filter(type="candidate_rejection").first()
    reject_application(
        remy, application, notes="Not enough Go.", template=template.pk, mail_after=60
    )
    run_tasks()
    (line,) = read_csv(remy, application.job)
    action = ApplicationAction.objects.get()
    assert line["Reason"] == action.reason.name
    assert line["Note"] == "Not enough Go."
    assert line["Email"] == f"“{template.name}” scheduled in Greenhouse"
    assert line["Email planned for (UTC)"]
    for page in (fetch_record(remy, application.job), fetch_print(remy, application.job)):
        assert "Not enough Go." in page
        assert "The portal makes no automated decisions" in page
        assert "Changed since" not in page
    # People may have the same name; on paper there is no link.
    assert f"<dd>{application.remote_id} in Greenhouse</dd>" in page


def test_list_filters_and_search_are_recorded(remy: Client, run_tasks) -> None:
    application = find_application()
    source = Source.objects.first().name
    query = f"status=active&stage={application.stage_id}&days=3&q=Ada&sort=name&source={source}"
    submit_action(remy, "advance", application, list_query=query)
    run_tasks()
    (line,) = read_csv(remy, application.job)
    assert line["Filters"] == (
        f"Status: Active; Stage: {application.stage_name}; Source: {source}; "
        "In stage at least: 3 days; Sorted by: Name, A to Z"
    )
    assert line["Search was on"] == "yes"
    assert line["Page"] == "List of applications"
    assert "Ada" not in str(ApplicationAction.objects.get().page_state)


def test_review_records_words_and_resume(remy: Client, sandbox, run_tasks, settings) -> None:
    settings.WEB_DEADLINE_SECONDS = 30.0  # how busy the machine is decides nothing
    member = ApplicationAction.membership.field.related_model.objects.get(
        user__email="remy@acme.example"
    )
    ReviewPreferences.objects.create(membership=member, highlighted_words="Go, Postgres")
    application = find_with_resume(sandbox, "cv.txt")
    start_url = reverse("applications:start_job_review", args=[application.job_id])
    remy.post(start_url, {"status": "active", "q": str(application.candidate)})
    remy.get(build_action_url("prefetch_resume", application.pk))
    remy.post(
        build_action_url("advance", application.pk),
        build_form_values(application, origin=get_review_origin()),
        **HTMX,
    )
    run_tasks()
    application.refresh_from_db()
    remy.get(build_action_url("resume", application.pk), **HTMX)
    remy.post(
        build_action_url("advance", application.pk),
        build_form_values(application, origin=get_review_origin()),
        **HTMX,
    )
    run_tasks()
    first, second = read_csv(remy, application.job)
    assert first["Page"] == "Review"
    assert first["Filters"] == "Review: this requisition; Status: Active"
    assert first["Search was on"] == "yes"
    assert first["Highlighted words"] == "Go; Postgres"
    assert (first["Résumé"], second["Résumé"]) == ("Not opened", "Opened")


def test_undo_is_recorded_with_who_and_when(remy: Client, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    remy.post(reverse("applications:undo_action", args=[get_latest_action().pk]), **HTMX)
    run_tasks()
    decision, undo = read_csv(remy, application.job)
    assert (decision["Decision"], decision["Undone"]) == ("Advance", "yes")
    assert decision["Undone by"] == undo["Decided by"]
    assert decision["Undone at (UTC)"] == undo["Final since (UTC)"]
    assert (undo["Decision"], undo["Undone"]) == ("Undo: Advance", "no")
    assert "Undone" in fetch_record(remy, application.job)


def test_failed_undo_undoes_nothing(remy: Client, sandbox, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    sandbox.faults.add_fault(
        regex=WRITE, method="POST", times=1, status=403, body={"message": "Access Denied"}
    )
    remy.post(reverse("applications:undo_action", args=[get_latest_action().pk]), **HTMX)
    run_tasks()
    decision, undo = read_csv(remy, application.job)
    assert (undo["Decision"], undo["Result"]) == ("Undo: Advance", "Denied by Greenhouse")
    assert (decision["Undone"], decision["Undone by"]) == ("no", "")


def test_canceled_decision_is_recorded(remy: Client, settings) -> None:
    settings.REJECT_UNDO_SECONDS = 10
    application = find_application()
    reject_application(remy, application)
    (line,) = read_csv(remy, application.job)
    assert (line["Result"], line["Seal check"]) == ("Not sent yet", "not sealed yet")
    remy.post(reverse("applications:cancel_action", args=[get_latest_action().pk]), **HTMX)
    (line,) = read_csv(remy, application.job)
    assert (line["Result"], line["Email"]) == ("Canceled before it was sent", "No email")
    assert line["Seal check"] == "unchanged"


def test_undone_transfer_stays_in_its_record(
    remy: Client, run_tasks, sign_in, personas, pick_fresh_application
) -> None:
    sam = sign_in(personas.sam)
    application = pick_fresh_application()
    job = application.job
    perform_action(sam, "transfer", application)
    run_tasks()
    sam.post(reverse("applications:undo_action", args=[get_latest_action().pk]), **HTMX)
    run_tasks()
    transfer, undo = read_csv(sam, job)
    assert (transfer["Undone"], undo["Decision"]) == ("yes", f"Undo: {transfer['Decision']}")
    assert undo["From stage"] == ""


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        ({"status": 403, "body": {"message": "Access Denied"}}, "Denied by Greenhouse"),
        ({"kind": "drop_before"}, "Not done"),
        ({"kind": "drop_after"}, "Done"),
    ],
)
def test_outcome_is_recorded_once_certain(
    fault: dict[str, object], result: str, remy: Client, sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    sandbox.faults.add_fault(regex=WRITE, method="POST", times=1, **fault)
    submit_action(remy, "advance", application)
    run_tasks()
    if get_latest_action().is_open:
        assert not Decision.objects.exists()
        (line,) = read_csv(remy, application.job)
        assert line["Result"] == "Not confirmed"
        assert "Not final yet" in fetch_record(remy, application.job)
        advance_clock(40)
        outbox.release_due_actions()
        run_tasks()
    (line,) = read_csv(remy, application.job)
    assert (line["Result"], line["Seal check"]) == (result, "unchanged")


def test_batch_is_recorded_with_its_filters(remy: Client, run_tasks, advance_clock) -> None:
    chosen = pick_from_one_job(2)
    page = open_bulk_page(remy, "reject", chosen, status="active", days="3", q="x")
    assert 'name="list_query"' in page.content.decode()
    confirm_batch(
        remy,
        "reject",
        chosen,
        page,
        reason=first_reason_pk(),
        notes=INJECTED_NOTE,
        list_query=page.context["list_query"],
    )
    advance_clock(11)
    runner.release_due_batches()
    run_tasks()
    lines = read_csv(remy, chosen[0].job)
    assert [line["Part of a batch"] for line in lines] == ["yes", "yes"]
    assert {line["Filters"] for line in lines} == {"Status: Active; In stage at least: 3 days"}
    assert {line["Note"] for line in lines} == {f"'{INJECTED_NOTE}"}
    assert '"=HYPERLINK' not in fetch_csv(remy, chosen[0].job)
    assert "2 decisions" in verify_record()


def test_queries_do_not_grow_with_decisions(remy: Client, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    counts = []
    for _ in range(2):
        views = ("record", "print", "export_csv")
        counts.append([_count_queries(remy, view, application) for view in views])
        _add_decisions(application, 4)
    assert counts[0] == counts[1]
    assert "The record is whole." in verify_record()


def _count_queries(client: Client, view: str, application: Application) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(reverse(f"decisions:{view}", args=[application.job_id]))
        assert b"".join(response)
    return len(queries)


def _add_decisions(application: Application, count: int) -> None:
    action = ApplicationAction.objects.latest("pk")
    for _ in range(count):
        action.pk, action.key = None, uuid4()
        action.save(force_insert=True)
        record_decisions([action])
