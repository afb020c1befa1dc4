"""Process waiting deliveries: refresh each record they name once, oldest first.

A delivery is settled after its records were read, so an interrupted run only repeats work. A record
for which Greenhouse has a server error is deferred with its deliveries; if a second one fails too,
Greenhouse counts as down and everything is postponed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError, AtsUnavailable, BadCredential, NotFound, RateLimited
from integrations.ats.provider import Provider
from integrations.ats.webhooks import EventSubject
from portal.connections.client import attribute_writes_to, open_provider
from portal.connections.models import Connection
from portal.core.secrets import SecretUnreadable
from portal.sync.integrity import write_guard
from portal.sync.models import Application
from portal.sync.records import record_refresh
from portal.webhooks import receiver
from portal.webhooks.models import Delivery, Endpoint

LEASE_TIMEOUT = timedelta(minutes=5)  # longer than the longest single request
TIME_SLICE = timedelta(seconds=30)  # then other tasks get their turn
BATCH_SIZE = 200
GIVE_UP_AFTER = timedelta(hours=24)
MAX_BACKOFF = timedelta(minutes=15)
Outcome = Delivery.Outcome
_INACTIVE_STATES = (Connection.State.PAUSED, Connection.State.DISCONNECTED)
Record = tuple[str, int]  # kind and Greenhouse id


class _RetryLater(Exception):
    """Greenhouse can't be asked at the moment; `failed` counts towards the backoff."""

    def __init__(self, at: datetime, *, failed: bool) -> None:
        self.at, self.failed = at, failed


def process_deliveries(endpoint: Endpoint) -> None:
    """Process the waiting deliveries; returns at once if another worker holds the lease."""
    # Deliveries stored from here on queue another task; earlier ones are processed below.
    Endpoint.objects.filter(pk=endpoint.pk).update(queued_at=None)
    if _is_postponed(endpoint):  # requeued by `requeue_stalled_endpoints`
        return
    with _acquire_lease(endpoint) as lease:
        if lease is None:
            return
        try:
            _refresh_waiting_records(endpoint.connection, lease)
        except _RetryLater as error:
            _postpone_endpoint(endpoint, error)
    _requeue_if_due(endpoint)


def requeue_stalled_endpoints() -> None:
    """Queue endpoints whose task was lost, whose worker died or whose backoff is over."""
    now = timezone.now()
    waiting = Delivery.objects.filter(_is_not_deferred(), outcome=Outcome.WAITING)
    for endpoint in Endpoint.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now),
        Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - LEASE_TIMEOUT),
        Q(queued_at=None) | Q(queued_at__lt=now - timedelta(minutes=1)),
        connection__in=waiting.values("connection"),
    ):
        Endpoint.objects.filter(pk=endpoint.pk).update(queued_at=None)
        receiver.request_processing(endpoint)


# -- lease -------------------------------------------------------------------------------------


class _Lease:
    """The right to process an endpoint's deliveries: lost once `heartbeat_at` no longer matches."""

    def __init__(self, endpoint: Endpoint, at: datetime) -> None:
        self._endpoint, self._renewed_at, self._deadline = endpoint, at, at + TIME_SLICE

    def renew_lease(self) -> bool:
        """Extend the lease; False if another worker took it over, or the time slice is over."""
        now = timezone.now()
        renewed = self._select_leased().update(heartbeat_at=now)
        self._renewed_at = now if renewed else self._renewed_at
        return bool(renewed) and now < self._deadline

    def release_lease(self) -> None:
        self._select_leased().update(heartbeat_at=None)

    def _select_leased(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.filter(pk=self._endpoint.pk, heartbeat_at=self._renewed_at)


@contextmanager
def _acquire_lease(endpoint: Endpoint) -> Iterator[_Lease | None]:
    now = timezone.now()
    is_free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - LEASE_TIMEOUT)
    if not Endpoint.objects.filter(is_free, pk=endpoint.pk).update(heartbeat_at=now):
        yield None
        return
    lease = _Lease(endpoint, now)
    try:
        yield lease
    finally:
        lease.release_lease()


def _postpone_endpoint(endpoint: Endpoint, error: _RetryLater) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(
        retry_at=error.at,
        failure_count=F("failure_count") + 1 if error.failed else F("failure_count"),
    )
    _expire_deliveries(_select_waiting(endpoint.connection))


