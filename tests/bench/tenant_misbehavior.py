"""Customers that misbehave, each in its own manner, until they are stopped."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.bench.common import set_up_django
from tests.bench.customers import SandboxControl
from tests.bench.tenant_load import HTMX, Event, Tenant, run_event

Action = Callable[[Event], httpx.Response | None]
BAD_DELIVERIES_PER_MINUTE = 200
REFRESHES_PER_SECOND = 10
RELOADS_PER_SECOND, TABS = 20, 30


class Misbehavior:
    """One customer's; `events` are its own pages and clicks."""

    def __init__(
        self, tenant: Tenant, sandbox: SandboxControl, *, refreshes: int, details: int
    ) -> None:
        self.tenant, self.sandbox = tenant, sandbox
        self.refreshes, self.details = refreshes, details
        self.account = tenant.customer.account.name
        self.events: list[Event] = []
        self.stopped = threading.Event()
        self.pool = ThreadPoolExecutor(64)
        self._application_ids = itertools.cycle(tenant.application_ids)

    def start_event(self, kind: str, action: Action) -> None:
        event = Event(kind, self.tenant.customer, time.time())
        self.events.append(event)
        self.pool.submit(run_event, event, action)

    def open_details(self, _: Event) -> httpx.Response:
        path = f"/applications/{next(self._application_ids)}/stage-history/"
        return self.tenant.recruiter.get(path, headers=HTMX)  # as a part of a page

    def open_resume(self, _: Event) -> httpx.Response:
        path = f"/applications/{next(self._application_ids)}/resume/"
        response = self.tenant.recruiter.get(path, headers=HTMX)
        if response.is_redirect and response.headers["Location"].startswith("/"):
            return self.tenant.recruiter.get(response.headers["Location"])  # it has the message
        return response

    def use_portal(self) -> None:
        """One round of what its people do: pages, details, refreshes and a click."""
        self.start_event("list page", self.tenant.open_list)
        self.start_event("requisition page", self.tenant.open_requisition)
        for _ in range(self.details // 2):
            self.start_event("details", self.open_details)
            self.start_event("resume", self.open_resume)
        for _ in range(4):
            self.start_event("refresh", self.tenant.refresh_requisition)
        self.start_event("click", self.tenant.advance_application)

    def use_until_stopped(self) -> None:
        self.start_event("check", self.tenant.test_permissions)
        while not self.stopped.is_set():
            if all(event.answered_at for event in self.events):  # people wait for their pages
                self.use_portal()
            self.stopped.wait(3)

    def send_too_much(self) -> None:
        """Wrongly signed deliveries by the minute, and many refreshes at once."""
        senders = [
            threading.Thread(target=self._send_bad_deliveries),
            threading.Thread(target=self._queue_refreshes),
        ]
        for sender in senders:
            sender.start()
        while not self.stopped.is_set():
            self.start_event("list page", self.tenant.open_list)
            self.start_event("requisition page", self.tenant.open_requisition)
            self.stopped.wait(3)
        for sender in senders:
            sender.join()

    def _send_bad_deliveries(self) -> None:
        while not self.stopped.wait(60 / BAD_DELIVERIES_PER_MINUTE):
            self.start_event(
                "bad delivery",
                lambda _: self.tenant.send_delivery(1, "not the secret", str(uuid.uuid4())),
            )

    def _queue_refreshes(self) -> None:
        for _ in range(self.refreshes):
            if self.stopped.wait(1 / REFRESHES_PER_SECOND):
                return
            self.start_event("refresh", self.tenant.refresh_requisition)

    def reload_pages(self) -> None:
        """Pages by the second, in as many tabs as wait for theirs."""
        while not self.stopped.wait(1 / RELOADS_PER_SECOND):
            if sum(not event.answered_at for event in self.events[-TABS:]) < TABS:
                self.start_event("list page", self.tenant.open_list)

    def send_half_requests(self) -> None:
        """Connections that send the beginning of a request, and nothing more."""
        url = urlsplit(str(self.tenant.recruiter.base_url))
        address = (str(url.hostname), url.port or 80)
        connections: list[socket.socket] = []
        while not self.stopped.wait(1):
            for connection in connections:
                connection.close()
            connections = [socket.create_connection(address, 5) for _ in range(12)]
            for connection in connections:
                connection.sendall(b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            self.stopped.wait(20)
        for connection in connections:
            connection.close()


def build_faults(latency_ms: int, retry_after: int) -> dict[str, dict[str, Any]]:
    """Return what Greenhouse does to a customer, by the name of the misbehavior."""
    return {
        "slow": {"latency_ms": latency_ms},
        "limited": {"status": 429, "retry_after": retry_after},
        "limited_for_a_day": {"status": 429, "retry_after": 86_400},
        "failing": {"status": 503},
        "dropping": {"kind": "drop_after"},
        "html": {"kind": "html", "status": 502},
        "seconds": {"latency_ms": 5_000},
    }


OTHERS = {
    "noisy": Misbehavior.send_too_much,
    "reloading": Misbehavior.reload_pages,
    "half_requests": Misbehavior.send_half_requests,
}
DEFAULT = ("slow", "limited", "noisy")


@dataclass(frozen=True)
class MisbehaviorPlan:
    """Which customers misbehave, and how."""

    names: list[str]  # of their misbehaviors
    tenants: list[Tenant]
    sandbox_url: str
    refreshes: int
    details: int
    latency_ms: int
    retry_after: int


class MisbehavingCustomers:
    """Their browsers, in a process of their own: within one, threads compute one at a time, and the
    measured customers' would wait for theirs.
    """

    def __init__(self, plan: MisbehaviorPlan) -> None:
        context = multiprocessing.get_context("spawn")
        self._plan = plan
        self._pipe, pipe = context.Pipe()
        self._process = context.Process(target=_obey, args=(pipe,), daemon=True)

    def __enter__(self) -> MisbehavingCustomers:
        self._process.start()
        self._pipe.send(self._plan)
        self._pipe.recv()  # it is ready
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    @contextmanager
    def misbehave(self, events: list[Event]) -> Iterator[None]:
        """Have them misbehave until the block ends. Adds to `events` what they did."""
        self._pipe.send(True)
        try:
            yield
        finally:
            self._pipe.send(False)
            events += self._pipe.recv()


def _obey(pipe: Connection) -> None:
    """Receive the plan, then misbehave from each message to the next."""
    set_up_django({})
    os.nice(10)  # browsers take no core of the machine that serves them
    plan: MisbehaviorPlan = pipe.recv()
    sandbox = SandboxControl(plan.sandbox_url)
    pipe.send(True)
    while pipe.recv():
        behaviors = [
            Misbehavior(tenant, sandbox, refreshes=plan.refreshes, details=plan.details)
            for tenant in plan.tenants
        ]
        with _misbehave(plan, behaviors):
            pipe.recv()
        pipe.send([event for behavior in behaviors for event in behavior.events])


@contextmanager
def _misbehave(plan: MisbehaviorPlan, behaviors: list[Misbehavior]) -> Iterator[None]:
    threads = []
    faults = build_faults(plan.latency_ms, plan.retry_after)
    for name, behavior in zip(plan.names, behaviors, strict=True):
        if name in faults:
            behavior.sandbox.add_fault(behavior.account, **faults[name])
        run = OTHERS.get(name, Misbehavior.use_until_stopped)
        threads.append(threading.Thread(target=run, args=[behavior]))
    for thread in threads:
        thread.start()
    yield
    for behavior in behaviors:
        behavior.stopped.set()
    for thread in threads:
        thread.join()
    for behavior in behaviors:
        behavior.pool.shutdown()
    behaviors[0].sandbox.clear_faults()
