"""Fault injection: errors, delays and dropped connections for matching requests."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from integrations.greenhouse.sandbox.auth.permissions import normalize_permission_names
from integrations.greenhouse.sandbox.http_server.messages import (
    HTML_ERROR_PAGE,
    Request,
    Response,
    encode_json,
)

FaultKind = Literal[
    "latency",
    "status",
    "html",
    "drop_before",
    "drop_after",
    "truncated_json",
    "drip",
    "token_expired",
    "permission_removed",
]

HTTP_METHODS = ("", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_DEFAULT_BODIES: dict[int, dict[str, Any]] = {
    401: {"message": "Invalid Basic Auth credentials"},
    403: {"message": "This API Key does not have permission for this endpoint"},
    404: {"message": "Resource not found"},
    429: {"message": "Rate limit exceeded"},
}


@dataclass
class Fault:
    """A fault and the requests it applies to; empty criteria match everything.

    ``path`` and ``credential`` (v1 key or v3 client ID) are prefixes; ``regex`` matches anywhere in
    the path. ``times`` counts the remaining uses; None lasts until cleared.
    """

    kind: FaultKind
    path: str = ""
    regex: str = ""
    method: str = ""
    credential: str = ""
    account: str = ""
    times: int | None = 1
    latency_ms: int = 0
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    permissions: list[str] = field(default_factory=list)

    def matches_request(self, request: Request, credential: str) -> bool:
        return (
            self.times != 0
            and request.path.startswith(self.path)
            and (not self.regex or re.search(self.regex, request.path) is not None)
            and self.method in ("", request.method)
            and credential.startswith(self.credential)
            and self.account in ("", request.account)
        )

    def count_use(self) -> None:
        if self.times is not None:
            self.times -= 1

    def build_response(self, now: float) -> Response:
        if self.kind == "html":
            page = self.body.encode() if isinstance(self.body, str) else HTML_ERROR_PAGE
            return Response(self.status, page, dict(self.headers), "text/html; charset=utf-8")
        body = self.body
        if body is None:
            body = _DEFAULT_BODIES.get(self.status, {"message": "Internal Server Error"})
        text = body.encode() if isinstance(body, str) else encode_json(body)
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


class FaultInjector:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add_fault(
        self,
        path: str = "",
        *,
        kind: FaultKind | None = None,
        method: str = "",
        regex: str = "",
        credential: str = "",
        account: str = "",
        times: int | None = 1,
        latency_ms: int = 0,
        status: int | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        permissions: list[str] | None = None,
    ) -> Fault:
        """Add a fault, such as ``add_fault("/v3/jobs", status=429, retry_after=1, times=2)``.

        ``kind`` may be omitted if ``status``, ``permissions`` or ``latency_ms`` implies it. Raises
        ValueError for unknown kinds, methods and permissions.
        """
        kind = kind or _infer_kind(status, latency_ms, permissions)
        if kind not in get_args(FaultKind):
            raise ValueError(f"Unknown kind: {kind}. Known: {', '.join(get_args(FaultKind))}.")
        if method.upper() not in HTTP_METHODS:
            raise ValueError(f"Unknown method: {method}. Known: {', '.join(HTTP_METHODS[1:])}.")
        normalize_permission_names(permissions or ())
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
            account=account,
            times=times,
            latency_ms=latency_ms,
            status=status or (200 if kind == "html" else 500),
            body=body,
            headers=dict(headers or {}),
            retry_after=retry_after,
            permissions=list(permissions or []),
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear_faults(self, account: str = "") -> None:
        """Remove the faults that name this account, or all of them."""
        with self._lock:
            self._faults = [fault for fault in self._faults if account not in ("", fault.account)]

    def take_matching(self, request: Request, credential: str) -> list[Fault]:
        """Use and return the matching faults: every latency and the first of the others."""
        matched: list[Fault] = []
        with self._lock:
            for fault in list(self._faults):
                has_response_fault = any(other.kind != "latency" for other in matched)
                if fault.matches_request(request, credential) and (
                    fault.kind == "latency" or not has_response_fault
                ):
                    fault.count_use()
                    matched.append(fault)
            self._faults = [fault for fault in self._faults if fault.times != 0]
        return matched

    def to_dicts(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]


def _infer_kind(status: int | None, latency_ms: int, permissions: list[str] | None) -> FaultKind:
    if status is not None:
        return "status"
    if permissions:
        return "permission_removed"
    if latency_ms:
        return "latency"
    raise ValueError(f"Missing field: kind. Known values: {', '.join(get_args(FaultKind))}.")
