"""A batch undone and tried again, whose answers came late or that waited long; what is left out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import bulk, outbox
from portal.applications.models import ApplicationAction, Batch
from portal.audit.models import Entry
from portal.mirror.models import Application, Candidate, Stage
from tests.cast import Cast
from tests.portal.applications.cells import WRITE
from tests.portal.applications.clicking import address, applications, click, truth, writes
from tests.portal.applications.many import a_reason, confirm, look, of_one_job, try_again

Status = ApplicationAction.Status


@pytest.fixture
def remy(cast: Cast, connect, sign_in) -> Client:
    connect()
    return sign_in(cast.remy)


def _post(client: Client, name: str, batch: Batch) -> Batch:
    """Press one of the batch's buttons; gives the batch whose page comes then."""
    page = client.get(reverse("applications:batch", args=[batch.pk]))
    told = {"chosen": page.context["chosen_again"]} if name == "retry_batch" else {}
    there = client.post(reverse(f"applications:{name}", args=[batch.pk]), told).url
    return Batch.objects.get(pk=int(there.rstrip("/").rpartition("/")[2]))


def _page(client: Client, batch: Batch) -> str:
    page: str = client.get(reverse("applications:batch", args=[batch.pk])).content.decode()
    return page


def _newest() -> Batch:
    return Batch.objects.first()


def _of_two_stages(client: Client, work) -> list[Application]:
    """Some of one job, the first of them a stage further than the others."""
    chosen = of_one_job(3)
    click(client, "advance", chosen[0])
    work()
    return list(Application.objects.filter(pk__in=[one.pk for one in chosen]).order_by("pk"))


def _stages(sandbox: Sandbox, chosen: list[Application]) -> list[int]:
    return [truth(sandbox, one).stage_id for one in chosen]


def test_an_undo_that_is_tried_again_brings_each_back_to_its_own_stage(
    remy: Client, sandbox: Sandbox, finish, work
) -> None:
    chosen = _of_two_stages(remy, work)
    start = _stages(sandbox, chosen)
    assert len(set(start)) == 2
    confirm(remy, "advance", chosen)
    finish()
    done = _newest()
    sandbox.faults.add(regex=WRITE, method="POST", status=422, times=3)
    undoing = _post(remy, "take_back_batch", done)
    finish()
    assert {a.status for a in undoing.actions.all()} == {Status.REFUSED}
    again = _post(remy, "retry_batch", undoing)
    finish()
    assert again != undoing
    assert _stages(sandbox, chosen) == start
    assert again.undoes == done
    assert {a.undoes for a in again.actions.all()} == set(done.actions.all())
    assert "Undo “Advance” on 3 applications" in _page(remy, again)


