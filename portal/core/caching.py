"""What a reader's own pages are kept by: nobody."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class Private:
    """Middleware: an answer that may depend on who reads is kept by no cache, not the browser's.

    Unless its view says otherwise. Stands outside of the session's middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        session = getattr(request, "session", None)
        if session is not None and session.accessed and "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"
        return response
