"""A rate limit that all processes of one connection share.

How it stays below the limit: every request holds a *slot* from before it is sent until one window
after its answer came. The server counted it at some moment in between; so at no moment, however
its windows lie (fixed or rolling, any phase), has it counted more of ours than there are slots.
Requests that others make with the same credential are seen in `X-RateLimit-Remaining` and
subtracted. Before the first answer the limit is unknown: few slots are given.

Two lanes: people get every slot, a sync leaves a tenth free and steps back while a person waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import token_hex

import msgspec

from integrations.ats.errors import RateLimited
from integrations.ats.wiring import Lane, StateStore
from integrations.http.retry import jitter, reset_moment, told_wait

GUESSED_LIMIT = 50  # where answers carry no limit; documented for v1, Airbyte's choice for v3
UNKNOWN_LIMIT = 10  # until the first answer
_LONGEST_REQUEST = 90.0  # a slot whose holder died is free again after this and a window
_STEP = 0.25  # how often those who wait look again
_YIELD = 1.0  # a waiting person's sign is forgotten after this
_SHORTEST = 0.01
_REMEMBERED = 3600.0


class Ledger(msgspec.Struct, array_like=True):
    """What all processes know of one window. Times are epoch seconds.

    `slots`: id -> when it is free again. `others`: requests of others in the present window,
    believed until `others_until`. `person_until`: a person is waiting. `blocked_until`: the
    server told us to wait.
    """

    limit: int = 0
    slots: dict[str, float] = {}
    others: int = 0
    others_until: float = 0.0
    person_until: float = 0.0
    blocked_until: float = 0.0


class Budget:
    """The requests that may be sent in a window of `window` seconds, shared under `key`."""

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

    def take(self, lane: Lane, *, until: float) -> str:
        """Wait for a slot and give its id.

        `until` is the epoch second after which waiting is pointless: RateLimited is raised then,
        or as soon as it is certain.
        """
        while wait := self._try(slot := token_hex(6), lane):
            blocked, seconds = wait
            if self._now() + seconds > until:
                raise RateLimited(datetime.fromtimestamp(self._now() + seconds, UTC))
            last_step = seconds <= _STEP
            extra = jitter() if blocked and last_step else 0.0
            self._sleep(max(_SHORTEST, seconds + extra if last_step else _STEP))
        return slot

    def settle(self, slot: str, status: int | None, headers: Mapping[str, str]) -> None:
        """Tell what came back for a slot. `status` None: no answer came (it may have counted)."""
        now = self._now()
        limit = _number(headers.get("x-ratelimit-limit"))
        remaining = _number(headers.get("x-ratelimit-remaining"))
        reset = reset_moment(headers.get("x-ratelimit-reset"), now=now)
        told = told_wait(headers.get("retry-after"), headers.get("x-ratelimit-reset"), now=now)

        def change(raw: bytes | None) -> tuple[bytes, None]:
            ledger = _read(raw)
            ledger.slots[slot] = now + self._window
            if status is not None:
                ledger.limit = limit or ledger.limit or GUESSED_LIMIT
            if remaining is not None and limit:
                end = now + self._window
                until = min(end, reset) if reset and reset > now else end
                self._see_others(ledger, limit - remaining - _ours(ledger, now), now, until)
            if status == 429:
                ledger.blocked_until = now + (self._window if told is None else told)
            return _ENCODE(ledger), None

        self._store.update(self._key, change, ttl=_REMEMBERED)

    def give_back(self, slot: str) -> None:
        """The request was certainly not sent: its slot is free at once."""

        def change(raw: bytes | None) -> tuple[bytes, None]:
            ledger = _read(raw)
            ledger.slots.pop(slot, None)
            return _ENCODE(ledger), None

        self._store.update(self._key, change, ttl=_REMEMBERED)

    def _try(self, slot: str, lane: Lane) -> tuple[bool, float] | None:
        """None: the slot is ours. Else: are we blocked by a 429, and seconds until a next try."""
        now = self._now()

        def change(raw: bytes | None) -> tuple[bytes | None, tuple[bool, float] | None]:
            ledger = _read(raw)
            ledger.slots = {name: end for name, end in ledger.slots.items() if end > now}
            wait = self._wait(ledger, lane, now)
            if wait is None:
                ledger.slots[slot] = now + _LONGEST_REQUEST + self._window
            elif lane is Lane.PEOPLE:
                ledger.person_until = now + _YIELD
            else:
                return raw, wait
            return _ENCODE(ledger), wait

        return self._store.update(self._key, change, ttl=_REMEMBERED)

    def _wait(self, ledger: Ledger, lane: Lane, now: float) -> tuple[bool, float] | None:
        if ledger.blocked_until > now:
            return True, ledger.blocked_until - now
        if lane is Lane.SYNC and ledger.person_until > now:
            return False, ledger.person_until - now
        limit = ledger.limit or UNKNOWN_LIMIT
        reserve = 0 if lane is Lane.PEOPLE else max(1, limit // 10) if limit > 1 else 0
        if self._used(ledger, now) < limit - reserve:
            return None
        return False, max(_SHORTEST, self._next_free(ledger, now) - now)

    def _see_others(self, ledger: Ledger, count: int, now: float, until: float) -> None:
        """At least so many were others': our slots outlive what the server counts, and some of them
        may not have reached it yet. So a lower number says nothing while a higher one is believed.
        """
        if count >= ledger.others or ledger.others_until <= now:
            ledger.others, ledger.others_until = max(0, count), until

    def _used(self, ledger: Ledger, now: float) -> int:
        return _ours(ledger, now) + (ledger.others if ledger.others_until > now else 0)

    def _next_free(self, ledger: Ledger, now: float) -> float:
        ends = [end for end in ledger.slots.values() if now < end <= now + self._window]
        if ledger.others and ledger.others_until > now:
            ends.append(ledger.others_until)
        return min(ends, default=now + _STEP)  # all are under way: look again soon


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Ledger).decode


def _ours(ledger: Ledger, now: float) -> int:
    return sum(1 for end in ledger.slots.values() if end > now)


def _read(raw: bytes | None) -> Ledger:
    if raw is None:
        return Ledger()
    try:
        return _DECODE(raw)
    except msgspec.MsgspecError:
        return Ledger()  # written by another version of us


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