def test_each_keeps_its_own_reason_and_note_when_it_is_tried_again(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(2)
    sandbox.faults.add(regex=WRITE, method="POST", status=422, times=2)
    confirm(remy, "reject", chosen, reason=a_reason(), notes="Not now")
    finish()
    first = _newest()
    ApplicationAction.objects.filter(pk=first.actions.first().pk).update(notes="")  # erased
    again = _post(remy, "retry_batch", first)
    notes = [dict(b.actions.values_list("application", "notes")) for b in (first, again)]
    assert notes[0] == notes[1]


@pytest.mark.parametrize("ending", ["withdrawn", "refused"])
def test_an_undo_that_did_nothing_can_be_begun_anew(
    remy: Client, sandbox: Sandbox, finish, ending: str
) -> None:
    chosen = of_one_job(2)
    start = _stages(sandbox, chosen)
    confirm(remy, "advance", chosen)
    finish()
    done = _newest()
    if ending == "refused":
        sandbox.faults.add(regex=WRITE, method="POST", status=422, times=2)
    nothing = _post(remy, "take_back_batch", done)
    if ending == "withdrawn":
        _post(remy, "withdraw_batch", nothing)
    finish()
    page = _page(remy, done)
    assert "See how it was undone" not in page
    assert "Undo 2" in page
    anew = [_post(remy, "take_back_batch", done) for _ in range(2)]  # a double click
    assert anew[0] == anew[1] != nothing
    finish()
    assert _stages(sandbox, chosen) == start
    assert "See how it was undone" in _page(remy, done)
    assert _post(remy, "take_back_batch", done) == anew[0]


def test_a_retry_that_did_nothing_can_be_begun_anew(remy: Client, sandbox: Sandbox, finish) -> None:
    chosen = of_one_job(2)
    sandbox.faults.add(regex=WRITE, method="POST", status=422, times=2)
    confirm(remy, "advance", chosen)
    finish()
    first = _newest()
    nothing = _post(remy, "retry_batch", first)
    _post(remy, "withdraw_batch", nothing)
    page = remy.get(reverse("applications:batch", args=[first.pk]))
    anew = [try_again(remy, first, page).url for _ in range(2)]  # a double click
    assert anew[0] == anew[1] != reverse("applications:batch", args=[nothing.pk])
    finish()
    assert len(writes(sandbox)) == 2
    assert try_again(remy, first, page).url == anew[0]
    assert f'href="{anew[0]}">See how the rest was tried again' in _page(remy, first)


def _entries() -> list[str]:
    entries = Entry.objects.filter(verb="application.advanced_many").order_by("id")
    return [entry.words.partition(" chosen")[0] for entry in entries]


@pytest.mark.parametrize("lost", [1, 3])
def test_what_is_known_late_to_be_done_is_counted_in_the_log_too(
    remy: Client, sandbox: Sandbox, finish, work, later, lost: int, quick_retries: None
) -> None:
    chosen = of_one_job(3)
    confirm(remy, "advance", chosen)
    batch = _newest()
    finish_later = list(batch.actions.order_by("-id")[:lost])
    if lost == 3:
        sandbox.faults.add(regex=WRITE, method="POST", kind="drop_after", times=3)
        sandbox.faults.add(regex="/applications", method="GET", status=500, times=None)
    else:  # another worker has it, and falls silent
        bulk_taken = ApplicationAction.objects.filter(pk=finish_later[0].pk)
        sandbox.mutate("move_application", application_id=finish_later[0].application.remote_id)
        bulk_taken.update(status=Status.UNKNOWN)
    finish()
    assert batch.actions.filter(status=Status.UNKNOWN).count() == lost
    assert _entries() == []
    sandbox.faults.clear()
    later(31)
    outbox.release()
    work()
    assert batch.actions.filter(status=Status.DONE).count() == 3
    assert _entries() == ["advanced 3 of 3"]
    _post(remy, "withdraw_batch", batch)
    later(61)
    bulk.release()
    work()
    assert _entries() == ["advanced 3 of 3"]


def test_the_log_is_written_though_the_last_one_was_taken_back_by_itself(
    remy: Client, finish, work, later
) -> None:
    chosen = of_one_job(3)
    confirm(remy, "advance", chosen)
    batch = _newest()
    last = batch.actions.order_by("-id")[0]
    waits = ApplicationAction.objects.filter(pk=last.pk)
    later(11)
    waits.update(due_at=last.due_at + timedelta(seconds=60))
    bulk.release()
    work()
    assert _entries() == []
    assert remy.post(address("withdraw", last.pk)).status_code == 302
    later(61)
    bulk.release()
    work()
    assert _entries() == ["advanced 2 of 3"]


def test_those_in_the_chosen_stage_are_left_out_with_the_reason(
    remy: Client, sandbox: Sandbox, finish, work
) -> None:
    chosen = _of_two_stages(remy, work)
    before = len(writes(sandbox))
    [there] = {one.stage for one in chosen if one.stage.order == 1}
    answer = confirm(remy, "move", chosen, to_stage=there.pk)
    page = remy.get(answer.url).content.decode()
    assert "Left out: 1. It is in this stage already." in page
    assert "1 of the chosen did not fit and was left out" in page
    finish()
    assert len(writes(sandbox)) == before + 2
    assert set(_stages(sandbox, chosen)) == {there.remote_id}


def test_what_changed_after_the_page_was_read_is_not_tried_again_unseen(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(2)
    sandbox.faults.add(regex=WRITE, method="POST", status=422, times=2)
    confirm(remy, "advance", chosen)
    finish()
    first = _newest()
    page = remy.get(reverse("applications:batch", args=[first.pk]))
    assert page.content.decode().count(f"<span>{chosen[0].stage_name}</span>") == 2  # stands now
    sandbox.mutate("move_application", application_id=chosen[0].remote_id)
    try_again(remy, first, page)
    finish()
    again = _newest()
    outcomes = dict(again.actions.values_list("application", "status"))
    assert outcomes == {chosen[0].pk: Status.CONFLICT, chosen[1].pk: Status.DONE}
    assert again.actions.get(status=Status.CONFLICT).seen_stage_name == chosen[0].stage_name
    assert len(writes(sandbox)) == 1


def test_where_none_can_be_tried_again_no_button_says_so_and_a_late_click_tells_why(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(2)
    sandbox.faults.add(regex=WRITE, method="POST", status=422, times=2)
    confirm(remy, "advance", chosen)
    finish()
    page = remy.get(reverse("applications:batch", args=[_newest().pk]))
    assert "Try only the 2 again" in page.content.decode()
    Application.objects.filter(pk=chosen[0].pk).update(status="rejected")
    assert "Try 1 of the 2 again, from where it stands now" in _page(remy, _newest())
    Application.objects.filter(pk=chosen[1].pk).update(status="rejected")
    assert "batch-retry" not in _page(remy, _newest())
    answer = remy.get(try_again(remy, _newest(), page).url).content.decode()
    assert "Left out: 2." in answer
    assert "Nothing of it can be tried again." in answer
    assert Batch.objects.count() == 1


def test_a_batch_shows_nothing_of_whom_one_no_longer_sees(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(3)
    confirm(remy, "advance", chosen)
    finish()
    hidden = Application.objects.select_related("candidate", "stage").get(pk=chosen[0].pk)
    name, other = str(hidden.candidate), str(chosen[1].candidate)
    assert escape(name) in _page(remy, _newest())
    Candidate.objects.filter(pk=hidden.candidate_id).update(private=True)
    page = _page(remy, _newest())
    assert escape(name) not in page
    assert page.count("You no longer see this application") == 1
    assert escape(other) in page
    assert "Undo 2" in page


def test_a_page_that_does_not_say_where_they_stood_tries_nothing_again(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    sandbox.faults.add(regex=WRITE, method="POST", status=422, times=2)
    confirm(remy, "advance", of_one_job(2))
    finish()
    for told in ({}, {"chosen": "nonsense"}):
        answer = remy.post(
            reverse("applications:retry_batch", args=[_newest().pk]), told, follow=True
        )
        assert "Please look again and click once more" in answer.content.decode()
    assert Batch.objects.count() == 1


def test_a_long_batch_has_pages_and_stays_on_the_one_that_is_read(
    remy: Client, finish, monkeypatch
) -> None:
    monkeypatch.setattr("portal.applications.views.bulk.PER_PAGE", 2)
    there = confirm(remy, "advance", of_one_job(3)).url
    second = remy.get(there, {"page": 2})
    assert len(second.context["page"].object_list) == 1
    assert "3 to 3 of 3" in second.content.decode()
    assert f'hx-get="{there}?page=2"' in second.content.decode()  # while it runs
    finish()
    assert 'href="?page=1"' in remy.get(there, {"page": 2}).content.decode()


def test_a_move_is_not_tried_again_on_one_that_somebody_moved_there(
    remy: Client, sandbox: Sandbox, finish, work
) -> None:
    chosen = of_one_job(1)
    to = Stage.objects.filter(job=chosen[0].job_id, active=True).order_by("order")[1]
    page = look(remy, "move", chosen)
    sandbox.mutate("move_application", application_id=chosen[0].remote_id, stage_id=to.remote_id)
    confirm(remy, "move", chosen, page=page, to_stage=to.pk)
    finish()
    conflict = _newest()
    assert conflict.actions.get().status == Status.CONFLICT
    assert _post(remy, "retry_batch", conflict) == conflict
    assert writes(sandbox) == []


def test_a_conflict_names_the_stage_that_was_on_screen(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    [one] = of_one_job(1)
    page = look(remy, "advance", [one])
    to = Stage.objects.filter(job=one.job_id, active=True).order_by("order")[1]
    sandbox.mutate("move_application", application_id=one.remote_id, stage_id=to.remote_id)
    Application.objects.filter(pk=one.pk).update(  # a sync told us already
        stage=to,
        stage_remote_id=to.remote_id,
        stage_name=to.name,
        stage_entry_id=truth(sandbox, one).entry_id,
    )
    confirm(remy, "advance", [one], page=page)
    finish()
    action = ApplicationAction.objects.get()
    assert action.status == Status.CONFLICT
    assert action.seen_stage_name == one.stage_name
    card = remy.get(address("row", one.pk)).content.decode()
    assert f"now it is in “{to.name}”" in card
    assert f"in “{one.stage_name}”" in card


def test_one_of_a_large_batch_waits_as_long_as_any_other_from_its_own_first_try(
    remy: Client, sandbox: Sandbox, later, work
) -> None:
    confirm(remy, "advance", of_one_job(2))
    later(11 * 60)  # so long the others of it were sent
    sandbox.faults.add(regex=WRITE, method="POST", status=429, retry_after=120, times=None)
    bulk.release()
    work()
    states = set(ApplicationAction.objects.values_list("status", flat=True))
    assert states == {Status.HELD}
    sandbox.faults.clear()
    later(121)
    bulk.release()
    work()
    assert {a.status for a in ApplicationAction.objects.all()} == {Status.DONE}


def test_while_greenhouse_is_down_the_rest_gives_up_with_the_first(
    remy: Client, later, work, settings, quick_retries: None
) -> None:
    confirm(remy, "advance", of_one_job(3))
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    for _ in range(14):
        later(61)
        bulk.release()
        work()
    assert {a.status for a in ApplicationAction.objects.all()} == {Status.FAILED}


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "²"])
def test_numbers_that_no_key_can_be_choose_nothing(remy: Client, number: str) -> None:
    [one] = of_one_job(1)
    bulk_page = reverse("applications:bulk", args=[one.job_id])
    asked = {"kind": "advance", "pick": [number, one.pk]}
    assert len(remy.get(bulk_page, asked).context["preview"].fit) == 1
    for query in ({"kind": "advance", "all": "yes", "stage": number}, {"stage": number}):
        assert remy.get(bulk_page, {"kind": "advance", **query}).status_code == 200
    job_page = reverse("applications:of_job", args=[one.job_id])
    assert remy.get(job_page, {"stage": number}).status_code == 200
    form = look(remy, "advance", [one]).context["form"]
    for chosen in (f"{number}::", f"{one.pk}:{number}:", f"{one.pk}::{number}"):
        posted = {"kind": "advance", "key": form["key"].value(), "chosen": chosen}
        answer = remy.post(bulk_page, posted)
        assert answer.status_code == 422


def test_there_are_ticks_only_where_something_can_be_done_with_them(remy: Client) -> None:
    one = applications()[0]
    page = reverse("applications:of_job", args=[one.job_id])
    ticks = {
        status: 'form="bulk"' in remy.get(page, {"status": status}).content.decode()
        for status in ("active", "hired", "")
    }
    assert ticks == {"active": True, "hired": False, "": False}


@pytest.mark.parametrize(
    ("status", "ticked"), [("active", True), ("", False)], ids=["active", "all"]
)
def test_a_row_that_asks_for_itself_keeps_to_the_page_it_is_on(
    remy: Client, status: str, ticked: bool
) -> None:
    one = applications()[0]
    page = reverse("applications:of_job", args=[one.job_id])
    row = remy.get(
        address("row", one.pk),
        HTTP_HX_REQUEST="true",
        HTTP_HX_CURRENT_URL=f"http://testserver{page}?status={status}",
    ).content.decode()
    assert ('form="bulk"' in row) is ticked


def test_undoing_a_batch_promises_no_more_than_undoing_one(remy: Client, finish) -> None:
    chosen = of_one_job(2)
    confirm(remy, "reject", chosen, reason=a_reason())
    finish()
    plain = _page(remy, _newest())
    assert 'data-confirm-text="They become active again in Greenhouse."' in plain
    for action in ApplicationAction.objects.all():
        action.parameters = {"template": 1, "template_name": "Sorry", "mail_after": 60}
        action.save()
    mailed = _page(remy, _newest())
    assert "does not tell whether an unreject also stops the scheduled e-mail" in mailed
    assert "is not taken back" not in mailed


def test_whoever_left_a_batch_finds_it_again(remy: Client, finish, sign_in, cast: Cast) -> None:
    chosen = of_one_job(2)
    confirm(remy, "advance", chosen)
    finish()
    there = f'href="{reverse("applications:batch", args=[_newest().pk])}"'
    row = address("row", chosen[0].pk)
    assert there in remy.get("/activity/").content.decode()
    assert there in remy.get(row).content.decode()
    assert there not in sign_in(cast.sam).get(row).content.decode()  # it is Remy's
