"""What became of what customers did: how long it took, and whether anything was lost or doubled."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.bench.customers import Customer, SandboxControl
from tests.bench.tenant_load import Event

Times = dict[str, list[float]]
SAME_WAIT_SECONDS = 0.25


def wait_until_settled(events: list[Event], patience: float) -> float:
    """Wait for the end of everything that was accepted; return the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        if not any(count_unsettled(events).values()):
            break
        time.sleep(0.5)
    return time.monotonic() - began


def count_unsettled(events: list[Event]) -> Counter[str]:
    unsettled: Counter[str] = Counter()
    ended = _load_ends(events)
    for event in events:
        if not event.kind.endswith("page") and event.is_accepted:
            unsettled[event.kind] += _get_end(event, ended) is None
    return unsettled


def measure_times(events: list[Event], window: tuple[float, float]) -> Times:
    """Return seconds by kind: of pages until the answer, of everything else until it is done."""
    ended = _load_ends(events)
    times: Times = defaultdict(list)
    for event in events:
        if not event.is_accepted:
            continue
        if event.kind.endswith("page"):
            times[event.kind].append(event.seconds)
        elif (end := _get_end(event, ended)) is not None:
            times[event.kind].append(end - event.due_at)
    times["check start"] = _list_check_delays(events)
    times["sync"] = _list_sync_durations(events, window)
    return times


# -- ends ------------------------------------------------------------------------------------------
def _load_ends(events: list[Event]) -> dict[Any, Any]:
    """Map keys of actions and event IDs of deliveries to when they were done, and each customer to
    when its checks and syncs were, the earliest first.
    """
    from portal.applications.models import ApplicationAction
    from portal.webhooks.models import Delivery

    keys = [event.values["key"] for event in events if "key" in event.values]
    actions = ApplicationAction.objects.filter(key__in=keys, settled_at__isnull=False)
    ids = [event.values["event_id"] for event in events if "event_id" in event.values]
    deliveries = Delivery.objects.filter(event_id__in=ids, processed_at__isnull=False)
    ends: dict[Any, Any] = {
        key: moment.timestamp()
        for rows in (
            actions.values_list("key", "settled_at"),
            deliveries.values_list("event_id", "processed_at"),
        )
        for key, moment in rows
    }
    for kind in ("check", "sync"):
        for connection_id, _, _, finished_at in _load_runs(events, kind):
            if finished_at:
                ends.setdefault((kind, connection_id), []).append(finished_at)
    return ends


def _get_end(event: Event, ended: dict[Any, Any]) -> float | None:
    if event.kind == "refresh":
        return event.values.get("done_at")
    if event.kind in ("check", "sync"):
        run_ends = ended.get((event.kind, event.customer.connection_id), [])
        return min((end for end in run_ends if end >= event.due_at), default=None)
    return ended.get(event.values.get("key") or event.values.get("event_id"))


def _load_runs(
    events: list[Event], kind: str
) -> list[tuple[int, float, float | None, float | None]]:
    """Return connection, and when it was queued, started and finished, oldest first."""
    from portal.connections.models import CheckRun
    from portal.sync.models import SyncRun

    due_times = [event.due_at for event in events if event.kind == kind]
    if not due_times:
        return []
    since = datetime.fromtimestamp(min(due_times) - 1, UTC)
    runs = CheckRun.objects if kind == "check" else SyncRun.objects
    rows = runs.filter(queued_at__gte=since).order_by("pk")
    return [
        (row.connection_id, *(moment and moment.timestamp() for moment in moments))
        for row in rows
        for moments in [(row.queued_at, row.started_at, row.finished_at)]
    ]


def _list_check_delays(events: list[Event]) -> list[float]:
    """Return how long after its click each check began; a check that joined another has none."""
    runs = defaultdict(list)
    for connection_id, queued_at, started_at, _ in _load_runs(events, "check"):
        runs[connection_id].append((queued_at, started_at or time.time()))
    delays = []
    for event in events:
        if event.kind == "check" and event.is_accepted:
            own = [
                started
                for queued, started in runs[event.customer.connection_id]
                if event.due_at - 0.5 <= queued <= event.answered_at + 0.5
            ]
            delays += [max(0.0, own[0] - event.due_at)] if own else []
    return delays


def _list_sync_durations(events: list[Event], window: tuple[float, float]) -> list[float]:
    from portal.sync.models import SyncRun

    connections = {event.customer.connection_id for event in events}
    begin, end = (datetime.fromtimestamp(moment, UTC) for moment in window)
    runs = SyncRun.objects.filter(
        connection__in=connections, queued_at__range=(begin, end), finished_at__isnull=False
    )
    return [(run.finished_at - run.queued_at).total_seconds() for run in runs]


@contextmanager
def watch_refreshes(events: Callable[[], list[Event]]) -> Iterator[None]:
    """Note when each requisition that somebody refreshes was read; no row tells it later."""

    def watch(stopped: threading.Event) -> None:
        from django.db import connection

        from portal.core.tenancy.scope import all_organizations

        while not stopped.wait(0.02):  # asks nothing while no refresh is awaited
            with all_organizations("the benchmark watches every customer"):
                _note_read_jobs([event for event in events() if event.kind == "refresh"])
        connection.close()

    with _run_until_done(watch):
        yield


@contextmanager
def _run_until_done(watch: Callable[[threading.Event], None]) -> Iterator[None]:
    stopped = threading.Event()
    watcher = threading.Thread(target=watch, args=(stopped,))
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join()


