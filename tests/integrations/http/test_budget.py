from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ats.errors import RateLimited
from integrations.ats.wiring import Lane, MemoryStore
from integrations.http.budget import Budget
from tests.integrations.greenhouse.hand import HandClock
from tests.integrations.http.sharing import LIMIT, SHORT_WINDOW, open_budget, send_many

WINDOW = 10.0


def budget(clock: HandClock, store: MemoryStore | None = None) -> Budget:
    return Budget(store or MemoryStore(), "b", WINDOW, now=clock.now, sleep=clock.sleep)


def told(limit: int, remaining: int, **more: str) -> dict[str, str]:
    return {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(remaining), **more}


def spend(one: Budget, clock: HandClock, count: int, limit: int, lane: Lane = Lane.PEOPLE) -> None:
    for sent in range(count):
        one.settle(one.take(lane, until=clock.now() + 99), 200, told(limit, limit - sent - 1))


def test_a_person_gets_the_whole_window_and_then_waits_for_it() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 50, 50)
    assert clock.slept == []
    one.take(Lane.PEOPLE, until=clock.now() + 99)
    assert WINDOW <= sum(clock.slept) < WINDOW + 1


def test_a_sync_leaves_a_tenth_for_people() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 45, 50, Lane.SYNC)
    with pytest.raises(RateLimited):
        one.take(Lane.SYNC, until=clock.now() + 1)
    for _ in range(5):
        one.take(Lane.PEOPLE, until=clock.now())
    assert clock.slept == []


def test_a_sync_steps_back_while_a_person_waits() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 50, 50)
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now() + 1)
    clock.time += WINDOW - 0.1
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now())
    clock.time += 0.2  # the window is free again, and the person is about to look
    before = clock.now()
    one.take(Lane.SYNC, until=clock.now() + 5)
    assert clock.now() > before


def test_until_the_first_answer_only_a_few_are_sent() -> None:
    clock = HandClock()
    one = budget(clock)
    for _ in range(10):
        one.take(Lane.PEOPLE, until=clock.now())
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now())


def test_a_429_stops_everybody_until_the_time_it_names() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 429, {"retry-after": "4"})
    start = clock.now()
    one.take(Lane.PEOPLE, until=clock.now() + 30)
    assert 4.0 <= clock.now() - start <= 4.7


def test_a_429_that_names_no_time_costs_one_window() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 429, {})
    with pytest.raises(RateLimited) as caught:
        one.take(Lane.PEOPLE, until=clock.now() + 5)
    assert caught.value.until.timestamp() == pytest.approx(clock.now() + WINDOW)


def test_what_others_spend_with_the_same_credential_is_subtracted() -> None:
    clock = HandClock()
    one = budget(clock)
    reset = {"x-ratelimit-reset": str(clock.now() + 3)}
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(50, 0, **reset))
    start = clock.now()
    one.take(Lane.PEOPLE, until=clock.now() + 30)
    assert 2.5 <= clock.now() - start <= 3.5


def test_what_others_spent_is_not_forgotten_by_the_next_answer() -> None:
    clock, limit = HandClock(), 75
    one = budget(clock)
    counted = 60  # by others
    for _ in range(5):
        slot = one.take(Lane.PEOPLE, until=clock.now())
        counted += 1
        one.settle(slot, 200, told(limit, limit - counted))
    for _ in range(limit - counted):
        one.take(Lane.PEOPLE, until=clock.now())
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now())


def test_workers_side_by_side_leave_others_what_they_spent() -> None:
    """Answers come in any order: one that was counted earlier does not take back what is known."""
    clock, limit = HandClock(), 50
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(limit, 19))  # 30 of others
    slots = [one.take(Lane.PEOPLE, until=clock.now()) for _ in range(10)]
    for remaining, slot in zip([14, 18, 9, 12, 16, 17, 11, 13, 10, 15], slots, strict=True):
        one.settle(slot, 200, told(limit, remaining))
    for _ in range(9):
        one.take(Lane.PEOPLE, until=clock.now())
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now())


def test_what_others_spent_is_free_again_after_their_window() -> None:
    clock = HandClock()
    one = budget(clock)
    reset = {"x-ratelimit-reset": str(clock.now() + 3)}
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(50, 9, **reset))
    clock.time += 4
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(50, 49))
    for _ in range(48):
        one.take(Lane.PEOPLE, until=clock.now())
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now())


