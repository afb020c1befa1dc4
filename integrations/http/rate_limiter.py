"""Rate limiter shared by all processes of one connection.

A slot is taken before a request is sent and freed one window after its response. The server counted
the request in between, so no window of it, fixed or rolling, contains more requests than slots.
Other clients' requests are derived from `X-RateLimit-Remaining`. Users may take every slot; a sync
leaves a tenth free and yields while a user waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import token_hex

import msgspec

from integrations.ats.client_context import Lane, StateStore
from integrations.ats.errors import RateLimited
from integrations.http.backoff import parse_rate_limit_reset, parse_retry_after, random_jitter

DEFAULT_LIMIT = 50  # if responses have no limit; documented for v1, Airbyte's choice for v3
INITIAL_LIMIT = 10  # until the first response
_MAX_REQUEST_SECONDS = 90.0  # a crashed process's slot expires after this plus a window
_POLL_INTERVAL = 0.25
_PERSON_WAITING_TTL = 1.0  # seconds a sync yields to a waiting user
_MIN_SLEEP = 0.01
_STATE_TTL = 3600.0


class LimiterState(msgspec.Struct, array_like=True):
    # Times are epoch seconds.
    limit: int = 0
    slots: dict[str, float] = {}  # id -> when it becomes free
    foreign_count: int = 0  # other clients' requests in the current window
    foreign_until: float = 0.0
    person_waiting_until: float = 0.0
    blocked_until: float = 0.0


class SharedRateLimiter:
    def __init__(
        self,
        store: StateStore,
        key: str,
        window: float,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._store, self._key, self._window = store, key, window
        self._now, self._sleep = now, sleep

    def acquire_slot(self, lane: Lane, *, until: float) -> str:
        """Raises RateLimited once no slot can be free before `until` (epoch seconds)."""
        while wait := self._try_acquire(slot := token_hex(6), lane):
            blocked, seconds = wait
            if self._now() + seconds > until:
                raise RateLimited(datetime.fromtimestamp(self._now() + seconds, UTC))
            is_last_sleep = seconds <= _POLL_INTERVAL
            jitter = random_jitter() if blocked and is_last_sleep else 0.0
            self._sleep(max(_MIN_SLEEP, seconds + jitter if is_last_sleep else _POLL_INTERVAL))
        return slot

    def record_response(self, slot: str, status: int | None, headers: Mapping[str, str]) -> None:
        """`status` None: no response came, but the request may have counted."""
        now = self._now()
        limit = _parse_number(headers.get("x-ratelimit-limit"))
        remaining = _parse_number(headers.get("x-ratelimit-remaining"))
        reset = parse_rate_limit_reset(headers.get("x-ratelimit-reset"), now=now)
        retry_after = parse_retry_after(
            headers.get("retry-after"), headers.get("x-ratelimit-reset"), now=now
        )

        def apply_response(raw: bytes | None) -> tuple[bytes, None]:
            state = _decode_state(raw)
            state.slots[slot] = now + self._window
            if status is not None:
                state.limit = limit or state.limit or DEFAULT_LIMIT
            if remaining is not None and limit:
                end = now + self._window
                until = min(end, reset) if reset and reset > now else end
                self._record_foreign_count(
                    state, limit - remaining - _count_slots(state, now), now, until
                )
            if status == 429:
                state.blocked_until = now + (self._window if retry_after is None else retry_after)
            return _ENCODE(state), None

        self._store.update(self._key, apply_response, ttl=_STATE_TTL)

    def release_slot(self, slot: str) -> None:
        def free_slot(raw: bytes | None) -> tuple[bytes, None]:
            state = _decode_state(raw)
            state.slots.pop(slot, None)
            return _ENCODE(state), None

        self._store.update(self._key, free_slot, ttl=_STATE_TTL)

    def _try_acquire(self, slot: str, lane: Lane) -> tuple[bool, float] | None:
        # None: acquired. Else whether a 429 blocks us, and seconds until the next try.
        now = self._now()

        def acquire_if_free(raw: bytes | None) -> tuple[bytes | None, tuple[bool, float] | None]:
            state = _decode_state(raw)
            state.slots = {name: end for name, end in state.slots.items() if end > now}
            wait = self._compute_wait(state, lane, now)
            if wait is None:
                state.slots[slot] = now + _MAX_REQUEST_SECONDS + self._window
            elif lane is Lane.PEOPLE:
                state.person_waiting_until = now + _PERSON_WAITING_TTL
            else:
                return raw, wait
            return _ENCODE(state), wait

        return self._store.update(self._key, acquire_if_free, ttl=_STATE_TTL)

    def _compute_wait(
        self, state: LimiterState, lane: Lane, now: float
    ) -> tuple[bool, float] | None:
        if state.blocked_until > now:
            return True, state.blocked_until - now
        if lane is Lane.SYNC and state.person_waiting_until > now:
            return False, state.person_waiting_until - now
        limit = state.limit or INITIAL_LIMIT
        reserve = 0 if lane is Lane.PEOPLE else max(1, limit // 10) if limit > 1 else 0
        if self._count_used(state, now) < limit - reserve:
            return None
        return False, max(_MIN_SLEEP, self._get_next_free_time(state, now) - now)

    def _record_foreign_count(
        self, state: LimiterState, count: int, now: float, until: float
    ) -> None:
        # A lower bound: our slots outlive what the server counts, and some requests may not have
        # reached it yet. So it only replaces a lower or expired count.
        if count >= state.foreign_count or state.foreign_until <= now:
            state.foreign_count, state.foreign_until = max(0, count), until

    def _count_used(self, state: LimiterState, now: float) -> int:
        return _count_slots(state, now) + (state.foreign_count if state.foreign_until > now else 0)

    def _get_next_free_time(self, state: LimiterState, now: float) -> float:
        ends = [end for end in state.slots.values() if now < end <= now + self._window]
        if state.foreign_count and state.foreign_until > now:
            ends.append(state.foreign_until)
        return min(ends, default=now + _POLL_INTERVAL)  # all requests are in flight


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


def _parse_number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
