"""Process waiting deliveries: refresh each record they name once, oldest first.

A delivery is settled after its records were read, so an interrupted run only repeats work. A record
for which Greenhouse has a server error is deferred with its deliveries; if a second one fails too,
Greenhouse counts as down and everything is postponed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsUnavailable, BadCredential
from integrations.greenhouse.provider import Provider
from integrations.http.backoff import double_delay
from portal.connections.client import attribute_writes_to, open_provider
from portal.connections.models import Connection
from portal.core import queue
from portal.core.database.prepared_statements import use_prepared_statements
from portal.core.secrets.secret_field import SecretUnreadable
from portal.sync.integrity import write_guard
from portal.webhooks import receiver
from portal.webhooks.delivery_lease import (
    LEASE_TIMEOUT,
    EndpointLease,
    clear_request,
    hold_endpoint_lease,
)
from portal.webhooks.delivery_records import (
    ProcessingPostponed,
    Record,
    list_records_or_fail,
    refresh_record,
)
from portal.webhooks.delivery_states import (
    count_due,
    expire_deliveries,
    find_deferred,
    find_due,
    is_not_deferred,
    release_deliveries,
    select_waiting,
    settle_by_pk,
    settle_deliveries,
    take_deliveries,
)
from portal.webhooks.models import Delivery, Endpoint

BATCH_SIZE = 200
MIN_BACKOFF = timedelta(seconds=30)
MAX_BACKOFF = timedelta(minutes=15)
Outcome = Delivery.Outcome
_INACTIVE_STATES = (Connection.State.PAUSED, Connection.State.DISCONNECTED)


def process_deliveries(endpoint: Endpoint) -> None:
    """Process the waiting deliveries; returns at once if another worker holds the lease. Raises
    RetryLater while Greenhouse asks to wait.
    """
    if endpoint.retry_at is not None and endpoint.retry_at > timezone.now():
        clear_request(endpoint)
        return  # requeued by `requeue_stalled_endpoints`
    with hold_endpoint_lease(endpoint) as lease:
        if lease is None:
            return
        try:
            with use_prepared_statements():
                _refresh_waiting_records(endpoint, lease)
        except ProcessingPostponed as error:
            _postpone_endpoint(endpoint, error)
            raise queue.RetryLater(error.at) from error
    _requeue_if_due(endpoint)


def requeue_stalled_endpoints() -> None:
    """Queue endpoints whose task was lost, whose worker died or whose backoff is over."""
    now = timezone.now()
    waiting = Delivery.objects.filter(is_not_deferred(now), outcome=Outcome.WAITING)
    for endpoint in Endpoint.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now),
        Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - LEASE_TIMEOUT),
        Q(queued_at=None) | Q(queued_at__lt=now - timedelta(minutes=1)),
        connection__in=waiting.values("connection"),
    ).select_related("connection"):
        Endpoint.objects.filter(pk=endpoint.pk).update(queued_at=now)
        organization_id = endpoint.connection.organization_id
        queue.requeue_lost_tasks(receiver.PROCESS_TASK, {endpoint.pk: organization_id})


def _postpone_endpoint(endpoint: Endpoint, error: ProcessingPostponed) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(
        retry_at=error.at,
        failure_count=F("failure_count") + 1 if error.failed else F("failure_count"),
    )
    release_deliveries(select_waiting(endpoint.connection_id))
    expire_deliveries(select_waiting(endpoint.connection_id))


def _requeue_if_due(endpoint: Endpoint) -> None:
    # Catches deliveries stored between the last look and the release of the lease.
    if count_due(endpoint.connection_id, timezone.now()) and not _is_postponed(endpoint):
        receiver.request_processing(endpoint)


def _is_postponed(endpoint: Endpoint) -> bool:
    return Endpoint.objects.filter(pk=endpoint.pk, retry_at__gt=timezone.now()).exists()


def _refresh_waiting_records(endpoint: Endpoint, lease: EndpointLease) -> None:
    connection = endpoint.connection
    credential = connection.credential
    if (
        connection.state in _INACTIVE_STATES
        or connection.data_deletion_pending
        or credential is None
    ):
        settle_deliveries(select_waiting(connection.pk), Outcome.PAUSED)
        return
    batch = _list_batch(connection)
    if not batch:
        return
    try:
        run = _ProcessingRun(endpoint, open_provider(credential, lane=Lane.SYNC), lease)
        with attribute_writes_to(credential):
            while batch and _refresh_batch(run, batch):
                batch = _list_batch(connection)
    except write_guard.ConnectionChanged:  # the next task settles them, or uses the new credential
        return
    except (BadCredential, SecretUnreadable):
        settle_deliveries(
            select_waiting(connection.pk),
            Outcome.FAILED,
            "Greenhouse doesn't accept the credential.",
        )


def _list_batch(connection: Connection) -> list[Delivery]:
    batch = find_due(connection.pk, timezone.now(), limit=BATCH_SIZE)
    tests = [delivery.pk for delivery in batch if delivery.action == receiver.TEST_ACTION]
    if settle_by_pk(tests, Outcome.READ):
        Endpoint.objects.filter(connection=connection).update(test_processed_at=timezone.now())
    return [delivery for delivery in batch if delivery.action != receiver.TEST_ACTION]


@dataclass
class _ProcessingRun:
    """One worker's run; `deferred` maps failing records to their retry time and failure count."""

    endpoint: Endpoint
    provider: Provider
    lease: EndpointLease
    deferred: dict[Record, tuple[datetime, int]] = field(default_factory=dict)
    has_failed: bool = False
    started_at: datetime = field(default_factory=timezone.now)

    @property
    def connection(self) -> Connection:
        return self.endpoint.connection

    def __post_init__(self) -> None:
        for delivery in find_deferred(self.connection.pk, timezone.now()):
            if delivery.retry_at is not None:
                deferral = (delivery.retry_at, delivery.failure_count)
                records = list_records_or_fail(self.connection, delivery)
                self.deferred |= dict.fromkeys(records, deferral)

    def is_deferred(self, record: Record) -> bool:
        return record in self.deferred and self.deferred[record][0] > timezone.now()

    def record_answer(self) -> None:
        if self.endpoint.failure_count:
            Endpoint.objects.filter(pk=self.endpoint.pk).update(failure_count=0)
            self.endpoint.failure_count = 0

    def record_failure(self, record: Record, deliveries: list[int]) -> None:
        failed = Delivery.objects.filter(pk__in=deliveries)
        failure_count = max(failed.values_list("failure_count", flat=True), default=0) + 1
        delay = double_delay(MIN_BACKOFF, failure_count, longest=MAX_BACKOFF)
        self.deferred[record] = (timezone.now() + delay, failure_count)
        self.defer_deliveries(record, deliveries)
        if self.has_failed:
            raise ProcessingPostponed(_get_next_retry_time(self.connection), failed=True)
        self.has_failed = True

    def defer_deliveries(self, record: Record, deliveries: list[int]) -> None:
        retry_at, failure_count = self.deferred[record]
        waiting = Delivery.objects.filter(pk__in=deliveries, outcome=Outcome.WAITING)
        waiting.update(retry_at=retry_at, failure_count=failure_count, take_count=0)
        expire_deliveries(waiting)


