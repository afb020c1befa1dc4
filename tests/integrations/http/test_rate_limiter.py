from __future__ import annotations

import multiprocessing
import threading
import time
from bisect import bisect_left
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ats.client_context import (
    ClientContext,
    Lane,
    MemoryStateStore,
    StateChange,
    T,
)
from integrations.ats.errors import RateLimited
from integrations.http.rate_limiter import INITIAL_LIMIT, SharedRateLimiter
from tests.integrations.greenhouse.provider_bench import ManualClock
from tests.integrations.http.shared_rate_limit import (
    LIMIT,
    SHORT_WINDOW,
    open_rate_limiter,
    send_many,
)

WINDOW = 10.0


def make_rate_limiter(
    clock: ManualClock, store: MemoryStateStore | None = None
) -> SharedRateLimiter:
    context = ClientContext(
        api_url="",
        auth_url="",
        state_store=store or MemoryStateStore(),
        now=clock.get_time,
        sleep=clock.sleep,
    )
    return SharedRateLimiter(context, "b", WINDOW)


class CountingStore(MemoryStateStore):
    updates = 0

    def update(self, key: str, change: StateChange[T], *, ttl: float) -> T:
        self.updates += 1
        return super().update(key, change, ttl=ttl)


def limit_headers(limit: int, remaining: int, **more: str) -> dict[str, str]:
    return {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(remaining), **more}


def spend_requests(
    budget: SharedRateLimiter, clock: ManualClock, count: int, limit: int, lane: Lane = Lane.PEOPLE
) -> None:
    for sent in range(count):
        budget.record_response(
            budget.acquire_slot(lane, until=clock.get_time() + 99),
            200,
            limit_headers(limit, limit - sent - 1),
        )


def test_people_use_whole_window_then_wait() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 50, 50)
    assert clock.slept == []
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 99)
    assert WINDOW <= sum(clock.slept) < WINDOW + 1


def test_sync_leaves_tenth_for_people() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 45, 50, Lane.SYNC)
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.SYNC, until=clock.get_time() + 1)
    for _ in range(5):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    assert clock.slept == []


@pytest.mark.parametrize(
    ("link", "updates"), [('</v3/jobs?cursor=2>; rel="next"', 4), ("", 6)], ids=["pages", "lists"]
)
def test_followed_page_takes_one_update(link: str, updates: int) -> None:
    clock, store = ManualClock(), CountingStore()
    budget = make_rate_limiter(clock, store)
    for remaining in (49, 48):
        slot = budget.acquire_slot(Lane.SYNC, until=clock.get_time() + 99)
        budget.record_response(slot, 200, {**limit_headers(50, remaining), "link": link})
    budget.record_response(
        budget.acquire_slot(Lane.SYNC, until=clock.get_time() + 99), 200, limit_headers(50, 47)
    )
    assert store.updates == updates
    clock.sleep(WINDOW + 1)
    spend_requests(make_rate_limiter(clock, store), clock, 50, 50)  # every slot is free again
    assert clock.slept == [WINDOW + 1]


def test_unfollowed_page_keeps_its_slot_for_a_while() -> None:
    """A sync that ends between pages: others count its request as running until it expires."""
    clock, store = ManualClock(), MemoryStateStore()
    budget = make_rate_limiter(clock, store)
    spend_requests(budget, clock, 1, 2)
    slot = budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 99)
    budget.record_response(slot, 200, {**limit_headers(2, 0), "link": '</v3/jobs>; rel="next"'})
    clock.sleep(WINDOW + 1)
    other = make_rate_limiter(clock, store)
    other.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        other.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 1)
    clock.sleep(120)
    spend_requests(other, clock, 2, 2)


def test_sync_yields_to_waiting_person() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 50, 50)
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 1)
    clock.time += WINDOW - 0.1
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    clock.time += 0.2  # the window is free again, but the person comes first
    before = clock.get_time()
    budget.acquire_slot(Lane.SYNC, until=clock.get_time() + 5)
    assert clock.get_time() > before


def test_few_requests_before_first_answer() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    for _ in range(INITIAL_LIMIT):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())


@pytest.mark.parametrize("lane", Lane)
def test_429_pauses_lane_until_retry_after(lane: Lane) -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 429, {"retry-after": "4"}
    )
    start = clock.get_time()
    budget.acquire_slot(lane, until=clock.get_time() + 30)
    assert 4.0 <= clock.get_time() - start <= 4.7


def test_429_without_time_costs_one_window() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 429, {})
    with pytest.raises(RateLimited) as caught:
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 5)
    assert caught.value.retry_at.timestamp() == pytest.approx(clock.get_time() + WINDOW)


def test_requests_by_others_are_subtracted() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    reset = {"x-ratelimit-reset": str(clock.get_time() + 3)}
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, limit_headers(50, 0, **reset)
    )
    start = clock.get_time()
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 30)
    assert 2.5 <= clock.get_time() - start <= 3.5


