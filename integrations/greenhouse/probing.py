"""Probes of both generations: a few at once, each result as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from integrations.ats.errors import (
    AtsError,
    BadCredential,
    Conflict,
    Evidence,
    Invalid,
    MissingPermission,
    NotFound,
)
from integrations.ats.permissions import Outcome, Probe
from integrations.greenhouse.ask import Ask

T = TypeVar("T")

AT_ONCE = 6


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one request told."""

    outcome: Outcome
    evidence: Evidence | None
    sentence: str = ""
    cause: str = ""

    def about(self, permission: str) -> Probe:
        """The same, for one permission."""
        return Probe(
            permission=permission,
            outcome=self.outcome,
            evidence=self.evidence,
            sentence=self.sentence,
            cause=self.cause,
        )


def each(asks: Sequence[Ask], probe: Callable[[Ask], Found]) -> Iterator[tuple[Ask, Found]]:
    """Probe all, a few at once, and give each as soon as it is known.

    After an answer that the credential itself is not accepted the rest is not asked any more.
    """
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="probe")
    dead: list[Found] = []

    def one(ask: Ask) -> Found:
        found = dead[0] if dead else probe(ask)
        if found.cause == BadCredential.__name__:
            dead.append(found)
        return found

    try:
        waiting: dict[Future[Found], Ask] = {pool.submit(one, ask): ask for ask in asks}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def granted(ask: Ask, status: int, now: float, message: str = "") -> Found:
    """Greenhouse answered as it does to one who may."""
    evidence = Evidence(
        method=ask.method,
        path=ask.template,
        status=status,
        message=message,
        at=datetime.fromtimestamp(now, UTC),
    )
    return Found(outcome=Outcome.GRANTED, evidence=evidence)


def judged(error: AtsError) -> Found:
    """What a refusal of a probe says about the permission.

    404, 409 and 422 come from behind the permission check, so the permission is granted; that
    Greenhouse checks permission before existence is inferred.
    """
    if isinstance(error, NotFound | Invalid | Conflict):
        return Found(outcome=Outcome.GRANTED, evidence=error.evidence)
    if isinstance(error, MissingPermission):
        return Found(
            outcome=Outcome.MISSING,
            evidence=error.evidence,
            sentence=error.sentence,
            cause=type(error).__name__,
        )
    return unclear(error)


def unclear(error: AtsError) -> Found:
    """It could not be told, and why."""
    return Found(
        outcome=Outcome.UNCLEAR,
        evidence=error.evidence,
        sentence=error.sentence,
        cause=type(error).__name__,
    )
