"""Reading again what deliveries named: oldest first, each record once however often it was named.

One worker reads for a connection at a time (a lease with a sign of life); a second one leaves at
once. A delivery is settled after its records were read, so whoever is stopped in between only
leaves work that is done again. What a delivery claims is never believed: a record is gone when
Greenhouse says so.

A record for which Greenhouse has a server error is set aside with what named it, and tried again
by itself, after the others; when a second one fails, too, Greenhouse is taken to be down and
everything is put off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from integrations.ats.errors import (
    AtsDown,
    AtsError,
    BadCredential,
    NotFound,
    RateLimited,
)
from integrations.ats.port import Provider
from integrations.ats.webhooks import Subject
from integrations.ats.wiring import Lane
from portal.connections.models import Connection
from portal.connections.open import open_provider, speaking_with
from portal.core.secrets import SecretUnreadable
from portal.mirror import guard, single
from portal.mirror.models import Application
from portal.webhooks import receive
from portal.webhooks.models import Address, Delivery

SILENT_AFTER = timedelta(minutes=5)  # longer than one question to Greenhouse may take
SLICE = timedelta(seconds=30)  # then the others' tasks have their turn
AT_ONCE = 200  # deliveries that are looked at together
GIVEN_UP_AFTER = timedelta(hours=24)
LONGEST_PAUSE = timedelta(minutes=15)
Outcome = Delivery.Outcome
_OFF = (Connection.State.PAUSED, Connection.State.DISCONNECTED)
Record = tuple[str, int]  # the kind, and Greenhouse's id


class _NotNow(Exception):
    """Greenhouse cannot be asked at the moment; go on `at`."""

    def __init__(self, at: datetime, *, failed: bool) -> None:
        self.at, self.failed = at, failed


def read(address: Address) -> None:
    """Read what waits, to the end. Leaves at once where another worker is at it."""
    # From here on whoever delivers asks again; what was stored before is seen below.
    Address.objects.filter(pk=address.pk).update(asked_at=None)
    if _is_put_off(address):  # the sweep asks when the time has come
        return
    with _lease(address) as lease:
        if lease is None:
            return
        try:
            _read_all(address.connection, lease)
        except _NotNow as later:
            _put_off(address, later)
    _ask_if_waiting(address)


def sweep() -> None:
    """Ask for what was left: a task that was lost, a worker that died, a pause that is over."""
    now = timezone.now()
    waiting = Delivery.objects.filter(_not_aside(), outcome=Outcome.WAITING)
    for address in Address.objects.filter(
        Q(not_before=None) | Q(not_before__lte=now),
        Q(reading_at=None) | Q(reading_at__lt=now - SILENT_AFTER),
        Q(asked_at=None) | Q(asked_at__lt=now - timedelta(minutes=1)),
        connection__in=waiting.values("connection"),
    ):
        Address.objects.filter(pk=address.pk).update(asked_at=None)
        receive.ask(address)


# -- one reader at a time ----------------------------------------------------------------------


class _Lease:
    """The right to read for an address, kept alive by `goes_on`."""

    def __init__(self, address: Address, at: datetime) -> None:
        self._address, self._at, self._until = address, at, at + SLICE

    def goes_on(self) -> bool:
        """Say that this reader lives; False when another one took over, or its time is up."""
        now = timezone.now()
        kept = self._mine().update(reading_at=now)
        self._at = now if kept else self._at
        return bool(kept) and now < self._until

    def give_back(self) -> None:
        self._mine().update(reading_at=None)

    def _mine(self) -> QuerySet[Address]:
        return Address.objects.filter(pk=self._address.pk, reading_at=self._at)


@contextmanager
def _lease(address: Address) -> Iterator[_Lease | None]:
    now = timezone.now()
    free = Q(reading_at=None) | Q(reading_at__lt=now - SILENT_AFTER)
    if not Address.objects.filter(free, pk=address.pk).update(reading_at=now):
        yield None
        return
    lease = _Lease(address, now)
    try:
        yield lease
    finally:
        lease.give_back()


def _put_off(address: Address, later: _NotNow) -> None:
    Address.objects.filter(pk=address.pk).update(
        not_before=later.at, failures=F("failures") + 1 if later.failed else F("failures")
    )
    _give_up(_waiting(address.connection))


def _give_up(waiting: QuerySet[Delivery]) -> None:
    """Those of them that waited too long."""
    old = waiting.filter(received_at__lt=timezone.now() - GIVEN_UP_AFTER)
    _settle(old, Outcome.FAILED, "Greenhouse did not answer for a day.")


def _ask_if_waiting(address: Address) -> None:
    """What came in between the last look and the end of the lease finds its reader here."""
    if not _is_put_off(address) and _due(address.connection).exists():
        receive.ask(address)


def _is_put_off(address: Address) -> bool:
    return Address.objects.filter(pk=address.pk, not_before__gt=timezone.now()).exists()


# -- reading -----------------------------------------------------------------------------------


def _waiting(connection: Connection) -> QuerySet[Delivery]:
    return Delivery.objects.filter(connection=connection, outcome=Outcome.WAITING).order_by("id")


def _not_aside() -> Q:
    return Q(not_before=None) | Q(not_before__lte=timezone.now())


def _due(connection: Connection) -> QuerySet[Delivery]:
    """What waits and is not set aside; what failed before comes last."""
    return _waiting(connection).filter(_not_aside()).order_by("failures", "id")


def _read_all(connection: Connection, lease: _Lease) -> None:
    credential = connection.credential
    if connection.state in _OFF or connection.emptying or credential is None:
        _settle(_waiting(connection), Outcome.PAUSED)
        return
    _answer_tests(connection)
    if not _due(connection).exists():
        return
    try:
        turn = _Turn(connection, open_provider(credential, lane=Lane.SYNC), lease)
        with speaking_with(credential):
            while batch := list(_due(connection)[:AT_ONCE]):
                if not _read_batch(turn, batch):
                    return
    except guard.Ended:  # what waits is settled, or read with the other credential, by the next one
        return
    except (BadCredential, SecretUnreadable):
        _settle(_waiting(connection), Outcome.FAILED, "Greenhouse does not accept the credential.")


def _answer_tests(connection: Connection) -> None:
    """Our own test has come the whole way when a worker meets it here."""
    tests = _waiting(connection).filter(action=receive.TEST)
    if _settle(tests, Outcome.READ):
        Address.objects.filter(connection=connection).update(test_read_at=timezone.now())


@dataclass
class _Turn:
    """One reader's turn. `aside`: records that fail, until when, and how often they failed."""

    connection: Connection
    provider: Provider
    lease: _Lease
    aside: dict[Record, tuple[datetime, int]] = field(default_factory=dict)
    failed: bool = False
    _answered: bool = False

    def __post_init__(self) -> None:
        for delivery in _waiting(self.connection).filter(not_before__gt=timezone.now()):
            if delivery.not_before is not None:
                left = (delivery.not_before, delivery.failures)
                self.aside |= dict.fromkeys(_records_of(self.connection, delivery), left)

    def is_aside(self, record: Record) -> bool:
        """Whether it failed so lately that it is not asked for yet."""
        return record in self.aside and self.aside[record][0] > timezone.now()

    def answered(self) -> None:
        """Greenhouse is there."""
        if not self._answered:
            address = Address.objects.filter(connection=self.connection, failures__gt=0)
            address.update(failures=0)
        self._answered = True

    def set_aside(self, record: Record, deliveries: list[int]) -> None:
        """It failed just now. Raises _NotNow where another one did, too."""
        named = Delivery.objects.filter(pk__in=deliveries)
        times = max(named.values_list("failures", flat=True), default=0) + 1
        self.aside[record] = (timezone.now() + _pause(times - 1), times)
        self.leave_aside(record, deliveries)
        if self.failed:
            raise _NotNow(_next_try(self.connection), failed=True)
        self.failed = True

    def leave_aside(self, record: Record, deliveries: list[int]) -> None:
        """It is not asked for now: what named it waits with it."""
        until, times = self.aside[record]
        waiting = Delivery.objects.filter(pk__in=deliveries, outcome=Outcome.WAITING)
        waiting.update(not_before=until, failures=times)
        _give_up(waiting)


