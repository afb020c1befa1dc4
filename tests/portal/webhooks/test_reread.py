"""What becomes of deliveries: Greenhouse tells, a worker reads again, the mirror is right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connections

from integrations.greenhouse.harvest_v3 import HarvestV3
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http import Answer
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection, Credential
from portal.mirror.models import Application, Candidate, Job, Stage
from portal.webhooks import reread
from portal.webhooks.models import Address, Delivery
from portal.webhooks.tasks import read, sweep
from tests.cast import Cast
from tests.portal.webhooks.conftest import Hook
from tests.queue import queued

Outcome = Delivery.Outcome
Work = Callable[[], int]


@pytest.fixture
def told(live_server, full_hook: Hook, sandbox: Sandbox) -> Hook:
    """The sandbox has a web hook for everything, and delivers over HTTP to a running portal."""
    url = f"{live_server.url}{full_hook.path}"
    assert sandbox.webhooks.register(url, full_hook.secret).enabled
    return full_hook


def _active() -> Application:
    """Somebody on an open job, not on its last stage."""
    return (
        Application.objects.filter(status="active", prospect=False, job__status="open")
        .exclude(stage=None)
        .order_by("stage__order", "id")
        .first()
    )


def _outcomes() -> set[str]:
    return set(Delivery.objects.exclude(action="ping").values_list("outcome", flat=True))


# -- Greenhouse tells ---------------------------------------------------------------------------


def test_a_move_in_greenhouse_arrives_through_the_hook(
    told: Hook, sandbox: Sandbox, work: Work
) -> None:
    application = _active()
    before = application.stage_id
    moved = sandbox.mutate("move_application", application_id=application.remote_id)
    sandbox.webhooks.wait()
    work()
    application.refresh_from_db()
    assert application.stage_id != before
    assert application.stage.remote_id == moved.stage_id
    assert _outcomes() == {Outcome.READ}


def test_somebody_new_arrives_with_a_name(told: Hook, sandbox: Sandbox, work: Work) -> None:
    job = Job.objects.filter(status="open").first()
    made = sandbox.mutate("new_application", job_id=job.remote_id, first_name="Nova")
    sandbox.webhooks.wait()
    work()
    application = Application.objects.get(remote_id=made.id)
    assert (application.job, application.candidate.first_name) == (job, "Nova")


def test_a_new_requisition_and_its_changes_arrive(told: Hook, sandbox: Sandbox, work: Work) -> None:
    made = sandbox.mutate("create_job", name="Lighthouse keeper")
    sandbox.webhooks.wait()
    work()
    job = Job.objects.get(remote_id=made.id)
    assert (job.name, job.status) == ("Lighthouse keeper", "open")
    assert Stage.objects.filter(job=job).exists()
    sandbox.mutate("set_confidential", job_id=made.id)
    sandbox.mutate("close_job", job_id=made.id)
    stage = Stage.objects.filter(job=job).last()
    sandbox.mutate("delete_stage", stage_id=stage.remote_id)
    sandbox.webhooks.wait()
    work()
    job.refresh_from_db()
    stage.refresh_from_db()
    assert (job.confidential, job.status, stage.active) == (True, "closed", False)


def test_what_is_deleted_in_greenhouse_leaves(told: Hook, sandbox: Sandbox, work: Work) -> None:
    one = _active()
    sandbox.mutate("delete_application", application_id=one.remote_id)
    person = _active().candidate
    theirs = set(person.applications.values_list("pk", flat=True))
    sandbox.mutate("delete_candidate", candidate_id=person.remote_id)
    job = Job.objects.exclude(applications__pk__in=theirs | {one.pk}).first()
    sandbox.mutate("delete_job", job_id=job.remote_id)
    sandbox.webhooks.wait()
    work()
    assert Application.objects.get(pk=one.pk).gone_at
    assert not Application.objects.filter(pk__in=theirs, gone_at=None).exists()
    assert Job.objects.get(pk=job.pk).gone_at
    person.refresh_from_db()
    assert (person.first_name, person.last_name) == ("", "")


def test_a_merge_moves_the_applications(told: Hook, sandbox: Sandbox, work: Work) -> None:
    gone, kept = _active().candidate, Candidate.objects.filter(private=False).last()
    theirs = list(gone.applications.values_list("pk", flat=True))
    sandbox.mutate("merge_candidate", candidate_id=gone.remote_id, into_id=kept.remote_id)
    sandbox.webhooks.wait()
    work()
    assert {a.candidate for a in Application.objects.filter(pk__in=theirs)} == {kept}
    assert Candidate.objects.get(pk=gone.pk).gone_at


def test_a_merge_takes_nothing_from_what_it_moved(
    told: Hook, cast: Cast, sandbox: Sandbox, work: Work
) -> None:
    """Whichever delivery comes first: here one about the person who is gone by then."""
    one = _active()
    gone, kept = one.candidate, Candidate.objects.filter(private=False).last()
    held = ApplicationAction.objects.create(
        application=one, kind="reject", membership=cast.ada, status="held", notes="No Rust"
    )
    sandbox.mutate("rename_candidate", candidate_id=gone.remote_id, first_name="A", last_name="B")
    sandbox.mutate("merge_candidate", candidate_id=gone.remote_id, into_id=kept.remote_id)
    sandbox.webhooks.wait()
    work()
    for row in (one, held, gone):
        row.refresh_from_db()
    assert (one.candidate, held.notes) == (kept, "No Rust")
    assert gone.erased_at is not None


def test_who_was_anonymised_has_no_name_here_either(
    told: Hook, sandbox: Sandbox, work: Work
) -> None:
    person = _active().candidate
    assert person.last_name
    sandbox.mutate("anonymize_candidate", candidate_id=person.remote_id)
    sandbox.webhooks.wait()
    work()
    person.refresh_from_db()
    assert (person.first_name, person.last_name) == ("", "")


# -- a hint is never the truth ------------------------------------------------------------------


def test_a_delete_is_believed_only_when_greenhouse_says_so_itself(
    full_hook: Hook, work: Work
) -> None:
    one = _active()
    full_hook.tells("delete_application", {"application": {"id": one.remote_id}})
    full_hook.tells(
        "delete_candidate",
        {"person": {"id": one.candidate.remote_id, "deleted_application_ids": [one.remote_id]}},
    )
    full_hook.tells("job_deleted", {"job": {"id": one.job.remote_id}})
    work()
    one.refresh_from_db()
    assert (one.gone_at, one.candidate.gone_at, one.job.gone_at) == (None, None, None)
    assert one.candidate.last_name


def test_what_a_payload_claims_is_not_taken_over(full_hook: Hook, work: Work) -> None:
    one = _active()
    claimed = {"id": one.remote_id, "status": "hired", "current_stage": {"id": 1, "name": "X"}}
    full_hook.tells("hire_candidate", {"application": claimed})
    work()
    one.refresh_from_db()
    assert one.status == "active"


def test_another_customers_records_are_out_of_reach(
    full_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    theirs = next(iter(sandbox.world("other").applications))
    full_hook.about(theirs.id)
    work()
    assert not Application.objects.filter(remote_id=theirs.id, gone_at=None).exists()
    assert _outcomes() == {Outcome.READ}


# -- once, oldest first -------------------------------------------------------------------------


def test_many_deliveries_about_one_record_are_one_reading(
    full_hook: Hook, work: Work, asked
) -> None:
    one = _active()
    for action in ("application_updated", "candidate_stage_change", "reject_candidate") * 5:
        full_hook.about(one.remote_id, action)
    work()
    assert asked("applications") == 1
    assert asked("candidates") == asked("jobs") == 0  # the mirror has them
    assert _outcomes() == {Outcome.READ}


def test_the_oldest_is_read_first(full_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    ids = [str(a.remote_id) for a in Application.objects.order_by("?")[:6]]
    for remote_id in ids:
        full_hook.about(int(remote_id))
    work()
    asked_for = [request.query for request in sandbox.requests if "ids=" in request.query]
    assert asked_for[-6:] == [f"ids={remote_id}" for remote_id in ids]


def test_a_delivery_that_comes_twice_is_read_once(
    live_server, full_hook: Hook, sandbox: Sandbox, work: Work, asked
) -> None:
    sandbox.webhooks.register(f"{live_server.url}{full_hook.path}", full_hook.secret, twice=True)
    sandbox.mutate("move_application", application_id=_active().remote_id)
    sandbox.webhooks.wait()
    work()
    assert set(Delivery.objects.exclude(action="ping").values_list("times", flat=True)) == {2}
    assert asked("applications") == 1


def test_a_repetition_of_what_was_read_is_not_read_again(
    told: Hook, sandbox: Sandbox, work: Work, asked
) -> None:
    sandbox.mutate("move_application", application_id=_active().remote_id)
    sandbox.webhooks.wait()
    work()
    before = asked("applications")
    for delivery in [d for d in sandbox.webhooks.deliveries if d.action != "ping"]:
        sandbox.webhooks.redeliver(delivery.event_id)
    sandbox.webhooks.wait()
    work()
    assert asked("applications") == before


# -- what goes wrong ----------------------------------------------------------------------------


def test_greenhouse_being_down_loses_nothing(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    one = _active()
    sandbox.mutate("move_application", application_id=one.remote_id)
    sandbox.faults.add(kind="drop_before", times=None)
    full_hook.about(one.remote_id)
    work()
    assert _outcomes() == {Outcome.WAITING}
    sweep()
    assert work() == 0  # not at once again
    sandbox.faults.clear()
    full_hook.about(one.remote_id)  # nor because more comes in
    work()
    assert _outcomes() == {Outcome.WAITING}
    later(60)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}
    before = one.stage_id
    one.refresh_from_db()
    assert one.stage_id != before


def test_the_pauses_grow_and_after_a_day_the_sync_is_trusted(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    sandbox.faults.add(kind="drop_before", times=None)
    full_hook.about(_active().remote_id)
    work()
    for _ in range(6):
        later(16 * 60)
        sweep()
        work()
    assert Delivery.objects.get().failures == 7
    later(24 * 3600)
    sweep()
    work()
    assert Delivery.objects.get().outcome == Outcome.FAILED
    assert "a day" in Delivery.objects.get().why


def test_one_record_that_always_fails_holds_up_no_other(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    """Its own pauses grow, and what comes behind it is read at once, each time."""
    failing, *others = Application.objects.filter(status="active", gone_at=None)[:4]
    handle = _fails_for(sandbox, failing.remote_id)
    full_hook.about(failing.remote_id)
    for one in others:
        sandbox.mutate("reject_application", application_id=one.remote_id)
        full_hook.about(one.remote_id)
        work()
        one.refresh_from_db()
        assert one.status == "rejected"
        full_hook.about(failing.remote_id)  # told again meanwhile
        later(60)
        sweep()
        work()
    assert full_hook.address.not_before is None
    theirs = Delivery.objects.filter(names={"applications": [failing.remote_id]})
    assert {*theirs.values_list("outcome", flat=True)} == {Outcome.WAITING}
    assert min(theirs.values_list("failures", flat=True)) == 3
    sandbox.app.handle = handle  # type: ignore[method-assign]
    later(15 * 60)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}


def test_what_is_due_again_while_others_are_read_is_read_in_the_same_turn(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None, monkeypatch
) -> None:
    failing, slow = Application.objects.filter(status="active", gone_at=None)[:2]
    handle = _fails_for(sandbox, failing.remote_id)
    full_hook.about(failing.remote_id)
    work()
    sandbox.app.handle = handle  # type: ignore[method-assign]
    get = HarvestV3.get_application

    def takes_long(self: HarvestV3, remote_id: int) -> Any:
        if remote_id == slow.remote_id:
            later(60)  # meanwhile the other's pause ends
        return get(self, remote_id)

    monkeypatch.setattr(HarvestV3, "get_application", takes_long)
    full_hook.about(slow.remote_id)
    work()
    assert _outcomes() == {Outcome.READ}


def test_a_deletion_is_not_settled_while_nothing_may_be_written(
    full_hook: Hook, sandbox: Sandbox, work: Work, monkeypatch
) -> None:
    gone = _active().candidate
    sandbox.mutate("delete_candidate", candidate_id=gone.remote_id)
    get = HarvestV3.get_candidate

    def while_it_is_replaced(self: HarvestV3, remote_id: int) -> Any:
        try:
            return get(self, remote_id)
        finally:
            Credential.objects.filter(state="in_use").update(state="kept")

    full_hook.tells("delete_candidate", {"candidate": {"id": gone.remote_id}})
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(HarvestV3, "get_candidate", while_it_is_replaced)
        read(full_hook.address.pk)
    assert _outcomes() == {Outcome.WAITING}
    Credential.objects.filter(state="kept").update(state="in_use")
    read(full_hook.address.pk)
    gone.refresh_from_db()
    assert gone.erased_at
    assert _outcomes() == {Outcome.READ}


def test_when_a_second_record_fails_everything_is_put_off_and_those_that_did_not_fail_come_first(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    *two, third = Application.objects.filter(status="active", gone_at=None)[:3]
    _fails_for(sandbox, *(one.remote_id for one in two))
    for one in (*two, third):
        full_hook.about(one.remote_id)
    work()
    assert full_hook.address.failures == 1
    assert _outcomes() == {Outcome.WAITING}
    later(31)
    sweep()
    work()
    assert Delivery.objects.latest("id").outcome == Outcome.READ


def _fails_for(sandbox: Sandbox, *application_ids: int) -> Any:
    """Greenhouse has a server error for these; gives back how it answered before."""
    inner = sandbox.app.handle

    def handle(request: Any) -> Any:
        asked = request.query.get("ids", "")
        if request.path == "/v3/applications" and asked in {*map(str, application_ids)}:
            return Answer(500, {"message": "Server timeout in API"}).response
        return inner(request)

    sandbox.app.handle = handle  # type: ignore[method-assign]
    return inner


def test_a_rate_limit_is_waited_for_as_told(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    sandbox.faults.add("/v3/applications", status=429, retry_after=40, times=1)
    full_hook.about(_active().remote_id)
    work()
    assert _outcomes() == {Outcome.WAITING}
    later(20)
    sweep()
    assert work() == 0
    later(41)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}


def test_a_credential_that_is_refused_ends_the_waiting_with_words(
    full_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    sandbox.expire_tokens()
    sandbox.faults.add("/token", status=401, times=None)
    sandbox.faults.add("/v3", status=401, times=None)
    full_hook.about(_active().remote_id)
    work()
    delivery = Delivery.objects.get()
    assert delivery.outcome == Outcome.FAILED
    assert "does not accept the credential" in delivery.why
    sandbox.faults.clear()
    full_hook.about(_active().remote_id, Greenhouse_Event_ID=delivery.event_id)
    work()  # Greenhouse's own repetition is a new chance
    assert _outcomes() == {Outcome.READ}


def test_what_cannot_be_read_does_not_stop_the_others(
    full_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    sandbox.faults.add("/v3/candidates", kind="html", times=None)
    one = _active()
    full_hook.tells("update_candidate", {"candidate": {"id": one.candidate.remote_id}})
    full_hook.about(one.remote_id)
    work()
    assert dict(Delivery.objects.values_list("action", "outcome")) == {
        "update_candidate": Outcome.FAILED,
        "application_updated": Outcome.READ,
    }


def test_a_task_that_was_lost_is_asked_for_again(full_hook: Hook, work: Work, later) -> None:
    from django_q.brokers import get_broker

    full_hook.about(_active().remote_id)
    get_broker().purge_queue()
    sweep()
    assert queued() == []  # it may still be on its way
    later(61)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}


def test_a_task_that_comes_twice_reads_once(full_hook: Hook, work: Work, asked) -> None:
    full_hook.about(_active().remote_id)
    work()
    read(full_hook.address.pk)
    assert asked("applications") == 1


def test_while_one_worker_reads_another_leaves_and_a_dead_one_is_replaced(
    full_hook: Hook, work: Work, later, asked
) -> None:
    from django.utils import timezone

    Address.objects.update(reading_at=timezone.now())  # somebody else, who then dies
    full_hook.about(_active().remote_id)
    work()
    assert asked("applications") == 0
    sweep()
    assert queued() == []
    later(5 * 60 + 1)
    sweep()
    work()
    assert asked("applications") == 1
    assert full_hook.address.reading_at is None


def test_what_comes_in_while_another_worker_reads_is_read_by_that_one(
    full_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    """Two workers at once: the second leaves, and the first takes its delivery along."""
    one, other = Application.objects.filter(status="active", gone_at=None)[:2]
    sandbox.faults.add("/v3/applications", latency_ms=500, times=1)
    full_hook.about(one.remote_id)
    first = Thread(target=_in_a_worker, args=(full_hook.address.pk,))
    first.start()
    while full_hook.address.reading_at is None and first.is_alive():
        pass
    full_hook.about(other.remote_id)
    work()
    first.join()
    work()
    assert list(Delivery.objects.values_list("outcome", flat=True)) == [Outcome.READ] * 2


def _in_a_worker(address_id: int) -> None:
    try:
        read(address_id)
    finally:
        connections.close_all()


def test_a_flood_leaves_the_worker_to_others_from_time_to_time(
    full_hook: Hook, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reread, "SLICE", timedelta(0))
    for application in Application.objects.filter(gone_at=None)[:3]:
        full_hook.about(application.remote_id)
    assert work() == 3  # one record each, then to the end of the queue again
    assert _outcomes() == {Outcome.READ}


def test_a_paused_connection_is_not_read_for(full_hook: Hook, work: Work, asked) -> None:
    full_hook.about(_active().remote_id)
    Connection.objects.update(state=Connection.State.PAUSED)
    work()
    assert _outcomes() == {Outcome.PAUSED}
    assert asked("") == 0


def test_old_deliveries_are_dropped(full_hook: Hook, work: Work, later, settings) -> None:
    from portal.privacy.tasks import forget_old

    full_hook.about(_active().remote_id)
    work()
    later((settings.REQUEST_LOG_DAYS + 1) * 24 * 3600)
    full_hook.about(_active().remote_id)
    forget_old()
    assert Delivery.objects.count() == 1
