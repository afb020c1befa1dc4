"""Many at once: looked over, held, sent in turn, told one by one, tried again, undone."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import bulk
from portal.applications.models import ApplicationAction, Batch, Kind
from portal.audit.models import Entry
from portal.mirror.models import Application, Stage
from tests.cast import Cast
from tests.portal.applications.cells import WRITE, happened
from tests.portal.applications.clicking import click, truth, writes
from tests.portal.applications.many import a_reason, confirm, look, of_one_job, try_again

Status = ApplicationAction.Status


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


def test_what_fits_is_told_from_what_does_not_before_anything_is_done(
    remy: Client, sandbox: Sandbox, work
) -> None:
    chosen = of_one_job(3)
    Application.objects.filter(pk=chosen[0].pk).update(status="hired")
    click(remy, "advance", chosen[1])  # waits to be sent
    page = look(remy, "reject", chosen).content.decode()
    assert "Reject 1 application" in page
    assert "Left out: 2" in page
    assert "is hired in Greenhouse" in page
    assert "has not been settled yet" in page
    assert "Stop looking" not in page  # that belongs to staff who look as somebody
    assert writes(sandbox) == []


def test_many_are_rejected_each_with_its_own_outcome(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(3)
    refused = confirm(remy, "reject", chosen, reason="")
    assert refused.status_code == 422
    assert "Choose a reason, please" in refused.content.decode()
    there = confirm(remy, "reject", chosen, reason=a_reason())
    held = remy.get(there.url).content.decode()
    assert "Goes to Greenhouse in" in held
    assert writes(sandbox) == []
    finish()
    done = remy.get(there.url).content.decode()
    assert "3 done in Greenhouse" in done
    assert {truth(sandbox, one).status for one in chosen} == {"rejected"}


def test_undo_in_time_takes_all_of_it_back(remy: Client, sandbox: Sandbox, finish) -> None:
    there = confirm(remy, "advance", of_one_job(3))
    batch = Batch.objects.get()
    remy.post(reverse("applications:withdraw_batch", args=[batch.pk]))
    finish()
    assert "3 taken back before they were sent" in remy.get(there.url).content.decode()
    assert writes(sandbox) == []


def test_failures_come_first_and_only_they_are_tried_again(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(4)
    page = look(remy, "advance", chosen)
    moved = chosen[2:]
    for one in moved:
        sandbox.mutate("move_application", application_id=one.remote_id)
    there = confirm(remy, "advance", chosen, page=page)
    finish()
    told = remy.get(there.url)
    assert [a.status for a in told.context["page"]] == ["conflict", "conflict", "done", "done"]
    assert "2 done in Greenhouse, 2 not done" in told.content.decode()
    before = len(writes(sandbox))
    batch = Batch.objects.get()
    for _ in range(2):  # a double click
        anew = try_again(remy, batch, told)
    finish()
    assert Batch.objects.count() == 2
    assert len(writes(sandbox)) == before + 2
    assert "2 done in Greenhouse" in remy.get(anew.url).content.decode()


def test_a_batch_stands_in_the_log_once_with_how_many_were_done(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    some = of_one_job(3)
    sandbox.mutate("move_application", application_id=some[0].remote_id)
    confirm(remy, "advance", some)
    finish()
    [entry] = Entry.objects.filter(verb="application.advanced_many")
    assert entry.words.startswith("advanced 2 of 3 chosen applications in Greenhouse, in the name")
    assert entry.after == {"job": some[0].job.remote_id}  # its title is not for everybody
    assert not Entry.objects.filter(verb="application.advanced").exists()


@pytest.mark.parametrize("deed", bulk.KINDS)
def test_each_answer_that_is_lost_after_the_deed_is_one_deed_of_a_batch_too(
    remy: Client, sandbox: Sandbox, finish, deed: str
) -> None:
    chosen = of_one_job(3)
    state = "rejected" if deed == Kind.UNREJECT else "active"
    for one in chosen if state == "rejected" else ():
        sandbox.mutate("reject_application", application_id=one.remote_id)
        Application.objects.filter(pk=one.pk).update(status="rejected")
    page = look(remy, deed, chosen)
    later_stage = Stage.objects.filter(job=chosen[0].job_id, active=True).order_by("order")[2]
    asked = {"reason": a_reason()} if deed == Kind.REJECT else {"to_stage": later_stage.pk}
    sandbox.faults.add(regex=WRITE, method="POST", kind="drop_after", times=2)
    there = confirm(remy, deed, chosen, page=page, **asked)
    finish()
    assert "3 done in Greenhouse" in remy.get(there.url).content.decode()
    assert all(happened(sandbox, deed, one) for one in chosen)
    tried = [r for r in sandbox.requests if r.method == "POST" and re.search(WRITE, r.path)]
    assert len([r for r in tried if "/applications/0/" not in r.path]) == 3


def test_what_was_done_is_undone_as_a_batch(remy: Client, sandbox: Sandbox, finish) -> None:
    chosen = of_one_job(3)
    there = confirm(remy, "reject", chosen, reason=a_reason())
    finish()
    sandbox.mutate("unreject_application", application_id=chosen[0].remote_id)
    assert "Undo 3" in remy.get(there.url).content.decode()
    for _ in range(2):
        back = remy.post(reverse("applications:take_back_batch", args=[Batch.objects.last().pk]))
    finish()
    assert {truth(sandbox, one).status for one in chosen} == {"active"}
    # The one that somebody had unrejected already is told as changed, not as done by us.
    assert "2 done in Greenhouse, 1 not done" in remy.get(back.url).content.decode()


def test_the_whole_filter_can_be_chosen_and_the_page_says_so(remy: Client) -> None:
    first = of_one_job(1)[0]
    page = remy.get(
        reverse("applications:bulk", args=[first.job_id]),
        {"kind": "advance", "all": "yes", "status": "active", "stage": first.stage_id},
    ).content.decode()
    assert "You chose all that match: active, in “" in page
    there = Application.objects.filter(
        job=first.job_id, stage=first.stage_id, status="active", candidate__private=False
    )
    assert re.search(rf"Advance {there.count()} application", page)


def test_the_same_confirmation_twice_makes_one_batch(
    remy: Client, sandbox: Sandbox, finish
) -> None:
    chosen = of_one_job(2)
    page = look(remy, "advance", chosen)
    answers = [confirm(remy, "advance", chosen, page=page) for _ in range(2)]
    finish()
    assert answers[0].url == answers[1].url
    assert len(writes(sandbox)) == 2


def test_greenhouse_down_lets_the_whole_batch_wait(
    remy: Client, sandbox: Sandbox, finish, work, later, settings, quick_retries: None
) -> None:
    there = settings.GREENHOUSE_API_URL
    confirm(remy, "advance", of_one_job(3))
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    finish()
    held = ApplicationAction.objects.filter(status=Status.HELD)
    assert held.count() == 3
    assert sum(held.values_list("tries", flat=True)) == 1  # one was tried, the others spared
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = there
    finish()
    assert {a.status for a in ApplicationAction.objects.all()} == {Status.DONE}


def test_a_worker_that_dies_in_the_middle_loses_its_turn_and_nothing_twice(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    from django_q.brokers import get_broker

    confirm(remy, "advance", of_one_job(3))
    later(11)
    bulk.release()
    get_broker().purge_queue()
    bulk.release()
    assert work() == 0  # its turn is still its own
    later(61)
    bulk.release()
    work()
    assert len(writes(sandbox)) == 3


def test_only_kinds_for_many_and_only_what_one_may_see(remy: Client, cast: Cast, sign_in) -> None:
    chosen = of_one_job(2)
    assert look(remy, "transfer", chosen).status_code == 404
    confirm(remy, "advance", chosen)
    batch = Batch.objects.get()
    other = Application.objects.exclude(job_id=chosen[0].job_id).first()
    page = look(remy, "advance", [chosen[0], *([other] if other else [])])
    assert len(page.context["preview"].fit) + len(page.context["preview"].unfit) == 1
    for who in ("zoe", "uma", "sam"):
        stranger = sign_in(getattr(cast, who))
        assert stranger.get(reverse("applications:batch", args=[batch.pk])).status_code == 404
        for name in ("withdraw_batch", "take_back_batch", "retry_batch"):
            assert (
                stranger.post(reverse(f"applications:{name}", args=[batch.pk])).status_code == 404
            )
    assert look(sign_in(cast.zoe), "advance", chosen).status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_chosen(
    remy: Client, django_assert_max_num_queries
) -> None:
    chosen = of_one_job(2)
    job = chosen[0].job
    Application.objects.bulk_create(
        Application(
            connection_id=job.connection_id,
            remote_id=8_100_000 + n,
            job=job,
            candidate=chosen[0].candidate,
            stage=chosen[0].stage,
            stage_remote_id=chosen[0].stage_remote_id,
            status="active",
        )
        for n in range(40)
    )
    address = reverse("applications:bulk", args=[job.pk])
    with django_assert_max_num_queries(18):
        page = remy.get(address, {"kind": "advance", "all": "yes"})
    assert len(page.context["preview"].fit) > 40
    there = confirm(remy, "advance", chosen, page=page)
    with django_assert_max_num_queries(18):
        remy.get(there.url)
