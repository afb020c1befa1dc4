"""Processing of webhook deliveries: the records they name are read from Greenhouse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.utils import timezone

from integrations.greenhouse.client.harvest_v3 import HarvestV3
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.http_server.messages import HttpError
from portal.applications.models import ApplicationAction
from portal.connections.models import Connection, Credential
from portal.core.broker import task_turns
from portal.core.database.thread_connections import ThreadOwner
from portal.issues.models import Issue
from portal.sync.models import Application, Candidate, Job, Stage
from portal.sync.records import record_refresh
from portal.webhooks import delivery_lease
from portal.webhooks.delivery_states import MAX_TAKES, UNEXPECTED_SENTENCE
from portal.webhooks.models import Delivery, Endpoint
from portal.webhooks.tasks import process_deliveries, recover_stalled_work
from tests.personas import Personas
from tests.portal.webhooks.conftest import WebhookSender
from tests.queue import list_queued_tasks

Outcome = Delivery.Outcome
Work = Callable[[], int]


@pytest.fixture
def delivering_webhook(
    live_server, synced_webhook: WebhookSender, sandbox: Sandbox
) -> WebhookSender:
    """The sandbox delivers every event over HTTP to the running portal."""
    url = f"{live_server.url}{synced_webhook.path}"
    assert sandbox.webhooks.register_webhook(url, synced_webhook.secret).enabled
    return synced_webhook


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


def test_deadly_delivery_is_given_up_and_others_read(
    synced_webhook: WebhookSender,
    run_tasks: Work,
    advance_clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted when its reading begins, because a killed worker counts nothing at the end."""
    deadly, other = Application.objects.filter(status="active", gone_at=None)[:2]
    refresh_application = record_refresh.refresh_application

    def kill_worker(connection: Connection, provider: Any, remote_id: int) -> Application:
        if remote_id == deadly.remote_id:
            raise SystemExit
        return refresh_application(connection, provider, remote_id)

    monkeypatch.setattr(record_refresh, "refresh_application", kill_worker)
    for application in (deadly, other):
        synced_webhook.deliver_application(application.remote_id)
    for take_count in range(1, MAX_TAKES + 1):
        with pytest.raises(SystemExit):
            run_tasks()
        first, second = Delivery.objects.order_by("id")
        assert (first.take_count, second.take_count) == (take_count, 0)
        advance_clock(600)
        recover_stalled_work()
    run_tasks()
    first, second = Delivery.objects.order_by("id")
    assert (first.outcome, first.reason) == (Outcome.FAILED, UNEXPECTED_SENTENCE)
    assert second.outcome == Outcome.READ
    assert Issue.objects.filter(cause=Issue.Cause.REFRESH_FAILED, closed_at=None).exists()


