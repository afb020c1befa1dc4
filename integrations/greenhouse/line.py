"""The line to one of Greenhouse's addresses: within the budget, logged, repeated where harmless."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from integrations.ats.errors import (
    AtsDown,
    AtsError,
    Evidence,
    OutcomeUnknown,
    RateLimited,
    UnreadableAnswer,
)
from integrations.ats.wiring import Call, Wiring
from integrations.greenhouse.refusals import Refusal, read_refusal, refused_by_a_page
from integrations.http.budget import Budget
from integrations.http.client import Answer, AnswerLost, Http, NotSent, TooLarge
from integrations.http.redact import redact
from integrations.http.retry import TRIES, how_long, told_wait

T = TypeVar("T")

_LEAST_FOR_WRITES = 5.0

Explain = Callable[[Answer, Refusal, Evidence], AtsError]


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is ready to be sent. `writes`: it may change something."""

    method: str
    url: str
    template: str
    headers: Mapping[str, str]
    content: bytes | None = None
    writes: bool = False


class Line:
    """Sends requests to one address. `window` is the length of its rate window in seconds."""

    def __init__(
        self, wiring: Wiring, http: Http, *, key: str, window: float, secrets: Iterable[str]
    ) -> None:
        self._wiring, self._http, self._window = wiring, http, window
        self._secrets = tuple(secrets)
        self._budget = Budget(wiring.state, key, window, now=wiring.now, sleep=wiring.sleep)

    def repeat(self, once: Callable[[int], T], *, until: float) -> T:
        """Call `once(tries)` until it succeeds, while that is harmless and in time.

        Harmless: AtsDown (reads, and writes that did not arrive) and RateLimited (not done).
        After a 429 the budget does the waiting.
        """
        for tries in range(1, TRIES + 1):
            try:
                return once(tries - 1)
            except (AtsDown, RateLimited) as error:
                wait = how_long(tries) if isinstance(error, AtsDown) else 0.0
                ready = self._wiring.now() + wait
                if isinstance(error, RateLimited):
                    ready = max(ready, error.until.timestamp())
                if tries == TRIES or ready > until:
                    raise
                if wait:
                    self._wiring.sleep(wait)
        raise AssertionError  # pragma: no cover  # the last try returned or raised

    def once(self, request: Outgoing, *, until: float, retries: int, explain: Explain) -> Answer:
        """Send once, within the budget, and log it. Gives a 2xx answer or raises an AtsError."""
        slot = self._budget.take(self._wiring.lane, until=until)
        started = time.perf_counter()
        answer: Answer | None = None
        error: AtsError | None = None
        try:
            answer = self._http.send(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                patience=self._patience(request, until),
            )
        except NotSent as lost:
            self._budget.give_back(slot)
            error = AtsDown(evidence=self._evidence(request, None, f"not connected: {lost}"))
        except (AnswerLost, TooLarge) as lost:
            self._budget.settle(slot, None, {})
            error = self._lost(request, lost)
        else:
            self._budget.settle(slot, answer.status, answer.headers)
            error = self._judge(request, answer, explain)
        self._log(request, answer, error, retries, time.perf_counter() - started)
        if error is not None:
            raise error
        assert answer is not None  # noqa: S101  # for the type checker: no error, so an answer
        return answer

    def _patience(self, request: Outgoing, until: float) -> float:
        """Seconds to wait for the answer. A write gets some even late: giving up loses it."""
        return max(_LEAST_FOR_WRITES if request.writes else 0.0, until - self._wiring.now())

    def _lost(self, request: Outgoing, lost: Exception) -> AtsError:
        evidence = self._evidence(request, None, f"answer lost: {lost}")
        if request.writes:
            return OutcomeUnknown(evidence=evidence)
        kind = UnreadableAnswer if isinstance(lost, TooLarge) else AtsDown
        return kind(evidence=evidence)

    def _judge(self, request: Outgoing, answer: Answer, explain: Explain) -> AtsError | None:
        if answer.ok:
            return self._unreadable(request, answer)
        refusal = read_refusal(answer, self._secrets)
        evidence = self._evidence(request, answer, refusal.message)
        if answer.status == 429:
            return self._too_fast(answer, evidence)
        if answer.status >= 500 or answer.status < 400 or answer.status == 408:
            if request.writes:
                return OutcomeUnknown(evidence=evidence)
            return (UnreadableAnswer if answer.status < 400 else AtsDown)(evidence=evidence)
        if not refusal.is_json and answer.status not in (401, 403):
            return refused_by_a_page(evidence)
        return explain(answer, refusal, evidence)

    def _unreadable(self, request: Outgoing, answer: Answer) -> AtsError | None:
        body = answer.body.lstrip()
        if body[:1] in (b"[", b"{") or (request.writes and not body):
            return None
        evidence = self._evidence(request, answer, answer.body[:400].decode("utf-8", "replace"))
        return (OutcomeUnknown if request.writes else UnreadableAnswer)(evidence=evidence)

    def _too_fast(self, answer: Answer, evidence: Evidence) -> RateLimited:
        now = self._wiring.now()
        told = told_wait(
            answer.headers.get("retry-after"), answer.headers.get("x-ratelimit-reset"), now=now
        )
        until = now + (self._window if told is None else told)
        return RateLimited(datetime.fromtimestamp(until, UTC), evidence=evidence)

    def _evidence(self, request: Outgoing, answer: Answer | None, message: str) -> Evidence:
        return Evidence(
            method=request.method,
            path=request.template,
            status=answer.status if answer else None,
            message=redact(message, self._secrets),
            at=self._at(),
            request_id=_request_id(answer),
        )

    def _log(
        self,
        request: Outgoing,
        answer: Answer | None,
        error: AtsError | None,
        retries: int,
        seconds: float,
    ) -> None:
        remaining = answer.headers.get("x-ratelimit-remaining", "") if answer else ""
        self._wiring.log(
            Call(
                method=request.method,
                path=request.template,
                status=answer.status if answer else None,
                seconds=round(seconds, 4),
                retries=retries,
                lane=self._wiring.lane.value,
                remaining=int(remaining) if remaining.isdigit() else None,
                request_id=_request_id(answer),
                error=type(error).__name__ if error else "",
                at=self._at(),
            )
        )

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self._wiring.now(), UTC)


def _request_id(answer: Answer | None) -> str | None:
    given = answer.headers.get("x-request-id") if answer else None
    return given[:64] if given and given.isascii() and given.isprintable() else None