def _read_batch(turn: _Turn, batch: list[Delivery]) -> bool:
    """Read what these name, each record once; False when this reader is to stop."""
    missing = {delivery.pk: _records_of(turn.connection, delivery) for delivery in batch}
    named_by: dict[Record, list[int]] = defaultdict(list)
    for delivery, records in missing.items():
        for record in records:
            named_by[record].append(delivery)
    _settle_by_pk([pk for pk, records in missing.items() if not records], Outcome.NOTHING)
    for record, deliveries in named_by.items():
        if turn.is_aside(record):
            turn.leave_aside(record, deliveries)
        else:
            try:
                failure = _read_one(turn.connection, turn.provider, record)
            except AtsDown:
                turn.set_aside(record, deliveries)
            else:
                turn.answered()
                _settle_with(missing, record, deliveries, failure)
        if not turn.lease.goes_on():
            return False
    return True


def _settle_with(
    missing: dict[int, dict[Record, None]], record: Record, deliveries: list[int], failure: str
) -> None:
    """Settle what lacked nothing but this record."""
    if failure:
        _settle_by_pk(deliveries, Outcome.FAILED, failure)
    for pk in deliveries:
        missing[pk].pop(record, None)
    _settle_by_pk([pk for pk in deliveries if not missing[pk]], Outcome.READ)


