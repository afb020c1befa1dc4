"""Run permission probes concurrently and classify their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import UTC, datetime

import msgspec

from integrations.ats.errors import (
    AtsError,
    BadCredential,
    Conflict,
    Evidence,
    InvalidValues,
    MissingPermission,
    NotFound,
)
from integrations.ats.permissions import ProbeOutcome, ProbeResult
from integrations.greenhouse.transport.request import HarvestRequest

MAX_CONCURRENT_PROBES = 6


class ProbeFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one probe request, which may cover several permissions."""

    outcome: ProbeOutcome
    evidence: Evidence | None
    sentence: str = ""
    cause: str = ""

    def to_probe_result(self, permission: str) -> ProbeResult:
        return ProbeResult(
            permission=permission,
            outcome=self.outcome,
            evidence=self.evidence,
            sentence=self.sentence,
            cause=self.cause,
        )


def run_probes(
    requests: Sequence[HarvestRequest], probe: Callable[[HarvestRequest], ProbeFinding]
) -> Iterator[tuple[HarvestRequest, ProbeFinding]]:
    """Probe concurrently until the credential itself is rejected; yields findings as they come."""
    pool = ThreadPoolExecutor(max_workers=MAX_CONCURRENT_PROBES, thread_name_prefix="probe")
    fatal_findings: list[ProbeFinding] = []

    def run_probe(request: HarvestRequest) -> ProbeFinding:
        finding = fatal_findings[0] if fatal_findings else probe(request)
        if finding.cause == BadCredential.__name__:
            fatal_findings.append(finding)
        return finding

    try:
        requests_by_future: dict[Future[ProbeFinding], HarvestRequest] = {
            pool.submit(run_probe, request): request for request in requests
        }
        for future in as_completed(requests_by_future):
            yield requests_by_future[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def build_granted_finding(
    request: HarvestRequest, status: int, now: float, message: str = ""
) -> ProbeFinding:
    evidence = Evidence(
        method=request.method,
        path=request.template,
        status=status,
        message=message,
        at=datetime.fromtimestamp(now, UTC),
    )
    return ProbeFinding(outcome=ProbeOutcome.GRANTED, evidence=evidence)


def raise_if_paused(error: AtsError) -> None:
    """Raise errors that say nothing about a permission, only when to ask again."""
    if error.retry_at:
        raise error


def classify_error(error: AtsError) -> ProbeFinding:
    raise_if_paused(error)
    # Inferred: Greenhouse checks permissions before existence and values.
    if isinstance(error, NotFound | InvalidValues | Conflict):
        return ProbeFinding(outcome=ProbeOutcome.GRANTED, evidence=error.evidence)
    if isinstance(error, MissingPermission):
        return ProbeFinding(
            outcome=ProbeOutcome.MISSING,
            evidence=error.evidence,
            sentence=error.sentence,
            cause=type(error).__name__,
        )
    return build_unclear_finding(error)


def build_unclear_finding(error: AtsError) -> ProbeFinding:
    raise_if_paused(error)
    return ProbeFinding(
        outcome=ProbeOutcome.UNCLEAR,
        evidence=error.evidence,
        sentence=error.sentence,
        cause=type(error).__name__,
    )