def _expire_deliveries(waiting: QuerySet[Delivery]) -> None:
    old = waiting.filter(received_at__lt=timezone.now() - GIVE_UP_AFTER)
    _settle_deliveries(old, Outcome.FAILED, "Greenhouse did not answer for a day.")


def _requeue_if_due(endpoint: Endpoint) -> None:
    # Catches deliveries stored between the last look and the release of the lease.
    if not _is_postponed(endpoint) and _select_due(endpoint.connection).exists():
        receiver.request_processing(endpoint)


def _is_postponed(endpoint: Endpoint) -> bool:
    return Endpoint.objects.filter(pk=endpoint.pk, retry_at__gt=timezone.now()).exists()


# -- processing --------------------------------------------------------------------------------


def _select_waiting(connection: Connection) -> QuerySet[Delivery]:
    return Delivery.objects.filter(connection=connection, outcome=Outcome.WAITING).order_by("id")


def _is_not_deferred() -> Q:
    return Q(retry_at=None) | Q(retry_at__lte=timezone.now())


def _select_due(connection: Connection) -> QuerySet[Delivery]:
    return _select_waiting(connection).filter(_is_not_deferred()).order_by("failure_count", "id")


def _refresh_waiting_records(connection: Connection, lease: _Lease) -> None:
    credential = connection.credential
    if (
        connection.state in _INACTIVE_STATES
        or connection.data_deletion_pending
        or credential is None
    ):
        _settle_deliveries(_select_waiting(connection), Outcome.PAUSED)
        return
    _complete_tests(connection)
    if not _select_due(connection).exists():
        return
    try:
        run = _ProcessingRun(connection, open_provider(credential, lane=Lane.SYNC), lease)
        with attribute_writes_to(credential):
            while batch := list(_select_due(connection)[:BATCH_SIZE]):
                if not _refresh_batch(run, batch):
                    return
    except write_guard.ConnectionChanged:  # the next task settles them, or uses the new credential
        return
    except (BadCredential, SecretUnreadable):
        _settle_deliveries(
            _select_waiting(connection),
            Outcome.FAILED,
            "Greenhouse does not accept the credential.",
        )


def _complete_tests(connection: Connection) -> None:
    tests = _select_waiting(connection).filter(action=receiver.TEST_ACTION)
    if _settle_deliveries(tests, Outcome.READ):
        Endpoint.objects.filter(connection=connection).update(test_processed_at=timezone.now())


@dataclass
class _ProcessingRun:
    """One worker's run; `deferred` maps failing records to their retry time and failure count."""

    connection: Connection
    provider: Provider
    lease: _Lease
    deferred: dict[Record, tuple[datetime, int]] = field(default_factory=dict)
    has_failed: bool = False
    has_answered: bool = False

    def __post_init__(self) -> None:
        for delivery in _select_waiting(self.connection).filter(retry_at__gt=timezone.now()):
            if delivery.retry_at is not None:
                deferral = (delivery.retry_at, delivery.failure_count)
                self.deferred |= dict.fromkeys(_list_records(self.connection, delivery), deferral)

    def is_deferred(self, record: Record) -> bool:
        return record in self.deferred and self.deferred[record][0] > timezone.now()

    def record_answer(self) -> None:
        if not self.has_answered:
            endpoint = Endpoint.objects.filter(connection=self.connection, failure_count__gt=0)
            endpoint.update(failure_count=0)
        self.has_answered = True

    def record_failure(self, record: Record, deliveries: list[int]) -> None:
        failed = Delivery.objects.filter(pk__in=deliveries)
        failure_count = max(failed.values_list("failure_count", flat=True), default=0) + 1
        self.deferred[record] = (timezone.now() + _get_backoff(failure_count - 1), failure_count)
        self.defer_deliveries(record, deliveries)
        if self.has_failed:
            raise _RetryLater(_get_next_retry_time(self.connection), failed=True)
        self.has_failed = True

    def defer_deliveries(self, record: Record, deliveries: list[int]) -> None:
        retry_at, failure_count = self.deferred[record]
        waiting = Delivery.objects.filter(pk__in=deliveries, outcome=Outcome.WAITING)
        waiting.update(retry_at=retry_at, failure_count=failure_count)
        _expire_deliveries(waiting)


