"""One client with many requests takes turns with the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from portal.connections.client import enter_bulkhead
from portal.web import fair_thread_pool
from portal.web.fair_thread_pool import (
    MAX_WAIT,
    MAX_WAIT_FOR_CORE,
    MOST_WAITING,
    FairThreadPool,
    get_seconds_since_arrival,
    identify_client,
)


def _build_credential(client: str) -> Any:
    return SimpleNamespace(connection_id=ord(client), fingerprint="")


class _Calls:
    """Calls that occupy a thread until they are let go."""

    def __init__(self, pool: FairThreadPool) -> None:
        self.pool = pool
        self._gates: dict[str, threading.Event] = {}
        self._finished: dict[str, threading.Event] = {}
        self._paused: set[str] = set()
        self.started: list[str] = []
        self.seconds_since_arrival: dict[str, float] = {}
        self._has_started = threading.Condition()

    def submit(self, *names: str) -> None:
        for name in names:
            self._gates[name], self._finished[name] = threading.Event(), threading.Event()
            finished = self._finished[name]
            self.pool.submit_for(
                name[0].encode(), partial(self._run, name), lambda _, done=finished: done.set()
            )

    def submit_waiting(self, *names: str) -> None:
        """Calls that wait for Greenhouse."""
        self._paused.update(names)
        self.submit(*names)

    def use_cpu(self, client: str, seconds: float) -> None:
        finished = threading.Event()
        until = partial(_compute, seconds)
        self.pool.submit_for(client.encode(), until, lambda _: finished.set())
        assert finished.wait(10)

    def _run(self, name: str) -> None:
        with enter_bulkhead(_build_credential(name[0])) if name in self._paused else nullcontext():
            with self._has_started:
                self.started.append(name)
                self.seconds_since_arrival[name] = get_seconds_since_arrival()
                self._has_started.notify_all()
            self._gates[name].wait(10)

    def release(self, *names: str) -> None:
        for name in names:
            self._gates[name].set()
            assert self._finished[name].wait(10)

    def wait_for(self, count: int) -> list[str]:
        with self._has_started:
            assert self._has_started.wait_for(lambda: len(self.started) >= count, 10)
        return self.started

    def release_all(self) -> None:
        for gate in self._gates.values():
            gate.set()


def _compute(seconds: float) -> None:
    ends_at = time.thread_time() + seconds
    while time.thread_time() < ends_at:
        pass


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Whether a core of the machine is idle: the tests' own may be busy."""
    cores = SimpleNamespace(is_idle=True)
    monkeypatch.setattr(fair_thread_pool, "has_spare_core", lambda: cores.is_idle)
    return cores


@pytest.fixture
def calls(cores: SimpleNamespace) -> Iterator[_Calls]:
    pool = FairThreadPool(4)
    calls = _Calls(pool)
    yield calls
    calls.release_all()
    pool.shutdown(wait=True)


def test_one_client_leaves_half_of_the_threads(calls: _Calls) -> None:
    calls.submit("a1", "a2", "a3", "b1")
    assert sorted(calls.wait_for(3)) == ["a1", "a2", "b1"]


def test_further_requests_wait_while_others_compute(calls: _Calls) -> None:
    calls.submit("a1", "b1", "a2", "c1")
    assert sorted(calls.wait_for(3)) == ["a1", "b1", "c1"]
    calls.release("b1")
    assert len(calls.started) == 3
    calls.release("c1")
    assert calls.wait_for(4)[3] == "a2"


def test_burst_comes_after_others_one_at_a_time(calls: _Calls) -> None:
    calls.submit("x1", "y1", "z1", "w1")
    calls.submit(*(f"{client}{number}" for number in range(10) for client in "ab"), "c1", "d1")
    calls.wait_for(4)
    calls.release("x1", "y1")
    assert sorted(calls.wait_for(6)[4:]) == ["c1", "d1"]
    calls.release("z1", "w1", "c1", "d1")
    assert calls.wait_for(7)[6] == "a0"
    calls.submit("e1")
    assert calls.wait_for(8)[7] == "e1"
    calls.release("a0")
    assert len(calls.started) == 8
    calls.release("e1")
    assert calls.wait_for(9)[8] == "b0"