def test_lease_released_at_the_last_moment_is_taken(
    synced_webhook: WebhookSender, run_tasks: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced_webhook.deliver_application(_active_application().remote_id)
    Endpoint.objects.update(heartbeat_at=timezone.now())  # of another worker
    clear_request = delivery_lease.clear_request

    def clear_after_release(endpoint: Endpoint) -> None:
        Endpoint.objects.update(heartbeat_at=None)  # it saw the request and queued nothing
        clear_request(endpoint)

    monkeypatch.setattr(delivery_lease, "clear_request", clear_after_release)
    run_tasks()
    assert _outcomes() == {Outcome.READ}


def test_postponed_reading_is_not_counted_as_death(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
) -> None:
    synced_webhook.deliver_application(_active_application().remote_id)
    sandbox.faults.add_fault(kind="drop_before", times=None)
    for _ in range(MAX_TAKES + 2):
        run_tasks()
        assert Delivery.objects.get().take_count == 0
        advance_clock(16 * 60)
        recover_stalled_work()
    sandbox.faults.clear_faults()
    advance_clock(16 * 60)
    recover_stalled_work()
    run_tasks()
    assert _outcomes() == {Outcome.READ}


# -- changes in Greenhouse ----------------------------------------------------------------------


def test_move_arrives_by_webhook(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    application = _active_application()
    before = application.stage_id
    moved = sandbox.run_mutation("move_application", application_id=application.remote_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    application.refresh_from_db()
    assert application.stage_id != before
    assert application.stage.remote_id == moved.stage_id
    assert _outcomes() == {Outcome.READ}


def test_new_application_arrives_with_candidate_name(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    job = Job.objects.filter(status="open").first()
    made = sandbox.run_mutation("new_application", job_id=job.remote_id, first_name="Nova")
    sandbox.webhooks.queue.join()
    run_tasks()
    application = Application.objects.get(remote_id=made.id)
    assert (application.job, application.candidate.first_name) == (job, "Nova")


def test_new_job_and_changes_arrive(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    made = sandbox.run_mutation("create_job", name="Lighthouse keeper")
    sandbox.webhooks.queue.join()
    run_tasks()
    job = Job.objects.get(remote_id=made.id)
    assert (job.name, job.status) == ("Lighthouse keeper", "open")
    assert Stage.objects.filter(job=job).exists()
    sandbox.run_mutation("set_confidential", job_id=made.id)
    sandbox.run_mutation("close_job", job_id=made.id)
    stage = Stage.objects.filter(job=job).last()
    sandbox.run_mutation("delete_stage", stage_id=stage.remote_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    job.refresh_from_db()
    stage.refresh_from_db()
    assert (job.confidential, job.status, stage.active) == (True, "closed", False)


def test_deleted_records_disappear(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    application = _active_application()
    sandbox.run_mutation("delete_application", application_id=application.remote_id)
    candidate = _active_application().candidate
    application_pks = set(candidate.applications.values_list("pk", flat=True))
    sandbox.run_mutation("delete_candidate", candidate_id=candidate.remote_id)
    job = Job.objects.exclude(applications__pk__in=application_pks | {application.pk}).first()
    sandbox.run_mutation("delete_job", job_id=job.remote_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    assert Application.objects.get(pk=application.pk).gone_at
    assert not Application.objects.filter(pk__in=application_pks, gone_at=None).exists()
    assert Job.objects.get(pk=job.pk).gone_at
    candidate.refresh_from_db()
    assert (candidate.first_name, candidate.last_name) == ("", "")


def test_merge_moves_applications(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    merged, survivor = (
        _active_application().candidate,
        Candidate.objects.filter(private=False).last(),
    )
    application_pks = list(merged.applications.values_list("pk", flat=True))
    sandbox.run_mutation(
        "merge_candidate", candidate_id=merged.remote_id, into_id=survivor.remote_id
    )
    sandbox.webhooks.queue.join()
    run_tasks()
    assert {a.candidate for a in Application.objects.filter(pk__in=application_pks)} == {survivor}
    assert Candidate.objects.get(pk=merged.pk).gone_at


def test_merge_keeps_data_of_moved_application(
    delivering_webhook: WebhookSender, personas: Personas, sandbox: Sandbox, run_tasks: Work
) -> None:
    """A delivery about the merged candidate may come first."""
    application = _active_application()
    merged, survivor = application.candidate, Candidate.objects.filter(private=False).last()
    pending_action = ApplicationAction.objects.create(
        application=application,
        kind="reject",
        membership=personas.ada,
        status="scheduled",
        notes="No Rust",
    )
    sandbox.run_mutation(
        "rename_candidate", candidate_id=merged.remote_id, first_name="A", last_name="B"
    )
    sandbox.run_mutation(
        "merge_candidate", candidate_id=merged.remote_id, into_id=survivor.remote_id
    )
    sandbox.webhooks.queue.join()
    run_tasks()
    for row in (application, pending_action, merged):
        row.refresh_from_db()
    assert (application.candidate, pending_action.notes) == (survivor, "No Rust")
    assert merged.erased_at is not None


def test_anonymized_candidate_loses_name(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    candidate = _active_application().candidate
    assert candidate.last_name
    sandbox.run_mutation("anonymize_candidate", candidate_id=candidate.remote_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    candidate.refresh_from_db()
    assert (candidate.first_name, candidate.last_name) == ("", "")


# -- payloads are hints only --------------------------------------------------------------------


def test_delete_event_verified_with_greenhouse(
    synced_webhook: WebhookSender, run_tasks: Work
) -> None:
    application = _active_application()
    synced_webhook.deliver_event(
        "delete_application", {"application": {"id": application.remote_id}}
    )
    synced_webhook.deliver_event(
        "delete_candidate",
        {
            "person": {
                "id": application.candidate.remote_id,
                "deleted_application_ids": [application.remote_id],
            }
        },
    )
    synced_webhook.deliver_event("job_deleted", {"job": {"id": application.job.remote_id}})
    run_tasks()
    application.refresh_from_db()
    assert (application.gone_at, application.candidate.gone_at, application.job.gone_at) == (
        None,
        None,
        None,
    )
    assert application.candidate.last_name


def test_payload_values_are_ignored(synced_webhook: WebhookSender, run_tasks: Work) -> None:
    application = _active_application()
    claimed = {
        "id": application.remote_id,
        "status": "hired",
        "current_stage": {"id": 1, "name": "X"},
    }
    synced_webhook.deliver_event("hire_candidate", {"application": claimed})
    run_tasks()
    application.refresh_from_db()
    assert application.status == "active"


def test_other_customers_record_stays_unreachable(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    other_application = next(iter(sandbox.dataset("other").applications))
    synced_webhook.deliver_application(other_application.id)
    run_tasks()
    assert not Application.objects.filter(remote_id=other_application.id, gone_at=None).exists()
    assert _outcomes() == {Outcome.READ}


# -- once, oldest first -------------------------------------------------------------------------


def test_deliveries_about_one_record_read_once(
    synced_webhook: WebhookSender, run_tasks: Work, count_requests
) -> None:
    application = _active_application()
    for action in ("application_updated", "candidate_stage_change", "reject_candidate") * 5:
        synced_webhook.deliver_application(application.remote_id, action)
    run_tasks()
    assert count_requests("applications") == 1
    assert count_requests("candidates") == count_requests("jobs") == 0  # the mirror has them
    assert _outcomes() == {Outcome.READ}


def test_oldest_delivery_read_first(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    ids = [str(a.remote_id) for a in Application.objects.order_by("?")[:6]]
    for remote_id in ids:
        synced_webhook.deliver_application(int(remote_id))
    run_tasks()
    queries = [parse_qs(request.query) for request in sandbox.requests]
    assert [query["ids"] for query in queries if "ids" in query][-6:] == [[key] for key in ids]


def test_duplicate_delivery_read_once(
    live_server, synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work, count_requests
) -> None:
    sandbox.webhooks.register_webhook(
        f"{live_server.url}{synced_webhook.path}", synced_webhook.secret, twice=True
    )
    sandbox.run_mutation("move_application", application_id=_active_application().remote_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    assert set(
        Delivery.objects.exclude(action="ping").values_list("delivery_count", flat=True)
    ) == {2}
    assert count_requests("applications") == 1


def test_redelivery_not_read_again(
    delivering_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work, count_requests
) -> None:
    sandbox.run_mutation("move_application", application_id=_active_application().remote_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    before = count_requests("applications")
    for delivery in [d for d in sandbox.webhooks.deliveries if d.action != "ping"]:
        sandbox.webhooks.redeliver_event(delivery.event_id)
    sandbox.webhooks.queue.join()
    run_tasks()
    assert count_requests("applications") == before


# -- failures -----------------------------------------------------------------------------------


def test_outage_loses_no_delivery(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
) -> None:
    application = _active_application()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    sandbox.faults.add_fault(kind="drop_before", times=None)
    synced_webhook.deliver_application(application.remote_id)
    run_tasks()
    assert _outcomes() == {Outcome.WAITING}
    recover_stalled_work()
    assert run_tasks() == 0  # not retried at once
    sandbox.faults.clear_faults()
    synced_webhook.deliver_application(
        application.remote_id
    )  # a new delivery does not end the pause
    run_tasks()
    assert _outcomes() == {Outcome.WAITING}
    advance_clock(60)
    recover_stalled_work()
    run_tasks()
    assert _outcomes() == {Outcome.READ}
    before = application.stage_id
    application.refresh_from_db()
    assert application.stage_id != before


def test_retries_back_off_and_stop_after_a_day(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
    settings,
) -> None:
    settings.BREAKER_FAILURES = 0  # it would decide when to try again
    sandbox.faults.add_fault(kind="drop_before", times=None)
    synced_webhook.deliver_application(_active_application().remote_id)
    for pause in (30, 60, 120, 240, 480, 900, 900):
        started = timezone.now()
        run_tasks()
        assert Delivery.objects.get().retry_at >= started + timedelta(seconds=pause)
        advance_clock(16 * 60)
        recover_stalled_work()
    run_tasks()
    assert Delivery.objects.get().failure_count == 8
    advance_clock(24 * 3600)
    recover_stalled_work()
    run_tasks()
    assert Delivery.objects.get().outcome == Outcome.FAILED
    assert "a day" in Delivery.objects.get().reason


def test_failing_record_blocks_no_other(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
) -> None:
    """Its own retries back off; other records are read at once."""
    failing, *others = Application.objects.filter(status="active", gone_at=None)[:4]
    original_handle = _fail_for(sandbox, failing.remote_id)
    synced_webhook.deliver_application(failing.remote_id)
    for application in others:
        sandbox.run_mutation("reject_application", application_id=application.remote_id)
        synced_webhook.deliver_application(application.remote_id)
        run_tasks()
        application.refresh_from_db()
        assert application.status == "rejected"
        synced_webhook.deliver_application(failing.remote_id)
        advance_clock(60)
        recover_stalled_work()
        run_tasks()
    assert synced_webhook.endpoint.retry_at is None
    failing_deliveries = Delivery.objects.filter(record_ids={"applications": [failing.remote_id]})
    assert {*failing_deliveries.values_list("outcome", flat=True)} == {Outcome.WAITING}
    assert min(failing_deliveries.values_list("failure_count", flat=True)) == 3
    sandbox.app.handle = original_handle  # type: ignore[method-assign]
    advance_clock(15 * 60)
    recover_stalled_work()
    run_tasks()
    assert _outcomes() == {Outcome.READ}


def test_due_retry_read_in_same_run(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
    monkeypatch,
    settings,
) -> None:
    settings.WORKER_TURN_SECONDS = 3600
    failing, slow = Application.objects.filter(status="active", gone_at=None)[:2]
    original_handle = _fail_for(sandbox, failing.remote_id)
    synced_webhook.deliver_application(failing.remote_id)
    run_tasks()
    sandbox.app.handle = original_handle  # type: ignore[method-assign]
    original_get = HarvestV3.get_application

    def get_slowly(self: HarvestV3, remote_id: int) -> Any:
        if remote_id == slow.remote_id:
            advance_clock(60)  # the pause of the failing record ends
        return original_get(self, remote_id)

    monkeypatch.setattr(HarvestV3, "get_application", get_slowly)
    synced_webhook.deliver_application(slow.remote_id)
    run_tasks()
    assert _outcomes() == {Outcome.READ}


def test_deletion_waits_while_writes_are_blocked(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work, monkeypatch
) -> None:
    candidate = _active_application().candidate
    sandbox.run_mutation("delete_candidate", candidate_id=candidate.remote_id)
    original_get = HarvestV3.get_candidate

    def get_while_credential_is_replaced(self: HarvestV3, remote_id: int) -> Any:
        try:
            return original_get(self, remote_id)
        finally:
            Credential.objects.filter(state="in_use").update(state="previous")

    synced_webhook.deliver_event("delete_candidate", {"candidate": {"id": candidate.remote_id}})
    with monkeypatch.context() as patched:
        patched.setattr(HarvestV3, "get_candidate", get_while_credential_is_replaced)
        process_deliveries(synced_webhook.endpoint.pk)
    assert _outcomes() == {Outcome.WAITING}
    Credential.objects.filter(state="previous").update(state="in_use")
    process_deliveries(synced_webhook.endpoint.pk)
    candidate.refresh_from_db()
    assert candidate.erased_at
    assert _outcomes() == {Outcome.READ}


def test_second_failing_record_postpones_all(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
    settings: Any,
) -> None:
    settings.BREAKER_FAILURES = 100  # a pause of all calls would postpone them, too
    *failing, other = Application.objects.filter(status="active", gone_at=None)[:3]
    _fail_for(sandbox, *(application.remote_id for application in failing))
    for application in (*failing, other):
        synced_webhook.deliver_application(application.remote_id)
    run_tasks()
    assert synced_webhook.endpoint.failure_count == 1
    assert _outcomes() == {Outcome.WAITING}
    advance_clock(31)
    recover_stalled_work()
    run_tasks()
    assert Delivery.objects.latest("id").outcome == Outcome.READ


def _fail_for(sandbox: Sandbox, *application_ids: int) -> Any:
    """Let Greenhouse answer 500 for these applications; return the original handler."""
    inner = sandbox.app.handle

    def handle(request: Any) -> Any:
        requested_ids = request.query.get("ids", "")
        if request.path == "/v3/applications" and requested_ids in {*map(str, application_ids)}:
            return HttpError(500, {"message": "Server timeout in API"}).response
        return inner(request)

    sandbox.app.handle = handle  # type: ignore[method-assign]
    return inner


def test_rate_limit_waited_for_as_told(
    synced_webhook: WebhookSender,
    sandbox: Sandbox,
    run_tasks: Work,
    advance_clock,
    quick_retries: None,
) -> None:
    sandbox.faults.add_fault("/v3/applications", status=429, retry_after=40, times=1)
    synced_webhook.deliver_application(_active_application().remote_id)
    run_tasks()
    assert _outcomes() == {Outcome.WAITING}
    advance_clock(20)
    recover_stalled_work()
    assert run_tasks() == 0
    advance_clock(41)
    recover_stalled_work()
    run_tasks()
    assert _outcomes() == {Outcome.READ}


def test_refused_credential_fails_delivery(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    sandbox.app.tokens.expire_all()
    sandbox.faults.add_fault("/token", status=401, times=None)
    sandbox.faults.add_fault("/v3", status=401, times=None)
    synced_webhook.deliver_application(_active_application().remote_id)
    run_tasks()
    delivery = Delivery.objects.get()
    assert delivery.outcome == Outcome.FAILED
    assert "doesn't accept the credential" in delivery.reason
    sandbox.faults.clear_faults()
    synced_webhook.deliver_application(
        _active_application().remote_id, Greenhouse_Event_ID=delivery.event_id
    )
    run_tasks()  # a redelivery by Greenhouse is read again
    assert _outcomes() == {Outcome.READ}


def test_unreadable_record_blocks_no_other(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    sandbox.faults.add_fault("/v3/candidates", kind="html", times=None)
    application = _active_application()
    synced_webhook.deliver_event(
        "update_candidate", {"candidate": {"id": application.candidate.remote_id}}
    )
    synced_webhook.deliver_application(application.remote_id)
    run_tasks()
    assert dict(Delivery.objects.values_list("action", "outcome")) == {
        "update_candidate": Outcome.FAILED,
        "application_updated": Outcome.READ,
    }


def test_lost_task_is_queued_again(
    synced_webhook: WebhookSender, run_tasks: Work, advance_clock
) -> None:
    from django_q.brokers import get_broker

    synced_webhook.deliver_application(_active_application().remote_id)
    get_broker().purge_queue()
    recover_stalled_work()
    assert list_queued_tasks() == []  # it may still be queued
    advance_clock(61)
    recover_stalled_work()
    run_tasks()
    assert _outcomes() == {Outcome.READ}


def test_duplicate_task_reads_once(
    synced_webhook: WebhookSender, run_tasks: Work, count_requests
) -> None:
    synced_webhook.deliver_application(_active_application().remote_id)
    run_tasks()
    process_deliveries(synced_webhook.endpoint.pk)
    assert count_requests("applications") == 1


def test_dead_worker_is_replaced(
    synced_webhook: WebhookSender, run_tasks: Work, advance_clock, count_requests
) -> None:
    Endpoint.objects.update(heartbeat_at=timezone.now())  # a worker that then dies
    synced_webhook.deliver_application(_active_application().remote_id)
    run_tasks()
    assert count_requests("applications") == 0
    recover_stalled_work()
    assert list_queued_tasks() == []
    advance_clock(5 * 60 + 1)
    recover_stalled_work()
    run_tasks()
    assert count_requests("applications") == 1
    assert synced_webhook.endpoint.heartbeat_at is None


def test_delivery_during_read_handled_by_same_worker(
    synced_webhook: WebhookSender, sandbox: Sandbox, run_tasks: Work
) -> None:
    """The second worker leaves; the first one takes its delivery along."""
    first_application, second_application = Application.objects.filter(
        status="active", gone_at=None
    )[:2]
    sandbox.faults.add_fault("/v3/applications", latency_ms=500, times=1)
    synced_webhook.deliver_application(first_application.remote_id)
    worker = Thread(target=_run_worker, args=(synced_webhook.endpoint.pk, ThreadOwner()))
    worker.start()
    while synced_webhook.endpoint.heartbeat_at is None and worker.is_alive():
        pass
    synced_webhook.deliver_application(second_application.remote_id)
    run_tasks()
    worker.join()
    run_tasks()
    assert list(Delivery.objects.values_list("outcome", flat=True)) == [Outcome.READ] * 2


def _run_worker(address_id: int, owner: ThreadOwner) -> None:
    with owner.lend_scope():
        process_deliveries(address_id)


def test_worker_yields_when_its_turn_is_over(
    synced_webhook: WebhookSender, run_tasks: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_turns, "TURN_SECONDS", 0)
    for application in Application.objects.filter(gone_at=None)[:3]:
        synced_webhook.deliver_application(application.remote_id)
    assert run_tasks() == 3  # one record per task
    assert _outcomes() == {Outcome.READ}


def test_paused_connection_not_read_for(
    synced_webhook: WebhookSender, run_tasks: Work, count_requests
) -> None:
    synced_webhook.deliver_application(_active_application().remote_id)
    Connection.objects.update(state=Connection.State.PAUSED)
    run_tasks()
    assert _outcomes() == {Outcome.PAUSED}
    assert count_requests("") == 0


def test_old_deliveries_deleted(
    synced_webhook: WebhookSender, run_tasks: Work, advance_clock, settings
) -> None:
    from portal.privacy.tasks import delete_expired_data

    synced_webhook.deliver_application(_active_application().remote_id)
    run_tasks()
    advance_clock((settings.REQUEST_LOG_DAYS + 1) * 24 * 3600)
    synced_webhook.deliver_application(_active_application().remote_id)
    delete_expired_data()
    assert Delivery.objects.count() == 1