def _refresh_batch(run: _ProcessingRun, batch: list[Delivery]) -> bool:
    pending = {delivery.pk: _list_records(run.connection, delivery) for delivery in batch}
    deliveries_by_record: dict[Record, list[int]] = defaultdict(list)
    for delivery, records in pending.items():
        for record in records:
            deliveries_by_record[record].append(delivery)
    _settle_by_pk([pk for pk, records in pending.items() if not records], Outcome.NOTHING)
    for record, deliveries in deliveries_by_record.items():
        if run.is_deferred(record):
            run.defer_deliveries(record, deliveries)
        else:
            try:
                failure = _refresh_record(run.connection, run.provider, record)
            except AtsUnavailable:
                run.record_failure(record, deliveries)
            else:
                run.record_answer()
                _settle_record(pending, record, deliveries, failure)
        if not run.lease.renew_lease():
            return False
    return True


def _settle_record(
    pending: dict[int, dict[Record, None]], record: Record, deliveries: list[int], failure: str
) -> None:
    if failure:
        _settle_by_pk(deliveries, Outcome.FAILED, failure)
    for pk in deliveries:
        pending[pk].pop(record, None)
    _settle_by_pk([pk for pk in deliveries if not pending[pk]], Outcome.READ)


def _list_records(connection: Connection, delivery: Delivery) -> dict[Record, None]:
    # Reading an application stores its missing parents. A candidate who is gone comes last, after
    # the applications that a merge moved and after the surviving candidate.
    candidates = delivery.record_ids.get("candidates", [])
    records: list[Record] = []
    if delivery.subject == EventSubject.JOB:
        records += [("jobs", pk) for pk in delivery.record_ids.get("jobs", [])]
    if delivery.subject == EventSubject.CANDIDATE and delivery.is_deletion:
        records += _list_candidate_applications(connection, candidates)
    if delivery.subject != EventSubject.JOB:
        records += [("applications", pk) for pk in delivery.record_ids.get("applications", [])]
    if delivery.subject == EventSubject.CANDIDATE:
        records += [("candidates", pk) for pk in reversed(candidates)]
    return dict.fromkeys(records)


def _list_candidate_applications(connection: Connection, candidates: list[int]) -> list[Record]:
    # Deletes do not cascade (documented), and a merge moves applications.
    rows = Application.objects.filter(
        connection=connection, candidate__remote_id__in=candidates, gone_at=None
    )
    return [("applications", pk) for pk in rows.values_list("remote_id", flat=True)]


def _refresh_record(connection: Connection, provider: Provider, record: Record) -> str:
    """Read and store one record; returns the sentence of an error that retrying won't fix."""
    kind, remote_id = record
    try:
        if kind == "jobs":
            record_refresh.refresh_job(connection, remote_id, provider=provider)
        elif kind == "candidates":
            record_refresh.refresh_candidate(connection, remote_id, provider=provider)
        else:
            record_refresh.refresh_application(connection, provider, remote_id)
    except NotFound:  # now marked gone
        return ""
    except RateLimited as error:
        raise _RetryLater(error.until, failed=False) from error
    except (AtsUnavailable, BadCredential, write_guard.ConnectionChanged):
        raise
    except AtsError as error:
        return error.sentence
    return ""


def _get_next_retry_time(connection: Connection) -> datetime:
    return timezone.now() + _get_backoff(Endpoint.objects.get(connection=connection).failure_count)


def _get_backoff(failures: int) -> timedelta:
    delay: timedelta = timedelta(seconds=30 * 2 ** min(failures, 10))
    return min(delay, MAX_BACKOFF)


def _settle_by_pk(pks: list[int], outcome: str, why: str = "") -> int:
    if not pks:
        return 0
    return _settle_deliveries(
        Delivery.objects.filter(pk__in=pks, outcome=Outcome.WAITING), outcome, why
    )


def _settle_deliveries(waiting: QuerySet[Delivery], outcome: str, why: str = "") -> int:
    # Neither SQLite nor PostgreSQL supports an ordered UPDATE.
    return waiting.order_by().update(outcome=outcome, reason=why[:300], processed_at=timezone.now())
