"""Requests, responses, and the errors that both API versions share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

JSON_ENCODER = msgspec.json.Encoder()


def encode_json(value: Any) -> bytes:
    return JSON_ENCODER.encode(value)


@dataclass
class Request:
    """An HTTP request; header names are lower case."""

    method: str
    path: str
    query_text: str
    headers: dict[str, str]
    body: bytes
    base_url: str
    peer: str = "127.0.0.1"
    query: dict[str, str] = field(init=False)
    credential: str = ""
    account: str = ""
    acting_user: int | None = None
    request_id: str = ""

    def __post_init__(self) -> None:
        pairs = parse_qsl(self.query_text, keep_blank_values=True)
        # ``ids[]=1&ids[]=2`` is Rails' alternative to ``ids=1,2``.
        self.query = {}
        for name, value in pairs:
            if name.endswith("[]") and name[:-2] in self.query:
                self.query[name[:-2]] += f",{value}"
            else:
                self.query[name.removesuffix("[]")] = value

    def parse_json(self) -> dict[str, Any]:
        """Parse the body as an object; without a JSON content type it is empty, as in Rails.

        Raises HttpError 400 for malformed JSON (text inferred).
        """
        if not self.body or "json" not in self.headers.get("content-type", ""):
            return {}
        try:
            value = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            raise HttpError(
                400, {"message": "There was a problem in the JSON you submitted"}
            ) from None
        return value if isinstance(value, dict) else {}


@dataclass
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    seconds_per_byte: float = 0.0


class HttpError(Exception):
    """Ends request handling at any depth with this response; ``body`` None is empty."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.response = Response(
            status,
            b"" if body is None else encode_json(body),
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


def json_response(value: Any) -> Response:
    return Response(200, value if isinstance(value, bytes) else encode_json(value))


HTML_ERROR_PAGE = (
    b"<!DOCTYPE html><html><head><title>Something went wrong</title></head>"
    b"<body><h1>Something went wrong</h1><p>We have been notified.</p></body></html>"
)


def html_response(status: int, page: bytes = HTML_ERROR_PAGE) -> Response:
    """Return an HTML page, as a proxy in front of the API would."""
    return Response(status, page, content_type="text/html; charset=utf-8")


# Observed in both versions, for records and for routes that do not exist.
NOT_FOUND_BODY = {"message": "Resource not found"}


def not_found_error() -> HttpError:
    return HttpError(404, NOT_FOUND_BODY)