def test_a_request_that_was_not_sent_costs_nothing() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 49, 50)
    one.give_back(one.take(Lane.PEOPLE, until=clock.now()))
    one.take(Lane.PEOPLE, until=clock.now())
    assert clock.slept == []


def test_a_state_that_cannot_be_read_is_begun_anew() -> None:
    clock, store = HandClock(), MemoryStore()
    store.update("b", lambda _: (b"not ours", None), ttl=99)
    budget(clock, store).take(Lane.PEOPLE, until=clock.now())


# -- exact moments: HandClock adds quarters of a second without rounding --------------------------
def refused(one: Budget, clock: HandClock, *, within: float, lane: Lane = Lane.PEOPLE) -> float:
    """Seconds from now to the moment that a refusal names; it must come without any waiting."""
    waited = len(clock.slept)
    with pytest.raises(RateLimited) as caught:
        one.take(lane, until=clock.now() + within)
    assert len(clock.slept) == waited
    return caught.value.until.timestamp() - clock.now()


def test_waiting_ends_when_slot_is_free() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 2, 2)
    one.take(Lane.PEOPLE, until=clock.now() + WINDOW)
    assert clock.slept == [0.25] * 40, "looked at often, since a slot may be given back"


def test_pointless_wait_is_refused_at_once() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 2, 2)
    assert refused(one, clock, within=WINDOW - 0.1) == WINDOW


def test_abandoned_slot_is_freed() -> None:
    """Its holder may have died: after the longest request and one window it is free."""
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 1, 1)
    clock.time += WINDOW
    one.take(Lane.PEOPLE, until=clock.now())
    start = clock.now()
    one.take(Lane.PEOPLE, until=start + 200)
    assert clock.now() - start == 90 + WINDOW


def test_unanswered_requests_are_waited_for() -> None:
    """They may be answered at any moment, so no wait is known to be pointless."""
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 1, 1)
    clock.time += WINDOW
    one.take(Lane.PEOPLE, until=clock.now())
    with pytest.raises(RateLimited):
        one.take(Lane.PEOPLE, until=clock.now() + 1)
    assert clock.slept == [0.25] * 4


def test_sync_waits_one_second_for_person() -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, 2, 2)
    clock.time += WINDOW - 0.5
    refused(one, clock, within=0)
    clock.time += 0.5
    one.take(Lane.SYNC, until=clock.now() + 5)
    assert clock.slept == [0.25] * 2


@pytest.mark.parametrize(("limit", "reserved"), [(90, 9), (9, 1), (2, 1), (1, 0)])
def test_sync_reserve_follows_limit(limit: int, reserved: int) -> None:
    clock = HandClock()
    one = budget(clock)
    spend(one, clock, limit - reserved, limit, Lane.SYNC)
    refused(one, clock, within=1, lane=Lane.SYNC)
    for _ in range(reserved):
        one.take(Lane.PEOPLE, until=clock.now())
    refused(one, clock, within=1)


def test_answer_without_limit_means_fifty() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, {})
    for _ in range(49):
        one.take(Lane.PEOPLE, until=clock.now())
    refused(one, clock, within=0)


def test_missing_answer_leaves_limit_unknown() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), None, {})
    for _ in range(9):
        one.take(Lane.PEOPLE, until=clock.now())
    refused(one, clock, within=0)


def test_block_ends_at_told_moment() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 429, {"retry-after": "4"})
    assert refused(one, clock, within=3) == 4
    clock.time += 4
    one.take(Lane.PEOPLE, until=clock.now())
    assert clock.slept == []


def test_blocked_requests_return_spread_out() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 429, {"retry-after": "1"})
    one.take(Lane.PEOPLE, until=clock.now() + 30)
    *steps, last = clock.slept
    assert steps == [0.25] * 3
    assert 0.25 < last <= 0.55


@pytest.mark.parametrize(("reset", "wait"), [(3, 3), (0, WINDOW), (-5, WINDOW), (60, WINDOW)])
def test_others_are_believed_until_reset(reset: float, wait: float) -> None:
    """At most for one window: a moment that passed, or is further off, says nothing."""
    clock = HandClock()
    one = budget(clock)
    headers = told(50, 0, **{"x-ratelimit-reset": str(clock.now() + reset)})
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, headers)
    assert refused(one, clock, within=wait - 0.5) == wait
    clock.time += wait
    one.take(Lane.PEOPLE, until=clock.now())
    assert clock.slept == []


