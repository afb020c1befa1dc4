"""What a browser session caused to be sent, for the page that shows what became of it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal.notifications.models import OutgoingEmail

_SESSION_KEY = "recent_emails"
_MAX_EMAILS = 5
_SHOWN_FOR = timedelta(days=1)

_stored_ids: ContextVar[list[int] | None] = ContextVar("stored_emails", default=None)


def remember_email(email: OutgoingEmail) -> None:
    stored = _stored_ids.get()
    if stored is not None:
        stored.append(email.pk)


class RecentEmailsMiddleware:
    """Must come after SessionMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        stored: list[int] = []
        token = _stored_ids.set(stored)
        try:
            response = self.get_response(request)
        finally:
            _stored_ids.reset(token)
        if stored:
            ids = [*request.session.get(_SESSION_KEY, []), *stored]
            request.session[_SESSION_KEY] = ids[-_MAX_EMAILS:]
        return response


def list_recent_emails(request: HttpRequest) -> list[OutgoingEmail]:
    ids = request.session.get(_SESSION_KEY, [])
    since = timezone.now() - _SHOWN_FOR
    return list(OutgoingEmail.objects.filter(pk__in=ids, created_at__gte=since).order_by("-pk"))
