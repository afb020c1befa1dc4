"""Collects the bytes of one client until a whole HTTP request has arrived.

Only decides where a request ends; gunicorn parses the same bytes again and refuses malformed ones.
"""

from __future__ import annotations

import re

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024 + 64 * 1024  # the portal's own limit, and the framing of chunks

_HEADERS_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
_EXPECTS_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")


class RequestBuffer:
    def __init__(self) -> None:
        self.data = bytearray()
        self._reset()

    def _reset(self) -> None:
        self._searched = 0
        self._body_start: int | None = None
        self._end: int | None = None
        self._next_chunk: int | None = None  # where the size line of the next chunk starts
        self.expects_continue = False

    def take_request(self) -> bytes | None:
        """Remove and return the first request, or None while it is incomplete. A request that is
        too large, or makes no sense, is returned as far as it has arrived.
        """
        end = self._find_end()
        if end is None:
            return None
        request = bytes(self.data[:end])
        del self.data[:end]
        self._reset()
        return request

    def _find_end(self) -> int | None:
        if self._body_start is None:
            headers_end = self.data.find(_HEADERS_END, max(0, self._searched - 3))
            self._searched = len(self.data)
            if headers_end < 0:
                return self._searched if self._searched > MAX_HEADER_BYTES else None
            self._body_start = headers_end + len(_HEADERS_END)
            self._read_headers(bytes(self.data[: self._body_start]))
        if self._next_chunk is not None:
            return self._find_end_of_chunks(self._next_chunk, self._body_start)
        return self._end if self._end is not None and self._end <= len(self.data) else None

    def _read_headers(self, headers: bytes) -> None:
        assert self._body_start is not None  # noqa: S101  # for the type checker
        length = _CONTENT_LENGTH.search(headers)
        if _CHUNKED.search(headers):
            self._next_chunk = self._body_start
        else:
            body_length = int(length[1]) if length else 0
            # A body over the limit is left unread: the portal refuses it by its length.
            is_too_large = body_length > MAX_BODY_BYTES
            self._end = self._body_start + (0 if is_too_large else body_length)
        self.expects_continue = bool(_EXPECTS_CONTINUE.search(headers))

    def _find_end_of_chunks(self, position: int, body_start: int) -> int | None:
        while True:
            line_end = self.data.find(b"\r\n", position)
            if line_end < 0:
                break
            size = _CHUNK_SIZE.match(self.data, position)
            if size is None:
                return len(self.data)
            if int(size[0], 16) == 0:
                trailers_end = self.data.find(_HEADERS_END, line_end)
                if trailers_end >= 0:
                    return trailers_end + len(_HEADERS_END)
                break
            position = line_end + 2 + int(size[0], 16) + 2
            if position - body_start > MAX_BODY_BYTES:
                return len(self.data)
        self._next_chunk = position
        return len(self.data) if len(self.data) - body_start > MAX_BODY_BYTES else None