def _note_read_jobs(refreshes: list[Event]) -> None:
    from portal.sync.models import Job

    waiting = [e for e in refreshes if "job" in e.values and "done_at" not in e.values]
    if not waiting:
        return
    jobs = Job.objects.filter(pk__in={event.values["job"] for event in waiting})
    read_times = dict(jobs.values_list("pk", "read_at"))
    for event in waiting:
        read_at = read_times.get(event.values["job"])
        if read_at and read_at.timestamp() >= event.due_at:
            event.values["done_at"] = time.time()


# -- health and sleeps -----------------------------------------------------------------------------
@contextmanager
def watch_health(base_url: str, seconds: list[float]) -> Iterator[None]:
    """Ask for /healthz ten times a second; an answer other than 200 counts as a minute."""

    def watch(stopped: threading.Event) -> None:
        with httpx.Client(base_url=base_url, timeout=60) as client:
            while not stopped.wait(0.1):
                began = time.perf_counter()
                try:
                    healthy = client.get("/healthz").status_code == 200
                except httpx.TransportError:
                    healthy = False
                seconds.append(time.perf_counter() - began if healthy else 60.0)

    with _run_until_done(watch):
        yield


@dataclass
class Wait:
    """A stretch in which a thread slept for Greenhouse; the client polls, so it has many sleeps."""

    seconds: float
    where: str


def read_waits(folder: Path, role: str, since: float) -> list[Wait]:
    """Return the waits of processes of this role: sleeps of a thread that follow each other."""
    waits: list[Wait] = []
    for path in folder.glob(f"{role}-*"):
        latest: dict[str, tuple[float, Wait | None]] = {}
        for line in path.read_text().splitlines():
            ended_at, seconds, thread, where = line.split()
            end, length = float(ended_at), float(seconds)
            if end < since:
                continue
            previous_end, wait = latest.get(thread, (0.0, None))
            if wait is not None and end - length - previous_end < SAME_WAIT_SECONDS:
                wait.seconds += length
            else:
                wait = Wait(length, where)
                waits.append(wait)
            latest[thread] = (end, wait)
    return waits


# -- lost or doubled -------------------------------------------------------------------------------
class Ledger:
    """What Greenhouse accepted, to compare with what the portal says that it did."""

    def __init__(self, sandbox: SandboxControl) -> None:
        self._sandbox = sandbox
        self.accepted: Counter[int] = Counter()  # moves by application

    def collect(self) -> None:
        """Take over the sandbox's log, which does not last for long."""
        for row in self._sandbox.list_requests(method="POST"):
            if row["path"].endswith("/move") and 0 < row["status"] < 300:
                self.accepted[int(row["path"].split("/")[-2])] += 1
        self._sandbox.clear_requests()

    def find_problems(self, events: list[Event], quiet: list[Customer]) -> list[str]:
        problems = [*self._compare_moves(), *_find_lost(events, quiet)]
        for customer in quiet:
            problems += _compare_records(self._sandbox, customer)
        return problems

    def _compare_moves(self) -> list[str]:
        from portal.applications.models import ApplicationAction

        done = Counter(
            ApplicationAction.objects.filter(status=ApplicationAction.Status.DONE).values_list(
                "application__remote_id", flat=True
            )
        )
        return [
            f"application {pk}: {done[pk]} actions done, {self.accepted[pk]} moves in Greenhouse"
            for pk in sorted(done.keys() | self.accepted.keys())
            if done[pk] != self.accepted[pk]
        ]


def _find_lost(events: list[Event], quiet: list[Customer]) -> list[str]:
    """Return what was accepted from these customers and is not done, or not stored once."""
    from portal.applications.models import ApplicationAction
    from portal.webhooks.models import Delivery

    mine = [event for event in events if event.customer in quiet]
    problems = [f"{n} of {kind} not done" for kind, n in count_unsettled(mine).items() if n]
    ids = [event.values["event_id"] for event in mine if event.kind == "webhook"]
    outcomes = Counter(Delivery.objects.filter(event_id__in=ids).values_list("outcome", flat=True))
    accepted = sum(event.kind == "webhook" and event.is_accepted for event in mine)
    if outcomes[Delivery.Outcome.READ] < accepted:
        problems.append(f"{accepted} deliveries accepted, read: {dict(outcomes)}")
    keys = [event.values["key"] for event in mine if "key" in event.values]
    actions = ApplicationAction.objects.filter(key__in=keys).exclude(
        status=ApplicationAction.Status.DONE
    )
    problems += [f"click {a.status}: {a.outcome}" for a in actions]
    refused = Counter(f"{e.kind}: {e.status or e.text}" for e in mine if not e.is_accepted)
    return problems + [f"{count} refused of {reason}" for reason, count in refused.items()]


def _compare_records(sandbox: SandboxControl, customer: Customer) -> Iterator[str]:
    """Compare stages and names with Greenhouse's."""
    from portal.sync.models import Application, Candidate

    of = {"connection_id": customer.connection_id, "gone_at": None}
    synced = dict(Application.objects.filter(**of).values_list("remote_id", "stage__remote_id"))
    for row in sandbox.read_list(customer.account, "applications"):
        stage = row["current_stage"] and row["current_stage"]["id"]
        if row["status"] == "active" and synced.get(row["id"]) != stage:
            yield f"{customer.account.name}: application {row['id']} is in another stage"
    names = dict(Candidate.objects.filter(**of).values_list("remote_id", "last_name"))
    for row in sandbox.read_list(customer.account, "candidates"):
        if row["id"] in names and names[row["id"]] != row["last_name"]:
            yield f"{customer.account.name}: candidate {row['id']} has another name"
