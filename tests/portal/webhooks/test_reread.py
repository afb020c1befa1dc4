"""Processing of webhook deliveries: the records they name are read from Greenhouse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

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
def delivering_hook(live_server, full_hook: Hook, sandbox: Sandbox) -> Hook:
    """The sandbox delivers every event over HTTP to the running portal."""
    url = f"{live_server.url}{full_hook.path}"
    assert sandbox.webhooks.register(url, full_hook.secret).enabled
    return full_hook


def _active_application() -> Application:
    """An active application on an open job, not on its last stage."""
    return (
        Application.objects.filter(status="active", prospect=False, job__status="open")
        .exclude(stage=None)
        .order_by("stage__order", "id")
        .first()
    )


def _outcomes() -> set[str]:
    return set(Delivery.objects.exclude(action="ping").values_list("outcome", flat=True))


# -- changes in Greenhouse ----------------------------------------------------------------------


def test_move_arrives_by_webhook(delivering_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    application = _active_application()
    before = application.stage_id
    moved = sandbox.mutate("move_application", application_id=application.remote_id)
    sandbox.webhooks.wait()
    work()
    application.refresh_from_db()
    assert application.stage_id != before
    assert application.stage.remote_id == moved.stage_id
    assert _outcomes() == {Outcome.READ}


def test_new_application_arrives_with_candidate_name(
    delivering_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    job = Job.objects.filter(status="open").first()
    made = sandbox.mutate("new_application", job_id=job.remote_id, first_name="Nova")
    sandbox.webhooks.wait()
    work()
    application = Application.objects.get(remote_id=made.id)
    assert (application.job, application.candidate.first_name) == (job, "Nova")


def test_new_job_and_changes_arrive(delivering_hook: Hook, sandbox: Sandbox, work: Work) -> None:
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


def test_deleted_records_disappear(delivering_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    application = _active_application()
    sandbox.mutate("delete_application", application_id=application.remote_id)
    candidate = _active_application().candidate
    application_pks = set(candidate.applications.values_list("pk", flat=True))
    sandbox.mutate("delete_candidate", candidate_id=candidate.remote_id)
    job = Job.objects.exclude(applications__pk__in=application_pks | {application.pk}).first()
    sandbox.mutate("delete_job", job_id=job.remote_id)
    sandbox.webhooks.wait()
    work()
    assert Application.objects.get(pk=application.pk).gone_at
    assert not Application.objects.filter(pk__in=application_pks, gone_at=None).exists()
    assert Job.objects.get(pk=job.pk).gone_at
    candidate.refresh_from_db()
    assert (candidate.first_name, candidate.last_name) == ("", "")


def test_merge_moves_applications(delivering_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    merged, survivor = (
        _active_application().candidate,
        Candidate.objects.filter(private=False).last(),
    )
    application_pks = list(merged.applications.values_list("pk", flat=True))
    sandbox.mutate("merge_candidate", candidate_id=merged.remote_id, into_id=survivor.remote_id)
    sandbox.webhooks.wait()
    work()
    assert {a.candidate for a in Application.objects.filter(pk__in=application_pks)} == {survivor}
    assert Candidate.objects.get(pk=merged.pk).gone_at


def test_merge_keeps_data_of_moved_application(
    delivering_hook: Hook, cast: Cast, sandbox: Sandbox, work: Work
) -> None:
    """A delivery about the merged candidate may come first."""
    application = _active_application()
    merged, survivor = application.candidate, Candidate.objects.filter(private=False).last()
    pending_action = ApplicationAction.objects.create(
        application=application, kind="reject", membership=cast.ada, status="held", notes="No Rust"
    )
    sandbox.mutate("rename_candidate", candidate_id=merged.remote_id, first_name="A", last_name="B")
    sandbox.mutate("merge_candidate", candidate_id=merged.remote_id, into_id=survivor.remote_id)
    sandbox.webhooks.wait()
    work()
    for row in (application, pending_action, merged):
        row.refresh_from_db()
    assert (application.candidate, pending_action.notes) == (survivor, "No Rust")
    assert merged.erased_at is not None


def test_anonymized_candidate_loses_name(
    delivering_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    candidate = _active_application().candidate
    assert candidate.last_name
    sandbox.mutate("anonymize_candidate", candidate_id=candidate.remote_id)
    sandbox.webhooks.wait()
    work()
    candidate.refresh_from_db()
    assert (candidate.first_name, candidate.last_name) == ("", "")


# -- payloads are hints only --------------------------------------------------------------------


def test_delete_event_verified_with_greenhouse(full_hook: Hook, work: Work) -> None:
    application = _active_application()
    full_hook.tells("delete_application", {"application": {"id": application.remote_id}})
    full_hook.tells(
        "delete_candidate",
        {
            "person": {
                "id": application.candidate.remote_id,
                "deleted_application_ids": [application.remote_id],
            }
        },
    )
    full_hook.tells("job_deleted", {"job": {"id": application.job.remote_id}})
    work()
    application.refresh_from_db()
    assert (application.gone_at, application.candidate.gone_at, application.job.gone_at) == (
        None,
        None,
        None,
    )
    assert application.candidate.last_name


def test_payload_values_are_ignored(full_hook: Hook, work: Work) -> None:
    application = _active_application()
    claimed = {
        "id": application.remote_id,
        "status": "hired",
        "current_stage": {"id": 1, "name": "X"},
    }
    full_hook.tells("hire_candidate", {"application": claimed})
    work()
    application.refresh_from_db()
    assert application.status == "active"


def test_other_customers_record_stays_unreachable(
    full_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    other_application = next(iter(sandbox.world("other").applications))
    full_hook.about(other_application.id)
    work()
    assert not Application.objects.filter(remote_id=other_application.id, gone_at=None).exists()
    assert _outcomes() == {Outcome.READ}


# -- once, oldest first -------------------------------------------------------------------------


def test_deliveries_about_one_record_read_once(full_hook: Hook, work: Work, asked) -> None:
    application = _active_application()
    for action in ("application_updated", "candidate_stage_change", "reject_candidate") * 5:
        full_hook.about(application.remote_id, action)
    work()
    assert asked("applications") == 1
    assert asked("candidates") == asked("jobs") == 0  # the mirror has them
    assert _outcomes() == {Outcome.READ}


def test_oldest_delivery_read_first(full_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    ids = [str(a.remote_id) for a in Application.objects.order_by("?")[:6]]
    for remote_id in ids:
        full_hook.about(int(remote_id))
    work()
    queries = [request.query for request in sandbox.requests if "ids=" in request.query]
    assert queries[-6:] == [f"ids={remote_id}" for remote_id in ids]


def test_duplicate_delivery_read_once(
    live_server, full_hook: Hook, sandbox: Sandbox, work: Work, asked
) -> None:
    sandbox.webhooks.register(f"{live_server.url}{full_hook.path}", full_hook.secret, twice=True)
    sandbox.mutate("move_application", application_id=_active_application().remote_id)
    sandbox.webhooks.wait()
    work()
    assert set(Delivery.objects.exclude(action="ping").values_list("times", flat=True)) == {2}
    assert asked("applications") == 1


def test_redelivery_not_read_again(
    delivering_hook: Hook, sandbox: Sandbox, work: Work, asked
) -> None:
    sandbox.mutate("move_application", application_id=_active_application().remote_id)
    sandbox.webhooks.wait()
    work()
    before = asked("applications")
    for delivery in [d for d in sandbox.webhooks.deliveries if d.action != "ping"]:
        sandbox.webhooks.redeliver(delivery.event_id)
    sandbox.webhooks.wait()
    work()
    assert asked("applications") == before


# -- failures -----------------------------------------------------------------------------------


def test_outage_loses_no_delivery(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    application = _active_application()
    sandbox.mutate("move_application", application_id=application.remote_id)
    sandbox.faults.add(kind="drop_before", times=None)
    full_hook.about(application.remote_id)
    work()
    assert _outcomes() == {Outcome.WAITING}
    sweep()
    assert work() == 0  # not retried at once
    sandbox.faults.clear()
    full_hook.about(application.remote_id)  # a new delivery does not end the pause
    work()
    assert _outcomes() == {Outcome.WAITING}
    later(60)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}
    before = application.stage_id
    application.refresh_from_db()
    assert application.stage_id != before


def test_retries_back_off_and_stop_after_a_day(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    sandbox.faults.add(kind="drop_before", times=None)
    full_hook.about(_active_application().remote_id)
    for pause in (30, 60, 120, 240, 480, 900, 900):
        started = timezone.now()
        work()
        assert Delivery.objects.get().not_before >= started + timedelta(seconds=pause)
        later(16 * 60)
        sweep()
    work()
    assert Delivery.objects.get().failures == 8
    later(24 * 3600)
    sweep()
    work()
    assert Delivery.objects.get().outcome == Outcome.FAILED
    assert "a day" in Delivery.objects.get().why


def test_failing_record_blocks_no_other(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    """Its own retries back off; other records are read at once."""
    failing, *others = Application.objects.filter(status="active", gone_at=None)[:4]
    original_handle = _fail_for(sandbox, failing.remote_id)
    full_hook.about(failing.remote_id)
    for application in others:
        sandbox.mutate("reject_application", application_id=application.remote_id)
        full_hook.about(application.remote_id)
        work()
        application.refresh_from_db()
        assert application.status == "rejected"
        full_hook.about(failing.remote_id)
        later(60)
        sweep()
        work()
    assert full_hook.address.not_before is None
    failing_deliveries = Delivery.objects.filter(names={"applications": [failing.remote_id]})
    assert {*failing_deliveries.values_list("outcome", flat=True)} == {Outcome.WAITING}
    assert min(failing_deliveries.values_list("failures", flat=True)) == 3
    sandbox.app.handle = original_handle  # type: ignore[method-assign]
    later(15 * 60)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}


def test_due_retry_read_in_same_run(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None, monkeypatch
) -> None:
    failing, slow = Application.objects.filter(status="active", gone_at=None)[:2]
    original_handle = _fail_for(sandbox, failing.remote_id)
    full_hook.about(failing.remote_id)
    work()
    sandbox.app.handle = original_handle  # type: ignore[method-assign]
    original_get = HarvestV3.get_application

    def get_slowly(self: HarvestV3, remote_id: int) -> Any:
        if remote_id == slow.remote_id:
            later(60)  # the pause of the failing record ends
        return original_get(self, remote_id)

    monkeypatch.setattr(HarvestV3, "get_application", get_slowly)
    full_hook.about(slow.remote_id)
    work()
    assert _outcomes() == {Outcome.READ}


def test_deletion_waits_while_writes_are_blocked(
    full_hook: Hook, sandbox: Sandbox, work: Work, monkeypatch
) -> None:
    candidate = _active_application().candidate
    sandbox.mutate("delete_candidate", candidate_id=candidate.remote_id)
    original_get = HarvestV3.get_candidate

    def get_while_credential_is_replaced(self: HarvestV3, remote_id: int) -> Any:
        try:
            return original_get(self, remote_id)
        finally:
            Credential.objects.filter(state="in_use").update(state="kept")

    full_hook.tells("delete_candidate", {"candidate": {"id": candidate.remote_id}})
    with monkeypatch.context() as patched:
        patched.setattr(HarvestV3, "get_candidate", get_while_credential_is_replaced)
        read(full_hook.address.pk)
    assert _outcomes() == {Outcome.WAITING}
    Credential.objects.filter(state="kept").update(state="in_use")
    read(full_hook.address.pk)
    candidate.refresh_from_db()
    assert candidate.erased_at
    assert _outcomes() == {Outcome.READ}


def test_second_failing_record_postpones_all(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    *failing, other = Application.objects.filter(status="active", gone_at=None)[:3]
    _fail_for(sandbox, *(application.remote_id for application in failing))
    for application in (*failing, other):
        full_hook.about(application.remote_id)
    work()
    assert full_hook.address.failures == 1
    assert _outcomes() == {Outcome.WAITING}
    later(31)
    sweep()
    work()
    assert Delivery.objects.latest("id").outcome == Outcome.READ


def _fail_for(sandbox: Sandbox, *application_ids: int) -> Any:
    """Let Greenhouse answer 500 for these applications; return the original handler."""
    inner = sandbox.app.handle

    def handle(request: Any) -> Any:
        requested_ids = request.query.get("ids", "")
        if request.path == "/v3/applications" and requested_ids in {*map(str, application_ids)}:
            return Answer(500, {"message": "Server timeout in API"}).response
        return inner(request)

    sandbox.app.handle = handle  # type: ignore[method-assign]
    return inner


def test_rate_limit_waited_for_as_told(
    full_hook: Hook, sandbox: Sandbox, work: Work, later, quick_retries: None
) -> None:
    sandbox.faults.add("/v3/applications", status=429, retry_after=40, times=1)
    full_hook.about(_active_application().remote_id)
    work()
    assert _outcomes() == {Outcome.WAITING}
    later(20)
    sweep()
    assert work() == 0
    later(41)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}


def test_refused_credential_fails_delivery(full_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    sandbox.expire_tokens()
    sandbox.faults.add("/token", status=401, times=None)
    sandbox.faults.add("/v3", status=401, times=None)
    full_hook.about(_active_application().remote_id)
    work()
    delivery = Delivery.objects.get()
    assert delivery.outcome == Outcome.FAILED
    assert "does not accept the credential" in delivery.why
    sandbox.faults.clear()
    full_hook.about(_active_application().remote_id, Greenhouse_Event_ID=delivery.event_id)
    work()  # a redelivery by Greenhouse is read again
    assert _outcomes() == {Outcome.READ}


def test_unreadable_record_blocks_no_other(full_hook: Hook, sandbox: Sandbox, work: Work) -> None:
    sandbox.faults.add("/v3/candidates", kind="html", times=None)
    application = _active_application()
    full_hook.tells("update_candidate", {"candidate": {"id": application.candidate.remote_id}})
    full_hook.about(application.remote_id)
    work()
    assert dict(Delivery.objects.values_list("action", "outcome")) == {
        "update_candidate": Outcome.FAILED,
        "application_updated": Outcome.READ,
    }


def test_lost_task_is_queued_again(full_hook: Hook, work: Work, later) -> None:
    from django_q.brokers import get_broker

    full_hook.about(_active_application().remote_id)
    get_broker().purge_queue()
    sweep()
    assert queued() == []  # it may still be queued
    later(61)
    sweep()
    work()
    assert _outcomes() == {Outcome.READ}


def test_duplicate_task_reads_once(full_hook: Hook, work: Work, asked) -> None:
    full_hook.about(_active_application().remote_id)
    work()
    read(full_hook.address.pk)
    assert asked("applications") == 1


def test_dead_worker_is_replaced(full_hook: Hook, work: Work, later, asked) -> None:
    Address.objects.update(reading_at=timezone.now())  # a worker that then dies
    full_hook.about(_active_application().remote_id)
    work()
    assert asked("applications") == 0
    sweep()
    assert queued() == []
    later(5 * 60 + 1)
    sweep()
    work()
    assert asked("applications") == 1
    assert full_hook.address.reading_at is None


def test_delivery_during_read_handled_by_same_worker(
    full_hook: Hook, sandbox: Sandbox, work: Work
) -> None:
    """The second worker leaves; the first one takes its delivery along."""
    first_application, second_application = Application.objects.filter(
        status="active", gone_at=None
    )[:2]
    sandbox.faults.add("/v3/applications", latency_ms=500, times=1)
    full_hook.about(first_application.remote_id)
    worker = Thread(target=_run_worker, args=(full_hook.address.pk,))
    worker.start()
    while full_hook.address.reading_at is None and worker.is_alive():
        pass
    full_hook.about(second_application.remote_id)
    work()
    worker.join()
    work()
    assert list(Delivery.objects.values_list("outcome", flat=True)) == [Outcome.READ] * 2


def _run_worker(address_id: int) -> None:
    try:
        read(address_id)
    finally:
        connections.close_all()


def test_worker_yields_between_time_slices(
    full_hook: Hook, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reread, "SLICE", timedelta(0))
    for application in Application.objects.filter(gone_at=None)[:3]:
        full_hook.about(application.remote_id)
    assert work() == 3  # one record per task
    assert _outcomes() == {Outcome.READ}


def test_paused_connection_not_read_for(full_hook: Hook, work: Work, asked) -> None:
    full_hook.about(_active_application().remote_id)
    Connection.objects.update(state=Connection.State.PAUSED)
    work()
    assert _outcomes() == {Outcome.PAUSED}
    assert asked("") == 0


def test_old_deliveries_deleted(full_hook: Hook, work: Work, later, settings) -> None:
    from portal.privacy.tasks import forget_old

    full_hook.about(_active_application().remote_id)
    work()
    later((settings.REQUEST_LOG_DAYS + 1) * 24 * 3600)
    full_hook.about(_active_application().remote_id)
    forget_old()
    assert Delivery.objects.count() == 1