def test_burst_goes_on_beside_requests_that_wait_for_greenhouse(calls: _Calls) -> None:
    calls.submit_waiting("a0", "a1")
    calls.wait_for(2)
    calls.submit(*(f"a{number}" for number in range(2, 9)))
    assert calls.wait_for(3)[2] == "a2"
    calls.submit("b1")
    assert calls.wait_for(4)[3] == "b1"
    calls.release("a2", "b1")
    assert calls.wait_for(5)[4] == "a3"


def test_last_thread_is_for_clients_without_another(calls: _Calls) -> None:
    calls.submit_waiting("a0", "b0")
    calls.wait_for(2)
    calls.submit_waiting("a1")
    calls.wait_for(3)
    calls.submit("b1", "c1")
    assert calls.wait_for(4)[3:] == ["c1"]


def test_last_thread_is_for_clients_that_are_not_heavy(calls: _Calls) -> None:
    calls.use_cpu("x", 0.3)
    calls.submit_waiting("a0", "b0", "c0")
    calls.wait_for(3)
    calls.submit("x1", "d1")
    assert calls.wait_for(4)[3:] == ["d1"]
    calls.release("a0")
    assert len(calls.started) == 4
    calls.release("d1")
    assert calls.wait_for(5)[4] == "x1"


def test_overdue_request_is_started_beside_others(
    calls: _Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.submit("x1", "y1", *(f"a{number}" for number in range(8)))
    calls.release("a0")
    assert sorted(calls.wait_for(3)) == ["a0", "x1", "y1"]
    now = time.monotonic()
    monkeypatch.setattr(fair_thread_pool.time, "monotonic", lambda: now + MAX_WAIT + 1)
    calls.submit("b1")
    assert calls.wait_for(4)[3] == "a1"


def test_client_that_used_much_cpu_comes_last(calls: _Calls) -> None:
    calls.use_cpu("a", 0.3)
    calls.submit("x1", "a1", "y1")
    assert calls.wait_for(2) == ["x1", "y1"]
    calls.release("x1")
    assert len(calls.started) == 2
    calls.release("y1")
    assert calls.wait_for(3)[2] == "a1"


def test_burst_waits_for_an_idle_core(calls: _Calls, cores: SimpleNamespace) -> None:
    cores.is_idle = False
    calls.submit("x1", "y1", *(f"a{number}" for number in range(8)))
    calls.wait_for(3)
    calls.release("a0", "x1", "y1")
    calls.submit("b1")
    assert calls.wait_for(4)[3] == "b1"
    calls.release("b1")
    assert len(calls.started) == 4
    cores.is_idle = True
    assert calls.wait_for(5)[4] == "a1"


def test_flood_is_refused(calls: _Calls) -> None:
    calls.submit("a1", "a2")
    calls.wait_for(2)
    accepted = [
        calls.pool.submit_for(b"a", lambda: None, lambda _: None) for _ in range(MOST_WAITING + 5)
    ]
    assert accepted == [True] * MOST_WAITING + [False] * 5
    calls.submit("b1")
    assert calls.wait_for(3)[2] == "b1"


def test_overdue_request_is_started_without_another_event(
    calls: _Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.submit("b1", "a1", "a2")  # the second one of a client waits while others compute
    calls.wait_for(2)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + MAX_WAIT + 0.1)
    assert calls.wait_for(3)[2] == "a2"


def test_burst_is_remembered_for_a_while(
    calls: _Calls, cores: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    burst = [f"a{number}" for number in range(1, 8)]
    calls.submit(*burst)
    for name in burst:
        calls.release(name)
    cores.is_idle = False
    calls.submit("a8", "b1")
    assert calls.wait_for(8)[7] == "b1"
    cores.is_idle = True
    calls.release("b1")
    calls.wait_for(9)
    calls.release("a8")
    cores.is_idle = False
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 10)
    calls.submit("a9")
    assert calls.wait_for(10)[9] == "a9"


def test_burst_waits_for_a_core_no_longer_than_its_limit(
    calls: _Calls, cores: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores.is_idle = False
    calls.submit("x1", "y1", *(f"a{number}" for number in range(8)))
    calls.release("a0", "x1", "y1")
    assert len(calls.started) == 3
    now = time.monotonic()
    monkeypatch.setattr(fair_thread_pool.time, "monotonic", lambda: now + MAX_WAIT_FOR_CORE + 0.1)
    assert calls.wait_for(4)[3] == "a1"


def test_heavy_client_waits_for_an_idle_core(calls: _Calls, cores: SimpleNamespace) -> None:
    calls.use_cpu("a", 0.3)
    cores.is_idle = False
    calls.submit("a1", "b1", "c1")
    assert sorted(calls.wait_for(2)) == ["b1", "c1"]
    calls.release("b1", "c1")
    assert len(calls.started) == 2
    cores.is_idle = True
    assert calls.wait_for(3)[2] == "a1"


def test_wait_for_a_turn_is_part_of_the_time_since_arrival(
    calls: _Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.submit("x1", "y1", "a0", "a1")
    calls.wait_for(3)
    now = time.monotonic()
    monkeypatch.setattr(fair_thread_pool.time, "monotonic", lambda: now + 60)
    calls.release("x1", "y1", "a0", "a1")
    assert calls.seconds_since_arrival["a0"] < 60 <= calls.seconds_since_arrival["a1"]
    assert get_seconds_since_arrival() == 0


def test_what_everybody_uses_is_not_much(calls: _Calls) -> None:
    for client in "abc":
        calls.use_cpu(client, 0.16)
    calls.submit("x1", "a1", "b1")
    assert sorted(calls.wait_for(3)) == ["a1", "b1", "x1"]


def test_overdue_bursts_are_started_one_at_a_time(
    calls: _Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.submit("x1", "y1", *(f"{client}{number}" for number in range(8) for client in "ab"))
    calls.release("a0", "b0")
    assert sorted(calls.wait_for(4)) == ["a0", "b0", "x1", "y1"]
    now = time.monotonic()
    monkeypatch.setattr(fair_thread_pool.time, "monotonic", lambda: now + MAX_WAIT + 1)
    calls.submit("c1")
    assert sorted(calls.wait_for(6)[4:]) == ["a1", "c1"]
    calls.release("c1")
    assert len(calls.started) == 6
    calls.release("a1")
    assert calls.wait_for(7)[6] == "b1"


@pytest.mark.parametrize(
    ("waiting", "started"), [(4, "abcd"), (5, "cd")], ids=["as a page asks", "burst"]
)
def test_what_a_page_asks_for_is_no_burst(calls: _Calls, waiting: int, started: str) -> None:
    calls.submit("x1", "y1", "z1", "w1")
    calls.wait_for(4)
    calls.submit(*(f"{client}{number}" for number in range(waiting) for client in "ab"), "c1", "d1")
    calls.release("x1", "y1", "z1", "w1")
    calls.wait_for(4 + len(started))
    assert "".join(sorted(name[0] for name in calls.started[4:])) == started


def test_single_thread_serves_everybody() -> None:
    pool = FairThreadPool(1)
    calls = _Calls(pool)
    calls.submit("a1", "a2", "b1")
    calls.release("a1")
    assert calls.wait_for(2) == ["a1", "a2"]
    calls.release_all()
    assert calls.wait_for(3)[2] == "b1"
    pool.shutdown(wait=True)


def test_all_queued_calls_are_run(calls: _Calls) -> None:
    names = [f"{client}{number}" for number in range(20) for client in "abc"]
    calls.submit(*names)
    calls.release_all()
    assert sorted(calls.wait_for(len(names))) == sorted(names)


@pytest.mark.parametrize(
    ("request_head", "client"),
    [
        (b"GET / HTTP/1.1\r\nCookie: a=b; sessionid=xyz; c=d", b"xyz"),
        (b"GET / HTTP/1.1\r\ncookie: __Host-session=xyz", b"xyz"),
        (b"GET / HTTP/1.1\r\nCookie: __Host-session=a; __Host-session=xyz; sessionid=b", b"xyz"),
        (b"POST /webhooks/token/ HTTP/1.1\r\nHost: a", b"/webhooks/token"),
        (b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1", b"192.0.2.1"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nCookie: sessionid=xyz", b"192.0.2.9"),
    ],
)
def test_client_is_told_by_its_headers(request_head: bytes, client: bytes) -> None:
    assert identify_client(request_head + b"\r\n\r\n", ("192.0.2.9", 1)) == client


def test_client_without_address_is_told_by_nothing() -> None:
    """Of a Unix socket, the peer is a text."""
    assert identify_client(b"GET / HTTP/1.1\r\n\r\n", "") == b""
