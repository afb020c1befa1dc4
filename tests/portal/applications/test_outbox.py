"""The outbox: delayed rejections, undo, retries after an outage, and conflicts."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.applications.outbox import release
from portal.mirror.models import Application, Stage
from tests.cast import Cast
from tests.portal.applications.clicking import (
    HTMX,
    address,
    an_application,
    click,
    newest,
    reject,
    seen,
    shown,
    truth,
    writes,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(cast: Cast, connect, sign_in) -> Client:
    connect()
    return sign_in(cast.remy)


def _post_action(client: Client, action: ApplicationAction, kind: str = "withdraw"):
    return client.post(address(kind, action.pk), **HTMX)


def test_rejection_undone_in_time_sends_nothing(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    row = reject(remy, application).content.decode()
    assert "goes to Greenhouse in" in row
    assert "Undo" in row
    release()
    assert work() == 0
    row = _post_action(remy, newest()).content.decode()
    assert "Taken back in time" in row
    later(30)
    release()
    work()
    assert newest().status == Status.WITHDRAWN
    assert writes(sandbox) == []


def test_delayed_rejection_sent_once_when_due(remy: Client, sandbox: Sandbox, work, later) -> None:
    application = an_application()
    reject(remy, application)
    later(9)
    release()
    release()  # two workers look at the same moment
    assert work() == 1
    assert newest().status == Status.DONE
    assert truth(sandbox, application).status == "rejected"


def test_row_poll_sends_due_rejection(remy: Client, sandbox: Sandbox, work, later) -> None:
    application = an_application()
    reject(remy, application)
    later(9)
    assert "waiting to be sent" in shown(remy, application)
    work()
    assert newest().status == Status.DONE


def test_late_undo_refused_then_reverses_action(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    reject(remy, application)
    action = newest()
    later(9)
    release()
    work()
    late_response = _post_action(remy, action)
    assert late_response.status_code == 409
    assert "too late" in late_response.content.decode()
    assert address("take_back", action.pk) in shown(remy, application)
    for _ in range(2):  # a double click
        assert _post_action(remy, action, "take_back").status_code == 200
    work()
    assert truth(sandbox, application).status == "active"
    assert [a.kind for a in ApplicationAction.objects.all()] == ["unreject", "reject"]
    assert newest().undoes == action


def test_withdrawn_action_keeps_earlier_undo(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    start_stage_id = truth(sandbox, application).stage_id
    click(remy, "advance", application)
    work()
    advance = newest()
    reject(remy, application)
    _post_action(remy, newest())
    activity = remy.get("/activity/").content.decode()
    assert address("take_back", advance.pk) in activity
    _post_action(remy, advance, "take_back")
    work()
    assert truth(sandbox, application).stage_id == start_stage_id


def test_advance_undo_moves_back_unless_changed(
    remy: Client, sandbox: Sandbox, work, cast: Cast, sign_in
) -> None:
    application = an_application()
    start_stage_id = truth(sandbox, application).stage_id
    click(remy, "advance", application)
    work()
    advance = newest()
    _post_action(remy, advance, "take_back")
    work()
    assert truth(sandbox, application).stage_id == start_stage_id
    assert newest().kind == "move"
    assert newest().status == Status.DONE
    # An action that was undone is no longer the latest and cannot be undone again.
    assert _post_action(remy, advance, "take_back").status_code == 200
    assert ApplicationAction.objects.count() == 2
    # Another person's action cannot be undone.
    assert _post_action(sign_in(cast.sam), newest(), "take_back").status_code == 404
    sandbox.mutate("move_application", application_id=application.remote_id)
    response = _post_action(remy, newest(), "take_back")
    work()
    assert response.status_code == 200
    assert newest().status == Status.CONFLICT  # Greenhouse's own guard refused it


def test_outage_keeps_action_queued_until_recovery(
    remy: Client, sandbox: Sandbox, work, later, settings, quick_retries: None
) -> None:
    application = an_application()
    working_url = settings.GREENHOUSE_API_URL
    click(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    assert newest().status == Status.HELD
    row = shown(remy, application)
    assert "waits in the outbox" in row
    assert "Undo" in row
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    later(6)
    release()
    work()
    assert newest().status == Status.DONE
    assert len(writes(sandbox)) == 1


def _announcements(row: str) -> list[str]:
    return re.findall(r'data-announce="([^"]*)"', row)


def test_waiting_announcement_offers_undo_to_owner(
    remy: Client, cast: Cast, sign_in, sandbox: Sandbox, work, settings, quick_retries: None
) -> None:
    application = an_application()
    sam = sign_in(cast.sam)
    reject(remy, application)
    assert _announcements(shown(remy, application)) == [
        "Reject is held for a few seconds. Undo stops it."
    ]
    assert _announcements(shown(sam, application)) == [
        f"Reject by {cast.remy.user} is held for a few seconds."
    ]
    remy.post(address("withdraw", newest().pk), **HTMX)
    click(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    message = f"waits in the outbox. {newest().outcome}"
    assert "does not answer" in message
    assert _announcements(shown(remy, application)) == [f"Advance {message} Undo stops it."]
    assert _announcements(shown(sam, application)) == [f"Advance by {cast.remy.user} {message}"]


def test_row_buttons_have_distinct_keys(
    remy: Client,
) -> None:
    application = an_application()
    click(remy, "advance", application)
    failure = {"status": Status.FAILED, "outcome": "Nothing was changed in Greenhouse."}
    ApplicationAction.objects.update(**failure, settled_at=timezone.now())
    row = shown(remy, application)
    assert "Try again" in row
    keys = re.findall(r'name="key" value="([^"]+)"', row)
    assert len(keys) == len(set(keys)) == 2


def test_outbox_gives_up_then_allows_retry(
    remy: Client, sandbox: Sandbox, work, later, settings, quick_retries: None
) -> None:
    application = an_application()
    working_url = settings.GREENHOUSE_API_URL
    click(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    for _ in range(12):
        work()
        later(61)
        release()
    assert newest().status == Status.FAILED
    assert "Nothing was changed" in shown(remy, application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    response = remy.post(address("again", newest().pk), _fresh_form(application), **HTMX)
    assert response.status_code == 200
    work()
    assert newest().status == Status.DONE


def _fresh_form(application: Application) -> dict[str, object]:
    application.refresh_from_db()
    return seen(application)


def test_conflict_names_author_and_offers_retry(
    remy: Client, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    application = an_application()
    click(sign_in(cast.sam), "advance", application)
    work()
    click(remy, "advance", application)  # from an outdated screen
    work()
    row = shown(remy, application)
    assert "Changed meanwhile" in row
    assert "Sam: Advanced in Greenhouse" in row
    assert "Open in Greenhouse" in row
    conflict = newest()
    remy.post(address("again", conflict.pk), _fresh_form(application), **HTMX)
    work()
    assert newest().status == Status.DONE
    application.refresh_from_db()
    assert application.stage.order == 2
    # A conflict with a change made in Greenhouse itself can be dismissed.
    sandbox.mutate("move_application", application_id=application.remote_id)
    click(remy, "advance", application)
    work()
    assert "Greenhouse does not tell us by whom" in shown(remy, application)
    assert "Changed meanwhile" not in _post_action(remy, newest(), "dismiss").content.decode()


def test_stale_advance_at_last_stage_conflicts(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    last_stage = (
        Stage.objects.filter(job=application.job_id, active=True).order_by("-order").first()
    )
    sandbox.mutate(
        "move_application", application_id=application.remote_id, stage_id=last_stage.remote_id
    )
    Application.objects.filter(pk=application.pk).update(  # already synced
        stage=last_stage,
        stage_remote_id=last_stage.remote_id,
        stage_name=last_stage.name,
        stage_entry_id=truth(sandbox, application).entry_id,
    )
    assert click(remy, "advance", application).status_code == 200
    work()
    row = shown(remy, application)
    assert newest().status == Status.CONFLICT, newest().outcome
    assert f"now it is in “{last_stage.name}”" in row
    application.refresh_from_db()
    response = click(remy, "advance", application)
    assert response.status_code == 403
    assert "in the last stage already" in response.content.decode()


def test_rejection_conflicts_after_concurrent_move(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    reject(remy, application)
    sandbox.mutate("move_application", application_id=application.remote_id)
    later(9)
    release()
    work()
    assert newest().status == Status.CONFLICT
    assert truth(sandbox, application).status == "active"


def test_role_refusal_warns_next_person(
    connect, cast: Cast, sandbox: Sandbox, sign_in, work, later, settings
) -> None:
    settings.REJECT_HOLD_SECONDS = 0
    connect()
    vic = sign_in(cast.vic)  # may advance, not reject
    application = an_application("vic")
    form = vic.get(address("reject", application.pk), **HTMX).content.decode()
    assert "may refuse this" not in form
    reject(vic, application)
    work()
    assert newest().status == Status.REFUSED
    form = vic.get(address("reject", application.pk), **HTMX).content.decode()
    assert "Greenhouse may refuse this" in form
    assert "lately refused" not in shown(sign_in(cast.ada), application)  # a Site Admin
    # The warning expires.
    later(15 * 24 * 3600)
    form = sign_in(cast.vic).get(address("reject", application.pk), **HTMX).content.decode()
    assert "may refuse this" not in form


def test_undo_needs_access_to_application(remy: Client, cast: Cast, sign_in, work, later) -> None:
    reject(remy, an_application())
    for name in ("zoe", "uma", "sam"):
        stranger = sign_in(getattr(cast, name))
        for kind in ("withdraw", "take_back", "again", "dismiss"):
            assert _post_action(stranger, newest(), kind).status_code == 404
    assert newest().status == Status.HELD