def test_requests_by_others_survive_next_answer() -> None:
    clock, limit = ManualClock(), 75
    budget = make_rate_limiter(clock)
    counted = 60  # by others
    for _ in range(5):
        slot = budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
        counted += 1
        budget.record_response(slot, 200, limit_headers(limit, limit - counted))
    for _ in range(limit - counted):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())


def test_requests_by_others_survive_unordered_answers() -> None:
    clock, limit = ManualClock(), 50
    budget = make_rate_limiter(clock)
    slot = budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    budget.record_response(slot, 200, limit_headers(limit, 19))  # others spent 30
    slots = [budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()) for _ in range(10)]
    for remaining, slot in zip([14, 18, 9, 12, 16, 17, 11, 13, 10, 15], slots, strict=True):
        budget.record_response(slot, 200, limit_headers(limit, remaining))
    for _ in range(9):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())


def test_requests_by_others_expire_with_window() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    reset = {"x-ratelimit-reset": str(clock.get_time() + 3)}
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, limit_headers(50, 9, **reset)
    )
    clock.time += 4
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, limit_headers(50, 49)
    )
    for _ in range(48):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())


def test_unsent_request_costs_nothing() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 49, 50)
    budget.release_slot(budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()))
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    assert clock.slept == []


def test_slow_request_keeps_its_slot() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 1, 1)
    clock.time += WINDOW
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    clock.time += 2 * WINDOW
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())


def test_unreadable_state_starts_over() -> None:
    clock, store = ManualClock(), MemoryStateStore()
    store.update("b", lambda _: (b"not ours", None), ttl=99)
    budget = make_rate_limiter(clock, store)
    for _ in range(INITIAL_LIMIT):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())


# -- exact moments: HandClock adds quarters of a second without rounding --------------------------
def is_refused(
    budget: SharedRateLimiter, clock: ManualClock, *, within: float, lane: Lane = Lane.PEOPLE
) -> float:
    """Seconds from now to the moment that a refusal names; it must come without any waiting."""
    waited = len(clock.slept)
    with pytest.raises(RateLimited) as caught:
        budget.acquire_slot(lane, until=clock.get_time() + within)
    assert len(clock.slept) == waited
    return caught.value.retry_at.timestamp() - clock.get_time()


def test_waiting_ends_when_slot_is_free() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 2, 2)
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + WINDOW)
    assert clock.slept == [0.25] * 40, "looked at often, since a slot may be given back"


def test_pointless_wait_is_refused_at_once() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 2, 2)
    assert is_refused(budget, clock, within=WINDOW - 0.1) == WINDOW


def test_abandoned_slot_is_freed() -> None:
    """Its holder may have died: after the longest request and one window it is free."""
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 1, 1)
    clock.time += WINDOW
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    start = clock.get_time()
    budget.acquire_slot(Lane.PEOPLE, until=start + 200)
    assert clock.get_time() - start == 90 + WINDOW


def test_unanswered_requests_are_waited_for() -> None:
    """They may be answered at any moment, so no wait is known to be pointless."""
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 1, 1)
    clock.time += WINDOW
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    with pytest.raises(RateLimited):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 1)
    assert clock.slept == [0.25] * 4


def test_sync_waits_one_second_for_person() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, 2, 2)
    clock.time += WINDOW - 0.5
    is_refused(budget, clock, within=0)
    clock.time += 0.5
    budget.acquire_slot(Lane.SYNC, until=clock.get_time() + 5)
    assert clock.slept == [0.25] * 2


@pytest.mark.parametrize(("limit", "reserved"), [(90, 9), (9, 1), (2, 1), (1, 0)])
def test_sync_reserve_follows_limit(limit: int, reserved: int) -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    spend_requests(budget, clock, limit - reserved, limit, Lane.SYNC)
    is_refused(budget, clock, within=1, lane=Lane.SYNC)
    for _ in range(reserved):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    is_refused(budget, clock, within=1)


def test_answer_without_limit_means_fifty() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, {})
    for _ in range(49):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    is_refused(budget, clock, within=0)


def test_missing_answer_leaves_limit_unknown() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), None, {})
    for _ in range(9):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    is_refused(budget, clock, within=0)


def test_block_ends_at_told_moment() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 429, {"retry-after": "4"}
    )
    assert is_refused(budget, clock, within=3) == 4
    clock.time += 4
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    assert clock.slept == []


def test_blocked_requests_return_spread_out() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 429, {"retry-after": "1"}
    )
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 30)
    *steps, last = clock.slept
    assert steps == [0.25] * 3
    assert 0.25 < last <= 0.55


