"""Held, taken back, undone: nothing goes out too early, and nothing is lost on the way."""

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
    shown,
    truth,
    writes,
)

Status = ApplicationAction.Status


@pytest.fixture
def remy(cast: Cast, connect, sign_in) -> Client:
    connect()
    return sign_in(cast.remy)


def _undo(client: Client, action: ApplicationAction, kind: str = "withdraw"):
    return client.post(address(kind, action.pk), **HTMX)


def test_a_rejection_is_held_and_undo_in_time_means_nothing_was_sent(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    row = reject(remy, application).content.decode()
    assert "goes to Greenhouse in" in row
    assert "Undo" in row
    release()
    assert work() == 0
    row = _undo(remy, newest()).content.decode()
    assert "Taken back in time" in row
    later(30)
    release()
    work()
    assert newest().status == Status.WITHDRAWN
    assert writes(sandbox) == []


def test_it_goes_out_when_its_time_has_come_though_nobody_is_looking(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    reject(remy, application)
    later(9)
    release()
    release()  # two workers look at the same moment
    assert work() == 1
    assert newest().status == Status.DONE
    assert truth(sandbox, application).status == "rejected"


def test_the_page_that_counts_down_sends_it_as_well(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    reject(remy, application)
    later(9)
    assert "waiting to be sent" in shown(remy, application)
    work()
    assert newest().status == Status.DONE


def test_undo_that_comes_too_late_says_so_and_then_undoes_what_was_done(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    application = an_application()
    reject(remy, application)
    action = newest()
    later(9)
    release()
    work()
    late = _undo(remy, action)
    assert late.status_code == 409
    assert "too late" in late.content.decode()
    assert address("take_back", action.pk) in shown(remy, application)
    for _ in range(2):  # a double click
        assert _undo(remy, action, "take_back").status_code == 200
    work()
    assert truth(sandbox, application).status == "active"
    assert [a.kind for a in ApplicationAction.objects.all()] == ["unreject", "reject"]
    assert newest().undoes == action


def test_what_was_taken_back_does_not_stand_in_the_way_of_undoing_what_was_done(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    start = truth(sandbox, application).stage_id
    click(remy, "advance", application)
    work()
    done = newest()
    reject(remy, application)
    _undo(remy, newest())
    activity = remy.get("/activity/").content.decode()
    assert address("take_back", done.pk) in activity
    _undo(remy, done, "take_back")
    work()
    assert truth(sandbox, application).stage_id == start


def test_advance_is_undone_by_moving_it_back_unless_something_happened_since(
    remy: Client, sandbox: Sandbox, work, cast: Cast, sign_in
) -> None:
    application = an_application()
    start = truth(sandbox, application).stage_id
    click(remy, "advance", application)
    work()
    done = newest()
    _undo(remy, done, "take_back")
    work()
    assert truth(sandbox, application).stage_id == start
    assert newest().kind == "move"
    assert newest().status == Status.DONE
    # What was undone is no longer the newest: it cannot be undone again.
    assert _undo(remy, done, "take_back").status_code == 200
    assert ApplicationAction.objects.count() == 2
    # Somebody else's is not mine to undo.
    assert _undo(sign_in(cast.sam), newest(), "take_back").status_code == 404
    sandbox.mutate("move_application", application_id=application.remote_id)
    refused = _undo(remy, newest(), "take_back")
    work()
    assert refused.status_code == 200
    assert newest().status == Status.CONFLICT  # Greenhouse's guard held


def test_greenhouse_down_leaves_it_in_the_outbox_and_it_goes_out_later(
    remy: Client, sandbox: Sandbox, work, later, settings, quick_retries: None
) -> None:
    application = an_application()
    there = settings.GREENHOUSE_API_URL
    click(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    assert newest().status == Status.HELD
    row = shown(remy, application)
    assert "waits in the outbox" in row
    assert "Undo" in row
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = there
    later(6)
    release()
    work()
    assert newest().status == Status.DONE
    assert len(writes(sandbox)) == 1


def _spoken(row: str) -> list[str]:
    return re.findall(r'data-announce="([^"]*)"', row)


def test_what_waits_is_spoken_of_as_it_is_and_undo_only_to_who_has_it(
    remy: Client, cast: Cast, sign_in, sandbox: Sandbox, work, settings, quick_retries: None
) -> None:
    application = an_application()
    sam = sign_in(cast.sam)
    reject(remy, application)
    assert _spoken(shown(remy, application)) == ["Reject is held for a few seconds. Undo stops it."]
    assert _spoken(shown(sam, application)) == [
        f"Reject by {cast.remy.user} is held for a few seconds."
    ]
    remy.post(address("withdraw", newest().pk), **HTMX)
    click(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    words = f"waits in the outbox. {newest().outcome}"
    assert "does not answer" in words
    assert _spoken(shown(remy, application)) == [f"Advance {words} Undo stops it."]
    assert _spoken(shown(sam, application)) == [f"Advance by {cast.remy.user} {words}"]


def test_each_button_beside_another_carries_a_key_of_its_own(
    remy: Client,
) -> None:
    application = an_application()
    click(remy, "advance", application)
    ended = {"status": Status.FAILED, "outcome": "Nothing was changed in Greenhouse."}
    ApplicationAction.objects.update(**ended, settled_at=timezone.now())
    row = shown(remy, application)
    assert "Try again" in row
    keys = re.findall(r'name="key" value="([^"]+)"', row)
    assert len(keys) == len(set(keys)) == 2


def test_the_outbox_gives_up_within_its_bound_and_it_can_be_tried_again(
    remy: Client, sandbox: Sandbox, work, later, settings, quick_retries: None
) -> None:
    application = an_application()
    there = settings.GREENHOUSE_API_URL
    click(remy, "advance", application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    for _ in range(12):
        work()
        later(61)
        release()
    assert newest().status == Status.FAILED
    assert "Nothing was changed" in shown(remy, application)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = there
    click_again = remy.post(address("again", newest().pk), _seen_now(application), **HTMX)
    assert click_again.status_code == 200
    work()
    assert newest().status == Status.DONE


def _seen_now(application):
    from tests.portal.applications.clicking import seen

    application.refresh_from_db()
    return seen(application)


def test_a_conflict_shows_who_changed_it_and_can_be_done_from_there_or_skipped(
    remy: Client, cast: Cast, sandbox: Sandbox, sign_in, work
) -> None:
    application = an_application()
    click(sign_in(cast.sam), "advance", application)
    work()
    click(remy, "advance", application)  # from the screen of before
    work()
    card = shown(remy, application)
    assert "Changed meanwhile" in card
    assert "Sam: Advanced in Greenhouse" in card
    assert "Open in Greenhouse" in card
    first = newest()
    remy.post(address("again", first.pk), _seen_now(application), **HTMX)
    work()
    assert newest().status == Status.DONE
    application.refresh_from_db()
    assert application.stage.order == 2
    # Another one, changed in Greenhouse itself, is put away.
    sandbox.mutate("move_application", application_id=application.remote_id)
    click(remy, "advance", application)
    work()
    assert "Greenhouse does not tell us by whom" in shown(remy, application)
    assert "Changed meanwhile" not in _undo(remy, newest(), "dismiss").content.decode()


def test_advancing_from_a_stale_screen_what_is_in_the_last_stage_by_now_is_a_conflict(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    last = Stage.objects.filter(job=application.job_id, active=True).order_by("-order").first()
    sandbox.mutate(
        "move_application", application_id=application.remote_id, stage_id=last.remote_id
    )
    Application.objects.filter(pk=application.pk).update(  # a sync told us already
        stage=last,
        stage_remote_id=last.remote_id,
        stage_name=last.name,
        stage_entry_id=truth(sandbox, application).entry_id,
    )
    assert click(remy, "advance", application).status_code == 200
    work()
    card = shown(remy, application)
    assert newest().status == Status.CONFLICT, newest().outcome
    assert f"now it is in “{last.name}”" in card
    application.refresh_from_db()
    fresh = click(remy, "advance", application)
    assert fresh.status_code == 403
    assert "in the last stage already" in fresh.content.decode()


def test_a_rejection_of_what_was_moved_meanwhile_is_a_conflict_too(
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


def test_what_greenhouse_refuses_to_a_role_the_next_person_reads_before_clicking(
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
    # It is forgotten after a while.
    later(15 * 24 * 3600)
    form = sign_in(cast.vic).get(address("reject", application.pk), **HTMX).content.decode()
    assert "may refuse this" not in form


def test_who_may_not_see_it_can_undo_nothing(
    remy: Client, cast: Cast, sign_in, work, later
) -> None:
    reject(remy, an_application())
    for who in ("zoe", "uma", "sam"):
        stranger = sign_in(getattr(cast, who))
        for kind in ("withdraw", "take_back", "again", "dismiss"):
            assert _undo(stranger, newest(), kind).status_code == 404
    assert newest().status == Status.HELD
