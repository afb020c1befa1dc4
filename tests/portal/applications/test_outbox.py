"""The outbox: delayed rejections, undo, retries after an outage, and conflicts."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions.outbox import release_due_actions
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, Stage
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    fetch_row,
    find_application,
    get_latest_action,
    get_sandbox_application,
    list_writes,
    reject_application,
    submit_action,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(personas: Personas, connect, sign_in) -> Client:
    connect()
    return sign_in(personas.remy)


def _post_action(client: Client, action: ApplicationAction, kind: str = "cancel_action"):
    return client.post(build_action_url(kind, action.pk), **HTMX)


def test_rejection_undone_in_time_sends_nothing(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    row = reject_application(remy, application).content.decode()
    assert "Rejecting</strong> in" in row
    assert "Undo" in row
    release_due_actions()
    assert run_tasks() == 0
    row = _post_action(remy, get_latest_action()).content.decode()
    assert "canceled. Nothing was sent." in row
    advance_clock(30)
    release_due_actions()
    run_tasks()
    assert get_latest_action().status == Status.CANCELED
    assert list_writes(sandbox) == []


def test_delayed_rejection_sent_once_when_due(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    reject_application(remy, application)
    advance_clock(11)
    release_due_actions()
    release_due_actions()  # two workers look at the same moment
    assert run_tasks() == 1
    assert get_latest_action().status == Status.DONE
    assert get_sandbox_application(sandbox, application).status == "rejected"


def test_row_poll_sends_due_rejection(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    reject_application(remy, application)
    advance_clock(11)
    assert "Rejecting…" in fetch_row(remy, application)
    run_tasks()
    assert get_latest_action().status == Status.DONE


def test_late_undo_refused_then_reverses_action(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    reject_application(remy, application)
    action = get_latest_action()
    advance_clock(11)
    release_due_actions()
    run_tasks()
    late_response = _post_action(remy, action)
    assert late_response.status_code == 409
    assert "Too late" in late_response.content.decode()
    assert build_action_url("undo_action", action.pk) in fetch_row(remy, application)
    for _ in range(2):  # a double click
        assert _post_action(remy, action, "undo_action").status_code == 200
    run_tasks()
    assert get_sandbox_application(sandbox, application).status == "active"
    assert [a.kind for a in ApplicationAction.objects.all()] == ["unreject", "reject"]
    assert get_latest_action().undoes == action


def test_withdrawn_action_keeps_earlier_undo(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    start_stage_id = get_sandbox_application(sandbox, application).stage_id
    submit_action(remy, "advance", application)
    run_tasks()
    advance = get_latest_action()
    reject_application(remy, application)
    _post_action(remy, get_latest_action())
    activity = remy.get("/activity/").content.decode()
    assert build_action_url("undo_action", advance.pk) in activity
    _post_action(remy, advance, "undo_action")
    run_tasks()
    assert get_sandbox_application(sandbox, application).stage_id == start_stage_id


def test_advance_undo_moves_back_unless_changed(
    remy: Client, sandbox: Sandbox, run_tasks, personas: Personas, sign_in
) -> None:
    application = find_application()
    start_stage_id = get_sandbox_application(sandbox, application).stage_id
    submit_action(remy, "advance", application)
    run_tasks()
    advance = get_latest_action()
    _post_action(remy, advance, "undo_action")
    run_tasks()
    assert get_sandbox_application(sandbox, application).stage_id == start_stage_id
    assert get_latest_action().kind == "move"
    assert get_latest_action().status == Status.DONE
    # An action that was undone is no longer the latest and cannot be undone again.
    assert _post_action(remy, advance, "undo_action").status_code == 200
    assert ApplicationAction.objects.count() == 2
    # Another person's action cannot be undone.
    assert (
        _post_action(sign_in(personas.sam), get_latest_action(), "undo_action").status_code == 404
    )
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    response = _post_action(remy, get_latest_action(), "undo_action")
    run_tasks()
    assert response.status_code == 200
    assert get_latest_action().status == Status.CONFLICT  # Greenhouse's own guard refused it


def test_outage_keeps_action_queued_until_recovery(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, settings, quick_retries: None
) -> None:
    application = find_application()
    working_url = settings.GREENHOUSE_API_URL
    submit_action(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    run_tasks()
    assert get_latest_action().status == Status.SCHEDULED
    row = fetch_row(remy, application)
    assert "Not advanced yet." in row
    assert "Undo" in row
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    advance_clock(6)
    release_due_actions()
    run_tasks()
    assert get_latest_action().status == Status.DONE
    assert len(list_writes(sandbox)) == 1


def _announcements(row: str) -> list[str]:
    return re.findall(r'data-announce="([^"]*)"', row)


def test_waiting_announcement_offers_undo_to_owner(
    remy: Client,
    personas: Personas,
    sign_in,
    sandbox: Sandbox,
    run_tasks,
    settings,
    quick_retries: None,
) -> None:
    application = find_application()
    sam = sign_in(personas.sam)
    reject_application(remy, application)
    assert _announcements(fetch_row(remy, application)) == [
        f"Rejecting {application.candidate} in 10 seconds. You can undo it."
    ]
    assert _announcements(fetch_row(sam, application)) == [
        f"Rejecting {application.candidate} in 10 seconds, by {personas.remy.user}."
    ]
    remy.post(build_action_url("cancel_action", get_latest_action().pk), **HTMX)
    submit_action(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    run_tasks()
    message = f"{application.candidate} not advanced yet. {get_latest_action().outcome}"
    assert "isn't responding" in message
    assert _announcements(fetch_row(remy, application)) == [f"{message} You can undo it."]
    assert _announcements(fetch_row(sam, application)) == [message]


def test_row_buttons_have_distinct_keys(
    remy: Client,
) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    failure = {"status": Status.FAILED, "outcome": "Nothing was changed in Greenhouse."}
    ApplicationAction.objects.update(**failure, settled_at=timezone.now())
    row = fetch_row(remy, application)
    assert "Try again" in row
    keys = re.findall(r'name="click" value="([^".]+)', row)
    assert len(keys) == len(set(keys)) == 2


def test_outbox_gives_up_then_allows_retry(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, settings, quick_retries: None
) -> None:
    application = find_application()
    working_url = settings.GREENHOUSE_API_URL
    submit_action(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    for _ in range(12):
        run_tasks()
        advance_clock(61)
        release_due_actions()
    assert get_latest_action().status == Status.FAILED
    assert "Nothing changed" in fetch_row(remy, application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    advance_clock(settings.BREAKER_MAX_COOLDOWN_SECONDS)
    response = remy.post(
        build_action_url("retry_action", get_latest_action().pk), _fresh_form(application), **HTMX
    )
    assert response.status_code == 200
    run_tasks()
    assert get_latest_action().status == Status.DONE


def _fresh_form(application: Application) -> dict[str, object]:
    application.refresh_from_db()
    return build_form_values(application)


def test_conflict_names_author_and_offers_retry(
    remy: Client, personas: Personas, sandbox: Sandbox, sign_in, run_tasks
) -> None:
    application = find_application()
    submit_action(sign_in(personas.sam), "advance", application)
    run_tasks()
    submit_action(remy, "advance", application)  # from an outdated screen
    run_tasks()
    row = fetch_row(remy, application)
    assert "this application changed since" in row
    assert "Sam: Advanced to" in row
    assert "View in Greenhouse" in row
    conflict = get_latest_action()
    remy.post(build_action_url("retry_action", conflict.pk), _fresh_form(application), **HTMX)
    run_tasks()
    assert get_latest_action().status == Status.DONE
    application.refresh_from_db()
    assert application.stage.order == 2
    # A conflict with a change made in Greenhouse itself can be dismissed.
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    submit_action(remy, "advance", application)
    run_tasks()
    assert "by whom isn't known" in fetch_row(remy, application)
    assert (
        "this application changed since"
        not in _post_action(remy, get_latest_action(), "dismiss_action").content.decode()
    )


def test_stale_advance_at_last_stage_conflicts(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    last_stage = (
        Stage.objects.filter(job=application.job_id, active=True).order_by("-order").first()
    )
    sandbox.run_mutation(
        "move_application", application_id=application.remote_id, stage_id=last_stage.remote_id
    )
    Application.objects.filter(pk=application.pk).update(  # already synced
        stage=last_stage,
        stage_remote_id=last_stage.remote_id,
        stage_name=last_stage.name,
        stage_entry_id=get_sandbox_application(sandbox, application).entry_id,
    )
    assert submit_action(remy, "advance", application).status_code == 200
    run_tasks()
    row = fetch_row(remy, application)
    assert get_latest_action().status == Status.CONFLICT, get_latest_action().outcome
    assert f"it's now in “{last_stage.name}”" in row
    application.refresh_from_db()
    response = submit_action(remy, "advance", application)
    assert response.status_code == 403
    assert "Already in the final stage" in response.content.decode()


def test_rejection_conflicts_after_concurrent_move(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    reject_application(remy, application)
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    advance_clock(11)
    release_due_actions()
    run_tasks()
    assert get_latest_action().status == Status.CONFLICT
    assert get_sandbox_application(sandbox, application).status == "active"


def test_role_refusal_warns_next_person(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, advance_clock, settings
) -> None:
    settings.REJECT_UNDO_SECONDS = 0
    connect()
    vic = sign_in(personas.vic)  # may advance, not reject
    application = find_application("vic")
    form = vic.get(build_action_url("reject", application.pk), **HTMX).content.decode()
    assert "may deny this" not in form
    reject_application(vic, application)
    run_tasks()
    assert get_latest_action().status == Status.REFUSED
    form = vic.get(build_action_url("reject", application.pk), **HTMX).content.decode()
    assert "Greenhouse may deny this" in form
    assert "recently denied" not in fetch_row(sign_in(personas.ada), application)  # a Site Admin
    # The warning expires.
    advance_clock(15 * 24 * 3600)
    form = (
        sign_in(personas.vic)
        .get(build_action_url("reject", application.pk), **HTMX)
        .content.decode()
    )
    assert "may deny this" not in form


def test_undo_needs_access_to_application(
    remy: Client, personas: Personas, sign_in, run_tasks, advance_clock
) -> None:
    reject_application(remy, find_application())
    for name in ("zoe", "uma", "sam"):
        stranger = sign_in(getattr(personas, name))
        for kind in ("cancel_action", "undo_action", "retry_action", "dismiss_action"):
            assert _post_action(stranger, get_latest_action(), kind).status_code == 404
    assert get_latest_action().status == Status.SCHEDULED