@pytest.mark.parametrize(("reset", "wait"), [(3, 3), (0, WINDOW), (-5, WINDOW), (60, WINDOW)])
def test_others_are_believed_until_reset(reset: float, wait: float) -> None:
    """At most for one window: a moment that passed, or is further off, says nothing."""
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    headers = limit_headers(50, 0, **{"x-ratelimit-reset": str(clock.get_time() + reset)})
    budget.record_response(budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, headers)
    assert is_refused(budget, clock, within=wait - 0.5) == wait
    clock.time += wait
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    assert clock.slept == []


def test_others_seen_again_are_believed_longer() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    for ours in (1, 2):
        budget.record_response(
            budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()),
            200,
            limit_headers(50, 20 - ours),
        )
        clock.time += 6
    for _ in range(50 - 30 - 1):  # the second request of ours still counts, the first does not
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    assert is_refused(budget, clock, within=3) == 4


def test_own_uncounted_requests_are_not_credited() -> None:
    """What the server has not counted yet does not make room for more."""
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    slots = [budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()) for _ in range(5)]
    budget.record_response(slots[0], 200, limit_headers(10, 9))
    for _ in range(5):
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    is_refused(budget, clock, within=0)


@pytest.mark.parametrize("remaining", [1, 0], ids=["none of others", "one of others"])
def test_expired_others_do_not_shorten_wait(remaining: int) -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    headers = limit_headers(2, remaining, **{"x-ratelimit-reset": str(clock.get_time() + 3)})
    budget.record_response(budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, headers)
    clock.time += 3 * (1 - remaining)
    budget.acquire_slot(Lane.PEOPLE, until=clock.get_time())
    assert is_refused(budget, clock, within=5) == WINDOW - 3 * (1 - remaining)


@given(
    limit=st.integers(1, 30),
    phase=st.floats(0, WINDOW),
    latencies=st.lists(st.floats(0.001, 3), min_size=1, max_size=20),
    lanes=st.lists(st.sampled_from(Lane), min_size=1, max_size=7),
)
def test_any_window_stays_within_limit(
    limit: int, phase: float, latencies: list[float], lanes: list[Lane]
) -> None:
    # The server counts a request somewhere between sending and answer: both extremes in turn.
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    counted: list[float] = []
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()),
        200,
        limit_headers(limit, limit - 1),
    )
    counted.append(clock.get_time())
    for turn in range(90):
        slot = budget.acquire_slot(lanes[turn % len(lanes)], until=clock.get_time() + 999)
        sent = clock.get_time()
        clock.time += latencies[turn % len(latencies)]
        counted.append(sent if turn % 2 else clock.get_time())
        budget.record_response(slot, 200, {})
    counted.sort()
    for start in [phase + moment for moment in counted] + counted:
        in_window = bisect_left(counted, start + WINDOW) - bisect_left(counted, start)
        assert in_window <= limit


def test_window_is_fully_used() -> None:
    clock = ManualClock()
    budget = make_rate_limiter(clock)
    budget.record_response(
        budget.acquire_slot(Lane.PEOPLE, until=clock.get_time()), 200, limit_headers(20, 19)
    )
    start = clock.get_time()
    for _ in range(79):
        budget.record_response(
            budget.acquire_slot(Lane.PEOPLE, until=clock.get_time() + 99), 200, {}
        )
    assert 3 * WINDOW <= clock.get_time() - start < 3 * WINDOW + 1


def test_processes_share_one_window(tmp_path: Path) -> None:
    processes, each = 4, 15
    path = str(tmp_path / "state.sqlite3")
    first = open_rate_limiter(path)
    slot = first.acquire_slot(Lane.PEOPLE, until=time.time() + 60)
    first.record_response(slot, 200, {"x-ratelimit-limit": str(LIMIT)})
    context = multiprocessing.get_context("spawn")
    barrier, sent = context.Barrier(processes), context.Queue()
    children = [
        context.Process(target=send_many, args=(path, barrier, sent, each))
        for _ in range(processes)
    ]
    for child in children:
        child.start()
    times = [sent.get(timeout=300) for _ in range(processes * each)]
    for child in children:
        child.join(300)
        assert child.exitcode == 0
    assert len({process for process, _, _ in times}) == processes
    for moments in ([begun for _, begun, _ in times], [end for _, _, end in times]):
        for moment in moments:  # the server may count at either end
            assert sum(moment <= other < moment + SHORT_WINDOW for other in moments) <= LIMIT


def test_threads_share_one_window() -> None:
    window, limit = 0.1, 10
    shared = SharedRateLimiter(ClientContext(api_url="", auth_url=""), "b", window)
    shared.record_response(
        shared.acquire_slot(Lane.PEOPLE, until=time.time()), 200, limit_headers(limit, 9)
    )
    sent: deque[float] = deque()

    def work() -> None:
        for _ in range(5):
            slot = shared.acquire_slot(Lane.PEOPLE, until=time.time() + 20)
            sent.append(time.time())
            shared.record_response(slot, 200, {})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(sent)
    assert len(times) == 40
    for first in times:
        assert sum(1 for time_sent in times if first <= time_sent < first + window) <= limit
