"""A request and an answer, and the words for errors of both dialects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """Give JSON bytes."""
    return ENCODER.encode(value)


@dataclass
class Request:
    """What came in. ``headers`` have lower-case names."""

    method: str
    path: str
    query_text: str
    headers: dict[str, str]
    body: bytes
    base_url: str
    peer: str = "127.0.0.1"
    query: dict[str, str] = field(init=False)
    credential: str = ""
    acting_user: int | None = None
    request_id: str = ""

    def __post_init__(self) -> None:
        pairs = parse_qsl(self.query_text, keep_blank_values=True)
        # ``ids[]=1&ids[]=2`` is Rails' other spelling of ``ids=1,2``.
        self.query = {}
        for name, value in pairs:
            if name.endswith("[]") and name[:-2] in self.query:
                self.query[name[:-2]] += f",{value}"
            else:
                self.query[name.removesuffix("[]")] = value

    def json(self) -> dict[str, Any]:
        """Give the body as an object. Without a JSON content type there is none, as in Rails.

        Raises :class:`Answer` 400 when the JSON does not parse (text inferred).
        """
        if not self.body or "json" not in self.headers.get("content-type", ""):
            return {}
        try:
            value = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            raise Answer(
                400, {"message": "There was a problem in the JSON you submitted"}
            ) from None
        return value if isinstance(value, dict) else {}


@dataclass
class Response:
    """What goes out."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Answer(Exception):
    """Ends the work at any depth with this answer. ``body`` None is an empty one."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.response = Response(
            status,
            b"" if body is None else encode(body),
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


def ok(value: Any) -> Response:
    """Give a 200 with JSON."""
    return Response(200, value if isinstance(value, bytes) else encode(value))


HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Something went wrong</title></head>"
    b"<body><h1>Something went wrong</h1><p>We have been notified.</p></body></html>"
)


def html(status: int, page: bytes = HTML_PAGE) -> Response:
    """Give an HTML page, as a proxy in front of the API would."""
    return Response(status, page, content_type="text/html; charset=utf-8")


NOT_FOUND = {"message": "Resource not found"}
"""Seen in both dialects for a record and for a route that does not exist."""


def not_found() -> Answer:
    """Give the 404 of both dialects."""
    return Answer(404, NOT_FOUND)