def _records_of(connection: Connection, delivery: Delivery) -> dict[Record, None]:
    """What to read for a delivery, in order. An application brings what we lack by itself; who is
    gone comes last, after what a merge moved to another and after that other one.
    """
    candidates = delivery.names.get("candidates", [])
    records: list[Record] = []
    if delivery.subject == Subject.JOB:
        records += [("jobs", pk) for pk in delivery.names.get("jobs", [])]
    if delivery.subject == Subject.CANDIDATE and delivery.gone:
        records += _applications_of(connection, candidates)
    if delivery.subject != Subject.JOB:
        records += [("applications", pk) for pk in delivery.names.get("applications", [])]
    if delivery.subject == Subject.CANDIDATE:
        records += [("candidates", pk) for pk in reversed(candidates)]
    return dict.fromkeys(records)


def _applications_of(connection: Connection, candidates: list[int]) -> list[Record]:
    """Deletes do not cascade (documented), and a merge moves applications: look at them, too."""
    rows = Application.objects.filter(
        connection=connection, candidate__remote_id__in=candidates, gone_at=None
    )
    return [("applications", pk) for pk in rows.values_list("remote_id", flat=True)]


def _read_one(connection: Connection, provider: Provider, record: Record) -> str:
    """Read one record into the mirror; a sentence where that cannot be. Raises AtsDown, where the
    record fails or Greenhouse is down, and _NotNow.
    """
    kind, remote_id = record
    try:
        if kind == "jobs":
            single.refresh_job(connection, remote_id, provider=provider)
        elif kind == "candidates":
            single.refresh_candidate(connection, remote_id, provider=provider)
        else:
            single.refresh_application(connection, provider, remote_id)
    except NotFound:  # and marked as gone here, too
        return ""
    except RateLimited as error:
        raise _NotNow(error.until, failed=False) from error
    except (AtsDown, BadCredential, guard.Ended):
        raise
    except AtsError as error:
        return error.sentence
    return ""


def _next_try(connection: Connection) -> datetime:
    return timezone.now() + _pause(Address.objects.get(connection=connection).failures)


def _pause(failures: int) -> timedelta:
    """How long to wait after so many failures before this one."""
    pause: timedelta = timedelta(seconds=30 * 2 ** min(failures, 10))
    return min(pause, LONGEST_PAUSE)


def _settle_by_pk(pks: list[int], outcome: str, why: str = "") -> int:
    if not pks:
        return 0
    return _settle(Delivery.objects.filter(pk__in=pks, outcome=Outcome.WAITING), outcome, why)


def _settle(waiting: QuerySet[Delivery], outcome: str, why: str = "") -> int:
    # Without its order: SQLite and PostgreSQL update no sorted rows.
    return waiting.order_by().update(outcome=outcome, why=why[:300], settled_at=timezone.now())
