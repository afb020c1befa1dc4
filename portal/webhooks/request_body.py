"""Reads a delivery's body, with a length or in chunks, and never more than a limit."""

from __future__ import annotations

from django.http import HttpRequest, UnreadablePostError


class LengthRequired(Exception):
    """The body has no length, and the server does not say where it ends."""


class BodyTooLarge(Exception):
    pass


class BodyUnreadable(Exception):
    """The body ended early, or its chunks are malformed."""


def read_body(request: HttpRequest, max_bytes: int) -> bytes:
    """Raises LengthRequired, BodyTooLarge or BodyUnreadable."""
    if not _is_chunked(request):
        if _get_content_length(request) > max_bytes:
            raise BodyTooLarge
        try:
            return request.body
        except UnreadablePostError as error:
            raise BodyUnreadable from error
    # Without a length, Django takes a body to be empty. Only a server that decodes chunks and ends
    # the stream after them can be read to the end.
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequired
    body = _read_stream(request.META["wsgi.input"], max_bytes)
    if not body and not request.META.get("HTTP_TRANSFER_ENCODING"):
        raise LengthRequired
    return body


def _is_chunked(request: HttpRequest) -> bool:
    has_length = bool(request.META.get("CONTENT_LENGTH"))
    return not has_length or "HTTP_TRANSFER_ENCODING" in request.META


def _get_content_length(request: HttpRequest) -> int:
    digits = request.META.get("CONTENT_LENGTH") or ""
    return int(digits[:20]) if digits.isascii() and digits.isdigit() else 0


def _read_stream(stream: object, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            piece = stream.read(max_bytes + 1 - size)  # type: ignore[attr-defined]
        except Exception as error:  # each server has errors of its own
            raise BodyUnreadable from error
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge
