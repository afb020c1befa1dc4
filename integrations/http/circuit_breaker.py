"""Circuit breaker: after several failures in a row calls are refused, then a probe is let through.

The state is stored with that of the rate limiter, so a call costs no extra round trip.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from integrations.ats.client_context import BreakerPolicy

# While a probe runs, others ask again after this; a killed prober's lease merely expires.
_PROBE_POLL_SECONDS = 5.0


class Outcome(Enum):
    ANSWERED = "answered"
    FAILED = "failed"
    FAILED_AGAIN = "failed_again"  # a retry: one record with a server error is no outage


class BreakerState(msgspec.Struct, array_like=True):
    # Times are epoch seconds.
    failures: int = 0
    open_until: float = 0.0  # 0: closed
    cooldown: float = 0.0
    probe: str = ""  # id of the call that probes
    probe_until: float = 0.0


def get_retry_time(state: BreakerState | None, now: float) -> float | None:
    """When a refused call may try again; None if it may go now."""
    if state is None or not state.open_until:
        return None
    if state.open_until > now:
        return state.open_until
    return min(state.probe_until, now + _PROBE_POLL_SECONDS) if state.probe_until > now else None


def start_call(state: BreakerState | None, call: str, until: float) -> bool:
    """Make an admitted call the probe if the breaker is half open; its lease ends at `until`."""
    if state is None or not state.open_until:
        return False
    state.probe, state.probe_until = call, until
    return True


def open_breaker(now: float, seconds: float) -> BreakerState:
    return BreakerState(open_until=now + seconds, cooldown=seconds)


def record_outcome(
    state: BreakerState | None, call: str, outcome: Outcome, *, now: float, policy: BreakerPolicy
) -> BreakerState | None:
    """The state after a call; None: closed, without failures."""
    if outcome is Outcome.ANSWERED and (state is None or not state.open_until):
        return None
    state = state or BreakerState()
    if state.open_until and state.probe != call:
        return state  # sent before it opened: says nothing new
    if outcome is Outcome.ANSWERED:
        return None
    if outcome is Outcome.FAILED_AGAIN and not state.open_until:
        return state
    state.failures += 1
    if state.open_until:
        _reopen(state, now, min(2 * state.cooldown, policy.max_cooldown))
    elif 0 < policy.failures <= state.failures:
        _reopen(state, now, policy.cooldown)
    return state


def _reopen(state: BreakerState, now: float, seconds: float) -> None:
    state.open_until, state.cooldown = now + seconds, seconds
    state.probe, state.probe_until = "", 0.0