def test_others_seen_again_are_believed_longer() -> None:
    clock = HandClock()
    one = budget(clock)
    for ours in (1, 2):
        one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(50, 20 - ours))
        clock.time += 6
    for _ in range(50 - 30 - 1):  # the second request of ours still counts, the first does not
        one.take(Lane.PEOPLE, until=clock.now())
    assert refused(one, clock, within=3) == 4


def test_own_uncounted_requests_are_not_credited() -> None:
    """What the server has not counted yet does not make room for more."""
    clock = HandClock()
    one = budget(clock)
    slots = [one.take(Lane.PEOPLE, until=clock.now()) for _ in range(5)]
    one.settle(slots[0], 200, told(10, 9))
    for _ in range(5):
        one.take(Lane.PEOPLE, until=clock.now())
    refused(one, clock, within=0)


@pytest.mark.parametrize("remaining", [1, 0], ids=["none of others", "one of others"])
def test_expired_others_do_not_shorten_wait(remaining: int) -> None:
    clock = HandClock()
    one = budget(clock)
    headers = told(2, remaining, **{"x-ratelimit-reset": str(clock.now() + 3)})
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, headers)
    clock.time += 3 * (1 - remaining)
    one.take(Lane.PEOPLE, until=clock.now())
    assert refused(one, clock, within=5) == WINDOW - 3 * (1 - remaining)


@given(
    limit=st.integers(1, 30),
    phase=st.floats(0, WINDOW),
    latencies=st.lists(st.floats(0.001, 3), min_size=1, max_size=20),
    lanes=st.lists(st.sampled_from(Lane), min_size=1, max_size=7),
)
def test_no_window_however_it_lies_ever_holds_more_than_the_limit(
    limit: int, phase: float, latencies: list[float], lanes: list[Lane]
) -> None:
    """The server counts somewhere between sending and answer; here, at the worst of both ends."""
    clock = HandClock()
    one = budget(clock)
    counted: list[float] = []
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(limit, limit - 1))
    counted.append(clock.now())
    for turn in range(120):
        slot = one.take(lanes[turn % len(lanes)], until=clock.now() + 999)
        sent = clock.now()
        clock.time += latencies[turn % len(latencies)]
        counted.append(sent if turn % 2 else clock.now())
        one.settle(slot, 200, {})
    starts = [phase + moment for moment in counted] + counted
    for start in starts:
        assert sum(1 for moment in counted if start <= moment < start + WINDOW) <= limit


def test_the_window_is_used_to_the_full() -> None:
    clock = HandClock()
    one = budget(clock)
    one.settle(one.take(Lane.PEOPLE, until=clock.now()), 200, told(20, 19))
    start = clock.now()
    for _ in range(79):
        one.settle(one.take(Lane.PEOPLE, until=clock.now() + 99), 200, {})
    assert 3 * WINDOW <= clock.now() - start < 3 * WINDOW + 1


def test_four_processes_share_one_window_and_never_cross_it(tmp_path: Path) -> None:
    processes, each = 4, 15
    path = str(tmp_path / "state.sqlite3")
    first = open_budget(path)
    slot = first.take(Lane.PEOPLE, until=time.time() + 60)
    first.settle(slot, 200, {"x-ratelimit-limit": str(LIMIT)})
    fork = multiprocessing.get_context("spawn")
    barrier, sent = fork.Barrier(processes), fork.Queue()
    children = [
        fork.Process(target=send_many, args=(path, barrier, sent, each)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    times = [sent.get(timeout=300) for _ in range(processes * each)]
    for child in children:
        child.join(300)
        assert child.exitcode == 0
    assert len({process for process, _, _ in times}) == processes
    for moments in ([begun for _, begun, _ in times], [end for _, _, end in times]):
        for moment in moments:  # whether the server counts when it is asked or when it answers
            assert sum(moment <= one < moment + SHORT_WINDOW for one in moments) <= LIMIT


def test_threads_share_it_too() -> None:
    window, limit = 0.3, 10
    store = MemoryStore()
    shared = Budget(store, "b", window, now=time.time, sleep=time.sleep)
    shared.settle(shared.take(Lane.PEOPLE, until=time.time()), 200, told(limit, 9))
    sent: deque[float] = deque()

    def work() -> None:
        for _ in range(5):
            slot = shared.take(Lane.PEOPLE, until=time.time() + 20)
            sent.append(time.time())
            shared.settle(slot, 200, {})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(sent)
    assert len(times) == 40
    for begun in times:
        assert sum(1 for one in times if begun <= one < begun + window) <= limit
