"""Rate-limited, logged HTTP sending to one Greenhouse host, with retries where they are safe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from integrations.ats.client_context import ApiCallRecord, ClientContext
from integrations.ats.errors import (
    SLOW_SENTENCE,
    AtsError,
    AtsUnavailable,
    Evidence,
    OutcomeUnknown,
    RateLimited,
    UnreadableResponse,
)
from integrations.greenhouse.transport.error_body import (
    ErrorBody,
    build_html_page_error,
    parse_error_body,
)
from integrations.http.backoff import (
    MAX_ATTEMPTS,
    MAX_RETRY_AFTER,
    compute_backoff,
    parse_header_number,
    parse_retry_after,
)
from integrations.http.circuit_breaker import Outcome
from integrations.http.client import (
    HttpClient,
    HttpResponse,
    RequestNotSent,
    ResponseLost,
    ResponseTooLarge,
)
from integrations.http.rate_limiter import SharedRateLimiter, Slot, build_rate_limited
from integrations.http.redaction import redact_text

T = TypeVar("T")

logger = logging.getLogger(__name__)

_MIN_WRITE_TIMEOUT = 5.0
MAX_CALL_SECONDS = 60.0  # for one request and its whole response, however slowly it comes

ErrorMapper = Callable[[HttpResponse, ErrorBody, Evidence], AtsError]


class OutgoingRequest(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    url: str
    template: str
    headers: Mapping[str, str]
    content: bytes | None = None
    is_write: bool = False


class RequestSender:
    """Sends requests to one host. `window` is the host's rate limit window in seconds."""

    def __init__(
        self,
        context: ClientContext,
        http: HttpClient,
        *,
        key: str,
        window: float,
        secrets: Iterable[str],
    ) -> None:
        self._context, self._http_client, self._window = context, http, window
        self._secrets = tuple(secrets)
        self._rate_limiter = SharedRateLimiter(context, key, window)

    def retry_request(self, send: Callable[[int], T], *, until: float) -> T:
        """Call `send(retries)`, retrying only what had no effect. `until` is an epoch second."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return send(attempt - 1)
            except (AtsUnavailable, RateLimited) as error:
                # Writes raise AtsUnavailable only if they never arrived.
                wait = self._compute_wait(error, attempt)
                is_too_long = self._context.now() + wait > until or not self._context.may_wait(wait)
                if attempt == MAX_ATTEMPTS or is_too_long:
                    raise
                if isinstance(error, AtsUnavailable):  # else the rate limiter waits
                    self._context.wait(wait)
        raise AssertionError  # pragma: no cover  # the last attempt returned or raised

    def _compute_wait(self, error: AtsUnavailable | RateLimited, attempt: int) -> float:
        if error.retry_at is not None:
            return max(0.0, error.retry_at.timestamp() - self._context.now())
        return compute_backoff(attempt)

    def send_once(
        self, request: OutgoingRequest, *, until: float, retries: int, map_error: ErrorMapper
    ) -> HttpResponse:
        """Wait for a rate limiter slot, send, and log the call. Raises AtsError unless 2xx."""
        with self._context.enter_bulkhead():
            return self._send_admitted(request, until, retries, map_error)

    def _send_admitted(
        self, request: OutgoingRequest, until: float, retries: int, map_error: ErrorMapper
    ) -> HttpResponse:
        if self._context.now() >= self._context.ends_at:
            retry_at = self._context.to_datetime(self._context.now() + 1)
            raise AtsUnavailable(SLOW_SENTENCE, retry_at=retry_at)
        slot = self._rate_limiter.acquire_slot(self._context.lane, until=until)
        started = time.perf_counter()
        response: HttpResponse | None = None
        error: AtsError | None = None
        try:
            response = self._http_client.send(
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                max_total=self._compute_timeout(request, until, slot),
            )
        except RequestNotSent as exc:
            pause = self._rate_limiter.release_slot(slot)
            error = AtsUnavailable(
                evidence=self._build_evidence(request, None, f"not connected: {exc}")
            )
        except (ResponseLost, ResponseTooLarge) as exc:
            is_lost = isinstance(exc, ResponseLost)
            outcome = Outcome.FAILED if is_lost else Outcome.ANSWERED
            pause = self._rate_limiter.record_response(slot, None, {}, outcome)
            error = self._map_lost_response(request, exc)
        else:
            outcome = self._rate_outcome(response, time.perf_counter() - started, retries)
            pause = self._rate_limiter.record_response(
                slot, response.status, response.headers, outcome
            )
            error = self._map_response(request, response, map_error)
        if isinstance(error, AtsUnavailable) and pause is not None:
            error.retry_at = pause.until
        self._log_request(request, response, error, retries, time.perf_counter() - started)
        if error is not None:
            raise error
        assert response is not None  # noqa: S101  # for the type checker
        return response

    def _rate_outcome(self, response: HttpResponse, seconds: float, retries: int) -> Outcome:
        if seconds > self._context.breaker.slow_seconds:
            return Outcome.FAILED
        if response.status < 500 and response.status != 408:
            return Outcome.ANSWERED
        return Outcome.FAILED_AGAIN if retries else Outcome.FAILED

    def _compute_timeout(self, request: OutgoingRequest, until: float, slot: Slot) -> float:
        # Past the deadline a write still gets a few seconds: giving up would lose its outcome.
        seconds = max(_MIN_WRITE_TIMEOUT if request.is_write else 0.0, until - self._context.now())
        # A slower probe counts as failed anyway, and must not hold its caller.
        is_read_probe = slot.is_probe and not request.is_write
        longest = self._context.breaker.slow_seconds if is_read_probe else MAX_CALL_SECONDS
        return min(seconds, longest, MAX_CALL_SECONDS)

    def _map_lost_response(self, request: OutgoingRequest, exc: Exception) -> AtsError:
        evidence = self._build_evidence(request, None, f"answer lost: {exc}")
        if request.is_write:
            return OutcomeUnknown(evidence=evidence)
        error_class = UnreadableResponse if isinstance(exc, ResponseTooLarge) else AtsUnavailable
        return error_class(evidence=evidence)

    def _map_response(
        self, request: OutgoingRequest, response: HttpResponse, map_error: ErrorMapper
    ) -> AtsError | None:
        if response.ok:
            return self._check_readable(request, response)
        error_body = parse_error_body(response, self._secrets)
        evidence = self._build_evidence(request, response, error_body.message)
        if response.status == 429:
            return self._build_rate_limited(response, evidence)
        if response.status >= 500 or response.status < 400 or response.status == 408:
            if request.is_write:
                return OutcomeUnknown(evidence=evidence)
            return (UnreadableResponse if response.status < 400 else AtsUnavailable)(
                evidence=evidence
            )
        if not error_body.is_json and response.status not in (401, 403):
            return build_html_page_error(evidence)
        return map_error(response, error_body, evidence)

    def _check_readable(self, request: OutgoingRequest, response: HttpResponse) -> AtsError | None:
        body = response.body.lstrip()
        if body[:1] in (b"[", b"{") or (request.is_write and not body):
            return None
        evidence = self._build_evidence(
            request, response, response.body[:400].decode("utf-8", "replace")
        )
        return (OutcomeUnknown if request.is_write else UnreadableResponse)(evidence=evidence)

    def _build_rate_limited(self, response: HttpResponse, evidence: Evidence) -> RateLimited:
        now = self._context.now()
        retry_after = parse_retry_after(
            response.headers.get("retry-after"), response.headers.get("x-ratelimit-reset"), now=now
        )
        seconds = self._window if retry_after is None else retry_after
        if seconds <= MAX_RETRY_AFTER:
            return build_rate_limited(self._context, now + seconds, evidence=evidence)
        logger.warning(
            "Greenhouse asks to wait %d s (%s); we ask again after %d s",
            seconds,
            self._context.connection_key,
            MAX_RETRY_AFTER,
        )
        return build_rate_limited(
            self._context, now + MAX_RETRY_AFTER, now + seconds, evidence=evidence
        )

    def _build_evidence(
        self, request: OutgoingRequest, response: HttpResponse | None, message: str
    ) -> Evidence:
        return Evidence(
            method=request.method,
            path=request.template,
            status=response.status if response else None,
            message=redact_text(message, self._secrets),
            at=self._get_time(),
            request_id=_get_request_id(response),
        )

    def _log_request(
        self,
        request: OutgoingRequest,
        response: HttpResponse | None,
        error: AtsError | None,
        retries: int,
        seconds: float,
    ) -> None:
        remaining = response.headers.get("x-ratelimit-remaining") if response else None
        self._context.log_call(
            ApiCallRecord(
                method=request.method,
                path=request.template,
                status=response.status if response else None,
                seconds=round(seconds, 4),
                retries=retries,
                lane=self._context.lane.value,
                remaining=parse_header_number(remaining),
                request_id=_get_request_id(response),
                error=type(error).__name__ if error else "",
                at=self._get_time(),
            )
        )

    def _get_time(self) -> datetime:
        return datetime.fromtimestamp(self._context.now(), UTC)


def _get_request_id(response: HttpResponse | None) -> str | None:
    request_id = response.headers.get("x-request-id") if response else None
    return (
        request_id[:64]
        if request_id and request_id.isascii() and request_id.isprintable()
        else None
    )
