"""Replace what neither databases nor templates take, before a view sees a request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, UnreadablePostError
from django.http.request import QueryDict

# PostgreSQL stores neither NUL nor half of a surrogate pair. Replaced rather than removed: without
# them, a token or an address could become somebody else's.
_UNSAFE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def replace_unsafe_characters(text: str) -> str:
    return _UNSAFE.sub(_REPLACEMENT, text)


class TextSanitizerMiddleware:
    """Sanitizes path, query, form fields, cookies and headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for name, value in request.META.items():
            if isinstance(value, str) and (name.startswith("HTTP_") or name == "REMOTE_ADDR"):
                request.META[name] = replace_unsafe_characters(value)
        request.path = replace_unsafe_characters(request.path)
        request.path_info = replace_unsafe_characters(request.path_info)
        request.GET = _sanitize_query(request.GET)  # type: ignore[assignment]
        request.COOKIES = {
            replace_unsafe_characters(name): replace_unsafe_characters(value)
            for name, value in request.COOKIES.items()
        }
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        # Views exempt from CSRF checks read the raw body themselves.
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return None
        try:
            request.POST = _sanitize_query(request.POST)  # type: ignore[assignment]
        except (UnreadablePostError, LookupError, ValueError):
            return HttpResponseBadRequest(
                "The form could not be read.\n", content_type="text/plain"
            )
        return None


def _sanitize_query(query: QueryDict) -> QueryDict:
    if not any(_UNSAFE.search(text) for name, values in query.lists() for text in (name, *values)):
        return query
    sanitized = QueryDict(mutable=True)
    for name, values in query.lists():
        sanitized.setlist(
            replace_unsafe_characters(name), [replace_unsafe_characters(value) for value in values]
        )
    sanitized._mutable = False
    return sanitized