def _refresh_batch(run: _ProcessingRun, batch: list[Delivery]) -> bool:
    pending = {delivery.pk: list_records_or_fail(run.connection, delivery) for delivery in batch}
    deliveries_by_record: dict[Record, list[int]] = defaultdict(list)
    for delivery, records in pending.items():
        for record in records:
            deliveries_by_record[record].append(delivery)
    settle_by_pk([pk for pk, records in pending.items() if not records], Outcome.NOTHING)
    for record, deliveries in deliveries_by_record.items():
        if run.is_deferred(record):
            run.defer_deliveries(record, deliveries)
        else:
            _refresh_and_settle(run, pending, record, deliveries)
        if not run.lease.renew_lease():
            return False
    return True


def _refresh_and_settle(
    run: _ProcessingRun,
    pending: dict[int, dict[Record, None]],
    record: Record,
    deliveries: list[int],
) -> None:
    if not take_deliveries(run.connection, deliveries):
        _settle_record(pending, record, deliveries, "")
        return
    try:
        failure = refresh_record(run.connection, run.provider, record, requested_at=run.started_at)
    except AtsUnavailable:
        run.record_failure(record, deliveries)
    else:
        run.record_answer()
        _settle_record(pending, record, deliveries, failure)
        if unsettled := [pk for pk in deliveries if pending[pk]]:
            release_deliveries(Delivery.objects.filter(pk__in=unsettled))


def _settle_record(
    pending: dict[int, dict[Record, None]], record: Record, deliveries: list[int], failure: str
) -> None:
    if failure:
        settle_by_pk(deliveries, Outcome.FAILED, failure)
    for pk in deliveries:
        pending[pk].pop(record, None)
    settle_by_pk([pk for pk in deliveries if not pending[pk]], Outcome.READ)


def _get_next_retry_time(connection: Connection) -> datetime:
    failure_count = Endpoint.objects.get(connection=connection).failure_count
    return timezone.now() + double_delay(MIN_BACKOFF, failure_count + 1, longest=MAX_BACKOFF)
