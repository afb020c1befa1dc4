"""Callers with little patience, circuit breaker and bulkhead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from integrations.ats.client_context import (
    BreakerPolicy,
    CallPause,
    CallRefusal,
    MemoryStateStore,
    StateChange,
)
from integrations.ats.errors import AtsUnavailable, NotFound, RateLimited
from integrations.greenhouse.sandbox import Sandbox
from integrations.http.bulkhead import ProcessBulkhead
from tests.full_listener import listen_without_accepting
from tests.integrations.greenhouse.conftest import OpenBench
from tests.integrations.greenhouse.provider_bench import (
    PARTNER,
    V1,
    V3,
    ManualClock,
    ProviderBench,
    open_provider_bench,
)

T = TypeVar("T")
POLICY = BreakerPolicy(failures=3, slow_seconds=5.0, cooldown=5.0, max_cooldown=15.0)
WORKER = {"max_wait_seconds": 1.0, "breaker": POLICY}


@pytest.fixture
def worker(open_bench: OpenBench, kind: str) -> ProviderBench:
    return open_bench(kind, wired=WORKER)


def get_job(bench: ProviderBench) -> None:
    with pytest.raises(NotFound):
        bench.provider.get_job(1)


def fail(bench: ProviderBench, times: int = 3) -> AtsUnavailable:
    for _ in range(times):
        with pytest.raises(AtsUnavailable) as caught:
            bench.provider.get_job(1)
    return caught.value


def count_calls(bench: ProviderBench) -> int:
    return len([call for call in bench.calls if "job" in call.path])


def break_jobs(bench: ProviderBench, times: int | None = None) -> None:
    bench.sandbox.faults.add_fault(regex="/v./(jobs|users)", status=503, times=times)


def open_breaker(bench: ProviderBench) -> None:
    break_jobs(bench)
    fail(bench)


# -- waits -------------------------------------------------------------------------------------
def test_long_retry_after_is_not_waited_for(worker: ProviderBench) -> None:
    worker.sandbox.faults.add_fault(regex="jobs", status=429, retry_after=60)
    with pytest.raises(RateLimited) as caught:
        worker.provider.get_job(1)
    assert caught.value.retry_at.timestamp() == worker.clock.get_time() + 60
    assert worker.clock.slept == []


def test_waits_add_up_to_patience(worker: ProviderBench) -> None:
    for _ in range(4):
        worker.sandbox.faults.add_fault(regex="jobs", status=503, times=4)
        with pytest.raises(AtsUnavailable):
            worker.provider.get_job(1)
        worker.sandbox.faults.clear_faults()
    assert sum(worker.clock.slept) <= 1


def test_sync_returns_when_several_slots_are_free(open_bench: OpenBench) -> None:
    bench = open_bench(V1, wired=WORKER, v1_limit=50)
    started = bench.clock.get_time()
    for _ in range(45):
        next(bench.provider.list_jobs())
        bench.clock.time += 0.1
    with pytest.raises(RateLimited) as caught:
        next(bench.provider.list_jobs())
    # The first slot is free after ten seconds, ten of them a second later.
    assert caught.value.retry_at.timestamp() - started == pytest.approx(10.9, abs=0.01)


def test_token_fetched_elsewhere_is_not_waited_for(open_bench: OpenBench) -> None:
    bench = open_bench(V3, wired=WORKER)
    bench.provider._tokens._load_or_claim(None)  # by a process that is silent from now on
    with pytest.raises(AtsUnavailable) as caught:
        bench.provider.get_job(1)
    assert caught.value.retry_at is not None
    assert sum(bench.clock.slept) <= 1


def test_old_token_fetch_is_not_waited_for(open_bench: OpenBench) -> None:
    bench = open_bench(V3, wired=WORKER)
    bench.provider._tokens._load_or_claim(None)
    bench.clock.time += 1.5
    with pytest.raises(AtsUnavailable):
        bench.provider.get_job(1)
    assert bench.clock.slept == []


def test_day_long_retry_after_is_capped(worker: ProviderBench) -> None:
    pauses: list[CallPause | None] = []
    worker.context.on_pause = pauses.append
    worker.sandbox.faults.add_fault(regex="jobs", status=429, retry_after=86_400, times=2)
    for _ in range(2):  # the answer, then the limiter
        with pytest.raises(RateLimited, match=r"until .*We'll try again at") as caught:
            worker.provider.get_job(1)
        now = worker.clock.get_time()
        assert caught.value.retry_at.timestamp() == now + 900
    assert caught.value.requested_until.timestamp() == now + 86_400
    assert pauses[0].cause is CallPause.Cause.RATE_LIMIT
    assert pauses[0].requested_until == caught.value.requested_until
    worker.clock.time += 901
    with pytest.raises(RateLimited):  # the probe is told the same again
        worker.provider.get_job(1)
    assert count_calls(worker) == 2
    worker.clock.time += 901
    get_job(worker)
    assert pauses[-1] is None


# -- circuit breaker ---------------------------------------------------------------------------
class AppliesTwice(MemoryStateStore):
    """As when the answer that a change was stored got lost, and the change is tried again."""

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        super().update(key, change, ttl=ttl)
        return super().update(key, change, ttl=ttl)


def test_pause_is_reported_if_its_storing_is_tried_again(open_bench: OpenBench) -> None:
    bench = open_bench(V1, wired=WORKER)
    break_jobs(bench)
    fail(bench, POLICY.failures - 1)
    pauses: list[CallPause | None] = []
    bench.context.on_pause = pauses.append
    store = AppliesTwice()
    store._entries = bench.context.state_store._entries
    bench.context.state_store = store
    fail(bench, 1)
    assert [pause.cause for pause in pauses if pause] == [CallPause.Cause.SLOW]


def test_breaker_opens_after_failures(worker: ProviderBench) -> None:
    break_jobs(worker)
    assert fail(worker, 2).retry_at is None
    assert fail(worker, 1).retry_at is not None
    sent = count_calls(worker)
    error = fail(worker, 1)
    assert error.sentence == "Greenhouse is slow right now. Still trying."
    assert error.retry_at.timestamp() == pytest.approx(worker.clock.get_time() + 5)
    assert count_calls(worker) == sent


def test_one_broken_record_opens_nothing(worker: ProviderBench) -> None:
    break_jobs(worker)
    assert fail(worker, 1).retry_at is None
    assert count_calls(worker) > 2


def test_breaker_closes_after_successful_probe(worker: ProviderBench) -> None:
    open_breaker(worker)
    worker.sandbox.faults.clear_faults()
    fail(worker, 1)
    worker.clock.time += 5.1
    for _ in range(3):
        get_job(worker)


def test_failed_probes_lengthen_the_pause(worker: ProviderBench) -> None:
    open_breaker(worker)
    pauses = []
    for pause in (5, 10, 15):  # doubled, up to the maximum
        worker.clock.time += pause + 0.1
        sent = count_calls(worker)
        retry_at = fail(worker, 1).retry_at
        assert count_calls(worker) == sent + 1
        pauses.append(round(retry_at.timestamp() - worker.clock.get_time()))
    assert pauses == [10, 15, 15]


def test_killed_prober_only_delays_the_next(worker: ProviderBench) -> None:
    open_breaker(worker)
    worker.sandbox.faults.clear_faults()
    worker.clock.time += 5.1
    limiter = worker.provider._sender._rate_limiter
    limiter.acquire_slot(worker.context.lane, until=worker.clock.get_time() + 30)  # then SIGKILL
    retry_at = fail(worker, 1).retry_at.timestamp()
    assert retry_at == pytest.approx(worker.clock.get_time() + 5)
    worker.clock.time += 41
    get_job(worker)
    get_job(worker)


def test_slow_answers_open_breaker(open_bench: OpenBench) -> None:
    slow = BreakerPolicy(failures=2, slow_seconds=0.01)
    bench = open_bench(V1, wired={"max_wait_seconds": 1.0, "breaker": slow})
    bench.sandbox.faults.add_fault(regex="jobs", latency_ms=30, times=None)
    for _ in range(2):
        next(bench.provider.list_jobs())
    assert fail(bench, 1).retry_at is not None


def test_slow_probe_is_cut_short(open_bench: OpenBench) -> None:
    slow = BreakerPolicy(failures=1, slow_seconds=0.1)
    bench = open_bench(V1, wired={"max_wait_seconds": 1.0, "breaker": slow})
    bench.sandbox.faults.add_fault(regex="jobs", latency_ms=150)
    next(bench.provider.list_jobs())  # slow, but nothing is cut off yet
    bench.sandbox.faults.add_fault(regex="jobs", latency_ms=4000)
    bench.clock.time += 5.1
    started = time.monotonic()
    with pytest.raises(AtsUnavailable) as caught:
        next(bench.provider.list_jobs())
    assert time.monotonic() - started < 3
    assert caught.value.retry_at.timestamp() == pytest.approx(bench.clock.get_time() + 10)


def test_open_breaker_refuses_write_unsent(open_bench: OpenBench) -> None:
    worker = open_bench(V1, wired=WORKER)
    refusals: list[CallRefusal] = []
    worker.context.on_refusal = refusals.append
    open_breaker(worker)
    refusals.clear()
    with pytest.raises(AtsUnavailable):
        worker.provider.reject_application(1, reason_id=1, acting_user_id=7)
    assert not [call for call in worker.calls if call.path.endswith("/reject")]
    assert refusals == [CallRefusal.BREAKER_OPEN]


def test_breaker_is_shared_but_not_with_others(worker: ProviderBench, kind: str) -> None:
    open_breaker(worker)
    worker.sandbox.faults.clear_faults()
    shared = {"state_store": worker.context.state_store, **WORKER}
    url = worker.context.api_url
    fail(open_provider_bench(kind, url, worker.clock, **shared), 1)
    get_job(open_provider_bench(kind, url, worker.clock, connection_key="other", **shared))


def test_probes_end_when_calls_pause(worker: ProviderBench, kind: str) -> None:
    worker.sandbox.faults.add_fault(regex="offices", status=429, retry_after=60)
    with pytest.raises(RateLimited):
        list(worker.provider.probe_permissions(["offices.list", "jobs.list"]))


# -- total deadline ----------------------------------------------------------------------------
@pytest.mark.slow("a real socket drips")
def test_dripping_answer_ends_at_deadline(kind: str) -> None:
    with Sandbox(jobs=2, v1_limit=0, v3_limit=0) as sandbox:
        clock = ManualClock()
        bench = open_provider_bench(kind, sandbox.url, clock, deadline_seconds=0.4, **WORKER)
        sandbox.faults.add_fault(regex="jobs", kind="drip", latency_ms=50, times=None)
        started = time.monotonic()
        with pytest.raises(AtsUnavailable):
            next(bench.provider.list_jobs())
        assert time.monotonic() - started < 10
        assert {call.status for call in bench.calls if call.path.endswith("jobs")} == {None}


@pytest.mark.slow("a real socket never accepts")
def test_unaccepted_connection_ends_at_deadline(kind: str) -> None:
    with listen_without_accepting() as url:
        bench = open_provider_bench(kind, url, ManualClock(), deadline_seconds=0.4, **WORKER)
        started = time.monotonic()
        with pytest.raises(AtsUnavailable):
            next(bench.provider.list_jobs())
        assert time.monotonic() - started < 10


def test_nothing_continues_past_the_end(open_bench: OpenBench, kind: str) -> None:
    bench = open_bench(kind, wired={"deadline_seconds": 60.0})
    bench.context.ends_at = bench.clock.get_time() + 3
    bench.sandbox.faults.add_fault(regex="jobs", status=503, times=None)
    with pytest.raises(AtsUnavailable):
        bench.provider.get_job(1)
    assert sum(bench.clock.slept) <= 3


# -- bulkhead ----------------------------------------------------------------------------------
@pytest.fixture
def bulkhead() -> Iterator[ProcessBulkhead]:
    counts: list[int] = []
    yield ProcessBulkhead(per_account=1, total=2, on_change=counts.append)
    assert counts[-1] == 0


def test_bulkhead_bounds_account_and_process(bulkhead: ProcessBulkhead) -> None:
    with bulkhead.enter("a", "first"):
        with pytest.raises(AtsUnavailable) as caught, bulkhead.enter("a", "second"):
            pass
        assert caught.value.retry_at is not None
        with (
            bulkhead.enter("a", "first"),  # its own parallel call
            bulkhead.enter("b", "second"),
            pytest.raises(AtsUnavailable),
            bulkhead.enter("c", "third"),
        ):
            pass
    with bulkhead.enter("a", "second"):
        pass


def test_call_beyond_bulkhead_is_refused_at_once(
    open_bench: OpenBench, bulkhead: ProcessBulkhead
) -> None:
    shared = {"bulkhead": bulkhead, "state_store": MemoryStateStore()}
    bench = open_bench(V1, wired=shared)
    bench.sandbox.faults.add_fault(regex="jobs", latency_ms=300)
    other = open_provider_bench(
        V1, bench.context.api_url, bench.clock, max_wait_seconds=1, **shared
    )
    refusals: list[CallRefusal] = []
    other.context.on_refusal = refusals.append
    thread = threading.Thread(target=get_job, args=[bench])
    thread.start()
    while not bulkhead._calls:
        time.sleep(0.001)
    with pytest.raises(AtsUnavailable):
        other.provider.get_job(1)
    thread.join()
    assert CallRefusal.BULKHEAD_FULL in refusals
    assert other.calls == []
    get_job(other)


def test_waiting_for_token_takes_bulkhead_place(
    open_bench: OpenBench, bulkhead: ProcessBulkhead
) -> None:
    bench = open_bench(V3, wired={"bulkhead": bulkhead, **WORKER})
    bench.provider._tokens._load_or_claim(None)
    refusals: list[CallRefusal] = []
    bench.context.on_refusal = refusals.append
    with bulkhead.enter(bench.context.connection_key, "another"), pytest.raises(AtsUnavailable):
        bench.provider.get_job(1)
    assert sum(bench.clock.slept) == 0
    assert set(refusals) == {CallRefusal.BULKHEAD_FULL}


def test_hurried_caller_refreshes_no_consent(open_bench: OpenBench) -> None:
    bench = open_bench(PARTNER, wired={"max_wait_seconds": 1.0})
    bench.clock.time += 3500  # within the margin: still valid
    bench.context.ends_at = bench.clock.get_time() + 3
    get_job(bench)
    bench.clock.time += 200
    bench.context.ends_at = bench.clock.get_time() + 3
    with pytest.raises(AtsUnavailable) as caught:
        bench.provider.get_job(1)
    assert caught.value.retry_at is not None
    assert [r.path for r in bench.sandbox.requests].count("/token") == 1  # the consent's code
    bench.context.ends_at = bench.clock.get_time() + 45
    get_job(bench)


class CountingStore(MemoryStateStore):
    updates = 0

    def update(self, *args: Any, **kwargs: Any) -> Any:
        self.updates += 1
        return super().update(*args, **kwargs)


def test_breaker_costs_no_round_trip(open_bench: OpenBench) -> None:
    store = CountingStore()
    bench = open_bench(V1, wired={"state_store": store, **WORKER})
    next(bench.provider.list_jobs())
    assert store.updates == 2  # a slot, and what came of it
