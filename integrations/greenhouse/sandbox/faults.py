"""Faults on demand: what can go wrong on the way, switched on for the requests it matches."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from .http import HTML_PAGE, Request, Response, encode
from .permissions import check_names

Kind = Literal[
    "latency",
    "status",
    "html",
    "drop_before",
    "drop_after",
    "truncated_json",
    "token_expired",
    "permission_removed",
]

METHODS = ("", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_BODIES: dict[int, dict[str, Any]] = {
    401: {"message": "Invalid Basic Auth credentials"},
    403: {"message": "This API Key does not have permission for this endpoint"},
    404: {"message": "Resource not found"},
    429: {"message": "Rate limit exceeded"},
}


@dataclass
class Fault:
    """One fault and what it matches.

    path: the start of the path; regex: searched in the path; method; credential: the v1 key or
    v3 client id (or the start of it). What is left out matches everything.
    times: how many requests it meets; None is until it is cleared.
    latency_ms (latency), status, body, headers, retry_after (status, html), permissions
    (permission_removed) say what happens.
    """

    kind: Kind
    path: str = ""
    regex: str = ""
    method: str = ""
    credential: str = ""
    times: int | None = 1
    latency_ms: int = 0
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    permissions: list[str] = field(default_factory=list)

    def matches(self, request: Request, credential: str) -> bool:
        """Say whether this fault is meant for this request."""
        return (
            self.times != 0
            and request.path.startswith(self.path)
            and (not self.regex or re.search(self.regex, request.path) is not None)
            and self.method in ("", request.method)
            and credential.startswith(self.credential)
        )

    def spend(self) -> None:
        """Count one meeting."""
        if self.times is not None:
            self.times -= 1

    def response(self, now: float) -> Response:
        """Give the answer of a ``status`` or ``html`` fault."""
        if self.kind == "html":
            page = self.body.encode() if isinstance(self.body, str) else HTML_PAGE
            return Response(self.status, page, dict(self.headers), "text/html; charset=utf-8")
        body = self.body
        if body is None:
            body = _BODIES.get(self.status, {"message": "Internal Server Error"})
        text = body.encode() if isinstance(body, str) else encode(body)
        return Response(self.status, text, self._rate_headers(now) | self.headers)

    def _rate_headers(self, now: float) -> dict[str, str]:
        if self.retry_after is None:
            return {}
        return {
            "Retry-After": str(self.retry_after),
            "X-RateLimit-Limit": "50",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(int(now) + self.retry_after),
        }


class Faults:
    """The faults of a sandbox, in the order they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(
        self,
        path: str = "",
        *,
        kind: Kind | None = None,
        method: str = "",
        regex: str = "",
        credential: str = "",
        times: int | None = 1,
        latency_ms: int = 0,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        permissions: list[str] | None = None,
    ) -> Fault:
        """Add a fault, such as ``add("/v3/jobs", status=429, retry_after=1, times=2)``.

        ``kind`` may be left out where ``status``, ``latency_ms`` or ``permissions`` tells it.
        """
        kind = kind or _kind(status, latency_ms, permissions)
        if kind not in get_args(Kind):
            raise ValueError(f"Unknown kind: {kind}. Known: {', '.join(get_args(Kind))}.")
        if method.upper() not in METHODS:
            raise ValueError(f"Unknown method: {method}. Known: {', '.join(METHODS[1:])}.")
        check_names(permissions or ())
        try:
            re.compile(regex)
        except re.error as error:
            raise ValueError(f"Not a regular expression: {error}.") from None
        fault = Fault(
            kind=kind,
            path=path,
            regex=regex,
            method=method.upper(),
            credential=credential,
            times=times,
            latency_ms=latency_ms,
            status=status or (200 if kind == "html" else 500),
            body=body,
            headers=dict(headers or {}),
            retry_after=retry_after,
            permissions=list(permissions or []),
        )
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def meet(self, request: Request, credential: str) -> list[Fault]:
        """Give the faults a request meets: every latency, and the first of the others."""
        met: list[Fault] = []
        with self._lock:
            for fault in list(self._faults):
                taken = any(other.kind != "latency" for other in met)
                if fault.matches(request, credential) and (fault.kind == "latency" or not taken):
                    fault.spend()
                    met.append(fault)
            self._faults = [fault for fault in self._faults if fault.times != 0]
        return met

    def plain(self) -> list[dict[str, Any]]:
        """Give all as plain data."""
        return [asdict(fault) for fault in self._faults]


def _kind(status: int | None, latency_ms: int, permissions: list[str] | None) -> Kind:
    if status is not None:
        return "status"
    if permissions:
        return "permission_removed"
    if latency_ms:
        return "latency"
    raise ValueError(f"Missing field: kind. Known values: {', '.join(get_args(Kind))}.")
