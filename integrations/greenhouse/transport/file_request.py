"""Reads a file that Greenhouse links to. Files are kept elsewhere, so neither credentials nor the
rate limit apply; deadline, bulkhead and request log do.
"""

from __future__ import annotations

import time

from integrations.ats.client_context import ApiCallRecord, ClientContext
from integrations.ats.errors import SLOW_SENTENCE, AtsError, AtsUnavailable, FileRefused
from integrations.http.client import HttpResponse, RequestNotSent, ResponseLost, ResponseTooLarge
from integrations.http.file_download import AddressRefused, FileDownloader

LOGGED_PATH = "/{file}"  # the address itself opens the file
RETRY_SECONDS = 2


def download_file(context: ClientContext, url: str, *, max_bytes: int) -> bytes:
    """Raises FileRefused or AtsUnavailable."""
    downloader = FileDownloader(max_bytes=max_bytes, trusted_url=context.api_url)
    started = time.perf_counter()
    response: HttpResponse | None = None
    error: AtsError | None = None
    with context.enter_bulkhead():
        try:
            max_seconds = context.get_deadline() - context.now()
            response = downloader.download_file(url, max_seconds=max_seconds)
        except (AddressRefused, ResponseTooLarge):
            error = FileRefused()
        except (RequestNotSent, ResponseLost):
            error = _build_unavailable(context)
        else:
            error = _map_status(context, response)
    _log_request(context, response, error, time.perf_counter() - started)
    if error is not None:
        raise error
    assert response is not None  # noqa: S101  # for the type checker
    return response.body


def _map_status(context: ClientContext, response: HttpResponse) -> AtsError | None:
    if response.ok:
        return None
    if response.status >= 500 or response.status in (408, 429):
        return _build_unavailable(context)
    return FileRefused()


def _build_unavailable(context: ClientContext) -> AtsUnavailable:
    retry_at = context.to_datetime(context.now() + RETRY_SECONDS)
    return AtsUnavailable(SLOW_SENTENCE, retry_at=retry_at)


def _log_request(
    context: ClientContext, response: HttpResponse | None, error: AtsError | None, seconds: float
) -> None:
    context.log_call(
        ApiCallRecord(
            method="GET",
            path=LOGGED_PATH,
            status=response.status if response else None,
            seconds=round(seconds, 4),
            retries=0,
            lane=context.lane.value,
            remaining=None,
            request_id=None,
            error=type(error).__name__ if error else "",
            at=context.to_datetime(context.now()),
        )
    )
