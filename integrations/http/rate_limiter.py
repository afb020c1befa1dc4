"""Rate limiter shared by all processes of one connection.

A slot is taken before a request is sent and freed one window after its response. The server counted
the request in between, so no window of it, fixed or rolling, contains more requests than slots.
Other clients' requests are derived from `X-RateLimit-Remaining`. Users may take every slot; a sync
leaves a tenth free and yields while a user waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import NoReturn

import msgspec

from integrations.ats.client_context import (
    CallPause,
    CallRefusal,
    ClientContext,
    Lane,
    StateStore,
)
from integrations.ats.errors import CallsPaused, Evidence, RateLimited
from integrations.http import circuit_breaker
from integrations.http.backoff import (
    MAX_RETRY_AFTER,
    parse_header_number,
    parse_rate_limit_reset,
    parse_retry_after,
    random_jitter,
)
from integrations.http.circuit_breaker import BreakerState, Outcome

DEFAULT_LIMIT = 50  # if responses have no limit; documented for v1, Airbyte's choice for v3
INITIAL_LIMIT = 10  # until the first response
_MAX_REQUEST_SECONDS = 90.0  # a crashed process's slot expires after this plus a window
_POLL_INTERVAL = 0.25
_PERSON_WAITING_TTL = 1.0  # seconds a sync yields to a waiting user
_MIN_SLEEP = 0.01
_LEASE_MARGIN = 10.0  # a probe is over by then
_STATE_TTL = 3600.0
Cause = CallPause.Cause


class LimiterState(msgspec.Struct, array_like=True):
    # Times are epoch seconds.
    limit: int = 0
    slots: dict[str, float] = {}  # id -> when it becomes free
    foreign_count: int = 0  # other clients' requests in the current window
    foreign_until: float = 0.0
    person_waiting_until: float = 0.0
    blocked_until: float = 0.0
    requested_until: float = 0.0  # what a 429 asked for, if that is longer than we wait
    breakers: dict[str, BreakerState] = {}  # by connection, while calls of it fail


class Slot(msgspec.Struct, frozen=True):
    id: str
    is_probe: bool = False  # of a half-open circuit breaker


class _Wait(msgspec.Struct, frozen=True):
    seconds: float
    until: float
    cause: str  # "breaker", "429" or "" for our own limit
    requested_until: float = 0.0


class SharedRateLimiter:
    """Admits calls by the rate limit of `key` and by the connection's circuit breaker."""

    def __init__(self, context: ClientContext, key: str, window: float) -> None:
        self._context, self._key, self._window = context, key, window
        self._breaker_key = context.connection_key
        # Responses that are recorded with the next call.
        self._unrecorded: list[Callable[[LimiterState], None]] = []

    def acquire_slot(self, lane: Lane, *, until: float) -> Slot:
        """Raises RateLimited, or CallsPaused while the breaker is open, if no slot can be free
        before `until` (epoch seconds) or within the context's patience.
        """
        while isinstance(wait := self._try_acquire(token_hex(6), lane, until), _Wait):
            now = self._context.now()
            if now + wait.seconds > until or not self._context.may_wait(wait.seconds):
                self._raise_refusal(wait)
            is_last_sleep = wait.seconds <= _POLL_INTERVAL
            jitter = random_jitter() if wait.cause and is_last_sleep else 0.0
            seconds = wait.seconds + jitter if is_last_sleep else _POLL_INTERVAL
            self._context.wait(max(_MIN_SLEEP, seconds))
        return wait

    def _raise_refusal(self, wait: _Wait) -> NoReturn:
        until = self._context.to_datetime(wait.until)
        if wait.cause == "breaker":
            self._context.on_refusal(CallRefusal.BREAKER_OPEN)
            raise CallsPaused(retry_at=until)
        raise build_rate_limited(self._context, wait.until, wait.requested_until)

    def record_response(
        self,
        slot: Slot,
        status: int | None,
        headers: Mapping[str, str],
        outcome: Outcome = Outcome.ANSWERED,
    ) -> CallPause | None:
        """`status` None: no response came, but the request may have counted. Returns until when
        calls are paused.
        """
        now = self._context.now()
        limit = parse_header_number(headers.get("x-ratelimit-limit"))
        remaining = parse_header_number(headers.get("x-ratelimit-remaining"))
        reset = parse_rate_limit_reset(headers.get("x-ratelimit-reset"), now=now)
        retry_after = parse_retry_after(
            headers.get("retry-after"), headers.get("x-ratelimit-reset"), now=now
        )

        def apply_response(state: LimiterState) -> None:
            state.slots[slot.id] = now + self._window
            if status is not None:
                state.limit = limit or state.limit or DEFAULT_LIMIT
            if remaining is not None and limit:
                end = now + self._window
                until = min(end, reset) if reset and reset > now else end
                self._record_foreign_count(
                    state, limit - remaining - _count_slots(state, now), now, until
                )
            self._record_outcome(state, slot, outcome, now)
            if status == 429:
                self._block(state, now, self._window if retry_after is None else retry_after)

        if self._is_followed(slot, status, headers, outcome):
            self._unrecorded.append(apply_response)
            return None
        return self._update_state(apply_response)

    def _is_followed(
        self, slot: Slot, status: int | None, headers: Mapping[str, str], outcome: Outcome
    ) -> bool:
        """Whether a sync is about to ask for the next page: one update then does for both. Until
        then, or if it never asks, the slot merely stays taken.
        """
        is_plain = status == 200 and outcome is Outcome.ANSWERED and not slot.is_probe
        has_next = is_plain and 'rel="next"' in headers.get("link", "")
        return has_next and self._context.lane is Lane.SYNC

    def release_slot(self, slot: Slot) -> CallPause | None:
        """The request did not arrive: no connection was made."""

        def free_slot(state: LimiterState) -> None:
            state.slots.pop(slot.id, None)
            self._record_outcome(state, slot, Outcome.FAILED, self._context.now())

        return self._update_state(free_slot)

    def _update_state(self, change: Callable[[LimiterState], None]) -> CallPause | None:
        # A change is applied again if someone else wrote meanwhile, or if the answer that it was
        # stored got lost: so the pause is compared with the one before the first try.
        before: list[CallPause | None] = []

        def update(raw: bytes | None) -> tuple[bytes, CallPause | None]:
            state = _decode_state(raw)
            before.append(self._get_pause(state))
            change(state)
            return _ENCODE(state), self._get_pause(state)

        after = self._context.state_store.update(self._key, update, ttl=_STATE_TTL)
        if before[0] != after:
            self._context.on_pause(after)
        return after

    def _get_pause(self, state: LimiterState) -> CallPause | None:
        to_datetime = self._context.to_datetime
        breaker = state.breakers.get(self._breaker_key)
        if state.blocked_until > self._context.now():
            requested = to_datetime(state.requested_until) if state.requested_until else None
            until = to_datetime(state.blocked_until)
            return CallPause(until=until, cause=Cause.RATE_LIMIT, requested_until=requested)
        if breaker is None or not breaker.open_until:
            return None
        return CallPause(until=to_datetime(breaker.open_until), cause=Cause.SLOW)

    def _record_outcome(
        self, state: LimiterState, slot: Slot, outcome: Outcome, now: float
    ) -> None:
        if not self._context.breaker.failures and self._breaker_key not in state.breakers:
            return
        breaker = circuit_breaker.record_outcome(
            state.breakers.pop(self._breaker_key, None),
            slot.id,
            outcome,
            now=now,
            policy=self._context.breaker,
        )
        if breaker is not None:
            state.breakers[self._breaker_key] = breaker

    def _block(self, state: LimiterState, now: float, seconds: float) -> None:
        seconds_honored = min(seconds, MAX_RETRY_AFTER)
        state.blocked_until, state.requested_until = now + seconds_honored, 0.0
        if seconds > seconds_honored:
            state.requested_until = now + seconds
            # Half open afterwards, so that a single request asks whether it still holds.
            breaker = circuit_breaker.open_breaker(now, seconds_honored)
            state.breakers[self._breaker_key] = breaker

    def _try_acquire(self, slot: str, lane: Lane, until: float) -> Slot | _Wait:
        now = self._context.now()
        lease = min(until - now, _MAX_REQUEST_SECONDS) + _LEASE_MARGIN
        unrecorded, self._unrecorded = self._unrecorded, []

        def acquire_if_free(raw: bytes | None) -> tuple[bytes | None, Slot | _Wait]:
            state = _decode_state(raw)
            for apply_response in unrecorded:
                apply_response(state)
            state.slots = {name: end for name, end in state.slots.items() if end > now}
            wait = self._compute_wait(state, lane, now)
            if wait is None:
                state.slots[slot] = now + _MAX_REQUEST_SECONDS + self._window
                breaker = state.breakers.get(self._breaker_key)
                is_probe = circuit_breaker.start_call(breaker, slot, now + lease)
                return _ENCODE(state), Slot(slot, is_probe)
            if lane is not Lane.PEOPLE or wait.cause == "breaker":
                return (_ENCODE(state) if unrecorded else raw), wait
            state.person_waiting_until = now + _PERSON_WAITING_TTL
            return _ENCODE(state), wait

        return self._context.state_store.update(self._key, acquire_if_free, ttl=_STATE_TTL)

    def _compute_wait(self, state: LimiterState, lane: Lane, now: float) -> _Wait | None:
        if state.blocked_until > now:
            seconds = state.blocked_until - now
            return _Wait(seconds, state.blocked_until, "429", state.requested_until)
        breaker = state.breakers.get(self._breaker_key)
        if retry_at := circuit_breaker.get_retry_time(breaker, now):
            return _Wait(retry_at - now, retry_at, "breaker")
        if lane is Lane.SYNC and state.person_waiting_until > now:
            return _Wait(state.person_waiting_until - now, state.person_waiting_until, "")
        limit = state.limit or INITIAL_LIMIT
        reserve = 0 if lane is Lane.PEOPLE else max(1, limit // 10) if limit > 1 else 0
        if self._count_used(state, now) < limit - reserve:
            return None
        free_at = self._get_free_time(state, now, 1)
        until = free_at if lane is Lane.PEOPLE else self._get_free_time(state, now, limit // 5)
        return _Wait(max(_MIN_SLEEP, free_at - now), until, "")

    def _record_foreign_count(
        self, state: LimiterState, count: int, now: float, until: float
    ) -> None:
        # A lower bound: our slots outlive what the server counts, and some requests may not have
        # reached it yet. So it only replaces a lower or expired count.
        if count >= state.foreign_count or state.foreign_until <= now:
            state.foreign_count, state.foreign_until = max(0, count), until

    def _count_used(self, state: LimiterState, now: float) -> int:
        return _count_slots(state, now) + (state.foreign_count if state.foreign_until > now else 0)

    def _get_free_time(self, state: LimiterState, now: float, count: int) -> float:
        """When about so many slots will be free: a sync should not come back for each."""
        ends = [end for end in state.slots.values() if now < end <= now + self._window]
        if state.foreign_until > now:
            ends += [state.foreign_until] * state.foreign_count
        if not ends:  # all requests are in flight
            return now + _POLL_INTERVAL
        return sorted(ends)[min(max(count, 1), len(ends)) - 1]


def read_limit(store: StateStore, key: str) -> int:
    """Return the requests per window that Greenhouse allowed lately; 0 if nothing is known."""
    return store.update(key, lambda raw: (raw, _decode_state(raw).limit), ttl=_STATE_TTL)


def build_rate_limited(
    context: ClientContext,
    until: float,
    requested_until: float = 0.0,
    evidence: Evidence | None = None,
) -> RateLimited:
    if not requested_until:
        return RateLimited(context.to_datetime(until), evidence=evidence)
    requested, retry_at = context.to_datetime(requested_until), context.to_datetime(until)
    return RateLimited(
        retry_at,
        f"Greenhouse asked us to wait until {requested:%B %-d, %H:%M} UTC. "
        f"We'll try again at {retry_at:%H:%M} UTC.",
        evidence=evidence,
        requested_until=requested,
    )


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(LimiterState).decode


def _count_slots(state: LimiterState, now: float) -> int:
    return sum(1 for end in state.slots.values() if end > now)


def _decode_state(raw: bytes | None) -> LimiterState:
    if raw is None:
        return LimiterState()
    try:
        return _DECODE(raw)
    except msgspec.MsgspecError:
        return LimiterState()  # written by another version
